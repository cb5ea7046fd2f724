//! Learns what instance types are, when a sync meets one that is not known.
//!
//! What is learnt is shown beside rows and is not in them, so no failure here
//! is an error of the region. Every resource that is listed counts, changed or
//! not: what one sync does not learn, the next one asks about.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use cloud_sync_core::error::Handling;
use cloud_sync_core::resource::Resource;
use cloud_sync_core::scope::Kind;
use cloud_sync_core::types::{KnownType, KnownTypes, unknown};
use cloud_sync_runtime::store::StoreError;
use jiff::{SignedDuration, Timestamp};

use crate::compare::TIME_TO_CLOSE;
use crate::work::Work;

/// So many types are remembered of one attempt, more than any vendor has, and
/// so many asked about: five requests, and one as a rule.
const MOST_MET: usize = 5000;
const MOST_ASKED: usize = 50;

/// Longer than this nobody waits for it.
const PATIENCE: SignedDuration = SignedDuration::from_secs(10);

/// So long a type is not asked about again that the vendor does not know, or
/// may not tell of: another sync would be told the same.
const REFUSED_FOR: SignedDuration = SignedDuration::from_hours(24);

/// What this process knows of types, by account and kind.
#[derive(Debug, Default)]
pub struct TypeCache(Mutex<HashMap<(String, Kind), Learnt>>);

/// What is known of the types of one kind in one account.
#[derive(Clone, Debug, Default)]
struct Learnt {
    known: KnownTypes,
    /// Those that nobody could tell of, and when that was.
    untold: BTreeMap<String, Timestamp>,
}

impl Learnt {
    /// Returns which of some types are worth a question.
    fn to_ask(&self, met: &BTreeSet<String>, now: Timestamp) -> Vec<String> {
        let was_untold = |name: &String| {
            self.untold.get(name).is_some_and(|at| now.duration_since(*at) < REFUSED_FOR)
        };
        let mut names = unknown(met, &self.known, now, usize::MAX);
        names.retain(|name| !was_untold(name));
        names.truncate(MOST_ASKED);
        names
    }
}

impl TypeCache {
    fn get(&self, account: &str, kind: &Kind) -> Learnt {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&(account.to_owned(), kind.clone())).cloned().unwrap_or_default()
    }

    fn set(&self, account: &str, kind: &Kind, learnt: Learnt) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert((account.to_owned(), kind.clone()), learnt);
    }
}

impl Work<'_> {
    /// Remembers the types of resources that were seen.
    pub(crate) fn meet_types(&mut self, resources: &[Resource]) {
        for name in resources.iter().map(|resource| &resource.spec) {
            if !name.is_empty() && self.types.len() < MOST_MET && !self.types.contains(name) {
                self.types.insert(name.clone());
            }
        }
    }

    /// Asks about the types that were met and are not known, where there is
    /// time for it before the attempt has to be closed.
    pub(crate) async fn learn_types(&self) {
        let left = self.delivered.deadline.duration_since(self.sync.clock.now()) - TIME_TO_CLOSE;
        if self.types.is_empty() || left < PATIENCE {
            return;
        }
        match tokio::time::timeout(PATIENCE.unsigned_abs(), self.ask_about_types()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "what was learnt of types is not kept"),
            Err(_) => tracing::warn!("nobody says in time what the types are"),
        }
    }

    async fn ask_about_types(&self) -> Result<(), StoreError> {
        let (account, kind, now) = (&self.account.id, &self.scope.kind, self.sync.clock.now());
        let mut learnt = self.sync.types.get(account, kind);
        if learnt.to_ask(&self.types, now).is_empty() {
            return Ok(());
        }
        learnt.known = self.store.known_types(account, kind).await?;
        let names = learnt.to_ask(&self.types, now);
        if !names.is_empty() {
            self.ask_about(names, &mut learnt, now).await?;
        }
        self.sync.types.set(account, kind, learnt);
        Ok(())
    }

    async fn ask_about(
        &self,
        names: Vec<String>,
        learnt: &mut Learnt,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (account, kind) = (&self.account.id, &self.scope.kind);
        let mut found = match self.vendor.types(kind, &self.region, &names).await {
            Ok(found) => found,
            Err(error) => {
                let (api, code) = (&error.api, &error.code);
                tracing::warn!(api, code, error = error.message, "types stay unknown");
                if matches!(error.class.handling(), Handling::Retry | Handling::Wait) {
                    return Ok(());
                }
                BTreeMap::new()
            }
        };
        let mut new = KnownTypes::new();
        for name in names {
            match found.remove(&name) {
                Some(spec) => drop(new.insert(name, KnownType { spec, learnt_at: now })),
                None => drop(learnt.untold.insert(name, now)),
            }
        }
        if !new.is_empty() {
            self.store.put_types(account, kind, &new).await?;
            learnt.known.extend(new);
        }
        Ok(())
    }
}
