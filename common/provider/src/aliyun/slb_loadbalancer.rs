//! `aliyun.slb.loadbalancer`: classic load balancers. Source: the vendor's
//! reference of the SLB API of 2014-05-15.

use cloud_sync_core::diff::Field;
use cloud_sync_core::resource::{Resource, Status};

use super::{BY_NUMBER, call};
use crate::engine::decode::{Unreadable, in_status, set, time};
use crate::engine::fields::{Item, Tag, Text, Wrapped, objects, tags};
use crate::engine::spec::{ByIds, IdForm, KindSpec, Statuses};

/// Load balancers. Their list does not tell when a subscription ends.
pub(crate) const KIND: KindSpec = KindSpec {
    untold: &[Field::SecurityGroups, Field::DataDisks, Field::ExpiresAt],
    ..KindSpec::new::<Balancer>(
        "aliyun.slb.loadbalancer",
        call("slb", "2014-05-15", "DescribeLoadBalancers")
            .listing(&["LoadBalancers", "LoadBalancer"], BY_NUMBER)
            .with(&[("PageNumber", "1"), ("PageSize", "100")]),
        ByIds::new("LoadBalancerId", IdForm::Commas, 10),
        "LoadBalancerId",
    )
};

/// The subscription of a locked one has ended; it is kept for some days.
const STATUSES: Statuses =
    &[(Status::Running, &["active"]), (Status::Stopped, &["inactive", "locked"])];

objects! {
    struct Balancer {
        "LoadBalancerId" => id: String,
        "LoadBalancerName" => name: Text,
        "LoadBalancerStatus" => status: Text,
        "LoadBalancerSpec" => spec: Text,
        "Address" => address: Text,
        "MasterZoneId" => zone: Text,
        "CreateTime" => created: Text,
        "Tags" => tags: Wrapped<Tag>,
    }
    keeping { "AddressType" => address_type: Text }
    dropping { "CreateTimeStamp", "RegionId", "RegionIdAlias" }
}

impl Item for Balancer {
    fn resource(self) -> Result<Resource, Unreadable> {
        let (address, none) = (set([self.address.0]), set([]));
        let is_public = self.address_type.0 == "internet";
        let (public_ips, private_ips) = if is_public { (address, none) } else { (none, address) };
        Ok(Resource {
            id: self.id,
            name: self.name.0,
            spec: self.spec.0,
            zone: self.zone.0,
            public_ips,
            private_ips,
            tags: tags(self.tags.0),
            created_at: time("CreateTime", &self.created)?,
            ..in_status(STATUSES, self.status.0)
        })
    }
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
            assert!(testing::is_refused(&KIND, item, field, value), "{field}");
        }
    }
}
