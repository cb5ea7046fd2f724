//! When what was not listed may be called deleted.
//!
//! The steps before this one, all of which can only remove candidates: a
//! complete listing did not have them ([`crate::listing`]), a re-read by id
//! did not find them, and the vendor showed that the account may see them.

use serde::{Deserialize, Serialize};

use crate::resource::Missing;

/// What becomes of the row of a deleted resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDelete {
    /// The row stays as a tombstone for a while.
    #[default]
    Tombstone,
    /// The row goes at once; the change history stays.
    Purge,
}

/// How careful an account wants to be with deletions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeletionPolicy {
    /// So many missing at once are always plausible.
    pub plausible_count: u64,
    /// So many per cent of the live rows missing at once are plausible.
    pub plausible_percent: u64,
    /// More than plausible are held until so many complete listings in a row
    /// agree that they are gone.
    pub agreeing_listings: u64,
    /// What becomes of the row.
    pub on_delete: OnDelete,
    /// How long a tombstone stays, in days.
    pub tombstone_days: u32,
}

impl Default for DeletionPolicy {
    fn default() -> Self {
        Self {
            plausible_count: 20,
            plausible_percent: 10,
            agreeing_listings: 3,
            on_delete: OnDelete::Tombstone,
            tombstone_days: 30,
        }
    }
}

/// What to do with the rows proven to be missing from one complete listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Deleted.
    pub delete: Vec<String>,
    /// Held: they stay live, marked as missing.
    pub hold: Vec<String>,
}

impl DeletionPolicy {
    /// Tells whether so many missing rows are too many to believe at once.
    #[must_use]
    pub fn is_collapse(&self, live: u64, missing: u64) -> bool {
        missing > self.plausible_count.max(live.saturating_mul(self.plausible_percent) / 100)
    }

    /// Returns the policy by which to [`judge`](Self::judge) a part of so many
    /// missing rows as if they were all there.
    #[must_use]
    pub fn knowing_all(self, live: u64, missing: u64) -> Self {
        let plausible_count = if self.is_collapse(live, missing) { 0 } else { u64::MAX };
        Self { plausible_count, plausible_percent: 0, ..self }
    }

    /// Divides missing rows into those to delete and those to hold.
    ///
    /// `listing` is the number of complete listings of the scope, the present
    /// one included, and counts in the same way as [`Missing::listing`].
    #[must_use]
    pub fn judge(
        &self,
        live: u64,
        listing: u64,
        missing: Vec<(String, Option<Missing>)>,
    ) -> Verdict {
        let collapse = self.is_collapse(live, missing.len() as u64);
        let mut verdict = Verdict::default();
        for (id, mark) in missing {
            let first = mark.map_or(listing, |mark| mark.listing);
            let agreeing = listing.saturating_sub(first) + 1;
            if collapse && agreeing < self.agreeing_listings {
                verdict.hold.push(id);
            } else {
                verdict.delete.push(id);
            }
        }
        verdict
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn missing(count: u64, mark: Option<u64>) -> Vec<(String, Option<Missing>)> {
        (0..count)
            .map(|n| {
                let mark = mark.map(|listing| Missing { since: Timestamp::UNIX_EPOCH, listing });
                (format!("i-{n}"), mark)
            })
            .collect()
    }

    fn held(live: u64, listing: u64, missing: Vec<(String, Option<Missing>)>) -> (usize, usize) {
        let verdict = DeletionPolicy::default().judge(live, listing, missing);
        (verdict.delete.len(), verdict.hold.len())
    }

    #[test]
    fn twenty_or_a_tenth_are_plausible() {
        assert_eq!(held(20, 5, missing(20, None)), (20, 0));
        assert_eq!(held(100, 5, missing(21, None)), (0, 21));
        assert_eq!(held(1000, 5, missing(100, None)), (100, 0));
        assert_eq!(held(1000, 5, missing(101, None)), (0, 101));
    }

    #[test]
    fn a_part_is_judged_as_the_whole_is() {
        let policy = DeletionPolicy::default();
        let judged = |live, all, part| {
            let verdict = policy.knowing_all(live, all).judge(live, 5, missing(part, None));
            (verdict.delete.len(), verdict.hold.len())
        };
        assert_eq!(judged(1000, 100, 7), (7, 0));
        assert_eq!(judged(1000, 101, 7), (0, 7));
        assert_eq!(judged(0, 20, 20), (20, 0));
    }

    #[test]
    fn the_third_agreeing_listing_deletes() {
        assert_eq!(held(100, 7, missing(50, Some(7))), (0, 50));
        assert_eq!(held(100, 8, missing(50, Some(7))), (0, 50));
        assert_eq!(held(100, 9, missing(50, Some(7))), (50, 0));
    }

    #[test]
    fn each_row_agrees_for_itself() {
        let mut both = missing(50, Some(7));
        both.extend((50..60).map(|n| (format!("i-{n}"), None)));
        assert_eq!(held(100, 9, both), (50, 10));
    }
}
