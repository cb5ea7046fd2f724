//! Answers as XML, the vendor's default: every field an element, every item
//! of a list an element of the list's name.

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesStart, BytesText, Event};
use serde_json::Value;

/// Returns a JSON document as XML under a root element.
pub(crate) fn from_json(root: &str, json: &[u8]) -> Vec<u8> {
    document(root, None, &serde_json::from_slice(json).unwrap_or(Value::Null))
}

/// Returns a value as an XML document under a root element, which may name
/// its namespace.
pub(crate) fn document(root: &str, namespace: Option<&str>, value: &Value) -> Vec<u8> {
    let mut writer = Writer::new(Vec::with_capacity(1 << 14));
    let mut start = BytesStart::new(root);
    start.extend_attributes(namespace.map(|namespace| ("xmlns", namespace)));
    let declared = writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)));
    if let Err(error) = declared.and_then(|()| within(&mut writer, start, value)) {
        // Writing to memory does not fail.
        tracing::error!(%error, "an answer could not be written as XML");
    }
    writer.into_inner()
}

fn element(writer: &mut Writer<Vec<u8>>, name: &str, value: &Value) -> std::io::Result<()> {
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| element(writer, name, item)),
        _ => within(writer, BytesStart::new(name), value),
    }
}

fn within(
    writer: &mut Writer<Vec<u8>>,
    start: BytesStart<'_>,
    value: &Value,
) -> std::io::Result<()> {
    let end = start.to_end().into_owned();
    writer.write_event(Event::Start(start))?;
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                element(writer, name, value)?;
            }
        }
        Value::String(text) => writer.write_event(Event::Text(BytesText::new(text)))?,
        Value::Null | Value::Array(_) => {}
        Value::Bool(_) | Value::Number(_) => {
            writer.write_event(Event::Text(BytesText::new(&value.to_string())))?;
        }
    }
    writer.write_event(Event::End(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_repeat_their_name_and_text_is_escaped() {
        let json = br#"{"A":{"B":[1,{"C":"<&>"}]},"D":true,"E":[],"F":""}"#;
        let xml = String::from_utf8(from_json("Root", json)).expect("UTF-8");
        let body = xml.split_once("?>").expect("declaration").1;
        assert_eq!(
            body,
            "<Root><A><B>1</B><B><C>&lt;&amp;&gt;</C></B></A><D>true</D><F></F></Root>"
        );
    }
    #[test]
    fn a_root_says_its_namespace() {
        let xml = document("R", Some("http://a/"), &serde_json::json!({ "b": null }));
        let xml = String::from_utf8(xml).expect("UTF-8");
        assert!(xml.ends_with(r#"<R xmlns="http://a/"><b></b></R>"#), "{xml}");
    }
}
