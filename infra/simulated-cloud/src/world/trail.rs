//! The record of what was done: when each event happened, and when it shows.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::id::scatter;
use super::report::Event;

/// How events get into the record.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Delivery {
    /// The longest that one takes.
    pub lag: Duration,
    /// The chance that one is lost, from 0 to 1.
    pub loss: f64,
}

/// An event and its place in the record.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub event: Event,
    /// When it happened.
    pub at: Timestamp,
    /// From when on it is in the record; `None` if it is lost.
    pub shows_at: Option<Timestamp>,
}

impl Delivery {
    /// Draws when an event shows, if it does.
    pub(super) fn shows_at(self, event: &Event, at: Timestamp, seed: u64) -> Option<Timestamp> {
        let drawn = |salt: u64| {
            let draw = scatter(scatter(seed ^ salt) ^ event.sequence);
            // The upper 53 bits, as a number below 1.
            (draw >> 11) as f64 / (1_u64 << 53) as f64
        };
        let lag = SignedDuration::try_from(self.lag.mul_f64(drawn(1))).unwrap_or_default();
        (drawn(2) >= self.loss).then(|| at + lag)
    }
}
