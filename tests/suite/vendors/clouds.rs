//! A simulated cloud with accounts, and what is asked of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cloud_sync_core::account::{Account, Region};
use cloud_sync_core::credentials::Credentials;
use cloud_sync_core::error::{ErrorClass, VendorError};
use cloud_sync_core::meter::Meter;
use cloud_sync_core::resource::Resource;
use cloud_sync_core::scope::Kind;
use cloud_sync_provider::{
    Registry, Reply, RetryPolicy, Settings, Surroundings, Transport, Vendor, Vendors,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use simulated_cloud::{
    AccessKey, Plan, Provider, Running, SimulatedCloud, TruthInstance, TruthManaged, World,
};

/// The name of the account, its key and its secret.
pub const ACCOUNT: &str = "prod";
pub const KEY: &str = "canary-key";
pub const SECRET: &str = "canary-secret";

/// A cloud that listens on loopback.
pub struct Cloud {
    pub provider: Provider,
    pub world: World,
    running: Running,
}

impl Cloud {
    /// Starts one that has the account with so many machines in regions of a
    /// vendor, and what `more` adds to the plan.
    pub async fn start<'a>(
        provider: Provider,
        regions: impl IntoIterator<Item = (&'a str, u32)>,
        more: impl FnOnce(Plan) -> Plan,
    ) -> Self {
        let key = AccessKey::new(KEY, SECRET);
        let plan = more(Plan::new(7).account_of(provider, ACCOUNT, key, regions));
        let world = World::new(&plan).unwrap();
        let running =
            SimulatedCloud::start(world.clone(), "127.0.0.1:0".parse().unwrap()).await.unwrap();
        Self { provider, world, running }
    }

    /// Returns the account, as it is opened with its own key.
    pub fn open(&self) -> Arc<dyn Vendor> {
        self.open_with(credentials(KEY, SECRET, None))
    }

    /// Returns the account, opened with the given credentials.
    pub fn open_with(&self, credentials: Credentials) -> Arc<dyn Vendor> {
        let registry = Registry::with(settings()).unwrap();
        self.opened(&registry, credentials)
    }

    /// Returns the account, opened by a machine whose clock is ahead.
    pub fn open_ahead(&self, ahead: SignedDuration) -> Arc<dyn Vendor> {
        let around = Surroundings {
            transport: Arc::new(Network(reqwest::Client::new())),
            now: Arc::new(move || Timestamp::now() + ahead),
            chance: Arc::new(|| 0.5),
        };
        let registry = Registry::within(around, settings());
        self.opened(&registry, credentials(KEY, SECRET, None))
    }

    fn opened(&self, registry: &Registry, credentials: Credentials) -> Arc<dyn Vendor> {
        let account = account(self.provider, &self.running.url());
        registry.open(&account, credentials, Arc::new(Meter::default())).unwrap()
    }
}

/// Returns an account whose vendor is at a URL.
pub fn account(provider: Provider, endpoint: &str) -> Account {
    let region = match provider {
        Provider::Aliyun => "cn-hangzhou",
        Provider::Tencent => "ap-guangzhou",
        Provider::Huawei => "cn-north-4",
        Provider::Aws => "us-east-1",
    };
    let account = json!({
        "id": ACCOUNT, "provider": provider.name(), "default_region": region,
        "endpoint": endpoint, "credentials": { "env": "PROD" },
    });
    serde_json::from_value(account).unwrap()
}

/// Returns the account of a vendor that is at a URL.
pub fn open_at(provider: Provider, endpoint: &str) -> Arc<dyn Vendor> {
    let registry = Registry::with(settings()).unwrap();
    let credentials = credentials(KEY, SECRET, None);
    registry.open(&account(provider, endpoint), credentials, Arc::new(Meter::default())).unwrap()
}

pub fn credentials(key: &str, secret: &str, token: Option<&str>) -> Credentials {
    Credentials {
        access_key_id: key.to_owned(),
        access_key_secret: secret.to_owned().into(),
        security_token: token.map(|token| token.to_owned().into()),
    }
}

/// Retries that hardly wait, and no pace.
fn settings() -> Settings {
    let retry = RetryPolicy {
        attempts: 3,
        base: Duration::from_millis(2),
        cap: Duration::from_millis(5),
        total: Duration::from_secs(20),
        throttle_wait: Duration::from_millis(1),
    };
    Settings { retry, paced: false }
}

/// Carries requests over the real network.
struct Network(reqwest::Client);

#[async_trait]
impl Transport for Network {
    async fn exchange(&self, api: &str, request: reqwest::Request) -> Result<Reply, VendorError> {
        let lost = |error: reqwest::Error| {
            VendorError::new(ErrorClass::Network, api, "Lost", error.to_string())
        };
        let response = self.0.execute(request).await.map_err(lost)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.map_err(lost)?.to_vec();
        Ok(Reply { status, headers, body })
    }
}

pub fn kind(name: &str) -> Kind {
    name.parse().unwrap()
}

/// Walks a list, and returns what is in it and how many pages it took.
/// Nothing may be undecodable or come twice.
pub async fn walk(vendor: &dyn Vendor, kind: &Kind, region: &Region) -> (Vec<Resource>, usize) {
    let (mut found, mut token, mut pages) = (Vec::new(), None::<String>, 0);
    loop {
        let page = vendor.page(kind, region, token.as_deref()).await.unwrap();
        assert_eq!(page.undecodable, [], "{kind}");
        found.extend(page.resources);
        pages += 1;
        token = page.next;
        if token.is_none() {
            break;
        }
    }
    let ids: BTreeSet<&String> = found.iter().map(|resource| &resource.id).collect();
    assert_eq!(ids.len(), found.len(), "{kind}: something came twice");
    (found, pages)
}

/// Walks the secondary list of a region, and puts what it tells into the
/// resources. Returns how many pages it took.
pub async fn put_disks(
    vendor: &dyn Vendor,
    kind: &Kind,
    region: &Region,
    resources: &mut [Resource],
) -> usize {
    let mut disks: BTreeMap<String, BTreeSet<_>> = BTreeMap::new();
    let (mut token, mut pages) = (None::<String>, 0);
    loop {
        let page = vendor.details_page(kind, region, token.as_deref()).await.unwrap();
        page.disks.into_iter().for_each(|(id, disk)| {
            disks.entry(id).or_default().insert(disk);
        });
        pages += 1;
        token = page.next;
        if token.is_none() {
            break;
        }
    }
    for resource in resources {
        resource.data_disks = Some(disks.remove(&resource.id).unwrap_or_default());
    }
    pages
}

/// Asserts that machines are as they really are. Addresses of the sixth
/// version are not among the truth.
pub fn assert_machines(mut found: Vec<Resource>, truth: &[TruthInstance]) {
    let texts = |ips: &[std::net::Ipv4Addr]| ips.iter().map(ToString::to_string).collect();
    found.sort_by(|one, other| one.id.cmp(&other.id));
    let mut truth: Vec<_> = truth.iter().collect();
    truth.sort_by(|one, other| one.id.cmp(&other.id));
    assert_eq!(found.len(), truth.len());
    for (mut found, truth) in found.into_iter().zip(truth) {
        found.private_ips.retain(|address| !address.contains(':'));
        let disks: BTreeSet<_> = truth
            .data_disks
            .iter()
            .map(|disk| (disk.id.as_str(), disk.category.as_str(), Some(u64::from(disk.size_gib))))
            .collect();
        let told = found.data_disks.iter().flatten();
        let told = told.map(|disk| (disk.id.as_str(), disk.category.as_str(), disk.size_gib));
        assert_eq!(told.collect::<BTreeSet<_>>(), disks, "{}", truth.id);
        assert_eq!((&found.id, &found.name), (&truth.id, &truth.name));
        assert_eq!((&found.vendor_status, &found.spec), (&truth.status, &truth.instance_type));
        assert_eq!((&found.zone, &found.tags), (&truth.zone, &truth.tags), "{}", truth.id);
        assert_eq!(found.public_ips, texts(&truth.public_ips), "{}", truth.id);
        assert_eq!(found.private_ips, texts(&truth.private_ips), "{}", truth.id);
        assert_eq!(found.security_groups, truth.security_groups.iter().cloned().collect());
        assert!(found.created_at.is_some(), "{}", truth.id);
    }
}

/// Asserts that managed resources are as they really are.
pub fn assert_managed(mut found: Vec<Resource>, truth: &[TruthManaged]) {
    let texts = |ips: &[std::net::Ipv4Addr]| ips.iter().map(ToString::to_string).collect();
    found.sort_by(|one, other| one.id.cmp(&other.id));
    let mut truth: Vec<_> = truth.iter().collect();
    truth.sort_by(|one, other| one.id.cmp(&other.id));
    assert_eq!(found.len(), truth.len());
    for (found, truth) in found.into_iter().zip(truth) {
        assert_eq!((&found.id, &found.name), (&truth.id, &truth.name));
        assert_eq!((&found.vendor_status, &found.spec), (&truth.status, &truth.spec));
        assert_eq!((&found.zone, &found.tags), (&truth.zone, &truth.tags), "{}", truth.id);
        assert_eq!(found.private_ips, texts(&truth.private_ips), "{}", truth.id);
        assert_eq!(found.public_ips, texts(&truth.public_ips), "{}", truth.id);
        assert_eq!(found.created_at, Some(truth.created), "{}", truth.id);
        assert_eq!(found.expires_at, truth.expires, "{}", truth.id);
    }
}

/// Asserts that a re-read finds what exists and nothing else: ids that are
/// known, that are `gone`, both at once, and none.
pub async fn assert_reread(
    vendor: &dyn Vendor,
    (kind, region): (&Kind, &Region),
    known: &[String],
    gone: &str,
) {
    let reread = async |ids: &[String]| -> Vec<String> {
        let page = vendor.reread(kind, region, ids).await.unwrap();
        assert_eq!((page.undecodable.len(), page.next), (0, None));
        let mut found: Vec<_> = page.resources.into_iter().map(|found| found.id).collect();
        found.sort();
        found
    };
    let mut sorted = known.to_vec();
    sorted.sort();
    let mixed: Vec<String> = [gone.to_owned()].into_iter().chain(known.iter().cloned()).collect();
    assert_eq!(reread(known).await, sorted);
    assert_eq!(reread(&mixed).await, sorted, "one that is gone hides no other");
    assert_eq!(reread(&[gone.to_owned()]).await, Vec::<String>::new());
    assert_eq!(reread(&[]).await, Vec::<String>::new());
    let statuses = vendor.statuses(kind, region, &mixed).await.unwrap();
    assert_eq!(statuses.into_keys().collect::<Vec<_>>(), sorted);
}
