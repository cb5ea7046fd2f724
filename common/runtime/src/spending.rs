//! An account's budget, while a piece of work spends of it.
//!
//! Nobody knows at every moment what all workers have spent: each counts its
//! own calls, tells the account's item every [`TOLD_EVERY`] of them, and hears
//! then what all have told. So with a hard budget of H calls a day, W workers
//! make at most H + W × [`TOLD_EVERY`]; one that dies leaves as many of its own
//! untold. Where there is no budget nothing is counted, read or written.

use std::fmt;
use std::sync::{Arc, Weak};

use cloud_sync_core::account::AccountRecord;
use cloud_sync_core::budget::{BudgetPolicy, Spent, TOLD_EVERY, day};
use cloud_sync_core::meter::{Gate, Meter, Passing};
use tokio::sync::Mutex;

use crate::clock::Clock;
use crate::store::{Result, Store};

/// What one piece of work spends of an account's budget.
pub struct Spending {
    account_id: String,
    budget: BudgetPolicy,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    /// Counts what telling costs. It holds this as its gate.
    meter: Weak<Meter>,
    /// So many calls are not told, at most.
    told_every: u64,
    sums: Mutex<Sums>,
}

#[derive(Debug, Default)]
struct Sums {
    /// What all had told when this one last did.
    told: Option<Spent>,
    /// The calls since.
    untold: u64,
}

impl Spending {
    /// Has what `meter` counts pass an account's budget, where it has one. What
    /// is not told yet at the end of the work has to be settled.
    pub fn guard(
        record: &AccountRecord,
        meter: &Arc<Meter>,
        store: &Arc<dyn Store>,
        clock: &Arc<dyn Clock>,
    ) -> Option<Arc<Self>> {
        // A soft budget is looked at by the schedule alone.
        let is_hard = record.account.budget.hard_calls_a_day.is_some();
        let told_every = if is_hard { TOLD_EVERY } else { u64::MAX };
        Self::telling(record, meter, store, clock, told_every)
    }

    /// Has what `meter` counts pass an account's budget, where it has one. Each
    /// call is told, so that there is nothing to settle.
    pub fn guard_each(
        record: &AccountRecord,
        meter: &Arc<Meter>,
        store: &Arc<dyn Store>,
        clock: &Arc<dyn Clock>,
    ) {
        Self::telling(record, meter, store, clock, 1);
    }

    fn telling(
        record: &AccountRecord,
        meter: &Arc<Meter>,
        store: &Arc<dyn Store>,
        clock: &Arc<dyn Clock>,
        told_every: u64,
    ) -> Option<Arc<Self>> {
        if !record.account.budget.is_some() {
            return None;
        }
        let spending = Arc::new(Self {
            account_id: record.account.id.clone(),
            budget: record.account.budget,
            store: store.clone(),
            clock: clock.clone(),
            meter: Arc::downgrade(meter),
            told_every,
            sums: Mutex::new(Sums { told: record.spent.clone(), untold: 0 }),
        });
        meter.guard(spending.clone());
        Some(spending)
    }

    /// Tells what is not told yet.
    ///
    /// # Errors
    ///
    /// The tables failed.
    pub async fn settle(&self) -> Result<()> {
        let mut sums = self.sums.lock().await;
        if sums.untold > 0 { self.tell(&mut sums).await } else { Ok(()) }
    }

    async fn tell(&self, sums: &mut Sums) -> Result<()> {
        let spent = Spent { day: day(self.clock.now()), calls: sums.untold };
        let meter = self.meter.upgrade();
        let store = meter.map_or_else(|| self.store.clone(), |meter| self.store.metered(meter));
        sums.told = store.add_spent(&self.account_id, &spent).await?;
        sums.untold = 0;
        Ok(())
    }
}

impl Gate for Spending {
    fn pass(&self) -> Passing<'_> {
        Box::pin(async {
            let mut sums = self.sums.lock().await;
            self.budget.check(sums.told.as_ref(), sums.untold, self.clock.now())?;
            sums.untold += 1;
            if sums.untold >= self.told_every
                && let Err(error) = self.tell(&mut sums).await
            {
                // The next call tries again; that this one is counted is sure.
                tracing::warn!(account = self.account_id, %error, "nobody was told what is spent");
            }
            Ok(())
        })
    }
}

impl fmt::Debug for Spending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spending").field("account_id", &self.account_id).finish_non_exhaustive()
    }
}
