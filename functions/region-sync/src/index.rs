//! Reads the index of live rows: whole and by hashes before anything is
//! compared, and again by ids where a listing lacks some of them.

use std::sync::Arc;

use cloud_sync_core::ids::Ids;
use cloud_sync_core::listing::{CompleteListing, MissingRows};
use cloud_sync_core::scope::Scope;
use cloud_sync_runtime::clock::Clock;
use cloud_sync_runtime::store::Store;
use jiff::Timestamp;

use crate::work::{Stop, Work};

/// So many resources that were listed are asked for together with those that
/// were not: an answer that has none of them is no answer.
pub(crate) const CONTROLS: usize = 3;

/// Reads the index into the table of ids, which is lent to it: the disks are
/// walked meanwhile.
pub(crate) struct IndexReading {
    store: Arc<dyn Store>,
    scope: Scope,
    ids: Ids,
    clock: Arc<dyn Clock>,
    until: Timestamp,
}

impl IndexReading {
    /// Returns a reading with the ids of `work`, which has them back with
    /// [`Self::give_back`].
    pub(crate) fn of(work: &mut Work<'_>) -> Self {
        Self {
            store: work.store.clone(),
            scope: work.scope.clone(),
            clock: work.sync.clock.clone(),
            until: work.delivered.deadline,
            ids: std::mem::replace(work.tally.ids_mut(), Ids::new("")),
        }
    }

    /// Gives the ids back, whatever became of the reading.
    pub(crate) fn give_back(self, work: &mut Work<'_>) {
        *work.tally.ids_mut() = self.ids;
    }

    /// Reads every page.
    pub(crate) async fn read(&mut self) -> Result<(), Stop> {
        let mut cursor = None;
        loop {
            let page = self.store.live_index(&self.scope, cursor.as_deref()).await?;
            page.items.iter().for_each(|(id, entry)| self.ids.insert_live(id, entry));
            cursor = page.cursor;
            if cursor.is_none() {
                return Ok(());
            }
            if self.clock.now() >= self.until {
                return Err(Stop::OutOfTime);
            }
        }
    }
}

/// What a complete listing lacks.
pub(crate) struct Unlisted {
    /// The live rows that it does not have.
    pub(crate) rows: MissingRows,
    /// The first few that it has.
    pub(crate) controls: Vec<String>,
}

impl Work<'_> {
    /// Returns what a listing lacks, from the index once more: the first time
    /// only hashes were kept. `None` where the time is up before.
    pub(crate) async fn read_unlisted(
        &self,
        listing: &CompleteListing,
    ) -> Result<Option<Unlisted>, Stop> {
        let ids = self.tally.ids();
        let (mut rows, mut controls) = (MissingRows::default(), Vec::new());
        let mut cursor = None;
        loop {
            let page = self.store.live_index(&self.scope, cursor.as_deref()).await?;
            listing.add_missing(ids, &page.items, &mut rows);
            let listed = page.items.into_iter().map(|(id, _)| id);
            let listed = listed.filter(|id| listing.contains(ids, id));
            controls.extend(listed.take(CONTROLS - controls.len()));
            cursor = page.cursor;
            if cursor.is_none() {
                return Ok(Some(Unlisted { rows, controls }));
            }
            if self.is_time_up() {
                return Ok(None);
            }
        }
    }
}
