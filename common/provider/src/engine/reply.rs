//! Cuts a JSON reply into its items, in one pass and without decoding them.

use std::fmt;

use cloud_sync_core::error::{ErrorClass, VendorError};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::errors::snippet;
use super::spec::Call;

/// A token is kept in checkpoints, which are bounded. Those of vendors have
/// some hundred bytes.
const MOST_TOKEN: usize = 16 << 10;

/// What a reply holds.
#[derive(Debug, Default)]
pub(crate) struct Found<'a> {
    /// The items, as they came.
    pub items: Vec<&'a RawValue>,
    /// The next page's token; `None` on the last.
    pub next: Option<String>,
}

/// Reads the reply of a call.
///
/// A reply without the list is an error, never an empty list: what is not
/// listed may come to be deleted.
pub(crate) fn read<'a>(call: &Call, body: &'a [u8]) -> Result<Found<'a>, VendorError> {
    let level = Level { path: call.items, token: call.paging.as_ref().map(|paging| paging.field) };
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let level = level
        .deserialize(&mut deserializer)
        .and_then(|level| deserializer.end().map(|()| level))
        .map_err(|error| unreadable(call, body, &error))?;
    let data = |code: &str, text: String| VendorError::new(ErrorClass::Data, call.action, code, text);
    let Some(items) = level.items else {
        let text = format!("the answer has no {}", call.items.join("."));
        return Err(data("UnexpectedReply", text));
    };
    let next = level.next.filter(|token| !token.is_empty());
    if let Some(token) = next.as_ref().filter(|token| token.len() > MOST_TOKEN) {
        let text = format!("the next page's token has {} bytes", token.len());
        return Err(data("UnexpectedReply", text));
    }
    Ok(Found { items, next })
}

fn unreadable(call: &Call, body: &[u8], error: &serde_json::Error) -> VendorError {
    let new = |class, code, text| VendorError::new(class, call.action, code, text);
    match error.classify() {
        // It may well be whole the next time.
        Category::Eof => {
            let text = format!("the answer breaks off after {} bytes", body.len());
            new(ErrorClass::Network, "TruncatedReply", text)
        }
        Category::Data => new(ErrorClass::Data, "UnexpectedReply", error.to_string()),
        Category::Syntax | Category::Io => {
            let text = format!(
                "the answer is not JSON but begins '{}'; check that the account's endpoint is \
                 the vendor's API",
                snippet(body)
            );
            new(ErrorClass::Data, "NotJson", text)
        }
    }
}

/// One level of objects on the way to the list.
struct Level {
    path: &'static [&'static str],
    token: Option<&'static str>,
}

#[derive(Default)]
struct Read<'de> {
    items: Option<Vec<&'de RawValue>>,
    next: Option<String>,
}

impl<'de> DeserializeSeed<'de> for Level {
    type Value = Read<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Read<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = Read<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with {}", self.path.join("."))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Read<'de>, A::Error> {
        let mut read = Read::default();
        while let Some(key) = map.next_key::<String>()? {
            match self.path {
                [last] if *last == key => read.items = Some(map.next_value()?),
                [first, rest @ ..] if *first == key => {
                    let inner = map.next_value_seed(Self { path: rest, token: None })?;
                    read.items = inner.items;
                }
                _ if self.token == Some(&*key) => {
                    read.next = map.next_value::<Option<String>>()?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(read)
    }
}
