//! Ten thousand machines of which none has changed: what that costs.

use cloud_sync_core::message::{Mode, SyncRequest};
use cloud_sync_core::task::{SyncTask, TaskStatus};
use cloud_sync_runtime::clock::Clock;
use cloud_sync_tests::vendor::{Call, machine};
use cloud_sync_tests::world::World;
use jiff::SignedDuration;

const MACHINES: usize = 10_000;

/// Syncs a large region whole, and once more when nothing has changed.
async fn unchanged(change_feed: bool) -> (World, SyncTask) {
    let world = World::new(&["r1"]).await;
    world.configure(|account| account.change_feed = change_feed).await;
    world.vendor.set_pages(100, 500);
    world.vendor.fill("r1", "i", MACHINES);
    world.vendor.know_type("ecs.g7.large", 2);
    world.sync(Mode::Full).await;
    tokio::time::sleep(std::time::Duration::from_secs(3600)).await;
    world.vendor.set_time(world.clock.now());
    world.vendor.forget();
    let (task, _) = world.sync(Mode::Incremental).await;
    assert_eq!((task.status, task.cost.rows_written), (TaskStatus::Success, 0));
    (world, task)
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_unchanged_machines_are_a_hundred_calls_and_no_row() {
    let (world, task) = unchanged(false).await;
    assert_eq!(task.counts.unchanged_count, MACHINES as u64);
    assert_eq!((world.vendor.calls(Call::Page), world.vendor.all_calls()), (100, 100));
    assert_eq!(task.cost.api_calls, 100);
}

#[tokio::test(start_paused = true)]
async fn with_a_change_feed_they_are_one_call_and_no_row() {
    let (world, task) = unchanged(true).await;
    assert_eq!((world.vendor.calls(Call::Feed), world.vendor.all_calls()), (1, 1));
    assert_eq!(task.cost.api_calls, 1);
}

#[tokio::test(start_paused = true)]
async fn since_when_an_incremental_walk_looks_closer_can_be_said() {
    let world = World::new(&["r1"]).await;
    let hour = SignedDuration::from_hours(1);
    let started = world.clock.now();
    for (id, hours) in [("i-old", 30), ("i-new", 3)] {
        let mut made = machine(id);
        made.created_at = Some(started - hour * hours);
        world.vendor.put("r1", made);
    }
    world.sync(Mode::Full).await;
    world.vendor.attach("i-old", &["d-1"]);
    world.vendor.attach("i-new", &["d-2"]);
    assert_eq!(world.sync(Mode::Incremental).await.0.counts.updated_count, 0);
    for (since, updated) in [(5, ["i-new"]), (40, ["i-old"])] {
        let since = Some(started - hour * since);
        let request = SyncRequest { mode: Mode::Incremental, since, ..SyncRequest::default() };
        let task = world.ask(&request).await;
        world.drain().await;
        assert_eq!(world.task(&task.task_id).await.0.counts.updated_count, 1, "{updated:?}");
        assert_eq!(world.history("r1", updated[0]).await.len(), 2);
    }
    assert_eq!(world.vendor.calls(Call::AllDetails), 1, "the full sync's alone");
    world.assert_true("r1").await;
}
