//! Scopes in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;
use cloud_sync_core::deletion::Decision;
use cloud_sync_core::lease::{Checkpoint, Dispatched, Lease, LeaseRequest, Release, ScopeState};
use cloud_sync_core::pace::Paces;
use cloud_sync_core::scope::{Kind, Scope};
use cloud_sync_core::types::KnownTypes;
use jiff::Timestamp;

use super::units::{Bill, size};
use super::{MemoryStore, Tables, refused};
use crate::store::{Acquisition, Result, ScopeStore, StoreError, keys};

/// A scope, and the parts of checkpoints by task and name.
#[derive(Debug)]
pub(super) struct ScopeEntry {
    state: ScopeState,
    parts: BTreeMap<(String, String), Vec<u8>>,
}

impl Tables {
    fn scope_entry(&mut self, scope: &Scope) -> &mut ScopeEntry {
        let scopes = self.scopes.entry(scope.account_id.clone()).or_default();
        scopes.entry(scope.clone()).or_insert_with(|| ScopeEntry {
            state: ScopeState::new(scope.clone()),
            parts: BTreeMap::new(),
        })
    }

    fn known_scope(&mut self, scope: &Scope) -> Option<&mut ScopeEntry> {
        self.scopes.get_mut(&scope.account_id)?.get_mut(scope)
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
        let entry = self.known_scope(&lease.scope).filter(|entry| is_held(entry));
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
            let state = tables.known_scope(scope).map(|entry| entry.state.clone());
            bill.read(size(&state));
            Ok(state.unwrap_or_else(|| ScopeState::new(scope.clone())))
        })
    }

    async fn scopes(&self, account_id: &str) -> Result<Vec<ScopeState>> {
        self.request(|tables, bill| {
            let entries = tables.scopes.get(account_id).into_iter().flat_map(BTreeMap::values);
            let found: Vec<_> = entries.map(|entry| entry.state.clone()).collect();
            bill.read(size(&found));
            Ok(found)
        })
    }

    async fn scopes_of_kind(&self, account_id: &str, kind: &Kind) -> Result<Vec<ScopeState>> {
        self.request(|tables, bill| {
            let entries = tables.scopes.get(account_id).into_iter().flat_map(BTreeMap::values);
            let of_kind = entries.map(|entry| &entry.state).filter(|s| s.scope.kind == *kind);
            let found: Vec<_> = of_kind.cloned().collect();
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

    async fn set_event_task(&self, scope: &Scope, task: &Dispatched) -> Result<()> {
        self.request(|tables, bill| {
            let entry = tables.scope_entry(scope);
            entry.state.event_task = Some(task.clone());
            bill_for(bill, entry);
            Ok(())
        })
    }

    async fn knows_event(&self, account_id: &str, event: &str) -> Result<bool> {
        self.request(|tables, bill| {
            bill.read(event.len());
            Ok(tables.events.contains(&(account_id.to_owned(), event.to_owned())))
        })
    }

    async fn note_event(&self, account_id: &str, event: &str, _: Timestamp) -> Result<()> {
        self.request(|tables, bill| {
            bill.write(event.len(), 0);
            tables.events.insert((account_id.to_owned(), event.to_owned()));
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
            let Some(entry) = tables.known_scope(scope) else {
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

    async fn put_part(&self, lease: &Lease, task_id: &str, bytes: &[u8]) -> Result<String> {
        keys::check_part(bytes)
            .map_err(|reason| refused("writing a part of a checkpoint", reason))?;
        self.request(|tables, bill| {
            let entry = tables.scope_entry(&lease.scope);
            let name = keys::part_name(bytes);
            entry.parts.insert((task_id.to_owned(), name.clone()), bytes.to_vec());
            bill.write(bytes.len(), 0);
            Ok(name)
        })
    }

    async fn part(&self, scope: &Scope, task_id: &str, name: &str) -> Result<Vec<u8>> {
        self.request(|tables, bill| {
            let key = (task_id.to_owned(), name.to_owned());
            let part = tables.known_scope(scope).and_then(|entry| entry.parts.get(&key));
            let part = part.ok_or_else(|| StoreError::Corrupt {
                operation: "reading a part of a checkpoint",
                reason: keys::bad_part(scope, name, "is missing"),
            })?;
            bill.read(part.len());
            Ok(part.clone())
        })
    }

    async fn save_checkpoint(&self, lease: &Lease, checkpoint: &Checkpoint) -> Result<()> {
        self.request(|tables, bill| {
            let entry = tables.held(lease)?;
            entry.state.checkpoint = Some(checkpoint.clone());
            bill_for(bill, entry);
            Ok(())
        })
    }

    async fn set_paces(&self, lease: &Lease, paces: &Paces) -> Result<()> {
        self.request(|tables, bill| {
            let entry = tables.held(lease)?;
            entry.state.paces = paces.clone();
            bill_for(bill, entry);
            Ok(())
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
                        entry.state.findings = (**findings).clone();
                    }
                }
            }
            bill_for(bill, entry);
            Ok(())
        })
    }

    async fn known_types(&self, account_id: &str, kind: &Kind) -> Result<KnownTypes> {
        self.request(|tables, bill| {
            let key = (account_id.to_owned(), kind.clone());
            let found = tables.types.get(&key).cloned().unwrap_or_default();
            bill.read(size(&found));
            Ok(found)
        })
    }

    async fn put_types(&self, account_id: &str, kind: &Kind, types: &KnownTypes) -> Result<()> {
        self.request(|tables, bill| {
            types.values().for_each(|known| bill.write(size(known), 0));
            let key = (account_id.to_owned(), kind.clone());
            tables.types.entry(key).or_default().extend(types.clone());
            Ok(())
        })
    }

    async fn expire_leases(&self, account_id: &str) -> Result<()> {
        self.request(|tables, bill| {
            let scopes = tables.scopes.get_mut(account_id);
            for entry in scopes.into_iter().flat_map(BTreeMap::values_mut) {
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
