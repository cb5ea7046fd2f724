//! Between the domain's types and the tables' items.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use cloud_sync_core::scope::Scope;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::errors::{Call, corrupt, refused};
use crate::store::{Result, StoreError, keys};

/// An item, a key, or the values of an expression.
pub(crate) type Item = HashMap<String, AttributeValue>;

pub(crate) fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub(crate) fn number(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

pub(crate) fn item<const N: usize>(attributes: [(&str, AttributeValue); N]) -> Item {
    attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Returns a value as an attribute.
pub(crate) fn attribute(call: Call<'_>, value: &impl Serialize) -> Result<AttributeValue> {
    serde_dynamo::to_attribute_value(value).map_err(|error| refused(call, &error.to_string()))
}

/// Returns a value as an item. What is absent takes no space in it.
pub(crate) fn encode(call: Call<'_>, value: &impl Serialize) -> Result<Item> {
    let mut item: Item =
        serde_dynamo::to_item(value).map_err(|error| refused(call, &error.to_string()))?;
    item.retain(|_, value| !value.is_null());
    Ok(item)
}

/// Reads an item. Attributes that the type does not have are left out.
pub(crate) fn decode<T: DeserializeOwned>(call: Call<'_>, item: Item) -> Result<T> {
    let keys = describe(&item);
    serde_dynamo::from_item(item).map_err(|error| corrupt(call, &format!("{keys}: {error}")))
}

/// Reads an attribute; `None` where it is absent.
pub(crate) fn take<T: DeserializeOwned>(
    call: Call<'_>,
    item: &mut Item,
    name: &str,
) -> Result<Option<T>> {
    let Some(value) = item.remove(name) else { return Ok(None) };
    match serde_dynamo::from_attribute_value(value) {
        Ok(value) => Ok(Some(value)),
        Err(error) => Err(corrupt(call, &format!("{}: {name}: {error}", describe(item)))),
    }
}

/// Reads an attribute that no item may lack.
pub(crate) fn require<T: DeserializeOwned>(
    call: Call<'_>,
    item: &mut Item,
    name: &str,
) -> Result<T> {
    take(call, item, name)?.ok_or_else(|| lacks(call, item, name))
}

fn lacks(call: Call<'_>, item: &Item, name: &str) -> StoreError {
    corrupt(call, &format!("{}: {name} is missing", describe(item)))
}

/// Reads a text that no item may lack. There are very many of them.
pub(crate) fn require_text(call: Call<'_>, item: &mut Item, name: &str) -> Result<String> {
    match item.remove(name) {
        Some(AttributeValue::S(text)) => Ok(text),
        Some(_) => Err(corrupt(call, &format!("{}: {name} is not a text", describe(item)))),
        None => Err(lacks(call, item, name)),
    }
}

/// Returns an item's short texts and numbers, by which a person finds it.
fn describe(item: &Item) -> String {
    const MOST: usize = 6;
    let short = |value: &AttributeValue| match value {
        AttributeValue::S(text) | AttributeValue::N(text) if text.len() <= 100 => {
            Some(text.clone())
        }
        _ => None,
    };
    let found: BTreeMap<_, _> =
        item.iter().filter_map(|(name, value)| Some((name, short(value)?))).collect();
    let parts: Vec<_> =
        found.iter().take(MOST).map(|(name, value)| format!("{name}={value}")).collect();
    format!("item [{}]", parts.join(", "))
}

/// Refuses an item that the service would refuse, and with it the batch it is
/// in, without saying which item it was.
pub(crate) fn check(call: Call<'_>, item: &Item, scope: &Scope, id: &str) -> Result<()> {
    keys::check_fits(scope, id, size(item)).map_err(|text| refused(call, &text))?;
    if item.values().any(has_empty_name) {
        return Err(refused(call, &format!("{id} in {scope} has a tag without a name")));
    }
    Ok(())
}

fn has_empty_name(value: &AttributeValue) -> bool {
    match value {
        AttributeValue::M(map) => {
            map.iter().any(|(name, value)| name.is_empty() || has_empty_name(value))
        }
        AttributeValue::L(list) => list.iter().any(has_empty_name),
        _ => false,
    }
}

/// Returns the size of an item as the service counts it, numbers rounded up.
///
/// Source: Amazon DynamoDB Developer Guide, "DynamoDB item sizes and formats".
fn size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value_size(value)).sum()
}

fn value_size(value: &AttributeValue) -> usize {
    /// What a list or map takes besides its entries, and each entry besides
    /// its content.
    const DOCUMENT: usize = 3;
    const ENTRY: usize = 1;
    let number = |digits: &String| digits.len().div_ceil(2) + 1;
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => number(digits),
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::Ss(texts) => texts.iter().map(String::len).sum(),
        AttributeValue::Ns(numbers) => numbers.iter().map(number).sum(),
        AttributeValue::Bs(blobs) => blobs.iter().map(|blob| blob.as_ref().len()).sum(),
        AttributeValue::L(list) => {
            DOCUMENT + list.iter().map(|value| ENTRY + value_size(value)).sum::<usize>()
        }
        AttributeValue::M(map) => {
            let entry = |(name, value): (&String, _)| ENTRY + name.len() + value_size(value);
            DOCUMENT + map.iter().map(entry).sum::<usize>()
        }
        _ => 1,
    }
}
