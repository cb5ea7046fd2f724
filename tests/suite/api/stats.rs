//! Counts.

use cloud_sync_core::message::Mode;
use cloud_sync_core::resource::Status;
use cloud_sync_tests::world::World;
use serde_json::json;

use super::support::Client;

async fn synced() -> World {
    let world = World::new(&["r1", "r2"]).await;
    world.vendor.fill("r1", "i", 9);
    world.vendor.fill("r2", "j", 4);
    world.vendor.change("r2", "j-001", |machine| machine.status = Status::Stopped);
    world.sync(Mode::Full).await;
    world
}

#[tokio::test(start_paused = true)]
async fn resources_are_counted_by_scope_and_status() {
    let world = synced().await;
    let client = Client::new(&world);
    let body = client.get("/stats").await.expect(200);
    assert_eq!((&body["total"], &body["held"]), (&json!(13), &json!(0)));
    assert_eq!(body["by_status"], json!({ "running": 12, "stopped": 1 }));
    assert_eq!(body["scopes"][1]["by_status"], json!({ "running": 3, "stopped": 1 }));
    assert_eq!(body["scopes"][1]["region"], "r2");
    assert!(body["as_of"].is_string() && body["as_of"] == body["scopes"][0]["as_of"], "{body}");

    let one = client.get("/stats?account=prod&region=r1").await.expect(200);
    assert_eq!((&one["total"], one["scopes"].as_array().unwrap().len()), (&json!(9), 1));
    let none = client.get("/stats?kind=aliyun.rds.instance").await.expect(200);
    assert_eq!((&none["total"], &none["as_of"]), (&json!(0), &json!(null)));
    client.get("/stats?account=a%2Fb").await.expect_wrong_field(422, "account", "letters");
}

#[tokio::test(start_paused = true)]
async fn days_have_what_was_done_and_what_was_live() {
    let world = synced().await;
    world.vendor.release("r1", "i-000");
    world.sync(Mode::Full).await;
    let client = Client::new(&world);
    let body = client.get("/stats/trend").await.expect(200);
    assert_eq!((&body["from"], &body["to"]), (&json!("2025-12-03"), &json!("2026-01-01")));
    let day = &body["items"][0];
    assert_eq!((&day["day"], &day["account_id"]), (&json!("2026-01-01"), &json!("prod")));
    let flow = ["tasks", "added", "updated", "deleted"].map(|name| day[name].as_u64().unwrap());
    assert_eq!(flow, [2, 13, 0, 1]);
    assert_eq!(day["snapshot"]["total"], 12);
    assert_eq!(day["snapshot"]["by_status"], json!({ "running": 11, "stopped": 1 }));

    let before = client.get("/stats/trend?from=2025-11-01&to=2025-12-31").await.expect(200);
    assert_eq!(before["items"], json!([]));
    for (query, reason) in
        [("from=2026-01-02&to=2026-01-01", "after"), ("from=2024-01-01&to=2026-01-01", "366")]
    {
        let answer = client.get(&format!("/stats/trend?{query}")).await;
        answer.expect_wrong_field(422, "from", reason);
    }
    client.get("/stats/trend?from=soon").await.expect(422);
}
