//! `demo`: the whole service against a simulated cloud, from nothing to a
//! table of what changed.

mod show;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use cloud_sync_core::account::{Account, CredentialsRef};
use cloud_sync_core::change::{Change, ChangeKind};
use cloud_sync_core::credentials::Credentials;
use cloud_sync_core::message::SyncRequest;
use cloud_sync_core::task::TaskStatus;
use cloud_sync_runtime::secrets::FixedCredentials;
use cloud_sync_runtime::store::Store;
use jiff::SignedDuration;
use serde::Serialize;
use simulated_cloud::{AccessKey, Churn, ChurnReport, Plan, SimulatedCloud, Which, World, spread};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::args::DemoArgs;
use super::{FAILED, SUCCESS};
use crate::connect;
use crate::database::Database;
use crate::output::Output;
use crate::progress::Progress;
use crate::service::{LocalService, Options, SyncReport, TaskReport};
use crate::signals::{INTERRUPTED, cancelled_by_ctrl_c};
use crate::table::count;

/// The account of the demo.
const ACCOUNT: &str = "demo";

/// What is synced of it.
const KIND: &str = "aliyun.ecs.instance";

/// So much of the cloud changes between the two syncs.
const CHURN_PERCENT: f64 = 3.0;

/// What happened in the cloud, or what a sync found of it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Happened {
    created: BTreeSet<(String, String)>,
    changed: BTreeSet<(String, String)>,
    released: BTreeSet<(String, String)>,
}

/// The demo's results, as `--json` prints them.
#[derive(Serialize)]
struct Story<'a> {
    syncs: [&'a SyncReport; 2],
    changes: &'a [Change],
    found_all: bool,
}

/// Runs the command.
pub(super) async fn run(args: &DemoArgs, output: &Output) -> anyhow::Result<u8> {
    let secret = Uuid::new_v4().to_string();
    let world = world(args, &secret)?;
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let cloud = SimulatedCloud::start(world.clone(), listen).await?;
    output.remark(format!(
        "A simulated Alibaba Cloud with {} instances in {} regions runs on {}; each of its answers \
         takes {} ms.\nThe service syncs it into an embedded DynamoDB, in memory, with 5 workers.\n",
        count(world.len() as u64),
        world.regions().len(),
        cloud.url(),
        args.latency_ms,
    ));
    let database = Database::memory().await?;
    let cancel = cancelled_by_ctrl_c()?;
    let credentials = Credentials {
        access_key_id: key_id(args.seed),
        access_key_secret: secret.into(),
        security_token: None,
    };
    let vendors = connect::vendors(SignedDuration::from_secs(30))?;
    let parts = connect::local_parts(
        database.store(),
        Arc::new(vendors),
        Arc::new(FixedCredentials::for_all(credentials)),
    );
    let service = LocalService::new(parts, Options::default());
    let store = database.store();
    store.put_account(&account(cloud.url())).await?;
    let told = tell(args, &service, store.as_ref(), &world, &cancel, output).await;
    drop((service, store));
    database.close().await;
    cloud.shutdown().await;
    told
}

fn key_id(seed: u64) -> String {
    format!("LTAI5tDemo{seed}")
}

fn world(args: &DemoArgs, secret: &str) -> anyhow::Result<World> {
    let regions = spread(args.instances, usize::from(args.regions));
    let key = AccessKey::new(&key_id(args.seed), secret);
    let world = World::new(&Plan::new(args.seed).account(ACCOUNT, key, regions))?;
    world.set_latency(Duration::from_millis(args.latency_ms));
    Ok(world)
}

fn account(endpoint: String) -> Account {
    let credentials = CredentialsRef::Env("DEMO".to_owned());
    Account {
        name: "Demo".to_owned(),
        kinds: KIND.parse().into_iter().collect(),
        endpoint: Some(endpoint),
        ..Account::new(ACCOUNT, "aliyun", "cn-hangzhou", credentials)
    }
}

/// Syncs, lets the cloud change, syncs again, and shows what came of it.
async fn tell(
    args: &DemoArgs,
    service: &LocalService,
    store: &dyn Store,
    world: &World,
    cancel: &CancellationToken,
    output: &Output,
) -> anyhow::Result<u8> {
    let first = sync(service, "first sync", cancel, output).await?;
    if let Some(code) = broken_off(&first, cancel, output) {
        return Ok(code);
    }
    let churn = world.churn(&Churn::percent(world, CHURN_PERCENT), args.seed.wrapping_add(1));
    output.remark(format!(
        "Meanwhile, in the cloud: {} instances created, {} released, {} changed.\n",
        churn.created.len(),
        churn.released.len(),
        churn.changed.len()
    ));
    let second = sync(service, "second sync", cancel, output).await?;
    if let Some(code) = broken_off(&second, cancel, output) {
        return Ok(code);
    }
    let changes = changes(store, &second.tasks).await?;
    let found_all = Happened::in_cloud(&churn) == Happened::found(&changes);
    if output.is_json() {
        output.json(&Story { syncs: [&first, &second], changes: &changes, found_all })?;
    } else {
        show::changes(&changes, output)?;
        show::totals(&churn, &changes, output)?;
        show::side_by_side(&first, &second, output)?;
        show::next_steps(output)?;
    }
    if !found_all {
        output.problem("error: the second sync did not find what happened in the cloud");
        return Ok(FAILED);
    }
    Ok(SUCCESS)
}

async fn sync(
    service: &LocalService,
    title: &str,
    cancel: &CancellationToken,
    output: &Output,
) -> anyhow::Result<SyncReport> {
    let mut progress = Progress::new(output, title);
    let request = SyncRequest::default();
    let report = service.sync(&request, cancel, &mut |reports| progress.observe(reports)).await?;
    drop(progress);
    for report in &report.tasks {
        output.remark(format!(
            "{title}: {} in {}: {}",
            report.task.status.as_str(),
            crate::table::duration(report.task.duration_ms.unwrap_or(0)),
            crate::progress::counts(&report.task.counts)
        ));
    }
    Ok(report)
}

/// Returns the exit code of a demo that does not go on after this sync.
fn broken_off(report: &SyncReport, cancel: &CancellationToken, output: &Output) -> Option<u8> {
    if cancel.is_cancelled() {
        return Some(INTERRUPTED);
    }
    let failed = report.tasks.iter().find(|report| report.task.status != TaskStatus::Success);
    let failure = failed.map(|report| report.task.error_message.clone().unwrap_or_default());
    let problem = report.problems.first().map(|problem| problem.message.clone());
    let reason = failure
        .or(problem)
        .or_else(|| report.tasks.is_empty().then(|| "nothing was synced".to_owned()))?;
    output.problem(format!("error: the demo's sync did not succeed: {reason}"));
    Some(FAILED)
}

/// Returns what tasks recorded, by region and id.
async fn changes(store: &dyn Store, tasks: &[TaskReport]) -> anyhow::Result<Vec<Change>> {
    let mut changes = Vec::new();
    for TaskReport { task, .. } in tasks {
        for region in &task.regions {
            let (scope, mut cursor) = (task.scope(region), None);
            loop {
                let page = store
                    .task_changes(&task.task_id, &scope, cursor.as_deref(), usize::MAX)
                    .await?;
                changes.extend(page.items);
                cursor = page.cursor;
                if cursor.is_none() {
                    break;
                }
            }
        }
    }
    Ok(changes)
}

impl Happened {
    fn in_cloud(churn: &ChurnReport) -> Self {
        let key = |which: &Which| (which.region.clone(), which.id.clone());
        Self {
            created: churn.created.iter().map(key).collect(),
            changed: churn.changed.keys().map(key).collect(),
            released: churn.released.iter().map(key).collect(),
        }
    }

    fn found(changes: &[Change]) -> Self {
        let mut found = Self::default();
        for change in changes {
            let set = match change.change {
                ChangeKind::Added | ChangeKind::Restored => &mut found.created,
                ChangeKind::Updated => &mut found.changed,
                ChangeKind::Deleted => &mut found.released,
            };
            set.insert((change.scope.region.clone(), change.id.clone()));
        }
        found
    }
}
