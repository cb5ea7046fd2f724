//! What there is and what became of it is counted exactly, without a walk.

use cloud_sync_core::error::ErrorClass;
use cloud_sync_core::message::{Mode, SyncRequest};
use cloud_sync_core::resource::{Resource, Status};
use cloud_sync_core::stats::{Day, Flow, Live, StatusCounts, day_of};
use cloud_sync_core::task::TaskStatus;
use cloud_sync_runtime::clock::Clock;
use cloud_sync_tests::vendor::{Call, error, machine};
use cloud_sync_tests::world::{ACCOUNT, World, scope};
use jiff::SignedDuration;

fn stop(machine: &mut Resource) {
    machine.status = Status::Stopped;
    machine.vendor_status = "Stopped".into();
}

/// Returns a world of which 25 machines are stored, every fifth stopped.
async fn synced() -> World {
    let world = World::new(&["r1"]).await;
    world.vendor.fill("r1", "i", 25);
    for n in (0..25).step_by(5) {
        world.vendor.change("r1", &format!("i-{n:03}"), stop);
    }
    world.sync(Mode::Full).await;
    world
}

async fn by_status(world: &World) -> Vec<(Status, u64)> {
    let state = world.store.scope(&scope("r1")).await.unwrap();
    state.findings.statuses.expect("a complete listing").counts.iter().collect()
}

async fn counted_is_stored(world: &World) {
    let rows = world.rows("r1", false).await;
    let stored: StatusCounts = rows.iter().map(|row| row.resource.status).collect();
    assert_eq!(by_status(world).await, stored.iter().collect::<Vec<_>>());
}

async fn today(world: &World) -> Day {
    let today = day_of(world.clock.now());
    world.store.days(ACCOUNT, today, today).await.unwrap().remove(0)
}

#[tokio::test(start_paused = true)]
async fn a_listing_counts_what_it_lists_by_status() {
    let world = synced().await;
    assert_eq!(by_status(&world).await, [(Status::Running, 20), (Status::Stopped, 5)]);
    world.vendor.release("r1", "i-000");
    world.vendor.change("r1", "i-001", stop);
    world.vendor.put("r1", Resource { status: Status::Pending, ..machine("j-1") });
    world.sync(Mode::Full).await;
    let expected = [(Status::Pending, 1), (Status::Running, 19), (Status::Stopped, 5)];
    assert_eq!(by_status(&world).await, expected);
    counted_is_stored(&world).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_listing_lacks_and_stays_live_is_counted_as_it_is_stored() {
    let world = synced().await;
    // Found by the re-read.
    world.vendor.hide("i-005");
    // Held, since they are too many at once.
    world
        .configure(|account| {
            account.deletion.plausible_count = 0;
            account.deletion.plausible_percent = 0;
        })
        .await;
    world.vendor.release("r1", "i-000");
    world.vendor.release("r1", "i-001");
    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!(task.counts.held_count, 2);
    assert_eq!(by_status(&world).await, [(Status::Running, 20), (Status::Stopped, 5)]);

    // Not proven to be gone, so that no row of them is read otherwise.
    world.vendor.fail(Call::Reread, None, 0, 1, error(ErrorClass::Network, "Timeout"));
    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!((task.counts.held_count, task.counts.deleted_count), (3, 0));
    assert_eq!(by_status(&world).await, [(Status::Running, 20), (Status::Stopped, 5)]);
    counted_is_stored(&world).await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_decoded_is_counted_as_it_is_stored() {
    let world = synced().await;
    for id in ["i-000", "i-001", "never-stored"] {
        world.vendor.hide(id);
        world.vendor.garble("r1", Some(id));
    }
    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!(task.counts.error_count, 3);
    assert_eq!(by_status(&world).await, [(Status::Running, 20), (Status::Stopped, 5)]);
    counted_is_stored(&world).await;
}

#[tokio::test(start_paused = true)]
async fn a_listing_of_many_turns_counts_everything_once() {
    let mut world = World::new(&["r1"]).await;
    world.vendor.fill("r1", "i", 200);
    for n in 0..70 {
        world.vendor.change("r1", &format!("i-{n:03}"), stop);
    }
    world.vendor.take_time(std::time::Duration::from_secs(10));
    world.run_time = SignedDuration::from_secs(100);
    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!(task.status, TaskStatus::Success);
    assert_eq!(by_status(&world).await, [(Status::Running, 130), (Status::Stopped, 70)]);
    counted_is_stored(&world).await;
}

#[tokio::test(start_paused = true)]
async fn tasks_that_name_resources_let_the_counts_follow() {
    let world = synced().await;
    let as_of = world.store.scope(&scope("r1")).await.unwrap().findings.statuses.unwrap().as_of;
    world.vendor.change("r1", "i-001", stop);
    world.vendor.put("r1", Resource { status: Status::Starting, ..machine("j-1") });
    let ids = ["i-001", "i-002", "j-1"].map(str::to_owned).to_vec();
    let request = SyncRequest { mode: Mode::Targeted, ids, ..SyncRequest::default() };
    let request =
        SyncRequest { account_ids: vec![ACCOUNT.into()], regions: vec!["r1".into()], ..request };
    world.ask(&request).await;
    world.drain().await;
    let expected = [(Status::Starting, 1), (Status::Running, 19), (Status::Stopped, 6)];
    assert_eq!(by_status(&world).await, expected);
    counted_is_stored(&world).await;
    let after = world.store.scope(&scope("r1")).await.unwrap().findings.statuses.unwrap();
    assert_eq!(after.as_of, as_of, "it was no listing");
}

#[tokio::test(start_paused = true)]
async fn a_day_has_what_its_tasks_recorded_and_what_was_live_after_the_last() {
    let world = synced().await;
    world.vendor.release("r1", "i-001");
    world.vendor.change("r1", "i-002", stop);
    world.sync(Mode::Full).await;
    let day = today(&world).await;
    assert_eq!(day.flow, Flow { tasks: 2, added: 25, updated: 1, deleted: 1 });
    let by_status = [(Status::Running, 18), (Status::Stopped, 6)];
    let live: Live = day.snapshot.expect("a full sync ended").live;
    assert_eq!((live.total, live.held), (24, 0));
    assert_eq!(live.by_status.iter().collect::<Vec<_>>(), by_status);
}

#[tokio::test(start_paused = true)]
async fn a_result_that_comes_again_counts_nothing_again() {
    let world = World::new(&["r1", "r2", "r3"]).await;
    for region in ["r1", "r2", "r3"] {
        world.vendor.fill(region, region, 10);
    }
    let (task, _) = world.sync(Mode::Full).await;
    let before = today(&world).await;
    for _ in 0..3 {
        world.finalizer.look_at(&task.task_id).await.unwrap();
    }
    let after = today(&world).await;
    assert_eq!((after.flow, after.flow.added), (before.flow, 30));
    assert_eq!(after.snapshot.unwrap().live.total, 30, "all regions are in it");
}
