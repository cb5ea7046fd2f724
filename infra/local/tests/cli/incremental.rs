//! `sync --mode incremental`: what it looks at, and what it costs.

use serde_json::Value;

use crate::support::{Case, number, text};

const REGION: &str = "cn-hangzhou";

fn incremental(case: &Case, more: &[&str]) -> Value {
    case.sync(&[&["--mode", "incremental"], more].concat())["tasks"][0].clone()
}

/// Asserts that a task found everything as it is stored, and wrote no row.
#[track_caller]
fn assert_quiet(task: &Value) {
    assert_eq!(text(task, "status"), "success");
    let names = ["added_count", "updated_count", "deleted_count", "error_count", "rows_written"];
    assert_eq!(names.map(|name| number(task, name)), [0; 5], "{task}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_machines_unchanged_cost_a_call_a_hundred_and_no_write() {
    let case = Case::with(&[(REGION, 1000)]).await;
    case.sync(&[]);
    case.world.reset_calls();
    let task = incremental(&case, &[]);
    assert_quiet(&task);
    assert_eq!(number(&task, "unchanged_count"), 1000);
    assert_eq!(case.world.calls_of("DescribeInstances"), 10);
    assert_eq!(case.world.calls_of("DescribeDisks"), 0, "nothing changed that may have others");
    let apis = task["apis"].as_object().expect("calls by API");
    assert_eq!(apis.keys().collect::<Vec<_>>(), ["DescribeInstances"], "{apis:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_change_feed_they_cost_one_call_and_no_write() {
    let case = Case::with(&[(REGION, 1000)]).await;
    case.configure(&case.account("prod", "change_feed = true"));
    case.sync(&[]);
    case.world.reset_calls();
    let task = incremental(&case, &[]);
    assert_quiet(&task);
    assert_eq!(number(&task, "api_calls"), 1);
    assert_eq!(case.world.calls_of("LookupEvents"), 1);
    assert_eq!(case.world.calls_of("DescribeInstances"), 0);
}

/// Returns the ids of all machines, the oldest first, each with when it was
/// made.
fn by_age(case: &Case) -> Vec<(String, String)> {
    let lines = case.run(&["resources", "--json"]).lines();
    let of = |line: &Value| (text(line, "created_at").to_owned(), text(line, "id").to_owned());
    let mut all: Vec<_> = lines.iter().map(of).collect();
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn since_says_from_when_on_machines_are_looked_at_closer_where_there_is_no_feed() {
    let case = Case::with(&[(REGION, 120)]).await;
    case.sync(&[]);
    let all = by_age(&case);
    let ((_, oldest), (since, _), (_, newest)) = (&all[0], &all[60], &all[119]);
    // The list of machines does not show that these have one disk more.
    let site = case.world.at("prod", REGION).expect("a region of the account's");
    for id in [oldest, newest] {
        site.attach_disk(id).expect("it takes a disk");
    }
    case.world.reset_calls();
    let task = incremental(&case, &[]);
    assert_quiet(&task);
    assert_eq!(case.world.calls_of("DescribeDisks"), 0, "none is younger than the last sync");
    assert_eq!(case.world.calls_of("DescribeInstances"), 2);

    let task = incremental(&case, &["--since", since]);
    assert_eq!((text(&task, "mode"), text(&task, "status")), ("incremental", "success"));
    let counts = ["total_count", "unchanged_count", "updated_count"];
    assert_eq!(counts.map(|name| number(&task, name)), [120, 119, 1], "{task}");
    let history = |id: &str| case.run(&["changes", "--json", "--id", id]).lines();
    assert_eq!((history(newest).len(), history(oldest).len()), (2, 1));
    assert!(history(newest)[1]["fields"]["data_disks"].is_object());
    assert_eq!(case.world.calls_of("LookupEvents"), 0, "there is no feed");

    let task = incremental(&case, &["--since", "2001-01-01"]);
    assert_eq!(number(&task, "updated_count"), 1, "the oldest is younger than that");
    assert_quiet(&incremental(&case, &["--since", "90s"]));
}
