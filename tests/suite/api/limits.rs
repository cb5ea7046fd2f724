//! What answers are bounded by, and what happens beyond that.

use std::sync::Arc;
use std::time::Duration;

use api::{Access, Api};
use cloud_sync_core::account::{Account, Suspension};
use cloud_sync_core::message::Mode;
use cloud_sync_core::task::SyncTask;
use cloud_sync_runtime::clock::Clock;
use cloud_sync_tests::world::{ACCOUNT, World, account, kind};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::support::{Client, Log};

/// What a function may answer with, less what is around it.
const MOST: usize = 6_000_000;

/// Returns the items of all pages of a list, none of which is too large to be
/// answered through Lambda, in JSON within JSON.
async fn pages(client: &Client, list: &str, field: &str) -> (Vec<Value>, usize) {
    let (mut items, mut cursor, mut count) = (Vec::new(), String::new(), 0);
    loop {
        let answer = client.get(&format!("{list}&limit=1000{cursor}")).await;
        let sent = serde_json::to_string(&answer.text).unwrap().len();
        assert!(sent < MOST, "{sent} bytes of {list}");
        let page = answer.expect(200);
        count += 1;
        items.extend(page[field].as_array().unwrap().iter().cloned());
        match page["cursor"].as_str() {
            Some(next) if !page[field].as_array().unwrap().is_empty() => {
                cursor = format!("&cursor={next}");
            }
            _ => return (items, count),
        }
    }
}

fn ids(items: &[Value], field: &str) -> Vec<String> {
    items.iter().map(|item| item[field].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_page_has_as_much_as_can_be_answered() {
    let world = World::new(&["r1", "r2"]).await;
    let client = Client::new(&world);
    // Quotes count twice on their way through Lambda.
    let long = "\"".repeat(100_000);
    for (region, prefix) in [("r1", "i"), ("r2", "j")] {
        world.vendor.fill(region, prefix, 30);
        for n in 0..30 {
            let name = format!("{n}{long}");
            world.vendor.change(region, &format!("{prefix}-{n:03}"), |one| one.name = name);
        }
    }
    let (task, _) = world.sync(Mode::Full).await;
    let expected: Vec<_> =
        ["i", "j"].iter().flat_map(|p| (0..30).map(move |n| format!("{p}-{n:03}"))).collect();
    for list in ["/resources?account=prod", "/resources?account=prod&sort=changed_at"] {
        let (items, count) = pages(&client, list, "items").await;
        assert_eq!(ids(&items, "id"), expected, "{list}");
        assert!((3..=8).contains(&count), "{list}: {count} pages");
    }
    let changes = format!("/tasks/{}/changes?", task.task_id);
    let (items, count) = pages(&client, &changes, "items").await;
    assert_eq!((ids(&items, "id"), count > 2), (expected.clone(), true));
    tokio::time::sleep(Duration::from_secs(300)).await;
    let (mut items, count) = pages(&client, "/changes?account=prod", "items").await;
    items.sort_unstable_by_key(|item| item["id"].to_string());
    assert_eq!((ids(&items, "id"), count > 2), (expected, true));
    for n in 1..=14 {
        world.vendor.change("r1", "i-000", |one| one.name = format!("{n}{long}"));
        world.sync(Mode::Full).await;
    }
    let history = "/resources/prod/aliyun.ecs.instance/r1/i-000/history?";
    let (items, count) = pages(&client, history, "items").await;
    let versions: Vec<_> = items.iter().map(|item| item["version"].as_u64().unwrap()).collect();
    assert_eq!((versions, count > 2), ((1..=15).collect(), true));
}

#[tokio::test(start_paused = true)]
async fn a_page_of_tasks_has_as_much_as_can_be_answered() {
    let world = World::new(&["r1"]).await;
    let client = Client::new(&world);
    for n in 0..50 {
        let id = format!("task-{n:03}");
        let mut task = SyncTask::new(id, ACCOUNT, kind(), vec!["r1".to_owned()], world.clock.now());
        task.error_message = Some("x".repeat(300_000));
        assert!(world.store.create_task(&task).await.unwrap());
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    for list in ["/tasks?account=prod", "/tasks?kind=aliyun.ecs.instance", "/tasks?status=pending"]
    {
        let (items, count) = pages(&client, list, "items").await;
        let expected: Vec<_> = (0..50).rev().map(|n| format!("task-{n:03}")).collect();
        assert_eq!((ids(&items, "task_id"), count > 2), (expected, true), "{list}");
    }
}

#[tokio::test(start_paused = true)]
async fn counts_come_in_pages_whose_sums_are_over_all() {
    let world = World::new(&["r1", "r2", "r3"]).await;
    for (region, count) in [("r1", 1), ("r2", 2), ("r3", 3)] {
        world.vendor.fill(region, region, count);
    }
    world.sync(Mode::Full).await;
    let client = Client::new(&world);
    let (mut regions, mut cursor) = (Vec::new(), String::new());
    for left in (0..3).rev() {
        let page = client.get(&format!("/stats?limit=1{cursor}")).await.expect(200);
        assert_eq!(page["total"], 6);
        regions.extend(ids(page["scopes"].as_array().unwrap(), "region"));
        assert_eq!(page["cursor"].is_string(), left > 0);
        cursor = format!("&cursor={}", page["cursor"].as_str().unwrap_or_default());
    }
    assert_eq!(regions, ["r1", "r2", "r3"]);
    client.get("/stats?limit=1001").await.expect_wrong_field(422, "limit", "1 to 1000");
    client.get("/stats?cursor=e30").await.expect_wrong_field(422, "cursor", "no cursor");
}

#[tokio::test(start_paused = true)]
async fn days_come_in_pages() {
    let world = World::new(&["r1"]).await;
    world.vendor.fill("r1", "i", 2);
    let mut expected = Vec::new();
    for day in 1..=3 {
        world.sync(Mode::Full).await;
        expected.push(format!("2026-01-{day:02}"));
        tokio::time::sleep(Duration::from_secs(24 * 60 * 60)).await;
    }
    let client = Client::new(&world);
    let (mut days, mut cursor) = (Vec::new(), String::new());
    for left in (0..2).rev() {
        let page = client.get(&format!("/stats/trend?limit=2{cursor}")).await.expect(200);
        days.extend(ids(page["items"].as_array().unwrap(), "day"));
        assert_eq!(page["cursor"].is_string(), left > 0);
        cursor = format!("&cursor={}", page["cursor"].as_str().unwrap_or_default());
    }
    assert_eq!(days, expected);
}

async fn put_accounts(world: &World, count: usize) -> Vec<String> {
    let ids: Vec<_> = (0..count).map(|n| format!("team-{n:03}")).collect();
    for id in &ids {
        let account = Account { id: id.clone(), ..account() };
        world.store.put_account(&account).await.unwrap();
    }
    ids
}

#[tokio::test(start_paused = true)]
async fn many_accounts_are_started_within_the_time_of_a_request() {
    let world = World::new(&["r1"]).await;
    let mut expected = put_accounts(&world, 99).await;
    expected.insert(0, ACCOUNT.to_owned());
    // Each is asked for its regions first.
    world.vendor.take_time(Duration::from_secs(2));
    let (client, began) = (Client::new(&world), Instant::now());
    let started = client.post("/syncs", &json!({})).await.expect(202);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let mut accounts = Vec::new();
    for id in started["task_ids"].as_array().unwrap() {
        accounts.push(world.task(id.as_str().unwrap()).await.0.account_id);
    }
    assert_eq!(accounts, expected, "in their order");
}

#[tokio::test(start_paused = true)]
async fn only_who_is_named_is_tried_again_after_a_refusal() {
    let world = World::new(&["r1"]).await;
    put_accounts(&world, 1).await;
    let client = Client::new(&world);
    let record = world.store.account(ACCOUNT).await.unwrap().unwrap();
    let refused = cloud_sync_tests::world::secret(cloud_sync_tests::world::SECRET);
    let suspension = Suspension {
        at: world.clock.now(),
        code: "InvalidAccessKeyId".to_owned(),
        reason: "refused".to_owned(),
        task_id: "t".to_owned(),
        credentials_digest: record.account.digest(&refused),
    };
    world.store.suspend(ACCOUNT, &suspension).await.unwrap();
    let is_suspended =
        async || world.store.account(ACCOUNT).await.unwrap().unwrap().suspended.is_some();
    for route in ["/plans", "/syncs"] {
        let started = client.post(route, &json!({})).await.expect(202);
        assert_eq!(started["task_ids"].as_array().unwrap().len(), 1, "the other account's");
        let problem = &started["problems"][0];
        assert_eq!(
            (&problem["account_id"], &problem["code"]),
            (&json!("prod"), &json!("AccountSuspended"))
        );
        assert!(problem["message"].as_str().unwrap().contains("name the account"), "{problem}");
        assert!(is_suspended().await, "{route}");
        world.drain().await;
    }
    client.post("/syncs", &json!({ "account_ids": ["prod"] })).await.expect(202);
    assert!(!is_suspended().await);
    world.drain().await;

    // As on schedule, other credentials end it.
    let other = Suspension { credentials_digest: "of others".to_owned(), ..suspension };
    world.store.suspend(ACCOUNT, &other).await.unwrap();
    let started = client.post("/syncs", &json!({})).await.expect(202);
    assert_eq!((&started["problems"], is_suspended().await), (&json!([]), false));
}

#[tokio::test(start_paused = true)]
async fn only_so_many_wait_at_once() {
    let world = World::new(&["r1"]).await;
    let api = Api::new(world.dispatcher.clone(), Access::Gateway);
    let client = Client::of(Api { waits: Arc::new(Semaphore::new(1)), ..api });
    let began = Instant::now();
    let (waited, refused) = tokio::join!(client.get("/changes?account=prod&wait=5"), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let refused = client.get("/changes?account=prod&wait=5").await;
        client.get("/changes?account=prod").await.expect(200);
        refused
    });
    waited.expect(200);
    assert!(began.elapsed() >= Duration::from_secs(4));
    assert_eq!(refused.headers["retry-after"], "5");
    refused.expect(429);
    client.get("/changes?account=prod&wait=2").await.expect(200);
}

/// A clock that has stopped for good.
struct Broken;

impl Clock for Broken {
    fn now(&self) -> Timestamp {
        panic!("canary: the clock is broken")
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_problem_document_and_logged_once() {
    let world = World::new(&["r1"]).await;
    let api = Api::new(world.dispatcher.clone(), Access::Gateway);
    let client = Client::of(Api { clock: Arc::new(Broken), ..api });
    let (log, _logging) = Log::listen();
    for _ in 0..100 {
        client.post("/syncs", &json!({})).await.expect(500);
        if log.text().contains("panicked") {
            break;
        }
        tracing::callsite::rebuild_interest_cache();
    }
    let logged = log.text();
    let lines: Vec<_> = logged.lines().filter(|line| line.contains("panicked")).collect();
    assert_eq!(lines.len(), 1, "{logged}");
    assert!(lines[0].contains("the clock is broken") && lines[0].contains("request{"), "{logged}");
    client.get("/tasks").await.expect(200);
}

#[tokio::test(start_paused = true)]
async fn what_is_stored_of_a_removed_account_is_shown_to_who_names_it() {
    let world = World::new(&["r1"]).await;
    world.vendor.fill("r1", "i", 2);
    world.sync(Mode::Full).await;
    let client = Client::new(&world);
    client.call(axum::http::Method::DELETE, "/accounts/prod").await.expect(204);
    let items = async |target: &str| {
        let page = client.get(target).await.expect(200);
        page["items"].as_array().unwrap().len()
    };
    assert_eq!(items("/resources?account=prod").await, 2);
    assert_eq!(items("/changes?account=prod").await, 2);
    assert_eq!(items("/resources").await, 0, "it is not synced any more");
    assert_eq!(client.get("/stats").await.expect(200)["total"], 0);
    client.get("/changes?account=nobody").await.expect_wrong_field(422, "account", "no account");
}
