//! `tencent.cvm.instance`: virtual machines. Source: the vendor's reference of
//! the CVM API of 2017-03-12.

use cloud_sync_core::resource::{Disk, Resource, Status};

use super::{call, list};
use crate::engine::decode::{Unreadable, in_status, set, time};
use crate::engine::fields::{Item, List, Maybe, Tag, Text, objects, tags};
use crate::engine::spec::{ByIds, Call, IdForm, KindSpec, Path, StatusSpec, Statuses};

/// Virtual machines. Everything about one comes in the one call; the vendor
/// has no dry run for it.
pub(crate) const KIND: KindSpec = KindSpec {
    statuses: Some(StatusSpec {
        call: cvm("DescribeInstancesStatus", &["Response", "InstanceStatusSet"]),
        by_ids: BY_IDS,
    }),
    ..KindSpec::new::<Instance>(
        "tencent.cvm.instance",
        cvm("DescribeInstances", &["Response", "InstanceSet"]),
        BY_IDS,
        "InstanceId",
    )
};

/// The vendor leaves out what is not there; some of its calls say so instead.
const BY_IDS: ByIds =
    ByIds::new("InstanceIds", IdForm::JsonArray, 100).refusing(&["InvalidInstanceId.NotFound"]);

/// The vendor allows 40 requests a second.
const fn cvm(action: &'static str, items: Path) -> Call {
    list(call("cvm", "2017-03-12", action), items).with(&[("Limit", "100")])
}

const STATUSES: Statuses = &[
    (Status::Pending, &["PENDING"]),
    (Status::Starting, &["STARTING", "EXIT_RESCUE_MODE"]),
    (Status::Running, &["RUNNING", "ENTER_SERVICE_LIVE_MIGRATE", "SERVICE_LIVE_MIGRATE"]),
    (Status::Running, &["EXIT_SERVICE_LIVE_MIGRATE"]),
    (Status::Rebooting, &["REBOOTING"]),
    (Status::Stopping, &["STOPPING", "ENTER_RESCUE_MODE"]),
    (Status::Stopped, &["STOPPED", "RESCUE_MODE"]),
    (Status::Terminating, &["SHUTDOWN", "TERMINATING"]),
    (Status::Error, &["LAUNCH_FAILED"]),
];

objects! {
    struct Instance {
        "InstanceId" => id: String,
        "InstanceName" => name: Text,
        "InstanceState" => status: Text,
        "InstanceType" => spec: Text,
        "PublicIpAddresses" => public_ips: List<String>,
        "PrivateIpAddresses" => private_ips: List<String>,
        "SecurityGroupIds" => groups: List<String>,
        "DataDisks" => disks: List<DataDisk>,
        "Tags" => tags: List<Tag>,
        "CreatedTime" => created: Text,
        "ExpiredTime" => expires: Text,
    }
    keeping { "Placement" => placement: Maybe<Placement> }
    // What was done last goes on while nothing else changes.
    dropping {
        "LatestOperation", "LatestOperationErrorMsg", "LatestOperationRequestId",
        "LatestOperationState",
    }

    struct Placement { "Zone" => zone: Text }
    struct DataDisk {
        "DiskId" => id: Text,
        "DiskType" => category: Text,
        "DiskSize" => size_gib: Option<u64>,
    }
}

impl Item for Instance {
    fn resource(self) -> Result<Resource, Unreadable> {
        let disks = self.disks.0.into_iter().map(|DataDisk { id, category, size_gib }| Disk {
            id: id.0,
            category: category.0,
            size_gib,
        });
        Ok(Resource {
            id: self.id,
            name: self.name.0,
            spec: self.spec.0,
            zone: self.placement.0.zone.0,
            public_ips: set(self.public_ips.0),
            private_ips: set(self.private_ips.0),
            security_groups: set(self.groups.0),
            data_disks: Some(disks.collect()),
            tags: tags(self.tags.0),
            created_at: time("CreatedTime", &self.created)?,
            expires_at: time("ExpiredTime", &self.expires)?,
            ..in_status(STATUSES, self.status.0)
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::engine::decode::resource;
    use crate::engine::testing::told;

    fn sample() -> Value {
        let page = include_str!("../../testdata/sample_tencent_cvm_describe_instances.json");
        let mut page: Value = serde_json::from_str(page).unwrap();
        page["Response"]["InstanceSet"][0].take()
    }

    fn decode(item: &Value) -> Resource {
        resource(&item.to_string(), &KIND).unwrap()
    }

    #[test]
    fn reads_every_typed_field() {
        let found = decode(&sample());
        assert_eq!((&*found.id, &*found.name), ("ins-r8hr2upy", "未命名"));
        assert_eq!((found.status, &*found.vendor_status), (Status::Running, "RUNNING"));
        assert_eq!((&*found.spec, &*found.zone), ("SA5.MEDIUM4", "ap-guangzhou-6"));
        assert_eq!(found.private_ips, set(["10.0.0.8".to_owned()]));
        assert_eq!(found.security_groups, set(["sg-8jlk3f3r".to_owned()]));
        let (id, category) = ("disk-7dat0001".to_owned(), "CLOUD_PREMIUM".to_owned());
        assert_eq!(found.data_disks, Some([Disk { id, category, size_gib: Some(100) }].into()));
        assert_eq!(found.tags, [("env".to_owned(), "prod".to_owned())].into());
        assert_eq!(found.created_at, "2024-03-08T06:11:22Z".parse().ok());
        assert_eq!(found.attributes["SystemDisk"]["DiskId"], "disk-7sys0001");
        assert_eq!(found.attributes["RestrictState"], "NORMAL");
        assert!(!found.attributes.contains_key("LatestOperation"), "it goes stale");
    }

    #[test]
    fn what_is_tracked_is_what_the_vendor_tells() {
        let mut item = sample();
        item["PublicIpAddresses"] = json!(["159.75.1.2"]);
        item["ExpiredTime"] = json!("2027-03-08T06:11:22Z");
        assert_eq!(told(&decode(&item)), KIND.told());
    }

    #[test]
    fn nothing_is_said_by_null_and_by_what_is_missing() {
        let names = ["DataDisks", "PrivateIpAddresses", "Tags", "Placement", "SecurityGroupIds"];
        let (mut null, mut missing) = (sample(), sample());
        for name in names {
            null[name] = Value::Null;
            missing.as_object_mut().unwrap().remove(name);
        }
        let (null, missing) = (decode(&null), decode(&missing));
        assert_eq!(null, missing);
        assert_eq!(null.data_disks, Some([].into()), "told to be none");
        assert_eq!((null.tags.len(), &*null.zone), (0, ""));
    }

    #[test]
    fn an_unknown_status_keeps_the_vendors_word() {
        let mut item = sample();
        item["InstanceState"] = json!("MEDITATING");
        let odd = decode(&item);
        assert_eq!((odd.status, &*odd.vendor_status), (Status::Unknown, "MEDITATING"));
        item["InstanceState"] = json!(1);
        assert!(resource(&item.to_string(), &KIND).is_err());
    }
}
