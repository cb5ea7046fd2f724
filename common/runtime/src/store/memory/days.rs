//! Days in memory.

use async_trait::async_trait;
use cloud_sync_core::scope::Kind;
use cloud_sync_core::stats::{Day, Flow, Snapshot, day_of_task};
use cloud_sync_core::task::SyncTask;
use jiff::civil::Date;

use super::units::{Bill, size};
use super::{MemoryStore, Tables};
use crate::store::{Result, StatsStore};

impl Tables {
    fn day(&mut self, account_id: &str, day: Date, kind: &Kind) -> &mut Day {
        let key = (account_id.to_owned(), day, kind.clone());
        self.days.entry(key).or_insert_with(|| Day {
            account_id: account_id.to_owned(),
            kind: kind.clone(),
            day,
            flow: Flow::default(),
            snapshot: None,
        })
    }

    /// Counts a task for its day, if it has ended.
    pub(super) fn count_for_day(&mut self, task: &SyncTask, bill: &mut Bill) {
        if let Some(day) = day_of_task(task) {
            let day = self.day(&task.account_id, day, &task.resource_type);
            day.flow = day.flow.plus(Flow::of(&task.counts));
            bill.write(size(day), 0);
        }
    }
}

#[async_trait]
impl StatsStore for MemoryStore {
    async fn days(&self, account_id: &str, from: Date, to: Date) -> Result<Vec<Day>> {
        self.request(|tables, bill| {
            let is_wanted =
                |day: &&Day| day.account_id == account_id && (from..=to).contains(&day.day);
            let days: Vec<_> = tables.days.values().filter(is_wanted).cloned().collect();
            bill.read_lagging(size(&days));
            Ok(days)
        })
    }

    async fn put_snapshot(
        &self,
        account_id: &str,
        kind: &Kind,
        day: Date,
        snapshot: &Snapshot,
    ) -> Result<()> {
        self.request(|tables, bill| {
            let day = tables.day(account_id, day, kind);
            if day.snapshot.as_ref().is_none_or(|stored| stored.at < snapshot.at) {
                day.snapshot = Some(snapshot.clone());
            }
            bill.write(size(day), 0);
            Ok(())
        })
    }
}
