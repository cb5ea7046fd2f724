//! What is learnt of accounts: change feeds, instance types, and whose
//! credentials they have.

use std::collections::BTreeSet;

use serde_json::Value;
use simulated_cloud::{AccessKey, Churn, Plan, Provider};

use crate::support::{Case, KEY_ID, REGIONS, Ran, SECRET, in_time, number, text};

const OTHER_KEY_ID: &str = "LTAI5tSomebodyElse";
const OTHER_SECRET: &str = "canary-9c3e-never-to-be-seen";

/// Returns a cloud with two accounts that have the same regions.
async fn two_accounts() -> Case {
    let regions = |count| [("cn-hangzhou", count), ("cn-beijing", 3)];
    let plan = Plan::new(5).account("prod", AccessKey::new(KEY_ID, SECRET), regions(12)).account(
        "other",
        AccessKey::new(OTHER_KEY_ID, OTHER_SECRET),
        regions(7),
    );
    let case = Case::of(&plan).await;
    let other = case.account("other", "").replace("TEST", "OTHER");
    case.configure(&format!("{}{other}", case.account("prod", "")));
    case
}

/// Runs the binary with the credentials of both accounts, those of `prod`
/// being the given ones.
fn run(case: &Case, args: &[&str], [id, secret]: [&str; 2]) -> Ran {
    let mut command = case.command(args);
    command.env("TEST_ACCESS_KEY_ID", id).env("TEST_ACCESS_KEY_SECRET", secret);
    command.env("OTHER_ACCESS_KEY_ID", OTHER_KEY_ID).env("OTHER_ACCESS_KEY_SECRET", OTHER_SECRET);
    in_time(command)
}

const OWN: [&str; 2] = [KEY_ID, SECRET];
const THEIRS: [&str; 2] = [OTHER_KEY_ID, OTHER_SECRET];

fn ids_of(case: &Case, account: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let truth = case.world.truth();
    let there = truth.accounts.iter().filter(|found| found.id == account);
    let there = there.flat_map(|found| found.regions.values().flatten());
    let there = there.map(|instance| instance.id.clone()).collect();
    let lines = run(case, &["resources", "--json", "--account", account], OWN).lines();
    (lines.iter().map(|line| text(line, "id").to_owned()).collect(), there)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_account_learns_never_serves_another_in_the_same_process() {
    let case = two_accounts().await;
    let ran = run(&case, &["sync", "--json"], OWN);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    for account in ["prod", "other"] {
        let (stored, there) = ids_of(&case, account);
        assert_eq!(stored, there, "{account}");
        let calls = case.world.calls();
        let of = |action: &str| {
            let calls = calls.iter().filter(|(call, _)| call.account == account);
            calls.filter(|(call, _)| call.is_of(action)).map(|(_, count)| count).sum::<u64>()
        };
        assert_eq!(of("DescribeRegions"), 1, "{account} asks for its own regions");
        assert!(of("GetCallerIdentity") >= 1, "{account} asks who it is");
        assert!(of("DescribeInstanceTypes") >= 1, "{account} asks for its own types");
    }
    let accounts = run(&case, &["accounts", "list", "--json"], OWN).lines();
    let numbers: BTreeSet<_> =
        accounts.iter().map(|line| text(&line["identity"], "account_number")).collect();
    assert_eq!(numbers.len(), 2, "{accounts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_accounts_key_syncs_nothing_until_somebody_says_so() {
    let case = two_accounts().await;
    run(&case, &["sync", "--json"], OWN);
    let before = ids_of(&case, "prod");
    case.world.reset_calls();
    let ran = run(&case, &["sync", "--json", "--account", "prod"], THEIRS);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    let message = text(&ran.json()["tasks"][0], "error_message").to_owned();
    assert!(message.contains("AnotherAccount"), "{message}");
    assert!(message.contains("1690700000000031") && message.contains("1690700000000030"));
    assert_eq!((ids_of(&case, "prod"), case.world.calls_of("DescribeInstances")), (before, 0));

    let resumed = run(&case, &["accounts", "resume", "prod"], OWN);
    assert_eq!(resumed.code, Some(0), "{}", resumed.stderr);
    let ran = run(&case, &["sync", "--json", "--account", "prod"], THEIRS);
    assert!(number(&ran.json()["tasks"][0], "added_count") > 0, "{}", ran.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn resources_show_what_their_type_has() {
    let case = Case::new().await;
    case.sync(&[]);
    let asked = case.world.calls_of("DescribeInstanceTypes");
    for line in case.run(&["resources", "--json"]).lines() {
        assert!(number(&line, "vcpus") > 0, "{line}");
        assert!(line["memory_gib"].as_f64().is_some_and(|gib| gib >= 0.5), "{line}");
        let has_gpu = number(&line, "gpus") > 0;
        assert_eq!(has_gpu, text(&line, "spec").starts_with("ecs.gn"), "{line}");
        assert_eq!(line["gpu_model"].is_string(), has_gpu, "{line}");
    }
    let shown = case.run(&["resources", "--limit", "0"]).stdout;
    assert!(shown.contains("vCPU, "), "{shown}");
    case.world.churn(&Churn { rename: 10, ..Churn::default() }, 3);
    case.sync(&[]);
    assert_eq!(case.world.calls_of("DescribeInstanceTypes"), asked, "all of them are known");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_by_the_change_feed_takes_one_call_a_region_and_finds_what_happened() {
    let case = Case::new().await;
    case.configure(&case.account("prod", "change_feed = true"));
    case.sync(&[]);
    let incremental = || -> Value { case.sync(&["--mode", "incremental"])["tasks"][0].clone() };
    let quiet = incremental();
    assert_eq!((text(&quiet, "status"), number(&quiet, "total_count")), ("success", 0));
    assert_eq!(number(&quiet, "api_calls"), REGIONS.len() as u64);
    assert_eq!(case.world.calls_of("LookupEvents"), REGIONS.len() as u64);

    let churn = Churn { create: 3, rename: 4, power: 2, attach_disk: 2, ..Churn::default() };
    let happened = case.world.churn(&churn, 9);
    case.world.reset_calls();
    let busy = incremental();
    let counts = ["added_count", "updated_count", "total_count"].map(|name| number(&busy, name));
    let touched = happened.created.len() + happened.changed.len();
    let expected = [happened.created.len(), happened.changed.len(), touched];
    assert_eq!(counts, expected.map(|count| count as u64));
    let walk = case.run(&["sync", "--json", "--mode", "full"]).json()["tasks"][0].clone();
    assert_eq!(number(&walk, "unchanged_count"), number(&walk, "total_count"), "nothing is left");

    let gone = case.world.churn(&Churn { release: 1, ..Churn::default() }, 10);
    assert_eq!(gone.released.len(), 1);
    assert_eq!(number(&incremental(), "deleted_count"), 1, "the walk proves it");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_of_an_accounts_file_has_every_vendor() {
    let case = Case::new().await;
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../accounts.example.toml");
    let ran = case.run(&["accounts", "apply", "--config", example, "--json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let accounts = case.run(&["accounts", "--json"]).lines();
    for provider in Provider::ALL.map(Provider::name) {
        let is_shown = |account: &Value| account["account"]["provider"] == provider;
        assert!(accounts.iter().any(is_shown), "{provider} is not in the example");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_credentials_work_for_is_told_before_anything_is_synced() {
    let case = two_accounts().await;
    run(&case, &["accounts", "apply"], OWN);
    case.world.reset_calls();
    let ran = run(&case, &["accounts", "verify", "--json"], OWN);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let found = ran.lines();
    assert_eq!(found.len(), 2);
    for one in &found {
        assert_eq!(one["works"], true, "{one}");
        assert_eq!(one["kinds"][0]["verdict"], "ok");
    }
    assert_eq!(case.world.calls().values().sum::<u64>(), 4, "two questions an account");
    let wrong = run(&case, &["accounts", "verify", "prod", "--json"], [KEY_ID, "wrong"]);
    assert_eq!(wrong.code, Some(1));
    assert_eq!(wrong.lines()[0]["credentials"]["verdict"], "refused");
    let shown = run(&case, &["accounts", "verify", "prod"], [KEY_ID, "wrong"]).stdout;
    assert!(shown.contains("refused") && shown.contains("SignatureDoesNotMatch"), "{shown}");
    run(&case, &["accounts", "verify", "nobody"], OWN).assert_problem(2, &["no account 'nobody'"]);
}
