//! `aliyun.redis.instance`: caches of Tair and Redis. Source: the vendor's
//! reference of the R-KVStore API of 2015-01-01.

use cloud_sync_core::diff::Field;
use cloud_sync_core::resource::{Resource, Status};

use super::{BY_NUMBER, call, expiry};
use crate::engine::decode::{Unreadable, in_status, set, time};
use crate::engine::fields::{Item, Tag, Text, Wrapped, objects, tags};
use crate::engine::spec::{ByIds, IdForm, KindSpec, Statuses};

/// Caches. A page holds 50 at most, and there is no token. Of addresses the
/// list tells the private one.
pub(crate) const KIND: KindSpec = KindSpec {
    untold: &[Field::PublicIps, Field::SecurityGroups, Field::DataDisks],
    ..KindSpec::new::<Instance>(
        "aliyun.redis.instance",
        call("r-kvstore", "2015-01-01", "DescribeInstances")
            .listing(&["Instances", "KVStoreInstance"], BY_NUMBER)
            .with(&[("PageSize", "50")]),
        ByIds::new("InstanceIds", IdForm::Commas, 30),
        "InstanceId",
    )
};

/// What works on while it is changed is running.
const STATUSES: Statuses = &[
    (Status::Pending, &["Creating"]),
    (Status::Running, &["Normal", "Changing", "Flushing", "Transforming", "Migrating"]),
    (Status::Running, &["BackupRecovering", "MinorVersionUpgrading", "MajorVersionUpgrading"]),
    (Status::Running, &["NetworkModifying", "SSLModifying"]),
    (Status::Stopped, &["Inactive"]),
    (Status::Terminated, &["Released"]),
];

objects! {
    struct Instance {
        "InstanceId" => id: String,
        "InstanceName" => name: Text,
        "InstanceStatus" => status: Text,
        "InstanceClass" => spec: Text,
        "ZoneId" => zone: Text,
        "PrivateIp" => private_ip: Text,
        "CreateTime" => created: Text,
        "EndTime" => expires: Text,
        "Tags" => tags: Wrapped<Tag>,
    }
    keeping { "ChargeType" => charge_type: Text }
    dropping { "RegionId" }
}

impl Item for Instance {
    fn resource(self) -> Result<Resource, Unreadable> {
        Ok(Resource {
            id: self.id,
            name: self.name.0,
            spec: self.spec.0,
            zone: self.zone.0,
            private_ips: set([self.private_ip.0]),
            tags: tags(self.tags.0),
            created_at: time("CreateTime", &self.created)?,
            expires_at: expiry("EndTime", &self.expires, &self.charge_type)?,
            ..in_status(STATUSES, self.status.0)
        })
    }
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
            assert!(testing::is_refused(&KIND, item, field, value), "{field}");
        }
    }
}
