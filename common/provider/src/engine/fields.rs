//! What is read of a vendor's objects, a line a field.
//!
//! Absent, `null`, empty and `[]` are one value in vendors' replies; a value
//! of another type is an error, and the error of one item only.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use cloud_sync_core::resource::Resource;
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::decode::Unreadable;

/// An object of a vendor's, as [`objects!`] declares it.
pub(crate) trait Object: DeserializeOwned {
    /// The fields that are no attributes of a resource.
    const TYPED: &'static [&'static str];
}

/// An object that a list is of.
pub(crate) trait Item: Object {
    /// Returns the resource that it is. What the secondary calls tell is left
    /// unknown.
    ///
    /// # Errors
    ///
    /// A field has an impossible value.
    fn resource(self) -> Result<Resource, Unreadable>;
}

/// Declares objects: what the vendor calls a field, what it is called here,
/// and its type. One that is no [`Maybe`], list or `Option` has to be there.
///
/// What is read of an item is no attribute; `keeping` has what is one all the
/// same, and `dropping` what is neither read nor kept.
macro_rules! objects {
    ($(
        $(#[$about:meta])*
        struct $object:ident { $($name:literal => $field:ident: $type:ty),* $(,)? }
        $(keeping { $($kept:literal => $kept_field:ident: $kept_type:ty),* $(,)? })?
        $(dropping { $($dropped:literal),* $(,)? })?
    )*) => {$(
        $(#[$about])*
        #[derive(Default, serde::Deserialize)]
        struct $object {
            $(#[serde(rename = $name)] $field: $type,)*
            $($(#[serde(rename = $kept)] $kept_field: $kept_type,)*)?
        }

        impl $crate::engine::fields::Object for $object {
            const TYPED: &'static [&'static str] = &[$($name,)* $($($dropped,)*)?];
        }
    )*};
}

pub(crate) use objects;

/// A field that has its default where it is absent or `null`.
#[derive(Debug, Default)]
pub(crate) struct Maybe<T>(pub T);

/// A text that may be absent or `null`.
pub(crate) type Text = Maybe<String>;

/// A list that may be absent or `null`.
pub(crate) type List<T> = Maybe<Vec<T>>;

impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for Maybe<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(|value| Self(value.unwrap_or_default()))
    }
}

impl<T> Deref for Maybe<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// A list that is wrapped in an object, `{"Tag": […]}`, whatever the wrapper's
/// field is called.
#[derive(Debug, Default)]
pub(crate) struct Wrapped<T>(pub Vec<T>);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Wrapped<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrapper = Option::<Wrapper<T>>::deserialize(deserializer)?;
        Ok(Self(wrapper.map(|wrapper| wrapper.0).unwrap_or_default()))
    }
}

struct Wrapper<T>(Vec<T>);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Wrapper<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);

        impl<'de, T: DeserializeOwned> Visitor<'de> for Fields<T> {
            type Value = Vec<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object that holds a list")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<T>, A::Error> {
                let mut items = Vec::new();
                while map.next_key::<IgnoredAny>()?.is_some() {
                    items.extend(map.next_value::<Option<Vec<T>>>()?.unwrap_or_default());
                }
                Ok(items)
            }
        }

        deserializer.deserialize_map(Fields(PhantomData)).map(Self)
    }
}

/// A list of XML elements of one name: `{"item": […]}`, of one element
/// `{"item": …}`, of none `null` or the blanks that it is laid out with.
#[derive(Debug, Default)]
pub(crate) struct Elements<T>(pub Vec<T>);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Elements<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Element<T> {
            Many(Vec<T>),
            One(T),
        }

        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Elements<T> {
            Of(BTreeMap<String, Element<T>>),
            Blank(String),
        }

        let items = |element| match element {
            Element::Many(many) => many,
            Element::One(one) => vec![one],
        };
        match Option::<Elements<T>>::deserialize(deserializer)? {
            Some(Elements::Of(elements)) => {
                Ok(Self(elements.into_values().flat_map(items).collect()))
            }
            Some(Elements::Blank(text)) if !text.trim().is_empty() => {
                Err(serde::de::Error::custom("expected a list of elements, not a text"))
            }
            Some(Elements::Blank(_)) | None => Ok(Self(Vec::new())),
        }
    }
}

/// A tag. Vendors, and products of one vendor, spell its parts in several
/// ways.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Tag {
    #[serde(alias = "Key", alias = "TagKey")]
    pub key: Text,
    #[serde(alias = "Value", alias = "TagValue")]
    pub value: Text,
}

/// Returns tags by their keys. A tag without a key has nothing to be known by.
pub(crate) fn tags(tags: Vec<Tag>) -> BTreeMap<String, String> {
    let with_key = tags.into_iter().filter(|tag| !tag.key.is_empty());
    with_key.map(|tag| (tag.key.0, tag.value.0)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    objects! {
        struct Thing {
            "thingId" => id: String,
            "OS:name" => name: Text,
            "Size" => size: Option<u64>,
            "Names" => names: List<String>,
            "Tags" => tags: Wrapped<Tag>,
            "Parts" => parts: Elements<Part>,
        }
        keeping { "Place" => place: Maybe<Part> }
        dropping { "updated", "Region" }

        struct Part { "n" => number: Text }
    }

    fn read(item: &serde_json::Value) -> Result<Thing, serde_json::Error> {
        serde_json::from_str(&item.to_string())
    }

    #[test]
    fn what_is_read_or_dropped_is_no_attribute_and_what_is_kept_is_one() {
        let typed = ["thingId", "OS:name", "Size", "Names", "Tags", "Parts", "updated", "Region"];
        assert_eq!(Thing::TYPED, typed);
        assert_eq!(Part::TYPED, ["n"]);
    }

    #[test]
    fn absent_and_null_are_empty_and_only_what_has_to_be_there_is_missed() {
        let null = json!({
            "thingId": "a", "OS:name": null, "Size": null, "Names": null, "Tags": null,
            "Parts": null, "Place": null,
        });
        let empty = json!({
            "thingId": "a", "OS:name": "", "Names": [], "Tags": { "Tag": null }, "Parts": "\n ",
            "Place": {},
        });
        for item in [null, empty, json!({ "thingId": "a" })] {
            let thing = read(&item).unwrap();
            assert_eq!((&*thing.id, &**thing.name, thing.size), ("a", "", None));
            assert_eq!((thing.names.len(), thing.tags.0.len(), thing.parts.0.len()), (0, 0, 0));
            assert_eq!(&**thing.place.number, "");
        }
        assert!(read(&json!({})).is_err() && read(&json!({ "thingId": null })).is_err());
    }

    #[test]
    fn a_field_of_the_wrong_type_is_an_error() {
        for (field, value) in [
            ("thingId", json!(1)),
            ("OS:name", json!([])),
            ("Size", json!("1")),
            ("Names", json!("a")),
            ("Tags", json!([])),
            ("Tags", json!("a")),
            ("Tags", json!({ "Tag": [{ "Key": 1 }] })),
            ("Parts", json!("a")),
            ("Parts", json!({ "item": [{ "n": 1 }] })),
            ("Place", json!("here")),
        ] {
            let mut item = json!({ "thingId": "a" });
            item[field] = value.clone();
            assert!(read(&item).is_err(), "{field}: {value}");
        }
    }

    #[test]
    fn one_element_many_and_none_are_all_lists_in_xml() {
        let count = |parts| read(&json!({ "thingId": "a", "Parts": parts })).unwrap().parts.0.len();
        assert_eq!(count(json!({ "item": { "n": "1" } })), 1);
        assert_eq!(count(json!({ "item": [{ "n": "1" }, { "n": "2" }] })), 2);
        assert_eq!(count(json!({})), 0);
    }

    #[test]
    fn a_tag_is_spelt_in_every_vendors_way() {
        let read = ["key", "Key", "TagKey"]
            .into_iter()
            .zip(["value", "Value", "TagValue"])
            .map(|(key, value)| serde_json::from_value::<Tag>(json!({ key: "env", value: null })));
        let expected = [("env".to_owned(), String::new())].into();
        assert_eq!(tags(read.map(Result::unwrap).collect()), expected);
        let nameless = serde_json::from_value(json!({ "Value": "prod" })).unwrap();
        assert!(tags(vec![nameless]).is_empty());
    }
}
