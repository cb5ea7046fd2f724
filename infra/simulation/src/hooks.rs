//! What the vendors say meanwhile: events of machines that changed or did not,
//! late, twice, out of order, or for nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cloud_sync_core::message::Trigger;
use cloud_sync_core::scope::{GLOBAL_REGION, Scope};
use cloud_sync_core::task::{SyncTask, TaskStatus};
use cloud_sync_provider::events::{VendorEvent, decode_events};
use cloud_sync_runtime::store::{ResourceStore, ScopeStore, StoreError, TaskQuery, TaskStore};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use simulated_cloud::{Family, Provider};

use crate::kinds;
use crate::service;
use crate::universe::{Universe, lock};
use crate::verdict::scopes;

/// An event that was posted.
pub(crate) struct Told {
    account_id: String,
    event: VendorEvent,
    /// When it came first.
    since: Timestamp,
    /// Whether its sender was answered that it is taken, or was before.
    is_taken: bool,
}

/// The events that were posted, by key.
pub(crate) type AllTold = BTreeMap<(String, String), Told>;

/// The latest that an event comes where events misbehave.
const MOST_LATE: Duration = Duration::from_secs(30 * 60);

/// As a sender that gets no answer tries again.
const TRIES: usize = 3;

/// Lets the vendors tell of things until there is peace.
pub(crate) fn start(universe: &Arc<Universe>) {
    if universe.plan.tells {
        tokio::spawn(tell(universe.clone()));
    }
}

async fn tell(universe: Arc<Universe>) {
    let scopes: Vec<_> =
        scopes(&universe).into_iter().filter(|scope| scope.kind.provider() != "huawei").collect();
    let mut number = 0;
    while let Some(last) = scopes.len().checked_sub(1) {
        tokio::time::sleep(universe.told.time(universe.plan.pause / 8)).await;
        if !universe.is_unrest() {
            return;
        }
        let place = universe.told.number(0, last as u64);
        let scope = &scopes[usize::try_from(place).unwrap_or(0)];
        // Now and then much happens at once.
        let burst = if universe.told.happens(0.2) { 8 } else { 1 };
        for _ in 0..burst {
            number += 1;
            if let Some(id) = any_id(&universe, scope).await {
                post(&universe, scope, event(&universe, scope, &id, number));
            }
        }
    }
}

/// Returns what an event is about: what is there, what is stored and may be
/// gone, or what never was.
async fn any_id(universe: &Universe, scope: &Scope) -> Option<String> {
    let dice = &universe.told;
    let mut ids = universe.there(scope);
    if dice.happens(0.4) {
        let rows = universe.store.scope_rows(scope, true, None).await.ok()?;
        ids.extend(rows.items.into_iter().map(|row| row.resource.id));
    }
    ids.sort_unstable();
    if ids.is_empty() || dice.happens(0.05) {
        return Some("i-neverseenanywhere".to_owned());
    }
    let place = dice.number(0, ids.len() as u64 - 1);
    ids.get(usize::try_from(place).unwrap_or(0)).cloned()
}

/// Returns an event as the vendor writes it.
fn event(universe: &Universe, scope: &Scope, id: &str, number: u64) -> Value {
    let (region, event_id) = (&scope.region, format!("event-{number}"));
    let at = universe.now();
    match Provider::ALL.into_iter().find(|one| one.name() == scope.kind.provider()) {
        Some(Provider::Aws) => aws_event(scope, id, &event_id),
        Some(Provider::Tencent) => json!({
            "specversion": "1.0", "id": event_id, "source": "cvm.cloud.tencent",
            "type": "cvm:ErrorEvent:GuestReboot", "subject": id, "region": region,
            "time": at.as_millisecond(), "data": { "instanceId": id },
        }),
        _ if universe.told.happens(0.5) => json!({
            "ver": "1.0", "id": event_id, "product": "ECS", "name": "Instance:StateChange",
            "regionId": region, "resourceId": format!("acs:ecs:{region}::thing/{id}"),
            "content": { "resourceId": id },
        }),
        _ => json!({
            "specversion": "1.0", "id": event_id, "source": "acs.ecs", "time": at.to_string(),
            "type": "ecs:Instance:StateChange", "aliyunregionid": region,
            "subject": format!("acs:ecs:{region}::thing/{id}"), "data": { "resourceId": id },
        }),
    }
}

fn aws_event(scope: &Scope, id: &str, event_id: &str) -> Value {
    let call = |service: &str, request: Value| {
        json!({
            "id": event_id, "detail-type": "AWS API Call via CloudTrail", "region": scope.region,
            "source": format!("aws.{service}"), "detail": { "requestParameters": request },
        })
    };
    match kinds::family_of(&scope.kind) {
        Family::Database => call("rds", json!({ "dBInstanceIdentifier": id })),
        Family::Cache => call("elasticache", json!({ "cacheClusterId": id })),
        Family::Bucket => call("s3", json!({ "bucketName": id })),
        _ => json!({
            "id": event_id, "detail-type": "EC2 Instance State-change Notification",
            "source": "aws.ec2", "region": scope.region, "detail": { "instance-id": id },
        }),
    }
}

/// Posts an event, in time and once, or as badly as the seed has it.
fn post(universe: &Arc<Universe>, scope: &Scope, event: Value) {
    let (chance, dice) = (universe.plan.chances.events, &universe.told);
    let times = if dice.happens(chance) { 2 } else { 1 };
    for _ in 0..times {
        let most = if dice.happens(chance) { MOST_LATE } else { Duration::from_secs(2) };
        let late = dice.time(most);
        tokio::spawn(arrive(universe.clone(), scope.clone(), event.clone(), late));
    }
}

async fn arrive(universe: Arc<Universe>, scope: Scope, event: Value, late: Duration) {
    tokio::time::sleep(late).await;
    let provider = scope.kind.provider();
    let events = match decode_events(provider, event.to_string().as_bytes()) {
        Ok(events) => events,
        Err(error) => {
            universe.violated("the simulation works", format!("{event}: {error}"));
            return;
        }
    };
    universe.count("events posted");
    let note = |is_taken: bool| {
        let (account_id, since) = (scope.account_id.clone(), universe.now());
        for event in &events {
            let new = || Told {
                account_id: account_id.clone(),
                event: event.clone(),
                since,
                is_taken: false,
            };
            let mut all = lock(&universe.all_told);
            let told = all.entry((account_id.clone(), event.key())).or_insert_with(new);
            told.is_taken |= is_taken;
        }
    };
    note(false);
    for _ in 0..TRIES {
        match service::hear(&universe, &scope.account_id, &events).await {
            Some(Ok(hearing)) => {
                note(hearing.taken + hearing.known > 0);
                let counts = [
                    ("events taken", hearing.taken),
                    ("events known", hearing.known),
                    ("events unknown", hearing.unknown),
                    ("events of accounts that rest", hearing.idle),
                ];
                for (what, _) in counts.into_iter().filter(|(_, count)| *count > 0) {
                    universe.count(what);
                }
                return;
            }
            failed => universe.note("vendor", || format!("posts again after {failed:?}")),
        }
    }
}

/// Counts scopes that lack something which an event asked for.
pub(crate) async fn count_lacking(universe: &Universe) {
    for scope in scopes(universe) {
        let state = universe.store.scope(&scope).await;
        if state.is_ok_and(|state| state.findings.lacked_at.is_some()) {
            universe.count("scopes that lack what an event named");
        }
    }
}

/// Checks that of every event that was taken each resource was re-read, by a
/// task that no worker had begun with when the event came. Of one that failed,
/// whenever it was joined, the walk makes good what it was about.
pub(crate) async fn heed_every_event(universe: &Universe) -> Result<(), StoreError> {
    let mut tasks = Vec::new();
    for plan in &universe.plan.accounts {
        let query = TaskQuery {
            account_id: Some(plan.id.clone()),
            limit: usize::MAX,
            ..TaskQuery::default()
        };
        for task in universe.store.tasks(&query).await? {
            if task.trigger == Trigger::Event {
                tasks.push((began(universe, &task).await?, task));
            }
        }
    }
    for told in lock(&universe.all_told).values().filter(|told| told.is_taken) {
        for (scope, id) in wanted(universe, told) {
            let does_it = |(began, task): &&(Option<Timestamp>, SyncTask)| {
                let is_of = task.account_id == scope.account_id && task.resource_type == scope.kind;
                is_of
                    && task.regions.contains(&scope.region)
                    && task.ids.contains(&id)
                    && (task.status == TaskStatus::Failed
                        || began.is_none_or(|began| began >= told.since))
            };
            if !tasks.iter().any(|task| does_it(&task)) {
                let event = &told.event.id;
                let text = format!("{scope}: {event} was taken, and {id} not re-read for it");
                universe.violated("no lost change", text);
            }
        }
    }
    Ok(())
}

/// Returns the latest that a task's worker can have begun, by whatever clock it
/// has; `None` where none did.
async fn began(universe: &Universe, task: &SyncTask) -> Result<Option<Timestamp>, StoreError> {
    let results = universe.store.region_results(&task.task_id).await?;
    let skew = SignedDuration::try_from(universe.plan.skew).unwrap_or_default();
    Ok(results.into_iter().map(|result| result.start_time + skew).max())
}

/// Returns what an event has re-read.
fn wanted(universe: &Universe, told: &Told) -> Vec<(Scope, String)> {
    let mut wanted = Vec::new();
    for scope in scopes(universe).into_iter().filter(|scope| scope.account_id == told.account_id) {
        let is_there = scope.region == GLOBAL_REGION
            || told.event.region.as_ref().is_some_and(|region| *region == scope.region);
        let ids = told.event.concerns.get(&scope.kind).filter(|_| is_there);
        wanted.extend(ids.into_iter().flatten().map(|id| (scope.clone(), id.clone())));
    }
    wanted
}
