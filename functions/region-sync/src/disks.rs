//! Walks the vendor's disks, page by page, before the list: the list is
//! compared with what was found.

use cloud_sync_core::budget::BUDGET_EXHAUSTED;
use cloud_sync_core::error::Handling;

use crate::work::{Stop, Work};

impl Work<'_> {
    /// Walks the pages of disks that are left, where the mode wants the disks
    /// of everything. Returns whether there is time for what comes after; if
    /// not, a checkpoint is to be saved.
    ///
    /// A walk that fails leaves disks unknown: an error is recorded, and the
    /// sync goes on with what it knows.
    pub(crate) async fn walk_disks(&mut self) -> Result<bool, Stop> {
        let wants_disks = self.details.wants_all() && self.details.is_listed();
        if !wants_disks || self.walk.is_at_end() {
            return Ok(true);
        }
        let fetcher = self.fetcher();
        let mut restarts = 0;
        self.details.begin(self.sync.clock.now());
        while let Some(token) = self.details.next_page() {
            self.check_cancelled().await?;
            let page = fetcher.fetch_disks(token).await;
            match page.and_then(|page| self.details.take(page)) {
                Ok(()) => {}
                Err(error) if self.may_restart(&error, restarts) => {
                    tracing::warn!(
                        code = error.code,
                        "page token rejected; walking the disks from the start"
                    );
                    restarts += 1;
                    self.details.restart(self.sync.clock.now());
                }
                Err(error)
                    if error.class.handling() == Handling::SkipRegion
                        || error.code == BUDGET_EXHAUSTED =>
                {
                    return Err(error.into());
                }
                Err(error) => {
                    self.details.fail();
                    self.note_secondary(&error);
                }
            }
            if self.is_time_up() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
