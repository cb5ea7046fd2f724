//! Disks and managed resources as they really are, in the vendor's words.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use jiff::Timestamp;
use serde::Serialize;

use super::family::Family;
use super::managed::Managed;
use super::model::{Holding, Minute, Tag};
use super::words;

/// A managed resource as it is. What its family does not have is empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TruthManaged {
    /// Its id. A bucket's is its name.
    pub id: String,
    /// Its name; empty if it has none.
    pub name: String,
    /// The vendor's word for its state.
    pub status: String,
    /// The vendor's word for its class; of an address, its Mbit a second.
    pub spec: String,
    /// What it speaks.
    pub engine: String,
    /// The version of that.
    pub engine_version: String,
    /// Its zone.
    pub zone: String,
    /// Its network; empty for one that has none.
    pub vpc: String,
    /// Its resource group.
    pub resource_group: String,
    /// Whether it is paid for in advance.
    pub prepaid: bool,
    /// Its private addresses.
    pub private_ips: Vec<Ipv4Addr>,
    /// Its public addresses.
    pub public_ips: Vec<Ipv4Addr>,
    /// The instance that an address is bound to.
    pub bound_to: Option<String>,
    /// GiB that it stores.
    pub storage_gib: u32,
    /// When it came into being, to the minute.
    pub created: Timestamp,
    /// When its subscription ends.
    pub expires: Option<Timestamp>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// A disk as it is, by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TruthVolume {
    /// Its id.
    pub id: String,
    /// Its name; empty if it has none.
    pub name: String,
    /// Whether a system starts from it.
    pub system: bool,
    /// Its size in GiB.
    pub size_gib: u32,
    /// Its category: `cloud_essd`.
    pub category: String,
    /// Its zone.
    pub zone: String,
    /// The instances that it is attached to.
    pub instances: Vec<String>,
    /// When it came into being, to the minute.
    pub created: Timestamp,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl TruthManaged {
    pub(crate) fn of(holding: &Holding, family: Family, code: u64, managed: &Managed) -> Self {
        let words = words::of(holding.region);
        let (engine, engine_version) = (words.engine)(family, managed);
        let placed = !matches!(family, Family::Bucket | Family::Address);
        let bound_to = managed.bound.map(|instance| holding.instance_id(instance));
        let stores = family == Family::Database;
        let (tells_private, tells_public) = (words.tells_addresses)(family);
        let mut tags = tags(managed.tags());
        if words.name_is_tag && family != Family::Bucket {
            tags.insert("Name".to_owned(), managed.name.to_string());
        }
        Self {
            id: holding.managed_id(family, code),
            name: managed.name.to_string(),
            status: (words.status)(family, managed).to_owned(),
            spec: (words.spec)(family, managed),
            engine: engine.to_owned(),
            engine_version: engine_version.to_owned(),
            zone: if placed { holding.zone_id(managed.zone) } else { String::new() },
            vpc: if managed.private_ip.is_some() { holding.vpc_id() } else { String::new() },
            resource_group: holding.resource_group_id(managed.resource_group),
            prepaid: words.sells_subscriptions && managed.expires.is_some(),
            private_ips: managed.private_ip.into_iter().filter(|_| tells_private).collect(),
            public_ips: managed.public_ip.into_iter().filter(|_| tells_public).collect(),
            bound_to,
            storage_gib: if stores { managed.size } else { 0 },
            created: timestamp(managed.created),
            expires: managed.expires.filter(|_| words.sells_subscriptions).map(timestamp),
            tags,
        }
    }
}

/// Returns a holding's resources of a family, ordered as a listing is.
pub(crate) fn managed(holding: &Holding, family: Family) -> Vec<TruthManaged> {
    let each = holding.managed(family).iter();
    each.map(|(code, managed)| TruthManaged::of(holding, family, *code, managed)).collect()
}

/// Returns a holding's disks, ordered as a listing is.
pub(crate) fn volumes(holding: &Holding) -> Vec<TruthVolume> {
    let view = |(code, disk): (&u64, &super::model::Disk)| TruthVolume {
        id: holding.disk_id(*code),
        name: disk.name.to_string(),
        system: disk.system,
        size_gib: disk.size_gib,
        category: holding.category_of(disk).to_owned(),
        zone: holding.zone_id(disk.zone),
        instances: disk.attached.iter().map(|at| holding.instance_id(at.instance)).collect(),
        created: timestamp(disk.created),
        tags: disk_tags(holding, disk),
    };
    holding.disks.iter().map(view).collect()
}

fn disk_tags(holding: &Holding, disk: &super::model::Disk) -> BTreeMap<String, String> {
    let mut tags = tags(disk.tags.as_deref().unwrap_or(&[]));
    if words::of(holding.region).name_is_tag && !disk.name.is_empty() {
        tags.insert("Name".to_owned(), disk.name.to_string());
    }
    tags
}

fn timestamp(minute: Minute) -> Timestamp {
    Timestamp::from_second(minute.saturating_mul(60)).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn tags(tags: &[Tag]) -> BTreeMap<String, String> {
    tags.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}
