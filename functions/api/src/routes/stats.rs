//! Counts, now and over time.

use axum::extract::State;
use cloud_sync_core::query::ScopeFilter;
use cloud_sync_core::scope::Kind;
use cloud_sync_core::stats::{Day, Stats, day_of};
use cloud_sync_runtime::query::stats::{days, now};
use jiff::ToSpan;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::extract::{Json, Query};
use crate::filters;
use crate::{Api, Problem};

/// So many days are shown at most.
const MOST_DAYS: i64 = 366;

/// So many days are shown to who does not say which.
const DAYS: i64 = 30;

/// Returns the group's routes.
pub(super) fn router() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(stats)).routes(routes!(trend))
}

/// What is counted.
#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
struct StatsParams {
    /// Only of these accounts.
    #[param(max_items = 100)]
    account: Vec<String>,
    /// Only of these kinds.
    #[param(max_items = 100, inline)]
    kind: Vec<Kind>,
    /// Only in these regions.
    #[param(max_items = 100)]
    region: Vec<String>,
}

/// Count resources by account, kind, region and status.
///
/// The counts are those of the last complete listing of each scope, `as_of`
/// when it began. No resource is read for them.
#[utoipa::path(
    get,
    path = "/stats",
    tag = "stats",
    params(StatsParams),
    responses((status = 200, description = "The counts", body = Stats)),
)]
async fn stats(
    State(api): State<Api>,
    Query(params): Query<StatsParams>,
) -> Result<Json<Stats>, Problem> {
    let filter = filters::scopes(params.account, params.kind, params.region)?;
    Ok(Json(now(api.store.as_ref(), &filter).await?))
}

/// Which days are shown.
#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
struct TrendParams {
    /// Only of these accounts.
    #[param(max_items = 100)]
    account: Vec<String>,
    /// Only of these kinds.
    #[param(max_items = 100, inline)]
    kind: Vec<Kind>,
    /// The first day, in UTC; 30 days before the last where it is left out.
    from: Option<Date>,
    /// The last day, in UTC; today where it is left out.
    to: Option<Date>,
}

/// What became of it day by day.
#[derive(Serialize, ToSchema)]
struct Trend {
    /// The first day.
    from: Date,
    /// The last day.
    to: Date,
    /// By account, day and kind. A day on which no task ended is left out.
    items: Vec<Day>,
}

/// Count day by day what was added, updated and deleted, and what was live.
///
/// A task counts for the day on which it ended, in UTC.
#[utoipa::path(
    get,
    path = "/stats/trend",
    tag = "stats",
    params(TrendParams),
    responses((status = 200, description = "The days", body = Trend)),
)]
async fn trend(
    State(api): State<Api>,
    Query(params): Query<TrendParams>,
) -> Result<Json<Trend>, Problem> {
    let filter: ScopeFilter = filters::scopes(params.account, params.kind, Vec::new())?;
    let to = params.to.unwrap_or_else(|| day_of(api.clock.now()));
    let before = |days: i64| to.saturating_sub((days - 1).days());
    let from = params.from.unwrap_or_else(|| before(DAYS));
    if from > to {
        return Err(Problem::field("from", "the first day is after the last"));
    }
    if from < before(MOST_DAYS) {
        return Err(Problem::field("from", format!("at most {MOST_DAYS} days are shown")));
    }
    let items = days(api.store.as_ref(), &filter, (from, to)).await?;
    Ok(Json(Trend { from, to, items }))
}
