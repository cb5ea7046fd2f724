//! An account that is synced with what the process itself is in AWS.

use std::collections::BTreeSet;

use simulated_cloud::{AccessKey, Plan, Provider};

use crate::support::{Case, Ran, in_time, number, text};

const KEY_ID: &str = "ASIATHEFUNCTION";
const SECRET: &str = "canary-of-the-function";
const TOKEN: &str = "canary-token-of-the-function";
const REGIONS: [(&str, u32); 2] = [("us-east-1", 30), ("eu-central-1", 12)];

/// Returns a cloud with the account that the function runs in, whose role has
/// a key for a time.
async fn case() -> Case {
    let key = AccessKey::new(KEY_ID, SECRET).with_token(TOKEN);
    let case = Case::of(&Plan::new(3).account_of(Provider::Aws, "prod", key, REGIONS)).await;
    case.configure(&format!(
        "[[accounts]]\nid = \"prod\"\nprovider = \"aws\"\ndefault_region = \"us-east-1\"\n\
         kinds = [\"aws.ec2.instance\"]\nendpoint = \"{}\"\ncredentials = \"own\"\n",
        case.cloud.url()
    ));
    case
}

/// Runs the binary with what Lambda puts into a function's environment.
fn run(case: &Case, args: &[&str], [id, secret, token]: [&str; 3]) -> Ran {
    let mut command = case.command(args);
    command.env("AWS_REGION", "us-east-1");
    command.env("AWS_ACCESS_KEY_ID", id).env("AWS_SECRET_ACCESS_KEY", secret);
    command.env("AWS_SESSION_TOKEN", token);
    let ran = in_time(command);
    let all = format!("{}{}", ran.stdout, ran.stderr);
    assert!(!all.contains("canary"), "{all}");
    ran
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_synced_with_the_functions_own_role() {
    let case = case().await;
    let ran = run(&case, &["sync", "--json"], [KEY_ID, SECRET, TOKEN]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let task = &ran.json()["tasks"][0];
    assert_eq!((text(task, "status"), number(task, "added_count")), ("success", 42));
    let stored = case.run(&["resources", "--json"]).lines();
    let stored: BTreeSet<_> = stored.iter().map(|line| text(line, "id").to_owned()).collect();
    assert_eq!(stored, case.ids());
    let accounts = case.run(&["accounts", "--json"]).lines();
    assert_eq!(text(&accounts[0]["identity"], "account_number"), "123456789012");
    let database = std::fs::read(case.path("cloud-sync.db")).expect("a database");
    for secret in [SECRET, TOKEN, KEY_ID] {
        let found = database.windows(secret.len()).any(|bytes| bytes == secret.as_bytes());
        assert!(!found, "{secret} is stored");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_has_other_keys_every_few_hours_and_is_the_same_account() {
    let case = case().await;
    run(&case, &["sync", "--json"], [KEY_ID, SECRET, TOKEN]);
    let next = ["ASIATHENEXT", "canary-the-next", "canary-token-the-next"];
    let stale = run(&case, &["sync", "--json"], next);
    assert_eq!(stale.code, Some(1), "{}", stale.stderr);
    assert!(stale.stdout.contains("InvalidClientTokenId"), "{}", stale.stdout);
    let key = AccessKey::new(next[0], next[1]).with_token(next[2]);
    case.world.set_keys("prod", vec![key]);
    let ran = run(&case, &["sync", "--json"], next);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(number(&ran.json()["tasks"][0], "unchanged_count"), 42);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_without_a_role_is_told_so() {
    let case = case().await;
    let mut command = case.command(&["sync"]);
    command.env("AWS_REGION", "us-east-1");
    let ran = in_time(command);
    ran.assert_problem(2, &["'prod'", "own"]);
}
