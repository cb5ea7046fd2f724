//! The function's events: the schedule's tick, or a request.

use cloud_sync_core::message::SyncRequest;
use cloud_sync_dispatch::{Dispatch, DispatchError, Dispatcher, InvalidRequest};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// An event, of EventBridge Scheduler, of an EventBridge rule, or sent by
/// hand. Fields that are of no interest here are ignored.
#[derive(Clone, Debug, Deserialize)]
pub struct DispatcherEvent {
    /// Tells this event from every other; the same twice is one event.
    pub id: String,
    /// When it happened.
    pub time: Timestamp,
    /// What to sync; the schedule's tick has none.
    #[serde(default)]
    pub request: Option<SyncRequest>,
}

/// What the function answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The ids of the tasks.
    pub task_ids: Vec<String>,
    /// For how many accounts nothing could be dispatched.
    pub problems: usize,
}

/// Handles an event.
///
/// # Errors
///
/// The event cannot be read, or tables or queues failed; Lambda invokes the
/// function with the same event again.
pub async fn handle(
    dispatcher: &Dispatcher,
    event: serde_json::Value,
) -> Result<Answer, DispatchError> {
    let event = DispatcherEvent::deserialize(event).map_err(|error| InvalidRequest {
        field: "event",
        reason: format!("{error}; expected an object with id, time and, optionally, request"),
    })?;
    let Dispatch { tasks, problems } = match &event.request {
        Some(request) => dispatcher.request(request, &event.id, event.time).await?,
        None => dispatcher.tick(&event.id, event.time).await?,
    };
    Ok(Answer {
        task_ids: tasks.into_iter().map(|task| task.task_id).collect(),
        problems: problems.len(),
    })
}
