//! Tables that are read as they are and to which nothing is written: what
//! would be is added up.
//!
//! The task's own items are written, and what its calls to the vendor spend is
//! counted: those are true of a plan too.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
use cloud_sync_core::plan::{Planner, RegionPlan};
use cloud_sync_core::request::KnownRequest;
use cloud_sync_core::resource::Row;
use cloud_sync_core::scope::{Kind, Scope};
use cloud_sync_core::stats::{Day, Snapshot};
use cloud_sync_core::task::{RegionResult, SyncTask};
use cloud_sync_core::types::KnownTypes;
use jiff::Timestamp;
use jiff::civil::Date;

use super::memory::units::{Bill, size};
use super::{
    AccountStore, Acquisition, ChangeStore, RequestStore, ResourceStore, Result, ScopeStore, Slice,
    StatsStore, Store, StoreError, TaskQuery, TaskStore,
};

/// The indexes of the changes' table: by task and by account.
const INDEXES_OF_CHANGES: u32 = 2;

/// Tables to which nothing is written. Clones add to one plan.
#[derive(Clone)]
pub struct PlanStore {
    inner: Arc<dyn Store>,
    planner: Arc<Mutex<Planner>>,
}

impl PlanStore {
    /// Returns the same tables, read only.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner, planner: Arc::default() }
    }

    fn planner(&self) -> MutexGuard<'_, Planner> {
        self.planner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the units of writing an item of about so many bytes, and so many
/// copies of it in indexes, and so many small entries in others.
fn units(bytes: usize, copies: u32, entries: u32) -> f64 {
    let mut bill = Bill::default();
    bill.write(bytes, copies);
    (0..entries).for_each(|_| bill.write(1, 0));
    bill.write
}

fn refused<T>(operation: &'static str) -> Result<T> {
    let reason = "a plan does not ask for this".to_owned();
    Err(StoreError::Refused { operation, reason })
}

#[async_trait]
impl AccountStore for PlanStore {
    async fn account(&self, id: &str) -> Result<Option<AccountRecord>> {
        self.inner.account(id).await
    }

    async fn accounts(&self) -> Result<Vec<AccountRecord>> {
        self.inner.accounts().await
    }

    async fn put_account(&self, _: &Account) -> Result<()> {
        refused("writing an account")
    }

    async fn replace_account(&self, _: &Account, _: Option<u64>) -> Result<Option<u64>> {
        refused("replacing an account")
    }

    async fn remove_account(&self, _: &str, _: u64, _: Timestamp) -> Result<bool> {
        refused("removing an account")
    }

    async fn put_regions(&self, _: &str, _: &RegionCache) -> Result<()> {
        Ok(())
    }

    async fn put_identity(&self, id: &str, identity: &KnownIdentity) -> Result<bool> {
        let known = self.inner.account(id).await?.and_then(|record| record.identity);
        Ok(known.is_none_or(|known| known.account_number == identity.account_number))
    }

    async fn forget_identity(&self, _: &str) -> Result<()> {
        Ok(())
    }

    async fn suspend(&self, _: &str, _: &Suspension) -> Result<bool> {
        Ok(false)
    }

    async fn add_spent(&self, id: &str, spent: &Spent) -> Result<Option<Spent>> {
        self.inner.add_spent(id, spent).await
    }

    async fn resume(&self, _: &str) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl ScopeStore for PlanStore {
    async fn scope(&self, scope: &Scope) -> Result<ScopeState> {
        self.inner.scope(scope).await
    }

    async fn scopes(&self, account_id: &str) -> Result<Vec<ScopeState>> {
        self.inner.scopes(account_id).await
    }

    async fn scopes_of_kind(&self, account_id: &str, kind: &Kind) -> Result<Vec<ScopeState>> {
        self.inner.scopes_of_kind(account_id, kind).await
    }

    async fn set_dispatched(&self, _: &Scope, _: &Dispatched) -> Result<()> {
        Ok(())
    }

    async fn set_event_task(&self, _: &Scope, _: &Dispatched) -> Result<()> {
        refused("writing the task that events made of a scope")
    }

    async fn knows_event(&self, account_id: &str, event: &str) -> Result<bool> {
        self.inner.knows_event(account_id, event).await
    }

    async fn note_event(&self, _: &str, _: &str, _: Timestamp) -> Result<()> {
        refused("writing an event")
    }

    async fn set_decisions(&self, _: &Scope, _: &[Decision], _: &[Decision]) -> Result<bool> {
        refused("writing what was decided on a scope")
    }

    /// Answers as if the lease were taken. What a predecessor left half-done,
    /// or a task in the middle, is not a plan's to go on with.
    async fn acquire(&self, scope: &Scope, request: &LeaseRequest) -> Result<Acquisition> {
        let mut before = self.inner.scope(scope).await?;
        match before.lease.take() {
            Some(lease) if lease.expires_at > request.now => {
                Ok(Acquisition::Held { until: lease.expires_at })
            }
            _ => {
                before.checkpoint = None;
                Ok(Acquisition::granted(before, request))
            }
        }
    }

    async fn put_part(&self, _: &Lease, _: &str, _: &[u8]) -> Result<String> {
        refused("writing a part of a checkpoint")
    }

    async fn part(&self, scope: &Scope, task_id: &str, name: &str) -> Result<Vec<u8>> {
        self.inner.part(scope, task_id, name).await
    }

    async fn save_checkpoint(&self, _: &Lease, _: &Checkpoint) -> Result<()> {
        refused("saving a checkpoint")
    }

    async fn set_paces(&self, _: &Lease, _: &Paces) -> Result<()> {
        Ok(())
    }

    async fn release(&self, _: &Lease, _: &Release) -> Result<()> {
        Ok(())
    }

    async fn expire_leases(&self, _: &str) -> Result<()> {
        refused("letting leases expire")
    }

    async fn known_types(&self, account_id: &str, kind: &Kind) -> Result<KnownTypes> {
        self.inner.known_types(account_id, kind).await
    }

    async fn put_types(&self, _: &str, _: &Kind, _: &KnownTypes) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl TaskStore for PlanStore {
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
        self.inner.start_task(task_id, deadline).await
    }

    async fn request_cancel(&self, task_id: &str) -> Result<bool> {
        self.inner.request_cancel(task_id).await
    }

    async fn update_task(&self, task: &SyncTask) -> Result<bool> {
        self.inner.update_task(task).await
    }

    async fn put_region_result(&self, result: &RegionResult) -> Result<bool> {
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
impl RequestStore for PlanStore {
    async fn remember_request(&self, request: &KnownRequest) -> Result<KnownRequest> {
        self.inner.remember_request(request).await
    }
}

#[async_trait]
impl ResourceStore for PlanStore {
    async fn live_index(
        &self,
        scope: &Scope,
        cursor: Option<&str>,
    ) -> Result<Slice<(String, IndexEntry)>> {
        self.inner.live_index(scope, cursor).await
    }

    async fn rows(&self, scope: &Scope, ids: &[String]) -> Result<Vec<Row>> {
        self.inner.rows(scope, ids).await
    }

    async fn put_rows(&self, rows: &[Row], _: u32) -> Result<()> {
        let mut planner = self.planner();
        // Whatever is written of a row is in its entry of the index.
        rows.iter().for_each(|row| planner.row(row, units(size(row), 0, 1)));
        Ok(())
    }

    async fn remove_rows(&self, _: &Scope, ids: &[String]) -> Result<()> {
        let mut planner = self.planner();
        ids.iter().for_each(|_| planner.removal(units(1, 0, 1)));
        Ok(())
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
impl ChangeStore for PlanStore {
    async fn put_changes(&self, changes: &[Change]) -> Result<()> {
        let mut planner = self.planner();
        for change in changes {
            planner.change(change, units(size(change), INDEXES_OF_CHANGES, 0));
        }
        Ok(())
    }

    async fn task_changes(
        &self,
        task_id: &str,
        scope: &Scope,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Slice<Change>> {
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
impl StatsStore for PlanStore {
    async fn days(&self, account_id: &str, from: Date, to: Date) -> Result<Vec<Day>> {
        self.inner.days(account_id, from, to).await
    }

    async fn put_snapshot(&self, _: &str, _: &Kind, _: Date, _: &Snapshot) -> Result<()> {
        refused("writing what is live on a day")
    }
}

impl Store for PlanStore {
    fn metered(&self, meter: Arc<Meter>) -> Arc<dyn Store> {
        Arc::new(Self { inner: self.inner.metered(meter), planner: self.planner.clone() })
    }

    fn plan(&self) -> Option<RegionPlan> {
        Some(self.planner().plan())
    }

    fn index_lag(&self) -> Duration {
        // Nothing was written that an index could lack.
        Duration::ZERO
    }
}
