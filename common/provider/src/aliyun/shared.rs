//! What the decoders of the vendor's kinds share.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

use crate::engine::decode::{Unreadable, nullable, time};

/// A tag. Some products call its parts `TagKey` and `TagValue`.
#[derive(Deserialize)]
pub(super) struct Tag {
    #[serde(rename = "Key", alias = "TagKey", default, deserialize_with = "nullable")]
    key: String,
    #[serde(rename = "Value", alias = "TagValue", default, deserialize_with = "nullable")]
    value: String,
}

/// Returns tags by their keys. A tag without a key has nothing to be known by.
pub(super) fn tags(tags: Vec<Tag>) -> BTreeMap<String, String> {
    let with_key = tags.into_iter().filter(|tag| !tag.key.is_empty());
    with_key.map(|tag| (tag.key, tag.value)).collect()
}

/// Reads when a subscription ends. What is paid for as it is used has an end
/// in a far century, or none.
pub(super) fn expiry(
    field: &'static str,
    text: &str,
    charge_type: &str,
) -> Result<Option<Timestamp>, Unreadable> {
    match charge_type {
        "PrePaid" | "Prepaid" => time(field, text),
        _ => Ok(None),
    }
}
