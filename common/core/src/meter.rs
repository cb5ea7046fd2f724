//! Counts what a piece of work costs while it runs.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::task::Cost;

/// What calls to one vendor API amounted to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ApiUse {
    /// Requests, retries included.
    pub calls: u64,
    /// Requests that were throttled.
    pub throttled: u64,
    /// The time they took, in sum.
    pub total: Duration,
    /// The longest of them.
    pub longest: Duration,
}

/// Everything a meter has counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// Calls by API name.
    pub apis: BTreeMap<String, ApiUse>,
    /// Read request units.
    pub read_units: f64,
    /// Write request units.
    pub write_units: f64,
    /// The time requests to the tables took, in sum.
    pub store_time: Duration,
}

impl Reading {
    /// Returns the sums that are kept with a region.
    #[must_use]
    pub fn cost(&self) -> Cost {
        Cost {
            api_calls: self.apis.values().map(|api| api.calls).sum(),
            read_units: self.read_units,
            write_units: self.write_units,
        }
    }
}

/// A counter shared by a vendor client and a store for one piece of work.
#[derive(Debug, Default)]
pub struct Meter(Mutex<Reading>);

impl Meter {
    /// Counts one request to a vendor.
    pub fn record_call(&self, api: &str, took: Duration, throttled: bool) {
        self.with(|reading| {
            let api = reading.apis.entry(api.to_owned()).or_default();
            api.calls += 1;
            api.throttled += u64::from(throttled);
            api.total += took;
            api.longest = api.longest.max(took);
        });
    }

    /// Counts one request to the tables.
    pub fn record_store(&self, read_units: f64, write_units: f64, took: Duration) {
        self.with(|reading| {
            reading.read_units += read_units;
            reading.write_units += write_units;
            reading.store_time += took;
        });
    }

    /// Returns what was counted so far.
    #[must_use]
    pub fn read(&self) -> Reading {
        self.with(|reading| reading.clone())
    }

    fn with<T>(&self, count: impl FnOnce(&mut Reading) -> T) -> T {
        // A panic between two additions cannot leave a reading half-made.
        count(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
