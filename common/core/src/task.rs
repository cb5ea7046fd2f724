//! Tasks: one run for an account and a kind over its regions.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::cost::Cost;
use crate::message::{Mode, Trigger};
use crate::plan::PlanTotals;
pub use crate::region::{MOST_ERRORS_KEPT, RegionError, RegionResult};
use crate::scope::{Kind, Scope};

/// How long a task may take before what has not ended is given up. Every part
/// of it that begins pushes this out.
pub const TASK_TIME: SignedDuration = SignedDuration::from_hours(6);

/// Where a task, or its part for one region, stands.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum TaskStatus {
    /// Not begun.
    #[default]
    Pending,
    /// Begun, not ended.
    Running,
    /// Every region complete, without an error.
    Success,
    /// Some regions failed, or resources were in error, or deletions are held.
    Partial,
    /// No region completed.
    Failed,
    /// Stopped by an operator.
    Cancelled,
}

/// What can happen to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskEvent {
    /// A region of it began.
    Start,
    /// Everything that it will do is done.
    Finish(Outcome),
    /// An operator stopped it.
    Cancel,
}

/// How a task that ran to its end ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// See [`TaskStatus::Success`].
    Success,
    /// See [`TaskStatus::Partial`].
    Partial,
    /// See [`TaskStatus::Failed`].
    Failed,
}

/// A task cannot do this from where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a task that is {} cannot take {event:?}", from.as_str())]
pub struct IllegalTransition {
    /// Where it stands.
    pub from: TaskStatus,
    /// What was to happen.
    pub event: TaskEvent,
}

impl TaskStatus {
    /// Returns the status after an event.
    ///
    /// # Errors
    ///
    /// The event cannot happen to a task that stands here; a task that has
    /// ended takes none.
    pub const fn next(self, event: TaskEvent) -> Result<Self, IllegalTransition> {
        match (self, event) {
            (Self::Pending | Self::Running, TaskEvent::Start) => Ok(Self::Running),
            (Self::Pending | Self::Running, TaskEvent::Cancel) => Ok(Self::Cancelled),
            (Self::Running, TaskEvent::Finish(Outcome::Success)) => Ok(Self::Success),
            (Self::Running, TaskEvent::Finish(Outcome::Partial)) => Ok(Self::Partial),
            (Self::Running, TaskEvent::Finish(Outcome::Failed)) => Ok(Self::Failed),
            (from, event) => Err(IllegalTransition { from, event }),
        }
    }

    /// Tells whether nothing more can happen.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }

    /// Tells whether the whole of it was listed.
    #[must_use]
    pub const fn is_complete(self) -> bool {
        matches!(self, Self::Success | Self::Partial)
    }

    /// Returns the name used in tables and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Success => "success",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Exact counts of what a sync saw and did.
///
/// `total = added + updated + unchanged + undecodable`, and `deleted` stands
/// beside it. Restored resources count as added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Counts {
    /// Everything listed.
    pub total_count: u64,
    /// New, or back again.
    pub added_count: u64,
    /// Changed in a tracked field.
    pub updated_count: u64,
    /// Proven to be gone.
    pub deleted_count: u64,
    /// As it was.
    pub unchanged_count: u64,
    /// Undecodable resources, and errors of regions and secondary calls.
    pub error_count: u64,
    /// Missing, but held back from deletion.
    #[serde(default)]
    pub held_count: u64,
}

impl Counts {
    /// Returns the sum.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            total_count: self.total_count + other.total_count,
            added_count: self.added_count + other.added_count,
            updated_count: self.updated_count + other.updated_count,
            deleted_count: self.deleted_count + other.deleted_count,
            unchanged_count: self.unchanged_count + other.unchanged_count,
            error_count: self.error_count + other.error_count,
            held_count: self.held_count + other.held_count,
        }
    }
}

/// One run for an account and a kind over its regions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SyncTask {
    /// See [`task_id`].
    pub task_id: String,
    /// The account.
    pub account_id: String,
    /// The vendor.
    pub provider: String,
    /// The kind.
    pub resource_type: Kind,
    /// The regions, sorted.
    pub regions: Vec<String>,
    /// How much the vendor is asked.
    pub mode: Mode,
    /// For incremental: since when to look closer, at the disks of what was
    /// created and at the change feed; the scope's last success where `None`.
    #[serde(default)]
    pub since: Option<Timestamp>,
    /// The resources, for modes that name some.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
    /// What started it.
    pub trigger: Trigger,
    /// Where it stands.
    pub status: TaskStatus,
    /// An operator asked for it to stop.
    #[serde(default)]
    pub cancel_requested: bool,
    /// When it was created.
    pub start_time: Timestamp,
    /// When it ended.
    #[serde(default)]
    pub end_time: Option<Timestamp>,
    /// From start to end, in milliseconds.
    #[serde(default)]
    pub duration_ms: Option<i64>,
    /// After this, what has not ended is given up. Every worker that begins a
    /// part of the task pushes it out.
    pub deadline: Timestamp,
    /// The sum over its regions.
    #[serde(flatten)]
    pub counts: Counts,
    /// The sum over its regions.
    #[serde(flatten)]
    pub cost: Cost,
    /// Of a plan: what it would take to do what it shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanTotals>,
    /// The error that ended each region that failed, for a person.
    #[serde(default)]
    pub error_message: Option<String>,
}

impl SyncTask {
    /// Returns a full sync on demand that has not begun.
    #[must_use]
    pub fn new(
        task_id: String,
        account_id: &str,
        kind: Kind,
        regions: Vec<String>,
        now: Timestamp,
    ) -> Self {
        Self {
            task_id,
            account_id: account_id.to_owned(),
            provider: kind.provider().to_owned(),
            resource_type: kind,
            regions,
            mode: Mode::Full,
            since: None,
            ids: Vec::new(),
            trigger: Trigger::OnDemand,
            status: TaskStatus::Pending,
            cancel_requested: false,
            start_time: now,
            end_time: None,
            duration_ms: None,
            deadline: now + TASK_TIME,
            counts: Counts::default(),
            cost: Cost::default(),
            plan: None,
            error_message: None,
        }
    }

    /// Returns the scope of one of its regions.
    #[must_use]
    pub fn scope(&self, region: &str) -> Scope {
        Scope {
            account_id: self.account_id.clone(),
            kind: self.resource_type.clone(),
            region: region.to_owned(),
        }
    }

    /// Returns the regions that have not ended.
    #[must_use]
    pub fn open_regions(&self, results: &[RegionResult]) -> Vec<String> {
        let ended = |region: &String| {
            results.iter().any(|result| result.region == *region && result.status.is_terminal())
        };
        self.regions.iter().filter(|region| !ended(region)).cloned().collect()
    }

    /// Returns the task as its regions have it: the sums, and where every
    /// region has ended, the end. Gives the same for the same results, in any
    /// order and however often.
    ///
    /// # Errors
    ///
    /// The task has ended already.
    pub fn add_up(&self, all: &[RegionResult], now: Timestamp) -> Result<Self, IllegalTransition> {
        let mut results: Vec<_> =
            all.iter().filter(|result| self.regions.contains(&result.region)).collect();
        results.sort_unstable_by(|a, b| a.region.cmp(&b.region));
        results.dedup_by(|a, b| a.region == b.region);

        let mut task = self.clone();
        task.counts = results.iter().fold(Counts::default(), |sum, r| sum.plus(r.counts));
        task.cost = results.iter().fold(Cost::default(), |sum, r| sum.plus(&r.cost));
        let plans = results.iter().filter_map(|result| result.plan.as_ref());
        task.plan = PlanTotals::of(plans, &task.cost);
        task.error_message = error_message(&results);
        let has_ended = self.open_regions(all).is_empty();
        if has_ended || !results.is_empty() || self.status != TaskStatus::Pending {
            task.status = task.status.next(TaskEvent::Start)?;
        }
        if has_ended {
            task.status = task.status.next(ending(&results))?;
            let end = results.iter().filter_map(|result| result.end_time).max().unwrap_or(now);
            task.end_time = Some(end);
            task.duration_ms = Some(duration_ms(self.start_time, end));
        }
        Ok(task)
    }
}

fn duration_ms(start: Timestamp, end: Timestamp) -> i64 {
    end.as_millisecond().saturating_sub(start.as_millisecond()).max(0)
}

/// Returns how a task ends whose regions have all ended.
fn ending(results: &[&RegionResult]) -> TaskEvent {
    let any = |status: TaskStatus| results.iter().any(|result| result.status == status);
    let all = |status: TaskStatus| results.iter().all(|result| result.status == status);
    if any(TaskStatus::Cancelled) {
        TaskEvent::Cancel
    } else if all(TaskStatus::Success) {
        TaskEvent::Finish(Outcome::Success)
    } else if results.iter().any(|result| result.status.is_complete()) {
        TaskEvent::Finish(Outcome::Partial)
    } else {
        TaskEvent::Finish(Outcome::Failed)
    }
}

/// Returns one line a failed region, for a person; `None` without any.
fn error_message(results: &[&RegionResult]) -> Option<String> {
    let lines: Vec<_> = results
        .iter()
        .filter(|result| result.status == TaskStatus::Failed)
        .map(|result| match result.errors.last() {
            Some(error) => format!("{}: {}: {}", result.region, error.code, error.error),
            None => format!("{}: failed", result.region),
        })
        .collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// Returns a task's id: `20261123T101500Z-3fa9c2d41b07`, the time of what
/// started it and a hash of what it is for. The same trigger gives the same
/// ids, which is what makes dispatching idempotent; ids sort by time.
#[must_use]
pub fn task_id(at: Timestamp, trigger_id: &str, account_id: &str, kind: &Kind) -> String {
    let digest = Sha256::new()
        .chain_update(trigger_id)
        .chain_update([0])
        .chain_update(account_id)
        .chain_update([0])
        .chain_update(kind.as_str())
        .finalize();
    let hash: String = digest[..6].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{hash}", at.strftime("%Y%m%dT%H%M%SZ"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(regions: &[&str]) -> SyncTask {
        let kind = "aliyun.ecs.instance".parse().unwrap();
        let regions = regions.iter().map(|region| (*region).to_owned()).collect();
        SyncTask::new("t".into(), "a", kind, regions, Timestamp::UNIX_EPOCH)
    }

    fn result(region: &str, status: TaskStatus) -> RegionResult {
        let counts = Counts { total_count: 2, unchanged_count: 2, ..Counts::default() };
        let mut result = RegionResult::begin("t", region, Timestamp::UNIX_EPOCH);
        result.counts = counts;
        result.status = status;
        result.end_time = status.is_terminal().then_some(Timestamp::UNIX_EPOCH);
        result
    }

    fn end_of(statuses: &[TaskStatus]) -> TaskStatus {
        let names: Vec<_> = (0..statuses.len()).map(|n| format!("r{n}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let results: Vec<_> =
            names.iter().zip(statuses).map(|(name, status)| result(name, *status)).collect();
        task(&names).add_up(&results, Timestamp::UNIX_EPOCH).unwrap().status
    }

    #[test]
    fn a_task_ends_as_its_regions_did() {
        use TaskStatus::{Cancelled, Failed, Partial, Running, Success};
        assert_eq!(end_of(&[Success, Success]), Success);
        assert_eq!(end_of(&[Success, Failed]), Partial);
        assert_eq!(end_of(&[Success, Partial]), Partial);
        assert_eq!(end_of(&[Failed, Failed]), Failed);
        assert_eq!(end_of(&[Success, Cancelled]), Cancelled);
        assert_eq!(end_of(&[Success, Running]), Running);
    }

    #[test]
    fn a_region_without_a_result_keeps_its_task_open() {
        let open = task(&["r0", "r1"]);
        let results = [result("r0", TaskStatus::Success)];
        let sum = open.add_up(&results, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!((sum.status, sum.counts.total_count), (TaskStatus::Running, 2));
        assert_eq!(open.open_regions(&results), ["r1"]);
    }

    #[test]
    fn the_same_trigger_gives_the_same_id() {
        let kind = "aliyun.ecs.instance".parse().unwrap();
        let at = Timestamp::UNIX_EPOCH;
        assert_eq!(task_id(at, "e1", "a", &kind), task_id(at, "e1", "a", &kind));
        assert_ne!(task_id(at, "e1", "a", &kind), task_id(at, "e2", "a", &kind));
        assert_ne!(task_id(at, "e1", "a", &kind), task_id(at, "e1", "b", &kind));
        assert!(task_id(at, "e1", "a", &kind).starts_with("19700101T000000Z-"));
    }

    #[test]
    fn errors_from_outside_are_cut_and_all_counted() {
        let mut result = RegionResult::begin("t", "r", Timestamp::UNIX_EPOCH);
        for _ in 0..MOST_ERRORS_KEPT + 7 {
            let huge = "库".repeat(10_000);
            result.record(RegionError::of_resource(Some("i"), "c", &huge, Timestamp::UNIX_EPOCH));
        }
        assert_eq!(result.errors.len(), MOST_ERRORS_KEPT);
        assert_eq!(result.counts.error_count, MOST_ERRORS_KEPT as u64 + 7);
        assert_eq!(result.errors[0].error.chars().count(), 501);
    }
}
