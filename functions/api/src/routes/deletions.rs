//! Deletions that are held back.

use axum::extract::State;
use axum::http::StatusCode;
use cloud_sync_core::deletion::Verdict;
use cloud_sync_core::scope::{Kind, Scope};
use cloud_sync_dispatch::deletions::{DecisionError, HeldScope, Ruling, decide, held};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::extract::{Json, Query};
use crate::filters::{self, check_ids, check_text};
use crate::page::{Cursor, Limit, Page};
use crate::surface::{Surface, put};
use crate::{Api, Problem};

/// Returns the group's routes.
pub(super) fn routes<S: Surface>(surface: S) -> S {
    put!(surface, list_deletions, decide_on_deletions)
}

/// Which held deletions are listed.
#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
struct ListParams {
    /// Only of these accounts.
    #[param(max_items = 100)]
    account: Vec<String>,
    /// Only of these kinds.
    #[param(max_items = 100, inline)]
    kind: Vec<Kind>,
    /// Only in these regions.
    #[param(max_items = 100)]
    region: Vec<String>,
    /// At most so many resources.
    #[param(value_type = u16, minimum = 1, maximum = 1000, default = 100)]
    limit: Limit,
    /// Where the last page ended.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<Position>>,
}

/// The last resource of a page, and its scope.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Position {
    #[serde(flatten)]
    scope: Scope,
    id: String,
}

/// List the deletions that are held back, by scope.
///
/// A scope with more resources than a page has room for is on several pages,
/// each with some of its `rows`.
#[utoipa::path(
    get,
    path = "/deletions",
    tag = "deletions",
    params(ListParams),
    responses((status = 200, description = "A page of scopes", body = Page<HeldScope>)),
)]
async fn list_deletions(
    State(api): State<Api>,
    Query(params): Query<ListParams>,
) -> Result<Json<Page<HeldScope>>, Problem> {
    let filter = filters::scopes(params.account, params.kind, params.region)?;
    let mut scopes = held(api.store.as_ref(), &filter).await?;
    scopes.sort_unstable_by(|a, b| a.scope.cmp(&b.scope));
    if let Some(Cursor(last)) = params.cursor {
        scopes.retain(|held| held.scope >= last.scope);
        for held in scopes.iter_mut().filter(|held| held.scope == last.scope) {
            held.rows.retain(|row| row.id > last.id);
        }
        scopes.retain(|held| held.scope > last.scope || !held.rows.is_empty());
    }
    let mut left = params.limit.get();
    let (mut items, mut cursor) = (Vec::new(), None);
    for mut held in scopes {
        if left == 0 {
            cursor = items.last().and_then(last_of);
            break;
        }
        let has_more = held.rows.len() > left;
        held.rows.truncate(left);
        // One that can only be looked at again has no rows, and takes room too.
        left -= held.rows.len().clamp(1, left);
        items.push(held);
        if has_more {
            cursor = items.last().and_then(last_of);
            break;
        }
    }
    Ok(Json(Page { items, cursor: cursor.map(|cursor| Cursor(cursor).text()) }))
}

fn last_of(held: &HeldScope) -> Option<Position> {
    let id = held.rows.last().map(|row| row.id.clone()).unwrap_or_default();
    Some(Position { scope: held.scope.clone(), id })
}

/// What an operator decides on a scope.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Rule {
    /// The account.
    account_id: String,
    /// The kind.
    kind: Kind,
    /// The region.
    region: String,
    /// What is decided: `approve` says that the resources are gone, `reject`
    /// that they are not.
    decision: Verdict,
    /// On which resources; on all that are held where it is left out.
    #[serde(default)]
    #[schema(min_items = 1, max_items = 100)]
    ids: Option<Vec<String>>,
    /// Who decides, for the record.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 1024)]
    by: Option<String>,
}

/// What was decided.
#[derive(Serialize, ToSchema)]
struct Ruled {
    /// The scope.
    #[serde(flatten)]
    scope: Scope,
    /// What.
    decision: Verdict,
    /// On which resources, sorted.
    ids: Vec<String>,
}

/// Approve or reject held deletions of a scope.
///
/// A decision deletes nothing by itself: the next sync that still does not
/// find the resources does as it says.
#[utoipa::path(
    post,
    path = "/deletions",
    tag = "deletions",
    request_body = Rule,
    responses(
        (status = 200, description = "Decided", body = Ruled),
        (status = 404, description = "No such scope was ever synced", body = Problem,
         content_type = "application/problem+json"),
        (status = 409, description = "Not held, or others decide at the same time; nothing was \
         decided", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn decide_on_deletions(
    State(api): State<Api>,
    Json(rule): Json<Rule>,
) -> Result<Json<Ruled>, Problem> {
    let Rule { account_id, kind, region, decision, ids, by } = rule;
    let scope = filters::scope(account_id, kind, region)?;
    if let Some(ids) = &ids {
        check_ids("ids", ids)?;
        if ids.is_empty() {
            return Err(Problem::field("ids", "leave it out for all that are held"));
        }
    }
    by.iter().try_for_each(|by| check_text("by", by))?;
    let ruling = Ruling { verdict: decision, ids, at: api.clock.now(), by };
    let ids = decide(api.store.as_ref(), &scope, &ruling).await?;
    Ok(Json(Ruled { scope, decision, ids }))
}

impl From<DecisionError> for Problem {
    fn from(error: DecisionError) -> Self {
        let text = error.to_string();
        match error {
            DecisionError::UnknownAccount { .. } => Self::field("account", text),
            DecisionError::UnknownScope(_) => Self::new(StatusCode::NOT_FOUND, text),
            DecisionError::NothingHeld(_)
            | DecisionError::NotHeld { .. }
            | DecisionError::TooMany { .. }
            | DecisionError::Contended(_) => Self::new(StatusCode::CONFLICT, text),
            DecisionError::Store(error) => error.into(),
        }
    }
}
