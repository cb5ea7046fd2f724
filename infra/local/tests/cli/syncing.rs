//! `sync` against a cloud that behaves, changes, and partly fails.

use std::collections::BTreeSet;

use simulated_cloud::{Churn, Fault, Rule};

use crate::support::{Case, KIND, in_time, number, text};

#[tokio::test(flavor = "multi_thread")]
async fn a_second_sync_of_the_same_finds_nothing_new_and_writes_no_row() {
    let case = Case::new().await;
    let first = case.sync(&[]);
    let task = &first["tasks"][0];
    assert_eq!((text(task, "status"), text(task, "resource_type")), ("success", KIND));
    assert_eq!((number(task, "total_count"), number(task, "added_count")), (90, 90));
    assert_eq!(task["region_results"].as_array().map(Vec::len), Some(3));

    let second = case.sync(&[]);
    let task = &second["tasks"][0];
    assert_eq!((number(task, "total_count"), number(task, "unchanged_count")), (90, 90));
    for name in ["added_count", "updated_count", "deleted_count", "error_count"] {
        assert_eq!(number(task, name), 0, "{name}");
    }
    assert_eq!(case.run(&["changes", "--json"]).lines().len(), 90, "each was added once");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_in_the_cloud_is_what_the_history_tells() {
    let case = Case::new().await;
    case.sync(&[]);
    let happened = case.world.churn(&Churn::percent(&case.world, 20.0), 5);
    let task = case.sync(&[])["tasks"][0].clone();
    let counts = ["added_count", "updated_count", "deleted_count"].map(|name| number(&task, name));
    let expected = [happened.created.len(), happened.changed.len(), happened.released.len()];
    assert_eq!(counts, expected.map(|count| count as u64));

    let id = text(&task, "task_id");
    let changes = case.run(&["changes", "--json"]).lines();
    let changed: BTreeSet<_> = changes
        .iter()
        .filter(|change| text(change, "task_id") == id && change["change"] == "updated")
        .map(|change| text(change, "id").to_owned())
        .collect();
    assert_eq!(changed, happened.changed.keys().map(|which| which.id.clone()).collect());

    let ids = |args: &[&str]| -> BTreeSet<String> {
        case.run(args).lines().iter().map(|line| text(line, "id").to_owned()).collect()
    };
    assert_eq!(ids(&["resources", "--json"]), case.ids());
    let released: BTreeSet<_> = happened.released.iter().map(|which| which.id.clone()).collect();
    let tombstones: BTreeSet<_> =
        ids(&["resources", "--json", "--deleted"]).difference(&case.ids()).cloned().collect();
    assert_eq!(tombstones, released);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_what_the_next_sync_does() {
    let case = Case::new().await;
    case.sync(&[]);
    case.world.churn(&Churn::percent(&case.world, 20.0), 5);
    let before = case.run(&["changes", "--json"]).lines().len();
    let plan = case.run(&["plan", "--json"]).json();
    assert_eq!(case.run(&["changes", "--json"]).lines().len(), before, "nothing was written");
    let task = case.sync(&[])["tasks"][0].clone();
    for name in ["total_count", "added_count", "updated_count", "deleted_count"] {
        assert_eq!(plan["tasks"][0][name], task[name], "{name}");
    }
    let totals = &plan["tasks"][0]["plan"];
    assert_eq!(totals["api_calls"], task["api_calls"]);
    assert!(totals["write_units"].as_f64() > Some(50.0), "{totals}");
    assert!(totals["dollars"].as_f64() > Some(50.0 * 0.625 / 1e6), "{totals}");
    assert_eq!(task.get("plan"), None);
    let listed = case.run(&["tasks"]).stdout;
    for column in ["CALLS", "READ UNITS", "WRITE UNITS", "DYNAMODB"] {
        assert!(listed.contains(column), "{column} in {listed}");
    }
    case.world.churn(&Churn::percent(&case.world, 20.0), 6);
    let ran = case.run(&["plan"]);
    assert!(ran.stderr.contains("only planned"), "{}", ran.stderr);
    let shown = ran.stdout;
    for word in ["to update", "API calls it takes", "DynamoDB would cost", "update", "delete"] {
        assert!(shown.contains(word), "{word} in {shown}");
    }
    assert!(!shown.contains("Nothing to write"), "{shown}");
    case.sync(&[]);
    assert!(case.run(&["plan"]).stdout.contains("Nothing to write"));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_was_asked_for_is_synced() {
    let case = Case::new().await;
    let report = case.sync(&["--region", "cn-beijing", "--region", "cn-shanghai"]);
    let task = &report["tasks"][0];
    assert_eq!(task["regions"], serde_json::json!(["cn-beijing", "cn-shanghai"]));
    assert_eq!(number(task, "total_count"), 30);
    let report = case.sync(&["--kind", KIND, "--account", "prod", "--mode", "incremental"]);
    assert_eq!(report["tasks"][0]["mode"], "incremental");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_no_longer_configured_is_no_longer_synced() {
    let case = Case::new().await;
    case.configure(&format!("{}{}", case.account("prod", ""), case.account("old", "")));
    assert_eq!(case.sync(&[])["tasks"].as_array().map(Vec::len), Some(2));
    case.configure(&format!(
        "{}{}",
        case.account("prod", ""),
        case.account("off", "enabled = false")
    ));
    let report = case.sync(&[]);
    let tasks = report["tasks"].as_array().expect("tasks");
    let accounts: Vec<_> = tasks.iter().map(|task| text(task, "account_id")).collect();
    assert_eq!(accounts, ["prod"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_whose_vendor_keeps_failing_is_given_up_and_the_others_are_unharmed() {
    let case = Case::new().await;
    let fault = Rule::new(Fault::unavailable()).on("DescribeInstances").in_region("cn-shanghai");
    case.world.faults().add(fault);
    let ran = case.run(&["sync", "--json", "--give-up-after", "3s"]);
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    let task = &ran.json()["tasks"][0];
    assert_eq!((text(task, "status"), number(task, "total_count")), ("partial", 65));
    let message = text(task, "error_message");
    assert!(message.starts_with("cn-shanghai: ServiceUnavailable"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_instance_that_cannot_be_read_is_reported_and_the_rest_is_synced() {
    let case = Case::new().await;
    let rule = Rule::new(Fault::NoId).on("DescribeInstances").in_region("cn-beijing");
    case.world.faults().add(rule);
    let ran = case.run(&["sync", "--json"]);
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    let task = &ran.json()["tasks"][0];
    assert_eq!((number(task, "total_count"), number(task, "error_count")), (90, 1));
    assert_eq!((text(task, "status"), number(task, "added_count")), ("partial", 89));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_credentials_does_not_keep_the_others_back() {
    let case = Case::new().await;
    let other = case.account("other", "").replace("TEST", "NOWHERE");
    case.configure(&format!("{}{other}", case.account("prod", "")));
    let ran = case.run(&["sync", "--json"]);
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    let report = ran.json();
    assert_eq!(report["tasks"][0]["status"], "success");
    let problem = &report["problems"][0];
    assert_eq!(text(problem, "account_id"), "other");
    assert!(text(problem, "message").contains("NOWHERE_ACCESS_KEY_ID"), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_in_the_environment_is_not_asked_for_this_machine() {
    let case = Case::new().await;
    let mut command = case.command(&["sync", "--json"]);
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
        command.env(name, "http://127.0.0.1:9");
    }
    let ran = in_time(command);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_finds_exactly_what_happened() {
    let case = Case::new().await;
    let args = ["demo", "--json", "--instances", "150", "--regions", "4", "--latency-ms", "1"];
    let ran = case.run(&args);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let story = ran.json();
    assert_eq!(story["found_all"], true);
    assert_eq!(number(&story["syncs"][0]["tasks"][0], "added_count"), 150);
    assert!(!story["changes"].as_array().expect("changes").is_empty());
    let left: Vec<_> = std::fs::read_dir(case.folder.path()).expect("the folder").collect();
    assert_eq!(left.len(), 1, "only the configuration: {left:?}");
}
