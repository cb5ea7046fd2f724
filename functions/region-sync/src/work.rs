//! The work of an attempt, once its scope is leased and its account is open.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;

use cloud_sync_core::account::{Account, Region};
use cloud_sync_core::cost::Cost;
use cloud_sync_core::error::VendorError;
use cloud_sync_core::lease::{Findings, Lease, ScopeState};
use cloud_sync_core::listing::{Stalled, Walk};
use cloud_sync_core::message::{Mode, WorkMessage};
use cloud_sync_core::meter::Meter;
use cloud_sync_core::resource::Resource;
use cloud_sync_core::scope::Scope;
use cloud_sync_core::tally::Tally;
use cloud_sync_core::task::RegionResult;
use cloud_sync_provider::Vendor;
use cloud_sync_runtime::queue::QueueError;
use cloud_sync_runtime::spending::Spending;
use cloud_sync_runtime::store::{Store, StoreError};
use futures::future::{Either, select};
use jiff::Timestamp;
use thiserror::Error;

use crate::attempt::{Begun, Leased, Opened};
use crate::checkpoint::Progress;
use crate::closing::{Closing, Ending};
use crate::details::DetailSource;
use crate::index::IndexReading;
use crate::statuses::Statuses;
use crate::{Action, Delivered, RegionSync};

/// Why an attempt stopped before its end.
#[derive(Debug, Error)]
pub(crate) enum Stop {
    /// The vendor.
    #[error(transparent)]
    Vendor(#[from] VendorError),
    /// The tables.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The queues.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The listing would never end.
    #[error(transparent)]
    Stalled(#[from] Stalled),
    /// There is no time left to write.
    #[error("the worker's time is up")]
    OutOfTime,
    /// An operator wants the task to stop.
    #[error("the task was cancelled")]
    Cancelled,
    /// A plan is made in one turn, and its time is up.
    #[error("the worker's time was up before the whole region was listed; plan fewer regions")]
    PlanTooLong,
}

/// An attempt in progress.
pub(crate) struct Work<'a> {
    pub(crate) sync: &'a RegionSync,
    pub(crate) delivered: &'a Delivered,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) scope: Scope,
    /// The resources that the task names, which may be more than its message
    /// does: others may have joined it until it began.
    pub(crate) ids: Vec<String>,
    pub(crate) account: Account,
    /// What the attempt spends, where the account has a budget.
    pub(crate) spending: Option<Arc<Spending>>,
    pub(crate) region: Region,
    pub(crate) credentials_digest: String,
    pub(crate) vendor: Arc<dyn Vendor>,
    pub(crate) lease: Lease,
    pub(crate) before: ScopeState,
    pub(crate) began: Timestamp,
    /// When this attempt began.
    pub(crate) entered: Timestamp,
    pub(crate) result: RegionResult,
    pub(crate) earlier_cost: Cost,
    pub(crate) walk: Walk,
    pub(crate) details: DetailSource,
    pub(crate) tally: Tally,
    /// What is saved of this task so far.
    pub(crate) progress: Progress,
    /// How many live rows have which status.
    pub(crate) statuses: Statuses,
    /// Live rows that this attempt added, less those it deleted.
    pub(crate) grown_by: i64,
    /// Whether the change feed told everything, and nothing was walked.
    pub(crate) is_partial: bool,
    /// Whether a live resource was asked for by id and not found.
    pub(crate) lacks: bool,
    /// The instance types of what was listed, added or changed.
    pub(crate) types: BTreeSet<String>,
    /// Listed resources whose disks are to be asked for again.
    pub(crate) doubtful: Vec<Resource>,
    pub(crate) cancel_checked: Timestamp,
}

impl<'a> Work<'a> {
    /// Returns an attempt of which nothing is done yet.
    pub(crate) fn begin(
        sync: &'a RegionSync,
        delivered: &'a Delivered,
        leased: Leased<'_>,
        opened: Opened,
        begun: Begun,
    ) -> Self {
        let Leased { task, store, meter, lease, before } = leased;
        let Opened { account, region, credentials_digest, vendor } = opened;
        let Begun { result, spending, at } = begun;
        let message = &delivered.message;
        Self {
            sync,
            delivered,
            store,
            meter,
            scope: message.scope(),
            ids: task.ids.clone(),
            account,
            spending,
            details: DetailSource::new(vendor.clone(), region.clone(), message),
            region,
            credentials_digest,
            vendor,
            lease,
            statuses: Statuses::begin(&before.findings),
            before,
            began: result.start_time,
            entered: at,
            progress: Progress::begin(result.start_time),
            earlier_cost: result.cost.clone(),
            result,
            walk: Walk::new(),
            tally: Tally::new(&message.task_id),
            grown_by: 0,
            is_partial: false,
            lacks: false,
            types: BTreeSet::new(),
            doubtful: Vec::new(),
            cancel_checked: at,
        }
    }

    pub(crate) const fn message(&self) -> &WorkMessage {
        &self.delivered.message
    }

    pub(crate) async fn run_to_end(mut self) -> Result<Action, Stop> {
        let ending = match self.run().await {
            Ok(ending) => ending,
            Err(stop) => self.ending_after(stop).await?,
        };
        if matches!(ending, Ending::Complete | Ending::Continue) {
            self.learn_types().await;
        }
        if matches!(ending, Ending::Failed { clean: false, .. }) {
            // A write that failed may have been done.
            self.sync.settle_indexes().await;
            self.count_recorded().await?;
        }
        let error_count = self.result.counts.error_count;
        self.result.counts =
            self.tally.counts(self.walk.listed(), self.walk.undecodable(), error_count);
        self.account_for().await?;
        self.result.plan = self.store.plan();
        let findings = self.findings(&ending);
        if self.tally.held() > 0 && !matches!(ending, Ending::Continue) {
            self.tell_of_held().await;
        }
        let closing = Closing {
            sync: self.sync,
            store: self.store,
            meter: self.meter,
            lease: self.lease,
            result: self.result,
            findings,
            recovered: true,
        };
        closing.end(self.delivered, ending).await
    }

    async fn run(&mut self) -> Result<Ending, Stop> {
        self.vendor.recall(&self.region, &self.before.paces);
        self.resume().await?;
        self.recover().await?;
        if self.message().mode.names_ids() {
            self.sync_named().await?;
            return Ok(Ending::Complete);
        }
        if self.follow_feed().await? {
            return Ok(Ending::Complete);
        }
        // Tables and vendor are asked side by side: neither needs the other's
        // answer, until pages are compared.
        let mut index = IndexReading::of(self);
        let (read, walked) = {
            let (read, walk) = (pin!(index.read()), pin!(self.walk_disks()));
            match select(walk, read).await {
                // What is left of the time is for a checkpoint.
                Either::Left((Ok(false), _)) => (Ok(()), Ok(false)),
                Either::Left((walked, read)) => (read.await, walked),
                Either::Right((read, walk)) => (read, walk.await),
            }
        };
        index.give_back(self);
        if !walked? {
            self.save_checkpoint().await?;
            return Ok(Ending::Continue);
        }
        read?;
        if !self.walk_pages().await? {
            return Ok(Ending::Continue);
        }
        self.settle_doubtful().await?;
        let is_done = self.delete_missing().await?;
        Ok(if is_done { Ending::Complete } else { Ending::Continue })
    }

    /// Returns what is known of the scope after this ending, if that is more
    /// than before. A region without the service is done, yet nothing in it
    /// was listed.
    fn findings(&self, ending: &Ending) -> Option<Findings> {
        let earlier = &self.before.findings;
        let is_full = self.message().mode == Mode::Full;
        let last_full_at = if is_full { Some(self.began) } else { earlier.last_full_at };
        let live_count = self.tally.ids().live().saturating_add_signed(self.grown_by);
        let changed_at = (self.tally.changes() > 0).then(|| self.sync.clock.now());
        match ending {
            Ending::Complete if self.is_partial => Some(self.findings_of_some(changed_at)),
            Ending::Complete => Some(Findings {
                rhythm: self.rhythm(),
                last_full_at,
                last_complete_at: Some(self.began),
                last_changed_at: changed_at.or(earlier.last_changed_at),
                live_count,
                statuses: self.statuses.after_listing(self.began),
                complete_listings: earlier.complete_listings + 1,
                held_count: self.tally.held(),
                ever_deleted: earlier.ever_deleted || self.tally.deletions() > 0,
                fed_until: earlier.fed_until,
                lacked_at: None,
            }),
            Ending::Skipped => Some(Findings { last_full_at, ..earlier.clone() }),
            _ => None,
        }
    }

    /// Refuses to write when the lease could be lost meanwhile.
    pub(crate) fn check_time_to_write(&self) -> Result<(), Stop> {
        if self.sync.clock.now() < self.delivered.deadline { Ok(()) } else { Err(Stop::OutOfTime) }
    }
}
