//! What people do meanwhile: they change their machines, ask for syncs, cancel
//! them, replace keys and take permissions away.

use std::sync::Arc;
use std::time::Duration;

use cloud_sync_core::deletion::Verdict;
use cloud_sync_core::message::{Mode, SyncRequest};
use cloud_sync_core::query::ScopeFilter;
use cloud_sync_dispatch::deletions::{self, Ruling};
use cloud_sync_runtime::store::{AccountStore, TaskStore};
use jiff::SignedDuration;
use simulated_cloud::{AccessKey, Churn, Family, FamilyChurn, Permission};
use tokio::time::Instant;

use crate::kinds;
use crate::service;
use crate::universe::{Universe, lock};

/// Lets people do things until there is peace.
pub(crate) fn start(universe: &Arc<Universe>) {
    tokio::spawn(at_times(universe.clone(), change_machines));
    tokio::spawn(at_times(universe.clone(), ask));
    tokio::spawn(at_times(universe.clone(), cancel));
    tokio::spawn(at_times(universe.clone(), rotate));
    tokio::spawn(at_times(universe.clone(), revoke));
    tokio::spawn(at_times(universe.clone(), decide));
    if universe.plan.chances.swap > 0.0 {
        tokio::spawn(at_times(universe.clone(), swap));
    }
}

async fn at_times<F: Future<Output = ()>>(universe: Arc<Universe>, act: fn(Arc<Universe>) -> F) {
    loop {
        tokio::time::sleep(universe.dice.time(universe.plan.pause)).await;
        if !universe.is_unrest() {
            return;
        }
        act(universe.clone()).await;
    }
}

async fn change_machines(universe: Arc<Universe>) {
    let dice = &universe.dice;
    let some = |most: u64| usize::try_from(dice.number(0, most)).unwrap_or(0);
    // Now and then a whole lot vanishes, as somebody tears an environment down.
    let release = if dice.happens(0.05) { 1000 } else { some(3) };
    let churn = Churn {
        create: some(3),
        release,
        power: some(2),
        rename: some(1),
        retag: some(1),
        move_eip: some(1),
        attach_disk: some(1),
        detach_disk: some(1),
        swap_group: some(1),
        change_type: some(1),
        ..Churn::default()
    };
    let churn = change_others(&universe, churn);
    universe.world.set_time(universe.now());
    let report = universe.world.churn(&churn, dice.seed());
    universe.disks.look_at(&universe.world);
    universe.note("cloud", || {
        format!("{} created, {} released", report.created.len(), report.released.len())
    });
}

/// Adds what happens to what is no machine, where there is any of it.
fn change_others(universe: &Universe, mut churn: Churn) -> Churn {
    let dice = &universe.dice;
    let some = |most: u64| usize::try_from(dice.number(0, most)).unwrap_or(0);
    for kind in universe.plan.accounts.iter().flat_map(|plan| &plan.kinds) {
        let of_family = match kinds::family_of(kind) {
            Family::Instance => continue,
            Family::Disk => &mut churn.disks,
            Family::Database => &mut churn.databases,
            Family::Cache => &mut churn.caches,
            Family::Bucket => &mut churn.buckets,
            Family::Address => &mut churn.addresses,
            Family::Balancer => &mut churn.balancers,
        };
        *of_family = FamilyChurn {
            create: some(2),
            release: if dice.happens(0.05) { 1000 } else { some(2) },
            rename: some(1),
            retag: some(1),
            power: some(1),
            resize: some(1),
        };
    }
    churn
}

async fn ask(universe: Arc<Universe>) {
    let dice = &universe.dice;
    let mode = dice.one_of(&[Mode::Full, Mode::Incremental], Mode::Full);
    let now = universe.now();
    let since = dice.happens(0.3).then(|| now - SignedDuration::from_mins(30));
    let last = universe.plan.accounts.len().max(3) as u64 - 1;
    let account = &universe.plan.accounts.get(dice.number(0, last) as usize);
    let account_ids = account.iter().map(|account| account.id.clone()).collect();
    let request = SyncRequest {
        mode,
        since: since.filter(|_| mode == Mode::Incremental),
        account_ids,
        ..SyncRequest::default()
    };
    let id = now.to_string();
    for _ in 0..2 {
        if matches!(service::request(&universe, &request, &id, now).await, Some(Ok(_))) {
            return;
        }
    }
}

async fn cancel(universe: Arc<Universe>) {
    if !universe.strikes(|chances| chances.cancel) {
        return;
    }
    let open = universe.store.open_tasks().await.unwrap_or_default();
    let Some(task) = open.last() else { return };
    if universe.store.request_cancel(&task.task_id).await.unwrap_or_default() {
        universe.count("tasks somebody cancelled");
        universe.note("operator", || format!("cancels {}", task.task_id));
        lock(&universe.cancelled).insert(task.task_id.clone(), Instant::now());
    }
}

fn any_account(universe: &Universe) -> String {
    let accounts = &universe.plan.accounts;
    let place = universe.dice.number(0, accounts.len().saturating_sub(1) as u64);
    let account = usize::try_from(place).ok().and_then(|place| accounts.get(place));
    account.map(|account| account.id.clone()).unwrap_or_default()
}

/// Replaces a key, at once or with a time in which both are good.
async fn rotate(universe: Arc<Universe>) {
    if !universe.strikes(|chances| chances.rotate) {
        return;
    }
    universe.count("keys replaced");
    let account = any_account(&universe);
    let (old, new) = universe.secrets.rotate(&account);
    universe.note("operator", || format!("replaces the key of {account}"));
    let key = |credentials: cloud_sync_core::credentials::Credentials| AccessKey {
        secret: credentials.access_key_secret,
        ..AccessKey::new(&credentials.access_key_id, "")
    };
    let new = key(new);
    if universe.dice.happens(0.5) {
        universe.world.set_keys(&account, vec![new.clone(), key(old)]);
        tokio::time::sleep(universe.dice.time(Duration::from_secs(600))).await;
    }
    universe.world.set_keys(&account, vec![new]);
}

/// Puts an account's key into another account's place, and takes it out again
/// some time later.
async fn swap(universe: Arc<Universe>) {
    let (account, other) = (any_account(&universe), any_account(&universe));
    if account == other || !universe.strikes(|chances| chances.swap) {
        return;
    }
    universe.count("keys in the wrong place");
    universe.note("operator", || format!("gives {account} the key of {other}"));
    universe.secrets.swap(&account, &other);
    tokio::time::sleep(universe.dice.time(Duration::from_secs(1800))).await;
    universe.secrets.swap_back(&account);
    universe.note("operator", || format!("gives {account} its own key back"));
}

/// Gives every account its own key, and has it taken for the right one: a
/// wrong one may have been there first.
pub(crate) async fn put_keys_right(universe: &Universe) {
    if universe.plan.chances.swap == 0.0 {
        return;
    }
    for account in &universe.plan.accounts {
        universe.secrets.swap_back(&account.id);
        let forgotten = universe.store.forget_identity(&account.id).await;
        forgotten.unwrap_or_else(|error| panic!("an identity cannot be forgotten: {error}"));
    }
}

/// Takes a permission away, and gives it back some time later.
async fn revoke(universe: Arc<Universe>) {
    if !universe.strikes(|chances| chances.revoke) {
        return;
    }
    universe.count("permissions revoked");
    let account = any_account(&universe);
    let permission =
        universe.dice.one_of(&[Permission::SilentlyEmpty, Permission::Denied], Permission::Denied);
    // Where the vendor cannot be asked, the silent one is not to be told from
    // a tidy owner: `docs/SEMANTICS.md` has the assumption.
    let is_told = universe.plan.accounts.iter().any(|plan| plan.id == account && plan.has_probes());
    let permission = if is_told { permission } else { Permission::Denied };
    universe.note("operator", || format!("revokes a permission of {account}: {permission:?}"));
    universe.world.permit(&account, None, permission);
    tokio::time::sleep(universe.dice.time(Duration::from_secs(1800))).await;
    universe.world.permit(&account, None, Permission::Allowed);
    universe.note("operator", || format!("gives {account} its permission back"));
}

/// Approves or rejects what is held somewhere.
async fn decide(universe: Arc<Universe>) {
    let verdict = universe.dice.one_of(&[Verdict::Approve, Verdict::Reject], Verdict::Approve);
    decide_all(&universe, verdict).await;
}

/// Decides on everything that is held.
pub(crate) async fn decide_all(universe: &Universe, verdict: Verdict) {
    let filter = ScopeFilter::default();
    // Scopes change while they are decided on: then the operator tries later.
    for scope in deletions::held(universe.store.as_ref(), &filter).await.unwrap_or_default() {
        if scope.rows.is_empty() {
            continue;
        }
        let ruling = Ruling { verdict, ids: None, at: universe.now(), by: None };
        let decided = deletions::decide(universe.store.as_ref(), &scope.scope, &ruling).await;
        if decided.is_ok() {
            universe.count("decisions on held deletions");
            universe.note("operator", || format!("{verdict:?} on {}", scope.scope));
        }
    }
}
