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
    /// Which addresses the vendor says, private ones and public ones. AWS
    /// gives a database a name in the domain name system instead.
    pub tells_addresses: fn(Family) -> (bool, bool),
    /// Whether the vendor sells subscriptions.
    pub sells_subscriptions: bool,
    /// Whether the name of a resource is one of its tags.
    pub name_is_tag: bool,
}

/// Returns the words of the vendor that a region is of.
pub(crate) fn of(region: &RegionFacts) -> &'static Words {
    match region.provider {
        // Of Huawei Cloud no managed resource is simulated yet.
        Provider::Aliyun | Provider::Huawei => &ALIYUN,
        Provider::Tencent => &TENCENT,
        Provider::Aws => &AWS,
    }
}

static ALIYUN: Words = Words {
    status: aliyun_status,
    spec: aliyun_spec,
    engine: |family, managed| {
        managed.engine(family).map_or(("", ""), |engine| (engine.aliyun.0, engine.aliyun.1))
    },
    tells_addresses: |_| (true, true),
    sells_subscriptions: true,
    name_is_tag: false,
};

static TENCENT: Words = Words {
    status: tencent_status,
    spec: |family, managed| {
        let class = managed.class(family);
        class.map_or_else(String::new, |class| format!("{}C{}M", class.cpu, class.memory_mib))
    },
    // The product for MySQL has databases of no other engine.
    engine: |family, managed| match family {
        Family::Database if managed.engine % 2 == 0 => ("MySQL", "8.0"),
        Family::Database => ("MySQL", "5.7"),
        _ => ("", ""),
    },
    tells_addresses: |family| (true, family == Family::Address),
    sells_subscriptions: true,
    name_is_tag: false,
};

fn tencent_status(family: Family, managed: &Managed) -> &'static str {
    match (family, managed.condition) {
        (Family::Database, Condition::Creating) => "0",
        (Family::Database, Condition::Stopped) => "5",
        (Family::Database, _) => "1",
        _ => aliyun_status(family, managed),
    }
}

static AWS: Words = Words {
    status: aws_status,
    spec: |family, managed| match family {
        Family::Address => managed.size.to_string(),
        _ => managed.class(family).map_or("", |class| class.aws).to_owned(),
    },
    engine: |family, managed| managed.engine(family).map_or(("", ""), |engine| engine.aws),
    tells_addresses: |family| {
        let tells = !matches!(family, Family::Database | Family::Cache);
        (tells, tells)
    },
    sells_subscriptions: false,
    name_is_tag: true,
};

fn aws_status(family: Family, managed: &Managed) -> &'static str {
    use Condition::{Changing, Creating, Restarting, Running, Stopped};
    match (family, managed.condition) {
        (Family::Database | Family::Cache, Creating) => "creating",
        (Family::Database | Family::Cache, Running) => "available",
        (Family::Database | Family::Cache, Changing) => "modifying",
        (Family::Database, Restarting) => "rebooting",
        (Family::Database, Stopped) => "stopped",
        (Family::Cache, Restarting) => "rebooting cluster nodes",
        // A cache cannot be stopped; this one cannot be reached either.
        (Family::Cache, Stopped) => "incompatible-network",
        (Family::Balancer, Stopped) => "failed",
        (Family::Balancer, _) => "active",
        _ => "",
    }
}

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
