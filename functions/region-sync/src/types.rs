//! Learns what instance types are, when a sync meets one that is not known.
//!
//! What is learnt is shown beside rows and is not in them, so no failure here
//! is an error of the region: it is tried again when the type is met again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cloud_sync_core::scope::Kind;
use cloud_sync_core::types::{KnownType, KnownTypes, unknown};
use cloud_sync_runtime::store::StoreError;

use crate::attempt::Work;

/// So many types are remembered of one attempt, and so many asked about: five
/// requests, and one as a rule.
const MOST_MET: usize = 1000;
const MOST_ASKED: usize = 50;

/// Longer than this nobody waits for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// What this process knows of types, by account and kind.
#[derive(Debug, Default)]
pub struct TypeCache(Mutex<HashMap<(String, Kind), KnownTypes>>);

impl TypeCache {
    fn get(&self, account: &str, kind: &Kind) -> KnownTypes {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&(account.to_owned(), kind.clone())).cloned().unwrap_or_default()
    }

    fn set(&self, account: &str, kind: &Kind, types: KnownTypes) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert((account.to_owned(), kind.clone()), types);
    }
}

impl Work<'_> {
    /// Remembers that a resource of a type was added or changed.
    pub(crate) fn meet_type(&mut self, name: &str) {
        if !name.is_empty() && self.types.len() < MOST_MET && !self.types.contains(name) {
            self.types.insert(name.to_owned());
        }
    }

    /// Asks about the types that were met and are not known.
    pub(crate) async fn learn_types(&self) {
        if self.types.is_empty() || self.is_time_up() {
            return;
        }
        match tokio::time::timeout(PATIENCE, self.ask_about_types()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "what was learnt of types is not kept"),
            Err(_) => tracing::warn!("nobody says in time what the types are"),
        }
    }

    async fn ask_about_types(&self) -> Result<(), StoreError> {
        let (account, kind, now) = (&self.account.id, &self.scope.kind, self.sync.clock.now());
        let missing = |known: &KnownTypes| unknown(&self.types, known, now, MOST_ASKED);
        if missing(&self.sync.types.get(account, kind)).is_empty() {
            return Ok(());
        }
        let mut known = self.store.known_types(account, kind).await?;
        let names = missing(&known);
        if !names.is_empty() {
            let found = match self.vendor.types(kind, &self.region, &names).await {
                Ok(found) => found,
                Err(error) => {
                    let (api, code) = (&error.api, &error.code);
                    tracing::warn!(api, code, error = error.message, "types stay unknown");
                    return Ok(());
                }
            };
            let learnt = found.into_iter().filter(|(name, _)| names.contains(name));
            let learnt: KnownTypes =
                learnt.map(|(name, spec)| (name, KnownType { spec, learnt_at: now })).collect();
            self.store.put_types(account, kind, &learnt).await?;
            known.extend(learnt);
        }
        self.sync.types.set(account, kind, known);
        Ok(())
    }
}
