//! A simulated cloud with an account of any vendor, asked by its client.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cloud_sync_core::account::{Account, CredentialsRef, Region};
use cloud_sync_core::credentials::Credentials;
use cloud_sync_core::error::VendorError;
use cloud_sync_core::resource::Resource;
use cloud_sync_core::scope::Kind;
use cloud_sync_provider::{
    Registry, Reply, RetryPolicy, SecondaryCalls, Settings, Surroundings, Transport, Vendor,
    Vendors,
};
use jiff::{SignedDuration, Timestamp};
use reqwest::Request;
use simulated_cloud::{AccessKey, Limits, Plan, Provider, Running, SimulatedCloud, World};

pub const KEY: &str = "AKIDTEST";
pub const SECRET: &str = "canary-secret";
/// The account's id at the cloud.
pub const OWNER: &str = "owner";

/// A cloud that runs.
pub struct Cloud {
    running: Running,
    provider: Provider,
    home: &'static str,
}

/// Returns the key of the account.
pub fn key() -> AccessKey {
    AccessKey::new(KEY, SECRET)
}

/// Returns credentials that are no temporary ones.
pub fn credentials(key: &str, secret: &str) -> Credentials {
    Credentials {
        access_key_id: key.to_owned(),
        access_key_secret: secret.to_owned().into(),
        security_token: None,
    }
}

pub fn kind(name: &str) -> Kind {
    name.parse().unwrap()
}

impl Cloud {
    /// Starts one; the account is asked about account-wide things at `home`.
    pub async fn start(provider: Provider, plan: &Plan, home: &'static str) -> Self {
        let world = World::new(plan).unwrap();
        // The clients here do not pace themselves.
        world.set_limits(Limits::Off);
        let running = SimulatedCloud::start(world, ([127, 0, 0, 1], 0).into()).await.unwrap();
        Self { running, provider, home }
    }

    pub fn world(&self) -> &World {
        &self.running.world
    }

    /// Returns the account as it is configured.
    pub fn account(&self) -> Account {
        let reference = CredentialsRef::Env("TEST".to_owned());
        let account = Account::new("test", self.provider.name(), self.home, reference);
        Account { endpoint: Some(self.running.url()), ..account }
    }

    /// Opens the account with its own credentials.
    pub fn open(&self) -> Arc<dyn Vendor> {
        self.open_as(&self.account(), credentials(KEY, SECRET))
    }

    /// Opens an account at it.
    pub fn open_as(&self, account: &Account, credentials: Credentials) -> Arc<dyn Vendor> {
        let registry = Registry::with(settings()).unwrap();
        registry.open(account, credentials, Arc::default()).ok().unwrap()
    }

    /// Opens the account on a machine whose clock is off.
    pub fn open_skewed(&self, ahead: SignedDuration) -> Arc<dyn Vendor> {
        let around = Surroundings {
            transport: Arc::new(Direct(reqwest::Client::new())),
            now: Arc::new(move || Timestamp::now() + ahead),
            chance: Arc::new(|| 0.0),
        };
        let registry = Registry::within(around, settings());
        registry.open(&self.account(), credentials(KEY, SECRET), Arc::default()).ok().unwrap()
    }
}

/// Opens an account whose vendor is somewhere else.
pub fn open_at(provider: Provider, endpoint: &str) -> Arc<dyn Vendor> {
    let reference = CredentialsRef::Env("TEST".to_owned());
    let account = Account::new("test", provider.name(), "home", reference);
    let account = Account { endpoint: Some(endpoint.to_owned()), ..account };
    let registry = Registry::with(settings()).unwrap();
    registry.open(&account, credentials(KEY, SECRET), Arc::default()).ok().unwrap()
}

fn settings() -> Settings {
    let retry = RetryPolicy {
        attempts: 3,
        base: Duration::from_millis(1),
        cap: Duration::from_millis(2),
        total: Duration::from_secs(20),
        throttle_wait: Duration::from_millis(5),
    };
    Settings { retry, paced: false }
}

pub struct Direct(pub reqwest::Client);

#[async_trait]
impl Transport for Direct {
    async fn exchange(&self, _api: &str, request: Request) -> Result<Reply, VendorError> {
        let response = self.0.execute(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Reply { status, headers, body: response.bytes().await.unwrap().to_vec() })
    }
}

/// Walks over everything in a region, with what secondary calls tell. Returns
/// it by id, and how many pages the list had.
pub async fn walk(
    vendor: &dyn Vendor,
    kind: &Kind,
    region: &Region,
) -> (BTreeMap<String, Resource>, usize) {
    let (mut resources, mut pages, mut token) = (Vec::new(), 0, None);
    loop {
        let page = vendor.page(kind, region, token.as_deref()).await.unwrap();
        assert!(page.undecodable.is_empty(), "{:?}", page.undecodable);
        resources.extend(page.resources);
        pages += 1;
        token = page.next;
        if token.is_none() {
            break;
        }
    }
    match vendor.secondary_calls(kind) {
        SecondaryCalls::None => {}
        SecondaryCalls::Listed => fill_from_list(vendor, kind, region, &mut resources).await,
        SecondaryCalls::Asked => {
            let mut details = vendor.details(kind, region, &resources).await.unwrap();
            for resource in &mut resources {
                details.remove(&resource.id).unwrap_or_default().put_into(resource);
            }
        }
    }
    let count = resources.len();
    let by_id: BTreeMap<_, _> = resources.into_iter().map(|it| (it.id.clone(), it)).collect();
    assert_eq!(by_id.len(), count, "nothing is listed twice");
    (by_id, pages)
}

async fn fill_from_list(
    vendor: &dyn Vendor,
    kind: &Kind,
    region: &Region,
    resources: &mut [Resource],
) {
    let (mut disks, mut token) = (BTreeMap::<String, Vec<_>>::new(), None);
    loop {
        let page = vendor.details_page(kind, region, token.as_deref()).await.unwrap();
        for (id, disk) in page.disks {
            disks.entry(id).or_default().push(disk);
        }
        token = page.next;
        if token.is_none() {
            break;
        }
    }
    for resource in resources {
        resource.set_disks(disks.remove(&resource.id).unwrap_or_default().into_iter().collect());
    }
}

/// Asserts that resources are found by id where they are there, and that what
/// is not is no error, alone or among others.
pub async fn assert_found_by_id(
    vendor: &dyn Vendor,
    kind: &Kind,
    region: &Region,
    known: &[String],
    unknown: &[String],
) {
    let found = async |ids: &[String]| {
        let page = vendor.reread(kind, region, ids).await.unwrap();
        let mut found: Vec<_> = page.resources.into_iter().map(|resource| resource.id).collect();
        found.sort();
        found
    };
    let mut sorted = known.to_vec();
    sorted.sort();
    assert_eq!(found(known).await, sorted, "{kind}");
    assert!(found(unknown).await.is_empty(), "{kind}");
    assert_eq!(found(&[known, unknown].concat()).await, sorted, "{kind}");
    assert_eq!(found(&[unknown, known].concat()).await, sorted, "{kind}");
}
