//! The same for what the other vendors say of machines, for roles' keys and
//! for the record of what was done.

use std::collections::BTreeMap;

use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::{Map, Value};
use simulated_cloud::{Churn, Provider};

use crate::client::{Client, REGION};
use crate::fields::object;
use crate::signing::{Caller, world};

/// How often each field was there.
type Seen = BTreeMap<String, u32>;

fn model(text: &str, action: &str) -> Value {
    let models: Value = serde_json::from_str(text).expect("models");
    models[action]["response"].clone()
}

/// Leaves out the fields that say nothing, which both vendors here have.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(fields.map(|(name, value)| (name, without_nulls(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        value => value,
    }
}

/// Returns what a vendor answers to the list of its machines.
fn listed(vendor: Provider) -> String {
    let page = Caller::new(world(400), vendor).list(100, None);
    assert_eq!((page.code.as_str(), page.ids.len()), ("", 100));
    page.text
}

#[track_caller]
fn assert_seen(seen: &Seen, wanted: &[&str]) {
    let missing: Vec<_> = wanted.iter().filter(|path| !seen.contains_key(**path)).collect();
    assert!(missing.is_empty(), "{missing:?} were never there: {seen:?}");
}

#[test]
fn machines_of_tencent_have_fields_of_the_vendors() {
    let text = include_str!("../../testdata/tencent_cvm_fields.json");
    let body: Value = serde_json::from_str(&listed(Provider::Tencent)).expect("JSON");
    let mut seen = Seen::new();
    let response = without_nulls(body["Response"].clone());
    object("", &response, &model(text, "DescribeInstances"), &mut seen);
    assert!(seen.len() > 45, "{seen:?}");
    assert_seen(
        &seen,
        &[
            ".TotalCount",
            ".RequestId",
            ".InstanceSet.DataDisks.DiskSize",
            ".InstanceSet.SystemDisk.DiskId",
            ".InstanceSet.Placement.Zone",
            ".InstanceSet.Tags.Key",
            ".InstanceSet.PublicIpAddresses",
            ".InstanceSet.IPv6Addresses",
        ],
    );
    let always = ["InstanceId", "InstanceState", "InstanceType", "CreatedTime", "RestrictState"];
    for name in always {
        assert_eq!(seen[&format!(".InstanceSet.{name}")], 100, "{name}");
    }
    for name in ["PublicIpAddresses", "ExpiredTime", "RenewFlag", "HostName"] {
        let count = seen.get(&format!(".InstanceSet.{name}")).copied().unwrap_or(0);
        assert!(count < 100, "the vendor says of {name} that it may be null");
    }
}

#[test]
fn servers_of_huawei_have_fields_of_the_vendors() {
    let text = include_str!("../../testdata/huawei_ecs_fields.json");
    let body: Value = serde_json::from_str(&listed(Provider::Huawei)).expect("JSON");
    let mut seen = Seen::new();
    object("", &without_nulls(body), &model(text, "ListServersDetails"), &mut seen);
    assert!(seen.len() > 40, "{seen:?}");
    assert_seen(
        &seen,
        &[
            ".count",
            ".servers.addresses.*.addr",
            ".servers.addresses.*.OS-EXT-IPS:type",
            ".servers.flavor.vcpus",
            ".servers.os-extended-volumes:volumes_attached.bootIndex",
            ".servers.security_groups.id",
            ".servers.tags",
            ".servers.OS-EXT-STS:task_state",
        ],
    );
}

#[test]
fn keys_of_a_role_have_fields_of_the_vendors() {
    let text = include_str!("../../testdata/aliyun_sts_fields.json");
    let client = Client::new(crate::roles::organisation());
    let reply = crate::roles::assume(&client, 0, "sync");
    assert_eq!(reply.status, 200, "{}", reply.body);
    let mut seen = Seen::new();
    object("", &reply.body, &model(text, "AssumeRole"), &mut seen);
    assert_seen(&seen, &[".Credentials.SecurityToken", ".AssumedRoleUser.Arn", ".RequestId"]);
}

#[test]
fn the_record_has_fields_of_the_vendors() {
    let text = include_str!("../../testdata/aliyun_actiontrail_fields.json");
    let client = Client::of(50);
    client.world.set_time(client.now);
    let churn = Churn { rename: 20, retag: 20, ..Churn::default() };
    client.world.churn(&churn, 1);
    let params = [("Version", "2020-07-06"), ("RegionId", REGION), ("MaxResults", "5")];
    let reply = client.call("LookupEvents", &params);
    assert_eq!(reply.status, 200, "{}", reply.body);
    let mut seen = Seen::new();
    object("", &reply.body, &model(text, "LookupEvents"), &mut seen);
    let all = [".EndTime", ".Events", ".NextToken", ".RequestId", ".StartTime"];
    assert_eq!(seen.keys().map(String::as_str).collect::<Vec<_>>(), all);
}

/// What the wire calls something, and how the vendor's models name it where
/// that is not the same with a capital.
const OF_EC2: [(&str, &[&str]); 12] = [
    ("reservationSet", &["Reservations"]),
    ("instancesSet", &["Instances"]),
    ("groupSet", &["SecurityGroups", "Groups"]),
    ("blockDeviceMapping", &["BlockDeviceMappings"]),
    ("networkInterfaceSet", &["NetworkInterfaces"]),
    ("privateIpAddressesSet", &["PrivateIpAddresses"]),
    ("ipv6AddressesSet", &["Ipv6Addresses"]),
    ("tagSet", &["Tags"]),
    ("instanceState", &["State"]),
    ("dnsName", &["PublicDnsName"]),
    ("ipAddress", &["PublicIpAddress"]),
    ("reason", &["StateTransitionReason"]),
];

fn field<'a>(fields: &'a Value, wire: &str) -> Option<(String, &'a Value)> {
    let with_capital = wire[..1].to_uppercase() + &wire[1..];
    let exception = OF_EC2.iter().find(|(name, _)| *name == wire).map(|(_, names)| *names);
    let plain = [with_capital.as_str()];
    let names = exception.unwrap_or(&plain);
    names.iter().find_map(|name| Some(((*name).to_owned(), fields.get(*name)?)))
}

/// An element that has begun.
#[derive(Default)]
struct Open {
    name: String,
    text: String,
    children: Vec<(String, Value)>,
}

/// Reads elements: each with its text or with its elements, whose names may
/// occur more than once.
fn elements(text: &str) -> Vec<(String, Value)> {
    let mut reader = Reader::from_str(text);
    let mut open = vec![Open::default()];
    loop {
        let event = reader.read_event().expect("XML");
        let last = open.last_mut().expect("the document");
        match event {
            Event::Start(start) => {
                let name = start.local_name().as_ref().to_owned();
                open.push(Open { name, ..Open::default() });
            }
            Event::Text(text) => last.text.push_str(&text.xml10_content()),
            Event::End(_) => {
                let Open { name, text, children } = open.pop().expect("an element");
                let value = if children.is_empty() {
                    Value::String(text)
                } else {
                    Value::Array(children.into_iter().map(pair).collect())
                };
                open.last_mut().expect("the document").children.push((name, value));
            }
            Event::Eof => return open.remove(0).children,
            _ => {}
        }
    }
}

fn pair((name, value): (String, Value)) -> Value {
    Value::Object(Map::from_iter([(name, value)]))
}

/// Returns the elements of an element.
fn children(value: &Value) -> Vec<(&String, &Value)> {
    let pairs = value.as_array().into_iter().flatten().filter_map(Value::as_object);
    pairs.flatten().collect()
}

fn check_ec2(path: &str, value: &Value, expected: &Value, seen: &mut Seen) {
    *seen.entry(path.to_owned()).or_insert(0) += 1;
    if let Some(kind) = expected.as_str() {
        let text = value.as_str().unwrap_or_else(|| panic!("{path} is {value}"));
        let is_good = match kind.split_once(':').unwrap_or((kind, "")) {
            ("integer", _) => text.parse::<i64>().is_ok(),
            ("boolean", _) => ["true", "false"].contains(&text),
            ("timestamp", _) => text.parse::<jiff::Timestamp>().is_ok(),
            ("string", "") => true,
            // What the vendor writes is not what its own model has.
            ("string", "Windows") => text == "windows",
            ("string", words) => words.split('|').any(|word| word == text),
            _ => false,
        };
        assert!(is_good, "{path} is '{text}', not of {kind}");
        return;
    }
    match expected["type"].as_str() {
        Some("object") => object_of_ec2(path, value, &expected["fields"], seen),
        Some("array") => {
            for (name, item) in children(value) {
                assert_eq!(name, "item", "{path}");
                match &expected["items"] {
                    Value::Object(_) => object_of_ec2(path, item, &expected["items"], seen),
                    plain => check_ec2(path, item, plain, seen),
                }
            }
        }
        other => panic!("{path}: the vendor's model says {other:?}"),
    }
}

fn object_of_ec2(path: &str, value: &Value, fields: &Value, seen: &mut Seen) {
    for (wire, value) in children(value) {
        let (name, expected) =
            field(fields, wire).unwrap_or_else(|| panic!("the vendor has no field {path}.{wire}"));
        check_ec2(&format!("{path}.{name}"), value, expected, seen);
    }
}

#[test]
fn machines_of_aws_have_fields_and_words_of_the_vendors() {
    let fields = model(include_str!("../../testdata/aws_ec2_fields.json"), "DescribeInstances");
    let document = elements(&listed(Provider::Aws));
    let [(root, reply)] = document.as_slice() else { panic!("{document:?}") };
    assert_eq!(root, "DescribeInstancesResponse");
    let mut seen = Seen::new();
    for (wire, value) in children(reply).into_iter().filter(|(name, _)| *name != "requestId") {
        let (name, expected) = field(&fields, wire).unwrap_or_else(|| panic!("no {wire}"));
        check_ec2(&name, value, expected, &mut seen);
    }
    assert!(seen.len() > 60, "{seen:?}");
    assert_seen(
        &seen,
        &[
            "NextToken",
            "Reservations.Instances.BlockDeviceMappings.Ebs.VolumeId",
            "Reservations.Instances.NetworkInterfaces.Association.PublicIp",
            "Reservations.Instances.NetworkInterfaces.Ipv6Addresses.Ipv6Address",
            "Reservations.Instances.SecurityGroups.GroupId",
            "Reservations.Instances.Tags.Key",
            "Reservations.Instances.State.Name",
        ],
    );
    let machines = seen["Reservations.Instances.InstanceId"];
    assert_eq!(machines, 100);
    assert!(!seen.contains_key("Reservations.Instances.BlockDeviceMappings.Ebs.Size"), "no sizes");
}
