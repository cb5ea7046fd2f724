//! What there is, by filter, a page at a time.

use cloud_sync_core::message::Mode;
use cloud_sync_core::resource::{Resource, Status};
use cloud_sync_tests::vendor::machine;
use cloud_sync_tests::world::World;
use serde_json::Value;

use super::support::Client;

const PATH: &str = "/resources/prod/aliyun.ecs.instance/r1";

/// Returns a world with 25 machines in one region and 12 in another, some
/// stopped, one with a tag and an address, one gone.
async fn synced() -> World {
    let world = World::new(&["r1", "r2"]).await;
    world.vendor.fill("r1", "i", 26);
    world.vendor.fill("r2", "j", 12);
    for id in ["i-003", "i-013"] {
        world.vendor.change("r1", id, |machine| machine.status = Status::Stopped);
    }
    world.vendor.change("r2", "j-007", |machine| {
        machine.tags.insert("aws:name".into(), "a:b".into());
        machine.public_ips.insert("47.1.2.3".into());
        machine.name = "zebra".into();
    });
    world.sync(Mode::Full).await;
    world.vendor.release("r1", "i-025");
    world.sync(Mode::Full).await;
    world
}

fn ids(body: &Value) -> Vec<String> {
    let items = body["items"].as_array().unwrap().iter();
    items.map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

/// Reads every page of a list, and returns the ids and the number of pages.
async fn all(client: &Client, query: &str) -> (Vec<String>, usize) {
    let (mut found, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let body = client.get(&format!("/resources?{query}{cursor}")).await.expect(200);
        found.extend(ids(&body));
        pages += 1;
        match body["cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return (found, pages),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn pages_of_every_size_have_each_resource_once() {
    let world = synced().await;
    let client = Client::new(&world);
    let expected: Vec<_> =
        (0..25).map(|n| format!("i-{n:03}")).chain((0..12).map(|n| format!("j-{n:03}"))).collect();
    for limit in [1, 7, 25, 36, 37, 1000] {
        let (found, pages) = all(&client, &format!("limit={limit}")).await;
        assert_eq!((found, pages), (expected.clone(), 37_usize.div_ceil(limit)), "{limit}");
    }
    for sort in ["name", "-name", "status", "created_at", "-created_at", "changed_at"] {
        let (mut found, _) = all(&client, &format!("limit=7&sort={sort}")).await;
        if sort == "-name" {
            assert_eq!(found[0], "j-007", "zebra");
        }
        found.sort();
        assert_eq!(found, expected, "{sort}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_filter_leaves_what_it_says() {
    let client = Client::new(&synced().await);
    for (query, expected) in [
        ("region=r2&name=zeb", &["j-007"][..]),
        ("status=stopped", &["i-003", "i-013"]),
        ("tag=aws:name", &["j-007"]),
        ("tag=aws:name:a:b&tag=env:prod", &["j-007"]),
        ("tag=aws:name:a", &[]),
        ("ip=47.1.2.3", &["j-007"]),
        ("deleted=only", &["i-025"]),
        ("deleted=with&id=i-025&id=i-003&id=none", &["i-003", "i-025"]),
        ("id=i-025&id=i-003", &["i-003"]),
        ("account=other", &[]),
        ("kind=aliyun.rds.instance", &[]),
    ] {
        assert_eq!(all(&client, query).await.0, expected, "{query}");
        assert_eq!(all(&client, &format!("limit=1&{query}")).await.0, expected, "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_makes_no_sense_is_refused_by_name() {
    let client = Client::new(&synced().await);
    let cursor = client.get("/resources?limit=1").await.expect(200)["cursor"].clone();
    let of_another = format!("sort=name&cursor={}", cursor.as_str().unwrap());
    for (query, field) in [
        ("account=a%23b", "account"),
        ("region=r%2F1", "region"),
        ("kind=machines", "kind"),
        ("ip=localhost", "ip"),
        ("status=sleepy", "status"),
        ("limit=0", "limit"),
        ("cursor=x", "cursor"),
        ("id=", "id"),
        (of_another.as_str(), "cursor"),
    ] {
        let answer = client.get(&format!("/resources?{query}")).await;
        let body = answer.expect(422);
        let named = body["errors"][0]["field"].as_str().unwrap();
        assert!(named.starts_with(field), "{query}: {body}");
    }
    client.get("/resources?colour=red").await.expect(422);
}

#[tokio::test(start_paused = true)]
async fn a_resource_is_shown_with_its_type_and_its_history() {
    let world = synced().await;
    let odd = "acs/i#1 é";
    world.vendor.put("r1", machine(odd));
    world.vendor.change("r1", "i-001", |machine| machine.name = "renamed".into());
    world.sync(Mode::Full).await;
    let client = Client::new(&world);
    let body = client.get(&format!("{PATH}/i-001")).await.expect(200);
    assert_eq!((&body["name"], &body["version"]), (&"renamed".into(), &2.into()));
    assert_eq!(body["provider"], "aliyun");
    assert!(body.get("vcpus").is_some(), "{body}");
    let body = client.get(&format!("{PATH}/acs%2Fi%231%20%C3%A9")).await.expect(200);
    assert_eq!(body["id"], odd);

    let first = client.get(&format!("{PATH}/i-001/history?limit=1")).await.expect(200);
    assert_eq!(first["items"][0]["change"], "added");
    let cursor = first["cursor"].as_str().unwrap();
    let rest = client.get(&format!("{PATH}/i-001/history?limit=1&cursor={cursor}")).await;
    let rest = rest.expect(200);
    assert_eq!(rest["items"][0]["fields"]["name"]["new"], "renamed");
    assert_eq!(rest.get("cursor"), None);

    let gone = client.get(&format!("{PATH}/i-025")).await.expect(200);
    assert!(gone["deleted_at"].is_string() && gone["status"] == "terminated", "{gone}");
    client.get(&format!("{PATH}/never")).await.expect(404);
    client.get(&format!("{PATH}/never/history")).await.expect(404);
    client.get("/resources/a%23b/aliyun.ecs.instance/r1/i-1").await.expect_wrong_field(
        422,
        "account_id",
        "expected 1 to 64",
    );
}

#[tokio::test(start_paused = true)]
async fn one_request_looks_at_so_many_and_the_cursor_goes_on() {
    let world = World::new(&["r1"]).await;
    world.vendor.set_pages(1000, 1000);
    world.vendor.fill("r1", "i", 5300);
    world.vendor.put("r1", Resource { name: "last".into(), ..machine("z-last") });
    world.sync(Mode::Full).await;
    let client = Client::new(&world);
    let first = client.get("/resources?name=last").await.expect(200);
    assert_eq!((ids(&first), first["cursor"].is_string()), (vec![], true), "not found yet");
    assert_eq!(all(&client, "name=last").await, (vec!["z-last".to_owned()], 2));
    let refused = client.get("/resources?sort=name").await;
    refused.expect_wrong_field(422, "sort", "5000");
}
