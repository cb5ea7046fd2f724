//! Resources in memory.

use std::collections::BTreeSet;
use std::ops::Bound;

use async_trait::async_trait;
use cloud_sync_core::listing::IndexEntry;
use cloud_sync_core::resource::Row;
use cloud_sync_core::scope::Scope;

use super::units::{Bill, size};
use super::{MemoryStore, PAGE, refused};
use crate::store::{ResourceStore, Result, Slice, keys};

fn entry_of(row: &Row) -> Option<IndexEntry> {
    row.is_live().then_some(IndexEntry { fingerprint: row.fingerprint, missing: row.missing })
}

/// A page of the index has so many bytes: as many as the service's, since each
/// page's cost is rounded up.
const INDEX_PAGE: usize = 1 << 20;

/// Returns about the size of an index entry: both keys, a fingerprint, names.
fn entry_size(id: &str) -> usize {
    const REST: usize = 160;
    id.len() + REST
}

/// Counts a write, and one to the index where its entry differs.
fn bill_for(bill: &mut Bill, old: Option<&Row>, new: Option<&Row>) {
    bill.write(size(&old).max(size(&new)), 0);
    if old.and_then(entry_of) != new.and_then(entry_of) {
        bill.write(1, 0);
    }
}

#[async_trait]
impl ResourceStore for MemoryStore {
    async fn live_index(
        &self,
        scope: &Scope,
        cursor: Option<&str>,
    ) -> Result<Slice<(String, IndexEntry)>> {
        self.request(|tables, bill| {
            let after = cursor.map_or(Bound::Unbounded, Bound::Excluded);
            let rows = tables.resources.get(scope).into_iter();
            let rows = rows.flat_map(|rows| rows.range::<str, _>((after, Bound::Unbounded)));
            let (mut items, mut bytes) = (Vec::new(), 0);
            let mut entries = rows.filter_map(|(id, row)| Some((id.clone(), entry_of(row)?)));
            while bytes < INDEX_PAGE
                && let Some((id, entry)) = entries.next()
            {
                bytes += entry_size(&id);
                items.push((id, entry));
            }
            bill.read_lagging(bytes);
            let last = entries.next().and(items.last());
            let cursor = last.map(|(id, _)| id.clone());
            Ok(Slice { items, cursor })
        })
    }

    async fn rows(&self, scope: &Scope, ids: &[String]) -> Result<Vec<Row>> {
        self.request(|tables, bill| {
            let Some(rows) = tables.resources.get(scope) else { return Ok(Vec::new()) };
            let ids: BTreeSet<_> = ids.iter().collect();
            let found: Vec<_> = ids.into_iter().filter_map(|id| rows.get(id)).cloned().collect();
            found.iter().for_each(|row| bill.read(size(row)));
            Ok(found)
        })
    }

    async fn put_rows(&self, rows: &[Row], _tombstone_days: u32) -> Result<()> {
        self.request(|tables, bill| {
            for row in rows {
                keys::check_fits(&row.scope, &row.resource.id, size(row))
                    .map_err(|reason| refused("writing rows", reason))?;
            }
            for row in rows {
                let stored = tables.resources.entry(row.scope.clone()).or_default();
                let old = stored.insert(row.resource.id.clone(), row.clone());
                bill_for(bill, old.as_ref(), Some(row));
            }
            Ok(())
        })
    }

    async fn remove_rows(&self, scope: &Scope, ids: &[String]) -> Result<()> {
        self.request(|tables, bill| {
            let Some(rows) = tables.resources.get_mut(scope) else { return Ok(()) };
            for id in ids {
                let old = rows.remove(id);
                bill_for(bill, old.as_ref(), None);
            }
            Ok(())
        })
    }

    async fn scope_rows(
        &self,
        scope: &Scope,
        tombstones: bool,
        cursor: Option<&str>,
    ) -> Result<Slice<Row>> {
        self.request(|tables, bill| {
            let Some(rows) = tables.resources.get(scope) else {
                return Ok(Slice { items: Vec::new(), cursor: None });
            };
            let after = cursor.map_or(Bound::Unbounded, Bound::Excluded);
            let mut left = rows.range::<str, _>((after, Bound::Unbounded));
            let read: Vec<_> = left.by_ref().take(PAGE).collect();
            bill.read_lagging(read.iter().map(|(_, row)| size(row)).sum());
            let cursor = left.next().and(read.last()).map(|(id, _)| (*id).clone());
            let is_wanted = |row: &&Row| tombstones || row.is_live();
            let items = read.into_iter().map(|(_, row)| row).filter(is_wanted).cloned().collect();
            Ok(Slice { items, cursor })
        })
    }
}
