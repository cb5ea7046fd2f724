//! What is refused before a route has its say.

use axum::body::Body;
use axum::http::{Method, Request};
use cloud_sync_tests::world::World;
use serde_json::json;

use super::support::Client;

async fn client() -> Client {
    Client::new(&World::new(&["r1"]).await)
}

#[tokio::test(start_paused = true)]
async fn a_body_has_to_be_json_and_say_so() {
    let client = client().await;
    let send = async |media_type: Option<&str>, body: &str| {
        let mut request = Request::builder().method(Method::POST).uri("/syncs");
        if let Some(media_type) = media_type {
            request = request.header("content-type", media_type);
        }
        client.send(request.body(Body::from(body.to_owned())).unwrap()).await
    };
    for media_type in [None, Some("text/plain"), Some("application/jsonp"), Some("")] {
        send(media_type, "{}").await.expect(415);
    }
    for media_type in ["application/json", "Application/JSON; charset=utf-8"] {
        send(Some(media_type), "{").await.expect(400);
        send(Some(media_type), "").await.expect(400);
        send(Some(media_type), "{} {}").await.expect(400);
    }
    send(Some("application/json"), &"x".repeat(100_000)).await.expect(413);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_field_is_named_wherever_it_is() {
    let client = client().await;
    for (body, field, reason) in [
        (json!({ "regoins": [] }), "regoins", "unknown field"),
        (json!({ "regions": "r1" }), "regions", "expected a sequence"),
        (json!({ "regions": ["r1", 7] }), "regions[1]", "expected a string"),
        (json!({ "kinds": ["ecs"] }), "kinds[0]", "is not a kind"),
        (json!({ "mode": "fast" }), "mode", "unknown variant"),
        (json!({ "since": "now" }), "since", ""),
        (json!([]), "body", ""),
        (json!({ "account_ids": ["x"] }), "account_ids", "no account 'x'"),
        (json!({ "regions": ["moon"] }), "regions", "no region 'moon'"),
        (json!({ "mode": "targeted" }), "ids", "1 to 100"),
    ] {
        client.post("/syncs", &body).await.expect_wrong_field(422, field, reason);
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_parameter_is_named() {
    let client = client().await;
    for (query, field, reason) in [
        ("limit=0", "limit", "1 to 1000"),
        ("limit=1001", "limit", "1 to 1000"),
        ("limit=x", "limit", ""),
        ("limit=1&limit=2", "limit", ""),
        ("status=done", "status", "unknown variant"),
        ("kind=ecs", "kind", "is not a kind"),
        ("account_id=a%23b", "account_id", "letters"),
        ("since=yesterday", "since", ""),
        ("cursor=x", "cursor", "no cursor"),
        ("cursor=e30", "cursor", "no cursor"),
        ("colour=red", "colour", "unknown field"),
    ] {
        let answer = client.get(&format!("/tasks?{query}")).await;
        answer.expect_wrong_field(422, field, reason);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_caller_sent_is_shown_back_in_part_only() {
    let client = client().await;
    let long = "x".repeat(20_000);
    let answer = client.post("/syncs", &json!({ "regions": [long] })).await;
    assert!(answer.text.len() < 2000, "{}", answer.text.len());
    let answer = client.get(&format!("/tasks/{long}")).await;
    assert!(answer.text.len() < 1000, "{}", answer.text.len());
    answer.expect(404);
}
