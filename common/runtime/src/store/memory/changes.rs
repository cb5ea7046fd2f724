//! Changes in memory.

use std::collections::BTreeMap;
use std::ops::Bound;

use async_trait::async_trait;
use cloud_sync_core::change::Change;
use cloud_sync_core::scope::Scope;
use jiff::Timestamp;

use super::units::size;
use super::{MemoryStore, PAGE, refused};
use crate::store::{ChangeStore, Result, Slice, keys};

/// The changes by scope, id and version, and the keys of an account's by time.
#[derive(Debug, Default)]
pub(super) struct Changes {
    by_scope: BTreeMap<Scope, BTreeMap<(String, u64), Change>>,
    by_account: BTreeMap<(String, String), (Scope, String, u64)>,
}

fn account_key(change: &Change) -> (String, String) {
    (change.scope.account_id.clone(), keys::account_order(change))
}

impl Changes {
    fn put(&mut self, change: &Change) {
        let key = (change.id.clone(), change.version);
        let place = (change.scope.clone(), change.id.clone(), change.version);
        let of_scope = self.by_scope.entry(change.scope.clone()).or_default();
        if let Some(old) = of_scope.insert(key, change.clone()) {
            self.by_account.remove(&account_key(&old));
        }
        self.by_account.insert(account_key(change), place);
    }

    fn get(&self, (scope, id, version): &(Scope, String, u64)) -> Option<&Change> {
        self.by_scope.get(scope)?.get(&(id.clone(), *version))
    }
}

#[async_trait]
impl ChangeStore for MemoryStore {
    async fn put_changes(&self, changes: &[Change]) -> Result<()> {
        self.request(|tables, bill| {
            for change in changes {
                keys::check_fits(&change.scope, &change.id, size(change))
                    .map_err(|reason| refused("writing changes", reason))?;
            }
            for change in changes {
                tables.changes.put(change);
                bill.write(size(change), 2);
            }
            Ok(())
        })
    }

    async fn task_changes(
        &self,
        task_id: &str,
        scope: &Scope,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Slice<Change>> {
        let prefix = keys::task_order_prefix(scope);
        let after = match cursor {
            None => Bound::Unbounded,
            Some(cursor) => {
                let parsed = keys::parse_task_order(scope, cursor);
                let place = parsed.and_then(|(resource, version)| {
                    Some((resource.strip_prefix(&prefix)?.to_owned(), version))
                });
                let reason = || format!("'{cursor}' is not a cursor of this list");
                let refused = || refused("reading the changes of a task", reason());
                Bound::Excluded(place.ok_or_else(refused)?)
            }
        };
        self.request(|tables, bill| {
            let Some(changes) = tables.changes.by_scope.get(scope) else {
                return Ok(Slice { items: Vec::new(), cursor: None });
            };
            let left = changes.range((after, Bound::Unbounded)).map(|(_, change)| change);
            let mut left = left.filter(|change| change.task_id == task_id);
            let items: Vec<_> = left.by_ref().take(PAGE.min(limit)).cloned().collect();
            let cursor = left.next().and(items.last()).map(keys::task_order);
            bill.read_lagging(size(&items));
            Ok(Slice { items, cursor })
        })
    }

    async fn history(&self, scope: &Scope, id: &str) -> Result<Vec<Change>> {
        self.request(|tables, bill| {
            let Some(changes) = tables.changes.by_scope.get(scope) else { return Ok(Vec::new()) };
            let versions = (id.to_owned(), 0)..=(id.to_owned(), u64::MAX);
            let found: Vec<_> = changes.range(versions).map(|(_, change)| change).collect();
            bill.read(size(&found));
            Ok(found.into_iter().cloned().collect())
        })
    }

    async fn account_changes(
        &self,
        account_id: &str,
        since: Option<Timestamp>,
        cursor: Option<&str>,
    ) -> Result<Slice<Change>> {
        if let Some(cursor) = cursor.filter(|c| keys::parse_account_order(account_id, c).is_none())
        {
            let reason = format!("'{cursor}' is not a cursor of this list");
            return Err(refused("reading the changes of an account", reason));
        }
        self.request(|tables, bill| {
            let key = |order: String| (account_id.to_owned(), order);
            let after = match (cursor, since) {
                (Some(cursor), _) => Bound::Excluded(key(cursor.to_owned())),
                (None, since) => Bound::Included(key(since.map(keys::time).unwrap_or_default())),
            };
            let mut left = tables
                .changes
                .by_account
                .range((after, Bound::Unbounded))
                .take_while(|((account, _), _)| account == account_id);
            let page: Vec<_> = left.by_ref().take(PAGE).collect();
            let cursor = left.next().and(page.last()).map(|((_, order), _)| order.clone());
            let items: Vec<_> =
                page.iter().filter_map(|(_, place)| tables.changes.get(place)).cloned().collect();
            bill.read_lagging(size(&items));
            Ok(Slice { items, cursor })
        })
    }
}
