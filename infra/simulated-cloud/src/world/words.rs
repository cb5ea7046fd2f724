//! What a vendor calls what the world holds: one table a vendor.

use super::Provider;
use super::catalog::RegionFacts;
use super::family::Family;
use super::managed::{Condition, Managed};

/// A vendor's words for managed resources.
pub(crate) struct Words {
    /// The status; empty where the family has none.
    pub status: fn(Family, &Managed) -> &'static str,
    /// The class; empty where the family has none.
    pub spec: fn(Family, &Managed) -> String,
    /// The engine's name and version; empty where the family has none.
    pub engine: fn(Family, &Managed) -> (&'static str, &'static str),
}

/// Returns the words of the vendor that a region is of.
pub(crate) fn of(region: &RegionFacts) -> &'static Words {
    match region.provider {
        // The others' words follow with their products.
        Provider::Aliyun | Provider::Tencent | Provider::Huawei | Provider::Aws => &ALIYUN,
    }
}

static ALIYUN: Words = Words {
    status: aliyun_status,
    spec: aliyun_spec,
    engine: |family, managed| {
        managed.engine(family).map_or(("", ""), |engine| (engine.aliyun.0, engine.aliyun.1))
    },
};

fn aliyun_status(family: Family, managed: &Managed) -> &'static str {
    use Condition::{Changing, Creating, Restarting, Running, Stopped};
    match (family, managed.condition) {
        (Family::Database, Creating) => "Creating",
        (Family::Database, Running) => "Running",
        (Family::Database, Changing) => "DBInstanceClassChanging",
        (Family::Database, Restarting) => "Rebooting",
        (Family::Database, Stopped) => "Stopped",
        (Family::Cache, Creating) => "Creating",
        (Family::Cache, Running) => "Normal",
        (Family::Cache, Changing | Restarting) => "Changing",
        (Family::Cache, Stopped) => "Inactive",
        (Family::Balancer, Stopped) => "inactive",
        (Family::Balancer, _) => "active",
        (Family::Address, _) if managed.bound.is_some() => "InUse",
        (Family::Address, _) => "Available",
        (Family::Instance | Family::Disk | Family::Bucket, _) => "",
    }
}

fn aliyun_spec(family: Family, managed: &Managed) -> String {
    match (family, managed.class(family), managed.engine(family)) {
        (Family::Database, Some(class), Some(engine)) => {
            format!("{}.{}", engine.aliyun.2, class.aliyun)
        }
        (Family::Address, ..) => managed.size.to_string(),
        (_, Some(class), _) => class.aliyun.to_owned(),
        (_, None, _) => String::new(),
    }
}
