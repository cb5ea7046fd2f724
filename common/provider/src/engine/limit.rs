//! Rate limits in this process, by account, region and API, which is how
//! vendors count: one worker at a time has a scope, so no wider limit is
//! needed, and what throttling taught is handed from one to the next.
//!
//! Where a vendor counts an API by account alone, so does this. Workers in
//! several processes may exceed that together; each is slowed down then by
//! what throttling teaches it.

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

/// What stands for the region in what is learnt of APIs that are limited by
/// account.
const ALL_REGIONS: &str = "";

/// Ends the names of such APIs, where paces are kept.
const OF_ACCOUNT: &str = "@account";

/// What a vendor counts requests by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LimitKey {
    /// The account's id in this service.
    pub account: String,
    /// The region; none where requests to all of them count together.
    pub region: Option<String>,
    /// The service.
    pub product: &'static str,
    /// The API.
    pub action: &'static str,
}

impl LimitKey {
    /// Returns the region, or what stands for all of them.
    fn place(&self) -> &str {
        self.region.as_deref().unwrap_or(ALL_REGIONS)
    }

    /// Returns the name by which paces are kept: two products may have an API
    /// of one name.
    fn api(&self) -> String {
        let end = if self.region.is_none() { OF_ACCOUNT } else { "" };
        format!("{}:{}{end}", self.product, self.action)
    }
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
        let api = key.api();
        let paces = learnt.entry((key.account.clone(), key.place().to_owned())).or_default();
        let pace = Pace::learn(paces.get(&api).copied(), rate, now);
        tracing::info!(
            vendor.account = key.account,
            vendor.region = key.region,
            vendor.api = api,
            per_second = pace.per_second,
            "throttled; asking less often"
        );
        paces.insert(api, pace);
    }

    /// Returns what was learnt of an account's APIs in a region, those that
    /// are limited by account included.
    pub(crate) fn paces(&self, account: &str, region: &str) -> Paces {
        let learnt = self.learnt();
        let of = |place: &str| learnt.get(&(account.to_owned(), place.to_owned()));
        [ALL_REGIONS, region].into_iter().filter_map(of).flatten().map(pair).collect()
    }

    /// Takes over what others learnt, where it is newer.
    pub(crate) fn recall(&self, account: &str, region: &str, paces: &Paces) {
        if paces.is_empty() {
            return;
        }
        let mut learnt = self.learnt();
        for (api, pace) in paces {
            let place = if api.ends_with(OF_ACCOUNT) { ALL_REGIONS } else { region };
            let known = learnt.entry((account.to_owned(), place.to_owned())).or_default();
            if known.get(api).is_none_or(|own| own.learnt_at < pace.learnt_at) {
                known.insert(api.clone(), *pace);
            }
        }
    }

    fn learnt_rate(&self, rate: f64, key: &LimitKey, now: Timestamp) -> f64 {
        let learnt = self.learnt();
        let paces = learnt.get(&(key.account.clone(), key.place().to_owned()));
        let pace = paces.and_then(|paces| paces.get(&key.api()));
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

fn pair((api, pace): (&String, &Pace)) -> (String, Pace) {
    (api.clone(), *pace)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn key(account: &str, region: &str, action: &'static str) -> LimitKey {
        LimitKey { account: account.into(), region: Some(region.into()), product: "p", action }
    }

    fn of_account(account: &str, action: &'static str) -> LimitKey {
        LimitKey { region: None, ..key(account, "", action) }
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
        let of_another_product = LimitKey { product: "q", ..key("a", "r", "X") };
        let others = [key("b", "r", "X"), key("a", "s", "X"), key("a", "r", "Y")];
        for other in others.into_iter().chain([of_another_product, of_account("a", "X")]) {
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

    #[test]
    fn what_is_limited_by_account_is_learnt_in_one_region_for_all() {
        let (first, second) = (Limits::default(), Limits::default());
        first.throttled(1.0, &of_account("a", "Feed"), now());
        first.throttled(10.0, &key("a", "r", "X"), now());
        let rate = |limits: &Limits, key: &LimitKey| limits.learnt_rate(1.0, key, now());
        assert!((rate(&first, &of_account("a", "Feed")) - 0.5).abs() < 1e-9);
        assert!((rate(&first, &of_account("b", "Feed")) - 1.0).abs() < 1e-9);
        let apis = |region: &str| first.paces("a", region).into_keys().collect::<Vec<_>>();
        assert_eq!(apis("r"), ["p:Feed@account", "p:X"]);
        assert_eq!(apis("s"), ["p:Feed@account"]);
        second.recall("a", "s", &first.paces("a", "s"));
        assert!((rate(&second, &of_account("a", "Feed")) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn paces_kept_by_an_apis_bare_name_are_read_and_slow_nothing() {
        let limits = Limits::default();
        let pace = Pace { per_second: 1.0, learnt_at: now() };
        let stored: Paces = [("X".to_owned(), pace)].into();
        limits.recall("a", "r", &stored);
        assert_eq!(limits.paces("a", "r"), stored);
        assert!((limits.learnt_rate(10.0, &key("a", "r", "X"), now()) - 10.0).abs() < 1e-9);
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
