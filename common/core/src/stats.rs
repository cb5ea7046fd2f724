//! How much there is of what, and how much became of it day by day.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::change::{Change, ChangeKind};
use crate::diff::Field;
use crate::lease::{Findings, ScopeState};
use crate::message::Mode;
use crate::resource::Status;
use crate::scope::Kind;
use crate::task::{Counts, SyncTask};

/// How many live resources have which status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct StatusCounts(BTreeMap<Status, u64>);

impl StatusCounts {
    /// Counts one more resource.
    pub fn add(&mut self, status: Status) {
        *self.0.entry(status).or_default() += 1;
    }

    /// Adds other counts to these.
    pub fn add_all(&mut self, other: &Self) {
        other.iter().for_each(|(status, count)| *self.0.entry(status).or_default() += count);
    }

    fn take(&mut self, status: Status) {
        if let Some(count) = self.0.get_mut(&status) {
            *count = count.saturating_sub(1);
        }
        self.0.retain(|_, count| *count > 0);
    }

    /// Counts what a recorded change has made of its resource.
    pub fn follow(&mut self, change: &Change) {
        let field = change.fields.get(&Field::Status);
        let read = |value: &Value| serde_json::from_value(value.clone()).ok();
        let old: Option<Status> = field.and_then(|field| read(&field.old));
        let new: Option<Status> = field.and_then(|field| read(&field.new));
        match change.change {
            // A change does not name what any resource begins with.
            ChangeKind::Added => self.add(new.unwrap_or_default()),
            ChangeKind::Restored => self.add(new.unwrap_or(Status::Terminated)),
            ChangeKind::Deleted => self.take(old.unwrap_or(Status::Terminated)),
            ChangeKind::Updated => {
                if let (Some(old), Some(new)) = (old, new) {
                    self.take(old);
                    self.add(new);
                }
            }
        }
    }

    /// Returns how many there are of every status together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Returns every status that occurs, with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Status, u64)> {
        self.0.iter().map(|(status, count)| (*status, *count))
    }
}

impl FromIterator<Status> for StatusCounts {
    fn from_iter<I: IntoIterator<Item = Status>>(statuses: I) -> Self {
        let mut counts = Self::default();
        statuses.into_iter().for_each(|status| counts.add(status));
        counts
    }
}

/// The statuses of a scope's live rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeStatuses {
    /// How many have which.
    pub counts: StatusCounts,
    /// When the complete listing began that they were counted from. What the
    /// scope's successful tasks of other modes have recorded since is counted
    /// in.
    pub as_of: Timestamp,
}

/// What is live, of some scopes together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Live {
    /// How many resources.
    pub total: u64,
    /// How many of them have which status. Less than `total` in sum where a
    /// scope's statuses are not known yet.
    pub by_status: StatusCounts,
    /// How many of them are missing, and held back from deletion.
    pub held: u64,
}

impl Live {
    /// Adds what is known of one scope.
    pub fn add(&mut self, findings: &Findings) {
        self.total += live_count(findings);
        self.held += findings.held_count;
        if let Some(statuses) = &findings.statuses {
            self.by_status.add_all(&statuses.counts);
        }
    }

    /// Adds what is known of others.
    pub fn add_all(&mut self, other: &Self) {
        self.total += other.total;
        self.held += other.held;
        self.by_status.add_all(&other.by_status);
    }

    /// Returns the sum over scopes.
    #[must_use]
    pub fn of<'a>(states: impl IntoIterator<Item = &'a ScopeState>) -> Self {
        let mut live = Self::default();
        states.into_iter().for_each(|state| live.add(&state.findings));
        live
    }
}

/// What is known of a scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ScopeStats {
    /// The account.
    pub account_id: String,
    /// The kind.
    pub kind: Kind,
    /// The region.
    pub region: String,
    /// What is live.
    #[serde(flatten)]
    pub live: Live,
    /// When the complete listing began that the statuses were counted from;
    /// what the scope's successful tasks of other modes have recorded since is
    /// counted in. `null` where statuses are not known yet.
    pub as_of: Option<Timestamp>,
}

impl ScopeStats {
    /// Returns what is known of a scope; `None` for one that was never synced.
    #[must_use]
    pub fn of(state: ScopeState) -> Option<Self> {
        let findings = &state.findings;
        let statuses = findings.statuses.as_ref();
        findings.last_success_at().is_some().then(|| Self {
            live: Live::of([&state]),
            as_of: statuses.map(|statuses| statuses.as_of),
            account_id: state.scope.account_id.clone(),
            kind: state.scope.kind.clone(),
            region: state.scope.region.clone(),
        })
    }
}

/// How much there is, in all and by scope.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Stats {
    /// All of it.
    #[serde(flatten)]
    pub live: Live,
    /// The oldest `as_of` of a scope; `null` where one of them has none.
    pub as_of: Option<Timestamp>,
    /// The same by account, kind and region.
    pub scopes: Vec<ScopeStats>,
}

impl FromIterator<ScopeStats> for Stats {
    fn from_iter<I: IntoIterator<Item = ScopeStats>>(scopes: I) -> Self {
        let (mut live, scopes) = (Live::default(), Vec::from_iter(scopes));
        scopes.iter().for_each(|scope| live.add_all(&scope.live));
        Self { live, as_of: scopes.iter().map(|scope| scope.as_of).min().flatten(), scopes }
    }
}

/// Returns how many live rows a scope has: by status where those are known,
/// since they are counted from the listing itself.
fn live_count(findings: &Findings) -> u64 {
    findings.statuses.as_ref().map_or(findings.live_count, |statuses| statuses.counts.total())
}

/// What the ended tasks of one day recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Flow {
    /// How many tasks ended.
    pub tasks: u64,
    /// How many resources they found new, or back again.
    pub added: u64,
    /// How many changed in a tracked field.
    pub updated: u64,
    /// How many were proven to be gone.
    pub deleted: u64,
}

impl Flow {
    /// Returns what one ended task contributes.
    #[must_use]
    pub const fn of(counts: &Counts) -> Self {
        Self {
            tasks: 1,
            added: counts.added_count,
            updated: counts.updated_count,
            deleted: counts.deleted_count,
        }
    }

    /// Returns the sum.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            tasks: self.tasks + other.tasks,
            added: self.added + other.added,
            updated: self.updated + other.updated,
            deleted: self.deleted + other.deleted,
        }
    }
}

/// What was live when a task ended that had looked at a whole kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Snapshot {
    /// When it was read.
    pub at: Timestamp,
    /// What was live.
    #[serde(flatten)]
    pub live: Live,
}

/// An account's kind on one day, in UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Day {
    /// The account.
    pub account_id: String,
    /// The kind.
    pub kind: Kind,
    /// The day.
    pub day: Date,
    /// What the tasks recorded that ended on it.
    #[serde(flatten)]
    pub flow: Flow,
    /// What was live after the last full or incremental sync that ended on
    /// it; `None` where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Snapshot>,
}

/// Returns the day of a moment, in UTC.
#[must_use]
pub fn day_of(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

/// Returns the day that an ended task counts for; `None` for one that has not
/// ended, or that only planned.
#[must_use]
pub fn day_of_task(task: &SyncTask) -> Option<Date> {
    let counts = task.status.is_terminal() && task.mode != Mode::Plan;
    task.end_time.filter(|_| counts).map(day_of)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{Observer, Outcome};
    use crate::resource::{Resource, Row};
    use crate::scope::Scope;

    fn counts(statuses: &[Status]) -> StatusCounts {
        statuses.iter().copied().collect()
    }

    fn machine(id: &str, status: Status) -> Resource {
        Resource { id: id.into(), status, ..Resource::default() }
    }

    #[test]
    fn counts_that_follow_every_change_are_those_of_the_rows() {
        let scope = Scope {
            account_id: "a".into(),
            kind: "aliyun.ecs.instance".parse().unwrap(),
            region: "r".into(),
        };
        let observer = Observer { scope: &scope, task_id: "t", now: Timestamp::UNIX_EPOCH };
        let (mut counts, mut rows) = (StatusCounts::default(), BTreeMap::<String, Row>::new());
        let all = [Status::Running, Status::Unknown, Status::Stopped, Status::Terminated];
        for round in 0..4 * 4 * 4 {
            for (n, id) in ["x", "y", "z"].into_iter().enumerate() {
                let step = round >> (2 * n) & 3;
                let row = rows.get(id);
                let is_gone = (round + n) % 5 == 0;
                let (change, row) = match row.filter(|row| is_gone && row.is_live()) {
                    Some(row) => observer.gone(row),
                    None => match observer.seen(row, machine(id, all[step])) {
                        Outcome::Changed(change, row) => (change, *row),
                        Outcome::Refreshed(_) | Outcome::Unchanged => continue,
                    },
                };
                counts.follow(&change);
                rows.insert(id.to_owned(), row);
                let live = rows.values().filter(|row| row.is_live());
                assert_eq!(counts, live.map(|row| row.resource.status).collect(), "{change:?}");
            }
        }
    }

    #[test]
    fn counts_never_go_below_nothing() {
        let mut counts = counts(&[Status::Running]);
        counts.take(Status::Stopped);
        counts.take(Status::Running);
        counts.take(Status::Running);
        assert_eq!((counts.total(), counts), (0, StatusCounts::default()));
    }

    #[test]
    fn a_day_ends_at_midnight_in_utc() {
        let late: Timestamp = "2026-11-24T07:59:59+08:00".parse().unwrap();
        assert_eq!(day_of(late).to_string(), "2026-11-23");
        assert_eq!(day_of("2026-11-24T00:00:00Z".parse().unwrap()).to_string(), "2026-11-24");
    }
}
