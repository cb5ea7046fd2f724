//! `aws.ec2.instance`: virtual machines. Source: the vendor's reference of the
//! API of EC2 of 2016-11-15.
//!
//! A terminated machine stays in the list for about an hour, without its
//! network, groups and disks: the row is updated to `terminated` then, which
//! is what it is. That it is no longer listed is, later, a deletion, with all
//! the proofs of one.

use std::time::Duration;

use cloud_sync_core::attributes::Attributes;
use cloud_sync_core::diff::Field;
use cloud_sync_core::resource::{Disk, Resource, Status};
use serde::Deserialize;

use super::{Tag, attributes, tags};
use crate::Detail;
use crate::engine::decode::{Unreadable, elements, is_id, nullable, set, status_of, time};
use crate::engine::spec::{
    ByIds, Call, Format, IdForm, KindSpec, Paging, Path, Probe, Secondary, StatusSpec,
};

/// Virtual machines.
pub(crate) const KIND: KindSpec = KindSpec {
    tracked: &[
        Field::Name,
        Field::Status,
        Field::VendorStatus,
        Field::Spec,
        Field::Zone,
        Field::PublicIps,
        Field::PrivateIps,
        Field::SecurityGroups,
        Field::DataDisks,
        Field::Tags,
        Field::CreatedAt,
    ],
    secondary: &[Secondary {
        call: Call {
            params: &[("MaxResults", "500")],
            ..call("DescribeVolumes", &["volumeSet", "item"])
        },
        lists_region: true,
        by_ids: filter(&[("Filter.1.Name", "attachment.instance-id")]),
        region: None,
        decode: decode_volume,
    }],
    statuses: Some(StatusSpec {
        call: Call {
            params: &[("IncludeAllInstances", "true")],
            ..call("DescribeInstanceStatus", &["instanceStatusSet", "item"])
        },
        by_ids: ByIds {
            absent: &["InvalidInstanceID.NotFound", "InvalidInstanceID.Malformed"],
            ..ByIds::new("InstanceId", IdForm::Numbered, 100)
        },
        decode: decode_status,
    }),
    probe: Some(Probe { params: &[("DryRun", "true")], granted: "DryRunOperation" }),
    ..KindSpec::new(
        "aws.ec2.instance",
        Call {
            params: &[("MaxResults", "250")],
            ..call("DescribeInstances", &["reservationSet", "item", "instancesSet", "item"])
        },
        filter(&[("Filter.1.Name", "instance-id")]),
        "instanceId",
        decode_instance,
    )
};

/// Half of what the vendor's bucket of tokens for paged calls is filled with
/// in a second. An answer takes longer than other services'.
const fn call(action: &'static str, items: Path) -> Call {
    let paging = Paging::Token { param: "NextToken", next: &["nextToken"] };
    Call {
        format: Format::Xml,
        per_second: 10,
        timeout: Duration::from_secs(30),
        ..Call::new("ec2", "2016-11-15", action).listing(items, paging)
    }
}

/// A filter by ids. Ids themselves would be refused where one is unknown.
const fn filter(named: &'static [(&'static str, &'static str)]) -> ByIds {
    ByIds { params: named, ..ByIds::new("Filter.1.Value", IdForm::Numbered, 200) }
}

const STATUSES: &[(&str, Status)] = &[
    ("pending", Status::Pending),
    ("running", Status::Running),
    ("stopping", Status::Stopping),
    ("stopped", Status::Stopped),
    ("shutting-down", Status::Terminating),
    ("terminated", Status::Terminated),
];

/// What is no attribute: the fields that are typed, and what changes while no
/// tracked field does.
const NO_ATTRIBUTES: [&str; 10] = [
    "groupSet",
    "instanceId",
    "instanceState",
    "instanceType",
    "ipAddress",
    "launchTime",
    "privateIpAddress",
    "reason",
    "stateReason",
    "tagSet",
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Instance {
    instance_id: String,
    #[serde(default, deserialize_with = "nullable")]
    instance_state: State,
    #[serde(default, deserialize_with = "nullable")]
    instance_type: String,
    #[serde(default, deserialize_with = "nullable")]
    placement: Placement,
    #[serde(default, deserialize_with = "nullable")]
    launch_time: String,
    #[serde(default, deserialize_with = "nullable")]
    ip_address: String,
    #[serde(default, deserialize_with = "nullable")]
    private_ip_address: String,
    #[serde(default, deserialize_with = "elements")]
    network_interface_set: Vec<Interface>,
    #[serde(default, deserialize_with = "elements")]
    group_set: Vec<Group>,
    #[serde(default, deserialize_with = "nullable")]
    root_device_name: String,
    #[serde(default, deserialize_with = "elements")]
    block_device_mapping: Vec<Device>,
    #[serde(default, deserialize_with = "elements")]
    tag_set: Vec<Tag>,
}

#[derive(Default, Deserialize)]
struct State {
    #[serde(default, deserialize_with = "nullable")]
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Placement {
    #[serde(default, deserialize_with = "nullable")]
    availability_zone: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Interface {
    #[serde(default, deserialize_with = "nullable")]
    private_ip_address: String,
    #[serde(default, deserialize_with = "nullable")]
    association: Association,
    #[serde(default, deserialize_with = "nullable")]
    attachment: InterfaceAttachment,
    #[serde(default, deserialize_with = "elements")]
    private_ip_addresses_set: Vec<Address>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Address {
    #[serde(default, deserialize_with = "nullable")]
    private_ip_address: String,
    #[serde(default, deserialize_with = "nullable")]
    association: Association,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Association {
    #[serde(default, deserialize_with = "nullable")]
    public_ip: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct InterfaceAttachment {
    #[serde(default, deserialize_with = "nullable")]
    device_index: String,
    #[serde(default, deserialize_with = "nullable")]
    attach_time: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    #[serde(default, deserialize_with = "nullable")]
    group_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Device {
    #[serde(default, deserialize_with = "nullable")]
    device_name: String,
    #[serde(default, deserialize_with = "nullable")]
    ebs: Ebs,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ebs {
    #[serde(default, deserialize_with = "nullable")]
    volume_id: String,
}

impl Instance {
    /// Returns when it was created. What the vendor calls its launch is the
    /// last of its starts; but the interface that it was created with stays
    /// as long as it is there.
    fn created(&self) -> &str {
        let first = self.network_interface_set.iter().find(|it| it.attachment.device_index == "0");
        let attached = first.map_or("", |interface| &interface.attachment.attach_time);
        if attached.is_empty() { &self.launch_time } else { attached }
    }

    fn system_disk(&mut self) -> String {
        let root = std::mem::take(&mut self.root_device_name);
        let device = self.block_device_mapping.iter_mut().find(|it| it.device_name == root);
        device.map(|device| std::mem::take(&mut device.ebs.volume_id)).unwrap_or_default()
    }
}

fn decode_instance(text: &str) -> Result<Resource, Unreadable> {
    let mut item: Instance = serde_json::from_str(text)?;
    let created_at = time("launchTime", item.created())?;
    let system_disk = item.system_disk();
    let mut public_ips = vec![item.ip_address];
    let mut private_ips = vec![item.private_ip_address];
    for interface in item.network_interface_set {
        private_ips.push(interface.private_ip_address);
        public_ips.push(interface.association.public_ip);
        for address in interface.private_ip_addresses_set {
            private_ips.push(address.private_ip_address);
            public_ips.push(address.association.public_ip);
        }
    }
    let tags = tags(item.tag_set);
    Ok(Resource {
        id: item.instance_id,
        name: tags.get("Name").cloned().unwrap_or_default(),
        status: status_of(STATUSES, &item.instance_state.name),
        vendor_status: item.instance_state.name,
        spec: item.instance_type,
        zone: item.placement.availability_zone,
        public_ips: set(public_ips),
        private_ips: set(private_ips),
        security_groups: set(item.group_set.into_iter().map(|group| group.group_id)),
        system_disk,
        tags,
        created_at,
        attributes: Attributes::unread(text, &NO_ATTRIBUTES, attributes),
        ..Resource::default()
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Volume {
    volume_id: String,
    #[serde(default, deserialize_with = "nullable")]
    volume_type: String,
    #[serde(default, deserialize_with = "nullable")]
    size: String,
    #[serde(default, deserialize_with = "elements")]
    attachment_set: Vec<VolumeAttachment>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VolumeAttachment {
    #[serde(default, deserialize_with = "nullable")]
    instance_id: String,
    #[serde(default, deserialize_with = "nullable")]
    status: String,
}

/// A volume that a machine starts from is told apart by what the list of
/// machines says of their root devices.
fn decode_volume(item: &str) -> Result<Vec<(String, Detail)>, Unreadable> {
    let item: Volume = serde_json::from_str(item)?;
    if !is_id(&item.volume_id) {
        return Err(Unreadable::value("volumeId", &item.volume_id, "an id"));
    }
    if !item.volume_type.is_empty() && !is_id(&item.volume_type) {
        return Err(Unreadable::value("volumeType", &item.volume_type, "a type"));
    }
    let size_gib = match item.size.as_str() {
        "" => None,
        size => Some(size.parse().map_err(|_| Unreadable::value("size", size, "a number"))?),
    };
    let disk = Disk { id: item.volume_id, category: item.volume_type, size_gib };
    let detail = Detail { disks: [disk].into(), ..Detail::default() };
    let attached = item.attachment_set.into_iter().filter(|at| at.status != "detached");
    let instances = set(attached.map(|at| at.instance_id));
    Ok(instances.into_iter().map(|instance| (instance, detail.clone())).collect())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StatusItem {
    instance_id: String,
    #[serde(default, deserialize_with = "nullable")]
    instance_state: State,
}

fn decode_status(item: &str) -> Result<(String, Status, String), Unreadable> {
    let item: StatusItem = serde_json::from_str(item)?;
    let word = item.instance_state.name;
    Ok((item.instance_id, status_of(STATUSES, &word), word))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::*;
    use crate::aws::tests::items;
    use crate::engine::testing::told;

    const SAMPLE: &str = include_str!("../../testdata/sample_aws_describe_instances.xml");

    fn sample() -> Value {
        serde_json::from_str(&items(SAMPLE, KIND.list.items)[0]).unwrap()
    }

    fn decode(item: &Value) -> Resource {
        decode_instance(&item.to_string()).unwrap()
    }

    fn disks(item: &Value) -> BTreeSet<Disk> {
        let found = decode_volume(&item.to_string()).unwrap();
        found.into_iter().flat_map(|(_, detail)| detail.disks).collect()
    }

    #[test]
    fn reads_every_typed_field() {
        let web = decode(&sample());
        assert_eq!((&*web.id, &*web.name), ("i-a2ef46946b0f738b7", "生产 web"));
        assert_eq!((web.status, &*web.vendor_status), (Status::Running, "running"));
        assert_eq!((&*web.spec, &*web.zone), ("t3.micro", "us-east-1a"));
        assert_eq!(web.public_ips, ["54.214.13.243".to_owned()].into());
        assert_eq!(web.private_ips, ["10.196.61.73".to_owned()].into());
        assert_eq!(web.security_groups, ["sg-4b23d678e3d069189".to_owned()].into());
        assert_eq!(web.tags["env"], "prod");
        assert_eq!(web.created_at, "2026-11-22T18:16:10Z".parse().ok());
        assert_eq!(web.system_disk, "vol-be7ff1aa9a052dda2");
        assert_eq!(web.data_disks, None, "the list does not tell their sizes");
        assert_eq!(web.attributes["imageId"], "ami-03cf127a");
        assert_eq!(web.attributes["networkInterfaceSet"][0]["deviceIndex"], Value::Null);
        assert_eq!(web.attributes["blockDeviceMapping"][1]["deviceName"], "/dev/sdf");
    }

    #[test]
    fn what_is_tracked_is_what_the_vendor_tells() {
        let mut web = decode(&sample());
        web.set_disks([Disk { id: "vol-1".into(), ..Disk::default() }].into());
        assert_eq!(told(&web), KIND.tracked);
    }

    #[test]
    fn a_terminated_machine_has_a_status_and_little_else() {
        let gone = json!({
            "instanceId": "i-1", "instanceState": { "code": "48", "name": "terminated" },
            "instanceType": "t3.micro", "launchTime": "2026-11-22T18:16:10.000Z",
            "networkInterfaceSet": null, "groupSet": "\n", "blockDeviceMapping": null,
            "rootDeviceName": "/dev/xvda", "tagSet": { "item": { "key": "a", "value": null } },
        });
        let gone = decode(&gone);
        assert_eq!(gone.status, Status::Terminated);
        assert_eq!((gone.private_ips.len(), gone.security_groups.len()), (0, 0));
        assert_eq!((&*gone.system_disk, &*gone.tags["a"]), ("", ""));
        assert!(gone.created_at.is_some());
    }

    #[test]
    fn a_restart_does_not_change_when_a_machine_was_created() {
        let mut item = sample();
        item["launchTime"] = json!("2026-12-01T00:00:00.000Z");
        let restarted = decode(&item);
        assert_eq!(restarted.created_at, "2026-11-22T18:16:10Z".parse().ok());
        assert!(!restarted.attributes.contains_key("launchTime"), "it goes stale");
    }

    #[test]
    fn a_word_that_nobody_knows_is_kept() {
        let mut item = sample();
        item["instanceState"]["name"] = json!("hibernating");
        let odd = decode(&item);
        assert_eq!((odd.status, &*odd.vendor_status), (Status::Unknown, "hibernating"));
        item["instanceId"] = Value::Null;
        assert!(decode_instance(&item.to_string()).is_err());
    }

    #[test]
    fn the_volume_that_a_machine_starts_from_is_no_data_disk() {
        let volume = |id: &str, status: &str| {
            json!({
                "volumeId": id, "size": "8", "volumeType": "gp3",
                "attachmentSet": { "item": { "instanceId": "i-1", "status": status } },
            })
        };
        let mut web = decode(&sample());
        let root = disks(&volume(&web.system_disk, "attached"));
        let data = disks(&volume("vol-2", "attaching"));
        web.set_disks(root.union(&data).cloned().collect());
        let expected = Disk { id: "vol-2".into(), category: "gp3".into(), size_gib: Some(8) };
        assert_eq!(web.data_disks, Some([expected].into()));
        assert!(disks(&volume("vol-3", "detached")).is_empty());
        let free = json!({ "volumeId": "vol-4", "size": "8", "attachmentSet": null });
        assert!(disks(&free).is_empty());
        assert!(decode_volume(r#"{"volumeId": "vol-5", "size": "big"}"#).is_err());
    }
}
