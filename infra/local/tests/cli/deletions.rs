//! `deletions` and `accounts resume`: what operators decide.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{Case, in_time, number, text};

/// Returns a synced case of whose 60 instances in Hangzhou 30 are gone, which
/// is held, and the ids of these.
async fn collapsed() -> (Case, Vec<String>) {
    let case = Case::with(&[("cn-hangzhou", 60), ("cn-beijing", 5)]).await;
    case.sync(&[]);
    let site = case.world.at("prod", "cn-hangzhou").expect("a site");
    let mut gone: Vec<_> = site.live().into_iter().take(30).collect();
    gone.iter().for_each(|id| site.release(id).expect("it can be released"));
    gone.sort();
    let ran = case.run(&["sync"]);
    ran.assert_problem(3, &["30 resources are missing", "cloud-sync deletions"]);
    (case, gone)
}

fn held(case: &Case, args: &[&str]) -> Vec<Value> {
    let ran = case.run(&[&["deletions", "list", "--json"], args].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran.lines()
}

fn ids(held: &Value) -> Vec<&str> {
    held["rows"].as_array().expect("rows").iter().map(|row| text(row, "id")).collect()
}

fn live(case: &Case) -> BTreeSet<String> {
    let rows = case.run(&["resources", "--json"]).lines();
    rows.iter().map(|row| text(row, "id").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_is_listed_approved_and_deleted_by_the_next_sync() {
    let (case, gone) = collapsed().await;
    let found = held(&case, &[]);
    assert_eq!((found.len(), number(&found[0], "count"), ids(&found[0]).len()), (1, 30, 30));
    assert_eq!((text(&found[0], "region"), ids(&found[0])[0]), ("cn-hangzhou", &*gone[0]));
    assert_eq!(held(&case, &["--region", "cn-beijing"]), [] as [Value; 0]);
    let shown = case.run(&["deletions"]).stdout;
    assert!(shown.contains(&gone[29]) && shown.contains("30 held"), "{shown}");

    let approved = case.run(&["deletions", "approve", &gone[0], &gone[1], "--by", "kim"]);
    assert_eq!(approved.code, Some(0), "{}", approved.stderr);
    assert!(approved.stdout.contains("cn-hangzhou: 2 deletions approved"), "{}", approved.stdout);
    approved.assert_problem(0, &["next sync that still does not find them", "cloud-sync sync"]);
    assert_eq!(live(&case).len(), 65, "nothing is deleted yet");
    let found = held(&case, &[]);
    let decision = &found[0]["rows"][0]["decision"];
    assert_eq!((text(decision, "verdict"), text(decision, "by")), ("approve", "kim"));
    assert!(case.run(&["deletions", "list"]).stdout.contains("approved by kim"));

    let ran = case.run(&["sync", "--json"]);
    let task = &ran.json()["tasks"][0];
    assert_eq!((number(task, "deleted_count"), number(task, "held_count")), (2, 28));
    let all = case.run(&["deletions", "approve", "--all", "--region", "cn-hangzhou", "--json"]);
    assert_eq!(all.code, Some(0), "{}", all.stderr);
    let line = all.json();
    assert_eq!(
        (text(&line, "verdict"), line["ids"].as_array().map(Vec::len)),
        ("approve", Some(28))
    );
    assert_eq!(number(&case.sync(&[])["tasks"][0], "deleted_count"), 28);
    assert_eq!(live(&case), case.ids());
    let none = case.run(&["deletions"]);
    none.assert_problem(0, &["no deletion is held"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_rejected_outlives_every_sync() {
    let (case, gone) = collapsed().await;
    let rejected = case.run(&["deletions", "reject", "--all"]);
    rejected.assert_problem(0, &["until a sync sees them again"]);
    for _ in 0..3 {
        let ran = case.run(&["sync", "--json"]);
        let task = &ran.json()["tasks"][0];
        assert_eq!((number(task, "deleted_count"), number(task, "held_count")), (0, 30));
    }
    assert!(gone.iter().all(|id| live(&case).contains(id)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_that_cannot_be_made_says_why_and_changes_nothing() {
    let (case, gone) = collapsed().await;
    let decide = |args: &[&str]| case.run(&[&["deletions"], args].concat());
    decide(&["approve"]).assert_problem(2, &["RESOURCE", "--all"]);
    decide(&["approve", "--all", &gone[0]]).assert_problem(2, &["--all"]);
    decide(&["approve", &gone[0], "i-none"])
        .assert_problem(1, &["not held, and nothing was decided: i-none", "cloud-sync deletions"]);
    decide(&["reject", "--all", "--region", "cn-beijing"])
        .assert_problem(1, &["no deletion is held"]);
    decide(&["reject", "--all", "--account", "nobody"]).assert_problem(2, &["'nobody'", "prod"]);
    assert!(
        held(&case, &[])[0]["rows"].as_array().unwrap().iter().all(|r| r["decision"].is_null())
    );
    decide(&["approve", "--all", "--db", "other.db"]).assert_problem(1, &["there is no database"]);
    assert!(!case.path("other.db").exists(), "and none was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_account_is_resumed() {
    let case = Case::new().await;
    case.run(&["accounts", "resume", "prod"]).assert_problem(1, &["there is no database"]);
    let mut wrong = case.command(&["sync"]);
    wrong.env("TEST_ACCESS_KEY_SECRET", "wrong");
    assert_eq!(in_time(wrong).code, Some(1));
    let suspended = || case.run(&["accounts", "--json"]).lines()[0]["suspended"].clone();
    assert!(suspended().is_object());

    let resume = |id: &str| case.run(&["accounts", "resume", id]);
    resume("nobody").assert_problem(2, &["no account 'nobody'", "prod"]);
    resume("prod").assert_problem(0, &["'prod' is resumed", "SignatureDoesNotMatch"]);
    assert!(suspended().is_null());
    resume("prod").assert_problem(1, &["not suspended"]);
}
