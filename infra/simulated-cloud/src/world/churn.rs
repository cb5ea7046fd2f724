//! Many changes at once, as a busy day brings them.

use std::collections::BTreeMap;

use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::World;
use super::family::Family;
use super::managed_ops::Target;
use super::model::State;
use super::ops::Place;
use super::report::ChurnReport;

/// How much is to happen. Every count is of instances, but for those of other
/// families; a resource is touched in one way at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Churn {
    /// Instances to create.
    pub create: usize,
    /// Instances to release.
    pub release: usize,
    /// Instances to start or stop.
    pub power: usize,
    /// Instances to rename.
    pub rename: usize,
    /// Instances to tag otherwise.
    pub retag: usize,
    /// Elastic addresses to move; each touches two instances.
    pub move_eip: usize,
    /// Instances to attach a data disk to.
    pub attach_disk: usize,
    /// Instances to detach a data disk from.
    pub detach_disk: usize,
    /// Instances to swap a security group of.
    pub swap_group: usize,
    /// Instances to give another type.
    pub change_type: usize,
    /// What happens to disks by themselves.
    pub disks: FamilyChurn,
    /// What happens to databases.
    pub databases: FamilyChurn,
    /// What happens to caches.
    pub caches: FamilyChurn,
    /// What happens to buckets.
    pub buckets: FamilyChurn,
    /// What happens to addresses by themselves.
    pub addresses: FamilyChurn,
    /// What happens to load balancers.
    pub balancers: FamilyChurn,
}

/// How much is to happen to a family. What cannot be done to it (buckets have
/// no other name) does not happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FamilyChurn {
    /// How many to create.
    pub create: usize,
    /// How many to release.
    pub release: usize,
    /// How many to rename.
    pub rename: usize,
    /// How many to tag otherwise.
    pub retag: usize,
    /// How many to start or stop.
    pub power: usize,
    /// How many to give another class or size.
    pub resize: usize,
}

impl FamilyChurn {
    /// Asks for so many of each.
    pub fn of_each(count: usize) -> Self {
        Self {
            create: count,
            release: count,
            rename: count,
            retag: count,
            power: count,
            resize: count,
        }
    }
}

impl Churn {
    /// Returns a mixture that touches about so many percent of a world's
    /// instances, and each way at least once.
    pub fn percent(world: &World, percent: f64) -> Self {
        let total = world.len() as f64 * percent.max(0.0) / 100.0;
        let part = |share: f64| ((total * share / 100.0).round() as usize).max(1);
        Self {
            create: part(15.0),
            release: part(10.0),
            power: part(20.0),
            rename: part(10.0),
            retag: part(15.0),
            move_eip: part(3.0),
            attach_disk: part(8.0),
            detach_disk: part(4.0),
            swap_group: part(8.0),
            change_type: part(4.0),
            ..Self::default()
        }
    }
}

impl Churn {
    fn by_family(&self) -> [(Family, FamilyChurn); 6] {
        [
            (Family::Disk, self.disks),
            (Family::Database, self.databases),
            (Family::Cache, self.caches),
            (Family::Bucket, self.buckets),
            (Family::Address, self.addresses),
            (Family::Balancer, self.balancers),
        ]
    }
}

/// Instances that were not touched yet, in a random order.
struct Untouched {
    rest: Vec<(Place, u64)>,
}

impl Untouched {
    /// Does something to so many of them. Those that it cannot be done to
    /// wait for another change.
    fn each(&mut self, count: usize, mut change: impl FnMut(Place, u64) -> bool) {
        let mut left = count;
        let mut spared = Vec::new();
        while left > 0 {
            let Some((place, code)) = self.rest.pop() else { break };
            if change(place, code) {
                left -= 1;
            } else {
                spared.push((place, code));
            }
        }
        // The order stays random: those spared come last.
        spared.append(&mut self.rest);
        self.rest = spared;
    }

    /// Takes pairs of instances of one place: one that gives and one that
    /// takes.
    fn pairs(
        &mut self,
        count: usize,
        gives: impl Fn(Place, u64) -> bool,
        takes: impl Fn(Place, u64) -> bool,
    ) -> Vec<(Place, u64, u64)> {
        let mut waiting: BTreeMap<Place, (Vec<u64>, Vec<u64>)> = BTreeMap::new();
        let mut pairs = Vec::new();
        let mut spared = Vec::new();
        while pairs.len() < count {
            let Some((place, code)) = self.rest.pop() else { break };
            let (givers, takers) = waiting.entry(place).or_default();
            if gives(place, code) {
                givers.push(code);
            } else if takes(place, code) {
                takers.push(code);
            } else {
                spared.push((place, code));
                continue;
            }
            if let (Some(giver), Some(taker)) = (givers.last(), takers.last()) {
                pairs.push((place, *giver, *taker));
                givers.pop();
                takers.pop();
            }
        }
        for (place, (givers, takers)) in waiting {
            spared.extend(givers.into_iter().chain(takers).map(|code| (place, code)));
        }
        spared.append(&mut self.rest);
        self.rest = spared;
        pairs
    }
}

impl World {
    /// Lets things happen, and returns what did. The same world, churn and
    /// seed give the same happenings. Where there is too little to do it to
    /// (no instance with an elastic address, say), less happens.
    pub fn churn(&self, churn: &Churn, seed: u64) -> ChurnReport {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut state = self.change();
        let before = state.sequence;
        let places = places(&state);
        let mut untouched = Untouched { rest: of_family(&state, Family::Instance) };
        untouched.rest.shuffle(&mut rng);
        change_some(&mut state, &mut untouched, churn, &mut rng);
        move_eips(&mut state, &mut untouched, churn.move_eip);
        untouched.each(churn.release, |at, code| state.release(at, code).is_ok());
        create_some(&mut state, &places, churn.create, &mut rng);
        for (family, churn) in churn.by_family() {
            churn_family(&mut state, family, churn, &mut rng);
        }
        let events = state.log.iter().map(|entry| &entry.event);
        let happened = events.skip_while(|event| event.sequence <= before);
        ChurnReport::of(happened)
    }
}

fn change_some(state: &mut State, untouched: &mut Untouched, churn: &Churn, rng: &mut ChaCha8Rng) {
    // Detaching comes before attaching: it needs instances that have disks.
    untouched.each(churn.detach_disk, |at, code| state.detach_disk(at, code).is_ok());
    untouched.each(churn.attach_disk, |at, code| state.attach_disk(at, code, rng).is_ok());
    untouched.each(churn.power, |at, code| state.toggle(at, code).is_ok());
    untouched.each(churn.rename, |at, code| state.rename_somehow(at, code, rng).is_ok());
    untouched.each(churn.retag, |at, code| state.retag_somehow(at, code, rng).is_ok());
    untouched.each(churn.swap_group, |at, code| state.swap_group(at, code, rng).is_ok());
    untouched.each(churn.change_type, |at, code| state.change_type_somehow(at, code, rng).is_ok());
}

fn move_eips(state: &mut State, untouched: &mut Untouched, count: usize) {
    let found = |at: Place, code| state.holding(at)?.instances.get(&code);
    let pairs = untouched.pairs(
        count,
        |at, code| found(at, code).is_some_and(|instance| instance.eip.is_some()),
        |at, code| found(at, code).is_some_and(|instance| instance.takes_eip()),
    );
    for (at, from, to) in pairs {
        if let Err(refused) = state.move_eip(at, from, to) {
            tracing::warn!(%refused, "an elastic address did not move");
        }
    }
}

/// New instances turn up where there are some already, in proportion.
fn create_some(state: &mut State, places: &[(Place, usize)], count: usize, rng: &mut ChaCha8Rng) {
    let total: usize = places.iter().map(|(_, instances)| instances).sum();
    for _ in 0..count {
        let mut drawn = rng.random_range(0..total.max(1));
        let place = places.iter().find(|(_, instances)| match drawn.checked_sub(*instances) {
            Some(rest) => {
                drawn = rest;
                false
            }
            None => true,
        });
        let Some((place, _)) = place.or(places.first()) else { return };
        if let Err(refused) = state.create(*place, rng) {
            tracing::warn!(%refused, "an instance was not created");
        }
    }
}

/// What is new of a family turns up where the account has something of it, or
/// in its first region.
fn churn_family(state: &mut State, family: Family, churn: FamilyChurn, rng: &mut ChaCha8Rng) {
    if churn == FamilyChurn::default() {
        return;
    }
    let mut all = of_family(state, family);
    let mut homes: Vec<Place> = all.iter().map(|(at, _)| *at).collect();
    homes.extend(places(state).first().map(|(place, _)| *place).filter(|_| all.is_empty()));
    all.shuffle(rng);
    let mut untouched = Untouched { rest: all };
    let target = |at, code| Target { at, family, code };
    untouched.each(churn.power, |at, code| state.toggle_of(target(at, code)).is_ok());
    untouched.each(churn.rename, |at, code| state.rename_of_somehow(target(at, code), rng).is_ok());
    untouched.each(churn.retag, |at, code| state.retag_of_somehow(target(at, code), rng).is_ok());
    untouched.each(churn.resize, |at, code| state.resize_of(target(at, code), rng).is_ok());
    untouched.each(churn.release, |at, code| state.release_of(target(at, code)).is_ok());
    for _ in 0..churn.create {
        let drawn = rng.random_range(0..homes.len().max(1));
        let Some(home) = homes.get(drawn) else { return };
        if let Err(refused) = state.create_of(*home, family, rng) {
            tracing::warn!(%refused, %family, "nothing was created");
        }
    }
}

fn of_family(state: &State, family: Family) -> Vec<(Place, u64)> {
    let each = state.accounts.iter().enumerate();
    each.flat_map(|(account, found)| {
        found.holdings.iter().flat_map(move |(region, holding)| {
            let codes: Vec<u64> = match family {
                Family::Instance => holding.instances.keys().copied().collect(),
                Family::Disk => holding.disks.keys().copied().collect(),
                family => holding.managed(family).keys().copied().collect(),
            };
            codes.into_iter().map(move |code| (Place { account, region }, code))
        })
    })
    .collect()
}

fn places(state: &State) -> Vec<(Place, usize)> {
    let each = state.accounts.iter().enumerate();
    each.flat_map(|(account, found)| {
        found
            .holdings
            .iter()
            .map(move |(region, holding)| (Place { account, region }, holding.instances.len()))
    })
    .collect()
}
