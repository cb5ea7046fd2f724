//! The vendor says that something happened: what it names is re-read soon.
//!
//! **At least once**: an event is remembered after its message is sent. Heard
//! twice in between, it makes for a second re-read, which is harmless; the
//! other way round, a crash would lose it until the next walk.

use std::collections::{BTreeMap, BTreeSet};

use cloud_sync_core::account::AccountRecord;
use cloud_sync_core::lease::Dispatched;
use cloud_sync_core::message::{MOST_IDS, Mode, Trigger};
use cloud_sync_core::scope::{GLOBAL_REGION, Kind, Scope};
use cloud_sync_core::task::TaskStatus;
use cloud_sync_provider::events::VendorEvent;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::{Cause, DispatchError, Dispatcher, InvalidRequest, Plan};

/// A task that has waited longer for its worker is joined no more: its message
/// may be lost, and what joins it would be lost with it.
const JOINABLE: SignedDuration = SignedDuration::from_mins(5);

/// An event's own time is believed where it is no further off than this.
const BELIEVABLE: SignedDuration = SignedDuration::from_hours(24);

/// What became of some events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Hearing {
    /// How many name resources that are re-read now.
    pub taken: usize,
    /// How many were heard before.
    pub known: usize,
    /// How many name nothing that is synced here.
    pub unknown: usize,
    /// How many are of an account of which nothing is synced for now: it is
    /// disabled or suspended, or has spent its budget.
    pub idle: usize,
    /// The tasks that re-read.
    pub task_ids: BTreeSet<String>,
}

/// What events name in one scope.
#[derive(Default)]
struct Named<'a> {
    ids: BTreeSet<&'a String>,
    /// The first of the events, by key, and when it happened.
    first: Option<(&'a str, Timestamp)>,
}

impl Dispatcher {
    /// Has re-read what an account's events name, together with what others
    /// named that no worker has begun with.
    ///
    /// # Errors
    ///
    /// The account's kinds are unknown, or tables or queues failed: the same
    /// events again do the rest.
    pub async fn hear(
        &self,
        record: &AccountRecord,
        events: &[VendorEvent],
    ) -> Result<Hearing, DispatchError> {
        let (account, now) = (&record.account, self.clock.now());
        let kinds = self
            .vendors
            .kinds(account)
            .map_err(|error| InvalidRequest { field: "account", reason: error.to_string() })?;
        let by_key: BTreeMap<String, &VendorEvent> =
            events.iter().map(|event| (event.key(), event)).collect();
        let mut hearing = Hearing { known: events.len() - by_key.len(), ..Hearing::default() };
        let is_idle = !account.enabled
            || record.suspended.is_some()
            || account.budget.exhausted(record.spent.as_ref(), 0, now).is_some();
        let mut named: BTreeMap<Scope, Named<'_>> = BTreeMap::new();
        let mut taken = Vec::new();
        for (key, event) in &by_key {
            let concerns = self.concerns(record, &kinds, event);
            if concerns.is_empty() {
                tracing::info!(account = account.id, event = event.name, "an unknown event");
                hearing.unknown += 1;
            } else if is_idle {
                hearing.idle += 1;
            } else if self.store.knows_event(&account.id, key).await? {
                hearing.known += 1;
            } else {
                hearing.taken += 1;
                taken.push(key);
                let at = event.at.filter(|at| at.duration_since(now).abs() < BELIEVABLE);
                for (scope, ids) in concerns {
                    let named = named.entry(scope).or_default();
                    named.ids.extend(ids);
                    named.first.get_or_insert((key, at.unwrap_or(now)));
                }
            }
        }
        for (scope, Named { ids, first }) in named {
            let ids: Vec<String> = ids.into_iter().cloned().collect();
            for ids in ids.chunks(MOST_IDS) {
                let (key, at) = first.unwrap_or(("", now));
                let task_id = self.reread(&scope, ids, key, at).await?;
                hearing.task_ids.insert(task_id);
            }
        }
        for key in taken {
            self.store.note_event(&account.id, key, now).await?;
        }
        Ok(hearing)
    }

    /// Returns what of an event is synced: its resources by scope.
    fn concerns<'a>(
        &self,
        record: &AccountRecord,
        kinds: &[Kind],
        event: &'a VendorEvent,
    ) -> Vec<(Scope, &'a BTreeSet<String>)> {
        let synced = event.concerns.iter().filter(|(kind, _)| kinds.contains(kind));
        let in_scopes = synced.filter_map(|(kind, ids)| {
            let region = if self.vendors.is_global(kind) {
                GLOBAL_REGION
            } else {
                event.region.as_deref().filter(|region| is_synced(record, region))?
            };
            let (account_id, region) = (record.account.id.clone(), region.to_owned());
            Some((Scope { account_id, kind: kind.clone(), region }, ids))
        });
        in_scopes.collect()
    }

    /// Has resources of a scope re-read: by the task that events made last,
    /// where no worker has begun with it, else by one of their own. Returns
    /// the task's id.
    async fn reread(
        &self,
        scope: &Scope,
        ids: &[String],
        event: &str,
        at: Timestamp,
    ) -> Result<String, DispatchError> {
        let now = self.clock.now();
        let waiting = self.store.scope(scope).await?.event_task;
        if let Some(waiting) = waiting.filter(|task| now.duration_since(task.at) < JOINABLE)
            && self.store.join_task(&waiting.task_id, ids).await?
        {
            return Ok(waiting.task_id);
        }
        let plan = Plan {
            account_id: scope.account_id.clone(),
            kind: scope.kind.clone(),
            regions: vec![scope.region.clone()],
            mode: Mode::Targeted,
            since: None,
            ids: ids.to_vec(),
        };
        let id = format!("event:{event}:{}:{}", scope.region, ids.join(","));
        let task = self.carry_out(plan, &Cause { trigger: Trigger::Event, id, at }).await?;
        // Only now that its message is sent others may count on it.
        if task.status == TaskStatus::Pending {
            let made = Dispatched { task_id: task.task_id.clone(), at: now };
            self.store.set_event_task(scope, &made).await?;
        }
        Ok(task.task_id)
    }
}

/// Tells whether a region is one that is synced. Before the first sync of an
/// account none is known, and that one sees everything.
fn is_synced(record: &AccountRecord, region: &str) -> bool {
    let configured = &record.account.regions;
    if !configured.is_empty() {
        return configured.iter().any(|known| known == region);
    }
    let mut offered = record.regions.iter().flat_map(|cache| &cache.regions);
    offered.any(|known| known.id == region)
}
