//! Secrets: where they come into force, where they are left, and that nobody
//! is told.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::Api;
use async_trait::async_trait;
use axum::http::Method;
use cloud_sync_core::account::{Account, CredentialsRef, HookRef, Suspension};
use cloud_sync_core::credentials::Credentials;
use cloud_sync_core::message::Mode;
use cloud_sync_runtime::clock::Clock;
use cloud_sync_runtime::secrets::CredentialSource;
use cloud_sync_runtime::secrets::write::{FixedSecrets, NotWritten, SecretWriter};
use cloud_sync_runtime::store::Store;
use cloud_sync_tests::world::{ACCOUNT, CANARY, KIND, World, secret};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::accounts::{api, call, client, input, patch, put};
use super::support::{Answer, Client, Log};

/// Posts events with a secret, and with nearly that.
async fn posted(client: &Client, token: &str) -> Vec<Answer> {
    let mut answers = Vec::new();
    let hook = "/hooks/aliyun?account=team";
    let nearly = format!("{token}x");
    for (target, header) in [
        (hook.to_owned(), token),
        (hook.to_owned(), nearly.as_str()),
        (format!("{hook}&token={token}"), ""),
        (format!("{hook}&token={nearly}"), ""),
        (format!("{hook}&token={token}&token={token}"), ""),
    ] {
        let headers = [("x-hook-token", header)];
        let headers = if header.is_empty() { &[][..] } else { &headers[..] };
        answers.push(call(client, Method::POST, &target, headers, &json!({})).await);
    }
    answers
}

#[tokio::test(start_paused = true)]
async fn no_answer_and_no_log_line_holds_a_secret() {
    let (log, _logging) = Log::listen();
    let world = World::new(&["r1"]).await;
    let client = client(&world);
    let secret = |name: &str| format!("{CANARY}-{name}-secret");
    let good = json!({
        "access_key_id": "id", "access_key_secret": secret("key"), "security_token": secret("t"),
    });
    world.credentials.set_token(&HookRef::Env("HOOK".to_owned()), &secret("hook"));
    let mut body = input();
    body["secret"] = good.clone();
    body["hook"] = json!({ "env": "HOOK" });
    let mut answers = vec![put(&client, "team", &body).await, put(&client, "team", &body).await];
    answers.push(patch(&client, "team", &json!({ "secret": good })).await);
    for bad in [
        json!({ "access_key_id": secret("a"), "access_key_secret": 7 }),
        json!({ "access_key_id": "i", "access_key_secret": "s", "extra": secret("b") }),
        json!({ "access_key_id": "i", "access_key_secret": secret("c").repeat(600) }),
        json!(secret("d")),
        json!([secret("e")]),
    ] {
        let mut body = input();
        body["secret"] = bad;
        answers.push(put(&client, "team", &body).await);
        answers.push(patch(&client, "team", &json!({ "secret": body["secret"] })).await);
    }
    let mut wrong = body.clone();
    wrong["provider"] = json!("acme");
    answers.push(put(&client, "team", &wrong).await);
    answers.push(put(&Client::of(api(&world)), "team", &body).await);
    for target in ["/accounts", "/accounts/team", "/accounts/none", "/openapi.json", "/tasks/none"]
    {
        answers.push(client.get(target).await);
    }
    for target in ["/accounts/team/verify", "/accounts/team/resume", "/accounts/none/verify"] {
        answers.push(client.call(Method::POST, target).await);
    }
    answers.extend(posted(&client, &secret("hook")).await);
    answers.push(client.post("/syncs", &json!({ "account_ids": ["team"], "secret": "x" })).await);
    answers.push(client.post("/syncs", &json!({ "account_ids": ["team"] })).await);
    answers.push(client.call(Method::DELETE, "/accounts/team").await);
    for _ in 0..100 {
        if log.text().contains("/accounts/{id}") {
            break;
        }
        tracing::callsite::rebuild_interest_cache();
        answers.push(client.get("/accounts/none").await);
    }
    let logged = log.text();
    assert!(logged.contains("/accounts/{id}"), "nothing was logged: {logged}");
    assert!(answers.iter().any(|one| one.status == 201));
    // That no answer has one is asserted of every answer.
    assert!(!logged.contains(CANARY), "{logged}");
}

/// Returns what an operation of the document is asked with, so that it has
/// something to answer.
fn question(operation: &str, task: &str) -> (String, Value) {
    let target = match operation.split_once(' ').unwrap().1 {
        "/changes" => "/changes?account=prod".to_owned(),
        "/hooks/{provider}" => "/hooks/aliyun?account=prod".to_owned(),
        path => path
            .replace("/tasks/{id}", &format!("/tasks/{task}"))
            .replace("/accounts/{id}", "/accounts/prod")
            .replace("{account}/{kind}/{region}/{id}", &format!("prod/{KIND}/r1/i-000")),
    };
    let body = match operation {
        "PUT /accounts/{id}" => serde_json::to_value(cloud_sync_tests::world::account()).unwrap(),
        "POST /status-changes" => {
            json!({ "account_id": "prod", "region": "r1", "ids": ["i-000"] })
        }
        "POST /deletions" => {
            json!({ "account_id": "prod", "kind": KIND, "region": "r1", "decision": "reject" })
        }
        "POST /hooks/{provider}" => {
            json!({ "specversion": "1.0", "id": "1", "source": "acs.ecs", "type": "x", "data": {} })
        }
        "POST /syncs" | "POST /plans" => json!({ "account_ids": ["prod"] }),
        _ => json!({}),
    };
    (target, body)
}

#[tokio::test(start_paused = true)]
async fn every_operation_answers_without_a_secret() {
    let world = World::new(&["r1"]).await;
    let hook = HookRef::Env("HOOK".to_owned());
    world.credentials.set_token(&hook, "canary-of-the-hook");
    world.configure(|account| account.hook = Some(hook)).await;
    world.vendor.set_caller("1690");
    world.vendor.fill("r1", "i", 60);
    world.sync(Mode::Full).await;
    (0..40).for_each(|n| world.vendor.release("r1", &format!("i-{n:03}")));
    let (done, _) = world.sync(Mode::Full).await;
    let suspension = Suspension {
        at: world.clock.now(),
        code: "InvalidAccessKeyId".to_owned(),
        reason: "refused".to_owned(),
        task_id: "t".to_owned(),
        credentials_digest: "canary".to_owned(),
    };
    let client = Client::of(api(&world));
    let document: Value = serde_json::from_str(&api::openapi()).unwrap();
    let mut operations = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        operations.extend(item.as_object().unwrap().keys().map(|method| {
            // The account is removed last.
            (method == "delete", format!("{} {path}", method.to_uppercase()))
        }));
    }
    assert!(operations.len() > 20, "{operations:?}");
    world.store.suspend(ACCOUNT, &suspension).await.unwrap();
    for (_, operation) in operations {
        let task = if operation.ends_with("/cancel") {
            tokio::time::sleep(Duration::from_secs(2)).await;
            world.start(Mode::Full).await
        } else {
            done.clone()
        };
        let (target, body) = question(&operation, &task.task_id);
        let method: Method = operation.split(' ').next().unwrap().parse().unwrap();
        let headers = [("x-hook-token", "canary-of-the-hook")];
        let answer = call(&client, method, &target, &headers, &body).await;
        assert!(answer.status.is_success(), "{operation}: {}", answer.text);
        world.drain().await;
    }
}

type Written = Result<CredentialsRef, NotWritten>;

/// Keeps secrets like another, while somebody else is faster, or while it
/// cannot remove any.
struct Troubled {
    inner: FixedSecrets,
    store: Arc<dyn Store>,
    faster: Mutex<Option<Account>>,
    removes: bool,
    written: Mutex<Vec<CredentialsRef>>,
}

#[async_trait]
impl SecretWriter for Troubled {
    async fn write(&self, account_id: &str, credentials: &Credentials) -> Written {
        let place = self.inner.write(account_id, credentials).await?;
        self.written.lock().unwrap().push(place.clone());
        let faster = self.faster.lock().unwrap().take();
        if let Some(account) = faster {
            self.store.put_account(&account).await.unwrap();
        }
        Ok(place)
    }

    async fn remove(&self, account_id: &str, place: &CredentialsRef) -> Result<(), NotWritten> {
        if self.removes {
            return self.inner.remove(account_id, place).await;
        }
        let CredentialsRef::SecretArn(secret) = place.clone() else { return Ok(()) };
        Err(NotWritten { secret, reason: "AccessDenied".to_owned() })
    }
}

fn troubled(world: &World, removes: bool) -> (Arc<Troubled>, Client) {
    let secrets = Arc::new(Troubled {
        inner: FixedSecrets(world.credentials.clone()),
        store: world.store.clone(),
        faster: Mutex::default(),
        removes,
        written: Mutex::default(),
    });
    let client = Client::of(Api { secrets: Some(secrets.clone()), ..api(world) });
    (secrets, client)
}

fn handed_in(secret: &str) -> Value {
    json!({ "secret": { "access_key_id": "id", "access_key_secret": secret } })
}

async fn in_force(world: &World) -> (CredentialsRef, String) {
    let record = world.store.account(ACCOUNT).await.unwrap().unwrap();
    let place = record.account.credentials;
    let found = world.credentials.credentials(&place).await.unwrap();
    (place, found.access_key_secret.expose_secret().to_owned())
}

#[tokio::test(start_paused = true)]
async fn who_loses_a_race_changes_no_credentials() {
    let world = World::new(&["r1"]).await;
    let (secrets, client) = troubled(&world, true);
    patch(&client, ACCOUNT, &handed_in("canary-1")).await.expect(200);
    let before = in_force(&world).await;
    assert_eq!(before.1, "canary-1");
    let record = world.store.account(ACCOUNT).await.unwrap().unwrap();
    let other = Account { name: "Faster".to_owned(), ..record.account };
    *secrets.faster.lock().unwrap() = Some(other);
    patch(&client, ACCOUNT, &handed_in("canary-2")).await.expect(409);
    assert_eq!(in_force(&world).await, before, "those of the refused request are not in force");
    let lost = secrets.written.lock().unwrap()[1].clone();
    assert!(world.credentials.credentials(&lost).await.is_err(), "and are not left behind");
    patch(&client, ACCOUNT, &handed_in("canary-3")).await.expect(200);
    assert_eq!(in_force(&world).await.1, "canary-3");
    assert!(world.credentials.credentials(&before.0).await.is_err(), "what was replaced is gone");
}

#[tokio::test(start_paused = true)]
async fn what_an_account_only_names_is_not_removed_with_it() {
    let world = World::new(&["r1"]).await;
    let (_, client) = troubled(&world, true);
    let place = CredentialsRef::SecretArn("arn:somebody:keeps".to_owned());
    world.credentials.set(&place, secret("canary-kept"));
    world.configure(|account| account.credentials = place.clone()).await;
    patch(&client, ACCOUNT, &handed_in("canary-1")).await.expect(200);
    assert!(world.credentials.credentials(&place).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_cannot_be_removed_is_told_of() {
    let world = World::new(&["r1"]).await;
    let (secrets, client) = troubled(&world, false);
    patch(&client, ACCOUNT, &handed_in("canary-1")).await.expect(200);
    let (log, _logging) = Log::listen();
    let answer = client.call(Method::DELETE, "/accounts/prod").await.expect(500);
    let CredentialsRef::SecretArn(arn) = secrets.written.lock().unwrap()[0].clone() else {
        panic!("it is in a secret")
    };
    assert!(answer["detail"].as_str().unwrap().contains(&arn), "{answer}");
    assert!(world.store.account(ACCOUNT).await.unwrap().is_none(), "the account is gone");
    let logged = log.text();
    assert!(logged.contains(&arn) && logged.contains("AccessDenied"), "{logged}");
}
