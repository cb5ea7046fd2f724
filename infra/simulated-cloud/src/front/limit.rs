//! How often vendors let their APIs be called. Each counts in a way of its own.

use jiff::Timestamp;

use crate::world::Limits;

/// What calls are counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Window {
    /// The seconds of the clock.
    Second,
    /// The minutes of the clock.
    Minute,
    /// A bucket of tokens, of which a fifth comes back each second.
    Bucket,
}

/// How a vendor counts the calls of an action that an account makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    window: Window,
    everywhere: bool,
    documented: Option<u32>,
}

impl Limit {
    /// Calls are counted by the minute of the clock, in each region.
    pub(crate) const A_MINUTE: Self = Self::of(Window::Minute);
    /// Calls are counted by the second of the clock, in each region.
    pub(crate) const A_SECOND: Self = Self::of(Window::Second);
    /// Calls take tokens from a bucket, of which each region has one.
    pub(crate) const BUCKET: Self = Self::of(Window::Bucket);

    const fn of(window: Window) -> Self {
        Self { window, everywhere: false, documented: None }
    }

    /// Counts the calls to all regions together.
    pub(crate) const fn everywhere(mut self) -> Self {
        self.everywhere = true;
        self
    }

    /// Says how many calls the vendor documents.
    pub(crate) const fn documented(mut self, calls: u32) -> Self {
        self.documented = Some(calls);
        self
    }

    /// Tells whether the calls to all regions are counted together.
    pub(crate) fn is_everywhere(self) -> bool {
        self.everywhere
    }

    /// Returns how many calls fit into the window; `None` for any number.
    pub(crate) fn most(self, limits: Limits) -> Option<u32> {
        match limits {
            Limits::Off => None,
            Limits::Documented => self.documented,
            Limits::Calls(calls) => Some(self.documented.map_or(calls, |most| most.min(calls))),
        }
    }
}

/// What a call takes, in the thousandths that buckets are filled by.
const CALL: i64 = 1000;

/// What an account has used of a limit.
#[derive(Default)]
pub(crate) struct Used {
    /// When that was, in milliseconds.
    at: i64,
    /// How much, in thousandths of a call.
    spent: i64,
}

impl Used {
    /// Takes a call, and tells whether it was left to take.
    pub(crate) fn take(&mut self, limit: Limit, most: u32, now: Timestamp) -> bool {
        let (now, most) = (now.as_millisecond(), i64::from(most));
        let is_later = |length: i64| now.div_euclid(length) != self.at.div_euclid(length);
        let regained = match limit.window {
            Window::Second if is_later(1_000) => self.spent,
            Window::Minute if is_later(60_000) => self.spent,
            Window::Second | Window::Minute => 0,
            Window::Bucket => now.saturating_sub(self.at).max(0).saturating_mul(most) / 5,
        };
        self.at = now;
        self.spent = self.spent.saturating_sub(regained).max(0);
        let is_left = self.spent + CALL <= most * CALL;
        if is_left {
            self.spent += CALL;
        }
        is_left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns which calls were admitted, each made so many milliseconds after
    /// the minute began.
    fn admitted(limit: Limit, most: u32, times: &[i64]) -> Vec<bool> {
        let mut used = Used::default();
        let at = |time: &i64| Timestamp::from_millisecond(600_000 + time).expect("a time");
        times.iter().map(|time| used.take(limit, most, at(time))).collect()
    }

    #[test]
    fn a_minute_and_a_second_are_the_clocks() {
        let minute = admitted(Limit::A_MINUTE, 2, &[0, 1, 59_999, 60_000, 60_001, 60_002]);
        assert_eq!(minute, [true, true, false, true, true, false]);
        let second = admitted(Limit::A_SECOND, 2, &[900, 950, 999, 1_000, 1_001, 1_002]);
        assert_eq!(second, [true, true, false, true, true, false]);
    }

    #[test]
    fn a_fifth_of_a_bucket_comes_back_each_second_and_no_more_than_it_holds() {
        let burst = vec![0; 11];
        let mut wanted = vec![true; 10];
        wanted.push(false);
        assert_eq!(admitted(Limit::BUCKET, 10, &burst), wanted);
        let times = [burst, vec![499, 500, 501, 1_000, 1_001], vec![60_000; 11]].concat();
        let after = admitted(Limit::BUCKET, 10, &times);
        assert_eq!(after[11..16], [false, true, false, true, false]);
        assert_eq!(after[16..], wanted);
    }

    #[test]
    fn a_documented_number_holds_unless_there_are_no_limits_or_narrower_ones() {
        let (open, known) = (Limit::A_SECOND, Limit::A_SECOND.documented(40));
        let most = |limits| (open.most(limits), known.most(limits));
        assert_eq!(most(Limits::Documented), (None, Some(40)));
        assert_eq!(most(Limits::Calls(3)), (Some(3), Some(3)));
        assert_eq!(most(Limits::Calls(100)), (Some(100), Some(40)));
        assert_eq!(most(Limits::Off), (None, None));
        assert_eq!(admitted(open, 0, &[0, 60_000]), [false, false]);
    }
}
