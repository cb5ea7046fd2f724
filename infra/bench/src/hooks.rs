//! From an event to the row: events of a simulated vendor are posted to the
//! hook of the local service at a steady rate, over HTTP, until what changed
//! is in the table.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::IntoFuture;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use api::{Access, Api};
use clap::{Args, ValueEnum};
use cloud_sync::connect::local_parts;
use cloud_sync::database::Database;
use cloud_sync::service::{LocalService, Options as ServiceOptions};
use cloud_sync_core::account::{Account, HookRef};
use cloud_sync_core::message::{SyncRequest, Trigger};
use cloud_sync_core::scope::Scope;
use cloud_sync_core::task::TaskStatus;
use cloud_sync_provider::{Registry, Settings};
use cloud_sync_runtime::store::memory::MemoryStore;
use cloud_sync_runtime::store::{Store, TaskQuery};
use jiff::SignedDuration;
use serde::Serialize;
use serde_json::json;
use simulated_cloud::{Churn, World};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::rig::{self, ACCOUNT, WORKERS};

/// What the account's events are sent with.
const TOKEN: &str = "a secret of the benchmark's own";

/// How often the tables are looked at.
const LOOK: Duration = Duration::from_millis(10);

/// What has not come so long after the last event was posted does not come.
const PATIENCE: Duration = Duration::from_mins(5);

/// What is posted.
#[derive(Clone, Copy, Debug, Args)]
pub struct Options {
    /// How many events are posted a second.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    per_second: u32,
    /// How many events are posted, each about another machine.
    #[arg(long, default_value_t = 3000)]
    events: u32,
    /// How many regions the machines are in; one is one worker's work.
    #[arg(long, default_value_t = 1)]
    regions: u32,
    /// Where the tables are.
    #[arg(long, value_enum, default_value_t = Tables::Embedded)]
    tables: Tables,
    /// Do not keep to the vendor's limits, as `cloud-sync serve` does: what is
    /// left is what the service itself takes.
    #[arg(long)]
    unpaced: bool,
    /// Fail where the 99th percentile is longer than so many milliseconds.
    #[arg(long)]
    assert_p99_ms: Option<f64>,
}

/// Where the tables are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
enum Tables {
    /// In an embedded database, as `cloud-sync serve` has them.
    Embedded,
    /// In the memory of this process.
    Memory,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Report {
    tables: Tables,
    events: usize,
    per_second: u32,
    regions: u32,
    machines: u32,
    /// Whether the vendor's limits were kept to.
    paced: bool,
    /// From before an event is posted to the changed row's being read.
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    /// From posting to the answer.
    answered_p50_ms: f64,
    answered_p99_ms: f64,
    /// The tasks that re-read, and how many machines each re-read on average.
    tasks: usize,
    machines_a_task: f64,
    #[serde(skip)]
    most_p99_ms: Option<f64>,
}

impl Report {
    /// Fails where it was not as fast as it was to be.
    pub fn check(&self) -> anyhow::Result<()> {
        let (p99, most) = (self.p99_ms, self.most_p99_ms.unwrap_or(f64::INFINITY));
        ensure!(p99 <= most, "the 99th percentile is {p99} ms, more than {most} ms");
        Ok(())
    }
}

/// A machine that changed, and when it did.
struct Changed {
    id: String,
    region: String,
    at: Instant,
}

/// What is still waited for, by id, and what came after how long.
#[derive(Default)]
struct Watch {
    waiting: BTreeMap<String, (String, Instant)>,
    latencies: Vec<Duration>,
}

/// Measures.
pub async fn run(options: Options) -> anyhow::Result<Report> {
    let names = rig::regions(options.regions as usize)?;
    // Twice as many as change, so that a machine not yet changed is found.
    let machines = options.events * 2;
    let world = rig::world(machines / options.regions, &names)?;
    let cloud = rig::start(world.clone()).await?;
    let database = match options.tables {
        Tables::Embedded => Some(Database::memory().await?),
        Tables::Memory => None,
    };
    let in_memory = || Arc::new(MemoryStore::default()) as Arc<dyn Store>;
    let store = database.as_ref().map_or_else(in_memory, Database::store);
    let hook = HookRef::Env("BENCH_HOOK".to_owned());
    let account = Account { hook: Some(hook.clone()), ..rig::account(&cloud.url(), names) };
    store.put_account(&account).await?;
    let credentials = rig::credential_source();
    credentials.set_token(&hook, TOKEN);
    let settings = Settings { paced: !options.unpaced, ..Settings::default() };
    let vendors = Arc::new(Registry::with(settings)?);
    let parts = local_parts(store.clone(), vendors, credentials);
    let give_up_after = SignedDuration::from_mins(2);
    let service = LocalService::new(parts, ServiceOptions { workers: WORKERS, give_up_after });
    let cancel = CancellationToken::new();
    let first = service.sync(&SyncRequest::default(), &cancel, &mut |_| {}).await?;
    let task = &first.tasks.first().context("nothing was dispatched")?.task;
    ensure!(task.status == TaskStatus::Success, "the first sync ended badly: {task:?}");

    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let url = format!("http://{}/hooks/aliyun?account={ACCOUNT}", listener.local_addr()?);
    let api = Api::new(service.dispatcher(), Access::Loopback);
    let requests = tokio::spawn(axum::serve(listener, api::router(api)).into_future());
    let serving = {
        let cancel = cancel.clone();
        tokio::spawn(async move { service.serve(Duration::from_secs(3600), &cancel).await })
    };
    let kind = account.kinds.first().context("the account has no kind")?;
    let scope = |region: &str| Scope {
        account_id: ACCOUNT.to_owned(),
        kind: kind.clone(),
        region: region.to_owned(),
    };
    let watch = Arc::new(Mutex::new(Watch::default()));
    let post = post_all(&world, &url, options, &watch);
    let (answered, ()) = tokio::try_join!(post, watch_rows(&store, &scope, options, &watch))?;
    let (tasks, reread) = settled(&store).await?;
    cancel.cancel();
    serving.await??;
    requests.abort();
    cloud.shutdown().await;
    if let Some(database) = database {
        database.close().await;
    }
    let latencies = std::mem::take(&mut locked(&watch).latencies);
    let [p50_ms, p99_ms, max_ms] = percentiles(latencies);
    let [answered_p50_ms, answered_p99_ms, _] = percentiles(answered);
    Ok(Report {
        tables: options.tables,
        events: options.events as usize,
        per_second: options.per_second,
        regions: options.regions,
        machines,
        paced: !options.unpaced,
        p50_ms,
        p99_ms,
        max_ms,
        answered_p50_ms,
        answered_p99_ms,
        tasks,
        machines_a_task: reread as f64 / tasks.max(1) as f64,
        most_p99_ms: options.assert_p99_ms,
    })
}

fn locked(watch: &Mutex<Watch>) -> std::sync::MutexGuard<'_, Watch> {
    watch.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Changes one machine after another and posts an event of each. Returns how
/// long the answers took.
async fn post_all(
    world: &World,
    url: &str,
    options: Options,
    watch: &Arc<Mutex<Watch>>,
) -> anyhow::Result<Vec<Duration>> {
    let client = reqwest::Client::new();
    let mut interval = tokio::time::interval(Duration::from_secs(1) / options.per_second);
    let (mut posts, mut seen) = (JoinSet::new(), BTreeSet::new());
    for seed in 0.. {
        if seen.len() == options.events as usize {
            break;
        }
        let churn = Churn { rename: 1, ..Churn::default() };
        let report = world.churn(&churn, seed);
        let which = report.changed.keys().next().context("no machine changed")?;
        // A machine that changed twice would be found by either event.
        if !seen.insert(which.id.clone()) {
            continue;
        }
        interval.tick().await;
        let changed =
            Changed { id: which.id.clone(), region: which.region.clone(), at: Instant::now() };
        let waited_for = (changed.region.clone(), changed.at);
        locked(watch).waiting.insert(changed.id.clone(), waited_for);
        posts.spawn(post(client.clone(), url.to_owned(), changed));
    }
    let mut answered = Vec::new();
    while let Some(post) = posts.join_next().await {
        answered.push(post??);
    }
    Ok(answered)
}

async fn post(client: reqwest::Client, url: String, changed: Changed) -> anyhow::Result<Duration> {
    let Changed { id, region, at } = changed;
    let event = json!({
        "specversion": "1.0", "id": format!("event-of-{id}"), "source": "acs.ecs",
        "type": "ecs:Instance:StateChange", "aliyunregionid": region,
        "subject": format!("acs:ecs:{region}::instance/{id}"), "data": { "resourceId": id },
    });
    let request = client.post(url).header("x-hook-token", TOKEN).body(event.to_string());
    let status = request.send().await?.status();
    ensure!(status == reqwest::StatusCode::ACCEPTED, "the hook answered {status}");
    Ok(at.elapsed())
}

/// Looks for the changes until every one has come, and reads the row of each.
async fn watch_rows(
    store: &Arc<dyn Store>,
    scope: &impl Fn(&str) -> Scope,
    options: Options,
    watch: &Arc<Mutex<Watch>>,
) -> anyhow::Result<()> {
    let began = Instant::now();
    let all = options.events as usize;
    let posting = Duration::from_secs((options.events / options.per_second).into());
    while locked(watch).latencies.len() < all {
        let late = locked(watch).waiting.len();
        ensure!(began.elapsed() < posting + PATIENCE, "{late} changes did not come");
        tokio::time::sleep(LOOK).await;
        let mut by_region: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (id, (region, _)) in &locked(watch).waiting {
            by_region.entry(region.clone()).or_default().push(id.clone());
        }
        for (region, ids) in by_region {
            let rows = store.rows(&scope(&region), &ids).await?;
            let now = Instant::now();
            let mut watch = locked(watch);
            // The first sync wrote version 1, and each machine changed once.
            for row in rows.iter().filter(|row| row.version > 1) {
                if let Some((_, at)) = watch.waiting.remove(&row.resource.id) {
                    watch.latencies.push(now.duration_since(at));
                }
            }
        }
    }
    Ok(())
}

/// Waits until every task has ended. Returns how many the events made, and how
/// many machines they re-read.
async fn settled(store: &Arc<dyn Store>) -> anyhow::Result<(usize, u64)> {
    let began = Instant::now();
    while !store.open_tasks().await?.is_empty() {
        ensure!(began.elapsed() < PATIENCE, "some tasks did not end");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let query = TaskQuery {
        account_id: Some(ACCOUNT.to_owned()),
        limit: usize::MAX,
        ..TaskQuery::default()
    };
    let mut tasks = store.tasks(&query).await?;
    tasks.retain(|task| task.trigger == Trigger::Event);
    let bad = tasks.iter().find(|task| task.status != TaskStatus::Success);
    ensure!(bad.is_none(), "a task ended badly: {bad:?}");
    Ok((tasks.len(), tasks.iter().map(|task| task.counts.total_count).sum()))
}

/// Returns median, 99th percentile and the longest, in milliseconds.
fn percentiles(mut times: Vec<Duration>) -> [f64; 3] {
    times.sort_unstable();
    let at = |share: f64| {
        let place = (times.len() as f64 * share).ceil() as usize;
        let time = times.get(place.saturating_sub(1)).copied().unwrap_or_default();
        (time.as_secs_f64() * 1e4).round() / 10.0
    };
    [at(0.5), at(0.99), at(1.0)]
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { events, per_second, regions, machines, tables, .. } = self;
        let limits = if self.paced { "kept to" } else { "not kept to" };
        writeln!(
            f,
            "{events} events at {per_second} a second, {machines} machines in {regions} regions, \
             tables {tables:?}, the vendor's limits {limits}"
        )?;
        let Self { p50_ms, p99_ms, max_ms, .. } = self;
        writeln!(f, "to the row: {p50_ms} ms (p50), {p99_ms} ms (p99), {max_ms} ms at most")?;
        let Self { answered_p50_ms, answered_p99_ms, tasks, machines_a_task, .. } = self;
        writeln!(f, "answered:   {answered_p50_ms} ms (p50), {answered_p99_ms} ms (p99)")?;
        write!(f, "tasks:      {tasks}, each of {machines_a_task:.1} machines")
    }
}
