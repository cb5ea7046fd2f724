//! Events of the vendor: what they name is re-read soon, and nothing else is
//! concluded from them.

use std::sync::Arc;
use std::time::Duration;

use cloud_sync_core::change::ChangeKind;
use cloud_sync_core::message::{MOST_IDS, Mode, Trigger, WorkMessage};
use cloud_sync_core::schedule::SchedulePolicy;
use cloud_sync_core::task::{SyncTask, TaskStatus};
use cloud_sync_dispatch::events::Hearing;
use cloud_sync_provider::events::VendorEvent;
use cloud_sync_runtime::clock::Clock;
use cloud_sync_runtime::store::memory::MemoryStore;
use cloud_sync_tests::failing::{FailingStore, Operation};
use cloud_sync_tests::vendor::machine;
use cloud_sync_tests::world::{ACCOUNT, World, kind, receive, scope};

fn event(number: usize, region: &str, ids: &[&str]) -> VendorEvent {
    let ids = ids.iter().map(|id| (*id).to_owned()).collect();
    VendorEvent {
        source: "acs.ecs".to_owned(),
        id: format!("e-{number}"),
        name: "ecs:Instance:StateChange".to_owned(),
        account_number: None,
        region: Some(region.to_owned()),
        at: None,
        concerns: [(kind(), ids)].into(),
    }
}

async fn hear(world: &World, events: &[VendorEvent]) -> Hearing {
    let record = world.store.account(ACCOUNT).await.unwrap().unwrap();
    world.dispatcher.hear(&record, events).await.unwrap()
}

async fn tasks(world: &World, hearing: &Hearing) -> Vec<SyncTask> {
    let mut tasks = Vec::new();
    for id in &hearing.task_ids {
        tasks.push(world.task(id).await.0);
    }
    tasks
}

async fn synced(count: usize) -> World {
    let world = World::new(&["r1"]).await;
    world.vendor.fill("r1", "i", count);
    world.sync(Mode::Full).await;
    world
}

#[tokio::test(start_paused = true)]
async fn what_an_event_names_is_re_read_and_nothing_else() {
    let world = synced(3).await;
    world.vendor.change("r1", "i-000", |one| one.name = "new".into());
    world.vendor.change("r1", "i-001", |one| one.name = "unseen".into());
    world.vendor.put("r1", machine("i-9"));
    let hearing = hear(&world, &[event(1, "r1", &["i-000", "i-9"])]).await;
    assert_eq!((hearing.taken, hearing.task_ids.len()), (1, 1));
    world.drain().await;
    let task = tasks(&world, &hearing).await.remove(0);
    assert_eq!((task.trigger, task.mode), (Trigger::Event, Mode::Targeted));
    assert_eq!(task.status, TaskStatus::Success);
    let counts = &task.counts;
    assert_eq!((counts.added_count, counts.updated_count, counts.total_count), (1, 1, 2));
    let rows = world.rows("r1", false).await;
    let name =
        |id: &str| rows.iter().find(|row| row.resource.id == id).map(|row| &row.resource.name);
    assert_eq!(name("i-000").map(String::as_str), Some("new"));
    assert_ne!(name("i-001").map(String::as_str), Some("unseen"));
    assert!(name("i-9").is_some());
}

#[tokio::test(start_paused = true)]
async fn an_event_that_comes_again_starts_nothing() {
    let world = synced(1).await;
    let one = event(1, "r1", &["i-000"]);
    assert_eq!(hear(&world, &[one.clone(), one.clone()]).await.known, 1, "also in one body");
    world.drain().await;
    let again = hear(&world, std::slice::from_ref(&one)).await;
    assert_eq!((again.taken, again.known), (0, 1));
    assert!(again.task_ids.is_empty() && world.work.is_empty());
    let other = hear(&world, &[event(2, "r1", &["i-000"])]).await;
    assert_eq!(other.taken, 1, "another event of the same machine is heard");
}

#[tokio::test(start_paused = true)]
async fn events_of_a_burst_join_the_task_that_waits() {
    let world = synced(60).await;
    let mut task_ids = std::collections::BTreeSet::new();
    for number in 0..60 {
        let id = format!("i-{:03}", number % 40);
        world.vendor.change("r1", &id, |one| one.name = format!("renamed-{number}"));
        task_ids.extend(hear(&world, &[event(number, "r1", &[&id])]).await.task_ids);
    }
    assert_eq!((task_ids.len(), world.work.len()), (1, 1));
    world.drain().await;
    let task = world.task(task_ids.first().unwrap()).await.0;
    assert_eq!((task.ids.len(), task.counts.updated_count), (40, 40));
    world.assert_true("r1").await;
}

#[tokio::test(start_paused = true)]
async fn a_task_that_a_worker_began_with_is_joined_no_more() {
    let world = synced(2).await;
    let first = hear(&world, &[event(1, "r1", &["i-000"])]).await;
    // The worker has read what the task names, and has not asked yet.
    let id = first.task_ids.first().unwrap();
    world.store.start_task(id, world.clock.now()).await.unwrap();
    world.vendor.change("r1", "i-001", |one| one.name = "new".into());
    let second = hear(&world, &[event(2, "r1", &["i-001"])]).await;
    assert!(first.task_ids.is_disjoint(&second.task_ids));
    world.drain().await;
    world.assert_true("r1").await;
}

#[tokio::test(start_paused = true)]
async fn a_task_that_waits_too_long_is_joined_no_more() {
    let world = synced(2).await;
    let first = hear(&world, &[event(1, "r1", &["i-000"])]).await;
    // Its message is lost.
    let lost = receive(&world.work, Duration::ZERO).await.unwrap();
    cloud_sync_runtime::queue::Queue::delete(&*world.work, &lost.receipt).await.unwrap();
    tokio::time::sleep(Duration::from_secs(6 * 60)).await;
    world.vendor.change("r1", "i-001", |one| one.name = "new".into());
    let second = hear(&world, &[event(2, "r1", &["i-001"])]).await;
    assert!(first.task_ids.is_disjoint(&second.task_ids));
    world.drain().await;
    world.assert_true("r1").await;
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_task_is_not_joined() {
    let world = synced(2).await;
    let first = hear(&world, &[event(1, "r1", &["i-000"])]).await;
    let id = first.task_ids.first().unwrap();
    assert!(world.store.request_cancel(id).await.unwrap());
    let second = hear(&world, &[event(2, "r1", &["i-001"])]).await;
    assert!(first.task_ids.is_disjoint(&second.task_ids));
    world.drain().await;
    assert_eq!(world.task(id).await.0.status, TaskStatus::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn more_than_a_task_names_are_several() {
    let world = synced(250).await;
    let ids: Vec<_> = (0..250).map(|number| format!("i-{number:03}")).collect();
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    let events: Vec<_> =
        ids.chunks(10).enumerate().map(|(number, ids)| event(number, "r1", ids)).collect();
    let hearing = hear(&world, &events).await;
    world.drain().await;
    let tasks = tasks(&world, &hearing).await;
    assert_eq!(tasks.len(), 3);
    assert!(tasks.iter().all(|task| task.ids.len() <= MOST_IDS));
    assert_eq!(tasks.iter().map(|task| task.counts.total_count).sum::<u64>(), 250);
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_is_gone_is_deleted_by_the_next_walk_which_comes_soon() {
    let world = synced(3).await;
    let policy = SchedulePolicy { min_interval_minutes: 10, ..SchedulePolicy::every(600) };
    world.configure(|account| account.schedule = policy).await;
    world.vendor.release("r1", "i-001");
    let hearing = hear(&world, &[event(1, "r1", &["i-001"])]).await;
    world.drain().await;
    assert_eq!(tasks(&world, &hearing).await[0].counts.deleted_count, 0);
    assert_eq!(world.rows("r1", false).await.len(), 3, "an event proves nothing");

    let tick = async |id: &str| {
        let now = world.clock.now();
        world.dispatcher.tick(id, now).await.unwrap().tasks.len()
    };
    assert_eq!(tick("at once").await, 0, "not before the shortest interval");
    tokio::time::sleep(Duration::from_secs(10 * 60)).await;
    assert_eq!(tick("soon").await, 1);
    world.drain().await;
    assert_eq!(world.rows("r1", false).await.len(), 2);
    assert_eq!(world.history("r1", "i-001").await.last().unwrap().change, ChangeKind::Deleted);
    assert_eq!(world.store.scope(&scope("r1")).await.unwrap().findings.lacked_at, None);
    tokio::time::sleep(Duration::from_secs(20 * 60)).await;
    assert_eq!(tick("later").await, 0, "it lacks nothing any more");
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_was_never_seen_and_is_not_there_hurries_nobody() {
    let world = synced(1).await;
    hear(&world, &[event(1, "r1", &["i-none"])]).await;
    world.drain().await;
    assert_eq!(world.store.scope(&scope("r1")).await.unwrap().findings.lacked_at, None);
}

#[tokio::test(start_paused = true)]
async fn what_names_nothing_that_is_synced_is_counted_as_unknown() {
    let world = synced(1).await;
    let mut of_disks = event(2, "r1", &[]);
    of_disks.concerns = [("aliyun.ecs.disk".parse().unwrap(), ["d-1".to_owned()].into())].into();
    let nowhere = VendorEvent { region: None, ..event(3, "r1", &["i-000"]) };
    let events = [event(1, "r9", &["i-000"]), of_disks, nowhere, event(4, "r1", &[])];
    let mut nothing = events.to_vec();
    nothing[3].concerns.clear();
    let hearing = hear(&world, &nothing).await;
    assert_eq!(hearing, Hearing { unknown: 4, ..Hearing::default() });
    assert!(world.work.is_empty());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_re_read_of_an_account_that_rests() {
    let world = synced(1).await;
    world.configure(|account| account.enabled = false).await;
    let hearing = hear(&world, &[event(1, "r1", &["i-000"])]).await;
    assert_eq!(hearing, Hearing { idle: 1, ..Hearing::default() });
    world.configure(|account| account.budget.hard_calls_a_day = Some(0)).await;
    assert_eq!(hear(&world, &[event(1, "r1", &["i-000"])]).await.idle, 1);
    world.configure(|_| {}).await;
    assert_eq!(hear(&world, &[event(1, "r1", &["i-000"])]).await.taken, 1, "heard anew after");
}

#[tokio::test(start_paused = true)]
async fn an_event_that_was_heard_in_part_is_heard_whole_by_the_same_task() {
    let store = FailingStore::new(Arc::new(MemoryStore::default()));
    let world = World::over(store.clone(), &["r1"]).await;
    world.vendor.fill("r1", "i", 2);
    world.sync(Mode::Full).await;
    world.vendor.change("r1", "i-000", |one| one.name = "new".into());
    let record = world.store.account(ACCOUNT).await.unwrap().unwrap();
    store.fail(Operation::NoteEvent, 0);
    let one = event(1, "r1", &["i-000"]);
    let refused = world.dispatcher.hear(&record, std::slice::from_ref(&one)).await;
    assert!(refused.is_err());
    let hearing = hear(&world, std::slice::from_ref(&one)).await;
    assert_eq!((hearing.taken, hearing.task_ids.len()), (1, 1));
    world.drain().await;
    let open = world.store.open_tasks().await.unwrap();
    assert!(open.is_empty(), "{open:?}");
    assert_eq!(tasks(&world, &hearing).await[0].counts.updated_count, 1);
    world.assert_true("r1").await;
}

#[tokio::test(start_paused = true)]
async fn an_event_during_a_sync_waits_for_its_scope() {
    let world = synced(3).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let sync = world.start(Mode::Full).await;
    let delivery = receive(&world.work, Duration::ZERO).await.unwrap();
    world.vendor.change("r1", "i-002", |one| one.name = "new".into());
    let hearing = hear(&world, &[event(1, "r1", &["i-002"])]).await;
    assert!(receive(&world.work, Duration::ZERO).await.is_none(), "one worker a scope");
    world.work_on(&delivery).await;
    world.drain().await;
    assert_eq!(world.task(&sync.task_id).await.0.status, TaskStatus::Success);
    assert_eq!(tasks(&world, &hearing).await[0].status, TaskStatus::Success);
    world.assert_true("r1").await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_asks_for_what_its_task_names_and_not_for_what_its_message_says() {
    let world = synced(2).await;
    hear(&world, &[event(1, "r1", &["i-000"])]).await;
    let delivery = receive(&world.work, Duration::ZERO).await.unwrap();
    let message: WorkMessage = serde_json::from_str(&delivery.body).unwrap();
    assert_eq!(message.ids, ["i-000"]);
    world.vendor.change("r1", "i-001", |one| one.name = "new".into());
    // The message is on its way already.
    hear(&world, &[event(2, "r1", &["i-001"])]).await;
    world.work_on(&delivery).await;
    world.drain().await;
    world.assert_true("r1").await;
}
