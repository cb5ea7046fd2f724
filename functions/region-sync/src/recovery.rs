//! Finishes what a crash between a change and its row left undone.

use std::collections::HashMap;

use cloud_sync_core::change::{Change, ChangeKind, replay};
use cloud_sync_core::deletion::OnDelete;
use cloud_sync_core::fingerprint::Fingerprint;
use cloud_sync_core::resource::Row;

use crate::compare::{PAGE, row_of};
use crate::work::{Stop, Work};

impl Work<'_> {
    /// Brings the rows up to the changes that unclean predecessors recorded,
    /// and counts those of this task.
    ///
    /// A recorded change has been published and stays: the row follows it,
    /// even where the resource has changed once more since. Where a checkpoint
    /// of this task was the last thing written, it has the counts, and nothing
    /// is left to be finished.
    pub(crate) async fn recover(&mut self) -> Result<(), Stop> {
        let own = &self.delivered.message.task_id;
        let mut tasks = self.lease.tasks.clone();
        let may_have_written = self.delivered.message.turn > 0
            || self.result.attempts > 1
            || self.delivered.receive_count > 1;
        tasks.retain(|task| task != own);
        let is_clean = tasks.is_empty() && self.before.lease.is_none();
        if !is_clean || (may_have_written && !self.progress.is_resumed) {
            tasks.push(own.clone());
        }
        if !tasks.is_empty() {
            // What is written a moment ago is not in the index of changes yet.
            self.sync.settle_indexes().await;
        }
        for task in tasks {
            let mut cursor = None;
            loop {
                let page = self
                    .store
                    .task_changes(&task, &self.scope, cursor.as_deref(), usize::MAX)
                    .await?;
                if task == self.delivered.message.task_id {
                    page.items.iter().for_each(|change| self.tally.record(change));
                }
                page.items.iter().for_each(|change| self.statuses.follow(change));
                let deleted = |change: &Change| change.change == ChangeKind::Deleted;
                self.before.findings.ever_deleted |= page.items.iter().any(deleted);
                self.roll_forward(&page.items).await?;
                cursor = page.cursor;
                if cursor.is_none() {
                    break;
                }
            }
        }
        self.before.findings.ever_deleted |= self.tally.deletions() > 0;
        Ok(())
    }

    /// Counts what this task recorded, however that came about.
    pub(crate) async fn count_recorded(&mut self) -> Result<(), Stop> {
        let task_id = &self.delivered.message.task_id;
        Ok(self.store.count_recorded(&self.scope, &mut self.tally, task_id).await?)
    }

    /// Writes the rows of these changes that are behind them.
    async fn roll_forward(&self, changes: &[Change]) -> Result<(), Stop> {
        let mut last: HashMap<&str, u64> = HashMap::new();
        for change in changes {
            let version = last.entry(change.id.as_str()).or_default();
            *version = change.version.max(*version);
        }
        let mut ids: Vec<_> = last.keys().map(|id| (*id).to_owned()).collect();
        ids.sort_unstable();
        for ids in ids.chunks(PAGE) {
            let rows = self.store.rows(&self.scope, ids).await?;
            let mut rows: HashMap<_, _> =
                rows.into_iter().map(|row| (row.resource.id.clone(), row)).collect();
            let (mut behind, mut purged) = (Vec::new(), Vec::new());
            for id in ids {
                let row = rows.remove(id);
                let is_behind = row
                    .as_ref()
                    .is_none_or(|row| row.version < last.get(id.as_str()).copied().unwrap_or(0));
                if !is_behind {
                    continue;
                }
                let had_row = row.is_some();
                match self.caught_up(id, row).await? {
                    Some(row) if row.is_live() || !self.purges() => behind.push(row),
                    // One that is gone from table and history alike stays gone.
                    Some(_) if had_row => purged.push(id.clone()),
                    _ => {}
                }
            }
            self.finish(&behind, &purged).await?;
        }
        Ok(())
    }

    fn purges(&self) -> bool {
        self.account.deletion.on_delete == OnDelete::Purge
    }

    /// Returns the row of a resource as its whole history has it: changes of
    /// other tasks may have followed, and a purged row is none that is behind.
    async fn caught_up(&self, id: &str, row: Option<Row>) -> Result<Option<Row>, Stop> {
        let history = self.store.history(&self.scope, id).await?;
        let mut row = match row {
            Some(row) => follow(row, &history),
            None => row_of(&history),
        };
        if let Some(row) = &mut row
            && row.is_live()
        {
            // Changes do not carry attributes: the next comparison has to
            // read this row and refresh it.
            row.fingerprint = Fingerprint::unreadable();
        }
        Ok(row)
    }

    async fn finish(&self, behind: &[Row], purged: &[String]) -> Result<(), Stop> {
        if !behind.is_empty() {
            tracing::info!(rows = behind.len(), "finishing writes of an earlier attempt");
            self.check_time_to_write()?;
            self.store.put_rows(behind, self.account.deletion.tombstone_days).await?;
            self.meter.record_rows(behind.len());
        }
        if !purged.is_empty() {
            self.check_time_to_write()?;
            self.store.remove_rows(&self.scope, purged).await?;
            self.meter.record_rows(purged.len());
        }
        Ok(())
    }
}

/// Returns the row after those changes that it does not have yet, or `None`
/// where they do not fit it.
fn follow(row: Row, history: &[Change]) -> Option<Row> {
    let had = row.version;
    let mut row = row;
    for change in history.iter().filter(|change| change.version > had) {
        match replay(Some(&row), change) {
            Ok(next) => row = next,
            Err(error) => {
                tracing::error!(%error, "a recorded change does not fit its row");
                return None;
            }
        }
    }
    Some(row)
}
