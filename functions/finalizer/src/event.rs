//! The function's events: batches from the results queue, its dead-letter
//! queue and the work queue's.

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use cloud_sync_core::message::ResultMessage;

use crate::Finalizer;

/// The end of a queue's name that makes its messages dead letters.
const DEAD_LETTERS: [&str; 2] = ["-dlq", "-dlq.fifo"];

/// Handles a batch. What failed comes again; the rest is done with.
pub async fn handle(finalizer: &Finalizer, event: SqsEvent) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    for message in event.records {
        let id = message.message_id.clone().unwrap_or_default();
        if let Err(error) = handle_one(finalizer, &message).await {
            tracing::error!(%error, message_id = id, "the message comes again");
            response.add_failure(id);
        }
    }
    response
}

async fn handle_one(finalizer: &Finalizer, message: &SqsMessage) -> anyhow::Result<()> {
    let body = message.body.as_deref().unwrap_or_default();
    let queue = message.event_source_arn.as_deref().unwrap_or_default();
    if DEAD_LETTERS.iter().any(|end| queue.ends_with(end)) {
        return Ok(finalizer.dead_letter(body).await?);
    }
    match serde_json::from_str::<ResultMessage>(body) {
        Ok(result) => {
            finalizer.look_at(&result.task_id).await?;
            Ok(())
        }
        // What cannot be read now cannot be read later either.
        Err(_) => Ok(finalizer.dead_letter(body).await?),
    }
}
