//! Nothing is called deleted that is not proven to be gone.

use std::sync::Arc;

use cloud_sync_core::change::ChangeKind;
use cloud_sync_core::deletion::{OnDelete, Verdict};
use cloud_sync_core::error::ErrorClass;
use cloud_sync_core::message::Mode;
use cloud_sync_core::query::ScopeFilter;
use cloud_sync_core::task::{SyncTask, TaskStatus};
use cloud_sync_dispatch::deletions::{DecisionError, Ruling, decide, held};
use cloud_sync_runtime::clock::Clock;
use cloud_sync_runtime::notify::NoticeKind;
use cloud_sync_runtime::store::memory::MemoryStore;
use cloud_sync_tests::failing::{FailingStore, Operation};
use cloud_sync_tests::vendor::{Call, Fault, error, machine};
use cloud_sync_tests::world::{ACCOUNT, World, scope};

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
    let mut tasks = Vec::new();
    for _ in 0..2 {
        let (task, _) = world.sync(Mode::Full).await;
        assert_eq!((task.status, task.counts.held_count), (TaskStatus::Partial, 40));
        assert_eq!((task.counts.deleted_count, live(&world).await), (0, 60));
        tasks.push(task.task_id);
    }
    let [notice] = &world.notifier.notices()[..] else { panic!("held deletions are told once") };
    assert_eq!(notice.kind, NoticeKind::DeletionsHeld);
    assert_eq!(
        (notice.account_id.as_deref(), notice.task_id.as_ref()),
        (Some(ACCOUNT), tasks.first())
    );
    assert!(notice.text.starts_with("40 resources of "), "{}", notice.text);
    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!((task.status, task.counts.deleted_count), (TaskStatus::Success, 40));
    world.assert_true("r1").await;
}

#[tokio::test(start_paused = true)]
async fn what_comes_back_while_held_starts_anew() {
    let world = collapsed().await;
    world.vendor.fill("r1", "i", 60);
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
    assert_eq!(world.vendor.calls(Call::Probe), 2, "before the re-read and after it");
    assert_eq!((task.status, task.counts.deleted_count), (TaskStatus::Success, 3));
}

#[tokio::test(start_paused = true)]
async fn where_nobody_can_be_asked_an_empty_listing_is_held_until_three_agree() {
    let world = synced(3).await;
    world.vendor.take_away_the_probe();
    for n in 0..3 {
        world.vendor.release("r1", &format!("i-{n:03}"));
    }
    for _ in 0..2 {
        let (task, _) = world.sync(Mode::Full).await;
        assert_eq!((task.status, task.counts.held_count), (TaskStatus::Partial, 3));
        assert_eq!((task.counts.deleted_count, live(&world).await), (0, 3));
    }
    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!((task.status, task.counts.deleted_count), (TaskStatus::Success, 3));
    world.assert_true("r1").await;
}

#[tokio::test(start_paused = true)]
async fn where_nobody_can_be_asked_what_is_listed_vouches_for_the_rest() {
    let world = synced(25).await;
    world.vendor.take_away_the_probe();
    world.vendor.release("r1", "i-001");
    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!((task.status, task.counts.deleted_count), (TaskStatus::Success, 1));
    world.assert_true("r1").await;
}

#[tokio::test(start_paused = true)]
async fn what_two_apis_disagree_on_is_never_deleted() {
    let world = synced(5).await;
    // The list hides everything and the re-read is blind; only the call for
    // statuses knows better.
    (0..5).for_each(|n| world.vendor.hide(&format!("i-{n:03}")));
    world.vendor.fail(Call::Reread, None, 0, u32::MAX, Fault::Empty);
    for _ in 0..4 {
        let (task, _) = world.sync(Mode::Full).await;
        assert_eq!((task.status, task.counts.held_count), (TaskStatus::Partial, 5));
        assert_eq!((task.counts.deleted_count, live(&world).await), (0, 5));
    }
}

#[tokio::test(start_paused = true)]
async fn a_re_read_that_does_not_find_what_was_listed_proves_nothing() {
    let world = synced(25).await;
    world.vendor.release("r1", "i-001");
    world.vendor.fail(Call::Reread, None, 0, 1, Fault::Empty);
    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!((task.status, task.counts.held_count), (TaskStatus::Partial, 1));
    assert_eq!(world.vendor.calls(Call::Statuses), 0, "there was nothing to ask about");
    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!((task.status, task.counts.deleted_count), (TaskStatus::Success, 1));
}

#[tokio::test(start_paused = true)]
async fn a_permission_has_to_be_there_before_the_re_read_and_after_it() {
    for calls_before in [0, 1] {
        let world = synced(25).await;
        world.vendor.release("r1", "i-001");
        let fault = error(ErrorClass::Network, "Timeout");
        world.vendor.fail(Call::Probe, None, calls_before, 1, fault);
        let (task, _) = world.sync(Mode::Full).await;
        assert_eq!((task.counts.held_count, task.counts.deleted_count), (1, 0));
    }
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
    let world = collapsed().await;
    world.sync(Mode::Full).await;
    world.vendor.garble("r1", Some("i-007"));
    world.sync(Mode::Full).await;
    let live: Vec<_> = world.rows("r1", false).await;
    let seen = live.iter().find(|row| row.resource.id == "i-007").unwrap();
    assert_eq!((live.len(), seen.missing), (21, None), "39 were missing three times in a row");
}

/// Returns a world of 60 machines of which `i-000` to `i-039` are gone, and
/// their deletion is held.
async fn collapsed() -> World {
    let world = synced(60).await;
    release(&world, 0..40);
    let task = full(&world).await;
    assert_eq!((task.counts.held_count, task.counts.deleted_count), (40, 0));
    world
}

fn release(world: &World, numbers: std::ops::Range<u32>) {
    numbers.for_each(|n| world.vendor.release("r1", &format!("i-{n:03}")));
}

async fn full(world: &World) -> SyncTask {
    world.sync(Mode::Full).await.0
}

async fn rule(
    world: &World,
    verdict: Verdict,
    ids: Option<&[&str]>,
) -> Result<Vec<String>, DecisionError> {
    let ids = ids.map(|ids| ids.iter().map(|id| (*id).to_owned()).collect());
    let ruling = Ruling { verdict, ids, at: world.clock.now(), by: Some("kim".into()) };
    decide(world.store.as_ref(), &scope("r1"), &ruling).await
}

async fn held_ids(world: &World) -> Vec<String> {
    let found = held(world.store.as_ref(), &ScopeFilter::default()).await.unwrap();
    found.into_iter().flat_map(|held| held.rows).map(|row| row.id).collect()
}

#[tokio::test(start_paused = true)]
async fn what_an_operator_approves_the_next_sync_deletes() {
    let world = collapsed().await;
    assert_eq!(rule(&world, Verdict::Approve, None).await.unwrap().len(), 40);
    assert_eq!(live(&world).await, 60, "an approval by itself deletes nothing");
    let task = full(&world).await;
    assert_eq!((task.status, task.counts.deleted_count), (TaskStatus::Success, 40));
    assert_eq!(task.counts.held_count, 0);
    world.assert_true("r1").await;
    assert_eq!(held_ids(&world).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_is_held_says_what_it_is_and_what_was_decided() {
    let world = collapsed().await;
    rule(&world, Verdict::Reject, Some(&["i-003"])).await.unwrap();
    let found = held(world.store.as_ref(), &ScopeFilter::default()).await.unwrap();
    assert_eq!((found.len(), &found[0].scope, found[0].count), (1, &scope("r1"), 40));
    let row = &found[0].rows[3];
    assert_eq!((row.id.as_str(), row.name.as_str()), ("i-003", "name of i-003"));
    assert_eq!(found[0].since, Some(row.missing_since));
    let decided = row.decision.as_ref().unwrap();
    assert_eq!((decided.verdict, decided.by.as_deref()), (Verdict::Reject, Some("kim")));
    assert_eq!(found[0].rows[4].decision, None);

    let of = |account: &str, region: &str| ScopeFilter {
        account_ids: vec![account.into()],
        regions: vec![region.into()],
        ..ScopeFilter::default()
    };
    assert_eq!(held(world.store.as_ref(), &of(ACCOUNT, "r1")).await.unwrap().len(), 1);
    assert_eq!(held(world.store.as_ref(), &of(ACCOUNT, "r2")).await.unwrap(), []);
    let unknown = held(world.store.as_ref(), &of("nobody", "r1")).await.unwrap_err();
    assert_eq!(unknown.to_string(), "there is no account 'nobody'; there are: prod");
}

#[tokio::test(start_paused = true)]
async fn what_an_operator_rejects_is_held_until_it_is_seen_again() {
    let world = collapsed().await;
    rule(&world, Verdict::Reject, None).await.unwrap();
    for _ in 0..5 {
        let task = full(&world).await;
        assert_eq!((task.status, task.counts.held_count), (TaskStatus::Partial, 40));
        assert_eq!((task.counts.deleted_count, live(&world).await), (0, 60));
    }
    let told: Vec<_> = world.notifier.notices().iter().map(|notice| notice.kind).collect();
    assert_eq!(told, [NoticeKind::DeletionsHeld], "held deletions are told once");
    world.vendor.fill("r1", "i", 60);
    assert_eq!(full(&world).await.status, TaskStatus::Success);
    world.assert_true("r1").await;

    // Seen again, they are as any other: one that goes now is believed.
    release(&world, 7..8);
    assert_eq!(full(&world).await.counts.deleted_count, 1);
    world.assert_true("r1").await;
}

#[tokio::test(start_paused = true)]
async fn what_was_rejected_can_be_approved_later() {
    let world = collapsed().await;
    rule(&world, Verdict::Reject, None).await.unwrap();
    for _ in 0..3 {
        full(&world).await;
    }
    rule(&world, Verdict::Approve, Some(&["i-000", "i-001"])).await.unwrap();
    let task = full(&world).await;
    assert_eq!((task.counts.deleted_count, task.counts.held_count), (2, 38));
    rule(&world, Verdict::Approve, None).await.unwrap();
    assert_eq!(full(&world).await.counts.deleted_count, 38);
    world.assert_true("r1").await;
}

#[tokio::test(start_paused = true)]
async fn what_is_approved_and_then_seen_is_not_deleted_nor_when_it_goes_again() {
    let world = collapsed().await;
    rule(&world, Verdict::Approve, None).await.unwrap();
    world.vendor.fill("r1", "i", 60);
    let task = full(&world).await;
    assert_eq!((task.status, task.counts.unchanged_count), (TaskStatus::Success, 60));
    world.assert_true("r1").await;

    release(&world, 0..40);
    for _ in 0..2 {
        let task = full(&world).await;
        assert_eq!((task.counts.held_count, task.counts.deleted_count), (40, 0), "an old word");
    }
}

#[tokio::test(start_paused = true)]
async fn an_approved_row_that_only_a_re_read_finds_is_not_deleted() {
    let world = collapsed().await;
    rule(&world, Verdict::Approve, None).await.unwrap();
    world.vendor.put("r1", machine("i-005"));
    world.vendor.hide("i-005");
    assert_eq!(full(&world).await.counts.deleted_count, 39);
    world.assert_true("r1").await;
}

#[tokio::test(start_paused = true)]
async fn an_approval_is_no_substitute_for_the_vendors_word() {
    let world = collapsed().await;
    rule(&world, Verdict::Approve, None).await.unwrap();
    world.vendor.fail(Call::Probe, None, 0, 1, error(ErrorClass::Network, "Timeout"));
    let task = full(&world).await;
    assert_eq!((task.counts.held_count, task.counts.deleted_count), (40, 0));
    world.vendor.fail(Call::Page, None, 0, 1, error(ErrorClass::Internal, "Broken"));
    let task = full(&world).await;
    assert_eq!((task.status, task.counts.deleted_count), (TaskStatus::Failed, 0));
    assert_eq!(full(&world).await.counts.deleted_count, 40);
}

#[tokio::test(start_paused = true)]
async fn an_approval_given_while_the_walk_runs_counts() {
    let world = collapsed().await;
    world.vendor.take_time(std::time::Duration::from_secs(1));
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let task = world.start(Mode::Full).await;
    let approve = async {
        tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
        rule(&world, Verdict::Approve, None).await.unwrap();
    };
    tokio::join!(approve, world.drain());
    let (task, _) = world.task(&task.task_id).await;
    assert_eq!((task.status, task.counts.deleted_count), (TaskStatus::Success, 40));
}

#[tokio::test(start_paused = true)]
async fn what_is_approved_holds_nothing_else_and_what_is_rejected_does() {
    for (verdict, deleted, held) in [(Verdict::Approve, 45, 0), (Verdict::Reject, 0, 45)] {
        let world = collapsed().await;
        rule(&world, verdict, None).await.unwrap();
        release(&world, 40..45);
        let task = full(&world).await;
        let counts = (task.counts.deleted_count, task.counts.held_count);
        assert_eq!(counts, (deleted, held), "{verdict:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_decision_on_some_is_about_these_alone() {
    let world = collapsed().await;
    rule(&world, Verdict::Approve, Some(&["i-001", "i-002"])).await.unwrap();
    let task = full(&world).await;
    assert_eq!((task.counts.deleted_count, task.counts.held_count), (2, 38));
    rule(&world, Verdict::Reject, Some(&["i-003"])).await.unwrap();
    let task = full(&world).await;
    // The third listing without them.
    assert_eq!((task.counts.deleted_count, task.counts.held_count), (37, 1));
    assert_eq!(held_ids(&world).await, ["i-003"]);
}

#[tokio::test(start_paused = true)]
async fn a_decision_on_what_is_not_held_decides_nothing() {
    let world = collapsed().await;
    let refused = rule(&world, Verdict::Approve, Some(&["i-001", "i-050", "x"])).await;
    assert!(refused.unwrap_err().to_string().ends_with(": i-050, x"));
    assert_eq!(full(&world).await.counts.deleted_count, 0);

    let nowhere = Ruling { verdict: Verdict::Approve, ids: None, at: world.clock.now(), by: None };
    let unknown = decide(world.store.as_ref(), &scope("r9"), &nowhere).await;
    assert!(matches!(unknown, Err(DecisionError::UnknownScope(_))), "{unknown:?}");
    assert_eq!(world.store.scopes(ACCOUNT).await.unwrap().len(), 1, "and none was made");
    world.vendor.fill("r1", "i", 60);
    full(&world).await;
    let nothing = rule(&world, Verdict::Approve, None).await;
    assert!(matches!(nothing, Err(DecisionError::NothingHeld(_))), "{nothing:?}");
}

#[tokio::test(start_paused = true)]
async fn an_approved_deletion_that_breaks_off_is_finished_and_counted_once() {
    let store = FailingStore::new(Arc::new(MemoryStore::default()));
    let world = World::over(store.clone(), &["r1"]).await;
    world.vendor.fill("r1", "i", 60);
    full(&world).await;
    release(&world, 0..40);
    full(&world).await;
    rule(&world, Verdict::Approve, None).await.unwrap();
    store.fail(Operation::PutRows, 0);
    let task = full(&world).await;
    assert_eq!((task.status, task.counts.deleted_count), (TaskStatus::Success, 40));
    assert_eq!(world.history("r1", "i-000").await.len(), 2);
    world.assert_true("r1").await;
}

#[tokio::test(start_paused = true)]
async fn what_is_purged_is_purged_after_an_approval_too() {
    let world = synced(60).await;
    world.configure(|account| account.deletion.on_delete = OnDelete::Purge).await;
    release(&world, 0..40);
    full(&world).await;
    rule(&world, Verdict::Approve, None).await.unwrap();
    assert_eq!(full(&world).await.counts.deleted_count, 40);
    assert_eq!(world.rows("r1", true).await.len(), 20);
    let history = world.history("r1", "i-000").await;
    assert_eq!(history.last().unwrap().change, ChangeKind::Deleted);
}

#[tokio::test(start_paused = true)]
async fn an_account_may_have_every_deletion_approved() {
    let world = synced(25).await;
    let policy = |account: &mut cloud_sync_core::account::Account| {
        account.deletion.plausible_count = 0;
        account.deletion.plausible_percent = 0;
        account.deletion.agreeing_listings = u64::MAX;
    };
    world.configure(policy).await;
    release(&world, 0..1);
    for _ in 0..5 {
        let task = full(&world).await;
        assert_eq!((task.counts.held_count, task.counts.deleted_count), (1, 0));
    }
    rule(&world, Verdict::Approve, Some(&["i-000"])).await.unwrap();
    assert_eq!(full(&world).await.counts.deleted_count, 1);
    world.assert_true("r1").await;
}
