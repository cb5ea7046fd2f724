//! Families of resources, whatever a vendor calls them.

use std::fmt;

use serde::Serialize;

/// What a resource is, whatever a vendor calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// A virtual machine.
    Instance,
    /// A block device.
    Disk,
    /// A relational database that the vendor runs.
    Database,
    /// A key-value store that the vendor runs.
    Cache,
    /// A bucket of objects. Its names are an account's, its place a region's.
    Bucket,
    /// An elastic address, bound to an instance or free.
    Address,
    /// A load balancer.
    Balancer,
}

impl Family {
    /// Those that the vendor runs by itself: all but instances and disks.
    pub const MANAGED: [Self; 5] =
        [Self::Database, Self::Cache, Self::Bucket, Self::Address, Self::Balancer];

    /// Returns how ids of it begin at Alibaba Cloud, by which kinds of ids are
    /// told apart everywhere.
    pub(crate) fn id_kind(self) -> &'static str {
        match self {
            Self::Instance => "i",
            Self::Disk => "d",
            Self::Database => "rm",
            Self::Cache => "r",
            Self::Bucket => "oss",
            Self::Address => "eip",
            Self::Balancer => "lb",
        }
    }

    /// Returns its name: `database`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::Disk => "disk",
            Self::Database => "database",
            Self::Cache => "cache",
            Self::Bucket => "bucket",
            Self::Address => "address",
            Self::Balancer => "balancer",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
