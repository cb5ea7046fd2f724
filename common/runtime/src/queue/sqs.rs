//! The queue port over Amazon SQS.

use std::collections::HashSet;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{
    Message, MessageSystemAttributeName, SendMessageBatchRequestEntry as BatchEntry,
};
use backon::{BackoffBuilder, ExponentialBuilder};
use sha2::{Digest, Sha256};

use super::{
    Delivery, LONGEST_DELAY, MOST_BYTES, MOST_RECEIVED, Outgoing, Queue, QueueError, Result,
};
use crate::aws::explain;

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
        let mut waits = waits();
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
                let text =
                    format!("{}: {}", failure.code(), failure.message().unwrap_or("no reason"));
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

/// Returns the waits before what SQS did not take of a request is sent again,
/// each with jitter. Whole requests are retried by the SDK.
fn waits() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(5))
        .with_max_times(6)
        .with_jitter()
        .build()
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
            let is_first =
                message.order.as_ref().is_none_or(|order| groups.insert(order.group.clone()));
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

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
    use serde_json::{Value, json};
    use wiremock::matchers::header;
    use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

    use super::*;
    use crate::queue::Order;

    fn message(group: &str, body: &str) -> Outgoing {
        let order = Order { group: group.into(), dedup: body.into() };
        Outgoing { body: body.into(), order: Some(order) }
    }

    fn sizes(messages: &[Outgoing]) -> Vec<usize> {
        let messages: Vec<_> = messages.iter().collect();
        batches(&messages).into_iter().map(<[_]>::len).collect()
    }

    #[test]
    fn batches_are_bounded_in_number_and_bytes() {
        let small: Vec<_> = (0..25).map(|n| message(&n.to_string(), "1")).collect();
        assert_eq!(sizes(&small), [10, 10, 5]);
        let body = "x".repeat(100 * 1024);
        let large: Vec<_> = (0..5).map(|n| message(&n.to_string(), &body)).collect();
        assert_eq!(sizes(&large), [2, 2, 1]);
        let largest = "x".repeat(MOST_BYTES);
        let full: Vec<_> = (0..2).map(|n| message(&n.to_string(), &largest)).collect();
        assert_eq!(sizes(&full), [1, 1]);
        assert_eq!(sizes(&[]), [0; 0]);
    }

    #[test]
    fn a_batch_has_one_message_a_group() {
        let messages = [("a", "1"), ("b", "1"), ("a", "2"), ("a", "3"), ("b", "2")];
        let messages = messages.map(|(group, body)| message(group, body));
        assert_eq!(sizes(&messages), [2, 1, 2]);
        let standard = vec![Outgoing { body: "1".into(), order: None }; 12];
        assert_eq!(sizes(&standard), [10, 2]);
    }

    #[test]
    fn texts_that_sqs_does_not_take_as_ids_are_hashed() {
        assert_eq!(
            id_of("prod/aliyun.ecs.instance/cn-hangzhou"),
            "prod/aliyun.ecs.instance/cn-hangzhou"
        );
        let hashed = ["", "a b", "生产", &"x".repeat(129), &"x".repeat(130)].map(id_of);
        for id in &hashed {
            assert_eq!(id.len(), 64, "{id}");
        }
        assert_eq!(
            hashed.iter().collect::<HashSet<_>>().len(),
            5,
            "different texts stay different"
        );
    }

    #[test]
    fn waits_are_rounded_up() {
        let seconds = [0, 1, 999, 1000, 1001].map(|ms| whole_seconds(Duration::from_millis(ms)));
        assert_eq!(seconds, [0, 1, 1, 1, 2]);
    }

    /// Takes every entry but those that `refuse` has an answer for.
    struct Takes<F>(F);

    impl<F: Fn(usize, &str) -> Option<Value> + Send + Sync> Respond for Takes<F> {
        fn respond(&self, request: &Request) -> ResponseTemplate {
            let asked: Value = request.body_json().unwrap();
            let (mut taken, mut failed) = (Vec::new(), Vec::new());
            let entries = asked["Entries"].as_array().unwrap();
            for entry in entries {
                let body = entry["MessageBody"].as_str().unwrap();
                match (self.0)(entries.len(), body) {
                    Some(mut refusal) => {
                        refusal["Id"] = entry["Id"].clone();
                        failed.push(refusal);
                    }
                    None => taken.push(json!({
                        "Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": "unchecked"
                    })),
                }
            }
            ResponseTemplate::new(200).set_body_json(json!({"Successful": taken, "Failed": failed}))
        }
    }

    async fn queue_at(server: &MockServer) -> SqsQueue {
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .endpoint_url(server.uri())
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .build();
        let url = format!("{}/000000000000/work.fifo", server.uri());
        SqsQueue::new(Client::from_conf(config), &url)
    }

    async fn taking(
        refuse: impl Fn(usize, &str) -> Option<Value> + Send + Sync + 'static,
    ) -> MockServer {
        let server = MockServer::start().await;
        Mock::given(header("x-amz-target", "AmazonSQS.SendMessageBatch"))
            .respond_with(Takes(refuse))
            .mount(&server)
            .await;
        server
    }

    /// Returns the bodies sent, by request.
    async fn requests(server: &MockServer) -> Vec<Vec<String>> {
        let bodies = |request: Request| {
            let asked: Value = request.body_json().unwrap();
            let entries = asked["Entries"].as_array().unwrap().iter();
            entries.map(|entry| entry["MessageBody"].as_str().unwrap().to_owned()).collect()
        };
        server.received_requests().await.unwrap().into_iter().map(bodies).collect()
    }

    fn failure(code: &str, sender_fault: bool) -> Value {
        json!({"Code": code, "Message": "said so", "SenderFault": sender_fault})
    }

    #[tokio::test]
    async fn only_what_failed_is_sent_again() {
        // "b" fails as long as it is not alone.
        let server = taking(|entries, body| {
            (body == "b" && entries > 1).then(|| failure("InternalError", false))
        })
        .await;
        let messages = [message("1", "a"), message("2", "b"), message("3", "c")];
        queue_at(&server).await.send(&messages).await.unwrap();
        assert_eq!(requests(&server).await, [vec!["a", "b", "c"], vec!["b"]]);
    }

    #[tokio::test]
    async fn what_the_sender_did_wrong_is_not_sent_again() {
        let server =
            taking(|_, body| (body == "b").then(|| failure("InvalidMessageContents", true))).await;
        let messages = [message("1", "a"), message("2", "b"), message("2", "c")];
        let error = queue_at(&server).await.send(&messages).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "1 of 3 messages were not taken: queue work.fifo: InvalidMessageContents: said so"
        );
        assert_eq!(requests(&server).await, [vec!["a", "b"], vec!["c"]], "the others are sent");
    }

    #[tokio::test]
    async fn nothing_overtakes_a_message_that_is_never_taken() {
        let server = taking(|_, body| (body == "a").then(|| failure("InternalError", false))).await;
        let queue = queue_at(&server).await;
        // The real waits, in virtual time; the server's answers need none.
        tokio::time::pause();
        let error = queue.send(&[message("1", "a"), message("1", "b")]).await.unwrap_err();
        assert!(matches!(error, QueueError::NotSent { failed: 1, .. }), "{error}");
        let requests = requests(&server).await;
        assert_eq!(requests.len(), 1 + waits().count(), "it ends");
        assert!(!requests.concat().contains(&"b".to_owned()));
    }

    #[tokio::test]
    async fn an_error_names_queue_and_operation() {
        let server = MockServer::start().await;
        let answer =
            json!({"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "No such queue"});
        Mock::given(header("x-amz-target", "AmazonSQS.ReceiveMessage"))
            .respond_with(ResponseTemplate::new(400).set_body_json(answer))
            .mount(&server)
            .await;
        let error = queue_at(&server).await.receive(1, Duration::ZERO).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "ReceiveMessage: queue work.fifo: QueueDoesNotExist: No such queue"
        );
    }
}
