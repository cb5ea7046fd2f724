//! The queues that the contract is held up to.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use cloud_sync_runtime::queue::Queue;
use cloud_sync_runtime::queue::memory::{MemoryQueue, MemoryQueueSettings};
use cloud_sync_runtime::queue::sqs::SqsQueue;
use uuid::Uuid;

/// Where the other implementation is.
const ENDPOINT: &str = "CONTRACT_SQS_ENDPOINT";

/// How long a delivered message stays invisible: the shortest that lets
/// several requests be made meanwhile.
pub const VISIBILITY: Duration = Duration::from_secs(3);

/// After so many deliveries a message is given up.
pub const MOST_RECEIVES: u32 = 3;

/// Whether messages have an order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// They do.
    Fifo,
    /// They do not.
    Standard,
}

/// A queue of its own for one test.
pub struct Made {
    /// The queue.
    pub queue: Arc<dyn Queue>,
    /// Where messages go after [`MOST_RECEIVES`] deliveries.
    pub dead: Arc<dyn Queue>,
}

#[allow(clippy::unused_async, reason = "the other is")]
pub async fn in_memory(of: Type) -> Made {
    let settings = |dead_letter| MemoryQueueSettings {
        fifo: of == Type::Fifo,
        visibility: VISIBILITY,
        max_receives: MOST_RECEIVES,
        dead_letter,
        ..MemoryQueueSettings::default()
    };
    let dead = Arc::new(MemoryQueue::new(settings(None)));
    let queue = Arc::new(MemoryQueue::new(settings(Some(dead.clone()))));
    Made { queue, dead }
}

pub async fn elsewhere(of: Type) -> Made {
    let url = std::env::var(ENDPOINT).expect("CONTRACT_SQS_ENDPOINT is set");
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .endpoint_url(url)
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .build();
    let client = Client::from_conf(config);
    let dead = create(&client, of, None).await;
    let queue = create(&client, of, Some(&dead)).await;
    Made {
        queue: Arc::new(SqsQueue::new(client.clone(), &queue)),
        dead: Arc::new(SqsQueue::new(client, &dead)),
    }
}

/// Creates a queue and returns its URL.
async fn create(client: &Client, of: Type, dead: Option<&str>) -> String {
    let mut attributes =
        HashMap::from([(Attribute::VisibilityTimeout, VISIBILITY.as_secs().to_string())]);
    if of == Type::Fifo {
        attributes.insert(Attribute::FifoQueue, "true".to_owned());
    }
    if let Some(dead) = dead {
        let known = client
            .get_queue_attributes()
            .queue_url(dead)
            .attribute_names(Attribute::QueueArn)
            .send()
            .await
            .expect("the dead-letter queue's attributes");
        let arn = &known.attributes().expect("attributes")[&Attribute::QueueArn];
        let policy = serde_json::json!({
            "deadLetterTargetArn": arn,
            "maxReceiveCount": MOST_RECEIVES.to_string(),
        });
        attributes.insert(Attribute::RedrivePolicy, policy.to_string());
    }
    let suffix = if of == Type::Fifo { ".fifo" } else { "" };
    let created = client
        .create_queue()
        .queue_name(format!("contract-{}{suffix}", Uuid::new_v4().simple()))
        .set_attributes(Some(attributes))
        .send()
        .await
        .expect("a new queue");
    created.queue_url().expect("the new queue's URL").to_owned()
}
