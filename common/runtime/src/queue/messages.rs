//! The service's messages as its queues take them.

use cloud_sync_core::message::{ResultMessage, WorkMessage};

use super::{Order, Outgoing};

/// Returns a message for the work queue, in the group of its scope.
#[must_use]
pub fn work_message(message: &WorkMessage) -> Outgoing {
    Outgoing {
        // A message of plain words and numbers always has a JSON form.
        body: serde_json::to_string(message).unwrap_or_default(),
        order: Some(Order { group: message.scope().to_string(), dedup: message.dedup_text() }),
    }
}

/// Returns a message for the results queue.
#[must_use]
pub fn result_message(task_id: &str) -> Outgoing {
    let message = ResultMessage { task_id: task_id.to_owned() };
    // A message of one text always has a JSON form.
    Outgoing { body: serde_json::to_string(&message).unwrap_or_default(), order: None }
}
