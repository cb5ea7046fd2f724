//! Whose credentials an account has: with somebody else's, everything would
//! look gone.

use cloud_sync_core::error::ErrorClass;
use cloud_sync_core::identity::ANOTHER_ACCOUNT;
use cloud_sync_core::message::Mode;
use cloud_sync_core::task::TaskStatus;
use cloud_sync_runtime::clock::Clock;
use cloud_sync_runtime::notify::NoticeKind;
use cloud_sync_tests::vendor::{Call, error, machine};
use cloud_sync_tests::world::{SECRET, World, reference, secret};

/// Returns a world that knows its account's number.
async fn known() -> World {
    let world = World::new(&["r1", "r2"]).await;
    world.vendor.set_caller("1");
    world.vendor.fill("r1", "i", 10);
    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!(task.status, TaskStatus::Success);
    world.vendor.forget();
    world
}

/// Puts somebody else's credentials in the account's place.
fn swap(world: &World) {
    world.vendor.set_caller("2");
    world.credentials.set(&reference(), secret("of another account"));
    for n in 0..10 {
        world.vendor.release("r1", &format!("i-{n:03}"));
    }
    world.vendor.put("r1", machine("i-theirs"));
}

/// Returns how often operators were told of a suspension.
fn told(world: &World) -> usize {
    let notices = world.notifier.notices();
    notices.iter().filter(|notice| notice.kind == NoticeKind::AccountSuspended).count()
}

async fn hours(count: u64) {
    tokio::time::sleep(std::time::Duration::from_secs(3600 * count)).await;
}

#[tokio::test(start_paused = true)]
async fn the_same_credentials_are_asked_about_once_a_day() {
    let world = known().await;
    world.sync(Mode::Full).await;
    assert_eq!(world.vendor.calls(Call::Identity), 0);
    hours(25).await;
    world.sync(Mode::Full).await;
    assert_eq!(world.vendor.calls(Call::Identity), 1, "one region asks for all");
    world.credentials.set(&reference(), secret("of the same account"));
    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!((task.status, world.vendor.calls(Call::Identity)), (TaskStatus::Success, 2));
}

#[tokio::test(start_paused = true)]
async fn somebody_elses_credentials_delete_and_add_nothing() {
    let world = known().await;
    swap(&world);
    for round in 0..3 {
        let (task, regions) = world.sync(Mode::Full).await;
        assert_eq!(task.status, TaskStatus::Failed);
        let failure = &regions[0].errors[0];
        assert_eq!((failure.class, failure.code.as_str()), (ErrorClass::Auth, ANOTHER_ACCOUNT));
        assert!(failure.error.contains("account 2") && failure.error.contains("of 1"));
        assert!(failure.error.contains("accounts resume prod"), "{}", failure.error);
        assert_eq!(world.vendor.calls(Call::Page), 0, "round {round}: nothing is even listed");
    }
    assert_eq!(world.rows("r1", true).await.len(), 10);
    assert!(world.rows("r1", true).await.iter().all(|row| row.deleted_at.is_none()));
    // A request by name resumes it, so each of the three told once.
    assert_eq!(told(&world), 3);
    let tick = world.dispatcher.tick("later", world.clock.now()).await.unwrap();
    assert_eq!(tick.tasks, [], "the schedule leaves it alone");

    world.vendor.set_caller("1");
    world.credentials.set(&reference(), secret(SECRET));
    hours(2).await;
    let tick = world.dispatcher.tick("mended", world.clock.now()).await.unwrap();
    assert_eq!(tick.tasks.len(), 1, "the right credentials end it");
}

#[tokio::test(start_paused = true)]
async fn an_operator_may_say_that_the_other_account_is_the_right_one() {
    let world = known().await;
    swap(&world);
    world.sync(Mode::Full).await;
    world.store.forget_identity("prod").await.unwrap();
    world.store.resume("prod").await.unwrap();
    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!(task.counts.added_count, 1);
    let identity = world.store.account("prod").await.unwrap().unwrap().identity.unwrap();
    assert_eq!(identity.account_number, "2");
}

#[tokio::test(start_paused = true)]
async fn new_credentials_that_nobody_vouches_for_are_not_used() {
    for class in [ErrorClass::Data, ErrorClass::Internal, ErrorClass::NotOffered] {
        let world = known().await;
        swap(&world);
        world.vendor.fail(Call::Identity, None, 0, 2, error(class, "Odd"));
        let (task, _) = world.sync(Mode::Full).await;
        assert_eq!(task.status, TaskStatus::Failed, "{class:?}");
        assert_eq!(world.vendor.calls(Call::Page), 0, "{class:?}");
    }
    // What passes by itself is tried again.
    for class in [ErrorClass::Network, ErrorClass::Throttled] {
        let world = known().await;
        world.credentials.set(&reference(), secret("of the same account"));
        world.vendor.fail(Call::Identity, None, 0, 2, error(class, "Odd"));
        let (task, _) = world.sync(Mode::Full).await;
        assert_eq!(task.status, TaskStatus::Success, "{class:?}");
    }
    // What is refused is refused altogether.
    let world = known().await;
    world.credentials.set(&reference(), secret("revoked"));
    world.vendor.fail(Call::Identity, None, 0, 9, error(ErrorClass::Auth, "InvalidAccessKeyId"));
    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!(task.status, TaskStatus::Failed);
    let record = world.store.account("prod").await.unwrap().unwrap();
    assert_eq!(record.suspended.unwrap().code, "InvalidAccessKeyId");
    assert_eq!(told(&world), 1);
}

#[tokio::test(start_paused = true)]
async fn known_credentials_go_on_without_an_answer() {
    let world = known().await;
    hours(25).await;
    world.vendor.fail(Call::Identity, None, 0, 9, error(ErrorClass::Data, "Odd"));
    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!((task.status, task.counts.unchanged_count), (TaskStatus::Success, 10));
}
