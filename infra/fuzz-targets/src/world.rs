//! The service over in-memory twins, and a vendor whose answers are given.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use async_trait::async_trait;
use cloud_sync_core::account::{Account, HookRef};
use cloud_sync_core::credentials::Credentials;
use cloud_sync_core::error::VendorError;
use cloud_sync_core::task::SyncTask;
use cloud_sync_dispatch::Dispatcher;
use cloud_sync_provider::{Registry, Reply, RetryPolicy, Settings, Surroundings, Transport};
use cloud_sync_runtime::clock::Clock;
use cloud_sync_runtime::metrics::NoMetrics;
use cloud_sync_runtime::notify::MemoryNotifier;
use cloud_sync_runtime::queue::memory::{MemoryQueue, MemoryQueueSettings};
use cloud_sync_runtime::secrets::FixedCredentials;
use cloud_sync_runtime::store::Store;
use cloud_sync_runtime::store::memory::MemoryStore;
use finalizer::Finalizer;
use jiff::{SignedDuration, Timestamp};
use region_sync::{RegionSync, TypeCache};
use reqwest::header::HeaderMap;
use reqwest::{Request, StatusCode};
use serde_json::json;

/// The task of the events in `events/`.
pub(crate) const TASK: &str = "20261123T101500Z-08787ea2ce15";

pub(crate) const REGION: &str = "cn-hangzhou";

pub(crate) const KIND: &str = "aliyun.ecs.instance";

/// Secrets as the vendor makes them, with characters that a form encodes.
pub(crate) const SECRETS: [&str; 2] = ["canary+secret/key", "canary+token/sts=="];

pub(crate) fn account(provider: &str) -> Account {
    let account = json!({
        "id": "prod", "provider": provider, "default_region": REGION, "regions": [REGION],
        "credentials": { "env": "PROD" }, "hook": { "env": "HOOK" },
    });
    serde_json::from_value(account).unwrap()
}

pub(crate) fn credentials() -> Credentials {
    Credentials {
        access_key_id: "key-id".to_owned(),
        access_key_secret: SECRETS[0].into(),
        security_token: Some(SECRETS[1].into()),
    }
}

/// Returns vendors behind a network of the caller's.
pub(crate) fn vendors(transport: impl Transport + 'static) -> Registry {
    let around = Surroundings {
        transport: Arc::new(transport),
        now: Arc::new(|| Timestamp::UNIX_EPOCH),
        chance: Arc::new(|| 0.0),
    };
    let retry = RetryPolicy { attempts: 2, ..RetryPolicy::default() };
    Registry::within(around, Settings { retry, paced: false })
}

/// Answers each call with its sample.
struct Samples;

#[async_trait]
impl Transport for Samples {
    async fn exchange(&self, api: &str, request: Request) -> Result<Reply, VendorError> {
        let is_dry_run = request
            .body()
            .and_then(|body| body.as_bytes())
            .is_some_and(|body| body.windows(11).any(|part| part == b"DryRun=true"));
        let (status, body): (_, &str) = match api {
            _ if is_dry_run => (StatusCode::BAD_REQUEST, r#"{ "Code": "DryRunOperation" }"#),
            "DescribeDisks" => (
                StatusCode::OK,
                include_str!("../../../common/provider/testdata/sample_aliyun_describe_disks.json"),
            ),
            "DescribeRegions" => (
                StatusCode::OK,
                include_str!(
                    "../../../common/provider/testdata/sample_aliyun_describe_regions.json"
                ),
            ),
            _ => (
                StatusCode::OK,
                include_str!(
                    "../../../common/provider/testdata/sample_aliyun_describe_instances_page2.json"
                ),
            ),
        };
        Ok(Reply { status, headers: HeaderMap::new(), body: body.as_bytes().to_vec() })
    }
}

/// What the account's events are sent with.
pub(crate) const TOKEN: &str = "0123456789abcdef";

fn hook() -> HookRef {
    HookRef::Env("HOOK".to_owned())
}

/// Time as the runtime's.
struct RuntimeClock(tokio::time::Instant);

impl Clock for RuntimeClock {
    fn now(&self) -> Timestamp {
        let base: Timestamp = "2026-11-23T10:15:00Z".parse().unwrap_or_default();
        base + SignedDuration::try_from(self.0.elapsed()).unwrap_or_default()
    }
}

/// The service.
pub(crate) struct World {
    pub store: Arc<dyn Store>,
    pub work: Arc<MemoryQueue>,
    pub clock: Arc<dyn Clock>,
    pub dispatcher: Dispatcher,
    pub sync: RegionSync,
    pub finalizer: Finalizer,
}

impl World {
    /// Returns a world in which the events' task was just created.
    pub(crate) async fn new() -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let queue = |fifo| {
            Arc::new(MemoryQueue::new(MemoryQueueSettings {
                fifo,
                ..MemoryQueueSettings::default()
            }))
        };
        let (work, results) = (queue(true), queue(false));
        let vendors = Arc::new(vendors(Samples));
        let credentials = Arc::new(FixedCredentials::for_all(credentials()));
        credentials.set_token(&hook(), TOKEN);
        let notifier = Arc::new(MemoryNotifier::default());
        let clock: Arc<dyn Clock> = Arc::new(RuntimeClock(tokio::time::Instant::now()));
        let dispatcher = Dispatcher {
            store: store.clone(),
            work: work.clone(),
            results: results.clone(),
            vendors: vendors.clone(),
            credentials: credentials.clone(),
            notifier: notifier.clone(),
            clock: clock.clone(),
        };
        let sync = RegionSync {
            store: store.clone(),
            work: work.clone(),
            results,
            vendors,
            credentials,
            notifier: notifier.clone(),
            metrics: Arc::new(NoMetrics),
            clock: clock.clone(),
            settings: region_sync::Settings::default(),
            types: TypeCache::default(),
            busy: AtomicU64::default(),
        };
        let metrics = Arc::new(NoMetrics);
        let finalizer = Finalizer { store: store.clone(), notifier, metrics, clock: clock.clone() };
        store.put_account(&account("aliyun")).await.unwrap();
        store.create_task(&task(clock.now())).await.unwrap();
        Self { store, work, clock, dispatcher, sync, finalizer }
    }
}

fn task(now: Timestamp) -> SyncTask {
    let regions = vec![REGION.to_owned()];
    SyncTask::new(TASK.to_owned(), &account("aliyun").id, KIND.parse().unwrap(), regions, now)
}
