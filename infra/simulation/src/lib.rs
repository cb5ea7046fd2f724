//! The whole service under faults, in virtual time: the real dispatcher,
//! region-sync and finalizer over the tables' and queues' twins in memory and
//! a simulated cloud that speaks the vendors' protocols.
//!
//! **Invariant**: one seed is one schedule. Everything that could differ from
//! run to run (time, chance, the network) comes from the seed; a simulation
//! runs on one thread, and its clock advances when nobody has anything to do.
//!
//! A simulation has three parts: unrest, in which everything goes wrong that
//! the seed drew; peace, in which what is left has to come to its end; and a
//! few undisturbed syncs, after which the tables have to equal the cloud.

mod audit;
mod dice;
mod disks;
mod fault;
mod feeds;
mod hooks;
mod kinds;
mod lag;
mod network;
mod people;
mod plan;
mod process;
mod queue;
mod report;
mod secrets;
mod service;
mod statistics;
mod store;
mod trace;
mod trouble;
mod universe;
mod verdict;

use std::sync::Arc;
use std::time::Duration;

use cloud_sync_core::account::Account;
use cloud_sync_core::message::{Mode, SyncRequest};
use cloud_sync_core::task::SyncTask;
use cloud_sync_runtime::store::{AccountStore, TaskStore};

pub use self::fault::{Fault, FaultSet, UnknownFault};
pub use self::kinds::shown as shown_kinds;
pub use self::plan::Size;
pub use self::report::{Report, Stats, Violation};

use self::dice::Dice;
use self::plan::{AccountPlan, Plan};
use self::universe::{Universe, reference};

/// What to simulate.
#[derive(Clone, Debug)]
pub struct Options {
    /// What may go wrong.
    pub faults: FaultSet,
    /// How large worlds are.
    pub size: Size,
    /// Whether to say what happens.
    pub trace: bool,
}

/// In so much time everything has to come to its end: a task's deadline, and
/// the deliveries of a message that fails every time.
const LONGEST_PEACE: Duration = Duration::from_secs(30 * 60 * 60);

const PEACE_STEP: Duration = Duration::from_secs(300);

/// Simulates one seed.
///
/// # Panics
///
/// No runtime can be made, or the simulation itself is wrong.
#[must_use]
pub fn simulate(seed: u64, options: &Options) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap_or_else(|error| panic!("no runtime: {error}"));
    let universe = runtime.block_on(run(seed, options));
    // What still runs is dropped with the runtime, and may still tell.
    drop(runtime);
    let (stats, violations, trace) = universe.findings();
    Report { seed, violations, stats, trace }
}

async fn run(seed: u64, options: &Options) -> Arc<Universe> {
    let dice = Dice::new(seed);
    // What came into plans later has dice of its own, so that every seed keeps
    // the rest of its world.
    let plan = Plan::draw(&dice, &options.faults, options.size)
        .with_later_draws(&Dice::new(!seed), &options.faults);
    let universe = Universe::new(plan, seed, dice, options.trace)
        .unwrap_or_else(|error| panic!("seed {seed} draws no world: {error}"));
    if options.trace {
        universe.note("plan", || format!("{:#?}", universe.plan));
        let _logs = trace::follow(&universe);
        live(&universe).await;
    } else {
        live(&universe).await;
    }
    universe
}

/// Lets a universe live its three parts.
async fn live(universe: &Arc<Universe>) {
    configure(universe, true).await;
    universe.disks.look_at(&universe.world);
    trouble::begin(&universe.world, &universe.plan);
    service::start(universe);
    people::start(universe);
    hooks::start(universe);
    tokio::time::sleep(universe.plan.unrest).await;

    universe.heal();
    trouble::end(&universe.world, &universe.plan);
    people::put_keys_right(universe).await;
    for account in &universe.plan.accounts {
        universe.world.permit(&account.id, None, simulated_cloud::Permission::Allowed);
    }
    // The schedule starts nothing any more; it still ends what hangs.
    configure(universe, false).await;
    if settle(universe).await {
        hooks::count_lacking(universe).await;
        verdict::give(universe).await;
    }
}

async fn configure(universe: &Universe, enabled: bool) {
    for plan in &universe.plan.accounts {
        let account = account(plan, enabled);
        let put = universe.store.put_account(&account).await;
        put.unwrap_or_else(|error| panic!("the account cannot be configured: {error}"));
    }
}

fn account(plan: &AccountPlan, enabled: bool) -> Account {
    let default_region = plan.regions.first().map(|(id, _)| *id).unwrap_or_default();
    Account {
        regions: plan.regions.iter().map(|(id, _)| (*id).to_owned()).collect(),
        kinds: plan.kinds.clone(),
        enabled,
        endpoint: Some("https://cloud.example".to_owned()),
        change_feed: plan.change_feed,
        deletion: plan.deletion,
        schedule: plan.schedule,
        ..Account::new(&plan.id, plan.provider.name(), default_region, reference(&plan.id))
    }
}

/// Waits until nothing is left to be done. Returns whether that happened.
async fn settle(universe: &Universe) -> bool {
    let mut waited = Duration::ZERO;
    loop {
        tokio::time::sleep(PEACE_STEP).await;
        waited += PEACE_STEP;
        let open = universe.store.open_tasks().await.unwrap_or_default();
        if universe.is_quiet() && open.is_empty() {
            return true;
        }
        if waited > LONGEST_PEACE {
            let open: Vec<_> = open.iter().map(|task| task.task_id.as_str()).collect();
            let text = format!(
                "after {} h of peace these tasks are open: {open:?}; or a message still goes round",
                waited.as_secs() / 3600
            );
            universe.violated("every task ends", text);
            return false;
        }
    }
}

/// Syncs every scope, undisturbed, and returns the tasks as they ended.
async fn sync_all(universe: &Arc<Universe>, mode: Mode) -> Vec<SyncTask> {
    tokio::time::sleep(Duration::from_secs(60)).await;
    let now = universe.now();
    let account_ids = universe.plan.accounts.iter().map(|account| account.id.clone()).collect();
    let request = SyncRequest { mode, account_ids, ..SyncRequest::default() };
    let dispatched = service::request(universe, &request, &now.to_string(), now).await;
    let dispatch = match dispatched {
        Some(Ok(dispatch)) if dispatch.problems.is_empty() => dispatch,
        other => {
            let text = format!("an undisturbed request could not be dispatched: {other:?}");
            universe.violated("failures stay home", text);
            return Vec::new();
        }
    };
    if !settle(universe).await {
        return Vec::new();
    }
    let mut tasks = Vec::new();
    for task in dispatch.tasks {
        tasks.extend(universe.store.task(&task.task_id).await.ok().flatten());
    }
    tasks
}
