//! What a task did to a scope, resource by resource, so that counts are exact
//! however many attempts it took.

use crate::change::{Change, ChangeKind};
use crate::ids::Ids;
use crate::task::Counts;

/// The task recorded that it is there.
const ADDED: u8 = 1;
/// The task recorded a difference.
const UPDATED: u8 = 2;
/// The task recorded that it is gone.
const DELETED: u8 = 4;
/// It was seen, but could not be decoded.
const UNDECODABLE: u8 = 8;
/// Only a re-read by id found it; the listing itself did not have it.
const FOUND: u8 = 16;
/// A re-read by id did not find it either.
const GONE: u8 = 32;

/// Set by the walk on what it has seen.
const LISTED: u8 = crate::listing::SEEN;

/// The changes of one task in one scope, and what it saw besides: marks in the
/// table of the scope's ids, which the walk shares.
///
/// One that was added and then updated by the same task counts as added.
#[derive(Clone, Debug)]
pub struct Tally {
    ids: Ids,
    held: u64,
}

impl Tally {
    /// Returns the tally of a task that did nothing yet; see [`Ids::new`] of
    /// the `salt`.
    #[must_use]
    pub fn new(salt: &str) -> Self {
        Self { ids: Ids::new(salt), held: 0 }
    }

    /// Returns the table of the scope's ids.
    #[must_use]
    pub const fn ids(&self) -> &Ids {
        &self.ids
    }

    /// Returns the table of the scope's ids, to be added to.
    pub const fn ids_mut(&mut self) -> &mut Ids {
        &mut self.ids
    }

    /// Counts a change, be it recorded now or by an earlier attempt.
    pub fn record(&mut self, change: &Change) {
        let mark = match change.change {
            ChangeKind::Added | ChangeKind::Restored => ADDED,
            ChangeKind::Updated => UPDATED,
            ChangeKind::Deleted => DELETED,
        };
        self.ids.add(&change.id, mark);
    }

    /// Notes a listed resource that could not be decoded.
    pub fn undecodable(&mut self, id: Option<&str>) {
        id.into_iter().for_each(|id| _ = self.ids.add(id, UNDECODABLE));
    }

    /// Counts a resource that only a re-read by id found.
    pub fn found(&mut self, id: &str) {
        self.ids.add(id, FOUND);
    }

    /// Counts a resource that only a re-read found, and that could not be
    /// decoded.
    pub fn found_undecodable(&mut self, id: &str) {
        self.ids.add(id, FOUND | UNDECODABLE);
    }

    /// Notes that a re-read by id did not find a resource.
    pub fn gone(&mut self, id: &str) {
        self.ids.add(id, GONE);
    }

    /// Tells whether a re-read by id found a resource; `None` where it was not
    /// re-read.
    #[must_use]
    pub fn was_found(&self, id: &str) -> Option<bool> {
        let marks = self.ids.marks(id);
        (marks & (FOUND | GONE) != 0).then_some(marks & FOUND != 0)
    }

    /// Returns how many resources were re-read by id.
    #[must_use]
    pub fn reread(&self) -> u64 {
        self.count(FOUND | GONE)
    }

    /// Forgets what was seen, for a walk that starts again. What was recorded
    /// stays. A checkpoint has nothing of it all then.
    pub fn restart(&mut self) {
        self.ids.clear(UNDECODABLE | FOUND | GONE);
        self.held = 0;
    }

    /// Sets the number of rows held back from deletion.
    pub const fn set_held(&mut self, held: u64) {
        self.held = held;
    }

    /// Returns how many rows are held back from deletion.
    #[must_use]
    pub const fn held(&self) -> u64 {
        self.held
    }

    /// Returns of how many resources the task recorded a change.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.count(ADDED | UPDATED | DELETED)
    }

    /// Returns how many deletions the task recorded.
    #[must_use]
    pub fn deletions(&self) -> u64 {
        self.count(DELETED)
    }

    fn count(&self, wanted: u8) -> u64 {
        self.ids.all_marks().filter(|marks| marks & wanted != 0).count() as u64
    }

    /// Returns the counts. `listed` and `undecodable` are the walk's.
    #[must_use]
    pub fn counts(&self, listed: u64, undecodable: u64, error_count: u64) -> Counts {
        let mut counts = Counts { error_count, held_count: self.held, ..Counts::default() };
        counts.total_count = listed;
        let mut undecodable = undecodable;
        for marks in self.ids.all_marks() {
            let has = |wanted: u8| u64::from(marks & wanted != 0);
            counts.total_count += has(FOUND);
            undecodable += has(FOUND) & has(UNDECODABLE);
            counts.deleted_count += has(DELETED);
            if marks & (ADDED | UPDATED) == 0 {
                continue;
            }
            counts.added_count += has(ADDED);
            counts.updated_count += u64::from(marks & ADDED == 0);
            // An earlier attempt listed it, this one did not.
            counts.total_count += u64::from(marks & (FOUND | LISTED) == 0);
            // An earlier attempt could decode it, this one could not.
            undecodable = undecodable.saturating_sub(has(UNDECODABLE));
        }
        counts.unchanged_count = counts
            .total_count
            .saturating_sub(counts.added_count + counts.updated_count + undecodable);
        counts
    }
}
