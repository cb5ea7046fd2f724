//! When what was not listed may be called deleted.
//!
//! The steps before this one, all of which can only remove candidates: a
//! complete listing did not have them ([`crate::listing`]), a re-read by id
//! did not find them, and the vendor showed that the account may see them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::resource::Missing;

/// So many decisions are kept of a scope.
pub const MOST_DECISIONS: usize = 20;

/// So many ids are kept in all decisions of a scope together.
pub const MOST_IDS: usize = 1000;

/// The ids in all decisions of a scope have so many bytes at most: they are in
/// the item that every lease is taken on.
pub const MOST_ID_BYTES: usize = 64 * 1024;

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

/// What an operator says of rows that are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Verdict {
    /// They are gone: the next sync that still does not find them deletes
    /// them, however many they are.
    Approve,
    /// They are not: they are held until they are seen again, however many
    /// listings agree.
    Reject,
}

impl Verdict {
    /// Returns the name used in tables and results.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
        }
    }
}

/// An operator's decision on rows of a scope that are held.
///
/// It knows no time limit. A row that is seen again loses its mark, and a
/// later mark is of a later listing, which an older decision does not cover.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// What was decided.
    pub verdict: Verdict,
    /// The scope's number of complete listings then. Rows that were first
    /// missing from a later one are not covered.
    pub listing: u64,
    /// Which rows; `None` for all that were held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<String>>,
    /// When it was decided, for people.
    pub at: Timestamp,
    /// Who decided, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

impl Decision {
    /// Tells whether it is about a row with this mark.
    #[must_use]
    pub fn covers(&self, id: &str, mark: &Missing) -> bool {
        mark.listing <= self.listing
            && self.ids.as_ref().is_none_or(|ids| ids.iter().any(|covered| covered == id))
    }
}

/// Returns the decision that holds for a row: the last one about it.
#[must_use]
pub fn decision_on<'a>(
    decisions: &'a [Decision],
    id: &str,
    mark: &Missing,
) -> Option<&'a Decision> {
    decisions.iter().rev().find(|decision| decision.covers(id, mark))
}

/// A scope has as many decisions as are kept of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "of one scope at most {MOST_DECISIONS} decisions with {MOST_IDS} ids ({MOST_ID_BYTES} bytes) \
     are kept until its rows are deleted or seen again; decide on everything held at once, or \
     sync first"
)]
pub struct TooManyDecisions;

/// Returns the decisions with one more. Those that no longer decide on any
/// row of `held`, the rows held at present, are left out.
///
/// # Errors
///
/// They are more than are kept.
pub fn with_decision(
    mut decisions: Vec<Decision>,
    new: Decision,
    held: &[(&str, Missing)],
) -> Result<Vec<Decision>, TooManyDecisions> {
    decisions.push(new);
    let mut decides = vec![false; decisions.len()];
    for (id, mark) in held {
        if let Some(last) = decisions.iter().rposition(|decision| decision.covers(id, mark)) {
            decides[last] = true;
        }
    }
    let kept: Vec<_> = decisions
        .into_iter()
        .zip(decides)
        .filter_map(|(decision, decides)| decides.then_some(decision))
        .collect();
    let ids = || kept.iter().filter_map(|decision| decision.ids.as_ref()).flatten();
    let is_too_much = kept.len() > MOST_DECISIONS
        || ids().count() > MOST_IDS
        || ids().map(String::len).sum::<usize>() > MOST_ID_BYTES;
    if is_too_much { Err(TooManyDecisions) } else { Ok(kept) }
}

/// What to do with the rows proven to be missing from one complete listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
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
    ///
    /// Rows whose deletion an operator approved are no part of what has to be
    /// plausible. Those whose deletion was rejected are: that they are missing
    /// speaks against the listing.
    #[must_use]
    pub fn judge(
        &self,
        live: u64,
        listing: u64,
        missing: Vec<(String, Option<Missing>)>,
        decisions: &[Decision],
    ) -> Judgement {
        let verdict_on =
            |id: &str, mark: Option<Missing>| Some(decision_on(decisions, id, &mark?)?.verdict);
        let (approved, open): (Vec<_>, Vec<_>) = missing
            .into_iter()
            .map(|(id, mark)| (verdict_on(&id, mark), id, mark))
            .partition(|(verdict, ..)| *verdict == Some(Verdict::Approve));
        let live = live.saturating_sub(approved.len() as u64);
        let collapse = self.is_collapse(live, open.len() as u64);
        let mut judgement = Judgement {
            delete: approved.into_iter().map(|(_, id, _)| id).collect(),
            hold: Vec::new(),
        };
        for (verdict, id, mark) in open {
            let first = mark.map_or(listing, |mark| mark.listing);
            let agreeing = listing.saturating_sub(first) + 1;
            let is_doubtful = collapse && agreeing < self.agreeing_listings;
            if is_doubtful || verdict == Some(Verdict::Reject) {
                judgement.hold.push(id);
            } else {
                judgement.delete.push(id);
            }
        }
        judgement
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
        decided(live, listing, missing, &[])
    }

    fn decided(
        live: u64,
        listing: u64,
        missing: Vec<(String, Option<Missing>)>,
        decisions: &[Decision],
    ) -> (usize, usize) {
        let judgement = DeletionPolicy::default().judge(live, listing, missing, decisions);
        (judgement.delete.len(), judgement.hold.len())
    }

    fn decision(verdict: Verdict, listing: u64, ids: Option<&[&str]>) -> Decision {
        let ids = ids.map(|ids| ids.iter().map(|id| (*id).to_owned()).collect());
        Decision { verdict, listing, ids, at: Timestamp::UNIX_EPOCH, by: None }
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
            let verdict = policy.knowing_all(live, all).judge(live, 5, missing(part, None), &[]);
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

    #[test]
    fn an_approval_deletes_what_it_covers_and_nothing_else() {
        use Verdict::Approve;
        let all = [decision(Approve, 7, None)];
        assert_eq!(decided(100, 8, missing(50, Some(7)), &all), (50, 0));
        assert_eq!(decided(100, 9, missing(50, Some(8)), &all), (0, 50), "a later mark");
        assert_eq!(decided(100, 8, missing(50, None), &all), (0, 50), "no mark");
        let some = [decision(Approve, 7, Some(&["i-1", "i-2", "i-x"]))];
        assert_eq!(decided(100, 8, missing(50, Some(7)), &some), (2, 48));
    }

    #[test]
    fn what_is_approved_does_not_make_the_rest_a_collapse() {
        let mut both = missing(50, Some(7));
        both.extend((50..70).map(|n| (format!("i-{n}"), None)));
        let approved = [decision(Verdict::Approve, 7, None)];
        assert_eq!(decided(100, 8, both.clone(), &approved), (70, 0));
        assert_eq!(decided(100, 8, both, &[]), (0, 70));
    }

    #[test]
    fn a_rejection_holds_against_any_number_of_listings_and_counts_against_the_listing() {
        let rejected = [decision(Verdict::Reject, 7, None)];
        assert_eq!(decided(100, 900, missing(50, Some(7)), &rejected), (0, 50));
        assert_eq!(decided(100, 900, missing(1, Some(7)), &rejected), (0, 1), "however few");
        let mut both = missing(50, Some(7));
        both.push(("i-50".into(), None));
        assert_eq!(decided(100, 900, both, &rejected), (0, 51));
    }

    #[test]
    fn the_last_decision_on_a_row_holds() {
        let then = [decision(Verdict::Reject, 7, None), decision(Verdict::Approve, 8, None)];
        assert_eq!(decided(100, 9, missing(50, Some(7)), &then), (50, 0));
        let but = decision(Verdict::Reject, 8, Some(&["i-3"]));
        let then = [then[1].clone(), but];
        assert_eq!(decided(100, 9, missing(50, Some(7)), &then), (49, 1));
    }

    #[test]
    fn decisions_on_nothing_that_is_held_are_forgotten_and_the_rest_is_bounded() {
        let ids: Vec<_> = (0..30).map(|n| format!("i-{n}")).collect();
        let mark = Missing { since: Timestamp::UNIX_EPOCH, listing: 7 };
        let held: Vec<_> = ids.iter().map(|id| (id.as_str(), mark)).collect();
        let one = |id: &str| decision(Verdict::Reject, 7, Some(&[id]));
        let mut decisions = Vec::new();
        for id in &ids[..MOST_DECISIONS] {
            decisions = with_decision(decisions, one(id), &held).unwrap();
        }
        assert_eq!(decisions.len(), MOST_DECISIONS);
        assert_eq!(with_decision(decisions.clone(), one("i-25"), &held), Err(TooManyDecisions));
        let some = with_decision(decisions.clone(), one("i-25"), &held[19..]).unwrap();
        assert_eq!(some, [one("i-19"), one("i-25")], "the others are not held any more");
        let all = decision(Verdict::Approve, 7, None);
        assert_eq!(with_decision(decisions, all.clone(), &held).unwrap(), [all]);

        let many: Vec<_> = (0..=MOST_IDS).map(|n| n.to_string()).collect();
        let many: Vec<_> = many.iter().map(String::as_str).chain(["i-0"]).collect();
        let many = decision(Verdict::Approve, 7, Some(&many));
        assert_eq!(with_decision(Vec::new(), many, &held), Err(TooManyDecisions));
        let long = "x".repeat(MOST_ID_BYTES);
        let long = decision(Verdict::Approve, 7, Some(&[&long, "i-0"]));
        assert_eq!(with_decision(Vec::new(), long, &held), Err(TooManyDecisions));
    }
}
