//! The accounts, over HTTP.

use std::sync::Arc;

use api::{Access, Api};
use axum::body::Body;
use axum::http::{Method, Request};
use cloud_sync_core::account::{Account, CredentialsRef, Suspension};
use cloud_sync_core::error::ErrorClass;
use cloud_sync_core::identity::ANOTHER_ACCOUNT;
use cloud_sync_core::message::Mode;
use cloud_sync_provider::Registry;
use cloud_sync_runtime::clock::Clock;
use cloud_sync_runtime::secrets::CredentialSource;
use cloud_sync_runtime::secrets::write::FixedSecrets;
use cloud_sync_tests::vendor::{Call, error};
use cloud_sync_tests::world::{ACCOUNT, World};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::support::{Answer, Client};

pub(super) fn api(world: &World) -> Api {
    Api::new(world.dispatcher.clone(), Access::Gateway)
}

/// Returns a client of an API that keeps secrets and knows the real vendors.
pub(super) fn client(world: &World) -> Client {
    let secrets = Arc::new(FixedSecrets(world.credentials.clone()));
    let vendors = Arc::new(Registry::new().unwrap());
    Client::of(Api { secrets: Some(secrets), vendors, ..api(world) })
}

pub(super) fn input() -> Value {
    json!({
        "provider": "aliyun", "default_region": "cn-hangzhou",
        "kinds": ["aliyun.ecs.instance"], "credentials": { "env": "TEAM" },
    })
}

pub(super) async fn call(
    client: &Client,
    method: Method,
    target: &str,
    headers: &[(&str, &str)],
    body: &Value,
) -> Answer {
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in [("content-type", "application/json")].iter().chain(headers) {
        request = request.header(*name, *value);
    }
    client.send(request.body(Body::from(body.to_string())).unwrap()).await
}

pub(super) async fn put(client: &Client, id: &str, body: &Value) -> Answer {
    call(client, Method::PUT, &format!("/accounts/{id}"), &[], body).await
}

pub(super) async fn patch(client: &Client, id: &str, body: &Value) -> Answer {
    call(client, Method::PATCH, &format!("/accounts/{id}"), &[], body).await
}

#[tokio::test(start_paused = true)]
async fn an_account_is_created_replaced_shown_and_removed() {
    let world = World::new(&["r1"]).await;
    let client = client(&world);
    let created = put(&client, "team", &input()).await;
    assert_eq!(created.headers["etag"], "\"1\"");
    let created = created.expect(201);
    assert_eq!(created["account"]["id"], "team");
    assert_eq!(created["account"]["schedule"]["min_interval_minutes"], 10, "with its defaults");
    let mut other = input();
    other["name"] = json!("Team");
    assert_eq!(put(&client, "team", &other).await.expect(200)["account"]["name"], "Team");
    let shown = client.get("/accounts/team").await;
    assert_eq!(shown.headers["etag"], "\"2\"");
    assert_eq!(shown.expect(200)["account"]["name"], "Team");
    let ids = async |target: &str| {
        let page = client.get(target).await.expect(200);
        let items = page["items"].as_array().unwrap().iter();
        let ids: Vec<_> = items.map(|one| one["account"]["id"].to_string()).collect();
        (ids.join(" "), page["cursor"].as_str().map(str::to_owned))
    };
    let (first, cursor) = ids("/accounts?limit=1").await;
    assert_eq!(first, "\"prod\"");
    let next = format!("/accounts?limit=1&cursor={}", cursor.unwrap());
    assert_eq!(ids(&next).await, ("\"team\"".to_owned(), None));
    client.call(Method::DELETE, "/accounts/team").await.expect(204);
    client.get("/accounts/team").await.expect(404);
    client.call(Method::DELETE, "/accounts/team").await.expect(404);
    assert_eq!(ids("/accounts").await.0, "\"prod\"");
    assert_eq!(put(&client, "team", &input()).await.expect(201)["account"]["name"], "");
}

#[tokio::test(start_paused = true)]
async fn a_patch_changes_what_it_names() {
    let world = World::new(&["r1"]).await;
    let client = client(&world);
    let mut full = input();
    full["name"] = json!("Team");
    full["hook"] = json!({ "env": "TEAM_HOOK" });
    full["budget"] = json!({ "soft_calls_a_day": 5, "hard_calls_a_day": 9 });
    put(&client, "team", &full).await.expect(201);
    let change = json!({
        "enabled": false, "hook": null, "budget": { "soft_calls_a_day": null },
        "credentials": { "env": null, "secret_arn": "arn:x" },
    });
    let target = "/accounts/team";
    let merge = [("content-type", "application/merge-patch+json")];
    let request =
        Request::builder().method(Method::PATCH).uri(target).header(merge[0].0, merge[0].1);
    let changed = client.send(request.body(Body::from(change.to_string())).unwrap()).await;
    let changed = changed.expect(200)["account"].clone();
    assert_eq!((&changed["name"], &changed["enabled"]), (&json!("Team"), &json!(false)));
    assert_eq!(changed["hook"], Value::Null);
    assert_eq!(changed["budget"], json!({ "hard_calls_a_day": 9 }));
    assert_eq!(changed["credentials"], json!({ "secret_arn": "arn:x" }));
    patch(&client, "nobody", &json!({})).await.expect(404);
    let text = [("content-type", "text/plain")];
    let request = Request::builder().method(Method::PATCH).uri(target).header(text[0].0, text[0].1);
    client.send(request.body(Body::from("{}")).unwrap()).await.expect(415);
    patch(&client, "team", &json!([])).await.expect(422);
}

#[tokio::test(start_paused = true)]
async fn who_changes_what_another_changed_is_told() {
    let world = World::new(&["r1"]).await;
    let client = client(&world);
    let target = "/accounts/team";
    let none = [("if-none-match", "*")];
    let with = async |method: Method, headers: &[(&str, &str)]| {
        call(&client, method, target, headers, &input()).await.status.as_u16()
    };
    assert_eq!(with(Method::PUT, &[("if-match", "\"1\"")]).await, 412, "there is none yet");
    assert_eq!(with(Method::PUT, &none).await, 201);
    assert_eq!(with(Method::PUT, &none).await, 412, "it is there");
    assert_eq!(with(Method::PUT, &[("if-match", "\"1\"")]).await, 200);
    for method in [Method::PUT, Method::PATCH, Method::DELETE] {
        assert_eq!(with(method.clone(), &[("if-match", "\"1\"")]).await, 412, "{method}");
    }
    assert_eq!(with(Method::PATCH, &[("if-match", "\"7\", \"2\"")]).await, 200);
    assert_eq!(with(Method::PUT, &[("if-match", "*")]).await, 200);
    assert_eq!(with(Method::DELETE, &[("if-match", "\"4\"")]).await, 204);
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_is_told_by_its_field() {
    let world = World::new(&["r1"]).await;
    let client = client(&world);
    for (field, value, told, reason) in [
        ("provider", json!("acme"), "kinds", "is not a kind of provider"),
        ("kinds", json!(["aliyun.ecs.toaster"]), "kinds", "unknown kind"),
        ("kinds", json!(["toaster"]), "kinds[0]", "is not a kind"),
        ("signature", json!("v9"), "signature", "unknown signature"),
        ("id", json!("another"), "id", "cannot be changed"),
        ("default_region", json!("a#b"), "default_region", "expected 1 to 64"),
        ("endpoint", json!("ftp://x"), "endpoint", "is not a URL"),
        ("credentials", json!("own"), "credentials", "credentials of AWS"),
        ("credentials", json!({ "env": "" }), "credentials", "empty"),
        ("hook", json!({ "env": "" }), "hook", "expected a reference"),
        ("colour", json!(1), "colour", "unknown field"),
        ("enabled", json!("yes"), "enabled", "invalid type"),
        ("rates", json!({ "percent": 0 }), "rates", "percent from 1 to 100"),
        ("roles", json!([{ "arn": 1 }]), "roles[0].arn", "invalid type"),
    ] {
        let mut body = input();
        body[field] = value;
        put(&client, "team", &body).await.expect_wrong_field(422, told, reason);
    }
    put(&client, "a%23b", &input()).await.expect_wrong_field(422, "id", "expected 1 to 64");
    put(&client, "team", &json!({})).await.expect(422);
    put(&client, "team", &json!([])).await.expect(422);
    client.get("/accounts?limit=0").await.expect_wrong_field(422, "limit", "expected 1 to 1000");
    client.get("/accounts?cursor=x").await.expect_wrong_field(422, "cursor", "no cursor");
    assert_eq!(world.store.accounts().await.unwrap().len(), 1, "nothing was written");
}

#[tokio::test(start_paused = true)]
async fn credentials_that_are_handed_in_are_kept_and_used() {
    let world = World::new(&["r1"]).await;
    let client = client(&world);
    let mut body = input();
    body.as_object_mut().unwrap().remove("credentials");
    body["secret"] = json!({ "access_key_id": "id-1", "access_key_secret": "s-1" });
    let created = put(&client, "team", &body).await.expect(201);
    let reference: CredentialsRef =
        serde_json::from_value(created["account"]["credentials"].clone()).unwrap();
    let kept =
        async |reference: &CredentialsRef| world.credentials.credentials(reference).await.unwrap();
    assert_eq!(kept(&reference).await.access_key_id, "id-1");
    let secret = json!({ "secret": {
        "access_key_id": "id-2", "access_key_secret": "s-2", "security_token": "t",
    } });
    let changed = patch(&client, "team", &secret).await.expect(200);
    assert!(world.credentials.credentials(&reference).await.is_err(), "the ones before are gone");
    let reference: CredentialsRef =
        serde_json::from_value(changed["account"]["credentials"].clone()).unwrap();
    assert_eq!(kept(&reference).await.access_key_secret.expose_secret(), "s-2");
    for (secret, field) in [
        (json!({ "access_key_id": "", "access_key_secret": "s" }), "secret.access_key_id"),
        (json!({ "access_key_id": "i", "access_key_secret": "" }), "secret.access_key_secret"),
        (json!({ "access_key_id": "i j", "access_key_secret": "s" }), "secret.access_key_id"),
        (json!({ "access_key_id": "i", "access_key_secret": "s\n" }), "secret.access_key_secret"),
        (
            json!({ "access_key_id": "i", "access_key_secret": "s", "security_token": "" }),
            "secret.security_token",
        ),
        (json!({ "access_key_id": "i" }), "secret"),
        (json!({ "access_key_id": "i", "access_key_secret": "s", "x": 1 }), "secret"),
        (json!("s"), "secret"),
    ] {
        let answer = patch(&client, "team", &json!({ "secret": secret })).await;
        answer.expect_wrong_field(422, field, "expected");
    }
    let answer = client.get("/accounts/team").await.expect(200);
    let reference: CredentialsRef =
        serde_json::from_value(answer["account"]["credentials"].clone()).unwrap();
    client.call(Method::DELETE, "/accounts/team").await.expect(204);
    assert!(world.credentials.credentials(&reference).await.is_err(), "and are removed with it");
    // What keeps no secrets says where to put them.
    let keeps_none = Client::of(api(&world));
    put(&keeps_none, "team", &body).await.expect_wrong_field(422, "secret", "\"env\": \"PREFIX\"");
}

#[tokio::test(start_paused = true)]
async fn an_account_at_work_is_not_removed() {
    let world = World::new(&["r1"]).await;
    world.vendor.fill("r1", "i", 2);
    world.sync(Mode::Full).await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let task = world.start(Mode::Full).await;
    let client = Client::of(api(&world));
    let refused = client.call(Method::DELETE, "/accounts/prod").await.expect(409);
    assert_eq!(refused["task_ids"], json!([task.task_id]));
    world.drain().await;
    client.call(Method::DELETE, "/accounts/prod").await.expect(204);
    assert_eq!(world.rows("r1", true).await.len(), 2, "what is stored stays");
    assert!(world.rows("r1", true).await.iter().all(|row| row.deleted_at.is_none()));
    let tick = world.dispatcher.tick("t", world.clock.now()).await.unwrap();
    assert!(tick.tasks.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_account_that_comes_under_the_id_of_another_finds_its_rows_guarded() {
    let world = World::new(&["r1"]).await;
    world.vendor.fill("r1", "i", 2);
    world.vendor.set_caller("1690");
    world.sync(Mode::Full).await;
    let client = Client::of(api(&world));
    client.call(Method::DELETE, "/accounts/prod").await.expect(204);
    let body = serde_json::to_value(cloud_sync_tests::world::account()).unwrap();
    put(&client, ACCOUNT, &body).await.expect(201);
    world.vendor.set_caller("1691");
    world
        .credentials
        .set(&cloud_sync_tests::world::reference(), cloud_sync_tests::world::secret("another"));
    for id in ["i-000", "i-001"] {
        world.vendor.release("r1", id);
    }
    let (task, _) = world.sync(Mode::Full).await;
    assert_eq!(task.counts.deleted_count, 0);
    let live = world.rows("r1", false).await.len();
    assert_eq!(live, 2, "nothing of the first account's looks gone");
    let shown = client.get("/accounts/prod").await.expect(200);
    assert_eq!(shown["suspended"]["code"], ANOTHER_ACCOUNT);
}

async fn verified(client: &Client) -> Value {
    client.call(Method::POST, "/accounts/prod/verify").await.expect(200)
}

#[tokio::test(start_paused = true)]
async fn what_the_credentials_work_for_is_told_by_kind() {
    let world = World::new(&["r1"]).await;
    let client = Client::of(api(&world));
    world.vendor.set_caller("1690");
    let found = verified(&client).await;
    assert_eq!((&found["works"], &found["account_number"]), (&json!(true), &json!("1690")));
    assert_eq!(found["credentials"], json!({ "verdict": "ok" }));
    assert_eq!(found["kinds"][0]["kind"], "aliyun.ecs.instance");
    assert_eq!(
        (&found["kinds"][0]["region"], &found["kinds"][0]["verdict"]),
        (&json!("r1"), &json!("ok"))
    );
    for (class, verdict) in [
        (ErrorClass::Auth, "refused"),
        (ErrorClass::Throttled, "throttled"),
        (ErrorClass::NotOffered, "not_offered"),
        (ErrorClass::Network, "unavailable"),
        (ErrorClass::Internal, "failed"),
    ] {
        world.vendor.fail(Call::Probe, None, 0, 1, error(class, "Some.Code"));
        let found = verified(&client).await;
        let kind = &found["kinds"][0];
        assert_eq!((&kind["verdict"], &kind["code"]), (&json!(verdict), &json!("Some.Code")));
        assert_eq!(
            (&found["works"], &found["credentials"]["verdict"]),
            (&json!(false), &json!("ok"))
        );
    }
    world.vendor.take_time(std::time::Duration::from_secs(60));
    let slow = verified(&client).await;
    assert_eq!(slow["kinds"][0]["code"], "NoAnswer");
    assert!(world.store.open_tasks().await.unwrap().is_empty() && world.work.is_empty());
}

#[tokio::test(start_paused = true)]
async fn credentials_that_do_not_work_are_told_first() {
    let world = World::new(&["r1"]).await;
    let client = Client::of(api(&world));
    world.vendor.set_caller("1690");
    world.vendor.fail(Call::Identity, None, 0, 1, error(ErrorClass::Auth, "InvalidAccessKeyId"));
    let found = verified(&client).await;
    assert_eq!(found["credentials"]["code"], "InvalidAccessKeyId");
    assert_eq!((&found["works"], &found["kinds"]), (&json!(false), &json!([])));
    world.sync(Mode::Full).await;
    world.vendor.set_caller("1691");
    let found = verified(&client).await;
    assert_eq!(found["credentials"]["code"], ANOTHER_ACCOUNT);
    assert_eq!(found["account_number"], "1691");
    world.configure(|account| account.credentials = CredentialsRef::Env("NONE".to_owned())).await;
    assert_eq!(verified(&client).await["credentials"]["code"], "CredentialsUnavailable");
    let record = world.store.account(ACCOUNT).await.unwrap().unwrap();
    assert_eq!(record.suspended, None, "asking suspends nobody");
}

#[tokio::test(start_paused = true)]
async fn a_suspended_account_is_resumed() {
    let world = World::new(&["r1"]).await;
    let client = Client::of(api(&world));
    world.vendor.set_caller("1690");
    world.sync(Mode::Full).await;
    let resumed = async || client.call(Method::POST, "/accounts/prod/resume").await.expect(200);
    assert!(!resumed().await["identity"].is_null(), "it was not suspended");
    let suspension = Suspension {
        at: world.clock.now(),
        code: ANOTHER_ACCOUNT.to_owned(),
        reason: "another".to_owned(),
        task_id: "t".to_owned(),
        credentials_digest: "d".to_owned(),
    };
    world.store.suspend(ACCOUNT, &suspension).await.unwrap();
    assert_eq!(
        client.get("/accounts/prod").await.expect(200)["suspended"]["code"],
        ANOTHER_ACCOUNT
    );
    let found = resumed().await;
    assert!(found["suspended"].is_null());
    assert!(found["identity"].is_null(), "the other account is the right one from now on");
    client.call(Method::POST, "/accounts/nobody/resume").await.expect(404);
    let _: Account = serde_json::from_value(found["account"].clone()).unwrap();
}
