//! Changes, across an account.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use cloud_sync_core::change::ChangeKind;
use cloud_sync_core::query::{ChangeFilter, ChangeView};
use cloud_sync_core::scope::Kind;
use cloud_sync_runtime::query::changes::{Position, step};
use jiff::Timestamp;
use serde::Deserialize;
use tokio::time::Instant;
use utoipa::IntoParams;

use crate::extract::{Json, Query};
use crate::filters::{check_count, check_word, check_words};
use crate::page::{Cursor, Limit, Page, Room};
use crate::surface::{Surface, put};
use crate::{Api, Problem};

/// A request waits for so many seconds at most: API Gateway waits for 30.
const LONGEST_WAIT: u16 = 20;

/// How often it looks meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Returns the group's routes.
pub(super) fn routes<S: Surface>(surface: S) -> S {
    put!(surface, list_changes)
}

/// Which changes are listed.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListParams {
    /// Of this account.
    account: String,
    /// Only of resources of these kinds.
    #[serde(default)]
    #[param(max_items = 100, inline)]
    kind: Vec<Kind>,
    /// Only in these regions.
    #[serde(default)]
    #[param(max_items = 100)]
    region: Vec<String>,
    /// Only of these kinds of change.
    #[serde(default)]
    #[param(inline)]
    change: Vec<ChangeKind>,
    /// Only from this time on. Not beside a cursor, which has it.
    since: Option<Timestamp>,
    /// Where the last answer ended.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<Position>>,
    /// Where there are none, wait for some, for so many seconds.
    #[serde(default)]
    #[param(maximum = 20)]
    wait: u16,
    /// At most so many.
    #[serde(default)]
    #[param(value_type = u16, minimum = 1, maximum = 1000, default = 100)]
    limit: Limit,
}

/// List the changes of an account, and wait for more.
///
/// There is always a cursor: with it the next request gets what came after,
/// each change once. They come in the order of their times, but for those of
/// the last two minutes, which come as they become visible; where there are
/// many at once, some of them two minutes late. Use a cursor with the same
/// filter. An account that was removed still has the changes until then. Where
/// too many wait at once, the answer is 429.
#[utoipa::path(
    get,
    path = "/changes",
    tag = "changes",
    params(ListParams),
    responses(
        (status = 200, description = "The next changes", body = Page<ChangeView>),
        (status = 429, response = crate::document::TooManyWait),
    ),
)]
async fn list_changes(
    State(api): State<Api>,
    Query(params): Query<ListParams>,
) -> Result<Json<Page<ChangeView>>, Problem> {
    let until = Instant::now() + Duration::from_secs(params.wait.into());
    let limit = params.limit.get();
    let (account, filter, mut position) = read(params)?;
    if !is_known(&api, &account).await? {
        return Err(Problem::field("account", format!("there is no account '{account}'")));
    }
    let mut waits = None;
    loop {
        let (items, next) = look(&api, &account, &filter, &position, limit).await?;
        position = next;
        if !items.is_empty() || Instant::now() + LOOK_EVERY > until {
            return Ok(Json(Page { items, cursor: Some(Cursor(position).text()) }));
        }
        if waits.is_none() {
            waits = Some(api.waits.try_acquire().map_err(|_| too_many_wait())?);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Tells whether there is an account, or was one of which something is stored.
async fn is_known(api: &Api, account: &str) -> Result<bool, Problem> {
    Ok(api.store.account(account).await?.is_some() || !api.store.scopes(account).await?.is_empty())
}

/// Returns the next changes, as many as a page has room for, and the position
/// after them.
async fn look(
    api: &Api,
    account: &str,
    filter: &ChangeFilter,
    position: &Position,
    mut limit: usize,
) -> Result<(Vec<ChangeView>, Position), Problem> {
    loop {
        let how_many = (limit, api.clock.now());
        let (changes, next) = step(api.store.as_ref(), account, position, filter, how_many).await?;
        let items: Vec<_> = changes.into_iter().map(ChangeView::from).collect();
        let fits = Room::default().count(&items);
        if fits == items.len() {
            return Ok((items, next));
        }
        // A position is one after a whole step.
        limit = fits;
    }
}

fn too_many_wait() -> Problem {
    let detail = "as many wait for changes as may; leave `wait` out, or try again later";
    Problem::new(StatusCode::TOO_MANY_REQUESTS, detail)
}

/// Returns what is asked for: the account, which of its changes, from where on.
fn read(params: ListParams) -> Result<(String, ChangeFilter, Position), Problem> {
    let ListParams { account, kind, region, change, since, cursor, wait, .. } = params;
    check_word("account", &account)?;
    check_count("kind", &kind)?;
    check_words("region", &region)?;
    check_count("change", &change)?;
    if wait > LONGEST_WAIT {
        return Err(Problem::field("wait", format!("expected 0 to {LONGEST_WAIT} seconds")));
    }
    let position = match (cursor, since) {
        (Some(_), Some(_)) => {
            return Err(Problem::field("since", "a cursor has its own; leave one of them out"));
        }
        (Some(Cursor(position)), None) if position.is_of(&account) => position,
        (Some(_), None) => {
            return Err(Problem::field("cursor", "this is no cursor of this account's changes"));
        }
        (None, since) => Position::begin(since),
    };
    Ok((account, ChangeFilter { kinds: kind, regions: region, changes: change }, position))
}
