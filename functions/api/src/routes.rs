//! The routes.

use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use cloud_sync_core::message::SyncRequest;
use cloud_sync_core::task::{RegionResult, SyncTask};
use serde::Serialize;
use uuid::Uuid;

use crate::{Api, Problem};

/// A request's body may have so many bytes.
const MOST_BODY: usize = 64 * 1024;

/// Returns the API's router. It does not ask who calls: API Gateway does, and
/// on one machine only that machine can call.
pub fn router(api: Api) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/syncs", post(create_syncs))
        .route("/tasks/{id}", get(task))
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "there is no such route"))
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "the route does not take this method")
        })
        .layer(DefaultBodyLimit::max(MOST_BODY))
        .with_state(api)
}

/// What `POST /syncs` answers.
#[derive(Serialize)]
struct Accepted {
    task_ids: Vec<String>,
    problems: Vec<cloud_sync_dispatch::Problem>,
}

/// Starts syncs.
async fn create_syncs(
    State(api): State<Api>,
    body: Result<Json<SyncRequest>, JsonRejection>,
) -> Result<impl IntoResponse, Problem> {
    let Json(request) = body?;
    let trigger_id = Uuid::new_v4().to_string();
    let dispatch = api.dispatcher.request(&request, &trigger_id, api.clock.now()).await?;
    let status =
        if dispatch.tasks.is_empty() { StatusCode::BAD_GATEWAY } else { StatusCode::ACCEPTED };
    let task_ids = dispatch.tasks.into_iter().map(|task| task.task_id).collect();
    Ok((status, Json(Accepted { task_ids, problems: dispatch.problems })))
}

/// A task with the results of its regions.
#[derive(Serialize)]
struct TaskWithRegions {
    #[serde(flatten)]
    task: SyncTask,
    region_results: Vec<RegionResult>,
}

async fn task(
    State(api): State<Api>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<TaskWithRegions>, Problem> {
    let Path(id) = id?;
    let Some(task) = api.store.task(&id).await? else {
        let shown: String = id.chars().take(80).collect();
        return Err(Problem::new(StatusCode::NOT_FOUND, format!("there is no task '{shown}'")));
    };
    let region_results = api.store.region_results(&id).await?;
    Ok(Json(TaskWithRegions { task, region_results }))
}
