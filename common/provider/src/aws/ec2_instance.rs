//! `aws.ec2.instance`: virtual machines. Source: the vendor's reference of the
//! API of EC2 of 2016-11-15.
//!
//! A terminated machine stays in the list for about an hour, without its
//! network, groups and disks: the row is updated to `terminated` then, which
//! is what it is. That it is no longer listed is, later, a deletion, with all
//! the proofs of one.

use std::time::Duration;

use cloud_sync_core::diff::Field;
use cloud_sync_core::resource::{Disk, Resource, Status};

use super::attributes;
use crate::Detail;
use crate::engine::decode::{Unreadable, attached, in_status, set, time};
use crate::engine::fields::{Elements, Item, Maybe, Tag, Text, objects, tags};
use crate::engine::spec::{
    ByIds, Call, FixedParams, IdForm, KindSpec, Paging, Path, Probe, Secondary, StatusSpec,
    Statuses,
};

/// Virtual machines.
pub(crate) const KIND: KindSpec = KindSpec {
    attributes,
    untold: &[Field::ExpiresAt],
    secondary: &[Secondary::listed(
        call("DescribeVolumes", &["volumeSet", "item"]).with(&[("MaxResults", "500")]),
        filter(&[("Filter.1.Name", "attachment.instance-id")]),
        decode_volume,
    )],
    statuses: Some(StatusSpec {
        call: call("DescribeInstanceStatus", &["instanceStatusSet", "item"])
            .with(&[("IncludeAllInstances", "true")]),
        by_ids: ByIds::new("InstanceId", IdForm::Numbered, 100)
            .refusing(&["InvalidInstanceID.NotFound", "InvalidInstanceID.Malformed"]),
    }),
    probe: Some(Probe::DRY_RUN),
    ..KindSpec::new::<Instance>(
        "aws.ec2.instance",
        call("DescribeInstances", &["reservationSet", "item", "instancesSet", "item"])
            .with(&[("MaxResults", "250")]),
        filter(&[("Filter.1.Name", "instance-id")]),
        "instanceId",
    )
};

/// Half of what the vendor's bucket of tokens for paged calls is filled with
/// in a second. An answer takes longer than other services'.
const fn call(action: &'static str, items: Path) -> Call {
    let paging = Paging::Token { param: "NextToken", next: &["nextToken"] };
    let call = super::call("ec2", "2016-11-15", action).listing(items, paging);
    Call { per_second: 10, timeout: Duration::from_secs(30), ..call }
}

/// A filter by ids. Ids themselves would be refused where one is unknown.
const fn filter(named: FixedParams) -> ByIds {
    ByIds { params: named, ..ByIds::new("Filter.1.Value", IdForm::Numbered, 200) }
}

const STATUSES: Statuses = &[
    (Status::Pending, &["pending"]),
    (Status::Running, &["running"]),
    (Status::Stopping, &["stopping"]),
    (Status::Stopped, &["stopped"]),
    (Status::Terminating, &["shutting-down"]),
    (Status::Terminated, &["terminated"]),
];

objects! {
    struct Instance {
        "instanceId" => id: String,
        "instanceState" => state: Maybe<State>,
        "instanceType" => spec: Text,
        "launchTime" => launched: Text,
        "ipAddress" => public_ip: Text,
        "privateIpAddress" => private_ip: Text,
        "groupSet" => groups: Elements<Group>,
        "tagSet" => tags: Elements<Tag>,
    }
    keeping {
        "placement" => placement: Maybe<Placement>,
        "networkInterfaceSet" => interfaces: Elements<Interface>,
        "rootDeviceName" => root_device: Text,
        "blockDeviceMapping" => devices: Elements<Device>,
    }
    // They change while no tracked field does.
    dropping { "reason", "stateReason" }

    struct State { "name" => name: Text }
    struct Placement { "availabilityZone" => zone: Text }
    struct Group { "groupId" => id: Text }
    struct Interface {
        "privateIpAddress" => private_ip: Text,
        "association" => association: Maybe<Association>,
        "attachment" => attachment: Maybe<InterfaceAttachment>,
        "privateIpAddressesSet" => addresses: Elements<Address>,
    }
    struct Address {
        "privateIpAddress" => private_ip: Text,
        "association" => association: Maybe<Association>,
    }
    struct Association { "publicIp" => public_ip: Text }
    struct InterfaceAttachment { "deviceIndex" => index: Text, "attachTime" => attached: Text }
    struct Device { "deviceName" => name: Text, "ebs" => ebs: Maybe<Ebs> }
    struct Ebs { "volumeId" => volume: Text }

    struct Volume {
        "volumeId" => id: String,
        "volumeType" => category: Text,
        "size" => size: Text,
        "attachmentSet" => attachments: Elements<VolumeAttachment>,
    }
    struct VolumeAttachment { "instanceId" => instance: Text, "status" => status: Text }
}

impl Instance {
    /// Returns when it was created. What the vendor calls its launch is the
    /// last of its starts; but the interface that it was created with stays
    /// as long as it is there.
    fn created(&self) -> &str {
        let first = self.interfaces.0.iter().find(|it| it.attachment.index.0 == "0");
        let attached = first.map_or("", |interface| &interface.attachment.attached);
        if attached.is_empty() { &self.launched } else { attached }
    }

    fn system_disk(&self) -> String {
        let root = self.devices.0.iter().find(|device| device.name.0 == self.root_device.0);
        root.map(|device| device.ebs.volume.0.clone()).unwrap_or_default()
    }
}

impl Item for Instance {
    fn resource(self) -> Result<Resource, Unreadable> {
        let created_at = time("launchTime", self.created())?;
        let system_disk = self.system_disk();
        let mut public_ips = vec![self.public_ip.0];
        let mut private_ips = vec![self.private_ip.0];
        for interface in self.interfaces.0 {
            private_ips.push(interface.private_ip.0);
            public_ips.push(interface.association.0.public_ip.0);
            for address in interface.addresses.0 {
                private_ips.push(address.private_ip.0);
                public_ips.push(address.association.0.public_ip.0);
            }
        }
        let tags = tags(self.tags.0);
        Ok(Resource {
            id: self.id,
            name: tags.get("Name").cloned().unwrap_or_default(),
            spec: self.spec.0,
            zone: self.placement.0.zone.0,
            public_ips: set(public_ips),
            private_ips: set(private_ips),
            security_groups: set(self.groups.0.into_iter().map(|group| group.id.0)),
            system_disk,
            tags,
            created_at,
            ..in_status(STATUSES, self.state.0.name.0)
        })
    }
}

/// A volume that a machine starts from is told apart by what the list of
/// machines says of their root devices.
fn decode_volume(item: &str) -> Result<Vec<(String, Detail)>, Unreadable> {
    let item: Volume = serde_json::from_str(item)?;
    let size_gib = match item.size.as_str() {
        "" => None,
        size => Some(size.parse().map_err(|_| Unreadable::value("size", size, "a number"))?),
    };
    let there =
        item.attachments.0.into_iter().filter(|attachment| attachment.status.0 != "detached");
    let disk = Disk { id: item.id, category: item.category.0, size_gib };
    attached(disk, ("volumeId", "volumeType"), there.map(|attachment| attachment.instance.0))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::*;
    use crate::aws::tests::items;
    use crate::engine::decode::resource;
    use crate::engine::testing::told;

    const SAMPLE: &str = include_str!("../../testdata/sample_aws_describe_instances.xml");

    fn sample() -> Value {
        serde_json::from_str(&items(SAMPLE, KIND.list.items)[0]).unwrap()
    }

    fn decode(item: &Value) -> Resource {
        resource(&item.to_string(), &KIND).unwrap()
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
        assert_eq!(told(&web), KIND.told());
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
        assert!(resource(&item.to_string(), &KIND).is_err());
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
