use std::sync::Arc;

use cloud_sync_core::message::Mode;
use cloud_sync_core::resource::Status;
use cloud_sync_core::scope::Kind;
use cloud_sync_core::stats::{Day, Flow, Live, Snapshot};
use cloud_sync_core::task::{Counts, SyncTask, TaskStatus};
use cloud_sync_runtime::store::Store;
use futures::future::join_all;
use jiff::Timestamp;
use jiff::civil::Date;

use super::fixtures::{at, kind, scope, task};

const MIDNIGHT: &str = "2026-11-24T00:00:00Z";

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

fn moment(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Returns a task that has ended, with counts like no other's.
fn ended(id: &str, account: &str, end: Timestamp, n: u64) -> SyncTask {
    SyncTask {
        status: TaskStatus::Partial,
        end_time: Some(end),
        counts: Counts {
            total_count: 1000,
            added_count: n,
            updated_count: 10 * n,
            deleted_count: 100 * n,
            ..Counts::default()
        },
        ..task(id, account, 0)
    }
}

/// Creates a task and ends it.
async fn end(store: &dyn Store, task: &SyncTask) {
    let open = SyncTask { status: TaskStatus::Running, end_time: None, ..task.clone() };
    assert!(store.create_task(&open).await.unwrap());
    assert!(store.update_task(task).await.unwrap());
}

async fn all(store: &dyn Store, account: &str) -> Vec<Day> {
    store.days(account, day("2000-01-01"), day("2100-01-01")).await.unwrap()
}

fn flow(tasks: u64, n: u64) -> Flow {
    Flow { tasks, added: n, updated: 10 * n, deleted: 100 * n }
}

fn snapshot(at: Timestamp, total: u64) -> Snapshot {
    let by_status = [Status::Running, Status::Stopped].into_iter().collect();
    Snapshot { at, live: Live { total, by_status, held: 1 } }
}

pub async fn a_task_counts_for_the_day_on_which_it_ends(store: Arc<dyn Store>) {
    let midnight = moment(MIDNIGHT);
    let before = midnight.checked_sub(jiff::SignedDuration::from_nanos(1)).unwrap();
    end(&*store, &ended("t1", "prod", before, 1)).await;
    end(&*store, &ended("t2", "prod", midnight, 2)).await;
    end(&*store, &ended("t3", "prod", midnight, 4)).await;
    end(&*store, &ended("t4", "test", midnight, 8)).await;
    let found: Vec<_> = all(&*store, "prod").await.into_iter().map(|d| (d.day, d.flow)).collect();
    assert_eq!(found, [(day("2026-11-23"), flow(1, 1)), (day("2026-11-24"), flow(2, 6))]);
    let found = all(&*store, "test").await;
    assert_eq!((found.len(), found[0].flow), (1, flow(1, 8)));
    assert_eq!((found[0].account_id.as_str(), &found[0].kind), ("test", &kind()));
}

pub async fn a_task_counts_once_however_often_it_is_ended(store: Arc<dyn Store>) {
    let task = ended("t", "prod", moment(MIDNIGHT), 3);
    end(&*store, &task).await;
    assert!(!store.update_task(&task).await.unwrap());
    assert!(!store.update_task(&ended("unknown", "prod", moment(MIDNIGHT), 5)).await.unwrap());
    assert_eq!(all(&*store, "prod").await[0].flow, flow(1, 3));
    assert_eq!(store.task("t").await.unwrap().map(|task| task.counts), Some(task.counts));
}

pub async fn of_many_who_end_tasks_at_once_each_counts_once(store: Arc<dyn Store>) {
    let tasks: Vec<_> =
        (0..8).map(|n| ended(&format!("t{n}"), "prod", moment(MIDNIGHT), 1)).collect();
    for task in &tasks {
        let open = SyncTask { status: TaskStatus::Running, end_time: None, ..task.clone() };
        store.create_task(&open).await.unwrap();
    }
    let twice = tasks.iter().chain(&tasks).map(|task| store.update_task(task));
    let done = join_all(twice).await.into_iter().filter(|done| *done.as_ref().unwrap()).count();
    assert_eq!((done, all(&*store, "prod").await[0].flow), (8, flow(8, 8)));
}

pub async fn what_goes_on_or_only_plans_counts_for_no_day(store: Arc<dyn Store>) {
    let open = SyncTask { status: TaskStatus::Running, ..ended("t", "prod", at(0), 1) };
    store.create_task(&open).await.unwrap();
    assert!(store.update_task(&open).await.unwrap());
    end(&*store, &SyncTask { mode: Mode::Plan, ..ended("plan", "prod", at(0), 1) }).await;
    assert_eq!(all(&*store, "prod").await, []);
}

pub async fn days_come_by_day_and_kind_within_bounds(store: Arc<dyn Store>) {
    let other: Kind = "aliyun.rds.instance".parse().unwrap();
    for (n, date) in ["2026-11-25", "2026-11-23", "2026-11-24"].into_iter().enumerate() {
        let end_time = moment(&format!("{date}T12:00:00Z"));
        end(&*store, &ended(&format!("a{n}"), "prod", end_time, 1)).await;
        let of_other = SyncTask {
            resource_type: other.clone(),
            ..ended(&format!("b{n}"), "prod", end_time, 2)
        };
        end(&*store, &of_other).await;
    }
    // What else is kept beside the days is none.
    store.put_types("prod", &kind(), &[].into()).await.unwrap();
    store
        .set_dispatched(
            &scope("prod", "cn-hangzhou"),
            &cloud_sync_core::lease::Dispatched { task_id: "t".into(), at: at(0) },
        )
        .await
        .unwrap();
    let found = store.days("prod", day("2026-11-23"), day("2026-11-24")).await.unwrap();
    let found: Vec<_> = found.iter().map(|d| (d.day.to_string(), d.kind.as_str())).collect();
    let expected = ["2026-11-23", "2026-11-24"]
        .into_iter()
        .flat_map(|day| [kind().to_string(), other.to_string()].map(|kind| (day.to_owned(), kind)));
    let expected: Vec<_> = expected.collect();
    assert_eq!(found, expected.iter().map(|(d, k)| (d.clone(), k.as_str())).collect::<Vec<_>>());
    assert_eq!(all(&*store, "prod").await.len(), 6);
    assert_eq!(store.days("prod", day("2026-11-24"), day("2026-11-23")).await.unwrap(), []);
    assert_eq!(store.scopes("prod").await.unwrap().len(), 1, "a day is no scope");
}

pub async fn the_latest_snapshot_of_a_day_stays(store: Arc<dyn Store>) {
    let (kind, today) = (kind(), day("2026-11-24"));
    let put = async |snapshot: &Snapshot| {
        store.put_snapshot("prod", &kind, today, snapshot).await.unwrap();
    };
    let early = snapshot(moment("2026-11-24T01:00:00Z"), 3);
    // As a plain text the whole second sorts after its half.
    let late = snapshot(moment("2026-11-24T01:00:00.5Z"), 4);
    put(&early).await;
    assert_eq!(all(&*store, "prod").await[0].snapshot, Some(early.clone()));
    assert_eq!(all(&*store, "prod").await[0].flow, Flow::default(), "nothing has ended yet");
    put(&late).await;
    put(&early).await;
    end(&*store, &ended("t", "prod", moment(MIDNIGHT), 1)).await;
    let found = all(&*store, "prod").await;
    assert_eq!((found[0].snapshot.as_ref(), found[0].flow), (Some(&late), flow(1, 1)));
}

pub async fn the_scopes_of_a_kind_are_those_of_no_other(store: Arc<dyn Store>) {
    let longer: Kind = "aliyun.ecs.instance2".parse().unwrap();
    for region in ["cn-hangzhou", "cn-beijing"] {
        for kind in [kind(), longer.clone()] {
            let of = cloud_sync_core::scope::Scope { kind, ..scope("prod", region) };
            let dispatched = cloud_sync_core::lease::Dispatched { task_id: "t".into(), at: at(0) };
            store.set_dispatched(&of, &dispatched).await.unwrap();
        }
    }
    let found = store.scopes_of_kind("prod", &kind()).await.unwrap();
    let found: Vec<_> = found.into_iter().map(|state| state.scope).collect();
    assert_eq!(found, ["cn-beijing", "cn-hangzhou"].map(|region| scope("prod", region)));
    assert_eq!(store.scopes_of_kind("test", &kind()).await.unwrap(), []);
}
