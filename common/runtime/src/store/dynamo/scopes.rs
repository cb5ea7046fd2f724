//! Scopes: one item each with lease, checkpoint and findings, and beside it
//! the parts of the checkpoint, which may be many.
//!
//! The parts are written first, under names that are made of what they hold;
//! then one conditional write of the checkpoint that names them makes them
//! count. So a worker that lost its lease can neither change a checkpoint nor
//! anything that one refers to, and a crash in between leaves only items that
//! expire.

use async_trait::async_trait;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use cloud_sync_core::deletion::Decision;
use cloud_sync_core::lease::{Checkpoint, Dispatched, Lease, LeaseRequest, Release, ScopeState};
use cloud_sync_core::pace::Paces;
use cloud_sync_core::scope::{Kind, Scope};
use cloud_sync_core::types::KnownTypes;
use jiff::Timestamp;

use super::DynamoStore;
use super::errors::{Call, corrupt, refused};
use super::items::{Item, attribute, item, number, require, require_text, take, text};
use super::requests::{Query, Update, Want, Written};
use crate::store::tables::Table;
use crate::store::{Acquisition, Result, ScopeStore, StoreError, keys};

const fn want(operation: &'static str) -> Want {
    Want { operation, table: Table::Scopes }
}

fn key(scope: &Scope) -> Item {
    entry_key(scope, keys::entry(scope))
}

fn entry_key(scope: &Scope, entry: String) -> Item {
    item([(keys::ACCOUNT_ID, text(&scope.account_id)), (keys::ENTRY, text(entry))])
}

fn event_key(account_id: &str, event: &str) -> Item {
    item([(keys::ACCOUNT_ID, text(account_id)), (keys::ENTRY, text(keys::event_entry(event)))])
}

fn nanoseconds(at: Timestamp) -> AttributeValue {
    number(at.as_nanosecond())
}

fn decode_state(call: Call<'_>, mut item: Item) -> Result<ScopeState> {
    let account_id = require_text(call, &mut item, keys::ACCOUNT_ID)?;
    let entry = require_text(call, &mut item, keys::ENTRY)?;
    let scope = keys::parse_entry(&account_id, &entry)
        .ok_or_else(|| corrupt(call, &format!("{account_id}: '{entry}' names no scope")))?;
    decode_state_of(call, scope, item)
}

fn decode_state_of(call: Call<'_>, scope: Scope, mut item: Item) -> Result<ScopeState> {
    let epoch = take(call, &mut item, keys::EPOCH)?.unwrap_or_default();
    let lease = match take(call, &mut item, keys::LEASE_OWNER)? {
        Some(owner) => Some(Lease {
            scope: scope.clone(),
            owner,
            epoch,
            expires_at: expiry(call, &item)?,
            tasks: tasks(&item),
        }),
        None => None,
    };
    Ok(ScopeState {
        epoch,
        lease,
        checkpoint: take(call, &mut item, keys::CHECKPOINT)?,
        dispatched: take(call, &mut item, keys::DISPATCHED)?,
        event_task: take(call, &mut item, keys::EVENT_TASK)?,
        ended_task: take(call, &mut item, keys::ENDED_TASK)?,
        decisions: take(call, &mut item, keys::DECISIONS)?.unwrap_or_default(),
        paces: take(call, &mut item, keys::PACES)?.unwrap_or_default(),
        findings: take(call, &mut item, keys::FINDINGS)?.unwrap_or_default(),
        scope,
    })
}

fn expiry(call: Call<'_>, item: &Item) -> Result<Timestamp> {
    let until = item.get(keys::LEASE_UNTIL).and_then(|until| until.as_n().ok());
    until
        .and_then(|until| until.parse().ok())
        .and_then(|until| Timestamp::from_nanosecond(until).ok())
        .ok_or_else(|| corrupt(call, &format!("{} is no time: {until:?}", keys::LEASE_UNTIL)))
}

/// Returns the tasks whose writes may be unfinished, sorted.
fn tasks(item: &Item) -> Vec<String> {
    let tasks = item.get(keys::LEASE_TASKS).and_then(|tasks| tasks.as_ss().ok());
    let mut tasks = tasks.cloned().unwrap_or_default();
    tasks.sort_unstable();
    tasks
}

impl DynamoStore {
    /// Changes a scope under its lease.
    async fn update_held(
        &self,
        want: Want,
        lease: &Lease,
        update: &str,
        values: Item,
    ) -> Result<()> {
        let mut all = item([
            (":owner", text(&lease.owner)),
            (":epoch", number(lease.epoch)),
            (":let_go", nanoseconds(keys::LET_GO)),
        ]);
        all.extend(values);
        let update = Update {
            key: key(&lease.scope),
            update,
            condition: Some(keys::LEASE_IS_MINE),
            values: all,
            returned: ReturnValue::None,
        };
        match self.update(want, update).await? {
            Written::Done(_) => Ok(()),
            Written::Unmet(_) => Err(StoreError::LeaseLost(lease.scope.clone())),
        }
    }

    async fn states(&self, want: Want, account_id: &str) -> Result<Vec<ScopeState>> {
        let query = Query {
            condition: keys::SCOPES_OF_ACCOUNT,
            values: item([(":account_id", text(account_id)), (":parts", text(keys::PARTS_PREFIX))]),
            consistent: true,
            ..Query::default()
        };
        self.states_by(want, query).await
    }

    async fn states_by(&self, want: Want, query: Query<'_>) -> Result<Vec<ScopeState>> {
        let items = self.query(want, query, usize::MAX).await?;
        items.into_iter().map(|item| decode_state(self.call(want, "Query"), item)).collect()
    }
}

#[async_trait]
impl ScopeStore for DynamoStore {
    async fn scope(&self, scope: &Scope) -> Result<ScopeState> {
        let want = want("reading a scope");
        let found = self.get(want, key(scope)).await?;
        decode_state_of(self.call(want, "GetItem"), scope.clone(), found.unwrap_or_default())
    }

    async fn scopes(&self, account_id: &str) -> Result<Vec<ScopeState>> {
        self.states(want("reading the scopes of an account"), account_id).await
    }

    async fn scopes_of_kind(&self, account_id: &str, kind: &Kind) -> Result<Vec<ScopeState>> {
        let query = Query {
            condition: keys::SCOPES_OF_KIND,
            values: item([
                (":account_id", text(account_id)),
                (":kind", text(keys::kind_prefix(kind))),
            ]),
            consistent: true,
            ..Query::default()
        };
        self.states_by(want("reading the scopes of a kind"), query).await
    }

    async fn set_dispatched(&self, scope: &Scope, dispatched: &Dispatched) -> Result<()> {
        let want = want("writing whom a scope was given to");
        let update = Update {
            key: key(scope),
            update: keys::SET_DISPATCHED,
            condition: None,
            values: item([(":dispatched", attribute(self.call(want, "UpdateItem"), dispatched)?)]),
            returned: ReturnValue::None,
        };
        self.update(want, update).await.map(drop)
    }

    async fn set_event_task(&self, scope: &Scope, task: &Dispatched) -> Result<()> {
        let want = want("writing the task that events made of a scope");
        let update = Update {
            key: key(scope),
            update: keys::SET_EVENT_TASK,
            condition: None,
            values: item([(":event_task", attribute(self.call(want, "UpdateItem"), task)?)]),
            returned: ReturnValue::None,
        };
        self.update(want, update).await.map(drop)
    }

    async fn knows_event(&self, account_id: &str, event: &str) -> Result<bool> {
        let want = want("reading an event");
        Ok(self.get(want, event_key(account_id, event)).await?.is_some())
    }

    async fn note_event(&self, account_id: &str, event: &str, at: Timestamp) -> Result<()> {
        let mut item = event_key(account_id, event);
        item.insert(keys::TTL.to_owned(), number(keys::ttl(at, keys::EVENT_DAYS)));
        self.put(want("writing an event"), item, None, Item::new()).await.map(drop)
    }

    async fn set_decisions(
        &self,
        scope: &Scope,
        before: &[Decision],
        after: &[Decision],
    ) -> Result<bool> {
        let want = want("writing what was decided on a scope");
        let call = self.call(want, "UpdateItem");
        let mut values = item([(":decisions", attribute(call, &after)?)]);
        let condition = if before.is_empty() {
            keys::UNDECIDED
        } else {
            values.insert(":before".to_owned(), attribute(call, &before)?);
            keys::DECIDED_AS_BEFORE
        };
        let update = Update {
            key: key(scope),
            update: keys::SET_DECISIONS,
            condition: Some(condition),
            values,
            returned: ReturnValue::None,
        };
        Ok(self.update(want, update).await?.is_done())
    }

    async fn acquire(&self, scope: &Scope, request: &LeaseRequest) -> Result<Acquisition> {
        let want = want("taking a lease");
        let update = Update {
            key: key(scope),
            update: keys::TAKE_LEASE,
            condition: Some(keys::LEASE_IS_FREE),
            values: item([
                (":owner", text(&request.owner)),
                (":now", nanoseconds(request.now)),
                (":until", nanoseconds(request.expires_at)),
                (":one", number(1)),
                (":tasks", AttributeValue::Ss(vec![request.task_id.clone()])),
            ]),
            returned: ReturnValue::AllOld,
        };
        let call = self.call(want, "UpdateItem");
        match self.update(want, update).await? {
            Written::Done(before) => {
                let before = decode_state_of(call, scope.clone(), before)?;
                Ok(Acquisition::granted(before, request))
            }
            Written::Unmet(item) => Ok(Acquisition::Held { until: expiry(call, &item)? }),
        }
    }

    async fn put_part(&self, lease: &Lease, task_id: &str, bytes: &[u8]) -> Result<String> {
        let want = want("writing a part of a checkpoint");
        keys::check_part(bytes).map_err(|reason| refused(self.call(want, "PutItem"), &reason))?;
        let name = keys::part_name(bytes);
        let mut item = entry_key(&lease.scope, keys::part_entry(&lease.scope, task_id, &name));
        let ttl = keys::ttl(lease.expires_at, keys::PART_DAYS);
        item.insert(keys::BYTES.to_owned(), AttributeValue::B(Blob::new(bytes)));
        item.insert(keys::TTL.to_owned(), number(ttl));
        self.put(want, item, None, Item::new()).await?;
        Ok(name)
    }

    async fn part(&self, scope: &Scope, task_id: &str, name: &str) -> Result<Vec<u8>> {
        let want = want("reading a part of a checkpoint");
        let call = self.call(want, "GetItem");
        let key = entry_key(scope, keys::part_entry(scope, task_id, name));
        let found = self.get(want, key).await?.and_then(|mut item| item.remove(keys::BYTES));
        match found {
            Some(AttributeValue::B(bytes)) if keys::part_name(bytes.as_ref()) == name => {
                Ok(bytes.into_inner())
            }
            Some(_) => Err(corrupt(call, &keys::bad_part(scope, name, "is not what it was"))),
            None => Err(corrupt(call, &keys::bad_part(scope, name, "is missing"))),
        }
    }

    async fn save_checkpoint(&self, lease: &Lease, checkpoint: &Checkpoint) -> Result<()> {
        let want = want("saving a checkpoint");
        let checkpoint = attribute(self.call(want, "UpdateItem"), checkpoint)?;
        let values = item([(":checkpoint", checkpoint)]);
        self.update_held(want, lease, keys::SAVE_CHECKPOINT, values).await
    }

    async fn set_paces(&self, lease: &Lease, paces: &Paces) -> Result<()> {
        let want = want("remembering how fast to ask");
        let values = item([(":paces", attribute(self.call(want, "UpdateItem"), paces)?)]);
        self.update_held(want, lease, keys::SET_PACES, values).await
    }

    async fn release(&self, lease: &Lease, release: &Release) -> Result<()> {
        let want = want("ending a lease");
        let (update, values) = match release {
            Release::Continued => (keys::END_LEASE, Item::new()),
            Release::Abandoned => (keys::LET_GO_OF_LEASE, Item::new()),
            Release::Ended { task_id, findings } => {
                let mut values = item([(":task", text(task_id))]);
                if let Some(findings) = findings {
                    let findings = attribute(self.call(want, "UpdateItem"), findings)?;
                    values.insert(":findings".to_owned(), findings);
                    (keys::END_WORK_WITH_FINDINGS, values)
                } else {
                    (keys::END_WORK, values)
                }
            }
        };
        self.update_held(want, lease, update, values).await
    }

    async fn known_types(&self, account_id: &str, kind: &Kind) -> Result<KnownTypes> {
        let want = want("reading instance types");
        let prefix = keys::types_prefix(kind);
        let query = Query {
            condition: keys::TYPES_OF_ACCOUNT,
            values: item([(":account_id", text(account_id)), (":types", text(&prefix))]),
            ..Query::default()
        };
        let call = self.call(want, "Query");
        let mut types = KnownTypes::new();
        for mut item in self.query(want, query, usize::MAX).await? {
            let entry = require_text(call, &mut item, keys::ENTRY)?;
            let name = entry.strip_prefix(&prefix).unwrap_or_default().to_owned();
            types.insert(name, require(call, &mut item, keys::TYPE)?);
        }
        Ok(types)
    }

    async fn put_types(&self, account_id: &str, kind: &Kind, types: &KnownTypes) -> Result<()> {
        let want = want("writing instance types");
        let prefix = keys::types_prefix(kind);
        for (name, known) in types {
            let written = item([
                (keys::ACCOUNT_ID, text(account_id)),
                (keys::ENTRY, text(format!("{prefix}{name}"))),
                (keys::TYPE, attribute(self.call(want, "PutItem"), known)?),
                (keys::TTL, number(keys::ttl(known.learnt_at, keys::TYPE_DAYS))),
            ]);
            self.put(want, written, None, Item::new()).await?;
        }
        Ok(())
    }

    async fn expire_leases(&self, account_id: &str) -> Result<()> {
        let want = want("letting leases expire");
        let states = self.states(want, account_id).await?;
        for state in states.iter().filter(|state| state.lease.is_some()) {
            let update = Update {
                key: key(&state.scope),
                update: keys::LET_GO_OF_LEASE,
                condition: Some(keys::LEASE_EXISTS),
                values: item([(":let_go", nanoseconds(keys::LET_GO))]),
                returned: ReturnValue::None,
            };
            self.update(want, update).await?;
        }
        Ok(())
    }
}
