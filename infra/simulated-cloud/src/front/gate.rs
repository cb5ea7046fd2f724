//! What is remembered between requests: nonces, and how often each API was
//! called.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::BuildHasher;

use jiff::Timestamp;

use super::limit::{Limit, Used};
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
    used: HashMap<Call, Used>,
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

    /// Counts a call of an action that may be called so often, and tells
    /// whether it is within that. Calls beyond it are not counted.
    pub(crate) fn admit(&mut self, call: &Call, limit: Limit, most: u32, now: Timestamp) -> bool {
        let counted = if limit.is_everywhere() {
            Call { region: String::new(), ..call.clone() }
        } else {
            call.clone()
        };
        self.used.entry(counted).or_default().take(limit, most, now)
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
    fn a_limit_is_of_an_account_an_action_and_a_region_unless_it_holds_everywhere() {
        let mut gate = Gate::default();
        let call = |account: &str, region: &str, action: &str| Call {
            account: account.into(),
            region: region.into(),
            action: action.into(),
        };
        let mut admit = |call, limit| gate.admit(&call, limit, 1, at(0));
        assert!(admit(call("a", "here", "List"), Limit::A_MINUTE));
        assert!(!admit(call("a", "here", "List"), Limit::A_MINUTE));
        for other in
            [call("a", "there", "List"), call("b", "here", "List"), call("a", "here", "Show")]
        {
            assert!(admit(other, Limit::A_MINUTE));
        }
        let look = Limit::A_SECOND.everywhere();
        assert!(admit(call("a", "here", "Look"), look));
        assert!(!admit(call("a", "there", "Look"), look));
        assert!(admit(call("b", "there", "Look"), look));
    }
}
