//! What tests of kinds share: a sample reply, read as the engine reads one.

use std::collections::BTreeSet;

use cloud_sync_core::diff::Field;
use cloud_sync_core::resource::Resource;
use serde_json::Value;

use super::decode;
use super::reply;
use super::spec::{Call, KindSpec};

/// Returns the items of a sample reply of a call, as JSON.
pub(crate) fn items(call: &Call, sample: &str) -> Vec<String> {
    let body = reply::as_json(call, sample.as_bytes()).unwrap();
    let found = reply::read(call, &body).unwrap();
    found.items.iter().map(|item| item.get().to_owned()).collect()
}

/// Returns the resources of a sample of a kind's list.
pub(crate) fn resources(kind: &KindSpec, sample: &str) -> Vec<Resource> {
    items(&kind.list, sample).iter().map(|item| decode::resource(item, kind).unwrap()).collect()
}

/// Returns an item of a sample with a field changed.
pub(crate) fn changed(item: &str, field: &str, value: Value) -> String {
    let mut item: Value = serde_json::from_str(item).unwrap();
    item[field] = value;
    item.to_string()
}

/// Asserts that a kind declares as tracked what its vendor tells of some
/// resource of a sample, and nothing else.
pub(crate) fn assert_tracked(kind: &KindSpec, resources: &[Resource]) {
    let documents: Vec<Value> =
        resources.iter().map(|resource| serde_json::to_value(resource).unwrap()).collect();
    let is_told = |field: &Field| {
        documents.iter().any(|document| match &document[field.as_str()] {
            Value::Null => false,
            Value::String(text) => {
                !text.is_empty() && !(*field == Field::Status && text == "unknown")
            }
            Value::Array(items) => !items.is_empty(),
            Value::Object(entries) => !entries.is_empty(),
            Value::Bool(_) | Value::Number(_) => true,
        })
    };
    let told: BTreeSet<Field> = Field::ALL.into_iter().filter(is_told).collect();
    let declared: BTreeSet<Field> = kind.tracked.iter().copied().collect();
    assert_eq!(told, declared, "{}", kind.name);
}
