//! `huawei.ecs.server`: virtual machines. Source: the vendor's reference of
//! the APIs of ECS and EVS.

use std::collections::BTreeMap;

use cloud_sync_core::diff::Field;
use cloud_sync_core::resource::{Disk, Resource, Status};
use serde::Deserialize;

use super::call;
use crate::Detail;
use crate::engine::decode::{Unreadable, is_id, nullable, set, status_of, time};
use crate::engine::spec::{ByIds, Call, IdForm, KindSpec, Paging, Secondary};

/// Virtual machines. The list tells which volumes one has, and not how large
/// they are; the vendor has no dry run for it.
pub(crate) const KIND: KindSpec = KindSpec {
    typed: &[
        "OS-EXT-AZ:availability_zone",
        "created",
        "id",
        "name",
        "os-extended-volumes:volumes_attached",
        "security_groups",
        "status",
        "tags",
        "tenant_id",
        // These go on while nothing else changes.
        "OS-EXT-STS:power_state",
        "OS-EXT-STS:task_state",
        "OS-EXT-STS:vm_state",
        "OS-SRV-USG:launched_at",
        "OS-SRV-USG:terminated_at",
        "hostId",
        "host_status",
        "progress",
        "updated",
    ],
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
    is_absent: Some(is_absent),
    secondary: &[Secondary {
        call: Call {
            params: &[("limit", "1000")],
            ..call("evs", "ListVolumes", "/v2/{project}/cloudvolumes/detail")
        }
        .listing(&["volumes"], Paging::Offset { param: "offset" }),
        lists_region: true,
        by_ids: ByIds::new("server_id", IdForm::Single, 1),
        region: None,
        decode: decode_volume,
    }],
    ..KindSpec::new(
        "huawei.ecs.server",
        Call {
            params: &[("limit", "500")],
            ..call("ecs", "ListServersDetails", "/v1/{project}/cloudservers/detail")
        }
        .listing(&["servers"], Paging::Pages { param: "offset" }),
        ByIds::new("server_id", IdForm::Commas, 100),
        "id",
        decode_server,
    )
};

const STATUSES: &[(&str, Status)] = &[
    ("BUILD", Status::Pending),
    ("REBUILD", Status::Pending),
    ("ACTIVE", Status::Running),
    ("HARD_REBOOT", Status::Rebooting),
    ("REBOOT", Status::Rebooting),
    ("MIGRATING", Status::Running),
    ("RESIZE", Status::Stopped),
    ("REVERT_RESIZE", Status::Stopped),
    ("VERIFY_RESIZE", Status::Stopped),
    ("SHUTOFF", Status::Stopped),
    ("PAUSED", Status::Stopped),
    ("SUSPENDED", Status::Stopped),
    ("SHELVED", Status::Stopped),
    ("SHELVED_OFFLOADED", Status::Stopped),
    ("SOFT_DELETED", Status::Terminating),
    ("DELETED", Status::Terminated),
    ("ERROR", Status::Error),
];

#[derive(Deserialize)]
struct Server {
    id: String,
    /// What is asked for by id and is not there has none.
    status: String,
    #[serde(default, deserialize_with = "nullable")]
    name: String,
    #[serde(default, deserialize_with = "nullable")]
    flavor: Flavor,
    #[serde(rename = "OS-EXT-AZ:availability_zone", default, deserialize_with = "nullable")]
    zone: String,
    /// By network.
    #[serde(default, deserialize_with = "nullable")]
    addresses: BTreeMap<String, Vec<Address>>,
    #[serde(default, deserialize_with = "nullable")]
    security_groups: Vec<Group>,
    #[serde(default, deserialize_with = "nullable")]
    tags: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    created: String,
}

#[derive(Default, Deserialize)]
struct Flavor {
    #[serde(default, deserialize_with = "nullable")]
    id: String,
}

#[derive(Deserialize)]
struct Address {
    #[serde(default, deserialize_with = "nullable")]
    addr: String,
    #[serde(rename = "OS-EXT-IPS:type", default, deserialize_with = "nullable")]
    kind: String,
}

/// Names of groups may repeat.
#[derive(Deserialize)]
struct Group {
    #[serde(default, deserialize_with = "nullable")]
    id: String,
}

fn decode_server(text: &str) -> Result<Resource, Unreadable> {
    let item: Server = serde_json::from_str(text)?;
    let (public, private): (Vec<_>, Vec<_>) =
        item.addresses.into_values().flatten().partition(|address| address.kind == "floating");
    // A tag without a value is but a word.
    let tags = item.tags.iter().filter(|tag| !tag.is_empty());
    let tags = tags.map(|tag| tag.split_once('=').unwrap_or((tag, "")));
    Ok(Resource {
        status: status_of(STATUSES, &item.status),
        public_ips: set(public.into_iter().map(|address| address.addr)),
        private_ips: set(private.into_iter().map(|address| address.addr)),
        security_groups: set(item.security_groups.into_iter().map(|group| group.id)),
        tags: tags.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        created_at: time("created", &item.created)?,
        id: item.id,
        name: item.name,
        vendor_status: item.status,
        spec: item.flavor.id,
        zone: item.zone,
        ..Resource::default()
    })
}

/// Tells whether an item is what the vendor puts in the place of a server
/// that is asked for by id and is not there: nothing but that it was not
/// found.
fn is_absent(item: &str) -> bool {
    #[derive(Deserialize)]
    struct Absent {
        #[serde(default)]
        status: Option<String>,
        fault: Fault,
    }

    #[derive(Deserialize)]
    struct Fault {
        code: u16,
    }

    let read = serde_json::from_str::<Absent>(item);
    read.is_ok_and(|item| item.status.is_none() && item.fault.code == 404)
}

#[derive(Deserialize)]
struct Volume {
    id: String,
    #[serde(default, deserialize_with = "nullable")]
    volume_type: String,
    #[serde(default)]
    size: Option<u64>,
    #[serde(default, deserialize_with = "nullable")]
    bootable: String,
    #[serde(default, deserialize_with = "nullable")]
    attachments: Vec<Attachment>,
}

#[derive(Deserialize)]
struct Attachment {
    #[serde(default, deserialize_with = "nullable")]
    server_id: String,
    #[serde(default, deserialize_with = "nullable")]
    device: String,
}

/// What could start a server may be attached to another as data: it starts
/// the one whose first device it is.
fn decode_volume(item: &str) -> Result<Vec<(String, Detail)>, Unreadable> {
    let item: Volume = serde_json::from_str(item)?;
    if !is_id(&item.id) {
        return Err(Unreadable::value("id", &item.id, "an id"));
    }
    // It is kept with each of the volume's servers, in items of bounded size.
    if !item.volume_type.is_empty() && !is_id(&item.volume_type) {
        return Err(Unreadable::value("volume_type", &item.volume_type, "a type"));
    }
    let can_start = item.bootable == "true";
    let is_first = |device: &str| device.is_empty() || device.ends_with("da");
    let data = item.attachments.into_iter().filter(|at| !(can_start && is_first(&at.device)));
    let servers = set(data.map(|at| at.server_id));
    let disk = Disk { id: item.id, category: item.volume_type, size_gib: item.size };
    let detail = Detail { disks: [disk].into(), ..Detail::default() };
    Ok(servers.into_iter().map(|server| (server, detail.clone())).collect())
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
        assert_eq!(told(&found), KIND.tracked);
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
