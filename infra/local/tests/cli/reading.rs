//! `resources`, `changes`, `tasks`, `status` and `accounts`.

use std::collections::BTreeSet;
use std::time::Duration;

use cloud_sync::database::Database;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::{Case, KIND, number, text};

fn names(value: &Value) -> BTreeSet<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[track_caller]
fn assert_names(value: &Value, expected: &[&str]) {
    let found = names(value);
    let missing: Vec<_> = expected.iter().filter(|name| !found.contains(*name)).collect();
    assert!(missing.is_empty(), "{missing:?} are missing in {value}");
}

/// What every resource has.
const RESOURCE_NAMES: [&str; 21] = [
    "account_id",
    "provider",
    "kind",
    "region",
    "id",
    "name",
    "status",
    "vendor_status",
    "spec",
    "zone",
    "public_ips",
    "private_ips",
    "security_groups",
    "data_disks",
    "tags",
    "created_at",
    "expires_at",
    "first_seen_at",
    "changed_at",
    "deleted_at",
    "attributes",
];

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_json_have_the_promised_names() {
    let case = Case::new().await;
    case.sync(&[]);
    let resources = case.run(&["resources", "--json"]).lines();
    assert_eq!(resources.len(), 90);
    for resource in &resources {
        assert_names(resource, &RESOURCE_NAMES);
        assert_eq!((text(resource, "provider"), text(resource, "kind")), ("aliyun", KIND));
    }
    let changes = case.run(&["changes", "--json"]).lines();
    let change = ["account_id", "provider", "kind", "region", "id", "change", "version", "fields"];
    changes.iter().for_each(|line| assert_names(line, &[&change[..], &["task_id", "at"]].concat()));
    let tasks = case.run(&["tasks", "--json"]).lines();
    assert_names(
        &tasks[0],
        &[
            "task_id",
            "account_id",
            "provider",
            "resource_type",
            "regions",
            "mode",
            "trigger",
            "status",
            "start_time",
            "end_time",
            "duration_ms",
            "total_count",
            "added_count",
            "updated_count",
            "deleted_count",
            "unchanged_count",
            "error_count",
            "error_message",
            "api_calls",
            "read_units",
            "write_units",
            "throttled_calls",
            "retried_calls",
            "bytes_received",
            "rows_written",
            "worker_ms",
            "apis",
        ],
    );
    let one = case.run(&["tasks", text(&tasks[0], "task_id"), "--json"]).json();
    assert_eq!(one["region_results"].as_array().map(Vec::len), Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_shows_what_it_asked_of_the_vendor() {
    let case = Case::new().await;
    case.sync(&[]);
    let tasks = case.run(&["tasks", "--json"]).lines();
    let one = case.run(&["tasks", text(&tasks[0], "task_id"), "--json"]).json();
    let listing = &one["apis"]["DescribeInstances"];
    assert_eq!((&listing["calls"], &one["throttled_calls"]), (&json!(3), &json!(0)));
    assert!(listing["latency"]["p99_ms"].as_u64() > Some(0), "{listing}");
    assert!(listing["bytes"].as_u64() > Some(10_000), "{listing}");
    let shown = case.run(&["tasks", text(&tasks[0], "task_id")]).stdout;
    assert!(shown.contains("DescribeInstances") && shown.contains("P95 MS"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_leave_what_was_asked_for() {
    let case = Case::new().await;
    case.sync(&[]);
    let find = |args: &[&str]| case.run(&[&["resources", "--json"], args].concat()).lines();
    let all = find(&[]);
    let some = all.iter().find(|r| !r["public_ips"].as_array().is_none_or(Vec::is_empty));
    let some = some.expect("one has a public address");
    let ip = some["public_ips"][0].as_str().expect("an address");
    let found = find(&["--ip", ip]);
    assert_eq!((found.len(), &found[0]["id"]), (1, &some["id"]));
    assert_eq!(find(&["--id", text(some, "id")]).len(), 1);
    assert_eq!(find(&["--region", "cn-beijing"]).len(), 5);
    assert_eq!(find(&["--account", "nobody"]).len(), 0);
    assert_eq!(find(&["--kind", "aliyun.ecs.disk"]).len(), 0);
    assert_eq!(find(&["--limit", "7"]).len(), 7);

    let expect = |holds: &dyn Fn(&Value) -> bool| all.iter().filter(|r| holds(r)).count();
    let stopped = expect(&|r| r["status"] == "stopped");
    assert_eq!(find(&["--status", "stopped"]).len(), stopped);
    let with_env = expect(&|r| r["tags"]["env"] == "prod");
    assert!(with_env > 0, "the cloud tags some");
    assert_eq!(find(&["--tag", "env=prod"]).len(), with_env);
    assert_eq!(find(&["--tag", "env"]).len(), expect(&|r| r["tags"]["env"].is_string()));
    let prefix: String = text(some, "name").chars().take(3).collect();
    let named = expect(&|r| text(r, "name").starts_with(&prefix));
    assert_eq!(find(&["--name", &prefix]).len(), named);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_get_tables_pictures_and_the_way_on() {
    let case = Case::new().await;
    let empty = case.run(&["resources"]);
    empty.assert_problem(1, &["there is no database", "cloud-sync sync"]);
    assert!(!case.path("cloud-sync.db").exists(), "reading makes no database");

    let ran = case.run(&["sync"]);
    assert!(ran.stdout.contains("by region") && ran.stdout.contains('█'), "{}", ran.stdout);
    let task = ran.stdout.split_whitespace().next().expect("a task's id").to_owned();
    let shown = case.run(&["resources"]).stdout;
    assert!(shown.contains("50 of 90 shown; --limit 0 shows all"), "{shown}");
    assert!(shown.contains("By status") && shown.contains("running"), "{shown}");
    assert!(case.run(&["changes", "--limit", "3"]).stdout.contains("the last 3 of 90"));
    assert!(case.run(&["tasks", &task]).stdout.contains("API calls to the vendor"));
    let status = case.run(&["status"]).stdout;
    assert!(status.contains("Last tasks") && status.contains(&task), "{status}");
    assert!(case.run(&["accounts"]).stdout.contains("environment: TEST_…"));
    case.run(&["tasks", "no-such-task"]).assert_problem(1, &["there is no task 'no-such-task'"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_chosen_by_account_kind_and_region() {
    let case = Case::new().await;
    case.sync(&[]);
    let count = |args: &[&str]| case.run(&[&["changes", "--json"], args].concat()).lines().len();
    assert_eq!(count(&["--account", "prod", "--kind", KIND]), 90);
    assert_eq!(count(&["--account", "nobody"]), 0);
    assert_eq!(count(&["--kind", "aliyun.rds.instance"]), 0);
    assert_eq!(count(&["--region", "cn-beijing"]), 5);
    assert_eq!(count(&["--region", "cn-beijing", "--region", "cn-shanghai"]), 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_of_a_removed_account_is_shown_where_it_is_named() {
    let case = Case::new().await;
    case.sync(&[]);
    let file = case.path("cloud-sync.db");
    let database = Database::open(&file, "a test", Duration::ZERO).await.expect("a database");
    let store = database.store();
    let record = store.account("prod").await.expect("an answer").expect("an account");
    let removed = store.remove_account("prod", record.revision, Timestamp::now()).await;
    assert!(removed.expect("an answer"));
    drop(store);
    database.close().await;
    for command in ["resources", "changes"] {
        let count = |args: &[&str]| case.run(&[&[command, "--json"], args].concat()).lines().len();
        assert_eq!((count(&[]), count(&["--account", "prod"])), (0, 90), "{command}");
    }
    let id = &case.ids().into_iter().next().expect("one");
    let history = case.run(&["changes", "--json", "--account", "prod", "--id", id]).lines();
    assert_eq!(history.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_tells_its_own_history() {
    let case = Case::new().await;
    case.sync(&[]);
    let resources = case.run(&["resources", "--json", "--limit", "1"]).lines();
    let id = text(&resources[0], "id");
    let history = case.run(&["changes", "--id", id, "--json"]).lines();
    assert_eq!(history.len(), 1);
    assert_eq!((text(&history[0], "change"), number(&history[0], "version")), ("added", 1));
    assert_eq!(history[0]["fields"]["name"]["new"], resources[0]["name"]);
    let none = case.run(&["changes", "--id", id, "--since", "2099-01-01", "--json"]);
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_written_without_a_sync() {
    let case = Case::new().await;
    case.configure(&case.account("prod", "regions = [\"cn-beijing\"]"));
    let ran = case.run(&["accounts", "apply", "--config", "accounts.toml", "--json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let listed = case.run(&["accounts", "--json"]).lines();
    assert_eq!(listed[0]["account"]["regions"], serde_json::json!(["cn-beijing"]));
}
