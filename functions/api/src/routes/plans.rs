//! Plans: what syncs would do.

use axum::extract::State;
use axum::http::StatusCode;
use cloud_sync_core::message::{Mode, SyncRequest};
use cloud_sync_core::scope::Kind;
use serde::Deserialize;
use utoipa::ToSchema;

use super::syncs::{Started, start};
use crate::extract::{IdempotencyKey, Json};
use crate::surface::{Surface, put};
use crate::{Api, Problem};

/// Returns the group's routes.
pub(super) fn routes<S: Surface>(surface: S) -> S {
    put!(surface, create_plans)
}

/// A wish for plans.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct PlanRequest {
    /// The accounts; empty means all that are enabled.
    account_ids: Vec<String>,
    /// The kinds; empty means all that each account is configured for.
    kinds: Vec<Kind>,
    /// The regions; empty means all that each account is configured for.
    regions: Vec<String>,
}

/// See what a full sync would do, without doing it.
///
/// The task's regions have the plan once they have ended. The vendor is asked
/// as a sync asks it; no resource and no change is written. A plan of what is
/// being synced waits its turn; where it is being planned already, the answer
/// is 409 with the tasks.
#[utoipa::path(
    post,
    path = "/plans",
    tag = "plans",
    params(IdempotencyKey),
    request_body(content = PlanRequest, example = json!({ "account_ids": ["prod"] })),
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
async fn create_plans(
    State(api): State<Api>,
    key: IdempotencyKey,
    Json(request): Json<PlanRequest>,
) -> Result<(StatusCode, Json<Started>), Problem> {
    let PlanRequest { account_ids, kinds, regions } = request;
    let mode = Mode::Plan;
    let request = SyncRequest { account_ids, kinds, regions, mode, ..SyncRequest::default() };
    start(&api, &request, key).await
}
