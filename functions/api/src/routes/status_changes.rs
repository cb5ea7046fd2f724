//! Statuses, stored and at the vendor.

use axum::extract::State;
use cloud_sync_core::scope::{Kind, Scope};
use cloud_sync_dispatch::statuses::StatusChange;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::extract::{Json, KeyWord};
use crate::page::Page;
use crate::surface::{Surface, put};
use crate::{Api, Problem};

/// Returns the group's routes.
pub(super) fn routes<S: Surface>(surface: S) -> S {
    put!(surface, compare_statuses)
}

/// Resources whose statuses are to be compared.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct StatusRequest {
    /// The account.
    #[schema(value_type = String, max_length = 64)]
    account_id: KeyWord,
    /// The region.
    #[schema(value_type = String, max_length = 64)]
    region: KeyWord,
    /// The kind; the account's, where it has one only.
    kind: Option<Kind>,
    /// The resources, 1 to 100.
    #[schema(min_items = 1, max_items = 100)]
    ids: Vec<String>,
}

/// Compare the statuses of resources, stored and at the vendor now.
///
/// By the cheapest call that the vendor has. Writes nothing: `POST /syncs` of
/// mode `status` writes what differs.
#[utoipa::path(
    post,
    path = "/status-changes",
    tag = "resources",
    request_body(
        content = StatusRequest,
        example = json!({
            "account_id": "prod", "region": "cn-hangzhou", "ids": ["i-bp1a2b3c4d5e6f7g8h9i"]
        }),
    ),
    responses(
        (status = 200, description = "The statuses, in the order of the ids", body = Page<StatusChange>),
        (status = 502, response = crate::document::BadGateway),
    ),
)]
async fn compare_statuses(
    State(api): State<Api>,
    Json(request): Json<StatusRequest>,
) -> Result<Json<Page<StatusChange>>, Problem> {
    let account_id = request.account_id.into_inner();
    let Some(record) = api.store.account(&account_id).await? else {
        return Err(Problem::field("account_id", format!("there is no account '{account_id}'")));
    };
    let kinds = api.vendors.kinds(&record.account);
    let kinds = kinds.map_err(|error| Problem::field("account_id", error.to_string()))?;
    let kind = match (request.kind, kinds.as_slice()) {
        (Some(kind), kinds) if kinds.contains(&kind) => kind,
        (None, [only]) => only.clone(),
        (_, kinds) => {
            let names: Vec<_> = kinds.iter().map(Kind::as_str).collect();
            let text = format!("expected one of the account's kinds: {}", names.join(", "));
            return Err(Problem::field("kind", text));
        }
    };
    let scope = Scope { account_id, kind, region: request.region.into_inner() };
    match api.dispatcher.compare_statuses(&scope, &request.ids).await? {
        Ok(items) => Ok(Json(Page { items, cursor: None })),
        Err(problem) => Err(Problem::of_accounts(vec![problem])),
    }
}
