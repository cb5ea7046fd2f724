//! What an attempt costs: added up, held against the account's budget, and
//! remembered for the schedule and for those who ask next.

use std::time::Duration;

use cloud_sync_core::budget::{Spent, day};
use cloud_sync_core::message::Mode;
use cloud_sync_core::schedule::Rhythm;

use crate::attempt::{Stop, Work};

/// The code of the error that an account may spend no more today.
pub(crate) const BUDGET_EXHAUSTED: &str = "BudgetExhausted";

impl Work<'_> {
    /// Adds up what the attempt cost.
    pub(crate) async fn account_for(&mut self) -> Result<(), Stop> {
        let spent = self.sync.clock.now().duration_since(self.entered);
        self.meter.record_work(Duration::try_from(spent).unwrap_or_default());
        self.count_spent().await?;
        self.remember_paces().await?;
        self.result.cost = self.meter.read().cost.plus(&self.earlier_cost);
        Ok(())
    }

    /// Stops the attempt where the account may spend no more today.
    pub(crate) fn check_budget(&self) -> Result<(), Stop> {
        let (budget, now) = (&self.account.budget, self.sync.clock.now());
        if budget.hard_calls_a_day.is_none() {
            return Ok(());
        }
        let more = self.meter.read().cost.api_calls;
        match budget.exhausted(self.spent.as_ref(), more, now) {
            Some(why) => Err(Stop::BudgetExhausted(why)),
            None => Ok(()),
        }
    }

    /// Counts what this attempt has spent, where the account has a budget.
    async fn count_spent(&self) -> Result<(), Stop> {
        let calls = self.meter.read().cost.api_calls;
        if self.account.budget.is_some() && calls > 0 {
            let spent = Spent { day: day(self.sync.clock.now()), calls };
            self.store.add_spent(&self.account.id, &spent).await?;
        }
        Ok(())
    }

    /// Remembers what throttling taught, for workers in other processes.
    async fn remember_paces(&self) -> Result<(), Stop> {
        let paces = self.vendor.paces(&self.region);
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
