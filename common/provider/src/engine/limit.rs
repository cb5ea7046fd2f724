//! Rate limits in this process, by account, region and API, which is how
//! vendors count. One worker at a time has a scope, so no wider limit is
//! needed.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// With more keys than this, those that have been idle are forgotten. An idle
/// key is as good as new, so nothing is lost.
const MOST_KEYS: usize = 10_000;

/// What a vendor counts requests by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LimitKey {
    /// The account's id in this service.
    pub account: String,
    /// The region.
    pub region: String,
    /// The service.
    pub product: &'static str,
    /// The API.
    pub action: &'static str,
}

/// The limiters of a process, one for each declared rate.
#[derive(Default)]
pub(crate) struct Limits {
    by_rate: Mutex<HashMap<u32, Arc<DefaultKeyedRateLimiter<LimitKey>>>>,
    clock: DefaultClock,
}

impl Limits {
    /// Returns when a request may be sent, at `per_second` for its key.
    pub(crate) async fn ready(&self, per_second: u32, key: &LimitKey) {
        let limiter = self.limiter(per_second);
        while let Err(not_yet) = limiter.check_key(key) {
            // Not governor's own waiting, which brings a thread of its own.
            tokio::time::sleep(not_yet.wait_time_from(self.clock.now())).await;
        }
        if limiter.len() > MOST_KEYS {
            limiter.retain_recent();
        }
    }

    fn limiter(&self, per_second: u32) -> Arc<DefaultKeyedRateLimiter<LimitKey>> {
        let mut by_rate = self.by_rate.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || {
            let rate = NonZeroU32::new(per_second).unwrap_or(NonZeroU32::MIN);
            Arc::new(RateLimiter::keyed(Quota::per_second(rate)))
        };
        by_rate.entry(per_second).or_insert_with(new).clone()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn key(account: &str, region: &str, action: &'static str) -> LimitKey {
        LimitKey { account: account.into(), region: region.into(), product: "p", action }
    }

    #[tokio::test]
    async fn what_is_over_the_rate_waits_and_other_keys_do_not() {
        let limits = Limits::default();
        let started = Instant::now();
        for _ in 0..10 {
            limits.ready(10, &key("a", "r", "X")).await;
        }
        for other in [key("b", "r", "X"), key("a", "s", "X"), key("a", "r", "Y")] {
            limits.ready(10, &other).await;
        }
        assert!(started.elapsed() < Duration::from_millis(80), "a burst of a second's worth");
        limits.ready(10, &key("a", "r", "X")).await;
        assert!(started.elapsed() >= Duration::from_millis(90), "{:?}", started.elapsed());
    }

    #[tokio::test]
    async fn keys_that_rest_are_forgotten() {
        let limits = Limits::default();
        for n in 0..MOST_KEYS + 100 {
            limits.ready(1_000_000, &key("a", &n.to_string(), "X")).await;
        }
        assert!(limits.limiter(1_000_000).len() <= MOST_KEYS);
    }
}
