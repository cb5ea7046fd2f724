//! Retries in place: which errors, how often, how long.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use cloud_sync_core::error::{Handling, VendorError};
use tokio::time::Instant;

/// How far the engine goes before it gives an error to its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// At most so many requests for one answer, the first included.
    pub attempts: usize,
    /// The longest first wait; each further one may be twice as long. The
    /// wait itself is random between nothing and that (full jitter).
    pub base: Duration,
    /// The longest any wait can become.
    pub cap: Duration,
    /// No wait is begun that would end later than this after the first
    /// request.
    pub total: Duration,
    /// A throttled request waits in place for up to this; where the vendor
    /// asks for more, the error goes to the caller and says how long.
    pub throttle_wait: Duration,
}

impl Default for RetryPolicy {
    /// Returns what suits a function that is paid by the second.
    fn default() -> Self {
        Self {
            attempts: 5,
            base: Duration::from_millis(200),
            cap: Duration::from_secs(5),
            total: Duration::from_secs(60),
            throttle_wait: Duration::from_secs(10),
        }
    }
}

impl RetryPolicy {
    /// Calls `attempt` until it succeeds or the policy ends it. The error's
    /// class says which errors are worth another attempt, and `chance`, from 0
    /// to below 1, how much of the longest wait is waited.
    pub(crate) async fn run<T, F>(
        &self,
        chance: &(dyn Fn() -> f64 + Send + Sync),
        attempt: impl FnMut() -> F,
    ) -> Result<T, VendorError>
    where
        F: Future<Output = Result<T, VendorError>>,
    {
        let started = Instant::now();
        let waits = ExponentialBuilder::new()
            .with_min_delay(self.base)
            .with_max_delay(self.cap)
            .with_max_times(self.attempts.saturating_sub(1));
        attempt
            .retry(waits)
            .when(is_worth_another)
            .adjust(|error, longest| {
                let wait = self.wait(error, longest?, chance())?;
                (started.elapsed() + wait <= self.total).then_some(wait)
            })
            .await
    }

    /// Returns how long to wait after an error; `None` is too long.
    fn wait(&self, error: &VendorError, longest: Duration, chance: f64) -> Option<Duration> {
        match (error.class.handling(), error.retry_after) {
            (Handling::Wait, Some(told)) => (told <= self.throttle_wait).then_some(told),
            // Full jitter: the library's own jitter only ever adds.
            _ => Some(longest.mul_f64(chance)),
        }
    }
}

fn is_worth_another(error: &VendorError) -> bool {
    matches!(error.class.handling(), Handling::Retry | Handling::Wait)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use cloud_sync_core::error::ErrorClass;

    use super::*;

    fn error(class: ErrorClass, retry_after: Option<Duration>) -> VendorError {
        VendorError { retry_after, ..VendorError::new(class, "Api", "Code", "message") }
    }

    /// Returns how many attempts were made of something that always fails,
    /// and how long that took.
    async fn attempts(policy: RetryPolicy, error: VendorError) -> (u32, Duration) {
        let (count, started) = (Cell::new(0), Instant::now());
        let attempt = || {
            count.set(count.get() + 1);
            std::future::ready(Err::<(), _>(error.clone()))
        };
        assert_eq!(policy.run(&rand::random, attempt).await, Err(error.clone()));
        (count.get(), started.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_may_pass_by_itself_is_tried_again() {
        for class in ErrorClass::ALL {
            let (count, _) = attempts(RetryPolicy::default(), error(class, None)).await;
            let passes = matches!(class, ErrorClass::Network | ErrorClass::Throttled);
            assert_eq!(count, if passes { 5 } else { 1 }, "{class:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn waits_are_bounded_by_count_and_by_total_time() {
        let policy = RetryPolicy {
            attempts: 1000,
            total: Duration::from_secs(30),
            ..RetryPolicy::default()
        };
        let (count, took) = attempts(policy, error(ErrorClass::Network, None)).await;
        assert!(took <= Duration::from_secs(30), "{took:?}");
        assert!((6..1000).contains(&count), "{count}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_throttled_call_waits_as_told_if_that_is_short() {
        let (nine, sixty) = (Duration::from_secs(9), Duration::from_secs(60));
        let throttled = |wait| error(ErrorClass::Throttled, Some(wait));
        let policy = RetryPolicy { attempts: 3, ..RetryPolicy::default() };
        // tokio's timer has a resolution of a millisecond.
        let (count, took) = attempts(policy, throttled(nine)).await;
        assert_eq!((count, took.as_secs()), (3, 18));
        assert_eq!(attempts(policy, throttled(sixty)).await, (1, Duration::ZERO));
    }

    #[test]
    fn jitter_is_full() {
        let second = Duration::from_secs(1);
        let policy = RetryPolicy::default();
        let waits: Vec<_> = (0..200)
            .filter_map(|_| policy.wait(&error(ErrorClass::Network, None), second, rand::random()))
            .collect();
        assert_eq!(waits.len(), 200);
        assert!(waits.iter().all(|wait| *wait <= second));
        assert!(waits.iter().any(|wait| *wait < second / 4), "the lower end is used too");
    }
}
