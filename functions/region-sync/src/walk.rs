//! Walks the vendor's pages: the next is fetched while the last is compared.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;

use cloud_sync_core::account::Region;
use cloud_sync_core::error::{Handling, VendorError};
use cloud_sync_core::listing::Page;
use cloud_sync_core::scope::Kind;
use cloud_sync_core::stats::StatusCounts;
use cloud_sync_provider::{DetailsPage, Vendor};
use cloud_sync_runtime::clock::Clock;
use futures::FutureExt;
use jiff::{SignedDuration, Timestamp};

use crate::compare::UNDECODABLE;
use crate::work::{Stop, Work};

/// A walk whose token was rejected so often in one attempt gets nowhere.
const MOST_RESTARTS: u32 = 3;

/// So many resources are doubtful at most: each costs a call and is held in
/// memory.
const MOST_DOUBTFUL: usize = 200;

/// Fetches pages; owns what it needs, so that it runs beside the comparison.
pub(crate) struct Fetcher {
    vendor: Arc<dyn Vendor>,
    kind: Kind,
    region: Region,
    clock: Arc<dyn Clock>,
    longest_wait: SignedDuration,
    wait_until: Timestamp,
}

impl Fetcher {
    /// Fetches one page of the list.
    async fn fetch(&self, token: Option<String>) -> Result<Page, Stop> {
        let page = || self.vendor.page(&self.kind, &self.region, token.as_deref());
        Ok(self.patiently(page).await?)
    }

    /// Fetches one page of the disks.
    pub(crate) async fn fetch_disks(
        &self,
        token: Option<String>,
    ) -> Result<DetailsPage, VendorError> {
        let page = || self.vendor.details_page(&self.kind, &self.region, token.as_deref());
        self.patiently(page).await
    }

    /// Asks, waiting in place where the vendor asks for a pause that is short
    /// enough.
    async fn patiently<T, F: Future<Output = Result<T, VendorError>>>(
        &self,
        ask: impl Fn() -> F,
    ) -> Result<T, VendorError> {
        loop {
            let error = match ask().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let wait = error
                .retry_after
                .filter(|_| error.class.handling() == Handling::Wait)
                .and_then(|wait| SignedDuration::try_from(wait).ok())
                .filter(|wait| *wait <= self.longest_wait)
                .filter(|wait| self.clock.now() + *wait < self.wait_until);
            let Some(wait) = wait else {
                return Err(error);
            };
            tracing::info!(code = error.code, wait_s = wait.as_secs(), "throttled; waiting");
            tokio::time::sleep(wait.unsigned_abs()).await;
        }
    }
}

impl Work<'_> {
    pub(crate) fn fetcher(&self) -> Fetcher {
        Fetcher {
            vendor: self.vendor.clone(),
            kind: self.scope.kind.clone(),
            region: self.region.clone(),
            clock: self.sync.clock.clone(),
            longest_wait: self.sync.settings.wait_in_place,
            wait_until: self.give_up_at().min(self.winding_down_at()),
        }
    }

    fn winding_down_at(&self) -> Timestamp {
        self.delivered.deadline - self.sync.settings.wind_down
    }

    /// Tells whether what is left of the worker's time is for a checkpoint.
    pub(crate) fn is_time_up(&self) -> bool {
        self.sync.clock.now() >= self.winding_down_at()
    }

    /// Tells whether a walk whose page token was rejected may start again,
    /// which it did so often already.
    pub(crate) fn may_restart(&self, error: &VendorError, restarts: u32) -> bool {
        error.token_rejected
            && restarts < MOST_RESTARTS
            && self.sync.clock.now() < self.give_up_at()
    }

    /// Walks every page that is left and compares it. Returns whether there
    /// is time for what comes after; if not, a checkpoint was saved.
    pub(crate) async fn walk_pages(&mut self) -> Result<bool, Stop> {
        let fetcher = self.fetcher();
        let mut restarts = 0;
        let mut fetched = None;
        while !self.walk.is_at_end() {
            self.check_cancelled().await?;
            let page = match fetched.take() {
                Some(page) => page,
                None => fetcher.fetch(self.walk.token().map(str::to_owned)).await,
            };
            let page = match page {
                Ok(page) => page,
                Err(Stop::Vendor(error)) if self.may_restart(&error, restarts) => {
                    tracing::warn!(
                        code = error.code,
                        "page token rejected; walking from the start"
                    );
                    restarts += 1;
                    self.restart();
                    continue;
                }
                Err(stop) => return Err(stop),
            };
            let fresh = self.walk.take(page, self.tally.ids_mut())?;
            let is_time_up = self.is_time_up();
            let next = (!self.walk.is_at_end() && !is_time_up).then(|| {
                let page = fetcher.fetch(self.walk.token().map(str::to_owned));
                AssertUnwindSafe(page).catch_unwind()
            });
            let (processed, next) =
                futures::join!(self.process(fresh), futures::future::OptionFuture::from(next));
            processed?;
            // A panic beside the comparison waits until its writes are done:
            // those in flight would be counted by nobody.
            let next = next.map(|next| next.unwrap_or_else(|panic| resume_unwind(panic)));
            if self.doubtful.len() >= MOST_DOUBTFUL {
                self.settle_doubtful().await?;
            }
            if is_time_up {
                // At the end of the walk too: the deletions deserve a worker
                // with time left.
                self.settle_doubtful().await?;
                self.save_checkpoint().await?;
                return Ok(false);
            }
            fetched = next;
        }
        Ok(true)
    }

    /// Walks from the start again. What was compared stays compared; nothing
    /// was deleted yet.
    fn restart(&mut self) {
        // What the disks cost in errors stays.
        let errors = &mut self.result.counts.error_count;
        *errors = errors.saturating_sub(self.walk.undecodable());
        self.result.errors.retain(|error| error.code != UNDECODABLE);
        self.walk.restart(self.tally.ids_mut());
        self.tally.restart();
        self.statuses.seen = StatusCounts::default();
        self.progress.parts.ids.clear();
        self.doubtful.clear();
    }

    pub(crate) async fn check_cancelled(&mut self) -> Result<(), Stop> {
        let now = self.sync.clock.now();
        if now.duration_since(self.cancel_checked) < self.sync.settings.cancel_check {
            return Ok(());
        }
        self.check_cancelled_now().await
    }

    /// Stops the attempt where an operator wants the task to stop.
    pub(crate) async fn check_cancelled_now(&mut self) -> Result<(), Stop> {
        self.cancel_checked = self.sync.clock.now();
        let task = self.store.task(&self.message().task_id).await?;
        let is_wanted = task.is_some_and(|t| !t.cancel_requested && !t.status.is_terminal());
        if is_wanted { Ok(()) } else { Err(Stop::Cancelled) }
    }
}
