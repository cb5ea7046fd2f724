//! `aliyun.ecs.instance`: virtual machines. Source: the vendor's reference of
//! the ECS API of 2014-05-26.

use std::time::Duration;

use cloud_sync_core::resource::{Disk, Resource, Status};
use serde_json::{Map, Value};

use super::{NEXT_TOKEN, actiontrail, instance_type};
use crate::Detail;
use crate::engine::decode::{
    Unreadable, attached, fields_but, in_status, set, time, without_empty,
};
use crate::engine::fields::{Item, Maybe, Tag, Text, Wrapped, objects, tags};
use crate::engine::spec::{
    ByIds, Call, IdForm, KindSpec, Path, Probe, Secondary, StatusSpec, Statuses,
};

/// Virtual machines.
pub(crate) const KIND: KindSpec = KindSpec {
    attributes,
    secondary: &[Secondary::listed(
        DISKS.with(&[("DiskType", "data"), ("MaxResults", "500")]),
        ByIds::new("InstanceId", IdForm::Single, 1),
        decode_disk,
    )],
    statuses: Some(StatusSpec {
        call: call("DescribeInstanceStatus", &["InstanceStatuses", "InstanceStatus"], 26)
            .with(&[("PageSize", "50")]),
        by_ids: ByIds::new("InstanceId", IdForm::Numbered, 50),
    }),
    probe: Some(Probe::DRY_RUN),
    feed: Some(actiontrail::INSTANCES),
    types: Some(instance_type::TYPES),
    ..KindSpec::new::<Instance>(
        "aliyun.ecs.instance",
        call("DescribeInstances", &["Instances", "Instance"], 10).with(&[("MaxResults", "100")]),
        ByIds::new("InstanceIds", IdForm::JsonArray, 100),
        "InstanceId",
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
const STATUSES: Statuses = &[
    (Status::Pending, &["Pending"]),
    (Status::Starting, &["Starting"]),
    (Status::Running, &["Running"]),
    (Status::Stopping, &["Stopping"]),
    (Status::Stopped, &["Stopped"]),
];

/// The end of what has none: pay-as-you-go instances "expire" then.
const NEVER: &str = "2099-12-31T15:59Z";

objects! {
    struct Instance {
        "InstanceId" => id: String,
        "InstanceName" => name: Text,
        "Status" => status: Text,
        "InstanceType" => spec: Text,
        "ZoneId" => zone: Text,
        "PublicIpAddress" => public_ips: Wrapped<String>,
        "InnerIpAddress" => inner_ips: Wrapped<String>,
        "SecurityGroupIds" => groups: Wrapped<String>,
        "Tags" => tags: Wrapped<Tag>,
        "CreationTime" => created: Text,
        "ExpiredTime" => expires: Text,
    }
    keeping {
        "InstanceChargeType" => charge_type: Text,
        "EipAddress" => eip: Maybe<Eip>,
        "VpcAttributes" => vpc: Maybe<Vpc>,
        "NetworkInterfaces" => interfaces: Wrapped<Interface>,
    }
    // The start changes while no tracked field does, so that a row's would
    // soon be wrong.
    dropping { "RegionId", "StartTime" }

    struct Eip { "IpAddress" => ip: Text }
    struct Vpc { "PrivateIpAddress" => private_ips: Wrapped<String> }
    struct Interface {
        "PrimaryIpAddress" => primary_ip: Text,
        "PrivateIpSets" => more: Wrapped<PrivateIp>,
    }
    struct PrivateIp { "PrivateIpAddress" => ip: Text }

    struct DiskItem {
        "DiskId" => id: String,
        "Type" => kind: Text,
        "Category" => category: Text,
        "Size" => size: Option<u64>,
        "InstanceId" => instance: Text,
        "Attachments" => attachments: Wrapped<Attachment>,
    }
    struct Attachment { "InstanceId" => instance: Text }
}

impl Item for Instance {
    fn resource(self) -> Result<Resource, Unreadable> {
        let is_subscription = self.charge_type.0 == "PrePaid";
        let expires_at = match self.expires.as_str() {
            NEVER if !is_subscription => None,
            text => time("ExpiredTime", text)?,
        };
        let in_vpc = self.vpc.0.private_ips.0;
        let mut private_ips = if in_vpc.is_empty() { self.inner_ips.0 } else { in_vpc };
        for interface in self.interfaces.0 {
            private_ips.push(interface.primary_ip.0);
            private_ips.extend(interface.more.0.into_iter().map(|more| more.ip.0));
        }
        Ok(Resource {
            id: self.id,
            name: self.name.0,
            spec: self.spec.0,
            zone: self.zone.0,
            public_ips: set(self.public_ips.0.into_iter().chain([self.eip.0.ip.0])),
            private_ips: set(private_ips),
            security_groups: set(self.groups.0),
            tags: tags(self.tags.0),
            created_at: time("CreationTime", &self.created)?,
            expires_at,
            ..in_status(STATUSES, self.status.0)
        })
    }
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
    for (part, ips) in [("EipAddress", "IpAddress"), ("VpcAttributes", "PrivateIpAddress")] {
        rest.get_mut(part).into_iter().for_each(|part| without(part, &[ips]));
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

/// A disk that several instances share names them only as attachments.
fn decode_disk(item: &str) -> Result<Vec<(String, Detail)>, Unreadable> {
    let item: DiskItem = serde_json::from_str(item)?;
    let is_data = item.kind.0 != "system";
    let shared = item.attachments.0.into_iter().map(|attachment| attachment.instance.0);
    let instances = shared.chain([item.instance.0]).filter(|_| is_data);
    let disk = Disk { id: item.id, category: item.category.0, size_gib: item.size };
    attached(disk, ("DiskId", "Category"), instances)
}

#[cfg(test)]
mod tests {
    use cloud_sync_core::listing::Undecodable;
    use serde_json::json;

    use super::*;
    use crate::engine::testing;

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
        items.map(|item| testing::decoded(&KIND, &item.to_string()).unwrap()).collect()
    }

    fn decode_with(change: impl FnOnce(&mut Value)) -> Result<Resource, Undecodable> {
        let mut item = items(PAGES[0]).remove(0);
        change(&mut item);
        testing::decoded(&KIND, &item.to_string())
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
