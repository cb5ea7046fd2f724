//! What instance types are: learnt when they are met, and of everything that
//! is listed sooner or later.

use std::time::Duration;

use cloud_sync_core::error::ErrorClass;
use cloud_sync_core::message::Mode;
use cloud_sync_tests::vendor::{Call, error, machine};
use cloud_sync_tests::world::{ACCOUNT, World, kind};
use jiff::SignedDuration;

/// Returns a region whose machines all have types of their own.
async fn of_many_types(machines: usize) -> World {
    let world = World::new(&["r1"]).await;
    for n in 0..machines {
        let spec = format!("ecs.g{n:03}.large");
        world.vendor.know_type(&spec, 2);
        let id = format!("i-{n:03}");
        world.vendor.put("r1", cloud_sync_core::resource::Resource { spec, ..machine(&id) });
    }
    world
}

async fn known(world: &World) -> usize {
    world.store.known_types(ACCOUNT, &kind()).await.unwrap().len()
}

#[tokio::test(start_paused = true)]
async fn types_that_one_sync_does_not_ask_about_the_next_ones_do() {
    let world = of_many_types(120).await;
    let mut learnt = Vec::new();
    for _ in 0..4 {
        let (task, _) = world.sync(Mode::Full).await;
        assert_eq!(task.counts.error_count, 0);
        learnt.push((known(&world).await, world.vendor.calls(Call::Types)));
    }
    assert_eq!(learnt, [(50, 1), (100, 2), (120, 3), (120, 3)], "nothing has changed meanwhile");
}

#[tokio::test(start_paused = true)]
async fn types_that_could_not_be_asked_about_are_asked_about_next_time() {
    let world = of_many_types(3).await;
    world.vendor.fail(Call::Types, None, 0, 1, error(ErrorClass::Network, "Timeout"));
    world.sync(Mode::Full).await;
    assert_eq!(known(&world).await, 0);
    let (unchanged, _) = world.sync(Mode::Incremental).await;
    assert_eq!((unchanged.counts.unchanged_count, known(&world).await), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn what_the_vendor_does_not_tell_is_not_asked_again_by_every_sync() {
    for refused in [false, true] {
        let world = of_many_types(3).await;
        world.vendor.put("r1", machine("i-of-no-known-type"));
        if refused {
            world.vendor.fail(Call::Types, None, 0, 9, error(ErrorClass::Auth, "Forbidden.RAM"));
        }
        for _ in 0..3 {
            world.sync(Mode::Full).await;
        }
        assert_eq!(world.vendor.calls(Call::Types), 1);
        world.vendor.heal();
        tokio::time::sleep(Duration::from_secs(25 * 3600)).await;
        world.sync(Mode::Full).await;
        assert_eq!((world.vendor.calls(Call::Types), known(&world).await), (2, 3), "after a day");
    }
}

#[tokio::test(start_paused = true)]
async fn types_that_an_early_turn_meets_are_learnt() {
    let mut world = of_many_types(40).await;
    for n in 40..400 {
        world.vendor.put("r1", machine(&format!("i-{n}")));
    }
    world.vendor.take_time(Duration::from_secs(1));
    world.run_time = world.sync.settings.wind_down + SignedDuration::from_secs(8);
    let (task, regions) = world.sync(Mode::Full).await;
    assert_eq!(task.counts.added_count, 400);
    assert!(regions[0].attempts > 4, "only {} turns", regions[0].attempts);
    assert_eq!(known(&world).await, 40);
}
