//! Nothing is called deleted that is not proven to be gone.

use cloud_sync_core::change::ChangeKind;
use cloud_sync_core::deletion::OnDelete;
use cloud_sync_core::error::ErrorClass;
use cloud_sync_core::message::Mode;
use cloud_sync_core::task::TaskStatus;
use cloud_sync_tests::vendor::{Call, Fault, error, machine};
use cloud_sync_tests::world::World;

async fn synced(count: usize) -> World {
    let world = World::new(&["r1"]).await;
    world.vendor.fill("r1", "i", count);
    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!(task.status, TaskStatus::Success);
    world.vendor.forget();
    world
}

async fn live(world: &World) -> usize {
    world.rows("r1", false).await.len()
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_misses_one_is_checked_by_id() {
    let world = synced(25).await;
    world.vendor.hide("i-007");
    world.vendor.change("r1", "i-007", |machine| machine.name = "renamed".into());
    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!(world.vendor.calls(Call::Reread), 1);
    assert_eq!((task.status, task.counts.deleted_count), (TaskStatus::Success, 0));
    assert_eq!((task.counts.total_count, task.counts.updated_count), (25, 1));
    world.assert_true("r1").await;
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_fails_in_the_middle_deletes_nothing() {
    let world = synced(35).await;
    world.vendor.release("r1", "i-001");
    let fault = error(ErrorClass::Internal, "Broken");
    world.vendor.fail(Call::Page, None, 2, u32::MAX, fault);
    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!((task.status, task.counts.deleted_count), (TaskStatus::Failed, 0));
    assert_eq!(live(&world).await, 35);
}

#[tokio::test(start_paused = true)]
async fn a_permission_revoked_in_mid_walk_deletes_nothing() {
    let world = synced(25).await;
    // Pages and re-reads come back empty, without an error; the probe tells.
    world.vendor.fail(Call::Page, None, 1, u32::MAX, Fault::Empty);
    world.vendor.fail(Call::Reread, None, 0, u32::MAX, Fault::Empty);
    let fault = error(ErrorClass::Auth, "Forbidden.RAM");
    world.vendor.fail(Call::Probe, None, 0, u32::MAX, fault);
    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!((task.status, task.counts.deleted_count), (TaskStatus::Failed, 0));
    assert_eq!(live(&world).await, 25);
    assert_eq!(world.history("r1", "i-020").await.len(), 1);
    assert!(task.error_message.unwrap().contains("Forbidden.RAM"));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_gives_no_answer_holds_every_deletion() {
    let world = synced(25).await;
    world.vendor.release("r1", "i-001");
    let fault = error(ErrorClass::Network, "Timeout");
    world.vendor.fail(Call::Probe, None, 0, 1, fault);
    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!((task.status, task.counts.held_count), (TaskStatus::Partial, 1));
    assert_eq!((task.counts.deleted_count, live(&world).await), (0, 25));

    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!((task.status, task.counts.deleted_count), (TaskStatus::Success, 1));
}

#[tokio::test(start_paused = true)]
async fn a_re_read_that_fails_holds_every_deletion() {
    let world = synced(25).await;
    world.vendor.release("r1", "i-001");
    world.vendor.fail(Call::Reread, None, 0, 1, error(ErrorClass::Network, "Timeout"));
    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!((task.status, task.counts.held_count), (TaskStatus::Partial, 1));
    assert_eq!((task.counts.deleted_count, live(&world).await), (0, 25));
}

#[tokio::test(start_paused = true)]
async fn a_collapse_is_held_until_three_listings_agree() {
    let world = synced(60).await;
    for n in 0..40 {
        world.vendor.release("r1", &format!("i-{n:03}"));
    }
    for _ in 0..2 {
        let (task, _) = world.sync(Mode::Full).await;
        assert_eq!((task.status, task.counts.held_count), (TaskStatus::Partial, 40));
        assert_eq!((task.counts.deleted_count, live(&world).await), (0, 60));
    }
    assert_eq!(world.notifier.notices().len(), 1, "held deletions are told once");
    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!((task.status, task.counts.deleted_count), (TaskStatus::Success, 40));
    world.assert_true("r1").await;
}

#[tokio::test(start_paused = true)]
async fn what_comes_back_while_held_starts_anew() {
    let world = synced(60).await;
    world.vendor.fail(Call::Page, None, 2, 1, Fault::Empty);
    world.vendor.fail(Call::Reread, None, 0, 1, Fault::Empty);
    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!((task.counts.held_count, task.counts.deleted_count), (40, 0));
    assert_eq!(world.rows("r1", false).await.iter().filter(|r| r.missing.is_some()).count(), 40);

    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!((task.status, task.counts.unchanged_count), (TaskStatus::Success, 60));
    assert!(world.rows("r1", false).await.iter().all(|row| row.missing.is_none()));
    world.assert_true("r1").await;
}

#[tokio::test(start_paused = true)]
async fn an_empty_listing_of_a_small_region_needs_proof_and_then_deletes() {
    let world = synced(3).await;
    for n in 0..3 {
        world.vendor.release("r1", &format!("i-{n:03}"));
    }
    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!(world.vendor.calls(Call::Probe), 1);
    assert_eq!((task.status, task.counts.deleted_count), (TaskStatus::Success, 3));
}

#[tokio::test(start_paused = true)]
async fn an_undecodable_resource_is_not_a_missing_one() {
    let world = synced(25).await;
    world.vendor.hide("i-007");
    world.vendor.garble("r1", Some("i-007"));
    let (task, regions) = world.sync(Mode::Full).await;
    assert_eq!((task.status, task.counts.deleted_count), (TaskStatus::Partial, 0));
    assert_eq!((task.counts.total_count, task.counts.unchanged_count), (25, 24));
    assert_eq!(task.counts.error_count, 1);
    assert_eq!(regions[0].errors[0].resource_id.as_deref(), Some("i-007"));
    assert_eq!(live(&world).await, 25);
}

#[tokio::test(start_paused = true)]
async fn an_item_without_an_id_may_be_any_of_the_missing() {
    let world = synced(25).await;
    world.vendor.release("r1", "i-007");
    world.vendor.garble("r1", None);
    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!((task.status, task.counts.deleted_count), (TaskStatus::Partial, 0));
    assert_eq!((task.counts.held_count, live(&world).await), (1, 25));
    assert_eq!((task.counts.total_count, task.counts.unchanged_count), (25, 24));
}

#[tokio::test(start_paused = true)]
async fn a_purged_resource_keeps_its_history_and_goes_on_from_it() {
    let world = World::new(&["r1"]).await;
    world.configure(|account| account.deletion.on_delete = OnDelete::Purge).await;
    world.vendor.fill("r1", "i", 5);
    world.sync(Mode::Full).await;
    world.vendor.release("r1", "i-001");
    world.sync(Mode::Full).await;
    assert_eq!(world.rows("r1", true).await.len(), 4);

    world.vendor.put("r1", machine("i-001"));
    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!(task.counts.added_count, 1);
    let history = world.history("r1", "i-001").await;
    let kinds: Vec<_> = history.iter().map(|change| (change.version, change.change)).collect();
    assert_eq!(
        kinds,
        [(1, ChangeKind::Added), (2, ChangeKind::Deleted), (3, ChangeKind::Restored)]
    );
    world.assert_true("r1").await;
}

#[tokio::test(start_paused = true)]
async fn a_garbled_sight_of_a_held_resource_begins_the_count_anew() {
    let world = synced(60).await;
    for n in 0..40 {
        world.vendor.hide(&format!("i-{n:03}"));
    }
    let blind = || world.vendor.fail(Call::Reread, None, 0, 1, Fault::Empty);
    for _ in 0..2 {
        blind();
        world.sync(Mode::Full).await;
    }
    world.vendor.garble("r1", Some("i-007"));
    blind();
    world.sync(Mode::Full).await;
    let live: Vec<_> = world.rows("r1", false).await;
    let seen = live.iter().find(|row| row.resource.id == "i-007").unwrap();
    assert_eq!((live.len(), seen.missing), (21, None), "39 were missing three times in a row");
}
