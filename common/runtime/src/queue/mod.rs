//! Queues, as a port: messages in groups, delivered at least once and, within
//! a group, one at a time and in order.
//!
//! Two implementations: [`sqs`] over the AWS SDK and [`memory`], its twin.

pub mod memory;
pub mod messages;
pub mod sqs;

use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;

/// A request to a queue did not succeed, after the retries in place.
#[derive(Debug, Error)]
pub enum QueueError {
    /// Some messages were not taken.
    #[error("{failed} of {sent} messages were not taken: {reason}")]
    NotSent {
        /// How many were not.
        failed: usize,
        /// Of how many.
        sent: usize,
        /// The first reason given.
        reason: String,
    },
    /// The request failed as a whole.
    #[error("{operation}: {reason}")]
    Failed {
        /// What was asked.
        operation: &'static str,
        /// What it answered, for a person.
        reason: String,
    },
}

/// The most bytes of one message, and of the messages of one request.
const MOST_BYTES: usize = 256 * 1024;

/// At most so many messages are received at once.
const MOST_RECEIVED: usize = 10;

/// The longest visibility timeout.
const LONGEST_DELAY: Duration = Duration::from_secs(12 * 60 * 60);

/// Returns why a message is not sent.
fn too_large(bytes: usize) -> String {
    format!("a body of {bytes} bytes is larger than the {MOST_BYTES} that a queue takes")
}

/// What a queue answers.
pub type Result<T> = std::result::Result<T, QueueError>;

/// A message to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The body.
    pub body: String,
    /// For a FIFO queue; `None` for a standard one.
    pub order: Option<Order>,
}

/// What makes a message one of a FIFO queue. Any text will do: what a queue
/// cannot take as a name is hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Messages of one group are delivered one at a time, in order.
    pub group: String,
    /// A second message with this text within five minutes is dropped.
    pub dedup: String,
}

/// A message received. It comes again unless it is deleted before its
/// visibility timeout ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The queue's id of the message, the same at every delivery.
    pub message_id: String,
    /// The body.
    pub body: String,
    /// What this delivery is deleted or postponed by.
    pub receipt: String,
    /// How often it was delivered, this time included.
    pub receive_count: u32,
}

/// Sends messages, and puts off received ones.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Sends messages, in batches, retrying those not taken.
    ///
    /// # Errors
    ///
    /// Some may have been sent; sending all again is right.
    async fn send(&self, messages: &[Outgoing]) -> Result<()>;
    /// Lets a delivered message come again after `delay` (at most 12 hours),
    /// instead of after its visibility timeout.
    async fn postpone(&self, receipt: &str, delay: Duration) -> Result<()>;
    /// Receives up to `most` (at most 10) messages, waiting up to `wait` for
    /// the first.
    async fn receive(&self, most: usize, wait: Duration) -> Result<Vec<Delivery>>;
    /// Tells whether dropping a [`Self::receive`] leaves every message where
    /// it is. Those in the answer of a service stay invisible until their
    /// timeout.
    fn may_drop_receive(&self) -> bool {
        false
    }
    /// Deletes a delivered message.
    async fn delete(&self, receipt: &str) -> Result<()>;
}
