//! Scopes: one item each with lease, checkpoint and findings, and beside it
//! the hashes of the checkpoint, which may be many.
//!
//! The pieces of a part of the hashes are written first, under names that are
//! made of what they hold; then one conditional write makes them part of the
//! checkpoint. So a worker that lost its lease can neither change a checkpoint
//! nor anything that one refers to, and a crash in between leaves only items
//! that expire.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use cloud_sync_core::deletion::Decision;
use cloud_sync_core::lease::{Checkpoint, Dispatched, Lease, LeaseRequest, Release, ScopeState};
use cloud_sync_core::scope::Scope;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::DynamoStore;
use super::errors::{Call, corrupt, refused};
use super::items::{Item, attribute, item, number, require, take, text};
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

/// What a scope's item says of one part of its checkpoint's hashes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Part {
    digest: String,
    count: usize,
}

impl Part {
    fn of(hashes: &[u64]) -> Self {
        let mut digest = Sha256::new();
        hashes.iter().for_each(|hash| digest.update(hash.to_le_bytes()));
        let digest = digest.finalize();
        let digest = digest[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        Self { digest, count: hashes.len() }
    }

    /// Returns the entries of its pieces, in order.
    fn entries(&self, scope: &Scope, task_id: &str) -> Vec<String> {
        let pieces = self.count.div_ceil(keys::HASHES_A_PIECE);
        (0..pieces).map(|piece| keys::hashes_entry(scope, task_id, &self.digest, piece)).collect()
    }
}

fn blob(hashes: &[u64]) -> AttributeValue {
    let bytes: Vec<u8> = hashes.iter().flat_map(|hash| hash.to_le_bytes()).collect();
    AttributeValue::B(Blob::new(bytes))
}

fn hashes(blob: &AttributeValue) -> Option<impl Iterator<Item = u64>> {
    let (hashes, rest) = blob.as_b().ok()?.as_ref().as_chunks::<8>();
    rest.is_empty().then(|| hashes.iter().map(|bytes| u64::from_le_bytes(*bytes)))
}

fn nanoseconds(at: Timestamp) -> AttributeValue {
    number(at.as_nanosecond())
}

fn decode_state(call: Call<'_>, mut item: Item) -> Result<ScopeState> {
    let account_id: String = require(call, &mut item, keys::ACCOUNT_ID)?;
    let entry: String = require(call, &mut item, keys::ENTRY)?;
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
        ended_task: take(call, &mut item, keys::ENDED_TASK)?,
        decisions: take(call, &mut item, keys::DECISIONS)?.unwrap_or_default(),
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
        number_of_part: Option<u32>,
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
            number: number_of_part,
            returned: ReturnValue::None,
        };
        match self.update(want, update).await? {
            Written::Done(_) => Ok(()),
            Written::Unmet(_) => Err(StoreError::LeaseLost(lease.scope.clone())),
        }
    }

    async fn write_hashes(
        &self,
        want: Want,
        lease: &Lease,
        task_id: &str,
        part: &Part,
        seen: &[u64],
    ) -> Result<()> {
        let ttl = keys::ttl(lease.expires_at, keys::HASHES_DAYS);
        let entries = part.entries(&lease.scope, task_id);
        let pieces = entries.into_iter().zip(seen.chunks(keys::HASHES_A_PIECE));
        let items = pieces.map(|(entry, hashes)| {
            let mut item = entry_key(&lease.scope, entry);
            item.insert(keys::HASHES.to_owned(), blob(hashes));
            item.insert(keys::TTL.to_owned(), number(ttl));
            item
        });
        self.put_batches(want, items).await
    }

    async fn states(&self, want: Want, account_id: &str) -> Result<Vec<ScopeState>> {
        let query = Query {
            condition: keys::SCOPES_OF_ACCOUNT,
            values: item([
                (":account_id", text(account_id)),
                (":hashes", text(keys::HASHES_PREFIX)),
            ]),
            consistent: true,
            ..Query::default()
        };
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

    async fn set_dispatched(&self, scope: &Scope, dispatched: &Dispatched) -> Result<()> {
        let want = want("writing whom a scope was given to");
        let update = Update {
            key: key(scope),
            update: keys::SET_DISPATCHED,
            condition: None,
            values: item([(":dispatched", attribute(self.call(want, "UpdateItem"), dispatched)?)]),
            number: None,
            returned: ReturnValue::None,
        };
        self.update(want, update).await.map(drop)
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
            number: None,
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
                (":no_parts", AttributeValue::M(Item::new())),
                (":one", number(1)),
                (":tasks", AttributeValue::Ss(vec![request.task_id.clone()])),
            ]),
            number: None,
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

    async fn save_checkpoint(
        &self,
        lease: &Lease,
        checkpoint: &Checkpoint,
        seen: &[u64],
    ) -> Result<()> {
        let want = want("saving a checkpoint");
        let call = self.call(want, "UpdateItem");
        let mut values = item([(":checkpoint", attribute(call, checkpoint)?)]);
        let part = Part::of(seen);
        let described = attribute(call, &part)?;
        let Some(number) = checkpoint.chunks.checked_sub(1) else {
            if !seen.is_empty() {
                return Err(refused(call, "a checkpoint without parts cannot hold hashes"));
            }
            values.insert(":parts".to_owned(), AttributeValue::M(Item::new()));
            return self.update_held(want, lease, keys::SAVE_CHECKPOINT, values, None).await;
        };
        self.write_hashes(want, lease, &checkpoint.task_id, &part, seen).await?;
        let (update, number) = match (number, seen.is_empty()) {
            (_, true) => (keys::SAVE_CHECKPOINT_ALONE, Some(number)),
            (0, false) => (keys::SAVE_CHECKPOINT, None),
            (_, false) => (keys::SAVE_CHECKPOINT_AND_PART, Some(number)),
        };
        if number.is_none() {
            let parts = item([("0", described)]);
            values.insert(":parts".to_owned(), AttributeValue::M(parts));
        } else {
            values.insert(":part".to_owned(), described);
        }
        self.update_held(want, lease, update, values, number).await
    }

    async fn checkpoint_seen(&self, scope: &Scope, checkpoint: &Checkpoint) -> Result<Vec<u64>> {
        let want = want("reading a checkpoint");
        let mut state = self.get(want, key(scope)).await?.unwrap_or_default();
        let call = self.call(want, "GetItem");
        let parts: BTreeMap<String, Part> =
            take(call, &mut state, keys::PARTS)?.unwrap_or_default();
        let mut entries = Vec::new();
        for number in 0..checkpoint.chunks {
            let part = parts.get(&number.to_string()).ok_or_else(|| {
                corrupt(call, &format!("part {number} of the checkpoint of {scope} is missing"))
            })?;
            entries.extend(part.entries(scope, &checkpoint.task_id));
        }
        // Parts with the same content share their pieces.
        entries.sort_unstable();
        entries.dedup();
        let expected = entries.len();
        let wanted = entries.into_iter().map(|entry| entry_key(scope, entry)).collect();
        let found = self.get_batches(want, wanted).await?;
        if found.len() != expected {
            let text = format!(
                "{} of {expected} pieces of the checkpoint of {scope} are missing",
                expected - found.len()
            );
            return Err(corrupt(self.call(want, "BatchGetItem"), &text));
        }
        let mut seen = Vec::new();
        for item in &found {
            let hashes = item.get(keys::HASHES).and_then(hashes).ok_or_else(|| {
                corrupt(call, &format!("a piece of the checkpoint of {scope} is no list of hashes"))
            })?;
            seen.extend(hashes);
        }
        Ok(seen)
    }

    async fn release(&self, lease: &Lease, release: &Release) -> Result<()> {
        let want = want("ending a lease");
        let (update, values) = match release {
            Release::Continued => (keys::END_LEASE, Item::new()),
            Release::Abandoned => (keys::LET_GO_OF_LEASE, Item::new()),
            Release::Ended { task_id, findings } => {
                let mut values =
                    item([(":task", text(task_id)), (":no_parts", AttributeValue::M(Item::new()))]);
                if let Some(findings) = findings {
                    let findings = attribute(self.call(want, "UpdateItem"), findings)?;
                    values.insert(":findings".to_owned(), findings);
                    (keys::END_WORK_WITH_FINDINGS, values)
                } else {
                    (keys::END_WORK, values)
                }
            }
        };
        self.update_held(want, lease, update, values, None).await
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
                number: None,
                returned: ReturnValue::None,
            };
            self.update(want, update).await?;
        }
        Ok(())
    }
}
