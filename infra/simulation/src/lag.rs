//! Indexes that lag behind the tables: what was written a moment ago, an index
//! may not show yet.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use cloud_sync_core::change::Change;
use cloud_sync_core::listing::IndexEntry;
use cloud_sync_core::resource::Row;
use cloud_sync_core::scope::Scope;
use cloud_sync_core::task::SyncTask;
use tokio::time::Instant;

use crate::universe::lock;

/// One entry of an index as it was before a write.
#[derive(Clone, Debug)]
enum Before {
    /// Of the index of live rows.
    Live { scope: Scope, id: String, entry: Option<IndexEntry> },
    /// Of the index of changes by task: the change was not there.
    Change { scope: Scope, id: String, version: u64 },
    /// Of the index of open tasks.
    Task { id: String, open: Option<Box<SyncTask>> },
}

/// Recent writes, oldest first, with what the indexes had before them.
pub(crate) struct Lag {
    most: Duration,
    recent: Mutex<VecDeque<(Instant, Before)>>,
}

/// Returns what the index of live rows has of a row.
fn entry_of(row: &Row) -> Option<IndexEntry> {
    row.is_live().then_some(IndexEntry { fingerprint: row.fingerprint, missing: row.missing })
}

impl Lag {
    /// Returns indexes that lag by up to `most`.
    pub(crate) fn new(most: Duration) -> Self {
        Self { most, recent: Mutex::default() }
    }

    /// Tells whether indexes lag at all.
    pub(crate) fn is_none(&self) -> bool {
        self.most.is_zero()
    }

    /// Returns by how much an index may lag.
    pub(crate) const fn most(&self) -> Duration {
        self.most
    }

    fn remember(&self, befores: impl Iterator<Item = Before>) {
        let now = Instant::now();
        let mut recent = lock(&self.recent);
        while recent.front().is_some_and(|(at, _)| now.duration_since(*at) > self.most) {
            recent.pop_front();
        }
        recent.extend(befores.map(|before| (now, before)));
    }

    /// Notes the rows that are about to be replaced or removed; `ids` are
    /// those written.
    pub(crate) fn before_rows(&self, scope: &Scope, ids: &[String], rows: &[Row]) {
        self.remember(ids.iter().map(|id| {
            let row = rows.iter().find(|row| row.resource.id == *id);
            Before::Live { scope: scope.clone(), id: id.clone(), entry: row.and_then(entry_of) }
        }));
    }

    /// Notes the changes that are about to be written.
    pub(crate) fn before_changes(&self, changes: &[Change]) {
        self.remember(changes.iter().map(|change| Before::Change {
            scope: change.scope.clone(),
            id: change.id.clone(),
            version: change.version,
        }));
    }

    /// Notes a task that is about to begin or to end.
    pub(crate) fn before_task(&self, id: &str, open: Option<SyncTask>) {
        let open = open.map(Box::new);
        self.remember(std::iter::once(Before::Task { id: id.to_owned(), open }));
    }

    /// Returns what an index lacks that lags by so much, latest first.
    fn lacking(&self, by: Duration) -> Vec<Before> {
        let now = Instant::now();
        let recent = lock(&self.recent);
        let young = recent.iter().rev().take_while(|(at, _)| now.duration_since(*at) < by);
        young.map(|(_, before)| before.clone()).collect()
    }

    /// Makes of the index of live rows that of a moment ago.
    pub(crate) fn live(
        &self,
        by: Duration,
        of: &Scope,
        entries: &mut BTreeMap<String, IndexEntry>,
    ) {
        for before in self.lacking(by) {
            match before {
                Before::Live { scope, id, entry: Some(entry) } if scope == *of => {
                    entries.insert(id, entry);
                }
                Before::Live { scope, id, entry: None } if scope == *of => {
                    entries.remove(&id);
                }
                _ => {}
            }
        }
    }

    /// Takes out of a task's changes those that the index does not show yet.
    pub(crate) fn changes(&self, by: Duration, of: &Scope, changes: &mut Vec<Change>) {
        for before in self.lacking(by) {
            if let Before::Change { scope, id, version } = before
                && scope == *of
            {
                changes.retain(|change| change.id != id || change.version != version);
            }
        }
    }

    /// Makes of the open tasks those of a moment ago.
    pub(crate) fn open_tasks(&self, by: Duration, open: &mut Vec<SyncTask>) {
        for before in self.lacking(by) {
            if let Before::Task { id, open: task } = before {
                open.retain(|task| task.task_id != id);
                open.extend(task.map(|task| *task));
            }
        }
    }
}
