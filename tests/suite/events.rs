//! The functions' handlers, given the very files of `events/` that local
//! invocation uses.

use std::path::Path;

use api::{Access, Api, router};
use aws_lambda_events::event::sqs::SqsEvent;
use cloud_sync_core::account::HookRef;
use cloud_sync_core::task::{SyncTask, TaskStatus};
use cloud_sync_runtime::clock::Clock;
use cloud_sync_tests::world::{World, account, kind};
use lambda_http::http::StatusCode;
use lambda_http::tower::ServiceExt;
use serde_json::{Value, json};

const REGION: &str = "cn-hangzhou";

/// The task that the events are about.
const TASK: &str = "20261123T101500Z-08787ea2ce15";

pub(crate) fn event(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events");
    let path = folder.join(format!("{name}.json"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn sqs(name: &str) -> SqsEvent {
    serde_json::from_str(&event(name)).unwrap()
}

/// Returns a world in which the events' task was just created.
async fn world() -> World {
    let world = World::new(&[REGION]).await;
    world.vendor.fill(REGION, "i", 7);
    let now = world.clock.now();
    let regions = vec![REGION.to_owned()];
    let task = SyncTask::new(TASK.to_owned(), &account().id, kind(), regions, now);
    assert!(world.store.create_task(&task).await.unwrap());
    world
}

async fn work(world: &World, event: SqsEvent) -> Vec<String> {
    let deadline = world.clock.now() + world.run_time;
    let queue = world.work.as_ref();
    let answer = region_sync::event::handle(&world.sync, queue, event, "r", deadline).await;
    answer.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
}

#[tokio::test(start_paused = true)]
async fn a_work_event_syncs_its_scope_and_a_results_event_ends_the_task() {
    let world = world().await;
    assert_eq!(work(&world, sqs("work")).await, Vec::<String>::new());
    let answer = finalizer::event::handle(&world.finalizer, sqs("results")).await;
    assert_eq!(answer.batch_item_failures, [], "a task nobody knows is dropped");
    let (task, _) = world.task(TASK).await;
    assert_eq!((task.status, task.counts.added_count), (TaskStatus::Success, 7));
}

#[tokio::test(start_paused = true)]
async fn a_malformed_work_event_fails_its_message_and_no_other() {
    let world = world().await;
    let mut event = sqs("work-malformed");
    let bad = event.records[0].message_id.clone().unwrap();
    assert_eq!(work(&world, event.clone()).await, vec![bad.clone()]);

    event.records.extend(sqs("work").records);
    let good = event.records[1].message_id.clone().unwrap();
    assert_eq!(work(&world, event.clone()).await, [bad.clone(), good], "order holds in a group");
    event.records.reverse();
    assert_eq!(work(&world, event).await, [bad]);
    assert_eq!(world.rows(REGION, false).await.len(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_event_ends_its_region_with_a_reason() {
    let world = world().await;
    let answer = finalizer::event::handle(&world.finalizer, sqs("dead-letter")).await;
    assert_eq!(answer.batch_item_failures, []);
    let (task, regions) = world.task(TASK).await;
    assert_eq!(task.status, TaskStatus::Failed);
    assert_eq!(regions[0].errors[0].code, "DeadLettered");
    assert!(world.notifier.notices().iter().any(|n| n.text.contains(REGION)));
}

#[tokio::test(start_paused = true)]
async fn a_schedule_event_of_either_kind_starts_what_is_due() {
    for name in ["schedule", "schedule-eventbridge"] {
        let world = World::new(&[REGION]).await;
        let event: Value = serde_json::from_str(&event(name)).unwrap();
        let answer = dispatcher::event::handle(&world.dispatcher, event.clone()).await.unwrap();
        assert_eq!((answer.task_ids.len(), answer.problems), (1, 0), "{name}");
        assert!(answer.task_ids[0].starts_with("20261123T101500Z-"), "{name}");
        dispatcher::event::handle(&world.dispatcher, event).await.unwrap();
        assert_eq!(world.store.open_tasks().await.unwrap().len(), 1, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_on_demand_event_starts_what_it_asks_for_once() {
    let world = World::new(&[REGION, "cn-beijing"]).await;
    let event: Value = serde_json::from_str(&event("on-demand")).unwrap();
    let first = dispatcher::event::handle(&world.dispatcher, event.clone()).await.unwrap();
    let second = dispatcher::event::handle(&world.dispatcher, event).await.unwrap();
    assert_eq!(first, second);
    let (task, _) = world.task(&first.task_ids[0]).await;
    assert_eq!(task.regions, [REGION]);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_none_says_what_is_expected() {
    let world = World::new(&[REGION]).await;
    for bad in [json!({}), json!({"id": 7, "time": "x"}), json!([]), json!("tick")] {
        let error = dispatcher::event::handle(&world.dispatcher, bad).await.unwrap_err();
        assert!(error.to_string().contains("expected an object with id, time"), "{error}");
    }
}

#[test]
fn a_deadline_given_as_a_duration_is_taken_for_one() {
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    let in_a_minute = "2026-01-01T00:01:00Z".parse::<jiff::Timestamp>().unwrap();
    assert_eq!(region_sync::event::deadline(60_000, now), in_a_minute);
    let epoch = u64::try_from(in_a_minute.as_millisecond()).unwrap();
    assert_eq!(region_sync::event::deadline(epoch, now), in_a_minute);
}

async fn call(world: World, request: lambda_http::Request) -> (StatusCode, String, Value) {
    let api = Api::new(world.dispatcher, Access::Gateway);
    let request = request.map(|body| axum::body::Body::from(body.to_vec()));
    let response = router(api).oneshot(request).await.unwrap();
    let status = response.status();
    let content_type = response.headers()["content-type"].to_str().unwrap().to_owned();
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, content_type, serde_json::from_slice(&body).unwrap_or_default())
}

fn http(name: &str) -> lambda_http::Request {
    lambda_http::request::from_str(&event(name)).unwrap()
}

#[tokio::test(start_paused = true)]
async fn posting_to_syncs_answers_with_task_ids() {
    let world = World::new(&[REGION]).await;
    let (status, _, body) = call(world, http("api-post-syncs")).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    assert_eq!(body["task_ids"].as_array().unwrap().len(), 1);
    assert_eq!(body["problems"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn posting_to_hooks_has_what_the_event_names_re_read() {
    let world = World::new(&[REGION]).await;
    let hook = HookRef::Env("PROD_HOOK".to_owned());
    world.credentials.set_token(&hook, "0123456789abcdef");
    let regions = vec![REGION.to_owned()];
    world.configure(|account| (account.hook, account.regions) = (Some(hook), regions)).await;
    let store = world.store.clone();
    let (status, _, body) = call(world, http("api-post-hooks")).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    let task = store.task(body["task_ids"][0].as_str().unwrap()).await.unwrap().unwrap();
    assert_eq!(task.ids, ["i-bp1resync00000001"]);
}

#[tokio::test(start_paused = true)]
async fn a_task_comes_with_its_regions() {
    let world = world().await;
    work(&world, sqs("work")).await;
    let (status, _, body) = call(world, http("api-get-task")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["task_id"], TASK);
    assert_eq!(body["region_results"][0]["region"], REGION);
    assert_eq!(body["region_results"][0]["added_count"], 7);
}

#[tokio::test(start_paused = true)]
async fn anybody_may_ask_whether_it_is_well() {
    let (status, ..) = call(world().await, http("api-health")).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_bad_request_gets_a_problem_document() {
    let post = |body: &str| {
        let mut request = http("api-post-syncs");
        *request.body_mut() = body.into();
        request
    };
    let asked = |method: &str, path: &str| {
        let mut event: Value = serde_json::from_str(&event("api-get-task")).unwrap();
        event["rawPath"] = json!(path);
        event["requestContext"]["http"]["method"] = json!(method);
        lambda_http::request::from_str(&event.to_string()).unwrap()
    };
    let huge = format!("{{\"regions\": [\"{}\"]}}", "x".repeat(100_000));
    for (request, status, text) in [
        (post("{"), StatusCode::BAD_REQUEST, "JSON"),
        (post("{\"regoins\": []}"), StatusCode::UNPROCESSABLE_ENTITY, "unknown field `regoins`"),
        (post("{\"account_ids\": [\"x\"]}"), StatusCode::UNPROCESSABLE_ENTITY, "no account 'x'"),
        (post("{\"kinds\": [\"x\"]}"), StatusCode::UNPROCESSABLE_ENTITY, "is not a kind"),
        (post(&huge), StatusCode::PAYLOAD_TOO_LARGE, ""),
        (asked("GET", "/tasks/none"), StatusCode::NOT_FOUND, "no task 'none'"),
        (asked("PUT", "/syncs"), StatusCode::METHOD_NOT_ALLOWED, ""),
    ] {
        let (found, content_type, body) = call(world().await, request).await;
        assert_eq!(found, status, "{body}");
        assert_eq!(content_type, "application/problem+json");
        assert_eq!(body["status"], status.as_u16());
        assert!(body["detail"].as_str().unwrap().contains(text), "{body}");
    }
}
