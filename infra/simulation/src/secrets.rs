//! Access keys that can be replaced, and processes that remember old ones.

use std::collections::BTreeMap;
use std::sync::Mutex;

use cloud_sync_core::credentials::Credentials;

use crate::universe::lock;

/// Part of every secret, so that a leak is found by looking for it.
pub(crate) const CANARY: &str = "canary-secret";

/// The accounts' keys.
pub(crate) struct Secrets(Mutex<BTreeMap<String, u64>>);

impl Secrets {
    /// Returns the first keys of accounts.
    pub(crate) fn new<'a>(accounts: impl Iterator<Item = &'a str>) -> Self {
        Self(Mutex::new(accounts.map(|account| (account.to_owned(), 0)).collect()))
    }

    /// Returns an account's present key.
    pub(crate) fn current(&self, account: &str) -> Credentials {
        let generation = lock(&self.0).get(account).copied().unwrap_or_default();
        key(account, generation)
    }

    /// Replaces an account's key, and returns the old one and the new one.
    pub(crate) fn rotate(&self, account: &str) -> (Credentials, Credentials) {
        let mut generations = lock(&self.0);
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
