//! How many API calls an account may spend a day: vendors count them, and
//! people and programs beside this service need some.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};

use crate::error::{ErrorClass, VendorError};

/// The code of the error that an account may spend no more today.
pub const BUDGET_EXHAUSTED: &str = "BudgetExhausted";

/// The API calls an account may spend a day, in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct BudgetPolicy {
    /// With more than this in sight, intervals between syncs are stretched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub soft_calls_a_day: Option<u64>,
    /// With so many spent, nothing more is asked of the vendor that day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hard_calls_a_day: Option<u64>,
}

/// What an account has spent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Spent {
    /// The day, in UTC: `2026-11-23`.
    pub day: String,
    /// The API calls of that day.
    pub calls: u64,
}

/// Every so many calls at least, whoever spends a hard budget tells the others
/// and hears of them: what they spend beyond it together is at most so many
/// calls each.
pub const TOLD_EVERY: u64 = 20;

/// A day's share that is supposed to have passed at least, so that a day's
/// first sync does not look like the pace of all of it.
const LEAST_SHARE: f64 = 1.0 / 8.0;

/// Returns the day of a time, in UTC.
#[must_use]
pub fn day(now: Timestamp) -> String {
    now.to_zoned(TimeZone::UTC).date().to_string()
}

/// Returns when the day after begins.
fn next_day(now: Timestamp) -> Timestamp {
    let into = now.as_second().rem_euclid(86_400);
    Timestamp::from_second(now.as_second() - into + 86_400).unwrap_or(Timestamp::MAX)
}

impl Spent {
    /// Returns the calls of today, if it is today that they were spent.
    fn today(spent: Option<&Self>, now: Timestamp) -> u64 {
        spent.filter(|spent| spent.day == day(now)).map_or(0, |spent| spent.calls)
    }
}

impl BudgetPolicy {
    /// Tells whether anything is to be counted.
    #[must_use]
    pub const fn is_some(&self) -> bool {
        self.soft_calls_a_day.is_some() || self.hard_calls_a_day.is_some()
    }

    /// Returns how much longer intervals are made for the soft budget to last
    /// the day, by the pace so far; at least 1.
    ///
    /// The pace so far has been stretched already, so the answer grows faster
    /// than the excess: where three times too much would be spent, a quarter
    /// too much is.
    #[must_use]
    pub fn stretch(&self, spent: Option<&Spent>, now: Timestamp) -> f64 {
        let Some(soft) = self.soft_calls_a_day else {
            return 1.0;
        };
        let left = next_day(now).duration_since(now).as_secs_f64();
        let passed = (1.0 - left / SignedDuration::from_hours(24).as_secs_f64()).max(LEAST_SHARE);
        let in_sight = Spent::today(spent, now) as f64 / passed;
        (in_sight / soft.max(1) as f64).max(1.0).powi(4)
    }

    /// Returns why nothing more may be asked today, where that is so: `more`
    /// calls were made beyond those that are recorded.
    #[must_use]
    pub fn exhausted(&self, spent: Option<&Spent>, more: u64, now: Timestamp) -> Option<String> {
        let hard = self.hard_calls_a_day?;
        let calls = Spent::today(spent, now) + more;
        (calls >= hard).then(|| {
            format!(
                "the account has spent {calls} of the {hard} API calls it may make a day; the \
                 next day begins at {}; its budget.hard_calls_a_day sets the number",
                next_day(now)
            )
        })
    }
}

impl BudgetPolicy {
    /// Refuses a call where nothing more may be asked today: `more` calls were
    /// made beyond those that are recorded.
    ///
    /// # Errors
    ///
    /// Nothing more may be asked; the error says until when.
    pub fn check(
        &self,
        spent: Option<&Spent>,
        more: u64,
        now: Timestamp,
    ) -> Result<(), VendorError> {
        let Some(why) = self.exhausted(spent, more, now) else {
            return Ok(());
        };
        let left = next_day(now).duration_since(now);
        let error = VendorError::new(ErrorClass::Throttled, "", BUDGET_EXHAUSTED, why);
        Err(VendorError { retry_after: left.try_into().ok(), ..error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: BudgetPolicy =
        BudgetPolicy { soft_calls_a_day: Some(1000), hard_calls_a_day: Some(2000) };

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn spent(calls: u64) -> Spent {
        Spent { day: "2026-11-23".into(), calls }
    }

    fn stretch(calls: u64, time: &str) -> f64 {
        POLICY.stretch(Some(&spent(calls)), at(&format!("2026-11-23T{time}Z")))
    }

    #[test]
    fn intervals_stretch_as_far_as_the_day_needs() {
        assert!((stretch(500, "12:00:00") - 1.0).abs() < 1e-9, "just on pace");
        assert!((stretch(1500, "12:00:00") - 81.0).abs() < 1e-6);
        assert!((stretch(1500, "18:00:00") - 16.0).abs() < 1e-6);
        assert!((stretch(100, "00:01:00") - 1.0).abs() < 1e-9, "a day may begin with a sync");
        assert!((POLICY.stretch(None, at("2026-11-23T12:00:00Z")) - 1.0).abs() < 1e-9);
        assert!(
            (BudgetPolicy::default().stretch(Some(&spent(9)), at("2026-11-23T12:00:00Z")) - 1.0)
                .abs()
                < 1e-9
        );
    }

    #[test]
    fn what_was_spent_yesterday_is_yesterdays() {
        let tomorrow = at("2026-11-24T00:00:00Z");
        assert!((POLICY.stretch(Some(&spent(9_000_000)), tomorrow) - 1.0).abs() < 1e-9);
        assert_eq!(POLICY.exhausted(Some(&spent(2000)), 0, tomorrow), None);
    }

    #[test]
    fn nothing_is_asked_beyond_the_hard_budget() {
        let now = at("2026-11-23T23:59:59.5Z");
        assert_eq!(POLICY.exhausted(Some(&spent(1990)), 9, now), None);
        let why = POLICY.exhausted(Some(&spent(1990)), 10, now).unwrap();
        for part in ["2000 of the 2000", "2026-11-24T00:00:00Z", "budget.hard_calls_a_day"] {
            assert!(why.contains(part), "{why}");
        }
        assert!(POLICY.exhausted(None, 2000, now).is_some());
        assert_eq!(POLICY.check(Some(&spent(1990)), 9, now), Ok(()));
        let refused = POLICY.check(Some(&spent(1990)), 10, now).unwrap_err();
        assert_eq!(refused.retry_after, Some(std::time::Duration::from_millis(500)));
        assert_eq!(BudgetPolicy::default().exhausted(Some(&spent(u64::MAX)), 0, now), None);
    }
}
