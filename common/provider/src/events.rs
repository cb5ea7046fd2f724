//! What a vendor says happened, as it posts it: which resources to look at.
//!
//! An event is a hint. Nothing in one is believed but which resources it
//! names, and those are asked for by id.

use std::collections::{BTreeMap, BTreeSet};

use cloud_sync_core::scope::{Kind, is_key_word};
use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::registry::{UnknownProvider, vendor};

/// At most so many events come in one body.
pub const MOST_EVENTS: usize = 1000;

/// At most so many resources of a kind are taken from one event. Who names
/// more speaks of everything, which is what a walk is for.
const MOST_NAMED: usize = 100;

/// A source's name, an event's id or its name is at most so long, in bytes.
const LONGEST_TEXT: usize = 256;

/// Something that a vendor says happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VendorEvent {
    /// Who says it: the vendor's name of a service.
    pub source: String,
    /// The source's id of the event: the same event twice has the same.
    pub id: String,
    /// What happened, in the vendor's words.
    pub name: String,
    /// The vendor's number of the account, where the event says it.
    pub account_number: Option<String>,
    /// Where it happened, where the event says it.
    pub region: Option<String>,
    /// When it happened, where the event says it.
    pub at: Option<Timestamp>,
    /// The resources that it may have changed, by kind; none where it is
    /// about nothing that is known here.
    pub concerns: BTreeMap<Kind, BTreeSet<String>>,
}

impl VendorEvent {
    /// Returns a name for it that no other event of the account has.
    #[must_use]
    pub fn key(&self) -> String {
        let digest =
            Sha256::new().chain_update(&self.source).chain_update([0]).chain_update(&self.id);
        digest.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A body is not one of events.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NoEvents {
    /// The provider is unknown.
    #[error(transparent)]
    Provider(#[from] UnknownProvider),
    /// The provider's events are not understood here.
    #[error("events of provider '{0}' are not understood here")]
    NotUnderstood(&'static str),
    /// The body is not JSON.
    #[error("the body is not JSON (line {line}, column {column})")]
    NotJson {
        /// The line, from 1 on.
        line: usize,
        /// The column, from 1 on.
        column: usize,
    },
    /// There are too many.
    #[error("the body has {count} events; send up to {MOST_EVENTS} at a time")]
    TooMany {
        /// How many.
        count: usize,
    },
    /// One of them is no event.
    #[error("event {place} {problem}")]
    Malformed {
        /// Its place in the body, from 1 on.
        place: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// Reads one event of a vendor's.
pub(crate) type DecodeEvent = fn(&Value) -> Result<VendorEvent, &'static str>;

/// Reads a body: one event, or a list of some.
///
/// # Errors
///
/// The provider is unknown, or the body is none of its events. One that is
/// about something unknown is an event all the same.
pub fn decode_events(provider: &str, body: &[u8]) -> Result<Vec<VendorEvent>, NoEvents> {
    let spec = vendor(provider)?;
    let decode = spec.events.ok_or(NoEvents::NotUnderstood(spec.name))?;
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| NoEvents::NotJson { line: error.line(), column: error.column() })?;
    let items = match &body {
        Value::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    if items.len() > MOST_EVENTS {
        return Err(NoEvents::TooMany { count: items.len() });
    }
    let read = |(index, item): (usize, &Value)| {
        let malformed = |problem| NoEvents::Malformed { place: index + 1, problem };
        let event = decode(item).map_err(malformed)?;
        checked(event).map_err(malformed)
    };
    items.iter().enumerate().map(read).collect()
}

fn checked(mut event: VendorEvent) -> Result<VendorEvent, &'static str> {
    let fits = |text: &String| (1..=LONGEST_TEXT).contains(&text.len());
    if !fits(&event.source) {
        return Err("has no source, or one of more than 256 bytes");
    }
    if !fits(&event.id) {
        return Err("has no id, or one of more than 256 bytes");
    }
    event.name = event.name.chars().take(80).collect();
    // Both are compared, and the region becomes part of a key.
    event.region = event.region.filter(|region| is_key_word(region));
    event.account_number = event.account_number.filter(|number| is_key_word(number));
    for ids in event.concerns.values_mut() {
        while ids.len() > MOST_NAMED {
            ids.pop_last();
        }
    }
    event.concerns.retain(|_, ids| !ids.is_empty());
    Ok(event)
}

/// Returns a text at a path of an event; `None` where there is none.
pub(crate) fn text<'a>(event: &'a Value, path: &str) -> Option<&'a str> {
    event.pointer(path).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// Returns a text at a path of an event, or the empty one.
pub(crate) fn owned(event: &Value, path: &str) -> String {
    text(event, path).unwrap_or_default().to_owned()
}

/// Returns an id for an event that has none: what makes it another one.
pub(crate) fn digest_of(event: &Value) -> String {
    let digest = Sha256::digest(event.to_string());
    digest[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How the ids of a kind look: `i-` and some letters and digits.
pub(crate) struct IdShape {
    /// The kind.
    pub kind: &'static str,
    /// What its ids begin with.
    pub prefix: &'static str,
    /// How many letters and digits follow at least.
    pub shortest: usize,
}

/// Collects whatever looks like an id of one of some kinds, anywhere in a
/// part of an event: each has its own field for them, and one that is looked
/// at in vain costs nothing but its place in a request.
pub(crate) fn find_ids(
    value: &Value,
    shapes: &[IdShape],
    found: &mut BTreeMap<Kind, BTreeSet<String>>,
) {
    match value {
        Value::String(text) => collect(text, shapes, found),
        Value::Array(items) => items.iter().for_each(|item| find_ids(item, shapes, found)),
        Value::Object(fields) => fields.values().for_each(|item| find_ids(item, shapes, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Ids are whole words, in lists and in full names too.
fn collect(text: &str, shapes: &[IdShape], found: &mut BTreeMap<Kind, BTreeSet<String>>) {
    const LONGEST: usize = 64;
    let is_of_word = |c: char| c.is_ascii_alphanumeric() || c == '-';
    for word in text.split(|c| !is_of_word(c)) {
        let is_shaped = |shape: &&IdShape| {
            let letters = word.strip_prefix(shape.prefix).unwrap_or_default();
            (shape.shortest..=LONGEST).contains(&letters.len())
                && letters.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        };
        if let Some(shape) = shapes.iter().find(is_shaped) {
            add(shape.kind, word, found);
        }
    }
}

/// Adds one resource of a kind.
pub(crate) fn add(kind: &str, id: &str, found: &mut BTreeMap<Kind, BTreeSet<String>>) {
    const LONGEST: usize = 128;
    let is_id = (1..=LONGEST).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if let Some(kind) = kind.parse().ok().filter(|_| is_id) {
        found.entry(kind).or_default().insert(id.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn event(id: usize) -> Value {
        json!({ "specversion": "1.0", "id": id.to_string(), "source": "acs.ecs" })
    }

    #[test]
    fn a_body_is_one_event_or_a_list_of_some() {
        let one = decode_events("aliyun", event(1).to_string().as_bytes()).unwrap();
        assert_eq!(one.len(), 1);
        let two = decode_events("aliyun", json!([event(1), event(2)]).to_string().as_bytes());
        assert_eq!(two.unwrap().len(), 2);
        let many: Vec<_> = (0..=MOST_EVENTS).map(event).collect();
        let refused = decode_events("aliyun", json!(many).to_string().as_bytes()).unwrap_err();
        assert_eq!(refused, NoEvents::TooMany { count: MOST_EVENTS + 1 });
    }

    #[test]
    fn what_is_wrong_is_told_without_the_body() {
        let refused = |body: &str| decode_events("aliyun", body.as_bytes()).unwrap_err();
        assert_eq!(refused("{\"canary"), NoEvents::NotJson { line: 1, column: 8 });
        let text = refused(&json!([event(1), { "id": "x", "canary": 1 }]).to_string()).to_string();
        assert_eq!(text, "event 2 has no source, or one of more than 256 bytes");
        let unknown = decode_events("acme", b"{}").unwrap_err().to_string();
        assert!(unknown.starts_with("unknown provider 'acme'"), "{unknown}");
        let deaf = decode_events("huawei", b"{}").unwrap_err();
        assert_eq!(deaf, NoEvents::NotUnderstood("huawei"));
    }

    #[test]
    fn an_event_is_told_from_others_by_source_and_id() {
        let keys = [("a", "bc"), ("ab", "c"), ("a", "b")].map(|(source, id)| {
            let text = json!({ "specversion": "1.0", "id": id, "source": source }).to_string();
            decode_events("aliyun", text.as_bytes()).unwrap()[0].key()
        });
        let distinct: BTreeSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), 3);
        assert!(keys.iter().all(|key| key.len() == 32));
    }

    #[test]
    fn more_ids_than_a_request_takes_are_left_out() {
        let ids: Vec<_> = (0..300).map(|n| format!("i-{n:010}")).collect();
        let mut one = event(1);
        one["data"] = json!({ "resources": ids });
        let events = decode_events("aliyun", one.to_string().as_bytes()).unwrap();
        assert_eq!(events[0].concerns.values().map(BTreeSet::len).max(), Some(MOST_NAMED));
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            for provider in ["aliyun", "aws", "tencent"] {
                let _ = decode_events(provider, &bytes);
            }
        }

        #[test]
        fn what_comes_out_is_bounded(text in "\\PC{0,400}", id in "\\PC{0,300}") {
            let body = json!({
                "specversion": "1.0", "source": "s", "id": id, "type": text, "subject": text,
                "aliyunregionid": text, "aliyunaccountid": text, "data": { "x": text },
                "detail": { "instance-id": text }, "region": text, "account": text,
            });
            for provider in ["aliyun", "aws", "tencent"] {
                for event in decode_events(provider, body.to_string().as_bytes()).unwrap_or_default() {
                    prop_assert!(event.region.is_none_or(|region| is_key_word(&region)));
                    prop_assert!(event.name.chars().count() <= 80 && event.id.len() <= 256);
                    prop_assert!(event.concerns.values().flatten().all(|id| id.len() <= 128));
                }
            }
        }
    }
}
