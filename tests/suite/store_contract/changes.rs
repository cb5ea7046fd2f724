use std::sync::Arc;

use cloud_sync_core::change::{Change, ChangeKind};
use cloud_sync_core::scope::Scope;
use cloud_sync_runtime::store::{Store, StoreError};
use jiff::Timestamp;

use super::fixtures::{added, at, bare, change, resource, scope};

/// Reads all pages, and returns the changes and the number of pages.
async fn walk(store: &dyn Store, account: &str, since: Option<Timestamp>) -> (Vec<Change>, usize) {
    let (mut changes, mut pages, mut cursor) = (Vec::new(), 0, None);
    loop {
        let page = store.account_changes(account, since, cursor.as_deref()).await.unwrap();
        changes.extend(page.items);
        pages += 1;
        cursor = page.cursor;
        if cursor.is_none() {
            return (changes, pages);
        }
    }
}

/// Reads all changes of a task, and returns them and the number of pages.
async fn of_task(store: &dyn Store, task: &str, scope: &Scope) -> (Vec<Change>, usize) {
    let (mut changes, mut pages, mut cursor) = (Vec::new(), 0, None);
    loop {
        let page = store.task_changes(task, scope, cursor.as_deref(), usize::MAX).await.unwrap();
        changes.extend(page.items);
        pages += 1;
        cursor = page.cursor;
        if cursor.is_none() {
            return (changes, pages);
        }
    }
}

pub async fn a_history_is_sorted_by_version(store: Arc<dyn Store>) {
    let scope = scope("prod", "cn-hangzhou");
    let first = added(&scope, resource("i-1")).0;
    let mut expected = vec![first];
    expected.extend((2..=11).map(|version| change(&scope, "i-1", version, "t", 0)));
    let mut shuffled = expected.clone();
    shuffled.reverse();
    shuffled.push(change(&scope, "i-10", 1, "t", 0));
    store.put_changes(&shuffled).await.unwrap();
    assert_eq!(store.history(&scope, "i-1").await.unwrap(), expected);
    assert_eq!(store.history(&scope, "unknown").await.unwrap(), []);
}

pub async fn a_change_of_the_same_version_is_replaced(store: Arc<dyn Store>) {
    let scope = scope("prod", "cn-hangzhou");
    let old = change(&scope, "i-1", 1, "t-1", 0);
    let new = Change { change: ChangeKind::Deleted, ..change(&scope, "i-1", 1, "t-2", 9) };
    store.put_changes(&[old]).await.unwrap();
    let twice = [change(&scope, "i-1", 1, "t-3", 5), new.clone()];
    store.put_changes(&twice).await.unwrap();
    assert_eq!(store.history(&scope, "i-1").await.unwrap(), std::slice::from_ref(&new));
    assert_eq!(of_task(&*store, "t-1", &scope).await.0, []);
    assert_eq!(of_task(&*store, "t-2", &scope).await.0, std::slice::from_ref(&new));
    assert_eq!(walk(&*store, "prod", None).await.0, [new]);
}

pub async fn the_changes_of_a_task_are_those_of_one_scope_by_id_and_version(store: Arc<dyn Store>) {
    let here = scope("prod", "cn-hangzhou");
    let near = scope("prod", "cn-hangzhou-2");
    let expected = [
        change(&here, "a", 9, "t", 1),
        change(&here, "a", 10, "t", 0),
        change(&here, "a!", 1, "t", 0),
        change(&here, "a#b", 1, "t", 0),
        change(&here, "b", 1, "t", 0),
    ];
    let mut all = expected.to_vec();
    all.reverse();
    all.extend([change(&near, "a", 1, "t", 0), change(&here, "c", 1, "t-2", 0)]);
    store.put_changes(&all).await.unwrap();
    assert_eq!(of_task(&*store, "t", &here).await.0, expected);
}

pub async fn the_changes_of_a_task_are_read_to_their_end(store: Arc<dyn Store>) {
    let scope = scope("prod", "cn-hangzhou");
    let changes: Vec<_> =
        (0..2000).map(|n| change(&scope, &format!("{:0>600}", n / 3), 1 + n % 3, "t", 0)).collect();
    store.put_changes(&changes).await.unwrap();
    store.put_changes(&[change(&scope, &format!("{:0>600}", 5), 9, "t-2", 0)]).await.unwrap();
    let (found, pages) = of_task(&*store, "t", &scope).await;
    assert!(pages > 1, "one page holds them all, so paging is not shown");
    assert!(found == changes, "{} of 2000", found.len());
}

pub async fn the_changes_of_an_account_come_in_pages_oldest_first(store: Arc<dyn Store>) {
    let scopes = ["cn-hangzhou", "cn-beijing", "us-west-1"].map(|region| scope("prod", region));
    let changes: Vec<_> = (0..2000)
        .map(|n| change(&scopes[n % 3], &format!("{n:0>600}"), 1, "t", i64::try_from(n).unwrap()))
        .collect();
    let mut shuffled = changes.clone();
    shuffled.sort_by_key(|change| change.id.chars().rev().collect::<String>());
    store.put_changes(&shuffled).await.unwrap();
    store.put_changes(&[change(&scope("prod-2", "x"), "x", 1, "t", 0)]).await.unwrap();

    let (found, pages) = walk(&*store, "prod", None).await;
    assert!(pages > 1, "one page holds them all, so paging is not shown");
    assert!(found == changes, "{} of 2000, or not sorted", found.len());
    let (found, _) = walk(&*store, "prod", Some(at(500))).await;
    assert!(found == changes[500..], "{} of 1500", found.len());
}

pub async fn the_changes_of_an_account_begin_at_a_time(store: Arc<dyn Store>) {
    let scope = scope("prod", "cn-hangzhou");
    let changes = [1, 2, 3].map(|n| change(&scope, &format!("i-{n}"), 1, "t", n));
    store.put_changes(&changes).await.unwrap();
    assert_eq!(walk(&*store, "prod", Some(at(2))).await.0, changes[1..]);
    assert_eq!(walk(&*store, "prod", Some(at(4))).await.0, []);
    assert_eq!(walk(&*store, "unknown", None).await.0, []);
}

pub async fn a_cursor_of_another_list_is_refused(store: Arc<dyn Store>) {
    let refused = store.account_changes("prod", None, Some("i-1")).await;
    assert!(matches!(refused, Err(StoreError::Refused { .. })), "{refused:?}");
    let scope = scope("prod", "cn-hangzhou");
    for cursor in ["i-1", "prod#aliyun.ecs.instance#cn-beijing#i-1#1"] {
        let refused = store.task_changes("t", &scope, Some(cursor), usize::MAX).await;
        assert!(matches!(refused, Err(StoreError::Refused { .. })), "{refused:?}");
    }
}

pub async fn a_change_that_is_too_large_is_refused_by_name(store: Arc<dyn Store>) {
    let scope = scope("prod", "cn-hangzhou");
    let mut large = bare("i-large");
    large.name = "x".repeat(500_000);
    let refused = store.put_changes(&[added(&scope, large).0]).await.unwrap_err();
    assert!(matches!(refused, StoreError::Refused { .. }), "{refused}");
    assert!(refused.to_string().contains("i-large"), "{refused}");
}
