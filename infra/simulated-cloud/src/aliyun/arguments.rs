//! What the products of managed resources have in common: filters, times,
//! tags and pages.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::ecs::filter::has_tags;
use super::paging::{Listed, Paging};
use super::rpc::Asked;
use crate::front::listing::Source;
use crate::world::Family;
use crate::world::managed::Managed;
use crate::world::model::{Holding, Minute, Tag};
use crate::world::words;

/// A filter: the parameter, and what a resource has there.
pub(super) type Field = (&'static str, Read);

/// Reads what a resource has in a field.
type Read = fn(&Holding, &Managed) -> String;

/// What a call lists.
pub(super) struct Listing<'a> {
    pub family: Family,
    /// The ids asked for, if any are.
    pub ids: Option<Vec<String>>,
    /// Filters that compare a parameter with what a resource has.
    pub fields: &'a [Field],
    /// The tags asked for.
    pub tags: Vec<(String, Option<String>)>,
}

impl Listing<'_> {
    /// Returns a page of what is asked for.
    pub(super) fn page<'h>(
        &self,
        asked: &Asked<'_>,
        holding: &'h Holding,
        paging: &Paging,
    ) -> Listed<'h, Managed> {
        let wanted: Vec<(&str, Read)> = self
            .fields
            .iter()
            .filter_map(|(name, field)| Some((asked.params.given(name)?, *field)))
            .collect();
        let find = |ids: &Vec<String>| -> BTreeSet<u64> {
            ids.iter().filter_map(|id| holding.find_managed(self.family, id)).collect()
        };
        let source = Source {
            all: holding.managed(self.family),
            only: asked.visible(self.ids.as_ref().map(find)),
            filtered: !(wanted.is_empty() && self.tags.is_empty()),
            most: usize::MAX,
            matches: |_, managed: &Managed| {
                wanted.iter().all(|(value, field)| field(holding, managed) == *value)
                    && has_tags(managed.tags(), &self.tags)
            },
        };
        paging.list(&source, asked)
    }
}

/// Returns the vendor's word for the state of a resource.
pub(super) fn status(holding: &Holding, family: Family, managed: &Managed) -> &'static str {
    (words::of(holding.region).status)(family, managed)
}

/// Returns the vendor's word for the class of a resource.
pub(super) fn spec(holding: &Holding, family: Family, managed: &Managed) -> String {
    (words::of(holding.region).spec)(family, managed)
}

/// Returns the engine of a resource and its version.
pub(super) fn engine(
    holding: &Holding,
    family: Family,
    managed: &Managed,
) -> (&'static str, &'static str) {
    (words::of(holding.region).engine)(family, managed)
}

/// Writes a time as products beside ECS do: `2024-04-14T22:32:00Z`.
pub(super) fn time(minute: Minute) -> String {
    let time = Timestamp::from_second(minute.saturating_mul(60)).unwrap_or(Timestamp::UNIX_EPOCH);
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Writes when a subscription ends; empty without one.
pub(super) fn expiry(managed: &Managed) -> String {
    managed.expires.map(time).unwrap_or_default()
}

/// Adds a resource's tags, if the vendor writes the field at all.
pub(super) fn put_tags(view: &mut Value, tags: Option<&[Tag]>, (key, value): (&str, &str)) {
    let Some(tags) = tags else { return };
    let each = tags.iter().map(|(name, with)| {
        let pair = [(key.to_owned(), json!(name)), (value.to_owned(), json!(with))];
        Value::Object(Map::from_iter(pair))
    });
    view["Tags"] = json!({ "Tag": each.collect::<Vec<_>>() });
}

/// Puts a huge tag into an item, where tags are written `Key` and `Value`.
pub(super) fn huge_tag(item: &mut Value, key: &str, value: String) {
    item["Tags"] = json!({ "Tag": [{ "Key": key, "Value": value }] });
}

/// Puts a huge tag into an item, where tags are written `TagKey` and
/// `TagValue`.
pub(super) fn huge_tag_key(item: &mut Value, key: &str, value: String) {
    item["Tags"] = json!({ "Tag": [{ "TagKey": key, "TagValue": value }] });
}
