//! Tasks: every transition there is, and sums over regions.

use cloud_sync_core::cost::{ApiCost, Cost};
use cloud_sync_core::error::ErrorClass;
use cloud_sync_core::message::Trigger;
use cloud_sync_core::task::{
    Counts, Outcome, RegionError, RegionResult, SyncTask, TaskEvent, TaskStatus,
};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

pub const TASK_STATUSES: [TaskStatus; 6] = [
    TaskStatus::Pending,
    TaskStatus::Running,
    TaskStatus::Success,
    TaskStatus::Partial,
    TaskStatus::Failed,
    TaskStatus::Cancelled,
];

const REGIONS: [&str; 5] = ["cn-a", "cn-b", "cn-c", "eu-a", "us-a"];

const SUMMED: [&str; 15] = [
    "total_count",
    "added_count",
    "updated_count",
    "deleted_count",
    "unchanged_count",
    "error_count",
    "held_count",
    "api_calls",
    "read_units",
    "write_units",
    "throttled_calls",
    "retried_calls",
    "bytes_received",
    "rows_written",
    "worker_ms",
];

pub fn task(regions: &[&str]) -> SyncTask {
    let id = "20270115T080000Z-3fa9c2d41b07".to_owned();
    let kind = "aliyun.ecs.instance".parse().unwrap();
    let regions = regions.iter().map(|region| (*region).to_owned()).collect();
    SyncTask { trigger: Trigger::Scheduled, ..SyncTask::new(id, "a", kind, regions, at(0)) }
}

pub fn at(second: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1_800_000_000 + second)
}

/// Costs come in halves, the smallest unit the tables bill.
fn cost() -> impl Strategy<Value = Cost> {
    let apis = prop::collection::btree_map("[A-C]", 0..1000_u64, 0..3);
    (prop::array::uniform6(0..1000_u64), 0..1000_u32, 0..1000_u32, apis).prop_map(
        |(n, read, write, apis)| Cost {
            api_calls: n[0],
            throttled_calls: n[1],
            retried_calls: n[2],
            bytes_received: n[3],
            rows_written: n[4],
            worker_ms: n[5],
            read_units: f64::from(read) / 2.0,
            write_units: f64::from(write) / 2.0,
            apis: apis
                .into_iter()
                .map(|(api, calls)| (api, ApiCost { calls, ..ApiCost::default() }))
                .collect(),
        },
    )
}

fn counts() -> impl Strategy<Value = Counts> {
    prop::array::uniform7(0..1000_u64).prop_map(|n| Counts {
        total_count: n[0],
        added_count: n[1],
        updated_count: n[2],
        deleted_count: n[3],
        unchanged_count: n[4],
        error_count: n[5],
        held_count: n[6],
    })
}

pub fn result(region: &'static str) -> impl Strategy<Value = RegionResult> {
    // What has begun is never pending.
    let status = prop::sample::select(TASK_STATUSES[1..].to_vec());
    let failure = prop::option::of("[a-z]{1,8}");
    (status, counts(), cost(), 0..100_i64, failure, any::<bool>()).prop_map(
        move |(status, counts, cost, second, failure, skipped)| {
            let mut result = RegionResult::begin("t", region, at(0));
            if let Some(code) = failure {
                result.record(RegionError::new(ErrorClass::Network, &code, "lost", at(second)));
            }
            RegionResult {
                status,
                skipped,
                counts,
                cost,
                end_time: status.is_terminal().then(|| at(second)),
                ..result
            }
        },
    )
}

/// Results of some of the regions, at most one each.
fn results() -> impl Strategy<Value = Vec<RegionResult>> {
    let each: Vec<_> =
        REGIONS.into_iter().map(|r| prop::option::weighted(0.8, result(r))).collect();
    each.prop_map(|drawn| drawn.into_iter().flatten().collect())
}

/// The definition of a task's status, said in another way than the code's.
fn status_by_definition(results: &[RegionResult], regions: usize) -> TaskStatus {
    let count =
        |status: TaskStatus| results.iter().filter(|result| result.status == status).count();
    let (success, partial) = (count(TaskStatus::Success), count(TaskStatus::Partial));
    let (failed, cancelled) = (count(TaskStatus::Failed), count(TaskStatus::Cancelled));
    if results.is_empty() && regions > 0 {
        TaskStatus::Pending
    } else if success + partial + failed + cancelled < regions {
        TaskStatus::Running
    } else if cancelled > 0 {
        TaskStatus::Cancelled
    } else if success == regions {
        TaskStatus::Success
    } else if failed == regions {
        TaskStatus::Failed
    } else {
        TaskStatus::Partial
    }
}

#[test]
fn every_transition_is_either_of_the_lifecycle_or_an_error() {
    use TaskStatus::{Cancelled, Failed, Partial, Pending, Running, Success};
    let finish = |outcome| TaskEvent::Finish(outcome);
    let legal = [
        (Pending, TaskEvent::Start, Running),
        (Pending, TaskEvent::Cancel, Cancelled),
        (Running, TaskEvent::Start, Running),
        (Running, TaskEvent::Cancel, Cancelled),
        (Running, finish(Outcome::Success), Success),
        (Running, finish(Outcome::Partial), Partial),
        (Running, finish(Outcome::Failed), Failed),
    ];
    let events = [
        TaskEvent::Start,
        TaskEvent::Cancel,
        finish(Outcome::Success),
        finish(Outcome::Partial),
        finish(Outcome::Failed),
    ];
    for from in TASK_STATUSES {
        for event in events {
            let expected =
                legal.iter().find(|step| (step.0, step.1) == (from, event)).map(|step| step.2);
            assert_eq!(from.next(event).ok(), expected, "{from:?} {event:?}");
            if let Err(error) = from.next(event) {
                assert_eq!((error.from, error.event), (from, event));
                assert!(error.to_string().contains(from.as_str()), "{error}");
            }
        }
        let takes_none = events.iter().all(|event| from.next(*event).is_err());
        assert_eq!(from.is_terminal(), takes_none, "{from:?}");
        assert_eq!(from.is_complete(), matches!(from, Success | Partial), "{from:?}");
    }
}

#[test]
fn an_ended_task_takes_nothing_more() {
    for status in TASK_STATUSES.into_iter().filter(|status| status.is_terminal()) {
        for results in [vec![], vec![RegionResult::begin("t", "cn-a", at(0))]] {
            let ended = SyncTask { status, ..task(&["cn-a"]) };
            assert_eq!(ended.add_up(&results, at(1)).unwrap_err().from, status);
        }
    }
}

#[test]
fn a_task_over_no_region_ends_at_once() {
    let ended = task(&[]).add_up(&[], at(1)).unwrap();
    assert_eq!((ended.status, ended.end_time), (TaskStatus::Success, Some(at(1))));
}

#[test]
fn a_region_named_twice_is_waited_for_once() {
    let mut result = RegionResult::begin("t", "cn-a", at(0));
    result.complete(at(1));
    let ended = task(&["cn-a", "cn-a"]).add_up(&[result], at(2)).unwrap();
    assert_eq!(ended.status, TaskStatus::Success);
}

#[test]
fn the_error_that_failed_a_region_is_kept_whatever_came_before() {
    let mut result = RegionResult::begin("t", "cn-a", at(0));
    for _ in 0..100 {
        result.record(RegionError::of_resource(Some("i"), "bad", "no status", at(0)));
    }
    result.fail(RegionError::new(ErrorClass::Network, "Timeout", "no answer", at(1)), at(1));
    assert_eq!(result.counts.error_count, 101);
    let task = task(&["cn-a"]).add_up(&[result], at(2)).unwrap();
    assert_eq!(task.error_message.as_deref(), Some("cn-a: Timeout: no answer"));
}

proptest! {
    #[test]
    fn a_task_is_the_sum_of_its_regions(results in results()) {
        let sum = task(&REGIONS).add_up(&results, at(500)).unwrap();
        for field in SUMMED {
            let number = |value: serde_json::Value| value[field].as_f64().expect(field);
            let of = |result: &RegionResult| number(serde_json::to_value(result).unwrap());
            let total: f64 = results.iter().map(of).sum();
            prop_assert_eq!(number(serde_json::to_value(&sum).unwrap()), total, "{}", field);
        }
        prop_assert_eq!(sum.status, status_by_definition(&results, REGIONS.len()));
        prop_assert_eq!(sum.end_time.is_some(), sum.status.is_terminal());
        let last = results.iter().filter_map(|result| result.end_time).max();
        if sum.status.is_terminal() {
            prop_assert_eq!(sum.end_time, last);
            let millis = last.map(|last| last.as_millisecond() - sum.start_time.as_millisecond());
            prop_assert_eq!(sum.duration_ms, millis);
        }
        let failed = results.iter().filter(|result| result.status == TaskStatus::Failed).count();
        prop_assert_eq!(sum.error_message.map_or(0, |text| text.lines().count()), failed);
    }

    #[test]
    fn the_order_and_repetition_of_results_do_not_matter(
        (results, shuffled) in results().prop_flat_map(|results| {
            let copies = results.iter().chain(&results).cloned().collect::<Vec<_>>();
            (Just(results), Just(copies).prop_shuffle())
        }),
    ) {
        let task = task(&REGIONS);
        prop_assert_eq!(task.add_up(&shuffled, at(1)), task.add_up(&results, at(1)));
    }

    #[test]
    fn adding_up_again_changes_nothing(results in results(), early in 0..6_usize) {
        let task = task(&REGIONS);
        let early = task.add_up(&results[..early.min(results.len())], at(1)).unwrap();
        if early.status.is_terminal() {
            prop_assert!(early.add_up(&results, at(2)).is_err());
        } else {
            prop_assert_eq!(early.add_up(&results, at(2)), task.add_up(&results, at(2)));
        }
    }

    #[test]
    fn results_of_other_regions_do_not_count(results in results(), alien in result("mars-1")) {
        let task = task(&REGIONS);
        let mut with = results.clone();
        with.push(alien);
        prop_assert_eq!(task.add_up(&with, at(1)), task.add_up(&results, at(1)));
    }

    #[test]
    fn open_regions_are_those_without_an_end(results in results()) {
        let open = task(&REGIONS).open_regions(&results);
        for region in REGIONS {
            let has_ended = results.iter().any(|result| {
                result.region == region && result.status.is_terminal()
            });
            prop_assert_eq!(open.contains(&region.to_owned()), !has_ended);
        }
    }
}
