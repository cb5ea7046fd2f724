//! What is done about what goes wrong: the one place where an error's class
//! decides.

use std::time::Duration;

use cloud_sync_core::account::{Account, Suspension};
use cloud_sync_core::budget::BUDGET_EXHAUSTED;
use cloud_sync_core::error::{ErrorClass, Handling, VendorError};
use cloud_sync_core::message::Mode;
use cloud_sync_core::task::RegionError;
use cloud_sync_runtime::notify::Notice;
use cloud_sync_runtime::store::Store;
use jiff::{SignedDuration, Timestamp};

use crate::closing::Ending;
use crate::work::{Stop, Work};
use crate::{RegionSync, backoff};

impl RegionSync {
    /// Suspends an account, and tells the operators once.
    pub(crate) async fn suspend(
        &self,
        store: &dyn Store,
        account: &Account,
        suspension: &Suspension,
    ) -> Result<(), Stop> {
        self.credentials.forget(&account.credentials).await;
        if store.suspend(&account.id, suspension).await? {
            let notice = Notice::account_suspended(&account.id, suspension);
            self.tell(&notice).await;
        }
        Ok(())
    }
}

impl Work<'_> {
    /// Returns how an attempt ends that was stopped.
    pub(crate) async fn ending_after(&mut self, stop: Stop) -> Result<Ending, Stop> {
        let now = self.sync.clock.now();
        let again = backoff(self.delivered.receive_count);
        let error = match stop {
            Stop::Cancelled => return Ok(Ending::Cancelled),
            Stop::PlanTooLong => {
                let text = stop.to_string();
                let error = RegionError::new(ErrorClass::Internal, "PlanTooLong", &text, now);
                return Ok(Ending::Failed { error, clean: true });
            }
            Stop::Vendor(error) if error.code == BUDGET_EXHAUSTED => {
                let error = RegionError::of_vendor(&error, now);
                return Ok(Ending::Failed { error, clean: true });
            }
            Stop::Stalled(error) => {
                let error =
                    RegionError::new(ErrorClass::Data, "EndlessListing", &error.to_string(), now);
                return Ok(Ending::Failed { error, clean: true });
            }
            Stop::Store(_) | Stop::Queue(_) | Stop::OutOfTime => {
                let error =
                    RegionError::new(ErrorClass::Internal, "BrokenOff", &stop.to_string(), now);
                return Ok(self.again_or_failed(again, error, false));
            }
            Stop::Vendor(error) => error,
        };
        let recorded = RegionError::of_vendor(&error, now);
        match error.class.handling() {
            Handling::SkipRegion => Ok(Ending::Skipped),
            Handling::StopAccount => {
                self.suspend(&error, now).await?;
                Ok(Ending::Failed { error: recorded, clean: true })
            }
            Handling::Record | Handling::FailRegion => {
                Ok(Ending::Failed { error: recorded, clean: true })
            }
            Handling::Retry | Handling::Wait => {
                let after = error.retry_after.unwrap_or(again).max(Duration::from_secs(1));
                let is_clean = self.save_progress().await;
                Ok(self.again_or_failed(after, recorded, is_clean))
            }
        }
    }

    /// Saves a checkpoint for the next attempt, if it can: without one that
    /// attempt only begins anew. Returns whether every write is whole.
    async fn save_progress(&mut self) -> bool {
        let saved = match self.settle_doubtful().await {
            Ok(()) => self.save_checkpoint().await,
            Err(stop) => Err(stop),
        };
        if let Err(error) = &saved {
            tracing::warn!(%error, "no checkpoint could be saved");
        }
        saved.is_ok()
    }

    fn again_or_failed(&self, after: Duration, error: RegionError, clean: bool) -> Ending {
        let give_up_at = self.give_up_at();
        let comes_at = SignedDuration::try_from(after)
            .ok()
            .and_then(|after| self.sync.clock.now().checked_add(after).ok());
        if comes_at.is_none_or(|at| at > give_up_at) {
            Ending::Failed { error, clean }
        } else {
            Ending::Again { after, error, clean }
        }
    }

    async fn suspend(&self, error: &VendorError, now: Timestamp) -> Result<(), Stop> {
        let suspension = Suspension {
            at: now,
            code: error.code.clone(),
            reason: error.message.clone(),
            task_id: self.message().task_id.clone(),
            credentials_digest: self.credentials_digest.clone(),
        };
        self.sync.suspend(self.store.as_ref(), &self.account, &suspension).await
    }

    pub(crate) async fn tell_of_held(&self) {
        let notice =
            Notice::deletions_held(&self.scope, &self.message().task_id, self.tally.held());
        // Once is enough: the same rows held again are no news.
        if self.before.findings.held_count == 0 && self.message().mode != Mode::Plan {
            self.sync.tell(&notice).await;
        }
    }

    /// Records the failure of a secondary call; what it would have told stays
    /// unknown.
    pub(crate) fn note_secondary(&mut self, error: &VendorError) {
        tracing::warn!(api = error.api, code = error.code, error = error.message, "secondary call");
        self.result.record(RegionError::of_vendor(error, self.sync.clock.now()));
    }

    /// Records that the vendor does not tell the details of one resource,
    /// which stay unknown.
    pub(crate) fn note_refused(&mut self, id: &str, error: &VendorError) {
        let VendorError { api, code, message, .. } = error;
        tracing::warn!(resource_id = id, api, code, error = message, "details are refused");
        let now = self.sync.clock.now();
        let recorded = RegionError::of_vendor(error, now);
        let RegionError { code, error, .. } = &recorded;
        self.result.record(RegionError::of_resource(Some(id), code, error, now));
    }
}
