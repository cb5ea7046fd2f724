//! What is answered has the vendor's fields, of the vendor's types.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::client::{Client, Params};

/// Compares a value with what the vendor's client expects of it, and notes
/// which fields were there.
fn check(path: &str, value: &Value, expected: &Value, seen: &mut BTreeMap<String, u32>) {
    let kind = expected.as_str().or_else(|| expected["type"].as_str());
    *seen.entry(path.to_owned()).or_insert(0) += 1;
    match kind {
        Some("string") => assert!(value.is_string(), "{path} is {value}"),
        Some("integer") => assert!(value.is_i64(), "{path} is {value}"),
        Some("number") => assert!(value.is_number(), "{path} is {value}"),
        Some("boolean") => assert!(value.is_boolean(), "{path} is {value}"),
        // What is within is nowhere described.
        Some("any") => {}
        Some("object") => object(path, value, &expected["fields"], seen),
        Some("map") => {
            for value in value.as_object().unwrap_or_else(|| panic!("{path} is {value}")).values() {
                check(&format!("{path}.*"), value, &expected["values"], seen);
            }
        }
        Some("array") => {
            for item in value.as_array().unwrap_or_else(|| panic!("{path} is {value}")) {
                match &expected["items"] {
                    Value::Object(_) => object(path, item, &expected["items"], seen),
                    plain => check(path, item, plain, seen),
                }
            }
        }
        other => panic!("{path}: the vendor's model says {other:?}"),
    }
}

pub fn object(path: &str, value: &Value, fields: &Value, seen: &mut BTreeMap<String, u32>) {
    for (name, value) in value.as_object().unwrap_or_else(|| panic!("{path} is {value}")) {
        let expected = &fields[name];
        assert!(!expected.is_null(), "the vendor has no field {path}.{name}");
        check(&format!("{path}.{name}"), value, expected, seen);
    }
}

#[test]
fn databases_and_caches_have_fields_of_the_vendors() {
    let (rds, redis) = (("Version", "2014-08-15"), ("Version", "2015-01-01"));
    let client = Client::new(crate::managed::world(40));
    let id = client.world.at("demo", crate::client::REGION).expect("a site");
    let id = id.ids_of(simulated_cloud::Family::Database).remove(0);
    let one = [rds, ("DBInstanceId", id.as_str())];
    let cases: [(&str, &str, &Params<'_>, &str); 6] = [
        ("rds", "DescribeDBInstances", &[rds], ".Items.DBInstance.DBInstanceId"),
        (
            "rds",
            "DescribeDBInstanceAttribute",
            &one,
            ".Items.DBInstanceAttribute.DBInstanceStorage",
        ),
        (
            "rds",
            "DescribeDBInstanceNetInfo",
            &one,
            ".DBInstanceNetInfos.DBInstanceNetInfo.IPAddress",
        ),
        ("rds", "DescribeRegions", &[rds], ".Regions.RDSRegion.ZoneId"),
        ("redis", "DescribeInstances", &[redis], ".Instances.KVStoreInstance.Tags.Tag.Key"),
        ("redis", "DescribeRegions", &[redis], ".RegionIds.KVStoreRegion.ZoneIdList.ZoneId"),
    ];
    for (service, action, params, wanted) in cases {
        let text = match service {
            "rds" => include_str!("../../testdata/aliyun_rds_fields.json"),
            _ => include_str!("../../testdata/aliyun_rkvstore_fields.json"),
        };
        let models: Value = serde_json::from_str(text).expect("models");
        let reply = client.call(action, params);
        assert_eq!(reply.status, 200, "{action}: {}", reply.body);
        let mut seen = BTreeMap::new();
        object("", &reply.body, &models[action]["response"], &mut seen);
        assert!(seen.contains_key(wanted), "{action} of {service}: {seen:?}");
    }
}

fn seen_of(action: &str, params: &[(&str, &str)]) -> (BTreeMap<String, u32>, Value) {
    let text = include_str!("../../testdata/aliyun_ecs_fields.json");
    let models: Value = serde_json::from_str(text).expect("models");
    let fields = models[action]["response"].clone();
    let reply = Client::of(400).call(action, params);
    assert_eq!(reply.status, 200, "{}", reply.body);
    let mut seen = BTreeMap::new();
    object("", &reply.body, &fields, &mut seen);
    (seen, fields)
}

#[test]
fn instances_have_every_field_of_the_vendors() {
    let (seen, fields) = seen_of("DescribeInstances", &[("MaxResults", "100")]);
    let items = &fields["Instances"]["fields"]["Instance"]["items"];
    let wanted = items.as_object().expect("fields");
    assert_eq!(wanted.len(), 69);
    for name in wanted.keys() {
        let count = seen.get(&format!(".Instances.Instance.{name}")).copied().unwrap_or(0);
        match name.as_str() {
            "Tags" => assert!((1..100).contains(&count), "some instances have no {name}"),
            _ => assert_eq!(count, 100, "{name}"),
        }
    }
    for awkward in ["EipAddress.Bandwidth", "OperationLocks.LockReason.LockReason", "Tags.Tag"] {
        let count = seen.get(&format!(".Instances.Instance.{awkward}")).copied().unwrap_or(0);
        assert!((1..100).contains(&count), "{awkward}: {count}");
    }
}

#[test]
fn other_answers_have_fields_of_the_vendors_only() {
    let (disks, _) = seen_of("DescribeDisks", &[("MaxResults", "500")]);
    assert!(disks.len() > 40, "{disks:?}");
    seen_of("DescribeInstanceStatus", &[("PageSize", "50")]);
    let (regions, _) = seen_of("DescribeRegions", &[]);
    assert_eq!(regions[".Regions.Region.RegionEndpoint"], 3);
}

#[test]
fn a_region_has_every_awkward_kind_of_instance() {
    let client = Client::of(400);
    let mut all = Vec::new();
    for number in ["1", "2", "3", "4"] {
        let reply =
            client.call("DescribeInstances", &[("PageNumber", number), ("PageSize", "100")]);
        all.extend_from_slice(reply.items("/Instances/Instance"));
    }
    let some = |what: &str, holds: &dyn Fn(&Value) -> bool| {
        let count = all.iter().filter(|item| holds(item)).count();
        assert!((1..400).contains(&count), "{what}: {count} of 400");
    };
    let len = |value: &Value| value.as_array().map_or(0, Vec::len);
    some("no tags at all", &|item| item.get("Tags").is_none());
    some("an empty list of tags", &|item| item["Tags"]["Tag"] == serde_json::json!([]));
    some("no elastic address", &|item| item["EipAddress"]["IpAddress"] == "");
    some("the classic network", &|item| {
        item["InstanceNetworkType"] == "classic" && len(&item["InnerIpAddress"]["IpAddress"]) == 1
    });
    some("two interfaces", &|item| len(&item["NetworkInterfaces"]["NetworkInterface"]) > 1);
    some("two addresses", &|item| len(&item["VpcAttributes"]["PrivateIpAddress"]["IpAddress"]) > 1);
    some("locked", &|item| len(&item["OperationLocks"]["LockReason"]) > 0);
    some("a Chinese name", &|item| item["InstanceName"].as_str().is_some_and(|n| !n.is_ascii()));
    some("a subscription", &|item| item["InstanceChargeType"] == "PrePaid");
    some("starting", &|item| item["Status"] == "Starting");
    assert!(all.iter().all(|item| {
        let eip = item["EipAddress"]["IpAddress"] != "";
        !(eip && len(&item["PublicIpAddress"]["IpAddress"]) > 0)
    }));
}
