//! The other process of a benchmark: the vendor, and the tables. What a sync
//! takes of time and memory is then that of this one alone.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use cloud_sync::database::Database;
use cloud_sync_core::account::Account;
use cloud_sync_core::attributes::Attributes;
use cloud_sync_core::change::Change;
use cloud_sync_core::lease::{Checkpoint, Lease, LeaseRequest, Release};
use cloud_sync_core::listing::IndexEntry;
use cloud_sync_core::meter::Meter;
use cloud_sync_core::resource::Row;
use cloud_sync_core::scope::Scope;
use cloud_sync_core::task::{RegionResult, SyncTask};
use cloud_sync_runtime::store::memory::MemoryStore;
use cloud_sync_runtime::store::{Acquisition, Result, Store};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use simulated_cloud::{Churn, World};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_blocking;

use crate::remote::{Ended, Entry, Failure, Granted};
use crate::rig::{regions, start_cloud};

/// What the other process serves.
#[derive(Clone, Copy, Debug, Args)]
pub struct PeersOptions {
    /// How many instances each region has.
    #[arg(long)]
    pub instances: u32,
    /// How many regions there are.
    #[arg(long)]
    pub regions: usize,
    /// What the tables are.
    #[arg(long, value_enum)]
    pub tables: Tables,
}

/// What stands for the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Tables {
    /// The twin in memory, over the benchmark's own protocol: it takes a
    /// million rows.
    Twin,
    /// The embedded DynamoDB, over HTTP.
    Database,
}

impl Tables {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Twin => "twin",
            Self::Database => "database",
        }
    }
}

/// The other process, until it is dropped.
pub struct Peers {
    process: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    /// Where the tables are.
    pub tables: String,
    /// Where the vendor is.
    pub cloud: String,
}

impl Peers {
    /// Starts them.
    pub fn start(options: PeersOptions) -> anyhow::Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg("peers")
            .args(["--instances", &options.instances.to_string()])
            .args(["--regions", &options.regions.to_string()])
            .args(["--tables", options.tables.as_str()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = process.stdin.take().context("no input")?;
        let output = BufReader::new(process.stdout.take().context("no output")?).lines();
        let (tables, cloud) = (String::new(), String::new());
        let mut peers = Self { process, input, output, tables, cloud };
        (peers.tables, peers.cloud) = (peers.line()?, peers.line()?);
        Ok(peers)
    }

    fn line(&mut self) -> anyhow::Result<String> {
        Ok(self.output.next().context("the other process has ended")??)
    }

    fn ask(&mut self, what: &str, number: u64) -> anyhow::Result<String> {
        writeln!(self.input, "{what} {number}")?;
        self.line()
    }

    /// Lets the vendor change. Returns how many instances were created,
    /// changed and released.
    pub fn churn(&mut self, one_in: u32) -> anyhow::Result<[u64; 3]> {
        let line = self.ask("churn", one_in.into())?;
        let counts: Vec<u64> =
            line.split(' ').map(str::parse).collect::<std::result::Result<_, _>>()?;
        counts.try_into().ok().context("the other process said something else")
    }

    /// Lets the vendor take so long for each request.
    pub fn set_latency(&mut self, milliseconds: u64) -> anyhow::Result<()> {
        self.ask("latency", milliseconds).map(drop)
    }

    /// Returns how many requests the vendor got since this was last asked.
    pub fn calls(&mut self) -> anyhow::Result<u64> {
        Ok(self.ask("calls", 0)?.parse()?)
    }

    /// Returns how many read and write units the tables took since this was
    /// last asked. Only the twins count; they keep rows and changes without
    /// what no sync compares, so what is written is more in truth.
    pub fn units(&mut self) -> anyhow::Result<(f64, f64)> {
        let line = self.ask("units", 0)?;
        let (read, write) =
            line.split_once(' ').context("the other process said something else")?;
        Ok((read.parse()?, write.parse()?))
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        // It ends with this process anyway.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// Serves the vendor and the tables until standard input ends, and prints
/// where: first the tables, then the vendor. Every line of input is a wish,
/// answered by one line.
pub async fn serve(options: PeersOptions) -> anyhow::Result<()> {
    let cloud = start_cloud(options.instances, &regions(options.regions)?).await?;
    let world = cloud.world.clone();
    let meter = Arc::new(Meter::default());
    let counted = meter.clone();
    let obey = move || obey(&world, &counted);
    match options.tables {
        Tables::Twin => {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
            println!("{}\n{}", listener.local_addr()?, cloud.url());
            tokio::select! {
                lost = serve_twin(listener, meter) => lost.context("the tables can no longer be served"),
                ended = spawn_blocking(obey) => ended?,
            }
        }
        Tables::Database => {
            let database = Database::memory().await?;
            println!("{}\n{}", database.endpoint(), cloud.url());
            spawn_blocking(obey).await?
        }
    }
}

/// Does what standard input wishes, until it ends.
fn obey(world: &World, meter: &Meter) -> anyhow::Result<()> {
    let mut asked = (0.0, 0.0);
    for (number, line) in std::io::stdin().lines().enumerate() {
        let line = line?;
        let (what, argument) = line.split_once(' ').context("a wish has an argument")?;
        match what {
            "churn" => {
                let (created, changed, released) = churn(world, argument.parse()?, number as u64);
                println!("{created} {changed} {released}");
            }
            "latency" => {
                world.set_latency(Duration::from_millis(argument.parse()?));
                println!("done");
            }
            "calls" => {
                println!("{}", world.calls().values().sum::<u64>());
                world.reset_calls();
            }
            "units" => {
                let all = meter.read().cost;
                println!("{} {}", all.read_units - asked.0, all.write_units - asked.1);
                asked = (all.read_units, all.write_units);
            }
            other => bail!("'{other}' is not a wish"),
        }
    }
    Ok(())
}

async fn serve_twin(listener: TcpListener, meter: Arc<Meter>) -> anyhow::Result<()> {
    let store = MemoryStore::default().metered(meter);
    loop {
        let (stream, _) = listener.accept().await?;
        let store = store.clone();
        tokio::spawn(async move { serve_one(store.as_ref(), stream).await });
    }
}

/// Lets one in so many instances change, each in one way.
fn churn(world: &World, one_in: usize, seed: u64) -> (usize, usize, usize) {
    let part = (world.len() / one_in.max(1)).div_ceil(5);
    let churn = Churn {
        create: part,
        release: part,
        rename: part,
        attach_disk: part,
        detach_disk: part,
        ..Churn::default()
    };
    let report = world.churn(&churn, seed);
    (report.created.len(), report.changed.len(), report.released.len())
}

async fn serve_one(store: &dyn Store, stream: TcpStream) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut connection = BufStream::new(stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        if connection.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        let space = line.iter().position(|byte| *byte == b' ').context("a request has a name")?;
        let operation = std::str::from_utf8(&line[..space])?;
        let mut answer = answer(store, operation, &line[space..]).await?;
        answer.push(b'\n');
        connection.write_all(&answer).await?;
        connection.flush().await?;
    }
}

fn read<T: DeserializeOwned>(arguments: &[u8]) -> anyhow::Result<T> {
    Ok(serde_json::from_slice(arguments)?)
}

fn reply(answer: Result<impl Serialize>) -> anyhow::Result<Vec<u8>> {
    Ok(serde_json::to_vec(&answer.map_err(Failure::from))?)
}

async fn answer(store: &dyn Store, operation: &str, given: &[u8]) -> anyhow::Result<Vec<u8>> {
    /// Reads the arguments as a tuple and replies with what the call gives.
    macro_rules! call {
        (($($argument:ident: $kind:ty),*) $call:expr) => {{
            let ($($argument,)*): ($($kind,)*) = read(given)?;
            reply($call.await)
        }};
    }
    match operation {
        "account" => call!((id: String) store.account(&id)),
        "put_account" => call!((account: Account) store.put_account(&account)),
        "scope" => call!((scope: Scope) store.scope(&scope)),
        "acquire" => {
            call!((scope: Scope, owner: String, task_id: String, now: Timestamp, until: Timestamp)
            acquire(store, &scope, &LeaseRequest { owner, task_id, now, expires_at: until }))
        }
        "put_part" => call!((lease: Lease, task: String, bytes: Vec<u8>)
            store.put_part(&lease, &task, &bytes)),
        "part" => call!((scope: Scope, task: String, name: String)
            store.part(&scope, &task, &name)),
        "save_checkpoint" => call!((lease: Lease, checkpoint: Checkpoint)
            store.save_checkpoint(&lease, &checkpoint)),
        "release" => call!((lease: Lease, ended: Ended) store.release(&lease, &release(ended))),
        "create_task" => call!((task: SyncTask) store.create_task(&task)),
        "task" => call!((id: String) store.task(&id)),
        "start_task" => call!((id: String, deadline: Timestamp) store.start_task(&id, deadline)),
        "put_region_result" => call!((result: RegionResult) store.put_region_result(&result)),
        "region_result" => call!((task: String, region: String)
            store.region_result(&task, &region)),
        "live_index" => call!((scope: Scope, cursor: Option<String>)
            live_index(store, &scope, cursor.as_deref())),
        "rows" => call!((scope: Scope, ids: Vec<String>) store.rows(&scope, &ids)),
        "put_rows" => call!((rows: Vec<Row>, days: u32) put_rows(store, rows, days)),
        "remove_rows" => call!((scope: Scope, ids: Vec<String>) store.remove_rows(&scope, &ids)),
        "put_changes" => call!((changes: Vec<Change>) put_changes(store, changes)),
        "task_changes" => call!((task: String, scope: Scope, cursor: Option<String>)
            task_changes(store, &task, &scope, cursor.as_deref())),
        "history" => call!((scope: Scope, id: String) store.history(&scope, &id)),
        other => bail!("a worker does not ask for '{other}'"),
    }
}

async fn acquire(store: &dyn Store, scope: &Scope, request: &LeaseRequest) -> Result<Granted> {
    Ok(match store.acquire(scope, request).await? {
        Acquisition::Acquired { lease, before } => Ok((lease, *before)),
        Acquisition::Held { until } => Err(until),
    })
}

/// Keeps rows without what no sync compares: a million whole ones would take
/// this process more memory than many machines have.
async fn put_rows(store: &dyn Store, mut rows: Vec<Row>, days: u32) -> Result<()> {
    rows.iter_mut().for_each(|row| row.resource.attributes = Attributes::default());
    store.put_rows(&rows, days).await
}

/// Keeps changes without the fields, which only a sync after a crash reads.
async fn put_changes(store: &dyn Store, mut changes: Vec<Change>) -> Result<()> {
    changes.iter_mut().for_each(|change| change.fields.clear());
    store.put_changes(&changes).await
}

fn release((ended, is_continued): Ended) -> Release {
    match ended {
        Some((task_id, findings)) => Release::Ended { task_id, findings },
        None if is_continued => Release::Continued,
        None => Release::Abandoned,
    }
}

async fn live_index(
    store: &dyn Store,
    scope: &Scope,
    cursor: Option<&str>,
) -> Result<(Vec<Entry>, Option<String>)> {
    let page = store.live_index(scope, cursor).await?;
    let entry = |(id, entry): (_, IndexEntry)| (id, entry.fingerprint, entry.missing);
    Ok((page.items.into_iter().map(entry).collect(), page.cursor))
}

async fn task_changes(
    store: &dyn Store,
    task_id: &str,
    scope: &Scope,
    cursor: Option<&str>,
) -> Result<(Vec<Change>, Option<String>)> {
    let page = store.task_changes(task_id, scope, cursor, usize::MAX).await?;
    Ok((page.items, page.cursor))
}
