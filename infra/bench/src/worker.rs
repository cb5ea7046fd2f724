//! A worker of region-sync alone, whose time is up after so many pages.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use async_trait::async_trait;
use cloud_sync_core::account::{Account, InvalidAccount, Region};
use cloud_sync_core::credentials::Credentials;
use cloud_sync_core::listing::Page;
use cloud_sync_core::message::WorkMessage;
use cloud_sync_core::meter::Meter;
use cloud_sync_core::pace::Paces;
use cloud_sync_core::resource::{Resource, Status};
use cloud_sync_core::scope::Kind;
use cloud_sync_core::task::{RegionResult, SyncTask, TaskStatus};
use cloud_sync_provider::{
    Details, DetailsPage, Permission, Registry, Result, SecondaryCalls, Vendor, Vendors,
};
use cloud_sync_runtime::clock::Clock;
use cloud_sync_runtime::metrics::NoMetrics;
use cloud_sync_runtime::notify::LogNotifier;
use cloud_sync_runtime::queue::Queue;
use cloud_sync_runtime::queue::memory::{MemoryQueue, MemoryQueueSettings};
use cloud_sync_runtime::secrets::CredentialSource;
use cloud_sync_runtime::store::Store;
use jiff::{SignedDuration, Timestamp};
use region_sync::{Action, Delivered, RegionSync, Settings, TypeCache};

use crate::rig::REGION;

/// How long a worker may run, as the function may.
const RUN_TIME: SignedDuration = SignedDuration::from_mins(15);

/// The time, which jumps to where the worker has to wind down once it has
/// fetched as many pages as it may in a turn.
struct Turns {
    /// How far the time has jumped so far, in milliseconds.
    jumped: AtomicI64,
    pages_left: AtomicI64,
    pages_a_turn: i64,
    wind_down_at: AtomicI64,
}

impl Turns {
    /// Begins a turn and returns its deadline.
    fn begin(&self, wind_down: SignedDuration) -> Timestamp {
        let deadline = self.now() + RUN_TIME;
        self.pages_left.store(self.pages_a_turn, Ordering::Relaxed);
        self.wind_down_at.store((deadline - wind_down).as_millisecond(), Ordering::Relaxed);
        deadline
    }

    fn count_page(&self) {
        if self.pages_left.fetch_sub(1, Ordering::Relaxed) == 1 {
            let left = self.wind_down_at.load(Ordering::Relaxed) - self.now().as_millisecond();
            self.jumped.fetch_add(left.max(0) + 1, Ordering::Relaxed);
        }
    }
}

impl Clock for Turns {
    fn now(&self) -> Timestamp {
        Timestamp::now() + SignedDuration::from_millis(self.jumped.load(Ordering::Relaxed))
    }
}

/// A vendor whose pages are counted.
struct Counted {
    vendor: Arc<dyn Vendor>,
    turns: Arc<Turns>,
}

#[async_trait]
impl Vendor for Counted {
    async fn regions(&self) -> Result<Vec<Region>> {
        self.vendor.regions().await
    }

    async fn page(&self, kind: &Kind, region: &Region, token: Option<&str>) -> Result<Page> {
        self.turns.count_page();
        self.vendor.page(kind, region, token).await
    }

    async fn reread(&self, kind: &Kind, region: &Region, ids: &[String]) -> Result<Page> {
        self.vendor.reread(kind, region, ids).await
    }

    fn secondary_calls(&self, kind: &Kind) -> SecondaryCalls {
        self.vendor.secondary_calls(kind)
    }

    async fn details_page(
        &self,
        kind: &Kind,
        region: &Region,
        token: Option<&str>,
    ) -> Result<DetailsPage> {
        self.turns.count_page();
        self.vendor.details_page(kind, region, token).await
    }

    async fn details(
        &self,
        kind: &Kind,
        region: &Region,
        resources: &[Resource],
    ) -> Result<Details> {
        self.vendor.details(kind, region, resources).await
    }

    async fn statuses(
        &self,
        kind: &Kind,
        region: &Region,
        ids: &[String],
    ) -> Result<std::collections::BTreeMap<String, (Status, String)>> {
        self.vendor.statuses(kind, region, ids).await
    }

    fn paces(&self, region: &Region) -> Paces {
        self.vendor.paces(region)
    }

    fn recall(&self, region: &Region, paces: &Paces) {
        self.vendor.recall(region, paces);
    }

    async fn probe(&self, kind: &Kind, region: &Region) -> Result<Permission> {
        self.vendor.probe(kind, region).await
    }
}

struct CountedVendors {
    vendors: Arc<Registry>,
    turns: Arc<Turns>,
}

impl Vendors for CountedVendors {
    fn open(
        &self,
        account: &Account,
        credentials: Credentials,
        meter: Arc<Meter>,
    ) -> std::result::Result<Arc<dyn Vendor>, InvalidAccount> {
        let vendor = self.vendors.open(account, credentials, meter)?;
        Ok(Arc::new(Counted { vendor, turns: self.turns.clone() }))
    }

    fn kinds(&self, account: &Account) -> std::result::Result<Vec<Kind>, InvalidAccount> {
        self.vendors.kinds(account)
    }
}

/// A worker and what it works with.
pub struct Worker {
    sync: RegionSync,
    work: Arc<MemoryQueue>,
    turns: Arc<Turns>,
    account: Account,
    kind: Kind,
}

impl Worker {
    /// Returns a worker that fetches so many pages a turn.
    pub async fn new(
        store: Arc<dyn Store>,
        vendors: Arc<Registry>,
        credentials: Arc<dyn CredentialSource>,
        account: Account,
        pages_a_turn: u32,
    ) -> anyhow::Result<Self> {
        store.put_account(&account).await?;
        let turns = Arc::new(Turns {
            jumped: AtomicI64::new(0),
            pages_left: AtomicI64::new(0),
            pages_a_turn: pages_a_turn.into(),
            wind_down_at: AtomicI64::new(0),
        });
        let kind = vendors.kinds(&account)?.pop().context("the vendor has no kind")?;
        let queue = |fifo| {
            Arc::new(MemoryQueue::new(MemoryQueueSettings {
                fifo,
                ..MemoryQueueSettings::default()
            }))
        };
        let work = queue(true);
        let sync = RegionSync {
            store,
            work: work.clone(),
            results: queue(false),
            vendors: Arc::new(CountedVendors { vendors, turns: turns.clone() }),
            credentials,
            notifier: Arc::new(LogNotifier),
            metrics: Arc::new(NoMetrics),
            clock: turns.clone(),
            settings: Settings::default(),
            types: TypeCache::default(),
            busy: AtomicU64::default(),
        };
        Ok(Self { sync, work, turns, account, kind })
    }

    /// Syncs the region and returns its result and how many turns it took.
    pub async fn sync(&self, task_id: &str) -> anyhow::Result<(RegionResult, u32)> {
        let now = self.turns.now();
        let task = self.task(task_id, now);
        self.sync.store.create_task(&task).await?;
        let mut message = WorkMessage::first(&task, REGION);
        for turns in 1.. {
            let deadline = self.turns.begin(self.sync.settings.wind_down);
            let owner = format!("{task_id}-{turns}");
            let delivered = Delivered { message, receive_count: 1, owner, deadline };
            let action = self.sync.handle(&delivered).await;
            ensure!(action == Action::Done, "turn {turns} broke off");
            let result = self.sync.store.region_result(task_id, REGION).await?;
            let result = result.context("the region has no result")?;
            if result.status.is_terminal() {
                let why = result.errors.first().map_or("no reason given", |e| e.error.as_str());
                ensure!(result.status == TaskStatus::Success, "the sync ended badly: {why}");
                return Ok((result, turns));
            }
            let next = self.work.receive(1, Duration::ZERO).await?;
            let next = next.first().context("no continuation was sent")?;
            message = serde_json::from_str(&next.body)?;
            self.work.delete(&next.receipt).await?;
        }
        unreachable!("turns have no end")
    }

    fn task(&self, task_id: &str, now: Timestamp) -> SyncTask {
        let regions = vec![REGION.to_owned()];
        SyncTask::new(task_id.to_owned(), &self.account.id, self.kind.clone(), regions, now)
    }
}
