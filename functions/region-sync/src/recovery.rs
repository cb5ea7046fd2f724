//! Finishes what a crash between a change and its row left undone.

use std::collections::{BTreeMap, HashMap};

use cloud_sync_core::change::{Change, ChangeKind, replay};
use cloud_sync_core::deletion::OnDelete;
use cloud_sync_core::fingerprint::Fingerprint;
use cloud_sync_core::resource::Row;

use crate::attempt::{Stop, Work};
use crate::compare::PAGE;

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
        for task in tasks {
            let mut cursor = None;
            loop {
                let page = self.store.task_changes(&task, &self.scope, cursor.as_deref()).await?;
                if task == *own {
                    page.items.iter().for_each(|change| self.tally.record(change));
                }
                let deleted = |change: &Change| change.change == ChangeKind::Deleted;
                self.before.findings.ever_deleted |= page.items.iter().any(deleted);
                self.roll_forward(page.items).await?;
                cursor = page.cursor;
                if cursor.is_none() {
                    break;
                }
            }
        }
        self.before.findings.ever_deleted |= self.tally.deletions() > 0;
        Ok(())
    }

    async fn roll_forward(&self, changes: Vec<Change>) -> Result<(), Stop> {
        let mut by_id: BTreeMap<String, Vec<Change>> = BTreeMap::new();
        for change in changes {
            by_id.entry(change.id.clone()).or_default().push(change);
        }
        let ids: Vec<_> = by_id.keys().cloned().collect();
        for ids in ids.chunks(PAGE) {
            let mut rows = self.base_rows_before(ids, &by_id).await?;
            let (mut behind, mut purged) = (Vec::new(), Vec::new());
            for id in ids {
                let row = rows.remove(id);
                let changes = by_id.get(id).map_or(&[][..], Vec::as_slice);
                if let Some(row) = follow(row, changes) {
                    let purge = self.account.deletion.on_delete == OnDelete::Purge;
                    if purge && !row.is_live() {
                        purged.push(id.clone());
                    } else {
                        behind.push(row);
                    }
                }
            }
            if !behind.is_empty() {
                tracing::info!(rows = behind.len(), "finishing writes of an earlier attempt");
                self.check_time_to_write()?;
                self.store.put_rows(&behind, self.account.deletion.tombstone_days).await?;
            }
            if !purged.is_empty() {
                self.check_time_to_write()?;
                self.store.remove_rows(&self.scope, &purged).await?;
            }
        }
        Ok(())
    }

    /// Returns the rows of the given ids. One whose changes do not begin at
    /// version 1 and that has no row was purged: its history has the base.
    async fn base_rows_before(
        &self,
        ids: &[String],
        by_id: &BTreeMap<String, Vec<Change>>,
    ) -> Result<HashMap<String, Row>, Stop> {
        let rows = self.store.rows(&self.scope, ids).await?;
        let mut rows: HashMap<_, _> =
            rows.into_iter().map(|row| (row.resource.id.clone(), row)).collect();
        for id in ids {
            let first = by_id.get(id).and_then(|changes| changes.first());
            let Some(first) = first.filter(|first| first.version > 1 && !rows.contains_key(id))
            else {
                continue;
            };
            let mut history = self.store.history(&self.scope, id).await?;
            history.retain(|change| change.version < first.version);
            if let Some(row) = crate::compare::row_of(&history) {
                rows.insert(id.clone(), row);
            }
        }
        Ok(rows)
    }
}

/// Returns the row after those changes that it does not have yet, or `None`
/// where it has them all.
fn follow(row: Option<Row>, changes: &[Change]) -> Option<Row> {
    let had = row.as_ref().map_or(0, |row| row.version);
    let mut row = row;
    for change in changes.iter().filter(|change| change.version > had) {
        match replay(row.as_ref(), change) {
            Ok(next) => row = Some(next),
            Err(error) => {
                tracing::error!(%error, "a recorded change does not fit its row");
                return None;
            }
        }
    }
    let mut row = row.filter(|row| row.version > had)?;
    if changes.last().is_some_and(|last| last.change != ChangeKind::Deleted) {
        // Changes do not carry attributes: the next comparison has to read
        // this row and refresh it.
        row.fingerprint = Fingerprint::unreadable();
    }
    Some(row)
}
