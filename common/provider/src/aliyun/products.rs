//! The vendor's products: what they are called, and where they answer. Source:
//! the endpoints that the vendor's own SDKs know.

use cloud_sync_core::account::Region;

use crate::engine::spec::Call;

/// The service that lists regions, each with its own host there.
const REGIONS_PRODUCT: &str = super::REGIONS.call.product;

/// A product.
struct Product {
    /// Its name, the first word of its hosts.
    name: &'static str,
    /// Its name for people.
    title: &'static str,
    /// Its name in permissions.
    ram: &'static str,
    /// The regions that its one central host serves. All others have hosts of
    /// their own.
    central: &'static [&'static str],
}

const PRODUCTS: &[Product] = &[
    product("ecs", "Elastic Compute Service", "ecs", &[]),
    product(
        "rds",
        "ApsaraDB RDS",
        "rds",
        &[
            "ap-southeast-1",
            "cn-beijing",
            "cn-beijing-finance-1",
            "cn-hangzhou",
            "cn-heyuan",
            "cn-hongkong",
            "cn-north-2-gov-1",
            "cn-qingdao",
            "cn-shanghai",
            "cn-shanghai-finance-1",
            "cn-shenzhen",
            "cn-shenzhen-finance-1",
            "us-east-1",
            "us-west-1",
        ],
    ),
    product("r-kvstore", "Tair (Redis)", "kvstore", &["cn-hangzhou", "cn-hangzhou-finance"]),
    product(
        "slb",
        "Server Load Balancer",
        "slb",
        &[
            "ap-southeast-1",
            "cn-beijing",
            "cn-hangzhou",
            "cn-hangzhou-finance",
            "cn-hongkong",
            "cn-north-2-gov-1",
            "cn-qingdao",
            "cn-shanghai",
            "cn-shanghai-finance-1",
            "cn-shenzhen",
            "cn-shenzhen-finance-1",
            "us-east-1",
            "us-west-1",
        ],
    ),
    product(
        "vpc",
        "Virtual Private Cloud",
        "vpc",
        &[
            "cn-hangzhou",
            "cn-hangzhou-finance",
            "cn-north-2-gov-1",
            "cn-shanghai-finance-1",
            "cn-shenzhen-finance-1",
        ],
    ),
    product("oss", "Object Storage Service", "oss", &[]),
    product("actiontrail", "ActionTrail", "actiontrail", &[]),
    product("resourcemanager", "Resource Management", "resourcemanager", &[]),
    product("sts", "Security Token Service", "sts", &[]),
];

const fn product(
    name: &'static str,
    title: &'static str,
    ram: &'static str,
    central: &'static [&'static str],
) -> Product {
    Product { name, title, ram, central }
}

fn of(call: &Call) -> Option<&'static Product> {
    PRODUCTS.iter().find(|product| product.name == call.product)
}

/// Returns a product's name for people.
pub(super) fn title(call: &Call) -> &'static str {
    of(call).map_or(call.product, |product| product.title)
}

/// Returns the permission that a call needs.
pub(super) fn permission(call: &Call) -> String {
    format!("{}:{}", of(call).map_or(call.product, |product| product.ram), call.action)
}

/// Returns the host that answers a call in a region.
pub(super) fn host(call: &Call, region: &Region) -> String {
    let id = region.id.as_str();
    match (call.host, call.product) {
        ("", REGIONS_PRODUCT) if !region.endpoint.is_empty() => region.endpoint.clone(),
        ("", "oss") => format!("oss-{id}.aliyuncs.com"),
        ("", name) if of(call).is_some_and(|product| product.central.contains(&id)) => {
            format!("{name}.aliyuncs.com")
        }
        ("", name) => format!("{name}.{id}.aliyuncs.com"),
        (host, _) => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_those_that_the_vendors_sdks_know() {
        for (product, region, expected) in [
            ("ecs", "cn-beijing", "ecs.cn-beijing.aliyuncs.com"),
            ("rds", "cn-hangzhou", "rds.aliyuncs.com"),
            ("rds", "cn-chengdu", "rds.cn-chengdu.aliyuncs.com"),
            ("r-kvstore", "cn-hangzhou", "r-kvstore.aliyuncs.com"),
            ("r-kvstore", "cn-beijing", "r-kvstore.cn-beijing.aliyuncs.com"),
            ("slb", "us-west-1", "slb.aliyuncs.com"),
            ("slb", "eu-central-1", "slb.eu-central-1.aliyuncs.com"),
            ("vpc", "cn-hangzhou", "vpc.aliyuncs.com"),
            ("vpc", "cn-shanghai", "vpc.cn-shanghai.aliyuncs.com"),
            ("oss", "ap-southeast-1", "oss-ap-southeast-1.aliyuncs.com"),
            ("actiontrail", "cn-hangzhou", "actiontrail.cn-hangzhou.aliyuncs.com"),
        ] {
            let region = Region::new(region);
            assert_eq!(host(&Call::new(product, "v", "a"), &region), expected);
        }
        let told =
            Region { endpoint: "ecs-cn-hangzhou.example".into(), ..Region::new("cn-hangzhou") };
        assert_eq!(host(&Call::new("ecs", "v", "a"), &told), "ecs-cn-hangzhou.example");
        assert_eq!(host(&Call::new("rds", "v", "a"), &told), "rds.aliyuncs.com", "of ecs only");
        let fixed = Call { host: "sts.aliyuncs.com", ..Call::new("sts", "v", "a") };
        assert_eq!(host(&fixed, &told), "sts.aliyuncs.com");
    }

    #[test]
    fn a_permission_has_the_name_that_policies_have_for_the_product() {
        let call = Call::new("r-kvstore", "v", "DescribeInstances");
        assert_eq!(permission(&call), "kvstore:DescribeInstances");
        assert_eq!(title(&call), "Tair (Redis)");
    }
}
