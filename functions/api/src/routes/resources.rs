//! Resources and their history.

use std::cmp::Reverse;
use std::net::IpAddr;

use axum::extract::State;
use cloud_sync_core::query::{
    ChangeView, Deleted, ResourceFilter, ResourceView, ScopeFilter, TagFilter,
};
use cloud_sync_core::resource::{Row, Status};
use cloud_sync_core::scope::{Kind, Scope};
use cloud_sync_runtime::query::resources::{Found, Place, Types, scopes, step};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::extract::{Json, Path, Query};
use crate::filters::{self, check_count, check_ids, check_text};
use crate::page::{Cursor, Limit, Page, Room};
use crate::surface::{Surface, put};
use crate::{Api, Problem};

/// A list that is not in the order of the keys is made of at most so many
/// resources: all of them are read for each of its pages.
const MOST_SORTED: usize = 5_000;

/// Returns the group's routes.
pub(super) fn routes<S: Surface>(surface: S) -> S {
    let surface = put!(surface, list_resources);
    let surface = put!(surface, get_resource);
    put!(surface, get_resource_history)
}

/// Which resources are listed, and how.
#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
struct ListParams {
    /// Only of these accounts: a key.
    #[param(max_items = 100, inline)]
    account: Vec<String>,
    /// Only of these kinds: a key.
    #[param(max_items = 100, inline)]
    kind: Vec<Kind>,
    /// Only in these regions: a key.
    #[param(max_items = 100)]
    region: Vec<String>,
    /// Only with these ids: a key.
    #[param(max_items = 100)]
    id: Vec<String>,
    /// Only of these statuses.
    #[param(inline)]
    status: Vec<Status>,
    /// Only with all of these tags: `key`, or `key:value`.
    #[param(max_items = 100)]
    tag: Vec<String>,
    /// Only with a name that begins like this.
    #[param(min_length = 1, max_length = 1024)]
    name: Option<String>,
    /// Only with this address, public or private.
    #[param(value_type = Option<String>)]
    ip: Option<IpAddr>,
    /// Whether what is gone is listed too, or only that.
    #[param(inline)]
    deleted: Deleted,
    /// In which order: by account, kind, region and id, or by something else,
    /// which takes a filter that leaves at most 5,000 resources.
    #[param(inline)]
    sort: Sort,
    /// At most so many.
    #[param(value_type = u16, minimum = 1, maximum = 1000, default = 100)]
    limit: Limit,
    /// Where the last page ended.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<Position>>,
}

/// An order of resources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
enum Sort {
    /// By account, kind, region and id.
    #[default]
    #[serde(rename = "id")]
    Id,
    /// By name.
    #[serde(rename = "name")]
    Name,
    /// By name, last first.
    #[serde(rename = "-name")]
    NameDescending,
    /// By status.
    #[serde(rename = "status")]
    Status,
    /// By the vendor's time of creation, oldest first, unknown before all.
    #[serde(rename = "created_at")]
    CreatedAt,
    /// The same, newest first.
    #[serde(rename = "-created_at")]
    CreatedAtDescending,
    /// By the last change, oldest first.
    #[serde(rename = "changed_at")]
    ChangedAt,
    /// The same, newest first.
    #[serde(rename = "-changed_at")]
    ChangedAtDescending,
}

impl Sort {
    const fn is_descending(self) -> bool {
        matches!(self, Self::NameDescending | Self::CreatedAtDescending | Self::ChangedAtDescending)
    }

    /// Returns the text by which a row is sorted.
    fn key(self, row: &Row) -> String {
        // Of fixed width, so that it sorts as a text.
        let time = |at: jiff::Timestamp| format!("{at:.9}");
        match self {
            Self::Id => String::new(),
            Self::Name | Self::NameDescending => row.resource.name.clone(),
            Self::Status => row.resource.status.as_str().to_owned(),
            Self::CreatedAt | Self::CreatedAtDescending => {
                row.resource.created_at.map(time).unwrap_or_default()
            }
            Self::ChangedAt | Self::ChangedAtDescending => time(row.changed_at),
        }
    }
}

/// Where a page of resources begins.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Position {
    sort: Sort,
    /// What the last resource was sorted by.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    key: String,
    place: Place,
}

impl Position {
    /// Returns the position after a row.
    fn of(row: &Row, sort: Sort) -> Self {
        let place = Place { scope: row.scope.clone(), after: Some(row.resource.id.clone()) };
        Self { sort, key: sort.key(row), place }
    }
}

impl ListParams {
    fn filters(&mut self) -> Result<(ScopeFilter, ResourceFilter), Problem> {
        let take = std::mem::take::<Vec<String>>;
        let kinds = std::mem::take(&mut self.kind);
        let scopes = filters::scopes(take(&mut self.account), kinds, take(&mut self.region))?;
        check_ids("id", &self.id)?;
        check_count("status", &self.status)?;
        check_count("tag", &self.tag)?;
        self.tag.iter().try_for_each(|tag| check_text("tag", tag))?;
        self.name.iter().try_for_each(|name| check_text("name", name))?;
        let tags = take(&mut self.tag).into_iter().map(TagFilter::Text).collect();
        let resources = ResourceFilter {
            ids: take(&mut self.id),
            statuses: std::mem::take(&mut self.status),
            tags,
            name: self.name.take(),
            ip: self.ip.map(|ip| ip.to_string()),
            deleted: self.deleted,
        };
        Ok((scopes, resources))
    }
}

/// List resources.
///
/// Account, kind, region and id are keys. The other filters are applied to
/// what is read of the scopes that those leave: a page may have fewer
/// resources than `limit`, or none, and still a cursor. An account that was
/// removed is listed where it is named.
#[utoipa::path(
    get,
    path = "/resources",
    tag = "resources",
    params(ListParams),
    responses((
        status = 200, description = "A page of resources", body = Page<ResourceView>,
        links(
            ("resource" = (
                operation_id = "get_resource",
                parameters(
                    ("account" = "$response.body#/items/0/account_id"),
                    ("kind" = "$response.body#/items/0/kind"),
                    ("region" = "$response.body#/items/0/region"),
                    ("id" = "$response.body#/items/0/id"),
                ),
            )),
            ("history" = (
                operation_id = "get_resource_history",
                parameters(
                    ("account" = "$response.body#/items/0/account_id"),
                    ("kind" = "$response.body#/items/0/kind"),
                    ("region" = "$response.body#/items/0/region"),
                    ("id" = "$response.body#/items/0/id"),
                ),
            )),
        ),
    )),
)]
async fn list_resources(
    State(api): State<Api>,
    Query(mut params): Query<ListParams>,
) -> Result<Json<Page<ResourceView>>, Problem> {
    let (scopes_wanted, wanted) = params.filters()?;
    let (sort, limit) = (params.sort, params.limit.get());
    let from = params.cursor.map(|cursor| cursor.0);
    if from.as_ref().is_some_and(|from| from.sort != sort) {
        return Err(Problem::field("cursor", "this is a cursor of a list in another order"));
    }
    let scopes = scopes(api.store.as_ref(), &scopes_wanted).await?;
    let (rows, mut next) = if sort == Sort::Id {
        let from = from.map(|from| from.place);
        let found = step(api.store.as_ref(), &scopes, &wanted, from.as_ref(), limit).await?;
        let next = found.next.map(|place| Position { sort, key: String::new(), place });
        (found.rows, next)
    } else {
        sorted(&api, &scopes, &wanted, (sort, from), limit).await?
    };
    let (mut types, mut items) = (Types::default(), Vec::with_capacity(rows.len()));
    let (mut room, mut last) = (Room::default(), None);
    for row in rows {
        let position = Position::of(&row, sort);
        let spec = types.of(api.store.as_ref(), &row).await?.cloned();
        let view = ResourceView::of(row, spec.as_ref());
        if !room.takes(&view) {
            next = last;
            break;
        }
        items.push(view);
        last = Some(position);
    }
    Ok(Json(Page { items, cursor: next.map(|next| Cursor(next).text()) }))
}

/// Returns a page of a list that is not in the order of the keys.
async fn sorted(
    api: &Api,
    scopes: &[Scope],
    wanted: &ResourceFilter,
    (sort, from): (Sort, Option<Position>),
    limit: usize,
) -> Result<(Vec<Row>, Option<Position>), Problem> {
    let Found { mut rows, next } =
        step(api.store.as_ref(), scopes, wanted, None, MOST_SORTED).await?;
    if next.is_some() {
        let reason = format!(
            "there are more than {MOST_SORTED} resources to sort; name an account, a kind or a \
             region, or take the order by id"
        );
        return Err(Problem::field("sort", reason));
    }
    let place = |row: &Row| (sort.key(row), row.scope.clone(), row.resource.id.clone());
    if sort.is_descending() {
        rows.sort_by_cached_key(|row| Reverse(place(row)));
    } else {
        rows.sort_by_cached_key(place);
    }
    if let Some(Position { key, place: Place { scope, after }, .. }) = from {
        let last = (key, scope, after.unwrap_or_default());
        let is_past = |row: &Row| match sort.is_descending() {
            true => place(row) < last,
            false => place(row) > last,
        };
        rows.retain(is_past);
    }
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let last = rows.last().filter(|_| has_more).map(|row| Position::of(row, sort));
    Ok((rows, last))
}

/// What a path names.
type Named = (String, Kind, String, String);

/// Returns the resource that a path names.
async fn named(api: &Api, (account, kind, region, id): Named) -> Result<Row, Problem> {
    let scope = filters::scope(account, kind, region)?;
    check_ids("id", std::slice::from_ref(&id))?;
    let found = api.store.rows(&scope, std::slice::from_ref(&id)).await?.pop();
    found.ok_or_else(|| Problem::not_found("resource", &format!("{scope}/{id}")))
}

/// Show a resource.
///
/// One that is gone is shown as it was last, while its tombstone is kept.
#[utoipa::path(
    get,
    path = "/resources/{account}/{kind}/{region}/{id}",
    tag = "resources",
    params(
        ("account" = String, Path, description = "The account"),
        ("kind" = inline(Kind), Path, description = "The kind"),
        ("region" = String, Path, description = "The region, or `global`"),
        ("id" = String, Path, description = "The vendor's id; a `/` in it as `%2F`. API Gateway decodes paths: \
         there a `/`, `\\`, `%`, `?` or `#` in it is escaped twice, `%252F`"),
    ),
    responses((status = 200, description = "The resource", body = ResourceView)),
)]
async fn get_resource(
    State(api): State<Api>,
    Path(path): Path<Named>,
) -> Result<Json<ResourceView>, Problem> {
    let row = named(&api, path).await?;
    let mut types = Types::default();
    let spec = types.of(api.store.as_ref(), &row).await?.cloned();
    Ok(Json(ResourceView::of(row, spec.as_ref())))
}

/// Which part of a history is listed.
#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
struct HistoryParams {
    /// At most so many.
    #[param(value_type = u16, minimum = 1, maximum = 1000, default = 100)]
    limit: Limit,
    /// Where the last page ended.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<u64>>,
}

/// List the changes of a resource, oldest first.
///
/// Its versions are 1, 2, 3, … without a gap, as far back as history is kept.
/// Of one whose row is gone the history remains.
#[utoipa::path(
    get,
    path = "/resources/{account}/{kind}/{region}/{id}/history",
    tag = "resources",
    params(
        ("account" = String, Path, description = "The account"),
        ("kind" = inline(Kind), Path, description = "The kind"),
        ("region" = String, Path, description = "The region, or `global`"),
        ("id" = String, Path, description = "The vendor's id; a `/` in it as `%2F`. API Gateway decodes paths: \
         there a `/`, `\\`, `%`, `?` or `#` in it is escaped twice, `%252F`"),
        HistoryParams,
    ),
    responses((status = 200, description = "A page of changes", body = Page<ChangeView>)),
)]
async fn get_resource_history(
    State(api): State<Api>,
    Path((account, kind, region, id)): Path<Named>,
    Query(params): Query<HistoryParams>,
) -> Result<Json<Page<ChangeView>>, Problem> {
    let scope = filters::scope(account, kind, region)?;
    check_ids("id", std::slice::from_ref(&id))?;
    let mut changes = api.store.history(&scope, &id).await?;
    if changes.is_empty() {
        return Err(Problem::not_found("resource", &format!("{scope}/{id}")));
    }
    let after = params.cursor.map_or(0, |cursor| cursor.0);
    changes.retain(|change| change.version > after);
    let found = changes.len();
    changes.truncate(params.limit.get());
    let mut items: Vec<_> = changes.into_iter().map(ChangeView::from).collect();
    items.truncate(Room::default().count(&items));
    let last = items.last().filter(|_| items.len() < found).map(|view| view.change.version);
    Ok(Json(Page { cursor: last.map(|version| Cursor(version).text()), items }))
}
