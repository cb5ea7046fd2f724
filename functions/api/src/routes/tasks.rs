//! Tasks.

use axum::extract::State;
use axum::http::StatusCode;
use cloud_sync_core::change::Change;
use cloud_sync_core::scope::{Kind, is_key_word};
use cloud_sync_core::task::{RegionResult, SyncTask, TaskStatus};
use cloud_sync_runtime::store::keys::{parse_task_order, task_order};
use cloud_sync_runtime::store::{TaskPlace, TaskQuery};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::extract::{Json, KeyWord, Path, Query};
use crate::page::{Cursor, Limit, MOST_BYTES, Page, Room, size};
use crate::surface::{Surface, put};
use crate::{Api, Problem};

/// At most so many tasks are read for a page. Status and kind are looked for
/// among those, so that a page may have few of them, or none, and a cursor.
const MOST_READ: usize = 2000;

/// Returns the group's routes.
pub(super) fn routes<S: Surface>(surface: S) -> S {
    let surface = put!(surface, list_tasks);
    let surface = put!(surface, get_task);
    let surface = put!(surface, cancel_task);
    put!(surface, list_task_changes)
}

/// Which tasks to list.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct TasksFilter {
    /// Only of this account.
    #[param(value_type = Option<String>, max_length = 64)]
    account: Option<KeyWord>,
    /// Only of this kind.
    #[param(inline)]
    kind: Option<Kind>,
    /// Only where they stand here.
    status: Option<TaskStatus>,
    /// Only those started at this time or later.
    since: Option<Timestamp>,
    /// Only those started at this time or earlier.
    until: Option<Timestamp>,
    /// At most so many.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000, default = 100)]
    limit: Limit,
    /// Go on after the page that gave it.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<TaskPlace>>,
}

impl TasksFilter {
    fn matches(&self, task: &SyncTask) -> bool {
        self.kind.as_ref().is_none_or(|kind| task.resource_type == *kind)
            && self.status.is_none_or(|status| task.status == status)
    }
}

/// List tasks, newest first.
///
/// A page is served by the index of an account's tasks by time. Kind and
/// status are looked for among the tasks read: a page may have none of them
/// and a cursor.
#[utoipa::path(
    get,
    path = "/tasks",
    tag = "tasks",
    params(TasksFilter),
    responses((
        status = 200,
        description = "The tasks",
        body = Page<SyncTask>,
    )),
)]
async fn list_tasks(
    State(api): State<Api>,
    Query(filter): Query<TasksFilter>,
) -> Result<Json<Page<SyncTask>>, Problem> {
    let limit = filter.limit.get();
    let is_filtered = filter.kind.is_some() || filter.status.is_some();
    let mut query = TaskQuery {
        account_id: filter.account.clone().map(KeyWord::into_inner),
        since: filter.since,
        until: filter.until,
        after: filter.cursor.clone().map(|cursor| cursor.0),
        limit: if is_filtered { limit.max(200) } else { limit },
    };
    let (mut items, mut read, mut room) = (Vec::new(), 0, Room::default());
    let is_at_end = loop {
        let tasks = api.store.tasks(&query).await?;
        let is_last = tasks.len() < query.limit;
        let count = tasks.len();
        let mut taken = 0;
        for task in tasks {
            let matches = filter.matches(&task);
            if items.len() == limit || (matches && !room.takes(&task)) {
                break;
            }
            taken += 1;
            query.after = Some(TaskPlace::of(&task));
            if matches {
                items.push(task);
            }
        }
        read += count;
        if taken < count || items.len() == limit || is_last || read >= MOST_READ {
            break is_last && taken == count;
        }
    };
    let place = query.after.filter(|_| !is_at_end);
    Ok(Json(Page { items, cursor: place.map(|place| Cursor(place).text()) }))
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

/// Show a task with its regions and their errors.
#[utoipa::path(
    get,
    path = "/tasks/{id}",
    tag = "tasks",
    params(("id" = String, Path, description = "The task's id", max_length = 64)),
    responses((
        status = 200,
        description = "The task",
        body = TaskWithRegions,
        links(
            ("cancel" = (
                operation_id = "cancel_task",
                parameters(("id" = "$response.body#/task_id")),
            )),
            ("changes" = (
                operation_id = "list_task_changes",
                parameters(("id" = "$response.body#/task_id")),
            )),
        ),
    )),
)]
async fn get_task(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<TaskWithRegions>, Problem> {
    let task = find(&api, &id).await?;
    with_regions(&api, task).await.map(Json)
}

/// Returns a task.
async fn find(api: &Api, id: &str) -> Result<SyncTask, Problem> {
    // Every task's id is a word that could be in a key; what is none is no task.
    let found = if is_key_word(id) { api.store.task(id).await? } else { None };
    found.ok_or_else(|| Problem::not_found("task", id))
}

async fn with_regions(api: &Api, task: SyncTask) -> Result<TaskWithRegions, Problem> {
    let mut region_results = api.store.region_results(&task.task_id).await?;
    region_results.sort_unstable_by(|a, b| a.region.cmp(&b.region));
    // What plans show has what the rest leaves.
    let plans: Vec<_> = region_results.iter_mut().map(|result| result.plan.take()).collect();
    let mut left = MOST_BYTES.saturating_sub(size(&task) + size(&region_results));
    for (result, plan) in region_results.iter_mut().zip(plans) {
        result.plan = plan;
    }
    for plan in region_results.iter_mut().filter_map(|result| result.plan.as_mut()) {
        plan.shorten(&mut left);
    }
    Ok(TaskWithRegions { task, region_results })
}

/// Stop a task.
///
/// Regions that have not begun never will, running ones stop at the next page,
/// and nothing is deleted any more. What was recorded until then stays. The
/// task ends as `cancelled` once its workers have seen it.
#[utoipa::path(
    post,
    path = "/tasks/{id}/cancel",
    tag = "tasks",
    params(("id" = String, Path, description = "The task's id", max_length = 64)),
    responses(
        (status = 202, description = "It will stop; the task as it is now", body = TaskWithRegions),
        (status = 409, response = crate::document::Conflict),
    ),
)]
async fn cancel_task(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<TaskWithRegions>), Problem> {
    let task = find(&api, &id).await?;
    let is_open = api.store.request_cancel(&task.task_id).await?;
    let task = find(&api, &id).await?;
    if !is_open {
        let text = format!("the task has ended already: it is {}", task.status.as_str());
        return Err(Problem::new(StatusCode::CONFLICT, text));
    }
    tracing::info!(task_id = task.task_id, "a task was asked to stop");
    Ok((StatusCode::ACCEPTED, Json(with_regions(&api, task).await?)))
}

/// Where a list of a task's changes goes on: in this region, there.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangesPlace {
    region: String,
    after: Option<String>,
}

/// Which page of a task's changes to list.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ChangesPage {
    /// At most so many.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000, default = 100)]
    limit: Limit,
    /// Go on after the page that gave it.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor<ChangesPlace>>,
}

/// List the changes that a task recorded, region by region, by id.
///
/// Those of a task that runs are not all there are, and a page may lag a few
/// seconds behind.
#[utoipa::path(
    get,
    path = "/tasks/{id}/changes",
    tag = "tasks",
    params(("id" = String, Path, description = "The task's id", max_length = 64), ChangesPage),
    responses((status = 200, description = "The changes", body = Page<Change>)),
)]
async fn list_task_changes(
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(page): Query<ChangesPage>,
) -> Result<Json<Page<Change>>, Problem> {
    let task = find(&api, &id).await?;
    let place = page.cursor.map(|cursor| cursor.0);
    let first = match &place {
        None => Some(0),
        Some(place) => task.regions.iter().position(|region| *region == place.region),
    };
    let wrong = || Problem::field("cursor", "this is no cursor that a list like this one gave");
    let first = first.ok_or_else(wrong)?;
    let mut after = place.and_then(|place| place.after);
    let (mut items, mut room) = (Vec::new(), Room::default());
    for region in &task.regions[first..] {
        let scope = task.scope(region);
        if after.as_ref().is_some_and(|after| parse_task_order(&scope, after).is_none()) {
            return Err(wrong());
        }
        loop {
            let left = page.limit.get() - items.len();
            if left == 0 {
                let place = ChangesPlace { region: region.clone(), after };
                return Ok(Json(Page { items, cursor: Some(Cursor(place).text()) }));
            }
            let slice =
                api.store.task_changes(&task.task_id, &scope, after.as_deref(), left).await?;
            for change in slice.items {
                if !room.takes(&change) {
                    let place = ChangesPlace { region: region.clone(), after };
                    return Ok(Json(Page { items, cursor: Some(Cursor(place).text()) }));
                }
                after = Some(task_order(&change));
                items.push(change);
            }
            after = slice.cursor;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(Json(Page { items, cursor: None }))
}
