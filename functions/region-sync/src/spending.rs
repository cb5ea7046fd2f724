//! What an attempt costs: added up, held against the account's budget, and
//! remembered for the schedule and for those who ask next.

use cloud_sync_core::message::Mode;
use cloud_sync_core::pace::still_learnt;
use cloud_sync_core::schedule::Rhythm;

use crate::work::{Stop, Work};

impl Work<'_> {
    /// Adds up what the attempt cost.
    pub(crate) async fn account_for(&mut self) -> Result<(), Stop> {
        self.meter.record_work(self.sync.since(self.entered));
        if let Some(spending) = &self.spending {
            spending.settle().await?;
        }
        self.remember_paces().await?;
        self.result.cost = self.meter.read().cost.plus(&self.earlier_cost);
        Ok(())
    }

    /// Remembers what throttling taught, for workers in other processes.
    async fn remember_paces(&self) -> Result<(), Stop> {
        let paces = still_learnt(&self.vendor.paces(&self.region), self.sync.clock.now());
        if paces != self.before.paces {
            self.store.set_paces(&self.lease, &paces).await?;
        }
        Ok(())
    }

    /// Returns how often the scope changes, this sync included. What a look
    /// costs is what one costs that does not walk the disks.
    pub(crate) fn rhythm(&self) -> Rhythm {
        let before = self.before.findings.rhythm;
        let is_light = self.message().mode == Mode::Incremental || before.calls == 0;
        let calls = if is_light { self.result.cost.api_calls } else { before.calls };
        let is_first = self.before.findings.last_complete_at.is_none();
        let changes = if is_first { 0 } else { self.tally.changes() };
        before.after(self.began, changes, calls)
    }
}
