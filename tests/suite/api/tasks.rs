//! `/tasks`.

use std::collections::BTreeSet;
use std::time::Duration;

use cloud_sync_core::message::Mode;
use cloud_sync_core::task::{SyncTask, TaskStatus};
use cloud_sync_runtime::clock::Clock;
use cloud_sync_tests::vendor::Call;
use cloud_sync_tests::world::{World, account, kind};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::support::Client;

fn ids(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().unwrap().iter();
    items.map(|task| task["task_id"].as_str().unwrap().to_owned()).collect()
}

/// Returns every page of a list.
async fn pages(client: &Client, target: &str) -> Vec<Value> {
    let mut pages = vec![client.get(target).await.expect(200)];
    let joint = if target.contains('?') { '&' } else { '?' };
    while let Some(cursor) = pages.last().unwrap()["cursor"].as_str() {
        assert!(pages.len() < 100, "it has an end");
        pages.push(client.get(&format!("{target}{joint}cursor={cursor}")).await.expect(200));
    }
    pages
}

/// Writes tasks of two accounts, four each that begin at one time.
async fn world_with_tasks(count: usize) -> World {
    let world = World::new(&["r1"]).await;
    let test = cloud_sync_core::account::Account { id: "test".into(), ..account() };
    world.store.put_account(&test).await.unwrap();
    let now = world.clock.now();
    for n in 0..count {
        let of = if n % 2 == 0 { "prod" } else { "test" };
        let at = now + SignedDuration::from_secs((n / 8) as i64);
        let mut task = SyncTask::new(format!("t{n:03}"), of, kind(), vec!["r1".into()], at);
        if n % 10 == 3 {
            task.status = TaskStatus::Failed;
        }
        assert!(world.store.create_task(&task).await.unwrap());
    }
    world
}

#[tokio::test(start_paused = true)]
async fn pages_of_tasks_have_every_task_once_newest_first() {
    let world = world_with_tasks(50).await;
    let client = Client::new(&world);
    let expected: Vec<_> = (0..50).rev().map(|n| format!("t{n:03}")).collect();
    for limit in [1, 3, 7, 49, 50, 51] {
        let pages = pages(&client, &format!("/tasks?limit={limit}")).await;
        let found: Vec<_> = pages.iter().flat_map(ids).collect();
        assert_eq!(found, expected, "limit {limit}");
        assert!(pages.iter().all(|page| ids(page).len() <= limit), "limit {limit}");
    }
}

#[tokio::test(start_paused = true)]
async fn tasks_are_filtered_by_account_status_kind_and_time() {
    let world = world_with_tasks(50).await;
    let client = Client::new(&world);
    let count = async |query: &str| {
        let pages = pages(&client, &format!("/tasks?limit=4&{query}")).await;
        pages.iter().map(|page| ids(page).len()).sum::<usize>()
    };
    assert_eq!(count("account_id=test").await, 25);
    assert_eq!(count("account_id=nobody").await, 0);
    assert_eq!(count("status=failed").await, 5);
    assert_eq!(count("status=failed&account_id=prod").await, 0);
    assert_eq!(count("kind=aliyun.ecs.instance").await, 50);
    assert_eq!(count("kind=aliyun.ecs.disk").await, 0);
    assert_eq!(count("since=2026-01-01T00:00:05Z").await, 10);
    assert_eq!(count("until=2026-01-01T00:00:00Z").await, 8);
    assert_eq!(count("since=2026-01-01T00:00:01Z&until=2026-01-01T00:00:02Z").await, 16);
    assert_eq!(count("since=2026-01-01T00:00:02Z&until=2026-01-01T00:00:01Z").await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_rare_status_is_found_behind_many_others() {
    let world = World::new(&["r1"]).await;
    let now = world.clock.now();
    for n in 0..5000 {
        let at = now + SignedDuration::from_secs(n);
        let mut task = SyncTask::new(format!("t{n:05}"), "prod", kind(), vec![], at);
        task.status = if n == 7 { TaskStatus::Failed } else { TaskStatus::Success };
        world.store.create_task(&task).await.unwrap();
    }
    let pages = pages(&Client::new(&world), "/tasks?status=failed").await;
    assert!(pages.len() > 1, "no page reads them all");
    assert_eq!(pages.iter().flat_map(ids).collect::<Vec<_>>(), ["t00007"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_task_is_not_found() {
    let client = Client::new(&World::new(&["r1"]).await);
    for id in ["none", "request%23k", "%2e%2e", "a%20b", &"x".repeat(3000), "%00"] {
        client.get(&format!("/tasks/{id}")).await.expect(404);
        client.get(&format!("/tasks/{id}/changes")).await.expect(404);
        client.call(axum::http::Method::POST, &format!("/tasks/{id}/cancel")).await.expect(404);
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_cancelled_in_mid_walk_stops_at_the_next_page() {
    let world = World::new(&["r1", "r2"]).await;
    world.vendor.fill("r1", "i", 100);
    world.sync(Mode::Full).await;
    world.vendor.release("r1", "i-099");
    world.vendor.fill("r2", "j", 5);
    world.vendor.forget();
    world.vendor.take_time(Duration::from_secs(3));
    let client = Client::new(&world);
    let started = client.post("/syncs", &json!({})).await.expect(202);
    let path = format!("/tasks/{}", started["task_ids"][0].as_str().unwrap());
    let mut seen = 0;
    let cancel = async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        let task =
            client.call(axum::http::Method::POST, &format!("{path}/cancel")).await.expect(202);
        assert_eq!((&task["status"], &task["cancel_requested"]), (&json!("running"), &json!(true)));
        seen = world.vendor.calls(Call::Page);
    };
    tokio::join!(cancel, world.drain());
    assert!(world.vendor.calls(Call::Page) <= seen + 1, "the page under way is the last");
    let task = client.get(&path).await.expect(200);
    assert_eq!((&task["status"], &task["deleted_count"]), (&json!("cancelled"), &json!(0)));
    assert_eq!(world.rows("r1", false).await.len(), 100, "nothing was deleted");
    assert_eq!(world.rows("r2", true).await.len(), 0, "the other region never began");
    assert!(task["region_results"].as_array().unwrap().iter().all(|r| r["status"] == "cancelled"));

    let again = client.call(axum::http::Method::POST, &format!("{path}/cancel")).await.expect(409);
    assert!(again["detail"].as_str().unwrap().contains("cancelled"), "{again}");
}

#[tokio::test(start_paused = true)]
async fn pages_of_a_tasks_changes_have_every_change_once() {
    let world = World::new(&["r1", "r2", "r3"]).await;
    world.vendor.fill("r1", "i", 130);
    world.vendor.fill("r3", "j", 5);
    let (task, _) = world.sync(Mode::Full).await;
    let (later, _) = world.sync(Mode::Full).await;
    let client = Client::new(&world);
    for limit in [3, 64, 100, 135, 1000] {
        let target = format!("/tasks/{}/changes?limit={limit}", task.task_id);
        let pages = pages(&client, &target).await;
        let items: Vec<_> =
            pages.iter().flat_map(|page| page["items"].as_array().unwrap()).collect();
        assert_eq!(items.len(), 135, "limit {limit}");
        let found: BTreeSet<_> = items.iter().map(|item| item["id"].as_str().unwrap()).collect();
        assert_eq!(found.len(), 135, "limit {limit}");
        assert!(items.iter().all(|item| item["task_id"] == task.task_id.as_str()));
        let is_within = |page: &Value| page["items"].as_array().unwrap().len() <= limit;
        assert!(pages.iter().all(is_within), "limit {limit}");
    }
    let none = client.get(&format!("/tasks/{}/changes", later.task_id)).await.expect(200);
    assert_eq!(none, json!({ "items": [] }));
    for cursor in [
        "x",
        "e30",
        "eyJyZWdpb24iOiJyOSIsImFmdGVyIjpudWxsfQ",
        "eyJyZWdpb24iOiJyMSIsImFmdGVyIjoieCJ9",
    ] {
        let answer = client.get(&format!("/tasks/{}/changes?cursor={cursor}", task.task_id)).await;
        answer.expect_wrong_field(422, "cursor", "no cursor");
    }
}
