//! An event bus that is none, records of streams, and the schemas.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_lambda_events::event::dynamodb::Event;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::config::retry::RetryConfig;
use aws_sdk_eventbridge::config::{Credentials, Region};
use cloud_sync_core::document::Document;
use cloud_sync_runtime::notify::MemoryNotifier;
use jsonschema::{Registry, Validator};
use publisher::Publisher;
use publisher::bus::Bus;
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

/// An event bus that takes what it is not told to refuse.
#[derive(Clone, Default)]
pub struct FakeBus {
    /// Each request's entries.
    pub requests: Arc<Mutex<Vec<Vec<Value>>>>,
    /// How often an entry with this word in it is refused from now on.
    pub refusals: Arc<Mutex<HashMap<String, u32>>>,
    /// How many requests are refused as a whole from now on.
    pub outage: Arc<Mutex<u32>>,
}

impl FakeBus {
    pub fn refuse(&self, word: &str, times: u32) {
        self.refusals.lock().unwrap().insert(word.to_owned(), times);
    }

    /// Returns the details of the entries that were put so far, taken or not.
    pub fn details(&self) -> Vec<Value> {
        let requests = self.requests.lock().unwrap();
        requests.iter().flatten().map(detail).collect()
    }

    /// Returns the ids of the resources of what was put so far, and forgets it.
    pub fn ids(&self) -> Vec<String> {
        let ids = self.details().into_iter().map(|detail| detail["resource_id"].to_string());
        let ids = ids.map(|id| id.trim_matches('"').to_owned()).collect();
        self.requests.lock().unwrap().clear();
        ids
    }

    fn refuses(&self, entry: &Value) -> bool {
        let text = entry.to_string();
        let mut refusals = self.refusals.lock().unwrap();
        let left = refusals.iter_mut().find(|(word, left)| text.contains(*word) && **left > 0);
        left.map(|(_, left)| *left -= 1).is_some()
    }
}

fn detail(entry: &Value) -> Value {
    serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap()
}

impl Respond for FakeBus {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        assert_eq!(request.headers["x-amz-target"], "AWSEvents.PutEvents");
        let body: Value = request.body_json().unwrap();
        let entries = body["Entries"].as_array().unwrap().clone();
        self.requests.lock().unwrap().push(entries.clone());
        let mut outage = self.outage.lock().unwrap();
        if *outage > 0 {
            *outage -= 1;
            return ResponseTemplate::new(500)
                .set_body_json(json!({"__type": "InternalException"}));
        }
        let answers: Vec<_> = entries
            .iter()
            .map(|entry| match self.refuses(entry) {
                true => json!({"ErrorCode": "InternalFailure", "ErrorMessage": "not now"}),
                false => json!({"EventId": "e"}),
            })
            .collect();
        let failed = answers.iter().filter(|answer| answer["EventId"].is_null()).count();
        ResponseTemplate::new(200)
            .set_body_json(json!({"FailedEntryCount": failed, "Entries": answers}))
    }
}

/// A publisher to a fake bus.
pub struct Publishing {
    pub bus: FakeBus,
    pub notifier: Arc<MemoryNotifier>,
    pub publisher: Publisher,
    _server: MockServer,
}

impl Publishing {
    pub async fn new() -> Self {
        let (bus, server) = (FakeBus::default(), MockServer::start().await);
        Mock::given(wiremock::matchers::any()).respond_with(bus.clone()).mount(&server).await;
        let config = aws_sdk_eventbridge::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .endpoint_url(server.uri())
            .retry_config(RetryConfig::disabled())
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .build();
        let notifier = Arc::new(MemoryNotifier::default());
        let client = Bus::new(Client::from_conf(config), "cloud-sync-events")
            .with_first_wait(Duration::from_millis(1));
        let publisher = Publisher::new(client, notifier.clone());
        Self { bus, notifier, publisher, _server: server }
    }

    /// Gives records to the function, and returns from which on they come
    /// again.
    pub async fn publish(&self, records: &[Value]) -> Vec<String> {
        let event: Event = serde_json::from_value(json!({ "Records": records })).unwrap();
        let answer = publisher::event::handle(&self.publisher, event).await;
        let failures = answer.batch_item_failures.into_iter();
        failures.map(|failure| failure.item_identifier.unwrap()).collect()
    }
}

/// Returns a record as Lambda gets it from a table's stream.
pub fn record(table: &str, number: usize, new: &Value, old: &Value) -> Value {
    let arn = "arn:aws:dynamodb:eu-west-1:1:table";
    let name = if old.is_null() { "INSERT" } else { "MODIFY" };
    json!({
        "eventID": format!("{table}-{number}"), "eventName": name, "eventVersion": "1.1",
        "eventSource": "aws:dynamodb", "awsRegion": "eu-west-1",
        "eventSourceARN": format!("{arn}/cloud-sync-{table}/stream/2026-11-23T10:15:00.000"),
        "dynamodb": {
            "ApproximateCreationDateTime": 1_795_428_900.0, "Keys": {},
            "NewImage": new, "OldImage": old,
            "SequenceNumber": number.to_string(), "SizeBytes": 1, "StreamViewType": "NEW_IMAGE",
        },
    })
}

/// Returns an item in the form that streams have it in.
pub fn image(item: &HashMap<String, AttributeValue>) -> Value {
    item.iter().map(|(name, value)| (name.clone(), attribute(value))).collect()
}

fn attribute(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::Bool(is) => json!({ "BOOL": is }),
        AttributeValue::Null(is) => json!({ "NULL": is }),
        AttributeValue::L(list) => json!({ "L": list.iter().map(attribute).collect::<Vec<_>>() }),
        AttributeValue::M(map) => json!({ "M": image(map) }),
        AttributeValue::Ss(texts) => json!({ "SS": texts }),
        other => panic!("no table has {other:?}"),
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/events")
}

/// Returns where the example of a detail type is.
pub fn example(document: &Document) -> PathBuf {
    folder().join("examples").join(format!("{}.json", file_name(document)))
}

/// Returns what a detail type's files are called.
fn file_name(document: &Document) -> String {
    document.detail_type.as_str().to_lowercase().replace(' ', "-")
}

fn schema(name: &str) -> Value {
    let path = folder().join(format!("{name}.schema.json"));
    let text = std::fs::read_to_string(&path);
    serde_json::from_str(&text.unwrap_or_else(|error| panic!("{}: {error}", path.display())))
        .unwrap()
}

/// Asserts that a document is what its schema says, and that the schema says
/// all that is in it.
pub fn assert_valid(document: &Document) {
    let mut all = Registry::new();
    for shared in ["document", "resource-change"] {
        let schema = schema(shared);
        let id = schema["$id"].as_str().unwrap().to_owned();
        all = all.add(id, schema).unwrap();
    }
    let all = all.prepare().unwrap();
    let mut schema = schema(&file_name(document));
    // Who reads documents has to expect more properties; who tests them not.
    schema["unevaluatedProperties"] = Value::Bool(false);
    let validator: Validator = jsonschema::options()
        .should_validate_formats(true)
        .with_registry(&all)
        .build(&schema)
        .unwrap();
    let detail = serde_json::to_value(&document.detail).unwrap();
    let problems: Vec<_> = validator
        .iter_errors(&detail)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert_eq!(problems, [""; 0], "{detail:#}");
}
