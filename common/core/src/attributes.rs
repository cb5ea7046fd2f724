//! The vendor's further attributes of a resource, read when they are wanted.
//!
//! They are not tracked, so a sync wants those of the few resources that
//! changed; making documents of all would take most of its time.

use std::fmt;
use std::ops::Deref;
use std::sync::OnceLock;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// Makes a document of a vendor's text, without the fields of the given names.
/// It gets every text that was decoded before, so it has nothing to refuse.
pub type ReadAttributes = fn(&str, &[&str]) -> Map<String, Value>;

/// The names of fields that are not wanted.
type Without = &'static [&'static str];

/// A document: what a vendor tells of a resource beside the typed fields.
#[derive(Clone, Default)]
pub struct Attributes {
    document: OnceLock<Map<String, Value>>,
    unread: Option<(Box<str>, Without, ReadAttributes)>,
}

impl Attributes {
    /// Returns the document that `read` makes of a text, once it is wanted.
    #[must_use]
    pub fn unread(text: &str, without: Without, read: ReadAttributes) -> Self {
        Self { document: OnceLock::new(), unread: Some((text.into(), without, read)) }
    }
}

impl Deref for Attributes {
    type Target = Map<String, Value>;

    fn deref(&self) -> &Map<String, Value> {
        self.document.get_or_init(|| {
            self.unread.as_ref().map_or_else(Map::new, |(text, without, read)| read(text, without))
        })
    }
}

impl From<Map<String, Value>> for Attributes {
    fn from(document: Map<String, Value>) -> Self {
        Self { document: document.into(), unread: None }
    }
}

impl FromIterator<(String, Value)> for Attributes {
    fn from_iter<T: IntoIterator<Item = (String, Value)>>(entries: T) -> Self {
        entries.into_iter().collect::<Map<_, _>>().into()
    }
}

impl PartialEq for Attributes {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl Serialize for Attributes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Map::deserialize(deserializer).map(Into::into)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    static READ: AtomicUsize = AtomicUsize::new(0);

    fn read(text: &str, without: &[&str]) -> Map<String, Value> {
        READ.fetch_add(1, Ordering::Relaxed);
        Map::from_iter([("text".to_owned(), Value::from(format!("{text} {without:?}")))])
    }

    #[test]
    fn a_text_is_read_when_it_is_wanted_and_once() {
        let attributes = Attributes::unread("x", &["y"], read);
        assert!(Attributes::default().is_empty());
        assert_eq!(READ.load(Ordering::Relaxed), 0);
        assert_eq!(attributes["text"], r#"x ["y"]"#);
        assert_eq!(serde_json::to_string(&attributes).unwrap(), r#"{"text":"x [\"y\"]"}"#);
        assert_eq!(READ.load(Ordering::Relaxed), 1);
    }
}
