//! The service over real tables and queues, and what Lambda's event source
//! mappings do between them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage};
use cloud_sync_core::task::{RegionResult, SyncTask};
use cloud_sync_dispatch::DispatchError;
use cloud_sync_runtime::clock::Clock;
use cloud_sync_runtime::queue::{Delivery, Queue};
use cloud_sync_runtime::store::{Store, StoreError};
use cloud_sync_tests::dynamodb::{dynamodb_at, embedded_dynamodb};
use cloud_sync_tests::failing::FailingStore;
use cloud_sync_tests::world::World;
use serde_json::json;
use uuid::Uuid;

use super::gateway::Gateway;
use crate::queue_contract::{self, Made, Type};
use crate::store_contract;

/// No story takes longer.
const LONGEST_STORY: Duration = Duration::from_secs(60);

/// Where the tables and queues of a story are.
pub struct Place {
    dynamodb: String,
    work: Made,
    results: Made,
}

pub async fn embedded() -> Place {
    Place {
        dynamodb: embedded_dynamodb().await.endpoint_url().unwrap().to_owned(),
        work: queue_contract::in_memory(Type::Fifo).await,
        results: queue_contract::in_memory(Type::Standard).await,
    }
}

pub async fn elsewhere() -> Place {
    Place {
        dynamodb: std::env::var(store_contract::ENDPOINT).expect(store_contract::ENDPOINT),
        work: queue_contract::elsewhere(Type::Fifo).await,
        results: queue_contract::elsewhere(Type::Standard).await,
    }
}

/// The service.
pub struct Service {
    pub world: World,
    pub work: Made,
    pub results: Made,
    pub gateway: Gateway,
    /// The tables, as the service sees them.
    pub store: Arc<FailingStore>,
    invocations: AtomicU64,
}

impl Service {
    /// Returns the service with one account, whose vendor has these regions.
    pub async fn start(place: Place, regions: &[&str]) -> Self {
        let Place { dynamodb, work, results } = place;
        let (gateway, url) = Gateway::start(&dynamodb).await;
        let tables = store_contract::over(&dynamodb_at(&url)).await;
        // The indexes of emulators do not lag behind, and their messages are
        // invisible for no longer than one would have to wait.
        let tables: Arc<dyn Store> = Arc::new(tables.without_index_lag());
        let store = FailingStore::new(tables);
        let mut world = World::over(store.clone(), regions).await;
        world.sync.work = work.queue.clone();
        world.sync.results = results.queue.clone();
        let dispatcher = Arc::get_mut(&mut world.dispatcher).expect("nobody else has it yet");
        dispatcher.work = work.queue.clone();
        dispatcher.results = results.queue.clone();
        Self { world, work, results, gateway, store, invocations: AtomicU64::default() }
    }

    /// Starts a full sync of everything with an event of its own. The function
    /// that fails is invoked with the same event again.
    pub async fn dispatch(&self) -> String {
        let event = json!({
            "id": Uuid::new_v4().to_string(),
            "time": self.world.clock.now().to_string(),
            "request": { "mode": "full" },
        });
        for _ in 0..3 {
            match dispatcher::event::handle(&self.world.dispatcher, event.clone()).await {
                Ok(answer) => {
                    assert_eq!((answer.task_ids.len(), answer.problems), (1, 0));
                    return answer.task_ids.into_iter().next().unwrap();
                }
                Err(DispatchError::Store(StoreError::Unavailable { .. })) => {}
                Err(error) => panic!("{error}"),
            }
        }
        panic!("nothing could be dispatched");
    }

    /// Receives so many messages of the work queue.
    pub async fn receive_work(&self, count: usize) -> Vec<Delivery> {
        let began = Instant::now();
        let mut received = Vec::new();
        while received.len() < count {
            assert!(began.elapsed() < LONGEST_STORY, "{} of {count} came", received.len());
            let left = count - received.len();
            let wait = Duration::from_millis(500);
            received.extend(self.work.queue.receive(left, wait).await.unwrap());
        }
        received
    }

    /// Invokes the worker with a batch. Returns the ids of the messages that
    /// are to come again. None is deleted.
    pub async fn invoke_worker(&self, batch: &[&Delivery]) -> Vec<String> {
        let number = self.invocations.fetch_add(1, Ordering::Relaxed);
        let deadline = self.world.clock.now() + self.world.run_time;
        let (queue, id) = (self.work.queue.as_ref(), format!("request-{number}"));
        let event = event(batch, "work.fifo");
        let answer =
            region_sync::event::handle(&self.world.sync, queue, event, &id, deadline).await;
        answer.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
    }

    /// Deletes what is done with, as an event source mapping does.
    pub async fn delete_all_but(&self, batch: &[&Delivery], failed: &[String]) {
        for delivery in batch.iter().filter(|delivery| !failed.contains(&delivery.message_id)) {
            self.work.queue.delete(&delivery.receipt).await.unwrap();
        }
    }

    /// Delivers messages of all queues, one each at a time, until a task has
    /// ended. Returns it and its regions.
    pub async fn until_ended(&self, task_id: &str) -> (SyncTask, Vec<RegionResult>) {
        let began = Instant::now();
        loop {
            assert!(began.elapsed() < LONGEST_STORY, "the task does not end");
            let (task, regions) = self.world.task(task_id).await;
            if task.status.is_terminal() {
                return (task, regions);
            }
            self.deliver_once().await;
        }
    }

    /// Delivers one message of each queue that has any.
    pub async fn deliver_once(&self) {
        let wait = Duration::from_millis(200);
        for delivery in self.work.queue.receive(1, wait).await.unwrap() {
            let failed = self.invoke_worker(&[&delivery]).await;
            self.delete_all_but(&[&delivery], &failed).await;
        }
        for (queue, name) in [(&self.results.queue, "results"), (&self.work.dead, "work-dlq.fifo")]
        {
            self.deliver_to_finalizer(queue.as_ref(), name).await;
        }
    }

    async fn deliver_to_finalizer(&self, queue: &dyn Queue, name: &str) {
        for delivery in queue.receive(1, Duration::ZERO).await.unwrap() {
            let event = event(&[&delivery], name);
            let answer = finalizer::event::handle(&self.world.finalizer, event).await;
            if answer.batch_item_failures.is_empty() {
                queue.delete(&delivery.receipt).await.unwrap();
            }
        }
    }

    /// Syncs everything.
    pub async fn sync(&self) -> (SyncTask, Vec<RegionResult>) {
        let task_id = self.dispatch().await;
        self.until_ended(&task_id).await
    }

    /// Returns the versions of every change of a region's rows, which are one
    /// each if nothing was doubled.
    pub async fn versions(&self, region: &str) -> Vec<Vec<u64>> {
        let mut versions = Vec::new();
        for row in self.world.rows(region, true).await {
            let history = self.world.history(region, &row.resource.id).await;
            versions.push(history.iter().map(|change| change.version).collect());
        }
        versions
    }
}

/// Returns the event that a mapping makes of messages of a queue.
fn event(batch: &[&Delivery], queue: &str) -> SqsEvent {
    let record = |delivery: &&Delivery| {
        let count = delivery.receive_count.to_string();
        let mut message = SqsMessage::default();
        message.message_id = Some(delivery.message_id.clone());
        message.receipt_handle = Some(delivery.receipt.clone());
        message.body = Some(delivery.body.clone());
        message.attributes = HashMap::from([("ApproximateReceiveCount".to_owned(), count)]);
        message.event_source_arn = Some(format!("arn:aws:sqs:eu-west-1:000000000000:{queue}"));
        message
    };
    let mut event = SqsEvent::default();
    event.records = batch.iter().map(record).collect();
    event
}
