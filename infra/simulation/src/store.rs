//! The tables as one process reaches them: slow, at times not at all, with
//! answers that get lost, batches done in part, and indexes that lag.

use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::Ordering;
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
use cloud_sync_runtime::store::dynamo::INDEX_LAG;
use cloud_sync_runtime::store::{
    AccountStore, Acquisition, ChangeStore, RequestStore, ResourceStore, Result, ScopeStore, Slice,
    StatsStore, Store, StoreError, TaskQuery, TaskStore,
};
use jiff::Timestamp;
use jiff::civil::Date;

use crate::audit;
use crate::process::{Process, Step};

/// The tables as a process reaches them.
pub(crate) struct Tables {
    process: Arc<Process>,
    inner: Arc<dyn Store>,
}

fn unavailable(operation: &'static str) -> StoreError {
    StoreError::Unavailable { operation, reason: "the simulated store is at fault".to_owned() }
}

/// So many entries are on a page of the index: few, so that simulations page.
const INDEX_PAGE: usize = 25;

impl Tables {
    pub(crate) fn reach(process: &Arc<Process>) -> Arc<dyn Store> {
        let inner: Arc<dyn Store> = process.universe.store.clone();
        Arc::new(Self { process: process.clone(), inner })
    }

    /// Makes one request that reads.
    async fn read<T>(
        &self,
        what: &'static str,
        request: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        self.process.step(Step::Read, what).await;
        self.may_be_down(what)?;
        let answer = request.await;
        self.process.step(Step::Read, what).await;
        answer
    }

    /// Makes one request that writes. Where it fails it may have been done.
    async fn write<T>(
        &self,
        what: &'static str,
        request: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        self.process.step(Step::Write, what).await;
        self.may_be_down(what)?;
        let answer = request.await;
        let universe = &self.process.universe;
        if answer.is_ok() && universe.strikes(|chances| chances.store_lost_answer) {
            universe.count("lost answers of the store");
            self.process.note(|| format!("{what}: done, but the answer is lost"));
            return Err(unavailable(what));
        }
        self.process.step(Step::Write, what).await;
        answer
    }

    fn may_be_down(&self, what: &'static str) -> Result<()> {
        let universe = &self.process.universe;
        if !universe.strikes(|chances| chances.store_down) {
            return Ok(());
        }
        universe.count("refusals of the store");
        self.process.note(|| format!("{what}: refused"));
        Err(unavailable(what))
    }

    /// Returns which items of a batch are written before it fails, if it is to
    /// fail.
    fn part<T: Clone>(&self, what: &'static str, items: &[T]) -> Option<Vec<T>> {
        let universe = &self.process.universe;
        let strikes = self.process.dies_next() || universe.strikes(|chances| chances.store_partial);
        if items.is_empty() || !strikes {
            return None;
        }
        universe.count("batches written in part");
        let part: Vec<_> = items.iter().filter(|_| universe.dice.happens(0.5)).cloned().collect();
        self.process.note(|| format!("{what}: {} of {} written", part.len(), items.len()));
        Some(part)
    }

    /// Returns by how much an index lags at this moment.
    fn lag(&self) -> Duration {
        let universe = &self.process.universe;
        if !universe.is_unrest() || universe.lag.is_none() {
            return Duration::ZERO;
        }
        universe.count("reads of a lagging index");
        universe.dice.time(universe.lag.most())
    }

    async fn remember_rows(&self, scope: &Scope, ids: &[String]) -> Result<()> {
        let lag = &self.process.universe.lag;
        if !lag.is_none() {
            lag.before_rows(scope, ids, &self.inner.rows(scope, ids).await?);
        }
        Ok(())
    }

    /// Writes rows, all of one scope as the worker does.
    async fn put_rows_now(&self, rows: &[Row], tombstone_days: u32) -> Result<()> {
        let Some(first) = rows.first() else { return Ok(()) };
        let ids: Vec<_> = rows.iter().map(|row| row.resource.id.clone()).collect();
        self.remember_rows(&first.scope, &ids).await?;
        audit::rows(&self.process, rows).await?;
        self.inner.put_rows(rows, tombstone_days).await
    }

    async fn put_changes_now(&self, changes: &[Change]) -> Result<()> {
        self.process.universe.lag.before_changes(changes);
        audit::changes(&self.process, changes).await?;
        self.inner.put_changes(changes).await
    }

    async fn remove_rows_now(&self, scope: &Scope, ids: &[String]) -> Result<()> {
        self.remember_rows(scope, ids).await?;
        audit::removal(&self.process, scope).await?;
        self.inner.remove_rows(scope, ids).await
    }
}

#[async_trait]
impl AccountStore for Tables {
    async fn account(&self, id: &str) -> Result<Option<AccountRecord>> {
        self.read("account", self.inner.account(id)).await
    }

    async fn accounts(&self) -> Result<Vec<AccountRecord>> {
        self.read("accounts", self.inner.accounts()).await
    }

    async fn put_account(&self, account: &Account) -> Result<()> {
        self.write("put_account", self.inner.put_account(account)).await
    }

    async fn replace_account(
        &self,
        account: &Account,
        revision: Option<u64>,
    ) -> Result<Option<u64>> {
        self.write("replace_account", self.inner.replace_account(account, revision)).await
    }

    async fn remove_account(&self, id: &str, revision: u64, at: Timestamp) -> Result<bool> {
        self.write("remove_account", self.inner.remove_account(id, revision, at)).await
    }

    async fn put_regions(&self, id: &str, regions: &RegionCache) -> Result<()> {
        self.write("put_regions", self.inner.put_regions(id, regions)).await
    }

    async fn put_identity(&self, id: &str, identity: &KnownIdentity) -> Result<bool> {
        self.write("put_identity", self.inner.put_identity(id, identity)).await
    }

    async fn forget_identity(&self, id: &str) -> Result<()> {
        self.write("forget_identity", self.inner.forget_identity(id)).await
    }

    async fn suspend(&self, id: &str, suspension: &Suspension) -> Result<bool> {
        self.write("suspend", async {
            let is_new = self.inner.suspend(id, suspension).await?;
            if is_new {
                self.process.universe.count("suspended accounts");
                self.process.universe.suspensions.fetch_add(1, Ordering::Relaxed);
            }
            Ok(is_new)
        })
        .await
    }

    async fn add_spent(&self, id: &str, spent: &Spent) -> Result<Option<Spent>> {
        self.write("add_spent", self.inner.add_spent(id, spent)).await
    }

    async fn resume(&self, id: &str) -> Result<()> {
        self.write("resume", self.inner.resume(id)).await
    }
}

#[async_trait]
impl ScopeStore for Tables {
    async fn scope(&self, scope: &Scope) -> Result<ScopeState> {
        self.read("scope", self.inner.scope(scope)).await
    }

    async fn scopes(&self, account_id: &str) -> Result<Vec<ScopeState>> {
        self.read("scopes", self.inner.scopes(account_id)).await
    }

    async fn scopes_of_kind(&self, account_id: &str, kind: &Kind) -> Result<Vec<ScopeState>> {
        self.read("scopes_of_kind", self.inner.scopes_of_kind(account_id, kind)).await
    }

    async fn set_dispatched(&self, scope: &Scope, dispatched: &Dispatched) -> Result<()> {
        self.write("set_dispatched", self.inner.set_dispatched(scope, dispatched)).await
    }

    async fn set_event_task(&self, scope: &Scope, task: &Dispatched) -> Result<()> {
        self.write("set_event_task", self.inner.set_event_task(scope, task)).await
    }

    async fn knows_event(&self, account_id: &str, event: &str) -> Result<bool> {
        self.read("knows_event", self.inner.knows_event(account_id, event)).await
    }

    async fn note_event(&self, account_id: &str, event: &str, at: Timestamp) -> Result<()> {
        self.write("note_event", self.inner.note_event(account_id, event, at)).await
    }

    async fn set_decisions(
        &self,
        scope: &Scope,
        before: &[Decision],
        after: &[Decision],
    ) -> Result<bool> {
        self.write("set_decisions", self.inner.set_decisions(scope, before, after)).await
    }

    async fn acquire(&self, scope: &Scope, request: &LeaseRequest) -> Result<Acquisition> {
        let acquisition = self.write("acquire", self.inner.acquire(scope, request)).await;
        self.process.note(|| match &acquisition {
            Ok(Acquisition::Acquired { lease, .. }) => {
                format!("acquire {scope}: epoch {}, tasks {:?}", lease.epoch, lease.tasks)
            }
            Ok(Acquisition::Held { until }) => format!("acquire {scope}: held until {until}"),
            Err(error) => format!("acquire {scope}: {error}"),
        });
        acquisition
    }

    async fn put_part(&self, lease: &Lease, task_id: &str, bytes: &[u8]) -> Result<String> {
        self.write("put_part", self.inner.put_part(lease, task_id, bytes)).await
    }

    async fn part(&self, scope: &Scope, task_id: &str, name: &str) -> Result<Vec<u8>> {
        self.read("part", self.inner.part(scope, task_id, name)).await
    }

    async fn save_checkpoint(&self, lease: &Lease, checkpoint: &Checkpoint) -> Result<()> {
        self.process.universe.count("checkpoints");
        self.process.note(|| format!("save_checkpoint: {} parts", checkpoint.parts.ids.len()));
        self.write("save_checkpoint", self.inner.save_checkpoint(lease, checkpoint)).await
    }

    async fn set_paces(&self, lease: &Lease, paces: &Paces) -> Result<()> {
        self.write("set_paces", self.inner.set_paces(lease, paces)).await
    }

    async fn release(&self, lease: &Lease, release: &Release) -> Result<()> {
        self.process.note(|| format!("release {}: {release:?}", lease.scope));
        self.write("release", self.inner.release(lease, release)).await
    }

    async fn known_types(&self, account_id: &str, kind: &Kind) -> Result<KnownTypes> {
        self.read("known_types", self.inner.known_types(account_id, kind)).await
    }

    async fn put_types(&self, account_id: &str, kind: &Kind, types: &KnownTypes) -> Result<()> {
        self.write("put_types", self.inner.put_types(account_id, kind, types)).await
    }

    async fn expire_leases(&self, account_id: &str) -> Result<()> {
        self.write("expire_leases", self.inner.expire_leases(account_id)).await
    }
}

#[async_trait]
impl TaskStore for Tables {
    async fn create_task(&self, task: &SyncTask) -> Result<bool> {
        self.write("create_task", async {
            let is_new = self.inner.create_task(task).await?;
            if is_new {
                self.process.universe.count("tasks");
                self.process.universe.lag.before_task(&task.task_id, None);
            }
            Ok(is_new)
        })
        .await
    }

    async fn task(&self, task_id: &str) -> Result<Option<SyncTask>> {
        self.read("task", self.inner.task(task_id)).await
    }

    async fn join_task(&self, task_id: &str, ids: &[String]) -> Result<bool> {
        let is_joined = self.write("join_task", self.inner.join_task(task_id, ids)).await;
        self.process.note(|| format!("join_task {task_id} {ids:?}: {is_joined:?}"));
        is_joined
    }

    async fn start_task(&self, task_id: &str, deadline: Timestamp) -> Result<Option<SyncTask>> {
        self.write("start_task", self.inner.start_task(task_id, deadline)).await
    }

    async fn request_cancel(&self, task_id: &str) -> Result<bool> {
        self.write("request_cancel", self.inner.request_cancel(task_id)).await
    }

    async fn update_task(&self, task: &SyncTask) -> Result<bool> {
        let is_written = self.write("update_task", async {
            let before = self.inner.task(&task.task_id).await?;
            let is_written = self.inner.update_task(task).await?;
            if task.status.is_terminal() {
                self.process.universe.lag.before_task(&task.task_id, before);
            }
            Ok(is_written)
        });
        let is_written = is_written.await;
        self.process.note(|| {
            format!("update_task {}: {}, {:?}", task.task_id, task.status.as_str(), task.counts)
        });
        is_written
    }

    async fn put_region_result(&self, result: &RegionResult) -> Result<bool> {
        self.process.note(|| {
            let (status, counts) = (result.status.as_str(), result.counts);
            let errors: Vec<_> = result.errors.iter().map(|error| error.code.as_str()).collect();
            format!("put_region_result {} {status} {counts:?} {errors:?}", result.region)
        });
        self.write("put_region_result", self.inner.put_region_result(result)).await
    }

    async fn region_result(&self, task_id: &str, region: &str) -> Result<Option<RegionResult>> {
        self.read("region_result", self.inner.region_result(task_id, region)).await
    }

    async fn region_results(&self, task_id: &str) -> Result<Vec<RegionResult>> {
        self.read("region_results", self.inner.region_results(task_id)).await
    }

    async fn open_tasks(&self) -> Result<Vec<SyncTask>> {
        let mut open = self.read("open_tasks", self.inner.open_tasks()).await?;
        self.process.universe.lag.open_tasks(self.lag(), &mut open);
        Ok(open)
    }

    async fn tasks(&self, query: &TaskQuery) -> Result<Vec<SyncTask>> {
        self.read("tasks", self.inner.tasks(query)).await
    }
}

#[async_trait]
impl RequestStore for Tables {
    async fn remember_request(&self, request: &KnownRequest) -> Result<KnownRequest> {
        self.write("remember_request", self.inner.remember_request(request)).await
    }
}

#[async_trait]
impl ResourceStore for Tables {
    async fn live_index(
        &self,
        scope: &Scope,
        cursor: Option<&str>,
    ) -> Result<Slice<(String, IndexEntry)>> {
        // The twin's pages hold more than a scope has here.
        let whole = self.read("live_index", self.inner.live_index(scope, None)).await?;
        let mut entries = whole.items.into_iter().collect();
        self.process.universe.lag.live(self.lag(), scope, &mut entries);
        let after = cursor.map_or(Bound::Unbounded, Bound::Excluded);
        let mut left = entries.range::<str, _>((after, Bound::Unbounded));
        let page = left.by_ref().take(INDEX_PAGE).map(|(id, entry)| (id.clone(), *entry));
        let items: Vec<_> = page.collect();
        let cursor = left.next().and(items.last()).map(|(id, _)| id.clone());
        Ok(Slice { items, cursor })
    }

    async fn rows(&self, scope: &Scope, ids: &[String]) -> Result<Vec<Row>> {
        self.read("rows", self.inner.rows(scope, ids)).await
    }

    async fn put_rows(&self, rows: &[Row], tombstone_days: u32) -> Result<()> {
        self.write("put_rows", async {
            match self.part("put_rows", rows) {
                None => self.put_rows_now(rows, tombstone_days).await,
                Some(part) => {
                    self.put_rows_now(&part, tombstone_days).await?;
                    self.process.step(Step::Write, "put_rows").await;
                    Err(unavailable("put_rows"))
                }
            }
        })
        .await
    }

    async fn remove_rows(&self, scope: &Scope, ids: &[String]) -> Result<()> {
        self.write("remove_rows", async {
            match self.part("remove_rows", ids) {
                None => self.remove_rows_now(scope, ids).await,
                Some(part) => {
                    self.remove_rows_now(scope, &part).await?;
                    self.process.step(Step::Write, "remove_rows").await;
                    Err(unavailable("remove_rows"))
                }
            }
        })
        .await
    }

    async fn scope_rows(
        &self,
        scope: &Scope,
        tombstones: bool,
        cursor: Option<&str>,
    ) -> Result<Slice<Row>> {
        self.read("scope_rows", self.inner.scope_rows(scope, tombstones, cursor)).await
    }
}

#[async_trait]
impl ChangeStore for Tables {
    async fn put_changes(&self, changes: &[Change]) -> Result<()> {
        self.process.note(|| {
            let shown =
                changes.iter().map(|c| format!("{} {} v{}", c.change.as_str(), c.id, c.version));
            format!("put_changes {}", shown.collect::<Vec<_>>().join(", "))
        });
        self.write("put_changes", async {
            match self.part("put_changes", changes) {
                None => self.put_changes_now(changes).await,
                Some(part) => {
                    self.put_changes_now(&part).await?;
                    self.process.step(Step::Write, "put_changes").await;
                    Err(unavailable("put_changes"))
                }
            }
        })
        .await
    }

    async fn task_changes(
        &self,
        task_id: &str,
        scope: &Scope,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Slice<Change>> {
        let request = self.inner.task_changes(task_id, scope, cursor, limit);
        let mut changes = self.read("task_changes", request).await?;
        self.process.universe.lag.changes(self.lag(), scope, &mut changes.items);
        Ok(changes)
    }

    async fn history(&self, scope: &Scope, id: &str) -> Result<Vec<Change>> {
        self.read("history", self.inner.history(scope, id)).await
    }

    async fn account_changes(
        &self,
        account_id: &str,
        since: Option<Timestamp>,
        cursor: Option<&str>,
    ) -> Result<Slice<Change>> {
        self.read("account_changes", self.inner.account_changes(account_id, since, cursor)).await
    }
}

#[async_trait]
impl StatsStore for Tables {
    async fn days(&self, account_id: &str, from: Date, to: Date) -> Result<Vec<Day>> {
        self.read("days", self.inner.days(account_id, from, to)).await
    }

    async fn put_snapshot(
        &self,
        account_id: &str,
        kind: &Kind,
        day: Date,
        snapshot: &Snapshot,
    ) -> Result<()> {
        let put = self.inner.put_snapshot(account_id, kind, day, snapshot);
        self.write("put_snapshot", put).await
    }
}

impl Store for Tables {
    fn index_lag(&self) -> Duration {
        // As the real tables say, whatever this seed drew.
        INDEX_LAG
    }

    fn metered(&self, meter: Arc<Meter>) -> Arc<dyn Store> {
        Arc::new(Self { process: self.process.clone(), inner: self.inner.metered(meter) })
    }
}
