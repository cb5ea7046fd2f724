//! What a task did to a scope, resource by resource, so that counts are exact
//! however many attempts it took.

use std::collections::{HashMap, HashSet};

use cloud_sync_core::change::{Change, ChangeKind};
use cloud_sync_core::task::Counts;

/// What the task recorded of one resource. One that was added and then updated
/// by the same task counts as added.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    added: bool,
    updated: bool,
    deleted: bool,
}

/// The changes of one task in one scope, and what it saw besides.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    marks: HashMap<String, Mark>,
    undecodable: HashSet<String>,
    /// What only a re-read by id found; the listing itself did not have it.
    found: HashSet<String>,
    found_undecodable: u64,
    held: u64,
}

impl Tally {
    /// Counts a change, be it recorded now or by an earlier attempt.
    pub(crate) fn record(&mut self, change: &Change) {
        let mark = self.marks.entry(change.id.clone()).or_default();
        match change.change {
            ChangeKind::Added | ChangeKind::Restored => mark.added = true,
            ChangeKind::Updated => mark.updated = true,
            ChangeKind::Deleted => mark.deleted = true,
        }
    }

    /// Notes a listed resource that could not be decoded.
    pub(crate) fn undecodable(&mut self, id: Option<&str>) {
        self.undecodable.extend(id.map(str::to_owned));
    }

    /// Counts a resource that only a re-read by id found.
    pub(crate) fn found(&mut self, id: &str) {
        self.found.insert(id.to_owned());
    }

    /// Counts a resource that only a re-read found, and that could not be
    /// decoded.
    pub(crate) fn found_undecodable(&mut self, id: &str) {
        self.found(id);
        self.undecodable(Some(id));
        self.found_undecodable += 1;
    }

    /// Sets the number of rows held back from deletion.
    pub(crate) const fn set_held(&mut self, held: u64) {
        self.held = held;
    }

    /// Returns how many rows are held back from deletion.
    pub(crate) const fn held(&self) -> u64 {
        self.held
    }

    /// Tells whether the task recorded any change.
    pub(crate) fn has_changes(&self) -> bool {
        !self.marks.is_empty()
    }

    /// Returns how many live rows the task took away and how many it added.
    pub(crate) fn deleted_and_added(&self) -> (u64, u64) {
        let count = |wanted: fn(&Mark) -> bool| {
            self.marks.values().filter(|mark| wanted(mark)).count() as u64
        };
        (count(|mark| mark.deleted && !mark.added), count(|mark| mark.added && !mark.deleted))
    }

    /// Returns the counts. `listed` and `undecodable` are the walk's;
    /// `is_listed` tells of an id whether the walk had it.
    pub(crate) fn counts(
        &self,
        listed: u64,
        undecodable: u64,
        error_count: u64,
        is_listed: impl Fn(&str) -> bool,
    ) -> Counts {
        let mut counts = Counts {
            total_count: listed + self.found.len() as u64,
            error_count,
            held_count: self.held,
            ..Counts::default()
        };
        let mut undecodable = undecodable + self.found_undecodable;
        for (id, mark) in &self.marks {
            counts.deleted_count += u64::from(mark.deleted);
            if !(mark.added || mark.updated) {
                continue;
            }
            counts.added_count += u64::from(mark.added);
            counts.updated_count += u64::from(!mark.added);
            // An earlier attempt listed it, this one did not.
            counts.total_count += u64::from(!is_listed(id) && !self.found.contains(id));
            // An earlier attempt could decode it, this one could not.
            undecodable -= u64::from(self.undecodable.contains(id) && undecodable > 0);
        }
        counts.unchanged_count = counts
            .total_count
            .saturating_sub(counts.added_count + counts.updated_count + undecodable);
        counts
    }
}
