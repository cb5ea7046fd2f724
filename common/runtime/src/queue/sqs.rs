//! The queue port over Amazon SQS.

use std::collections::HashSet;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{
    Message, MessageSystemAttributeName, SendMessageBatchRequestEntry as BatchEntry,
};
use sha2::{Digest, Sha256};

use super::{Delivery, LONGEST_DELAY, MOST_BYTES, MOST_RECEIVED, Outgoing, Queue, QueueError, Result};
use crate::aws::{batch_backoff, explain};

/// At most so many messages in one request.
const MOST_IN_BATCH: usize = 10;

/// The longest that SQS keeps a receiver waiting.
const LONGEST_POLL: Duration = Duration::from_secs(20);

/// The longest group or deduplication id.
const MOST_ID_CHARS: usize = 128;

/// A queue of Amazon SQS, FIFO or standard.
#[derive(Clone, Debug)]
pub struct SqsQueue {
    client: Client,
    url: String,
}

impl SqsQueue {
    /// Returns the queue at a URL.
    #[must_use]
    pub fn new(client: Client, url: &str) -> Self {
        Self { client, url: url.to_owned() }
    }

    /// Returns the queue's name, which is what errors call it by: a URL holds
    /// the number of an AWS account.
    fn name(&self) -> &str {
        self.url.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
    }

    fn failed<E>(&self, operation: &'static str, error: &SdkError<E>) -> QueueError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        self.refused(operation, &explain(error))
    }

    fn refused(&self, operation: &'static str, reason: &str) -> QueueError {
        QueueError::Failed { operation, reason: format!("queue {}: {reason}", self.name()) }
    }

    /// Sends one batch, and again what was not taken of it. Returns why which
    /// messages will never be taken.
    async fn send_batch(&self, batch: &[&Outgoing]) -> Result<Vec<String>> {
        let mut open = batch.to_vec();
        let mut refusals = Vec::new();
        let mut waits = batch_backoff();
        loop {
            let sent = self
                .client
                .send_message_batch()
                .queue_url(&self.url)
                .set_entries(Some(self.entries(&open)?))
                .send()
                .await
                .map_err(|error| self.failed("SendMessageBatch", &error))?;
            let mut again = Vec::new();
            let mut reason = String::new();
            for failure in sent.failed() {
                let text = format!("{}: {}", failure.code(), failure.message().unwrap_or("no reason"));
                let message = failure.id().parse().ok().and_then(|index: usize| open.get(index));
                match message {
                    Some(message) if !failure.sender_fault() => {
                        again.push(*message);
                        reason = text;
                    }
                    _ => refusals.push(text),
                }
            }
            if again.is_empty() {
                return Ok(refusals);
            }
            let Some(wait) = waits.next() else {
                return Err(self.not_sent(again.len(), batch.len(), &reason));
            };
            tracing::debug!(queue = self.name(), failed = again.len(), reason, "sending again");
            tokio::time::sleep(wait).await;
            open = again;
        }
    }

    fn entries(&self, messages: &[&Outgoing]) -> Result<Vec<BatchEntry>> {
        let entry = |(index, message): (usize, &&Outgoing)| {
            BatchEntry::builder()
                .id(index.to_string())
                .message_body(&message.body)
                .set_message_group_id(message.order.as_ref().map(|order| id_of(&order.group)))
                .set_message_deduplication_id(
                    message.order.as_ref().map(|order| id_of(&order.dedup)),
                )
                .build()
                .map_err(|error| self.refused("SendMessageBatch", &error.to_string()))
        };
        messages.iter().enumerate().map(entry).collect()
    }

    fn not_sent(&self, failed: usize, sent: usize, reason: &str) -> QueueError {
        QueueError::NotSent { failed, sent, reason: format!("queue {}: {reason}", self.name()) }
    }
}

#[async_trait]
impl Queue for SqsQueue {
    async fn send(&self, messages: &[Outgoing]) -> Result<()> {
        let (fitting, too_large): (Vec<_>, Vec<_>) =
            messages.iter().partition(|message| message.body.len() <= MOST_BYTES);
        let mut refusals: Vec<_> =
            too_large.iter().map(|message| super::too_large(message.body.len())).collect();
        for batch in batches(&fitting) {
            refusals.extend(self.send_batch(batch).await?);
        }
        match refusals.first() {
            Some(reason) => Err(self.not_sent(refusals.len(), messages.len(), reason)),
            None => Ok(()),
        }
    }

    async fn postpone(&self, receipt: &str, delay: Duration) -> Result<()> {
        let delay = delay.min(LONGEST_DELAY);
        self.client
            .change_message_visibility()
            .queue_url(&self.url)
            .receipt_handle(receipt)
            .visibility_timeout(whole_seconds(delay))
            .send()
            .await
            .map_err(|error| self.failed("ChangeMessageVisibility", &error))?;
        Ok(())
    }

    async fn receive(&self, most: usize, wait: Duration) -> Result<Vec<Delivery>> {
        let most = i32::try_from(most.clamp(1, MOST_RECEIVED)).unwrap_or(1);
        let received = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(most)
            .wait_time_seconds(whole_seconds(wait.min(LONGEST_POLL)))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .send()
            .await
            .map_err(|error| self.failed("ReceiveMessage", &error))?;
        let messages = received.messages.unwrap_or_default().into_iter();
        messages
            .map(|message| {
                delivery(message).ok_or_else(|| {
                    self.refused("ReceiveMessage", "a message came without id, receipt or count")
                })
            })
            .collect()
    }

    async fn delete(&self, receipt: &str) -> Result<()> {
        self.client
            .delete_message()
            .queue_url(&self.url)
            .receipt_handle(receipt)
            .send()
            .await
            .map_err(|error| self.failed("DeleteMessage", &error))?;
        Ok(())
    }
}

/// Splits messages into requests that SQS takes.
///
/// Of one group at most one message goes into a request: SQS may take the
/// second of two and not the first, whose retry would then come out of order.
fn batches<'a, 'm>(messages: &'a [&'m Outgoing]) -> Vec<&'a [&'m Outgoing]> {
    let mut batches = Vec::new();
    let mut rest = messages;
    while !rest.is_empty() {
        let mut bytes = 0;
        let mut groups = HashSet::new();
        let fits = |message: &&'m Outgoing| {
            bytes += message.body.len();
            let is_first = message.order.as_ref().is_none_or(|order| groups.insert(order.group.clone()));
            bytes <= MOST_BYTES && is_first
        };
        let count = rest.iter().copied().take(MOST_IN_BATCH).take_while(fits).count();
        // One message alone always fits.
        let (batch, left) = rest.split_at(count.max(1));
        batches.push(batch);
        rest = left;
    }
    batches
}

/// Returns a text that SQS takes as group or deduplication id: the text itself
/// where that is one, or else its hash.
fn id_of(text: &str) -> String {
    let is_valid =
        (1..=MOST_ID_CHARS).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    if is_valid {
        return text.to_owned();
    }
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns whole seconds, rounded up: a wait must not end early.
fn whole_seconds(time: Duration) -> i32 {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

fn delivery(message: Message) -> Option<Delivery> {
    let count = message
        .attributes()
        .and_then(|all| all.get(&MessageSystemAttributeName::ApproximateReceiveCount))
        .and_then(|count| count.parse().ok())?;
    Some(Delivery {
        message_id: message.message_id?,
        body: message.body.unwrap_or_default(),
        receipt: message.receipt_handle?,
        receive_count: count,
    })
}
