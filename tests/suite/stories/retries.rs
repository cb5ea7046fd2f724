//! Attempts that break off, messages that come twice, work that outlasts its
//! worker: same rows, same history, same counts.

use std::sync::Arc;
use std::time::Duration;

use cloud_sync_core::error::{ErrorClass, VendorError};
use cloud_sync_core::lease::LeaseRequest;
use cloud_sync_core::message::{Mode, WorkMessage};
use cloud_sync_core::task::TaskStatus;
use cloud_sync_runtime::clock::Clock;
use cloud_sync_runtime::store::Acquisition;
use cloud_sync_runtime::store::memory::MemoryStore;
use cloud_sync_tests::failing::{FailingStore, Operation};
use cloud_sync_tests::vendor::{Call, Fault, error, machine};
use cloud_sync_tests::world::{World, receive, scope};
use jiff::SignedDuration;
use region_sync::Action;

#[tokio::test(start_paused = true)]
async fn a_message_delivered_again_changes_nothing() {
    let world = World::new(&["r1"]).await;
    world.vendor.fill("r1", "i", 15);
    let task = world.start(Mode::Full).await;
    let delivery = receive(&world.work, Duration::ZERO).await.unwrap();
    let message: WorkMessage = serde_json::from_str(&delivery.body).unwrap();
    assert_eq!(world.handle(message.clone(), 1).await, Action::Done);
    let once = world.store.region_results(&task.task_id).await.unwrap();
    world.vendor.change("r1", "i-001", |machine| machine.name = "renamed".into());
    assert_eq!(world.handle(message, 2).await, Action::Done);
    let twice = world.store.region_results(&task.task_id).await.unwrap();
    assert_eq!(once, twice);
    assert_eq!(world.history("r1", "i-001").await.len(), 1, "an ended region is not synced again");
}

#[tokio::test(start_paused = true)]
async fn a_scope_that_another_worker_holds_is_left_alone() {
    let world = World::new(&["r1"]).await;
    world.vendor.fill("r1", "i", 5);
    world.start(Mode::Full).await;
    let now = world.clock.now();
    let request = LeaseRequest {
        owner: "another".into(),
        task_id: "another".into(),
        now,
        expires_at: now + SignedDuration::from_mins(10),
    };
    let held = world.store.acquire(&scope("r1"), &request).await.unwrap();
    assert!(matches!(held, Acquisition::Acquired { .. }));
    let delivery = receive(&world.work, Duration::ZERO).await.unwrap();
    let action = world.work_on(&delivery).await;
    assert_eq!(action, Action::Redeliver { after: Duration::from_secs(600) });
    assert_eq!(world.rows("r1", true).await.len(), 0);
    world.drain().await;
    world.assert_true("r1").await;
}

/// Runs two syncs over tables that fail one operation once, and asserts that
/// nothing shows of it.
async fn fails_once(operation: Operation, after: u32) {
    let store = FailingStore::new(Arc::new(MemoryStore::default()));
    let world = World::over(store.clone(), &["r1"]).await;
    world.vendor.fill("r1", "i", 35);
    store.fail(operation, after);
    let (task, regions) = world.sync(Mode::Full).await;
    assert_eq!(task.status, TaskStatus::Success, "{operation:?}: {:?}", regions[0].errors);
    assert_eq!((task.counts.total_count, task.counts.added_count), (35, 35), "{operation:?}");
    world.assert_true("r1").await;

    world.vendor.change("r1", "i-003", |machine| machine.name = "renamed".into());
    world.vendor.change("r1", "i-031", |machine| machine.name = "renamed".into());
    world.vendor.release("r1", "i-010");
    world.vendor.put("r1", machine("i-new"));
    store.fail(operation, after);
    let (task, _) = world.sync(Mode::Full).await;
    let counts = task.counts;
    assert_eq!(task.status, TaskStatus::Success, "{operation:?}");
    assert_eq!(
        (counts.total_count, counts.added_count, counts.updated_count, counts.deleted_count),
        (35, 1, 2, 1),
        "{operation:?}"
    );
    assert_eq!(counts.unchanged_count, 32, "{operation:?}");
    world.assert_true("r1").await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_between_change_and_row_is_made_good() {
    for after in 0..3 {
        fails_once(Operation::PutRows, after).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_before_the_change_is_made_good() {
    for after in 0..3 {
        fails_once(Operation::PutChanges, after).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_any_other_operation_is_made_good() {
    for operation in [
        Operation::Rows,
        Operation::LiveIndex,
        Operation::Acquire,
        Operation::Release,
        Operation::PutRegionResult,
        Operation::StartTask,
        Operation::Account,
    ] {
        fails_once(operation, 0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_was_recorded_stays_even_if_the_resource_turned_back() {
    let store = FailingStore::new(Arc::new(MemoryStore::default()));
    let world = World::over(store.clone(), &["r1"]).await;
    world.vendor.fill("r1", "i", 5);
    world.sync(Mode::Full).await;

    world.vendor.change("r1", "i-003", |machine| machine.name = "there".into());
    store.fail(Operation::PutRows, 0);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let task = world.start(Mode::Full).await;
    let delivery = receive(&world.work, Duration::ZERO).await.unwrap();
    assert!(matches!(world.work_on(&delivery).await, Action::Redeliver { .. }));
    world.vendor.change("r1", "i-003", |machine| machine.name = "name of i-003".into());
    world.drain().await;

    let (task, _) = world.task(&task.task_id).await;
    assert_eq!((task.status, task.counts.updated_count), (TaskStatus::Success, 1));
    let versions: Vec<_> = world.history("r1", "i-003").await.iter().map(|c| c.version).collect();
    assert_eq!(versions, [1, 2, 3], "there and back again");
    world.assert_true("r1").await;
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_task_left_undone_is_finished_by_the_next() {
    let store = FailingStore::new(Arc::new(MemoryStore::default()));
    let world = World::over(store.clone(), &["r1"]).await;
    world.vendor.fill("r1", "i", 5);
    store.fail(Operation::PutRows, 0);
    let first = world.start(Mode::Full).await;
    let delivery = receive(&world.work, Duration::ZERO).await.unwrap();
    world.work_on(&delivery).await;
    // The message is lost; the changes of the first task are all there is.
    world.finalizer.end_interrupted(&first.task_id).await.unwrap();
    let (first, _) = world.task(&first.task_id).await;
    assert_eq!((first.status, first.counts.added_count), (TaskStatus::Failed, 5));

    // A task that is cancelled before it looks at anything finishes nothing.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let cancelled = world.start(Mode::Full).await;
    world.store.request_cancel(&cancelled.task_id).await.unwrap();
    world.drain().await;
    assert_eq!(world.task(&cancelled.task_id).await.0.status, TaskStatus::Cancelled);

    world.vendor.release("r1", "i-002");
    let (second, _) = world.sync(Mode::Full).await;
    assert_eq!(second.status, TaskStatus::Success);
    assert_eq!((second.counts.added_count, second.counts.deleted_count), (0, 1));
    world.assert_true("r1").await;
}

#[tokio::test(start_paused = true)]
async fn a_region_that_outlasts_its_worker_goes_on_from_a_checkpoint() {
    let mut world = World::new(&["r1"]).await;
    world.vendor.fill("r1", "i", 95);
    world.sync(Mode::Full).await;
    world.vendor.release("r1", "i-004");
    world.vendor.release("r1", "i-090");
    world.vendor.change("r1", "i-050", |machine| machine.name = "renamed".into());
    world.vendor.forget();

    world.vendor.take_time(Duration::from_secs(20));
    world.run_time = SignedDuration::from_secs(45 + 45);
    let (task, regions) = world.sync(Mode::Full).await;
    assert_eq!(task.status, TaskStatus::Success);
    assert_eq!((task.counts.total_count, task.counts.unchanged_count), (93, 92));
    assert_eq!((task.counts.updated_count, task.counts.deleted_count), (1, 2));
    assert!(regions[0].attempts > 2, "it took several turns: {}", regions[0].attempts);
    assert!(world.vendor.calls(Call::Page) < 10 + regions[0].attempts, "no page twice");
    world.assert_true("r1").await;
}

#[tokio::test(start_paused = true)]
async fn a_rejected_page_token_starts_the_walk_again_without_deletions() {
    let world = World::new(&["r1"]).await;
    world.vendor.fill("r1", "i", 35);
    world.sync(Mode::Full).await;
    let mut rejected = VendorError::new(ErrorClass::Data, "DescribeInstances", "Token", "stale");
    rejected.token_rejected = true;
    world.vendor.fail(Call::Page, None, 2, 1, Fault::Error(rejected));
    world.vendor.release("r1", "i-001");
    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!(task.status, TaskStatus::Success);
    assert_eq!((task.counts.total_count, task.counts.deleted_count), (34, 1));
    world.assert_true("r1").await;
}

#[tokio::test(start_paused = true)]
async fn an_error_met_and_overcome_leaves_exact_counts() {
    let world = World::new(&["r1"]).await;
    world.vendor.fill("r1", "i", 45);
    world.vendor.garble("r1", Some("i-bad"));
    world.vendor.fail(Call::Page, None, 3, 2, error(ErrorClass::Network, "Timeout"));
    let (task, regions) = world.sync(Mode::Full).await;
    assert_eq!(task.status, TaskStatus::Partial, "for the undecodable one");
    assert_eq!((task.counts.total_count, task.counts.added_count), (46, 45));
    assert_eq!((task.counts.error_count, task.counts.unchanged_count), (1, 0));
    assert_eq!(regions[0].attempts, 3);
}
