//! Rate limits in this process, by account, region and API, which is how
//! vendors count. One worker at a time has a scope, so no wider limit is
//! needed; what throttling taught is handed from one to the next.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cloud_sync_core::pace::{Pace, Paces};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use jiff::Timestamp;

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

/// The limiters of a process, one for each rate.
#[derive(Default)]
pub(crate) struct Limits {
    /// By tenths of a request a second.
    by_rate: Mutex<HashMap<u32, Arc<DefaultKeyedRateLimiter<LimitKey>>>>,
    /// What throttling taught, by account, region and API.
    learnt: Mutex<HashMap<(String, String), Paces>>,
    clock: DefaultClock,
}

impl Limits {
    /// Returns when a request may be sent, at `rate` a second for its key, or
    /// slower where throttling taught so.
    pub(crate) async fn ready(&self, rate: f64, key: &LimitKey, now: Timestamp) {
        let limiter = self.limiter(self.learnt_rate(rate, key, now));
        while let Err(not_yet) = limiter.check_key(key) {
            // Not governor's own waiting, which brings a thread of its own.
            tokio::time::sleep(not_yet.wait_time_from(self.clock.now())).await;
        }
        if limiter.len() > MOST_KEYS {
            limiter.retain_recent();
        }
    }

    /// Learns from having been throttled while asking `rate` times a second.
    pub(crate) fn throttled(&self, rate: f64, key: &LimitKey, now: Timestamp) {
        let mut learnt = self.learnt();
        let paces = learnt.entry((key.account.clone(), key.region.clone())).or_default();
        let pace = Pace::learn(paces.get(key.action).copied(), rate, now);
        tracing::info!(
            vendor.account = key.account,
            vendor.region = key.region,
            vendor.api = key.action,
            per_second = pace.per_second,
            "throttled; asking less often"
        );
        paces.insert(key.action.to_owned(), pace);
    }

    /// Returns what was learnt of an account's APIs in a region.
    pub(crate) fn paces(&self, account: &str, region: &str) -> Paces {
        self.learnt().get(&(account.to_owned(), region.to_owned())).cloned().unwrap_or_default()
    }

    /// Takes over what others learnt, where it is newer.
    pub(crate) fn recall(&self, account: &str, region: &str, paces: &Paces) {
        if paces.is_empty() {
            return;
        }
        let mut learnt = self.learnt();
        let known = learnt.entry((account.to_owned(), region.to_owned())).or_default();
        for (api, pace) in paces {
            if known.get(api).is_none_or(|own| own.learnt_at < pace.learnt_at) {
                known.insert(api.clone(), *pace);
            }
        }
    }

    fn learnt_rate(&self, rate: f64, key: &LimitKey, now: Timestamp) -> f64 {
        let learnt = self.learnt();
        let paces = learnt.get(&(key.account.clone(), key.region.clone()));
        let pace = paces.and_then(|paces| paces.get(key.action));
        pace.map_or(rate, |pace| pace.rate(rate, now))
    }

    fn learnt(&self) -> MutexGuard<'_, HashMap<(String, String), Paces>> {
        self.learnt.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn limiter(&self, rate: f64) -> Arc<DefaultKeyedRateLimiter<LimitKey>> {
        let mut by_rate = self.by_rate.lock().unwrap_or_else(PoisonError::into_inner);
        // Rounded, so that a rate that recovers does not make a limiter each
        // time.
        let tenths = ((rate * 10.0).round() as u32).max(1);
        let new = || {
            let period = Duration::from_secs_f64(10.0 / f64::from(tenths));
            // A second's worth at once.
            let burst = NonZeroU32::new(tenths / 10).unwrap_or(NonZeroU32::MIN);
            let quota = Quota::with_period(period).unwrap_or(Quota::per_second(NonZeroU32::MIN));
            Arc::new(RateLimiter::keyed(quota.allow_burst(burst)))
        };
        by_rate.entry(tenths).or_insert_with(new).clone()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn key(account: &str, region: &str, action: &'static str) -> LimitKey {
        LimitKey { account: account.into(), region: region.into(), product: "p", action }
    }

    fn now() -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    #[tokio::test]
    async fn what_is_over_the_rate_waits_and_other_keys_do_not() {
        let limits = Limits::default();
        let started = Instant::now();
        for _ in 0..10 {
            limits.ready(10.0, &key("a", "r", "X"), now()).await;
        }
        for other in [key("b", "r", "X"), key("a", "s", "X"), key("a", "r", "Y")] {
            limits.ready(10.0, &other, now()).await;
        }
        limits.ready(10.0, &key("a", "r", "X"), now()).await;
        assert!(started.elapsed() >= Duration::from_millis(90), "{:?}", started.elapsed());
    }

    #[tokio::test]
    async fn throttling_slows_its_own_key_and_no_other() {
        let limits = Limits::default();
        limits.throttled(10.0, &key("a", "r", "X"), now());
        let rate = |key: &LimitKey| limits.learnt_rate(10.0, key, now());
        assert!((rate(&key("a", "r", "X")) - 5.0).abs() < 1e-9);
        for other in [key("b", "r", "X"), key("a", "s", "X"), key("a", "r", "Y")] {
            assert!((rate(&other) - 10.0).abs() < 1e-9, "{other:?}");
        }
        let started = Instant::now();
        for _ in 0..7 {
            limits.ready(10.0, &key("a", "r", "X"), now()).await;
        }
        assert!(started.elapsed() >= Duration::from_millis(380), "{:?}", started.elapsed());
    }

    #[test]
    fn what_one_process_learnt_serves_the_next() {
        let (first, second) = (Limits::default(), Limits::default());
        first.throttled(10.0, &key("a", "r", "X"), now());
        second.recall("a", "r", &first.paces("a", "r"));
        assert!((second.learnt_rate(10.0, &key("a", "r", "X"), now()) - 5.0).abs() < 1e-9);
        let later = Timestamp::from_second(3600).unwrap();
        second.throttled(10.0, &key("a", "r", "X"), later);
        let newer = second.paces("a", "r");
        second.recall("a", "r", &first.paces("a", "r"));
        assert_eq!(second.paces("a", "r"), newer, "what is older teaches nothing");
        assert_eq!(second.paces("b", "r"), Paces::new());
    }

    #[tokio::test]
    async fn keys_that_rest_are_forgotten() {
        let limits = Limits::default();
        for n in 0..MOST_KEYS + 100 {
            limits.ready(1_000_000.0, &key("a", &n.to_string(), "X"), now()).await;
        }
        assert!(limits.limiter(1_000_000.0).len() <= MOST_KEYS);
    }
}
