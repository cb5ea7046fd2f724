//! Answers as XML, the vendor's default: every field an element, every item
//! of a list an element of the list's name.

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};
use serde_json::Value;

/// Returns a JSON document as XML under a root element.
pub(crate) fn from_json(root: &str, json: &[u8]) -> Vec<u8> {
    let value = serde_json::from_slice(json).unwrap_or(Value::Null);
    let mut writer = Writer::new(Vec::with_capacity(json.len() * 2));
    let declared = writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)));
    if let Err(error) = declared.and_then(|()| element(&mut writer, root, &value)) {
        // Writing to memory does not fail.
        tracing::error!(%error, "an answer could not be written as XML");
    }
    writer.into_inner()
}

fn element(writer: &mut Writer<Vec<u8>>, name: &str, value: &Value) -> std::io::Result<()> {
    if let Value::Array(items) = value {
        return items.iter().try_for_each(|item| element(writer, name, item));
    }
    writer.write_event(Event::Start(BytesStart::new(name)))?;
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
    writer.write_event(Event::End(BytesEnd::new(name)))
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
}
