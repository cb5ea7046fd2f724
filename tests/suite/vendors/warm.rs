//! One warm process that asks a vendor through its client: what it learns of
//! one account, and what that is to the next worker and to another account.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use cloud_sync_core::account::{Account, CredentialsRef, Region};
use cloud_sync_core::budget::{BUDGET_EXHAUSTED, BudgetPolicy};
use cloud_sync_core::credentials::Credentials;
use cloud_sync_core::error::VendorError;
use cloud_sync_core::message::{Mode, SyncRequest};
use cloud_sync_core::scope::Scope;
use cloud_sync_core::task::{RegionResult, TaskStatus};
use cloud_sync_provider::{
    Registry, Reply, RetryPolicy, Settings, Surroundings, Transport, Vendor, Vendors,
};
use cloud_sync_runtime::store::memory::MemoryStore;
use cloud_sync_tests::world::{ACCOUNT, KIND, World as Service, kind, receive, reference};
use jiff::Timestamp;
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Request, StatusCode};
use simulated_cloud::{AccessKey, Plan, Provider};

use crate::vendors::support::{self, Cloud, Direct, SECRET};

const REGION: &str = "cn-hangzhou";
const OTHER: &str = "other";

/// A network on which some requests are throttled before they arrive.
struct Throttling {
    network: Direct,
    left: Arc<AtomicU32>,
}

#[async_trait]
impl Transport for Throttling {
    async fn exchange(&self, api: &str, request: Request) -> Result<Reply, VendorError> {
        let take = |left: u32| left.checked_sub(1);
        let is_meant = api == "DescribeInstances";
        if is_meant && self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok() {
            let mut headers = HeaderMap::new();
            headers.insert("x-acs-retry-after", HeaderValue::from_static("20"));
            let body = br#"{"Code": "Throttling.User", "Message": "told to"}"#.to_vec();
            return Ok(Reply { status: StatusCode::BAD_REQUEST, headers, body });
        }
        self.network.exchange(api, request).await
    }
}

/// Returns a process' vendors, which keep to the declared rates, and how many
/// requests are to be throttled.
fn process() -> (Arc<Registry>, Arc<AtomicU32>) {
    let left = Arc::new(AtomicU32::new(0));
    let transport = Throttling { network: Direct(reqwest::Client::new()), left: left.clone() };
    let around = Surroundings {
        transport: Arc::new(transport),
        now: Arc::new(Timestamp::now),
        chance: Arc::new(|| 0.0),
    };
    let settings = Settings { retry: RetryPolicy::default(), paced: true };
    (Arc::new(Registry::within(around, settings)), left)
}

/// Returns a cloud with two accounts of the same region.
async fn cloud() -> Cloud {
    let plan = Plan::new(5).account(ACCOUNT, support::key(), [(REGION, 250)]).account(
        OTHER,
        AccessKey::new("AKIDOTHER", "canary-other"),
        [(REGION, 120)],
    );
    Cloud::start(Provider::Aliyun, &plan, REGION).await
}

fn account(cloud: &Cloud, id: &str, credentials: CredentialsRef) -> Account {
    let account =
        Account { kinds: vec![kind()], regions: vec![REGION.to_owned()], ..cloud.account() };
    Account { id: id.to_owned(), credentials, ..account }
}

fn others() -> CredentialsRef {
    CredentialsRef::Env("OTHER".to_owned())
}

async fn service(cloud: &Cloud, store: Arc<MemoryStore>, vendors: Arc<dyn Vendors>) -> Service {
    let service = Service::over(store, &[]).await.asking(vendors);
    service.store.put_account(&account(cloud, ACCOUNT, reference())).await.unwrap();
    service.store.put_account(&account(cloud, OTHER, others())).await.unwrap();
    service.credentials.set(&reference(), own());
    service.credentials.set(&others(), support::credentials("AKIDOTHER", "canary-other"));
    service
}

fn own() -> Credentials {
    support::credentials(support::KEY, SECRET)
}

async fn sync(service: &Service, id: &str) -> RegionResult {
    let account_ids = vec![id.to_owned()];
    let request = SyncRequest { mode: Mode::Full, account_ids, ..SyncRequest::default() };
    let task = service.ask(&request).await;
    let delivery = receive(&service.work, Duration::ZERO).await.unwrap();
    service.work_on(&delivery).await;
    let result = service.store.region_result(&task.task_id, REGION).await.unwrap().unwrap();
    assert_eq!(result.status, TaskStatus::Success, "{:?}", result.errors);
    result
}

/// Returns how long twenty pages take: less than a moment, unless they are
/// asked for ten a second.
async fn twenty_pages(vendor: &dyn Vendor) -> Duration {
    let started = Instant::now();
    for _ in 0..20 {
        vendor.page(&kind(), &Region::new(REGION), None).await.unwrap();
    }
    started.elapsed()
}

fn scope(id: &str) -> Scope {
    Scope { account_id: id.to_owned(), kind: KIND.parse().unwrap(), region: REGION.to_owned() }
}

#[tokio::test]
async fn a_throttled_request_slows_the_next_ones_here_and_in_the_next_process() {
    let (cloud, store) = (cloud().await, Arc::new(MemoryStore::default()));
    let region = Region::new(REGION);
    let (first, left) = process();
    let first_service = service(&cloud, store.clone(), first.clone()).await;
    left.store(1, Ordering::SeqCst);
    let result = sync(&first_service, ACCOUNT).await;
    assert_eq!((result.cost.throttled_calls, result.cost.retried_calls), (1, 1));

    let opened = |process: &Registry| {
        process.open(&account(&cloud, ACCOUNT, reference()), own(), Arc::default()).ok().unwrap()
    };
    let kept = first_service.store.scope(&scope(ACCOUNT)).await.unwrap().paces;
    assert_eq!(kept.keys().collect::<Vec<_>>(), ["ecs:DescribeInstances"]);
    assert!((kept["ecs:DescribeInstances"].per_second - 10.0).abs() < 0.1, "{kept:?}");
    let took = twenty_pages(opened(&first).as_ref()).await;
    assert!(took >= Duration::from_millis(950), "{took:?}");

    let (second, _) = process();
    assert!(opened(&second).paces(&region).is_empty());
    let second_service = service(&cloud, store, second.clone()).await;
    sync(&second_service, ACCOUNT).await;
    assert_eq!(opened(&second).paces(&region), kept, "it begins where the other stopped");
    let took = twenty_pages(opened(&second).as_ref()).await;
    assert!(took >= Duration::from_millis(950), "{took:?}");
}

#[tokio::test]
async fn a_request_beyond_a_hard_budget_is_never_sent() {
    let (cloud, store) = (cloud().await, Arc::new(MemoryStore::default()));
    let service = service(&cloud, store, process().0).await;
    let budget = BudgetPolicy { hard_calls_a_day: Some(4), ..BudgetPolicy::default() };
    let limited = Account { budget, ..account(&cloud, ACCOUNT, reference()) };
    service.store.put_account(&limited).await.unwrap();
    let account_ids = vec![ACCOUNT.to_owned()];
    let task = service.ask(&SyncRequest { account_ids, ..SyncRequest::default() }).await;
    let delivery = receive(&service.work, Duration::ZERO).await.unwrap();
    service.work_on(&delivery).await;
    let result = service.store.region_result(&task.task_id, REGION).await.unwrap().unwrap();
    assert_eq!(result.errors.last().unwrap().code, BUDGET_EXHAUSTED, "{:?}", result.errors);
    assert_eq!(cloud.world().calls().values().sum::<u64>(), 4);
}

#[tokio::test]
async fn nothing_of_one_account_serves_another_in_a_warm_process() {
    let (cloud, store) = (cloud().await, Arc::new(MemoryStore::default()));
    let (process, left) = process();
    let service = service(&cloud, store, process.clone()).await;
    left.store(1, Ordering::SeqCst);
    sync(&service, ACCOUNT).await;
    let first = service.store.known_types(ACCOUNT, &kind()).await.unwrap();
    cloud.world().reset_calls();
    sync(&service, OTHER).await;

    let calls = cloud.world().calls();
    let callers: BTreeSet<_> = calls.keys().map(|call| call.account.as_str()).collect();
    assert_eq!(callers, [OTHER].into(), "signed with its own secret");
    let of = |action: &str| -> u64 {
        calls.iter().filter(|(call, _)| call.is_of(action)).map(|(_, count)| count).sum()
    };
    assert_eq!(of("DescribeRegions"), 1);
    assert_eq!(of("GetCallerIdentity"), 1);

    let rows = service.store.scope_rows(&scope(OTHER), false, None).await.unwrap().items;
    let met: BTreeSet<_> = rows.iter().map(|row| row.resource.spec.clone()).collect();
    let known = service.store.known_types(OTHER, &kind()).await.unwrap();
    assert_eq!(known.keys().cloned().collect::<BTreeSet<_>>(), met, "every type was asked about");
    assert!(met.iter().any(|name| first.contains_key(name)), "some were known to the other");
    assert!(of("DescribeInstanceTypes") >= 1);

    let open = |id: &str, reference, credentials| {
        let account = account(&cloud, id, reference);
        process.open(&account, credentials, Arc::default()).ok().unwrap()
    };
    let region = Region::new(REGION);
    assert_eq!(open(ACCOUNT, reference(), own()).paces(&region).len(), 1);
    assert!(open(OTHER, others(), own()).paces(&region).is_empty(), "nobody throttled it");
}
