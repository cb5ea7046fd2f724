//! Resources: live rows, which the index of live rows holds too, and
//! tombstones, which it does not.

use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use cloud_sync_core::listing::IndexEntry;
use cloud_sync_core::resource::Row;
use cloud_sync_core::scope::Scope;

use super::DynamoStore;
use super::errors::{Call, corrupt, refused};
use super::items::{Item, check, decode, encode, item, number, require_text, take, text};
use super::requests::{Query, Want};
use crate::store::tables::Table;
use crate::store::{ResourceStore, Result, Slice, keys};

const fn want(operation: &'static str) -> Want {
    Want { operation, table: Table::Resources }
}

fn key(scope: &Scope, id: &str) -> Item {
    item([(keys::SCOPE, text(keys::scope(scope))), (keys::ID, text(id))])
}

/// Returns the key of a row in the index of live rows, which is the row's and
/// the index's own.
fn live_key(scope: &Scope, id: &str) -> Item {
    let mut key = key(scope, id);
    key.insert(keys::LIVE.to_owned(), text(keys::scope(scope)));
    key
}

/// Returns the cursor of the page that begins after a key.
fn id_of(after: Option<Item>) -> Option<String> {
    let id = after.and_then(|mut key| key.remove(keys::ID))?;
    id.as_s().ok().cloned()
}

/// Returns the keys of some rows, each once: the service refuses a batch that
/// has a key twice, and a key without an id, which no row has.
fn keys_of(scope: &Scope, ids: &[String]) -> Vec<Item> {
    let ids: BTreeSet<_> = ids.iter().filter(|id| !id.is_empty()).collect();
    ids.into_iter().map(|id| key(scope, id)).collect()
}

fn encode_row(call: Call<'_>, row: &Row, tombstone_days: u32) -> Result<Item> {
    let mut item = encode(call, row)?;
    let attributes = serde_json::to_string(&row.resource.attributes)
        .map_err(|error| refused(call, &format!("{}: {error}", row.resource.id)))?;
    let scope = keys::scope(&row.scope);
    item.insert(keys::ATTRIBUTES.to_owned(), text(attributes));
    item.insert(keys::SCOPE.to_owned(), text(&scope));
    match row.deleted_at {
        None => item.insert(keys::LIVE.to_owned(), text(scope)),
        Some(at) => item.insert(keys::TTL.to_owned(), number(keys::ttl(at, tombstone_days))),
    };
    check(call, &item, &row.scope, &row.resource.id)?;
    Ok(item)
}

fn decode_row(call: Call<'_>, mut item: Item) -> Result<Row> {
    let attributes: Option<String> = take(call, &mut item, keys::ATTRIBUTES)?;
    let mut row: Row = decode(call, item)?;
    if let Some(text) = attributes {
        row.resource.attributes = serde_json::from_str(&text).map_err(|error| {
            corrupt(call, &format!("{} in {}: attributes: {error}", row.resource.id, row.scope))
        })?;
    }
    Ok(row)
}

fn decode_entry(call: Call<'_>, mut item: Item) -> Result<(String, IndexEntry)> {
    let id = require_text(call, &mut item, keys::ID)?;
    let fingerprint = require_text(call, &mut item, keys::FINGERPRINT)?;
    let fingerprint =
        fingerprint.parse().map_err(|error| corrupt(call, &format!("{id}: {error}")))?;
    let missing = take(call, &mut item, keys::MISSING)?;
    Ok((id, IndexEntry { fingerprint, missing }))
}

#[async_trait]
impl ResourceStore for DynamoStore {
    async fn live_index(
        &self,
        scope: &Scope,
        cursor: Option<&str>,
    ) -> Result<Slice<(String, IndexEntry)>> {
        let want = want("reading the index of live rows");
        let query = Query {
            index: Some(keys::LIVE_ROWS),
            condition: keys::LIVE_ROWS_OF_SCOPE,
            projection: Some(keys::INDEX_ENTRY),
            values: item([(":scope", text(keys::scope(scope)))]),
            after: cursor.map(|id| live_key(scope, id)),
            ..Query::default()
        };
        let (items, after) = self.query_page(want, &query).await?;
        let call = self.call(want, "Query");
        let items = items.into_iter().map(|item| decode_entry(call, item));
        Ok(Slice { items: items.collect::<Result<_>>()?, cursor: id_of(after) })
    }

    async fn rows(&self, scope: &Scope, ids: &[String]) -> Result<Vec<Row>> {
        let want = want("reading rows");
        let items = self.get_batches(want, keys_of(scope, ids)).await?;
        items.into_iter().map(|item| decode_row(self.call(want, "BatchGetItem"), item)).collect()
    }

    async fn put_rows(&self, rows: &[Row], tombstone_days: u32) -> Result<()> {
        let want = want("writing rows");
        // The service refuses a batch that has a key twice; the last counts.
        let mut writes = HashMap::with_capacity(rows.len());
        for row in rows {
            let item = encode_row(self.call(want, "BatchWriteItem"), row, tombstone_days)?;
            writes.insert((&row.scope, &row.resource.id), item);
        }
        self.put_batches(want, writes.into_values()).await
    }

    async fn remove_rows(&self, scope: &Scope, ids: &[String]) -> Result<()> {
        self.delete_batches(want("removing rows"), keys_of(scope, ids)).await
    }

    async fn scope_rows(
        &self,
        scope: &Scope,
        tombstones: bool,
        cursor: Option<&str>,
    ) -> Result<Slice<Row>> {
        let want = want("reading the rows of a scope");
        let query = Query {
            condition: keys::ROWS_OF_SCOPE,
            filter: (!tombstones).then_some(keys::IS_LIVE),
            values: item([(":scope", text(keys::scope(scope)))]),
            after: cursor.map(|id| key(scope, id)),
            ..Query::default()
        };
        let (items, after) = self.query_page(want, &query).await?;
        let call = self.call(want, "Query");
        let items = items.into_iter().map(|item| decode_row(call, item));
        let items = items.collect::<Result<Vec<_>>>()?;
        Ok(Slice { items, cursor: id_of(after) })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cloud_sync_core::fingerprint::Fingerprint;
    use cloud_sync_core::resource::Resource;
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;

    const CALL: Call<'_> = Call { operation: "writing", api: "PutItem", table: "resources" };

    fn row() -> Row {
        let resource = Resource { id: "i-1".into(), ..Resource::default() };
        Row {
            scope: Scope {
                account_id: "prod".into(),
                kind: "aliyun.ecs.instance".parse().unwrap(),
                region: "cn-hangzhou".into(),
            },
            fingerprint: Fingerprint::of(&resource),
            resource,
            version: 1,
            task_id: "t".into(),
            first_seen_at: Timestamp::UNIX_EPOCH,
            changed_at: Timestamp::UNIX_EPOCH,
            deleted_at: None,
            missing: None,
        }
    }

    #[test]
    fn a_tombstone_expires_its_days_after_the_deletion_and_a_live_row_never() {
        let live = encode_row(CALL, &row(), 30).unwrap();
        assert_eq!(live.get(keys::TTL), None);
        let deleted_at = Some("2026-11-01T00:00:00.9Z".parse().unwrap());
        let dead = encode_row(CALL, &Row { deleted_at, ..row() }, 30).unwrap();
        let expected: Timestamp = "2026-12-01T00:00:00Z".parse().unwrap();
        assert_eq!(dead.get(keys::TTL), Some(&number(expected.as_second())));
        assert_eq!(dead.get(keys::LIVE), None);
    }

    #[test]
    fn attributes_that_a_table_could_not_hold_come_back_as_they_were() {
        let deep = (0..60).fold(json!(1.0), |inner, _| json!([inner]));
        let attributes = json!({ "": "", "deep": deep, "large": 1e300, "count": u64::MAX });
        let mut row = row();
        row.resource.attributes = attributes.as_object().unwrap().clone().into();
        let item = encode_row(CALL, &row, 30).unwrap();
        assert_eq!(decode_row(CALL, item).unwrap(), row);
    }

    #[test]
    fn a_tag_without_a_name_is_refused_with_the_resource_it_is_of() {
        let mut row = row();
        row.resource.tags = BTreeMap::from([(String::new(), "x".into())]);
        let error = encode_row(CALL, &row, 30).unwrap_err().to_string();
        assert!(error.contains("i-1"), "{error}");
    }

    #[test]
    fn an_item_that_cannot_be_read_is_named() {
        let mut item = encode_row(CALL, &row(), 30).unwrap();
        item.insert(keys::FINGERPRINT.to_owned(), text("broken"));
        let error = decode_row(CALL, item).unwrap_err().to_string();
        assert!(error.contains("id=i-1") && error.contains("broken"), "{error}");
    }
}
