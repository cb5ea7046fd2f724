//! How fast an account's APIs may be asked: what is declared of them, less
//! what its owner wants left for others, less what throttling taught.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How fast an account's APIs may be asked, each by itself: in each region, or
/// in all together where the vendor counts so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct RatePolicy {
    /// How many hundredths of the rates declared with the vendor's calls,
    /// which leave headroom already, are used; 1 to 100.
    pub percent: u32,
    /// Requests a second, at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most_per_second: Option<u32>,
}

impl Default for RatePolicy {
    fn default() -> Self {
        Self { percent: 100, most_per_second: None }
    }
}

impl RatePolicy {
    /// Returns how many requests a second an API may get for which so many are
    /// declared.
    #[must_use]
    pub fn rate(&self, declared: u32) -> f64 {
        let share = f64::from(declared) * f64::from(self.percent) / 100.0;
        self.most_per_second.map_or(share, |most| share.min(f64::from(most)))
    }
}

/// Requests a second that are never gone below.
const SLOWEST: f64 = 0.2;

/// Vendors count by the minute: what is throttled within one is one lesson.
const ONE_LESSON: f64 = 60.0;

/// Hours after which a learnt rate has doubled again: others may have stopped.
const HOURS_TO_DOUBLE: f64 = 24.0;

/// A rate that was learnt from being throttled.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pace {
    /// Requests a second at that moment.
    pub per_second: f64,
    /// The moment.
    pub learnt_at: Timestamp,
}

/// What is learnt of a region's APIs, by product and name.
pub type Paces = BTreeMap<String, Pace>;

impl Pace {
    /// Returns what is learnt when an API that could have been asked `rate`
    /// times a second throttles: half of it, once a minute.
    #[must_use]
    pub fn learn(earlier: Option<Self>, rate: f64, now: Timestamp) -> Self {
        match earlier {
            Some(pace) if now.duration_since(pace.learnt_at).as_secs_f64() < ONE_LESSON => pace,
            _ => {
                let present = earlier.map_or(rate, |pace| pace.rate(rate, now));
                Self { per_second: (present / 2.0).max(SLOWEST.min(rate)), learnt_at: now }
            }
        }
    }

    /// Returns how many requests a second the API may get now, `most` at most.
    #[must_use]
    pub fn rate(&self, most: f64, now: Timestamp) -> f64 {
        let hours = (now.duration_since(self.learnt_at).as_secs_f64() / 3600.0).max(0.0);
        (self.per_second * (hours / HOURS_TO_DOUBLE).exp2()).min(most)
    }
}

/// Requests a second that no API is asked more often than: a lesson that has
/// worn off so far slows nothing down.
pub const FASTEST: u32 = 50;

/// Returns those that may still slow something down: each wears off within
/// days.
#[must_use]
pub fn still_learnt(paces: &Paces, now: Timestamp) -> Paces {
    let fastest = f64::from(FASTEST);
    let slows = |(_, pace): &(&String, &Pace)| pace.rate(fastest, now) < fastest;
    paces.iter().filter(slows).map(|(api, pace)| (api.clone(), *pace)).collect()
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute)
    }

    fn assert_rate(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-6, "{found} for {expected}");
    }

    #[test]
    fn a_share_is_left_to_others() {
        assert_rate(RatePolicy::default().rate(20), 20.0);
        assert_rate(RatePolicy { percent: 25, most_per_second: None }.rate(20), 5.0);
        assert_rate(RatePolicy { percent: 50, most_per_second: Some(3) }.rate(20), 3.0);
    }

    #[test]
    fn throttling_halves_the_rate_once_a_minute() {
        let first = Pace::learn(None, 20.0, at(0));
        assert_rate(first.per_second, 10.0);
        let second = Pace::learn(Some(first), 20.0, at(0) + SignedDuration::from_secs(59));
        assert_eq!(second, first, "the same minute is the same lesson");
        let third = Pace::learn(Some(first), 20.0, at(1));
        assert!((4.9..5.1).contains(&third.per_second), "{third:?}");
    }

    #[test]
    fn no_rate_falls_to_nothing() {
        let worst = (0..100).fold(None, |pace, minute| Some(Pace::learn(pace, 20.0, at(minute))));
        assert!(worst.unwrap().per_second >= SLOWEST);
        assert_rate(Pace::learn(None, 0.1, at(0)).per_second, 0.1);
    }

    #[test]
    fn a_lesson_wears_off() {
        let pace = Pace::learn(None, 20.0, at(0));
        assert_rate(pace.rate(20.0, at(0)), 10.0);
        assert_rate(pace.rate(20.0, at(12 * 60)), 10.0 * 2_f64.sqrt());
        assert_rate(pace.rate(20.0, at(48 * 60)), 20.0);
        let paces: Paces = [("A".to_owned(), pace)].into();
        assert_eq!(still_learnt(&paces, at(48 * 60)), paces);
        assert_eq!(still_learnt(&paces, at(56 * 60)), Paces::new());
    }
}
