//! `changes --follow`.

use std::io::{BufRead, BufReader};
use std::process::{ChildStdout, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

use crate::support::{Case, text};

/// Returns the lines of an output as they come.
fn lines(output: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

/// Returns the lines up to the one that tells of a task's end.
fn until_a_task_ends(lines: &Receiver<String>) -> Vec<Value> {
    let mut found: Vec<Value> = Vec::new();
    while found.last().is_none_or(|line| line["detail-type"] != "Sync Task Completed") {
        let line = lines.recv_timeout(Duration::from_secs(60)).expect("a line in time");
        found.push(serde_json::from_str(&line).expect("JSON"));
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_follows_sees_each_change_once_while_another_process_syncs() {
    let case = Case::new().await;
    case.sync(&["--region", "cn-shanghai"]);
    let mut command = case.command(&["changes", "--follow", "--json"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut follow = command.spawn().expect("it starts");
    let mut remarks = BufReader::new(follow.stderr.take().expect("its remarks"));
    let mut remark = String::new();
    remarks.read_line(&mut remark).expect("a remark");
    assert!(remark.contains("Ctrl-C stops"), "{remark}");
    let lines = lines(follow.stdout.take().expect("its output"));

    case.sync(&["--region", "cn-hangzhou"]);
    let first = until_a_task_ends(&lines);
    assert_eq!(first.len(), 61, "60 instances and the task; nothing of what was there before");
    let ids: std::collections::BTreeSet<_> =
        first.iter().map(|line| text(&line["detail"], "event_id").to_owned()).collect();
    assert_eq!(ids.len(), 61, "none twice");
    assert_eq!(text(&first[0], "source"), "cloud-sync");
    assert_eq!(text(&first[0], "detail-type"), "Resource Added");
    case.sync(&["--region", "cn-beijing"]);
    let second = until_a_task_ends(&lines);
    assert_eq!(second.len(), 6, "what was shown is not shown again");

    let id = follow.id().to_string();
    std::process::Command::new("kill").args(["-INT", &id]).status().expect("kill is there");
    let code = follow.wait().expect("it ends").code();
    assert_eq!(code, Some(0), "Ctrl-C is how it is meant to end");
    assert_eq!(lines.recv().ok(), None, "and nothing comes after");
}

#[tokio::test(flavor = "multi_thread")]
async fn following_has_no_last_change() {
    let case = Case::new().await;
    let ran = case.run(&["changes", "--follow", "--limit", "5"]);
    ran.assert_problem(2, &["--limit", "--follow"]);
}
