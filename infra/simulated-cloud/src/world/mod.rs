//! The world: accounts and what they have in each region. It knows nothing of
//! any protocol; vendors' folders say how it is asked about.

pub(crate) mod catalog;
mod churn;
pub(crate) mod classes;
pub(crate) mod family;
mod faults;
mod generate;
pub(crate) mod id;
pub(crate) mod managed;
mod managed_ops;
mod managed_site;
pub(crate) mod model;
mod ops;
mod permission;
mod plan;
mod report;
mod site;
pub(crate) mod trail;
mod truth;
mod truth_managed;
pub(crate) mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use jiff::Timestamp;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use self::catalog::RegionFacts;
pub use self::churn::{Churn, FamilyChurn};
pub use self::family::Family;
pub use self::faults::{Call, Fault, Faults, Rule, RuleId};
use self::generate::Birth;
use self::model::{Account, Holding, State};
use self::ops::Place;
pub(crate) use self::ops::SHOWN;
pub use self::permission::Permission;
use self::permission::Permissions;
pub use self::plan::{
    AccessKey, AccountPlan, Counts, DEMO_KEY_ID, DEMO_KEY_SECRET, Endpoints, InvalidPlan,
    MEMBERS_ROLE, Plan, Provider, spread, spread_of,
};
pub use self::report::{Change, ChurnReport, Event, Happening, Which};
pub use self::site::{NotPossible, Site};
use self::trail::Entry;
pub use self::truth::{TruthAccount, TruthDisk, TruthFile, TruthInstance, TruthWriteError};
pub use self::truth_managed::{TruthManaged, TruthVolume};

/// At most so many events are remembered; a million take some 150 MB.
const EVENTS: usize = 1 << 20;

/// What can be changed while the cloud runs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Settings {
    pub latency: Duration,
    pub limits: Limits,
}

/// How often the cloud lets itself be called. Each vendor counts in its own
/// way: Alibaba Cloud by the minute, its object store, Tencent Cloud and Huawei
/// Cloud by the second, AWS by buckets of tokens, a fifth of which comes back
/// each second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Limits {
    /// What the vendors document in numbers holds, and nothing else: two
    /// `LookupEvents` a second over all regions of an account of Alibaba Cloud,
    /// 40 `DescribeInstances` a second in a region of Tencent Cloud's, 200 of
    /// each API of Huawei Cloud's, and buckets of 100 for reading EC2.
    #[default]
    Documented,
    /// Each account may make so many calls of each action in each region, in
    /// whatever the vendor counts by, and no more than is documented.
    Calls(u32),
    /// There are none.
    Off,
}

/// A temporary key as whoever assumes a role is given it.
pub(crate) struct LentKey {
    pub id: String,
    pub secret: String,
    pub token: String,
}

struct Inner {
    state: RwLock<State>,
    faults: Faults,
    settings: Mutex<Settings>,
    calls: Mutex<BTreeMap<Call, u64>>,
    regions: Vec<&'static RegionFacts>,
    endpoints: Endpoints,
    seed: u64,
    /// Services that are not open, each with its region.
    closed: Mutex<BTreeSet<(String, String)>>,
}

/// A handle on a world; clones are handles on the same one.
#[derive(Clone)]
pub struct World(Arc<Inner>);

impl World {
    /// Makes the world that a plan describes. The same plan gives the same
    /// world.
    ///
    /// # Errors
    ///
    /// The plan names a region that the vendor does not have, or an account
    /// or an access key twice.
    pub fn new(plan: &Plan) -> Result<Self, InvalidPlan> {
        let regions = plan.regions()?;
        let mut state = State {
            accounts: Vec::new(),
            serial: 0,
            seed: plan.seed,
            now: plan.now.as_second() / 60,
            changes_take_time: true,
            tag_sets: generate::TagSets::new(),
            log: std::collections::VecDeque::new(),
            sequence: 0,
            clock: None,
            trail: trail::Delivery::default(),
        };
        let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
        for (index, account) in plan.accounts.iter().enumerate() {
            state.accounts.push(empty_account(account, &regions, index, plan.seed));
            for (region, instances) in &account.regions {
                populate(&mut state, index, region, *instances, &mut rng);
            }
        }
        // These come after every instance, so that asking for them changes
        // none.
        for (index, account) in plan.accounts.iter().enumerate() {
            for (region, counts) in &account.managed {
                populate_managed(&mut state, (index, region), counts, &mut rng);
            }
        }
        Ok(Self(Arc::new(Inner {
            state: RwLock::new(state),
            faults: Faults::new(plan.seed),
            settings: Mutex::default(),
            calls: Mutex::default(),
            regions,
            endpoints: plan.endpoints,
            seed: plan.seed,
            closed: Mutex::default(),
        })))
    }

    /// Returns what an account has in a region, to look at and to change.
    ///
    /// # Errors
    ///
    /// There is no such account, or the world does not offer the region.
    pub fn at(&self, account: &str, region: &str) -> Result<Site, NotPossible> {
        Site::new(self, account, region)
    }

    /// Returns the ids of the regions that the world offers.
    pub fn regions(&self) -> Vec<&'static str> {
        self.0.regions.iter().map(|region| region.id).collect()
    }

    /// Returns the ids of its accounts.
    pub fn accounts(&self) -> Vec<String> {
        self.state().accounts.iter().map(|account| account.id.clone()).collect()
    }

    /// Returns how many instances there are, over all accounts and regions.
    pub fn len(&self) -> usize {
        let state = self.state();
        let holdings = state.accounts.iter().flat_map(|account| account.holdings.values());
        holdings.map(|holding| holding.instances.len()).sum()
    }

    /// Tells whether there is no instance anywhere.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the faults, to be added and taken back at any time.
    pub fn faults(&self) -> &Faults {
        &self.0.faults
    }

    /// Sets the world's time. Until then every change takes a minute; from
    /// then on none takes any.
    pub fn set_time(&self, now: Timestamp) {
        let mut state = self.change();
        state.now = now.as_second() / 60;
        state.changes_take_time = false;
        state.clock = Some(now);
    }

    /// Sets how long every answer takes.
    pub fn set_latency(&self, latency: Duration) {
        lock(&self.0.settings).latency = latency;
    }

    /// Sets how often it may be called.
    pub fn set_limits(&self, limits: Limits) {
        lock(&self.0.settings).limits = limits;
    }

    /// Sets how the record of what was done is delivered from now on: every
    /// event shows up to so much later, and is lost with some chance.
    pub fn set_trail(&self, lag: Duration, loss: f64) {
        self.change().trail = trail::Delivery { lag, loss };
    }

    /// Sets what an account may do: of one action, or of all of them.
    pub fn permit(&self, account: &str, action: Option<&str>, permission: Permission) {
        if let Some(found) = self.change().accounts.iter_mut().find(|found| found.id == account) {
            found.permissions.set(action, permission);
        }
    }

    /// Replaces an account's access keys, as a rotation of keys does.
    pub fn set_keys(&self, account: &str, keys: Vec<AccessKey>) {
        if let Some(found) = self.change().accounts.iter_mut().find(|found| found.id == account) {
            found.keys = keys;
        }
    }

    /// Opens or closes a service in a region: `rds`, `oss`. Services that need
    /// no region are closed with the region empty. A closed one answers with
    /// the vendor's error for it.
    pub fn set_service(&self, service: &str, region: &str, open: bool) {
        let mut closed = lock(&self.0.closed);
        let which = (service.to_owned(), region.to_owned());
        if open {
            closed.remove(&which)
        } else {
            closed.insert(which)
        };
    }

    /// Tells whether a service is open in a region.
    pub(crate) fn is_open(&self, service: &str, region: &str) -> bool {
        let closed = lock(&self.0.closed);
        closed.is_empty() || !closed.contains(&(service.to_owned(), region.to_owned()))
    }

    /// Tells whether a role of an account trusts another account; `None` if
    /// there is no such role.
    pub(crate) fn trusts(
        &self,
        provider: Provider,
        account: usize,
        role: &str,
        other: usize,
    ) -> Option<bool> {
        let state = self.state();
        let owner = state.accounts.get(account).filter(|owner| owner.provider == provider)?;
        let trusted = owner.roles.get(role)?;
        Some(state.accounts.get(other).is_some_and(|other| trusted.contains(&other.id)))
    }

    /// Makes a temporary key of an account of a vendor, as assuming a role
    /// does, for a session that is called `role/name`. `None` if there is no
    /// such account.
    pub(crate) fn lend_session(
        &self,
        provider: Provider,
        account: usize,
        prefix: &str,
        expires: Timestamp,
        session: Option<String>,
    ) -> Option<LentKey> {
        let fresh = || uuid::Uuid::new_v4().simple().to_string();
        let lent = LentKey {
            id: format!("{prefix}{}", &fresh()[..16].to_uppercase()),
            secret: fresh(),
            token: fresh().repeat(3),
        };
        let mut state = self.change();
        let found = state.accounts.get_mut(account);
        let found = found.filter(|found| found.provider == provider)?;
        let key = AccessKey::new(&lent.id, &lent.secret).with_token(&lent.token);
        found.keys.push(AccessKey { expires: Some(expires), session, ..key });
        Some(lent)
    }

    /// Returns how many calls there have been of an action, whatever came of
    /// them.
    pub fn calls_of(&self, action: &str) -> u64 {
        let calls = lock(&self.0.calls);
        calls.iter().filter(|(call, _)| call.is_of(action)).map(|(_, count)| count).sum()
    }

    /// Returns how many calls there have been, by account, region and action.
    pub fn calls(&self) -> BTreeMap<Call, u64> {
        lock(&self.0.calls).clone()
    }

    /// Forgets the calls so far.
    pub fn reset_calls(&self) {
        lock(&self.0.calls).clear();
    }

    /// Returns the number of the latest event; 0 if there was none.
    pub fn sequence(&self) -> u64 {
        self.state().sequence
    }

    /// Returns the events after a number, oldest first. Only the latest
    /// million are remembered.
    pub fn events_since(&self, sequence: u64) -> Vec<Event> {
        let state = self.state();
        let events = state.log.iter().map(|entry| &entry.event);
        events.filter(|event| event.sequence > sequence).cloned().collect()
    }

    /// Returns what the events after a number come to.
    pub fn report_since(&self, sequence: u64) -> ChurnReport {
        ChurnReport::of(&self.events_since(sequence))
    }

    pub(crate) fn seed(&self) -> u64 {
        self.0.seed
    }

    pub(crate) fn endpoints(&self) -> Endpoints {
        self.0.endpoints
    }

    /// Returns the regions of a vendor that the world offers.
    pub(crate) fn offered(&self, provider: Provider) -> Vec<&'static RegionFacts> {
        let all = self.0.regions.iter().copied();
        all.filter(|region| region.provider == provider).collect()
    }

    pub(crate) fn settings(&self) -> Settings {
        *lock(&self.0.settings)
    }

    /// Counts a call. Actions and regions come from outside, so there is a
    /// limit to how many kinds of calls are counted.
    pub(crate) fn count(&self, call: &Call) {
        const MOST: usize = 10_000;
        let mut calls = lock(&self.0.calls);
        if calls.len() < MOST || calls.contains_key(call) {
            *calls.entry(call.clone()).or_insert(0) += 1;
        } else {
            tracing::warn!(most = MOST, "a call was not counted: too many kinds of them");
        }
    }

    pub(crate) fn state(&self) -> RwLockReadGuard<'_, State> {
        self.0.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> RwLockWriteGuard<'_, State> {
        self.0.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Notes an event.
    fn note(&mut self, at: Place, family: Family, id: String, what: Happening) {
        self.sequence += 1;
        self.now += i64::from(self.changes_take_time);
        let account = self.accounts[at.account].id.clone();
        if self.log.len() >= EVENTS {
            self.log.pop_front();
        }
        let event = Event {
            sequence: self.sequence,
            which: Which { account, region: at.region.to_owned(), family, id },
            what,
        };
        let at = self.clock.unwrap_or_else(Timestamp::now);
        let shows_at = self.trail.shows_at(&event, at, self.seed);
        self.log.push_back(Entry { event, at, shows_at });
    }
}

/// Locks what a panic elsewhere cannot have left half-done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn empty_account(
    plan: &AccountPlan,
    regions: &[&'static RegionFacts],
    index: usize,
    seed: u64,
) -> Account {
    let salt = |number: usize| id::scatter(id::scatter(seed ^ index as u64) ^ number as u64);
    let theirs = regions.iter().filter(|region| region.provider == plan.provider);
    let holdings = theirs.enumerate().map(|(number, region)| {
        let holding = Holding {
            region,
            instances: BTreeMap::new(),
            disks: BTreeMap::new(),
            managed: BTreeMap::new(),
            gone: BTreeMap::new(),
            salt: salt(number),
        };
        (region.id, holding)
    });
    Account {
        id: plan.id.clone(),
        provider: plan.provider,
        keys: vec![plan.key.clone()],
        roles: plan.roles.clone(),
        member_of: plan.member_of.clone(),
        permissions: Permissions::default(),
        holdings: holdings.collect(),
    }
}

fn populate(state: &mut State, account: usize, region: &str, instances: u32, rng: &mut ChaCha8Rng) {
    for number in 0..instances {
        generate::add_instance(state, account, region, Birth::Old, rng);
        if number % 25 == 0 {
            generate::add_loose_disk(state, account, region, rng);
        }
    }
}

fn populate_managed(
    state: &mut State,
    (account, region): (usize, &str),
    counts: &Counts,
    rng: &mut ChaCha8Rng,
) {
    for (family, count) in counts.by_family() {
        for _ in 0..count {
            managed::add(state, (account, region), family, Birth::Old, rng);
        }
    }
    if counts.tagged_disks {
        generate::tag_disks(state, account, region, rng);
    }
}
