//! Given resources: their statuses compared, and what of them is written.

use serde_json::{Value, json};
use simulated_cloud::{Counts, Family, Plan, Site};

use crate::support::{Case, KEY_ID, KIND, REGIONS, SECRET, in_time, number, text};

const REGION: &str = "cn-beijing";
const DATABASES: &str = "aliyun.rds.instance";

fn site(case: &Case) -> Site {
    case.world.at("prod", REGION).expect("a region of the account's")
}

/// Stops a machine that runs, or starts one that does not, and returns which.
fn switch(site: &Site) -> String {
    let runs = |id: &String| site.instance(id).is_some_and(|found| found.status == "Running");
    let id = site.live().into_iter().find(runs).expect("one runs");
    site.stop(&id).expect("it stops");
    id
}

/// A machine of each verdict, in this order.
struct Machines {
    ids: [String; 5],
}

const VERDICTS: [&str; 5] = [
    "same",
    "differs",
    "not found at the vendor",
    "not stored",
    "not found, neither here nor there",
];

/// Syncs, and lets one machine be stopped, one released and one made.
fn changed(case: &Case) -> Machines {
    case.sync(&[]);
    let site = site(case);
    let stopped = switch(&site);
    let mut others = site.live().into_iter().filter(|id| *id != stopped);
    let (same, gone) = (others.next().expect("another"), others.next().expect("a third"));
    site.release(&gone).expect("it is released");
    let made = site.create().expect("it is made");
    Machines { ids: [same, stopped, gone, made, "i-nobody-knows-it".to_owned()] }
}

fn compare(case: &Case, ids: &str, more: &[&str]) -> crate::support::Ran {
    let args = ["status", "--account", "prod", "--region", REGION, "--ids", ids];
    case.run(&[&args[..], more].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_resource_has_its_stored_and_the_vendors_status_and_a_verdict() {
    let case = Case::new().await;
    let machines = changed(&case);
    case.world.reset_calls();
    let ids = machines.ids.join(",");
    let ran = compare(&case, &ids, &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    for (id, verdict) in machines.ids.iter().zip(VERDICTS) {
        let line = ran.stdout.lines().find(|line| line.contains(id.as_str())).expect("its line");
        assert!(line.trim_end().ends_with(verdict), "{verdict}: {line}");
    }
    assert!(ran.stdout.contains("running (Running)") && ran.stdout.contains("stopped (Stopped)"));
    // The cheapest call, and nothing else.
    assert_eq!(case.world.calls_of("DescribeInstanceStatus"), 1);
    assert_eq!(case.world.calls_of("DescribeInstances"), 0);

    let lines = compare(&case, &ids, &["--json"]).lines();
    let running = json!({ "status": "running", "vendor_status": "Running" });
    let stopped = json!({ "status": "stopped", "vendor_status": "Stopped" });
    assert_eq!(
        lines[1],
        json!({ "id": machines.ids[1], "stored": running, "vendor": stopped, "differs": true })
    );
    let given: Vec<_> = lines.iter().map(|line| text(line, "id")).collect();
    assert_eq!(given, machines.ids.each_ref().map(String::as_str), "in the order of the ids");
    assert_eq!((&lines[0]["stored"], &lines[0]["differs"]), (&lines[0]["vendor"], &json!(false)));
    assert_eq!((&lines[2]["vendor"], &lines[2]["differs"]), (&Value::Null, &json!(true)));
    assert_eq!((&lines[3]["stored"], &lines[3]["differs"]), (&Value::Null, &json!(true)));
    assert_eq!((&lines[4]["stored"], &lines[4]["vendor"]), (&Value::Null, &Value::Null));
    assert_eq!(lines[4]["differs"], false);
    // Comparing writes nothing.
    assert_eq!(compare(&case, &ids, &["--json"]).lines(), lines);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_an_account_has_several_kinds_one_is_to_be_said() {
    let counts = Counts { databases: 4, ..Counts::default() };
    let key = simulated_cloud::AccessKey::new(KEY_ID, SECRET);
    let plan = Plan::new(11).account("prod", key, REGIONS).managed([(REGION, counts)]);
    let case = Case::of(&plan).await;
    case.configure(&case.account("prod", &format!("kinds = [\"{KIND}\", \"{DATABASES}\"]")));
    case.sync(&[]);
    let database = site(&case).ids_of(Family::Database).remove(0);
    site(&case).toggle_of(Family::Database, &database).expect("it changes");
    compare(&case, &database, &[]).assert_problem(2, &["several kinds", "--kind", KIND, DATABASES]);
    let lines = compare(&case, &database, &["--kind", DATABASES, "--json"]).lines();
    assert_eq!((lines.len(), &lines[0]["differs"]), (1, &json!(true)));
    let machines = compare(&case, &database, &["--kind", KIND, "--json"]).lines();
    assert_eq!(machines[0]["vendor"], Value::Null, "no machine has that id");
    compare(&case, &database, &["--kind", "aliyun.oss.bucket"])
        .assert_problem(2, &["does not sync aliyun.oss.bucket"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_compared_is_said() {
    let case = Case::new().await;
    case.sync(&[]);
    let id = site(&case).live().remove(0);
    let run = |args: &[&str]| case.run(&[&["status"], args].concat());
    run(&["--ids", &id]).assert_problem(2, &["--account", "--region"]);
    run(&["--account", "prod"]).assert_problem(2, &["--ids"]);
    let of = |account, region| ["--account", account, "--region", region, "--ids", &id];
    run(&of("nobody", REGION)).assert_problem(2, &["no account 'nobody'", "cloud-sync accounts"]);
    run(&of("prod", "cn-atlantis")).assert_problem(2, &["cn-atlantis"]);
    let many: Vec<_> = (0..101).map(|number| format!("i-{number}")).collect();
    compare(&case, &many.join(","), &[]).assert_problem(2, &["1 to 100 ids"]);
    let mut command = case.command(&[&["status"], &of("prod", REGION)[..]].concat());
    command.env("TEST_ACCESS_KEY_SECRET", "wrong-canary");
    let ran = in_time(command);
    ran.assert_problem(1, &["account 'prod'", "access key secret"]);
    let all = format!("{}{}", ran.stdout, ran.stderr);
    assert!(!all.contains("wrong-canary") && !all.contains(SECRET), "{all}");
}

fn stored(case: &Case, id: &str) -> Option<Value> {
    case.run(&["resources", "--json", "--id", id]).lines().pop()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_sync_writes_statuses_and_a_targeted_one_the_whole_resource() {
    let case = Case::new().await;
    let machines = changed(&case);
    let [same, stopped, gone, made, nobody] = &machines.ids;
    site(&case).rename(stopped, "another-name").expect("it is renamed");
    let (was, ids) = (stored(&case, stopped).expect("a row"), machines.ids.join(","));
    case.world.reset_calls();
    let sync = |mode: &str| {
        let where_from = ["--region", REGION, "--ids", &ids, "--mode", mode];
        case.sync(&where_from)["tasks"][0].clone()
    };

    let task = sync("status");
    assert_eq!((text(&task, "mode"), text(&task, "status")), ("status", "success"));
    let counts = ["added_count", "updated_count", "deleted_count", "error_count"];
    assert_eq!(counts.map(|name| number(&task, name)), [0, 1, 0, 0], "{task}");
    assert_eq!(case.world.calls_of("DescribeInstances"), 0);
    let now = stored(&case, stopped).expect("a row");
    assert_eq!((&now["status"], &now["vendor_status"]), (&json!("stopped"), &json!("Stopped")));
    assert_eq!(now["name"], was["name"], "nothing but the status");
    let history = case.run(&["changes", "--json", "--id", stopped]).lines();
    let fields: Vec<_> = history[1]["fields"].as_object().expect("fields").keys().collect();
    assert_eq!(fields, ["status", "vendor_status"]);

    let task = sync("targeted");
    assert_eq!((text(&task, "mode"), text(&task, "status")), ("targeted", "success"));
    assert_eq!(counts.map(|name| number(&task, name)), [1, 1, 0, 0], "{task}");
    assert_eq!(number(&task, "unchanged_count"), 1);
    assert_eq!(stored(&case, stopped).expect("a row")["name"], "another-name");
    assert!(stored(&case, made).is_some() && stored(&case, same).is_some());
    assert!(stored(&case, gone).is_some(), "only a whole list proves that something is gone");
    assert!(stored(&case, nobody).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_are_of_one_place_and_of_a_mode_that_takes_them() {
    let case = Case::new().await;
    let id = site(&case).live().remove(0);
    let run = |args: &[&str]| case.run(&[&["sync"], args].concat());
    run(&["--ids", &id]).assert_problem(2, &["ids go with targeted and status"]);
    for mode in ["targeted", "status"] {
        run(&["--mode", mode]).assert_problem(2, &["ids"]);
        run(&["--mode", mode, "--ids", &id]).assert_problem(2, &["region"]);
    }
}
