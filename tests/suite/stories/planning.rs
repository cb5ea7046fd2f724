//! Plans: what a sync would do, without doing it.

use std::sync::Arc;
use std::time::Duration;

use cloud_sync_core::budget::BudgetPolicy;
use cloud_sync_core::change::{Change, ChangeKind};
use cloud_sync_core::diff::Field;
use cloud_sync_core::error::ErrorClass;
use cloud_sync_core::message::Mode;
use cloud_sync_core::plan::RegionPlan;
use cloud_sync_core::task::{RegionResult, SyncTask, TaskStatus};
use cloud_sync_runtime::clock::Clock;
use cloud_sync_tests::dynamodb::embedded_dynamodb;
use cloud_sync_tests::vendor::{Call, error, machine};
use cloud_sync_tests::world::{ACCOUNT, World, receive, scope};

use crate::store_contract::over;

async fn changes(world: &World) -> Vec<Change> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let page = world.store.account_changes(ACCOUNT, None, cursor.as_deref()).await.unwrap();
        all.extend(page.items);
        cursor = page.cursor;
        if cursor.is_none() {
            return all;
        }
    }
}

/// Returns everything a plan must leave alone, as text.
async fn everything(world: &World) -> String {
    let rows = world.store.scope_rows(&scope("r1"), true, None).await.unwrap().items;
    let state = world.store.scope(&scope("r1")).await.unwrap();
    let account = world.store.account(ACCOUNT).await.unwrap();
    format!("{rows:?} {:?} {state:?} {account:?}", changes(world).await)
}

async fn plan(world: &World) -> (SyncTask, RegionPlan) {
    let (task, mut results) = world.sync(Mode::Plan).await;
    let plan = results.remove(0).plan.expect("a plan");
    (task, plan)
}

/// Returns what a worker made of the region, without waiting for queues to run
/// empty, which takes its time where the time is real.
async fn region_alone(world: &World, mode: Mode) -> RegionResult {
    tokio::time::sleep(Duration::from_secs(1)).await;
    let task = world.start(mode).await;
    let delivery = receive(&world.work, Duration::ZERO).await.expect("a message");
    world.work_on(&delivery).await;
    world.store.region_result(&task.task_id, "r1").await.unwrap().unwrap()
}

/// A region in which something of everything happened since its last sync.
async fn in_motion(world: &World) {
    world.vendor.fill("r1", "i", 60);
    world.sync(Mode::Full).await;
    move_on(world);
}

fn move_on(world: &World) {
    world.vendor.put("r1", machine("new-1"));
    world.vendor.put("r1", machine("new-2"));
    for id in ["i-001", "i-002", "i-003"] {
        world.vendor.change("r1", id, |machine| machine.spec = "ecs.g7.8xlarge".into());
    }
    world.vendor.attach("i-004", &["d-1"]);
    world.vendor.release("r1", "i-005");
}

#[tokio::test(start_paused = true)]
async fn a_plan_is_what_the_next_sync_does_and_nothing_is_written() {
    let world = World::new(&["r1"]).await;
    in_motion(&world).await;
    let before = everything(&world).await;
    let (planned, plan) = plan(&world).await;
    assert_eq!(everything(&world).await, before);
    assert_eq!(planned.status, TaskStatus::Success);
    let counts = planned.counts;
    assert_eq!((counts.added_count, counts.updated_count, counts.deleted_count), (2, 4, 1));
    assert_eq!(plan.by_field, [(Field::Spec, 3), (Field::DataDisks, 1)].into());

    let known = changes(&world).await.len();
    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!(task.counts, counts);
    assert_eq!(task.cost.api_calls, planned.cost.api_calls);
    let mut done: Vec<_> = changes(&world).await.split_off(known);
    done.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    let mut wanted = plan.changes;
    wanted.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(done.len(), wanted.len());
    for (done, wanted) in done.iter().zip(&wanted) {
        assert_eq!((&done.id, done.change), (&wanted.id, wanted.change));
        if done.change == ChangeKind::Updated {
            assert_eq!(done.fields, wanted.fields);
        }
    }
}

#[tokio::test]
async fn a_plan_knows_about_what_writing_it_costs() {
    let world = World::over(Arc::new(over(&embedded_dynamodb().await).await), &["r1"]).await;
    world.vendor.fill("r1", "i", 60);
    for _ in 0..2 {
        let planned = region_alone(&world, Mode::Plan).await;
        let done = region_alone(&world, Mode::Full).await;
        let plan = planned.plan.unwrap();
        let (about, units) = (plan.write_units + planned.cost.write_units, done.cost.write_units);
        assert!((units * 0.8..units * 1.2).contains(&about), "{about} for {units}");
        let (about, units) = (planned.cost.read_units, done.cost.read_units);
        assert!((units * 0.8..units * 1.2).contains(&about), "{about} for {units}");
        move_on(&world);
    }
}

#[tokio::test(start_paused = true)]
async fn a_plan_shows_what_would_be_held_and_tells_nobody() {
    let world = World::new(&["r1"]).await;
    world.vendor.fill("r1", "i", 60);
    world.sync(Mode::Full).await;
    for n in 0..50 {
        world.vendor.release("r1", &format!("i-{n:03}"));
    }
    let before = everything(&world).await;
    let (task, plan) = plan(&world).await;
    assert_eq!((task.status, task.counts.held_count), (TaskStatus::Partial, 50));
    assert_eq!((plan.held.len(), plan.changes.len()), (50, 0));
    assert_eq!(everything(&world).await, before);
    assert_eq!(world.notifier.notices().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_plan_is_no_sync_to_the_schedule() {
    let world = World::new(&["r1"]).await;
    world.sync(Mode::Plan).await;
    let tick = world.dispatcher.tick("1", world.clock.now()).await.unwrap();
    assert_eq!(tick.tasks.len(), 1);
    assert_eq!(tick.tasks[0].mode, Mode::Full);
    assert_eq!(world.metrics.tasks().len(), 0, "nor to the metrics");
}

#[tokio::test(start_paused = true)]
async fn a_plan_whose_credentials_are_refused_suspends_nobody() {
    let world = World::new(&["r1"]).await;
    world.vendor.fail(Call::Page, None, 0, 1, error(ErrorClass::Auth, "Forbidden.RAM"));
    let (task, results) = world.sync(Mode::Plan).await;
    assert_eq!(task.status, TaskStatus::Failed);
    assert_eq!(results[0].errors[0].code, "Forbidden.RAM");
    assert!(world.store.account(ACCOUNT).await.unwrap().unwrap().suspended.is_none());
    let told = world.notifier.notices();
    assert!(told.iter().all(|notice| !notice.subject().to_string().contains("suspended")));
}

#[tokio::test(start_paused = true)]
async fn a_plan_spends_of_the_budget() {
    let world = World::new(&["r1"]).await;
    let hard = BudgetPolicy { soft_calls_a_day: None, hard_calls_a_day: Some(1000) };
    world.configure(|account| account.budget = hard).await;
    let (task, _) = world.sync(Mode::Plan).await;
    let spent = world.store.account(ACCOUNT).await.unwrap().unwrap().spent.unwrap();
    assert_eq!(spent.calls, task.cost.api_calls + 1, "which regions there are was asked too");
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_takes_longer_than_a_worker_has_says_so() {
    let world = World::new(&["r1"]).await;
    world.vendor.fill("r1", "i", 600);
    world.vendor.take_time(Duration::from_secs(20));
    let (task, results) = world.sync(Mode::Plan).await;
    assert_eq!(task.status, TaskStatus::Failed);
    let error = results[0].errors.last().unwrap();
    assert_eq!(error.code, "PlanTooLong");
    assert!(error.error.contains("plan fewer regions"), "{}", error.error);
    assert_eq!(world.store.scope(&scope("r1")).await.unwrap().checkpoint, None);
}

#[tokio::test(start_paused = true)]
async fn a_plan_leaves_a_walk_in_the_middle_to_its_task() {
    let world = World::new(&["r1"]).await;
    world.vendor.fill("r1", "i", 600);
    world.vendor.take_time(Duration::from_secs(20));
    let task = world.start(Mode::Full).await;
    while world.store.scope(&scope("r1")).await.unwrap().checkpoint.is_none() {
        let next = receive(&world.work, Duration::ZERO).await.expect("the walk's next turn");
        world.work_on(&next).await;
    }
    let checkpoint = world.store.scope(&scope("r1")).await.unwrap().checkpoint;
    let plan = world.start(Mode::Plan).await;
    assert_ne!(plan.task_id, task.task_id);
    world.vendor.take_time(Duration::ZERO);
    world.drain().await;
    assert!(checkpoint.is_some());
    let (task, _) = world.task(&task.task_id).await;
    assert_eq!((task.status, task.counts.added_count), (TaskStatus::Success, 600));
    let (plan, _) = world.task(&plan.task_id).await;
    assert_eq!(plan.status, TaskStatus::Success);
}
