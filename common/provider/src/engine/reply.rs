//! Cuts a JSON reply into its items, in one pass and without decoding them.

use std::fmt;

use cloud_sync_core::error::{ErrorClass, VendorError};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::errors::{bounded, snippet};
use super::spec::{Call, Decode};

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
    let data =
        |code: &str, text: String| VendorError::new(ErrorClass::Data, call.action, code, text);
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

/// Reads a reply that is one object and no list.
pub(crate) fn read_object<T>(
    call: &Call,
    body: &[u8],
    decode: Decode<T>,
) -> Result<T, VendorError> {
    let value: &RawValue =
        serde_json::from_slice(body).map_err(|error| unreadable(call, body, &error))?;
    decode(value.get()).map_err(|error| {
        let text = bounded(&error.to_string());
        VendorError::new(ErrorClass::Data, call.action, "UnexpectedReply", text)
    })
}

fn unreadable(call: &Call, body: &[u8], error: &serde_json::Error) -> VendorError {
    let new = |class, code, text| VendorError::new(class, call.action, code, text);
    match error.classify() {
        // It may well be whole the next time.
        Category::Eof => {
            let text = format!("the answer breaks off after {} bytes", body.len());
            new(ErrorClass::Network, "TruncatedReply", text)
        }
        Category::Data => new(ErrorClass::Data, "UnexpectedReply", bounded(&error.to_string())),
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::engine::spec::Paging;

    const CALL: Call = Call {
        product: "p",
        version: "v",
        action: "List",
        params: &[],
        items: &["Things", "Thing"],
        paging: Some(Paging { param: "NextToken", field: "NextToken" }),
        per_second: 1,
        timeout: Duration::from_secs(1),
    };

    fn parts(body: &str) -> (Vec<&str>, Option<String>) {
        let found = read(&CALL, body.as_bytes()).unwrap();
        (found.items.iter().map(|item| item.get()).collect(), found.next)
    }

    fn refused(body: &[u8]) -> (ErrorClass, String) {
        let error = read(&CALL, body).unwrap_err();
        assert!(error.message.len() < 400, "{error}");
        (error.class, error.code)
    }

    #[test]
    fn finds_items_as_they_came_and_the_next_token() {
        let body = r#"{ "Other": {"Thing": [0]}, "Things": { "Thing": [ {"a": 1}, 2 ], "x": 1 },
            "NextToken": "t" }"#;
        assert_eq!(parts(body), (vec![r#"{"a": 1}"#, "2"], Some("t".to_owned())));
    }

    #[test]
    fn an_absent_null_or_empty_token_ends_the_list() {
        for token in ["", r#", "NextToken": null"#, r#", "NextToken": """#] {
            let body = format!(r#"{{ "Things": {{ "Thing": [] }} {token} }}"#);
            assert_eq!(parts(&body), (vec![], None), "{token}");
        }
    }

    #[test]
    fn a_reply_without_its_list_is_an_error_and_not_an_empty_list() {
        let unexpected = (ErrorClass::Data, "UnexpectedReply".to_owned());
        for body in [
            "{}",
            r#"{ "Things": {} }"#,
            r#"{ "Things": null }"#,
            r#"{ "Things": { "Thing": null } }"#,
            r#"{ "Things": [] }"#,
            r#"{ "Things": { "Thing": [] }, "NextToken": 7 }"#,
            "[]",
        ] {
            assert_eq!(refused(body.as_bytes()), unexpected, "{body}");
        }
        let token = "t".repeat(MOST_TOKEN + 1);
        let body = format!(r#"{{ "Things": {{ "Thing": [] }}, "NextToken": "{token}" }}"#);
        assert_eq!(refused(body.as_bytes()), unexpected);
    }

    #[test]
    fn a_reply_cut_short_anywhere_is_lost_and_not_wrong() {
        let body = r#"{ "Things": { "Thing": [ {"a": "ü"}, 2 ] }, "NextToken": "t" }"#.as_bytes();
        for length in 0..body.len() {
            // A cut inside of a character is the one that cannot be told
            // from an answer in another encoding.
            if std::str::from_utf8(&body[..length]).is_ok() {
                let expected = (ErrorClass::Network, "TruncatedReply".to_owned());
                assert_eq!(refused(&body[..length]), expected, "{length}");
            }
        }
    }

    #[test]
    fn what_is_not_json_is_shown() {
        for body in ["<?xml version='1.0'?><R/>", "<html>", "busy", "{} {}", "\u{0}"] {
            let error = read(&CALL, body.as_bytes()).unwrap_err();
            assert_eq!((error.class, &*error.code), (ErrorClass::Data, "NotJson"), "{body}");
            assert!(error.message.contains(body.trim()), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body: Vec<u8>) {
            let _ = read(&CALL, &body);
        }

        #[test]
        fn no_text_that_looks_like_a_reply_makes_it_panic(
            body in r#"(\{|\}|\[|\]|:|,|"Things"|"Thing"|"NextToken"|null|1|"\\ud800"|é| ){0,24}"#
        ) {
            let _ = read(&CALL, body.as_bytes());
        }
    }
}
