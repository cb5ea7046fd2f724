//! The function's event: one message of the work queue.

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use cloud_sync_core::message::WorkMessage;
use cloud_sync_runtime::queue::Queue;
use jiff::Timestamp;

use crate::{Action, Delivered, RegionSync};

/// Handles a batch, which has one message unless somebody configured more.
/// After one that comes again, the rest of a FIFO batch must come again too:
/// it may be of the same group, whose order has to hold.
///
/// `request_id` tells this invocation from every other; `deadline` is when the
/// function will be stopped.
pub async fn handle(
    sync: &RegionSync,
    queue: &dyn Queue,
    event: SqsEvent,
    request_id: &str,
    deadline: Timestamp,
) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    let mut must_come_again = false;
    for (index, message) in event.records.iter().enumerate() {
        if !must_come_again {
            let owner = format!("{request_id}/{index}");
            must_come_again = !is_done(sync, queue, message, owner, deadline).await;
        }
        if must_come_again {
            response.add_failure(message.message_id.clone().unwrap_or_default());
        }
    }
    response
}

async fn is_done(
    sync: &RegionSync,
    queue: &dyn Queue,
    message: &SqsMessage,
    owner: String,
    deadline: Timestamp,
) -> bool {
    let count = message.attributes.get("ApproximateReceiveCount");
    let receive_count = count.and_then(|count| count.parse().ok()).unwrap_or(1);
    let body = message.body.as_deref().unwrap_or_default();
    let action = match serde_json::from_str::<WorkMessage>(body) {
        Ok(message) => sync.handle(&Delivered { message, receive_count, owner, deadline }).await,
        Err(error) => {
            // It goes to the dead-letter queue, where the finalizer reports it.
            tracing::error!(%error, message_id = message.message_id, "not a work message");
            Action::Redeliver { after: std::time::Duration::ZERO }
        }
    };
    let Action::Redeliver { after } = action else {
        return true;
    };
    let receipt = message.receipt_handle.as_deref().unwrap_or_default();
    if let Err(error) = queue.postpone(receipt, after).await {
        tracing::warn!(%error, "the message comes again only after its visibility timeout");
    }
    false
}

/// Returns when the function will be stopped, from its context's deadline in
/// milliseconds since 1970. Some local emulators give the time left instead: a
/// moment so long ago is taken for a duration.
#[must_use]
pub fn deadline(milliseconds: u64, now: Timestamp) -> Timestamp {
    const LONGEST_RUN_MS: i64 = 24 * 60 * 60 * 1000;
    let milliseconds = i64::try_from(milliseconds).unwrap_or(i64::MAX);
    let millisecond = if milliseconds < LONGEST_RUN_MS {
        now.as_millisecond().saturating_add(milliseconds)
    } else {
        milliseconds
    };
    Timestamp::from_millisecond(millisecond).unwrap_or(now)
}
