//! Every kind of every vendor through the whole service: nothing in it knows
//! one kind from another.

#![allow(clippy::unwrap_used, reason = "a test may fail by it")]

use std::collections::BTreeMap;
use std::sync::Arc;

use cloud_sync::connect::local_parts;
use cloud_sync::service::{LocalService, Options, SyncReport};
use cloud_sync_core::account::{Account, CredentialsRef, Region};
use cloud_sync_core::change::{ChangeKind, replay};
use cloud_sync_core::credentials::Credentials;
use cloud_sync_core::message::{Mode, SyncRequest};
use cloud_sync_core::resource::{Resource, Row, Status};
use cloud_sync_core::scope::{Kind, Scope};
use cloud_sync_core::task::{Counts as Counted, TaskStatus};
use cloud_sync_provider::{Registry, SecondaryCalls, Settings, Vendor, Vendors};
use cloud_sync_runtime::secrets::FixedCredentials;
use cloud_sync_runtime::store::memory::MemoryStore;
use cloud_sync_runtime::store::{AccountStore, ChangeStore, ResourceStore, Store};
use simulated_cloud::{
    AccessKey, Churn, Counts, Family, FamilyChurn, Limits, Plan, Provider, Running, SimulatedCloud,
    World, spread_of,
};
use tokio_util::sync::CancellationToken;

const ACCOUNT: &str = "prod";

/// The service over one account of a vendor, with some of everything in it.
struct Place {
    cloud: Running,
    store: Arc<MemoryStore>,
    service: LocalService,
    account: Account,
    vendor: Arc<dyn Vendor>,
    registry: Arc<Registry>,
}

impl Place {
    async fn new(provider: Provider) -> Self {
        let regions = spread_of(provider, 90, 3);
        let plan = Plan::new(5)
            .account_of(provider, ACCOUNT, AccessKey::new("key", "secret"), regions.clone())
            .managed(regions.iter().map(|(region, _)| (*region, Counts::of_each(25))));
        let world = World::new(&plan).unwrap();
        // The clients here do not pace themselves.
        world.set_limits(Limits::Off);
        let cloud = SimulatedCloud::start(world, ([127, 0, 0, 1], 0).into()).await.unwrap();
        let reference = CredentialsRef::Env("PROD".to_owned());
        let account = Account {
            regions: regions.iter().map(|(region, _)| (*region).to_owned()).collect(),
            kinds: simulation::shown_kinds(provider),
            endpoint: Some(cloud.url()),
            ..Account::new(ACCOUNT, provider.name(), regions[0].0, reference)
        };
        let store = Arc::new(MemoryStore::default());
        store.put_account(&account).await.unwrap();
        let settings = Settings { paced: false, ..Settings::default() };
        let registry = Arc::new(Registry::with(settings).unwrap());
        let credentials = Credentials {
            access_key_id: "key".to_owned(),
            access_key_secret: "secret".to_owned().into(),
            security_token: None,
        };
        let vendor = registry.open(&account, credentials.clone(), Arc::default()).ok().unwrap();
        let source = Arc::new(FixedCredentials::for_all(credentials));
        let parts = local_parts(store.clone(), registry.clone(), source);
        let service = LocalService::new(parts, Options::default());
        Self { cloud, store, service, account, vendor, registry }
    }

    async fn sync(&self, mode: Mode) -> SyncReport {
        self.request(SyncRequest { mode, ..SyncRequest::default() }).await
    }

    /// Syncs one resource in a mode.
    async fn sync_one(&self, mode: Mode, scope: &Scope, id: &str) -> Counted {
        let report = self.request(SyncRequest {
            kinds: vec![scope.kind.clone()],
            regions: vec![scope.region.clone()],
            mode,
            ids: vec![id.to_owned()],
            ..SyncRequest::default()
        });
        sum(&report.await)
    }

    async fn request(&self, request: SyncRequest) -> SyncReport {
        let cancel = CancellationToken::new();
        let report = self.service.sync(&request, &cancel, &mut |_| {}).await.unwrap();
        assert_eq!(report.problems, []);
        for report in &report.tasks {
            let task = &report.task;
            let errors: Vec<_> =
                report.region_results.iter().flat_map(|result| &result.errors).collect();
            assert_eq!(task.status, TaskStatus::Success, "{}: {errors:?}", task.resource_type);
        }
        report
    }

    fn scopes(&self) -> Vec<Scope> {
        let kinds = self.registry.kinds(&self.account).unwrap();
        let of = |kind: Kind| {
            let regions = match self.registry.is_global(&kind) {
                true => vec!["global".to_owned()],
                false => self.account.regions.clone(),
            };
            regions.into_iter().map(move |region| Scope {
                account_id: ACCOUNT.to_owned(),
                kind: kind.clone(),
                region,
            })
        };
        kinds.into_iter().flat_map(of).collect()
    }

    /// Returns what the vendor's client lists, with what secondary calls tell.
    async fn listed(&self, scope: &Scope) -> BTreeMap<String, Resource> {
        let (mut found, mut token) = (Vec::new(), None);
        let region = Region::new(&scope.region);
        loop {
            let page = self.vendor.page(&scope.kind, &region, token.as_deref()).await.unwrap();
            assert_eq!(page.undecodable, []);
            found.extend(page.resources);
            token = page.next;
            if token.is_none() {
                break;
            }
        }
        if self.vendor.secondary_calls(&scope.kind) != SecondaryCalls::None {
            let mut details = self.vendor.details(&scope.kind, &region, &found).await.unwrap();
            for resource in &mut found {
                details.remove(&resource.id).unwrap_or_default().put_into(resource);
            }
        }
        found.into_iter().map(|resource| (resource.id.clone(), resource)).collect()
    }

    /// Asserts that every row is what the vendor shows and its history says.
    async fn assert_true(&self) {
        for scope in self.scopes() {
            let rows = all_rows(&*self.store, &scope).await;
            let live: BTreeMap<_, _> = rows
                .iter()
                .filter(|row| row.is_live())
                .map(|row| (row.resource.id.clone(), tracked(&row.resource)))
                .collect();
            let listed: BTreeMap<_, _> = self
                .listed(&scope)
                .await
                .iter()
                .map(|(id, it)| (id.clone(), tracked(it)))
                .collect();
            assert_eq!(live, listed, "{scope}");
            for row in &rows {
                let history = self.store.history(&scope, &row.resource.id).await.unwrap();
                let replayed = history
                    .iter()
                    .fold(None, |row, change| Some(replay(row.as_ref(), change).unwrap()));
                let replayed: Row = replayed.unwrap();
                assert_eq!(tracked(&replayed.resource), tracked(&row.resource), "{scope}");
                assert_eq!(replayed.version, row.version, "{scope}");
            }
        }
    }
}

/// What is tracked of a resource.
fn tracked(resource: &Resource) -> Resource {
    let resource = resource.clone();
    let (attributes, system_disk) = (Default::default(), String::new());
    Resource { attributes, system_disk, is_deferred: false, ..resource }
}

async fn all_rows(store: &dyn Store, scope: &Scope) -> Vec<Row> {
    let (mut rows, mut cursor) = (Vec::new(), None);
    loop {
        let slice = store.scope_rows(scope, true, cursor.as_deref()).await.unwrap();
        rows.extend(slice.items);
        cursor = slice.cursor;
        if cursor.is_none() {
            return rows;
        }
    }
}

fn sum(report: &SyncReport) -> Counted {
    let counts = report.tasks.iter().map(|report| report.task.counts);
    counts.fold(Counted::default(), Counted::plus)
}

fn churn() -> Churn {
    let families = FamilyChurn::of_each(2);
    Churn {
        create: 3,
        release: 3,
        power: 4,
        retag: 4,
        attach_disk: 3,
        disks: families,
        databases: families,
        caches: families,
        buckets: families,
        addresses: families,
        balancers: families,
        ..Churn::default()
    }
}

/// Syncs everything, lets everything change, and syncs it again, in every way
/// that there is.
async fn every_kind_of(provider: Provider) {
    let place = Place::new(provider).await;
    let first = sum(&place.sync(Mode::Full).await);
    assert_eq!(first.added_count, first.total_count);
    place.assert_true().await;

    for mode in [Mode::Full, Mode::Incremental] {
        let again = sum(&place.sync(mode).await);
        assert_eq!(again.unchanged_count, first.total_count, "{mode:?}");
        assert_eq!((again.added_count, again.updated_count, again.deleted_count), (0, 0, 0));
    }

    place.cloud.world.churn(&churn(), 9);
    let changed = sum(&place.sync(Mode::Full).await);
    place.assert_true().await;
    assert!(changed.added_count > 0 && changed.updated_count > 0, "{changed:?}");
    for scope in place.scopes() {
        assert_kind_changed(&place, &scope.kind).await;
    }
    what_changed_is_found_incrementally(&place).await;
    for kind in place.registry.kinds(&place.account).unwrap() {
        one_resource_is_read_alone(&place, &kind).await;
    }
}

/// Lets everything change, and looks for it without asking about details of
/// what seems unchanged. Those are all that is left to a full sync.
async fn what_changed_is_found_incrementally(place: &Place) {
    place.cloud.world.churn(&churn(), 10);
    let report = place.sync(Mode::Incremental).await;
    for task in report.tasks.iter().map(|report| &report.task) {
        let Counted { added_count, deleted_count, updated_count, .. } = task.counts;
        let kind = &task.resource_type;
        assert!(added_count > 0, "{kind}: {:?}", task.counts);
        // A terminated machine of AWS is shown as one for an hour.
        let is_shown = kind.as_str() == "aws.ec2.instance" && updated_count >= 3;
        assert!(deleted_count > 0 || is_shown, "{kind}: {:?}", task.counts);
    }
    for scope in place.scopes() {
        let rows = all_rows(&*place.store, &scope).await;
        let rows = rows.into_iter().filter(Row::is_live).map(|row| row.resource);
        let listed = place.listed(&scope).await;
        if place.vendor.secondary_calls(&scope.kind) == SecondaryCalls::None {
            let rows: Vec<_> = rows.map(|row| tracked(&row)).collect();
            assert_eq!(rows, listed.values().map(tracked).collect::<Vec<_>>(), "{scope}");
        } else {
            let rows: Vec<_> = rows.map(|row| (row.id, row.vendor_status)).collect();
            let listed = listed.into_values().map(|one| (one.id, one.vendor_status));
            assert_eq!(rows, listed.collect::<Vec<_>>(), "{scope}");
        }
    }
    let rest = sum(&place.sync(Mode::Full).await);
    assert_eq!((rest.added_count, rest.deleted_count), (0, 0), "{rest:?}");
    place.assert_true().await;
}

/// Returns what the simulated cloud calls resources of a kind.
fn family_of(kind: &Kind) -> Family {
    match kind.as_str().split_once('.').map_or("", |(_, rest)| rest) {
        "ecs.disk" => Family::Disk,
        "rds.instance" | "cdb.instance" => Family::Database,
        "redis.instance" | "elasticache.cluster" => Family::Cache,
        "oss.bucket" | "s3.bucket" => Family::Bucket,
        "vpc.eip" => Family::Address,
        "slb.loadbalancer" => Family::Balancer,
        _ => Family::Instance,
    }
}

/// Changes a resource of a kind and reads it alone: first its status, which
/// leaves the rest as it is, then all of it.
async fn one_resource_is_read_alone(place: &Place, kind: &Kind) {
    let family = family_of(kind);
    let mut scopes = place.scopes().into_iter().filter(|scope| scope.kind == *kind);
    let scope = scopes.next().unwrap();
    let region = &place.account.regions[0];
    let site = place.cloud.world.at(ACCOUNT, region).unwrap();
    let id = site.ids_of(family).remove(0);
    let has_switch = site.toggle_of(family, &id).is_ok();
    site.retag_of(family, &id, Some(&[("read", "alone")])).unwrap();
    let row = async || place.store.rows(&scope, std::slice::from_ref(&id)).await.unwrap().remove(0);

    let before = row().await;
    let counts = place.sync_one(Mode::Status, &scope, &id).await;
    let region = Region::new(&scope.region);
    let told = place.vendor.statuses(kind, &region, std::slice::from_ref(&id)).await.unwrap();
    let after = row().await;
    assert_eq!(told[&id], (after.resource.status, after.resource.vendor_status), "{kind}");
    assert_eq!(after.resource.tags, before.resource.tags, "{kind}: nothing but the status");
    assert_eq!(counts.updated_count, u64::from(has_switch), "{kind}: {counts:?}");

    let counts = place.sync_one(Mode::Targeted, &scope, &id).await;
    assert_eq!((counts.total_count, counts.updated_count), (1, 1), "{kind}: {counts:?}");
    let now = tracked(&row().await.resource);
    assert_eq!(now, tracked(&place.listed(&scope).await[&id]), "{kind}");
    assert_eq!(now.tags["read"], "alone", "{kind}");
    let counts = place.sync_one(Mode::Targeted, &scope, &id).await;
    assert_eq!((counts.unchanged_count, counts.updated_count), (1, 0), "{kind}: {counts:?}");
}

/// Every kind has been added to, changed and deleted from, somewhere.
async fn assert_kind_changed(place: &Place, kind: &Kind) {
    let mut seen = Vec::new();
    for scope in place.scopes().iter().filter(|scope| scope.kind == *kind) {
        for row in all_rows(&*place.store, scope).await {
            let history = place.store.history(scope, &row.resource.id).await.unwrap();
            let last = history.last().unwrap().change;
            let is_over = row.resource.status == Status::Terminated;
            seen.push(if is_over { ChangeKind::Deleted } else { last });
        }
    }
    for change in [ChangeKind::Added, ChangeKind::Updated, ChangeKind::Deleted] {
        assert!(seen.contains(&change), "{kind}: nothing was {change:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_alibaba_cloud_is_synced_as_every_other() {
    every_kind_of(Provider::Aliyun).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_aws_is_synced_as_every_other() {
    every_kind_of(Provider::Aws).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_tencent_cloud_is_synced_as_every_other() {
    every_kind_of(Provider::Tencent).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_huawei_cloud_is_synced_as_every_other() {
    every_kind_of(Provider::Huawei).await;
}
