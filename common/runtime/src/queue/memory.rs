//! The queue port in memory: the twin of SQS, for one machine and for tests.
//!
//! Everything that takes time goes by tokio's clock, so a paused clock drives
//! it. A receiver sleeps until a message is sent or becomes visible.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use super::{
    Delivery, LONGEST_DELAY, MOST_BYTES, MOST_RECEIVED, Outgoing, Queue, QueueError, Result,
};

/// How a queue in memory behaves.
#[derive(Clone, Debug)]
pub struct MemoryQueueSettings {
    /// Whether messages have an order. A FIFO queue takes only those that do,
    /// a standard queue only those that do not.
    pub fifo: bool,
    /// How long a delivered message stays invisible; at most 12 hours.
    pub visibility: Duration,
    /// After so many deliveries a message is given up.
    pub max_receives: u32,
    /// Where messages that are given up go. Without it none is.
    pub dead_letter: Option<Arc<MemoryQueue>>,
    /// How long a deduplication id is remembered.
    pub dedup_window: Duration,
}

impl Default for MemoryQueueSettings {
    /// Returns a FIFO queue as SQS makes it: invisible for 30 seconds, no
    /// dead-letter queue, five minutes of deduplication.
    fn default() -> Self {
        Self {
            fifo: true,
            visibility: Duration::from_secs(30),
            max_receives: 5,
            dead_letter: None,
            dedup_window: Duration::from_secs(300),
        }
    }
}

/// A queue in memory.
///
/// Of one group only one message is delivered at a time, also within one
/// receive. A receipt is good until its message is visible again. A message
/// is given up when, after its last visibility timeout, anybody looks at the
/// queue.
#[derive(Debug)]
pub struct MemoryQueue {
    settings: MemoryQueueSettings,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct Message {
    /// Where it stands among all messages of the queue.
    number: u64,
    id: String,
    body: String,
    receive_count: u32,
}

/// A group of messages in their order. The first may be in flight; those
/// behind it wait until it is gone. A standard queue has one a message.
type Group = VecDeque<Message>;

#[derive(Debug)]
struct Flight {
    group: Arc<str>,
    receive_count: u32,
    visible_at: Instant,
}

#[derive(Debug, Default)]
struct State {
    next_number: u64,
    groups: HashMap<Arc<str>, Group>,
    /// The groups whose first message can be delivered, by its number.
    ready: BTreeMap<u64, Arc<str>>,
    /// The messages in flight, by number.
    flights: HashMap<u64, Flight>,
    /// The same, by the end of their visibility timeout.
    timeouts: BTreeSet<(Instant, u64)>,
    remembered: HashMap<String, Instant>,
    /// The same, in the order in which they are forgotten.
    forgotten: VecDeque<(Instant, String)>,
}

impl MemoryQueue {
    /// Returns an empty queue.
    #[must_use]
    pub fn new(settings: MemoryQueueSettings) -> Self {
        Self { settings, state: Mutex::default(), changed: Notify::new() }
    }

    /// Returns how many messages it holds, those in flight included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.state().groups.values().map(VecDeque::len).sum()
    }

    /// Tells whether it holds no message, waiting or in flight.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.state().groups.is_empty()
    }

    /// Returns how many messages were delivered and neither deleted since nor
    /// become visible again.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.state().flights.len()
    }

    /// Returns the state as it is now: what has timed out is visible again,
    /// and what was delivered too often is gone.
    fn state(&self) -> MutexGuard<'_, State> {
        // No code under the lock panics between two changes.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        while let Some(&(at, number)) = state.timeouts.first()
            && at <= now
        {
            state.timeouts.pop_first();
            if let Some(flight) = state.flights.remove(&number) {
                self.put_back(&mut state, &flight.group);
            }
        }
        while let Some((at, _)) = state.forgotten.front()
            && *at <= now
        {
            if let Some((_, dedup)) = state.forgotten.pop_front() {
                state.remembered.remove(&dedup);
            }
        }
        state
    }

    /// Makes a group's first message, whose flight ended without a deletion,
    /// ready again, or gives it up.
    fn put_back(&self, state: &mut State, group: &Arc<str>) {
        let dead_letter = self.settings.dead_letter.as_ref();
        let is_spent = |message: &Message| message.receive_count >= self.settings.max_receives;
        match dead_letter.filter(|_| state.first(group).is_some_and(is_spent)) {
            // Locked while this queue is, so that no message is ever seen in
            // neither. Queues cannot form a ring.
            Some(dead_letter) => {
                if let Some(message) = state.remove_first(group) {
                    dead_letter.bury(group, message);
                }
            }
            None => state.make_ready(group),
        }
    }

    /// Takes a message that another queue gave up.
    fn bury(&self, group: &str, message: Message) {
        self.state().push(group.into(), message.id, message.body);
        self.changed.notify_waiters();
    }

    fn check(&self, message: &Outgoing) -> std::result::Result<(), String> {
        match (&message.order, self.settings.fifo) {
            _ if message.body.len() > MOST_BYTES => Err(super::too_large(message.body.len())),
            (None, true) => Err("a message of a FIFO queue needs an order".to_owned()),
            (Some(_), false) => Err("a standard queue takes no order".to_owned()),
            _ => Ok(()),
        }
    }

    /// Delivers what can be delivered; else tells when to look again.
    fn take(&self, most: usize) -> std::result::Result<Vec<Delivery>, Option<Instant>> {
        let mut state = self.state();
        let visible_at = Instant::now() + self.settings.visibility.min(LONGEST_DELAY);
        let mut deliveries = Vec::new();
        while deliveries.len() < most
            && let Some((_, group)) = state.ready.pop_first()
        {
            deliveries.extend(state.deliver(group, visible_at));
        }
        if deliveries.is_empty() {
            return Err(state.timeouts.first().map(|(at, _)| *at));
        }
        Ok(deliveries)
    }
}

impl State {
    fn push(&mut self, group: Arc<str>, id: String, body: String) {
        let number = self.next_number;
        self.next_number += 1;
        let messages = self.groups.entry(group.clone()).or_default();
        messages.push_back(Message { number, id, body, receive_count: 0 });
        if messages.len() == 1 {
            self.ready.insert(number, group);
        }
    }

    fn first(&self, group: &str) -> Option<&Message> {
        self.groups.get(group)?.front()
    }

    /// Removes a group's first message; the next one can be delivered.
    fn remove_first(&mut self, group: &Arc<str>) -> Option<Message> {
        let messages = self.groups.get_mut(group)?;
        let message = messages.pop_front();
        if messages.is_empty() {
            self.groups.remove(group);
        }
        self.make_ready(group);
        message
    }

    fn make_ready(&mut self, group: &Arc<str>) {
        if let Some(first) = self.first(group) {
            self.ready.insert(first.number, group.clone());
        }
    }

    fn deliver(&mut self, group: Arc<str>, visible_at: Instant) -> Option<Delivery> {
        let message = self.groups.get_mut(&group)?.front_mut()?;
        message.receive_count += 1;
        let delivery = Delivery {
            message_id: message.id.clone(),
            body: message.body.clone(),
            receipt: format!("{}:{}", message.number, message.receive_count),
            receive_count: message.receive_count,
        };
        self.timeouts.insert((visible_at, message.number));
        let flight = Flight { group, receive_count: message.receive_count, visible_at };
        self.flights.insert(message.number, flight);
        Some(delivery)
    }

    /// Returns the number of the message in flight that a receipt is for.
    fn flying(&self, operation: &'static str, receipt: &str) -> Result<u64> {
        let found = receipt.split_once(':').and_then(|(number, count)| {
            let number = number.parse().ok()?;
            let flight = self.flights.get(&number)?;
            (count.parse() == Ok(flight.receive_count)).then_some(number)
        });
        found.ok_or_else(|| QueueError::Failed {
            operation,
            reason: "the receipt is unknown or has expired".to_owned(),
        })
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn send(&self, messages: &[Outgoing]) -> Result<()> {
        let mut refusals = Vec::new();
        let mut state = self.state();
        let forget_at = Instant::now() + self.settings.dedup_window;
        for message in messages {
            if let Err(reason) = self.check(message) {
                refusals.push(reason);
                continue;
            }
            let id = Uuid::new_v4().to_string();
            let Some(order) = &message.order else {
                state.push(id.as_str().into(), id, message.body.clone());
                continue;
            };
            if state.remembered.contains_key(&order.dedup) {
                continue;
            }
            state.remembered.insert(order.dedup.clone(), forget_at);
            state.forgotten.push_back((forget_at, order.dedup.clone()));
            state.push(order.group.as_str().into(), id, message.body.clone());
        }
        drop(state);
        self.changed.notify_waiters();
        let failed = refusals.len();
        match refusals.into_iter().next() {
            Some(reason) => Err(QueueError::NotSent { failed, sent: messages.len(), reason }),
            None => Ok(()),
        }
    }

    async fn postpone(&self, receipt: &str, delay: Duration) -> Result<()> {
        let mut state = self.state();
        let number = state.flying("postpone", receipt)?;
        let visible_at = Instant::now() + delay.min(LONGEST_DELAY);
        if let Some(flight) = state.flights.get_mut(&number) {
            let before = std::mem::replace(&mut flight.visible_at, visible_at);
            state.timeouts.remove(&(before, number));
            state.timeouts.insert((visible_at, number));
        }
        drop(state);
        self.changed.notify_waiters();
        Ok(())
    }

    async fn receive(&self, most: usize, wait: Duration) -> Result<Vec<Delivery>> {
        let give_up_at = Instant::now() + wait.min(LONGEST_DELAY);
        loop {
            // Before looking, so that nothing sent meanwhile is missed.
            let changed = self.changed.notified();
            let look_again_at = match self.take(most.clamp(1, MOST_RECEIVED)) {
                Ok(deliveries) => return Ok(deliveries),
                Err(_) if Instant::now() >= give_up_at => return Ok(Vec::new()),
                Err(at) => at.map_or(give_up_at, |at| at.min(give_up_at)),
            };
            tokio::select! {
                () = changed => {}
                () = sleep_until(look_again_at) => {}
            }
        }
    }

    /// Messages are taken and returned in one step.
    fn may_drop_receive(&self) -> bool {
        true
    }

    async fn delete(&self, receipt: &str) -> Result<()> {
        let mut state = self.state();
        let number = state.flying("delete", receipt)?;
        if let Some(flight) = state.flights.remove(&number) {
            state.timeouts.remove(&(flight.visible_at, number));
            state.remove_first(&flight.group);
        }
        drop(state);
        self.changed.notify_waiters();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::Order;

    const SECOND: Duration = Duration::from_secs(1);

    fn fifo() -> MemoryQueue {
        MemoryQueue::new(MemoryQueueSettings::default())
    }

    fn message(group: &str, body: &str) -> Outgoing {
        let order = Order { group: group.into(), dedup: format!("{group}{body}") };
        Outgoing { body: body.into(), order: Some(order) }
    }

    #[tokio::test(start_paused = true)]
    async fn virtual_time_drives_everything() {
        let queue = fifo();
        queue.send(&[message("a", "1")]).await.unwrap();
        queue.receive(1, Duration::ZERO).await.unwrap();
        let (real, began) = (std::time::Instant::now(), Instant::now());
        let again = queue.receive(1, 60 * SECOND).await.unwrap();
        assert_eq!(again[0].receive_count, 2);
        let waited = began.elapsed();
        assert!(waited >= 30 * SECOND && waited < 31 * SECOND, "{waited:?}");
        assert!(real.elapsed() < 5 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn a_receive_that_is_dropped_takes_nothing() {
        let queue = fifo();
        assert!(queue.may_drop_receive());
        let messages = [message("a", "1")];
        tokio::select! {
            biased;
            _ = queue.receive(1, 60 * SECOND) => panic!("nothing was there"),
            // It stops at the very moment that a message comes.
            sent = queue.send(&messages) => sent.unwrap(),
        }
        assert_eq!(queue.len(), 1);
        let first = queue.receive(1, Duration::ZERO).await.unwrap();
        assert_eq!(first[0].receive_count, 1, "it was not delivered before");
    }

    #[tokio::test(start_paused = true)]
    async fn a_dedup_text_is_forgotten_after_its_window() {
        let queue = fifo();
        for (after, held) in [(Duration::ZERO, 1), (299 * SECOND, 1), (2 * SECOND, 2)] {
            tokio::time::advance(after).await;
            queue.send(&[message("a", "1")]).await.unwrap();
            assert_eq!(queue.len(), held, "{after:?} later");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn inspection_tells_waiting_from_in_flight() {
        let queue = fifo();
        assert!(queue.is_empty());
        queue.send(&[message("a", "1"), message("a", "2"), message("b", "1")]).await.unwrap();
        let deliveries = queue.receive(10, SECOND).await.unwrap();
        assert_eq!((queue.len(), queue.in_flight()), (3, 2), "one a group is delivered");
        for delivery in &deliveries {
            queue.delete(&delivery.receipt).await.unwrap();
        }
        assert_eq!((queue.len(), queue.in_flight(), queue.is_empty()), (1, 0, false));
        let last = queue.receive(10, SECOND).await.unwrap();
        assert!(!queue.is_empty(), "a message in flight is not done");
        queue.delete(&last[0].receipt).await.unwrap();
        assert!(queue.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn an_expired_receipt_does_nothing() {
        let queue = fifo();
        queue.send(&[message("a", "1")]).await.unwrap();
        let old = queue.receive(1, SECOND).await.unwrap().remove(0);
        tokio::time::advance(31 * SECOND).await;
        assert!(queue.delete(&old.receipt).await.is_err());
        let new = queue.receive(1, SECOND).await.unwrap().remove(0);
        assert!(queue.delete(&old.receipt).await.is_err(), "nor once it is delivered again");
        assert!(queue.postpone(&old.receipt, SECOND).await.is_err());
        assert_eq!(queue.len(), 1);
        queue.delete(&new.receipt).await.unwrap();
        assert!(queue.delete(&new.receipt).await.is_err(), "nor twice");
    }

    #[tokio::test(start_paused = true)]
    async fn a_given_up_message_wakes_who_waits_for_dead_letters() {
        let dead = Arc::new(fifo());
        let settings = MemoryQueueSettings {
            max_receives: 1,
            dead_letter: Some(dead.clone()),
            ..MemoryQueueSettings::default()
        };
        let queue = Arc::new(MemoryQueue::new(settings));
        queue.send(&[message("a", "1")]).await.unwrap();
        let first = queue.receive(1, SECOND).await.unwrap().remove(0);
        let (letters, again) =
            tokio::join!(dead.receive(1, 60 * SECOND), queue.receive(1, 40 * SECOND));
        assert_eq!(again.unwrap(), []);
        assert_eq!(letters.unwrap()[0].message_id, first.message_id);
        assert!(queue.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn every_waiting_receiver_gets_its_message() {
        let queue = Arc::new(fifo());
        let receivers: Vec<_> = (0..5)
            .map(|_| {
                let queue = queue.clone();
                tokio::spawn(async move { queue.receive(1, 60 * SECOND).await })
            })
            .collect();
        tokio::time::sleep(SECOND).await;
        let messages: Vec<_> = (0..5).map(|n| message(&n.to_string(), "1")).collect();
        queue.send(&messages).await.unwrap();
        for receiver in receivers {
            assert_eq!(receiver.await.unwrap().unwrap().len(), 1);
        }
        assert_eq!(queue.in_flight(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_or_a_delay_of_any_length_is_taken() {
        let queue = fifo();
        queue.send(&[message("a", "1")]).await.unwrap();
        let delivery = queue.receive(1, Duration::MAX).await.unwrap().remove(0);
        queue.postpone(&delivery.receipt, Duration::MAX).await.unwrap();
        tokio::time::advance(LONGEST_DELAY).await;
        assert_eq!(queue.receive(1, Duration::ZERO).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_standard_queue_refuses_what_has_an_order() {
        let settings = MemoryQueueSettings { fifo: false, ..MemoryQueueSettings::default() };
        let queue = MemoryQueue::new(settings);
        let plain = Outgoing { body: "1".into(), order: None };
        let sent = queue.send(&[message("a", "1"), plain]).await;
        assert!(matches!(sent, Err(QueueError::NotSent { failed: 1, sent: 2, .. })), "{sent:?}");
        assert_eq!(queue.len(), 1);
    }
}
