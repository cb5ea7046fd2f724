//! The tables, as ports of few methods each: one trait a table.
//!
//! Two implementations: [`dynamo`] over the AWS SDK and [`memory`], its twin.
//! One suite of tests holds both to the same contract.

pub mod dynamo;
pub mod keys;
pub mod memory;
pub mod plan;
pub mod stream;
pub mod tables;

use std::sync::Arc;
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
use cloud_sync_core::plan::RegionPlan;
use cloud_sync_core::request::KnownRequest;
use cloud_sync_core::resource::Row;
use cloud_sync_core::scope::{Kind, Scope};
use cloud_sync_core::stats::{Day, Snapshot};
use cloud_sync_core::tally::Tally;
use cloud_sync_core::task::{Counts, RegionResult, SyncTask};
use cloud_sync_core::types::KnownTypes;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A request to the tables did not succeed, after the retries in place.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The tables are busy or out of reach: the same request may succeed later.
    #[error("{operation}: the store is not available: {reason}")]
    Unavailable {
        /// What was asked.
        operation: &'static str,
        /// What it answered, for a person.
        reason: String,
    },
    /// The caller no longer holds the lease it writes under.
    #[error("the lease on {0} is no longer held by this worker")]
    LeaseLost(Scope),
    /// A stored item cannot be read.
    #[error("{operation}: an item cannot be read: {reason}")]
    Corrupt {
        /// What was asked.
        operation: &'static str,
        /// Which item, and what is wrong with it.
        reason: String,
    },
    /// The request is refused, now and later: a missing table, a missing
    /// permission, an item that is too large.
    #[error("{operation}: the store refused: {reason}")]
    Refused {
        /// What was asked.
        operation: &'static str,
        /// What it answered, for a person.
        reason: String,
    },
}

/// What a store answers.
pub type Result<T> = std::result::Result<T, StoreError>;

/// One page of a longer answer.
#[derive(Clone, Debug)]
pub struct Slice<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins; `None` after the last.
    pub cursor: Option<String>,
}

/// Accounts: their configuration and what was learnt of them.
#[async_trait]
pub trait AccountStore: Send + Sync {
    /// Returns one account.
    async fn account(&self, id: &str) -> Result<Option<AccountRecord>>;
    /// Returns every account, sorted by id.
    async fn accounts(&self) -> Result<Vec<AccountRecord>>;
    /// Writes an account's configuration; leaves what was learnt of it.
    async fn put_account(&self, account: &Account) -> Result<()>;
    /// Writes an account's configuration, if it was written `revision` times so
    /// far; without one, if the account is unknown or was removed. Returns the
    /// new revision where it did. One conditional write.
    async fn replace_account(
        &self,
        account: &Account,
        revision: Option<u64>,
    ) -> Result<Option<u64>>;
    /// Removes an account, if its configuration was written `revision` times
    /// so far. Returns whether it did. What is stored of its resources stays,
    /// and so does whose credentials it had, for one that comes under its id.
    async fn remove_account(&self, id: &str, revision: u64, at: Timestamp) -> Result<bool>;
    /// Remembers the regions an account has.
    async fn put_regions(&self, id: &str, regions: &RegionCache) -> Result<()>;
    /// Remembers whose credentials an account has, unless it is remembered as
    /// another account of the vendor's. Returns whether it did.
    async fn put_identity(&self, id: &str, identity: &KnownIdentity) -> Result<bool>;
    /// Forgets whose credentials an account has: the next ones may be
    /// anybody's.
    async fn forget_identity(&self, id: &str) -> Result<()>;
    /// Suspends an account. Returns whether it was not suspended before, so
    /// that one caller of many notifies. An unknown account is left unknown.
    async fn suspend(&self, id: &str, suspension: &Suspension) -> Result<bool>;
    /// Ends an account's suspension.
    async fn resume(&self, id: &str) -> Result<()>;
    /// Adds API calls to what an account has spent on a day; what was spent on
    /// an earlier day is forgotten, and what is added to an earlier day too.
    /// Returns the sum; `None` where nothing was added.
    async fn add_spent(&self, id: &str, spent: &Spent) -> Result<Option<Spent>>;
}

/// What a wish for a lease is answered with.
#[derive(Clone, Debug, PartialEq)]
pub enum Acquisition {
    /// The lease, and the scope as it was just before.
    Acquired {
        /// The lease, with the tasks of an unclean predecessor in it.
        lease: Lease,
        /// The scope as it was.
        before: Box<ScopeState>,
    },
    /// Another worker holds it.
    Held {
        /// Until then, if it does not release it.
        until: Timestamp,
    },
}

impl Acquisition {
    /// Returns the answer to a wish that is granted: the next epoch, and the
    /// tasks of an unclean predecessor beside the new holder's own, sorted.
    fn granted(before: ScopeState, request: &LeaseRequest) -> Self {
        let mut tasks = before.lease.as_ref().map(|lease| lease.tasks.clone()).unwrap_or_default();
        tasks.push(request.task_id.clone());
        tasks.sort_unstable();
        tasks.dedup();
        let lease = Lease {
            scope: before.scope.clone(),
            owner: request.owner.clone(),
            epoch: before.epoch + 1,
            expires_at: request.expires_at,
            tasks,
        };
        Self::Acquired { lease, before: Box::new(before) }
    }
}

/// Scopes: lease, checkpoint, schedule and findings.
#[async_trait]
pub trait ScopeStore: Send + Sync {
    /// Returns a scope's state; that of a new one where it was never touched.
    async fn scope(&self, scope: &Scope) -> Result<ScopeState>;
    /// Returns the states of an account's scopes, sorted by kind and region.
    async fn scopes(&self, account_id: &str) -> Result<Vec<ScopeState>>;
    /// Returns the states of an account's scopes of one kind, sorted by region.
    async fn scopes_of_kind(&self, account_id: &str, kind: &Kind) -> Result<Vec<ScopeState>>;
    /// Remembers that a scope was given to a task.
    async fn set_dispatched(&self, scope: &Scope, dispatched: &Dispatched) -> Result<()>;
    /// Remembers the task that further events of a scope may join.
    async fn set_event_task(&self, scope: &Scope, task: &Dispatched) -> Result<()>;
    /// Tells whether an event of an account's vendor is remembered.
    async fn knows_event(&self, account_id: &str, event: &str) -> Result<bool>;
    /// Remembers an event for [`keys::EVENT_DAYS`] from `at`.
    async fn note_event(&self, account_id: &str, event: &str, at: Timestamp) -> Result<()>;
    /// Replaces what operators decided on a scope's held deletions, if it is
    /// still `before`. Needs no lease, and leaves all else. Returns whether it
    /// did; a scope that was never touched stays so. One conditional write.
    async fn set_decisions(
        &self,
        scope: &Scope,
        before: &[Decision],
        after: &[Decision],
    ) -> Result<bool>;
    /// Takes the lease, if nobody holds it at `request.now`: absent, expired
    /// or the same owner's. One conditional write.
    async fn acquire(&self, scope: &Scope, request: &LeaseRequest) -> Result<Acquisition>;
    /// Stores one part of what a checkpoint of a task is to keep, of at most
    /// [`keys::LARGEST_PART`] bytes, and returns its name. It belongs to no
    /// checkpoint until one that names it is saved, and cannot be changed.
    async fn put_part(&self, lease: &Lease, task_id: &str, bytes: &[u8]) -> Result<String>;
    /// Returns a part of a task's checkpoint.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] where it is missing: the work must restart.
    async fn part(&self, scope: &Scope, task_id: &str, name: &str) -> Result<Vec<u8>>;
    /// Saves a checkpoint in the place of any other. Fails with
    /// [`StoreError::LeaseLost`] where the lease is not held.
    async fn save_checkpoint(&self, lease: &Lease, checkpoint: &Checkpoint) -> Result<()>;
    /// Remembers what throttling taught of a scope's APIs. Fails with
    /// [`StoreError::LeaseLost`] where the lease is not held.
    async fn set_paces(&self, lease: &Lease, paces: &Paces) -> Result<()>;
    /// Ends a lease. Fails with [`StoreError::LeaseLost`] where it is not held.
    async fn release(&self, lease: &Lease, release: &Release) -> Result<()>;
    /// Returns what is known of an account's instance types of a kind.
    async fn known_types(&self, account_id: &str, kind: &Kind) -> Result<KnownTypes>;
    /// Remembers instance types, each in the place of what was known of it.
    async fn put_types(&self, account_id: &str, kind: &Kind, types: &KnownTypes) -> Result<()>;
    /// Lets every lease of an account's scopes expire, their tasks kept. Only
    /// for a caller who knows that no worker lives.
    async fn expire_leases(&self, account_id: &str) -> Result<()>;
}

/// The place of a task among others: newest first, those of one time by id,
/// the greatest first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TaskPlace {
    /// When it started.
    pub start_time: Timestamp,
    /// Its id.
    pub task_id: String,
}

impl TaskPlace {
    /// Returns the place of a task.
    #[must_use]
    pub fn of(task: &SyncTask) -> Self {
        Self { start_time: task.start_time, task_id: task.task_id.clone() }
    }
}

/// Which tasks to return, newest first.
#[derive(Clone, Debug, Default)]
pub struct TaskQuery {
    /// Only this account's; `None` for all accounts' (one query each).
    pub account_id: Option<String>,
    /// Only those started at or after.
    pub since: Option<Timestamp>,
    /// Only those started at or before.
    pub until: Option<Timestamp>,
    /// Only those that come after this one.
    pub after: Option<TaskPlace>,
    /// At most so many.
    pub limit: usize,
}

/// Tasks and their results by region.
#[async_trait]
pub trait TaskStore: Send + Sync {
    /// Creates a task, unless one of its id exists. Returns whether it did. The
    /// ids that it names are a set: they come back sorted.
    async fn create_task(&self, task: &SyncTask) -> Result<bool>;
    /// Returns a task, read consistently.
    async fn task(&self, task_id: &str) -> Result<Option<SyncTask>>;
    /// Adds to the ids that a task names, if it has not begun, is not asked to
    /// stop, and would name no more than [`MOST_IDS`]. Returns whether it did.
    /// One conditional write.
    ///
    /// [`MOST_IDS`]: cloud_sync_core::message::MOST_IDS
    async fn join_task(&self, task_id: &str, ids: &[String]) -> Result<bool>;
    /// Moves a task from pending to running and its deadline out to at least
    /// `deadline`. Returns the task as it is then; one that has ended is
    /// returned as it is.
    async fn start_task(&self, task_id: &str, deadline: Timestamp) -> Result<Option<SyncTask>>;
    /// Asks a task to stop. Returns whether it had not ended.
    async fn request_cancel(&self, task_id: &str) -> Result<bool>;
    /// Writes the sums, status and end of a task, unless the stored one has
    /// ended. Leaves deadline and wish to cancel. Returns whether it did. One
    /// that ends is counted for its day ([`StatsStore::days`]) by the same
    /// write: both are done, or neither is.
    async fn update_task(&self, task: &SyncTask) -> Result<bool>;
    /// Writes a region's result, unless the stored one has ended. Returns
    /// whether it did.
    async fn put_region_result(&self, result: &RegionResult) -> Result<bool>;
    /// Returns a region's result, read consistently.
    async fn region_result(&self, task_id: &str, region: &str) -> Result<Option<RegionResult>>;
    /// Returns the results of a task's regions, read consistently.
    async fn region_results(&self, task_id: &str) -> Result<Vec<RegionResult>>;
    /// Returns the tasks that have not ended, oldest deadline first.
    async fn open_tasks(&self) -> Result<Vec<SyncTask>>;
    /// Returns tasks, in the order of their places.
    async fn tasks(&self, query: &TaskQuery) -> Result<Vec<SyncTask>>;
}

/// Requests that are carried out once. They are in the table of tasks.
#[async_trait]
pub trait RequestStore: Send + Sync {
    /// Remembers a request, unless one is under its key that is not to be
    /// forgotten yet at `request.at`. Returns the one that is there: this one,
    /// or the earlier. One conditional write.
    async fn remember_request(&self, request: &KnownRequest) -> Result<KnownRequest>;
}

/// Resources: live rows and tombstones.
#[async_trait]
pub trait ResourceStore: Send + Sync {
    /// Returns a page of the index of a scope's live rows: what it has of each
    /// by its id, sorted. May lag behind writes.
    async fn live_index(
        &self,
        scope: &Scope,
        cursor: Option<&str>,
    ) -> Result<Slice<(String, IndexEntry)>>;
    /// Returns the rows of the given ids that exist, tombstones included, in
    /// no particular order. Read consistently.
    async fn rows(&self, scope: &Scope, ids: &[String]) -> Result<Vec<Row>>;
    /// Writes rows. A tombstone is kept for `tombstone_days` from its
    /// deletion. On an error some may be written.
    async fn put_rows(&self, rows: &[Row], tombstone_days: u32) -> Result<()>;
    /// Removes rows. On an error some may be removed.
    async fn remove_rows(&self, scope: &Scope, ids: &[String]) -> Result<()>;
    /// Returns a page of a scope's rows, sorted by id.
    async fn scope_rows(
        &self,
        scope: &Scope,
        tombstones: bool,
        cursor: Option<&str>,
    ) -> Result<Slice<Row>>;
}

/// Changes: history and outbox.
#[async_trait]
pub trait ChangeStore: Send + Sync {
    /// Writes changes; one of the same resource and version is replaced. On
    /// an error some may be written.
    async fn put_changes(&self, changes: &[Change]) -> Result<()>;
    /// Returns a page, of at most `limit`, of the changes that a task recorded
    /// in a scope, sorted by id and version; those of one resource never come
    /// out of order. May lag behind writes.
    async fn task_changes(
        &self,
        task_id: &str,
        scope: &Scope,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Slice<Change>>;
    /// Returns a resource's changes, by version.
    async fn history(&self, scope: &Scope, id: &str) -> Result<Vec<Change>>;
    /// Returns a page of an account's changes from `since` on, oldest first.
    async fn account_changes(
        &self,
        account_id: &str,
        since: Option<Timestamp>,
        cursor: Option<&str>,
    ) -> Result<Slice<Change>>;
}

/// What became of accounts and kinds day by day, kept beside the scopes. What
/// the tasks of a day recorded is written as they end, by
/// [`TaskStore::update_task`].
#[async_trait]
pub trait StatsStore: Send + Sync {
    /// Returns an account's days, both given ones included, by day and kind.
    /// One on which nothing ended is left out.
    async fn days(&self, account_id: &str, from: Date, to: Date) -> Result<Vec<Day>>;
    /// Remembers for a day what was live of an account's kind, unless a later
    /// snapshot is.
    async fn put_snapshot(
        &self,
        account_id: &str,
        kind: &Kind,
        day: Date,
        snapshot: &Snapshot,
    ) -> Result<()>;
}

/// All tables together.
pub trait Store:
    AccountStore + ScopeStore + TaskStore + RequestStore + ResourceStore + ChangeStore + StatsStore
{
    /// Returns the same tables, counting what they cost on `meter`.
    fn metered(&self, meter: Arc<Meter>) -> Arc<dyn Store>;
    /// Returns what would have been written so far, where nothing is written.
    fn plan(&self) -> Option<RegionPlan> {
        None
    }
    /// Returns after how long what was written is sure to be in every answer,
    /// those that may lag included.
    fn index_lag(&self) -> Duration;
}

impl dyn Store + '_ {
    /// Counts in `tally` what a task recorded in a scope, however many
    /// attempts that took.
    ///
    /// # Errors
    ///
    /// The changes cannot be read.
    pub async fn count_recorded(
        &self,
        scope: &Scope,
        tally: &mut Tally,
        task_id: &str,
    ) -> Result<()> {
        let mut cursor = None;
        loop {
            let page = self.task_changes(task_id, scope, cursor.as_deref(), usize::MAX).await?;
            page.items.iter().for_each(|change| tally.record(change));
            cursor = page.cursor;
            if cursor.is_none() {
                return Ok(());
            }
        }
    }

    /// Returns the counts of a task in a scope as far as its changes tell them.
    ///
    /// # Errors
    ///
    /// The changes cannot be read.
    pub async fn recorded_counts(&self, scope: &Scope, task_id: &str) -> Result<Counts> {
        let mut tally = Tally::new(task_id);
        self.count_recorded(scope, &mut tally, task_id).await?;
        Ok(tally.counts(0, 0, 0))
    }
}
