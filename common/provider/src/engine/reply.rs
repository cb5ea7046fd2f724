//! Cuts a reply into its items, in one pass and without decoding them.

use std::borrow::Cow;
use std::fmt;

use cloud_sync_core::error::{ErrorClass, VendorError};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::errors::{bounded, snippet};
use super::spec::{Call, Decode, Format, Paging, Path};
use super::xml::{self, NotXml};

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

/// Returns a reply's body as JSON.
pub(crate) fn as_json<'a>(call: &Call, body: &'a [u8]) -> Result<Cow<'a, [u8]>, VendorError> {
    if call.format == Format::Json {
        return Ok(Cow::Borrowed(body));
    }
    match xml::to_json(body) {
        Ok(value) => Ok(Cow::Owned(value.to_string().into_bytes())),
        Err(NotXml::Truncated) => Err(truncated(call, body)),
        Err(NotXml::Malformed) => Err(foreign(call, body, "XML")),
    }
}

/// Reads the reply of a call, as JSON.
///
/// A reply without the list is an error, never an empty list: what is not
/// listed may come to be deleted. In XML a list without items is an element
/// with nothing in it.
pub(crate) fn read<'a>(call: &Call, body: &'a [u8]) -> Result<Found<'a>, VendorError> {
    let next = match &call.paging {
        Some(Paging::Token { next, .. }) => Some(*next),
        Some(Paging::Pages { .. } | Paging::Offset { .. }) | None => None,
    };
    let is_xml = call.format == Format::Xml;
    let level = Level { items: Some(call.items), next, is_xml, is_root: true };
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let read = level
        .deserialize(&mut deserializer)
        .and_then(|read| deserializer.end().map(|()| read))
        .map_err(|error| unreadable(call, body, &error))?;
    let data =
        |code: &str, text: String| VendorError::new(ErrorClass::Data, call.action, code, text);
    let Some(items) = read.items else {
        let text = format!("the answer has no {}", call.items.join("."));
        return Err(data("UnexpectedReply", text));
    };
    let next = read.next.filter(|token| !token.is_empty());
    if let Some(token) = next.as_ref().filter(|token| token.len() > MOST_TOKEN) {
        let text = format!("the next page's token has {} bytes", token.len());
        return Err(data("UnexpectedReply", text));
    }
    Ok(Found { items, next })
}

/// Reads a reply that is one object and no list, as JSON.
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
    match error.classify() {
        Category::Eof => truncated(call, body),
        Category::Data => {
            let text = bounded(&error.to_string());
            VendorError::new(ErrorClass::Data, call.action, "UnexpectedReply", text)
        }
        Category::Syntax | Category::Io => foreign(call, body, "JSON"),
    }
}

/// It may well be whole the next time.
fn truncated(call: &Call, body: &[u8]) -> VendorError {
    let text = format!("the answer breaks off after {} bytes", body.len());
    VendorError::new(ErrorClass::Network, call.action, "TruncatedReply", text)
}

fn foreign(call: &Call, body: &[u8], expected: &str) -> VendorError {
    let text = format!(
        "the answer is not {expected} but begins '{}'; check that the account's endpoint is the \
         vendor's API",
        snippet(body)
    );
    let code = format!("Not{}", if expected == "XML" { "Xml" } else { "Json" });
    VendorError::new(ErrorClass::Data, call.action, code, text)
}

/// One level of objects on the way to what is wanted: what is left of the way
/// to each.
#[derive(Clone, Copy)]
struct Level {
    items: Option<Path>,
    next: Option<Path>,
    is_xml: bool,
    is_root: bool,
}

#[derive(Default)]
struct Read<'de> {
    items: Option<Vec<&'de RawValue>>,
    next: Option<String>,
}

impl<'de> Read<'de> {
    fn merge(&mut self, other: Self) {
        match (&mut self.items, other.items) {
            (Some(items), Some(more)) => items.extend(more),
            (items @ None, more) => *items = more,
            (Some(_), None) => {}
        }
        self.next = self.next.take().or(other.next);
    }
}

impl Level {
    /// Returns the level below a field; `None` where nothing wanted is there.
    fn below(self, key: &str) -> Option<Self> {
        let step = |path: Option<Path>| match path {
            Some([first, rest @ ..]) if *first == key => Some(rest),
            _ => None,
        };
        let (items, next) = (step(self.items), step(self.next));
        let is_wanted = items.is_some() || next.is_some();
        is_wanted.then_some(Self { items, next, is_root: false, ..self })
    }

    /// Returns what an element without anything in it holds.
    fn nothing<'de, E: serde::de::Error>(&self) -> Result<Read<'de>, E> {
        if !self.is_xml || self.is_root {
            return Err(E::custom(self.expected()));
        }
        Ok(Read { items: self.items.map(|_| Vec::new()), ..Read::default() })
    }

    fn expected(&self) -> String {
        let way = self.items.or(self.next).unwrap_or_default();
        format!("expected an object with {}", way.join("."))
    }

    fn read_field<'de, A: MapAccess<'de>>(self, map: &mut A) -> Result<Read<'de>, A::Error> {
        if matches!(self.next, Some([])) {
            let next = map.next_value::<Option<String>>()?;
            return Ok(Read { next, ..Read::default() });
        }
        match self.items {
            Some([]) if self.is_xml => {
                let items = of_element(map.next_value()?).map_err(serde::de::Error::custom)?;
                Ok(Read { items: Some(items), ..Read::default() })
            }
            Some([]) => Ok(Read { items: Some(map.next_value()?), ..Read::default() }),
            _ => map.next_value_seed(self),
        }
    }
}

/// Returns the items of a list in XML, where one alone is no list.
fn of_element(element: &RawValue) -> serde_json::Result<Vec<&RawValue>> {
    match element.get().as_bytes().first() {
        Some(b'[') => serde_json::from_str(element.get()),
        Some(b'{') => Ok(vec![element]),
        // Nothing, or the blanks that it is laid out with.
        _ => Ok(Vec::new()),
    }
}

impl<'de> DeserializeSeed<'de> for Level {
    type Value = Read<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Read<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = Read<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected().trim_start_matches("expected "))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Read<'de>, A::Error> {
        let mut read = Read::default();
        while let Some(key) = map.next_key::<String>()? {
            match self.below(&key) {
                Some(level) => read.merge(level.read_field(&mut map)?),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(read)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Read<'de>, A::Error> {
        let mut read = Read::default();
        while let Some(element) = list.next_element_seed(self)? {
            read.merge(element);
        }
        Ok(read)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Read<'de>, E> {
        self.nothing()
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Read<'de>, E> {
        if text.trim().is_empty() { self.nothing() } else { Err(E::custom(self.expected())) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CALL: Call = Call::new("p", "v", "List")
        .listing(&["Things", "Thing"], Paging::Token { param: "NextToken", next: &["NextToken"] });

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

    /// Two levels of lists, as the vendor that groups machines has them.
    const NESTED: Call = Call {
        format: Format::Xml,
        ..Call::new("p", "v", "List").listing(
            &["groups", "item", "things", "item"],
            Paging::Token { param: "next", next: &["page", "next"] },
        )
    };

    fn nested(xml: &str) -> Result<(Vec<String>, Option<String>), VendorError> {
        let json = as_json(&NESTED, xml.as_bytes())?;
        let found = read(&NESTED, &json)?;
        Ok((found.items.iter().map(|item| item.get().to_owned()).collect(), found.next))
    }

    #[test]
    fn one_element_many_and_none_are_all_lists_in_xml() {
        let group = |things: &str| format!("<item><things>{things}</things></item>");
        let page = |groups: &str| format!("<R><groups>{groups}</groups></R>");
        let thing = "<item><id>1</id></item>";
        for (groups, count) in [
            (String::new(), 0),
            ("\n  ".to_owned(), 0),
            (group(""), 0),
            (group(thing), 1),
            (group(thing).repeat(2), 2),
            (group(&thing.repeat(2)) + &group("") + &group(thing), 3),
        ] {
            assert_eq!(nested(&page(&groups)).unwrap().0.len(), count, "{groups}");
        }
        let next = "<R><groups/><page><next>t</next></page></R>";
        assert_eq!(nested(next).unwrap(), (vec![], Some("t".to_owned())));
        assert_eq!(nested("<R><groups/><page/></R>").unwrap(), (vec![], None));
        for without in ["<R/>", "<R><page/></R>", "<R><groups>busy</groups></R>"] {
            assert_eq!(nested(without).unwrap_err().code, "UnexpectedReply", "{without}");
        }
    }

    #[test]
    fn xml_is_expected_where_it_is_declared_and_only_there() {
        let error = nested("{}").unwrap_err();
        assert_eq!((error.class, &*error.code), (ErrorClass::Data, "NotXml"));
        let error = nested("<R><groups>").unwrap_err();
        assert_eq!((error.class, &*error.code), (ErrorClass::Network, "TruncatedReply"));
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
