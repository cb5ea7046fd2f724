use std::sync::Arc;

use cloud_sync_core::account::{Account, CredentialsRef, Region, RegionCache, Suspension};
use cloud_sync_core::budget::Spent;
use cloud_sync_core::identity::KnownIdentity;
use cloud_sync_runtime::store::{Store, StoreError};
use tokio::join;

use super::fixtures::{account, at};

fn suspension(task: &str) -> Suspension {
    Suspension {
        at: at(0),
        code: "InvalidAccessKeyId.NotFound".into(),
        reason: "Specified access key is not found.".into(),
        task_id: task.into(),
        credentials_digest: "00ff".into(),
    }
}

fn regions() -> RegionCache {
    let region = Region::new("cn-hangzhou");
    RegionCache { fetched_at: at(0), regions: vec![region] }
}

pub async fn an_account_that_was_never_written_is_none(store: Arc<dyn Store>) {
    assert_eq!(store.account("prod").await.unwrap(), None);
    assert_eq!(store.accounts().await.unwrap(), []);
}

pub async fn an_account_comes_back_as_it_was_written(store: Arc<dyn Store>) {
    let written = Account {
        endpoint: None,
        credentials: CredentialsRef::SecretArn("arn:aws:secretsmanager:x".into()),
        ..account("prod")
    };
    store.put_account(&account("prod")).await.unwrap();
    store.put_account(&written).await.unwrap();
    let read = store.account("prod").await.unwrap().unwrap();
    assert_eq!((read.account, read.suspended, read.regions), (written, None, None));
}

pub async fn accounts_are_sorted_by_id(store: Arc<dyn Store>) {
    for id in ["c", "a", "d", "b"] {
        store.put_account(&account(id)).await.unwrap();
    }
    let read = store.accounts().await.unwrap();
    let ids: Vec<_> = read.iter().map(|record| record.account.id.as_str()).collect();
    assert_eq!(ids, ["a", "b", "c", "d"]);
}

pub async fn writing_a_configuration_keeps_suspension_and_regions(store: Arc<dyn Store>) {
    store.put_account(&account("prod")).await.unwrap();
    store.put_regions("prod", &regions()).await.unwrap();
    assert!(store.suspend("prod", &suspension("t")).await.unwrap());
    let disabled = Account { enabled: false, ..account("prod") };
    store.put_account(&disabled).await.unwrap();

    let read = store.account("prod").await.unwrap().unwrap();
    assert_eq!(read.account, disabled);
    assert_eq!(read.suspended, Some(suspension("t")));
    assert_eq!(read.regions, Some(regions()));
}

pub async fn only_one_of_many_suspends_an_account(store: Arc<dyn Store>) {
    store.put_account(&account("prod")).await.unwrap();
    let (first, second) = (suspension("1"), suspension("2"));
    let (a, b) = join!(store.suspend("prod", &first), store.suspend("prod", &second));
    let (a, b) = (a.unwrap(), b.unwrap());
    assert!(a != b, "both or none suspended it");
    let kept = store.account("prod").await.unwrap().unwrap().suspended.unwrap();
    assert_eq!(kept, if a { first } else { second }, "the first suspension stays");
}

pub async fn a_resumed_account_can_be_suspended_again(store: Arc<dyn Store>) {
    store.put_account(&account("prod")).await.unwrap();
    assert!(store.suspend("prod", &suspension("1")).await.unwrap());
    store.resume("prod").await.unwrap();
    assert_eq!(store.account("prod").await.unwrap().unwrap().suspended, None);
    assert!(store.suspend("prod", &suspension("2")).await.unwrap());
}

fn spent(day: &str, calls: u64) -> Spent {
    Spent { day: day.into(), calls }
}

pub async fn what_many_spend_on_a_day_adds_up(store: Arc<dyn Store>) {
    store.put_account(&account("prod")).await.unwrap();
    let calls = [3, 40, 500, 6000].map(|calls| spent("2026-11-23", calls));
    let added = futures::future::join_all(calls.iter().map(|calls| store.add_spent("prod", calls)));
    added.await.into_iter().collect::<Result<Vec<_>, _>>().unwrap();
    store.put_account(&account("prod")).await.unwrap();
    let read = store.account("prod").await.unwrap().unwrap();
    assert_eq!(read.spent, Some(spent("2026-11-23", 6543)));
}

pub async fn another_day_begins_at_nothing(store: Arc<dyn Store>) {
    store.put_account(&account("prod")).await.unwrap();
    for (day, calls) in [("2026-11-23", 700), ("2026-11-24", 5), ("2026-11-23", 30)] {
        store.add_spent("prod", &spent(day, calls)).await.unwrap();
    }
    let read = store.account("prod").await.unwrap().unwrap();
    assert_eq!(read.spent, Some(spent("2026-11-24", 5)), "a late word of yesterday is nothing");
    store.add_spent("nobody", &spent("2026-11-24", 1)).await.unwrap();
    assert_eq!(store.account("nobody").await.unwrap(), None);
}

pub async fn an_identity_is_of_one_account_until_it_is_forgotten(store: Arc<dyn Store>) {
    let identity = |number: &str, digest: &str| KnownIdentity {
        account_number: number.into(),
        principal: "acs:ram::1:user/kim".into(),
        credentials_digest: digest.into(),
        checked_at: at(1),
    };
    let known = || async { store.account("prod").await.unwrap().unwrap().identity };
    store.put_account(&account("prod")).await.unwrap();
    assert_eq!(known().await, None);
    assert!(store.put_identity("prod", &identity("1", "a")).await.unwrap());
    assert!(store.put_identity("prod", &identity("1", "b")).await.unwrap());
    assert!(!store.put_identity("prod", &identity("2", "c")).await.unwrap());
    store.put_account(&account("prod")).await.unwrap();
    assert_eq!(known().await, Some(identity("1", "b")), "as it was learnt");

    store.forget_identity("prod").await.unwrap();
    assert_eq!(known().await, None);
    assert!(store.put_identity("prod", &identity("2", "c")).await.unwrap());
    assert_eq!(known().await, Some(identity("2", "c")));
}

pub async fn an_unknown_account_stays_unknown(store: Arc<dyn Store>) {
    let identity = KnownIdentity {
        account_number: "1".into(),
        principal: String::new(),
        credentials_digest: "a".into(),
        checked_at: at(1),
    };
    assert!(!store.put_identity("prod", &identity).await.unwrap());
    store.forget_identity("prod").await.unwrap();
    assert!(!store.suspend("prod", &suspension("1")).await.unwrap());
    store.put_regions("prod", &regions()).await.unwrap();
    store.resume("prod").await.unwrap();
    assert_eq!(store.account("prod").await.unwrap(), None);
    assert_eq!(store.accounts().await.unwrap(), []);
}

pub async fn more_regions_than_fit_are_refused(store: Arc<dyn Store>) {
    store.put_account(&account("prod")).await.unwrap();
    store.put_regions("prod", &regions()).await.unwrap();
    let region = |n: u32| Region::new(&format!("{n:064}"));
    let many = RegionCache { fetched_at: at(1), regions: (0..8000).map(region).collect() };
    let refused = store.put_regions("prod", &many).await;
    assert!(matches!(refused, Err(StoreError::Refused { .. })), "{refused:?}");
    assert_eq!(store.account("prod").await.unwrap().unwrap().regions, Some(regions()));
}

pub async fn a_configuration_is_replaced_by_who_knows_the_last_one(store: Arc<dyn Store>) {
    assert_eq!(store.replace_account(&account("prod"), Some(1)).await.unwrap(), None);
    assert_eq!(store.replace_account(&account("prod"), None).await.unwrap(), Some(1));
    assert_eq!(store.replace_account(&account("prod"), None).await.unwrap(), None, "it is there");
    let named = |name: &str| Account { name: name.into(), ..account("prod") };
    let (one, two) = (named("one"), named("two"));
    let (a, b) = join!(store.replace_account(&one, Some(1)), store.replace_account(&two, Some(1)));
    let (a, b) = (a.unwrap(), b.unwrap());
    assert!((a, b) == (Some(2), None) || (a, b) == (None, Some(2)), "{a:?} and {b:?}");
    let read = store.account("prod").await.unwrap().unwrap();
    assert_eq!((read.account, read.revision), (if a.is_some() { one } else { two }, 2));
    store.put_account(&named("three")).await.unwrap();
    assert_eq!(store.account("prod").await.unwrap().unwrap().revision, 3, "that counts too");
}

pub async fn of_a_removed_account_only_its_identity_is_remembered(store: Arc<dyn Store>) {
    let identity = KnownIdentity {
        account_number: "1690".into(),
        principal: "p".into(),
        credentials_digest: "d".into(),
        checked_at: at(0),
    };
    store.put_account(&account("prod")).await.unwrap();
    store.put_regions("prod", &regions()).await.unwrap();
    store.suspend("prod", &suspension("t")).await.unwrap();
    store.add_spent("prod", &spent("2026-11-23", 7)).await.unwrap();
    assert!(store.put_identity("prod", &identity).await.unwrap());
    assert!(!store.remove_account("prod", 2, at(1)).await.unwrap(), "of another revision");
    assert!(store.account("prod").await.unwrap().is_some());
    assert!(store.remove_account("prod", 1, at(1)).await.unwrap());
    assert_eq!(store.account("prod").await.unwrap(), None);
    assert_eq!(store.accounts().await.unwrap(), []);
    assert!(!store.remove_account("prod", 2, at(1)).await.unwrap(), "it is removed already");
    assert_eq!(store.replace_account(&account("prod"), Some(2)).await.unwrap(), None);

    assert_eq!(store.replace_account(&account("prod"), None).await.unwrap(), Some(3));
    let read = store.account("prod").await.unwrap().unwrap();
    assert_eq!((read.suspended, read.regions, read.spent), (None, None, None));
    assert_eq!(read.identity, Some(identity));
    assert!(!store.remove_account("nobody", 1, at(1)).await.unwrap());
    assert!(!store.remove_account("nobody", 0, at(1)).await.unwrap());
    assert_eq!(store.account("nobody").await.unwrap(), None);
}
