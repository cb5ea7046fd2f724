//! The publisher function, given batches of the tables' streams.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use cloud_sync_core::account::Suspension;
use cloud_sync_core::change::{Change, ChangeKind};
use cloud_sync_core::diff::{Field, FieldChange};
use cloud_sync_core::document::Document;
use cloud_sync_core::resource::Resource;
use cloud_sync_core::task::{SyncTask, TaskStatus};
use cloud_sync_runtime::store::dynamo::DynamoStore;
use cloud_sync_runtime::store::tables::create_tables;
use cloud_sync_runtime::store::{AccountStore, ChangeStore, TaskStore};
use cloud_sync_tests::dynamodb::embedded_dynamodb;
use cloud_sync_tests::vendor::machine;
use cloud_sync_tests::world::{ACCOUNT, account, kind, scope};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::support::{Publishing, image, record};

const TIME: &str = "2026-11-23T10:15:00Z";

fn time() -> Timestamp {
    TIME.parse().unwrap()
}

fn change(id: &str) -> Change {
    let machine = machine(id);
    Change {
        scope: scope("cn-hangzhou"),
        id: id.to_owned(),
        version: 1,
        change: ChangeKind::Added,
        fields: cloud_sync_core::diff::diff(&Resource::default(), &machine),
        task_id: "t".to_owned(),
        at: time(),
    }
}

/// Returns the records of a batch of changes, numbered from 100.
fn changes<'a>(ids: impl IntoIterator<Item = &'a str>) -> Vec<Value> {
    let minimal = |id: &str| {
        json!({
            "account_id": {"S": ACCOUNT}, "kind": {"S": kind().as_str()},
            "region": {"S": "cn-hangzhou"}, "id": {"S": id}, "version": {"N": "1"},
            "change": {"S": "added"}, "fields": {"M": {}}, "task_id": {"S": "t"},
            "at": {"S": TIME},
        })
    };
    ids.into_iter()
        .enumerate()
        .map(|(n, id)| record("changes", 100 + n, &minimal(id), &Value::Null))
        .collect()
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("i-{n:02}")).collect()
}

/// The tables, embedded.
struct Tables {
    client: Client,
    store: DynamoStore,
}

impl Tables {
    async fn new() -> Self {
        let config = embedded_dynamodb().await;
        let client = Client::new(&config);
        create_tables(&client, "t-").await.unwrap();
        Self { store: DynamoStore::connect(&config, "t-"), client }
    }

    /// Returns the one item of a table, as its stream would have it.
    async fn image(&self, table: &str) -> Value {
        let scan = self.client.scan().table_name(format!("t-{table}")).send().await.unwrap();
        let items: Vec<HashMap<String, AttributeValue>> = scan.items.unwrap();
        assert_eq!(items.len(), 1, "{items:?}");
        image(&items[0])
    }
}

#[tokio::test]
async fn what_the_store_writes_is_told_as_it_is() {
    let (tables, publishing) = (Tables::new().await, Publishing::new().await);
    let change = Change { id: "i-生产".to_owned(), ..change("i-1") };
    tables.store.put_changes(std::slice::from_ref(&change)).await.unwrap();
    let records = [record("changes", 1, &tables.image("changes").await, &Value::Null)];
    assert_eq!(publishing.publish(&records).await, [""; 0]);
    let request = publishing.bus.requests.lock().unwrap()[0][0].clone();
    assert_eq!(request["EventBusName"], "cloud-sync-events");
    assert_eq!(
        (&request["Source"], &request["DetailType"]),
        (&json!("cloud-sync"), &json!("Resource Added"))
    );
    let detail = serde_json::to_value(Document::of_change(&change).detail).unwrap();
    assert_eq!(publishing.bus.details(), [detail]);
}

#[tokio::test]
async fn a_task_is_told_of_once_when_it_has_ended() {
    let (tables, publishing) = (Tables::new().await, Publishing::new().await);
    let task = SyncTask::new("t".into(), ACCOUNT, kind(), vec!["r1".into()], time());
    assert!(tables.store.create_task(&task).await.unwrap());
    let pending = tables.image("tasks").await;
    let ended = SyncTask { status: TaskStatus::Success, end_time: Some(time()), ..task.clone() };
    assert!(tables.store.update_task(&ended).await.unwrap());
    let done = tables.image("tasks").await;
    let records = [
        record("tasks", 1, &pending, &Value::Null),
        record("tasks", 2, &done, &pending),
        record("tasks", 3, &done, &done),
    ];
    assert_eq!(publishing.publish(&records).await, [""; 0]);
    let detail = serde_json::to_value(Document::of_task(&ended).unwrap().detail).unwrap();
    assert_eq!(publishing.bus.details(), [detail]);
}

#[tokio::test]
async fn a_suspension_is_told_of_once_and_without_the_digest_of_the_credentials() {
    let (tables, publishing) = (Tables::new().await, Publishing::new().await);
    tables.store.put_account(&account()).await.unwrap();
    let before = tables.image("accounts").await;
    let suspension = Suspension {
        at: time(),
        code: "Forbidden".into(),
        reason: "no".into(),
        task_id: "t".into(),
        credentials_digest: "canary-digest".into(),
    };
    assert!(tables.store.suspend(ACCOUNT, &suspension).await.unwrap());
    let after = tables.image("accounts").await;
    let records = [record("accounts", 1, &after, &before), record("accounts", 2, &after, &after)];
    assert_eq!(publishing.publish(&records).await, [""; 0]);
    let details = publishing.bus.details();
    assert_eq!(details.len(), 1, "{details:?}");
    assert_eq!(
        (&details[0]["account_id"], &details[0]["code"]),
        (&json!(ACCOUNT), &json!("Forbidden"))
    );
    assert!(!details[0].to_string().contains("canary"), "{details:?}");
}

#[tokio::test]
async fn a_request_has_at_most_ten_entries_and_256_kib() {
    let publishing = Publishing::new().await;
    let ids = names(23);
    assert_eq!(publishing.publish(&changes(ids.iter().map(String::as_str))).await, [""; 0]);
    let sizes = |publishing: &Publishing| -> Vec<usize> {
        publishing.bus.requests.lock().unwrap().iter().map(Vec::len).collect()
    };
    assert_eq!(sizes(&publishing), [10, 10, 3]);
    assert_eq!(publishing.bus.ids(), ids);

    let tables = Tables::new().await;
    let mut change = change("i-1");
    let (old, new) = (Value::Null, json!("x".repeat(100_000)));
    change.fields.insert(Field::Name, FieldChange { old, new });
    tables.store.put_changes(&[change]).await.unwrap();
    let image = tables.image("changes").await;
    let large: Vec<_> = (0..5).map(|n| record("changes", n, &image, &Value::Null)).collect();
    assert_eq!(publishing.publish(&large).await, [""; 0]);
    assert_eq!(sizes(&publishing), [2, 2, 1]);
}

#[tokio::test]
async fn what_the_bus_does_not_take_at_first_is_put_again_and_nothing_else_is() {
    let publishing = Publishing::new().await;
    publishing.bus.refuse("i-1", 2);
    assert_eq!(publishing.publish(&changes(["i-0", "i-1", "i-2"])).await, [""; 0]);
    assert_eq!(publishing.bus.ids(), ["i-0", "i-1", "i-2", "i-1", "i-1"]);

    *publishing.bus.outage.lock().unwrap() = 2;
    assert_eq!(publishing.publish(&changes(["i-0"])).await, [""; 0]);
    assert_eq!(publishing.bus.ids(), ["i-0"; 3]);
}

#[tokio::test]
async fn a_batch_comes_again_from_the_first_that_the_bus_never_took_and_none_is_told_twice() {
    let publishing = Publishing::new().await;
    let ids = names(15);
    let records = changes(ids.iter().map(String::as_str));
    publishing.bus.refuse("i-03", u32::MAX);
    publishing.bus.refuse("i-07", u32::MAX);
    assert_eq!(publishing.publish(&records).await, ["103"], "the lowest sequence number");
    let told = publishing.bus.ids();
    assert!(!told.contains(&"i-12".to_owned()), "what follows waits: {told:?}");

    publishing.bus.refuse("i-03", 0);
    publishing.bus.refuse("i-07", 0);
    assert_eq!(publishing.publish(&records[3..]).await, [""; 0]);
    let rest = ["i-03", "i-07", "i-10", "i-11", "i-12", "i-13", "i-14"];
    assert_eq!(publishing.bus.ids(), rest);
}

#[tokio::test]
async fn what_cannot_be_read_is_told_to_the_operators_and_holds_up_nothing() {
    let publishing = Publishing::new().await;
    let mut records = changes(["i-0", "i-1", "i-2"]);
    records[1]["dynamodb"]["NewImage"]["version"] = json!({"S": "one"});
    assert_eq!(publishing.publish(&records).await, [""; 0]);
    assert_eq!(publishing.bus.ids(), ["i-0", "i-2"]);
    let notices = publishing.notifier.notices();
    assert_eq!(notices.len(), 1, "{notices:?}");
    for part in ["table of changes", "sequence number 101"] {
        assert!(notices[0].text.contains(part), "{part} in {}", notices[0].text);
    }
}

#[tokio::test]
async fn what_outlived_its_time_is_no_news() {
    let publishing = Publishing::new().await;
    let mut records = changes(["i-0"]);
    records[0]["eventName"] = json!("REMOVE");
    let image = records[0]["dynamodb"]["NewImage"].take();
    records[0]["dynamodb"]["OldImage"] = image;
    assert_eq!(publishing.publish(&records).await, [""; 0]);
    assert_eq!(publishing.bus.requests.lock().unwrap().len(), 0);
    assert_eq!(publishing.notifier.notices(), []);
}

#[tokio::test]
async fn the_events_for_local_invocation_are_told_of() {
    let told = async |name: &str| {
        let publishing = Publishing::new().await;
        let event: Value = serde_json::from_str(&crate::events::event(name)).unwrap();
        assert_eq!(publishing.publish(event["Records"].as_array().unwrap()).await, [""; 0]);
        assert_eq!(publishing.notifier.notices(), [], "{name}");
        let requests = publishing.bus.requests.lock().unwrap();
        let types = requests.iter().flatten().map(|entry| entry["DetailType"].clone());
        types.collect::<Vec<_>>()
    };
    let changes = ["Resource Added", "Resource Updated", "Resource Deleted"];
    assert_eq!(told("stream-changes").await, changes, "and what was removed is no news");
    assert_eq!(told("stream-tasks").await, ["Sync Task Completed"]);
    assert_eq!(told("stream-accounts").await, ["Account Suspended"]);
}
