//! `POST /status-changes`.

use cloud_sync_core::error::ErrorClass;
use cloud_sync_core::message::Mode;
use cloud_sync_core::resource::Status;
use cloud_sync_tests::vendor::{Call, error};
use cloud_sync_tests::world::World;
use serde_json::{Value, json};

use super::support::Client;

fn body(ids: &[&str]) -> Value {
    json!({ "account_id": "prod", "region": "r1", "ids": ids })
}

#[tokio::test(start_paused = true)]
async fn statuses_are_compared_and_nothing_is_written() {
    let world = World::new(&["r1"]).await;
    world.vendor.fill("r1", "i", 2);
    world.sync(Mode::Full).await;
    world.vendor.change("r1", "i-001", |one| one.status = Status::Stopped);
    let client = Client::new(&world);
    let answer = client.post("/status-changes", &body(&["i-001", "i-000", "none"])).await;
    let items = answer.expect(200)["items"].clone();
    assert_eq!((&items[0]["id"], &items[0]["differs"]), (&json!("i-001"), &json!(true)));
    assert_eq!(items[0]["vendor"]["status"], "stopped");
    assert_eq!(items[0]["stored"]["status"], "running");
    assert_eq!(items[1]["differs"], false);
    assert_eq!((&items[2]["stored"], &items[2]["vendor"]), (&Value::Null, &Value::Null));
    assert_eq!(world.rows("r1", false).await[1].resource.status, Status::Running);
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_is_named() {
    let world = World::new(&["r1"]).await;
    let client = Client::new(&world);
    let with = |name: &str, value: Value| {
        let mut body = body(&["i"]);
        body[name] = value;
        body
    };
    for (body, field, reason) in [
        (with("account_id", json!("x")), "account_id", "no account 'x'"),
        (with("region", json!("a#b")), "region", "letters"),
        (with("kind", json!("aliyun.ecs.disk")), "kind", "aliyun.ecs.instance"),
        (with("ids", json!([])), "ids", "1 to 100"),
        (with("ids", json!(vec!["i"; 101])), "ids", "1 to 100"),
        (with("ids", json!([""])), "ids", "1 to 100"),
        (json!({ "account_id": "prod", "ids": ["i"] }), "body", "missing field `region`"),
    ] {
        client.post("/status-changes", &body).await.expect_wrong_field(422, field, reason);
    }
}

#[tokio::test(start_paused = true)]
async fn a_vendor_that_refuses_is_a_bad_gateway() {
    let world = World::new(&["r1"]).await;
    world.vendor.fail(Call::Statuses, None, 0, 1, error(ErrorClass::Throttled, "Throttling"));
    let answer = Client::new(&world).post("/status-changes", &body(&["i"])).await.expect(502);
    assert_eq!(answer["problems"][0]["code"], "Throttling");
}
