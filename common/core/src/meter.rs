//! Counts what a piece of work costs while it runs, and has its requests pass
//! a gate.

use std::fmt::Debug;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crate::cost::{ApiCost, Cost};
use crate::error::VendorError;

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

/// What every request to a vendor has to pass before it is sent.
pub trait Gate: Debug + Send + Sync {
    /// Lets one request pass, or tells why none may be made.
    fn pass(&self) -> Passing<'_>;
}

/// A request on its way through a gate.
pub type Passing<'a> = Pin<Box<dyn Future<Output = Result<(), VendorError>> + Send + 'a>>;

/// A counter shared by a vendor client and a store for one piece of work.
#[derive(Debug, Default)]
pub struct Meter {
    reading: Mutex<Reading>,
    gate: OnceLock<Arc<dyn Gate>>,
}

impl Meter {
    /// Has every request from now on pass a gate. The first one stays.
    pub fn guard(&self, gate: Arc<dyn Gate>) {
        self.gate.get_or_init(|| gate);
    }

    /// Lets a request to a vendor pass, which is about to be sent.
    ///
    /// # Errors
    ///
    /// It may not be sent.
    pub async fn pass(&self) -> Result<(), VendorError> {
        match self.gate.get() {
            Some(gate) => gate.pass().await,
            None => Ok(()),
        }
    }

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
        count(&mut self.reading.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
