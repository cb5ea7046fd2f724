//! Compares what the vendor showed with what is stored, and writes the
//! differences: changes first, then rows.

use std::collections::HashMap;
use std::time::Duration;

use cloud_sync_core::budget::BUDGET_EXHAUSTED;
use cloud_sync_core::change::{Change, ChangeKind, Observer, Outcome, replay};
use cloud_sync_core::error::{ErrorClass, VendorError};
use cloud_sync_core::fingerprint::Comparison;
use cloud_sync_core::listing::{Fresh, Undecodable};
use cloud_sync_core::message::Mode;
use cloud_sync_core::resource::{Resource, Row};
use cloud_sync_core::task::RegionError;
use cloud_sync_runtime::store::StoreError;
use jiff::{SignedDuration, Timestamp};

use crate::work::{Stop, Work};

impl Work<'_> {
    /// Compares one page's resources.
    pub(crate) async fn process(&mut self, fresh: Fresh) -> Result<(), Stop> {
        for item in &fresh.undecodable {
            self.note_undecodable(item);
        }
        self.unmark(&fresh.undecodable).await?;
        let garbled: Vec<_> = fresh.undecodable.into_iter().filter_map(|item| item.id).collect();
        self.count_undecodable(&garbled).await?;
        self.count_seen(&fresh.resources);
        self.meet_types(&fresh.resources);
        let (mut resources, mut candidates) = (fresh.resources, Vec::new());
        resources.iter_mut().for_each(|resource| self.details.fill(resource));
        if self.details.wants_all() && !self.details.is_listed() {
            self.ask_details(&mut resources).await?;
        }
        for resource in resources {
            match self.verdict(&resource) {
                Verdict::Same => {}
                Verdict::Later => self.doubtful.push(resource),
                Verdict::Candidate => candidates.push(resource),
            }
        }
        if self.message().mode == Mode::Incremental && !self.details.has_walked() {
            self.ask_details(&mut candidates).await?;
        }
        self.write(candidates).await
    }

    pub(crate) fn note_undecodable(&mut self, item: &Undecodable) {
        self.tally.undecodable(item.id.as_deref());
        let now = self.sync.clock.now();
        let id = item.id.as_deref();
        tracing::warn!(resource_id = id, error = item.message, "a resource cannot be decoded");
        self.result.record(RegionError::of_resource(id, UNDECODABLE, &item.message, now));
    }

    /// Takes the mark from rows whose resources are there after all, however
    /// garbled: absences count in a row.
    pub(crate) async fn unmark(&mut self, items: &[Undecodable]) -> Result<(), Stop> {
        let rows = self.tally.ids();
        let is_marked = |id: &&String| rows.stored(id).is_some_and(|row| row.is_marked());
        let ids: Vec<_> =
            items.iter().filter_map(|item| item.id.as_ref()).filter(is_marked).cloned().collect();
        if ids.is_empty() {
            return Ok(());
        }
        let rows = self.store.rows(&self.scope, &ids).await?;
        let unmarked: Vec<_> = rows.iter().filter_map(|row| self.observer().sighted(row)).collect();
        self.put(&[], &unmarked).await
    }

    fn verdict(&self, resource: &Resource) -> Verdict {
        let Some(stored) = self.tally.ids().stored(&resource.id) else {
            let knows_all = resource.data_disks.is_some()
                || !self.details.wants_all()
                // It was asked for already, with the page that it is on.
                || !self.details.is_listed()
                || self.details.has_failed();
            return if knows_all { Verdict::Candidate } else { Verdict::Later };
        };
        let was_created_since = self
            .since()
            .is_some_and(|since| resource.created_at.is_some_and(|created| created >= since));
        match stored.compare(resource) {
            Comparison::Same if was_created_since && self.details.is_needed() => Verdict::Candidate,
            Comparison::Same if stored.is_marked() => Verdict::Candidate,
            Comparison::Same => Verdict::Same,
            // Disks and machines are two snapshots: one may be ahead of the
            // other, so the disks are asked for again before this is believed.
            Comparison::DetailDiffers if self.details.is_listed() => Verdict::Later,
            Comparison::DetailDiffers | Comparison::Differs | Comparison::Unreadable => {
                Verdict::Candidate
            }
        }
    }

    /// Returns since when an incremental sync looks closer: as is wished, else
    /// since the scope's last success, which the scope remembers.
    pub(crate) fn since(&self) -> Option<Timestamp> {
        let message = self.message();
        let known = self.before.findings.last_success_at();
        message.since.or(known).filter(|_| message.mode == Mode::Incremental)
    }

    /// Settles the resources whose disks were doubtful.
    pub(crate) async fn settle_doubtful(&mut self) -> Result<(), Stop> {
        let mut doubtful = std::mem::take(&mut self.doubtful);
        self.ask_details(&mut doubtful).await?;
        while !doubtful.is_empty() {
            let rest = doubtful.split_off(doubtful.len().min(PAGE));
            self.write(doubtful).await?;
            doubtful = rest;
        }
        Ok(())
    }

    /// Asks for the disks of some resources; where that fails they become
    /// unknown and the error is recorded. An account that may spend no more
    /// today stops the attempt.
    pub(crate) async fn ask_details(&mut self, resources: &mut [Resource]) -> Result<(), Stop> {
        let now = self.sync.clock.now();
        let left = (self.delivered.deadline - TIME_TO_CLOSE).duration_since(now);
        let left = Duration::try_from(left).unwrap_or_default();
        let asked = tokio::time::timeout(left, self.details.ask(resources, now)).await;
        let asked = asked.unwrap_or_else(|_| {
            let text = "the worker's time was up before all disks were asked for";
            Err(VendorError::new(ErrorClass::Network, "", "OutOfTime", text))
        });
        match asked {
            Ok(refused) => refused.iter().for_each(|(id, error)| self.note_refused(id, error)),
            Err(error) if error.code == BUDGET_EXHAUSTED => return Err(error.into()),
            Err(error) => {
                self.note_secondary(&error);
                for resource in resources.iter_mut() {
                    resource.data_disks = None;
                }
            }
        }
        Ok(())
    }

    /// Writes what differs of these resources from their rows.
    ///
    /// The rows are read consistently, so an index that lags behind costs a
    /// read and nothing else.
    pub(crate) async fn write(&mut self, candidates: Vec<Resource>) -> Result<(), Stop> {
        if candidates.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> = candidates.iter().map(|resource| resource.id.clone()).collect();
        let mut rows = self.base_rows(&ids).await?;
        let (mut changes, mut written) = (Vec::new(), Vec::new());
        for resource in candidates {
            let row = rows.remove(&resource.id);
            match self.observer().seen(row.as_ref(), resource) {
                Outcome::Unchanged => {}
                Outcome::Refreshed(row) => written.push(*row),
                Outcome::Changed(change, row) => {
                    self.meet_types(std::slice::from_ref(&row.resource));
                    changes.push(change);
                    written.push(*row);
                }
            }
        }
        self.put(&changes, &written).await
    }

    /// Writes changes, then rows.
    pub(crate) async fn put(&mut self, changes: &[Change], rows: &[Row]) -> Result<(), Stop> {
        self.check_time_to_write()?;
        if !changes.is_empty() {
            self.in_time(changes, self.store.put_changes(changes)).await?;
            self.check_time_to_write()?;
        }
        if !rows.is_empty() {
            let days = self.account.deletion.tombstone_days;
            self.store.put_rows(rows, days).await?;
            self.meter.record_rows(rows.len());
        }
        for change in changes {
            self.tally.record(change);
            self.statuses.follow(change);
            self.grown_by += match change.change {
                ChangeKind::Added | ChangeKind::Restored => 1,
                ChangeKind::Deleted => -1,
                ChangeKind::Updated => 0,
            };
        }
        Ok(())
    }

    /// Awaits a write of changes, and gives it up where it takes so long that
    /// whoever follows them may have passed the time that they have.
    async fn in_time(
        &self,
        changes: &[Change],
        write: impl Future<Output = Result<(), StoreError>>,
    ) -> Result<(), Stop> {
        let now = self.sync.clock.now();
        let earliest = changes.iter().map(|change| change.at).min().unwrap_or(now);
        let left = WRITE_TIME.checked_sub(now.duration_since(earliest)).unwrap_or_default();
        let left = Duration::try_from(left).unwrap_or_default();
        match tokio::time::timeout(left, write).await {
            Ok(written) => Ok(written?),
            Err(_) => Err(StoreError::Unavailable {
                operation: "writing changes",
                reason: format!("it took more than {WRITE_TIME:#}"),
            }
            .into()),
        }
    }

    /// Returns the rows of the given ids; for one that has none but may have
    /// had one, the row that its history leaves behind.
    pub(crate) async fn base_rows(&self, ids: &[String]) -> Result<HashMap<String, Row>, Stop> {
        let rows = self.store.rows(&self.scope, ids).await?;
        let mut rows: HashMap<_, _> =
            rows.into_iter().map(|row| (row.resource.id.clone(), row)).collect();
        if self.before.findings.ever_deleted {
            for id in ids.iter().filter(|id| !rows.contains_key(*id)).cloned().collect::<Vec<_>>() {
                let history = self.store.history(&self.scope, &id).await?;
                if let Some(row) = row_of(&history) {
                    rows.insert(id, row);
                }
            }
        }
        Ok(rows)
    }

    pub(crate) fn observer(&self) -> Observer<'_> {
        Observer {
            scope: &self.scope,
            task_id: &self.delivered.message.task_id,
            now: self.sync.clock.now(),
        }
    }
}

/// The code of the error that a resource cannot be decoded.
pub(crate) const UNDECODABLE: &str = "Undecodable";

/// Before its deadline by this much a worker asks for nothing more: it has to
/// write what it knows.
pub(crate) const TIME_TO_CLOSE: SignedDuration = SignedDuration::from_secs(15);

/// So long after they were seen, changes are no longer written: the next
/// attempt sees them anew. [`SETTLES_AFTER`] counts on it.
///
/// [`SETTLES_AFTER`]: cloud_sync_runtime::query::changes::SETTLES_AFTER
const WRITE_TIME: SignedDuration = SignedDuration::from_secs(60);

/// So many resources are read and written together.
pub(crate) const PAGE: usize = 100;

/// What is to be done about a listed resource.
enum Verdict {
    /// Nothing: it is as it is stored.
    Same,
    /// Its row is to be read and compared.
    Candidate,
    /// Its disks are to be asked for again first.
    Later,
}

/// Replays a history, whose first changes may have expired, to its row.
pub(crate) fn row_of(history: &[Change]) -> Option<Row> {
    let first = history.first()?;
    let mut row = (first.version > 1).then(|| before(first));
    for change in history {
        match replay(row.as_ref(), change) {
            Ok(next) => row = Some(next),
            Err(error) => {
                tracing::error!(%error, "a history cannot be replayed; going on from its last change");
                row = history.last().map(|last| Row { version: last.version, ..before(last) });
                break;
            }
        }
    }
    row
}

/// Returns a stand-in for the row before a change whose predecessors expired.
fn before(change: &Change) -> Row {
    let resource = Resource { id: change.id.clone(), ..Resource::default() };
    Row {
        scope: change.scope.clone(),
        fingerprint: cloud_sync_core::fingerprint::Fingerprint::unreadable(),
        resource,
        version: change.version - 1,
        task_id: change.task_id.clone(),
        first_seen_at: change.at,
        changed_at: change.at,
        deleted_at: Some(change.at),
        missing: None,
    }
}
