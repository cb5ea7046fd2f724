//! The loops that take messages from the queues and hand them to the
//! functions' handlers.

use std::sync::Arc;
use std::time::Duration;

use cloud_sync_core::message::{ResultMessage, WorkMessage};
use cloud_sync_runtime::clock::Clock;
use cloud_sync_runtime::queue::{Delivery, Queue, QueueError};
use finalizer::{FinalizeError, Finalizer};
use region_sync::{Action, Delivered, RegionSync};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::service::{LocalService, deadline};
use crate::signals::WakeUp;

/// After so many failures in a row, each after the SDK's own retries, a queue
/// is not coming back.
const MOST_FAILURES: u32 = 5;

/// The pause after a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// How many results are taken at a time.
const RESULTS_AT_A_TIME: usize = 10;

/// The loops of one run.
pub(crate) struct Loops {
    tasks: JoinSet<Result<(), QueueError>>,
    stop: CancellationToken,
    abort: CancellationToken,
}

/// What a loop works with.
#[derive(Clone)]
struct Source {
    queue: Arc<dyn Queue>,
    poll: Duration,
    /// Set: take no further message.
    stop: CancellationToken,
    /// Set: let go of the one in hand, too.
    abort: CancellationToken,
}

impl Loops {
    /// Starts so many workers, and a loop for each further queue.
    pub(crate) fn start(service: &LocalService, workers: usize) -> Self {
        let (stop, abort) = (CancellationToken::new(), CancellationToken::new());
        let parts = &service.parts;
        let source = |queue: &Arc<dyn Queue>| Source {
            queue: queue.clone(),
            poll: parts.poll,
            stop: stop.clone(),
            abort: abort.clone(),
        };
        let mut tasks = JoinSet::new();
        for _ in 0..workers.max(1) {
            let (sync, clock) = (service.sync.clone(), parts.clock.clone());
            tasks.spawn(source(&parts.work).work(sync, clock));
        }
        let (finalizer, wake_up) = (&service.finalizer, &service.wake_up);
        tasks.spawn(source(&parts.results).finalize(finalizer.clone(), wake_up.clone(), false));
        if let Some(queue) = &parts.dead_letters {
            tasks.spawn(source(queue).finalize(finalizer.clone(), wake_up.clone(), true));
        }
        Self { tasks, stop, abort }
    }

    /// Returns why a loop ended that should not have.
    pub(crate) async fn failed(&mut self) -> QueueError {
        let reason = match self.tasks.join_next().await {
            Some(Ok(Err(error))) => return error,
            Some(Err(error)) => error.to_string(),
            Some(Ok(Ok(()))) | None => "it stopped".to_owned(),
        };
        QueueError::Failed { operation: "taking messages", reason }
    }

    /// Lets the messages in hand go, as a crash would.
    pub(crate) async fn abort(&mut self) {
        self.abort.cancel();
        self.stop(Duration::MAX).await;
    }

    /// Takes no further message, and returns once those in hand are done
    /// with, or after `grace`.
    pub(crate) async fn stop(&mut self, grace: Duration) {
        self.stop.cancel();
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(grace, ended).await.is_err() {
            self.abort.cancel();
            while self.tasks.join_next().await.is_some() {}
        }
    }
}

impl Source {
    /// Returns the next messages; none once the loop is to stop.
    async fn next(&self, most: usize) -> Result<Vec<Delivery>, QueueError> {
        let mut failures = 0;
        while !self.stop.is_cancelled() {
            let received = tokio::select! {
                received = self.queue.receive(most, self.poll) => received,
                () = self.stop.cancelled(), if self.queue.may_drop_receive() => break,
            };
            match received {
                Ok(messages) if messages.is_empty() => failures = 0,
                Ok(messages) => return Ok(messages),
                Err(error) => {
                    failures += 1;
                    if failures >= MOST_FAILURES {
                        return Err(error);
                    }
                    tracing::warn!(%error, failures, "no message could be taken; trying again");
                    sleep(PAUSE).await;
                }
            }
        }
        Ok(Vec::new())
    }

    async fn work(self, sync: Arc<RegionSync>, clock: Arc<dyn Clock>) -> Result<(), QueueError> {
        loop {
            let Some(delivery) = self.next(1).await?.pop() else {
                return Ok(());
            };
            let action = tokio::select! {
                action = handle(&sync, clock.as_ref(), &delivery) => action,
                () = self.abort.cancelled() => return Ok(()),
            };
            self.answer(&delivery, action).await;
        }
    }

    async fn finalize(
        self,
        finalizer: Arc<Finalizer>,
        wake_up: Arc<WakeUp>,
        dead: bool,
    ) -> Result<(), QueueError> {
        loop {
            let deliveries = self.next(RESULTS_AT_A_TIME).await?;
            if deliveries.is_empty() {
                return Ok(());
            }
            for delivery in deliveries {
                let looked = tokio::select! {
                    looked = look_at(&finalizer, &delivery.body, dead) => looked,
                    () = self.abort.cancelled() => return Ok(()),
                };
                let action = match looked {
                    Ok(()) => Action::Done,
                    Err(error) => {
                        tracing::warn!(%error, "a result comes again");
                        Action::Redeliver { after: PAUSE }
                    }
                };
                self.answer(&delivery, action).await;
            }
            wake_up.wake();
        }
    }

    async fn answer(&self, delivery: &Delivery, action: Action) {
        let answered = match action {
            Action::Done => self.queue.delete(&delivery.receipt).await,
            Action::Redeliver { after } => self.queue.postpone(&delivery.receipt, after).await,
        };
        if let Err(error) = answered {
            tracing::warn!(%error, "the message comes again after its visibility timeout");
        }
    }
}

async fn handle(sync: &RegionSync, clock: &dyn Clock, delivery: &Delivery) -> Action {
    match serde_json::from_str::<WorkMessage>(&delivery.body) {
        Ok(message) => {
            let delivered = Delivered {
                message,
                receive_count: delivery.receive_count,
                owner: Uuid::new_v4().to_string(),
                deadline: deadline(clock),
            };
            sync.handle(&delivered).await
        }
        Err(error) => {
            // It goes to the dead letters, where the finalizer reports it.
            tracing::error!(%error, message_id = delivery.message_id, "not a work message");
            Action::Redeliver { after: Duration::ZERO }
        }
    }
}

async fn look_at(finalizer: &Finalizer, body: &str, dead: bool) -> Result<(), FinalizeError> {
    match serde_json::from_str::<ResultMessage>(body) {
        Ok(result) if !dead => finalizer.look_at(&result.task_id).await.map(drop),
        _ => finalizer.dead_letter(body).await,
    }
}

/// Hands a message to the worker's handler that may also wait in the queue,
/// from where it comes later and finds nothing left to do.
pub(crate) async fn deliver_directly(service: &LocalService, message: WorkMessage) -> Action {
    let delivered = Delivered {
        message,
        receive_count: 1,
        owner: Uuid::new_v4().to_string(),
        deadline: deadline(service.parts.clock.as_ref()),
    };
    service.sync.handle(&delivered).await
}
