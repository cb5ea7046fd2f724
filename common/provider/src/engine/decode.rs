//! What decoders of items share.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cloud_sync_core::attributes::Attributes;
use cloud_sync_core::listing::Undecodable;
use cloud_sync_core::resource::{Disk, Resource, Status, is_resource_id};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use thiserror::Error;

use super::errors::bounded;
use super::fields::{Item, Tag, tags};
use super::spec::{KindSpec, Statuses};
use crate::Detail;

/// A resource whose JSON is longer is not taken. Nothing real comes near; and
/// a change that holds two of the size still fits a 400 KB item of the tables.
const MOST_JSON: usize = 128 << 10;

/// Ids are parts of keys, which are bounded.
const MOST_ID: usize = 256;

/// Why an item cannot be read.
#[derive(Debug, Error)]
pub(crate) enum Unreadable {
    /// A field is missing or of another type.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// A field has an impossible value.
    #[error("{field} is '{value}', which is not {expected}")]
    Value {
        /// The field's name at the vendor.
        field: &'static str,
        /// What it holds.
        value: String,
        /// What it should hold.
        expected: &'static str,
    },
}

impl Unreadable {
    /// Returns the error of a field.
    pub(crate) fn value(field: &'static str, value: &str, expected: &'static str) -> Self {
        Self::Value { field, value: bounded(value), expected }
    }
}

/// Reads an item of a list as the resource that it is.
pub(crate) fn read_item<T: Item>(item: &str) -> Result<Resource, Unreadable> {
    serde_json::from_str::<T>(item)?.resource()
}

/// Decodes one item of a kind's list.
pub(crate) fn resource(item: &str, spec: &KindSpec) -> Result<Resource, Undecodable> {
    let id = spec.id;
    let undecodable = |message: String| Undecodable { id: id_of(item, id), message };
    let mut resource =
        (spec.decode)(item).map_err(|error| undecodable(bounded(&error.to_string())))?;
    resource.attributes = Attributes::unread(item, spec.typed, spec.attributes);
    resource.is_deferred = spec.secondary.iter().any(|secondary| !secondary.lists_region);
    if spec.secondary.is_empty() {
        // Nothing more is to be learnt.
        resource.data_disks.get_or_insert_default();
    }
    if !is_id(&resource.id) {
        let length = resource.id.len();
        return Err(undecodable(format!("{id} has {length} bytes, expected 1 to {MOST_ID}")));
    }
    // What is kept is hardly ever longer than what came, so this rarely runs.
    if item.len() > MOST_JSON {
        let length = serde_json::to_vec(&resource).map_or(usize::MAX, |json| json.len());
        if length > MOST_JSON {
            let limit = MOST_JSON >> 10;
            return Err(undecodable(format!(
                "it has {length} bytes, more than the {limit} KiB that can be stored; \
                 look for oversize tags or names at the vendor"
            )));
        }
    }
    Ok(resource)
}

/// Tells whether a text is one that the tables have room for as an id.
pub(crate) fn is_id(text: &str) -> bool {
    is_resource_id(text)
}

/// Returns an item's id where that much can be read.
fn id_of(item: &str, field: &str) -> Option<String> {
    let fields: HashMap<String, &RawValue> = serde_json::from_str(item).ok()?;
    let id: String = serde_json::from_str(fields.get(field)?.get()).ok()?;
    is_id(&id).then_some(id)
}

/// Reads `null` as the default.
pub(crate) fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Returns what no typed field holds, in the vendor's own shape.
pub(crate) fn attributes(item: &str, typed: &[&str]) -> Map<String, Value> {
    without_empty(fields_but(item, typed))
}

/// Returns the fields of an object but those of the given names.
///
/// A value that a document cannot hold (half of a surrogate pair, a number
/// beyond all bounds) is kept as the text that it came as: it is no reason to
/// do without the resource.
pub(crate) fn fields_but(item: &str, names: &[&str]) -> Map<String, Value> {
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(item).unwrap_or_default();
    let value = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| text.into());
    let rest = fields.into_iter().filter(|(name, _)| !names.contains(&name.as_str()));
    rest.map(|(name, text)| (name, value(text.get()))).collect()
}

/// Returns a list as a set, without empty texts.
pub(crate) fn set(items: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    items.into_iter().filter(|item| !item.is_empty()).collect()
}

/// Returns the common status for a vendor's word.
pub(crate) fn status_of(statuses: Statuses, word: &str) -> Status {
    let found = statuses.iter().find(|(_, words)| words.contains(&word));
    found.map_or(Status::Unknown, |(status, _)| *status)
}

/// Returns a resource of which only its status is known yet.
pub(crate) fn in_status(statuses: Statuses, word: String) -> Resource {
    let status = status_of(statuses, &word);
    Resource { status, vendor_status: word, ..Resource::default() }
}

/// Returns a disk as a detail of every machine that it is attached to; the
/// names are those of the fields that hold its id and its category.
pub(crate) fn attached(
    disk: Disk,
    (id, category): (&'static str, &'static str),
    machines: impl IntoIterator<Item = String>,
) -> Result<Vec<(String, Detail)>, Unreadable> {
    if !is_id(&disk.id) {
        return Err(Unreadable::value(id, &disk.id, "an id"));
    }
    // It is kept with each of the disk's machines, in items of bounded size.
    if !disk.category.is_empty() && !is_id(&disk.category) {
        return Err(Unreadable::value(category, &disk.category, "a category"));
    }
    let detail = Detail { disks: [disk].into(), ..Detail::default() };
    Ok(set(machines).into_iter().map(|machine| (machine, detail.clone())).collect())
}

/// Reads a tag of the one resource whose tags were asked for.
pub(crate) fn tag_of_one(item: &str) -> Result<Vec<(String, Detail)>, Unreadable> {
    let tag: Tag = serde_json::from_str(item)?;
    Ok(vec![(String::new(), Detail { tags: tags(vec![tag]), ..Detail::default() })])
}

/// Reads a time, `2024-04-14T22:32Z`; none where the text is empty.
pub(crate) fn time(field: &'static str, text: &str) -> Result<Option<Timestamp>, Unreadable> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| Unreadable::value(field, text, "a time"))
}

/// Drops what says nothing: `null`, `""`, `[]`, `{}`, and what holds only
/// those.
pub(crate) fn without_empty(entries: Map<String, Value>) -> Map<String, Value> {
    entries.into_iter().filter_map(|(key, value)| Some((key, non_empty(value)?))).collect()
}

fn non_empty(value: Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::String(text) => (!text.is_empty()).then_some(Value::String(text)),
        Value::Array(items) => {
            let items: Vec<_> = items.into_iter().filter_map(non_empty).collect();
            (!items.is_empty()).then_some(Value::Array(items))
        }
        Value::Object(entries) => {
            let entries = without_empty(entries);
            (!entries.is_empty()).then_some(Value::Object(entries))
        }
        value @ (Value::Bool(_) | Value::Number(_)) => Some(value),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::fields::{Text, Wrapped, objects};
    use crate::engine::spec::{ByIds, Call, IdForm};

    objects! {
        struct Thing {
            "id" => id: String,
            "name" => name: Text,
            "groups" => groups: Wrapped<String>,
        }
    }

    impl Item for Thing {
        fn resource(self) -> Result<Resource, Unreadable> {
            let (id, name, security_groups) = (self.id, self.name.0, set(self.groups.0));
            Ok(Resource { id, name, security_groups, ..Resource::default() })
        }
    }

    const KIND: KindSpec = KindSpec::new::<Thing>(
        "p.s.t",
        Call::new("p", "v", "List"),
        ByIds::new("Ids", IdForm::Commas, 10),
        "id",
    );

    fn read(item: &Value) -> Result<Resource, Undecodable> {
        resource(&item.to_string(), &KIND)
    }

    #[test]
    fn absent_null_and_empty_are_one_value() {
        let plain = read(&json!({ "id": "a" }));
        for empty in [
            json!({ "id": "a", "name": null, "groups": null }),
            json!({ "id": "a", "name": "", "groups": {} }),
            json!({ "id": "a", "groups": { "g": [] } }),
            json!({ "id": "a", "groups": { "g": null } }),
            json!({ "id": "a", "groups": { "g": ["", ""] } }),
        ] {
            assert_eq!(read(&empty), plain, "{empty}");
        }
        assert!(plain.is_ok());
    }

    #[test]
    fn an_item_of_the_wrong_shape_still_shows_its_id() {
        for (item, id) in [
            (json!({ "id": "a", "name": 1 }), Some("a")),
            (json!({ "id": "a", "groups": ["g"] }), Some("a")),
            (json!({ "name": "n" }), None),
            (json!({ "id": 7 }), None),
            (json!({ "id": "" }), None),
            (json!({ "id": "a".repeat(2000) }), None),
            (json!(7), None),
        ] {
            assert_eq!(read(&item).unwrap_err().id.as_deref(), id, "{item}");
        }
    }

    #[test]
    fn what_cannot_be_stored_is_undecodable_and_says_why() {
        let error = read(&json!({ "id": "a", "name": "x".repeat(10 << 20) })).unwrap_err();
        assert_eq!(error.id.as_deref(), Some("a"));
        assert!(error.message.contains("128 KiB") && error.message.len() < 300, "{error:?}");

        let padded = format!("{{ \"id\": \"a\" {} }}", " ".repeat(1 << 20));
        assert!(resource(&padded, &KIND).is_ok(), "only what is kept counts");
    }

    #[test]
    fn what_says_nothing_is_dropped_and_zero_says_something() {
        let value = json!({ "a": "", "b": { "c": [null, {}] }, "d": 0, "e": false, "f": [""] });
        let Value::Object(entries) = value else { unreachable!() };
        assert_eq!(Value::Object(without_empty(entries)), json!({ "d": 0, "e": false }));
    }

    #[test]
    fn a_value_that_no_document_holds_is_kept_as_text() {
        let item = r#"{ "id": "a", "half": "\ud800", "large": 1e999, "zero": 0 }"#;
        let rest = fields_but(item, &["id"]);
        let expected = json!({ "half": r#""\ud800""#, "large": "1e999", "zero": 0 });
        assert_eq!(Value::Object(rest), expected);
    }

    #[test]
    fn a_status_without_a_counterpart_is_unknown() {
        const STATUSES: Statuses =
            &[(Status::Running, &["Running", "Changing"]), (Status::Running, &["Normal"])];
        for word in ["Running", "Changing", "Normal"] {
            assert_eq!(status_of(STATUSES, word), Status::Running);
        }
        assert_eq!(status_of(STATUSES, "Meditating"), Status::Unknown);
    }
}
