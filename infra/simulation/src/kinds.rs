//! What the simulation has to know of a kind beside its name: what it is in
//! the simulated cloud, and how far the vendor's answers can be seen through.

use cloud_sync_core::scope::Kind;
use cloud_sync_provider::Registry;
use simulated_cloud::{Family, Provider};

/// What is known of a kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    name: &'static str,
    /// What the simulated cloud calls it.
    pub family: Family,
    /// Whether it has one scope an account.
    pub is_global: bool,
    /// Whether the vendor can be asked for permission. Of a kind where it
    /// cannot, nobody is able to tell a permission that is taken away silently
    /// from resources that are gone.
    pub has_probe: bool,
}

const fn kind(name: &'static str, family: Family) -> Facts {
    Facts { name, family, is_global: false, has_probe: false }
}

const fn probed(name: &'static str, family: Family) -> Facts {
    Facts { has_probe: true, ..kind(name, family) }
}

const fn global(name: &'static str, family: Family) -> Facts {
    Facts { is_global: true, ..kind(name, family) }
}

const MACHINES: &str = "aliyun.ecs.instance";

const FACTS: [Facts; 14] = [
    probed(MACHINES, Family::Instance),
    probed("aliyun.ecs.disk", Family::Disk),
    global("aliyun.oss.bucket", Family::Bucket),
    kind("aliyun.rds.instance", Family::Database),
    kind("aliyun.redis.instance", Family::Cache),
    kind("aliyun.slb.loadbalancer", Family::Balancer),
    probed("aliyun.vpc.eip", Family::Address),
    probed("aws.ec2.instance", Family::Instance),
    kind("aws.rds.instance", Family::Database),
    kind("aws.elasticache.cluster", Family::Cache),
    global("aws.s3.bucket", Family::Bucket),
    kind("tencent.cvm.instance", Family::Instance),
    kind("tencent.cdb.instance", Family::Database),
    kind("huawei.ecs.server", Family::Instance),
];

/// Returns what is known of a kind.
pub(crate) fn of(kind: &Kind) -> Facts {
    let found = FACTS.into_iter().find(|facts| facts.name == kind.as_str());
    found.unwrap_or_else(|| panic!("{kind} is not in the simulation; add it to its kinds.rs"))
}

/// Returns the kinds of a vendor.
pub(crate) fn of_vendor(provider: Provider) -> Vec<Kind> {
    let known = Registry::kinds_of(provider.name());
    known.unwrap_or_else(|error| panic!("the registry lacks a vendor: {error}"))
}

/// Returns the kind that every simulation is about.
pub(crate) fn machines() -> Kind {
    MACHINES.parse().unwrap_or_else(|error| panic!("{MACHINES} is no kind: {error}"))
}

#[cfg(test)]
mod tests {
    use cloud_sync_provider::Vendors;

    use super::*;

    #[test]
    fn every_kind_of_the_registry_is_known_as_it_is_there() {
        let registry = Registry::new().unwrap();
        let mut count = 0;
        for kind in Provider::ALL.into_iter().flat_map(of_vendor) {
            assert_eq!(of(&kind).is_global, registry.is_global(&kind), "{kind}");
            count += 1;
        }
        assert_eq!(count, FACTS.len());
        assert!(of_vendor(Provider::Aliyun).contains(&machines()));
    }
}
