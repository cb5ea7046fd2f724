//! Following an account's changes.

use std::collections::BTreeMap;
use std::time::Duration;

use cloud_sync_core::change::{Change, ChangeKind};
use cloud_sync_core::message::Mode;
use cloud_sync_core::query::ChangeFilter;
use cloud_sync_runtime::clock::Clock;
use cloud_sync_runtime::query::changes::{MOST_UNSETTLED, Position, SETTLES_AFTER, step};
use cloud_sync_tests::world::{ACCOUNT, World, scope};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::support::Client;

fn change(id: &str, at: Timestamp) -> Change {
    Change {
        scope: scope("r1"),
        id: id.into(),
        version: 1,
        change: ChangeKind::Added,
        fields: [].into(),
        task_id: "t".into(),
        at,
    }
}

fn ids(body: &Value) -> Vec<String> {
    let items = body["items"].as_array().unwrap().iter();
    items.map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

/// Numbers that look random, and are the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_reads_on_gets_each_change_once_however_late_it_appears() {
    for seed in 0..40 {
        let mut dice = Dice(seed);
        let world = World::new(&["r1"]).await;
        let begin = world.clock.now();
        // When each has its time, and when it appears.
        let latest = SETTLES_AFTER.as_millis() as u64;
        let mut waiting: Vec<_> = (0..400)
            .map(|n| {
                let at = begin + SignedDuration::from_millis(dice.roll(600_000) as i64);
                let late = SignedDuration::from_millis(dice.roll(latest) as i64);
                (at + late, change(&format!("i-{n}"), at))
            })
            .collect();
        let mut seen = BTreeMap::<String, u32>::new();
        let mut position = Position::default();
        while world.clock.now() < begin + SignedDuration::from_mins(15) {
            tokio::time::sleep(Duration::from_millis(dice.roll(20_000))).await;
            let now = world.clock.now();
            let due: Vec<_> = waiting.extract_if(.., |(when, _)| *when <= now).collect();
            let due: Vec<_> = due.into_iter().map(|(_, change)| change).collect();
            world.store.put_changes(&due).await.unwrap();
            let how_many = (1 + dice.roll(60) as usize, now);
            let filter = ChangeFilter::default();
            let store = world.store.as_ref();
            let (found, next) = step(store, ACCOUNT, &position, &filter, how_many).await.unwrap();
            assert!(found.len() <= how_many.0 && next.returned.len() <= MOST_UNSETTLED);
            found.into_iter().for_each(|change| *seen.entry(change.id).or_default() += 1);
            position = next;
        }
        assert_eq!(seen.len(), 400, "seed {seed}: a change was lost");
        assert!(seen.values().all(|times| *times == 1), "seed {seed}: a change came again");
        assert!(position.returned.is_empty(), "what is settled needs no hash");
    }
}

#[tokio::test(start_paused = true)]
async fn more_at_once_than_a_position_can_name_come_when_they_are_settled() {
    let world = World::new(&["r1"]).await;
    let now = world.clock.now();
    let changes: Vec<_> = (0..1000).map(|n| change(&format!("i-{n:04}"), now)).collect();
    world.store.put_changes(&changes).await.unwrap();
    let client = Client::new(&world);
    let first = client.get("/changes?account=prod&limit=1000").await.expect(200);
    assert_eq!(ids(&first).len(), MOST_UNSETTLED);
    let cursor = first["cursor"].as_str().unwrap().to_owned();
    let next = client.get(&format!("/changes?account=prod&cursor={cursor}")).await.expect(200);
    assert_eq!(ids(&next).len(), 0);
    tokio::time::sleep(Duration::from_secs(121)).await;
    let rest = client.get(&format!("/changes?account=prod&limit=1000&cursor={cursor}")).await;
    let mut all = ids(&first);
    all.extend(ids(&rest.expect(200)));
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 1000);
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_for_changes_and_not_longer_than_it_says() {
    let world = World::new(&["r1"]).await;
    let client = Client::new(&world);
    let began = world.clock.now();
    let body = client.get("/changes?account=prod&wait=20").await.expect(200);
    let waited = world.clock.now().duration_since(began).as_secs();
    assert_eq!((ids(&body).len(), (19..=20).contains(&waited)), (0, true), "{waited}");

    let cursor = body["cursor"].as_str().unwrap();
    let target = format!("/changes?account=prod&wait=20&cursor={cursor}");
    let later = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        let now = world.clock.now();
        world.store.put_changes(&[change("i-1", now)]).await.unwrap();
    };
    let began = world.clock.now();
    let (answer, ()) = tokio::join!(client.get(&target), later);
    assert_eq!(ids(&answer.expect(200)), ["i-1"]);
    assert!(world.clock.now().duration_since(began).as_secs() <= 7);
}

#[tokio::test(start_paused = true)]
async fn changes_are_filtered_and_begin_at_a_time() {
    let world = World::new(&["r1", "r2"]).await;
    world.vendor.fill("r1", "i", 3);
    world.vendor.fill("r2", "j", 2);
    world.sync(Mode::Full).await;
    let between = world.clock.now() + SignedDuration::from_secs(1);
    tokio::time::sleep(Duration::from_secs(5)).await;
    world.vendor.change("r1", "i-001", |machine| machine.name = "renamed".into());
    world.sync(Mode::Full).await;
    let client = Client::new(&world);
    for (query, expected) in [
        ("", 6),
        ("&change=updated", 1),
        ("&change=updated&change=added", 6),
        ("&region=r2", 2),
        ("&kind=aliyun.rds.instance", 0),
        (&format!("&since={between}"), 1),
    ] {
        let body = client.get(&format!("/changes?account=prod{query}")).await.expect(200);
        assert_eq!(ids(&body).len(), expected, "{query}");
        assert!(body["cursor"].is_string(), "there may always be more");
    }
}

#[tokio::test(start_paused = true)]
async fn what_makes_no_sense_is_refused_by_name() {
    let world = World::new(&["r1"]).await;
    let client = Client::new(&world);
    let cursor = client.get("/changes?account=prod").await.expect(200)["cursor"].clone();
    let cursor = cursor.as_str().unwrap();
    let both = format!("account=prod&cursor={cursor}&since=2026-01-01T00:00:00Z");
    for (query, field) in [
        ("account=unknown", "account"),
        ("account=a%23", "account"),
        ("account=prod&wait=21", "wait"),
        ("account=prod&since=yesterday", "since"),
        ("account=prod&cursor=e30x", "cursor"),
        ("account=prod&change=vanished", "change"),
        (&both, "since"),
    ] {
        let body = client.get(&format!("/changes?{query}")).await.expect(422);
        let named = body["errors"][0]["field"].as_str().unwrap();
        assert!(named.starts_with(field), "{query}: {body}");
    }
    client.get("/changes").await.expect(422);
}
