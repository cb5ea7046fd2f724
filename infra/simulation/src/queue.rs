//! The queues as one process reaches them, and what a message may suffer on
//! its way.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cloud_sync_runtime::queue::memory::MemoryQueue;
use cloud_sync_runtime::queue::{Delivery, Outgoing, Queue, QueueError, Result};

use crate::process::{Process, Step};

/// A queue as a process reaches it.
pub(crate) struct Post {
    process: Arc<Process>,
    inner: Arc<MemoryQueue>,
}

fn failed(operation: &'static str) -> QueueError {
    QueueError::Failed { operation, reason: "the simulated queue is at fault".to_owned() }
}

impl Post {
    pub(crate) fn reach(process: &Arc<Process>, inner: &Arc<MemoryQueue>) -> Arc<dyn Queue> {
        Arc::new(Self { process: process.clone(), inner: inner.clone() })
    }

    fn is_down(&self) -> bool {
        let universe = &self.process.universe;
        let is_down = universe.strikes(|chances| chances.queue_down);
        if is_down {
            universe.count("failures of a queue");
        }
        is_down
    }
}

#[async_trait]
impl Queue for Post {
    async fn send(&self, messages: &[Outgoing]) -> Result<()> {
        let universe = &self.process.universe;
        self.process.step(Step::Write, "send").await;
        if self.is_down() {
            self.process.note(|| "send: refused".to_owned());
            return Err(failed("send"));
        }
        let mut arriving = Vec::new();
        for message in messages {
            if universe.strikes(|chances| chances.vanish) {
                universe.count("messages that vanished");
                self.process.note(|| format!("send: {} vanishes", message.body));
            } else {
                self.process.note(|| format!("send: {}", message.body));
                arriving.push(message.clone());
            }
        }
        self.inner.send(&arriving).await?;
        if self.is_down() {
            self.process.note(|| "send: done, but the answer is lost".to_owned());
            return Err(failed("send"));
        }
        self.process.step(Step::Write, "send").await;
        Ok(())
    }

    async fn postpone(&self, receipt: &str, delay: Duration) -> Result<()> {
        self.process.step(Step::Write, "postpone").await;
        if self.is_down() {
            return Err(failed("postpone"));
        }
        self.inner.postpone(receipt, delay).await
    }

    async fn receive(&self, most: usize, wait: Duration) -> Result<Vec<Delivery>> {
        self.inner.receive(most, wait).await
    }

    async fn delete(&self, receipt: &str) -> Result<()> {
        self.inner.delete(receipt).await
    }
}
