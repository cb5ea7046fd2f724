//! New instances and disks, drawn from a seeded generator.

use std::net::Ipv4Addr;
use std::sync::Arc;

use rand::Rng;
use rand::seq::IndexedRandom;

use super::catalog::{self, CLASSIC_TYPE, IMAGES, LOCKS, NAMES, TYPES};
use super::family::Family;
use super::managed::Managed;
use super::model::{
    Attachment, Disk, Eip, Extra, GROUPS, Holding, Instance, Minute, State, Status, Tag,
};

/// Three years, which instances of a new world are spread over.
pub(super) const PAST: Minute = 3 * 365 * 24 * 60;

/// How a new instance comes to be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Birth {
    /// It was there when the world began: of any age, in any state.
    Old,
    /// It is created now, and runs.
    Now,
}

/// Adds an instance with its disks to a holding, and returns its code.
pub(crate) fn add_instance(
    state: &mut State,
    account: usize,
    region: &str,
    birth: Birth,
    rng: &mut impl Rng,
) -> Option<u64> {
    let code = state.next_code(account);
    let mut instance = draw(state, birth, rng);
    if !instance.classic && instance.public_ip.is_none() && chance(rng, 30) {
        let eip = new_eip(state, account, rng);
        instance.wants_public = false;
        instance.eip = Some(eip);
    }
    let disks = draw_disks(state, account, code, &instance, rng);
    let holding = state.accounts.get_mut(account)?.holdings.get_mut(region)?;
    instance.disks = disks.iter().map(|(disk, _)| *disk).collect();
    instance.zone %= zones(holding);
    share_a_disk(holding, code, &mut instance, rng);
    for (disk, mut found) in disks {
        found.zone = instance.zone;
        holding.disks.insert(disk, found);
    }
    if let Some(eip) = instance.eip {
        let address = Managed::address_of(code, eip, instance.created);
        holding.managed.entry(Family::Address).or_default().insert(eip.code, address);
    }
    holding.instances.insert(code, instance);
    Some(code)
}

/// Adds a disk that hangs nowhere, and returns its code.
pub(crate) fn add_loose_disk(
    state: &mut State,
    account: usize,
    region: &str,
    rng: &mut impl Rng,
) -> Option<u64> {
    let code = state.next_code(account);
    let now = state.now;
    let holding = state.accounts.get_mut(account)?.holdings.get_mut(region)?;
    let mut disk = draw_disk(now, rng);
    disk.zone = rng.random_range(0..zones(holding));
    holding.disks.insert(code, disk);
    Some(code)
}

/// Tags every disk of a holding somehow, or not at all.
pub(super) fn tag_disks(state: &mut State, account: usize, region: &str, rng: &mut impl Rng) {
    let sets = &state.tag_sets;
    let holding = state.accounts.get_mut(account).and_then(|found| found.holdings.get_mut(region));
    for disk in holding.into_iter().flat_map(|holding| holding.disks.values_mut()) {
        disk.tags = sets.draw(rng);
    }
}

/// Returns an elastic address that nothing had before.
pub(crate) fn new_eip(state: &mut State, account: usize, rng: &mut impl Rng) -> Eip {
    let code = state.next_code(account);
    let ip = address(Ipv4Addr::new(8, 128, 0, 0), state.serial, 22);
    Eip { ip, code, bandwidth: *[1, 5, 10, 100].choose(rng).unwrap_or(&5) }
}

/// Returns the public address that belongs to a serial number.
pub(crate) fn public_ip(serial: u64) -> Ipv4Addr {
    address(Ipv4Addr::new(120, 0, 0, 0), serial, 22)
}

/// Returns a name other than the one given.
pub(crate) fn another_name(old: &str, serial: u64, rng: &mut impl Rng) -> Box<str> {
    let name = draw_name(serial, rng);
    if *name == *old { format!("{name}-2").into() } else { name }
}

/// Returns tags other than those given.
pub(crate) fn other_tags(old: Option<&[Tag]>, serial: u64, rng: &mut impl Rng) -> Arc<[Tag]> {
    let kept = old.unwrap_or(&[]).iter().filter(|(key, _)| &**key != "revision");
    let revision = ("revision".into(), format!("r{serial}-{}", rng.random_range(0..1000)).into());
    kept.cloned().chain([revision]).collect()
}

pub(super) fn chance(rng: &mut impl Rng, percent: u32) -> bool {
    rng.random_ratio(percent, 100)
}

fn zones(holding: &Holding) -> u8 {
    u8::try_from(holding.region.zones.len()).unwrap_or(1).max(1)
}

/// Returns the address at a serial number within a block of `bits` host bits.
fn address(block: Ipv4Addr, serial: u64, bits: u32) -> Ipv4Addr {
    let offset = u32::try_from(serial % (1 << bits)).unwrap_or(0);
    Ipv4Addr::from(u32::from(block) | offset)
}

/// Returns a private address: there are more than sixteen million.
pub(super) fn private_ip(serial: u64, classic: bool) -> Ipv4Addr {
    match serial {
        _ if classic => address(Ipv4Addr::new(10, 0, 0, 0), serial, 24),
        0..=0xf_ffff => address(Ipv4Addr::new(172, 16, 0, 0), serial, 20),
        _ => address(Ipv4Addr::new(10, 0, 0, 0), serial, 24),
    }
}

fn draw(state: &State, birth: Birth, rng: &mut impl Rng) -> Instance {
    let (serial, now) = (state.serial, state.now);
    let classic = birth == Birth::Old && chance(rng, 4);
    let created = match birth {
        Birth::Old => now - rng.random_range(60..PAST),
        Birth::Now => now,
    };
    let status = match (birth, rng.random_range(0..100)) {
        (Birth::Now, _) | (Birth::Old, 0..=84) => Status::Running,
        (Birth::Old, 85..=96) => Status::Stopped,
        (Birth::Old, 97) => Status::Starting,
        (Birth::Old, 98) => Status::Stopping,
        (Birth::Old, _) => Status::Pending,
    };
    let stop_charging = chance(rng, 50);
    let wants_public = classic || chance(rng, 20);
    let lost_public = status == Status::Stopped && stop_charging;
    let prepaid = classic || chance(rng, 25);
    Instance {
        name: draw_name(serial, rng),
        created,
        started: (created + 1).min(now),
        expires: prepaid.then(|| now + rng.random_range(1..24) * 30 * 24 * 60),
        private_ip: private_ip(serial, classic),
        public_ip: (wants_public && !lost_public).then(|| public_ip(serial)),
        eip: None,
        groups: draw_groups(rng),
        tags: state.tag_sets.draw(rng),
        extra: draw_extra(serial, classic, status, rng),
        disks: Vec::new(),
        status,
        stop_charging,
        wants_public,
        classic,
        spec: if classic { CLASSIC_TYPE } else { index(rng, 1, TYPES.len()) },
        image: index(rng, 0, IMAGES.len()),
        zone: rng.random_range(0..u8::MAX),
        resource_group: rng.random_range(0..3),
    }
}

/// Returns the index of an entry of one of the catalogue's tables.
pub(crate) fn index(rng: &mut impl Rng, from: usize, len: usize) -> u8 {
    u8::try_from(rng.random_range(from..len)).unwrap_or(0)
}

pub(super) fn draw_name(serial: u64, rng: &mut impl Rng) -> Box<str> {
    let stem = NAMES.choose(rng).unwrap_or(&"node");
    match rng.random_range(0..20) {
        0 => (*stem).into(),
        _ => format!("{stem}-{serial:04}").into(),
    }
}

fn draw_groups(rng: &mut impl Rng) -> Box<[u8]> {
    let wanted = *[1, 1, 1, 2, 2, 3, 5].choose(rng).unwrap_or(&1);
    let mut groups: Vec<u8> = Vec::with_capacity(wanted);
    while groups.len() < wanted {
        let group = rng.random_range(0..GROUPS);
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    groups.into()
}

/// Tags as many instances have them; instances share what they hold.
pub(crate) struct TagSets(Vec<Option<Arc<[Tag]>>>);

impl TagSets {
    /// Makes the sets there are, the more frequent ones more than once.
    pub(crate) fn new() -> Self {
        let tag = |key: &str, value: &str| -> Tag { (key.into(), value.into()) };
        let mut sets = Vec::new();
        for env in ["prod", "staging", "dev", "测试"] {
            let team: Arc<[Tag]> = Arc::from([tag("env", env), tag("team", "基础架构")]);
            let owner: Arc<[Tag]> =
                Arc::from([tag("env", env), tag("empty", ""), tag("Owner", "ops team+1")]);
            sets.extend([None, Some(Arc::from([]))]);
            sets.extend(std::iter::repeat_n(Some(team), 4));
            sets.extend(std::iter::repeat_n(Some(owner), 2));
            sets.push(Some(Arc::from([
                tag("acs:autoscaling:scalingGroupId", "asg-1"),
                tag("env", env),
            ])));
            let most = (0..20).map(|n| tag(&format!("key-{n:02}"), &format!("值 {n} / * ~ & = +")));
            sets.push(Some(most.collect()));
        }
        Self(sets)
    }

    pub(super) fn draw(&self, rng: &mut impl Rng) -> Option<Arc<[Tag]>> {
        self.0.choose(rng).cloned().flatten()
    }
}

fn draw_extra(
    serial: u64,
    classic: bool,
    status: Status,
    rng: &mut impl Rng,
) -> Option<Box<Extra>> {
    let mut extra = Extra::default();
    // Further addresses are private ones, counted from the far end of 10/8.
    let far = |n: u64| address(Ipv4Addr::new(10, 0, 0, 0), !(serial * 4 + n), 24);
    if !classic && chance(rng, 6) {
        extra.more_ips.push(far(0));
    }
    if !classic && chance(rng, 6) {
        extra.more_interfaces.push(far(1));
        if chance(rng, 30) {
            extra.more_interfaces.push(far(2));
        }
    }
    extra.ipv6 = !classic && chance(rng, 5);
    if status == Status::Stopped && chance(rng, 40) {
        extra.locks.extend(LOCKS.choose(rng));
    }
    if chance(rng, 10) {
        extra.description = "迁移中 <keep> & \"quoted\"".into();
    }
    let some = !extra.description.is_empty()
        || extra.ipv6
        || !extra.locks.is_empty()
        || !extra.more_ips.is_empty()
        || !extra.more_interfaces.is_empty();
    some.then(|| Box::new(extra))
}

/// Draws an instance's disks: the system's, and none to three for data.
fn draw_disks(
    state: &mut State,
    account: usize,
    instance: u64,
    of: &Instance,
    rng: &mut impl Rng,
) -> Vec<(u64, Disk)> {
    let data = *[0, 0, 1, 1, 1, 2, 3].choose(rng).unwrap_or(&0);
    (0..=data)
        .map(|n| {
            let mut disk = draw_disk(of.created, rng);
            disk.created = of.created;
            disk.attached.push(Attachment { instance, letter: b'a' + n, at: of.started });
            if n == 0 {
                disk.system = true;
                disk.size_gib = 40;
            }
            (state.next_code(account), disk)
        })
        .collect()
}

fn draw_disk(created: Minute, rng: &mut impl Rng) -> Disk {
    Disk {
        name: if chance(rng, 20) { "数据盘".into() } else { "".into() },
        created,
        size_gib: *[20, 40, 100, 200, 500, 2048].choose(rng).unwrap_or(&100),
        tags: None,
        attached: Vec::new(),
        system: false,
        multi_attach: false,
        encrypted: chance(rng, 15),
        category: index(rng, 0, catalog::DISK_CATEGORIES.len()),
        zone: 0,
    }
}

/// Now and then hangs a data disk of another instance onto this one too.
fn share_a_disk(holding: &mut Holding, code: u64, instance: &mut Instance, rng: &mut impl Rng) {
    if instance.classic || !chance(rng, 2) {
        return;
    }
    let Some((other, neighbour)) = holding.instances.range(..code).next_back() else { return };
    let Some(shared) = neighbour.disks.last().filter(|_| neighbour.disks.len() > 1) else { return };
    let Some(disk) = holding.disks.get_mut(shared).filter(|disk| !disk.system) else { return };
    debug_assert!(disk.attached.iter().any(|attachment| attachment.instance == *other));
    disk.multi_attach = true;
    disk.attached.push(Attachment { instance: code, letter: b'z', at: instance.started });
    instance.zone = neighbour.zone;
    instance.disks.push(*shared);
}
