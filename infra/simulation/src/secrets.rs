//! Access keys that can be replaced, and processes that remember old ones.

use std::collections::BTreeMap;
use std::sync::Mutex;

use cloud_sync_core::credentials::Credentials;

use crate::universe::lock;

/// Part of every secret, so that a leak is found by looking for it.
pub(crate) const CANARY: &str = "canary-secret";

/// The accounts' keys.
pub(crate) struct Secrets {
    generations: Mutex<BTreeMap<String, u64>>,
    /// Accounts that have another's key for now.
    swapped: Mutex<BTreeMap<String, String>>,
}

impl Secrets {
    /// Returns the first keys of accounts.
    pub(crate) fn new<'a>(accounts: impl Iterator<Item = &'a str>) -> Self {
        let generations = accounts.map(|account| (account.to_owned(), 0)).collect();
        Self { generations: Mutex::new(generations), swapped: Mutex::default() }
    }

    /// Returns the key that is in an account's place at present.
    pub(crate) fn current(&self, account: &str) -> Credentials {
        let other = lock(&self.swapped).get(account).cloned();
        let account = other.as_deref().unwrap_or(account);
        let generation = lock(&self.generations).get(account).copied().unwrap_or_default();
        key(account, generation)
    }

    /// Puts another account's key into an account's place.
    pub(crate) fn swap(&self, account: &str, other: &str) {
        lock(&self.swapped).insert(account.to_owned(), other.to_owned());
    }

    /// Puts an account's own key back.
    pub(crate) fn swap_back(&self, account: &str) {
        lock(&self.swapped).remove(account);
    }

    /// Replaces an account's key, and returns the old one and the new one.
    pub(crate) fn rotate(&self, account: &str) -> (Credentials, Credentials) {
        let mut generations = lock(&self.generations);
        let generation = generations.entry(account.to_owned()).or_default();
        *generation += 1;
        (key(account, *generation - 1), key(account, *generation))
    }
}

fn key(account: &str, generation: u64) -> Credentials {
    Credentials {
        access_key_id: format!("key-{account}-{generation}"),
        access_key_secret: format!("{CANARY}-{account}-{generation}").into(),
        security_token: None,
    }
}
