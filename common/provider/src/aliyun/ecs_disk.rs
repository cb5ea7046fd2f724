//! `aliyun.ecs.disk`: block storage, of systems and of data, attached or not.
//! Source: the vendor's reference of the ECS API of 2014-05-26.

use cloud_sync_core::diff::Field;
use cloud_sync_core::resource::{Resource, Status};
use serde::Deserialize;

use super::ecs_instance;
use super::shared::{Tag, expiry, tags};
use crate::engine::decode::{Unreadable, nullable, status_of, time, wrapped};
use crate::engine::spec::{ByIds, Call, IdForm, KindSpec, Probe};

/// Disks.
pub(crate) const KIND: KindSpec = KindSpec {
    tracked: &[
        Field::Name,
        Field::Status,
        Field::VendorStatus,
        Field::Spec,
        Field::Zone,
        Field::Tags,
        Field::CreatedAt,
        Field::ExpiresAt,
    ],
    typed: &[
        "Category",
        "CreationTime",
        "DiskId",
        "DiskName",
        "ExpiredTime",
        "RegionId",
        "Size",
        "Status",
        "Tags",
        "ZoneId",
    ],
    probe: Some(Probe { params: &[("DryRun", "true")], granted: "DryRunOperation" }),
    ..KindSpec::new(
        "aliyun.ecs.disk",
        Call { params: &[("MaxResults", "500")], ..ecs_instance::DISKS },
        ByIds::new("DiskIds", IdForm::JsonArray, 100),
        "DiskId",
        decode_disk,
    )
};

/// A disk that is attached to nothing is not in service, and can be.
const STATUSES: &[(&str, Status)] = &[
    ("Creating", Status::Pending),
    ("Attaching", Status::Starting),
    ("In_use", Status::Running),
    ("Detaching", Status::Stopping),
    ("Available", Status::Stopped),
    ("ReIniting", Status::Rebooting),
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    disk_id: String,
    #[serde(default, deserialize_with = "nullable")]
    disk_name: String,
    #[serde(default, deserialize_with = "nullable")]
    status: String,
    #[serde(default, deserialize_with = "nullable")]
    category: String,
    #[serde(default)]
    size: Option<u64>,
    #[serde(default, deserialize_with = "nullable")]
    zone_id: String,
    #[serde(default, deserialize_with = "nullable")]
    disk_charge_type: String,
    #[serde(default, deserialize_with = "nullable")]
    creation_time: String,
    #[serde(default, deserialize_with = "nullable")]
    expired_time: String,
    #[serde(default, deserialize_with = "wrapped")]
    tags: Vec<Tag>,
}

/// A disk is sold by category and size: to grow it is a change of its spec.
fn decode_disk(item: &str) -> Result<Resource, Unreadable> {
    let item: Item = serde_json::from_str(item)?;
    let size = item.size.map(|size| format!("{size} GiB"));
    let spec: Vec<_> = [Some(item.category), size].into_iter().flatten().collect();
    Ok(Resource {
        status: status_of(STATUSES, &item.status),
        created_at: time("CreationTime", &item.creation_time)?,
        expires_at: expiry("ExpiredTime", &item.expired_time, &item.disk_charge_type)?,
        tags: tags(item.tags),
        id: item.disk_id,
        name: item.disk_name,
        vendor_status: item.status,
        spec: spec.join(" ").trim().to_owned(),
        zone: item.zone_id,
        ..Resource::default()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::testing;

    const SAMPLE: &str = include_str!("../../testdata/sample_aliyun_describe_disks.json");

    #[test]
    fn reads_disks_of_systems_and_of_data_attached_or_not() {
        let mut all = testing::resources(&KIND, SAMPLE);
        let [system, data, _, free] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!((&*system.id, &*system.zone), ("d-bp1resync000000s1", "cn-hangzhou-k"));
        assert_eq!((system.status, &*system.vendor_status), (Status::Running, "In_use"));
        assert_eq!((&*system.spec, &*data.spec), ("cloud_essd 40 GiB", "cloud_essd 200 GiB"));
        assert_eq!(system.created_at, "2024-04-14T22:32:00Z".parse().ok());
        assert_eq!(system.expires_at, None, "the year 2999 is never");
        assert_eq!(system.attributes["Type"], "system");
        assert_eq!(system.attributes["InstanceId"], "i-bp1resync00000001");
        assert_eq!(
            (free.status, free.attributes.contains_key("InstanceId")),
            (Status::Stopped, false)
        );

        let mut item = testing::items(&KIND.list, SAMPLE).remove(0);
        for (field, value) in [
            ("DiskName", json!("data-01")),
            ("DiskChargeType", json!("PrePaid")),
            ("Status", json!("Meditating")),
            ("Size", json!(null)),
            ("Tags", json!({ "Tag": [{ "TagKey": "env", "TagValue": "prod" }] })),
        ] {
            item = testing::changed(&item, field, value);
        }
        let odd = decode_disk(&item).unwrap();
        assert_eq!((odd.status, &*odd.spec), (Status::Unknown, "cloud_essd"));
        assert_eq!((&*odd.name, &*odd.tags["env"]), ("data-01", "prod"));
        assert_eq!(odd.expires_at, "2999-09-08T16:00:00Z".parse().ok(), "as the vendor says");
        all.push(odd);
        testing::assert_tracked(&KIND, &all);
    }

    #[test]
    fn what_is_of_the_wrong_type_is_an_error() {
        let item = &testing::items(&KIND.list, SAMPLE)[0];
        for (field, value) in
            [("DiskId", json!(1)), ("Size", json!("40")), ("CreationTime", json!("yesterday"))]
        {
            assert!(decode_disk(&testing::changed(item, field, value)).is_err(), "{field}");
        }
    }
}
