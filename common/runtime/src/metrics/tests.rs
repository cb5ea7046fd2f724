use std::sync::Arc;

use cloud_sync_core::message::Trigger;
use cloud_sync_core::meter::{Meter, Request};
use cloud_sync_core::task::Counts;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn result() -> RegionResult {
    let mut result = RegionResult::begin("t1", "cn-hangzhou", at(0));
    result.counts =
        Counts { total_count: 10, added_count: 3, unchanged_count: 7, ..Counts::default() };
    result.record(RegionError::of_resource(Some("i-1"), "Undecodable", "no status", at(1)));
    result.record(RegionError::new(ErrorClass::NotOffered, "C", "text", at(1)));
    result.complete(at(12));
    result
}

fn scope() -> Scope {
    Scope {
        account_id: "生产 \"prod\"".into(),
        kind: "aliyun.ecs.instance".parse().unwrap(),
        region: "cn-hangzhou".into(),
    }
}

fn reading() -> Reading {
    let meter = Meter::default();
    for (api, milliseconds) in [
        ("DescribeDisks", 40),
        ("DescribeInstances", 40),
        ("DescribeInstances", 30),
        ("DescribeInstances", 90),
    ] {
        let took = Duration::from_millis(milliseconds);
        let late = milliseconds == 90;
        meter.record_call(api, Request { took, throttled: late, retried: late, bytes: 1000 });
    }
    meter.record_store(1.5, 6.0, Duration::from_millis(250));
    meter.record_rows(3);
    meter.read()
}

fn task() -> SyncTask {
    let kind = "aliyun.ecs.instance".parse().unwrap();
    SyncTask {
        trigger: Trigger::Scheduled,
        status: TaskStatus::Success,
        end_time: Some(at(20)),
        duration_ms: Some(20_000),
        counts: Counts { added_count: 1, updated_count: 2, deleted_count: 4, ..Counts::default() },
        ..SyncTask::new("t1".into(), "prod", kind, vec!["a".into(), "b".into()], at(0))
    }
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn emitted(emit: impl FnOnce(&dyn MetricSink)) -> Vec<Value> {
    let lines = Lines::default();
    emit(&EmfSink::new("CloudSync", lines.clone()));
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Checks a line against the specification of the format, as CloudWatch
/// documents it ("Embedded metric format: specification").
fn assert_is_emf(line: &Value) {
    assert!(line["_aws"]["Timestamp"].is_u64(), "{line}");
    let directives = line["_aws"]["CloudWatchMetrics"].as_array().unwrap();
    assert!(!directives.is_empty());
    for directive in directives {
        assert_eq!(directive["Namespace"], "CloudSync");
        for set in directive["Dimensions"].as_array().unwrap() {
            let set = set.as_array().unwrap();
            assert!((1..=30).contains(&set.len()), "{set:?}");
            for dimension in set {
                let value = line[dimension.as_str().unwrap()].as_str();
                assert!(value.is_some_and(|value| !value.is_empty()), "{dimension} is a text");
            }
        }
        let metrics = directive["Metrics"].as_array().unwrap();
        assert!((1..=100).contains(&metrics.len()));
        for metric in metrics {
            let value = &line[metric["Name"].as_str().unwrap()];
            assert!(value.is_number(), "{metric} is {value}");
        }
    }
}

#[test]
fn a_region_is_one_line_in_the_embedded_metric_format() {
    let lines = emitted(|sink| sink.region(RegionMetrics::of(&result(), &scope(), &reading())));
    assert_eq!(lines.len(), 1);
    let line = &lines[0];
    assert_is_emf(line);
    assert_eq!(line["_aws"]["Timestamp"], at(12).as_millisecond());
    for (name, value) in [
        ("Provider", json!("aliyun")),
        ("Kind", json!("aliyun.ecs.instance")),
        ("Status", json!("partial")),
        ("Region", json!("cn-hangzhou")),
        ("AccountId", json!("生产 \"prod\"")),
        ("TaskId", json!("t1")),
        ("Regions", json!(1)),
        ("Duration", json!(12_000)),
        ("Total", json!(10)),
        ("Added", json!(3)),
        ("Unchanged", json!(7)),
        ("Errors", json!(2)),
        ("ErrorsData", json!(1)),
        ("ErrorsNotOffered", json!(1)),
        ("ErrorsNetwork", json!(0)),
        ("ApiCalls", json!(4)),
        ("Throttles", json!(1)),
        ("Retries", json!(1)),
        ("BytesReceived", json!(4000)),
        ("RowsWritten", json!(3)),
        ("ApiLatencyP50", json!(46)),
        ("ApiLatencyP95", json!(90)),
        ("ApiLatencyMax", json!(90)),
        ("DatabaseTime", json!(250)),
        ("ReadUnits", json!(1.5)),
        ("Attempts", json!(1)),
        (
            "Apis",
            json!([
                "DescribeInstances calls=3 throttled=1 retried=1 p50_ms=46 p95_ms=90 max_ms=90",
                "DescribeDisks calls=1 throttled=0 retried=0 p50_ms=40 p95_ms=40 max_ms=40"
            ]),
        ),
    ] {
        // Numbers are the same whether written as 3 or as 3.0.
        let (found, value) = (&line[name], &value);
        assert!(
            found == value || found.as_f64().is_some_and(|f| Some(f) == value.as_f64()),
            "{name}: {found}"
        );
    }
    assert_eq!(line.get("Concurrency"), None, "what nobody knows is left out");
}

#[test]
fn a_task_is_one_line_in_the_embedded_metric_format() {
    let failed = SyncTask { status: TaskStatus::Failed, ..task() };
    let lines = emitted(|sink| {
        sink.task(TaskMetrics::of(&task()));
        sink.task(TaskMetrics::of(&failed));
    });
    lines.iter().for_each(assert_is_emf);
    assert_eq!(lines[0]["TaskChanged"], 7);
    assert_eq!(lines[0]["TaskDuration"].as_f64(), Some(20_000.0));
    assert_eq!((&lines[0]["Success"], &lines[1]["Success"]), (&json!(1), &json!(0)));
    assert_eq!(lines[1]["Status"], "failed");
}

#[test]
fn only_the_bare_count_has_the_status_as_dimension() {
    let lines = emitted(|sink| {
        sink.region(RegionMetrics::of(&result(), &scope(), &reading()));
        sink.task(TaskMetrics::of(&task()));
    });
    for (line, counted) in lines.iter().zip(["Regions", "Tasks"]) {
        let directives = &line["_aws"]["CloudWatchMetrics"];
        assert_eq!(directives[0]["Dimensions"], json!([["Provider", "Kind"]]));
        assert_eq!(directives[1]["Dimensions"], json!([["Provider", "Kind", "Status"]]));
        assert_eq!(directives[1]["Metrics"], json!([{"Name": counted, "Unit": "Count"}]));
        assert_eq!(directives.as_array().unwrap().len(), 2);
    }
}

#[test]
fn a_region_without_calls_or_end_leaves_out_what_it_has_not() {
    let running = RegionResult::begin("t1", "cn-hangzhou", at(0));
    let mut metrics = RegionMetrics::of(&running, &scope(), &Reading::default());
    metrics.concurrency = Some(5);
    let lines = emitted(|sink| sink.region(metrics));
    assert_is_emf(&lines[0]);
    assert_eq!(lines[0].get("ApiLatencyP50"), None);
    assert_eq!(lines[0].get("Duration"), None);
    assert_eq!(lines[0]["Concurrency"], 5);
}

#[test]
fn the_apis_told_of_are_few() {
    let apis = (0..50).map(|n| (format!("Api{n}"), ApiCost { calls: n, ..ApiCost::default() }));
    let cost = Cost { apis: apis.collect(), ..Cost::default() };
    let reading = Reading { cost, ..Reading::default() };
    let apis = RegionMetrics::of(&result(), &scope(), &reading).apis;
    assert_eq!(apis.len(), MOST_APIS);
    assert!(apis[0].starts_with("Api49 calls=49"), "{apis:?}");
}

#[test]
fn metrics_in_memory_are_kept_in_order() {
    let sink = MemoryMetrics::default();
    sink.region(RegionMetrics::of(&result(), &scope(), &reading()));
    sink.task(TaskMetrics::of(&task()));
    assert_eq!(sink.regions()[0].added, 3);
    assert_eq!(sink.tasks()[0].status, "success");
}

#[test]
fn events_are_one_line_in_the_embedded_metric_format() {
    let metrics = EventMetrics {
        at: at(3).into(),
        provider: "aliyun".into(),
        account_id: "prod".into(),
        events: 7,
        events_taken: 4,
        events_known: 2,
        events_unknown: 1,
        events_idle: 0,
    };
    let lines = emitted(|sink| sink.events(metrics.clone()));
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["EventsTaken"], 4);
    assert_eq!(lines[0]["AccountId"], "prod");
    let dimensions = &lines[0]["_aws"]["CloudWatchMetrics"][0]["Dimensions"];
    assert_eq!(*dimensions, json!([["Provider"]]), "an account is no dimension");
    let kept = MemoryMetrics::default();
    MetricSink::events(&kept, metrics.clone());
    assert_eq!(kept.events(), [metrics]);
}
