//! A task's part for one region, and what went wrong in it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::cost::Cost;
use crate::error::{ErrorClass, VendorError};
use crate::plan::RegionPlan;
use crate::task::{Counts, TaskStatus};

/// At most so many errors are kept with a region; all are counted.
pub const MOST_ERRORS_KEPT: usize = 50;

/// At most so many characters of an error's text are kept.
const MOST_TEXT_KEPT: usize = 500;

/// One thing that went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RegionError {
    /// The resource, where it is about one.
    #[serde(default)]
    pub resource_id: Option<String>,
    /// What kind of error.
    pub class: ErrorClass,
    /// The vendor's code, or one of ours.
    pub code: String,
    /// For a person.
    pub error: String,
    /// When.
    pub timestamp: Timestamp,
}

impl RegionError {
    /// Returns an error about the region as a whole.
    #[must_use]
    pub fn new(class: ErrorClass, code: &str, error: &str, timestamp: Timestamp) -> Self {
        Self { resource_id: None, class, code: bounded(code), error: bounded(error), timestamp }
    }

    /// Returns an error about one resource.
    #[must_use]
    pub fn of_resource(id: Option<&str>, code: &str, error: &str, timestamp: Timestamp) -> Self {
        Self { resource_id: id.map(bounded), ..Self::new(ErrorClass::Data, code, error, timestamp) }
    }

    /// Returns a vendor's error as one about the region.
    #[must_use]
    pub fn of_vendor(error: &VendorError, timestamp: Timestamp) -> Self {
        let text = format!("{}: {}", error.api, error.message);
        Self::new(error.class, &error.code, &text, timestamp)
    }
}

/// Cuts a text that comes from outside, so that no error outgrows its task.
fn bounded(text: &str) -> String {
    text.char_indices()
        .nth(MOST_TEXT_KEPT)
        .map_or_else(|| text.to_owned(), |(end, _)| format!("{}…", &text[..end]))
}

/// A task's part for one region.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RegionResult {
    /// The task.
    pub task_id: String,
    /// The region.
    pub region: String,
    /// Where it stands.
    pub status: TaskStatus,
    /// How often a worker began it, continuations not counted.
    pub attempts: u32,
    /// The vendor does not offer the kind here.
    #[serde(default)]
    pub skipped: bool,
    /// When the first worker began.
    pub start_time: Timestamp,
    /// When it ended.
    #[serde(default)]
    pub end_time: Option<Timestamp>,
    /// What was seen and done.
    #[serde(flatten)]
    pub counts: Counts,
    /// What it cost, over all attempts.
    #[serde(flatten)]
    pub cost: Cost,
    /// What would be done, of a task that only plans.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<RegionPlan>,
    /// What went wrong, the first [`MOST_ERRORS_KEPT`] of it.
    #[serde(default)]
    pub errors: Vec<RegionError>,
}

impl RegionResult {
    /// Returns a result that has just begun.
    #[must_use]
    pub fn begin(task_id: &str, region: &str, now: Timestamp) -> Self {
        Self {
            task_id: task_id.to_owned(),
            region: region.to_owned(),
            status: TaskStatus::Running,
            attempts: 1,
            skipped: false,
            start_time: now,
            end_time: None,
            counts: Counts::default(),
            cost: Cost::default(),
            plan: None,
            errors: Vec::new(),
        }
    }

    /// Records one more error.
    pub fn record(&mut self, error: RegionError) {
        self.counts.error_count += 1;
        if self.errors.len() < MOST_ERRORS_KEPT {
            self.errors.push(error);
        }
    }

    /// Ends a region that was listed whole.
    pub fn complete(&mut self, now: Timestamp) {
        let is_clean = self.counts.error_count == 0 && self.counts.held_count == 0;
        self.status = if is_clean { TaskStatus::Success } else { TaskStatus::Partial };
        self.end_time = Some(now);
    }

    /// Ends a region that was not. The error is kept as the last one, even
    /// where it is one too many.
    pub fn fail(&mut self, error: RegionError, now: Timestamp) {
        self.errors.truncate(MOST_ERRORS_KEPT - 1);
        self.record(error);
        self.status = TaskStatus::Failed;
        self.end_time = Some(now);
    }

    /// Ends a region that an operator stopped.
    pub fn cancel(&mut self, now: Timestamp) {
        self.status = TaskStatus::Cancelled;
        self.end_time = Some(now);
    }
}
