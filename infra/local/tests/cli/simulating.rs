//! `cloud-sync simulate`, as far as it fits between other tests.

use crate::support::{command, in_time};

#[test]
fn seeds_are_tried_and_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let ran = in_time(command(folder.path(), &["simulate", "--seeds", "8", "--json"]));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let summary = ran.json();
    assert_eq!(summary["seeds"], 8);
    assert_eq!(summary["failed"].as_array().map(Vec::len), Some(0));
    assert!(summary["stats"]["vendor calls"].as_u64().is_some_and(|calls| calls > 100));
}

#[test]
fn a_trace_tells_step_by_step_what_happened() {
    let folder = tempfile::tempdir().expect("a folder");
    let args = ["simulate", "--from", "3", "--seeds", "1", "--trace", "--faults", "none"];
    let ran = in_time(command(folder.path(), &args));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    for told in ["takes {\"task_id\"", "put_changes added", "update_task", "1 seeds (3 to 3)"] {
        assert!(ran.stdout.contains(told), "no {told} in {}", ran.stdout);
    }
}

#[test]
fn what_cannot_be_simulated_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let two = in_time(command(folder.path(), &["simulate", "--seeds", "2", "--trace"]));
    two.assert_problem(2, &["--trace shows one seed: add --seeds 1"]);
    let odd = in_time(command(folder.path(), &["simulate", "--faults", "crash,rain"]));
    odd.assert_problem(2, &["no fault is named 'rain'; there are: all, none, crash"]);
}
