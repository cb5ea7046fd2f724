use std::time::Duration;

use cloud_sync_core::change::{Observer, Outcome};
use cloud_sync_core::deletion::Verdict;
use cloud_sync_core::error::ErrorClass;
use cloud_sync_core::message::WorkMessage;
use cloud_sync_core::task::TaskStatus;
use cloud_sync_dispatch::deletions::{Ruling, decide};
use cloud_sync_runtime::clock::Clock;
use cloud_sync_runtime::queue::{Order, Outgoing};
use cloud_sync_runtime::store::{ChangeStore, ScopeStore, StoreError};
use cloud_sync_tests::failing::Operation;
use cloud_sync_tests::vendor::{Call, Fault, error, machine};
use cloud_sync_tests::world::scope;

use super::gateway::Trouble;
use super::service::{Place, Service};

pub async fn a_message_delivered_twice_does_what_it_did_once(place: impl AsyncFn() -> Place) {
    let service = Service::start(place().await, &["r1"]).await;
    service.world.vendor.fill("r1", "i", 30);
    let task_id = service.dispatch().await;
    let first = service.receive_work(1).await.remove(0);
    assert_eq!(service.invoke_worker(&[&first]).await, [""; 0]);
    let (_, once) = service.world.task(&task_id).await;

    // The worker's answer was lost: the message was not deleted.
    service.world.vendor.change("r1", "i-001", |machine| machine.name = "renamed".into());
    let again = service.receive_work(1).await.remove(0);
    assert_eq!((again.message_id.as_str(), again.receive_count), (&*first.message_id, 2));
    assert_eq!(service.invoke_worker(&[&again]).await, [""; 0]);
    assert_eq!(service.world.task(&task_id).await.1, once, "an ended region is not synced again");
    service.delete_all_but(&[&again], &[]).await;

    let (task, _) = service.until_ended(&task_id).await;
    assert_eq!((task.status, task.counts.added_count), (TaskStatus::Success, 30));
    assert_eq!(service.versions("r1").await, vec![vec![1]; 30]);
    let (next, _) = service.sync().await;
    assert_eq!((next.counts.updated_count, next.counts.unchanged_count), (1, 29));
    service.world.assert_true("r1").await;
}

pub async fn a_worker_that_breaks_off_between_change_and_row_is_made_good(
    place: impl AsyncFn() -> Place,
) {
    let service = Service::start(place().await, &["r1"]).await;
    service.world.vendor.fill("r1", "i", 30);
    service.store.fail(Operation::PutRows, 1);
    let task_id = service.dispatch().await;
    let delivery = service.receive_work(1).await.remove(0);
    let failed = service.invoke_worker(&[&delivery]).await;
    assert_eq!(failed, [delivery.message_id], "it broke off");
    let (task, regions) = service.until_ended(&task_id).await;
    assert_eq!((task.status, regions[0].attempts), (TaskStatus::Success, 2));
    assert_eq!((task.counts.total_count, task.counts.added_count), (30, 30));
    assert_eq!(service.versions("r1").await, vec![vec![1]; 30]);
    service.world.assert_true("r1").await;
}

pub async fn of_a_batch_only_what_failed_comes_again(place: impl AsyncFn() -> Place) {
    let service = Service::start(place().await, &["r1", "r2", "r3"]).await;
    for region in ["r1", "r2", "r3"] {
        service.world.vendor.fill(region, region, 12);
    }
    let timeout = error(ErrorClass::Network, "Timeout");
    service.world.vendor.fail(Call::Page, Some("r3"), 1, 1, timeout);
    let task_id = service.dispatch().await;
    let mut batch = service.receive_work(3).await;
    let region = |body: &str| serde_json::from_str::<WorkMessage>(body).unwrap().region;
    batch.sort_by_key(|delivery| region(&delivery.body));
    let batch: Vec<_> = batch.iter().collect();
    let failed = service.invoke_worker(&batch).await;
    assert_eq!(failed, [batch[2].message_id.as_str()], "r3 alone");
    service.delete_all_but(&batch, &failed).await;

    let again = service.receive_work(1).await.remove(0);
    assert_eq!((region(&again.body).as_str(), again.receive_count), ("r3", 2));
    let failed = service.invoke_worker(&[&again]).await;
    service.delete_all_but(&[&again], &failed).await;
    let (task, regions) = service.until_ended(&task_id).await;
    assert_eq!((task.status, task.counts.added_count), (TaskStatus::Success, 36));
    let attempts: Vec<_> = regions.iter().map(|region| region.attempts).collect();
    assert_eq!(attempts, [1, 1, 2]);
    for region in ["r1", "r2", "r3"] {
        service.world.assert_true(region).await;
    }
}

pub async fn a_panic_over_a_message_is_its_regions_failure_and_the_batch_goes_on(
    place: impl AsyncFn() -> Place,
) {
    let service = Service::start(place().await, &["r1", "r2"]).await;
    service.world.vendor.fill("r1", "i", 25);
    service.world.vendor.fill("r2", "j", 12);
    service.world.vendor.fail(Call::Page, Some("r1"), 1, 1, Fault::Panic);
    // The panic comes while the first page is being written.
    service.gateway.trouble("changes", &[Trouble::Late]);
    let task_id = service.dispatch().await;
    let batch = service.receive_work(2).await;
    let batch: Vec<_> = batch.iter().collect();
    assert_eq!(service.invoke_worker(&batch).await, [""; 0], "neither is to come again");
    service.delete_all_but(&batch, &[]).await;
    let (task, regions) = service.until_ended(&task_id).await;
    assert_eq!((task.status, task.counts.added_count), (TaskStatus::Partial, 22));
    let error = &regions[0].errors[0];
    assert_eq!((error.code.as_str(), error.class), ("Panic", ErrorClass::Internal));
    assert_eq!((regions[0].counts.added_count, regions[1].status), (10, TaskStatus::Success));
    assert_eq!(service.sync().await.0.counts.added_count, 15);
    service.world.assert_true("r1").await;
}

pub async fn a_message_that_always_fails_ends_as_its_regions_failure_with_the_reason(
    place: impl AsyncFn() -> Place,
) {
    let service = Service::start(place().await, &["r1", "r2"]).await;
    service.world.vendor.fill("r2", "j", 12);
    let timeout = error(ErrorClass::Network, "Timeout");
    service.world.vendor.fail(Call::Page, Some("r1"), 0, u32::MAX, timeout);
    let (task, regions) = service.sync().await;
    assert_eq!((task.status, task.counts.added_count), (TaskStatus::Partial, 12));
    let error = &regions[0].errors[0];
    assert_eq!((error.code.as_str(), error.class), ("DeadLettered", ErrorClass::Network));
    assert!(error.error.contains("Timeout") && error.error.contains("told to fail"), "{error:?}");
    assert_eq!(regions[1].status, TaskStatus::Success);
    assert_eq!(service.world.notifier.notices().len(), 1);
    service.world.assert_true("r2").await;

    // Its scope is free for the next task.
    service.world.vendor.heal();
    assert_eq!(service.sync().await.0.status, TaskStatus::Success);
}

pub async fn a_message_that_cannot_be_read_is_reported_once_and_the_rest_flows(
    place: impl AsyncFn() -> Place,
) {
    let service = Service::start(place().await, &["r1"]).await;
    service.world.vendor.fill("r1", "i", 12);
    let order = Order { group: "nobody's".into(), dedup: "d".into() };
    let bad = Outgoing { body: "{\"task_id\": 7".into(), order: Some(order) };
    service.work.queue.send(&[bad]).await.unwrap();
    let (task, _) = service.sync().await;
    assert_eq!((task.status, task.counts.added_count), (TaskStatus::Success, 12));
    for _ in 0..20 {
        if !service.world.notifier.notices().is_empty() {
            break;
        }
        service.deliver_once().await;
    }
    let notices = service.world.notifier.notices();
    assert_eq!(notices.len(), 1);
    assert!(notices[0].text.contains("not a work message"), "{}", notices[0].text);
}

pub async fn of_two_workers_at_once_on_a_scope_exactly_one_writes(place: impl AsyncFn() -> Place) {
    let service = Service::start(place().await, &["r1"]).await;
    service.world.vendor.fill("r1", "i", 30);
    service.world.vendor.take_time(Duration::from_millis(100));
    let task_id = service.dispatch().await;
    let delivery = service.receive_work(1).await.remove(0);
    // The second began when the visibility timeout was over, and the first
    // is still at work.
    let batch = [&delivery];
    let (a, b) = tokio::join!(service.invoke_worker(&batch), service.invoke_worker(&batch));
    let again = [a, b].concat();
    assert_eq!(again, [delivery.message_id.as_str()], "one of them is told to come again");
    assert_eq!(service.world.vendor.calls(Call::Page), 3, "and has not even listed");
    assert_eq!(service.versions("r1").await, vec![vec![1]; 30]);
    assert_eq!(service.store.scope(&scope("r1")).await.unwrap().epoch, 1);
    service.delete_all_but(&batch, &[]).await;

    let (task, regions) = service.until_ended(&task_id).await;
    assert_eq!((task.status, regions[0].attempts), (TaskStatus::Success, 1));
    assert_eq!((task.counts.total_count, task.counts.added_count), (30, 30));
    service.world.assert_true("r1").await;
}

pub async fn throttled_and_partly_unprocessed_writes_lose_and_double_nothing(
    place: impl AsyncFn() -> Place,
) {
    use Trouble::{InPart, Throttled};
    let service = Service::start(place().await, &["r1"]).await;
    service.world.vendor.fill("r1", "i", 30);
    for table in ["changes", "resources", "scopes", "tasks"] {
        service.gateway.trouble(table, &[Throttled, InPart, InPart, Throttled, InPart]);
        service.world.vendor.put("r1", machine(&format!("new-{table}")));
        service.world.vendor.change("r1", "i-003", |machine| machine.name = table.into());
        service.world.vendor.release("r1", &format!("i-{:03}", 10 + table.len()));
        let before = service.world.rows("r1", false).await.len();
        let (task, regions) = service.sync().await;
        assert_eq!(service.gateway.met(), 5, "{table}");
        assert_eq!(task.status, TaskStatus::Success, "{table}: {:?}", regions[0].errors);
        let counts = task.counts;
        let expected = if before == 0 { (30, 0, 0) } else { (1, 1, 1) };
        let counted = (counts.added_count, counts.updated_count, counts.deleted_count);
        assert_eq!(counted, expected, "{table}");
        service.world.assert_true("r1").await;
    }
}

pub async fn nothing_is_in_flight_any_more_when_a_write_has_failed(place: impl AsyncFn() -> Place) {
    use Trouble::{Late, Refused};
    let service = Service::start(place().await, &["r1"]).await;
    let scope = scope("r1");
    let observer = Observer { scope: &scope, task_id: "t", now: service.world.clock.now() };
    let changes: Vec<_> = (0..100)
        .map(|n| match observer.seen(None, machine(&format!("i-{n:03}"))) {
            Outcome::Changed(change, _) => change,
            other => panic!("{other:?}"),
        })
        .collect();
    service.gateway.trouble("changes", &[Refused, Late, Late, Late]);
    let refused = service.store.put_changes(&changes).await;
    assert!(matches!(refused, Err(StoreError::Refused { .. })), "{refused:?}");
    assert_eq!(service.gateway.met(), 4);
    let mut recorded = 0;
    for change in &changes {
        recorded += service.store.history(&scope, &change.id).await.unwrap().len();
    }
    assert_eq!(recorded, 75, "all but the batch that was refused");
}

pub async fn a_write_whose_answer_was_lost_is_not_doubled(place: impl AsyncFn() -> Place) {
    let service = Service::start(place().await, &["r1"]).await;
    service.world.vendor.fill("r1", "i", 30);
    for (n, table) in ["changes", "resources", "scopes", "tasks"].into_iter().enumerate() {
        let n = n as u64;
        service.gateway.trouble(table, &[Trouble::AnswerLost, Trouble::AnswerLost]);
        service.world.vendor.change("r1", "i-003", |machine| machine.name = table.into());
        let (task, regions) = service.sync().await;
        assert_eq!(service.gateway.met(), 2, "{table}");
        assert_eq!(task.status, TaskStatus::Success, "{table}: {:?}", regions[0].errors);
        let expected = if n == 0 { (30, 0) } else { (0, 1) };
        let counted = (task.counts.added_count, task.counts.updated_count);
        assert_eq!(counted, expected, "{table}");
        let versions: Vec<_> = (1..=n + 1).collect();
        assert_eq!(service.versions("r1").await[3], versions, "{table}");
        service.world.assert_true("r1").await;
    }
}

pub async fn what_an_operator_approves_is_deleted_once(place: impl AsyncFn() -> Place) {
    let service = Service::start(place().await, &["r1"]).await;
    service.world.vendor.fill("r1", "i", 30);
    service.sync().await;
    for n in 0..25 {
        service.world.vendor.release("r1", &format!("i-{n:03}"));
    }
    let (task, _) = service.sync().await;
    assert_eq!((task.counts.held_count, task.counts.deleted_count), (25, 0));
    let at = service.world.clock.now();
    let ids = Some(vec!["i-000".to_owned(), "i-001".to_owned()]);
    let some = Ruling { verdict: Verdict::Reject, ids, at, by: Some("kim".to_owned()) };
    let all = Ruling { verdict: Verdict::Approve, ids: None, at, by: None };
    for (ruling, count) in [(&all, 25), (&some, 2)] {
        let decided = decide(service.store.as_ref(), &scope("r1"), ruling).await.unwrap();
        assert_eq!(decided.len(), count);
    }
    let (task, _) = service.sync().await;
    assert_eq!((task.counts.held_count, task.counts.deleted_count), (2, 23));
    decide(service.store.as_ref(), &scope("r1"), &all).await.unwrap();
    let (task, _) = service.sync().await;
    assert_eq!((task.status, task.counts.deleted_count), (TaskStatus::Success, 2));
    service.world.assert_true("r1").await;
}
