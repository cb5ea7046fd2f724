//! What a seed draws before anything happens: how large the worlds are, how
//! patient everyone is, and how often what goes wrong.

use std::time::Duration;

use cloud_sync_core::deletion::{DeletionPolicy, OnDelete};
use cloud_sync_core::schedule::SchedulePolicy;
use cloud_sync_core::scope::Kind;
use simulated_cloud::{Counts, Family, Provider, spread_of};

use crate::dice::Dice;
use crate::fault::{Fault, FaultSet};
use crate::kinds;

/// How large worlds are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Size {
    /// A few accounts, regions and dozens of instances.
    #[default]
    Small,
    /// Hundreds of instances a region.
    Large,
}

/// An account, and how much it begins with in which regions.
#[derive(Clone, Debug)]
pub(crate) struct AccountPlan {
    pub id: String,
    pub provider: Provider,
    /// What is synced of it.
    pub kinds: Vec<Kind>,
    /// The regions, each with its number of instances.
    pub regions: Vec<(&'static str, u32)>,
    /// What else there is in each of them.
    pub managed: Option<Counts>,
    pub deletion: DeletionPolicy,
    pub schedule: SchedulePolicy,
    pub change_feed: bool,
}

impl AccountPlan {
    /// Tells whether the vendor can be asked for permission for everything
    /// that is synced.
    pub(crate) fn has_probes(&self) -> bool {
        self.kinds.iter().all(|kind| kinds::facts_of(kind).has_probe)
    }

    /// Tells whether a family is synced.
    pub(crate) fn has(&self, family: Family) -> bool {
        self.kinds.iter().any(|kind| kinds::family_of(kind) == family)
    }
}

/// How often things go wrong: chances a request, a process or a message.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Chances {
    pub crash: f64,
    pub panic: f64,
    pub freeze: f64,
    pub store_down: f64,
    pub store_lost_answer: f64,
    pub store_partial: f64,
    pub queue_down: f64,
    pub duplicate: f64,
    pub delay: f64,
    pub vanish: f64,
    pub network: f64,
    pub malformed: f64,
    pub silent_empty: f64,
    pub paging: f64,
    pub token_rejected: f64,
    pub wrong_total: f64,
    pub disks: f64,
    /// Of a look at the change feed that fails; of an event that is lost, less.
    pub feed: f64,
    /// Of a key that is put into another account's place.
    pub swap: f64,
    /// Of an event that comes twice; of one that comes late.
    pub events: f64,
    /// Of something done by people, at each of their moments.
    pub revoke: f64,
    pub cancel: f64,
    pub rotate: f64,
}

/// What a seed draws.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub accounts: Vec<AccountPlan>,
    /// At most so many items a page.
    pub page: usize,
    /// Whether pages are as short in peace.
    pub short_pages_in_peace: bool,
    pub workers: usize,
    /// A worker's time.
    pub run_time: Duration,
    /// How long a message in flight stays invisible.
    pub visibility: Duration,
    /// The longest that a call to the vendor takes when all is well.
    pub vendor_latency: Duration,
    pub tick: Duration,
    /// How long things go wrong.
    pub unrest: Duration,
    /// The longest time between two things that people do.
    pub pause: Duration,
    /// How far a process's clock may be off.
    pub skew: Duration,
    /// How far indexes may lag.
    pub lag: Duration,
    /// Calls that the vendor allows of each API, in the time that it counts by.
    pub calls_a_minute: Option<u32>,
    /// The longest that an event takes to show up in the change feed.
    pub feed_lag: Duration,
    /// Whether the vendors tell of what happens.
    pub tells: bool,
    pub chances: Chances,
}

const REGIONS: [&str; 4] = ["cn-hangzhou", "cn-beijing", "cn-shanghai", "cn-shenzhen"];

/// A clock may be off by so much; two of them by twice that, which a lease's
/// margin has to cover.
const MOST_SKEW: Duration = Duration::from_secs(20);

/// Recovery waits longer than this for the indexes; see `docs/SEMANTICS.md`.
const MOST_LAG: Duration = Duration::from_secs(8);

/// As late as the vendor's events show up by its own account.
const MOST_FEED_LAG: Duration = Duration::from_secs(600);

fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

impl Plan {
    /// Draws a plan.
    pub(crate) fn draw(dice: &Dice, faults: &FaultSet, size: Size) -> Self {
        let strikes = |fault: Fault| faults.has(fault) && dice.happens(0.4);
        let short_turns = strikes(Fault::ShortTurns);
        let most = if size == Size::Small { 10 } else { 400 };
        let accounts = dice.one_of(&[1, 1, 1, 1, 2, 3], 1);
        let accounts =
            (1..=accounts).map(|n| account(dice, &format!("account-{n}"), most)).collect();
        let long = minutes(90);
        Self {
            accounts,
            page: usize::try_from(dice.number(3, most / 2 + 3)).unwrap_or(10),
            short_pages_in_peace: dice.happens(0.3),
            workers: usize::try_from(dice.number(1, 5)).unwrap_or(1),
            run_time: if short_turns { minutes(1) + dice.time(minutes(1)) } else { minutes(15) },
            visibility: dice.one_of(&[long, long, minutes(16), minutes(2)], long),
            vendor_latency: dice.time(Duration::from_secs(2)),
            tick: minutes(dice.one_of(&[5, 10, 15], 10)),
            unrest: minutes(dice.number(20, 55)),
            pause: minutes(dice.number(10, 40)),
            skew: if strikes(Fault::Skew) { dice.time(MOST_SKEW) } else { Duration::ZERO },
            lag: if strikes(Fault::IndexLag) { dice.time(MOST_LAG) } else { Duration::ZERO },
            calls_a_minute: strikes(Fault::Throttle).then(|| drawn_u32(dice, 2, 12)),
            feed_lag: Duration::ZERO,
            tells: false,
            chances: chances(dice, &strikes),
        }
    }

    /// Draws which accounts have a change feed, and how well it works, whether
    /// keys get into the wrong places, which further accounts there are, and
    /// whether the vendors tell of what happens.
    pub(crate) fn with_later_draws(mut self, dice: &Dice, faults: &FaultSet) -> Self {
        for account in &mut self.accounts {
            account.change_feed = dice.happens(0.5);
        }
        self.feed_lag = dice.time(MOST_FEED_LAG);
        let strikes = faults.has(Fault::Feed) && dice.happens(0.4);
        self.chances.feed = if strikes { 0.5 * dice.fraction() } else { 0.0 };
        let swaps = faults.has(Fault::Swap) && self.accounts.len() > 1 && dice.happens(0.4);
        self.chances.swap = if swaps { dice.fraction() } else { 0.0 };
        // Every simulation is about machines; a third are about more.
        let further = if dice.happens(0.33) { dice.one_of(&[1, 1, 2], 1) } else { 0 };
        self.accounts.extend((1..=further).map(|n| further_account(dice, n)));
        self.tells = dice.happens(0.4);
        let strikes = faults.has(Fault::Events) && dice.happens(0.6);
        self.chances.events = if strikes { dice.fraction() } else { 0.0 };
        self
    }
}

fn account(dice: &Dice, id: &str, most: u64) -> AccountPlan {
    let count = dice.one_of(&[1, 1, 1, 2, 3], 1);
    let regions = REGIONS.iter().take(count);
    let regions = regions.map(|region| (*region, drawn_u32(dice, 0, most))).collect();
    let deletion = DeletionPolicy {
        plausible_count: dice.one_of(&[20, 20, 3, 0], 20),
        plausible_percent: dice.one_of(&[10, 10, 0], 10),
        agreeing_listings: dice.number(1, 3),
        on_delete: dice.one_of(&[OnDelete::Tombstone, OnDelete::Purge], OnDelete::Tombstone),
        ..DeletionPolicy::default()
    };
    let (interval, full) = (drawn_u32(dice, 20, 60), drawn_u32(dice, 15, 240));
    let schedule =
        SchedulePolicy { full_interval_minutes: full, ..SchedulePolicy::every(interval) };
    AccountPlan {
        id: id.to_owned(),
        provider: Provider::Aliyun,
        kinds: vec![kinds::machines()],
        regions,
        managed: None,
        deletion,
        schedule,
        change_feed: false,
    }
}

/// Draws an account of any vendor with a few resources of any kinds.
fn further_account(dice: &Dice, number: u32) -> AccountPlan {
    // Half are of the vendor that has half of the kinds.
    let vendors = [Provider::Aliyun; 2].into_iter().chain(Provider::ALL).collect::<Vec<_>>();
    let provider = dice.one_of(&vendors, Provider::Aliyun);
    let mut drawn = kinds::shown(provider);
    let count = usize::try_from(dice.number(1, 3)).unwrap_or(1);
    while drawn.len() > count {
        let place = dice.number(0, drawn.len() as u64 - 1);
        drawn.remove(usize::try_from(place).unwrap_or(0));
    }
    let regions = usize::try_from(dice.number(1, 2)).unwrap_or(1);
    let plan = account(dice, &format!("further-{number}"), 0);
    let mut plan = AccountPlan { provider, kinds: drawn, ..plan };
    let some = |family| if plan.has(family) { drawn_u32(dice, 0, 6) } else { 0 };
    let machines = some(Family::Instance).max(some(Family::Disk)).max(some(Family::Address) / 2);
    let managed = Counts {
        databases: some(Family::Database),
        caches: some(Family::Cache),
        buckets: some(Family::Bucket),
        addresses: some(Family::Address),
        balancers: some(Family::Balancer),
        tagged_disks: true,
    };
    plan.managed = Some(managed);
    plan.regions = spread_of(provider, 0, regions);
    plan.regions.iter_mut().for_each(|(_, count)| *count = machines);
    plan
}

fn drawn_u32(dice: &Dice, least: u64, most: u64) -> u32 {
    u32::try_from(dice.number(least, most)).unwrap_or(u32::MAX)
}

fn chances(dice: &Dice, strikes: &impl Fn(Fault) -> bool) -> Chances {
    // Rare and frequent trouble find different bugs.
    let chance = |fault, most: f64| if strikes(fault) { most * dice.fraction() } else { 0.0 };
    Chances {
        crash: chance(Fault::Crash, 0.6),
        panic: chance(Fault::Panic, 0.2),
        freeze: chance(Fault::Freeze, 0.3),
        store_down: chance(Fault::StoreDown, 0.04),
        store_lost_answer: chance(Fault::StoreLostAnswer, 0.08),
        store_partial: chance(Fault::StorePartial, 0.3),
        queue_down: chance(Fault::QueueDown, 0.2),
        duplicate: chance(Fault::Duplicate, 0.5),
        delay: chance(Fault::Delay, 0.5),
        vanish: chance(Fault::Vanish, 0.1),
        network: chance(Fault::Network, 0.3),
        malformed: chance(Fault::Malformed, 0.3),
        silent_empty: chance(Fault::SilentEmpty, 0.3),
        paging: chance(Fault::Paging, 0.5),
        token_rejected: chance(Fault::TokenRejected, 0.2),
        wrong_total: chance(Fault::WrongTotal, 0.5),
        disks: chance(Fault::Disks, 0.4),
        feed: 0.0,
        swap: 0.0,
        events: 0.0,
        revoke: chance(Fault::Revoked, 0.5),
        cancel: chance(Fault::Cancel, 0.4),
        rotate: chance(Fault::Rotate, 0.4),
    }
}
