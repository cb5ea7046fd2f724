//! Tables that fail when a test says so; otherwise those they wrap.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use cloud_sync_core::account::{Account, AccountRecord, RegionCache, Suspension};
use cloud_sync_core::budget::Spent;
use cloud_sync_core::change::Change;
use cloud_sync_core::deletion::Decision;
use cloud_sync_core::identity::KnownIdentity;
use cloud_sync_core::lease::{Checkpoint, Dispatched, Lease, LeaseRequest, Release, ScopeState};
use cloud_sync_core::listing::IndexEntry;
use cloud_sync_core::meter::Meter;
use cloud_sync_core::pace::Paces;
use cloud_sync_core::request::KnownRequest;
use cloud_sync_core::resource::Row;
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

/// What can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// [`AccountStore::account`].
    Account,
    /// [`ScopeStore::scopes`].
    Scopes,
    /// [`ScopeStore::acquire`].
    Acquire,
    /// [`ScopeStore::release`].
    Release,
    /// [`ScopeStore::note_event`].
    NoteEvent,
    /// [`TaskStore::start_task`].
    StartTask,
    /// [`TaskStore::put_region_result`].
    PutRegionResult,
    /// [`ResourceStore::live_index`].
    LiveIndex,
    /// [`ResourceStore::rows`].
    Rows,
    /// [`ResourceStore::put_rows`].
    PutRows,
    /// [`ChangeStore::put_changes`].
    PutChanges,
    /// [`ChangeStore::task_changes`].
    TaskChanges,
    /// [`ScopeStore::part`], which finds nothing then.
    Part,
}

/// How an operation is to fail.
#[derive(Clone, Copy)]
struct Planned {
    after: u32,
    times: u32,
}

/// Tables that fail when told to. An operation on several items that fails
/// has done the first half of them.
#[derive(Clone)]
pub struct FailingStore {
    inner: Arc<dyn Store>,
    planned: Arc<Mutex<BTreeMap<Operation, Planned>>>,
}

impl FailingStore {
    /// Returns tables over others.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self { inner, planned: Arc::default() })
    }

    /// Lets an operation fail once, after it succeeded `after` times.
    pub fn fail(&self, operation: Operation, after: u32) {
        self.plan(operation, Planned { after, times: 1 });
    }

    /// Lets an operation fail so many times in a row.
    pub fn fail_often(&self, operation: Operation, times: u32) {
        self.plan(operation, Planned { after: 0, times });
    }

    fn plan(&self, operation: Operation, how: Planned) {
        let mut planned = self.planned.lock().unwrap_or_else(PoisonError::into_inner);
        planned.insert(operation, how);
    }

    /// Tells whether an operation that was to fail has failed.
    #[must_use]
    pub fn has_failed(&self, operation: Operation) -> bool {
        let planned = self.planned.lock().unwrap_or_else(PoisonError::into_inner);
        !planned.contains_key(&operation)
    }

    fn fails(&self, operation: Operation) -> bool {
        let mut planned = self.planned.lock().unwrap_or_else(PoisonError::into_inner);
        match planned.get_mut(&operation) {
            Some(Planned { after: 0, times: 1 }) => planned.remove(&operation).is_some(),
            Some(Planned { after: 0, times }) => {
                *times -= 1;
                true
            }
            Some(Planned { after, .. }) => {
                *after -= 1;
                false
            }
            None => false,
        }
    }

    fn check(&self, operation: Operation) -> Result<()> {
        if self.fails(operation) { Err(unavailable()) } else { Ok(()) }
    }
}

fn unavailable() -> StoreError {
    StoreError::Unavailable { operation: "test", reason: "told to fail".to_owned() }
}

/// Returns the items that an operation gets done before it fails.
fn first_half<T>(items: &[T]) -> &[T] {
    &items[..items.len() / 2]
}

#[async_trait]
impl AccountStore for FailingStore {
    async fn account(&self, id: &str) -> Result<Option<AccountRecord>> {
        self.check(Operation::Account)?;
        self.inner.account(id).await
    }

    async fn accounts(&self) -> Result<Vec<AccountRecord>> {
        self.inner.accounts().await
    }

    async fn put_account(&self, account: &Account) -> Result<()> {
        self.inner.put_account(account).await
    }

    async fn replace_account(
        &self,
        account: &Account,
        revision: Option<u64>,
    ) -> Result<Option<u64>> {
        self.inner.replace_account(account, revision).await
    }

    async fn remove_account(&self, id: &str, revision: u64, at: Timestamp) -> Result<bool> {
        self.inner.remove_account(id, revision, at).await
    }

    async fn put_regions(&self, id: &str, regions: &RegionCache) -> Result<()> {
        self.inner.put_regions(id, regions).await
    }

    async fn put_identity(&self, id: &str, identity: &KnownIdentity) -> Result<bool> {
        self.inner.put_identity(id, identity).await
    }

    async fn forget_identity(&self, id: &str) -> Result<()> {
        self.inner.forget_identity(id).await
    }

    async fn suspend(&self, id: &str, suspension: &Suspension) -> Result<bool> {
        self.inner.suspend(id, suspension).await
    }

    async fn add_spent(&self, id: &str, spent: &Spent) -> Result<Option<Spent>> {
        self.inner.add_spent(id, spent).await
    }

    async fn resume(&self, id: &str) -> Result<()> {
        self.inner.resume(id).await
    }
}

#[async_trait]
impl ScopeStore for FailingStore {
    async fn scope(&self, scope: &Scope) -> Result<ScopeState> {
        self.inner.scope(scope).await
    }

    async fn scopes(&self, account_id: &str) -> Result<Vec<ScopeState>> {
        self.check(Operation::Scopes)?;
        self.inner.scopes(account_id).await
    }

    async fn scopes_of_kind(&self, account_id: &str, kind: &Kind) -> Result<Vec<ScopeState>> {
        self.inner.scopes_of_kind(account_id, kind).await
    }

    async fn set_dispatched(&self, scope: &Scope, dispatched: &Dispatched) -> Result<()> {
        self.inner.set_dispatched(scope, dispatched).await
    }

    async fn set_event_task(&self, scope: &Scope, task: &Dispatched) -> Result<()> {
        self.inner.set_event_task(scope, task).await
    }

    async fn knows_event(&self, account_id: &str, event: &str) -> Result<bool> {
        self.inner.knows_event(account_id, event).await
    }

    async fn note_event(&self, account_id: &str, event: &str, at: Timestamp) -> Result<()> {
        self.check(Operation::NoteEvent)?;
        self.inner.note_event(account_id, event, at).await
    }

    async fn set_decisions(
        &self,
        scope: &Scope,
        before: &[Decision],
        after: &[Decision],
    ) -> Result<bool> {
        self.inner.set_decisions(scope, before, after).await
    }

    async fn acquire(&self, scope: &Scope, request: &LeaseRequest) -> Result<Acquisition> {
        self.check(Operation::Acquire)?;
        self.inner.acquire(scope, request).await
    }

    async fn put_part(&self, lease: &Lease, task_id: &str, bytes: &[u8]) -> Result<String> {
        self.inner.put_part(lease, task_id, bytes).await
    }

    async fn part(&self, scope: &Scope, task_id: &str, name: &str) -> Result<Vec<u8>> {
        if self.fails(Operation::Part) {
            let (operation, reason) = ("test", "told to be lost".to_owned());
            return Err(StoreError::Corrupt { operation, reason });
        }
        self.inner.part(scope, task_id, name).await
    }

    async fn save_checkpoint(&self, lease: &Lease, checkpoint: &Checkpoint) -> Result<()> {
        self.inner.save_checkpoint(lease, checkpoint).await
    }

    async fn set_paces(&self, lease: &Lease, paces: &Paces) -> Result<()> {
        self.inner.set_paces(lease, paces).await
    }

    async fn release(&self, lease: &Lease, release: &Release) -> Result<()> {
        self.check(Operation::Release)?;
        self.inner.release(lease, release).await
    }

    async fn known_types(&self, account_id: &str, kind: &Kind) -> Result<KnownTypes> {
        self.inner.known_types(account_id, kind).await
    }

    async fn put_types(&self, account_id: &str, kind: &Kind, types: &KnownTypes) -> Result<()> {
        self.inner.put_types(account_id, kind, types).await
    }

    async fn expire_leases(&self, account_id: &str) -> Result<()> {
        self.inner.expire_leases(account_id).await
    }
}

#[async_trait]
impl TaskStore for FailingStore {
    async fn create_task(&self, task: &SyncTask) -> Result<bool> {
        self.inner.create_task(task).await
    }

    async fn task(&self, task_id: &str) -> Result<Option<SyncTask>> {
        self.inner.task(task_id).await
    }

    async fn join_task(&self, task_id: &str, ids: &[String]) -> Result<bool> {
        self.inner.join_task(task_id, ids).await
    }

    async fn start_task(&self, task_id: &str, deadline: Timestamp) -> Result<Option<SyncTask>> {
        self.check(Operation::StartTask)?;
        self.inner.start_task(task_id, deadline).await
    }

    async fn request_cancel(&self, task_id: &str) -> Result<bool> {
        self.inner.request_cancel(task_id).await
    }

    async fn update_task(&self, task: &SyncTask) -> Result<bool> {
        self.inner.update_task(task).await
    }

    async fn put_region_result(&self, result: &RegionResult) -> Result<bool> {
        self.check(Operation::PutRegionResult)?;
        self.inner.put_region_result(result).await
    }

    async fn region_result(&self, task_id: &str, region: &str) -> Result<Option<RegionResult>> {
        self.inner.region_result(task_id, region).await
    }

    async fn region_results(&self, task_id: &str) -> Result<Vec<RegionResult>> {
        self.inner.region_results(task_id).await
    }

    async fn open_tasks(&self) -> Result<Vec<SyncTask>> {
        self.inner.open_tasks().await
    }

    async fn tasks(&self, query: &TaskQuery) -> Result<Vec<SyncTask>> {
        self.inner.tasks(query).await
    }
}

#[async_trait]
impl RequestStore for FailingStore {
    async fn remember_request(&self, request: &KnownRequest) -> Result<KnownRequest> {
        self.inner.remember_request(request).await
    }
}

#[async_trait]
impl ResourceStore for FailingStore {
    async fn live_index(
        &self,
        scope: &Scope,
        cursor: Option<&str>,
    ) -> Result<Slice<(String, IndexEntry)>> {
        self.check(Operation::LiveIndex)?;
        self.inner.live_index(scope, cursor).await
    }

    async fn rows(&self, scope: &Scope, ids: &[String]) -> Result<Vec<Row>> {
        self.check(Operation::Rows)?;
        self.inner.rows(scope, ids).await
    }

    async fn put_rows(&self, rows: &[Row], tombstone_days: u32) -> Result<()> {
        if self.fails(Operation::PutRows) {
            self.inner.put_rows(first_half(rows), tombstone_days).await?;
            return Err(unavailable());
        }
        self.inner.put_rows(rows, tombstone_days).await
    }

    async fn remove_rows(&self, scope: &Scope, ids: &[String]) -> Result<()> {
        self.inner.remove_rows(scope, ids).await
    }

    async fn scope_rows(
        &self,
        scope: &Scope,
        tombstones: bool,
        cursor: Option<&str>,
    ) -> Result<Slice<Row>> {
        self.inner.scope_rows(scope, tombstones, cursor).await
    }
}

#[async_trait]
impl ChangeStore for FailingStore {
    async fn put_changes(&self, changes: &[Change]) -> Result<()> {
        if self.fails(Operation::PutChanges) {
            self.inner.put_changes(first_half(changes)).await?;
            return Err(unavailable());
        }
        self.inner.put_changes(changes).await
    }

    async fn task_changes(
        &self,
        task_id: &str,
        scope: &Scope,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Slice<Change>> {
        self.check(Operation::TaskChanges)?;
        self.inner.task_changes(task_id, scope, cursor, limit).await
    }

    async fn history(&self, scope: &Scope, id: &str) -> Result<Vec<Change>> {
        self.inner.history(scope, id).await
    }

    async fn account_changes(
        &self,
        account_id: &str,
        since: Option<Timestamp>,
        cursor: Option<&str>,
    ) -> Result<Slice<Change>> {
        self.inner.account_changes(account_id, since, cursor).await
    }
}

#[async_trait]
impl StatsStore for FailingStore {
    async fn days(&self, account_id: &str, from: Date, to: Date) -> Result<Vec<Day>> {
        self.inner.days(account_id, from, to).await
    }

    async fn put_snapshot(
        &self,
        account_id: &str,
        kind: &Kind,
        day: Date,
        snapshot: &Snapshot,
    ) -> Result<()> {
        self.inner.put_snapshot(account_id, kind, day, snapshot).await
    }
}

impl Store for FailingStore {
    fn index_lag(&self) -> Duration {
        self.inner.index_lag()
    }

    fn metered(&self, meter: Arc<Meter>) -> Arc<dyn Store> {
        Arc::new(Self { inner: self.inner.metered(meter), planned: self.planned.clone() })
    }
}
