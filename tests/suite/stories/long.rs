//! Regions that take a worker about ten turns: rows, histories and counts are
//! as true as those of a region that takes one, whatever happens in between.

use std::sync::Arc;
use std::time::Duration;

use cloud_sync_core::error::{ErrorClass, VendorError};
use cloud_sync_core::message::Mode;
use cloud_sync_core::task::{Counts, RegionResult, SyncTask, TaskStatus};
use cloud_sync_runtime::queue::Queue;
use cloud_sync_runtime::store::memory::MemoryStore;
use cloud_sync_tests::failing::{FailingStore, Operation};
use cloud_sync_tests::vendor::{Call, Fault, error, machine};
use cloud_sync_tests::world::{World, receive};
use jiff::SignedDuration;

const MACHINES: usize = 5000;
const PAGES: u32 = 100;
const DISK_PAGES: u32 = 25;

/// Returns a region of which a worker gets through about a tenth.
async fn large() -> (World, Arc<FailingStore>) {
    let store = FailingStore::new(Arc::new(MemoryStore::default()));
    let mut world = World::over(store.clone(), &["r1"]).await;
    world.vendor.set_pages(50, 200);
    world.vendor.fill("r1", "i", MACHINES);
    for n in 0..MACHINES {
        world.vendor.attach(&id(n), &[&format!("d-{n}")]);
    }
    world.vendor.take_time(Duration::from_secs(1));
    world.run_time = world.sync.settings.wind_down + SignedDuration::from_secs(13);
    (world, store)
}

fn id(n: usize) -> String {
    format!("i-{n:03}")
}

/// Lets much of everything happen, and returns what a sync is to count then.
fn churn(world: &World) -> Counts {
    let vendor = &world.vendor;
    for n in 0..MACHINES {
        match n % 50 {
            7 => vendor.change("r1", &id(n), |machine| machine.name = "renamed".into()),
            // A disk more, and one less.
            17 => vendor.attach(&id(n), &[&format!("d-{n}"), &format!("d-{n}-2")]),
            27 if n % 100 == 27 => vendor.attach(&id(n), &[]),
            37 => vendor.release("r1", &id(n)),
            _ => {}
        }
    }
    (0..60).for_each(|n| vendor.put("r1", machine(&format!("j-{n}"))));
    Counts {
        total_count: 5000 + 60 - 100,
        added_count: 60,
        updated_count: 250,
        deleted_count: 100,
        unchanged_count: 5000 - 100 - 250,
        ..Counts::default()
    }
}

fn all_added() -> Counts {
    Counts { total_count: 5000, added_count: 5000, ..Counts::default() }
}

fn rejected() -> Fault {
    let mut error = VendorError::new(ErrorClass::Data, "Describe", "Token", "stale");
    error.token_rejected = true;
    Fault::Error(error)
}

fn assert_ended((task, regions): (SyncTask, Vec<RegionResult>), expected: Counts) {
    assert_eq!(task.status, TaskStatus::Success, "{:?}", regions[0].errors);
    assert_eq!(task.counts, expected);
    assert!(regions[0].attempts >= 10, "only {} turns", regions[0].attempts);
}

#[tokio::test(start_paused = true)]
async fn what_takes_ten_turns_is_as_true_as_what_takes_one() {
    let (world, store) = large().await;
    store.fail(Operation::TaskChanges, 0);
    assert_ended(world.sync(Mode::Full).await, all_added());
    assert_eq!(world.vendor.calls(Call::Page), PAGES, "no page twice");
    assert_eq!(world.vendor.calls(Call::AllDetails), DISK_PAGES, "no page of disks twice");
    world.assert_true("r1").await;

    let expected = churn(&world);
    assert_ended(world.sync(Mode::Full).await, expected);
    assert!(!store.has_failed(Operation::TaskChanges), "a turn needs no changes read");
    world.assert_true("r1").await;
    let live = world.store.scope(&cloud_sync_tests::world::scope("r1")).await.unwrap();
    assert_eq!(live.findings.live_count, expected.total_count);
}

#[tokio::test(start_paused = true)]
async fn a_rejected_token_in_the_middle_starts_its_walk_again() {
    let (world, _) = large().await;
    world.vendor.fail(Call::AllDetails, None, 15, 1, rejected());
    world.vendor.fail(Call::Page, None, 40, 1, rejected());
    assert_ended(world.sync(Mode::Full).await, all_added());
    assert_eq!(world.vendor.calls(Call::AllDetails), 15 + 1 + DISK_PAGES);
    assert_eq!(world.vendor.calls(Call::Page), 40 + 1 + PAGES);
    world.assert_true("r1").await;

    let expected = churn(&world);
    world.vendor.fail(Call::AllDetails, None, 20, 1, rejected());
    world.vendor.fail(Call::Page, None, 75, 1, rejected());
    assert_ended(world.sync(Mode::Full).await, expected);
    world.assert_true("r1").await;
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_breaks_off_in_the_middle_of_a_turn_costs_that_turn_only() {
    let (world, store) = large().await;
    store.fail(Operation::PutRows, 47);
    assert_ended(world.sync(Mode::Full).await, all_added());
    assert!(store.has_failed(Operation::PutRows));
    let pages = world.vendor.calls(Call::Page);
    assert!(pages > PAGES && pages < PAGES + 20, "{pages} pages");
    assert_eq!(world.vendor.calls(Call::AllDetails), DISK_PAGES);
    world.assert_true("r1").await;

    let expected = churn(&world);
    store.fail(Operation::PutRows, 60);
    assert_ended(world.sync(Mode::Full).await, expected);
    assert!(store.has_failed(Operation::PutRows));
    world.assert_true("r1").await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_dies_in_the_middle_of_a_turn_costs_that_turn_only() {
    let (world, _) = large().await;
    let task = world.start(Mode::Full).await;
    for turn in 0..8 {
        let delivery = receive(&world.work, Duration::from_secs(60)).await.unwrap();
        // Most turns run to their end; the third and the sixth do not.
        let lifetime = Duration::from_secs(if turn % 3 == 2 { 7 } else { 60 });
        if tokio::time::timeout(lifetime, world.work_on(&delivery)).await.is_err() {
            world.work.postpone(&delivery.receipt, Duration::ZERO).await.unwrap();
            // Its lease has to expire first.
            tokio::time::sleep(Duration::from_secs(600)).await;
        }
    }
    world.drain().await;
    assert_ended(world.task(&task.task_id).await, all_added());
    let pages = world.vendor.calls(Call::Page);
    assert!(pages < PAGES + 30, "{pages} pages");
    world.assert_true("r1").await;
}

#[tokio::test(start_paused = true)]
async fn a_part_of_a_checkpoint_that_is_lost_starts_everything_again() {
    let (world, store) = large().await;
    store.fail(Operation::Part, 9);
    assert_ended(world.sync(Mode::Full).await, all_added());
    assert!(world.vendor.calls(Call::AllDetails) > DISK_PAGES);
    world.assert_true("r1").await;
}

#[tokio::test(start_paused = true)]
async fn disks_that_cannot_be_had_are_one_error_in_ten_turns() {
    let (world, _) = large().await;
    world.sync(Mode::Full).await;
    let disks_before = world.vendor.truth("r1");
    let counts = churn(&world);
    world.vendor.fail(Call::AllDetails, None, 20, 1, error(ErrorClass::Network, "Timeout"));
    world.vendor.forget();
    let (task, regions) = world.sync(Mode::Full).await;
    assert_eq!(task.status, TaskStatus::Partial);
    assert!(regions[0].attempts >= 9, "only {} turns", regions[0].attempts);
    let expected = Counts {
        updated_count: 100,
        unchanged_count: counts.unchanged_count + 150,
        error_count: 1,
        ..counts
    };
    assert_eq!(task.counts, expected);
    assert_eq!((regions[0].errors.len(), world.vendor.calls(Call::AllDetails)), (1, 21));
    for row in world.rows("r1", false).await {
        let before = disks_before.get(&row.resource.id);
        let expected = before.and_then(|machine| machine.data_disks.clone());
        assert_eq!(row.resource.data_disks, expected, "{}", row.resource.id);
    }

    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!((task.status, task.counts.updated_count), (TaskStatus::Success, 150 + 60));
    world.assert_true("r1").await;
}

#[tokio::test(start_paused = true)]
async fn a_collapsed_region_is_held_and_deleted_some_rows_at_a_time() {
    let (world, _) = large().await;
    world.sync(Mode::Full).await;
    for n in 3..MACHINES {
        world.vendor.release("r1", &id(n));
    }
    // Two re-reads of a thousand each do not fit into a turn.
    world.vendor.take_time(Duration::from_secs(8));
    for listing in 1..=3 {
        let (task, regions) = world.sync(Mode::Full).await;
        assert!(regions[0].attempts > 3, "only {} turns", regions[0].attempts);
        let counts = task.counts;
        assert_eq!((counts.total_count, counts.unchanged_count), (3, 3), "{listing}");
        let gone = (MACHINES - 3) as u64;
        let expected = if listing < 3 { (gone, 0) } else { (0, gone) };
        assert_eq!((counts.held_count, counts.deleted_count), expected, "{listing}");
    }
    assert_eq!(world.notifier.notices().len(), 1, "once is enough");
    for n in 3..MACHINES {
        world.vendor.attach(&id(n), &[]);
    }
    world.assert_true("r1").await;
}

#[tokio::test(start_paused = true)]
async fn two_long_tasks_of_one_scope_go_one_after_the_other() {
    let (world, _) = large().await;
    let first = world.start(Mode::Full).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let second = world.start(Mode::Full).await;
    world.drain().await;
    assert_ended(world.task(&first.task_id).await, all_added());
    let unchanged = Counts { total_count: 5000, unchanged_count: 5000, ..Counts::default() };
    assert_ended(world.task(&second.task_id).await, unchanged);
    assert_eq!(world.vendor.calls(Call::Page), 2 * PAGES, "no page of either twice");
    world.assert_true("r1").await;
}

#[tokio::test(start_paused = true)]
async fn a_task_whose_messages_vanished_in_the_middle_holds_no_other_up() {
    let (world, _) = large().await;
    let first = world.start(Mode::Full).await;
    let delivery = receive(&world.work, Duration::ZERO).await.unwrap();
    world.work_on(&delivery).await;
    let lost = receive(&world.work, Duration::ZERO).await.unwrap();
    world.work.delete(&lost.receipt).await.unwrap();

    tokio::time::sleep(Duration::from_secs(2)).await;
    let second = world.start(Mode::Full).await;
    world.drain().await;
    assert_ended(world.task(&second.task_id).await, all_added());
    let (first, _) = world.task(&first.task_id).await;
    assert!(!first.status.is_terminal(), "the sweep ends it");
}
