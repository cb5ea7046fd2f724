//! The other process of the memory benchmark: the vendor, and the tables
//! behind the protocol of [`crate::remote`].

use anyhow::{Context, bail};
use cloud_sync_core::account::Account;
use cloud_sync_core::change::Change;
use cloud_sync_core::lease::{Checkpoint, Lease, LeaseRequest, Release};
use cloud_sync_core::resource::Row;
use cloud_sync_core::scope::Scope;
use cloud_sync_core::task::{RegionResult, SyncTask};
use cloud_sync_runtime::store::memory::MemoryStore;
use cloud_sync_runtime::store::{
    AccountStore, Acquisition, ChangeStore, ResourceStore, Result, ScopeStore, TaskStore,
};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use simulated_cloud::{Churn, World};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};

use crate::remote::{Ended, Entry, Failure, Granted};
use crate::rig::start_cloud;

/// Serves the vendor and the tables until standard input ends, and prints
/// where: first the tables, then the vendor. Every line of input lets the
/// vendor change, and is answered by how many instances were created, changed
/// and released.
pub async fn serve(instances: u32) -> anyhow::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let cloud = start_cloud(instances).await?;
    println!("{}\n{}", listener.local_addr()?, cloud.url());
    let world = cloud.world.clone();
    let ended = tokio::task::spawn_blocking(move || {
        for (number, line) in std::io::stdin().lines().enumerate() {
            let Ok(one_in) = line.unwrap_or_default().parse() else { return };
            let (created, changed, released) = churn(&world, one_in, number as u64);
            println!("{created} {changed} {released}");
        }
    });
    let store = MemoryStore::default();
    let serving = async {
        loop {
            let (stream, _) = listener.accept().await?;
            let store = store.clone();
            tokio::spawn(async move { serve_one(&store, stream).await });
        }
        #[allow(unreachable_code, reason = "it says what the loop ends with")]
        std::io::Result::Ok(())
    };
    tokio::select! {
        lost = serving => lost.context("the tables can no longer be served"),
        _ = ended => Ok(()),
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

async fn serve_one(store: &MemoryStore, stream: TcpStream) -> anyhow::Result<()> {
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
        if operation == "live_index" {
            send_index(store, &line[space..], &mut connection).await?;
        } else {
            let mut answer = answer(store, operation, &line[space..]).await?;
            answer.push(b'\n');
            connection.write_all(&answer).await?;
        }
        connection.flush().await?;
    }
}

async fn send_index(
    store: &MemoryStore,
    arguments: &[u8],
    connection: &mut BufStream<TcpStream>,
) -> anyhow::Result<()> {
    let (scope,) = read(arguments)?;
    for (id, entry) in store.live_index(&scope).await?.iter() {
        let entry: Option<Entry> = Some((id, entry.fingerprint, entry.missing));
        let mut line = serde_json::to_vec(&entry)?;
        line.push(b'\n');
        connection.write_all(&line).await?;
    }
    connection.write_all(b"null\n").await?;
    Ok(())
}

fn read<T: DeserializeOwned>(arguments: &[u8]) -> anyhow::Result<T> {
    Ok(serde_json::from_slice(arguments)?)
}

fn reply(answer: Result<impl Serialize>) -> anyhow::Result<Vec<u8>> {
    Ok(serde_json::to_vec(&answer.map_err(Failure::from))?)
}

async fn answer(store: &MemoryStore, operation: &str, given: &[u8]) -> anyhow::Result<Vec<u8>> {
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

async fn acquire(store: &MemoryStore, scope: &Scope, request: &LeaseRequest) -> Result<Granted> {
    Ok(match store.acquire(scope, request).await? {
        Acquisition::Acquired { lease, before } => Ok((lease, *before)),
        Acquisition::Held { until } => Err(until),
    })
}

/// Keeps rows without what no sync compares: a million whole ones would take
/// this process more memory than many machines have.
async fn put_rows(store: &MemoryStore, mut rows: Vec<Row>, days: u32) -> Result<()> {
    rows.iter_mut().for_each(|row| row.resource.attributes.clear());
    store.put_rows(&rows, days).await
}

/// Keeps changes without the fields, which only a sync after a crash reads.
async fn put_changes(store: &MemoryStore, mut changes: Vec<Change>) -> Result<()> {
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

async fn task_changes(
    store: &MemoryStore,
    task_id: &str,
    scope: &Scope,
    cursor: Option<&str>,
) -> Result<(Vec<Change>, Option<String>)> {
    let page = store.task_changes(task_id, scope, cursor).await?;
    Ok((page.items, page.cursor))
}
