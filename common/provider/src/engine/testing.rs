//! What the tests of kinds share: sample replies, read as the engine reads
//! them.

use std::collections::BTreeSet;

use cloud_sync_core::diff::Field;
use cloud_sync_core::listing::Undecodable;
use cloud_sync_core::resource::Resource;
use serde_json::Value;

use super::spec::{Call, KindSpec};
use super::{decode, reply};

/// Returns the fields that are filled in a resource.
pub(crate) fn told(resource: &Resource) -> Vec<Field> {
    let [full, empty] =
        [resource, &Resource::default()].map(|resource| serde_json::to_value(resource).unwrap());
    // Disks that are known to be none are not told by the vendor.
    let is_told = |name: &str| {
        full[name] != empty[name] && full[name].as_array().is_none_or(|items| !items.is_empty())
    };
    Field::ALL.into_iter().filter(|field| is_told(field.as_str())).collect()
}

/// Asserts that a kind declares as tracked what is filled in some of these
/// resources, and nothing else.
pub(crate) fn assert_tracked(kind: &KindSpec, resources: &[Resource]) {
    let told: BTreeSet<Field> = resources.iter().flat_map(told).collect();
    let declared: BTreeSet<Field> = kind.told().into_iter().collect();
    assert_eq!(told, declared, "{}", kind.name);
}

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

/// Returns the resource that an item of a kind is.
pub(crate) fn decoded(kind: &KindSpec, item: &str) -> Result<Resource, Undecodable> {
    decode::resource(item, kind)
}

/// Tells whether an item cannot be read with a field changed.
pub(crate) fn is_refused(kind: &KindSpec, item: &str, field: &str, value: Value) -> bool {
    decoded(kind, &changed(item, field, value)).is_err()
}

/// Returns an item of a sample with a field changed.
pub(crate) fn changed(item: &str, field: &str, value: Value) -> String {
    let mut item: Value = serde_json::from_str(item).unwrap();
    item[field] = value;
    item.to_string()
}
