//! The tables in memory: the twin of [`super::dynamo`], for tests and the
//! simulation.
//!
//! The same contract, without delays and without an end to what is kept:
//! nothing expires. The units it counts are close to what DynamoDB would.

mod accounts;
mod changes;
mod days;
mod resources;
mod scopes;
mod tasks;
pub(super) mod units;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cloud_sync_core::account::AccountRecord;
use cloud_sync_core::meter::Meter;
use cloud_sync_core::request::KnownRequest;
use cloud_sync_core::resource::Row;
use cloud_sync_core::scope::{Kind, Scope};
use cloud_sync_core::stats::Day;
use cloud_sync_core::types::KnownTypes;
use jiff::civil::Date;

use self::changes::Changes;
use self::scopes::ScopeEntry;
use self::tasks::TaskEntry;
use self::units::Bill;
use super::{Store, StoreError};

/// So many items are on a page: few, so that tests and simulations page.
const PAGE: usize = 100;

/// The tables in memory. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    tables: Arc<Mutex<Tables>>,
    meter: Arc<Meter>,
}

#[derive(Debug, Default)]
struct Tables {
    accounts: BTreeMap<String, AccountRecord>,
    /// What is kept of accounts that were removed.
    removed: BTreeMap<String, AccountRecord>,
    /// By account, whose scopes are asked for together.
    scopes: BTreeMap<String, BTreeMap<Scope, ScopeEntry>>,
    tasks: BTreeMap<String, TaskEntry>,
    requests: BTreeMap<String, KnownRequest>,
    resources: BTreeMap<Scope, BTreeMap<String, Row>>,
    changes: Changes,
    types: BTreeMap<(String, Kind), KnownTypes>,
    /// The vendor's events, by account.
    events: BTreeSet<(String, String)>,
    days: BTreeMap<(String, Date, Kind), Day>,
}

impl MemoryStore {
    /// Runs one request against the tables and counts what it cost.
    fn request<T>(&self, run: impl FnOnce(&mut Tables, &mut Bill) -> T) -> T {
        let mut bill = Bill::default();
        // A request that panicked may have been cut short, as a crash does.
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = run(&mut tables, &mut bill);
        self.meter.record_store(bill.read, bill.write, Duration::ZERO);
        answer
    }
}

impl Store for MemoryStore {
    fn metered(&self, meter: Arc<Meter>) -> Arc<dyn Store> {
        Arc::new(Self { meter, ..self.clone() })
    }

    fn index_lag(&self) -> Duration {
        Duration::ZERO
    }
}

const fn refused(operation: &'static str, reason: String) -> StoreError {
    StoreError::Refused { operation, reason }
}
