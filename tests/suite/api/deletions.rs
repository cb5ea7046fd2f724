//! Held deletions.

use cloud_sync_core::message::Mode;
use cloud_sync_tests::world::{KIND, World};
use serde_json::{Value, json};

use super::support::Client;

/// Returns a world in which 40 of 60 machines are held.
async fn held() -> World {
    let world = World::new(&["r1"]).await;
    world.vendor.fill("r1", "i", 60);
    world.sync(Mode::Full).await;
    for n in 0..40 {
        world.vendor.release("r1", &format!("i-{n:03}"));
    }
    world.sync(Mode::Full).await;
    world
}

fn rows(body: &Value) -> Vec<String> {
    let scopes = body["items"].as_array().unwrap().iter();
    let rows = scopes.flat_map(|scope| scope["rows"].as_array().unwrap());
    rows.map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

fn ruling(decision: &str, ids: Option<&[&str]>) -> Value {
    let mut body =
        json!({ "account_id": "prod", "kind": KIND, "region": "r1", "decision": decision });
    if let Some(ids) = ids {
        body["ids"] = json!(ids);
    }
    body
}

#[tokio::test(start_paused = true)]
async fn what_is_held_is_listed_in_pages_and_decided_on() {
    let world = held().await;
    let client = Client::new(&world);
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let body = client.get(&format!("/deletions?limit=15{cursor}")).await.expect(200);
        assert!(rows(&body).len() <= 15);
        found.extend(rows(&body));
        match body["cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let expected: Vec<_> = (0..40).map(|n| format!("i-{n:03}")).collect();
    assert_eq!(found, expected);

    let by = json!("kim");
    let mut body = ruling("reject", Some(&["i-001", "i-000"]));
    body["by"] = by.clone();
    let ruled = client.post("/deletions", &body).await.expect(200);
    assert_eq!((&ruled["ids"], &ruled["decision"]), (&json!(["i-000", "i-001"]), &json!("reject")));
    let listed = client.get("/deletions?account=prod&region=r1").await.expect(200);
    assert_eq!(listed["items"][0]["rows"][0]["decision"]["by"], by);

    let rest: Vec<_> = expected[2..].iter().map(String::as_str).collect();
    client.post("/deletions", &ruling("approve", Some(&rest))).await.expect(200);
    assert_eq!(world.rows("r1", false).await.len(), 60, "a decision deletes nothing by itself");
    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!((task.counts.deleted_count, task.counts.held_count), (38, 2));
    let left = client.get("/deletions").await.expect(200);
    assert_eq!(rows(&left), ["i-000", "i-001"]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_decided_is_refused_with_the_reason() {
    let world = held().await;
    let client = Client::new(&world);
    let post = async |body: &Value| client.post("/deletions", body).await;
    let conflict = post(&ruling("approve", Some(&["i-000", "i-050"]))).await.expect(409);
    assert!(conflict["detail"].as_str().unwrap().contains("i-050"), "{conflict}");
    let mut elsewhere = ruling("approve", None);
    elsewhere["region"] = json!("r9");
    post(&elsewhere).await.expect(404);
    post(&ruling("approve", Some(&[]))).await.expect_wrong_field(422, "ids", "leave it out");
    post(&ruling("perhaps", None)).await.expect(422);
    let mut more = ruling("approve", None);
    more["when"] = json!("now");
    post(&more).await.expect(422);
    client.get("/deletions?account=unknown").await.expect_wrong_field(422, "account", "unknown");
    assert_eq!(rows(&client.get("/deletions").await.expect(200)).len(), 40, "nothing was decided");
}
