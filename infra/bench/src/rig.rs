//! The service against a simulated cloud, as the benchmarks of syncs run it.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, ensure};
use cloud_sync::connect::local_parts;
use cloud_sync::service::{LocalService, Options, TaskReport};
use cloud_sync_core::account::{Account, CredentialsRef};
use cloud_sync_core::budget::BudgetPolicy;
use cloud_sync_core::credentials::Credentials;
use cloud_sync_core::deletion::DeletionPolicy;
use cloud_sync_core::message::{Mode, SyncRequest};
use cloud_sync_core::meter::Meter;
use cloud_sync_core::pace::RatePolicy;
use cloud_sync_core::schedule::SchedulePolicy;
use cloud_sync_core::scope::{Kind, Scope};
use cloud_sync_core::task::TaskStatus;
use cloud_sync_provider::{Registry, Settings, Vendor, Vendors};
use cloud_sync_runtime::secrets::FixedCredentials;
use cloud_sync_runtime::store::Store;
use jiff::SignedDuration;
use simulated_cloud::{AccessKey, Plan, Running, SimulatedCloud, World};
use tokio_util::sync::CancellationToken;

/// The region that holds everything.
pub const REGION: &str = "cn-hangzhou";

const ACCOUNT: &str = "bench";
const KEY: &str = "bench-key";
const SECRET: &str = "bench-secret";

/// The service, ready to sync one account with one region.
pub struct Rig {
    /// The tables.
    pub store: Arc<dyn Store>,
    vendors: Arc<Registry>,
    account: Account,
    service: LocalService,
}

/// Starts a simulated cloud with so many instances, on a free port.
pub async fn start_cloud(instances: u32) -> anyhow::Result<Running> {
    let key = AccessKey::new(KEY, SECRET);
    let plan = Plan::new(1).account(ACCOUNT, key, [(REGION, instances)]);
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    Ok(SimulatedCloud::start(World::new(&plan)?, listen).await?)
}

fn credentials() -> Credentials {
    Credentials {
        access_key_id: KEY.to_owned(),
        access_key_secret: SECRET.to_owned().into(),
        security_token: None,
    }
}

/// Returns the account with everything in the cloud at `endpoint`.
pub fn account(endpoint: &str) -> Account {
    Account {
        id: ACCOUNT.to_owned(),
        name: String::new(),
        provider: "aliyun".to_owned(),
        default_region: REGION.to_owned(),
        regions: vec![REGION.to_owned()],
        kinds: Vec::new(),
        enabled: true,
        endpoint: Some(endpoint.to_owned()),
        change_feed: false,
        credentials: reference(),
        deletion: DeletionPolicy::default(),
        schedule: SchedulePolicy::default(),
        budget: BudgetPolicy::default(),
        rates: RatePolicy::default(),
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
    /// Returns the service over the given tables, for the cloud at `endpoint`.
    pub async fn new(store: Arc<dyn Store>, endpoint: &str) -> anyhow::Result<Self> {
        let account = account(endpoint);
        store.put_account(&account).await?;
        let vendors = registry()?;
        let source = credential_source();
        let parts = local_parts(store.clone(), vendors.clone(), source);
        let options =
            Options { give_up_after: SignedDuration::from_mins(30), ..Options::default() };
        Ok(Self { store, vendors, account, service: LocalService::new(parts, options) })
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

    /// Returns the vendor as the service asks it.
    pub fn vendor(&self) -> anyhow::Result<Arc<dyn Vendor>> {
        Ok(self.vendors.open(&self.account, credentials(), Arc::new(Meter::default()))?)
    }

    /// Returns the kind that is synced.
    pub fn kind(&self) -> anyhow::Result<Kind> {
        self.vendors.kinds(&self.account)?.pop().context("the vendor has no kind")
    }

    /// Returns the scope that is synced.
    pub fn scope(&self) -> anyhow::Result<Scope> {
        let kind = self.kind()?;
        Ok(Scope { account_id: ACCOUNT.to_owned(), kind, region: REGION.to_owned() })
    }
}
