//! Items of a page that are broken on purpose.

use serde_json::{Value, json};

use crate::world::{Fault, id};

/// Where a page has what faults are about. Paths lead through objects, and
/// through every element of a list.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    /// The items.
    pub items: &'static [&'static str],
    /// An item's id.
    pub id: &'static str,
    /// An item's status.
    pub status: &'static [&'static str],
    /// An item's tags, as many as there are, given one key and value.
    pub tags: fn(&mut Value, &str, String),
    /// How many items there are, where the page says so.
    pub total: &'static [&'static str],
}

impl Shape {
    /// Tells whether a fault is about what a page holds.
    pub(crate) fn is_about(fault: &Fault) -> bool {
        matches!(
            fault,
            Fault::StatusNumber
                | Fault::NoId
                | Fault::HugeTag(_)
                | Fault::UnknownStatus(_)
                | Fault::WrongTotal(_)
        )
    }

    /// Breaks what there are faults for.
    pub(crate) fn spoil(&self, page: &mut Value, faults: &[Fault], seed: u64) {
        for (number, fault) in faults.iter().enumerate() {
            if let Fault::WrongTotal(by) = fault {
                for total in at(page, self.total) {
                    if let Some(count) = total.as_i64() {
                        *total = json!(count.saturating_add(*by));
                    }
                }
                continue;
            }
            let mut items: Vec<&mut Value> =
                at(page, self.items).into_iter().filter(|item| item.is_object()).collect();
            let drawn = id::scatter(seed ^ number as u64) as usize;
            let place = drawn.checked_rem(items.len()).unwrap_or(0);
            if let Some(item) = items.get_mut(place) {
                self.spoil_item(item, fault);
            }
        }
    }

    fn spoil_item(&self, item: &mut Value, fault: &Fault) {
        let mut set_status = |to: Value| {
            for status in at(item, self.status) {
                *status = to.clone();
            }
        };
        match fault {
            Fault::StatusNumber => set_status(json!(5)),
            Fault::UnknownStatus(word) => set_status(json!(word)),
            Fault::HugeTag(bytes) => (self.tags)(item, "huge", "x".repeat(*bytes)),
            Fault::NoId => {
                if let Some(fields) = item.as_object_mut() {
                    fields.remove(self.id);
                }
            }
            _ => {}
        }
    }
}

/// Returns what a path leads to.
fn at<'a>(value: &'a mut Value, path: &[&str]) -> Vec<&'a mut Value> {
    match value {
        Value::Array(items) => items.iter_mut().flat_map(|item| at(item, path)).collect(),
        other => match path.split_first() {
            None => vec![other],
            Some((name, rest)) => other.get_mut(*name).map_or_else(Vec::new, |next| at(next, rest)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape() -> Shape {
        Shape {
            items: &["a", "items", "b"],
            id: "id",
            status: &["state", "name"],
            tags: |item, key, value| item["tags"] = json!({ key: value }),
            total: &["count"],
        }
    }

    fn page() -> Value {
        let item = |n| json!({ "id": n, "state": { "name": "on" } });
        json!({ "count": 3, "a": { "items": [{ "b": [item(1), item(2)] }, { "b": [item(3)] }] } })
    }

    #[test]
    fn one_item_of_nested_lists_is_broken_in_each_way() {
        let faults = [
            (Fault::NoId, r#"{"state":{"name":"on"}}"#),
            (Fault::StatusNumber, r#""name":5"#),
            (Fault::UnknownStatus("odd".into()), r#""name":"odd""#),
            (Fault::HugeTag(3), r#""tags":{"huge":"xxx"}"#),
            (Fault::WrongTotal(-1), r#""count":2"#),
        ];
        for (fault, trace) in faults {
            let mut broken = page();
            shape().spoil(&mut broken, std::slice::from_ref(&fault), 7);
            assert_eq!(broken.to_string().matches(trace).count(), 1, "{fault:?} in {broken}");
            shape().spoil(&mut json!({}), &[fault], 7);
        }
    }
}
