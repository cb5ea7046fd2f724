//! Syncs one scope a message: lists what the vendor has, compares it with what
//! is stored, and writes only the differences.
//!
//! **Invariants**: a deletion needs a [`CompleteListing`], which only a walk
//! over every page gives. A change is written before its row, both only under
//! the scope's lease. A message handled twice does what it did once.
//!
//! [`CompleteListing`]: cloud_sync_core::listing::CompleteListing

mod attempt;
mod checkpoint;
mod closing;
mod compare;
mod deletions;
mod details;
mod disks;
pub mod event;
mod feed;
mod identity;
mod index;
mod named;
mod recovery;
mod spending;
mod statuses;
mod trouble;
mod types;
mod walk;
mod work;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cloud_sync_core::error::ErrorClass;
use cloud_sync_core::message::WorkMessage;
use cloud_sync_core::task::RegionError;
use cloud_sync_provider::Vendors;
use cloud_sync_runtime::clock::Clock;
use cloud_sync_runtime::metrics::MetricSink;
use cloud_sync_runtime::notify::{Notice, Notifier};
use cloud_sync_runtime::queue::Queue;
use cloud_sync_runtime::secrets::CredentialSource;
use cloud_sync_runtime::store::Store;
use futures::FutureExt;
use jiff::{SignedDuration, Timestamp};
use tracing::Instrument;

pub use self::types::TypeCache;

/// What a worker works with.
pub struct RegionSync {
    /// The tables.
    pub store: Arc<dyn Store>,
    /// The work queue, for continuations.
    pub work: Arc<dyn Queue>,
    /// The results queue.
    pub results: Arc<dyn Queue>,
    /// The vendors.
    pub vendors: Arc<dyn Vendors>,
    /// Where credentials are.
    pub credentials: Arc<dyn CredentialSource>,
    /// Who is told of suspended accounts and held deletions.
    pub notifier: Arc<dyn Notifier>,
    /// Where metrics go.
    pub metrics: Arc<dyn MetricSink>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How patient to be.
    pub settings: Settings,
    /// What this process knows of instance types; begins empty.
    pub types: TypeCache,
    /// How many messages are being handled at this moment; begins at zero.
    pub busy: AtomicU64,
}

/// How patient a worker is.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Before its deadline by this much, a worker saves a checkpoint and stops.
    pub wind_down: SignedDuration,
    /// After its deadline by this much, its lease may be taken from it.
    pub lease_margin: SignedDuration,
    /// A region that began so long ago and still meets errors has failed.
    pub give_up_after: SignedDuration,
    /// A throttled worker waits up to so long in place.
    pub wait_in_place: SignedDuration,
    /// How often to look whether an operator wants the task to stop.
    pub cancel_check: SignedDuration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            wind_down: SignedDuration::from_secs(45),
            lease_margin: SignedDuration::from_secs(60),
            give_up_after: SignedDuration::from_hours(1),
            wait_in_place: SignedDuration::from_secs(65),
            cancel_check: SignedDuration::from_secs(2),
        }
    }
}

/// A message as it was delivered.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// The message.
    pub message: WorkMessage,
    /// How often it was delivered, this time included.
    pub receive_count: u32,
    /// Unique to this delivery: the lease's owner.
    pub owner: String,
    /// When the worker will be stopped.
    pub deadline: Timestamp,
}

/// What becomes of a delivered message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is done with, for better or worse.
    Done,
    /// It is to come again, not before this.
    Redeliver {
        /// How much later.
        after: Duration,
    },
}

/// The longest wait between two deliveries of a message that failed.
const LONGEST_BACKOFF: Duration = Duration::from_secs(300);

/// Returns how long a message that failed waits: twice as long each time.
fn backoff(receive_count: u32) -> Duration {
    let doublings = receive_count.saturating_sub(1).min(16);
    Duration::from_secs(2).saturating_mul(1 << doublings).min(LONGEST_BACKOFF)
}

impl RegionSync {
    /// Tells the operators; a notice that cannot be sent is logged.
    async fn tell(&self, notice: &Notice) {
        if let Err(error) = self.notifier.notify(notice).await {
            tracing::error!(%error, subject = notice.subject(), "a notice could not be sent");
        }
    }

    /// Handles one delivered message. Never fails and never panics: what goes
    /// wrong ends in the region's result, or in the message coming again.
    pub async fn handle(&self, delivered: &Delivered) -> Action {
        let message = &delivered.message;
        let span = tracing::info_span!(
            "region-sync",
            task_id = message.task_id,
            scope = %message.scope(),
            turn = message.turn,
            receive_count = delivered.receive_count,
        );
        async {
            self.busy.fetch_add(1, Ordering::Relaxed);
            let attempt = AssertUnwindSafe(self.attempt(delivered)).catch_unwind().await;
            self.busy.fetch_sub(1, Ordering::Relaxed);
            let trouble = match attempt {
                Ok(Ok(action)) => return action,
                Ok(Err(error)) => error.to_string(),
                Err(panic) => {
                    return self.fail_after_panic(delivered, &panic_text(panic.as_ref())).await;
                }
            };
            tracing::warn!(error = trouble, "the attempt broke off; the message comes again");
            Action::Redeliver { after: backoff(delivered.receive_count) }
        }
        .instrument(span)
        .await
    }

    /// Ends a region whose worker panicked: the same message again would only
    /// panic again.
    async fn fail_after_panic(&self, delivered: &Delivered, text: &str) -> Action {
        tracing::error!(panic = text, "the worker panicked");
        let error = RegionError::new(
            ErrorClass::Internal,
            "Panic",
            &format!("the worker panicked: {text}; this is a bug, please report it"),
            self.clock.now(),
        );
        match self.fail_region(delivered, error).await {
            Ok(action) => action,
            Err(error) => {
                tracing::error!(%error, "the failure could not be recorded");
                Action::Redeliver { after: backoff(delivered.receive_count) }
            }
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}
