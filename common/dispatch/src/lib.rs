//! Turns the schedule's tick, or somebody's request, into tasks and messages.
//!
//! Used by the `dispatcher` and `api` functions and by the local service. It
//! decides what is to be synced; it never reads or writes a resource.
//!
//! **Idempotent**: a task's id follows from what triggered it, so the same
//! trigger a second time finds the tasks of the first and, where they have not
//! ended, sends their messages again, which is harmless.

pub mod deletions;
mod members;
mod regions;
mod request;
pub mod statuses;
mod tick;

use std::sync::Arc;

use cloud_sync_core::account::AccountRecord;
use cloud_sync_core::error::ErrorClass;
use cloud_sync_core::lease::Dispatched;
use cloud_sync_core::message::{Mode, Trigger, WorkMessage};
use cloud_sync_core::scope::Kind;
use cloud_sync_core::task::{SyncTask, task_id};
use cloud_sync_provider::Vendors;
use cloud_sync_runtime::clock::Clock;
use cloud_sync_runtime::notify::Notifier;
use cloud_sync_runtime::queue::messages::work_message;
use cloud_sync_runtime::queue::{Queue, QueueError};
use cloud_sync_runtime::secrets::CredentialSource;
use cloud_sync_runtime::store::{Store, StoreError};
use jiff::Timestamp;
use serde::Serialize;
use thiserror::Error;

pub use members::Discovery;
pub use request::{InvalidRequest, Prepared};

/// What a dispatcher works with.
pub struct Dispatcher {
    /// The tables.
    pub store: Arc<dyn Store>,
    /// The work queue.
    pub work: Arc<dyn Queue>,
    /// The results queue.
    pub results: Arc<dyn Queue>,
    /// The vendors, asked for regions only.
    pub vendors: Arc<dyn Vendors>,
    /// Where credentials are.
    pub credentials: Arc<dyn CredentialSource>,
    /// Who is told of suspended accounts.
    pub notifier: Arc<dyn Notifier>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// What was dispatched.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Dispatch {
    /// The tasks, those of an earlier, equal trigger included.
    pub tasks: Vec<SyncTask>,
    /// The accounts for which nothing could be dispatched.
    pub problems: Vec<Problem>,
}

/// Why nothing could be dispatched for an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = AccountProblem))]
pub struct Problem {
    /// The account.
    pub account_id: String,
    /// What kind of error.
    pub class: ErrorClass,
    /// The vendor's code, or one of ours.
    pub code: String,
    /// For a person.
    pub message: String,
}

impl Problem {
    /// Returns what the tables refuse an account, now and later.
    fn of_tables(record: &AccountRecord, error: &StoreError) -> Self {
        Self {
            account_id: record.account.id.clone(),
            class: ErrorClass::Internal,
            code: "TablesRefuse".to_owned(),
            message: error.to_string(),
        }
    }
}

/// Nothing was dispatched, or not all of it. The same trigger again is right.
#[derive(Debug, Error)]
pub enum DispatchError {
    /// The request names something that does not exist.
    #[error(transparent)]
    Invalid(#[from] InvalidRequest),
    /// The tables.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The queues.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// A task to create.
struct Plan {
    account_id: String,
    kind: Kind,
    regions: Vec<String>,
    mode: Mode,
    since: Option<Timestamp>,
    ids: Vec<String>,
}

/// What makes tasks be created.
struct Cause {
    trigger: Trigger,
    /// Tells it from every other.
    id: String,
    /// When it went off.
    at: Timestamp,
}

impl Plan {
    /// Returns the id that the task has by this cause.
    fn task_id(&self, cause: &Cause) -> String {
        task_id(cause.at, &cause.id, &self.account_id, &self.kind)
    }
}

impl Dispatcher {
    /// Creates a plan's task, unless an equal trigger did, and sends the
    /// messages of its regions.
    ///
    /// The scopes are marked last: a crash before that leaves them due.
    async fn carry_out(&self, plan: Plan, cause: &Cause) -> Result<SyncTask, DispatchError> {
        let id = plan.task_id(cause);
        let mut regions = plan.regions;
        regions.sort_unstable();
        regions.dedup();
        let new = SyncTask {
            mode: plan.mode,
            since: plan.since,
            ids: plan.ids,
            trigger: cause.trigger,
            ..SyncTask::new(id, &plan.account_id, plan.kind, regions, self.clock.now())
        };
        let task = if self.store.create_task(&new).await? {
            new
        } else {
            self.store.task(&new.task_id).await?.unwrap_or(new)
        };
        if task.status.is_terminal() {
            return Ok(task);
        }
        let results = self.store.region_results(&task.task_id).await?;
        let open = task.open_regions(&results);
        let first = |region: &String| work_message(&WorkMessage::first(&task, region));
        let messages: Vec<_> = open.iter().map(first).collect();
        self.work.send(&messages).await?;
        let synced = if task.mode.is_sync() { &open } else { &[][..] };
        for region in synced {
            let dispatched = Dispatched { task_id: task.task_id.clone(), at: self.clock.now() };
            self.store.set_dispatched(&task.scope(region), &dispatched).await?;
        }
        tracing::info!(
            task_id = task.task_id,
            account = task.account_id,
            kind = %task.resource_type,
            regions = open.len(),
            mode = task.mode.as_str(),
            "task dispatched"
        );
        Ok(task)
    }
}
