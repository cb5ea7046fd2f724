//! What a sync sees and records when nothing goes wrong.

use std::sync::Arc;

use cloud_sync_core::change::ChangeKind;
use cloud_sync_core::diff::Field;
use cloud_sync_core::message::Mode;
use cloud_sync_core::task::{Counts, TaskStatus};
use cloud_sync_runtime::store::memory::MemoryStore;
use cloud_sync_tests::failing::{FailingStore, Operation};
use cloud_sync_tests::vendor::{Call, machine};
use cloud_sync_tests::world::World;
use serde_json::json;

fn counts(total: u64, added: u64, updated: u64, deleted: u64, unchanged: u64) -> Counts {
    Counts {
        total_count: total,
        added_count: added,
        updated_count: updated,
        deleted_count: deleted,
        unchanged_count: unchanged,
        ..Counts::default()
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_sync_adds_everything_and_the_second_changes_nothing() {
    let world = World::new(&["r1", "r2"]).await;
    world.vendor.fill("r1", "i", 25);
    world.vendor.fill("r2", "j", 3);
    world.vendor.attach("i-003", &["d-1", "d-2"]);

    let (first, regions) = world.sync(Mode::Full).await;
    assert_eq!((first.status, first.counts), (TaskStatus::Success, counts(28, 28, 0, 0, 0)));
    assert_eq!(regions.len(), 2);
    assert_eq!(regions[0].counts, counts(25, 25, 0, 0, 0));
    assert!(first.end_time.is_some() && first.duration_ms.is_some());

    let (second, _) = world.sync(Mode::Full).await;
    assert_eq!((second.status, second.counts), (TaskStatus::Success, counts(28, 0, 0, 0, 28)));
    world.assert_true("r1").await;
    world.assert_true("r2").await;
}

#[tokio::test(start_paused = true)]
async fn changes_are_recorded_field_by_field_with_old_and_new() {
    let world = World::new(&["r1"]).await;
    world.vendor.fill("r1", "i", 5);
    world.sync(Mode::Full).await;

    world.vendor.change("r1", "i-001", |machine| {
        machine.name = "renamed".into();
        machine.security_groups = ["sg-2".to_owned(), "sg-3".to_owned()].into();
    });
    world.vendor.release("r1", "i-002");
    world.vendor.put("r1", machine("i-new"));
    let (task, _) = world.sync(Mode::Full).await;

    assert_eq!(task.counts, counts(5, 1, 1, 1, 3));
    let history = world.history("r1", "i-001").await;
    assert_eq!(history.iter().map(|change| change.version).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(history[1].task_id, task.task_id);
    let fields: Vec<_> = history[1].fields.keys().copied().collect();
    assert_eq!(fields, [Field::Name, Field::SecurityGroups]);
    assert_eq!(history[1].fields[&Field::SecurityGroups].old, json!(["sg-1", "sg-2"]));
    assert_eq!(history[1].fields[&Field::SecurityGroups].new, json!(["sg-2", "sg-3"]));
    assert_eq!(world.history("r1", "i-002").await[1].change, ChangeKind::Deleted);
    world.assert_true("r1").await;
}

#[tokio::test(start_paused = true)]
async fn a_resource_that_comes_back_is_restored() {
    let world = World::new(&["r1"]).await;
    world.vendor.fill("r1", "i", 3);
    world.sync(Mode::Full).await;
    world.vendor.release("r1", "i-001");
    world.sync(Mode::Full).await;
    assert_eq!(world.rows("r1", true).await.len(), 3, "the tombstone stays");

    world.vendor.put("r1", machine("i-001"));
    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!(task.counts, counts(3, 1, 0, 0, 2));
    let kinds: Vec<_> = world.history("r1", "i-001").await.iter().map(|c| c.change).collect();
    assert_eq!(kinds, [ChangeKind::Added, ChangeKind::Deleted, ChangeKind::Restored]);
    world.assert_true("r1").await;
}

#[tokio::test(start_paused = true)]
async fn a_new_disk_is_asked_for_again_before_it_is_believed() {
    let world = World::new(&["r1"]).await;
    world.vendor.fill("r1", "i", 12);
    world.sync(Mode::Full).await;
    world.vendor.forget();

    world.vendor.attach("i-004", &["d-9"]);
    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!(task.counts, counts(12, 0, 1, 0, 11));
    assert_eq!(world.vendor.calls(Call::AllDetails), 1);
    assert_eq!(world.vendor.calls(Call::SomeDetails), 1);
    world.assert_true("r1").await;
}

#[tokio::test(start_paused = true)]
async fn an_incremental_sync_asks_for_disks_only_of_what_changed() {
    let world = World::new(&["r1"]).await;
    world.vendor.fill("r1", "i", 30);
    world.sync(Mode::Full).await;
    world.vendor.forget();

    let (quiet, _) = world.sync(Mode::Incremental).await;
    assert_eq!(quiet.counts, counts(30, 0, 0, 0, 30));
    assert_eq!(world.vendor.calls(Call::AllDetails) + world.vendor.calls(Call::SomeDetails), 0);
    assert!(quiet.cost.write_units < 20.0, "no row was written: {}", quiet.cost.write_units);

    world.vendor.change("r1", "i-007", |machine| machine.name = "renamed".into());
    world.vendor.attach("i-007", &["d-7"]);
    world.vendor.put("r1", machine("i-new"));
    let (busy, _) = world.sync(Mode::Incremental).await;
    assert_eq!(busy.counts, counts(31, 1, 1, 0, 29));
    assert!(world.vendor.calls(Call::SomeDetails) >= 1);
    assert_eq!(world.vendor.calls(Call::AllDetails), 0);
    world.assert_true("r1").await;
}

#[tokio::test(start_paused = true)]
async fn a_sync_deletes_in_incremental_mode_too() {
    let world = World::new(&["r1"]).await;
    world.vendor.fill("r1", "i", 15);
    world.sync(Mode::Full).await;
    world.vendor.release("r1", "i-004");
    let (task, _) = world.sync(Mode::Incremental).await;
    assert_eq!(task.counts, counts(14, 0, 0, 1, 14));
}

#[tokio::test(start_paused = true)]
async fn the_index_is_read_again_only_where_something_is_missing() {
    let store = FailingStore::new(Arc::new(MemoryStore::default()));
    let world = World::over(store.clone(), &["r1"]).await;
    world.vendor.fill("r1", "i", 15);
    world.sync(Mode::Full).await;
    store.fail(Operation::LiveIndex, 1);
    world.vendor.change("r1", "i-003", |machine| machine.name = "renamed".into());
    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!(task.counts, counts(15, 0, 1, 0, 14));
    assert!(!store.has_failed(Operation::LiveIndex), "once is enough");

    store.fail(Operation::LiveIndex, 1);
    world.vendor.release("r1", "i-004");
    let (task, regions) = world.sync(Mode::Full).await;
    assert!(store.has_failed(Operation::LiveIndex), "which ids are missing, only it tells");
    assert_eq!((task.status, regions[0].attempts), (TaskStatus::Success, 2));
    assert_eq!(task.counts, counts(14, 0, 0, 1, 14));
    world.assert_true("r1").await;
}

#[tokio::test(start_paused = true)]
async fn every_region_and_task_is_measured_once() {
    let world = World::new(&["r1", "r2"]).await;
    world.vendor.fill("r1", "i", 2);
    world.sync(Mode::Full).await;
    assert_eq!(world.metrics.regions().len(), 2);
    assert!(world.metrics.regions().iter().all(|region| region.concurrency == Some(1)));
    assert_eq!(world.metrics.tasks().len(), 1);
}
