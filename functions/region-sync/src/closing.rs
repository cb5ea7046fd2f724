//! How an attempt ends: the region's result, the lease, and the word to those
//! who wait for it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cloud_sync_core::lease::{Findings, Lease, Release};
use cloud_sync_core::message::{Mode, WorkMessage};
use cloud_sync_core::meter::Meter;
use cloud_sync_core::task::{Counts, RegionError, RegionResult};
use cloud_sync_runtime::metrics::RegionMetrics;
use cloud_sync_runtime::queue::messages::{result_message, work_message};
use cloud_sync_runtime::spending::Spending;
use cloud_sync_runtime::store::Store;
use jiff::Timestamp;

use crate::work::Stop;
use crate::{Action, Delivered, RegionSync};

/// How an attempt ends.
#[derive(Debug)]
pub(crate) enum Ending {
    /// The scope was listed whole.
    Complete,
    /// The vendor does not offer the kind here.
    Skipped,
    /// The region has failed.
    Failed {
        /// What went wrong.
        error: RegionError,
        /// Whether every write is whole.
        clean: bool,
    },
    /// An operator wants the task to stop.
    Cancelled,
    /// Time is up; a continuation goes on from the checkpoint.
    Continue,
    /// The message is to come again.
    Again {
        /// How much later, at least.
        after: Duration,
        /// What went wrong.
        error: RegionError,
        /// Whether every write is whole.
        clean: bool,
    },
}

/// What is left to do once it is known how an attempt ends.
pub(crate) struct Closing<'a> {
    pub(crate) sync: &'a RegionSync,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) lease: Lease,
    pub(crate) result: RegionResult,
    pub(crate) findings: Option<Findings>,
    /// Whether the writes of unclean predecessors were finished.
    pub(crate) recovered: bool,
}

impl Closing<'_> {
    /// Ends an attempt that began then and whose account could not be opened.
    /// Nothing was recovered: what a predecessor left unfinished stays with
    /// the lease.
    pub(crate) async fn end_unopened(
        mut self,
        delivered: &Delivered,
        spending: Option<Arc<Spending>>,
        began: Timestamp,
        ending: Ending,
    ) -> Result<Action, Stop> {
        let (sync, message) = (self.sync, &delivered.message);
        if self.result.attempts > 1 {
            sync.settle_indexes().await;
            let (scope, task_id) = (message.scope(), &message.task_id);
            self.result.counts = sync.store.recorded_counts(&scope, task_id).await?;
        }
        if let Some(spending) = spending {
            spending.settle().await?;
        }
        self.meter.record_work(sync.since(began));
        self.result.cost = self.meter.read().cost.plus(&self.result.cost);
        self.end(delivered, ending).await
    }

    /// Ends the attempt.
    ///
    /// The result comes first: a crash after it loses what was found of the
    /// scope, which the next sync finds again, and nothing else.
    pub(crate) async fn end(
        mut self,
        delivered: &Delivered,
        ending: Ending,
    ) -> Result<Action, Stop> {
        let message = &delivered.message;
        let now = self.sync.clock.now();
        let is_clean = match ending {
            Ending::Complete => {
                self.result.complete(now);
                true
            }
            Ending::Skipped => {
                self.result.skipped = true;
                self.result.complete(now);
                true
            }
            Ending::Cancelled => {
                self.result.cancel(now);
                true
            }
            Ending::Failed { error, clean } => {
                tracing::error!(code = error.code, error = error.error, "the region has failed");
                self.result.fail(error, now);
                clean
            }
            Ending::Continue => return self.hand_over(message).await,
            Ending::Again { after, error, clean } => {
                return self.give_back(message, after, error, clean).await;
            }
        };
        // Out of time, the lease may be another's by now, and the region with it.
        if self.sync.clock.now() >= delivered.deadline {
            return Err(Stop::OutOfTime);
        }
        self.store.put_region_result(&self.result).await?;
        let release = if is_clean && self.recovered {
            Release::Ended {
                task_id: message.task_id.clone(),
                findings: self.findings.take().map(Box::new),
            }
        } else {
            Release::Abandoned
        };
        self.store.release(&self.lease, &release).await?;
        self.sync.results.send(&[result_message(&message.task_id)]).await?;
        self.report(message);
        Ok(Action::Done)
    }

    /// Lets a continuation go on. It is sent before the lease is let go: it
    /// waits in the scope's group until this message is done with.
    async fn hand_over(self, message: &WorkMessage) -> Result<Action, Stop> {
        let next = WorkMessage { turn: message.turn + 1, yielded_to: None, ..message.clone() };
        self.store.put_region_result(&self.result).await?;
        self.sync.work.send(&[work_message(&next)]).await?;
        self.store.release(&self.lease, &Release::Continued).await?;
        self.measure(message);
        tracing::info!(
            listed = self.result.counts.total_count,
            "time is up; a continuation goes on from here"
        );
        Ok(Action::Done)
    }

    /// Gives the message back. The running result keeps what went wrong, so
    /// that whoever gives up on the message in the end can say why.
    async fn give_back(
        mut self,
        message: &WorkMessage,
        after: Duration,
        error: RegionError,
        clean: bool,
    ) -> Result<Action, Stop> {
        tracing::warn!(
            class = error.class.as_str(),
            code = error.code,
            error = error.error,
            retry_after_s = after.as_secs(),
            "the attempt broke off; the message comes again"
        );
        self.result.counts = Counts::default();
        self.result.errors = vec![error];
        self.store.put_region_result(&self.result).await?;
        let release = if clean { Release::Continued } else { Release::Abandoned };
        self.store.release(&self.lease, &release).await?;
        self.measure(message);
        Ok(Action::Redeliver { after })
    }

    fn report(&self, message: &WorkMessage) {
        let counts = &self.result.counts;
        tracing::info!(
            status = self.result.status.as_str(),
            total = counts.total_count,
            added = counts.added_count,
            updated = counts.updated_count,
            deleted = counts.deleted_count,
            unchanged = counts.unchanged_count,
            errors = counts.error_count,
            held = counts.held_count,
            "region synced"
        );
        self.measure(message);
    }

    fn measure(&self, message: &WorkMessage) {
        self.sync.measure(&self.result, message, &self.meter);
    }
}

impl RegionSync {
    /// Tells what an attempt amounted to, whether the region has ended or not.
    pub(crate) fn measure(&self, result: &RegionResult, message: &WorkMessage, meter: &Meter) {
        if message.mode == Mode::Plan {
            return;
        }
        let mut metrics = RegionMetrics::of(result, &message.scope(), &meter.read());
        metrics.concurrency = Some(self.busy.load(Ordering::Relaxed));
        self.metrics.region(metrics);
    }
}
