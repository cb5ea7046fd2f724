//! What is remembered between requests: nonces, and how often each API was
//! called in this minute.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::BuildHasher;

use jiff::Timestamp;

use crate::world::Call;

/// At most so many nonces are remembered; beyond it the oldest is forgotten.
const NONCES: usize = 1 << 18;

/// The memory of the vendor's front.
#[derive(Default)]
pub(crate) struct Gate {
    hasher: RandomState,
    nonces: HashSet<u64>,
    /// The nonces with when they may be forgotten, in order of arrival.
    arrivals: VecDeque<(Timestamp, u64)>,
    minute: i64,
    calls: HashMap<Call, u32>,
    second: i64,
    calls_in_second: HashMap<String, u32>,
}

impl Gate {
    /// Notes a nonce, and tells whether it is new. It is remembered until a
    /// request with it would be too old anyway.
    pub(crate) fn is_first(
        &mut self,
        key: &str,
        nonce: &str,
        expires: Timestamp,
        now: Timestamp,
    ) -> bool {
        while self.arrivals.len() >= NONCES
            || self.arrivals.front().is_some_and(|(expires, _)| *expires < now)
        {
            let Some((_, oldest)) = self.arrivals.pop_front() else { break };
            self.nonces.remove(&oldest);
        }
        let hash = self.hasher.hash_one((key, nonce));
        let first = self.nonces.insert(hash);
        if first {
            self.arrivals.push_back((expires, hash));
        }
        first
    }

    /// Counts a call, and tells whether it is within the limit of this
    /// calendar minute. Calls beyond it are not counted.
    pub(crate) fn admit(&mut self, call: &Call, limit: Option<u32>, now: Timestamp) -> bool {
        let minute = now.as_second().div_euclid(60);
        if minute != self.minute {
            self.minute = minute;
            self.calls.clear();
        }
        let Some(limit) = limit else { return true };
        let count = self.calls.entry(call.clone()).or_insert(0);
        if *count >= limit {
            return false;
        }
        *count += 1;
        true
    }

    /// Counts a call of an account, and tells whether it is within the limit
    /// of this second.
    pub(crate) fn admit_in_second(&mut self, account: &str, limit: u32, now: Timestamp) -> bool {
        if now.as_second() != self.second {
            self.second = now.as_second();
            self.calls_in_second.clear();
        }
        let count = self.calls_in_second.entry(account.to_owned()).or_insert(0);
        *count += 1;
        *count <= limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    #[test]
    fn a_nonce_is_used_once_by_each_key() {
        let mut gate = Gate::default();
        assert!(gate.is_first("key", "nonce", at(900), at(0)));
        assert!(!gate.is_first("key", "nonce", at(900), at(1)));
        assert!(gate.is_first("other", "nonce", at(900), at(1)));
        assert!(!gate.is_first("key", "nonce", at(900), at(900)), "still good at its last second");
    }

    #[test]
    fn memory_for_nonces_is_bounded() {
        let mut gate = Gate::default();
        for nonce in 0..NONCES + 1000 {
            assert!(gate.is_first("key", &nonce.to_string(), at(900), at(0)));
        }
        assert_eq!((gate.nonces.len(), gate.arrivals.len()), (NONCES, NONCES));
        gate.is_first("key", "later", at(2000), at(901));
        assert_eq!((gate.nonces.len(), gate.arrivals.len()), (1, 1));
    }

    #[test]
    fn a_limit_holds_until_the_minutes_edge() {
        let mut gate = Gate::default();
        let call = |region: &str| Call {
            account: "a".into(),
            region: region.into(),
            action: "DescribeInstances".into(),
        };
        let mut admit = |region, second| gate.admit(&call(region), Some(2), at(second));
        assert!(admit("here", 0) && admit("here", 1));
        assert!(!admit("here", 59));
        assert!(admit("there", 59), "another region has its own limit");
        assert!(admit("here", 60));
    }
}
