//! `aliyun.redis.instance`: caches of Tair and Redis. Source: the vendor's
//! reference of the R-KVStore API of 2015-01-01.

use cloud_sync_core::diff::Field;
use cloud_sync_core::resource::{Resource, Status};
use serde::Deserialize;

use super::shared::{Tag, expiry, tags};
use crate::engine::decode::{Unreadable, nullable, set, status_of, time, wrapped};
use crate::engine::spec::{ByIds, Call, IdForm, KindSpec, Paging};

/// Caches. A page holds 50 at most, and there is no token. Of addresses the
/// list tells the private one.
pub(crate) const KIND: KindSpec = KindSpec {
    tracked: &[
        Field::Name,
        Field::Status,
        Field::VendorStatus,
        Field::Spec,
        Field::Zone,
        Field::PrivateIps,
        Field::Tags,
        Field::CreatedAt,
        Field::ExpiresAt,
    ],
    typed: &[
        "CreateTime",
        "EndTime",
        "InstanceClass",
        "InstanceId",
        "InstanceName",
        "InstanceStatus",
        "PrivateIp",
        "RegionId",
        "Tags",
        "ZoneId",
    ],
    ..KindSpec::new(
        "aliyun.redis.instance",
        Call {
            params: &[("PageSize", "50")],
            per_second: 10,
            ..Call::new("r-kvstore", "2015-01-01", "DescribeInstances")
                .listing(&["Instances", "KVStoreInstance"], Paging::Pages { param: "PageNumber" })
        },
        ByIds::new("InstanceIds", IdForm::Commas, 30),
        "InstanceId",
        decode_instance,
    )
};

/// What works on while it is changed is running.
const STATUSES: &[(&str, Status)] = &[
    ("Creating", Status::Pending),
    ("Normal", Status::Running),
    ("Changing", Status::Running),
    ("Flushing", Status::Running),
    ("Transforming", Status::Running),
    ("Migrating", Status::Running),
    ("BackupRecovering", Status::Running),
    ("MinorVersionUpgrading", Status::Running),
    ("MajorVersionUpgrading", Status::Running),
    ("NetworkModifying", Status::Running),
    ("SSLModifying", Status::Running),
    ("Inactive", Status::Stopped),
    ("Released", Status::Terminated),
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Instance {
    instance_id: String,
    #[serde(default, deserialize_with = "nullable")]
    instance_name: String,
    #[serde(default, deserialize_with = "nullable")]
    instance_status: String,
    #[serde(default, deserialize_with = "nullable")]
    instance_class: String,
    #[serde(default, deserialize_with = "nullable")]
    zone_id: String,
    #[serde(default, deserialize_with = "nullable")]
    private_ip: String,
    #[serde(default, deserialize_with = "nullable")]
    charge_type: String,
    #[serde(default, deserialize_with = "nullable")]
    create_time: String,
    #[serde(default, deserialize_with = "nullable")]
    end_time: String,
    #[serde(default, deserialize_with = "wrapped")]
    tags: Vec<Tag>,
}

fn decode_instance(item: &str) -> Result<Resource, Unreadable> {
    let item: Instance = serde_json::from_str(item)?;
    Ok(Resource {
        status: status_of(STATUSES, &item.instance_status),
        created_at: time("CreateTime", &item.create_time)?,
        expires_at: expiry("EndTime", &item.end_time, &item.charge_type)?,
        private_ips: set([item.private_ip]),
        tags: tags(item.tags),
        id: item.instance_id,
        name: item.instance_name,
        vendor_status: item.instance_status,
        spec: item.instance_class,
        zone: item.zone_id,
        ..Resource::default()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::testing;

    const SAMPLE: &str = include_str!("../../testdata/sample_aliyun_describe_redis_instances.json");

    #[test]
    fn reads_a_cache() {
        let all = testing::resources(&KIND, SAMPLE);
        let [cache, odd] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!((&*cache.id, &*cache.name), ("r-bp1resync00001", "session-cache"));
        assert_eq!((cache.status, &*cache.vendor_status), (Status::Running, "Normal"));
        assert_eq!((&*cache.spec, &*cache.zone), ("redis.master.small.default", "cn-hangzhou-k"));
        assert!(cache.private_ips.contains("172.16.181.77") && cache.tags["env"] == "prod");
        assert_eq!(cache.created_at, "2024-05-01T02:11:09Z".parse().ok());
        assert_eq!((cache.expires_at, cache.data_disks.as_ref().map(|d| d.len())), (None, Some(0)));
        assert_eq!(cache.attributes["Capacity"], 1024);
        assert_eq!((odd.status, &*odd.vendor_status), (Status::Unknown, "Meditating"));
        assert_eq!(odd.expires_at, "2027-02-14T16:00:00Z".parse().ok());
        assert_eq!((odd.tags.len(), odd.private_ips.len()), (0, 0));
        testing::assert_tracked(&KIND, &all);
    }

    #[test]
    fn what_is_of_the_wrong_type_is_an_error() {
        let item = &testing::items(&KIND.list, SAMPLE)[0];
        for (field, value) in [
            ("InstanceId", json!(1)),
            ("Tags", json!([])),
            ("EndTime", json!(0)),
            ("CreateTime", json!("yesterday")),
        ] {
            assert!(decode_instance(&testing::changed(item, field, value)).is_err(), "{field}");
        }
    }
}
