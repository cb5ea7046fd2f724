//! `huawei.ecs.server`: virtual machines. Source: the vendor's reference of
//! the APIs of ECS and EVS.

use std::collections::BTreeMap;

use cloud_sync_core::diff::Field;
use cloud_sync_core::resource::{Disk, Resource, Status};

use super::call;
use crate::Detail;
use crate::engine::decode::{Unreadable, attached, in_status, set, time};
use crate::engine::fields::{Item, List, Maybe, Text, objects};
use crate::engine::spec::{ByIds, IdForm, KindSpec, Paging, Secondary, Statuses};

/// Virtual machines. The list tells which volumes one has, and not how large
/// they are; the vendor has no dry run for it.
pub(crate) const KIND: KindSpec = KindSpec {
    untold: &[Field::ExpiresAt],
    is_absent: Some(is_absent),
    secondary: &[Secondary::listed(
        call("evs", "ListVolumes", "/v2/{project}/cloudvolumes/detail")
            .listing(&["volumes"], Paging::Offset { param: "offset" })
            .with(&[("limit", "1000")]),
        ByIds::new("server_id", IdForm::Single, 1),
        decode_volume,
    )],
    ..KindSpec::new::<Server>(
        "huawei.ecs.server",
        call("ecs", "ListServersDetails", "/v1/{project}/cloudservers/detail")
            .listing(&["servers"], Paging::Pages { param: "offset" })
            .with(&[("limit", "500")]),
        ByIds::new("server_id", IdForm::Commas, 100),
        "id",
    )
};

const STATUSES: Statuses = &[
    (Status::Pending, &["BUILD", "REBUILD"]),
    (Status::Running, &["ACTIVE", "MIGRATING"]),
    (Status::Rebooting, &["HARD_REBOOT", "REBOOT"]),
    (Status::Stopped, &["RESIZE", "REVERT_RESIZE", "VERIFY_RESIZE", "SHUTOFF", "PAUSED"]),
    (Status::Stopped, &["SUSPENDED", "SHELVED", "SHELVED_OFFLOADED"]),
    (Status::Terminating, &["SOFT_DELETED"]),
    (Status::Terminated, &["DELETED"]),
    (Status::Error, &["ERROR"]),
];

objects! {
    struct Server {
        "id" => id: String,
        // What is asked for by id and is not there has none.
        "status" => status: String,
        "name" => name: Text,
        "OS-EXT-AZ:availability_zone" => zone: Text,
        // Names of groups may repeat.
        "security_groups" => groups: List<Group>,
        "tags" => tags: List<String>,
        "created" => created: Text,
    }
    keeping {
        "flavor" => flavor: Maybe<Flavor>,
        // By network.
        "addresses" => addresses: Maybe<BTreeMap<String, Vec<Address>>>,
    }
    // Most of these go on while nothing else changes.
    dropping {
        "OS-EXT-STS:power_state", "OS-EXT-STS:task_state", "OS-EXT-STS:vm_state",
        "OS-SRV-USG:launched_at", "OS-SRV-USG:terminated_at", "hostId", "host_status",
        "os-extended-volumes:volumes_attached", "progress", "tenant_id", "updated",
    }

    struct Flavor { "id" => id: Text }
    struct Address { "addr" => ip: Text, "OS-EXT-IPS:type" => kind: Text }
    struct Group { "id" => id: Text }

    struct Absent { "status" => status: Option<String>, "fault" => fault: Fault }
    struct Fault { "code" => code: u16 }

    struct Volume {
        "id" => id: String,
        "volume_type" => category: Text,
        "size" => size_gib: Option<u64>,
        "bootable" => bootable: Text,
        "attachments" => attachments: List<Attachment>,
    }
    struct Attachment { "server_id" => server: Text, "device" => device: Text }
}

impl Item for Server {
    fn resource(self) -> Result<Resource, Unreadable> {
        let (public, private): (Vec<_>, Vec<_>) =
            self.addresses.0.into_values().flatten().partition(|it| it.kind.0 == "floating");
        // A tag without a value is but a word.
        let tags = self.tags.iter().filter(|tag| !tag.is_empty());
        let tags = tags.map(|tag| tag.split_once('=').unwrap_or((tag, "")));
        Ok(Resource {
            id: self.id,
            name: self.name.0,
            spec: self.flavor.0.id.0,
            zone: self.zone.0,
            public_ips: set(public.into_iter().map(|address| address.ip.0)),
            private_ips: set(private.into_iter().map(|address| address.ip.0)),
            security_groups: set(self.groups.0.into_iter().map(|group| group.id.0)),
            tags: tags.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            created_at: time("created", &self.created)?,
            ..in_status(STATUSES, self.status)
        })
    }
}

/// Tells whether an item is what the vendor puts in the place of a server
/// that is asked for by id and is not there: nothing but that it was not
/// found.
fn is_absent(item: &str) -> bool {
    let read = serde_json::from_str::<Absent>(item);
    read.is_ok_and(|item| item.status.is_none() && item.fault.code == 404)
}

/// What could start a server may be attached to another as data: it starts
/// the one whose first device it is.
fn decode_volume(item: &str) -> Result<Vec<(String, Detail)>, Unreadable> {
    let item: Volume = serde_json::from_str(item)?;
    let can_start = item.bootable.0 == "true";
    let is_first = |device: &str| device.is_empty() || device.ends_with("da");
    let data = item.attachments.0.into_iter().filter(|at| !(can_start && is_first(&at.device)));
    let disk = Disk { id: item.id, category: item.category.0, size_gib: item.size_gib };
    attached(disk, ("id", "volume_type"), data.map(|attachment| attachment.server.0))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::engine::decode::resource;
    use crate::engine::testing::told;

    fn sample() -> Value {
        let page = include_str!("../../testdata/sample_huawei_list_servers_details.json");
        let mut page: Value = serde_json::from_str(page).unwrap();
        page["servers"][0].take()
    }

    fn decode(item: &Value) -> Resource {
        resource(&item.to_string(), &KIND).unwrap()
    }

    fn volume(bootable: &str, device: &str) -> Value {
        json!({
            "id": "65a2cf62-0000-4000-8000-000000000002", "volume_type": "SSD", "size": 100,
            "bootable": bootable, "status": "in-use",
            "attachments": [{ "server_id": "616fb98f-46ca-475e-917e-2563e5a8cd19",
                "device": device }],
        })
    }

    #[test]
    fn reads_every_typed_field() {
        let found = decode(&sample());
        let id = "616fb98f-46ca-475e-917e-2563e5a8cd19";
        assert_eq!((&*found.id, &*found.name), (id, "ecs-web-01"));
        assert_eq!((found.status, &*found.vendor_status), (Status::Running, "ACTIVE"));
        assert_eq!((&*found.spec, &*found.zone), ("c7.large.2", "cn-north-4a"));
        assert_eq!(found.private_ips, set(["192.168.0.178".to_owned()]));
        assert_eq!(found.public_ips, set(["124.70.1.2".to_owned()]), "the one that floats");
        let group = "b1a4c7de-0000-4000-8000-0000000000a1".to_owned();
        assert_eq!(found.security_groups, set([group]));
        let tags = [("env", "prod"), ("__type_virtual", "")];
        assert_eq!(found.tags, tags.map(|(key, value)| (key.into(), value.into())).into());
        assert_eq!(found.created_at, "2024-05-22T03:19:19Z".parse().ok());
        assert_eq!(found.data_disks, None, "the list does not tell their sizes");
        assert_eq!(found.attributes["flavor"]["vcpus"], "2");
        assert_eq!(found.attributes["metadata"]["os_type"], "Linux");
        assert!(!found.attributes.contains_key("updated"), "it goes stale");
    }

    #[test]
    fn what_is_tracked_is_what_the_vendor_tells() {
        let mut found = decode(&sample());
        let details = decode_volume(&volume("false", "/dev/vdb").to_string()).unwrap();
        details.into_iter().for_each(|(_, detail)| detail.put_into(&mut found));
        assert_eq!(told(&found), KIND.told());
    }

    #[test]
    fn only_an_entry_that_was_not_found_is_absent() {
        let entry = |status: Value, code: Value| json!({ "id": "a", "name": null, "status": status, "fault": { "code": code } });
        let gone = entry(Value::Null, json!(404)).to_string();
        assert!(is_absent(&gone) && resource(&gone, &KIND).is_err());
        for there in [
            entry(json!("ERROR"), json!(404)),
            entry(Value::Null, json!(500)),
            json!({ "id": "a", "status": null }),
            sample(),
        ] {
            assert!(!is_absent(&there.to_string()), "{there}");
        }
    }

    #[test]
    fn data_volumes_are_those_that_start_nothing() {
        let of = |item: Value| decode_volume(&item.to_string()).unwrap();
        assert_eq!(of(volume("true", "/dev/vda")), []);
        assert_eq!(of(volume("true", "/dev/vdb")).len(), 1, "one that started another");
        let found = of(volume("false", "/dev/vda"));
        let (server, detail) = &found[0];
        assert_eq!(server, "616fb98f-46ca-475e-917e-2563e5a8cd19");
        let disk = detail.disks.first().unwrap();
        assert_eq!((&*disk.category, disk.size_gib), ("SSD", Some(100)));
        let mut shared = volume("false", "/dev/vdc");
        shared["attachments"] = json!([{ "server_id": "a" }, { "server_id": "b" }, {}]);
        assert_eq!(of(shared).len(), 2);
        assert!(decode_volume(r#"{ "id": "" }"#).is_err());
    }

    #[test]
    fn an_unknown_status_keeps_the_vendors_word() {
        let mut item = sample();
        item["status"] = json!("MEDITATING");
        let odd = decode(&item);
        assert_eq!((odd.status, &*odd.vendor_status), (Status::Unknown, "MEDITATING"));
    }
}
