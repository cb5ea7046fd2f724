//! What every queue promises.

use std::collections::BTreeSet;
use std::time::Duration;

use cloud_sync_runtime::queue::{Delivery, Order, Outgoing, Queue, QueueError};
use tokio::time::{Instant, sleep};

use super::made::{MOST_RECEIVES, Made, Type, VISIBILITY};

/// Long enough for anything that is there to come.
const PATIENCE: Duration = Duration::from_secs(8);

/// Long enough to see that nothing comes, in a part of the visibility timeout.
const GLANCE: Duration = Duration::from_secs(1);

fn in_group(group: &str, body: &str) -> Outgoing {
    let order = Order { group: group.to_owned(), dedup: format!("{group}/{body}") };
    Outgoing { body: body.to_owned(), order: Some(order) }
}

async fn next(queue: &dyn Queue) -> Delivery {
    let mut deliveries = queue.receive(1, PATIENCE).await.expect("an answer");
    assert_eq!(deliveries.len(), 1, "one message comes");
    deliveries.remove(0)
}

async fn assert_nothing(queue: &dyn Queue) {
    let deliveries = queue.receive(1, GLANCE).await.expect("an answer");
    assert_eq!(deliveries, [], "no message comes");
}

/// Receives and deletes until nothing comes, and returns the bodies.
async fn drain(queue: &dyn Queue) -> Vec<String> {
    let mut bodies = Vec::new();
    loop {
        let deliveries = queue.receive(10, GLANCE).await.expect("an answer");
        if deliveries.is_empty() {
            return bodies;
        }
        for delivery in deliveries {
            queue.delete(&delivery.receipt).await.expect("deleted");
            bodies.push(delivery.body);
        }
    }
}

pub async fn what_is_sent_comes_as_it_was(make: impl AsyncFn(Type) -> Made) {
    let queue = make(Type::Fifo).await.queue;
    let body = r#"{"name":"生产 <&> \"quoted\" \\ 🙂","n":1}"#;
    queue.send(&[in_group("a", body)]).await.unwrap();
    let delivery = next(&*queue).await;
    assert_eq!((delivery.body.as_str(), delivery.receive_count), (body, 1));
    assert!(!delivery.message_id.is_empty());
}

pub async fn an_empty_queue_answers_after_the_wait(make: impl AsyncFn(Type) -> Made) {
    let queue = make(Type::Fifo).await.queue;
    let began = Instant::now();
    assert_nothing(&*queue).await;
    assert!(began.elapsed() >= GLANCE / 2, "{:?}", began.elapsed());
    assert_eq!(queue.receive(1, Duration::ZERO).await.unwrap(), []);
}

pub async fn a_waiting_receiver_gets_what_is_sent_meanwhile(make: impl AsyncFn(Type) -> Made) {
    let queue = make(Type::Fifo).await.queue;
    let began = Instant::now();
    let later = async {
        sleep(GLANCE).await;
        queue.send(&[in_group("a", "1")]).await.unwrap();
    };
    let (delivery, ()) = tokio::join!(next(&*queue), later);
    assert_eq!(delivery.body, "1");
    assert!(began.elapsed() < PATIENCE - GLANCE, "{:?}", began.elapsed());
}

pub async fn a_group_keeps_its_order(make: impl AsyncFn(Type) -> Made) {
    let queue = make(Type::Fifo).await.queue;
    let bodies: Vec<_> = (0..12).map(|n| n.to_string()).collect();
    let messages: Vec<_> = bodies.iter().map(|body| in_group("a", body)).collect();
    queue.send(&messages).await.unwrap();
    assert_eq!(drain(&*queue).await, bodies);
}

pub async fn one_message_of_a_group_is_in_flight_while_other_groups_flow(
    make: impl AsyncFn(Type) -> Made,
) {
    let queue = make(Type::Fifo).await.queue;
    let messages = [in_group("a", "a1"), in_group("a", "a2"), in_group("b", "b1")];
    queue.send(&messages).await.unwrap();
    let first = next(&*queue).await;
    assert_eq!(first.body, "a1");
    assert_eq!(next(&*queue).await.body, "b1", "another group flows");
    assert_nothing(&*queue).await;
    queue.delete(&first.receipt).await.unwrap();
    assert_eq!(next(&*queue).await.body, "a2");
}

pub async fn a_message_comes_again_after_its_visibility_timeout(make: impl AsyncFn(Type) -> Made) {
    let queue = make(Type::Fifo).await.queue;
    queue.send(&[in_group("a", "1")]).await.unwrap();
    let first = next(&*queue).await;
    assert_nothing(&*queue).await;
    let second = next(&*queue).await;
    assert_eq!((second.body.as_str(), second.receive_count), ("1", 2));
    assert_eq!(second.message_id, first.message_id);
}

pub async fn a_message_that_comes_again_is_still_before_its_group(
    make: impl AsyncFn(Type) -> Made,
) {
    let queue = make(Type::Fifo).await.queue;
    queue.send(&[in_group("a", "1"), in_group("a", "2")]).await.unwrap();
    assert_eq!(next(&*queue).await.body, "1");
    sleep(VISIBILITY + GLANCE).await;
    assert_eq!(drain(&*queue).await, ["1", "2"]);
}

pub async fn a_postponed_message_comes_later(make: impl AsyncFn(Type) -> Made) {
    let queue = make(Type::Fifo).await.queue;
    queue.send(&[in_group("a", "1"), in_group("a", "2")]).await.unwrap();
    let first = next(&*queue).await;
    let began = Instant::now();
    queue.postpone(&first.receipt, 2 * VISIBILITY).await.unwrap();
    sleep(VISIBILITY + GLANCE).await;
    assert_nothing(&*queue).await;
    let second = next(&*queue).await;
    assert_eq!((second.body.as_str(), second.receive_count), ("1", 2));
    assert!(began.elapsed() + GLANCE > 2 * VISIBILITY, "{:?}", began.elapsed());
}

pub async fn a_message_postponed_by_nothing_comes_at_once(make: impl AsyncFn(Type) -> Made) {
    let queue = make(Type::Fifo).await.queue;
    queue.send(&[in_group("a", "1")]).await.unwrap();
    let first = next(&*queue).await;
    let began = Instant::now();
    queue.postpone(&first.receipt, Duration::ZERO).await.unwrap();
    assert_eq!(next(&*queue).await.receive_count, 2);
    assert!(began.elapsed() < VISIBILITY, "{:?}", began.elapsed());
}

pub async fn a_deleted_message_is_gone(make: impl AsyncFn(Type) -> Made) {
    let queue = make(Type::Fifo).await.queue;
    queue.send(&[in_group("a", "1")]).await.unwrap();
    let delivery = next(&*queue).await;
    queue.delete(&delivery.receipt).await.unwrap();
    sleep(VISIBILITY).await;
    assert_nothing(&*queue).await;
}

pub async fn a_second_message_with_the_same_dedup_text_is_dropped(
    make: impl AsyncFn(Type) -> Made,
) {
    let queue = make(Type::Fifo).await.queue;
    let message = in_group("a", "1");
    queue.send(&[message.clone(), in_group("b", "2"), message.clone()]).await.unwrap();
    queue.send(&[message]).await.unwrap();
    let bodies: BTreeSet<_> = drain(&*queue).await.into_iter().collect();
    assert_eq!(bodies, BTreeSet::from(["1".to_owned(), "2".to_owned()]));
    assert_nothing(&*queue).await;
}

pub async fn a_dropped_message_stays_dropped_after_the_first_was_deleted(
    make: impl AsyncFn(Type) -> Made,
) {
    let queue = make(Type::Fifo).await.queue;
    let message = in_group("a", "1");
    queue.send(std::slice::from_ref(&message)).await.unwrap();
    assert_eq!(drain(&*queue).await, ["1"]);
    queue.send(&[message]).await.unwrap();
    assert_nothing(&*queue).await;
}

pub async fn any_text_is_a_group_and_a_dedup_text(make: impl AsyncFn(Type) -> Made) {
    let queue = make(Type::Fifo).await.queue;
    let long = "x".repeat(500);
    let texts = [
        "",
        " ",
        "生产/ecs",
        "a b",
        &long,
        &format!("{long}y"),
        "!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~",
    ];
    let message = |text: &str| {
        let order = Order { group: text.to_owned(), dedup: text.to_owned() };
        Outgoing { body: format!("<{text}>"), order: Some(order) }
    };
    let messages: Vec<_> = texts.into_iter().map(message).collect();
    queue.send(&messages).await.unwrap();
    let sent: BTreeSet<_> = messages.iter().map(|message| message.body.clone()).collect();
    let got: BTreeSet<_> = drain(&*queue).await.into_iter().collect();
    assert_eq!(got, sent);
}

pub async fn more_messages_than_a_request_holds_are_sent(make: impl AsyncFn(Type) -> Made) {
    let queue = make(Type::Fifo).await.queue;
    let messages: Vec<_> = (0..25).map(|n| in_group(&format!("g{n}"), &format!("{n}"))).collect();
    queue.send(&messages).await.unwrap();
    let got: BTreeSet<_> = drain(&*queue).await.into_iter().collect();
    assert_eq!(got.len(), 25);
}

pub async fn messages_larger_than_a_request_in_sum_are_sent(make: impl AsyncFn(Type) -> Made) {
    let queue = make(Type::Fifo).await.queue;
    let body = |n: usize| format!("{n}{}", "x".repeat(100 * 1024));
    let messages: Vec<_> = (0..5)
        .map(|n| {
            let order = Order { group: n.to_string(), dedup: n.to_string() };
            Outgoing { body: body(n), order: Some(order) }
        })
        .collect();
    queue.send(&messages).await.unwrap();
    let got: BTreeSet<_> = drain(&*queue).await.into_iter().collect();
    assert!(got == (0..5).map(body).collect(), "five messages come whole");
}

pub async fn a_message_that_is_too_large_is_refused_and_the_others_are_sent(
    make: impl AsyncFn(Type) -> Made,
) {
    let queue = make(Type::Fifo).await.queue;
    let order = Order { group: "b".to_owned(), dedup: "b".to_owned() };
    let large = Outgoing { body: "x".repeat(256 * 1024 + 1), order: Some(order) };
    let sent = queue.send(&[in_group("a", "1"), large, in_group("c", "3")]).await;
    let Err(QueueError::NotSent { failed: 1, sent: 3, reason }) = sent else {
        panic!("{sent:?}");
    };
    assert!(reason.contains("262145 bytes"), "{reason}");
    let got: BTreeSet<_> = drain(&*queue).await.into_iter().collect();
    assert_eq!(got, BTreeSet::from(["1".to_owned(), "3".to_owned()]));
}

pub async fn after_its_last_delivery_a_message_is_in_the_dead_letter_queue(
    make: impl AsyncFn(Type) -> Made,
) {
    let Made { queue, dead } = make(Type::Fifo).await;
    queue.send(&[in_group("a", "the body")]).await.unwrap();
    for count in 1..=MOST_RECEIVES {
        let delivery = next(&*queue).await;
        assert_eq!(delivery.receive_count, count);
        queue.postpone(&delivery.receipt, Duration::ZERO).await.unwrap();
    }
    assert_nothing(&*queue).await;
    let delivery = next(&*dead).await;
    assert_eq!(delivery.body, "the body");
    dead.delete(&delivery.receipt).await.unwrap();
    assert_nothing(&*dead).await;
}

pub async fn a_given_up_message_lets_its_group_flow(make: impl AsyncFn(Type) -> Made) {
    let queue = make(Type::Fifo).await.queue;
    queue.send(&[in_group("a", "1"), in_group("a", "2")]).await.unwrap();
    for _ in 0..MOST_RECEIVES {
        let delivery = next(&*queue).await;
        assert_eq!(delivery.body, "1");
        queue.postpone(&delivery.receipt, Duration::ZERO).await.unwrap();
    }
    let second = next(&*queue).await;
    assert_eq!((second.body.as_str(), second.receive_count), ("2", 1));
}

pub async fn a_standard_queue_delivers_everything(make: impl AsyncFn(Type) -> Made) {
    let queue = make(Type::Standard).await.queue;
    let messages: Vec<_> = (0..25).map(|n| Outgoing { body: n.to_string(), order: None }).collect();
    queue.send(&messages).await.unwrap();
    queue.send(&messages[..1]).await.unwrap();
    let mut got = drain(&*queue).await;
    assert_eq!(got.len(), 26, "nothing is dropped");
    got.sort_unstable();
    got.dedup();
    assert_eq!(got.len(), 25);
}

pub async fn a_fifo_queue_refuses_what_has_no_order(make: impl AsyncFn(Type) -> Made) {
    let queue = make(Type::Fifo).await.queue;
    let sent = queue.send(&[Outgoing { body: "1".to_owned(), order: None }]).await;
    assert!(sent.is_err(), "{sent:?}");
    assert_nothing(&*queue).await;
}

pub async fn a_receipt_that_never_was_is_an_error(make: impl AsyncFn(Type) -> Made) {
    let queue = make(Type::Fifo).await.queue;
    assert!(queue.delete("no receipt").await.is_err());
    assert!(queue.postpone("no receipt", GLANCE).await.is_err());
}
