//! Which scopes are due: each has an interval of its own, by how often it
//! changes and what it costs to look.
//!
//! A sync that costs *c* calls, every *t* hours, of a scope that changes *r*
//! times an hour, costs *c / t* calls an hour and leaves each change unseen for
//! *t / 2* hours. Where seeing one change an hour earlier is worth *w* calls,
//! the sum of both is least at `t = √(2c / (w·r))`: that is the interval, within
//! the bounds of the account.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::message::Mode;

/// How often an account's scopes are synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct SchedulePolicy {
    /// Minutes between two syncs of a scope, at least.
    pub min_interval_minutes: u32,
    /// Minutes between two syncs of a scope with resources, at most; of an
    /// empty one it is `full_interval_minutes`.
    pub max_interval_minutes: u32,
    /// Minutes after which the next sync is a full one.
    pub full_interval_minutes: u32,
    /// How many API calls it is worth to see one change an hour earlier.
    pub calls_per_change_hour: u32,
}

impl Default for SchedulePolicy {
    fn default() -> Self {
        Self {
            min_interval_minutes: 10,
            max_interval_minutes: 6 * 60,
            full_interval_minutes: 24 * 60,
            calls_per_change_hour: 32,
        }
    }
}

/// Hours in which half of what was seen lately is forgotten: a burst is over
/// soon.
const RECENT_HALF_LIFE: f64 = 3.0;

/// Hours in which half of what was ever seen is forgotten: a week has all of a
/// scope's habits.
const HALF_LIFE: f64 = 7.0 * 24.0;

/// The long-run rate counts in the recent one like so many hours of it.
const HOURS_OF_HABIT: f64 = 3.0;

/// What is supposed of a scope of which nothing is known: a change in fifty
/// days, as if it had been watched for a day.
const SUPPOSED_CHANGES: f64 = 0.02;
const SUPPOSED_HOURS: f64 = 24.0;

/// More changes than this in one sync were one event: somebody tagged a fleet.
const MOST_AT_ONCE: u64 = 100;

/// Intervals are stretched by this at most.
const MOST_STRETCH: f64 = 24.0;

/// How often a scope changes, and what it costs to look: what the schedule
/// remembers of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rhythm {
    /// Changes seen lately; older ones fade.
    pub recent_changes: f64,
    /// Hours watched lately; older ones fade.
    pub recent_hours: f64,
    /// Changes seen; older ones fade, slowly.
    pub changes: f64,
    /// Hours watched; older ones fade, slowly.
    pub hours: f64,
    /// The vendor calls that the last incremental sync took.
    pub calls: u64,
    /// When the last sync began.
    pub at: Option<Timestamp>,
}

impl Rhythm {
    /// Returns it after a sync that began at `at` and found so many changes.
    /// The first only begins the watch: what it finds was there before.
    #[must_use]
    pub fn after(self, at: Timestamp, changes: u64, calls: u64) -> Self {
        let Some(before) = self.at else {
            return Self { calls, at: Some(at), ..self };
        };
        // A worker's clock may be behind its predecessor's.
        let hours = (at.duration_since(before).as_secs_f64() / 3600.0).max(0.0);
        let changes = changes.min(MOST_AT_ONCE) as f64;
        let [recent, old] = [RECENT_HALF_LIFE, HALF_LIFE].map(|half| 0.5_f64.powf(hours / half));
        // No more digits than matter: it is stored as text.
        let short = |number: f64| (number * 1000.0).round() / 1000.0;
        Self {
            recent_changes: short(self.recent_changes * recent + changes),
            recent_hours: short(self.recent_hours * recent + hours),
            changes: short(self.changes * old + changes),
            hours: short(self.hours * old + hours),
            calls,
            at: Some(at.max(before)),
        }
    }

    /// Returns how many changes an hour are expected: what was seen lately,
    /// tempered by the habit.
    #[must_use]
    pub fn changes_an_hour(&self) -> f64 {
        let habit = (self.changes + SUPPOSED_CHANGES) / (self.hours + SUPPOSED_HOURS);
        (self.recent_changes + HOURS_OF_HABIT * habit) / (self.recent_hours + HOURS_OF_HABIT)
    }
}

/// When a scope was last given to a task, and what is known of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Past {
    /// When it was last given to a task.
    pub dispatched_at: Option<Timestamp>,
    /// Whether that task has not finished with it.
    pub in_flight: bool,
    /// When the last complete full sync began.
    pub last_full_at: Option<Timestamp>,
    /// How many live resources it has.
    pub live_count: u64,
    /// How often it changes.
    pub rhythm: Rhythm,
    /// Whether a live resource was asked for by id and not found since the
    /// last complete sync.
    pub lacks: bool,
}

impl SchedulePolicy {
    /// Returns the policy of one interval for all scopes, and daily in full.
    #[must_use]
    pub fn every(minutes: u32) -> Self {
        Self { min_interval_minutes: minutes, max_interval_minutes: minutes, ..Self::default() }
    }

    /// Returns how long after a sync the next is due. `stretch`, from 1 on, is
    /// how much longer a budget makes that; it may exceed the longest interval
    /// of scopes with resources, never that of full syncs.
    #[must_use]
    pub fn interval(&self, rhythm: &Rhythm, live_count: u64, stretch: f64) -> SignedDuration {
        let worth = f64::from(self.calls_per_change_hour) * rhythm.changes_an_hour();
        let hours = (2.0 * rhythm.calls.max(1) as f64 / worth.max(f64::MIN_POSITIVE)).sqrt();
        let (least, most) = (f64::from(self.min_interval_minutes), self.longest(live_count));
        let minutes = (hours * 60.0).min(most).max(least) * stretch.clamp(1.0, MOST_STRETCH);
        // A scope that is due for a full sync is due.
        let minutes = minutes.min(f64::from(self.full_interval_minutes).max(least));
        SignedDuration::from_secs((minutes * 60.0).ceil() as i64)
    }

    /// Returns the shortest interval.
    fn least(&self, stretch: f64) -> SignedDuration {
        let minutes = f64::from(self.min_interval_minutes) * stretch.clamp(1.0, MOST_STRETCH);
        SignedDuration::from_secs((minutes * 60.0).ceil() as i64)
    }

    /// Returns the longest interval in minutes. An account of one interval has
    /// that for empty scopes too.
    fn longest(&self, live_count: u64) -> f64 {
        let is_fixed = self.max_interval_minutes <= self.min_interval_minutes;
        let decays = live_count == 0 && !is_fixed;
        let most = if decays { self.full_interval_minutes } else { self.max_interval_minutes };
        f64::from(most)
    }

    /// Returns the mode in which a scope is to be synced now, or `None` where
    /// it is not due.
    ///
    /// A scope still in flight is not due, however late: a second message in
    /// its queue group would only wait behind the first. What vanished in
    /// flight is given up by the sweep of overdue tasks.
    #[must_use]
    pub fn due(&self, past: &Past, stretch: f64, now: Timestamp) -> Option<Mode> {
        let elapsed = |since: Option<Timestamp>, interval: SignedDuration| {
            since.is_none_or(|since| now.duration_since(since) >= interval)
        };
        let usual = self.interval(&past.rhythm, past.live_count, stretch);
        // Something is probably gone, and nothing but a listing may say so.
        let interval = if past.lacks { usual.min(self.least(stretch)) } else { usual };
        let full_interval = SignedDuration::from_mins(self.full_interval_minutes.into());
        if past.in_flight || !elapsed(past.dispatched_at, interval) {
            None
        } else if elapsed(past.last_full_at, full_interval) {
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
        SchedulePolicy::every(60).due(&past, 1.0, at(minute))
    }

    /// Watches a scope every hour; `changes` of an hour are those seen then.
    fn watched(hours: i64, changes: impl Fn(i64) -> u64) -> Rhythm {
        (0..=hours)
            .fold(Rhythm::default(), |rhythm, hour| rhythm.after(at(hour * 60), changes(hour), 2))
    }

    fn minutes(rhythm: &Rhythm, live_count: u64) -> i64 {
        SchedulePolicy::default().interval(rhythm, live_count, 1.0).as_mins()
    }

    #[test]
    fn a_new_scope_is_due_in_full() {
        assert_eq!(due(Past::default(), 0), Some(Mode::Full));
    }

    #[test]
    fn a_scope_is_due_after_its_interval_and_daily_in_full() {
        let past =
            Past { dispatched_at: Some(at(1000)), last_full_at: Some(at(0)), ..Past::default() };
        assert_eq!(due(past, 1059), None);
        assert_eq!(due(past, 1060), Some(Mode::Incremental));
        assert_eq!(due(past, 1440), Some(Mode::Full));
    }

    #[test]
    fn a_scope_in_flight_is_not_due() {
        let past = Past { dispatched_at: Some(at(0)), in_flight: true, ..Past::default() };
        assert_eq!(due(past, 100_000), None);
    }

    #[test]
    fn a_scope_that_lacks_something_is_due_at_the_earliest() {
        let policy = SchedulePolicy::default();
        let past = Past {
            dispatched_at: Some(at(1000)),
            last_full_at: Some(at(900)),
            live_count: 9,
            rhythm: watched(48, |_| 0),
            lacks: true,
            ..Past::default()
        };
        let due = |past: &Past, minute: i64| policy.due(past, 1.0, at(minute));
        assert_eq!((due(&past, 1009), due(&past, 1010)), (None, Some(Mode::Incremental)));
        assert_eq!(due(&Past { lacks: false, ..past }, 1010), None);
        assert_eq!(policy.due(&past, 3.0, at(1029)), None, "a budget stretches this too");
        assert_eq!(due(&Past { in_flight: true, ..past }, 2000), None);
    }

    #[test]
    fn changes_shorten_the_interval_and_quiet_lengthens_it() {
        let quiet = minutes(&watched(48, |_| 0), 100);
        let habit = minutes(&watched(48, |_| 4), 100);
        let burst = minutes(&watched(48, |hour| if hour > 45 { 15 } else { 0 }), 100);
        let long_after = minutes(&watched(96, |hour| if hour == 47 { 15 } else { 0 }), 100);
        assert!(habit < quiet / 3, "{habit} and {quiet}");
        assert!(burst < habit, "{burst} and {habit}");
        assert!(long_after > 4 * burst, "{long_after} and {burst}");
        assert_eq!(quiet, 360, "the longest there is");
    }

    #[test]
    fn an_empty_scope_decays_to_daily() {
        let minutes: Vec<_> = [0, 12, 24, 72].map(|h| minutes(&watched(h, |_| 0), 0)).into();
        assert!(minutes.is_sorted() && minutes[0] < 1000, "{minutes:?}");
        assert_eq!(minutes[3], 1440);
        let fixed = SchedulePolicy::every(30).interval(&watched(72, |_| 0), 0, 1.0);
        assert_eq!(fixed.as_mins(), 30, "one interval is for all");
    }

    #[test]
    fn what_the_first_sync_finds_is_no_change() {
        assert_eq!(watched(0, |_| 5000), Rhythm { calls: 2, at: Some(at(0)), ..Rhythm::default() });
    }

    #[test]
    fn dearer_scopes_are_looked_at_less_often() {
        let cheap = watched(48, |_| 1);
        let dear = Rhythm { calls: 4 * cheap.calls, ..cheap };
        let policy = SchedulePolicy { max_interval_minutes: 10_000, ..SchedulePolicy::default() };
        let interval = |rhythm: &Rhythm| policy.interval(rhythm, 9, 1.0).as_secs_f64();
        assert!((interval(&dear) / interval(&cheap) - 2.0).abs() < 0.01, "by the square root");
    }

    #[test]
    fn a_budget_stretches_beyond_the_longest_but_never_beyond_daily() {
        let (policy, quiet) = (SchedulePolicy::default(), watched(48, |_| 0));
        let interval = |stretch: f64| policy.interval(&quiet, 9, stretch).as_mins();
        assert_eq!((interval(1.0), interval(2.0), interval(50.0)), (360, 720, 1440));
        assert_eq!(interval(0.1), 360, "nothing is hurried");
    }

    #[test]
    fn a_clock_that_is_behind_does_no_harm() {
        let rhythm = watched(10, |_| 1).after(at(0), 3, 2);
        assert_eq!(rhythm.at, Some(at(600)));
        assert!(rhythm.changes_an_hour() > 0.0 && rhythm.changes_an_hour().is_finite());
    }
}
