//! The last word: whether everything is as it must be after the unrest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cloud_sync_core::account::Region;
use cloud_sync_core::change::{Change, ChangeKind, replay};
use cloud_sync_core::deletion::Verdict;
use cloud_sync_core::diff::diff;
use cloud_sync_core::error::VendorError;
use cloud_sync_core::message::Mode;
use cloud_sync_core::resource::{Disk, Resource, Row};
use cloud_sync_core::scope::{GLOBAL_REGION, Scope};
use cloud_sync_core::task::{Counts, RegionResult, SyncTask, TaskStatus};
use cloud_sync_provider::{Details, SecondaryCalls, Vendor, Vendors};
use cloud_sync_runtime::notify::NoticeKind;
use cloud_sync_runtime::store::{
    AccountStore, ChangeStore, ResourceStore, ScopeStore, StoreError, TaskQuery, TaskStore,
};
use simulated_cloud::Provider;

use crate::feeds;
use crate::hooks;
use crate::kinds;
use crate::network::vendors;
use crate::people;
use crate::process::Process;
use crate::secrets::CANARY;
use crate::statistics;
use crate::sync_all;
use crate::universe::Universe;

/// So long one vendor lists machines that are gone, and a little longer.
const SHOWN_WHEN_GONE: Duration = Duration::from_secs(70 * 60);

/// The changes of a scope, by resource.
type Histories = BTreeMap<String, Vec<Change>>;

/// Lets the service sync undisturbed, and checks everything.
pub(crate) async fn give(universe: &Arc<Universe>) {
    if let Err(error) = judge(universe).await {
        universe.violated("the simulation works", error.to_string());
    }
}

async fn judge(universe: &Arc<Universe>) -> Result<(), StoreError> {
    // What somebody rejected would be held for ever.
    people::decide_all(universe, Verdict::Approve).await;
    feeds::miss_nothing(universe).await?;
    hooks::heed_every_event(universe).await?;
    if universe.plan.accounts.iter().any(|plan| plan.provider == Provider::Aws) {
        tokio::time::sleep(SHOWN_WHEN_GONE).await;
    }
    // Those that agree that machines are gone, and one more; less where one
    // sees nothing happen before.
    let agreeing = universe.plan.accounts.iter().map(|plan| plan.deletion.agreeing_listings);
    let rounds = agreeing.max().unwrap_or(1).max(2) + 1;
    for round in 1..=rounds {
        let tasks = sync_all(universe, Mode::Full).await;
        if round == 2 {
            nothing_lingers(universe).await?;
        }
        let is_quiet = |task: &SyncTask| task.counts == quiet(task);
        let is_last = round == rounds || (round > 1 && tasks.iter().all(is_quiet));
        for task in tasks {
            undisturbed(universe, &task, is_last).await?;
        }
        if is_last {
            break;
        }
    }
    for scope in scopes(universe) {
        if scope.kind != kinds::machines() {
            universe.count("scopes of further kinds");
        }
        let rows = all_rows(universe, &scope).await?;
        let histories = histories(universe, &scope).await?;
        replays(universe, &scope, &rows, &histories);
        equals_the_cloud(universe, &scope, &rows).await;
        lease_is_let_go(universe, &scope).await?;
        statistics::statuses(universe, &scope, &rows).await?;
    }
    let tasks = all_tasks(universe).await?;
    for task in &tasks {
        adds_up(universe, task).await?;
    }
    statistics::days(universe, &tasks).await?;
    told_once(universe);
    no_secret(universe).await
}

pub(crate) fn scopes(universe: &Universe) -> Vec<Scope> {
    let mut scopes = Vec::new();
    for plan in &universe.plan.accounts {
        for kind in &plan.kinds {
            let regions = plan.regions.iter().map(|(region, _)| *region);
            let regions: Vec<_> = match kinds::facts_of(kind).is_global {
                true => vec![GLOBAL_REGION],
                false => regions.collect(),
            };
            scopes.extend(regions.into_iter().map(|region| Scope {
                account_id: plan.id.clone(),
                kind: kind.clone(),
                region: region.to_owned(),
            }));
        }
    }
    scopes
}

pub(crate) async fn all_rows(universe: &Universe, scope: &Scope) -> Result<Vec<Row>, StoreError> {
    let (mut rows, mut cursor) = (Vec::new(), None);
    loop {
        let slice = universe.store.scope_rows(scope, true, cursor.as_deref()).await?;
        rows.extend(slice.items);
        cursor = slice.cursor;
        if cursor.is_none() {
            return Ok(rows);
        }
    }
}

async fn histories(universe: &Universe, scope: &Scope) -> Result<Histories, StoreError> {
    let (mut histories, mut cursor) = (Histories::new(), None);
    loop {
        let account = &scope.account_id;
        let slice = universe.store.account_changes(account, None, cursor.as_deref()).await?;
        for change in slice.items.into_iter().filter(|change| change.scope == *scope) {
            histories.entry(change.id.clone()).or_default().push(change);
        }
        cursor = slice.cursor;
        if cursor.is_none() {
            break;
        }
    }
    histories.values_mut().for_each(|changes| changes.sort_by_key(|change| change.version));
    Ok(histories)
}

async fn all_tasks(universe: &Universe) -> Result<Vec<SyncTask>, StoreError> {
    universe.store.tasks(&TaskQuery { limit: usize::MAX, ..TaskQuery::default() }).await
}

/// Checks that nothing is live that the vendor no longer has, unless it is
/// held, after two undisturbed full syncs.
async fn nothing_lingers(universe: &Universe) -> Result<(), StoreError> {
    for scope in scopes(universe) {
        for row in all_rows(universe, &scope).await? {
            let id = &row.resource.id;
            if row.is_live() && row.missing.is_none() && !universe.exists(&scope, id) {
                let text = format!("{scope} {id}: released, yet live after two full syncs");
                universe.violated("no lost change", text);
            }
        }
    }
    Ok(())
}

/// Checks a task that nothing disturbed; the last one saw nothing happen.
async fn undisturbed(
    universe: &Universe,
    task: &SyncTask,
    is_last: bool,
) -> Result<(), StoreError> {
    let results = universe.store.region_results(&task.task_id).await?;
    let errors: Vec<_> = results.iter().flat_map(|result| &result.errors).collect();
    let is_ended_well = matches!(task.status, TaskStatus::Success)
        || (task.status == TaskStatus::Partial && task.counts.held_count > 0 && !is_last);
    if !is_ended_well || !errors.is_empty() {
        let text = format!(
            "undisturbed, {} ended as {}: {:?}, {errors:?}",
            task.task_id,
            task.status.as_str(),
            task.counts
        );
        universe.violated("failures stay home", text);
    }
    for result in &results {
        let there = universe.there(&task.scope(&result.region)).len() as u64;
        if result.counts.total_count != there {
            let text = format!(
                "{} counts {} in {}, where {there} are",
                task.task_id, result.counts.total_count, result.region
            );
            universe.violated("exact counts", text);
        }
    }
    if is_last && task.counts != quiet(task) {
        let text = format!("nothing changed, yet {} found {:?}", task.task_id, task.counts);
        universe.violated("no lost change", text);
    }
    Ok(())
}

/// Returns what a task counts that sees nothing happen.
fn quiet(task: &SyncTask) -> Counts {
    let total_count = task.counts.total_count;
    Counts { total_count, unchanged_count: total_count, ..Counts::default() }
}

/// Checks that every history gives its row.
fn replays(universe: &Universe, scope: &Scope, rows: &[Row], histories: &Histories) {
    let wrong = |text: String| universe.violated("no lost change", format!("{scope} {text}"));
    for (id, changes) in histories {
        let mut replayed: Option<Row> = None;
        for change in changes {
            let was_live = replayed.as_ref().is_some_and(Row::is_live);
            let fits = match change.change {
                ChangeKind::Added => replayed.is_none(),
                ChangeKind::Restored => replayed.is_some() && !was_live,
                ChangeKind::Updated | ChangeKind::Deleted => was_live,
            };
            if !fits {
                let (kind, version) = (change.change.as_str(), change.version);
                wrong(format!("{id}: version {version}, {kind}, cannot follow what was before"));
            }
            match replay(replayed.as_ref(), change) {
                Ok(next) => replayed = Some(next),
                Err(error) => return wrong(error.to_string()),
            }
        }
        let row = rows.iter().find(|row| row.resource.id == *id);
        match (row, replayed) {
            (Some(row), Some(replayed)) => {
                let differences = diff(&replayed.resource, &row.resource);
                let same = row.version == replayed.version && row.is_live() == replayed.is_live();
                if !same || !differences.is_empty() {
                    wrong(format!(
                        "{id}: the row of version {} is not what {} changes give: {differences:?}",
                        row.version,
                        changes.len()
                    ));
                }
            }
            // Purged: only the history knows it was there.
            (None, Some(replayed)) if !replayed.is_live() => {}
            (None, _) => wrong(format!("{id}: has a history and no row")),
            (Some(_), None) => wrong(format!("{id}: has a row and no history")),
        }
    }
    for row in rows.iter().filter(|row| !histories.contains_key(&row.resource.id)) {
        wrong(format!("{}: has a row and no history", row.resource.id));
    }
}

/// Checks that the live rows are what the vendor has.
async fn equals_the_cloud(universe: &Arc<Universe>, scope: &Scope, rows: &[Row]) {
    let live: BTreeMap<&str, &Resource> = rows
        .iter()
        .filter(|row| row.is_live())
        .map(|row| (row.resource.id.as_str(), &row.resource))
        .collect();
    let listed = match listed(universe, scope).await {
        Ok(listed) => listed,
        Err(error) => return universe.violated("the simulation works", error),
    };
    let ids: BTreeSet<_> = live.keys().copied().chain(listed.keys().map(String::as_str)).collect();
    for id in ids {
        let text = match (live.get(id), listed.get(id)) {
            (Some(row), Some(there)) => {
                let differences = diff(row, there);
                if differences.is_empty() {
                    continue;
                }
                format!("differs from the vendor's: {differences:?}")
            }
            (Some(_), None) => "is live, and the vendor has it not".to_owned(),
            (None, _) => "is not live, and the vendor has it".to_owned(),
        };
        universe.violated("no lost change", format!("{scope} {id} {text}"));
    }
}

/// Returns what the vendor has, with what its secondary calls tell, as a
/// client sees it.
pub(crate) async fn listed(
    universe: &Arc<Universe>,
    scope: &Scope,
) -> Result<BTreeMap<String, Resource>, String> {
    let process = Process::start(universe, "checker");
    let record = universe.store.account(&scope.account_id).await.ok().flatten();
    let account = record.ok_or("no account")?.account;
    let credentials = universe.secrets.current(&scope.account_id);
    let vendor: Arc<dyn Vendor> = vendors(&process)
        .open(&account, credentials, Arc::default())
        .map_err(|error| error.to_string())?;
    let region = Region::new(&scope.region);
    let calls = vendor.secondary_calls(&scope.kind);
    let mut disks = match calls {
        SecondaryCalls::Listed => listed_disks(vendor.as_ref(), scope, &region).await?,
        SecondaryCalls::Asked | SecondaryCalls::None => BTreeMap::new(),
    };
    let (mut listed, mut token) = (BTreeMap::new(), None::<String>);
    loop {
        let page = vendor.page(&scope.kind, &region, token.as_deref()).await.map_err(said)?;
        let mut details = match calls {
            SecondaryCalls::Asked => {
                let asked = vendor.details(&scope.kind, &region, &page.resources).await;
                asked.map_err(said)?
            }
            SecondaryCalls::None | SecondaryCalls::Listed => Details::new(),
        };
        for mut resource in page.resources {
            let disks = disks.remove(&resource.id).unwrap_or_default();
            match calls {
                SecondaryCalls::None => {}
                SecondaryCalls::Listed => resource.set_disks(disks),
                SecondaryCalls::Asked => {
                    details.remove(&resource.id).unwrap_or_default().put_into(&mut resource);
                }
            }
            listed.insert(resource.id.clone(), resource);
        }
        token = page.next;
        if token.is_none() {
            return Ok(listed);
        }
    }
}

fn said(error: VendorError) -> String {
    error.to_string()
}

/// Returns the disks that the vendor has, by machine.
async fn listed_disks(
    vendor: &dyn Vendor,
    scope: &Scope,
    region: &Region,
) -> Result<BTreeMap<String, BTreeSet<Disk>>, String> {
    let (mut disks, mut token) = (BTreeMap::<String, BTreeSet<_>>::new(), None::<String>);
    loop {
        let page =
            vendor.details_page(&scope.kind, region, token.as_deref()).await.map_err(said)?;
        for (machine, disk) in page.disks {
            disks.entry(machine).or_default().insert(disk);
        }
        token = page.next;
        if token.is_none() {
            return Ok(disks);
        }
    }
}

async fn lease_is_let_go(universe: &Universe, scope: &Scope) -> Result<(), StoreError> {
    let state = universe.store.scope(scope).await?;
    if let Some(lease) = state.lease {
        let text = format!("{scope}: after all is done, {} still holds the lease", lease.owner);
        universe.violated("one writer a scope", text);
    }
    Ok(())
}

/// Checks a task's counts against its regions, and theirs against the changes.
async fn adds_up(universe: &Universe, task: &SyncTask) -> Result<(), StoreError> {
    let wrong = |text: String| {
        universe.violated("exact counts", format!("{}: {text}", task.task_id));
    };
    universe.count(match task.status {
        TaskStatus::Pending | TaskStatus::Running => "tasks that never ended",
        TaskStatus::Success => "tasks: success",
        TaskStatus::Partial => "tasks: partial",
        TaskStatus::Failed => "tasks: failed",
        TaskStatus::Cancelled => "tasks: cancelled",
    });
    if !task.status.is_terminal() {
        universe.violated("every task ends", format!("{} is open", task.task_id));
        return Ok(());
    }
    let results = universe.store.region_results(&task.task_id).await?;
    let mut sum = Counts::default();
    for region in &task.regions {
        let Some(result) = results.iter().find(|result| result.region == *region) else {
            wrong(format!("there is no result of {region}"));
            continue;
        };
        sum = sum.plus(result.counts);
        let changes = task_changes(universe, task, region).await?;
        for text in miscounts(result, &changes) {
            wrong(format!("{region}: {text}; {:?}", result.counts));
        }
    }
    if sum != task.counts {
        wrong(format!("its regions come to {sum:?}, not to {:?}", task.counts));
    }
    let expected = expected_status(&results);
    if expected != task.status {
        wrong(format!("it is {}, not {}", task.status.as_str(), expected.as_str()));
    }
    Ok(())
}

async fn task_changes(
    universe: &Universe,
    task: &SyncTask,
    region: &str,
) -> Result<Vec<Change>, StoreError> {
    let (mut changes, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let (id, scope) = (&task.task_id, task.scope(region));
        let slice = universe.store.task_changes(id, &scope, cursor.as_deref(), usize::MAX).await?;
        changes.extend(slice.items);
        cursor = slice.cursor;
        if cursor.is_none() {
            return Ok(changes);
        }
    }
}

/// Returns what is wrong with a region's counts.
fn miscounts(result: &RegionResult, changes: &[Change]) -> Vec<String> {
    let mut wrong = Vec::new();
    if !result.status.is_terminal() {
        wrong.push(format!("it is {}", result.status.as_str()));
    }
    let ids = |kinds: &[ChangeKind]| -> BTreeSet<&str> {
        changes.iter().filter(|c| kinds.contains(&c.change)).map(|c| c.id.as_str()).collect()
    };
    let added = ids(&[ChangeKind::Added, ChangeKind::Restored]);
    let updated = ids(&[ChangeKind::Updated]);
    let updated = updated.difference(&added).count() as u64;
    let deleted = ids(&[ChangeKind::Deleted]).len() as u64;
    let counts = &result.counts;
    let recorded = (added.len() as u64, updated, deleted);
    let counted = (counts.added_count, counts.updated_count, counts.deleted_count);
    if recorded != counted {
        wrong.push(format!("(added, updated, deleted) recorded {recorded:?}, counted {counted:?}"));
    }
    let known = counts.added_count + counts.updated_count + counts.unchanged_count;
    let undecodable = counts.total_count.saturating_sub(known);
    if known > counts.total_count || undecodable > counts.error_count {
        wrong.push("the total is not the sum of its parts".to_owned());
    }
    if counts.error_count < result.errors.len() as u64 {
        wrong.push(format!("{} errors are kept", result.errors.len()));
    }
    let is_clean = counts.error_count == 0 && counts.held_count == 0;
    if result.status == TaskStatus::Success && !is_clean {
        wrong.push("a success with errors".to_owned());
    }
    wrong
}

/// Returns how a task ends whose regions ended so.
fn expected_status(results: &[RegionResult]) -> TaskStatus {
    let count = |status| results.iter().filter(|result| result.status == status).count();
    let (cancelled, success) = (count(TaskStatus::Cancelled), count(TaskStatus::Success));
    match (cancelled, success, count(TaskStatus::Partial)) {
        (1.., _, _) => TaskStatus::Cancelled,
        (_, all, _) if all == results.len() => TaskStatus::Success,
        (_, 0, 0) => TaskStatus::Failed,
        _ => TaskStatus::Partial,
    }
}

/// Checks that operators are told of a suspension once.
fn told_once(universe: &Universe) {
    let notices = universe.notifier.notices();
    let told = notices.iter().filter(|n| n.kind == NoticeKind::AccountSuspended).count() as u64;
    let suspensions = universe.suspensions.load(Ordering::Relaxed);
    if told > suspensions {
        let text = format!("{suspensions} suspensions, of which {told} notices tell");
        universe.violated("failures stay home", text);
    }
}

/// Checks that no secret is in anything that is kept or told.
async fn no_secret(universe: &Universe) -> Result<(), StoreError> {
    let mut kept = Vec::new();
    for notice in universe.notifier.notices() {
        kept.push(format!("{notice:?}"));
    }
    for task in all_tasks(universe).await? {
        kept.push(format!("{task:?}"));
        kept.push(format!("{:?}", universe.store.region_results(&task.task_id).await?));
    }
    for record in universe.store.accounts().await? {
        kept.push(format!("{record:?}"));
    }
    if let Some(leak) = kept.iter().find(|text| text.contains(CANARY)) {
        universe.violated("no secret", format!("a secret is in {leak}"));
    }
    Ok(())
}
