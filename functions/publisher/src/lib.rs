//! Puts what the tables' streams tell on an event bus: changes of resources,
//! tasks that ended, accounts that were suspended.
//!
//! The tables are the outbox: what is written there is told, and nothing else
//! is. **At least once**: a record whose batch came back may be told again,
//! with the same `event_id`.

pub mod bus;
pub mod event;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use cloud_sync_runtime::notify::{Notice, Notifier};

use crate::bus::{Bus, Entry, requests};

/// So many records are remembered as told. A shard's batch has at most 10,000
/// records, and only those of one request are remembered of it.
const MOST_REMEMBERED: usize = 10_000;

/// What a publisher works with.
pub struct Publisher {
    /// Where news goes.
    pub bus: Bus,
    /// Who is told of what cannot be published.
    pub notifier: Arc<dyn Notifier>,
    /// The records that were told though one before them was not, so that
    /// they come again.
    told: Mutex<HashSet<String>>,
}

/// A record that is to be told.
struct Told {
    /// The record's id.
    record: String,
    /// What Lambda is told of it.
    sequence_number: String,
    entry: Entry,
}

impl Publisher {
    /// Returns a publisher to a bus.
    #[must_use]
    pub fn new(bus: Bus, notifier: Arc<dyn Notifier>) -> Self {
        Self { bus, notifier, told: Mutex::default() }
    }

    /// Tells of records in order. Stops at the first that the bus does not
    /// take, so that what follows it is not told before it, but for those of
    /// the same request. Returns that one's sequence number.
    async fn publish(&self, records: &[Told]) -> Option<String> {
        let entries: Vec<_> = records.iter().map(|told| &told.entry).collect();
        for range in requests(&entries) {
            let left = self.bus.put(&entries[range.clone()]).await;
            let Some(first) = left.first() else { continue };
            let of_request = &records[range];
            let is_told = |index: &usize| index > first && !left.contains(index);
            self.remember((0..of_request.len()).filter(is_told).map(|index| &of_request[index]));
            return Some(of_request[*first].sequence_number.clone());
        }
        None
    }

    /// Remembers records that will come again though they were told. Another
    /// process does not know of them: that is the "at least" of once.
    fn remember<'a>(&self, records: impl Iterator<Item = &'a Told>) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() > MOST_REMEMBERED {
            told.clear();
        }
        told.extend(records.map(|told| told.record.clone()));
    }

    /// Tells whether a record was told when its batch came last.
    fn was_told(&self, record: &str) -> bool {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).contains(record)
    }

    async fn tell(&self, notice: &Notice) {
        if let Err(error) = self.notifier.notify(notice).await {
            tracing::error!(%error, subject = notice.subject(), "a notice could not be sent");
        }
    }
}
