//! Syncs of given resources, and statuses compared.

use std::time::Duration;

use cloud_sync_core::change::ChangeKind;
use cloud_sync_core::diff::Field;
use cloud_sync_core::error::ErrorClass;
use cloud_sync_core::message::{MOST_IDS, Mode, SyncRequest};
use cloud_sync_core::resource::Status;
use cloud_sync_core::task::{SyncTask, TaskStatus};
use cloud_sync_dispatch::DispatchError;
use cloud_sync_runtime::clock::Clock;
use cloud_sync_tests::vendor::{Call, error, machine};
use cloud_sync_tests::world::{World, scope};

fn named(mode: Mode, region: &str, ids: &[&str]) -> SyncRequest {
    SyncRequest {
        mode,
        regions: vec![region.to_owned()],
        ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        ..SyncRequest::default()
    }
}

async fn sync(world: &World, mode: Mode, ids: &[&str]) -> SyncTask {
    tokio::time::sleep(Duration::from_secs(2)).await;
    let task = world.ask(&named(mode, "r1", ids)).await;
    world.drain().await;
    world.task(&task.task_id).await.0
}

#[tokio::test(start_paused = true)]
async fn a_targeted_sync_re_reads_what_is_named_and_nothing_else() {
    let world = World::new(&["r1", "r2"]).await;
    world.vendor.fill("r1", "i", 3);
    world.sync(Mode::Full).await;
    world.vendor.change("r1", "i-000", |one| one.name = "new".into());
    world.vendor.change("r1", "i-001", |one| one.name = "unseen".into());
    world.vendor.put("r1", machine("i-9"));
    world.vendor.attach("i-9", &["d-1"]);
    world.vendor.forget();
    let before = world.store.scope(&scope("r1")).await.unwrap().findings;

    let task = sync(&world, Mode::Targeted, &["i-000", "i-002", "i-9", "i-none"]).await;
    assert_eq!(task.status, TaskStatus::Success);
    let counts = &task.counts;
    assert_eq!((counts.total_count, counts.unchanged_count), (3, 1));
    assert_eq!((counts.added_count, counts.updated_count, counts.deleted_count), (1, 1, 0));
    assert_eq!((world.vendor.calls(Call::Page), world.vendor.calls(Call::Reread)), (0, 1));
    let rows = world.rows("r1", false).await;
    assert_eq!(rows.len(), 4);
    let added = rows.iter().find(|row| row.resource.id == "i-9").unwrap();
    assert_eq!(added.resource.data_disks.as_ref().unwrap().len(), 1, "secondary calls are made");
    let stale = rows.iter().find(|row| row.resource.id == "i-001").unwrap();
    assert_ne!(stale.resource.name, "unseen", "nobody named it");

    let after = world.store.scope(&scope("r1")).await.unwrap().findings;
    assert_eq!(after.live_count, 4);
    assert_eq!((after.rhythm, after.last_complete_at), (before.rhythm, before.last_complete_at));
    assert_eq!(after.last_full_at, before.last_full_at, "the schedule does not count on it");
    world.sync(Mode::Full).await;
    world.assert_true("r1").await;
}

#[tokio::test(start_paused = true)]
async fn what_a_targeted_sync_does_not_find_stays() {
    let world = World::new(&["r1"]).await;
    world.vendor.fill("r1", "i", 2);
    world.sync(Mode::Full).await;
    world.vendor.release("r1", "i-000");
    for mode in [Mode::Targeted, Mode::Status] {
        let task = sync(&world, mode, &["i-000"]).await;
        assert_eq!((task.status, task.counts.deleted_count), (TaskStatus::Success, 0));
        assert_eq!(world.rows("r1", false).await.len(), 2, "only a listing proves that it is gone");
    }
}

#[tokio::test(start_paused = true)]
async fn a_status_sync_writes_statuses_and_nothing_else() {
    let world = World::new(&["r1"]).await;
    world.vendor.fill("r1", "i", 3);
    world.sync(Mode::Full).await;
    world.vendor.change("r1", "i-000", |one| {
        (one.status, one.vendor_status) = (Status::Stopping, "Stopping".into());
        one.name = "unseen".into();
    });
    world.vendor.put("r1", machine("i-9"));
    world.vendor.forget();

    let task = sync(&world, Mode::Status, &["i-000", "i-001", "i-9"]).await;
    let counts = &task.counts;
    assert_eq!((counts.total_count, counts.updated_count, counts.unchanged_count), (2, 1, 1));
    assert_eq!(counts.added_count, 0, "a status is no description");
    let calls = [Call::Statuses, Call::Reread, Call::Page, Call::SomeDetails];
    assert_eq!(calls.map(|call| world.vendor.calls(call)), [1, 0, 0, 0]);
    let last = world.history("r1", "i-000").await.pop().unwrap();
    let fields: Vec<_> = last.fields.keys().copied().collect();
    assert_eq!(
        (last.change, fields),
        (ChangeKind::Updated, vec![Field::Status, Field::VendorStatus])
    );
    world.sync(Mode::Full).await;
    world.assert_true("r1").await;
}

#[tokio::test(start_paused = true)]
async fn statuses_are_compared_without_writing_anything() {
    let world = World::new(&["r1"]).await;
    world.vendor.fill("r1", "i", 3);
    world.sync(Mode::Full).await;
    world.vendor.change("r1", "i-001", |one| {
        (one.status, one.vendor_status) = (Status::Stopped, "Stopped".into());
    });
    world.vendor.release("r1", "i-002");
    world.vendor.put("r1", machine("i-9"));
    let before = world.rows("r1", true).await;

    let ids = ["i-9", "i-002", "i-001", "i-000", "i-none"].map(str::to_owned);
    let compared = world.dispatcher.compare_statuses(&scope("r1"), &ids).await.unwrap().unwrap();
    assert!(compared.iter().map(|one| &one.id).eq(&ids), "in the order asked");
    let shape: Vec<_> = compared
        .iter()
        .map(|one| (one.stored.is_some(), one.vendor.is_some(), one.differs))
        .collect();
    let expected = [
        (false, true, true),
        (true, false, true),
        (true, true, true),
        (true, true, false),
        (false, false, false),
    ];
    assert_eq!(shape, expected);
    assert_eq!(compared[2].vendor.as_ref().unwrap().vendor_status, "Stopped");
    assert_eq!(world.rows("r1", true).await, before);

    world.vendor.fail(Call::Statuses, None, 0, 9, error(ErrorClass::Auth, "Forbidden.RAM"));
    let refused = world.dispatcher.compare_statuses(&scope("r1"), &ids).await.unwrap();
    assert_eq!(refused.unwrap_err().code, "Forbidden.RAM");
}

#[tokio::test(start_paused = true)]
async fn ids_that_say_too_little_or_too_much_are_refused() {
    let world = World::new(&["r1", "r2"]).await;
    let many: Vec<_> = (0..=MOST_IDS).map(|n| format!("i-{n}")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let everywhere = SyncRequest { regions: Vec::new(), ..named(Mode::Status, "r1", &["i-1"]) };
    for (request, what) in [
        (named(Mode::Status, "r1", &[]), "1 to 100"),
        (named(Mode::Targeted, "r1", &many), "1 to 100"),
        (named(Mode::Targeted, "r1", &["i-1", ""]), "not a resource's id"),
        (named(Mode::Full, "r1", &["i-1"]), "go with targeted"),
        (everywhere, "this names 2"),
    ] {
        let refused = world.dispatcher.request(&request, "t", world.clock.now()).await;
        let Err(DispatchError::Invalid(error)) = refused else { panic!("{request:?}") };
        assert_eq!(error.field, "ids");
        assert!(error.reason.contains(what), "{error}");
    }
    let none = world.dispatcher.compare_statuses(&scope("r1"), &[]).await;
    assert!(matches!(none, Err(DispatchError::Invalid(_))));
}
