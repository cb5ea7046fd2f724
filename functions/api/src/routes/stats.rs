//! Counts, now and over time.

use axum::extract::State;
use cloud_sync_core::query::ScopeFilter;
use cloud_sync_core::scope::{Kind, Scope};
use cloud_sync_core::stats::{Day, ScopeStats, Stats, day_of};
use cloud_sync_runtime::query::stats::now;
use jiff::ToSpan;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::extract::{Json, Query};
use crate::filters;
use crate::page::{Cursor, Limit};
use crate::surface::{Surface, put};
use crate::{Api, Problem};

/// So many days are shown at most.
const MOST_DAYS: i64 = 366;

/// So many days are shown to who does not say which.
const DAYS: i64 = 30;

/// Returns the group's routes.
pub(super) fn routes<S: Surface>(surface: S) -> S {
    let surface = put!(surface, stats);
    put!(surface, trend)
}

/// What is counted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct StatsParams {
    /// Only of these accounts.
    #[serde(default)]
    #[param(max_items = 100)]
    account: Vec<String>,
    /// Only of these kinds.
    #[serde(default)]
    #[param(max_items = 100, inline)]
    kind: Vec<Kind>,
    /// Only in these regions.
    #[serde(default)]
    #[param(max_items = 100)]
    region: Vec<String>,
    /// At most so many scopes.
    #[serde(default = "Limit::most")]
    #[param(value_type = u16, minimum = 1, maximum = 1000, default = 1000)]
    limit: Limit,
    /// The scopes after the page that gave it.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<Scope>>,
}

/// How much there is.
#[derive(Serialize, ToSchema)]
struct StatsPage {
    /// All of it, and a page of its scopes.
    #[serde(flatten)]
    stats: Stats,
    /// Give it as `cursor` for the scopes after these; absent where there are
    /// none.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

/// Count resources by account, kind, region and status.
///
/// The counts are those of the last complete listing of each scope, `as_of`
/// when it began. No resource is read for them. The sums are over all that is
/// meant, on every page of `scopes`. An account that was removed is not
/// counted.
#[utoipa::path(
    get,
    path = "/stats",
    tag = "stats",
    params(StatsParams),
    responses((status = 200, description = "The counts", body = StatsPage)),
)]
async fn stats(
    State(api): State<Api>,
    Query(params): Query<StatsParams>,
) -> Result<Json<StatsPage>, Problem> {
    let filter = filters::scopes(params.account, params.kind, params.region)?;
    let mut stats = now(api.store.as_ref(), &filter).await?;
    let scopes = &mut stats.scopes;
    scopes.sort_by_cached_key(scope_of);
    if let Some(Cursor(last)) = params.cursor {
        scopes.retain(|scope| scope_of(scope) > last);
    }
    let has_more = scopes.len() > params.limit.get();
    scopes.truncate(params.limit.get());
    let last = scopes.last().filter(|_| has_more).map(scope_of);
    Ok(Json(StatsPage { cursor: last.map(|scope| Cursor(scope).text()), stats }))
}

fn scope_of(stats: &ScopeStats) -> Scope {
    let ScopeStats { account_id, kind, region, .. } = stats.clone();
    Scope { account_id, kind, region }
}

/// Which days are shown.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct TrendParams {
    /// Only of these accounts.
    #[serde(default)]
    #[param(max_items = 100)]
    account: Vec<String>,
    /// Only of these kinds.
    #[serde(default)]
    #[param(max_items = 100, inline)]
    kind: Vec<Kind>,
    /// The first day, in UTC; 30 days before the last where it is left out.
    from: Option<Date>,
    /// The last day, in UTC; today where it is left out.
    to: Option<Date>,
    /// At most so many items.
    #[serde(default = "Limit::most")]
    #[param(value_type = u16, minimum = 1, maximum = 1000, default = 1000)]
    limit: Limit,
    /// The items after the page that gave it.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<DayPlace>>,
}

/// The last item of a page of days: its account, day and kind.
type DayPlace = (String, Date, Kind);

/// What became of it day by day.
#[derive(Serialize, ToSchema)]
struct Trend {
    /// The first day.
    from: Date,
    /// The last day.
    to: Date,
    /// By account, day and kind. A day on which no task ended is left out.
    items: Vec<Day>,
    /// Give it as `cursor` for the items after these; absent where there are
    /// none.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
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
    let after = params.cursor.map(|cursor| cursor.0);
    let limit = params.limit.get();
    let mut items = days_after(&api, &filter, (from, to), after.as_ref(), limit + 1).await?;
    let has_more = items.len() > limit;
    items.truncate(limit);
    let last = items.last().filter(|_| has_more).map(place_of);
    Ok(Json(Trend { from, to, items, cursor: last.map(|place| Cursor(place).text()) }))
}

fn place_of(day: &Day) -> DayPlace {
    (day.account_id.clone(), day.day, day.kind.clone())
}

/// Returns at least `most` of the days after a place, or all there are: no
/// more accounts are read than that takes.
async fn days_after(
    api: &Api,
    filter: &ScopeFilter,
    (from, to): (Date, Date),
    after: Option<&DayPlace>,
    most: usize,
) -> Result<Vec<Day>, Problem> {
    let accounts = api.store.accounts().await?.into_iter();
    let mut ids: Vec<_> = accounts.map(|record| record.account.id).collect();
    ids.sort_unstable();
    ids.retain(|id| filter.wants_account(id) && after.is_none_or(|after| *id >= after.0));
    let mut found = Vec::new();
    for id in ids {
        let days = api.store.days(&id, from, to).await?.into_iter();
        let is_left = |day: &Day| after.is_none_or(|after| place_of(day) > *after);
        found.extend(days.filter(|day| filter.wants_kind(&day.kind) && is_left(day)));
        if found.len() >= most {
            break;
        }
    }
    Ok(found)
}
