//! `aliyun.vpc.eip`: elastic addresses. Source: the vendor's reference of the
//! VPC API of 2016-04-28.

use cloud_sync_core::diff::Field;
use cloud_sync_core::resource::{Resource, Status};
use serde::Deserialize;

use super::shared::{Tag, expiry, tags};
use crate::engine::decode::{Unreadable, nullable, set, status_of, time, wrapped};
use crate::engine::spec::{ByIds, Call, IdForm, KindSpec, Paging, Probe};

/// Elastic addresses, bound or free.
pub(crate) const KIND: KindSpec = KindSpec {
    tracked: &[
        Field::Name,
        Field::Status,
        Field::VendorStatus,
        Field::Spec,
        Field::PublicIps,
        Field::PrivateIps,
        Field::Tags,
        Field::CreatedAt,
        Field::ExpiresAt,
    ],
    typed: &[
        "AllocationId",
        "AllocationTime",
        "Bandwidth",
        "ExpiredTime",
        "IpAddress",
        "Name",
        "PrivateIpAddress",
        "RegionId",
        "Status",
        "Tags",
    ],
    probe: Some(Probe { params: &[("DryRun", "true")], granted: "DryRunOperation" }),
    ..KindSpec::new(
        "aliyun.vpc.eip",
        Call {
            params: &[("PageSize", "100")],
            per_second: 10,
            ..Call::new("vpc", "2016-04-28", "DescribeEipAddresses")
                .listing(&["EipAddresses", "EipAddress"], Paging::Pages { param: "PageNumber" })
        },
        ByIds::new("AllocationId", IdForm::Commas, 50),
        "AllocationId",
        decode_address,
    )
};

/// A free address is not in service, and can be.
const STATUSES: &[(&str, Status)] = &[
    ("Associating", Status::Starting),
    ("InUse", Status::Running),
    ("Unassociating", Status::Stopping),
    ("Available", Status::Stopped),
    ("Releasing", Status::Terminating),
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Address {
    allocation_id: String,
    #[serde(default, deserialize_with = "nullable")]
    name: String,
    #[serde(default, deserialize_with = "nullable")]
    status: String,
    #[serde(default, deserialize_with = "nullable")]
    ip_address: String,
    #[serde(default, deserialize_with = "nullable")]
    private_ip_address: String,
    #[serde(default, deserialize_with = "nullable")]
    bandwidth: String,
    #[serde(default, deserialize_with = "nullable")]
    charge_type: String,
    #[serde(default, deserialize_with = "nullable")]
    allocation_time: String,
    #[serde(default, deserialize_with = "nullable")]
    expired_time: String,
    #[serde(default, deserialize_with = "wrapped")]
    tags: Vec<Tag>,
}

/// Its bandwidth, in Mbit/s, is what it is sold by.
fn decode_address(item: &str) -> Result<Resource, Unreadable> {
    let item: Address = serde_json::from_str(item)?;
    Ok(Resource {
        status: status_of(STATUSES, &item.status),
        created_at: time("AllocationTime", &item.allocation_time)?,
        expires_at: expiry("ExpiredTime", &item.expired_time, &item.charge_type)?,
        public_ips: set([item.ip_address]),
        private_ips: set([item.private_ip_address]),
        tags: tags(item.tags),
        id: item.allocation_id,
        name: item.name,
        vendor_status: item.status,
        spec: item.bandwidth,
        ..Resource::default()
    })
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
            assert!(decode_address(&testing::changed(item, field, value)).is_err(), "{field}");
        }
    }
}
