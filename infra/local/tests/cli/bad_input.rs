//! What is wrong is said: where, and what to do.

use std::time::{Duration, Instant};

use crate::support::{Case, KEY_ID, Ran, SECRET, in_time};

#[tokio::test(flavor = "multi_thread")]
async fn unknown_names_are_answered_with_those_that_are_known() {
    let case = Case::new().await;
    let unknown = |args: &[&str]| case.run(&[&["sync"], args].concat());
    unknown(&["--kind", "aliyun.ecs.foo"])
        .assert_problem(2, &["aliyun.ecs.foo", "aliyun.ecs.instance"]);
    unknown(&["--kind", "foo.ecs.bar"]).assert_problem(2, &["'foo'", "known: aliyun"]);
    unknown(&["--kind", "nonsense"]).assert_problem(2, &["provider.service.type"]);
    unknown(&["--region", "cn-atlantis"]).assert_problem(2, &["cn-atlantis", "cn-hangzhou"]);
    unknown(&["--account", "nobody"]).assert_problem(2, &["nobody", "prod"]);
    unknown(&["--mode", "fast"]).assert_problem(2, &["full", "incremental"]);
    unknown(&["--since", "2h"]).assert_problem(2, &["--mode incremental"]);
    unknown(&["--since", "lately"]).assert_problem(2, &["2026-11-01", "2h"]);
    unknown(&["--workers", "0"]).assert_problem(2, &["1..=64"]);
    unknown(&["--give-up-after", "never"]).assert_problem(2, &["2m"]);
    for command in ["resources", "changes", "stats", "deletions"] {
        let unknown = case.run(&[command, "--kind", "aliyun.ecs.instances"]);
        unknown.assert_problem(2, &["unknown kind aliyun.ecs.instances", "aliyun.ecs.instance,"]);
    }
    case.run(&["resources", "--status", "asleep"]).assert_problem(2, &["asleep", "running"]);
    case.run(&["frobnicate"]).assert_problem(2, &["frobnicate"]);

    case.configure(&case.account("prod", "").replace("aliyun", "aliyum"));
    unknown(&[]).assert_problem(2, &["accounts.toml", "'aliyum'", "known: aliyun"]);
    case.configure(&case.account("prod", "kinds = [\"aliyun.ecs.foo\"]"));
    unknown(&[]).assert_problem(2, &["accounts.toml", "aliyun.ecs.foo", "aliyun.ecs.instance"]);
    case.configure(&case.account("prod", "regions = [\"cn-atlantis\"]"));
    unknown(&[]).assert_problem(2, &["cn-atlantis", "cn-hangzhou"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_file_is_answered_with_the_line() {
    let case = Case::new().await;
    case.configure("[[accounts]]\nid = \"prod\"\nprovider = aliyun\n");
    case.run(&["sync"]).assert_problem(2, &["accounts.toml:3:"]);
    case.configure(&case.account("prod", "colour = \"red\""));
    case.run(&["sync"]).assert_problem(2, &["accounts.toml:7:", "colour"]);
    case.run(&["sync", "--config", "other.toml"])
        .assert_problem(2, &["other.toml", "no such file"]);
    assert!(!case.path("cloud-sync.db").exists(), "nothing was begun");
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_credentials_are_answered_with_the_variable() {
    let case = Case::new().await;
    let mut command = case.command(&["sync"]);
    command.env_remove("TEST_ACCESS_KEY_SECRET");
    let ran = in_time(command);
    ran.assert_problem(2, &["'prod'", "TEST_ACCESS_KEY_SECRET"]);
    assert!(!case.path("cloud-sync.db").exists(), "nothing was begun");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_is_answered_with_the_key_and_what_to_do() {
    let case = Case::new().await;
    let run = || -> Ran {
        let mut command = case.command(&["sync"]);
        command.env("TEST_ACCESS_KEY_SECRET", "wrong-canary");
        in_time(command)
    };
    let told = ["SignatureDoesNotMatch", KEY_ID, "TEST_ACCESS_KEY_SECRET", "sync again"];
    run().assert_problem(1, &told);
    // The vendor's word is the same where its regions are known already.
    case.sync(&[]);
    let ran = run();
    ran.assert_problem(1, &told[1..]);
    assert!(ran.stdout.contains("SignatureDoesNotMatch"), "{}", ran.stdout);
    let all = format!("{}{}", ran.stdout, ran.stderr);
    assert!(!all.contains("wrong-canary") && !all.contains(SECRET), "{all}");
    let status = case.run(&["status"]);
    assert!(status.stdout.contains("suspended since"), "{}", status.stdout);
    // Put right, it works, and nothing was deleted meanwhile.
    let report = case.sync(&[]);
    assert_eq!(report["tasks"][0]["unchanged_count"], 90);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_out_of_reach_is_given_up_in_time() {
    let case = Case::new().await;
    let closed = "endpoint = \"http://127.0.0.1:9\"";
    let toml =
        case.account("prod", "").replace(&format!("endpoint = \"{}\"", case.cloud.url()), closed);
    for known in [false, true] {
        if known {
            case.sync(&[]);
        }
        case.configure(&toml);
        let began = Instant::now();
        let ran = case.run(&["sync", "--give-up-after", "3s"]);
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        let all = format!("{}{}", ran.stdout, ran.stderr);
        assert!(all.contains("127.0.0.1:9 cannot be reached"), "{all}");
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
        case.configure(&case.account("prod", ""));
    }
    assert_eq!(case.run(&["resources", "--json"]).lines().len(), 90, "nothing was lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_database_is_left_as_it_is() {
    let case = Case::new().await;
    case.sync(&[]);
    let path = case.path("cloud-sync.db");
    let whole = std::fs::read(&path).expect("a database");
    let broken = [
        b"These are notes about databases, and no database.".to_vec(),
        whole[..whole.len() / 2 + 100].to_vec(),
        whole[..50].to_vec(),
    ];
    for bytes in broken {
        std::fs::write(&path, &bytes).expect("written");
        for args in [&["sync"][..], &["resources"], &["status", "--json"]] {
            let ran = case.run(args);
            ran.assert_problem(1, &["cloud-sync.db", "left as it is", "--db"]);
            assert_eq!(std::fs::read(&path).expect("still there"), bytes, "{args:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_cannot_be_made_is_named() {
    let case = Case::new().await;
    case.run(&["sync", "--db", "no/such/folder/a.db"]).assert_problem(1, &["no/such/folder/a.db"]);
    case.run(&["sync", "--db", "."]).assert_problem(1, &["error: "]);
}

#[tokio::test(flavor = "multi_thread")]
async fn aws_without_its_names_says_which() {
    let case = Case::new().await;
    case.run(&["tasks", "--aws"]).assert_problem(2, &["--table-prefix", "TABLE_PREFIX"]);
    let prefix = ["--aws", "--table-prefix", "x-"];
    let run = |region: &str| -> Ran {
        let mut command = case.command(&[&["sync"], &prefix[..]].concat());
        command.env("AWS_REGION", region);
        in_time(command)
    };
    run("").assert_problem(2, &["AWS_REGION"]);
    let told = ["--work-queue-url", "WORK_QUEUE_URL", "--create"];
    run("eu-west-1").assert_problem(2, &told);
}
