//! Ctrl-C, kill -9, and two processes with one file.

use std::time::{Duration, Instant};

use simulated_cloud::{Fault, Rule};

use crate::support::{Case, Ran, eventually, number, text};

/// Makes one region slow, so that a sync is in the middle of its work while
/// the others are done.
fn slow_down(case: &Case, by: Duration) {
    let rule = Rule::new(Fault::Delay(by)).on("DescribeInstances").in_region("cn-hangzhou");
    case.world.faults().add(rule);
}

/// Waits until two of three regions are in the database.
async fn until_in_the_middle(case: &Case) {
    eventually("two regions", || {
        let task = case.run(&["tasks", "--json", "--limit", "1"]);
        let lines = task.lines();
        let Some(id) = lines.first().and_then(|task| task["task_id"].as_str()) else {
            return false;
        };
        let task = case.run(&["tasks", id, "--json"]).json();
        let results = task["region_results"].as_array();
        task["status"] == "running"
            && results.is_some_and(|results| {
                results.iter().filter(|result| result["status"] == "success").count() == 2
            })
    })
    .await;
}

fn status_of_last_task(case: &Case) -> String {
    let tasks = case.run(&["tasks", "--json", "--limit", "1"]).lines();
    text(&tasks[0], "status").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_the_task_as_cancelled() {
    let case = Case::new().await;
    slow_down(&case, Duration::from_secs(10));
    let run = case.start(&["sync", "--json"]);
    until_in_the_middle(&case).await;
    run.signal("-INT");
    let ran = run.wait();
    assert_eq!(ran.code, Some(130), "{}", ran.stderr);
    let task = &ran.json()["tasks"][0];
    assert_eq!(text(task, "status"), "cancelled");
    assert_eq!(status_of_last_task(&case), "cancelled");
    let deleted = number(task, "deleted_count");
    assert_eq!(deleted, 0, "what was not listed is not gone");

    case.world.faults().clear();
    let task = case.sync(&[])["tasks"][0].clone();
    assert_eq!((text(&task, "status"), number(&task, "total_count")), ("success", 90));
    assert_eq!(case.run(&["resources", "--json"]).lines().len(), 90);
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_does_not_wait_for_a_vendor_that_does_not_answer() {
    let case = Case::with(&[("cn-hangzhou", 250), ("cn-shanghai", 25), ("cn-beijing", 5)]).await;
    let stuck = Rule::new(Fault::Delay(Duration::from_secs(300))).on("DescribeInstances");
    case.world.faults().add(stuck.in_region("cn-hangzhou").after(2));
    let run = case.start(&["sync", "--json"]);
    // Two pages of the third region are in, the last is what hangs.
    eventually("230 resources", || case.run(&["resources", "--json"]).lines().len() == 230).await;
    let began = Instant::now();
    run.signal("-INT");
    let ran = run.wait();
    assert_eq!(ran.code, Some(130), "{}", ran.stderr);
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
    let task = &ran.json()["tasks"][0];
    assert_eq!((text(task, "status"), number(task, "added_count")), ("cancelled", 230));
    assert_eq!(case.run(&["changes", "--json"]).lines().len(), 230, "what is counted is there");

    case.world.faults().clear();
    let task = case.sync(&[])["tasks"][0].clone();
    let counts = ["added_count", "unchanged_count"].map(|name| number(&task, name));
    assert_eq!(counts, [50, 230]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_ctrl_c_ends_at_once() {
    let case = Case::new().await;
    slow_down(&case, Duration::from_secs(300));
    let mut run = case.start(&["sync"]);
    until_in_the_middle(&case).await;
    run.signal("-INT");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(run.has_ended().is_none(), "the first is patient");
    run.signal("-INT");
    let began = Instant::now();
    assert_eq!(run.wait().code, Some(130));
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_nothing_is_left_over(&case);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_kill_9_the_next_run_waits_for_nobody_and_counts_right() {
    let case = Case::new().await;
    slow_down(&case, Duration::from_secs(300));
    let run = case.start(&["sync"]);
    until_in_the_middle(&case).await;
    run.signal("-KILL");
    assert_eq!(run.wait().code, None);
    assert_nothing_is_left_over(&case);
}

/// A sync after a run that was killed: it has all it needs, at once.
fn assert_nothing_is_left_over(case: &Case) {
    case.world.faults().clear();
    let began = Instant::now();
    let report = case.sync(&[]);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    let task = &report["tasks"][0];
    let counts = ["total_count", "added_count", "unchanged_count"].map(|name| number(task, name));
    assert_eq!(counts, [90, 60, 30], "two regions were whole before");
    let tasks = case.run(&["tasks", "--json"]).lines();
    let statuses: Vec<_> = tasks.iter().map(|task| text(task, "status")).collect();
    assert!(!statuses.contains(&"running") && !statuses.contains(&"pending"), "{statuses:?}");
    assert_eq!(case.run(&["changes", "--json"]).lines().len(), 90, "each was added once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_is_told_who_holds_the_file_and_may_read_meanwhile() {
    let case = Case::new().await;
    slow_down(&case, Duration::from_secs(8));
    let first = case.start(&["sync"]);
    until_in_the_middle(&case).await;

    let second = case.run(&["sync"]);
    let process = format!("process {}", first.id());
    second.assert_problem(1, &["in use by", &process, "cloud-sync sync", "since 20", "--wait"]);
    let reading = case.run(&["resources", "--json"]);
    assert_eq!((reading.code, reading.lines().len()), (Some(0), 30), "{}", reading.stderr);

    let third = case.start(&["sync", "--wait", "60", "--json"]);
    let [first, third]: [Ran; 2] = [first.wait(), third.wait()];
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    assert_eq!(third.code, Some(0), "{}", third.stderr);
    let task = &third.json()["tasks"][0];
    assert_eq!((number(task, "total_count"), number(task, "unchanged_count")), (90, 90));
}
