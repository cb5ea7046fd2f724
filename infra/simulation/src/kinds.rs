//! What the simulation has to know of a kind beside its name: what it is in
//! the simulated cloud, and how far the vendor's answers can be seen through.

use cloud_sync_core::scope::Kind;
use cloud_sync_provider::{KindFacts, Registry};
use simulated_cloud::{Family, Provider};

const MACHINES: &str = "aliyun.ecs.instance";

/// The kinds that the simulated cloud shows, and what it calls them. Others
/// are not simulated.
const FAMILIES: [(&str, Family); 14] = [
    (MACHINES, Family::Instance),
    ("aliyun.ecs.disk", Family::Disk),
    ("aliyun.oss.bucket", Family::Bucket),
    ("aliyun.rds.instance", Family::Database),
    ("aliyun.redis.instance", Family::Cache),
    ("aliyun.slb.loadbalancer", Family::Balancer),
    ("aliyun.vpc.eip", Family::Address),
    ("aws.ec2.instance", Family::Instance),
    ("aws.rds.instance", Family::Database),
    ("aws.elasticache.cluster", Family::Cache),
    ("aws.s3.bucket", Family::Bucket),
    ("tencent.cvm.instance", Family::Instance),
    ("tencent.cdb.instance", Family::Database),
    ("huawei.ecs.server", Family::Instance),
];

/// Returns what the simulated cloud calls a kind; `None` where it does not
/// show it.
fn family(kind: &Kind) -> Option<Family> {
    FAMILIES.iter().find(|(name, _)| *name == kind.as_str()).map(|(_, family)| *family)
}

/// Returns what the simulated cloud calls a kind that it shows.
pub(crate) fn family_of(kind: &Kind) -> Family {
    family(kind).unwrap_or_else(|| panic!("the simulated cloud does not show {kind}"))
}

/// Returns what is declared of a kind. Where the vendor cannot be asked for
/// permission, nobody is able to tell one that is taken away silently from
/// resources that are gone.
pub(crate) fn facts_of(kind: &Kind) -> KindFacts {
    Registry::facts_of(kind).unwrap_or_else(|| panic!("the registry lacks {kind}"))
}

/// Returns the kinds of a vendor that the simulated cloud shows.
#[must_use]
pub fn shown(provider: Provider) -> Vec<Kind> {
    let known = Registry::kinds_of(provider.name());
    let mut known = known.unwrap_or_else(|error| panic!("the registry lacks a vendor: {error}"));
    known.retain(|kind| family(kind).is_some());
    known
}

/// Returns the kind that every simulation is about.
pub(crate) fn machines() -> Kind {
    MACHINES.parse().unwrap_or_else(|error| panic!("{MACHINES} is no kind: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_that_is_shown_is_one_of_the_registrys() {
        let all: Vec<_> = Provider::ALL.into_iter().flat_map(shown).collect();
        assert_eq!(all.len(), FAMILIES.len());
        assert!(shown(Provider::Aliyun).contains(&machines()));
        assert!(all.iter().any(|kind| facts_of(kind).has_probe));
        assert!(all.iter().any(|kind| facts_of(kind).is_global));
    }

    #[test]
    fn a_kind_that_the_simulated_cloud_does_not_show_is_not_simulated() {
        assert_eq!(family(&"aliyun.mongodb.instance".parse().unwrap()), None);
    }
}
