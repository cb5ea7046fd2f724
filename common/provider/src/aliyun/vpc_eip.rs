//! `aliyun.vpc.eip`: elastic addresses. Source: the vendor's reference of the
//! VPC API of 2016-04-28.

use cloud_sync_core::diff::Field;
use cloud_sync_core::resource::{Resource, Status};

use super::{BY_NUMBER, call, expiry};
use crate::engine::decode::{Unreadable, in_status, set, time};
use crate::engine::fields::{Item, Tag, Text, Wrapped, objects, tags};
use crate::engine::spec::{ByIds, IdForm, KindSpec, Probe, Statuses};

/// Elastic addresses, bound or free.
pub(crate) const KIND: KindSpec = KindSpec {
    untold: &[Field::Zone, Field::SecurityGroups, Field::DataDisks],
    probe: Some(Probe::DRY_RUN),
    ..KindSpec::new::<Address>(
        "aliyun.vpc.eip",
        call("vpc", "2016-04-28", "DescribeEipAddresses")
            .listing(&["EipAddresses", "EipAddress"], BY_NUMBER)
            .with(&[("PageSize", "100")]),
        ByIds::new("AllocationId", IdForm::Commas, 50),
        "AllocationId",
    )
};

/// A free address is not in service, and can be.
const STATUSES: Statuses = &[
    (Status::Starting, &["Associating"]),
    (Status::Running, &["InUse"]),
    (Status::Stopping, &["Unassociating"]),
    (Status::Stopped, &["Available"]),
    (Status::Terminating, &["Releasing"]),
];

objects! {
    struct Address {
        "AllocationId" => id: String,
        "Name" => name: Text,
        "Status" => status: Text,
        "IpAddress" => public_ip: Text,
        "PrivateIpAddress" => private_ip: Text,
        "Bandwidth" => bandwidth: Text,
        "AllocationTime" => created: Text,
        "ExpiredTime" => expires: Text,
        "Tags" => tags: Wrapped<Tag>,
    }
    keeping { "ChargeType" => charge_type: Text }
    dropping { "RegionId" }
}

/// Its bandwidth, in Mbit/s, is what it is sold by.
impl Item for Address {
    fn resource(self) -> Result<Resource, Unreadable> {
        Ok(Resource {
            id: self.id,
            name: self.name.0,
            spec: self.bandwidth.0,
            public_ips: set([self.public_ip.0]),
            private_ips: set([self.private_ip.0]),
            tags: tags(self.tags.0),
            created_at: time("AllocationTime", &self.created)?,
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

    const SAMPLE: &str = include_str!("../../testdata/sample_aliyun_describe_eip_addresses.json");

    #[test]
    fn reads_an_address() {
        let all = testing::resources(&KIND, SAMPLE);
        let [bound, free, odd] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!((&*bound.id, &*bound.name), ("eip-bp1resync0001", "网关"));
        assert_eq!((bound.status, &*bound.vendor_status), (Status::Running, "InUse"));
        assert_eq!((&*bound.spec, &*bound.zone), ("5", ""));
        assert!(bound.public_ips.contains("47.96.10.11") && bound.tags["env"] == "prod");
        assert!(bound.private_ips.contains("172.16.181.225"));
        assert_eq!(bound.created_at, "2024-05-01T02:11:09Z".parse().ok());
        assert_eq!(
            (bound.expires_at, &bound.attributes["InstanceType"]),
            (None, &json!("EcsInstance"))
        );
        assert_eq!((free.status, free.tags.len()), (Status::Stopped, 0));
        assert_eq!(free.expires_at, "2027-02-14T16:00:00Z".parse().ok());
        assert!(free.attributes.contains_key("OperationLocks"), "a lock says a lot");
        assert_eq!((odd.status, odd.public_ips.len(), &*odd.name), (Status::Unknown, 0, ""));
        testing::assert_tracked(&KIND, &all);
    }

    #[test]
    fn what_is_of_the_wrong_type_is_an_error() {
        let item = &testing::items(&KIND.list, SAMPLE)[0];
        for (field, value) in [
            ("AllocationId", json!(1)),
            ("Tags", json!("env")),
            ("AllocationTime", json!("yesterday")),
        ] {
            assert!(testing::is_refused(&KIND, item, field, value), "{field}");
        }
    }
}
