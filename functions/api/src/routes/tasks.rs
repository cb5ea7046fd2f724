//! Tasks.

use axum::extract::State;
use cloud_sync_core::task::{RegionResult, SyncTask};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::extract::{Json, Path};
use crate::{Api, Problem};

/// Returns the group's routes.
pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(task))
}

/// A task with the results of its regions.
#[derive(Serialize, ToSchema)]
struct TaskWithRegions {
    /// The task.
    #[serde(flatten)]
    task: SyncTask,
    /// Its regions that have begun, sorted.
    region_results: Vec<RegionResult>,
}

/// Show a task with its regions.
#[utoipa::path(
    get,
    path = "/tasks/{id}",
    tag = "tasks",
    params(("id" = String, Path, description = "The task's id")),
    responses(
        (status = 200, description = "The task", body = TaskWithRegions),
    ),
)]
async fn task(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<TaskWithRegions>, Problem> {
    let Some(task) = api.store.task(&id).await? else {
        return Err(Problem::not_found("task", &id));
    };
    let region_results = api.store.region_results(&id).await?;
    Ok(Json(TaskWithRegions { task, region_results }))
}
