//! Managed resources as the world holds them: one compact form for every
//! family, which each vendor shows in its own words.

use std::net::Ipv4Addr;
use std::sync::Arc;

use rand::Rng;
use rand::seq::IndexedRandom;

use super::classes::{self, Class, Engine};
use super::family::Family;
use super::generate::{self, Birth, PAST, chance};
use super::id;
use super::model::{Minute, State, Tag};

/// The state of a managed resource. Vendors have many more words than this,
/// and map it to theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Creating,
    Running,
    Changing,
    Restarting,
    Stopped,
}

/// A managed resource.
#[derive(Debug)]
pub(crate) struct Managed {
    /// Its name; a bucket is known by nothing else.
    pub name: Box<str>,
    /// `None`: the vendor leaves the whole field out.
    pub tags: Option<Arc<[Tag]>>,
    pub created: Minute,
    /// When a subscription ends; `None` for pay-as-you-go.
    pub expires: Option<Minute>,
    /// The instance that an address is bound to.
    pub bound: Option<u64>,
    pub private_ip: Option<Ipv4Addr>,
    pub public_ip: Option<Ipv4Addr>,
    /// GiB that a database stores, Mbit a second that an address lets through.
    pub size: u32,
    pub condition: Condition,
    pub class: u8,
    pub engine: u8,
    pub zone: u8,
    pub resource_group: u8,
}

impl Managed {
    /// Returns its class, in a family that has any.
    pub(crate) fn class(&self, family: Family) -> Option<&'static Class> {
        classes::classes(family).get(usize::from(self.class))
    }

    /// Returns its engine, in a family that has any.
    pub(crate) fn engine(&self, family: Family) -> Option<&'static Engine> {
        classes::engines(family).get(usize::from(self.engine))
    }

    /// Returns its tags.
    pub(crate) fn tags(&self) -> &[Tag] {
        self.tags.as_deref().unwrap_or(&[])
    }

    /// Makes the entry of an elastic address that came with an instance. It
    /// draws nothing, so that worlds without managed resources stay what they
    /// were before there were any.
    pub(crate) fn address_of(instance: u64, eip: super::model::Eip, created: Minute) -> Self {
        Self {
            name: "".into(),
            tags: None,
            created,
            expires: None,
            bound: Some(instance),
            private_ip: None,
            public_ip: Some(eip.ip),
            size: u32::from(eip.bandwidth),
            condition: Condition::Running,
            class: 0,
            engine: 0,
            zone: 0,
            resource_group: 0,
        }
    }
}

/// Adds a managed resource to a holding, and returns its code. An address is
/// free.
pub(super) fn add(
    state: &mut State,
    (account, region): (usize, &str),
    family: Family,
    birth: Birth,
    rng: &mut impl Rng,
) -> Option<u64> {
    let code = state.next_code(account);
    let mut new = draw(state, family, code, birth, rng);
    let holding = state.accounts.get_mut(account)?.holdings.get_mut(region)?;
    new.zone %= u8::try_from(holding.region.zones.len()).unwrap_or(1).max(1);
    holding.managed.entry(family).or_default().insert(code, new);
    Some(code)
}

fn draw(state: &State, family: Family, code: u64, birth: Birth, rng: &mut impl Rng) -> Managed {
    let (serial, now) = (state.serial, state.now);
    let created = match birth {
        Birth::Old => now - rng.random_range(60..PAST),
        Birth::Now => now,
    };
    let (private_ip, public_ip) = draw_ips(family, serial, rng);
    let prepaid = family != Family::Bucket && chance(rng, 25);
    let engines = classes::engines(family).len().max(1);
    let kinds = classes::classes(family).len().max(1);
    Managed {
        name: draw_name(family, serial, code, rng),
        tags: state.tag_sets.draw(rng),
        created,
        expires: prepaid.then(|| now + rng.random_range(1..24) * 30 * 24 * 60),
        bound: None,
        private_ip,
        public_ip,
        size: draw_size(family, rng),
        condition: draw_condition(family, birth, rng),
        class: generate::index(rng, 0, kinds),
        engine: generate::index(rng, 0, engines),
        zone: rng.random_range(0..u8::MAX),
        resource_group: rng.random_range(0..3),
    }
}

fn draw_ips(
    family: Family,
    serial: u64,
    rng: &mut impl Rng,
) -> (Option<Ipv4Addr>, Option<Ipv4Addr>) {
    let private = Some(generate::private_ip(serial, false));
    let public = Some(generate::public_ip(serial));
    match family {
        Family::Bucket | Family::Instance | Family::Disk => (None, None),
        Family::Address => (None, public),
        // One that faces the internet has no address within.
        Family::Balancer if chance(rng, 40) => (None, public),
        Family::Balancer => (private, None),
        Family::Database | Family::Cache => (private, public.filter(|_| chance(rng, 20))),
    }
}

fn draw_size(family: Family, rng: &mut impl Rng) -> u32 {
    let sizes: &[u32] = match family {
        Family::Database => &[20, 50, 100, 500, 2000],
        Family::Address => &[1, 5, 10, 100, 200],
        _ => &[0],
    };
    *sizes.choose(rng).unwrap_or(&0)
}

fn draw_condition(family: Family, birth: Birth, rng: &mut impl Rng) -> Condition {
    let settled = matches!(family, Family::Address | Family::Bucket);
    match (birth, rng.random_range(0..100)) {
        (Birth::Now, _) | (Birth::Old, 0..=84) => Condition::Running,
        _ if settled => Condition::Running,
        (Birth::Old, 85..=93) => Condition::Stopped,
        // A balancer is on or off, and nothing between.
        _ if family == Family::Balancer => Condition::Running,
        (Birth::Old, 94..=96) => Condition::Changing,
        (Birth::Old, 97..=98) => Condition::Creating,
        (Birth::Old, _) => Condition::Restarting,
    }
}

/// Returns a name. Those of buckets are unique in all the world, and plainer
/// than others.
fn draw_name(family: Family, serial: u64, code: u64, rng: &mut impl Rng) -> Box<str> {
    const STEMS: [&str; 6] = ["assets", "backup", "data-lake", "logs", "ml-models", "static.site"];
    match family {
        Family::Bucket => {
            let stem = STEMS.choose(rng).unwrap_or(&"data").replace('.', "-");
            format!("{stem}-{}", id::short(code)).into()
        }
        Family::Address if chance(rng, 30) => "".into(),
        _ => generate::draw_name(serial, rng),
    }
}
