//! What is stored and sent: it reads back as it was, under the names that
//! users and other programs rely on.

use std::fmt::Debug;

use cloud_sync_core::change::{Change, Observer, Outcome};
use cloud_sync_core::deletion::{Decision, Verdict};
use cloud_sync_core::disks::DiskWalk;
use cloud_sync_core::error::ErrorClass;
use cloud_sync_core::ids::Ids;
use cloud_sync_core::lease::{Checkpoint, Dispatched, Findings, Lease, Parts, ScopeState};
use cloud_sync_core::listing::{Page, Walk};
use cloud_sync_core::message::{Mode, SyncRequest, Trigger, WorkMessage};
use cloud_sync_core::pace::Pace;
use cloud_sync_core::resource::{Disk, Missing, Resource, Row, Status};
use cloud_sync_core::schedule::Rhythm;
use cloud_sync_core::scope::{Kind, Scope};
use cloud_sync_core::stats::ScopeStatuses;
use cloud_sync_core::task::{RegionError, RegionResult, SyncTask};
use proptest::option;
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::strategies::{STATUSES, resource, text, timestamp};
use crate::tasks::{TASK_STATUSES, at, result, task};

fn kind() -> Kind {
    "aliyun.ecs.instance".parse().unwrap()
}

fn scope() -> Scope {
    Scope { account_id: "prod".into(), kind: kind(), region: "cn-hangzhou".into() }
}

/// Reads a value back from its text, and from a document as the store makes
/// of it.
fn assert_reads_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let text = serde_json::to_string(value).unwrap();
    assert_eq!(&serde_json::from_str::<T>(&text).unwrap(), value, "{text}");
    let document = serde_json::to_value(value).unwrap();
    assert_eq!(&serde_json::from_value::<T>(document).unwrap(), value, "{text}");
}

fn keys(value: &impl Serialize) -> Vec<String> {
    let Value::Object(document) = serde_json::to_value(value).unwrap() else {
        panic!("not an object");
    };
    let mut keys: Vec<_> = document.keys().cloned().collect();
    keys.sort();
    keys
}

fn sorted<const N: usize>(mut names: [&str; N]) -> [&str; N] {
    names.sort_unstable();
    names
}

fn row_of(resource: Resource) -> (Change, Row) {
    let scope = scope();
    let observer = Observer { scope: &scope, task_id: "t", now: at(0) };
    match observer.seen(None, resource) {
        Outcome::Changed(change, row) => (change, *row),
        other => panic!("a first sight is a change: {other:?}"),
    }
}

fn state() -> impl Strategy<Value = ScopeState> {
    let tokens = option::of(text());
    let times = (option::of(timestamp()), option::of(timestamp()), option::of(timestamp()));
    (any::<[u32; 4]>(), tokens, times, any::<[bool; 3]>()).prop_map(
        |(numbers, next, (full, complete, changed), has)| {
            let mut walk = Walk::new();
            walk.take(Page { next, ..Page::default() }, &mut Ids::new("t")).unwrap();
            let lease = Lease {
                scope: scope(),
                owner: "message-1".into(),
                epoch: numbers[0].into(),
                expires_at: at(numbers[1].into()),
                tasks: vec!["t".into(), "u".into()],
            };
            let checkpoint = Checkpoint {
                task_id: "t".into(),
                turn: numbers[2],
                walk: walk.state().clone(),
                disks: has[0].then(|| DiskWalk::begin(at(numbers[3].into()))),
                parts: Parts { ids: vec![numbers[3].to_string()], ..Parts::default() },
                advanced_at: at(numbers[3].into()),
                furthest: 4,
                statuses: [Status::Running, Status::Stopped].into_iter().collect(),
                error_count: 1,
                errors: vec![RegionError::new(ErrorClass::Data, "Bad", "no status", at(0))],
            };
            ScopeState {
                scope: scope(),
                epoch: numbers[0].into(),
                lease: has[0].then_some(lease),
                checkpoint: has[1].then_some(checkpoint),
                dispatched: has[2].then(|| Dispatched { task_id: "t".into(), at: at(0) }),
                event_task: has[1].then(|| Dispatched { task_id: "e".into(), at: at(1) }),
                ended_task: has[0].then(|| "t".into()),
                decisions: vec![
                    Decision {
                        verdict: Verdict::Approve,
                        listing: numbers[0].into(),
                        ids: has[1].then(|| vec!["i-1".into(), "i-2".into()]),
                        at: at(numbers[1].into()),
                        by: has[2].then(|| "kim".into()),
                    };
                    usize::from(has[0])
                ],
                paces: [("Api".to_owned(), Pace { per_second: 0.7, learnt_at: at(5) })]
                    .into_iter()
                    .filter(|_| has[2])
                    .collect(),
                findings: Findings {
                    last_full_at: full,
                    last_complete_at: complete,
                    last_changed_at: changed,
                    live_count: numbers[1].into(),
                    statuses: has[0].then(|| ScopeStatuses {
                        counts: [Status::Running].into_iter().collect(),
                        as_of: at(numbers[1].into()),
                    }),
                    complete_listings: numbers[2].into(),
                    held_count: numbers[3].into(),
                    rhythm: Rhythm::default().after(at(0), 0, 1).after(
                        at(numbers[0].into()),
                        numbers[1].into(),
                        7,
                    ),
                    ever_deleted: has[1],
                    fed_until: has[2].then(|| at(numbers[2].into())),
                    lacked_at: has[0].then(|| at(numbers[3].into())),
                },
            }
        },
    )
}

proptest! {
    #[test]
    fn rows_and_changes_read_back(
        resource in resource(), mark in option::of((timestamp(), 0..9_u64)),
        deleted_at in option::of(timestamp()),
    ) {
        let (change, row) = row_of(resource);
        let missing = mark.map(|(since, listing)| Missing { since, listing });
        let row = Row { missing, deleted_at, ..row };
        assert_reads_back(&change);
        assert_reads_back(&row);
        let scope = scope();
        let observer = Observer { scope: &scope, task_id: "t", now: at(1) };
        assert_reads_back(&observer.gone(&row).0);
    }

    #[test]
    fn results_and_tasks_read_back(
        results in prop::collection::vec(result("cn-a"), 1..2),
        since in option::of(timestamp()),
    ) {
        let sum = task(&["cn-a", "cn-b"]).add_up(&results, at(1)).unwrap();
        assert_reads_back(&SyncTask { since, mode: Mode::Incremental, ..sum });
        results.iter().for_each(assert_reads_back);
    }

    #[test]
    fn the_state_of_a_scope_reads_back(state in state()) {
        assert_reads_back(&state);
    }

    #[test]
    fn messages_read_back(since in option::of(timestamp()), turn in any::<u32>(), full in any::<bool>()) {
        let mode = if full { Mode::Full } else { Mode::Incremental };
        assert_reads_back(&WorkMessage {
            task_id: "t".into(),
            account_id: "prod".into(),
            kind: kind(),
            region: "cn-hangzhou".into(),
            mode,
            since,
            ids: if full { Vec::new() } else { vec!["i-1".into()] },
            turn,
            yielded_to: full.then(|| "t#1".into()),
        });
        let kinds = vec![kind()];
        assert_reads_back(&SyncRequest { kinds, mode, since, ..SyncRequest::default() });
    }
}

#[test]
fn a_task_has_the_documented_fields() {
    let names = sorted([
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
        // Beyond the documented list.
        "since",
        "cancel_requested",
        "deadline",
        "held_count",
    ]);
    assert_eq!(keys(&task(&["cn-a"])), names);
}

#[test]
fn a_region_error_has_the_documented_fields() {
    let error = RegionError::new(ErrorClass::NotOffered, "Closed", "not open", at(0));
    let names = sorted(["resource_id", "class", "code", "error", "timestamp"]);
    assert_eq!(keys(&error), names);
    let document = serde_json::to_value(&error).unwrap();
    assert_eq!(document["class"], "not_offered");
    assert_eq!(document["timestamp"], "2027-01-15T08:00:00Z");
}

#[test]
fn a_region_result_has_the_fields_of_a_task_where_it_has_any() {
    let names = sorted([
        "task_id",
        "region",
        "status",
        "attempts",
        "skipped",
        "start_time",
        "end_time",
        "total_count",
        "added_count",
        "updated_count",
        "deleted_count",
        "unchanged_count",
        "error_count",
        "held_count",
        "api_calls",
        "read_units",
        "write_units",
        "throttled_calls",
        "retried_calls",
        "bytes_received",
        "rows_written",
        "worker_ms",
        "apis",
        "errors",
    ]);
    assert_eq!(keys(&RegionResult::begin("t", "cn-a", at(0))), names);
}

#[test]
fn a_change_has_the_documented_fields() {
    let (change, _) = row_of(Resource { name: "web".into(), ..Resource::default() });
    let names = sorted([
        "account_id",
        "kind",
        "region",
        "id",
        "version",
        "change",
        "fields",
        "task_id",
        "at",
    ]);
    assert_eq!(keys(&change), names);
    let document = serde_json::to_value(&change).unwrap();
    assert_eq!(document["change"], "added");
    assert_eq!(document["fields"], json!({ "name": { "old": null, "new": "web" } }));
}

#[test]
fn a_row_has_the_documented_fields() {
    let disk = Disk { id: "d-1".into(), category: "cloud_essd".into(), size_gib: Some(40) };
    let (_, row) = row_of(Resource { data_disks: Some([disk].into()), ..Resource::default() });
    let names = sorted([
        "account_id",
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
        // The service's own.
        "fingerprint",
        "missing",
        "task_id",
        "version",
    ]);
    assert_eq!(keys(&row), names);
    let document = serde_json::to_value(&row).unwrap();
    let disk = json!([{ "id": "d-1", "category": "cloud_essd", "size_gib": 40 }]);
    assert_eq!(document["data_disks"], disk);
    assert_eq!(document["deleted_at"], Value::Null);
}

/// `as_str` is what goes into keys, filters and metrics; serde is what goes
/// into documents. They are one vocabulary.
#[test]
fn a_name_is_the_same_in_keys_and_in_documents() {
    fn check<T: Serialize + Debug>(value: T, name: &str) {
        assert_eq!(serde_json::to_value(&value).unwrap(), name, "{value:?}");
    }
    STATUSES.into_iter().for_each(|status| check(status, status.as_str()));
    TASK_STATUSES.into_iter().for_each(|status| check(status, status.as_str()));
    ErrorClass::ALL.into_iter().for_each(|class| check(class, class.as_str()));
    [Mode::Full, Mode::Incremental].into_iter().for_each(|mode| check(mode, mode.as_str()));
    [Trigger::Scheduled, Trigger::OnDemand].into_iter().for_each(|t| check(t, t.as_str()));
    cloud_sync_core::diff::Field::ALL.into_iter().for_each(|field| check(field, field.as_str()));
    use cloud_sync_core::change::ChangeKind::{Added, Deleted, Restored, Updated};
    [Added, Updated, Deleted, Restored].into_iter().for_each(|c| check(c, c.as_str()));
}

#[test]
fn a_message_with_an_unknown_key_is_refused() {
    let body = json!({
        "task_id": "t", "account_id": "a", "kind": "aliyun.ecs.instance", "region": "cn-a",
        "mode": "full", "priority": 1,
    });
    let error = serde_json::from_value::<WorkMessage>(body).unwrap_err();
    assert!(error.to_string().contains("priority"), "{error}");
}
