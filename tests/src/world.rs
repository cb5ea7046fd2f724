//! The whole service over in-memory twins and a scripted vendor, in virtual
//! time.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use cloud_sync_core::account::{Account, CredentialsRef};
use cloud_sync_core::change::{Change, replay};
use cloud_sync_core::credentials::Credentials;
use cloud_sync_core::message::{Mode, SyncRequest, WorkMessage};
use cloud_sync_core::resource::{Resource, Row};
use cloud_sync_core::schedule::SchedulePolicy;
use cloud_sync_core::scope::{Kind, Scope};
use cloud_sync_core::task::{RegionResult, SyncTask};
use cloud_sync_dispatch::Dispatcher;
use cloud_sync_provider::Vendors;
use cloud_sync_runtime::clock::Clock;
use cloud_sync_runtime::metrics::MemoryMetrics;
use cloud_sync_runtime::notify::MemoryNotifier;
use cloud_sync_runtime::queue::memory::{MemoryQueue, MemoryQueueSettings};
use cloud_sync_runtime::queue::{Delivery, Queue};
use cloud_sync_runtime::secrets::FixedCredentials;
use cloud_sync_runtime::store::Store;
use cloud_sync_runtime::store::memory::MemoryStore;
use finalizer::Finalizer;
use jiff::{SignedDuration, Timestamp};
use region_sync::{Action, Delivered, RegionSync, Settings, TypeCache};

use crate::vendor::ScriptedVendor;

/// The kind that every story is about.
pub const KIND: &str = "aliyun.ecs.instance";

/// The account that every story is about.
pub const ACCOUNT: &str = "prod";

/// What every secret of a test begins with: no answer and no log line has it.
pub const CANARY: &str = "canary";

/// The secret of the account's credentials.
pub const SECRET: &str = "canary-key-secret";

/// Time as the runtime's, which a test may pause and advance.
#[derive(Clone, Copy, Debug)]
pub struct RuntimeClock {
    base: Timestamp,
    start: tokio::time::Instant,
}

impl Clock for RuntimeClock {
    fn now(&self) -> Timestamp {
        let elapsed = self.start.elapsed();
        self.base + SignedDuration::try_from(elapsed).unwrap_or_default()
    }
}

/// The service and what it works with.
pub struct World {
    /// The vendor.
    pub vendor: ScriptedVendor,
    /// The tables.
    pub store: Arc<dyn Store>,
    /// The work queue.
    pub work: Arc<MemoryQueue>,
    /// Its dead letters.
    pub dead: Arc<MemoryQueue>,
    /// The results queue.
    pub results: Arc<MemoryQueue>,
    /// What the operators were told.
    pub notifier: Arc<MemoryNotifier>,
    /// What was measured.
    pub metrics: Arc<MemoryMetrics>,
    /// The accounts' credentials.
    pub credentials: Arc<FixedCredentials>,
    /// The time.
    pub clock: Arc<RuntimeClock>,
    /// Starts tasks.
    pub dispatcher: Arc<Dispatcher>,
    /// Works.
    pub sync: RegionSync,
    /// Ends tasks.
    pub finalizer: Finalizer,
    /// How long a worker may run.
    pub run_time: SignedDuration,
    deliveries: AtomicU64,
}

/// Returns where the account's credentials are.
#[must_use]
pub fn reference() -> CredentialsRef {
    CredentialsRef::Env("PROD".to_owned())
}

/// Returns credentials with this secret.
#[must_use]
pub fn secret(secret: &str) -> Credentials {
    Credentials {
        access_key_id: "key-id".to_owned(),
        access_key_secret: secret.to_owned().into(),
        security_token: None,
    }
}

/// Returns the account that every story is about.
#[must_use]
pub fn account() -> Account {
    Account {
        kinds: vec![kind()],
        schedule: SchedulePolicy::every(60),
        ..Account::new(ACCOUNT, "aliyun", "r1", reference())
    }
}

/// Returns the kind that every story is about.
///
/// # Panics
///
/// Never.
#[must_use]
pub fn kind() -> Kind {
    KIND.parse().unwrap_or_else(|error| panic!("{error}"))
}

/// Returns a scope of the account and kind.
#[must_use]
pub fn scope(region: &str) -> Scope {
    Scope { account_id: ACCOUNT.to_owned(), kind: kind(), region: region.to_owned() }
}

impl World {
    /// Returns a world with one account, whose vendor has these regions.
    pub async fn new(regions: &[&str]) -> Self {
        Self::over(Arc::new(MemoryStore::default()), regions).await
    }

    /// Returns a world over other tables.
    ///
    /// # Panics
    ///
    /// The account cannot be written.
    pub async fn over(store: Arc<dyn Store>, regions: &[&str]) -> Self {
        let vendor = ScriptedVendor::new(regions);
        let queue = |fifo: bool, dead_letter: Option<Arc<MemoryQueue>>| {
            Arc::new(MemoryQueue::new(MemoryQueueSettings {
                fifo,
                visibility: Duration::from_secs(5400),
                max_receives: 8,
                dead_letter,
                ..MemoryQueueSettings::default()
            }))
        };
        let (dead, results) = (queue(true, None), queue(false, None));
        let work = queue(true, Some(dead.clone()));
        let notifier = Arc::new(MemoryNotifier::default());
        let metrics = Arc::new(MemoryMetrics::default());
        let credentials = Arc::new(FixedCredentials::default());
        credentials.set(&reference(), secret(SECRET));
        let base = "2026-01-01T00:00:00Z".parse().unwrap_or_default();
        let clock = Arc::new(RuntimeClock { base, start: tokio::time::Instant::now() });
        let dispatcher = Dispatcher {
            store: store.clone(),
            work: work.clone(),
            results: results.clone(),
            vendors: Arc::new(vendor.clone()),
            credentials: credentials.clone(),
            notifier: notifier.clone(),
            clock: clock.clone(),
        };
        let sync = RegionSync {
            store: store.clone(),
            work: work.clone(),
            results: results.clone(),
            vendors: Arc::new(vendor.clone()),
            credentials: credentials.clone(),
            notifier: notifier.clone(),
            metrics: metrics.clone(),
            clock: clock.clone(),
            settings: Settings::default(),
            types: TypeCache::default(),
            busy: AtomicU64::default(),
        };
        let finalizer = Finalizer {
            store: store.clone(),
            notifier: notifier.clone(),
            metrics: metrics.clone(),
            clock: clock.clone(),
        };
        let run_time = SignedDuration::from_mins(15);
        let deliveries = AtomicU64::default();
        store.put_account(&account()).await.unwrap_or_else(|error| panic!("{error}"));
        Self {
            vendor,
            store,
            work,
            dead,
            results,
            notifier,
            metrics,
            credentials,
            clock,
            dispatcher: Arc::new(dispatcher),
            sync,
            finalizer,
            run_time,
            deliveries,
        }
    }

    /// Returns it as one that asks other vendors.
    #[must_use]
    pub fn asking(self, vendors: Arc<dyn Vendors>) -> Self {
        let dispatcher = Dispatcher {
            store: self.store.clone(),
            work: self.work.clone(),
            results: self.results.clone(),
            vendors: vendors.clone(),
            credentials: self.credentials.clone(),
            notifier: self.notifier.clone(),
            clock: self.clock.clone(),
        };
        let sync = RegionSync { vendors, ..self.sync };
        Self { dispatcher: Arc::new(dispatcher), sync, ..self }
    }

    /// Writes the account anew.
    ///
    /// # Panics
    ///
    /// It cannot be written.
    pub async fn configure(&self, change: impl FnOnce(&mut Account)) {
        let mut account = account();
        change(&mut account);
        self.store.put_account(&account).await.unwrap_or_else(|error| panic!("{error}"));
    }

    /// Starts a task of the account on demand, by its name.
    ///
    /// # Panics
    ///
    /// It cannot be started, or it is not one.
    pub async fn start(&self, mode: Mode) -> SyncTask {
        let account_ids = vec![ACCOUNT.to_owned()];
        self.ask(&SyncRequest { account_ids, mode, ..SyncRequest::default() }).await
    }

    /// Starts the one task that a request is for.
    ///
    /// # Panics
    ///
    /// It is refused, or is for another number of tasks.
    pub async fn ask(&self, request: &SyncRequest) -> SyncTask {
        let now = self.clock.now();
        let dispatch = self.dispatcher.request(request, &now.to_string(), now).await;
        let mut tasks = dispatch.unwrap_or_else(|error| panic!("{error}")).tasks;
        assert_eq!(tasks.len(), 1, "one account, one kind: one task");
        tasks.remove(0)
    }

    /// Syncs everything and returns the task and its regions as they ended.
    pub async fn sync(&self, mode: Mode) -> (SyncTask, Vec<RegionResult>) {
        // Two tasks of one second would be one.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let task = self.start(mode).await;
        self.drain().await;
        self.task(&task.task_id).await
    }

    /// Returns a task and its regions.
    ///
    /// # Panics
    ///
    /// There is no such task.
    pub async fn task(&self, id: &str) -> (SyncTask, Vec<RegionResult>) {
        let task = self.store.task(id).await.ok().flatten();
        let results = self.store.region_results(id).await.unwrap_or_default();
        (task.unwrap_or_else(|| panic!("no task {id}")), results)
    }

    /// Delivers messages, one at a time, until every queue is empty, however
    /// long that takes.
    ///
    /// # Panics
    ///
    /// It does not come to an end.
    pub async fn drain(&self) {
        for _ in 0..100_000 {
            let wait = Duration::from_secs(60);
            if let Some(delivery) = receive(&self.results, Duration::ZERO).await {
                self.finalize(&delivery).await;
            } else if let Some(delivery) = receive(&self.dead, Duration::ZERO).await {
                let ended = self.finalizer.dead_letter(&delivery.body).await;
                ended.unwrap_or_else(|error| panic!("{error}"));
                delete(&self.dead, &delivery).await;
            } else if let Some(delivery) = receive(&self.work, wait).await {
                self.work_on(&delivery).await;
            } else if self.work.is_empty() && self.results.is_empty() && self.dead.is_empty() {
                return;
            }
        }
        panic!("the queues do not run empty");
    }

    /// Handles one delivery of the work queue as the function would.
    pub async fn work_on(&self, delivery: &Delivery) -> Action {
        let action = match serde_json::from_str::<WorkMessage>(&delivery.body) {
            Ok(message) => self.handle(message, delivery.receive_count).await,
            Err(_) => Action::Redeliver { after: Duration::ZERO },
        };
        match action {
            Action::Done => delete(&self.work, delivery).await,
            Action::Redeliver { after } => {
                let postponed = self.work.postpone(&delivery.receipt, after).await;
                postponed.unwrap_or_else(|error| panic!("{error}"));
            }
        }
        action
    }

    /// Handles a message as one delivery, whatever the queue says.
    pub async fn handle(&self, message: WorkMessage, receive_count: u32) -> Action {
        let number = self.deliveries.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let deadline = self.clock.now() + self.run_time;
        let owner = format!("delivery-{number}");
        self.sync.handle(&Delivered { message, receive_count, owner, deadline }).await
    }

    async fn finalize(&self, delivery: &Delivery) {
        let message: cloud_sync_core::message::ResultMessage =
            serde_json::from_str(&delivery.body).unwrap_or_else(|error| panic!("{error}"));
        let looked = self.finalizer.look_at(&message.task_id).await;
        looked.unwrap_or_else(|error| panic!("{error}"));
        delete(&self.results, delivery).await;
    }

    /// Returns a region's rows, sorted by id.
    ///
    /// # Panics
    ///
    /// They cannot be read.
    pub async fn rows(&self, region: &str, tombstones: bool) -> Vec<Row> {
        let (mut rows, mut cursor) = (Vec::new(), None);
        loop {
            let slice = self.store.scope_rows(&scope(region), tombstones, cursor.as_deref()).await;
            let slice = slice.unwrap_or_else(|error| panic!("{error}"));
            rows.extend(slice.items);
            cursor = slice.cursor;
            if cursor.is_none() {
                return rows;
            }
        }
    }

    /// Returns a resource's changes.
    ///
    /// # Panics
    ///
    /// They cannot be read.
    pub async fn history(&self, region: &str, id: &str) -> Vec<Change> {
        let history = self.store.history(&scope(region), id).await;
        history.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Asserts that the live rows are what the vendor has, and that every
    /// row is what its history says.
    ///
    /// # Panics
    ///
    /// They are not, or it is not.
    pub async fn assert_true(&self, region: &str) {
        let truth = self.vendor.truth(region);
        let rows = self.rows(region, true).await;
        let live: Vec<_> = rows.iter().filter(|row| row.is_live()).collect();
        let seen: Vec<_> = live.iter().map(|row| &row.resource).collect();
        let expected: Vec<&Resource> = truth.values().collect();
        assert_eq!(seen, expected, "live rows of {region}");
        for row in &rows {
            self.assert_history(region, row).await;
        }
        if let Ok(state) = self.store.scope(&scope(region)).await
            && let Some(statuses) = state.findings.statuses
        {
            let stored = live.iter().map(|row| row.resource.status).collect();
            assert_eq!(statuses.counts, stored, "counts by status of {region}");
        }
    }

    /// Asserts that replaying a row's changes gives it.
    ///
    /// # Panics
    ///
    /// It does not.
    pub async fn assert_history(&self, region: &str, row: &Row) {
        let history = self.history(region, &row.resource.id).await;
        let mut replayed: Option<Row> = None;
        for change in &history {
            let next = replay(replayed.as_ref(), change);
            replayed = Some(next.unwrap_or_else(|error| panic!("{error}")));
        }
        let replayed = replayed.unwrap_or_else(|| panic!("{} has no history", row.resource.id));
        let resource =
            Resource { attributes: row.resource.attributes.clone(), ..replayed.resource };
        assert_eq!(resource, row.resource, "history of {}", row.resource.id);
        assert_eq!(replayed.version, row.version, "version of {}", row.resource.id);
        assert_eq!(replayed.deleted_at, row.deleted_at, "deletion of {}", row.resource.id);
    }
}

/// Receives one message.
///
/// # Panics
///
/// The queue fails.
pub async fn receive(queue: &MemoryQueue, wait: Duration) -> Option<Delivery> {
    let received = queue.receive(1, wait).await;
    received.unwrap_or_else(|error| panic!("{error}")).pop()
}

async fn delete(queue: &MemoryQueue, delivery: &Delivery) {
    queue.delete(&delivery.receipt).await.unwrap_or_else(|error| panic!("{error}"));
}
