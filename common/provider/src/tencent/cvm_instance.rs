//! `tencent.cvm.instance`: virtual machines. Source: the vendor's reference of
//! the CVM API of 2017-03-12.

use cloud_sync_core::diff::Field;
use cloud_sync_core::resource::{Disk, Resource, Status};
use serde::Deserialize;

use super::{Tag, call, list, tags};
use crate::engine::decode::{Unreadable, nullable, set, status_of, time};
use crate::engine::spec::{ByIds, Call, IdForm, KindSpec, Path, StatusSpec};

/// Virtual machines. Everything about one comes in the one call; the vendor
/// has no dry run for it.
pub(crate) const KIND: KindSpec = KindSpec {
    typed: &[
        "CreatedTime",
        "DataDisks",
        "ExpiredTime",
        "InstanceId",
        "InstanceName",
        "InstanceState",
        "InstanceType",
        "PrivateIpAddresses",
        "PublicIpAddresses",
        "SecurityGroupIds",
        "Tags",
        // What was done last goes on while nothing else changes.
        "LatestOperation",
        "LatestOperationErrorMsg",
        "LatestOperationRequestId",
        "LatestOperationState",
    ],
    tracked: &Field::ALL,
    statuses: Some(StatusSpec {
        call: cvm("DescribeInstancesStatus", &["Response", "InstanceStatusSet"]),
        by_ids: BY_IDS,
        decode: decode_status,
    }),
    ..KindSpec::new(
        "tencent.cvm.instance",
        cvm("DescribeInstances", &["Response", "InstanceSet"]),
        BY_IDS,
        "InstanceId",
        decode_instance,
    )
};

/// The vendor leaves out what is not there; some of its calls say so instead.
const BY_IDS: ByIds = ByIds {
    absent: &["InvalidInstanceId.NotFound"],
    ..ByIds::new("InstanceIds", IdForm::JsonArray, 100)
};

/// The vendor allows 40 requests a second.
const fn cvm(action: &'static str, items: Path) -> Call {
    let call = call("cvm", "2017-03-12", action);
    list(Call { params: &[("Limit", "100")], per_second: 20, ..call }, items)
}

const STATUSES: &[(&str, Status)] = &[
    ("PENDING", Status::Pending),
    ("LAUNCH_FAILED", Status::Error),
    ("RUNNING", Status::Running),
    ("STOPPED", Status::Stopped),
    ("STARTING", Status::Starting),
    ("STOPPING", Status::Stopping),
    ("REBOOTING", Status::Rebooting),
    ("SHUTDOWN", Status::Terminating),
    ("TERMINATING", Status::Terminating),
    ("ENTER_RESCUE_MODE", Status::Stopping),
    ("RESCUE_MODE", Status::Stopped),
    ("EXIT_RESCUE_MODE", Status::Starting),
    ("ENTER_SERVICE_LIVE_MIGRATE", Status::Running),
    ("SERVICE_LIVE_MIGRATE", Status::Running),
    ("EXIT_SERVICE_LIVE_MIGRATE", Status::Running),
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Instance {
    instance_id: String,
    #[serde(default, deserialize_with = "nullable")]
    instance_name: String,
    #[serde(default, deserialize_with = "nullable")]
    instance_state: String,
    #[serde(default, deserialize_with = "nullable")]
    instance_type: String,
    #[serde(default, deserialize_with = "nullable")]
    placement: Placement,
    #[serde(default, deserialize_with = "nullable")]
    public_ip_addresses: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    private_ip_addresses: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    security_group_ids: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    data_disks: Vec<DataDisk>,
    #[serde(default, deserialize_with = "nullable")]
    tags: Vec<Tag>,
    #[serde(default, deserialize_with = "nullable")]
    created_time: String,
    #[serde(default, deserialize_with = "nullable")]
    expired_time: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Placement {
    #[serde(default, deserialize_with = "nullable")]
    zone: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DataDisk {
    #[serde(default, deserialize_with = "nullable")]
    disk_id: String,
    #[serde(default, deserialize_with = "nullable")]
    disk_type: String,
    #[serde(default)]
    disk_size: Option<u64>,
}

fn decode_instance(text: &str) -> Result<Resource, Unreadable> {
    let item: Instance = serde_json::from_str(text)?;
    let disks = item.data_disks.into_iter().map(|disk| Disk {
        id: disk.disk_id,
        category: disk.disk_type,
        size_gib: disk.disk_size,
    });
    Ok(Resource {
        status: status_of(STATUSES, &item.instance_state),
        public_ips: set(item.public_ip_addresses),
        private_ips: set(item.private_ip_addresses),
        security_groups: set(item.security_group_ids),
        data_disks: Some(disks.collect()),
        tags: tags(item.tags),
        created_at: time("CreatedTime", &item.created_time)?,
        expires_at: time("ExpiredTime", &item.expired_time)?,
        id: item.instance_id,
        name: item.instance_name,
        vendor_status: item.instance_state,
        spec: item.instance_type,
        zone: item.placement.zone,
        ..Resource::default()
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StatusItem {
    instance_id: String,
    #[serde(default, deserialize_with = "nullable")]
    instance_state: String,
}

fn decode_status(item: &str) -> Result<(String, Status, String), Unreadable> {
    let item: StatusItem = serde_json::from_str(item)?;
    Ok((item.instance_id, status_of(STATUSES, &item.instance_state), item.instance_state))
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
        assert_eq!(told(&decode(&item)), KIND.tracked);
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
