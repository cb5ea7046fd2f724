//! The tick and requests: what is started, and that it is started once.

use std::sync::Arc;
use std::time::Duration;

use cloud_sync_core::account::{Account, Region, RegionCache};
use cloud_sync_core::error::ErrorClass;
use cloud_sync_core::message::{Mode, SyncRequest, Trigger};
use cloud_sync_core::task::TaskStatus;
use cloud_sync_dispatch::DispatchError;
use cloud_sync_runtime::clock::Clock;
use cloud_sync_runtime::store::TaskQuery;
use cloud_sync_runtime::store::memory::MemoryStore;
use cloud_sync_tests::failing::{FailingStore, Operation};
use cloud_sync_tests::vendor::{Call, error};
use cloud_sync_tests::world::{ACCOUNT, World, account, reference, secret};

async fn tick(world: &World, id: &str) -> usize {
    let dispatch = world.dispatcher.tick(id, world.clock.now()).await.unwrap();
    world.drain().await;
    dispatch.tasks.len()
}

#[tokio::test(start_paused = true)]
async fn the_same_tick_twice_is_one_set_of_tasks() {
    let world = World::new(&["r1", "r2"]).await;
    let at = world.clock.now();
    let first = world.dispatcher.tick("event-1", at).await.unwrap();
    world.dispatcher.tick("event-1", at).await.unwrap();
    world.drain().await;
    world.dispatcher.tick("event-1", at).await.unwrap();
    world.drain().await;
    assert_eq!(first.tasks.len(), 1);
    assert_eq!(first.tasks[0].trigger, Trigger::Scheduled);
    assert_eq!(first.tasks[0].regions, ["r1", "r2"]);
    let query = cloud_sync_runtime::store::TaskQuery { limit: 10, ..Default::default() };
    assert_eq!(world.store.tasks(&query).await.unwrap().len(), 1);
    assert_eq!(world.vendor.calls(Call::Page), 2);
}

#[tokio::test(start_paused = true)]
async fn a_tick_starts_only_what_is_due() {
    let world = World::new(&["r1"]).await;
    assert_eq!(tick(&world, "1").await, 1);
    tokio::time::sleep(Duration::from_secs(5 * 60)).await;
    assert_eq!(tick(&world, "2").await, 0, "the interval is an hour");
    tokio::time::sleep(Duration::from_secs(56 * 60)).await;
    assert_eq!(tick(&world, "3").await, 1);
}

#[tokio::test(start_paused = true)]
async fn the_daily_sync_is_a_full_one_and_the_others_incremental() {
    let world = World::new(&["r1"]).await;
    let mut modes = Vec::new();
    for hour in 0..26 {
        let at = world.clock.now();
        let dispatch = world.dispatcher.tick(&hour.to_string(), at).await.unwrap();
        modes.extend(dispatch.tasks.iter().map(|task| task.mode));
        world.drain().await;
        tokio::time::sleep(Duration::from_secs(3600)).await;
    }
    let full: Vec<_> = (0..modes.len()).filter(|n| modes[*n] == Mode::Full).collect();
    assert_eq!(full, [0, 24]);
}

#[tokio::test(start_paused = true)]
async fn a_tick_leaves_a_scope_in_flight_alone() {
    let world = World::new(&["r1"]).await;
    world.dispatcher.tick("1", world.clock.now()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2 * 3600)).await;
    let second = world.dispatcher.tick("2", world.clock.now()).await.unwrap();
    assert_eq!(second.tasks, []);
}

#[tokio::test(start_paused = true)]
async fn a_suspended_account_waits_for_other_credentials() {
    let world = World::new(&["r1"]).await;
    world.vendor.fail(Call::Page, None, 0, 1, error(ErrorClass::Auth, "SignatureDoesNotMatch"));
    assert_eq!(tick(&world, "1").await, 1);
    tokio::time::sleep(Duration::from_secs(2 * 3600)).await;
    assert_eq!(tick(&world, "2").await, 0, "it is suspended");
    world.credentials.set(&reference(), secret("another-secret"));
    assert_eq!(tick(&world, "3").await, 1);
    assert!(world.store.account(ACCOUNT).await.unwrap().unwrap().suspended.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_resumed_account_is_tried_again_and_if_refused_suspended_and_told_anew() {
    let world = World::new(&["r1", "r2"]).await;
    world.vendor.fail(Call::Page, None, 0, 2, error(ErrorClass::Auth, "SignatureDoesNotMatch"));
    let told = || {
        let notices = world.notifier.notices();
        notices.iter().filter(|n| n.subject().to_string().contains("suspended")).count()
    };
    for round in 1..=2 {
        assert_eq!(tick(&world, &format!("{round}")).await, 1);
        assert!(world.store.account(ACCOUNT).await.unwrap().unwrap().suspended.is_some());
        assert_eq!((told(), world.vendor.calls(Call::Page)), (round, round as u32));
        tokio::time::sleep(Duration::from_secs(2 * 3600)).await;
        assert_eq!(tick(&world, &format!("{round} again")).await, 0, "it is suspended");
        world.store.resume(ACCOUNT).await.unwrap();
    }
    assert_eq!(tick(&world, "3").await, 1);
    assert!(world.store.account(ACCOUNT).await.unwrap().unwrap().suspended.is_none());
    assert_eq!((told(), world.vendor.calls(Call::Page)), (2, 4), "both regions were listed");
}

#[tokio::test(start_paused = true)]
async fn a_request_by_name_tries_a_suspended_account() {
    let world = World::new(&["r1"]).await;
    world.vendor.fail(Call::Page, None, 0, 1, error(ErrorClass::Auth, "SignatureDoesNotMatch"));
    let (refused, _) = world.sync(Mode::Full).await;
    assert_eq!(refused.status, TaskStatus::Failed);
    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!(task.status, TaskStatus::Success);
}

#[tokio::test(start_paused = true)]
async fn regions_are_asked_for_once_a_day() {
    let world = World::new(&["r1"]).await;
    world.sync(Mode::Full).await;
    world.sync(Mode::Full).await;
    assert_eq!(world.vendor.calls(Call::Regions), 1);
    tokio::time::sleep(Duration::from_secs(25 * 3600)).await;
    world.sync(Mode::Full).await;
    assert_eq!(world.vendor.calls(Call::Regions), 2);
}

#[tokio::test(start_paused = true)]
async fn regions_remembered_serve_while_the_vendor_cannot_be_asked() {
    let world = World::new(&["r1"]).await;
    world.sync(Mode::Full).await;
    tokio::time::sleep(Duration::from_secs(25 * 3600)).await;
    world.vendor.fail(Call::Regions, None, 0, 1, error(ErrorClass::Network, "Timeout"));
    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!(task.regions, ["r1"]);
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_are_told_before_any_task_exists() {
    let world = World::new(&["r1"]).await;
    world.vendor.fail(Call::Regions, None, 0, 1, error(ErrorClass::Auth, "InvalidAccessKeyId"));
    let now = world.clock.now();
    let dispatch = world.dispatcher.request(&SyncRequest::default(), "x", now).await.unwrap();
    assert_eq!(dispatch.tasks, []);
    assert_eq!(dispatch.problems[0].code, "InvalidAccessKeyId");
    assert_eq!(world.notifier.notices().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_for_what_does_not_exist_names_what_does() {
    let world = World::new(&["r1", "r2"]).await;
    for (request, field, names) in [
        (
            SyncRequest { account_ids: vec!["x".into()], ..Default::default() },
            "account_ids",
            "prod",
        ),
        (SyncRequest { regions: vec!["x".into()], ..Default::default() }, "regions", "r1, r2"),
        (
            SyncRequest { kinds: vec!["aliyun.x.y".parse().unwrap()], ..Default::default() },
            "kinds",
            "aliyun.ecs.instance",
        ),
    ] {
        let error = world.dispatcher.request(&request, "x", world.clock.now()).await.unwrap_err();
        let DispatchError::Invalid(invalid) = error else { panic!("{error}") };
        assert_eq!(invalid.field, field);
        assert!(invalid.reason.contains(names), "{}", invalid.reason);
    }
    assert!(world.work.is_empty(), "nothing was dispatched");
}

/// Adds accounts whose regions are known already.
async fn add_accounts(world: &World, ids: &[&str]) {
    let regions = vec![Region::new("r1")];
    let cache = RegionCache { fetched_at: world.clock.now(), regions };
    for id in ids {
        world.store.put_account(&Account { id: (*id).to_owned(), ..account() }).await.unwrap();
        world.store.put_regions(id, &cache).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_account_with_more_regions_than_can_be_kept_leaves_the_others_alone() {
    let names: Vec<_> = (0..8000).map(|n| format!("{n:064}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let world = World::new(&names).await;
    add_accounts(&world, &["alpha", "zeta"]).await;
    let now = world.clock.now();
    let dispatch = world.dispatcher.tick("1", now).await.unwrap();
    let started: Vec<_> = dispatch.tasks.iter().map(|task| task.account_id.as_str()).collect();
    assert_eq!(started, ["alpha", "zeta"]);
    let problem = &dispatch.problems[0];
    assert_eq!((problem.account_id.as_str(), problem.code.as_str()), (ACCOUNT, "TablesRefuse"));
    let asked = world.dispatcher.request(&SyncRequest::default(), "x", now).await.unwrap();
    assert_eq!((asked.tasks.len(), asked.problems.len()), (2, 1), "on demand too");
}

#[tokio::test(start_paused = true)]
async fn a_tick_for_which_the_tables_fail_once_starts_the_others_and_the_rest_when_it_comes_again()
{
    let store = FailingStore::new(Arc::new(MemoryStore::default()));
    let world = World::over(store.clone(), &["r1"]).await;
    add_accounts(&world, &["alpha", "zeta"]).await;
    store.fail(Operation::Scopes, 1);
    let failed = world.dispatcher.tick("1", world.clock.now()).await;
    assert!(matches!(failed, Err(DispatchError::Store(_))), "{failed:?}");
    let query = TaskQuery { limit: 10, ..TaskQuery::default() };
    assert_eq!(world.store.tasks(&query).await.unwrap().len(), 2);
    let again = world.dispatcher.tick("1", world.clock.now()).await.unwrap();
    assert_eq!(again.tasks.len(), 1);
    assert_eq!(world.store.tasks(&query).await.unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_tick_looks_at_no_further_account_once_the_tables_failed_for_many() {
    let store = FailingStore::new(Arc::new(MemoryStore::default()));
    let world = World::over(store.clone(), &["r1"]).await;
    let ids: Vec<_> = (0..60).map(|n| format!("a{n:02}")).collect();
    add_accounts(&world, &ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
    store.fail_often(Operation::Scopes, 5);
    assert!(world.dispatcher.tick("1", world.clock.now()).await.is_err());
    let query = TaskQuery { limit: 100, ..TaskQuery::default() };
    let started = world.store.tasks(&query).await.unwrap().len();
    assert!(started < 30, "{started} accounts were started after five failures");
}
