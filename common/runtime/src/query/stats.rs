//! How much there is, as the scopes' findings have it: no row is read.

use cloud_sync_core::query::ScopeFilter;
use cloud_sync_core::stats::{Day, ScopeStats, Stats};
use jiff::civil::Date;

use crate::store::{Result, Store};

/// Returns what is known of the scopes that are meant, by account, kind and
/// region. One that was never synced is left out.
///
/// # Errors
///
/// The tables failed.
pub async fn now(store: &dyn Store, filter: &ScopeFilter) -> Result<Stats> {
    let mut all = Vec::new();
    for record in store.accounts().await? {
        let id = &record.account.id;
        if !filter.wants_account(id) {
            continue;
        }
        let states = store.scopes(id).await?;
        let states = states.into_iter().filter(|state| filter.wants(&state.scope));
        all.extend(states.filter_map(ScopeStats::of));
    }
    Ok(all.into_iter().collect())
}

/// Returns the days from one to another, both included, by account, day and
/// kind. Regions are not told apart.
///
/// # Errors
///
/// The tables failed.
pub async fn days(
    store: &dyn Store,
    filter: &ScopeFilter,
    (from, to): (Date, Date),
) -> Result<Vec<Day>> {
    let mut all = Vec::new();
    for record in store.accounts().await? {
        let id = &record.account.id;
        if filter.wants_account(id) {
            let days = store.days(id, from, to).await?;
            all.extend(days.into_iter().filter(|day| filter.wants_kind(&day.kind)));
        }
    }
    Ok(all)
}
