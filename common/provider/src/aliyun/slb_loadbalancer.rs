//! `aliyun.slb.loadbalancer`: classic load balancers. Source: the vendor's
//! reference of the SLB API of 2014-05-15.

use cloud_sync_core::diff::Field;
use cloud_sync_core::resource::{Resource, Status};
use serde::Deserialize;

use super::shared::{Tag, tags};
use crate::engine::decode::{Unreadable, nullable, set, status_of, time, wrapped};
use crate::engine::spec::{ByIds, Call, IdForm, KindSpec, Paging};

/// Load balancers. Their list does not tell when a subscription ends.
pub(crate) const KIND: KindSpec = KindSpec {
    tracked: &[
        Field::Name,
        Field::Status,
        Field::VendorStatus,
        Field::Spec,
        Field::Zone,
        Field::PublicIps,
        Field::PrivateIps,
        Field::Tags,
        Field::CreatedAt,
    ],
    typed: &[
        "Address",
        "CreateTime",
        "CreateTimeStamp",
        "LoadBalancerId",
        "LoadBalancerName",
        "LoadBalancerSpec",
        "LoadBalancerStatus",
        "MasterZoneId",
        "RegionId",
        "RegionIdAlias",
        "Tags",
    ],
    ..KindSpec::new(
        "aliyun.slb.loadbalancer",
        Call {
            params: &[("PageNumber", "1"), ("PageSize", "100")],
            per_second: 10,
            ..Call::new("slb", "2014-05-15", "DescribeLoadBalancers")
                .listing(&["LoadBalancers", "LoadBalancer"], Paging::Pages { param: "PageNumber" })
        },
        ByIds::new("LoadBalancerId", IdForm::Commas, 10),
        "LoadBalancerId",
        decode_balancer,
    )
};

const STATUSES: &[(&str, Status)] = &[
    ("active", Status::Running),
    ("inactive", Status::Stopped),
    // Its subscription has ended; it is kept for some days.
    ("locked", Status::Stopped),
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Balancer {
    load_balancer_id: String,
    #[serde(default, deserialize_with = "nullable")]
    load_balancer_name: String,
    #[serde(default, deserialize_with = "nullable")]
    load_balancer_status: String,
    #[serde(default, deserialize_with = "nullable")]
    load_balancer_spec: String,
    #[serde(default, deserialize_with = "nullable")]
    address: String,
    #[serde(default, deserialize_with = "nullable")]
    address_type: String,
    #[serde(default, deserialize_with = "nullable")]
    master_zone_id: String,
    #[serde(default, deserialize_with = "nullable")]
    create_time: String,
    #[serde(default, deserialize_with = "wrapped")]
    tags: Vec<Tag>,
}

fn decode_balancer(item: &str) -> Result<Resource, Unreadable> {
    let item: Balancer = serde_json::from_str(item)?;
    let (address, none) = (set([item.address]), set([]));
    let is_public = item.address_type == "internet";
    let (public_ips, private_ips) = if is_public { (address, none) } else { (none, address) };
    Ok(Resource {
        public_ips,
        private_ips,
        status: status_of(STATUSES, &item.load_balancer_status),
        created_at: time("CreateTime", &item.create_time)?,
        tags: tags(item.tags),
        id: item.load_balancer_id,
        name: item.load_balancer_name,
        vendor_status: item.load_balancer_status,
        spec: item.load_balancer_spec,
        zone: item.master_zone_id,
        ..Resource::default()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::testing;

    const SAMPLE: &str = include_str!("../../testdata/sample_aliyun_describe_load_balancers.json");

    #[test]
    fn reads_a_load_balancer() {
        let all = testing::resources(&KIND, SAMPLE);
        let [public, private, odd] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!((&*public.id, &*public.name), ("lb-bp1resync00001", "入口"));
        assert_eq!((public.status, &*public.vendor_status), (Status::Running, "active"));
        assert_eq!((&*public.spec, &*public.zone), ("slb.s2.small", "cn-hangzhou-b"));
        assert!(public.public_ips.contains("47.96.20.1") && public.private_ips.is_empty());
        assert_eq!((&*public.tags["env"], &*public.tags["empty"]), ("prod", ""));
        assert_eq!(public.created_at, "2024-05-01T02:11:00Z".parse().ok());
        assert_eq!(public.attributes["SlaveZoneId"], "cn-hangzhou-d");
        assert_eq!(private.status, Status::Stopped);
        assert!(private.private_ips.contains("172.16.181.9") && private.public_ips.is_empty());
        assert_eq!((odd.status, odd.public_ips.len(), odd.created_at), (Status::Unknown, 0, None));
        testing::assert_tracked(&KIND, &all);
    }

    #[test]
    fn what_is_of_the_wrong_type_is_an_error() {
        let item = &testing::items(&KIND.list, SAMPLE)[0];
        for (field, value) in
            [("LoadBalancerId", json!(1)), ("Address", json!([])), ("CreateTime", json!("now"))]
        {
            assert!(decode_balancer(&testing::changed(item, field, value)).is_err(), "{field}");
        }
    }
}
