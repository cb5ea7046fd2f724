//! Walks the vendor's pages: the next is fetched while the last is compared.

use std::sync::Arc;

use cloud_sync_core::account::Region;
use cloud_sync_core::error::Handling;
use cloud_sync_core::listing::Page;
use cloud_sync_core::scope::Kind;
use cloud_sync_provider::Vendor;
use cloud_sync_runtime::clock::Clock;
use jiff::{SignedDuration, Timestamp};

use crate::attempt::{Stop, Work};

/// A walk whose token was rejected so often in one attempt gets nowhere.
const MOST_RESTARTS: u32 = 3;

/// Fetches pages; owns what it needs, so that it runs beside the comparison.
struct Fetcher {
    vendor: Arc<dyn Vendor>,
    kind: Kind,
    region: Region,
    clock: Arc<dyn Clock>,
    longest_wait: SignedDuration,
    wait_until: Timestamp,
}

impl Fetcher {
    /// Fetches one page, waiting in place where the vendor asks for a pause
    /// that is short enough.
    async fn fetch(&self, token: Option<String>) -> Result<Page, Stop> {
        loop {
            let error = match self.vendor.page(&self.kind, &self.region, token.as_deref()).await {
                Ok(page) => return Ok(page),
                Err(error) => error,
            };
            let wait = error
                .retry_after
                .filter(|_| error.class.handling() == Handling::Wait)
                .and_then(|wait| SignedDuration::try_from(wait).ok())
                .filter(|wait| *wait <= self.longest_wait)
                .filter(|wait| self.clock.now() + *wait < self.wait_until);
            let Some(wait) = wait else {
                return Err(error.into());
            };
            tracing::info!(code = error.code, wait_s = wait.as_secs(), "throttled; waiting");
            tokio::time::sleep(wait.unsigned_abs()).await;
        }
    }
}

impl Work<'_> {
    fn fetcher(&self) -> Fetcher {
        let settings = &self.sync.settings;
        let give_up_at = self.result.start_time + settings.give_up_after;
        Fetcher {
            vendor: self.vendor.clone(),
            kind: self.scope.kind.clone(),
            region: self.region.clone(),
            clock: self.sync.clock.clone(),
            longest_wait: settings.wait_in_place,
            wait_until: give_up_at.min(self.winding_down_at()),
        }
    }

    fn winding_down_at(&self) -> Timestamp {
        self.delivered.deadline - self.sync.settings.wind_down
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
                Err(Stop::Vendor(error)) if error.token_rejected && restarts < MOST_RESTARTS => {
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
            let fresh = self.walk.take(page)?;
            let is_time_up = self.sync.clock.now() >= self.winding_down_at();
            let next = (!self.walk.is_at_end() && !is_time_up)
                .then(|| fetcher.fetch(self.walk.token().map(str::to_owned)));
            let (processed, next) =
                futures::join!(self.process(fresh), futures::future::OptionFuture::from(next));
            processed?;
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
        self.walk.restart();
        self.before.checkpoint = None;
        self.result.counts.error_count = 0;
        self.result.errors.clear();
        self.doubtful.clear();
    }

    async fn check_cancelled(&mut self) -> Result<(), Stop> {
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
