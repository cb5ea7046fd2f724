use std::collections::BTreeMap;
use std::sync::Arc;

use cloud_sync_core::listing::IndexEntry;
use cloud_sync_core::resource::{Missing, Row};
use cloud_sync_core::scope::Scope;
use cloud_sync_runtime::store::{Store, StoreError};

use super::fixtures::{added, at, bare, resource, restored, row, scope, tombstone};

const DAYS: u32 = 30;

/// Returns an id of so many bytes.
fn long_id(n: usize, length: usize) -> String {
    format!("{n:0>length$}")
}

fn ids(rows: &[Row]) -> Vec<String> {
    rows.iter().map(|row| row.resource.id.clone()).collect()
}

async fn one(store: &dyn Store, scope: &Scope, id: &str) -> Option<Row> {
    let mut rows = store.rows(scope, &[id.to_owned()]).await.unwrap();
    assert!(rows.len() <= 1, "{rows:?}");
    rows.pop()
}

/// Reads all pages, and returns the rows and the number of pages.
async fn walk(store: &dyn Store, scope: &Scope, tombstones: bool) -> (Vec<Row>, usize) {
    let (mut rows, mut pages, mut cursor) = (Vec::new(), 0, None);
    loop {
        let page = store.scope_rows(scope, tombstones, cursor.as_deref()).await.unwrap();
        rows.extend(page.items);
        pages += 1;
        cursor = page.cursor;
        if cursor.is_none() {
            return (rows, pages);
        }
    }
}

/// Reads all pages of the index of live rows, and returns the number of pages
/// too.
async fn index_in_pages(store: &dyn Store, scope: &Scope) -> (BTreeMap<String, IndexEntry>, usize) {
    let (mut entries, mut pages, mut cursor) = (Vec::new(), 0, None);
    loop {
        let page = store.live_index(scope, cursor.as_deref()).await.unwrap();
        entries.extend(page.items);
        pages += 1;
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert!(entries.is_sorted_by(|one, other| one.0 < other.0), "not sorted, or repeated");
    (entries.into_iter().collect(), pages)
}

async fn index(store: &dyn Store, scope: &Scope) -> BTreeMap<String, IndexEntry> {
    index_in_pages(store, scope).await.0
}

pub async fn a_row_comes_back_as_it_was_written(store: Arc<dyn Store>) {
    let scope = scope("prod", "cn-hangzhou");
    let full = Row {
        missing: Some(Missing { since: at(3), listing: 7 }),
        ..added(&scope, resource("i-1")).1
    };
    let dead = tombstone(&row(&scope, "i-2"));
    store.put_rows(&[full.clone(), dead.clone()], DAYS).await.unwrap();
    assert_eq!(one(&*store, &scope, "i-1").await, Some(full.clone()));
    assert_eq!(one(&*store, &scope, "i-2").await, Some(dead.clone()));
    assert_eq!(walk(&*store, &scope, true).await.0, [full, dead]);
}

pub async fn more_rows_than_a_batch_holds_are_written_and_read(store: Arc<dyn Store>) {
    let scope = scope("prod", "cn-hangzhou");
    let rows: Vec<_> = (0..260).map(|n| row(&scope, &format!("i-{n:04}"))).collect();
    store.put_rows(&rows, DAYS).await.unwrap();
    let wanted = ids(&rows);
    let mut found = store.rows(&scope, &wanted).await.unwrap();
    found.sort_by(|a, b| a.resource.id.cmp(&b.resource.id));
    assert_eq!(found, rows);
    assert_eq!(index(&*store, &scope).await.len(), 260);
}

pub async fn rows_that_do_not_exist_are_left_out(store: Arc<dyn Store>) {
    let scope = scope("prod", "cn-hangzhou");
    store.put_rows(&[row(&scope, "i-1")], DAYS).await.unwrap();
    let wanted = ["i-1", "i-2", "i-1", ""].map(str::to_owned);
    let found = store.rows(&scope, &wanted).await.unwrap();
    assert_eq!(found, [row(&scope, "i-1")], "also an id that is asked for twice comes once");
    let elsewhere = super::fixtures::scope("prod", "cn-hangzhou-2");
    assert_eq!(store.rows(&elsewhere, &wanted).await.unwrap(), []);
}

pub async fn a_row_written_twice_at_once_is_as_the_last(store: Arc<dyn Store>) {
    let scope = scope("prod", "cn-hangzhou");
    let first = row(&scope, "i-1");
    let last = tombstone(&first);
    store.put_rows(&[first, last.clone()], DAYS).await.unwrap();
    assert_eq!(one(&*store, &scope, "i-1").await, Some(last));
}

pub async fn tombstones_leave_the_live_index_and_restored_rows_come_back(store: Arc<dyn Store>) {
    let scope = scope("prod", "cn-hangzhou");
    let live = row(&scope, "i-1");
    let dead = tombstone(&live);
    store.put_rows(&[live, row(&scope, "i-2")], DAYS).await.unwrap();
    store.put_rows(&[row(&super::fixtures::scope("prod", "cn-hang"), "i-3")], DAYS).await.unwrap();
    assert_eq!(index(&*store, &scope).await.len(), 2);

    store.put_rows(std::slice::from_ref(&dead), DAYS).await.unwrap();
    let found = index(&*store, &scope).await;
    assert!(!found.contains_key("i-1") && found.contains_key("i-2"));
    assert_eq!(one(&*store, &scope, "i-1").await, Some(dead.clone()));

    let back = restored(&dead);
    store.put_rows(std::slice::from_ref(&back), DAYS).await.unwrap();
    let found = index(&*store, &scope).await;
    assert_eq!(found["i-1"].fingerprint, back.fingerprint);
    assert_eq!(one(&*store, &scope, "i-1").await, Some(back));
}

pub async fn the_live_index_shows_fingerprints_and_marks(store: Arc<dyn Store>) {
    let scope = scope("prod", "cn-hangzhou");
    assert!(index(&*store, &scope).await.is_empty());
    let plain = added(&scope, resource("i-1")).1;
    let mark = Missing { since: at(3), listing: 7 };
    let marked = Row { missing: Some(mark), ..row(&scope, "i-2") };
    store.put_rows(&[plain.clone(), marked.clone()], DAYS).await.unwrap();
    let found = index(&*store, &scope).await;
    let (first, second) = (&found["i-1"], &found["i-2"]);
    assert_eq!((first.fingerprint, first.missing), (plain.fingerprint, None));
    assert_eq!((second.fingerprint, second.missing), (marked.fingerprint, Some(mark)));
}

pub async fn an_index_of_many_pages_is_read_to_its_end(store: Arc<dyn Store>) {
    const COUNT: usize = 2500;
    let scope = scope("prod", "cn-hangzhou");
    let rows: Vec<_> = (0..COUNT).map(|n| row(&scope, &long_id(n, 700))).collect();
    store.put_rows(&rows, DAYS).await.unwrap();
    let (index, pages) = index_in_pages(&*store, &scope).await;
    assert!(pages > 1, "1 MB is a page, so paging is not shown");
    assert_eq!(index.len(), COUNT);
    assert!(rows.iter().all(|row| index.contains_key(&row.resource.id)));
}

pub async fn the_rows_of_a_scope_come_in_pages_sorted_by_id(store: Arc<dyn Store>) {
    const COUNT: usize = 2000;
    let scope = scope("prod", "cn-hangzhou");
    let rows: Vec<_> = (0..COUNT)
        .map(|n| row(&scope, &long_id(n, 700)))
        .map(|row| if row.resource.id.ends_with('7') { tombstone(&row) } else { row })
        .collect();
    store.put_rows(&rows, DAYS).await.unwrap();
    store.put_rows(&[row(&super::fixtures::scope("prod", "cn-beijing"), "x")], DAYS).await.unwrap();

    let (found, pages) = walk(&*store, &scope, true).await;
    assert!(pages > 1, "one page holds them all, so paging is not shown");
    assert!(found == rows, "{} of {COUNT} rows, or not sorted", found.len());
    let (live, _) = walk(&*store, &scope, false).await;
    let expected: Vec<_> = rows.into_iter().filter(Row::is_live).collect();
    assert!(live == expected, "{} of {} live rows", live.len(), expected.len());
}

pub async fn removed_rows_are_gone(store: Arc<dyn Store>) {
    let scope = scope("prod", "cn-hangzhou");
    let rows: Vec<_> = (0..60).map(|n| row(&scope, &format!("i-{n}"))).collect();
    store.put_rows(&rows, DAYS).await.unwrap();
    let mut gone = ids(&rows[..50]);
    gone.extend(["unknown".to_owned(), "i-0".to_owned()]);
    store.remove_rows(&scope, &gone).await.unwrap();
    assert_eq!(index(&*store, &scope).await.len(), 10);
    assert_eq!(store.rows(&scope, &gone).await.unwrap(), []);
    assert_eq!(one(&*store, &scope, "i-55").await, Some(rows[55].clone()));
}

pub async fn a_row_that_is_too_large_is_refused_by_name(store: Arc<dyn Store>) {
    let scope = scope("prod", "cn-hangzhou");
    let mut large = bare("i-large");
    large.tags.insert("novel".into(), "x".repeat(500_000));
    let rows = [row(&scope, "i-1"), added(&scope, large).1];
    let refused = store.put_rows(&rows, DAYS).await.unwrap_err();
    assert!(matches!(refused, StoreError::Refused { .. }), "{refused}");
    assert!(refused.to_string().contains("i-large"), "{refused}");
    assert_eq!(one(&*store, &scope, "i-large").await, None);
}

pub async fn an_id_that_cannot_be_a_key_is_refused(store: Arc<dyn Store>) {
    let scope = scope("prod", "cn-hangzhou");
    for id in [String::new(), "x".repeat(801)] {
        let (change, row) = added(&scope, bare(&id));
        let refused = store.put_rows(&[row], DAYS).await;
        assert!(matches!(refused, Err(StoreError::Refused { .. })), "{refused:?}");
        let refused = store.put_changes(&[change]).await;
        assert!(matches!(refused, Err(StoreError::Refused { .. })), "{refused:?}");
    }
    let (change, row) = added(&scope, bare(&long_id(1, 800)));
    store.put_changes(&[change]).await.unwrap();
    store.put_rows(&[row], DAYS).await.unwrap();
}

pub async fn no_rows_at_all_are_no_error(store: Arc<dyn Store>) {
    let scope = scope("prod", "cn-hangzhou");
    store.put_rows(&[], DAYS).await.unwrap();
    store.put_changes(&[]).await.unwrap();
    store.remove_rows(&scope, &[]).await.unwrap();
    assert_eq!(store.rows(&scope, &[]).await.unwrap(), []);
    assert!(store.scope_rows(&scope, true, None).await.unwrap().items.is_empty());
}
