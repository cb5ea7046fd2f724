//! Which scopes are due.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::message::Mode;

/// How often an account's scopes are synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SchedulePolicy {
    /// Minutes between two syncs of a scope.
    pub interval_minutes: u32,
    /// Minutes after which the next sync is a full one.
    pub full_interval_minutes: u32,
}

impl Default for SchedulePolicy {
    fn default() -> Self {
        Self { interval_minutes: 60, full_interval_minutes: 24 * 60 }
    }
}

/// When a scope was last given to a task, and when it was last synced whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// When it was last given to a task.
    pub dispatched_at: Option<Timestamp>,
    /// Whether that task has not finished with it.
    pub in_flight: bool,
    /// When the last complete full sync began.
    pub last_full_at: Option<Timestamp>,
}

impl SchedulePolicy {
    /// Returns the mode in which a scope is to be synced now, or `None` where
    /// it is not due.
    ///
    /// A scope still in flight is not due, however late: a second message in
    /// its queue group would only wait behind the first. What vanished in
    /// flight is given up by the sweep of overdue tasks.
    #[must_use]
    pub fn due(&self, past: &Past, now: Timestamp) -> Option<Mode> {
        let minutes = |count: u32| SignedDuration::from_mins(i64::from(count));
        let elapsed = |since: Option<Timestamp>, count: u32| {
            since.is_none_or(|since| now.duration_since(since) >= minutes(count))
        };
        if past.in_flight || !elapsed(past.dispatched_at, self.interval_minutes) {
            None
        } else if elapsed(past.last_full_at, self.full_interval_minutes) {
            Some(Mode::Full)
        } else {
            Some(Mode::Incremental)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute)
    }

    fn due(past: Past, minute: i64) -> Option<Mode> {
        SchedulePolicy::default().due(&past, at(minute))
    }

    #[test]
    fn a_new_scope_is_due_in_full() {
        assert_eq!(due(Past::default(), 0), Some(Mode::Full));
    }

    #[test]
    fn a_scope_is_due_after_its_interval_and_daily_in_full() {
        let past =
            Past { dispatched_at: Some(at(1000)), last_full_at: Some(at(0)), in_flight: false };
        assert_eq!(due(past, 1059), None);
        assert_eq!(due(past, 1060), Some(Mode::Incremental));
        assert_eq!(due(past, 1440), Some(Mode::Full));
    }

    #[test]
    fn a_scope_in_flight_is_not_due() {
        let past = Past { dispatched_at: Some(at(0)), in_flight: true, ..Past::default() };
        assert_eq!(due(past, 100_000), None);
    }
}
