//! One tick of the schedule over very many scopes: planned, queued and, once
//! every region has its result, added up.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::Args;
use cloud_sync_core::account::{Account, InvalidAccount, Region, RegionCache};
use cloud_sync_core::credentials::Credentials;
use cloud_sync_core::lease::Dispatched;
use cloud_sync_core::message::WorkMessage;
use cloud_sync_core::meter::Meter;
use cloud_sync_core::scope::{Kind, Scope};
use cloud_sync_core::task::{Counts, RegionResult, TaskStatus};
use cloud_sync_dispatch::Dispatcher;
use cloud_sync_provider::{Vendor, Vendors};
use cloud_sync_runtime::clock::{Clock, SystemClock};
use cloud_sync_runtime::metrics::NoMetrics;
use cloud_sync_runtime::notify::LogNotifier;
use cloud_sync_runtime::queue::Queue;
use cloud_sync_runtime::queue::memory::{MemoryQueue, MemoryQueueSettings};
use cloud_sync_runtime::secrets::FixedCredentials;
use cloud_sync_runtime::store::memory::MemoryStore;
use cloud_sync_runtime::store::{AccountStore, ScopeStore, TaskStore};
use finalizer::Finalizer;
use jiff::SignedDuration;
use serde::Serialize;

use crate::rig;
use crate::usage::{cpu_time, peak_mib};

/// What the tick is over.
#[derive(Clone, Copy, Debug, Args)]
pub struct Options {
    /// How many accounts there are.
    #[arg(long, default_value_t = 1000)]
    accounts: u32,
    /// How many regions each of them has.
    #[arg(long, default_value_t = 25)]
    regions: u32,
    /// How many kinds each of them syncs.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=26))]
    kinds: u32,
    /// One scope in so many is due.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    due_one_in: u32,
    /// Fail where the process takes more memory than so many MiB.
    #[arg(long, default_value_t = 256.0)]
    most_mib: f64,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Report {
    scopes: usize,
    due: usize,
    tasks: usize,
    /// Planning, creating the tasks, queueing the messages.
    tick_seconds: f64,
    tick_cpu_seconds: f64,
    read_units: f64,
    write_units: f64,
    /// Adding every task up from its regions.
    finalize_seconds: f64,
    /// Before anything was made, and at the end: the tables and queues are in
    /// this process too.
    idle_mib: f64,
    peak_mib: f64,
    #[serde(skip)]
    most_mib: f64,
}

impl Report {
    /// Fails where it took more memory than it may.
    pub fn check(&self) -> anyhow::Result<()> {
        let (peak, most) = (self.peak_mib, self.most_mib);
        ensure!(peak <= most, "it took {peak:.0} MiB, more than {most:.0} MiB");
        Ok(())
    }
}

/// A vendor with kinds of the benchmark's own. What a tick asks vendors for is
/// remembered, so it opens nobody.
struct Kinds(Vec<Kind>);

impl Vendors for Kinds {
    fn open(
        &self,
        account: &Account,
        _: Credentials,
        _: Arc<Meter>,
    ) -> std::result::Result<Arc<dyn Vendor>, InvalidAccount> {
        let reason = "this benchmark asks no vendor".to_owned();
        Err(InvalidAccount { account: account.id.clone(), field: "provider", reason })
    }

    fn kinds(&self, _: &Account) -> std::result::Result<Vec<Kind>, InvalidAccount> {
        Ok(self.0.clone())
    }
}

/// Measures.
pub async fn run(options: Options) -> anyhow::Result<Report> {
    let idle_mib = peak_mib().context("this system does not tell the peak memory")?;
    let kinds = ('a'..='z').take(options.kinds as usize);
    let kinds = kinds.map(|letter| format!("aliyun.bench.{letter}").parse());
    let kinds: Vec<Kind> = kinds.collect::<std::result::Result<_, _>>()?;
    let store = Arc::new(MemoryStore::default());
    let due = fill(&store, &kinds, options).await?;

    let queue = |fifo| {
        let settings = MemoryQueueSettings { fifo, ..MemoryQueueSettings::default() };
        Arc::new(MemoryQueue::new(settings))
    };
    let work = queue(true);
    let meter = Arc::new(Meter::default());
    let dispatcher = Dispatcher {
        store: cloud_sync_runtime::store::Store::metered(store.as_ref(), meter.clone()),
        work: work.clone(),
        results: queue(false),
        vendors: Arc::new(Kinds(kinds.clone())),
        credentials: Arc::new(FixedCredentials::default()),
        notifier: Arc::new(LogNotifier),
        clock: Arc::new(SystemClock),
    };
    let (began, cpu_began) = (Instant::now(), cpu_time());
    let dispatch = dispatcher.tick("bench", SystemClock.now()).await?;
    let tick_seconds = began.elapsed().as_secs_f64();
    let tick_cpu_seconds = cpu_time().saturating_sub(cpu_began).as_secs_f64();
    ensure!(dispatch.problems.is_empty(), "{:?}", dispatch.problems.first());
    let started: usize = dispatch.tasks.iter().map(|task| task.regions.len()).sum();
    ensure!(started == due, "{started} scopes were started, {due} are due");

    let began = Instant::now();
    finalize(&store, &work, due).await?;
    let reading = meter.read();
    Ok(Report {
        scopes: (options.accounts * options.regions) as usize * kinds.len(),
        due,
        tasks: dispatch.tasks.len(),
        tick_seconds,
        tick_cpu_seconds,
        read_units: reading.cost.read_units,
        write_units: reading.cost.write_units,
        finalize_seconds: began.elapsed().as_secs_f64(),
        idle_mib,
        peak_mib: peak_mib().unwrap_or_default(),
        most_mib: options.most_mib,
    })
}

/// Makes the accounts and scopes. Returns how many of them are due.
async fn fill(store: &MemoryStore, kinds: &[Kind], options: Options) -> anyhow::Result<usize> {
    let now = SystemClock.now();
    let names = (0..options.regions).map(|number| format!("region-{number:02}"));
    let regions =
        names.map(|id| Region { id, endpoint: "ecs.example.com".to_owned(), ..Region::default() });
    let cache = RegionCache { fetched_at: now, regions: regions.collect() };
    let (mut number, mut due) = (0, 0);
    for account in 0..options.accounts {
        let id = format!("account-{account:04}");
        let account = rig::account("http://127.0.0.1:1", Vec::new());
        store.put_account(&Account { id: id.clone(), ..account }).await?;
        store.put_regions(&id, &cache).await?;
        for (kind, region) in kinds.iter().flat_map(|kind| {
            cache.regions.iter().map(move |region| (kind.clone(), region.id.clone()))
        }) {
            let is_due = number % options.due_one_in == 0;
            number += 1;
            due += usize::from(is_due);
            let ago = if is_due { SignedDuration::from_hours(49) } else { SignedDuration::ZERO };
            let dispatched = Dispatched { task_id: "earlier".to_owned(), at: now - ago };
            let scope = Scope { account_id: id.clone(), kind, region };
            store.set_dispatched(&scope, &dispatched).await?;
        }
    }
    Ok(due)
}

/// Does what workers would have done about every message, adds every task up,
/// and checks the sums.
async fn finalize(store: &Arc<MemoryStore>, work: &MemoryQueue, due: usize) -> anyhow::Result<()> {
    let finalizer = Finalizer {
        store: store.clone(),
        notifier: Arc::new(LogNotifier),
        metrics: Arc::new(NoMetrics),
        clock: Arc::new(SystemClock),
    };
    let (mut expected, mut messages) = (BTreeMap::<String, u64>::new(), 0);
    loop {
        let received = work.receive(10, std::time::Duration::ZERO).await?;
        if received.is_empty() {
            break;
        }
        for delivery in received {
            let message: WorkMessage = serde_json::from_str(&delivery.body)?;
            messages += 1;
            let now = SystemClock.now();
            let mut result = RegionResult::begin(&message.task_id, &message.region, now);
            let total = messages as u64;
            result.counts =
                Counts { total_count: total, unchanged_count: total, ..Counts::default() };
            result.complete(now);
            store.put_region_result(&result).await?;
            *expected.entry(message.task_id.clone()).or_default() += total;
            work.delete(&delivery.receipt).await?;
            finalizer.look_at(&message.task_id).await?;
        }
    }
    ensure!(messages == due, "{messages} messages were queued for {due} scopes");
    for (task_id, total) in expected {
        let task = store.task(&task_id).await?.context("a task is gone")?;
        let is_right = task.status == TaskStatus::Success && task.counts.total_count == total;
        ensure!(is_right, "{task_id} is {:?} with {:?}", task.status, task.counts);
    }
    ensure!(store.open_tasks().await?.is_empty(), "some tasks did not end");
    Ok(())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scopes, due, tasks, tick_seconds, tick_cpu_seconds, .. } = self;
        writeln!(f, "{scopes} scopes, {due} of them due, {tasks} tasks")?;
        writeln!(f, "tick:     {tick_seconds:.2} s, {tick_cpu_seconds:.2} s of them CPU")?;
        writeln!(f, "          {:.0} read units, {:.0} write units", self.read_units, {
            self.write_units
        })?;
        writeln!(f, "finalize: {:.2} s", self.finalize_seconds)?;
        write!(f, "memory:   {:.0} MiB at most, {:.0} before", self.peak_mib, self.idle_mib)
    }
}
