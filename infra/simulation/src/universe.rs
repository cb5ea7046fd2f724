//! Everything there is in one simulation: the time, the cloud, the tables and
//! queues as they truly are, and what was found wrong so far.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cloud_sync_core::account::CredentialsRef;
use cloud_sync_core::scope::{GLOBAL_REGION, Scope};
use cloud_sync_runtime::metrics::NoMetrics;
use cloud_sync_runtime::notify::MemoryNotifier;
use cloud_sync_runtime::queue::memory::{MemoryQueue, MemoryQueueSettings};
use cloud_sync_runtime::store::memory::MemoryStore;
use jiff::{SignedDuration, Timestamp};
use simulated_cloud::{AccessKey, Clouds, InvalidPlan, World};
use tokio::time::Instant;

use crate::dice::Dice;
use crate::disks::DiskLog;
use crate::hooks::AllTold;
use crate::kinds;
use crate::lag::Lag;
use crate::plan::{AccountPlan, Chances, Plan};
use crate::report::{Stats, Violation};
use crate::secrets::Secrets;

/// A simulation's universe.
pub(crate) struct Universe {
    pub plan: Plan,
    pub dice: Dice,
    /// The dice of what the vendors tell, so that a seed in which they tell
    /// nothing has the same life as before.
    pub told: Dice,
    pub world: World,
    pub cloud: Clouds,
    pub store: Arc<MemoryStore>,
    pub work: Arc<MemoryQueue>,
    pub results: Arc<MemoryQueue>,
    /// The dead letters of both queues, by queue.
    pub dead_work: Arc<MemoryQueue>,
    pub dead_results: Arc<MemoryQueue>,
    pub secrets: Secrets,
    pub notifier: Arc<MemoryNotifier>,
    pub metrics: Arc<NoMetrics>,
    pub lag: Lag,
    /// The disks that machines ever had.
    pub disks: DiskLog,
    /// When somebody wished a task cancelled.
    pub cancelled: Mutex<BTreeMap<String, Instant>>,
    /// What the vendors told.
    pub all_told: Mutex<AllTold>,
    /// How often an account became suspended.
    pub suspensions: AtomicU64,
    base: Timestamp,
    start: Instant,
    unrest: AtomicBool,
    processes: AtomicU64,
    alive: AtomicU64,
    stats: Mutex<Stats>,
    violations: Mutex<Vec<Violation>>,
    trace: Option<Mutex<Vec<String>>>,
}

/// Returns where an account's credentials are.
pub(crate) fn reference(account: &str) -> CredentialsRef {
    CredentialsRef::Env(account.to_owned())
}

/// Locks what no panic leaves half-done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Universe {
    /// Makes a universe out of what was drawn.
    pub(crate) fn new(
        plan: Plan,
        seed: u64,
        dice: Dice,
        traced: bool,
    ) -> Result<Arc<Self>, InvalidPlan> {
        let secrets = Secrets::new(plan.accounts.iter().map(|account| account.id.as_str()));
        let mut cloud = simulated_cloud::Plan::new(dice.seed());
        for AccountPlan { id, provider, regions, managed, .. } in &plan.accounts {
            let key = secrets.current(id);
            let key = AccessKey {
                secret: key.access_key_secret,
                ..AccessKey::new(&key.access_key_id, "")
            };
            cloud = cloud.account_of(*provider, id, key, regions.iter().copied());
            if let Some(managed) = managed {
                cloud = cloud.managed(regions.iter().map(|(region, _)| (*region, *managed)));
            }
        }
        let world = World::new(&cloud)?;
        let queue = |fifo, visibility, max_receives, dead_letter| {
            Arc::new(MemoryQueue::new(MemoryQueueSettings {
                fifo,
                visibility,
                max_receives,
                dead_letter,
                ..MemoryQueueSettings::default()
            }))
        };
        let minutes = |count: u64| Duration::from_secs(60 * count);
        let dead_work = queue(true, minutes(6), u32::MAX, None);
        let dead_results = queue(false, minutes(6), u32::MAX, None);
        let work = queue(true, plan.visibility, 8, Some(dead_work.clone()));
        let results = queue(false, minutes(6), 8, Some(dead_results.clone()));
        Ok(Arc::new(Self {
            cloud: Clouds::new(&world, "cloud.example".to_owned()),
            world,
            store: Arc::new(MemoryStore::default()),
            work,
            results,
            dead_work,
            dead_results,
            secrets,
            notifier: Arc::new(MemoryNotifier::default()),
            metrics: Arc::new(NoMetrics),
            lag: Lag::new(plan.lag),
            disks: DiskLog::default(),
            cancelled: Mutex::default(),
            all_told: Mutex::default(),
            suspensions: AtomicU64::default(),
            base: cloud.now,
            start: Instant::now(),
            unrest: AtomicBool::new(true),
            processes: AtomicU64::default(),
            alive: AtomicU64::default(),
            stats: Mutex::default(),
            violations: Mutex::default(),
            trace: traced.then(Mutex::default),
            plan,
            told: Dice::new(seed.rotate_left(32)),
            dice,
        }))
    }

    /// Returns the true time.
    pub(crate) fn now(&self) -> Timestamp {
        self.base + SignedDuration::try_from(self.start.elapsed()).unwrap_or_default()
    }

    /// Tells whether anything may go wrong.
    pub(crate) fn is_unrest(&self) -> bool {
        self.unrest.load(Ordering::Relaxed)
    }

    /// Lets nothing go wrong any more.
    pub(crate) fn heal(&self) {
        self.unrest.store(false, Ordering::Relaxed);
        self.note("peace", || "nothing goes wrong from here on".to_owned());
    }

    /// Tells whether something goes wrong now that has such a chance.
    pub(crate) fn strikes(&self, chance: impl FnOnce(&Chances) -> f64) -> bool {
        self.is_unrest() && self.dice.happens(chance(&self.plan.chances))
    }

    /// Returns the number of the next process, and counts it as alive.
    pub(crate) fn begin_process(&self) -> u64 {
        self.alive.fetch_add(1, Ordering::Relaxed);
        self.processes.fetch_add(1, Ordering::Relaxed)
    }

    /// Notes that a process is gone.
    pub(crate) fn end_process(&self) {
        self.alive.fetch_sub(1, Ordering::Relaxed);
    }

    /// Tells whether no process lives and no message waits.
    pub(crate) fn is_quiet(&self) -> bool {
        let queues = [&self.work, &self.results, &self.dead_work, &self.dead_results];
        self.alive.load(Ordering::Relaxed) == 0 && queues.iter().all(|queue| queue.is_empty())
    }

    /// Returns the ids of what the vendor has in a scope now.
    pub(crate) fn there(&self, scope: &Scope) -> Vec<String> {
        let family = kinds::family_of(&scope.kind);
        let regions = match scope.region.as_str() {
            GLOBAL_REGION => self.world.regions(),
            region => vec![region],
        };
        let sites = regions.into_iter().filter_map(|id| self.world.at(&scope.account_id, id).ok());
        sites.flat_map(|site| site.ids_of(family)).collect()
    }

    /// Tells whether the vendor has a resource now.
    pub(crate) fn exists(&self, scope: &Scope, id: &str) -> bool {
        self.there(scope).iter().any(|there| there == id)
    }

    /// Counts something that happened.
    pub(crate) fn count(&self, what: &'static str) {
        *lock(&self.stats).entry(what).or_default() += 1;
    }

    /// Notes something for a reader of the trace.
    pub(crate) fn note(&self, who: &str, what: impl FnOnce() -> String) {
        if let Some(trace) = &self.trace {
            let line = format!("{:>10.3} {who:<18} {}", self.start.elapsed().as_secs_f64(), what());
            lock(trace).push(line);
        }
    }

    /// Notes that something is wrong.
    pub(crate) fn violated(&self, invariant: &'static str, text: String) {
        self.note("VIOLATION", || format!("{invariant}: {text}"));
        let mut violations = lock(&self.violations);
        if violations.len() < 20 {
            violations.push(Violation { invariant, text });
        }
    }

    /// Returns what was counted, found wrong, and noted.
    pub(crate) fn findings(&self) -> (Stats, Vec<Violation>, Vec<String>) {
        let trace = self.trace.as_ref().map(|trace| std::mem::take(&mut *lock(trace)));
        (lock(&self.stats).clone(), lock(&self.violations).clone(), trace.unwrap_or_default())
    }
}
