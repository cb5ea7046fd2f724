//! What the promises are shown with.

use std::collections::BTreeMap;

use cloud_sync_core::account::{Account, CredentialsRef};
use cloud_sync_core::change::{Change, Observer, Outcome};
use cloud_sync_core::deletion::DeletionPolicy;
use cloud_sync_core::disks::DiskWalk;
use cloud_sync_core::lease::{Checkpoint, Lease, LeaseRequest, Parts};
use cloud_sync_core::listing::Walk;
use cloud_sync_core::message::Mode;
use cloud_sync_core::resource::{Disk, Resource, Row, Status};
use cloud_sync_core::scope::{Kind, Scope};
use cloud_sync_core::task::SyncTask;
use cloud_sync_runtime::store::{Acquisition, Store};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

pub fn at(second: i64) -> Timestamp {
    let start: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
    start + SignedDuration::from_secs(second)
}

pub fn kind() -> Kind {
    "aliyun.ecs.instance".parse().unwrap()
}

pub fn scope(account: &str, region: &str) -> Scope {
    Scope { account_id: account.into(), kind: kind(), region: region.into() }
}

pub fn account(id: &str) -> Account {
    Account {
        name: "生产".into(),
        regions: vec!["cn-hangzhou".into(), "cn-beijing".into()],
        kinds: vec![kind()],
        endpoint: Some("http://127.0.0.1:1".into()),
        deletion: DeletionPolicy { tombstone_days: 7, ..DeletionPolicy::default() },
        ..Account::new(id, "aliyun", "cn-hangzhou", CredentialsRef::Env("ALIYUN".into()))
    }
}

pub fn request(owner: &str, task: &str, now: i64) -> LeaseRequest {
    LeaseRequest {
        owner: owner.into(),
        task_id: task.into(),
        now: at(now),
        expires_at: at(now + 100),
    }
}

/// Takes a lease of 100 seconds that is known to be free.
pub async fn lease(store: &dyn Store, scope: &Scope, owner: &str, task: &str, now: i64) -> Lease {
    match store.acquire(scope, &request(owner, task, now)).await.unwrap() {
        Acquisition::Acquired { lease, .. } => lease,
        Acquisition::Held { until } => panic!("{scope} is held until {until}"),
    }
}

/// Returns a checkpoint with these parts.
pub fn checkpoint(task: &str, parts: &[&str]) -> Checkpoint {
    let ids = parts.iter().map(|part| (*part).to_owned()).collect();
    Checkpoint {
        task_id: task.into(),
        turn: 3,
        disks: Some(DiskWalk::begin(at(1))),
        walk: Walk::new().state().clone(),
        parts: Parts { ids, ..Parts::default() },
        error_count: 0,
        errors: Vec::new(),
        advanced_at: at(2),
        furthest: 4,
        statuses: [Status::Running].into_iter().collect(),
    }
}

pub fn task(id: &str, account: &str, start: i64) -> SyncTask {
    let regions = vec!["cn-beijing".into(), "cn-hangzhou".into()];
    SyncTask {
        mode: Mode::Incremental,
        since: Some(at(-60)),
        deadline: at(start + 1000),
        ..SyncTask::new(id.into(), account, kind(), regions, at(start))
    }
}

/// Returns a resource with something in every field.
pub fn resource(id: &str) -> Resource {
    let disk = Disk { id: "d-1".into(), category: "cloud_essd".into(), size_gib: Some(40) };
    let attributes = json!({
        "VpcId": "vpc-1", "Cpu": 4, "Price": 1.0, "Tiny": 1e-200, "Empty": "", "None": null,
        "": "without a name", "Nested": { "": [] },
    });
    Resource {
        id: id.into(),
        name: "网页".into(),
        status: Status::Running,
        vendor_status: "Running".into(),
        spec: "ecs.g7.large".into(),
        zone: "cn-hangzhou-h".into(),
        public_ips: ["47.1.2.3".to_owned()].into(),
        private_ips: ["10.0.0.1".to_owned(), "10.0.0.2".to_owned()].into(),
        security_groups: ["sg-1".to_owned()].into(),
        data_disks: Some([disk].into()),
        tags: BTreeMap::from([("env".to_owned(), String::new())]),
        created_at: Some(at(-1000)),
        expires_at: None,
        attributes: attributes.as_object().unwrap().clone().into(),
        ..Resource::default()
    }
}

/// Returns a resource with nothing but an id.
pub fn bare(id: &str) -> Resource {
    Resource { id: id.into(), ..Resource::default() }
}

fn observer(scope: &Scope) -> Observer<'_> {
    Observer { scope, task_id: "task-1", now: at(0) }
}

/// Returns the first change of a resource, and the row it leaves.
pub fn added(scope: &Scope, resource: Resource) -> (Change, Row) {
    match observer(scope).seen(None, resource) {
        Outcome::Changed(change, row) => (change, *row),
        other => panic!("a new resource is {other:?}"),
    }
}

pub fn row(scope: &Scope, id: &str) -> Row {
    added(scope, bare(id)).1
}

pub fn tombstone(row: &Row) -> Row {
    observer(&row.scope).gone(row).1
}

pub fn restored(tombstone: &Row) -> Row {
    match observer(&tombstone.scope).seen(Some(tombstone), bare(&tombstone.resource.id)) {
        Outcome::Changed(_, row) => *row,
        other => panic!("a deleted resource that is seen is {other:?}"),
    }
}

/// Returns a small change.
pub fn change(scope: &Scope, id: &str, version: u64, task: &str, seen: i64) -> Change {
    let (change, _) = added(scope, bare(id));
    Change { version, task_id: task.into(), at: at(seen), ..change }
}
