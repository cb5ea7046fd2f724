//! `aliyun.ecs.instance`: virtual machines. Source: the vendor's reference of
//! the ECS API of 2014-05-26.

use std::time::Duration;

use cloud_sync_core::attributes::Attributes;
use cloud_sync_core::diff::Field;
use cloud_sync_core::resource::{Disk, Resource, Status};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::shared::{Tag, tags};
use super::{NEXT_TOKEN, actiontrail, instance_type};
use crate::Detail;
use crate::engine::decode::{
    Unreadable, fields_but, is_id, nullable, set, status_of, time, without_empty, wrapped,
};
use crate::engine::spec::{ByIds, Call, IdForm, KindSpec, Path, Probe, Secondary, StatusSpec};

/// Virtual machines.
pub(crate) const KIND: KindSpec = KindSpec {
    tracked: &Field::ALL,
    secondary: &[Secondary {
        call: Call { params: &[("DiskType", "data"), ("MaxResults", "500")], ..DISKS },
        lists_region: true,
        by_ids: ByIds::new("InstanceId", IdForm::Single, 1),
        region: None,
        decode: decode_disk,
    }],
    statuses: Some(StatusSpec {
        call: Call {
            params: &[("PageSize", "50")],
            ..call("DescribeInstanceStatus", &["InstanceStatuses", "InstanceStatus"], 26)
        },
        by_ids: ByIds::new("InstanceId", IdForm::Numbered, 50),
        decode: decode_status,
    }),
    probe: Some(Probe { params: &[("DryRun", "true")], granted: "DryRunOperation" }),
    feed: Some(actiontrail::INSTANCES),
    types: Some(instance_type::TYPES),
    ..KindSpec::new(
        "aliyun.ecs.instance",
        Call {
            params: &[("MaxResults", "100")],
            ..call("DescribeInstances", &["Instances", "Instance"], 10)
        },
        ByIds::new("InstanceIds", IdForm::JsonArray, 100),
        "InstanceId",
        decode_instance,
    )
};

/// The call that lists disks.
pub(super) const DISKS: Call = call("DescribeDisks", &["Disks", "Disk"], 19);

/// The timeouts are those of the vendor's own SDK.
const fn call(action: &'static str, items: Path, seconds: u64) -> Call {
    let timeout = Duration::from_secs(seconds);
    Call { timeout, ..Call::new("ecs", "2014-05-26", action).listing(items, NEXT_TOKEN) }
}

/// No word for "released": a released instance is no longer listed.
const STATUSES: &[(&str, Status)] = &[
    ("Pending", Status::Pending),
    ("Starting", Status::Starting),
    ("Running", Status::Running),
    ("Stopping", Status::Stopping),
    ("Stopped", Status::Stopped),
];

/// The end of what has none: pay-as-you-go instances "expire" then.
const NEVER: &str = "2099-12-31T15:59Z";

/// What is no attribute: the fields that are typed, what says what the scope
/// says, and what changes while no tracked field does, so that a row's would
/// soon be wrong.
const NO_ATTRIBUTES: [&str; 13] = [
    "CreationTime",
    "ExpiredTime",
    "InnerIpAddress",
    "InstanceId",
    "InstanceName",
    "InstanceType",
    "PublicIpAddress",
    "RegionId",
    "SecurityGroupIds",
    "StartTime",
    "Status",
    "Tags",
    "ZoneId",
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Instance {
    instance_id: String,
    #[serde(default, deserialize_with = "nullable")]
    instance_name: String,
    #[serde(default, deserialize_with = "nullable")]
    status: String,
    #[serde(default, deserialize_with = "nullable")]
    instance_type: String,
    #[serde(default, deserialize_with = "nullable")]
    zone_id: String,
    #[serde(default, deserialize_with = "nullable")]
    instance_charge_type: String,
    #[serde(default, deserialize_with = "wrapped")]
    public_ip_address: Vec<String>,
    #[serde(default, deserialize_with = "wrapped")]
    inner_ip_address: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    eip_address: Eip,
    #[serde(default, deserialize_with = "nullable")]
    vpc_attributes: Vpc,
    #[serde(default, deserialize_with = "wrapped")]
    network_interfaces: Vec<Interface>,
    #[serde(default, deserialize_with = "wrapped")]
    security_group_ids: Vec<String>,
    #[serde(default, deserialize_with = "wrapped")]
    tags: Vec<Tag>,
    #[serde(default, deserialize_with = "nullable")]
    creation_time: String,
    #[serde(default, deserialize_with = "nullable")]
    expired_time: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Eip {
    #[serde(default, deserialize_with = "nullable")]
    ip_address: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Vpc {
    #[serde(default, deserialize_with = "wrapped")]
    private_ip_address: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Interface {
    #[serde(default, deserialize_with = "nullable")]
    primary_ip_address: String,
    #[serde(default, deserialize_with = "wrapped")]
    private_ip_sets: Vec<PrivateIp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PrivateIp {
    #[serde(default, deserialize_with = "nullable")]
    private_ip_address: String,
}

fn decode_instance(text: &str) -> Result<Resource, Unreadable> {
    let mut item: Instance = serde_json::from_str(text)?;
    let created_at = time("CreationTime", &item.creation_time)?;
    let is_subscription = item.instance_charge_type == "PrePaid";
    let expires_at = match item.expired_time.as_str() {
        NEVER if !is_subscription => None,
        text => time("ExpiredTime", text)?,
    };
    let mut private_ips = std::mem::take(&mut item.vpc_attributes.private_ip_address);
    if private_ips.is_empty() {
        private_ips = std::mem::take(&mut item.inner_ip_address);
    }
    for interface in &mut item.network_interfaces {
        private_ips.push(std::mem::take(&mut interface.primary_ip_address));
        let more = interface.private_ip_sets.drain(..).map(|ip| ip.private_ip_address);
        private_ips.extend(more);
    }
    let mut public_ips = std::mem::take(&mut item.public_ip_address);
    public_ips.push(std::mem::take(&mut item.eip_address.ip_address));
    Ok(Resource {
        status: status_of(STATUSES, &item.status),
        public_ips: set(public_ips),
        private_ips: set(private_ips),
        security_groups: set(std::mem::take(&mut item.security_group_ids)),
        tags: tags(std::mem::take(&mut item.tags)),
        created_at,
        expires_at,
        id: std::mem::take(&mut item.instance_id),
        name: std::mem::take(&mut item.instance_name),
        vendor_status: std::mem::take(&mut item.status),
        spec: std::mem::take(&mut item.instance_type),
        zone: std::mem::take(&mut item.zone_id),
        attributes: Attributes::unread(text, &NO_ATTRIBUTES, attributes),
        ..Resource::default()
    })
}

/// Returns what no typed field holds, in the vendor's own shape but for the
/// list of interfaces, which it wraps in an object.
fn attributes(item: &str, typed: &[&str]) -> Map<String, Value> {
    let mut rest = fields_but(item, typed);
    let without = |fields: &mut Value, names: &[&str]| {
        if let Value::Object(fields) = fields {
            fields.retain(|name, _| !names.contains(&name.as_str()));
        }
    };
    if let Some(eip) = rest.get_mut("EipAddress") {
        without(eip, &["IpAddress"]);
    }
    if let Some(vpc) = rest.get_mut("VpcAttributes") {
        without(vpc, &["PrivateIpAddress"]);
    }
    if let Some(Value::Object(wrapper)) = rest.get_mut("NetworkInterfaces") {
        let lists = wrapper.values_mut().filter_map(Value::as_array_mut);
        let mut interfaces: Vec<_> = lists.flat_map(std::mem::take).collect();
        for interface in &mut interfaces {
            without(interface, &["PrimaryIpAddress", "PrivateIpSets"]);
        }
        rest.insert("NetworkInterfaces".into(), interfaces.into());
    }
    without_empty(rest)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DiskItem {
    disk_id: String,
    #[serde(default, deserialize_with = "nullable")]
    r#type: String,
    #[serde(default, deserialize_with = "nullable")]
    category: String,
    #[serde(default)]
    size: Option<u64>,
    #[serde(default, deserialize_with = "nullable")]
    instance_id: String,
    #[serde(default, deserialize_with = "wrapped")]
    attachments: Vec<Attachment>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attachment {
    #[serde(default, deserialize_with = "nullable")]
    instance_id: String,
}

/// A disk that several instances share names them only as attachments.
fn decode_disk(item: &str) -> Result<Vec<(String, Detail)>, Unreadable> {
    let item: DiskItem = serde_json::from_str(item)?;
    if !is_id(&item.disk_id) {
        return Err(Unreadable::value("DiskId", &item.disk_id, "an id"));
    }
    // It is kept with each of the disk's machines, in items of bounded size.
    if !item.category.is_empty() && !is_id(&item.category) {
        return Err(Unreadable::value("Category", &item.category, "a category"));
    }
    if item.r#type == "system" {
        return Ok(Vec::new());
    }
    let mut instances = set(item.attachments.into_iter().map(|at| at.instance_id));
    if !item.instance_id.is_empty() {
        instances.insert(item.instance_id);
    }
    let disk = Disk { id: item.disk_id, category: item.category, size_gib: item.size };
    let detail = Detail { disks: [disk].into(), ..Detail::default() };
    Ok(instances.into_iter().map(|instance| (instance, detail.clone())).collect())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StatusItem {
    instance_id: String,
    #[serde(default, deserialize_with = "nullable")]
    status: String,
}

fn decode_status(item: &str) -> Result<(String, Status, String), Unreadable> {
    let item: StatusItem = serde_json::from_str(item)?;
    Ok((item.instance_id, status_of(STATUSES, &item.status), item.status))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PAGES: [&str; 2] = [
        include_str!("../../testdata/sample_aliyun_describe_instances_page1.json"),
        include_str!("../../testdata/sample_aliyun_describe_instances_page2.json"),
    ];

    fn items(page: &str) -> Vec<Value> {
        let page: Value = serde_json::from_str(page).unwrap();
        page["Instances"]["Instance"].as_array().unwrap().clone()
    }

    fn samples() -> Vec<Resource> {
        let items = PAGES.into_iter().flat_map(items);
        items.map(|item| decode_instance(&item.to_string()).unwrap()).collect()
    }

    fn decode_with(change: impl FnOnce(&mut Value)) -> Result<Resource, Unreadable> {
        let mut item = items(PAGES[0]).remove(0);
        change(&mut item);
        decode_instance(&item.to_string())
    }

    fn texts(set: &std::collections::BTreeSet<String>) -> Vec<&str> {
        set.iter().map(String::as_str).collect()
    }

    #[test]
    fn reads_every_typed_field() {
        let web = samples().remove(0);
        assert_eq!((&*web.id, &*web.name), ("i-bp1resync00000001", "web-prod-01"));
        assert_eq!((web.status, &*web.vendor_status), (Status::Running, "Running"));
        assert_eq!((&*web.spec, &*web.zone), ("ecs.g7.large", "cn-hangzhou-k"));
        assert_eq!(texts(&web.public_ips), ["47.96.10.11"], "the elastic one");
        assert_eq!(texts(&web.private_ips), ["172.16.181.225"]);
        assert_eq!(texts(&web.security_groups), ["sg-bp1resync0001", "sg-bp1resync0002"]);
        assert_eq!(web.tags["team"], "基础架构");
        assert_eq!(web.tags["empty"], "");
        assert_eq!(web.created_at, "2024-04-14T22:32:00Z".parse().ok());
        assert_eq!(web.data_disks, None, "the list does not tell disks");
    }

    #[test]
    fn reads_what_is_often_missing_or_elsewhere() {
        let [_, untagged, classic, interfaces] = samples().try_into().unwrap();
        assert_eq!((untagged.tags.len(), untagged.public_ips.len()), (0, 0));
        assert_eq!(untagged.name, "生产环境-数据库");
        assert_eq!(texts(&classic.private_ips), ["10.170.41.17"], "the classic network's");
        assert_eq!(texts(&classic.public_ips), ["121.40.1.2"]);
        let all = ["172.16.181.220", "172.16.181.240", "172.16.182.9"];
        assert_eq!(texts(&interfaces.private_ips), all, "those of both interfaces, once");
    }

    #[test]
    fn only_a_subscription_expires() {
        let [payg, _, subscription, _] = samples().try_into().unwrap();
        assert_eq!(payg.expires_at, None);
        assert_eq!(subscription.expires_at, "2027-01-10T16:00:00Z".parse().ok());
        let never = decode_with(|item| item["InstanceChargeType"] = json!("PrePaid")).unwrap();
        assert_eq!(never.expires_at, "2099-12-31T15:59:00Z".parse().ok(), "as the vendor says");
        let absent = decode_with(|item| item["ExpiredTime"] = json!("")).unwrap();
        assert_eq!(absent.expires_at, None);
    }

    #[test]
    fn attributes_hold_the_rest_and_nothing_that_goes_stale() {
        let web = samples().remove(0).attributes;
        assert_eq!(web["ImageId"], "aliyun_3_x64_20G_alibase_20240819.vhd");
        assert_eq!(web["EipAddress"]["AllocationId"], "eip-bp1resync0001");
        assert_eq!(web["VpcAttributes"]["VSwitchId"], "vsw-bp1resync01");
        assert_eq!(web["NetworkInterfaces"][0]["MacAddress"], "00:16:3e:25:48:a8");
        let gone = ["StartTime", "RegionId", "InstanceId", "Tags", "Status", "Description"];
        assert!(gone.iter().all(|name| !web.contains_key(*name)), "{web:?}");
        assert!(samples()[2].attributes.contains_key("OperationLocks"), "a lock says a lot");
    }

    #[test]
    fn an_unknown_status_keeps_the_vendors_word() {
        let odd = decode_with(|item| item["Status"] = json!("Meditating")).unwrap();
        assert_eq!((odd.status, &*odd.vendor_status), (Status::Unknown, "Meditating"));
    }

    #[test]
    fn fields_of_the_wrong_type_and_impossible_times_are_errors() {
        for (field, value) in [
            ("Status", json!(1)),
            ("Tags", json!([])),
            ("Tags", json!({ "Tag": [{ "TagKey": 1 }] })),
            ("PublicIpAddress", json!({ "IpAddress": "1.2.3.4" })),
            ("CreationTime", json!("yesterday")),
        ] {
            assert!(decode_with(|item| item[field] = value.clone()).is_err(), "{field}: {value}");
        }
    }

    #[test]
    fn data_disks_are_told_by_the_instances_they_are_attached_to() {
        let page = include_str!("../../testdata/sample_aliyun_describe_disks.json");
        let page: Value = serde_json::from_str(page).unwrap();
        let items = page["Disks"]["Disk"].as_array().unwrap();
        let mut disks: Vec<_> =
            items.iter().flat_map(|item| decode_disk(&item.to_string()).unwrap()).collect();
        disks.sort_by(|one, other| one.1.disks.cmp(&other.1.disks));
        let disk = |id: &str, category: &str, size| Detail {
            disks: [Disk { id: id.into(), category: category.into(), size_gib: Some(size) }].into(),
            ..Detail::default()
        };
        let web = || "i-bp1resync00000001".to_owned();
        let expected = [
            (web(), disk("d-bp1resync000000d1", "cloud_essd", 200)),
            (web(), disk("d-bp1resync000000d2", "cloud_efficiency", 500)),
        ];
        assert_eq!(disks, expected, "neither the system's disk nor the one attached to nothing");

        let shared = json!({
            "DiskId": "d-1", "Type": "data", "InstanceId": "",
            "Attachments": { "Attachment": [{ "InstanceId": "i-1" }, { "InstanceId": "i-2" }] },
        });
        let owners: Vec<_> =
            decode_disk(&shared.to_string()).unwrap().into_iter().map(|(id, _)| id).collect();
        assert_eq!(owners, ["i-1", "i-2"]);
    }
}
