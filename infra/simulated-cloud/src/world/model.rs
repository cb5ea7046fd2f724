//! What the world holds, compactly: a million instances fit in memory. What
//! the vendor says of them is worked out on request.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::Ipv4Addr;
use std::sync::Arc;

use jiff::Timestamp;

use super::Provider;
use super::catalog::{self, Catalog, RegionFacts};
use super::family::Family;
use super::generate::TagSets;
use super::id;
use super::managed::Managed;
use super::permission::Permissions;
use super::trail::{Delivery, Entry};
use crate::AccessKey;

/// A tag: key and value.
pub(crate) type Tag = (Box<str>, Box<str>);

/// Minutes since 1970.
pub(crate) type Minute = i64;

/// Writes a minute as most vendors do, to the second: `2024-04-14T22:32:00Z`.
pub(crate) fn second(minute: Minute) -> String {
    let time = Timestamp::from_second(minute.saturating_mul(60)).unwrap_or(Timestamp::UNIX_EPOCH);
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The state of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Pending,
    Starting,
    Running,
    Stopping,
    Stopped,
}

impl Status {
    /// All of them.
    pub(crate) const ALL: [Self; 5] =
        [Self::Pending, Self::Starting, Self::Running, Self::Stopping, Self::Stopped];

    /// Returns the vendor's word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Starting => "Starting",
            Self::Running => "Running",
            Self::Stopping => "Stopping",
            Self::Stopped => "Stopped",
        }
    }
}

/// An elastic address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Eip {
    pub ip: Ipv4Addr,
    pub code: u64,
    pub bandwidth: u16,
}

/// What few instances have.
#[derive(Debug, Default)]
pub(crate) struct Extra {
    pub description: Box<str>,
    /// Further addresses of the first network interface.
    pub more_ips: Vec<Ipv4Addr>,
    /// Addresses of further network interfaces.
    pub more_interfaces: Vec<Ipv4Addr>,
    /// Whether the first interface has an IPv6 address.
    pub ipv6: bool,
    pub locks: Vec<&'static str>,
}

/// An instance.
#[derive(Debug)]
pub(crate) struct Instance {
    pub name: Box<str>,
    pub created: Minute,
    pub started: Minute,
    /// When a subscription ends; `None` for pay-as-you-go.
    pub expires: Option<Minute>,
    /// The address in its network.
    pub private_ip: Ipv4Addr,
    /// The address that came with it; never beside an elastic one.
    pub public_ip: Option<Ipv4Addr>,
    pub eip: Option<Eip>,
    /// Security groups, as numbers into the region's.
    pub groups: Box<[u8]>,
    /// `None`: the vendor leaves the whole field out.
    pub tags: Option<Arc<[Tag]>>,
    pub extra: Option<Box<Extra>>,
    /// Codes of its disks.
    pub disks: Vec<u64>,
    pub status: Status,
    /// Whether it costs nothing while stopped, and then loses its public
    /// address.
    pub stop_charging: bool,
    /// Whether it gets a public address when it starts.
    pub wants_public: bool,
    pub classic: bool,
    pub spec: u8,
    pub image: u8,
    pub zone: u8,
    pub resource_group: u8,
}

impl Instance {
    /// Returns the instance type.
    pub(crate) fn spec(&self) -> &'static catalog::InstanceType {
        &catalog::TYPES[usize::from(self.spec)]
    }

    /// Returns the image.
    pub(crate) fn image(&self) -> &'static catalog::Image {
        &catalog::IMAGES[usize::from(self.image)]
    }

    /// Returns the vendor's word for how it is paid.
    pub(crate) fn charge_type(&self) -> &'static str {
        if self.expires.is_some() { "PrePaid" } else { "PostPaid" }
    }

    /// Returns the locks that it is under.
    pub(crate) fn locks(&self) -> &[&'static str] {
        self.extra.as_deref().map_or(&[], |extra| &extra.locks)
    }

    /// Returns every private address: those of the first interface, then one
    /// for each further interface.
    pub(crate) fn private_ips(&self) -> Vec<Ipv4Addr> {
        let mut ips = vec![self.private_ip];
        if let Some(extra) = &self.extra {
            ips.extend(&extra.more_ips);
            ips.extend(&extra.more_interfaces);
        }
        ips
    }

    /// Returns the private addresses by interface, the first one's first.
    pub(crate) fn interfaces(&self) -> Vec<Vec<Ipv4Addr>> {
        let mut first = vec![self.private_ip];
        let mut all = Vec::new();
        if let Some(extra) = &self.extra {
            first.extend(&extra.more_ips);
            all.extend(extra.more_interfaces.iter().map(|ip| vec![*ip]));
        }
        all.insert(0, first);
        all
    }

    /// Tells whether an elastic address can be bound to it.
    pub(crate) fn takes_eip(&self) -> bool {
        !self.classic && self.eip.is_none() && self.public_ip.is_none() && !self.wants_public
    }

    /// Stops it.
    pub(crate) fn stop(&mut self) {
        self.status = Status::Stopped;
        if self.stop_charging {
            self.public_ip = None;
        }
    }
}

/// Where a disk is attached.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attachment {
    pub instance: u64,
    /// The last letter of its device: `/dev/xvdb`.
    pub letter: u8,
    pub at: Minute,
}

/// A disk.
#[derive(Debug)]
pub(crate) struct Disk {
    pub name: Box<str>,
    pub created: Minute,
    pub size_gib: u32,
    pub tags: Option<Arc<[Tag]>>,
    /// More than one only where multi-attach is on.
    pub attached: Vec<Attachment>,
    pub system: bool,
    pub multi_attach: bool,
    pub encrypted: bool,
    pub category: u8,
    pub zone: u8,
}

/// What an account has in a region, ordered by code: ids say nothing of age,
/// so what is new turns up anywhere in a listing.
pub(crate) struct Holding {
    pub region: &'static RegionFacts,
    pub instances: BTreeMap<u64, Instance>,
    pub disks: BTreeMap<u64, Disk>,
    pub managed: BTreeMap<Family, BTreeMap<u64, Managed>>,
    /// Instances that are gone and yet shown, where the vendor does so, each
    /// with when it went.
    pub gone: BTreeMap<u64, (Instance, Timestamp)>,
    /// A number that ids of its networks and groups are made of.
    pub salt: u64,
}

/// Security groups that an account has in a region.
pub(crate) const GROUPS: u8 = 24;

impl Holding {
    /// Returns the code of an instance's id, if there is such an instance.
    pub(crate) fn find(&self, instance_id: &str) -> Option<u64> {
        id::parse("i", self.region, instance_id).filter(|code| self.instances.contains_key(code))
    }

    /// Returns the managed resources of a family.
    pub(crate) fn managed(&self, family: Family) -> &BTreeMap<u64, Managed> {
        static NONE: BTreeMap<u64, Managed> = BTreeMap::new();
        self.managed.get(&family).unwrap_or(&NONE)
    }

    /// Returns the id of a managed resource.
    pub(crate) fn managed_id(&self, family: Family, code: u64) -> String {
        match self.managed(family).get(&code) {
            Some(bucket) if family == Family::Bucket => bucket.name.to_string(),
            _ => id::render(family.id_kind(), self.region, code),
        }
    }

    /// Returns the code of a managed resource's id, if there is such a
    /// resource.
    pub(crate) fn find_managed(&self, family: Family, id: &str) -> Option<u64> {
        let all = self.managed(family);
        if family == Family::Bucket {
            return all.iter().find(|(_, bucket)| *bucket.name == *id).map(|(code, _)| *code);
        }
        id::parse(family.id_kind(), self.region, id).filter(|code| all.contains_key(code))
    }

    /// Returns the code of a disk's id, if there is such a disk.
    pub(crate) fn find_disk(&self, disk_id: &str) -> Option<u64> {
        id::parse("d", self.region, disk_id).filter(|code| self.disks.contains_key(code))
    }

    /// Returns an instance's id.
    pub(crate) fn instance_id(&self, code: u64) -> String {
        id::render("i", self.region, code)
    }

    /// Returns what the vendor of its region sells.
    pub(crate) fn catalog(&self) -> &'static Catalog {
        Catalog::of(self.region.provider)
    }

    /// Returns the instance type of an instance, as its vendor has it.
    pub(crate) fn type_of(&self, instance: &Instance) -> &'static catalog::InstanceType {
        &self.catalog().types[usize::from(instance.spec)]
    }

    /// Returns the image of an instance, as its vendor has it.
    pub(crate) fn image_of(&self, instance: &Instance) -> &'static catalog::Image {
        &self.catalog().images[usize::from(instance.image)]
    }

    /// Returns the category of a disk, as its vendor has it.
    pub(crate) fn category_of(&self, disk: &Disk) -> &'static str {
        self.catalog().disk_categories[usize::from(disk.category)].0
    }

    /// Returns every private address that the vendor says of an instance.
    /// Tencent Cloud's listing leaves out those of further interfaces.
    pub(crate) fn private_ips_of(&self, instance: &Instance) -> Vec<Ipv4Addr> {
        let mut ips = instance.private_ips();
        if let (Provider::Tencent, Some(extra)) = (self.region.provider, &instance.extra) {
            ips.retain(|ip| !extra.more_interfaces.contains(ip));
        }
        ips
    }

    /// Tells whether an instance is on no network of the account's. Only one
    /// vendor ever had such.
    pub(crate) fn is_classic(&self, instance: &Instance) -> bool {
        instance.classic && self.region.provider == Provider::Aliyun
    }

    /// Returns a disk's id.
    pub(crate) fn disk_id(&self, code: u64) -> String {
        id::render("d", self.region, code)
    }

    /// Returns the id of a security group.
    pub(crate) fn group_id(&self, number: u8) -> String {
        self.other_id("sg", u64::from(number))
    }

    /// Returns the id of its one network.
    pub(crate) fn vpc_id(&self) -> String {
        self.other_id("vpc", 0)
    }

    /// Returns the id of a zone's switch.
    pub(crate) fn vswitch_id(&self, zone: u8) -> String {
        self.other_id("vsw", u64::from(zone))
    }

    /// Returns the id of a resource group, as the vendor calls what groups
    /// resources; empty where there is none.
    pub(crate) fn resource_group_id(&self, number: u8) -> String {
        match self.region.provider {
            Provider::Aliyun => self.other_id("rg", u64::from(number)),
            Provider::Tencent => (u64::from(number) * 1_000_187).to_string(),
            Provider::Huawei if number == 0 => "0".to_owned(),
            Provider::Huawei => self.other_id("eps", u64::from(number)),
            Provider::Aws => String::new(),
        }
    }

    /// Returns the name of a zone: `cn-hangzhou-k`.
    pub(crate) fn zone_id(&self, zone: u8) -> String {
        let letters = self.region.zones.as_bytes();
        let letter = char::from(letters[usize::from(zone) % letters.len()]);
        match self.region.provider {
            Provider::Aliyun | Provider::Tencent => format!("{}-{letter}", self.region.id),
            Provider::Huawei | Provider::Aws => format!("{}{letter}", self.region.id),
        }
    }

    fn other_id(&self, kind: &str, number: u64) -> String {
        id::render(kind, self.region, id::scatter(self.salt.wrapping_add(number)))
    }

    /// Takes a disk off an instance. A disk that hangs nowhere else remains,
    /// unattached.
    pub(crate) fn detach(&mut self, disk: u64, instance: u64) {
        if let Some(holder) = self.instances.get_mut(&instance) {
            holder.disks.retain(|code| *code != disk);
        }
        if let Some(found) = self.disks.get_mut(&disk) {
            found.attached.retain(|attachment| attachment.instance != instance);
        }
    }

    /// Hangs a disk onto an instance, under the next free device.
    pub(crate) fn attach(&mut self, disk: u64, instance: u64, at: Minute) {
        let taken: Vec<u8> = self
            .instances
            .get(&instance)
            .into_iter()
            .flat_map(|holder| &holder.disks)
            .filter_map(|code| self.disks.get(code))
            .flat_map(|disk| &disk.attached)
            .filter(|attachment| attachment.instance == instance)
            .map(|attachment| attachment.letter)
            .collect();
        let letter = (b'a'..=b'z').find(|letter| !taken.contains(letter)).unwrap_or(b'z');
        if let (Some(holder), Some(found)) =
            (self.instances.get_mut(&instance), self.disks.get_mut(&disk))
        {
            holder.disks.push(disk);
            found.attached.push(Attachment { instance, letter, at });
        }
    }
}

/// An account and what it has.
pub(crate) struct Account {
    pub id: String,
    pub provider: Provider,
    pub keys: Vec<AccessKey>,
    /// Its roles, each with the accounts that may assume it.
    pub roles: BTreeMap<String, BTreeSet<String>>,
    /// The account that heads the organisation it is in.
    pub member_of: Option<String>,
    pub permissions: Permissions,
    /// By region. Every region of its vendor that the world offers is in it.
    pub holdings: BTreeMap<&'static str, Holding>,
}

/// Everything that changes under one lock.
pub(crate) struct State {
    pub accounts: Vec<Account>,
    pub serial: u64,
    pub seed: u64,
    /// The world's own time.
    pub now: Minute,
    /// Whether changes move it, a minute each.
    pub changes_take_time: bool,
    /// The time as it was last set, which events bear; unset, they bear the
    /// machine's.
    pub clock: Option<Timestamp>,
    /// How the record of what was done is delivered.
    pub trail: Delivery,
    /// What new instances are tagged with.
    pub tag_sets: TagSets,
    /// The latest events.
    pub log: VecDeque<Entry>,
    /// How many events there have been.
    pub sequence: u64,
}

impl State {
    /// Returns the next serial number.
    pub(crate) fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// Returns the code of the next resource of an account. Ids of Tencent
    /// Cloud are short.
    pub(crate) fn next_code(&mut self, account: usize) -> u64 {
        let number = self.next_serial() ^ self.seed.rotate_left(32);
        match self.accounts.get(account).map(|account| account.provider) {
            Some(Provider::Tencent) => id::scatter_short(number),
            _ => id::scatter(number),
        }
    }
}
