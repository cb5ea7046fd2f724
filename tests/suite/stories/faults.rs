//! One region, resource or account failing leaves the others as if it had not.

use std::time::Duration;

use cloud_sync_core::diff::Field;
use cloud_sync_core::error::{ErrorClass, VendorError};
use cloud_sync_core::message::Mode;
use cloud_sync_core::task::TaskStatus;
use cloud_sync_runtime::clock::Clock;
use cloud_sync_runtime::queue::{Order, Outgoing, Queue};
use cloud_sync_tests::vendor::{Call, Fault, error};
use cloud_sync_tests::world::{ACCOUNT, World};
use jiff::SignedDuration;

fn throttled(seconds: u64) -> Fault {
    let Fault::Error(mut throttled) = error(ErrorClass::Throttled, "Throttling.User") else {
        unreachable!("an error is a fault of kind error");
    };
    throttled.retry_after = Some(Duration::from_secs(seconds));
    Fault::Error(throttled)
}

#[tokio::test(start_paused = true)]
async fn a_region_that_panics_leaves_the_others_alone() {
    let world = World::new(&["r1", "r2"]).await;
    world.vendor.fill("r1", "i", 5);
    world.vendor.fill("r2", "j", 5);
    world.vendor.fail(Call::Page, Some("r1"), 0, u32::MAX, Fault::Panic);
    let (task, regions) = world.sync(Mode::Full).await;
    assert_eq!(task.status, TaskStatus::Partial);
    assert_eq!(regions[0].status, TaskStatus::Failed);
    assert_eq!(regions[0].errors[0].class, ErrorClass::Internal);
    assert!(regions[0].errors[0].error.contains("told to panic"));
    assert_eq!(regions[1].status, TaskStatus::Success);
    world.assert_true("r2").await;

    world.vendor.heal();
    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!(task.status, TaskStatus::Success);
    world.assert_true("r1").await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_mid_walk_counts_what_was_recorded_and_deletes_nothing() {
    let world = World::new(&["r1"]).await;
    world.vendor.fill("r1", "i", 25);
    world.sync(Mode::Full).await;
    world.vendor.fill("r1", "a", 12);
    world.vendor.release("r1", "i-001");
    world.vendor.fail(Call::Page, None, 1, 1, Fault::Panic);
    let (task, regions) = world.sync(Mode::Full).await;
    assert_eq!((task.status, regions[0].errors[0].code.as_str()), (TaskStatus::Failed, "Panic"));
    let recorded = task.counts.added_count;
    assert_eq!((recorded, task.counts.deleted_count), (10, 0), "the first page was written");
    assert_eq!(task.counts.total_count, recorded);
    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!((task.counts.added_count, task.counts.deleted_count), (2, 1));
    world.assert_true("r1").await;
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_stop_the_account_and_are_told_once() {
    let world = World::new(&["r1", "r2", "r3"]).await;
    world.sync(Mode::Full).await;
    world.vendor.forget();
    world.vendor.fail(Call::Page, None, 0, u32::MAX, error(ErrorClass::Auth, "InvalidAccessKeyId"));
    let (task, regions) = world.sync(Mode::Incremental).await;
    assert_eq!(task.status, TaskStatus::Failed);
    assert_eq!(world.vendor.calls(Call::Page), 1, "the other regions are not even asked");
    assert!(regions.iter().all(|region| region.errors[0].class == ErrorClass::Auth));
    let suspended = world.store.account(ACCOUNT).await.unwrap().unwrap().suspended.unwrap();
    assert_eq!(suspended.code, "InvalidAccessKeyId");
    let told: Vec<_> = world.notifier.notices().iter().map(|n| n.subject().to_string()).collect();
    assert_eq!(told.iter().filter(|subject| subject.contains("suspended")).count(), 1, "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_failed_disk_call_leaves_disks_unknown_not_empty() {
    let world = World::new(&["r1"]).await;
    world.vendor.fill("r1", "i", 5);
    world.vendor.attach("i-001", &["d-1"]);
    world.sync(Mode::Full).await;

    world.vendor.change("r1", "i-001", |machine| machine.name = "renamed".into());
    world.vendor.fail(Call::AllDetails, None, 0, 1, error(ErrorClass::Network, "Timeout"));
    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!((task.status, task.counts.error_count), (TaskStatus::Partial, 1));
    assert_eq!((task.counts.updated_count, task.counts.unchanged_count), (1, 4));
    world.assert_true("r1").await;
}

#[tokio::test(start_paused = true)]
async fn what_one_resource_is_refused_costs_no_other_its_details() {
    let world = World::new(&["r1"]).await;
    world.vendor.fill("r1", "i", 5);
    world.sync(Mode::Full).await;
    for id in ["i-001", "i-002"] {
        world.vendor.change("r1", id, |machine| machine.name = "renamed".into());
        world.vendor.attach(id, &["d-1"]);
    }
    let text = "a policy of its own denies it";
    let refused = VendorError::new(ErrorClass::Data, "GetDetails", "AccessDenied", text);
    world.vendor.refuse_details("i-001", refused);
    let (task, regions) = world.sync(Mode::Incremental).await;
    assert_eq!((task.status, task.counts.error_count), (TaskStatus::Partial, 1));
    assert_eq!((task.counts.updated_count, task.counts.unchanged_count), (2, 3));
    let error = &regions[0].errors[0];
    assert_eq!((error.resource_id.as_deref(), &*error.code), (Some("i-001"), "AccessDenied"));
    for (id, is_told) in [("i-001", false), ("i-002", true)] {
        let last = world.history("r1", id).await.pop().unwrap();
        assert!(last.fields.contains_key(&Field::Name));
        assert_eq!(last.fields.contains_key(&Field::DataDisks), is_told, "unknown is not none");
    }
}

#[tokio::test(start_paused = true)]
async fn a_region_that_is_not_offered_is_no_error() {
    let world = World::new(&["r1", "r2"]).await;
    world.vendor.fill("r1", "i", 2);
    let fault = error(ErrorClass::NotOffered, "InvalidRegionId.NotFound");
    world.vendor.fail(Call::Page, Some("r2"), 0, u32::MAX, fault);
    let (task, regions) = world.sync(Mode::Full).await;
    assert_eq!(task.status, TaskStatus::Success);
    assert!(regions[1].skipped && !regions[0].skipped);
}

#[tokio::test(start_paused = true)]
async fn a_region_no_longer_offered_keeps_its_rows() {
    let world = World::new(&["r1"]).await;
    world.vendor.fill("r1", "i", 5);
    world.sync(Mode::Full).await;
    let fault = error(ErrorClass::NotOffered, "InvalidRegionId.NotFound");
    world.vendor.fail(Call::Page, None, 0, u32::MAX, fault);
    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!((task.status, task.counts.deleted_count), (TaskStatus::Success, 0));
    assert_eq!(world.rows("r1", false).await.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_short_throttle_is_waited_for_in_place() {
    let world = World::new(&["r1"]).await;
    world.vendor.fill("r1", "i", 25);
    world.vendor.fail(Call::Page, None, 1, 1, throttled(40));
    let (task, regions) = world.sync(Mode::Full).await;
    assert_eq!((task.status, task.counts.added_count), (TaskStatus::Success, 25));
    assert_eq!(regions[0].attempts, 1);
    assert!(task.duration_ms.unwrap() >= 40_000);
}

#[tokio::test(start_paused = true)]
async fn a_long_throttle_gives_the_message_back_and_goes_on_from_there() {
    let world = World::new(&["r1"]).await;
    world.vendor.fill("r1", "i", 25);
    world.vendor.fail(Call::Page, None, 1, 1, throttled(600));
    let (task, regions) = world.sync(Mode::Full).await;
    assert_eq!((task.status, task.counts.added_count), (TaskStatus::Success, 25));
    assert_eq!(regions[0].attempts, 2);
    assert_eq!(world.vendor.calls(Call::Page), 4, "the first page is not asked for again");
    assert_eq!(task.counts.error_count, 0, "what was overcome is no error");
    world.assert_true("r1").await;
}

#[tokio::test(start_paused = true)]
async fn a_vendor_that_stays_down_is_given_up_and_the_task_ends() {
    let mut world = World::new(&["r1", "r2"]).await;
    world.sync.settings.give_up_after = SignedDuration::from_mins(2);
    world.vendor.fill("r2", "j", 3);
    let fault = error(ErrorClass::Network, "ConnectionRefused");
    world.vendor.fail(Call::Page, Some("r1"), 0, u32::MAX, fault);
    let (task, regions) = world.sync(Mode::Full).await;
    assert_eq!(task.status, TaskStatus::Partial);
    assert_eq!(regions[0].errors[0].code, "ConnectionRefused");
    assert!(task.duration_ms.unwrap() <= 130_000, "{:?}", task.duration_ms);
    world.assert_true("r2").await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_nobody_can_handle_ends_its_region_with_the_reason() {
    let mut world = World::new(&["r1"]).await;
    world.sync.settings.give_up_after = SignedDuration::from_hours(24);
    world.vendor.fail(Call::Page, None, 0, u32::MAX, error(ErrorClass::Network, "Timeout"));
    let (task, regions) = world.sync(Mode::Full).await;
    assert_eq!(task.status, TaskStatus::Failed);
    let error = &regions[0].errors[0];
    assert_eq!((error.code.as_str(), error.class), ("DeadLettered", ErrorClass::Network));
    assert!(error.error.contains("told to fail"), "{}", error.error);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_read_is_reported_not_retried_for_ever() {
    let world = World::new(&["r1"]).await;
    let order = Order { group: "g".into(), dedup: "d".into() };
    let bad = Outgoing { body: "{\"task_id\": 7".into(), order: Some(order) };
    world.work.send(&[bad]).await.unwrap();
    world.drain().await;
    let notices = world.notifier.notices();
    assert_eq!(notices.len(), 1);
    assert!(notices[0].text.contains("not a work message"), "{}", notices[0].text);
}

#[tokio::test(start_paused = true)]
async fn a_task_whose_messages_vanished_is_ended_by_the_sweep() {
    let world = World::new(&["r1"]).await;
    let task = world.start(Mode::Full).await;
    let lost = cloud_sync_tests::world::receive(&world.work, Duration::ZERO).await.unwrap();
    world.work.delete(&lost.receipt).await.unwrap();
    tokio::time::sleep(Duration::from_secs(6 * 3600 + 60)).await;
    world.dispatcher.tick("t", world.clock.now()).await.unwrap();
    world.drain().await;
    let (task, regions) = world.task(&task.task_id).await;
    assert_eq!(task.status, TaskStatus::Failed);
    assert_eq!(regions[0].errors[0].code, "Overdue");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_task_starts_no_region_and_deletes_nothing() {
    let world = World::new(&["r1", "r2"]).await;
    world.vendor.fill("r1", "i", 5);
    world.sync(Mode::Full).await;
    world.vendor.release("r1", "i-001");
    world.vendor.forget();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let task = world.start(Mode::Full).await;
    assert!(world.store.request_cancel(&task.task_id).await.unwrap());
    world.drain().await;
    let (task, _) = world.task(&task.task_id).await;
    assert_eq!((task.status, task.counts.deleted_count), (TaskStatus::Cancelled, 0));
    assert_eq!(world.vendor.calls(Call::Page), 0);
}

#[tokio::test(start_paused = true)]
async fn a_running_region_stops_at_the_next_page_when_cancelled() {
    let world = World::new(&["r1"]).await;
    world.vendor.fill("r1", "i", 100);
    world.vendor.take_time(Duration::from_secs(3));
    let task = world.start(Mode::Full).await;
    let cancel = async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        world.store.request_cancel(&task.task_id).await.unwrap();
    };
    tokio::join!(cancel, world.drain());
    let (task, regions) = world.task(&task.task_id).await;
    assert_eq!(task.status, TaskStatus::Cancelled);
    assert!((1..10).contains(&world.vendor.calls(Call::Page)));
    assert_eq!(regions[0].counts.added_count as usize, world.rows("r1", false).await.len());
}

#[tokio::test(start_paused = true)]
async fn a_wish_to_cancel_that_comes_after_the_last_page_still_stops_deletions() {
    let world = World::new(&["r1"]).await;
    world.vendor.fill("r1", "i", 5);
    world.sync(Mode::Full).await;
    world.vendor.release("r1", "i-001");
    world.vendor.take_time(Duration::from_millis(400));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let task = world.start(Mode::Full).await;
    let cancel = async {
        // Disks and the one page take 800 ms.
        tokio::time::sleep(Duration::from_millis(600)).await;
        world.store.request_cancel(&task.task_id).await.unwrap();
    };
    tokio::join!(cancel, world.drain());
    let (task, _) = world.task(&task.task_id).await;
    assert_eq!((task.status, task.counts.deleted_count), (TaskStatus::Cancelled, 0));
    assert_eq!(world.rows("r1", false).await.len(), 5);
}
