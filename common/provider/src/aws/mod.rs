//! Amazon Web Services.

mod api;
pub(crate) mod ec2_instance;
pub(crate) mod elasticache_cluster;
mod errors;
pub(crate) mod events;
pub(crate) mod rds_instance;
pub(crate) mod s3_bucket;
pub mod sign;
mod sts;

use cloud_sync_core::account::{Account, InvalidAccount, Region};
use serde::Deserialize;
use serde_json::{Map, Value};

pub(crate) use self::sts::{ASSUME, IDENTITY};
use crate::engine::Protocol;
use crate::engine::decode::{Unreadable, fields_but, nullable, without_empty};
use crate::engine::spec::{Call, Format, Paging, Path, RegionsSpec};

/// The regions that an account has enabled. The hosts it lists are EC2's only.
pub(crate) const REGIONS: RegionsSpec = RegionsSpec {
    call: call("ec2", "2016-11-15", "DescribeRegions").of(&["regionInfo", "item"]),
    decode: decode_region,
};

/// Returns what makes requests for an account.
pub(crate) fn open(account: &Account) -> Result<Box<dyn Protocol>, InvalidAccount> {
    Ok(Box::new(api::Api::open(account)?))
}

/// Returns a call, which is answered in XML.
const fn call(product: &'static str, version: &'static str, action: &'static str) -> Call {
    Call { format: Format::Xml, per_second: 5, ..Call::new(product, version, action) }
}

/// Returns a list call of a service that pages by `Marker`.
const fn by_marker(call: Call, items: Path, marker: Path) -> Call {
    let paging = Paging::Token { param: "Marker", next: marker };
    call.listing(items, paging).with(&[("MaxRecords", "100")])
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RegionItem {
    region_name: String,
    #[serde(default, deserialize_with = "nullable")]
    opt_in_status: String,
}

fn decode_region(item: &str) -> Result<Option<Region>, Unreadable> {
    let item: RegionItem = serde_json::from_str(item)?;
    let is_enabled = item.opt_in_status != "not-opted-in";
    Ok(is_enabled.then_some(Region::new(&item.region_name)))
}

/// The names that lists give their items, by which lists are told from other
/// elements: an item alone looks like any element.
const ITEMS: [&str; 19] = [
    "CacheNode",
    "CacheNodeId",
    "CacheSecurityGroup",
    "DBInstanceRole",
    "DBInstanceStatusInfo",
    "DBParameterGroup",
    "DBSecurityGroup",
    "DomainMembership",
    "LogDeliveryConfiguration",
    "OptionGroupMembership",
    "PendingLogDeliveryConfiguration",
    "ProcessorFeature",
    "ReadReplicaDBClusterIdentifier",
    "ReadReplicaDBInstanceIdentifier",
    "Subnet",
    "Tag",
    "VpcSecurityGroupMembership",
    "item",
    "member",
];

/// Returns what no typed field holds. Lists, which are elements in an element,
/// become lists, however many there are.
fn attributes(item: &str, typed: &[&str]) -> Map<String, Value> {
    let rest = fields_but(item, typed).into_iter();
    without_empty(rest.map(|(name, value)| (name, listed(value))).collect())
}

fn listed(value: Value) -> Value {
    match value {
        Value::Object(mut fields) => {
            let name = ITEMS.iter().find(|name| fields.len() == 1 && fields.contains_key(**name));
            match name.and_then(|name| fields.remove(*name)) {
                Some(items @ Value::Array(_)) => listed(items),
                Some(item) => Value::Array(vec![listed(item)]),
                None => fields.into_iter().map(|(name, value)| (name, listed(value))).collect(),
            }
        }
        Value::Array(items) => items.into_iter().map(listed).collect(),
        Value::String(text) if text.trim().is_empty() => Value::Null,
        value => value,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::xml;

    /// Returns the JSON of the elements at a path of an XML document, as
    /// decoders get them.
    pub(super) fn items(document: &str, path: Path) -> Vec<String> {
        let mut found = vec![xml::to_json(document.as_bytes()).unwrap()];
        for step in path {
            found = found
                .into_iter()
                .flat_map(|mut element| match element[step].take() {
                    Value::Array(elements) => elements,
                    Value::Null => Vec::new(),
                    element => vec![element],
                })
                .collect();
        }
        found.iter().map(Value::to_string).collect()
    }

    #[test]
    fn a_region_that_is_not_enabled_is_left_out() {
        let region = |status: &str| {
            let item = json!({ "regionName": "eu-south-2", "optInStatus": status });
            decode_region(&item.to_string()).unwrap().map(|region| region.id)
        };
        assert_eq!(region("not-opted-in"), None);
        for status in ["opted-in", "opt-in-not-required", ""] {
            assert_eq!(region(status).as_deref(), Some("eu-south-2"), "{status}");
        }
    }

    #[test]
    fn a_list_is_one_however_many_items_it_has() {
        let item = json!({
            "id": "1",
            "one": { "item": { "a": "1" } }, "two": { "item": [{ "a": "1" }, { "a": "2" }] },
            "none": null, "blank": "\n ", "texts": { "member": ["x", "y"] },
            "deep": { "Subnets": { "Subnet": { "b": { "member": "z" } } }, "VpcId": "v" },
            "no list": { "state": "disabled" },
        });
        let expected = json!({
            "one": [{ "a": "1" }], "two": [{ "a": "1" }, { "a": "2" }], "texts": ["x", "y"],
            "deep": { "Subnets": [{ "b": ["z"] }], "VpcId": "v" },
            "no list": { "state": "disabled" },
        });
        assert_eq!(Value::Object(attributes(&item.to_string(), &["id"])), expected);
    }
}
