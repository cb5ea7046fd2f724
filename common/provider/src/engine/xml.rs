//! Makes JSON of XML, so that decoders have one language to read.
//!
//! An element becomes what is in it: nothing, its text, or an object of its
//! elements by name, of which one that occurs more than once becomes a list.
//! The root's name, attributes and namespaces say nothing that is wanted.

use quick_xml::Reader;
use quick_xml::errors::IllFormedError;
use quick_xml::events::Event;
use serde_json::{Map, Value};

/// Deeper than this no vendor's answer is.
const MOST_DEPTH: usize = 64;

/// Why a text is not XML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotXml {
    /// It ends before its root does.
    Truncated,
    /// It is something else.
    Malformed,
}

/// An element that has begun.
#[derive(Default)]
struct Open {
    name: String,
    text: String,
    children: Map<String, Value>,
}

impl Open {
    fn close(self) -> (String, Value) {
        let value = if !self.children.is_empty() {
            Value::Object(self.children)
        } else if self.text.is_empty() {
            Value::Null
        } else {
            Value::String(self.text)
        };
        (self.name, value)
    }

    fn add(&mut self, name: String, value: Value) {
        match self.children.get_mut(&name) {
            None => {
                self.children.insert(name, value);
            }
            // No element becomes a list by itself, so a list is of its likes.
            Some(Value::Array(likes)) => likes.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
}

/// Returns a document as JSON, without its root's name.
pub(crate) fn to_json(body: &[u8]) -> Result<Value, NotXml> {
    let text = std::str::from_utf8(body).map_err(|_| NotXml::Malformed)?;
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Open> = Vec::new();
    let mut root = None;
    loop {
        match reader.read_event() {
            Ok(Event::Start(start)) => {
                let is_second = open.is_empty() && root.is_some();
                if is_second || open.len() == MOST_DEPTH {
                    return Err(NotXml::Malformed);
                }
                open.push(Open { name: start.local_name().as_ref().to_owned(), ..Open::default() });
            }
            Ok(Event::Empty(empty)) => {
                let name = empty.local_name().as_ref().to_owned();
                match open.last_mut() {
                    Some(parent) => parent.add(name, Value::Null),
                    None => root = Some(Value::Null),
                }
            }
            Ok(Event::End(_)) => {
                let (name, value) = open.pop().ok_or(NotXml::Malformed)?.close();
                match open.last_mut() {
                    Some(parent) => parent.add(name, value),
                    None => root = Some(value),
                }
            }
            Ok(Event::Text(text)) => {
                add_text(&mut open, &text.xml10_content())?;
            }
            Ok(Event::CData(text)) => {
                add_text(&mut open, &text.xml10_content())?;
            }
            Ok(Event::GeneralRef(name)) => {
                let text = reference(&name).ok_or(NotXml::Malformed)?;
                add_text(&mut open, &text)?;
            }
            Ok(Event::Eof) => break,
            Ok(_) => {}
            Err(quick_xml::Error::Syntax(_)) => return Err(NotXml::Truncated),
            Err(quick_xml::Error::IllFormed(IllFormedError::UnclosedReference))
                if reader.buffer_position() >= text.len() as u64 =>
            {
                return Err(NotXml::Truncated);
            }
            Err(_) => return Err(NotXml::Malformed),
        }
    }
    match root {
        Some(root) if open.is_empty() => Ok(root),
        None if open.is_empty() => Err(NotXml::Malformed),
        _ => Err(NotXml::Truncated),
    }
}

/// Outside of the root only blanks may stand. Text beside elements is how a
/// document is laid out, and falls away when their parent closes.
fn add_text(open: &mut [Open], text: &str) -> Result<(), NotXml> {
    match open.last_mut() {
        Some(element) => {
            element.text.push_str(text);
            Ok(())
        }
        None if text.trim().is_empty() => Ok(()),
        None => Err(NotXml::Malformed),
    }
}

fn reference(name: &str) -> Option<String> {
    quick_xml::escape::unescape(&format!("&{name};")).ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Result<Value, NotXml> {
        to_json(text.as_bytes())
    }

    #[test]
    fn elements_become_objects_lists_and_texts() {
        let text = r#"<?xml version="1.0" encoding="UTF-8"?>
            <Result xmlns="http://example.com/">
              <Owner><ID>1</ID></Owner>
              <Things><Thing>a &amp; b</Thing><Thing><x:N>2</x:N></Thing><Thing/></Things>
              <One><Thing> c </Thing></One>
              <None/><Blank></Blank><Raw><![CDATA[<&>]]></Raw><Number>&#x4e2d;</Number>
            </Result>"#;
        let expected = json!({
            "Owner": { "ID": "1" },
            "Things": { "Thing": ["a & b", { "N": "2" }, null] },
            "One": { "Thing": " c " },
            "None": null, "Blank": null, "Raw": "<&>", "Number": "中",
        });
        assert_eq!(read(text), Ok(expected));
        assert_eq!(read("<R/>"), Ok(Value::Null));
    }

    #[test]
    fn what_is_not_xml_is_refused() {
        for text in ["", "busy", "{\"a\": 1}", "<a></b>", "<a/>b", "<a>&nope;</a>"] {
            assert_eq!(read(text), Err(NotXml::Malformed), "{text}");
        }
        let deep = "<a>".repeat(1000);
        assert_eq!(read(&deep), Err(NotXml::Malformed));
    }

    #[test]
    fn a_document_cut_short_anywhere_is_truncated_and_not_wrong() {
        let text = "<R><A><B>x &lt; y</B><C d='e'/></A></R>";
        for length in 1..text.len() {
            assert_eq!(read(&text[..length]), Err(NotXml::Truncated), "{}", &text[..length]);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body: Vec<u8>) {
            let _ = to_json(&body);
        }

        #[test]
        fn no_text_that_looks_like_xml_makes_it_panic(
            text in r"(<a>|</a>|<b/>|<a x='|'>|&|;|#x|lt|<!\[CDATA\[|\]\]>|<!--|-->|é| ){0,24}"
        ) {
            let _ = read(&text);
        }
    }
}
