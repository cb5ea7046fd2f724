//! Counts what a piece of work costs while it runs.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::cost::{ApiCost, Cost};

/// One request to a vendor.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request {
    /// How long it took until its whole answer was there, or the error.
    pub took: Duration,
    /// Whether the vendor throttled it.
    pub throttled: bool,
    /// Whether it repeated one before.
    pub retried: bool,
    /// Bytes of the answer.
    pub bytes: u64,
}

/// Everything a meter has counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// What it cost.
    pub cost: Cost,
    /// The time requests to the tables took, in sum.
    pub store_time: Duration,
}

/// A counter shared by a vendor client and a store for one piece of work.
#[derive(Debug, Default)]
pub struct Meter(Mutex<Reading>);

impl Meter {
    /// Counts one request to an API of a vendor.
    pub fn record_call(&self, api: &str, request: Request) {
        let mut of_api = ApiCost {
            calls: 1,
            throttled: request.throttled.into(),
            retried: request.retried.into(),
            bytes: request.bytes,
            ..ApiCost::default()
        };
        of_api.latency.record(request.took);
        self.with(|Reading { cost, .. }| {
            cost.api_calls += of_api.calls;
            cost.throttled_calls += of_api.throttled;
            cost.retried_calls += of_api.retried;
            cost.bytes_received += of_api.bytes;
            cost.apis.entry(api.to_owned()).or_default().add(&of_api);
        });
    }

    /// Counts one request to the tables.
    pub fn record_store(&self, read_units: f64, write_units: f64, took: Duration) {
        self.with(|reading| {
            reading.cost.read_units += read_units;
            reading.cost.write_units += write_units;
            reading.store_time += took;
        });
    }

    /// Counts rows of resources that were written or removed.
    pub fn record_rows(&self, rows: usize) {
        self.with(|reading| reading.cost.rows_written += rows as u64);
    }

    /// Counts time that a worker spent.
    pub fn record_work(&self, spent: Duration) {
        let milliseconds = u64::try_from(spent.as_millis()).unwrap_or(u64::MAX);
        self.with(|reading| reading.cost.worker_ms += milliseconds);
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
