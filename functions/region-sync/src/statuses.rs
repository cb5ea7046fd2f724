//! How many of a scope's live rows have which status.
//!
//! **Invariant**: after a complete listing the counts are those of the rows.
//! What was listed is counted as it is listed; what was not, and stays live, as
//! its row has it; what is deleted is neither. Other tasks let the counts of
//! the last complete listing follow what they record.

use cloud_sync_core::change::Change;
use cloud_sync_core::index::MissingRows;
use cloud_sync_core::lease::Findings;
use cloud_sync_core::resource::{Resource, Row};
use cloud_sync_core::stats::{ScopeStatuses, StatusCounts};
use jiff::Timestamp;

use crate::compare::PAGE;
use crate::work::{Stop, Work};

/// So many rows that are held back without having been read are read at most,
/// only to be counted.
const MOST_READ: u64 = 10_000;

/// The statuses of a scope, as far as an attempt knows them.
#[derive(Debug)]
pub(crate) struct Statuses {
    /// Of what was listed, or found by a re-read, in this turn or an earlier
    /// one.
    pub(crate) seen: StatusCounts,
    /// Of what is held back from deletion.
    held: StatusCounts,
    /// As of the last complete listing, followed by what was recorded since.
    known: Option<ScopeStatuses>,
    /// Whether some are held back whose rows were too many to be read.
    is_short: bool,
}

impl Statuses {
    /// Returns what is known before anything is listed.
    pub(crate) fn begin(findings: &Findings) -> Self {
        let (seen, held) = Default::default();
        Self { seen, held, known: findings.statuses.clone(), is_short: false }
    }

    /// Follows a change that was recorded, in this attempt or before.
    pub(crate) fn follow(&mut self, change: &Change) {
        if let Some(known) = &mut self.known {
            known.counts.follow(change);
        }
    }

    /// Counts what is held back.
    pub(crate) fn hold(&mut self, rows: &[Row]) {
        rows.iter().for_each(|row| self.held.add(row.resource.status));
    }

    /// Returns what is known once a complete listing that began then was
    /// compared.
    pub(crate) fn after_listing(&self, began: Timestamp) -> Option<ScopeStatuses> {
        if self.is_short {
            return self.known.clone();
        }
        let mut counts = self.seen.clone();
        counts.add_all(&self.held);
        Some(ScopeStatuses { counts, as_of: began })
    }

    /// Returns what is known after some resources were looked at.
    pub(crate) fn after_some(&self) -> Option<ScopeStatuses> {
        self.known.clone()
    }
}

impl Work<'_> {
    /// Counts what was listed, or found.
    pub(crate) fn count_seen(&mut self, resources: &[Resource]) {
        resources.iter().for_each(|resource| self.statuses.seen.add(resource.status));
    }

    /// Counts what was listed, or found, and could not be decoded: its row
    /// stays as it is, if it has one.
    pub(crate) async fn count_undecodable(&mut self, ids: &[String]) -> Result<(), Stop> {
        for row in self.live_rows(ids).await? {
            self.statuses.seen.add(row.resource.status);
        }
        Ok(())
    }

    /// Counts what was not listed and is held back without proof, of which no
    /// row was read.
    pub(crate) async fn count_unproven(&mut self, missing: &MissingRows) -> Result<(), Stop> {
        if self.tally.held() <= self.statuses.held.total() {
            return Ok(());
        }
        self.statuses.held = StatusCounts::default();
        self.statuses.is_short = self.tally.held() > MOST_READ;
        if self.statuses.is_short {
            return Ok(());
        }
        let mut left = missing.iter().map(|(id, _)| id);
        loop {
            let ids = left.by_ref().filter(|id| self.tally.was_found(id) != Some(true));
            let ids: Vec<_> = ids.take(PAGE).collect();
            if ids.is_empty() {
                return Ok(());
            }
            let rows = self.live_rows(&ids).await?;
            self.statuses.hold(&rows);
        }
    }
}
