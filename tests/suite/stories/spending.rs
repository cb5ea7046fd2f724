//! What syncs cost, how often they are worth it, and where they stop.

use std::time::Duration;

use cloud_sync_core::budget::{BUDGET_EXHAUSTED, BudgetPolicy, TOLD_EVERY};
use cloud_sync_core::error::ErrorClass;
use cloud_sync_core::message::{Mode, SyncRequest};
use cloud_sync_core::pace::{Pace, Paces};
use cloud_sync_core::schedule::SchedulePolicy;
use cloud_sync_core::task::TaskStatus;
use cloud_sync_runtime::clock::Clock;
use cloud_sync_runtime::queue::Queue;
use cloud_sync_tests::vendor::{Call, error, machine};
use cloud_sync_tests::world::{ACCOUNT, World, reference, scope, secret};
use futures::future::join_all;
use jiff::SignedDuration;

/// Ticks every five minutes for so many hours; returns how many syncs were
/// started.
async fn syncs_in_hours(world: &World, hours: i64) -> usize {
    let mut started = 0;
    let end = world.clock.now() + SignedDuration::from_hours(hours);
    while world.clock.now() < end {
        let now = world.clock.now();
        let dispatch = world.dispatcher.tick(&format!("{now}"), now).await.unwrap();
        started += dispatch.tasks.len();
        world.drain().await;
        tokio::time::sleep(Duration::from_secs(300)).await;
    }
    started
}

async fn spent(world: &World) -> Option<u64> {
    world.store.account(ACCOUNT).await.unwrap().unwrap().spent.map(|spent| spent.calls)
}

#[tokio::test(start_paused = true)]
async fn a_task_knows_what_it_asked_wrote_and_how_long_it_took() {
    let world = World::new(&["r1", "r2"]).await;
    world.vendor.fill("r1", "i", 25);
    world.vendor.take_time(Duration::from_millis(100));
    let (task, results) = world.sync(Mode::Full).await;
    let cost = &task.cost;
    assert_eq!(cost.apis["Page"].calls, 4, "three pages and an empty one");
    assert_eq!(cost.api_calls, cost.apis.values().map(|api| api.calls).sum::<u64>());
    assert_eq!(cost.rows_written, 25);
    let p50 = cost.apis["Page"].latency.percentile(0.5);
    assert!((100..=119).contains(&p50), "{p50}");
    assert!(cost.worker_ms >= 600, "{}", cost.worker_ms);
    let of_regions: u64 = results.iter().map(|result| result.cost.worker_ms).sum();
    assert_eq!(of_regions, cost.worker_ms);
    let (unchanged, _) = world.sync(Mode::Full).await;
    assert_eq!(unchanged.cost.rows_written, 0);
}

#[tokio::test(start_paused = true)]
async fn a_scope_that_changes_is_looked_at_more_often_than_one_that_does_not() {
    let world = World::new(&["r1"]).await;
    world.configure(|account| account.schedule = SchedulePolicy::default()).await;
    world.vendor.fill("r1", "i", 5);
    let quiet = syncs_in_hours(&world, 48).await;
    let mut busy = 0;
    for hour in 0..24 {
        world.vendor.change("r1", "i-001", |machine| machine.name = format!("hour {hour}"));
        busy += syncs_in_hours(&world, 1).await;
    }
    assert!((4..20).contains(&quiet), "about every six hours, and daily in full: {quiet}");
    assert!(busy > 2 * quiet, "in half the time: {busy}");
}

#[tokio::test(start_paused = true)]
async fn an_empty_region_is_looked_at_daily() {
    let world = World::new(&["r1"]).await;
    world.configure(|account| account.schedule = SchedulePolicy::default()).await;
    syncs_in_hours(&world, 72).await;
    let syncs = syncs_in_hours(&world, 73).await;
    assert!((3..=4).contains(&syncs), "{syncs}");
}

#[tokio::test(start_paused = true)]
async fn without_a_budget_nothing_is_counted() {
    let world = World::new(&["r1"]).await;
    world.sync(Mode::Full).await;
    assert_eq!(spent(&world).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_soft_budget_stretches_intervals() {
    let syncs = async |budget| {
        let world = World::new(&["r1"]).await;
        world.vendor.fill("r1", "i", 30);
        world.configure(|account| account.budget = budget).await;
        let syncs = syncs_in_hours(&world, 24).await;
        (syncs, spent(&world).await)
    };
    let (free, _) = syncs(BudgetPolicy::default()).await;
    let soft = BudgetPolicy { soft_calls_a_day: Some(30), hard_calls_a_day: None };
    let (stretched, calls) = syncs(soft).await;
    assert!((22..=24).contains(&free), "hourly: {free}");
    assert!((6..18).contains(&stretched), "{stretched}");
    assert!((20..=45).contains(&calls.unwrap()), "about the budget: {calls:?}");
}

#[tokio::test(start_paused = true)]
async fn a_hard_budget_ends_a_task_with_a_clear_error_and_deletes_nothing() {
    let world = World::new(&["r1"]).await;
    world.vendor.fill("r1", "i", 100);
    world.sync(Mode::Full).await;
    let hard = BudgetPolicy { soft_calls_a_day: None, hard_calls_a_day: Some(5) };
    world.configure(|account| account.budget = hard).await;
    world.vendor.release("r1", "i-007");
    let (task, results) = world.sync(Mode::Full).await;
    assert_eq!((task.status, task.counts.deleted_count), (TaskStatus::Failed, 0));
    let error = results[0].errors.last().unwrap();
    assert_eq!((error.class, &*error.code), (ErrorClass::Throttled, "BudgetExhausted"));
    for part in ["of the 5 API calls", "the next day begins at 2026-01-02T00:00:00Z"] {
        assert!(error.error.contains(part), "{}", error.error);
    }
    assert_eq!(spent(&world).await, Some(5), "one worker alone goes over nothing");
    assert_eq!(results[0].attempts, 1, "another attempt would be refused too");

    let asked = world.vendor.calls(Call::Page);
    let (again, _) = world.sync(Mode::Full).await;
    assert_eq!((again.status, world.vendor.calls(Call::Page)), (TaskStatus::Failed, asked));
    assert_eq!(syncs_in_hours(&world, 3).await, 0, "nothing is started on schedule");

    world.configure(|_| {}).await;
    let (free, _) = world.sync(Mode::Full).await;
    assert_eq!((free.status, free.counts.deleted_count), (TaskStatus::Success, 1));
}

#[tokio::test(start_paused = true)]
async fn workers_together_go_over_a_hard_budget_by_a_few_calls_each() {
    const WORKERS: usize = 5;
    let regions = ["r1", "r2", "r3", "r4", "r5"];
    let world = World::new(&regions).await;
    regions.iter().for_each(|region| world.vendor.fill(region, "i", 1000));
    world.vendor.take_time(Duration::from_millis(100));
    let hard = BudgetPolicy { soft_calls_a_day: None, hard_calls_a_day: Some(150) };
    world.configure(|account| account.budget = hard).await;
    let task = world.start(Mode::Full).await;
    let deliveries = world.work.receive(WORKERS, Duration::ZERO).await.unwrap();
    assert_eq!(deliveries.len(), WORKERS);
    join_all(deliveries.iter().map(|delivery| world.work_on(delivery))).await;
    world.drain().await;

    let (task, results) = world.task(&task.task_id).await;
    assert_eq!((task.status, task.counts.deleted_count), (TaskStatus::Failed, 0));
    assert!(results.iter().all(|result| result.errors.last().unwrap().code == BUDGET_EXHAUSTED));
    let calls = world.vendor.all_calls();
    let most = 150 + WORKERS as u64 * TOLD_EVERY;
    assert!((150..=most).contains(&calls), "{calls}, of 500 that it takes");
    assert_eq!(spent(&world).await, Some(calls));
}

#[tokio::test(start_paused = true)]
async fn no_call_of_any_kind_goes_over_a_hard_budget() {
    // The feed, a re-read, the disks of what was re-read: each time the next
    // one is refused.
    for left in 1..=3 {
        let world = World::new(&["r1"]).await;
        world.vendor.fill("r1", "i", 500);
        world.configure(|account| account.change_feed = true).await;
        world.sync(Mode::Full).await;
        world.vendor.put("r1", machine("i-new"));
        let now = world.clock.now();
        world.vendor.tell("r1", now, SignedDuration::ZERO, &["i-new"]);
        world.vendor.set_time(now + SignedDuration::from_hours(1));
        world.vendor.forget();
        let hard = BudgetPolicy { soft_calls_a_day: None, hard_calls_a_day: Some(left) };
        world.configure(|account| (account.change_feed, account.budget) = (true, hard)).await;
        let (task, results) = world.sync(Mode::Incremental).await;
        assert_eq!(world.vendor.all_calls(), left);
        assert_eq!(task.status == TaskStatus::Success, left == 3, "{left}: {:?}", results[0]);
    }
    for mode in [Mode::Targeted, Mode::Status] {
        let world = World::new(&["r1"]).await;
        world.vendor.fill("r1", "i", 5);
        world.sync(Mode::Full).await;
        world.vendor.change("r1", "i-001", |machine| machine.name = "renamed".into());
        let most = u64::from(mode == Mode::Targeted);
        let hard = BudgetPolicy { soft_calls_a_day: None, hard_calls_a_day: Some(most) };
        world.configure(|account| account.budget = hard).await;
        world.vendor.forget();
        let region = Some("r1".to_owned());
        let request = SyncRequest {
            mode,
            regions: Vec::from_iter(region),
            ids: vec!["i-001".to_owned()],
            ..SyncRequest::default()
        };
        let task = world.ask(&request).await;
        world.drain().await;
        let (task, results) = world.task(&task.task_id).await;
        assert_eq!(results[0].errors.last().unwrap().code, BUDGET_EXHAUSTED, "{mode:?}");
        assert_eq!((task.status, world.vendor.all_calls()), (TaskStatus::Failed, most));
        assert_eq!(world.history("r1", "i-001").await.len(), 1, "nothing was written in part");
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_is_asked_in_an_accounts_name_is_counted() {
    let world = World::new(&["r1"]).await;
    world.vendor.fill("r1", "i", 30);
    world.vendor.know_type("ecs.g7.large", 2);
    world.vendor.set_caller("1690");
    let soft = BudgetPolicy { soft_calls_a_day: Some(1000), hard_calls_a_day: None };
    world.configure(|account| account.budget = soft).await;
    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!(spent(&world).await, Some(world.vendor.all_calls()));
    assert_eq!(task.cost.api_calls + 1, world.vendor.all_calls(), "the regions are no task's");

    let record = world.store.account(ACCOUNT).await.unwrap().unwrap();
    world.dispatcher.verify(&record).await.unwrap();
    assert_eq!(spent(&world).await, Some(world.vendor.all_calls()));
    let ids = ["i-001".to_owned()];
    world.dispatcher.compare_statuses(&scope("r1"), &ids).await.unwrap().unwrap();
    assert_eq!(world.vendor.calls(Call::Statuses), 1);
    assert_eq!(spent(&world).await, Some(world.vendor.all_calls()));
}

#[tokio::test(start_paused = true)]
async fn a_task_whose_account_is_refused_knows_what_it_asked() {
    let world = World::new(&["r1"]).await;
    world.vendor.set_caller("1690");
    let soft = BudgetPolicy { soft_calls_a_day: Some(1000), hard_calls_a_day: None };
    world.configure(|account| account.budget = soft).await;
    world.sync(Mode::Full).await;
    world.vendor.set_caller("another's");
    world.credentials.set(&reference(), secret("another's"));
    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!((task.status, task.cost.apis["Identity"].calls), (TaskStatus::Failed, 1));
    assert_eq!(spent(&world).await, Some(world.vendor.all_calls()));
}

#[tokio::test(start_paused = true)]
async fn what_attempts_are_measured_to_cost_is_what_the_task_cost() {
    let mut world = World::new(&["r1"]).await;
    world.vendor.fill("r1", "i", 300);
    world.vendor.take_time(Duration::from_secs(1));
    world.run_time = world.sync.settings.wind_down + SignedDuration::from_secs(8);
    world.vendor.fail(Call::Page, None, 7, 1, error(ErrorClass::Network, "Timeout"));
    let (task, results) = world.sync(Mode::Full).await;
    let (lines, attempts) = (world.metrics.regions(), results[0].attempts);
    assert!(attempts > 4, "only {attempts} turns");
    assert_eq!(lines.len(), attempts as usize);
    assert_eq!(lines.iter().map(|line| line.api_calls).sum::<u64>(), task.cost.api_calls);
    assert_eq!(lines.iter().map(|line| line.rows_written).sum::<u64>(), 300);
    assert_eq!(lines.iter().map(|line| line.regions).sum::<u64>(), 1);
    assert_eq!(lines.iter().map(|line| line.total).sum::<u64>(), task.counts.total_count);
    let of_task = &world.metrics.tasks()[0];
    assert_eq!(of_task.task_api_calls, task.cost.api_calls);
    assert!(of_task.task_api_latency_p99 >= Some(Duration::from_secs(1)));
}

#[tokio::test(start_paused = true)]
async fn the_next_day_has_a_budget_of_its_own() {
    let world = World::new(&["r1"]).await;
    let hard = BudgetPolicy { soft_calls_a_day: None, hard_calls_a_day: Some(3) };
    world.configure(|account| account.budget = hard).await;
    let failed = async || world.sync(Mode::Full).await.0.status == TaskStatus::Failed;
    while !failed().await {}
    tokio::time::sleep(Duration::from_secs(24 * 3600)).await;
    assert!(!failed().await);
}

#[tokio::test(start_paused = true)]
async fn what_throttling_taught_one_worker_is_told_to_the_next() {
    let world = World::new(&["r1"]).await;
    world.sync(Mode::Full).await;
    assert_eq!(world.vendor.recalled(), [Paces::new()]);
    let pace = Pace { per_second: 1.5, learnt_at: world.clock.now() };
    let paces: Paces = [("ecs:DescribeInstances".to_owned(), pace)].into();
    world.vendor.teach(&paces);
    world.sync(Mode::Full).await;
    assert_eq!(world.store.scope(&scope("r1")).await.unwrap().paces, paces);
    world.sync(Mode::Full).await;
    assert_eq!(world.vendor.recalled().last(), Some(&paces));

    let learnt_at = pace.learnt_at - SignedDuration::from_hours(30 * 24);
    let old = Pace { learnt_at, ..pace };
    let mut both = paces.clone();
    both.insert("ecs:DescribeDisks".to_owned(), old);
    world.vendor.teach(&both);
    world.sync(Mode::Full).await;
    assert_eq!(world.store.scope(&scope("r1")).await.unwrap().paces, paces, "worn off");
}
