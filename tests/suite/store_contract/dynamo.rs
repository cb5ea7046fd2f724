//! What only DynamoDB does: answers in part, throttles, is out of reach,
//! expires items and streams them.

use std::sync::atomic::{AtomicUsize, Ordering};

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, BillingMode, StreamViewType, TimeToLiveStatus};
use cloud_sync_runtime::store::dynamo::DynamoStore;
use cloud_sync_runtime::store::tables::{create_tables, tables};
use cloud_sync_runtime::store::{
    AccountStore, ChangeStore, ResourceStore, ScopeStore, StoreError, TaskStore,
};
use cloud_sync_tests::dynamodb::{dynamodb_at, embedded_dynamodb};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use super::fixtures::{at, change, lease, row, scope, task};

/// A DynamoDB that does only a part of every batch.
struct InPart {
    most: usize,
    done: AtomicUsize,
}

impl InPart {
    fn answer(&self, body: &Value) -> Value {
        let (table, wanted) = body["RequestItems"].as_object().unwrap().iter().next().unwrap();
        if let Some(writes) = wanted.as_array() {
            let (now, later) = writes.split_at(writes.len().min(self.most));
            self.done.fetch_add(now.len(), Ordering::Relaxed);
            let left = if later.is_empty() { json!({}) } else { json!({ table: later }) };
            return json!({ "UnprocessedItems": left });
        }
        let keys = wanted["Keys"].as_array().unwrap();
        let (now, later) = keys.split_at(keys.len().min(self.most));
        self.done.fetch_add(now.len(), Ordering::Relaxed);
        let left = if later.is_empty() { json!({}) } else { json!({ table: { "Keys": later } }) };
        json!({ "Responses": { table: [] }, "UnprocessedKeys": left })
    }
}

impl Respond for &'static InPart {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let body = self.answer(&request.body_json().unwrap());
        ResponseTemplate::new(200).set_body_raw(body.to_string(), "application/x-amz-json-1.0")
    }
}

/// Starts a server that answers everything in one way.
async fn answering(how: impl Respond + 'static) -> (MockServer, DynamoStore) {
    let server = MockServer::start().await;
    Mock::given(wiremock::matchers::any()).respond_with(how).mount(&server).await;
    let store = DynamoStore::new(impatient(&server.uri()), "t-");
    (server, store)
}

/// Returns a client that does not retry by itself.
fn impatient(url: &str) -> Client {
    let config = aws_sdk_dynamodb::config::Builder::from(&dynamodb_at(url))
        .retry_config(RetryConfig::disabled())
        .build();
    Client::from_conf(config)
}

/// Returns an embedded DynamoDB with the tables `t-…` in it.
async fn prepared() -> (SdkConfig, DynamoStore) {
    let config = embedded_dynamodb().await;
    create_tables(&Client::new(&config), "t-").await.unwrap();
    let store = DynamoStore::connect(&config, "t-");
    (config, store)
}

async fn items(
    config: &SdkConfig,
    table: &str,
) -> Vec<std::collections::HashMap<String, AttributeValue>> {
    Client::new(config).scan().table_name(table).send().await.unwrap().items.unwrap()
}

#[tokio::test]
async fn what_a_batch_leaves_undone_is_sent_again() {
    let in_part: &'static InPart = Box::leak(Box::new(InPart { most: 7, done: 0.into() }));
    let (_server, store) = answering(in_part).await;
    let scope = scope("prod", "cn-hangzhou");
    let rows: Vec<_> = (0..60).map(|n| row(&scope, &format!("i-{n}"))).collect();
    store.put_rows(&rows, 30).await.unwrap();
    assert_eq!(in_part.done.swap(0, Ordering::Relaxed), 60, "each row is written once");

    let ids: Vec<_> = rows.iter().take(40).map(|row| row.resource.id.clone()).collect();
    store.rows(&scope, &ids).await.unwrap();
    assert_eq!(in_part.done.load(Ordering::Relaxed), 40, "each row is read once");
}

#[tokio::test]
async fn a_throttled_request_is_worth_another_try_and_says_which() {
    let body = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException",
        "message": "Rate of requests exceeds the allowed throughput.",
    });
    let throttled = ResponseTemplate::new(400).set_body_json(body);
    let (_server, store) = answering(throttled).await;
    let error = store.account("prod").await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    let text = error.to_string();
    for part in ["reading an account", "t-accounts", "ThrottlingException", "Rate of requests"] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
}

#[tokio::test]
async fn a_store_out_of_reach_is_unavailable() {
    let store = DynamoStore::new(impatient("http://127.0.0.1:1"), "t-");
    let error = store.open_tasks().await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    assert!(error.to_string().contains("t-tasks"), "{error}");
}

#[tokio::test]
async fn a_missing_table_is_refused_by_name() {
    let store = DynamoStore::connect(&embedded_dynamodb().await, "nowhere-");
    let error = store.scopes("prod").await.unwrap_err();
    assert!(matches!(error, StoreError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("nowhere-scopes"), "{error}");
}

#[tokio::test]
async fn tables_are_created_once_with_ttl_and_stream() {
    let (config, _) = prepared().await;
    let client = Client::new(&config);
    create_tables(&client, "t-").await.unwrap();
    for definition in tables() {
        let name = format!("t-{}", definition.table.suffix());
        let found = client.describe_table().table_name(&name).send().await.unwrap();
        let found = found.table().unwrap();
        let billing = found.billing_mode_summary().and_then(|summary| summary.billing_mode());
        assert_eq!(billing, Some(&BillingMode::PayPerRequest), "{name}");
        let stream = found.stream_specification().and_then(|stream| stream.stream_view_type());
        let expected = definition.stream.map(|view| StreamViewType::from(view.as_str()));
        assert_eq!(stream, expected.as_ref(), "{name}");
        let ttl = client.describe_time_to_live().table_name(&name).send().await.unwrap();
        let ttl = ttl.time_to_live_description().unwrap();
        let enabled = ttl.time_to_live_status() == Some(&TimeToLiveStatus::Enabled);
        assert_eq!(enabled.then(|| ttl.attribute_name()).flatten(), definition.ttl, "{name}");
    }
}

#[tokio::test]
async fn a_table_of_another_program_is_not_taken_for_ours() {
    let config = embedded_dynamodb().await;
    let client = Client::new(&config);
    create_tables(&client, "t-").await.unwrap();
    client.delete_table().table_name("t-resources").send().await.unwrap();
    let other = tables().into_iter().find(|one| one.table.suffix() == "accounts").unwrap();
    let key = aws_sdk_dynamodb::types::KeySchemaElement::builder()
        .attribute_name(other.partition.name)
        .key_type(aws_sdk_dynamodb::types::KeyType::Hash)
        .build()
        .unwrap();
    let attribute = aws_sdk_dynamodb::types::AttributeDefinition::builder()
        .attribute_name(other.partition.name)
        .attribute_type("S".into())
        .build()
        .unwrap();
    let create = client.create_table().table_name("t-resources").key_schema(key);
    let create = create.attribute_definitions(attribute).billing_mode(BillingMode::PayPerRequest);
    create.send().await.unwrap();
    let error = create_tables(&client, "t-").await.unwrap_err();
    assert!(matches!(error, StoreError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("t-resources"), "{error}");
}

#[tokio::test]
async fn what_is_not_kept_for_ever_says_until_when() {
    let (config, store) = prepared().await;
    let scope = scope("prod", "cn-hangzhou");
    let held = lease(&store, &scope, "a", "t", 0).await;
    store.put_part(&held, "t", &[1]).await.unwrap();
    store.create_task(&task("t", "prod", 0)).await.unwrap();
    store.put_changes(&[change(&scope, "i-1", 1, "t", 0)]).await.unwrap();

    let days = |count: i64| at(0).as_second() + count * 24 * 60 * 60;
    for (table, expected) in [("t-tasks", days(180)), ("t-changes", days(180))] {
        let found = items(&config, table).await;
        assert_eq!(found[0]["ttl"], AttributeValue::N(expected.to_string()), "{table}");
    }
    let found = items(&config, "t-scopes").await;
    let ttl = |part: bool| {
        let item = found.iter().find(|item| item.contains_key("bytes") == part).unwrap();
        item.get("ttl").cloned()
    };
    assert_eq!(ttl(false), None, "a scope stays");
    let expected = (days(3) + 100).to_string();
    assert_eq!(ttl(true), Some(AttributeValue::N(expected)), "from the end of the lease");
}

#[tokio::test]
async fn a_part_that_was_tampered_with_is_noticed() {
    let (config, store) = prepared().await;
    let scope = scope("prod", "cn-hangzhou");
    let held = lease(&store, &scope, "a", "t", 0).await;
    let name = store.put_part(&held, "t", &[1, 2, 3]).await.unwrap();
    let found = items(&config, "t-scopes").await;
    let mut part = found.into_iter().find(|item| item.contains_key("bytes")).unwrap();
    part.insert("bytes".into(), AttributeValue::B(Blob::new([1, 2, 4])));
    let put = Client::new(&config).put_item().table_name("t-scopes").set_item(Some(part));
    put.send().await.unwrap();
    let broken = store.part(&scope, "t", &name).await;
    assert!(matches!(broken, Err(StoreError::Corrupt { .. })), "{broken:?}");
}
