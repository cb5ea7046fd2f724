//! Changes, one item each, which the table's stream hands on.

use std::collections::HashMap;

use async_trait::async_trait;
use cloud_sync_core::change::Change;
use cloud_sync_core::scope::Scope;
use jiff::Timestamp;

use super::DynamoStore;
use super::errors::refused;
use super::items::{Item, check, decode, encode, item, number, text};
use super::requests::{Query, Want};
use crate::store::tables::Table;
use crate::store::{ChangeStore, Result, Slice, StoreError, keys};

const fn want(operation: &'static str) -> Want {
    Want { operation, table: Table::Changes }
}

impl DynamoStore {
    fn change_item(&self, want: Want, change: &Change) -> Result<Item> {
        let call = self.call(want, "BatchWriteItem");
        let mut item = encode(call, change)?;
        item.extend([
            (keys::RESOURCE.to_owned(), text(keys::resource(&change.scope, &change.id))),
            (keys::TASK_ORDER.to_owned(), text(keys::task_order(change))),
            (keys::ACCOUNT_ORDER.to_owned(), text(keys::account_order(change))),
            (keys::TTL.to_owned(), number(keys::ttl(change.at, keys::CHANGE_DAYS))),
        ]);
        check(call, &item, &change.scope, &change.id)?;
        Ok(item)
    }

    fn decode_changes(&self, want: Want, items: Vec<Item>) -> Result<Vec<Change>> {
        items.into_iter().map(|item| decode(self.call(want, "Query"), item)).collect()
    }

    fn no_cursor(&self, want: Want, cursor: &str) -> StoreError {
        let cursor: String = cursor.chars().take(80).collect();
        refused(self.call(want, "Query"), &format!("'{cursor}' is not a cursor of this list"))
    }

    /// Returns the key after which a page of an account's changes begins.
    fn change_cursor(&self, want: Want, account_id: &str, cursor: &str) -> Result<Item> {
        let parsed = keys::parse_account_order(account_id, cursor);
        let (resource, version) = parsed.ok_or_else(|| self.no_cursor(want, cursor))?;
        Ok(item([
            (keys::ACCOUNT_ID, text(account_id)),
            (keys::ACCOUNT_ORDER, text(cursor)),
            (keys::RESOURCE, text(resource)),
            (keys::VERSION, number(version)),
        ]))
    }
}

#[async_trait]
impl ChangeStore for DynamoStore {
    async fn put_changes(&self, changes: &[Change]) -> Result<()> {
        let want = want("writing changes");
        // The service refuses a batch that has a key twice; the last counts.
        let mut writes = HashMap::with_capacity(changes.len());
        for change in changes {
            let item = self.change_item(want, change)?;
            writes.insert((&change.scope, &change.id, change.version), item);
        }
        self.put_batches(want, writes.into_values()).await
    }

    async fn task_changes(
        &self,
        task_id: &str,
        scope: &Scope,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Slice<Change>> {
        let want = want("reading the changes of a task");
        let after = match cursor {
            Some(cursor) => {
                let parsed = keys::parse_task_order(scope, cursor);
                let (resource, version) = parsed.ok_or_else(|| self.no_cursor(want, cursor))?;
                Some(item([
                    (keys::TASK_ID, text(task_id)),
                    (keys::TASK_ORDER, text(cursor)),
                    (keys::RESOURCE, text(resource)),
                    (keys::VERSION, number(version)),
                ]))
            }
            None => None,
        };
        let query = Query {
            index: Some(keys::BY_TASK),
            condition: keys::CHANGES_OF_TASK,
            values: item([
                (":task_id", text(task_id)),
                (":scope", text(keys::task_order_prefix(scope))),
            ]),
            after,
            limit: i32::try_from(limit).ok(),
            ..Query::default()
        };
        let (items, after) = self.query_page(want, &query).await?;
        let cursor = after.and_then(|mut key| key.remove(keys::TASK_ORDER));
        let cursor = cursor.and_then(|order| order.as_s().ok().cloned());
        let mut items = self.decode_changes(want, items)?;
        // The index's order is another one where an id has a sign below `#`.
        items.sort_by(|a, b| (&a.id, a.version).cmp(&(&b.id, b.version)));
        Ok(Slice { items, cursor })
    }

    async fn history(&self, scope: &Scope, id: &str) -> Result<Vec<Change>> {
        let want = want("reading the history of a resource");
        let query = Query {
            condition: keys::CHANGES_OF_RESOURCE,
            values: item([(":resource", text(keys::resource(scope, id)))]),
            consistent: true,
            ..Query::default()
        };
        self.decode_changes(want, self.query(want, query, usize::MAX).await?)
    }

    async fn account_changes(
        &self,
        account_id: &str,
        since: Option<Timestamp>,
        cursor: Option<&str>,
    ) -> Result<Slice<Change>> {
        let want = want("reading the changes of an account");
        let mut values = item([(":account_id", text(account_id))]);
        values.extend(since.map(|since| (":since".to_owned(), text(keys::time(since)))));
        let condition = match since {
            Some(_) => keys::CHANGES_OF_ACCOUNT_SINCE,
            None => keys::CHANGES_OF_ACCOUNT,
        };
        let after =
            cursor.map(|cursor| self.change_cursor(want, account_id, cursor)).transpose()?;
        let query =
            Query { index: Some(keys::BY_ACCOUNT), condition, values, after, ..Query::default() };
        let (items, after) = self.query_page(want, &query).await?;
        let cursor = after.and_then(|mut key| key.remove(keys::ACCOUNT_ORDER));
        let cursor = cursor.and_then(|order| order.as_s().ok().cloned());
        Ok(Slice { items: self.decode_changes(want, items)?, cursor })
    }
}
