//! Makes the queues that template.yaml would, to try the service out with
//! AWS or what stands for it.

use std::time::Duration;

use anyhow::{Context, anyhow};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName as Name;

/// How often a message is delivered before it goes to the dead letters.
const MOST_RECEIVES: u32 = 8;

/// The queues' URLs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queues {
    /// The work queue.
    pub work: String,
    /// The results queue.
    pub results: String,
}

/// Creates the queues that do not exist, with names that begin with `prefix`.
///
/// # Errors
///
/// SQS refuses.
pub async fn create_queues(
    client: &Client,
    prefix: &str,
    visibility: Duration,
) -> anyhow::Result<Queues> {
    let seconds = visibility.as_secs().to_string();
    let fifo = [(Name::FifoQueue, "true".to_owned())];
    let visible = [(Name::VisibilityTimeout, seconds)];
    let dead = create(client, &format!("{prefix}work-dlq.fifo"), &fifo).await?;
    let redrive = [(Name::RedrivePolicy, redrive_to(&arn(client, &dead).await?))];
    let work = [&fifo[..], &visible[..], &redrive[..]].concat();
    Ok(Queues {
        work: create(client, &format!("{prefix}work.fifo"), &work).await?,
        results: create(client, &format!("{prefix}results"), &visible).await?,
    })
}

fn redrive_to(arn: &str) -> String {
    serde_json::json!({ "deadLetterTargetArn": arn, "maxReceiveCount": MOST_RECEIVES }).to_string()
}

async fn create(
    client: &Client,
    name: &str,
    attributes: &[(Name, String)],
) -> anyhow::Result<String> {
    let attributes = attributes.iter().cloned().collect();
    let made = client.create_queue().queue_name(name).set_attributes(Some(attributes)).send().await;
    let made = made.map_err(aws_sdk_sqs::Error::from);
    let url = made.with_context(|| format!("cannot create the queue {name}"))?.queue_url;
    url.ok_or_else(|| anyhow!("SQS did not tell the URL of the queue {name}"))
}

async fn arn(client: &Client, url: &str) -> anyhow::Result<String> {
    let asked = client.get_queue_attributes().queue_url(url).attribute_names(Name::QueueArn);
    let answer = asked.send().await.map_err(aws_sdk_sqs::Error::from);
    let answer = answer.with_context(|| format!("cannot ask about the queue {url}"))?;
    let arn = answer.attributes.and_then(|mut attributes| attributes.remove(&Name::QueueArn));
    arn.ok_or_else(|| anyhow!("SQS did not tell the ARN of the queue {url}"))
}
