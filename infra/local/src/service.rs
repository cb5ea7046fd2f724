//! The whole service in one process: dispatcher, workers and finalizer over
//! the ports, whatever stands behind them.
//!
//! It adds nothing to what the functions do; it only takes the place of the
//! machinery that invokes them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use cloud_sync_core::message::{SyncRequest, WorkMessage};
use cloud_sync_core::task::{RegionResult, SyncTask};
use cloud_sync_dispatch::{DispatchError, Dispatcher, Problem};
use cloud_sync_provider::Vendors;
use cloud_sync_runtime::clock::Clock;
use cloud_sync_runtime::notify::Notifier;
use cloud_sync_runtime::queue::{Queue, QueueError};
use cloud_sync_runtime::secrets::CredentialSource;
use cloud_sync_runtime::store::{Store, StoreError};
use finalizer::{FinalizeError, Finalizer};
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use region_sync::{RegionSync, Settings, TypeCache};
use serde::Serialize;
use thiserror::Error;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::signals::WakeUp;
use crate::workers::{Loops, deliver_directly};

/// After a wish to stop, workers have so long to end by themselves.
const GRACE: Duration = Duration::from_secs(3);

/// A task of which nothing was heard for so long is waited for no longer.
/// Longer than any attempt may take.
const LONGEST_SILENCE: Duration = Duration::from_secs(30 * 60);

/// Tasks are looked at so often after they moved, and the seldomer the longer
/// they do not: a look is two requests a task.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How long a worker may work on one message, as a function's timeout.
pub(crate) const RUN_TIME: SignedDuration = SignedDuration::from_mins(15);

/// What the service works with, each part behind its port.
#[derive(Clone)]
pub struct Parts {
    /// The tables.
    pub store: Arc<dyn Store>,
    /// The work queue.
    pub work: Arc<dyn Queue>,
    /// The results queue.
    pub results: Arc<dyn Queue>,
    /// The work queue's dead letters, where nobody else takes them.
    pub dead_letters: Option<Arc<dyn Queue>>,
    /// The vendors.
    pub vendors: Arc<dyn Vendors>,
    /// Where credentials are.
    pub credentials: Arc<dyn CredentialSource>,
    /// Who is told.
    pub notifier: Arc<dyn Notifier>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whether no other process has a part in the work.
    pub is_alone: bool,
    /// How long a look into a queue may wait for a message.
    pub poll: Duration,
}

/// How the service works.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many scopes are synced at a time.
    pub workers: usize,
    /// A region that began so long ago and still meets errors has failed.
    pub give_up_after: SignedDuration,
}

impl Default for Options {
    fn default() -> Self {
        Self { workers: 5, give_up_after: SignedDuration::from_mins(2) }
    }
}

/// A task with the results of its regions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TaskReport {
    /// The task.
    #[serde(flatten)]
    pub task: SyncTask,
    /// Its regions that have begun, sorted.
    pub region_results: Vec<RegionResult>,
}

/// What a sync came to.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SyncReport {
    /// The tasks, all ended.
    pub tasks: Vec<TaskReport>,
    /// The accounts for which there is no task.
    pub problems: Vec<Problem>,
}

/// The service cannot go on.
#[derive(Debug, Error)]
pub enum ServiceError {
    /// Nothing could be dispatched.
    #[error(transparent)]
    Dispatch(#[from] DispatchError),
    /// The tables.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The queues.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// A task could not be added up.
    #[error(transparent)]
    Finalize(#[from] FinalizeError),
    /// Other processes have a part in the work, and do nothing.
    #[error(
        "task {task_id} has not moved for {} minutes and is waited for no longer; its messages \
         may be with a worker elsewhere: `cloud-sync tasks {task_id}` shows where it stands",
        LONGEST_SILENCE.as_secs() / 60
    )]
    Silent {
        /// The task.
        task_id: String,
    },
}

/// Sees where tasks stand, whenever that may have changed.
pub type Observe<'a> = dyn FnMut(&[TaskReport]) + Send + 'a;

/// The service on one machine.
pub struct LocalService {
    pub(crate) parts: Parts,
    pub(crate) dispatcher: Arc<Dispatcher>,
    pub(crate) sync: Arc<RegionSync>,
    pub(crate) finalizer: Arc<Finalizer>,
    pub(crate) wake_up: Arc<WakeUp>,
    workers: usize,
}

impl LocalService {
    /// Returns the service over the given parts, not yet at work.
    #[must_use]
    pub fn new(parts: Parts, options: Options) -> Self {
        let wake_up = Arc::new(WakeUp::default());
        let dispatcher = Dispatcher {
            store: parts.store.clone(),
            work: parts.work.clone(),
            results: parts.results.clone(),
            vendors: parts.vendors.clone(),
            credentials: parts.credentials.clone(),
            notifier: parts.notifier.clone(),
            clock: parts.clock.clone(),
        };
        let sync = RegionSync {
            store: parts.store.clone(),
            work: parts.work.clone(),
            results: parts.results.clone(),
            vendors: parts.vendors.clone(),
            credentials: parts.credentials.clone(),
            notifier: parts.notifier.clone(),
            metrics: wake_up.clone(),
            clock: parts.clock.clone(),
            settings: Settings { give_up_after: options.give_up_after, ..Settings::default() },
            types: TypeCache::default(),
            busy: AtomicU64::default(),
        };
        let finalizer = Finalizer {
            store: parts.store.clone(),
            notifier: parts.notifier.clone(),
            metrics: wake_up.clone(),
            clock: parts.clock.clone(),
        };
        Self {
            parts,
            dispatcher: Arc::new(dispatcher),
            sync: Arc::new(sync),
            finalizer: Arc::new(finalizer),
            wake_up,
            workers: options.workers,
        }
    }

    /// Returns what starts tasks.
    #[must_use]
    pub fn dispatcher(&self) -> Arc<Dispatcher> {
        self.dispatcher.clone()
    }

    /// Ends what a process that was killed left behind, so that nothing waits
    /// for it. Does nothing where other processes may be at work.
    ///
    /// # Errors
    ///
    /// The tables failed.
    pub async fn recover(&self) -> Result<(), ServiceError> {
        if !self.parts.is_alone {
            return Ok(());
        }
        self.expire_leases().await?;
        for task in self.parts.store.open_tasks().await? {
            tracing::warn!(task_id = task.task_id, "ending a task that was interrupted");
            self.finalizer.end_interrupted(&task.task_id).await?;
        }
        Ok(())
    }

    async fn expire_leases(&self) -> Result<(), ServiceError> {
        for record in self.parts.store.accounts().await? {
            self.parts.store.expire_leases(&record.account.id).await?;
        }
        Ok(())
    }

    /// Syncs what a request asks for, and returns once it has ended.
    ///
    /// # Errors
    ///
    /// Nothing could be dispatched, or tables or queues failed.
    pub async fn sync(
        &self,
        request: &SyncRequest,
        cancel: &CancellationToken,
        observe: &mut Observe<'_>,
    ) -> Result<SyncReport, ServiceError> {
        let (id, at) = (Uuid::new_v4().to_string(), self.parts.clock.now());
        let dispatch = self.dispatcher.request(request, &id, at);
        let (ids, problems) = if self.parts.is_alone {
            tokio::select! {
                dispatch = dispatch => ids_and_problems(dispatch?),
                // What was dispatched until then is in the tables.
                () = cancel.cancelled() => (self.open_task_ids().await?, Vec::new()),
            }
        } else {
            ids_and_problems(dispatch.await?)
        };
        let tasks = self.run(&ids, cancel, observe).await?;
        Ok(SyncReport { tasks, problems })
    }

    async fn open_task_ids(&self) -> Result<Vec<String>, ServiceError> {
        let open = self.parts.store.open_tasks().await?;
        Ok(open.into_iter().map(|task| task.task_id).collect())
    }

    /// Works until the given tasks have ended, in the order given. After
    /// `cancel` they end as cancelled.
    ///
    /// # Errors
    ///
    /// Tables or queues failed, or a task is in the hands of a process that
    /// does nothing about it.
    pub async fn run(
        &self,
        task_ids: &[String],
        cancel: &CancellationToken,
        observe: &mut Observe<'_>,
    ) -> Result<Vec<TaskReport>, ServiceError> {
        let mut loops = Loops::start(self, self.workers);
        let watched = tokio::select! {
            watched = self.watch(task_ids, observe) => watched,
            failed = loops.failed() => Err(failed.into()),
            () = cancel.cancelled() => {
                self.cancel(task_ids, &mut loops).await.and(self.reports(task_ids).await)
            }
        };
        loops.stop(GRACE).await;
        if let Ok(reports) = &watched {
            observe(reports);
        }
        watched
    }

    async fn watch(
        &self,
        task_ids: &[String],
        observe: &mut Observe<'_>,
    ) -> Result<Vec<TaskReport>, ServiceError> {
        let (mut last, mut moved_at) = (Vec::new(), Instant::now());
        loop {
            let reports = self.reports(task_ids).await?;
            observe(&reports);
            let open = reports.iter().find(|report| !report.task.status.is_terminal());
            let Some(open) = open else {
                return Ok(reports);
            };
            if moved_at.elapsed() > LONGEST_SILENCE && reports == last {
                return Err(ServiceError::Silent { task_id: open.task.task_id.clone() });
            }
            if reports != last {
                (last, moved_at) = (reports, Instant::now());
            }
            // What ends in this process gives the word at once.
            let quiet = moved_at.elapsed();
            self.wake_up.wait(quiet.clamp(SHORTEST_WAIT, LONGEST_WAIT)).await;
        }
    }

    async fn reports(&self, task_ids: &[String]) -> Result<Vec<TaskReport>, ServiceError> {
        let mut reports = Vec::new();
        for id in task_ids {
            if let Some(task) = self.parts.store.task(id).await? {
                let mut region_results = self.parts.store.region_results(id).await?;
                region_results.sort_unstable_by(|a, b| a.region.cmp(&b.region));
                reports.push(TaskReport { task, region_results });
            }
        }
        Ok(reports)
    }

    /// Ends tasks as cancelled: by their workers where they have one, which
    /// leave nothing half-written, and directly where a message is waiting.
    async fn cancel(&self, task_ids: &[String], loops: &mut Loops) -> Result<(), ServiceError> {
        for id in task_ids {
            self.parts.store.request_cancel(id).await?;
        }
        // A slow vendor keeps its workers; their regions are let go below.
        let ended = timeout(GRACE, self.settle(task_ids)).await;
        if let Ok(ended) = ended {
            return ended;
        }
        loops.abort().await;
        if self.parts.is_alone {
            self.expire_leases().await?;
            if let Ok(ended) = timeout(GRACE, self.settle(task_ids)).await {
                return ended;
            }
            for id in task_ids {
                self.finalizer.end_interrupted(id).await?;
            }
        }
        Ok(())
    }

    /// Delivers the message of every region that nobody works on, wherever it
    /// waits, until the tasks have ended.
    async fn settle(&self, task_ids: &[String]) -> Result<(), ServiceError> {
        loop {
            let reports = self.reports(task_ids).await?;
            let open: Vec<_> =
                reports.iter().filter(|report| !report.task.status.is_terminal()).collect();
            if open.is_empty() {
                return Ok(());
            }
            let messages = open.iter().flat_map(|report| open_messages(report));
            join_all(messages.map(|message| deliver_directly(self, message))).await;
            for report in open {
                self.finalizer.look_at(&report.task.task_id).await?;
            }
            self.wake_up.wait(Duration::from_millis(500)).await;
        }
    }

    /// Starts what is due every `every`, and works on whatever is asked of
    /// it, until `cancel`. Then what runs ends as cancelled, unless others
    /// may be at work on it.
    ///
    /// # Errors
    ///
    /// Tables or queues failed for good.
    pub async fn serve(
        &self,
        every: Duration,
        cancel: &CancellationToken,
    ) -> Result<(), ServiceError> {
        let mut loops = Loops::start(self, self.workers);
        let served = tokio::select! {
            never = self.tick(every) => never,
            failed = loops.failed() => Err(failed.into()),
            () = cancel.cancelled() => Ok(()),
        };
        if served.is_ok() && self.parts.is_alone {
            let open = self.open_task_ids().await?;
            self.cancel(&open, &mut loops).await?;
        }
        loops.stop(GRACE).await;
        served
    }

    async fn tick(&self, every: Duration) -> Result<(), ServiceError> {
        let mut failures = 0;
        let mut interval = tokio::time::interval(every);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            let id = Uuid::new_v4().to_string();
            match self.dispatcher.tick(&id, self.parts.clock.now()).await {
                Ok(dispatch) => {
                    failures = 0;
                    tracing::info!(
                        tasks = dispatch.tasks.len(),
                        problems = dispatch.problems.len(),
                        "tick"
                    );
                }
                Err(error) => {
                    failures += 1;
                    tracing::error!(%error, failures, "the tick failed; the next one tries again");
                }
            }
        }
    }
}

fn ids_and_problems(dispatch: cloud_sync_dispatch::Dispatch) -> (Vec<String>, Vec<Problem>) {
    let ids: BTreeSet<_> = dispatch.tasks.into_iter().map(|task| task.task_id).collect();
    (ids.into_iter().collect(), dispatch.problems)
}

/// Returns the first message of each region of a task that has not ended.
fn open_messages(report: &TaskReport) -> Vec<WorkMessage> {
    let open = report.task.open_regions(&report.region_results);
    open.iter().map(|region| WorkMessage::first(&report.task, region)).collect()
}

/// Returns when a worker that begins now has to end.
pub(crate) fn deadline(clock: &dyn Clock) -> Timestamp {
    clock.now() + RUN_TIME
}
