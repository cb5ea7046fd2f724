//! Starting syncs.

use axum::extract::State;
use axum::http::StatusCode;
use cloud_sync_core::message::SyncRequest;
use cloud_sync_core::request::KnownRequest;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::extract::{IdempotencyKey, Json};
use crate::problem::ProblemType;
use crate::surface::{Surface, put};
use crate::{Api, Problem};

/// Returns the group's routes.
pub(super) fn routes<S: Surface>(surface: S) -> S {
    put!(surface, create_syncs)
}

/// What was started.
#[derive(Serialize, ToSchema)]
pub(super) struct Started {
    /// The tasks, one an account and kind.
    task_ids: Vec<String>,
    /// The accounts for which nothing could be started.
    problems: Vec<cloud_sync_dispatch::Problem>,
}

/// Start syncs, one task an account and kind.
///
/// What is being synced already, in one of the regions at least, is not synced
/// a second time beside it: the answer is 409 with the tasks, and nothing is
/// started. What names resources (`ids`) waits its turn instead. The same
/// `Idempotency-Key` with the same body answers with the same tasks for 24
/// hours.
#[utoipa::path(
    post,
    path = "/syncs",
    tag = "syncs",
    params(IdempotencyKey),
    request_body(content = SyncRequest, example = json!({ "account_ids": ["prod"] })),
    responses(
        (
            status = 202,
            description = "Started",
            body = Started,
            links(
                ("task" = (
                    operation_id = "get_task",
                    parameters(("id" = "$response.body#/task_ids/0")),
                )),
                ("cancel" = (
                    operation_id = "cancel_task",
                    parameters(("id" = "$response.body#/task_ids/0")),
                )),
                ("changes" = (
                    operation_id = "list_task_changes",
                    parameters(("id" = "$response.body#/task_ids/0")),
                )),
            ),
        ),
        (status = 409, response = crate::document::Conflict),
        (status = 502, response = crate::document::BadGateway),
    ),
)]
async fn create_syncs(
    State(api): State<Api>,
    key: IdempotencyKey,
    Json(request): Json<SyncRequest>,
) -> Result<(StatusCode, Json<Started>), Problem> {
    start(&api, &request, key).await
}

/// Starts what a request asks for, once for every key.
pub(super) async fn start(
    api: &Api,
    request: &SyncRequest,
    key: IdempotencyKey,
) -> Result<(StatusCode, Json<Started>), Problem> {
    let mut prepared = api.dispatcher.prepare(request).await?;
    let now = api.clock.now();
    // Remembered before anything is started: what a crash leaves undone is
    // done by the same request again, whose tasks have the same ids.
    let (trigger_id, at) = match key.get() {
        None => (Uuid::new_v4().to_string(), now),
        Some(key) => {
            let own = KnownRequest::new(key, request, Uuid::new_v4().to_string(), now);
            let known = api.store.remember_request(&own).await?;
            if known.digest != own.digest {
                return Err(key_reused());
            }
            (known.trigger_id, known.at)
        }
    };
    if key.get().is_some() && api.dispatcher.has_started(&prepared, &trigger_id, at).await? {
        prepared = prepared.again();
    } else {
        let task_ids = api.dispatcher.in_the_way(&prepared, &trigger_id, at).await?;
        if !task_ids.is_empty() {
            return Err(already_running(task_ids));
        }
    }
    let dispatch = api.dispatcher.start(prepared, &trigger_id, at).await?;
    if dispatch.tasks.is_empty() {
        return Err(Problem::of_accounts(dispatch.problems));
    }
    let task_ids = dispatch.tasks.into_iter().map(|task| task.task_id).collect();
    Ok((StatusCode::ACCEPTED, Json(Started { task_ids, problems: dispatch.problems })))
}

fn key_reused() -> Problem {
    let reason = "it was used for another request less than 24 hours ago; every request needs a \
                  key of its own";
    Problem { kind: ProblemType::KeyReused, ..Problem::field(IdempotencyKey::HEADER, reason) }
}

fn already_running(task_ids: Vec<String>) -> Problem {
    let detail = "this is being done already, in one of the regions at least; wait for the tasks \
                  in `task_ids`, or cancel them: POST /tasks/{id}/cancel";
    Problem {
        kind: ProblemType::AlreadyRunning,
        task_ids,
        ..Problem::new(StatusCode::CONFLICT, detail)
    }
}
