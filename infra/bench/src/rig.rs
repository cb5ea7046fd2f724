//! The service against a simulated cloud, as the benchmarks of syncs run it.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, ensure};
use cloud_sync::connect::local_parts;
use cloud_sync::service::{LocalService, Options, TaskReport};
use cloud_sync_core::account::{Account, CredentialsRef, Region};
use cloud_sync_core::credentials::Credentials;
use cloud_sync_core::message::{Mode, SyncRequest};
use cloud_sync_core::meter::Meter;
use cloud_sync_core::scope::{Kind, Scope};
use cloud_sync_core::task::TaskStatus;
use cloud_sync_provider::{Registry, Settings, Vendor, Vendors};
use cloud_sync_runtime::secrets::FixedCredentials;
use cloud_sync_runtime::store::Store;
use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::SignedDuration;
use simulated_cloud::{AccessKey, Plan, Running, SimulatedCloud, World, spread};
use tokio_util::sync::CancellationToken;

/// The first region, which holds everything where there is one.
pub const REGION: &str = "cn-hangzhou";

/// So many regions are synced at a time, as deployed.
pub const WORKERS: usize = 5;

/// The account, and the key it is asked with.
pub const ACCOUNT: &str = "bench";
/// What is synced of it.
const KIND: &str = "aliyun.ecs.instance";
/// Its key's id.
pub const KEY: &str = "bench-key";
/// Its key's secret, which opens nothing but a simulated cloud.
pub const SECRET: &str = "bench-secret";

/// The service, ready to sync one account with one region.
pub struct Rig {
    /// The tables.
    pub store: Arc<dyn Store>,
    vendors: Arc<Registry>,
    account: Account,
    service: LocalService,
    meter: Arc<Meter>,
}

/// Returns the names of so many regions.
pub fn regions(count: usize) -> anyhow::Result<Vec<String>> {
    let names: Vec<_> = spread(0, count).into_iter().map(|(name, _)| name.to_owned()).collect();
    ensure!(names.len() == count, "the vendor has only {} regions", names.len());
    Ok(names)
}

/// Starts a simulated cloud with so many instances in each of some regions, on
/// a free port.
pub async fn start_cloud(instances: u32, regions: &[String]) -> anyhow::Result<Running> {
    start(world(instances, regions)?).await
}

/// Returns a world with so many instances in each of some regions.
pub fn world(instances: u32, regions: &[String]) -> anyhow::Result<World> {
    let key = AccessKey::new(KEY, SECRET);
    let held = regions.iter().map(|region| (region.as_str(), instances));
    Ok(World::new(&Plan::new(1).account(ACCOUNT, key, held))?)
}

/// Starts a simulated cloud with what is in a world, on a free port.
pub async fn start(world: World) -> anyhow::Result<Running> {
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    Ok(SimulatedCloud::start(world, listen).await?)
}

fn credentials() -> Credentials {
    Credentials {
        access_key_id: KEY.to_owned(),
        access_key_secret: SECRET.to_owned().into(),
        security_token: None,
    }
}

/// Returns the account with everything in the cloud at `endpoint`.
pub fn account(endpoint: &str, regions: Vec<String>) -> Account {
    Account {
        regions,
        kinds: KIND.parse().into_iter().collect(),
        endpoint: Some(endpoint.to_owned()),
        ..Account::new(ACCOUNT, "aliyun", REGION, reference())
    }
}

fn reference() -> CredentialsRef {
    CredentialsRef::Env("BENCH".to_owned())
}

/// Returns the account's credentials.
pub fn credential_source() -> Arc<FixedCredentials> {
    let source = Arc::new(FixedCredentials::default());
    source.set(&reference(), credentials());
    source
}

/// Returns the vendors.
pub fn registry() -> anyhow::Result<Arc<Registry>> {
    // A simulated vendor has no limits to keep to.
    let settings = Settings { paced: false, ..Settings::default() };
    Ok(Arc::new(Registry::with(settings)?))
}

impl Rig {
    /// Returns the service over the given tables, for these regions of the
    /// cloud at `endpoint`.
    pub async fn new(
        store: Arc<dyn Store>,
        endpoint: &str,
        regions: Vec<String>,
    ) -> anyhow::Result<Self> {
        let account = account(endpoint, regions);
        store.put_account(&account).await?;
        let vendors = registry()?;
        let source = credential_source();
        let meter = Arc::new(Meter::default());
        let parts = local_parts(store.metered(meter.clone()), vendors.clone(), source);
        let give_up_after = SignedDuration::from_mins(30);
        let options = Options { workers: WORKERS, give_up_after };
        let service = LocalService::new(parts, options);
        Ok(Self { store, vendors, account, service, meter })
    }

    /// Syncs once. Fails unless everything went well.
    pub async fn sync(&self, mode: Mode) -> anyhow::Result<TaskReport> {
        let request = SyncRequest { mode, ..SyncRequest::default() };
        let cancel = CancellationToken::new();
        let mut report = self.service.sync(&request, &cancel, &mut |_| {}).await?;
        let task = report.tasks.pop().context("nothing was dispatched")?;
        let why = task.task.error_message.as_deref().unwrap_or("no reason given");
        ensure!(task.task.status == TaskStatus::Success, "the sync ended badly: {why}");
        Ok(task)
    }

    /// Returns the read and write units so far of everything but the workers,
    /// which count their own.
    pub fn units(&self) -> (f64, f64) {
        let reading = self.meter.read();
        (reading.cost.read_units, reading.cost.write_units)
    }

    /// Fetches and decodes every page that a sync of this mode asks for, of as
    /// many regions at a time: the least that any sync takes.
    pub async fn fetch(&self, mode: Mode) -> anyhow::Result<()> {
        fetch(&self.vendors, &self.account, mode).await
    }

    /// Returns the kind that is synced.
    fn kind(&self) -> anyhow::Result<Kind> {
        self.vendors.kinds(&self.account)?.pop().context("the vendor has no kind")
    }

    /// Returns the scope that is synced.
    pub fn scope(&self) -> anyhow::Result<Scope> {
        let kind = self.kind()?;
        Ok(Scope { account_id: ACCOUNT.to_owned(), kind, region: REGION.to_owned() })
    }
}

/// Fetches and decodes every page that a sync of an account asks for; see
/// [`Rig::fetch`].
pub async fn fetch(vendors: &Registry, account: &Account, mode: Mode) -> anyhow::Result<()> {
    let vendor = vendors.open(account, credentials(), Arc::new(Meter::default()))?;
    let kind = vendors.kinds(account)?.pop().context("the vendor has no kind")?;
    let fetches = account.regions.iter().map(|id| {
        let region = Region::new(id);
        let fetch = fetch_region(vendor.clone(), kind.clone(), region, mode);
        async { tokio::spawn(fetch).await? }
    });
    stream::iter(fetches).buffer_unordered(WORKERS).try_collect().await
}

async fn fetch_region(
    vendor: Arc<dyn Vendor>,
    kind: Kind,
    region: Region,
    mode: Mode,
) -> anyhow::Result<()> {
    let mut token = None;
    let mut has_more = mode == Mode::Full;
    while has_more {
        let page = vendor.details_page(&kind, &region, token.as_deref()).await?;
        token.clone_from(&page.next);
        has_more = token.is_some();
        std::hint::black_box(page);
    }
    loop {
        let page = vendor.page(&kind, &region, token.as_deref()).await?;
        token.clone_from(&page.next);
        std::hint::black_box(page);
        if token.is_none() {
            return Ok(());
        }
    }
}
