//! The functions, as processes that take what the queues and the schedule
//! bring.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use async_trait::async_trait;
use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage};
use cloud_sync_core::account::{CredentialsRef, HookRef};
use cloud_sync_core::credentials::Credentials;
use cloud_sync_core::message::SyncRequest;
use cloud_sync_dispatch::events::Hearing;
use cloud_sync_dispatch::{Dispatch, DispatchError, Dispatcher};
use cloud_sync_provider::events::VendorEvent;
use cloud_sync_runtime::clock::Clock;
use cloud_sync_runtime::queue::memory::MemoryQueue;
use cloud_sync_runtime::queue::{Delivery, Queue};
use cloud_sync_runtime::secrets::{CredentialError, CredentialSource};
use finalizer::Finalizer;
use jiff::{SignedDuration, Timestamp};
use region_sync::{RegionSync, Settings, TypeCache};
use secrecy::SecretString;

use crate::network::vendors;
use crate::process::{Process, Step};
use crate::queue::Post;
use crate::store::Tables;
use crate::universe::Universe;

/// As long as a queue lets anybody wait.
const LONG: Duration = Duration::from_secs(12 * 60 * 60);

/// The time of a function that does one small thing.
const SHORT_RUN: Duration = Duration::from_secs(60);

/// Where a process has its credentials from.
struct Vault(Arc<Process>);

#[async_trait]
impl CredentialSource for Vault {
    async fn credentials(
        &self,
        reference: &CredentialsRef,
    ) -> Result<Credentials, CredentialError> {
        self.0.step(Step::Read, "credentials").await;
        match reference {
            CredentialsRef::Env(account) => Ok(self.0.universe.secrets.current(account)),
            other => Err(CredentialError::Unknown { reference: format!("{other:?}") }),
        }
    }

    async fn forget(&self, _: &CredentialsRef) {}

    async fn hook_token(&self, reference: &HookRef) -> Result<SecretString, CredentialError> {
        Err(CredentialError::Unknown { reference: format!("{reference:?}") })
    }
}

fn region_sync(process: &Arc<Process>) -> RegionSync {
    let universe = &process.universe;
    RegionSync {
        store: Tables::reach(process),
        work: Post::reach(process, &universe.work),
        results: Post::reach(process, &universe.results),
        vendors: Arc::new(vendors(process)),
        credentials: Arc::new(Vault(process.clone())),
        notifier: universe.notifier.clone(),
        metrics: universe.metrics.clone(),
        clock: process.clone(),
        settings: Settings::default(),
        types: TypeCache::default(),
        busy: AtomicU64::default(),
    }
}

fn dispatcher(process: &Arc<Process>) -> Dispatcher {
    let universe = &process.universe;
    Dispatcher {
        store: Tables::reach(process),
        work: Post::reach(process, &universe.work),
        results: Post::reach(process, &universe.results),
        vendors: Arc::new(vendors(process)),
        credentials: Arc::new(Vault(process.clone())),
        notifier: universe.notifier.clone(),
        clock: process.clone(),
    }
}

fn finalizer(process: &Arc<Process>) -> Finalizer {
    let universe = &process.universe;
    Finalizer {
        store: Tables::reach(process),
        notifier: universe.notifier.clone(),
        metrics: universe.metrics.clone(),
        clock: process.clone(),
    }
}

/// Returns the event that brings one message to a function.
fn event(delivery: &Delivery, queue: &str) -> SqsEvent {
    let mut message = SqsMessage::default();
    message.message_id = Some(delivery.message_id.clone());
    message.receipt_handle = Some(delivery.receipt.clone());
    message.body = Some(delivery.body.clone());
    message.event_source_arn = Some(format!("arn:aws:sqs:eu-west-1:000000000000:{queue}"));
    let count = delivery.receive_count.to_string();
    message.attributes.insert("ApproximateReceiveCount".to_owned(), count);
    let mut event = SqsEvent::default();
    event.records = vec![message];
    event
}

/// A queue whose messages a function takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Work,
    Results,
    DeadWork,
    DeadResults,
}

impl Source {
    fn queue(self, universe: &Universe) -> &Arc<MemoryQueue> {
        match self {
            Self::Work => &universe.work,
            Self::Results => &universe.results,
            Self::DeadWork => &universe.dead_work,
            Self::DeadResults => &universe.dead_results,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Work => "work.fifo",
            Self::Results => "results",
            Self::DeadWork => "work-dlq.fifo",
            Self::DeadResults => "results-dlq",
        }
    }
}

/// Starts everything that waits for messages.
pub(crate) fn start(universe: &Arc<Universe>) {
    for _ in 0..universe.plan.workers {
        tokio::spawn(serve(universe.clone(), Source::Work));
    }
    for source in [Source::Results, Source::DeadWork, Source::DeadResults] {
        tokio::spawn(serve(universe.clone(), source));
    }
    tokio::spawn(schedule(universe.clone()));
}

async fn serve(universe: Arc<Universe>, source: Source) {
    loop {
        let received = source.queue(&universe).receive(1, LONG).await;
        for delivery in received.unwrap_or_default() {
            if universe.strikes(|chances| chances.duplicate) {
                universe.count("messages delivered twice");
                tokio::spawn(handle_late(universe.clone(), source, delivery.clone()));
            }
            if universe.strikes(|chances| chances.delay) {
                universe.count("messages that came late");
                tokio::time::sleep(universe.dice.time(Duration::from_secs(300))).await;
            }
            handle(&universe, source, &delivery).await;
        }
    }
}

/// Handles a second delivery of a message, at once or later.
async fn handle_late(universe: Arc<Universe>, source: Source, delivery: Delivery) {
    if universe.dice.happens(0.5) {
        tokio::time::sleep(universe.dice.time(Duration::from_secs(1200))).await;
    }
    handle(&universe, source, &delivery).await;
}

async fn handle(universe: &Arc<Universe>, source: Source, delivery: &Delivery) {
    let is_done = match source {
        Source::Work => sync(universe, delivery).await,
        other => finalize(universe, other, delivery).await,
    };
    if is_done != Some(true) {
        return;
    }
    if universe.strikes(|chances| chances.queue_down) {
        universe.count("deletions of messages that were lost");
        universe.note("queue", || format!("the deletion of {} is lost", delivery.body));
        return;
    }
    // A receipt that has expired is a message that comes again.
    source.queue(universe).delete(&delivery.receipt).await.ok();
}

async fn sync(universe: &Arc<Universe>, delivery: &Delivery) -> Option<bool> {
    let process = Process::start(universe, "region-sync");
    process.note(|| format!("takes {} (delivery {})", delivery.body, delivery.receive_count));
    universe.count("deliveries");
    let time = universe.plan.run_time;
    let deadline = process.now() + SignedDuration::try_from(time).unwrap_or_default();
    let sync = region_sync(&process);
    let queue = sync.work.clone();
    let event = event(delivery, Source::Work.name());
    let handled = region_sync::event::handle(&sync, queue.as_ref(), event, &process.name, deadline);
    let response = process.run(time, handled).await?;
    let is_done = response.batch_item_failures.is_empty();
    process.note(|| if is_done { "is done".to_owned() } else { "gives it back".to_owned() });
    Some(is_done)
}

async fn finalize(universe: &Arc<Universe>, source: Source, delivery: &Delivery) -> Option<bool> {
    let process = Process::start(universe, "finalizer");
    process.note(|| format!("takes {} from {}", delivery.body, source.name()));
    let finalizer = finalizer(&process);
    let handled = finalizer::event::handle(&finalizer, event(delivery, source.name()));
    let response = process.run(SHORT_RUN, handled).await?;
    Some(response.batch_item_failures.is_empty())
}

/// Lets the schedule go off for ever.
async fn schedule(universe: Arc<Universe>) {
    loop {
        tokio::time::sleep(universe.plan.tick).await;
        tick(&universe).await;
    }
}

async fn tick(universe: &Arc<Universe>) {
    let at = universe.now();
    // A schedule that gets no answer tries again, twice.
    for _ in 0..3 {
        let process = Process::start(universe, "dispatcher");
        let dispatcher = dispatcher(&process);
        let ticked = process.run(SHORT_RUN, dispatcher.tick(&at.to_string(), at)).await;
        let problems = ticked.as_ref().and_then(|ticked| ticked.as_ref().ok());
        for problem in problems.into_iter().flat_map(|dispatch| &dispatch.problems) {
            process.note(|| format!("{}: {}", problem.account_id, problem.message));
        }
        if matches!(ticked, Some(Ok(_))) {
            return;
        }
    }
}

/// Asks for syncs, as the api does. `None` where the process died.
pub(crate) async fn request(
    universe: &Arc<Universe>,
    request: &SyncRequest,
    id: &str,
    at: Timestamp,
) -> Option<Result<Dispatch, DispatchError>> {
    let process = Process::start(universe, "api");
    process.note(|| format!("is asked for {request:?}"));
    let dispatcher = dispatcher(&process);
    process.run(SHORT_RUN, dispatcher.request(request, id, at)).await
}

/// Takes a vendor's events, as the api does. `None` where the process died.
pub(crate) async fn hear(
    universe: &Arc<Universe>,
    account_id: &str,
    events: &[VendorEvent],
) -> Option<Result<Hearing, DispatchError>> {
    let process = Process::start(universe, "api");
    process.note(|| format!("hears {events:?}"));
    let dispatcher = dispatcher(&process);
    let heard = async {
        match dispatcher.store.account(account_id).await? {
            Some(record) => dispatcher.hear(&record, events).await,
            None => Ok(Hearing::default()),
        }
    };
    process.run(SHORT_RUN, heard).await
}
