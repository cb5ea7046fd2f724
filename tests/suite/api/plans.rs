//! `POST /plans`.

use cloud_sync_tests::world::World;
use serde_json::json;

use super::support::Client;

#[tokio::test(start_paused = true)]
async fn a_plan_is_shown_with_its_task_and_writes_nothing() {
    let world = World::new(&["r1"]).await;
    world.vendor.fill("r1", "i", 3);
    let client = Client::new(&world);
    let started = client.post("/plans", &json!({ "account_ids": ["prod"] })).await.expect(202);
    client.post("/plans", &json!({})).await.expect(409);
    world.drain().await;
    let id = started["task_ids"][0].as_str().unwrap();
    let task = client.get(&format!("/tasks/{id}")).await.expect(200);
    assert_eq!((&task["mode"], &task["status"]), (&json!("plan"), &json!("success")));
    let plan = &task["region_results"][0]["plan"];
    assert_eq!(plan["changes"].as_array().unwrap().len(), 3);
    assert_eq!(plan["changes"][0]["change"], "added");
    assert_eq!(world.rows("r1", true).await, []);
}

#[tokio::test(start_paused = true)]
async fn a_plan_takes_no_mode() {
    let client = Client::new(&World::new(&["r1"]).await);
    let answer = client.post("/plans", &json!({ "mode": "full" })).await;
    answer.expect_wrong_field(422, "mode", "unknown field");
}
