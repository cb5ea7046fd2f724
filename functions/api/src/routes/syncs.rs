//! Starting syncs.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use cloud_sync_core::message::SyncRequest;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::extract::Json;
use crate::{Api, Problem};

/// Returns the group's routes.
pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(create_syncs))
}

/// What was started.
#[derive(Serialize, ToSchema)]
struct Started {
    /// The tasks, one an account and kind.
    task_ids: Vec<String>,
    /// The accounts for which nothing could be started.
    problems: Vec<cloud_sync_dispatch::Problem>,
}

/// Start syncs.
#[utoipa::path(
    post,
    path = "/syncs",
    tag = "syncs",
    request_body = SyncRequest,
    responses(
        (status = 202, description = "Started", body = Started),
    ),
)]
async fn create_syncs(
    State(api): State<Api>,
    Json(request): Json<SyncRequest>,
) -> Result<impl IntoResponse, Problem> {
    let trigger_id = Uuid::new_v4().to_string();
    let dispatch = api.dispatcher.request(&request, &trigger_id, api.clock.now()).await?;
    if dispatch.tasks.is_empty() {
        let detail = "nothing could be started for any account; `problems` says why";
        return Err(Problem {
            problems: dispatch.problems,
            ..Problem::new(StatusCode::BAD_GATEWAY, detail)
        });
    }
    let task_ids = dispatch.tasks.into_iter().map(|task| task.task_id).collect();
    Ok((StatusCode::ACCEPTED, Json(Started { task_ids, problems: dispatch.problems })))
}
