//! One attempt at a scope: from the lease to how it ends.

use std::sync::Arc;
use std::time::Duration;

use cloud_sync_core::account::{Account, AccountRecord, Region};
use cloud_sync_core::budget::BUDGET_EXHAUSTED;
use cloud_sync_core::error::{ErrorClass, Handling};
use cloud_sync_core::lease::{Lease, LeaseRequest, Release, ScopeState};
use cloud_sync_core::message::{Mode, WorkMessage};
use cloud_sync_core::meter::Meter;
use cloud_sync_core::task::{RegionError, RegionResult, SyncTask, TASK_TIME};
use cloud_sync_provider::Vendor;
use cloud_sync_runtime::queue::messages::{result_message, work_message};
use cloud_sync_runtime::spending::Spending;
use cloud_sync_runtime::store::plan::PlanStore;
use cloud_sync_runtime::store::{Acquisition, Store, StoreError};
use jiff::{SignedDuration, Timestamp};

use crate::closing::{Closing, Ending};
use crate::identity::Caller;
use crate::work::{Stop, Work};
use crate::{Action, Delivered, RegionSync, backoff};

/// A scope whose lease is held, and the task it is held for.
pub(crate) struct Leased<'a> {
    pub(crate) task: &'a SyncTask,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) lease: Lease,
    pub(crate) before: ScopeState,
}

/// What an attempt has begun with.
pub(crate) struct Begun {
    pub(crate) result: RegionResult,
    /// What it spends, where the account has a budget.
    pub(crate) spending: Option<Arc<Spending>>,
    /// When.
    pub(crate) at: Timestamp,
}

/// An account that is ready to be asked.
pub(crate) struct Opened {
    pub(crate) account: Account,
    pub(crate) region: Region,
    pub(crate) credentials_digest: String,
    pub(crate) vendor: Arc<dyn Vendor>,
}

impl RegionSync {
    pub(crate) async fn attempt(&self, delivered: &Delivered) -> Result<Action, Stop> {
        let message = &delivered.message;
        let (scope, meter) = (message.scope(), Arc::new(Meter::default()));
        let mut store = self.store.metered(meter.clone());
        if message.mode == Mode::Plan {
            store = Arc::new(PlanStore::new(store));
        }
        let Some(task) = self.open_task(store.as_ref(), message).await? else {
            return Ok(Action::Done);
        };
        let now = self.clock.now();
        let request = LeaseRequest {
            owner: delivered.owner.clone(),
            task_id: message.task_id.clone(),
            now,
            expires_at: delivered.deadline + self.settings.lease_margin,
        };
        let (lease, before) = match store.acquire(&scope, &request).await? {
            Acquisition::Acquired { lease, before } => (lease, *before),
            Acquisition::Held { until } => {
                let wait = until.duration_since(now).max(SignedDuration::from_secs(1));
                tracing::info!(%until, "another worker holds the scope");
                return Ok(Action::Redeliver { after: wait.unsigned_abs() });
            }
        };
        let leased = Leased {
            task: &task,
            store: store.clone(),
            meter: meter.clone(),
            lease: lease.clone(),
            before,
        };
        let ended = self.attempt_under(delivered, leased).await;
        if ended.is_err() {
            let begun = RegionResult::begin(&task.task_id, &message.region, now);
            self.measure(&begun, message, &meter);
            // The next attempt need not wait for a lease that nobody uses. It
            // was let go already where only the word to others failed.
            match store.release(&lease, &Release::Abandoned).await {
                Ok(()) | Err(StoreError::LeaseLost(_)) => {}
                Err(error) => tracing::warn!(%error, "the lease runs until it expires"),
            }
        }
        ended
    }

    /// Makes the attempt, under a lease.
    async fn attempt_under(
        &self,
        delivered: &Delivered,
        leased: Leased<'_>,
    ) -> Result<Action, Stop> {
        let Leased { store, meter, lease, before, .. } = &leased;
        let message = &delivered.message;
        let now = self.clock.now();
        if let Some(first) = self.to_let_first(store.as_ref(), message, before).await? {
            tracing::info!(checkpoint = first, "lets a task go first that is in the middle");
            let later = WorkMessage { yielded_to: Some(first), ..message.clone() };
            self.work.send(&[work_message(&later)]).await?;
            store.release(lease, &untouched(before)).await?;
            return Ok(Action::Done);
        }
        let Some(result) = self.begin_result(store.as_ref(), message, now).await? else {
            tracing::info!("the region ended while this worker waited for the scope");
            store.release(lease, &untouched(before)).await?;
            self.results.send(&[result_message(&message.task_id)]).await?;
            return Ok(Action::Done);
        };
        let mut spending = None;
        let ended = if leased.task.cancel_requested {
            Err(Ending::Cancelled)
        } else {
            let record = store.account(&message.account_id).await?;
            let guard = |record| Spending::guard(record, meter, &self.store, &self.clock);
            spending = record.as_ref().and_then(guard);
            let opened = self.open_account(store.as_ref(), delivered, record, meter).await?;
            opened.map_err(|error| self.ending_unopened(delivered, &result, before, error))
        };
        match ended {
            Ok(opened) => {
                let begun = Begun { result, spending, at: now };
                Work::begin(self, delivered, leased, opened, begun).run_to_end().await
            }
            Err(ending) => {
                let Leased { store, meter, lease, before, .. } = leased;
                let (sync, recovered) = (self, before.lease.is_none());
                let closing =
                    Closing { sync, store, meter, lease, result, findings: None, recovered };
                closing.end_unopened(delivered, spending, now, ending).await
            }
        }
    }

    /// Returns the name of a checkpoint in the middle of another task, which
    /// goes first: two long tasks that took turns would each start anew every
    /// time. `None` where that task got no further since it was let go first
    /// before: its messages are lost.
    async fn to_let_first(
        &self,
        store: &dyn Store,
        message: &WorkMessage,
        before: &ScopeState,
    ) -> Result<Option<String>, Stop> {
        let Some(other) = before.checkpoint.as_ref().filter(|c| c.task_id != message.task_id)
        else {
            return Ok(None);
        };
        if message.yielded_to.as_ref() == Some(&other.name()) {
            return Ok(None);
        }
        let task = store.task(&other.task_id).await?;
        let result = store.region_result(&other.task_id, &message.region).await?;
        let is_open = task.is_some_and(|task| !task.status.is_terminal())
            && result.is_some_and(|result| !result.status.is_terminal());
        Ok(is_open.then(|| other.name()))
    }

    /// Returns the task of a message, begun; `None` where there is nothing to
    /// be done for it any more.
    async fn open_task(
        &self,
        store: &dyn Store,
        message: &WorkMessage,
    ) -> Result<Option<SyncTask>, Stop> {
        let deadline = self.clock.now() + TASK_TIME;
        let Some(task) = store.start_task(&message.task_id, deadline).await? else {
            tracing::warn!("a message of a task that does not exist; dropped");
            return Ok(None);
        };
        if !task.regions.contains(&message.region) {
            tracing::warn!("a message of a region that its task does not have; dropped");
            return Ok(None);
        }
        let result = store.region_result(&task.task_id, &message.region).await?;
        let has_ended = result.is_some_and(|result| result.status.is_terminal());
        if has_ended && !task.status.is_terminal() {
            // The word to the finalizer may have been lost with the worker.
            self.results.send(&[result_message(&task.task_id)]).await?;
        }
        Ok((!has_ended && !task.status.is_terminal()).then_some(task))
    }

    /// Returns the region's result as this attempt begins it; `None` where it
    /// has ended, which only the lease's holder can be sure of.
    async fn begin_result(
        &self,
        store: &dyn Store,
        message: &WorkMessage,
        now: Timestamp,
    ) -> Result<Option<RegionResult>, Stop> {
        let (task_id, region) = (&message.task_id, &message.region);
        let result = match store.region_result(task_id, region).await? {
            Some(earlier) if earlier.status.is_terminal() => return Ok(None),
            Some(earlier) => RegionResult {
                attempts: earlier.attempts + 1,
                start_time: earlier.start_time,
                cost: earlier.cost,
                ..RegionResult::begin(task_id, region, now)
            },
            None => RegionResult::begin(task_id, region, now),
        };
        store.put_region_result(&result).await?;
        Ok(Some(result))
    }

    /// Waits until what others wrote before is in the indexes too.
    pub(crate) async fn settle_indexes(&self) {
        tokio::time::sleep(self.store.index_lag()).await;
    }

    /// Returns how long ago that was.
    pub(crate) fn since(&self, begin: Timestamp) -> Duration {
        Duration::try_from(self.clock.now().duration_since(begin)).unwrap_or_default()
    }

    /// Returns how an attempt ends whose account could not be opened. What may
    /// pass by itself is worth another attempt.
    fn ending_unopened(
        &self,
        delivered: &Delivered,
        result: &RegionResult,
        before: &ScopeState,
        error: RegionError,
    ) -> Ending {
        let give_up_at = result.start_time + self.settings.give_up_after;
        let may_pass = matches!(error.class.handling(), Handling::Retry | Handling::Wait)
            && error.code != BUDGET_EXHAUSTED;
        if may_pass && self.clock.now() < give_up_at {
            let after = backoff(delivered.receive_count);
            return Ending::Again { after, error, clean: before.lease.is_none() };
        }
        Ending::Failed { error, clean: true }
    }

    async fn open_account(
        &self,
        store: &dyn Store,
        delivered: &Delivered,
        record: Option<AccountRecord>,
        meter: &Arc<Meter>,
    ) -> Result<Result<Opened, RegionError>, Stop> {
        let (scope, task_id) = (delivered.message.scope(), &delivered.message.task_id);
        let now = self.clock.now();
        let fail =
            |class, code: &str, text: &str| Ok(Err(RegionError::new(class, code, text, now)));
        let Some(record) = record else {
            return fail(ErrorClass::Internal, "UnknownAccount", "the account is not configured");
        };
        let credentials = match self.credentials.credentials(&record.account.credentials).await {
            Ok(credentials) => credentials,
            Err(error) => {
                return fail(error.class(), "CredentialsUnavailable", &error.to_string());
            }
        };
        let credentials_digest = record.account.digest(&credentials);
        if let Some(suspension) = &record.suspended {
            if suspension.credentials_digest == credentials_digest {
                let text = format!(
                    "suspended since {} after {}: {}",
                    suspension.at, suspension.code, suspension.reason
                );
                return fail(ErrorClass::Auth, "AccountSuspended", &text);
            }
            store.resume(&scope.account_id).await?;
        }
        let vendor = match self.vendors.open(&record.account, credentials, meter.clone()) {
            Ok(vendor) => vendor,
            Err(error) => return fail(ErrorClass::Internal, "InvalidAccount", &error.to_string()),
        };
        if let Some(why) = record.account.budget.exhausted(record.spent.as_ref(), 0, now) {
            return fail(ErrorClass::Throttled, BUDGET_EXHAUSTED, &why);
        }
        let caller = Caller {
            vendor: vendor.as_ref(),
            digest: &credentials_digest,
            task_id,
            deadline: delivered.deadline,
        };
        if let Err(error) = self.check_identity(store, &record, caller).await? {
            return Ok(Err(error));
        }
        let mut known = record.regions.iter().flat_map(|cache| &cache.regions);
        let region = known.find(|region| region.id == scope.region).cloned();
        let region = region.unwrap_or_else(|| Region::new(&scope.region));
        Ok(Ok(Opened { account: record.account, region, credentials_digest, vendor }))
    }

    /// Ends a region in failure from outside an attempt, with the counts that
    /// the change records have. Only the lease's holder may: another worker's
    /// region must not end under its hands.
    pub(crate) async fn fail_region(
        &self,
        delivered: &Delivered,
        error: RegionError,
    ) -> Result<Action, Stop> {
        let message = &delivered.message;
        let (scope, now) = (message.scope(), self.clock.now());
        let request = LeaseRequest {
            owner: delivered.owner.clone(),
            task_id: message.task_id.clone(),
            now,
            expires_at: delivered.deadline + self.settings.lease_margin,
        };
        let lease = match self.store.acquire(&scope, &request).await? {
            Acquisition::Acquired { lease, .. } => lease,
            Acquisition::Held { .. } => {
                return Ok(Action::Redeliver { after: backoff(delivered.receive_count) });
            }
        };
        let begun = self.begin_result(self.store.as_ref(), message, now).await?;
        if let Some(mut result) = begun {
            self.settle_indexes().await;
            result.counts = self.store.recorded_counts(&scope, &message.task_id).await?;
            result.fail(error, now);
            if self.clock.now() >= delivered.deadline {
                return Err(Stop::OutOfTime);
            }
            self.store.put_region_result(&result).await?;
        }
        self.store.release(&lease, &Release::Abandoned).await?;
        self.results.send(&[result_message(&message.task_id)]).await?;
        Ok(Action::Done)
    }
}

/// Returns the release of a lease under which nothing was done.
const fn untouched(before: &ScopeState) -> Release {
    if before.lease.is_none() { Release::Continued } else { Release::Abandoned }
}
