//! Following the changes of an account.
//!
//! The changes of an account are kept in the order in which they were seen,
//! and become visible in another: a worker writes them a moment after it has
//! taken the time, and the index follows later still. So a position is not
//! only a place in that order. It is the place up to which nothing can appear
//! any more, and which changes after it were returned already.
//!
//! **Invariant**: whoever reads on from every position returned gets each
//! change once, if it appears within [`SETTLES_AFTER`] of the time it has.
//! Workers give a write up before that.

use cloud_sync_core::change::Change;
use cloud_sync_core::query::ChangeFilter;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::store::{Result, Store, keys};

/// So long after its time every change is visible: a worker gives the write up
/// after a minute, an index follows within ten seconds, and clocks may differ
/// by the rest.
pub const SETTLES_AFTER: SignedDuration = SignedDuration::from_mins(2);

/// At most so many changes that are not settled are returned: a position names
/// each. Where more happen at once, the rest follows when they are.
pub const MOST_UNSETTLED: usize = 128;

/// A step looks at so many changes at most, and at the rest of a page.
const MOST_CHANGES: usize = 5_000;

/// Where a reader of an account's changes stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// The time at which it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The last settled change that was looked at, by its place in the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Those after it that were returned, by hashes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub returned: Vec<String>,
}

impl Position {
    /// Returns the position of a reader that begins, from a time on.
    #[must_use]
    pub fn begin(since: Option<Timestamp>) -> Self {
        Self { since, ..Self::default() }
    }

    /// Tells whether it may be a position among an account's changes.
    #[must_use]
    pub fn is_of(&self, account_id: &str) -> bool {
        let is_place = |order: &String| keys::parse_account_order(account_id, order).is_some();
        self.after.as_ref().is_none_or(is_place) && self.returned.len() <= MOST_UNSETTLED
    }
}

/// Returns a short hash of which change it is.
fn hash(change: &Change) -> String {
    let order = keys::task_order(change);
    let digest = Sha256::digest(order);
    digest[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Takes one step from a position: returns at most `most` of the changes that
/// are wanted, and the next position. It may find none where there are some:
/// only so many are looked at in a step.
///
/// # Errors
///
/// The tables failed, or the position is not one of this account.
pub async fn step(
    store: &dyn Store,
    account_id: &str,
    from: &Position,
    filter: &ChangeFilter,
    (most, now): (usize, Timestamp),
) -> Result<(Vec<Change>, Position)> {
    let settled = now - SETTLES_AFTER;
    let (mut found, mut next) = (Vec::new(), from.clone());
    let (mut cursor, mut looked_at) = (from.after.clone(), 0);
    loop {
        let page = store.account_changes(account_id, from.since, cursor.as_deref()).await?;
        looked_at += page.items.len();
        for change in page.items {
            let (is_settled, hash) = (change.at <= settled, hash(&change));
            let place = is_settled.then(|| keys::account_order(&change));
            if filter.wants(&change) && !next.returned.contains(&hash) {
                let is_full = !is_settled && next.returned.len() == MOST_UNSETTLED;
                if found.len() == most || is_full {
                    return Ok((found, next));
                }
                next.returned.push(hash.clone());
                found.push(change);
            }
            if place.is_some() {
                next.after = place;
                next.returned.retain(|returned| *returned != hash);
            }
        }
        cursor = page.cursor;
        if cursor.is_none() || looked_at >= MOST_CHANGES {
            return Ok((found, next));
        }
    }
}
