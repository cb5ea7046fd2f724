//! Adds a task up from its regions, and ends what will not end by itself.
//!
//! Everything is recomputed from what is stored, so a message may come twice,
//! late, or in any order. **Invariant**: every task ends; the messages that
//! lead here are the regions' results, the dead letters, and the dispatcher's
//! word of overdue tasks.

mod dead_letter;
pub mod event;

use std::sync::Arc;

use cloud_sync_core::error::ErrorClass;
use cloud_sync_core::lease::{LeaseRequest, Release};
use cloud_sync_core::message::Mode;
use cloud_sync_core::scope::Scope;
use cloud_sync_core::stats::{Live, Snapshot, day_of_task};
use cloud_sync_core::task::{IllegalTransition, RegionError, RegionResult, SyncTask, TaskStatus};
use cloud_sync_runtime::clock::Clock;
use cloud_sync_runtime::metrics::{MetricSink, TaskMetrics};
use cloud_sync_runtime::notify::{Notice, Notifier};
use cloud_sync_runtime::store::{Acquisition, Store, StoreError};
use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

/// What a finalizer works with.
pub struct Finalizer {
    /// The tables.
    pub store: Arc<dyn Store>,
    /// Who is told of failed tasks and dead letters.
    pub notifier: Arc<dyn Notifier>,
    /// Where metrics go.
    pub metrics: Arc<dyn MetricSink>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// The lease of a scope is taken for so long to end a region of it.
const GIVING_UP_TIME: SignedDuration = SignedDuration::from_mins(2);

/// What is live so long after a task's end is noted for the day of that end.
const STILL_THE_DAY: SignedDuration = SignedDuration::from_mins(10);

/// A task could not be added up; the same message again is right.
#[derive(Debug, Error)]
pub enum FinalizeError {
    /// The tables.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A worker holds the scope that is to be given up.
    #[error("a worker still holds {0}; its region is given up later")]
    Busy(Scope),
    /// A stored task and its regions contradict each other.
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
}

impl Finalizer {
    /// Adds a task up, and ends it where all its regions have ended or its
    /// deadline is past. Returns it as it is then; `None` where there is no
    /// such task.
    ///
    /// # Errors
    ///
    /// The tables failed; the same call again does the rest.
    pub async fn look_at(&self, task_id: &str) -> Result<Option<SyncTask>, FinalizeError> {
        let Some(task) = self.store.task(task_id).await? else {
            tracing::warn!(task_id, "a message of a task that does not exist; dropped");
            return Ok(None);
        };
        if task.status.is_terminal() {
            // The region whose word this is may have been released since.
            self.note_live(&task).await?;
            return Ok(Some(task));
        }
        let mut results = self.store.region_results(task_id).await?;
        if self.clock.now() > task.deadline {
            for region in task.open_regions(&results) {
                let text = format!("nothing was heard of the region until {}", task.deadline);
                // Where a worker holds the scope after all, a later look does.
                self.give_up(&task, &region, "Overdue", &text).await?;
            }
            results = self.store.region_results(task_id).await?;
        }
        let task = task.add_up(&results, self.clock.now())?;
        // Before the end: what dies in between is done again.
        self.note_live(&task).await?;
        let is_written = self.store.update_task(&task).await?;
        if is_written && task.status.is_terminal() {
            self.report(&task).await;
        }
        Ok(Some(task))
    }

    /// Notes for the day of a task that ends what is live of its kind then,
    /// where it has looked at whole scopes.
    async fn note_live(&self, task: &SyncTask) -> Result<(), FinalizeError> {
        let at = self.clock.now();
        let is_recent = task.end_time.is_some_and(|end| at.duration_since(end) < STILL_THE_DAY);
        let Some(day) = day_of_task(task).filter(|_| task.mode.is_sync() && is_recent) else {
            return Ok(());
        };
        let (account_id, kind) = (&task.account_id, &task.resource_type);
        let live = Live::of(&self.store.scopes_of_kind(account_id, kind).await?);
        Ok(self.store.put_snapshot(account_id, kind, day, &Snapshot { at, live }).await?)
    }

    /// Ends every region of a task that has not ended, and the task with them.
    /// Only for a caller who knows that no worker lives.
    ///
    /// # Errors
    ///
    /// The tables failed; the same call again does the rest.
    pub async fn end_interrupted(&self, task_id: &str) -> Result<Option<SyncTask>, FinalizeError> {
        if let Some(task) = self.store.task(task_id).await?
            && !task.status.is_terminal()
        {
            let results = self.store.region_results(task_id).await?;
            for region in task.open_regions(&results) {
                let text = "the process that ran the task ended before the region did";
                self.give_up(&task, &region, "Interrupted", text).await?;
            }
        }
        self.look_at(task_id).await
    }

    /// Records that a region will not end by itself: failed, with the counts
    /// that its change records have. Returns whether it could: a region that a
    /// worker is at work on is that worker's to end.
    async fn give_up(
        &self,
        task: &SyncTask,
        region: &str,
        code: &str,
        text: &str,
    ) -> Result<bool, FinalizeError> {
        let now = self.clock.now();
        let request = LeaseRequest {
            owner: format!("finalizer/{}", task.task_id),
            task_id: task.task_id.clone(),
            now,
            expires_at: now + GIVING_UP_TIME,
        };
        let lease = match self.store.acquire(&task.scope(region), &request).await? {
            Acquisition::Acquired { lease, .. } => lease,
            Acquisition::Held { until } => {
                tracing::info!(task_id = task.task_id, region, %until, "a worker has the scope");
                return Ok(false);
            }
        };
        let ended = self.end_region(task, region, code, text, now).await;
        // The next holder finishes what is unfinished.
        match self.store.release(&lease, &Release::Abandoned).await {
            Ok(()) | Err(StoreError::LeaseLost(_)) => {}
            Err(error) => tracing::warn!(%error, "the lease runs until it expires"),
        }
        ended.map(|()| true)
    }

    async fn end_region(
        &self,
        task: &SyncTask,
        region: &str,
        code: &str,
        text: &str,
        now: Timestamp,
    ) -> Result<(), FinalizeError> {
        let stored = self.store.region_result(&task.task_id, region).await?;
        let mut result = stored.unwrap_or_else(|| RegionResult::begin(&task.task_id, region, now));
        let text = match result.errors.last() {
            Some(last) => format!("{text}; before that: {}: {}", last.code, last.error),
            None => text.to_owned(),
        };
        let class = result.errors.last().map_or(ErrorClass::Internal, |last| last.class);
        result.counts = self.store.recorded_counts(&task.scope(region), &task.task_id).await?;
        result.errors.clear();
        result.fail(RegionError::new(class, code, &text, now), now);
        tracing::error!(task_id = task.task_id, region, code, error = text, "region given up");
        self.store.put_region_result(&result).await?;
        Ok(())
    }

    async fn report(&self, task: &SyncTask) {
        tracing::info!(
            task_id = task.task_id,
            status = task.status.as_str(),
            total = task.counts.total_count,
            added = task.counts.added_count,
            updated = task.counts.updated_count,
            deleted = task.counts.deleted_count,
            errors = task.counts.error_count,
            duration_ms = task.duration_ms,
            "task ended"
        );
        if task.mode == Mode::Plan {
            return;
        }
        self.metrics.task(TaskMetrics::of(task));
        if task.status == TaskStatus::Failed {
            self.tell(&Notice::task_failed(task)).await;
        }
    }

    async fn tell(&self, notice: &Notice) {
        if let Err(error) = self.notifier.notify(notice).await {
            tracing::error!(%error, subject = notice.subject(), "a notice could not be sent");
        }
    }
}
