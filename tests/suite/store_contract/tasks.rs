use std::sync::Arc;
use std::time::Duration;

use cloud_sync_core::cost::{ApiCost, Cost};
use cloud_sync_core::error::ErrorClass;
use cloud_sync_core::message::SyncRequest;
use cloud_sync_core::request::{KNOWN_FOR, KnownRequest};
use cloud_sync_core::task::{Counts, RegionError, RegionResult, SyncTask, TaskStatus};
use cloud_sync_runtime::store::{Store, TaskPlace, TaskQuery};
use jiff::SignedDuration;
use tokio::join;

use super::fixtures::{account, at, task};

/// Returns a task with something in every field.
fn ended(task: SyncTask, status: TaskStatus) -> SyncTask {
    SyncTask {
        status,
        end_time: Some(at(60)),
        duration_ms: Some(60_000),
        counts: Counts {
            total_count: 7,
            added_count: 1,
            updated_count: 2,
            deleted_count: 3,
            unchanged_count: 4,
            error_count: 5,
            held_count: 6,
        },
        cost: cost(9, 1.5, 2.0),
        error_message: Some("cn-beijing: failed".into()),
        ..task
    }
}

/// Returns a cost with something in every field.
fn cost(api_calls: u64, read_units: f64, write_units: f64) -> Cost {
    let mut api =
        ApiCost { calls: api_calls, throttled: 2, retried: 1, bytes: 5000, ..ApiCost::default() };
    api.latency.record(Duration::from_millis(40));
    Cost {
        api_calls,
        throttled_calls: 2,
        retried_calls: 1,
        bytes_received: 5000,
        read_units,
        write_units,
        rows_written: 8,
        worker_ms: 900,
        apis: [("DescribeInstances".to_owned(), api)].into(),
    }
}

fn ids(tasks: &[SyncTask]) -> Vec<&str> {
    tasks.iter().map(|task| task.task_id.as_str()).collect()
}

pub async fn a_task_is_created_once(store: Arc<dyn Store>) {
    let (first, second) = (task("t", "prod", 0), task("t", "test", 1));
    let (a, b) = join!(store.create_task(&first), store.create_task(&second));
    let (a, b) = (a.unwrap(), b.unwrap());
    assert!(a != b, "both or none created it");
    let kept = if a { first } else { second };
    assert!(!store.create_task(&task("t", "other", 2)).await.unwrap());
    assert_eq!(store.task("t").await.unwrap(), Some(kept));
}

pub async fn a_task_comes_back_as_it_was_written(store: Arc<dyn Store>) {
    assert_eq!(store.task("t").await.unwrap(), None);
    for (id, status) in [("a", TaskStatus::Partial), ("b", TaskStatus::Running)] {
        let mut written = ended(task(id, "prod", 0), status);
        written.start_time += SignedDuration::from_nanos(120_000_001);
        written.cancel_requested = true;
        assert!(store.create_task(&written).await.unwrap());
        assert_eq!(store.task(id).await.unwrap(), Some(written));
    }
}

pub async fn starting_moves_the_deadline_out_and_never_in(store: Arc<dyn Store>) {
    assert_eq!(store.start_task("t", at(0)).await.unwrap(), None);
    let created = task("t", "prod", 0);
    store.create_task(&created).await.unwrap();
    let started = SyncTask { status: TaskStatus::Running, ..created };
    let early = started.deadline - SignedDuration::from_secs(1);
    assert_eq!(store.start_task("t", early).await.unwrap(), Some(started.clone()));
    let late = started.deadline + SignedDuration::from_nanos(1);
    let moved = SyncTask { deadline: late, ..started };
    assert_eq!(store.start_task("t", late).await.unwrap(), Some(moved.clone()));
    assert_eq!(store.start_task("t", early).await.unwrap(), Some(moved.clone()));
    assert_eq!(store.task("t").await.unwrap(), Some(moved));
}

pub async fn starting_a_task_that_ended_changes_nothing(store: Arc<dyn Store>) {
    let done = ended(task("t", "prod", 0), TaskStatus::Success);
    store.create_task(&done).await.unwrap();
    for deadline in [at(0), at(9999)] {
        assert_eq!(store.start_task("t", deadline).await.unwrap(), Some(done.clone()));
    }
    assert_eq!(store.task("t").await.unwrap(), Some(done));
}

pub async fn a_wish_to_cancel_is_for_tasks_that_have_not_ended(store: Arc<dyn Store>) {
    assert!(!store.request_cancel("t").await.unwrap());
    assert_eq!(store.task("t").await.unwrap(), None);
    store.create_task(&task("t", "prod", 0)).await.unwrap();
    assert!(store.request_cancel("t").await.unwrap());
    assert!(store.request_cancel("t").await.unwrap(), "it has still not ended");
    assert!(store.task("t").await.unwrap().unwrap().cancel_requested);

    let done = ended(task("done", "prod", 0), TaskStatus::Failed);
    store.create_task(&done).await.unwrap();
    assert!(!store.request_cancel("done").await.unwrap());
    assert_eq!(store.task("done").await.unwrap(), Some(done));
}

pub async fn the_sums_are_written_and_the_rest_is_left(store: Arc<dyn Store>) {
    let created = task("t", "prod", 0);
    store.create_task(&created).await.unwrap();
    store.start_task("t", at(5000)).await.unwrap();
    store.request_cancel("t").await.unwrap();

    let mut sums = ended(created.clone(), TaskStatus::Running);
    assert!(store.update_task(&sums).await.unwrap());
    let expected = SyncTask { deadline: at(5000), cancel_requested: true, ..sums.clone() };
    assert_eq!(store.task("t").await.unwrap(), Some(expected.clone()));

    (sums.end_time, sums.duration_ms, sums.error_message) = (None, None, None);
    assert!(store.update_task(&sums).await.unwrap());
    let cleared = SyncTask { end_time: None, duration_ms: None, error_message: None, ..expected };
    assert_eq!(store.task("t").await.unwrap(), Some(cleared), "what is absent is removed");
}

pub async fn a_task_that_ended_is_final(store: Arc<dyn Store>) {
    let created = task("t", "prod", 0);
    store.create_task(&created).await.unwrap();
    let done = ended(created.clone(), TaskStatus::Cancelled);
    assert!(store.update_task(&done).await.unwrap());
    assert!(!store.update_task(&ended(created, TaskStatus::Running)).await.unwrap());
    assert_eq!(store.task("t").await.unwrap(), Some(done));
}

pub async fn updating_an_unknown_task_does_not_create_it(store: Arc<dyn Store>) {
    assert!(!store.update_task(&task("t", "prod", 0)).await.unwrap());
    assert_eq!(store.task("t").await.unwrap(), None);
    assert_eq!(store.open_tasks().await.unwrap(), []);
}

pub async fn a_region_that_ended_is_final(store: Arc<dyn Store>) {
    assert_eq!(store.region_result("t", "cn-beijing").await.unwrap(), None);
    let mut result = RegionResult::begin("t", "cn-beijing", at(0));
    assert!(store.put_region_result(&result).await.unwrap());
    result.attempts = 2;
    result.record(RegionError::of_resource(Some("i-1"), "NoStatus", "no status", at(1)));
    result.record(RegionError::new(ErrorClass::Network, "Timeout", "slow", at(2)));
    result.cost = cost(3, 0.5, 1.25);
    assert!(store.put_region_result(&result).await.unwrap(), "it has not ended");
    assert_eq!(store.region_result("t", "cn-beijing").await.unwrap(), Some(result.clone()));

    result.complete(at(3));
    assert!(store.put_region_result(&result).await.unwrap());
    let again = RegionResult::begin("t", "cn-beijing", at(4));
    assert!(!store.put_region_result(&again).await.unwrap());
    assert_eq!(store.region_result("t", "cn-beijing").await.unwrap(), Some(result));
}

pub async fn the_results_of_a_task_are_its_own(store: Arc<dyn Store>) {
    store.create_task(&task("t", "prod", 0)).await.unwrap();
    let mut expected = Vec::new();
    for region in ["cn-beijing", "cn-hangzhou", "us-west-1"] {
        let result = RegionResult::begin("t", region, at(0));
        store.put_region_result(&result).await.unwrap();
        expected.push(result);
    }
    store.put_region_result(&RegionResult::begin("t2", "cn-beijing", at(0))).await.unwrap();
    let mut found = store.region_results("t").await.unwrap();
    found.sort_by(|a, b| a.region.cmp(&b.region));
    assert_eq!(found, expected);
    assert_eq!(store.region_results("unknown").await.unwrap(), []);
    assert_eq!(store.task("t2").await.unwrap(), None, "a result is not a task");
}

pub async fn open_tasks_are_those_that_have_not_ended_oldest_deadline_first(store: Arc<dyn Store>) {
    for (id, start) in [("c", 30), ("a", 10), ("b", 20)] {
        store.create_task(&task(id, "prod", start)).await.unwrap();
    }
    store.create_task(&ended(task("done", "prod", 0), TaskStatus::Success)).await.unwrap();
    store.put_region_result(&RegionResult::begin("a", "cn-beijing", at(0))).await.unwrap();
    assert_eq!(ids(&store.open_tasks().await.unwrap()), ["a", "b", "c"]);

    store.start_task("a", at(5000)).await.unwrap();
    assert_eq!(ids(&store.open_tasks().await.unwrap()), ["b", "c", "a"]);
    let done = ended(task("b", "prod", 20), TaskStatus::Failed);
    store.update_task(&done).await.unwrap();
    let open = store.open_tasks().await.unwrap();
    assert_eq!(ids(&open), ["c", "a"]);
    assert_eq!(open[1].deadline, at(5000));
}

pub async fn tasks_come_newest_first_and_limited(store: Arc<dyn Store>) {
    for second in [3, 0, 4, 1, 2] {
        store.create_task(&task(&format!("t{second}"), "prod", second)).await.unwrap();
    }
    let mut half = task("half", "prod", 3);
    half.start_time += SignedDuration::from_millis(500);
    store.create_task(&half).await.unwrap();
    store.create_task(&task("other", "test", 9)).await.unwrap();

    let of = |since: Option<i64>, limit| TaskQuery {
        account_id: Some("prod".into()),
        since: since.map(at),
        limit,
        ..TaskQuery::default()
    };
    let found = store.tasks(&of(None, 3)).await.unwrap();
    assert_eq!(ids(&found), ["t4", "half", "t3"]);
    let found = store.tasks(&of(Some(3), 100)).await.unwrap();
    assert_eq!(ids(&found), ["t4", "half", "t3"], "since is included");
    assert_eq!(found[1], half);
    assert_eq!(store.tasks(&of(None, 0)).await.unwrap(), []);
}

pub async fn tasks_of_all_accounts_come_newest_first(store: Arc<dyn Store>) {
    for id in ["prod", "test"] {
        store.put_account(&account(id)).await.unwrap();
    }
    for (id, of, second) in [("1", "prod", 1), ("2", "test", 2), ("3", "prod", 3)] {
        store.create_task(&task(id, of, second)).await.unwrap();
    }
    let query = TaskQuery { limit: 2, ..TaskQuery::default() };
    assert_eq!(ids(&store.tasks(&query).await.unwrap()), ["3", "2"]);
}

pub async fn tasks_go_on_after_a_place_also_within_one_time(store: Arc<dyn Store>) {
    store.put_account(&account("prod")).await.unwrap();
    for (n, second) in [(4, 1), (0, 1), (2, 1), (5, 2), (3, 1), (1, 1), (6, 0)] {
        store.create_task(&task(&format!("t{n}"), "prod", second)).await.unwrap();
    }
    for account_id in [Some("prod".to_owned()), None] {
        for limit in 1..=8 {
            let mut query =
                TaskQuery { account_id: account_id.clone(), limit, ..TaskQuery::default() };
            let mut found = Vec::new();
            loop {
                let tasks = store.tasks(&query).await.unwrap();
                assert!(tasks.len() <= limit);
                query.after = tasks.last().map(TaskPlace::of);
                found.extend(tasks.into_iter().map(|task| task.task_id));
                if query.after.is_none() {
                    break;
                }
            }
            assert_eq!(found, ["t5", "t4", "t3", "t2", "t1", "t0", "t6"], "limit {limit}");
        }
    }
}

pub async fn tasks_until_a_time_include_it(store: Arc<dyn Store>) {
    for second in 0..6 {
        store.create_task(&task(&format!("t{second}"), "prod", second)).await.unwrap();
    }
    let until = |since: Option<i64>, until| TaskQuery {
        account_id: Some("prod".into()),
        since: since.map(at),
        until: Some(at(until)),
        limit: 100,
        ..TaskQuery::default()
    };
    assert_eq!(ids(&store.tasks(&until(None, 1)).await.unwrap()), ["t1", "t0"]);
    assert_eq!(ids(&store.tasks(&until(Some(2), 3)).await.unwrap()), ["t3", "t2"]);
    assert_eq!(ids(&store.tasks(&until(Some(3), 2)).await.unwrap()), [""; 0]);
    let after = store.task("t3").await.unwrap().map(|task| TaskPlace::of(&task));
    let query = TaskQuery { after, ..until(Some(1), 5) };
    assert_eq!(ids(&store.tasks(&query).await.unwrap()), ["t2", "t1"]);
}

pub async fn a_request_is_remembered_once_until_it_is_forgotten(store: Arc<dyn Store>) {
    let request = |key: &str, trigger: &str, second| {
        KnownRequest::new(key, &SyncRequest::default(), trigger.to_owned(), at(second))
    };
    let (first, second) = (request("k", "a", 0), request("k", "b", 1));
    let (a, b) = join!(store.remember_request(&first), store.remember_request(&second));
    let (a, b) = (a.unwrap(), b.unwrap());
    assert_eq!(a, b, "both are told of the same");
    let other = request("k2", "c", 2);
    assert_eq!(store.remember_request(&other).await.unwrap(), other);
    let later = request("k", "d", 60);
    assert_eq!(store.remember_request(&later).await.unwrap(), a);
    assert_eq!(store.task("k").await.unwrap(), None);
    assert_eq!(store.open_tasks().await.unwrap(), []);

    let late = request("k", "e", 1 + KNOWN_FOR.as_secs());
    assert_eq!(store.remember_request(&late).await.unwrap(), late);
    assert_eq!(store.remember_request(&request("k", "f", 1)).await.unwrap(), late);
}
