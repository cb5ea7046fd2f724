//! What goes where: results, remarks, secrets (nowhere).

use simulated_cloud::{Churn, Fault, Rule};

use crate::support::{Case, Ran, SECRET};

fn all_commands(case: &Case) -> Vec<Ran> {
    let first = case.run(&["sync"]);
    case.world.churn(&Churn::percent(&case.world, 10.0), 3);
    let rule = Rule::new(Fault::error(400, "Odd.\u{1b}[31mCode", "odd \u{1b}[2J message\u{7}"));
    case.world.faults().add(rule.on("DescribeInstances").in_region("cn-beijing"));
    let second = case.run(&["sync"]);
    assert_eq!(second.code, Some(3), "{}", second.stderr);
    let task = second.stdout.split_whitespace().next().expect("a task's id").to_owned();
    let mut ran = vec![first, second];
    for args in [
        &["status"][..],
        &["resources", "--deleted", "--limit", "0"],
        &["changes", "--limit", "0"],
        &["tasks"],
        &["tasks", &task],
        &["deletions"],
        &["accounts"],
        &["sync", "-v"],
        &["--help"],
        &["sync", "--help"],
    ] {
        ran.push(case.run(args));
        ran.push(case.run(&[args, &["--json"]].concat()));
    }
    ran
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_there_are_no_control_characters_and_never_a_secret() {
    let case = Case::new().await;
    for ran in all_commands(&case) {
        let all = format!("{}{}", ran.stdout, ran.stderr);
        let control = all.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(control, None, "{all}");
        assert!(!all.contains(SECRET), "{all}");
    }
    for entry in std::fs::read_dir(case.folder.path()).expect("the folder") {
        let path = entry.expect("a file").path();
        let bytes = std::fs::read(&path).expect("readable");
        let found = bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
        assert!(!found, "{}", path.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_json_there_is_nothing_else_on_standard_output() {
    let case = Case::new().await;
    let sync = case.run(&["sync", "--json"]);
    assert!(sync.json()["tasks"].is_array());
    assert_eq!(sync.stdout.lines().count(), 1);
    assert!(sync.stderr.contains("cn-hangzhou: success"), "progress is elsewhere: {}", sync.stderr);
    assert_eq!(case.run(&["sync", "--json", "--quiet"]).stderr, "");
    for args in [&["status"][..], &["resources"], &["changes"], &["tasks"], &["accounts"]] {
        let ran = case.run(&[args, &["--json"]].concat());
        assert!(!ran.lines().is_empty() && ran.stderr.is_empty(), "{args:?}: {}", ran.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_leaves_early_is_no_error() {
    let case = Case::new().await;
    case.sync(&[]);
    let mut run = case.command(&["resources", "--json"]);
    run.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = run.spawn().expect("it starts");
    drop(child.stdout.take());
    let ran: Ran = child.wait_with_output().expect("it ends").into();
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
}

#[test]
fn the_version_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = crate::support::command(folder.path(), &["--version"]).output();
    let ran: Ran = run.expect("it runs").into();
    assert_eq!(ran.stdout, format!("cloud-sync {}\n", env!("CARGO_PKG_VERSION")));
}
