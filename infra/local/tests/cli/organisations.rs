//! One account's credentials for an organisation of accounts: members are
//! found, and synced through a role in each.

#![allow(clippy::unwrap_used, reason = "a test may fail by it")]

use std::sync::Arc;

use cloud_sync::connect::local_parts;
use cloud_sync::service::{LocalService, Options};
use cloud_sync_core::account::{Account, CredentialsRef, Organization};
use cloud_sync_core::credentials::Credentials;
use cloud_sync_core::message::SyncRequest;
use cloud_sync_core::scope::Scope;
use cloud_sync_core::task::TaskStatus;
use cloud_sync_provider::{Registry, Settings};
use cloud_sync_runtime::secrets::FixedCredentials;
use cloud_sync_runtime::store::memory::MemoryStore;
use cloud_sync_runtime::store::{AccountStore, ResourceStore};
use simulated_cloud::{AccessKey, Plan, Running, SimulatedCloud, World};
use tokio_util::sync::CancellationToken;

const REGION: &str = "cn-hangzhou";

async fn cloud() -> Running {
    let key = |name: &str| AccessKey::new(&format!("key-{name}"), &format!("secret-{name}"));
    let plan = Plan::new(3)
        .account("head", key("head"), [(REGION, 2)])
        .account("one", key("one"), [(REGION, 5)])
        .member_of("head")
        .account("two", key("two"), [(REGION, 7)])
        .member_of("head")
        .account("stranger", key("stranger"), [(REGION, 11)]);
    let listen = ([127, 0, 0, 1], 0).into();
    SimulatedCloud::start(World::new(&plan).unwrap(), listen).await.unwrap()
}

fn head(cloud: &Running) -> Account {
    Account {
        regions: vec![REGION.to_owned()],
        endpoint: Some(cloud.url()),
        organization: Some(Organization { role: simulated_cloud::MEMBERS_ROLE.to_owned() }),
        ..Account::new("head", "aliyun", REGION, CredentialsRef::Env("HEAD".to_owned()))
    }
}

fn service(store: &Arc<MemoryStore>) -> LocalService {
    let settings = Settings { paced: false, ..Settings::default() };
    let registry = Arc::new(Registry::with(settings).unwrap());
    let credentials = Credentials {
        access_key_id: "key-head".to_owned(),
        access_key_secret: "secret-head".to_owned().into(),
        security_token: None,
    };
    let source = Arc::new(FixedCredentials::for_all(credentials));
    LocalService::new(local_parts(store.clone(), registry, source), Options::default())
}

#[tokio::test]
async fn members_are_found_and_synced_through_a_role_in_each() {
    let (cloud, store) = (cloud().await, Arc::new(MemoryStore::default()));
    store.put_account(&head(&cloud)).await.unwrap();
    let service = service(&store);

    // Asking for the head's regions finds its members too, as every day.
    let (request, cancel) = (SyncRequest::default(), CancellationToken::new());
    let first = service.sync(&request, &cancel, &mut |_| {}).await.unwrap();
    assert_eq!((first.tasks.len(), first.problems.len()), (1, 0), "the head itself");
    let members: Vec<_> = store.accounts().await.unwrap();
    let members = members.iter().filter(|record| record.account.membership.is_some());
    let names: Vec<_> = members.clone().map(|record| record.account.name.as_str()).collect();
    assert_eq!(names, ["one", "two"], "and no stranger");

    let second = service.sync(&request, &cancel, &mut |_| {}).await.unwrap();
    assert_eq!(second.problems, []);
    let mut added: Vec<_> = Vec::new();
    for report in &second.tasks {
        assert_eq!(report.task.status, TaskStatus::Success, "{:?}", report.region_results);
        added.push(report.task.counts.total_count);
    }
    added.sort_unstable();
    assert_eq!(added, [2, 5, 7], "each account's own machines");
    let calls = cloud.world.calls_of("AssumeRole");
    assert_eq!(calls, 2, "a role is taken on once for all calls of its account");

    let record = store.accounts().await.unwrap();
    let one = record.into_iter().find(|record| record.account.name == "one").unwrap();
    let number = one.identity.unwrap().account_number;
    assert!(one.account.id.ends_with(&number), "asked who is calling, it is the member");
    let rows = store
        .scope_rows(
            &Scope {
                account_id: one.account.id.clone(),
                kind: "aliyun.ecs.instance".parse().unwrap(),
                region: REGION.to_owned(),
            },
            true,
            None,
        )
        .await
        .unwrap();
    let mut found: Vec<_> = rows.items.into_iter().map(|row| row.resource.id).collect();
    let mut truth: Vec<_> = cloud.world.at("one", REGION).unwrap().live();
    found.sort();
    truth.sort();
    assert_eq!(found, truth);
}

#[tokio::test]
async fn a_member_that_is_gone_is_disabled_and_keeps_its_rows() {
    let (cloud, store) = (cloud().await, Arc::new(MemoryStore::default()));
    store.put_account(&head(&cloud)).await.unwrap();
    let dispatcher = service(&store).dispatcher();
    let record = store.account("head").await.unwrap().unwrap();
    let found = dispatcher.discover(&record).await.unwrap().unwrap();
    assert_eq!(found.added.len(), 2);
    // One that the organisation does not list.
    let stale = head(&cloud).member("1", "gone", "acs:ram::1:role/x".to_owned());
    store.put_account(&stale).await.unwrap();
    let found = dispatcher.discover(&record).await.unwrap().unwrap();
    assert_eq!((found.added.len(), found.unchanged), (0, 2));
    assert_eq!(found.disabled.len(), 1);
    let stale = store.account(&stale.id).await.unwrap().unwrap().account;
    assert!(!stale.enabled && stale.membership.unwrap().has_left);
}

#[tokio::test]
async fn a_role_that_is_not_granted_is_an_error_that_names_it() {
    let (cloud, store) = (cloud().await, Arc::new(MemoryStore::default()));
    let account = head(&cloud).member("4242", "strange", "acs:ram::4242:role/nobody".to_owned());
    store.put_account(&account).await.unwrap();
    let request = SyncRequest { account_ids: vec![account.id.clone()], ..SyncRequest::default() };
    let cancel = CancellationToken::new();
    let report = service(&store).sync(&request, &cancel, &mut |_| {}).await.unwrap();
    let problem = &report.problems[0];
    assert!(problem.message.contains("acs:ram::4242:role/nobody"), "{}", problem.message);
    assert!(!problem.message.contains("secret-head"), "{}", problem.message);
}
