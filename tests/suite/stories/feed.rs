//! Accounts with a change feed: what was touched is re-read, and in doubt the
//! walk tells.

use std::sync::Arc;

use cloud_sync_core::error::{ErrorClass, VendorError};
use cloud_sync_core::feed::Concern;
use cloud_sync_core::lease::Findings;
use cloud_sync_core::message::{Mode, SyncRequest};
use cloud_sync_core::task::{Counts, RegionResult, SyncTask, TaskStatus};
use cloud_sync_runtime::clock::Clock;
use cloud_sync_runtime::store::memory::MemoryStore;
use cloud_sync_tests::failing::{FailingStore, Operation};
use cloud_sync_tests::vendor::{Call, Fault, error, machine};
use cloud_sync_tests::world::{World, scope};
use jiff::SignedDuration;

const AT_ONCE: SignedDuration = SignedDuration::ZERO;

/// Returns a world whose account has a feed, after its first full sync.
async fn fed(machines: usize) -> World {
    let world = World::new(&["r1"]).await;
    fill(&world, machines).await;
    world
}

async fn fill(world: &World, machines: usize) {
    world.configure(|account| account.change_feed = true).await;
    world.vendor.set_pages(100, 500);
    world.vendor.fill("r1", "i", machines);
    world.sync(Mode::Full).await;
    wait(60).await;
    world.vendor.forget();
}

async fn wait(minutes: u64) {
    tokio::time::sleep(std::time::Duration::from_secs(60 * minutes)).await;
}

async fn incremental(world: &World) -> (SyncTask, RegionResult) {
    world.vendor.set_time(world.clock.now());
    let (task, mut regions) = world.sync(Mode::Incremental).await;
    (task, regions.remove(0))
}

async fn findings(world: &World) -> Findings {
    world.store.scope(&scope("r1")).await.unwrap().findings
}

/// Renames a machine, and has the feed tell of it.
fn rename(world: &World, id: &str) {
    world.vendor.change("r1", id, |machine| machine.name.push_str(", renamed"));
    world.vendor.tell("r1", world.clock.now(), AT_ONCE, &[id]);
}

fn counts(total: u64, added: u64, updated: u64, deleted: u64) -> Counts {
    Counts {
        total_count: total,
        added_count: added,
        updated_count: updated,
        deleted_count: deleted,
        unchanged_count: total - added - updated,
        ..Counts::default()
    }
}

#[tokio::test(start_paused = true)]
async fn where_nothing_was_touched_one_call_is_all() {
    let world = fed(3000).await;
    let before = findings(&world).await;
    let (task, region) = incremental(&world).await;
    assert_eq!((task.status, task.counts), (TaskStatus::Success, counts(0, 0, 0, 0)));
    let asked = [Call::Feed, Call::Page, Call::Reread, Call::AllDetails, Call::SomeDetails];
    assert_eq!(asked.map(|call| world.vendor.calls(call)), [1, 0, 0, 0, 0]);
    // The index of 3,000 rows alone is more than 50 units.
    assert!(region.cost.read_units < 10.0, "{}", region.cost.read_units);
    assert!(region.cost.write_units < 20.0, "no row was written: {}", region.cost.write_units);
    let after = findings(&world).await;
    assert!(after.fed_until > before.last_complete_at);
    let as_before =
        Findings { fed_until: before.fed_until, rhythm: before.rhythm, ..after.clone() };
    assert_eq!(as_before, before, "it is no listing");
    assert_eq!(after.rhythm.calls, 1, "that is what a look costs");
}

#[tokio::test(start_paused = true)]
async fn what_was_touched_is_re_read_and_only_differences_are_written() {
    let world = fed(30).await;
    rename(&world, "i-003");
    world.vendor.attach("i-003", &["d-1"]);
    world.vendor.put("r1", machine("i-new"));
    world.vendor.attach("i-004", &["d-2"]);
    let now = world.clock.now();
    world.vendor.tell("r1", now, AT_ONCE, &["i-new", "i-004", "i-005"]);
    world.vendor.tell("r1", now, AT_ONCE, &["i-gone-again"]);
    let (task, _) = incremental(&world).await;

    assert_eq!((task.status, task.counts), (TaskStatus::Success, counts(4, 1, 2, 0)));
    assert_eq!((world.vendor.calls(Call::Page), world.vendor.calls(Call::Reread)), (0, 1));
    assert_eq!(world.vendor.calls(Call::AllDetails), 0, "disks are asked for by id");
    let found = findings(&world).await;
    assert_eq!((found.live_count, found.complete_listings), (31, 1));
    world.assert_true("r1").await;

    // Within the overlap the same events are there again, and change nothing.
    wait(14).await;
    assert_eq!(incremental(&world).await.0.counts, counts(4, 0, 0, 0));
    wait(14).await;
    assert_eq!(incremental(&world).await.0.counts, counts(0, 0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_event_that_shows_late_is_not_missed() {
    let world = fed(30).await;
    world.vendor.change("r1", "i-003", |machine| machine.name = "renamed".into());
    let lag = SignedDuration::from_mins(9);
    world.vendor.tell("r1", world.clock.now(), lag, &["i-003"]);
    wait(5).await;
    assert_eq!(incremental(&world).await.0.counts, counts(0, 0, 0, 0), "it does not show yet");
    wait(6).await;
    assert_eq!(incremental(&world).await.0.counts, counts(1, 0, 1, 0));
    world.assert_true("r1").await;
}

#[tokio::test(start_paused = true)]
async fn only_the_walk_deletes_what_the_feed_says_is_gone() {
    let world = fed(30).await;
    rename(&world, "i-001");
    world.vendor.release("r1", "i-002");
    world.vendor.tell("r1", world.clock.now(), AT_ONCE, &["i-002"]);
    let (task, _) = incremental(&world).await;
    assert_eq!((task.status, task.counts), (TaskStatus::Success, counts(29, 0, 1, 1)));
    assert_eq!(world.vendor.calls(Call::Page), 1);
    assert_eq!(findings(&world).await.complete_listings, 2);
    world.assert_true("r1").await;
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_fails_leaves_the_walk_and_is_no_error() {
    for class in ErrorClass::ALL {
        let world = fed(30).await;
        world.vendor.change("r1", "i-003", |machine| machine.name = "renamed".into());
        world.vendor.fail(Call::Feed, None, 0, 1, error(class, "Forbidden.RAM"));
        let (task, region) = incremental(&world).await;
        assert_eq!((task.status, task.counts), (TaskStatus::Success, counts(30, 0, 1, 0)));
        assert_eq!((region.errors.len(), world.vendor.calls(Call::Page)), (0, 1), "{class:?}");
        let record = world.store.account("prod").await.unwrap().unwrap();
        assert_eq!(record.suspended, None, "{class:?}");
        world.assert_true("r1").await;
    }
}

fn throttled(seconds: u64) -> Fault {
    let retry_after = Some(std::time::Duration::from_secs(seconds));
    let error = VendorError::new(ErrorClass::Throttled, "LookupEvents", "Throttling", "told to");
    Fault::Error(VendorError { retry_after, ..error })
}

#[tokio::test(start_paused = true)]
async fn a_throttled_feed_is_waited_for_where_the_walk_takes_many_calls() {
    let world = fed(3000).await;
    rename(&world, "i-003");
    world.vendor.fail(Call::Feed, None, 0, 2, throttled(50));
    let started = world.clock.now();
    let (task, _) = incremental(&world).await;
    assert_eq!((task.status, task.counts), (TaskStatus::Success, counts(1, 0, 1, 0)));
    assert_eq!((world.vendor.calls(Call::Feed), world.vendor.calls(Call::Page)), (3, 0));
    let took = world.clock.now().duration_since(started).as_secs();
    assert!(took >= 100, "it came back before it was told to: {took}");

    world.vendor.forget();
    world.vendor.fail(Call::Feed, None, 0, 3, throttled(50));
    assert_eq!(incremental(&world).await.0.counts, counts(3000, 0, 0, 0));
    assert_eq!(world.vendor.calls(Call::Page), 30, "nobody waits for ever");

    for (machines, seconds) in [(30, 50), (3000, 600)] {
        let world = fed(machines).await;
        world.vendor.fail(Call::Feed, None, 0, 1, throttled(seconds));
        let all = counts(machines as u64, 0, 0, 0);
        assert_eq!(incremental(&world).await.0.counts, all, "a walk is as good");
    }
}

#[tokio::test(start_paused = true)]
async fn scopes_that_wait_for_one_feed_come_back_at_different_times() {
    let world = World::new(&["r1", "r2"]).await;
    world.configure(|account| account.change_feed = true).await;
    world.vendor.set_pages(100, 500);
    ["r1", "r2"].iter().for_each(|region| world.vendor.fill(region, "i", 600));
    world.sync(Mode::Full).await;
    wait(60).await;
    for region in ["r1", "r2"] {
        world.vendor.fail(Call::Feed, Some(region), 0, 1, throttled(20));
    }
    world.vendor.set_time(world.clock.now());
    let (_, regions) = world.sync(Mode::Incremental).await;
    let took: Vec<_> = regions.iter().map(|region| region.cost.worker_ms).collect();
    assert!(took.iter().all(|took| (20_000..30_100).contains(took)), "{took:?}");
    assert!(took[0].abs_diff(took[1]) > 100, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_re_read_that_fails_leaves_the_walk() {
    let world = fed(30).await;
    rename(&world, "i-003");
    world.vendor.fail(Call::Reread, None, 0, 1, error(ErrorClass::Network, "Timeout"));
    let (task, _) = incremental(&world).await;
    assert_eq!((task.status, task.counts), (TaskStatus::Success, counts(30, 0, 1, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_does_not_tell_enough_leaves_the_walk() {
    // More pages of events than are read.
    let world = fed(30).await;
    for _ in 0..21 {
        world.vendor.tell("r1", world.clock.now(), AT_ONCE, &["i-001"]);
    }
    assert_eq!(incremental(&world).await.0.counts, counts(30, 0, 0, 0));
    assert_eq!(world.vendor.calls(Call::Feed), 4);

    // An event that does not say what it changed.
    let world = fed(30).await;
    rename(&world, "i-001");
    world.vendor.tell_of("r1", world.clock.now(), AT_ONCE, Concern::Unnamed);
    assert_eq!(incremental(&world).await.0.counts, counts(30, 0, 1, 0));

    // A feed that does not remember that long.
    let world = fed(30).await;
    wait(7 * 24 * 60).await;
    assert_eq!(incremental(&world).await.0.counts, counts(30, 0, 0, 0));
    assert_eq!(world.vendor.calls(Call::Feed), 0);

    // A scope that was never listed whole.
    let world = World::new(&["r1"]).await;
    world.configure(|account| account.change_feed = true).await;
    world.vendor.fill("r1", "i", 3);
    assert_eq!(incremental(&world).await.0.counts, counts(3, 3, 0, 0));
    assert_eq!(world.vendor.calls(Call::Feed), 0);
}

#[tokio::test(start_paused = true)]
async fn deletions_that_are_held_are_judged_by_walks() {
    let world = fed(30).await;
    for n in 0..25 {
        world.vendor.release("r1", &format!("i-{n:03}"));
    }
    world.sync(Mode::Full).await;
    assert_eq!(findings(&world).await.held_count, 25);
    world.vendor.forget();
    for _ in 0..2 {
        incremental(&world).await;
    }
    assert_eq!(world.vendor.calls(Call::Feed), 0);
    assert_eq!(world.rows("r1", false).await.len(), 5, "three listings agree");
}

#[tokio::test(start_paused = true)]
async fn an_account_without_a_feed_and_a_full_sync_walk() {
    let world = fed(30).await;
    world.sync(Mode::Full).await;
    world.configure(|account| account.change_feed = false).await;
    assert_eq!(incremental(&world).await.0.counts, counts(30, 0, 0, 0));
    assert_eq!(world.vendor.calls(Call::Feed), 0);
}

#[tokio::test(start_paused = true)]
async fn a_failure_between_change_and_row_of_what_the_feed_told_is_made_good() {
    for operation in [Operation::PutChanges, Operation::PutRows] {
        let store = FailingStore::new(Arc::new(MemoryStore::default()));
        let world = World::over(store.clone(), &["r1"]).await;
        fill(&world, 30).await;
        rename(&world, "i-003");
        world.vendor.put("r1", machine("i-new"));
        world.vendor.tell("r1", world.clock.now(), AT_ONCE, &["i-new", "i-004"]);
        store.fail(operation, 0);
        let (task, _) = incremental(&world).await;
        assert_eq!((task.status, task.counts), (TaskStatus::Success, counts(3, 1, 1, 0)));
        assert_eq!(world.vendor.calls(Call::Page), 0, "{operation:?}: no walk");
        assert_eq!(findings(&world).await.live_count, 31, "{operation:?}");
        world.assert_true("r1").await;
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_worker_that_did_not_let_go_cleanly_the_walk_counts_anew() {
    let store = FailingStore::new(Arc::new(MemoryStore::default()));
    let world = World::over(store.clone(), &["r1"]).await;
    fill(&world, 30).await;
    world.vendor.put("r1", machine("i-new"));
    world.vendor.tell("r1", world.clock.now(), AT_ONCE, &["i-new"]);
    store.fail(Operation::Release, 0);
    assert_eq!(incremental(&world).await.0.counts, counts(1, 1, 0, 0));
    assert_eq!(findings(&world).await.live_count, 30, "what was found is lost");
    assert_eq!(incremental(&world).await.0.counts, counts(31, 0, 0, 0));
    assert_eq!(findings(&world).await.live_count, 31);
}

#[tokio::test(start_paused = true)]
async fn what_was_touched_and_cannot_be_decoded_is_counted_once() {
    let world = fed(30).await;
    rename(&world, "i-003");
    world.vendor.garble("r1", Some("i-garbled"));
    world.vendor.tell("r1", world.clock.now(), AT_ONCE, &["i-garbled"]);
    let (task, region) = incremental(&world).await;
    assert_eq!(task.status, TaskStatus::Partial);
    let expected = Counts { error_count: 1, unchanged_count: 0, ..counts(2, 0, 1, 0) };
    assert_eq!((task.counts, region.errors.len()), (expected, 1));
}

#[tokio::test(start_paused = true)]
async fn disks_that_could_not_be_asked_for_are_asked_for_next_time() {
    let world = fed(30).await;
    rename(&world, "i-003");
    world.vendor.attach("i-003", &["d-1"]);
    world.vendor.fail(Call::SomeDetails, None, 0, 1, error(ErrorClass::Network, "Timeout"));
    assert_eq!(incremental(&world).await.0.status, TaskStatus::Partial);
    wait(60).await;
    let (task, _) = incremental(&world).await;
    assert_eq!((task.status, task.counts), (TaskStatus::Success, counts(1, 0, 1, 0)));
    world.assert_true("r1").await;
}

#[tokio::test(start_paused = true)]
async fn an_incremental_sync_looks_closer_since_the_last_success_unless_told_otherwise() {
    // Without a feed: the disks of what was created since are asked for.
    let world = World::new(&["r1"]).await;
    world.vendor.fill("r1", "i", 3);
    let mut young = machine("i-young");
    young.created_at = Some(world.clock.now() + SignedDuration::from_mins(1));
    world.vendor.put("r1", young);
    world.sync(Mode::Full).await;
    world.vendor.attach("i-young", &["d-1"]);
    world.vendor.attach("i-001", &["d-2"]);
    assert_eq!(incremental(&world).await.0.counts, counts(4, 0, 1, 0));
    assert_eq!(world.history("r1", "i-young").await.len(), 2);

    // With one: an earlier moment brings back what was done since.
    let world = fed(30).await;
    world.vendor.tell("r1", world.clock.now(), AT_ONCE, &["i-001"]);
    incremental(&world).await;
    wait(60).await;
    let since = Some(world.clock.now() - SignedDuration::from_hours(1));
    let request = SyncRequest { mode: Mode::Incremental, since, ..SyncRequest::default() };
    let now = world.clock.now();
    world.vendor.set_time(now);
    let dispatched = world.dispatcher.request(&request, &now.to_string(), now).await.unwrap();
    world.drain().await;
    let (task, _) = world.task(&dispatched.tasks[0].task_id).await;
    assert_eq!(task.counts, counts(1, 0, 0, 0));
}
