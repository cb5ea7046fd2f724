//! `aliyun.ecs.disk`: block storage, of systems and of data, attached or not.
//! Source: the vendor's reference of the ECS API of 2014-05-26.

use cloud_sync_core::diff::Field;
use cloud_sync_core::resource::{Resource, Status};

use super::{ecs_instance, expiry};
use crate::engine::decode::{Unreadable, in_status, time};
use crate::engine::fields::{Item, Tag, Text, Wrapped, objects, tags};
use crate::engine::spec::{ByIds, IdForm, KindSpec, Probe, Statuses};

/// Disks.
pub(crate) const KIND: KindSpec = KindSpec {
    untold: &[Field::PublicIps, Field::PrivateIps, Field::SecurityGroups, Field::DataDisks],
    probe: Some(Probe::DRY_RUN),
    ..KindSpec::new::<DiskItem>(
        "aliyun.ecs.disk",
        ecs_instance::DISKS.with(&[("MaxResults", "500")]),
        ByIds::new("DiskIds", IdForm::JsonArray, 100),
        "DiskId",
    )
};

/// A disk that is attached to nothing is not in service, and can be.
const STATUSES: Statuses = &[
    (Status::Pending, &["Creating"]),
    (Status::Starting, &["Attaching"]),
    (Status::Running, &["In_use"]),
    (Status::Stopping, &["Detaching"]),
    (Status::Stopped, &["Available"]),
    (Status::Rebooting, &["ReIniting"]),
];

objects! {
    struct DiskItem {
        "DiskId" => id: String,
        "DiskName" => name: Text,
        "Status" => status: Text,
        "Category" => category: Text,
        "Size" => size: Option<u64>,
        "ZoneId" => zone: Text,
        "CreationTime" => created: Text,
        "ExpiredTime" => expires: Text,
        "Tags" => tags: Wrapped<Tag>,
    }
    keeping { "DiskChargeType" => charge_type: Text }
    dropping { "RegionId" }
}

/// A disk is sold by category and size: to grow it is a change of its spec.
impl Item for DiskItem {
    fn resource(self) -> Result<Resource, Unreadable> {
        let size = self.size.map(|size| format!(" {size} GiB")).unwrap_or_default();
        Ok(Resource {
            id: self.id,
            name: self.name.0,
            spec: format!("{}{size}", self.category.0).trim().to_owned(),
            zone: self.zone.0,
            tags: tags(self.tags.0),
            created_at: time("CreationTime", &self.created)?,
            expires_at: expiry("ExpiredTime", &self.expires, &self.charge_type)?,
            ..in_status(STATUSES, self.status.0)
        })
    }
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
        let odd = (KIND.decode)(&item).unwrap();
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
            assert!(testing::is_refused(&KIND, item, field, value), "{field}");
        }
    }
}
