//! The event bus.

use std::time::Duration;

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::primitives::DateTime;
use aws_sdk_eventbridge::types::{PutEventsRequestEntry, PutEventsResultEntry};
use backon::{BackoffBuilder, ExponentialBuilder};
use cloud_sync_core::document::{Document, SOURCE};
use cloud_sync_runtime::aws::explain;

/// A request takes so many entries.
///
/// Source: Amazon EventBridge API reference, `PutEvents`.
pub const MOST_ENTRIES: usize = 10;

/// The entries of a request may have so many bytes together. The service takes
/// more since 2026, and what stands behind a bus may not.
pub const MOST_BYTES: usize = 256 * 1024;

/// What an entry's time counts for.
const TIME_BYTES: usize = 14;

/// What the bus did not take is given to it again so often.
const MOST_REPEATS: usize = 4;

/// An event bus of Amazon EventBridge.
#[derive(Clone, Debug)]
pub struct Bus {
    client: Client,
    name: String,
    first_wait: Duration,
}

/// A document, ready to be put on the bus.
#[derive(Clone, Debug)]
pub struct Entry {
    detail_type: &'static str,
    time: DateTime,
    detail: String,
}

impl Entry {
    /// Returns the entry of a document.
    ///
    /// # Errors
    ///
    /// The document is none that JSON can hold.
    pub fn new(document: &Document) -> serde_json::Result<Self> {
        Ok(Self {
            detail_type: document.detail_type.as_str(),
            time: DateTime::from_millis(document.time.as_millisecond()),
            detail: serde_json::to_string(&document.detail)?,
        })
    }

    /// Returns its size as the service counts it.
    fn size(&self) -> usize {
        SOURCE.len() + self.detail_type.len() + self.detail.len() + TIME_BYTES
    }

    fn request(&self, bus: &str) -> PutEventsRequestEntry {
        PutEventsRequestEntry::builder()
            .event_bus_name(bus)
            .source(SOURCE)
            .detail_type(self.detail_type)
            .time(self.time)
            .detail(&self.detail)
            .build()
    }
}

impl Bus {
    /// Returns a bus by its name or ARN.
    #[must_use]
    pub fn new(client: Client, name: &str) -> Self {
        Self { client, name: name.to_owned(), first_wait: Duration::from_millis(200) }
    }

    /// Returns the same bus, asked again after so long the first time.
    #[must_use]
    pub fn with_first_wait(self, first_wait: Duration) -> Self {
        Self { first_wait, ..self }
    }

    /// Puts entries of one request on the bus. What it does not take is given
    /// to it again for some seconds. Returns the indexes of those that it has
    /// not taken by then, in order.
    pub async fn put(&self, entries: &[&Entry]) -> Vec<usize> {
        let mut waits = ExponentialBuilder::default()
            .with_min_delay(self.first_wait)
            .with_max_times(MOST_REPEATS)
            .with_jitter()
            .build();
        let mut left: Vec<usize> = (0..entries.len()).collect();
        loop {
            self.put_once(entries, &mut left).await;
            if left.is_empty() {
                return left;
            }
            let Some(wait) = waits.next() else { return left };
            tokio::time::sleep(wait).await;
        }
    }

    /// Puts those of the entries that are `left` on the bus, and leaves the
    /// ones that it did not take.
    async fn put_once(&self, entries: &[&Entry], left: &mut Vec<usize>) {
        let requests = left.iter().map(|index| entries[*index].request(&self.name)).collect();
        let answer = match self.client.put_events().set_entries(Some(requests)).send().await {
            Ok(answer) => answer,
            Err(error) => {
                let error = explain(&error);
                tracing::warn!(bus = self.name, error, "the bus did not take a request");
                return;
            }
        };
        let mut answers = answer.entries().iter();
        // An entry without an answer was not taken, as far as is known.
        left.retain(|_| !answers.next().is_some_and(is_taken));
    }
}

/// Tells whether an entry is on the bus. One that is has an id.
fn is_taken(answer: &PutEventsResultEntry) -> bool {
    let code = answer.error_code();
    if let Some(code) = code {
        let error = answer.error_message().unwrap_or("without a message");
        tracing::warn!(code, error, "the bus did not take an entry");
    }
    code.is_none() && answer.event_id().is_some()
}

/// Returns where each request begins and ends: together its entries are few
/// and short enough.
#[must_use]
pub fn requests(entries: &[&Entry]) -> Vec<std::ops::Range<usize>> {
    let mut ranges = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (index, entry) in entries.iter().enumerate() {
        let is_full = index - start == MOST_ENTRIES || bytes + entry.size() > MOST_BYTES;
        if is_full && index > start {
            ranges.push(start..index);
            (start, bytes) = (index, 0);
        }
        bytes += entry.size();
    }
    if start < entries.len() {
        ranges.push(start..entries.len());
    }
    ranges
}
