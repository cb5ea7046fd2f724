//! Questions to the inventory, in bounded steps over the tables' ports.

pub mod changes;
pub mod resources;
pub mod stats;

use std::collections::BTreeSet;

use cloud_sync_core::query::ScopeFilter;

use crate::store::{Result, Store};

/// Returns the ids of the accounts that are meant: those that are named, also
/// where they were removed and only what was stored of them is left, or all
/// that there are.
///
/// # Errors
///
/// The tables failed.
pub async fn accounts(store: &dyn Store, filter: &ScopeFilter) -> Result<BTreeSet<String>> {
    Ok(match filter.account_ids.as_slice() {
        [] => store.accounts().await?.into_iter().map(|record| record.account.id).collect(),
        named => named.iter().cloned().collect(),
    })
}
