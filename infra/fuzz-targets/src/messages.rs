//! Bodies of queues' messages, and whole events.

use api::{Access, Api, router};
use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use cloud_sync_core::message::{ResultMessage, SyncRequest, WorkMessage};
use cloud_sync_core::scope::Scope;
use jiff::SignedDuration;
use serde_json::Value;
use tower::ServiceExt;

use crate::world::{KIND, REGION, TASK, TOKEN, World, account};

const WORK: &str = include_str!("../../../events/work.json");
const RESULTS: &str = include_str!("../../../events/results.json");

/// The id of the message that is made of the input.
const OTHER: &str = "other";

/// Gives a body, or an event, to the function that the first byte names.
///
/// # Panics
///
/// A function does not answer, or lets one message spoil another.
pub fn messages(data: &[u8]) {
    let Some((which, rest)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    crate::run(async {
        match which % 7 {
            0 => work_body(text).await,
            1 => result_body(text).await,
            2 => dead_letter(text).await,
            3 => work_event(text).await,
            4 => results_event(text).await,
            5 => dispatcher_event(text).await,
            _ => http_request(text).await,
        }
    });
}

fn event(text: &str) -> SqsEvent {
    serde_json::from_str(text).unwrap()
}

/// Returns a message like another with a body of the caller's.
fn with_body(like: &SqsMessage, body: &str) -> SqsMessage {
    let mut message = like.clone();
    message.message_id = Some(OTHER.to_owned());
    message.body = Some(body.to_owned());
    message
}

fn failed(answer: SqsBatchResponse) -> Vec<String> {
    answer.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
}

/// What can be read can be sent and read again.
fn prints<T>(text: &str)
where
    T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug,
{
    if let Ok(message) = serde_json::from_str::<T>(text) {
        let printed = serde_json::to_string(&message).unwrap();
        assert_eq!(serde_json::from_str::<T>(&printed).unwrap(), message);
    }
}

async fn work(world: &World, event: SqsEvent) -> Vec<String> {
    let deadline = world.clock.now() + SignedDuration::from_mins(15);
    let answer =
        region_sync::event::handle(&world.sync, world.work.as_ref(), event, "r", deadline).await;
    for result in world.store.region_results(TASK).await.unwrap() {
        assert!(result.errors.iter().all(|error| error.code != "Panic"), "{:?}", result.errors);
    }
    failed(answer)
}

/// A message behind a good one, which it does not spoil.
async fn work_body(text: &str) {
    prints::<WorkMessage>(text);
    let world = World::new().await;
    let mut event = event(WORK);
    let other = with_body(&event.records[0], text);
    event.records.push(other);
    let failures = work(&world, event).await;
    assert!(failures.iter().all(|id| id == OTHER), "{failures:?}");
    let scope = Scope {
        account_id: account("aliyun").id,
        kind: KIND.parse().unwrap(),
        region: REGION.to_owned(),
    };
    let rows = world.store.scope_rows(&scope, false, None).await.unwrap();
    assert!(!rows.items.is_empty(), "the good message was handled");
}

/// A message before good ones, which it does not spoil.
async fn result_body(text: &str) {
    prints::<ResultMessage>(text);
    let world = World::new().await;
    let mut event = event(RESULTS);
    let other = with_body(&event.records[0], text);
    event.records.insert(0, other);
    assert_eq!(failed(finalizer::event::handle(&world.finalizer, event).await), [""; 0]);
}

async fn dead_letter(text: &str) {
    let world = World::new().await;
    let mut event = event(WORK);
    event.records[0].body = Some(text.to_owned());
    event.records[0].event_source_arn = Some("arn:aws:sqs:eu-west-1:1:work-dlq.fifo".to_owned());
    assert_eq!(failed(finalizer::event::handle(&world.finalizer, event).await), [""; 0]);
}

async fn work_event(text: &str) {
    let Ok(event) = serde_json::from_str::<SqsEvent>(text) else { return };
    let ids: Vec<_> =
        event.records.iter().map(|one| one.message_id.clone().unwrap_or_default()).collect();
    let failures = work(&World::new().await, event).await;
    assert!(ids.ends_with(&failures), "what failed comes again, and all after it: {failures:?}");
}

async fn results_event(text: &str) {
    let Ok(event) = serde_json::from_str::<SqsEvent>(text) else { return };
    let world = World::new().await;
    assert_eq!(failed(finalizer::event::handle(&world.finalizer, event).await), [""; 0]);
}

async fn dispatcher_event(text: &str) {
    prints::<SyncRequest>(text);
    let Ok(event) = serde_json::from_str::<Value>(text) else { return };
    let world = World::new().await;
    let first = dispatcher::event::handle(&world.dispatcher, event.clone()).await;
    let again = dispatcher::event::handle(&world.dispatcher, event).await;
    if let (Ok(first), Ok(again)) = (&first, &again) {
        let is_known = |id| first.task_ids.contains(id);
        assert!(again.task_ids.iter().all(is_known), "the same event starts nothing new");
    }
    assert_eq!(first.is_ok(), again.is_ok(), "{first:?}, then {again:?}");
}

/// A first line with method and target; the rest is the body.
async fn http_request(text: &str) {
    let (line, body) = text.split_once('\n').unwrap_or((text, ""));
    let (method, target) = line.split_once(' ').unwrap_or(("POST", line));
    let request = Request::builder().method(method).uri(target);
    let request = request.header("content-type", "application/json").header("x-hook-token", TOKEN);
    let request = request.header("host", "localhost");
    let request = request.body(Body::from(body.to_owned()));
    let Ok(request) = request else { return };
    let world = World::new().await;
    let api = Api::new(std::sync::Arc::new(world.dispatcher), Access::Loopback);
    let response = router(api).oneshot(request).await.unwrap();
    let status = response.status();
    // Whatever a vendor refuses, which may be anything, is its own.
    assert!(!status.is_server_error() || status == StatusCode::BAD_GATEWAY, "{status}");
    let is_problem =
        response.headers().get("content-type").is_some_and(|t| t == "application/problem+json");
    assert_eq!(is_problem, !status.is_success(), "{status}");
}
