//! `POST /syncs`.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request};
use cloud_sync_core::error::ErrorClass;
use cloud_sync_core::message::Mode;
use cloud_sync_core::task::TaskStatus;
use cloud_sync_runtime::store::TaskQuery;
use cloud_sync_tests::vendor::{Call, error};
use cloud_sync_tests::world::World;
use serde_json::{Value, json};

use super::support::{Answer, Client};

async fn post_with_key(client: &Client, key: &str, body: &Value) -> Answer {
    let request = Request::builder().method(Method::POST).uri("/syncs");
    let request = request.header("content-type", "application/json");
    let request = request.header("idempotency-key", key);
    client.send(request.body(Body::from(body.to_string())).unwrap()).await
}

async fn count_tasks(world: &World) -> usize {
    let query = TaskQuery { limit: 100, ..TaskQuery::default() };
    world.store.tasks(&query).await.unwrap().len()
}

fn first_task(started: &Value) -> String {
    started["task_ids"][0].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_for_is_synced_and_its_task_is_shown() {
    let world = World::new(&["r1", "r2"]).await;
    world.vendor.fill("r1", "i", 3);
    world.vendor.fill("r2", "j", 4);
    let client = Client::new(&world);
    let started = client.post("/syncs", &json!({ "regions": ["r2"] })).await.expect(202);
    assert_eq!(started["problems"], json!([]));
    world.drain().await;
    let task = client.get(&format!("/tasks/{}", first_task(&started))).await.expect(200);
    assert_eq!((&task["status"], &task["added_count"]), (&json!("success"), &json!(4)));
    assert_eq!(task["region_results"][0]["region"], "r2");
    assert_eq!(world.rows("r1", false).await.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_scope_that_is_being_synced_is_refused_with_its_task() {
    let world = World::new(&["r1", "r2"]).await;
    let client = Client::new(&world);
    let started = client.post("/syncs", &json!({ "regions": ["r1"] })).await.expect(202);
    let busy = client.post("/syncs", &json!({ "mode": "incremental" })).await.expect(409);
    assert_eq!(busy["task_ids"], started["task_ids"]);
    assert_eq!(busy["type"], "urn:cloud-sync:problem:already-running");
    assert_eq!(count_tasks(&world).await, 1, "nothing was started");
    client.post("/syncs", &json!({ "regions": ["r2"] })).await.expect(202);

    world.drain().await;
    client.post("/syncs", &json!({})).await.expect(202);
}

#[tokio::test(start_paused = true)]
async fn a_region_that_has_ended_is_no_longer_in_the_way() {
    let world = World::new(&["r1", "r2"]).await;
    let client = Client::new(&world);
    let started = client.post("/syncs", &json!({})).await.expect(202);
    let delivery = cloud_sync_tests::world::receive(&world.work, Duration::ZERO).await.unwrap();
    world.work_on(&delivery).await;
    let (task, results) = world.task(&first_task(&started)).await;
    assert!(!task.status.is_terminal());
    let done = &results[0].region;
    let other = if done == "r1" { "r2" } else { "r1" };
    client.post("/syncs", &json!({ "regions": [other] })).await.expect(409);
    client.post("/syncs", &json!({ "regions": [done] })).await.expect(202);
}

#[tokio::test(start_paused = true)]
async fn named_resources_and_plans_wait_their_turn() {
    let world = World::new(&["r1"]).await;
    world.vendor.fill("r1", "i", 2);
    let client = Client::new(&world);
    client.post("/syncs", &json!({})).await.expect(202);
    for mode in ["targeted", "status", "targeted"] {
        let body = json!({ "mode": mode, "regions": ["r1"], "ids": ["i-000"] });
        client.post("/syncs", &body).await.expect(202);
    }
    client.post("/plans", &json!({})).await.expect(202);
    world.drain().await;
    let tasks = client.get("/tasks").await.expect(200);
    let statuses: Vec<_> =
        tasks["items"].as_array().unwrap().iter().map(|t| &t["status"]).collect();
    assert_eq!(statuses, ["success"; 5]);
}

#[tokio::test(start_paused = true)]
async fn the_same_key_answers_with_the_same_tasks() {
    let world = World::new(&["r1"]).await;
    let client = Client::new(&world);
    let body = json!({ "regions": ["r1"] });
    let first = post_with_key(&client, "key-1", &body).await.expect(202);
    tokio::time::sleep(Duration::from_secs(90)).await;
    // The same request, written another way.
    let same = json!({ "mode": "full", "regions": ["r1"], "ids": [] });
    assert_eq!(post_with_key(&client, "key-1", &same).await.expect(202), first);
    world.drain().await;
    tokio::time::sleep(Duration::from_secs(60 * 60 * 20)).await;
    assert_eq!(post_with_key(&client, "key-1", &body).await.expect(202), first);
    assert_eq!(count_tasks(&world).await, 1);

    let other = post_with_key(&client, "key-2", &body).await.expect(202);
    assert_ne!(other["task_ids"], first["task_ids"]);
    let again = post_with_key(&client, "key-1", &body).await.expect(202);
    assert_eq!(again, first, "also while another task is at it");
}

#[tokio::test(start_paused = true)]
async fn a_key_is_forgotten_after_a_day() {
    let world = World::new(&["r1"]).await;
    let client = Client::new(&world);
    let first = post_with_key(&client, "key", &json!({})).await.expect(202);
    world.drain().await;
    tokio::time::sleep(Duration::from_secs(60 * 60 * 24 + 1)).await;
    let second = post_with_key(&client, "key", &json!({})).await.expect(202);
    assert_ne!(first["task_ids"], second["task_ids"]);
}

#[tokio::test(start_paused = true)]
async fn a_key_is_for_one_request() {
    let world = World::new(&["r1", "r2"]).await;
    let client = Client::new(&world);
    post_with_key(&client, "key", &json!({ "regions": ["r1"] })).await.expect(202);
    let reused = post_with_key(&client, "key", &json!({ "regions": ["r2"] })).await;
    assert_eq!(reused.body["type"], "urn:cloud-sync:problem:idempotency-key-reused");
    reused.expect_wrong_field(422, "Idempotency-Key", "another request");
    for bad in ["", "a b", &"x".repeat(256), "é"] {
        let answer = post_with_key(&client, bad, &json!({ "regions": ["r2"] })).await;
        answer.expect_wrong_field(422, "Idempotency-Key", "1 to 255");
    }
    assert_eq!(count_tasks(&world).await, 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_crash_left_undone_is_done_by_the_same_request_again() {
    let world = World::new(&["r1"]).await;
    world.vendor.fill("r1", "i", 2);
    let client = Client::new(&world);
    // Remembered, and nothing more.
    let request = cloud_sync_core::message::SyncRequest::default();
    let at = cloud_sync_runtime::clock::Clock::now(world.clock.as_ref());
    let known = cloud_sync_core::request::KnownRequest::new("key", &request, "first".into(), at);
    world.store.remember_request(&known).await.unwrap();
    tokio::time::sleep(Duration::from_secs(30)).await;
    let started = post_with_key(&client, "key", &json!({})).await.expect(202);
    let expected = cloud_sync_core::task::task_id(
        at,
        "on-demand:first",
        "prod",
        &cloud_sync_tests::world::kind(),
    );
    assert_eq!(started["task_ids"], json!([expected]));
    world.drain().await;
    assert_eq!(world.task(&expected).await.0.status, TaskStatus::Success);
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_may_come_again_under_its_key() {
    let world = World::new(&["r1"]).await;
    let client = Client::new(&world);
    let running = world.start(Mode::Full).await;
    let busy = post_with_key(&client, "key", &json!({})).await.expect(409);
    assert_eq!(busy["task_ids"], json!([running.task_id]));
    world.drain().await;
    post_with_key(&client, "key", &json!({})).await.expect(202);
}

#[tokio::test(start_paused = true)]
async fn a_vendor_that_refuses_is_a_bad_gateway_with_its_reason() {
    let world = World::new(&["r1"]).await;
    world.vendor.fail(Call::Regions, None, 0, 1, error(ErrorClass::Auth, "InvalidAccessKeyId"));
    let answer = Client::new(&world).post("/syncs", &json!({})).await.expect(502);
    assert_eq!(answer["problems"][0]["code"], "InvalidAccessKeyId");
    assert_eq!(answer["problems"][0]["account_id"], "prod");
}
