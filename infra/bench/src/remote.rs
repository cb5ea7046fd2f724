//! The tables of another process, over a thin protocol of the benchmark's own.
//!
//! An embedded DynamoDB is far too slow for a million rows, and tables in this
//! process would hide what the service takes. So a peer process has the twin
//! in memory, and each request is one line of its name and its arguments as
//! JSON, answered by one line.
//! What a worker does not ask for is refused.

use std::sync::Arc;

use async_trait::async_trait;
use cloud_sync_core::account::{Account, AccountRecord, RegionCache, Suspension};
use cloud_sync_core::budget::Spent;
use cloud_sync_core::change::Change;
use cloud_sync_core::deletion::Decision;
use cloud_sync_core::fingerprint::Fingerprint;
use cloud_sync_core::identity::KnownIdentity;
use cloud_sync_core::lease::{
    Checkpoint, Dispatched, Findings, Lease, LeaseRequest, Release, ScopeState,
};
use cloud_sync_core::listing::IndexEntry;
use cloud_sync_core::meter::Meter;
use cloud_sync_core::pace::Paces;
use cloud_sync_core::request::KnownRequest;
use cloud_sync_core::resource::{Missing, Row};
use cloud_sync_core::scope::{Kind, Scope};
use cloud_sync_core::stats::{Day, Snapshot};
use cloud_sync_core::task::{RegionResult, SyncTask};
use cloud_sync_core::types::KnownTypes;
use cloud_sync_runtime::store::{
    AccountStore, Acquisition, ChangeStore, RequestStore, ResourceStore, Result, ScopeStore, Slice,
    StatsStore, Store, StoreError, TaskQuery, TaskStore,
};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

/// An error as it goes over the wire.
#[derive(Debug, Serialize, Deserialize)]
pub enum Failure {
    /// [`StoreError::LeaseLost`].
    LeaseLost(Scope),
    /// [`StoreError::Corrupt`].
    Corrupt(String),
    /// Every other one.
    Other(String),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::LeaseLost(scope) => Self::LeaseLost(scope),
            StoreError::Corrupt { reason, .. } => Self::Corrupt(reason),
            other => Self::Other(other.to_string()),
        }
    }
}

/// A lease's end as it goes over the wire: the task and its findings where it
/// ended, and otherwise whether it goes on.
pub type Ended = (Option<(String, Option<Box<Findings>>)>, bool);

/// The answer to a wish for a lease: the lease and the scope before it, or
/// until when another worker holds it.
pub type Granted = std::result::Result<(Lease, ScopeState), Timestamp>;

/// What the index has of one live row.
pub type Entry = (String, Fingerprint, Option<Missing>);

fn unavailable(operation: &'static str, error: impl ToString) -> StoreError {
    StoreError::Unavailable { operation, reason: error.to_string() }
}

fn refused<T>(operation: &'static str) -> Result<T> {
    let reason = "a worker does not ask for this, so the peer does not serve it".to_owned();
    Err(StoreError::Refused { operation, reason })
}

/// The tables of another process. Clones share a connection.
#[derive(Clone)]
pub struct RemoteStore {
    connection: Arc<Mutex<BufStream<TcpStream>>>,
}

impl RemoteStore {
    /// Connects to a peer.
    pub async fn connect(address: &str) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { connection: Arc::new(Mutex::new(BufStream::new(stream))) })
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        arguments: &(impl Serialize + Sync),
    ) -> Result<T> {
        let mut connection = self.connection.lock().await;
        let answer = exchange(&mut connection, operation, arguments).await;
        let line = answer.map_err(|error| unavailable(operation, error))?;
        let answer: std::result::Result<T, Failure> =
            serde_json::from_slice(&line).map_err(|error| unavailable(operation, error))?;
        answer.map_err(|failure| match failure {
            Failure::LeaseLost(scope) => StoreError::LeaseLost(scope),
            Failure::Corrupt(reason) => StoreError::Corrupt { operation, reason },
            Failure::Other(reason) => unavailable(operation, reason),
        })
    }
}

async fn exchange(
    connection: &mut BufStream<TcpStream>,
    operation: &str,
    arguments: &(impl Serialize + Sync),
) -> std::io::Result<Vec<u8>> {
    let mut line = format!("{operation} ").into_bytes();
    serde_json::to_writer(&mut line, arguments)?;
    line.push(b'\n');
    connection.write_all(&line).await?;
    connection.flush().await?;
    line.clear();
    connection.read_until(b'\n', &mut line).await?;
    Ok(line)
}

#[async_trait]
impl AccountStore for RemoteStore {
    async fn account(&self, id: &str) -> Result<Option<AccountRecord>> {
        self.ask("account", &(id,)).await
    }

    async fn accounts(&self) -> Result<Vec<AccountRecord>> {
        refused("accounts")
    }

    async fn put_account(&self, account: &Account) -> Result<()> {
        self.ask("put_account", &(account,)).await
    }

    async fn replace_account(&self, _: &Account, _: Option<u64>) -> Result<Option<u64>> {
        refused("replace_account")
    }

    async fn remove_account(&self, _: &str, _: u64, _: Timestamp) -> Result<bool> {
        refused("remove_account")
    }

    async fn put_regions(&self, _: &str, _: &RegionCache) -> Result<()> {
        refused("put_regions")
    }

    async fn put_identity(&self, _: &str, _: &KnownIdentity) -> Result<bool> {
        refused("put_identity")
    }

    async fn forget_identity(&self, _: &str) -> Result<()> {
        refused("forget_identity")
    }

    async fn suspend(&self, _: &str, _: &Suspension) -> Result<bool> {
        refused("suspend")
    }

    async fn resume(&self, _: &str) -> Result<()> {
        refused("resume")
    }

    async fn add_spent(&self, _: &str, _: &Spent) -> Result<Option<Spent>> {
        refused("add_spent")
    }
}

#[async_trait]
impl ScopeStore for RemoteStore {
    async fn scope(&self, scope: &Scope) -> Result<ScopeState> {
        self.ask("scope", &(scope,)).await
    }

    async fn scopes(&self, _: &str) -> Result<Vec<ScopeState>> {
        refused("scopes")
    }

    async fn scopes_of_kind(&self, _: &str, _: &Kind) -> Result<Vec<ScopeState>> {
        refused("scopes_of_kind")
    }

    async fn set_dispatched(&self, _: &Scope, _: &Dispatched) -> Result<()> {
        refused("set_dispatched")
    }

    async fn set_event_task(&self, _: &Scope, _: &Dispatched) -> Result<()> {
        refused("set_event_task")
    }

    async fn knows_event(&self, _: &str, _: &str) -> Result<bool> {
        refused("knows_event")
    }

    async fn note_event(&self, _: &str, _: &str, _: Timestamp) -> Result<()> {
        refused("note_event")
    }

    async fn set_decisions(&self, _: &Scope, _: &[Decision], _: &[Decision]) -> Result<bool> {
        refused("set_decisions")
    }

    async fn acquire(&self, scope: &Scope, request: &LeaseRequest) -> Result<Acquisition> {
        let LeaseRequest { owner, task_id, now, expires_at } = request;
        let arguments = (scope, owner, task_id, now, expires_at);
        let granted: Granted = self.ask("acquire", &arguments).await?;
        Ok(match granted {
            Ok((lease, before)) => Acquisition::Acquired { lease, before: Box::new(before) },
            Err(until) => Acquisition::Held { until },
        })
    }

    async fn put_part(&self, lease: &Lease, task_id: &str, bytes: &[u8]) -> Result<String> {
        self.ask("put_part", &(lease, task_id, bytes)).await
    }

    async fn part(&self, scope: &Scope, task_id: &str, name: &str) -> Result<Vec<u8>> {
        self.ask("part", &(scope, task_id, name)).await
    }

    async fn save_checkpoint(&self, lease: &Lease, checkpoint: &Checkpoint) -> Result<()> {
        self.ask("save_checkpoint", &(lease, checkpoint)).await
    }

    async fn set_paces(&self, _: &Lease, _: &Paces) -> Result<()> {
        refused("set_paces")
    }

    async fn release(&self, lease: &Lease, release: &Release) -> Result<()> {
        let ended: Ended = match release {
            Release::Ended { task_id, findings } => {
                (Some((task_id.clone(), findings.clone())), false)
            }
            Release::Continued => (None, true),
            Release::Abandoned => (None, false),
        };
        self.ask("release", &(lease, ended)).await
    }

    async fn known_types(&self, _: &str, _: &Kind) -> Result<KnownTypes> {
        refused("known_types")
    }

    async fn put_types(&self, _: &str, _: &Kind, _: &KnownTypes) -> Result<()> {
        refused("put_types")
    }

    async fn expire_leases(&self, _: &str) -> Result<()> {
        refused("expire_leases")
    }
}

#[async_trait]
impl TaskStore for RemoteStore {
    async fn create_task(&self, task: &SyncTask) -> Result<bool> {
        self.ask("create_task", &(task,)).await
    }

    async fn task(&self, task_id: &str) -> Result<Option<SyncTask>> {
        self.ask("task", &(task_id,)).await
    }

    async fn join_task(&self, _: &str, _: &[String]) -> Result<bool> {
        refused("join_task")
    }

    async fn start_task(&self, task_id: &str, deadline: Timestamp) -> Result<Option<SyncTask>> {
        self.ask("start_task", &(task_id, deadline)).await
    }

    async fn request_cancel(&self, _: &str) -> Result<bool> {
        refused("request_cancel")
    }

    async fn update_task(&self, _: &SyncTask) -> Result<bool> {
        refused("update_task")
    }

    async fn put_region_result(&self, result: &RegionResult) -> Result<bool> {
        self.ask("put_region_result", &(result,)).await
    }

    async fn region_result(&self, task_id: &str, region: &str) -> Result<Option<RegionResult>> {
        self.ask("region_result", &(task_id, region)).await
    }

    async fn region_results(&self, _: &str) -> Result<Vec<RegionResult>> {
        refused("region_results")
    }

    async fn open_tasks(&self) -> Result<Vec<SyncTask>> {
        refused("open_tasks")
    }

    async fn tasks(&self, _: &TaskQuery) -> Result<Vec<SyncTask>> {
        refused("tasks")
    }
}

#[async_trait]
impl RequestStore for RemoteStore {
    async fn remember_request(&self, _: &KnownRequest) -> Result<KnownRequest> {
        refused("remember_request")
    }
}

#[async_trait]
impl ResourceStore for RemoteStore {
    async fn live_index(
        &self,
        scope: &Scope,
        cursor: Option<&str>,
    ) -> Result<Slice<(String, IndexEntry)>> {
        let page: (Vec<Entry>, Option<String>) = self.ask("live_index", &(scope, cursor)).await?;
        let entry = |(id, fingerprint, missing)| (id, IndexEntry { fingerprint, missing });
        Ok(Slice { items: page.0.into_iter().map(entry).collect(), cursor: page.1 })
    }

    async fn rows(&self, scope: &Scope, ids: &[String]) -> Result<Vec<Row>> {
        self.ask("rows", &(scope, ids)).await
    }

    async fn put_rows(&self, rows: &[Row], tombstone_days: u32) -> Result<()> {
        self.ask("put_rows", &(rows, tombstone_days)).await
    }

    async fn remove_rows(&self, scope: &Scope, ids: &[String]) -> Result<()> {
        self.ask("remove_rows", &(scope, ids)).await
    }

    async fn scope_rows(&self, _: &Scope, _: bool, _: Option<&str>) -> Result<Slice<Row>> {
        refused("scope_rows")
    }
}

#[async_trait]
impl ChangeStore for RemoteStore {
    async fn put_changes(&self, changes: &[Change]) -> Result<()> {
        self.ask("put_changes", &(changes,)).await
    }

    async fn task_changes(
        &self,
        task_id: &str,
        scope: &Scope,
        cursor: Option<&str>,
        _: usize,
    ) -> Result<Slice<Change>> {
        let (items, cursor) = self.ask("task_changes", &(task_id, scope, cursor)).await?;
        Ok(Slice { items, cursor })
    }

    async fn history(&self, scope: &Scope, id: &str) -> Result<Vec<Change>> {
        self.ask("history", &(scope, id)).await
    }

    async fn account_changes(
        &self,
        _: &str,
        _: Option<Timestamp>,
        _: Option<&str>,
    ) -> Result<Slice<Change>> {
        refused("account_changes")
    }
}

#[async_trait]
impl StatsStore for RemoteStore {
    async fn days(&self, _: &str, _: Date, _: Date) -> Result<Vec<Day>> {
        refused("days")
    }

    async fn put_snapshot(&self, _: &str, _: &Kind, _: Date, _: &Snapshot) -> Result<()> {
        refused("put_snapshot")
    }
}

impl Store for RemoteStore {
    fn index_lag(&self) -> std::time::Duration {
        std::time::Duration::ZERO
    }

    fn metered(&self, _: Arc<Meter>) -> Arc<dyn Store> {
        Arc::new(self.clone())
    }
}
