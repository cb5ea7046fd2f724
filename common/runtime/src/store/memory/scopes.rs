//! Scopes in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;
use cloud_sync_core::deletion::Decision;
use cloud_sync_core::lease::{Checkpoint, Dispatched, Lease, LeaseRequest, Release, ScopeState};
use cloud_sync_core::scope::Scope;

use super::units::{Bill, size};
use super::{MemoryStore, Tables, refused};
use crate::store::{Acquisition, Result, ScopeStore, StoreError, keys};

/// A scope, and the parts of its checkpoint's hashes, each with its task.
#[derive(Debug)]
pub(super) struct ScopeEntry {
    state: ScopeState,
    parts: BTreeMap<u32, (String, Vec<u64>)>,
}

impl Tables {
    fn scope_entry(&mut self, scope: &Scope) -> &mut ScopeEntry {
        self.scopes.entry(scope.clone()).or_insert_with(|| ScopeEntry {
            state: ScopeState::new(scope.clone()),
            parts: BTreeMap::new(),
        })
    }

    /// Returns the scope of a lease, if that lease is the present one.
    fn held(&mut self, lease: &Lease) -> Result<&mut ScopeEntry> {
        let is_held = |entry: &ScopeEntry| {
            entry.state.lease.as_ref().is_some_and(|present| {
                present.owner == lease.owner
                    && present.epoch == lease.epoch
                    && present.expires_at > keys::LET_GO
            })
        };
        let entry = self.scopes.get_mut(&lease.scope).filter(|entry| is_held(entry));
        entry.ok_or_else(|| StoreError::LeaseLost(lease.scope.clone()))
    }
}

fn is_free(state: &ScopeState, request: &LeaseRequest) -> bool {
    state
        .lease
        .as_ref()
        .is_none_or(|lease| lease.expires_at <= request.now || lease.owner == request.owner)
}

fn bill_for(bill: &mut Bill, entry: &ScopeEntry) {
    bill.write(size(&entry.state), 0);
}

#[async_trait]
impl ScopeStore for MemoryStore {
    async fn scope(&self, scope: &Scope) -> Result<ScopeState> {
        self.request(|tables, bill| {
            let state = tables.scopes.get(scope).map(|entry| entry.state.clone());
            bill.read(size(&state));
            Ok(state.unwrap_or_else(|| ScopeState::new(scope.clone())))
        })
    }

    async fn scopes(&self, account_id: &str) -> Result<Vec<ScopeState>> {
        self.request(|tables, bill| {
            let states = tables.scopes.values().map(|entry| &entry.state);
            let found: Vec<_> =
                states.filter(|state| state.scope.account_id == account_id).cloned().collect();
            bill.read(size(&found));
            Ok(found)
        })
    }

    async fn set_dispatched(&self, scope: &Scope, dispatched: &Dispatched) -> Result<()> {
        self.request(|tables, bill| {
            let entry = tables.scope_entry(scope);
            entry.state.dispatched = Some(dispatched.clone());
            bill_for(bill, entry);
            Ok(())
        })
    }

    async fn set_decisions(
        &self,
        scope: &Scope,
        before: &[Decision],
        after: &[Decision],
    ) -> Result<bool> {
        self.request(|tables, bill| {
            let Some(entry) = tables.scopes.get_mut(scope) else {
                return Ok(false);
            };
            bill_for(bill, entry);
            let is_as_before = entry.state.decisions == before;
            if is_as_before {
                entry.state.decisions = after.to_vec();
            }
            Ok(is_as_before)
        })
    }

    async fn acquire(&self, scope: &Scope, request: &LeaseRequest) -> Result<Acquisition> {
        self.request(|tables, bill| {
            let entry = tables.scope_entry(scope);
            bill_for(bill, entry);
            match &entry.state.lease {
                Some(lease) if !is_free(&entry.state, request) => {
                    return Ok(Acquisition::Held { until: lease.expires_at });
                }
                _ => {}
            }
            let acquisition = Acquisition::granted(entry.state.clone(), request);
            if let Acquisition::Acquired { lease, .. } = &acquisition {
                entry.state.epoch = lease.epoch;
                entry.state.lease = Some(lease.clone());
            }
            Ok(acquisition)
        })
    }

    async fn save_checkpoint(
        &self,
        lease: &Lease,
        checkpoint: &Checkpoint,
        seen: &[u64],
    ) -> Result<()> {
        self.request(|tables, bill| {
            let last = checkpoint.chunks.checked_sub(1);
            if last.is_none() && !seen.is_empty() {
                let reason = "a checkpoint without parts cannot hold hashes".to_owned();
                return Err(refused("saving a checkpoint", reason));
            }
            let entry = tables.held(lease)?;
            let part = || (checkpoint.task_id.clone(), seen.to_vec());
            if last.is_none() || (last == Some(0) && !seen.is_empty()) {
                entry.parts.clear();
            }
            if let Some(last) = last {
                if seen.is_empty() {
                    entry.parts.entry(last).or_insert_with(part);
                } else {
                    entry.parts.insert(last, part());
                    bill.write(size_of_val(seen), 0);
                }
            }
            entry.state.checkpoint = Some(checkpoint.clone());
            bill_for(bill, entry);
            Ok(())
        })
    }

    async fn checkpoint_seen(&self, scope: &Scope, checkpoint: &Checkpoint) -> Result<Vec<u64>> {
        self.request(|tables, bill| {
            let parts = tables.scopes.get(scope).map(|entry| &entry.parts);
            let mut seen = Vec::new();
            for number in 0..checkpoint.chunks {
                let part = parts.and_then(|parts| parts.get(&number));
                let part = part.filter(|(task, _)| *task == checkpoint.task_id);
                let (_, hashes) = part.ok_or_else(|| StoreError::Corrupt {
                    operation: "reading a checkpoint",
                    reason: format!("part {number} of the checkpoint of {scope} is missing"),
                })?;
                bill.read(size_of_val(hashes.as_slice()));
                seen.extend(hashes);
            }
            Ok(seen)
        })
    }

    async fn release(&self, lease: &Lease, release: &Release) -> Result<()> {
        self.request(|tables, bill| {
            let entry = tables.held(lease)?;
            match release {
                Release::Continued => entry.state.lease = None,
                Release::Abandoned => let_go(&mut entry.state),
                Release::Ended { task_id, findings } => {
                    entry.state.lease = None;
                    entry.state.checkpoint = None;
                    entry.parts.clear();
                    entry.state.ended_task = Some(task_id.clone());
                    if let Some(findings) = findings {
                        entry.state.findings = findings.clone();
                    }
                }
            }
            bill_for(bill, entry);
            Ok(())
        })
    }

    async fn expire_leases(&self, account_id: &str) -> Result<()> {
        self.request(|tables, bill| {
            let entries = tables.scopes.values_mut();
            for entry in entries.filter(|entry| entry.state.scope.account_id == account_id) {
                let_go(&mut entry.state);
                bill_for(bill, entry);
            }
            Ok(())
        })
    }
}

fn let_go(state: &mut ScopeState) {
    if let Some(lease) = &mut state.lease {
        lease.expires_at = keys::LET_GO;
    }
}
