//! Whether the change feeds told everything that they promise to tell.

use std::collections::BTreeMap;
use std::sync::Arc;

use cloud_sync_core::diff::{Field, diff};
use cloud_sync_core::message::Mode;
use cloud_sync_core::resource::Resource;
use cloud_sync_core::scope::Scope;
use cloud_sync_runtime::store::{ScopeStore, StoreError};

use crate::kinds;
use crate::sync_all;
use crate::universe::Universe;
use crate::verdict::{all_rows, listed, scopes};

/// Lets every scope be synced incrementally, undisturbed, and checks that
/// those with a feed are what the vendor has.
///
/// A walk that the vendor misled missed what no feed tells again, and neither
/// does one that loses events: those wait for the next full sync. So do disks,
/// which an incremental walk asks for only with what else changed.
pub(crate) async fn miss_nothing(universe: &Arc<Universe>) -> Result<(), StoreError> {
    let has_feed = |scope: &Scope| {
        let accounts = &universe.plan.accounts;
        scope.kind == kinds::machines()
            && accounts.iter().any(|plan| plan.id == scope.account_id && plan.change_feed)
    };
    let scopes: Vec<_> = scopes(universe).into_iter().filter(has_feed).collect();
    for scope in &scopes {
        if universe.store.scope(scope).await?.findings.fed_until.is_some() {
            universe.count("scopes that followed a change feed");
        }
    }
    let chances = &universe.plan.chances;
    let misled = [
        chances.feed,
        chances.paging,
        chances.silent_empty,
        chances.malformed,
        chances.revoke,
        chances.swap,
    ];
    if scopes.is_empty() || misled.iter().any(|chance| *chance > 0.0) {
        return Ok(());
    }
    tokio::time::sleep(universe.plan.feed_lag).await;
    sync_all(universe, Mode::Incremental).await;
    for scope in &scopes {
        universe.count("scopes whose change feed is checked");
        check(universe, scope).await?;
    }
    Ok(())
}

async fn check(universe: &Arc<Universe>, scope: &Scope) -> Result<(), StoreError> {
    let wrong = |id: &str, text: String| {
        universe.violated("no lost change", format!("{scope} {id}: the feed told, yet it {text}"));
    };
    let mut there = match listed(universe, scope).await {
        Ok(there) => there,
        Err(error) => {
            universe.violated("the simulation works", error);
            return Ok(());
        }
    };
    let rows = all_rows(universe, scope).await?;
    for row in rows.iter().filter(|row| row.is_live()) {
        let id = &row.resource.id;
        match there.remove(id) {
            Some(resource) => {
                let mut differences = diff(&row.resource, &resource);
                differences.remove(&Field::DataDisks);
                if !differences.is_empty() {
                    wrong(id, format!("differs: {differences:?}"));
                }
            }
            // Held: a walk found it missing, among too many.
            None if row.missing.is_some() => {}
            None => wrong(id, "is live, and gone at the vendor".to_owned()),
        }
    }
    let new: BTreeMap<String, Resource> = there;
    new.keys().for_each(|id| wrong(id, "is not live".to_owned()));
    Ok(())
}
