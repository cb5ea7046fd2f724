//! Resources by filter.
//!
//! Account, kind, region and id are keys. Every other filter is one over rows
//! that are read, so a step reads so many at most and says where it stands.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use cloud_sync_core::query::{ResourceFilter, ScopeFilter};
use cloud_sync_core::resource::Row;
use cloud_sync_core::scope::{Kind, Scope};
use cloud_sync_core::types::{KnownTypes, TypeSpec};
use serde::{Deserialize, Serialize};

use super::accounts;
use crate::store::{Result, Slice, Store};

/// A step reads so many pages of rows at most, of some hundred to some
/// thousand rows each, and one of a scope without any.
const MOST_PAGES: usize = 50;

/// A step looks at so many rows at most, and at the rest of a page.
const MOST_ROWS: usize = 5_000;

/// Where a walk over resources stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The scope that comes next, or has begun.
    #[serde(flatten)]
    pub scope: Scope,
    /// The last id in it that was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// What a step found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The rows.
    pub rows: Vec<Row>,
    /// Where the next step begins; `None` where there is nothing more.
    pub next: Option<Place>,
}

/// Returns the scopes that may hold what is wanted, by account, kind and
/// region. An account that was removed has its scopes where it is named.
///
/// # Errors
///
/// The tables failed.
pub async fn scopes(store: &dyn Store, filter: &ScopeFilter) -> Result<Vec<Scope>> {
    let mut scopes = Vec::new();
    for id in &accounts(store, filter).await? {
        let states = match filter.kinds.as_slice() {
            [kind] => store.scopes_of_kind(id, kind).await?,
            _ => store.scopes(id).await?,
        };
        scopes.extend(states.into_iter().map(|state| state.scope).filter(|s| filter.wants(s)));
    }
    scopes.sort_unstable();
    Ok(scopes)
}

/// Takes one step over sorted scopes: returns at most `most` rows that are
/// wanted, by scope and id. Fewer are not all that there are, unless `next` is
/// `None`.
///
/// # Errors
///
/// The tables failed.
pub async fn step(
    store: &dyn Store,
    scopes: &[Scope],
    filter: &ResourceFilter,
    from: Option<&Place>,
    most: usize,
) -> Result<Found> {
    let mut rows = Vec::new();
    let (mut pages, mut looked_at) = (0, 0);
    let begin = from.map_or(0, |from| scopes.partition_point(|scope| *scope < from.scope));
    for scope in &scopes[begin..] {
        let from = from.filter(|from| from.scope == *scope);
        let mut after = from.and_then(|from| from.after.clone());
        loop {
            if pages == MOST_PAGES || looked_at >= MOST_ROWS {
                return Ok(Found { rows, next: Some(Place { scope: scope.clone(), after }) });
            }
            let page = page(store, scope, filter, after.as_deref()).await?;
            pages += 1;
            looked_at += page.items.len();
            for row in page.items.into_iter().filter(|row| filter.wants(row)) {
                if rows.len() == most {
                    let next = Place { scope: scope.clone(), after };
                    return Ok(Found { rows, next: Some(next) });
                }
                after = Some(row.resource.id.clone());
                rows.push(row);
            }
            after = page.cursor;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(Found { rows, next: None })
}

/// Returns a page of rows of a scope: where ids are given, those after the
/// last one.
async fn page(
    store: &dyn Store,
    scope: &Scope,
    filter: &ResourceFilter,
    after: Option<&str>,
) -> Result<Slice<Row>> {
    if filter.ids.is_empty() {
        return store.scope_rows(scope, filter.deleted.includes_tombstones(), after).await;
    }
    let is_left = |id: &&String| after.is_none_or(|after| id.as_str() > after);
    let ids: Vec<_> = filter.ids.iter().filter(is_left).cloned().collect();
    let mut items = store.rows(scope, &ids).await?;
    items.sort_unstable_by(|a, b| a.resource.id.cmp(&b.resource.id));
    Ok(Slice { items, cursor: None })
}

/// What is known of instance types, read once for each account and kind.
#[derive(Debug, Default)]
pub struct Types(BTreeMap<(String, Kind), KnownTypes>);

impl Types {
    /// Returns what is known of a row's instance type.
    ///
    /// # Errors
    ///
    /// The tables failed.
    pub async fn of(&mut self, store: &dyn Store, row: &Row) -> Result<Option<&TypeSpec>> {
        let scope = &row.scope;
        let known = match self.0.entry((scope.account_id.clone(), scope.kind.clone())) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                new.insert(store.known_types(&scope.account_id, &scope.kind).await?)
            }
        };
        Ok(known.get(&row.resource.spec).map(|known| &known.spec))
    }
}
