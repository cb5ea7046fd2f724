//! What operators are told, once each.

use cloud_sync_core::error::ErrorClass;
use cloud_sync_core::message::Mode;
use cloud_sync_core::task::{SyncTask, TaskStatus};
use cloud_sync_runtime::clock::Clock;
use cloud_sync_runtime::notify::NoticeKind::{
    self, AccountSuspended, DeadLetter, DeletionsHeld, TaskFailed,
};
use cloud_sync_tests::vendor::{Call, error};
use cloud_sync_tests::world::{World, account, kind};

const REGION: &str = "cn-hangzhou";

/// Returns what the operators were told about which task.
fn told(world: &World) -> Vec<(NoticeKind, Option<String>)> {
    world.notifier.notices().into_iter().map(|notice| (notice.kind, notice.task_id)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_and_the_task_that_failed_by_it_are_told_once_however_often_they_come() {
    let world = World::new(&[REGION]).await;
    let id = "20261123T101500Z-08787ea2ce15".to_owned();
    let regions = vec![REGION.to_owned()];
    let task = SyncTask::new(id.clone(), &account().id, kind(), regions, world.clock.now());
    assert!(world.store.create_task(&task).await.unwrap());
    for name in ["dead-letter", "results", "dead-letter", "results"] {
        let event = serde_json::from_str(&crate::events::event(name)).unwrap();
        let answer = finalizer::event::handle(&world.finalizer, event).await;
        assert_eq!(answer.batch_item_failures, [], "{name}");
    }
    assert_eq!(told(&world), [(DeadLetter, Some(id.clone())), (TaskFailed, Some(id))]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_account_is_told_of_with_its_task_and_a_success_is_not() {
    let world = World::new(&[REGION]).await;
    world.vendor.fill(REGION, "i", 3);
    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!((task.status, told(&world)), (TaskStatus::Success, vec![]));
    world.vendor.fail(Call::Page, None, 0, u32::MAX, error(ErrorClass::Auth, "Forbidden"));
    let (task, _) = world.sync(Mode::Full).await;
    let id = Some(task.task_id);
    assert_eq!(told(&world), [(AccountSuspended, id.clone()), (TaskFailed, id)]);
}

#[tokio::test(start_paused = true)]
async fn held_deletions_are_told_of_with_their_task_and_again_once_all_were_seen() {
    let world = World::new(&[REGION]).await;
    let fill = || world.vendor.fill(REGION, "i", 60);
    let collapse = || (0..40).for_each(|n| world.vendor.release(REGION, &format!("i-{n:03}")));
    fill();
    world.sync(Mode::Full).await;
    let mut wanted = Vec::new();
    for _ in 0..2 {
        collapse();
        let (first, _) = world.sync(Mode::Full).await;
        let (second, _) = world.sync(Mode::Full).await;
        assert_eq!((first.status, second.status), (TaskStatus::Partial, TaskStatus::Partial));
        wanted.push((DeletionsHeld, Some(first.task_id)));
        fill();
        world.sync(Mode::Full).await;
    }
    assert_eq!(told(&world), wanted);
}
