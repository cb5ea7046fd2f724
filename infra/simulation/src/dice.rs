//! Chance that a seed decides.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// A source of chance. The same seed and the same questions give the same
/// answers.
pub(crate) struct Dice(Mutex<ChaCha8Rng>);

impl Dice {
    /// Returns the dice of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(Mutex::new(ChaCha8Rng::seed_from_u64(seed)))
    }

    fn with<T>(&self, draw: impl FnOnce(&mut ChaCha8Rng) -> T) -> T {
        draw(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns a number from 0 to below 1.
    pub(crate) fn fraction(&self) -> f64 {
        self.with(|rng| rng.random())
    }

    /// Tells whether something happens that has this chance.
    pub(crate) fn happens(&self, chance: f64) -> bool {
        chance > 0.0 && self.fraction() < chance
    }

    /// Returns a number from `least` to `most`.
    pub(crate) fn number(&self, least: u64, most: u64) -> u64 {
        self.with(|rng| rng.random_range(least..=most.max(least)))
    }

    /// Returns a number from 1 to `most`, small ones as often as large ones:
    /// each power of two has the same share.
    pub(crate) fn magnitude(&self, most: u64) -> u64 {
        let bits = u64::from(most.max(1).ilog2());
        let top = 1 << self.number(0, bits);
        self.number(top, (top * 2 - 1).min(most.max(1)))
    }

    /// Returns a time up to `most`.
    pub(crate) fn time(&self, most: Duration) -> Duration {
        most.mul_f64(self.fraction())
    }

    /// Returns one of several, by its place.
    pub(crate) fn one_of<T: Copy>(&self, all: &[T], otherwise: T) -> T {
        let last = all.len().saturating_sub(1) as u64;
        let place = usize::try_from(self.number(0, last)).unwrap_or(0);
        all.get(place).copied().unwrap_or(otherwise)
    }

    /// Returns a seed for something else.
    pub(crate) fn seed(&self) -> u64 {
        self.with(Rng::random)
    }
}
