//! Events of the vendors, over HTTP.

use std::sync::Arc;

use api::{Access, Api};
use axum::body::Body;
use axum::http::{Method, Request};
use cloud_sync_core::account::HookRef;
use cloud_sync_core::identity::{Identity, KnownIdentity};
use cloud_sync_core::message::Mode;
use cloud_sync_core::scope::GLOBAL_REGION;
use cloud_sync_core::task::TaskStatus;
use cloud_sync_runtime::clock::Clock;
use cloud_sync_runtime::store::memory::MemoryStore;
use cloud_sync_tests::failing::{FailingStore, Operation};
use cloud_sync_tests::world::{ACCOUNT, World};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::support::{Answer, Client};

const TOKEN: &str = "canary-token-of-the-hook";

const MACHINE: &str = "i-bp1resync00000001";

fn hook() -> HookRef {
    HookRef::Env("PROD_HOOK".to_owned())
}

/// Returns a world whose account takes events.
async fn world() -> World {
    ready(World::new(&["cn-hangzhou"]).await).await
}

async fn ready(world: World) -> World {
    world.vendor.put("cn-hangzhou", cloud_sync_tests::vendor::machine(MACHINE));
    world.credentials.set_token(&hook(), TOKEN);
    world.configure(|account| account.hook = Some(hook())).await;
    world.sync(Mode::Full).await;
    world
}

fn client(world: &World) -> Client {
    let api = Api::new(world.dispatcher.clone(), Access::Gateway);
    Client::of(Api { metrics: world.metrics.clone(), ..api })
}

fn samples() -> Value {
    let text = include_str!("../../../common/provider/testdata/sample_aliyun_events.json");
    serde_json::from_str(text).unwrap()
}

fn event() -> Value {
    samples()["eventbridge_instance_state_change"].clone()
}

fn signature(secret: &str, body: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    let digest = mac.chain_update(body).finalize().into_bytes();
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={hex}")
}

/// Posts a body with some headers.
async fn post(client: &Client, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut request = Request::builder().method(Method::POST).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    client.send(request.body(Body::from(body.to_owned())).unwrap()).await
}

const TARGET: &str = "/hooks/aliyun?account=prod";

#[tokio::test(start_paused = true)]
async fn an_event_has_what_it_names_re_read() {
    let world = world().await;
    let client = client(&world);
    for (number, name) in
        ["eventbridge_instance_state_change", "cloudmonitor_instance_state_change"]
            .into_iter()
            .enumerate()
    {
        let region = "cn-hangzhou";
        world.vendor.change(region, MACHINE, |one| one.name = format!("renamed {number}"));
        let body = samples()[name].to_string();
        let answer = post(&client, TARGET, &[("x-hook-token", TOKEN)], &body).await.expect(202);
        assert_eq!((&answer["taken"], &answer["unknown"]), (&json!(1), &json!(0)), "{answer}");
        world.drain().await;
        let (task, _) = world.task(answer["task_ids"][0].as_str().unwrap()).await;
        assert_eq!((task.status, task.counts.updated_count), (TaskStatus::Success, 1));
        world.assert_true(region).await;
        let again = post(&client, TARGET, &[("x-hook-token", TOKEN)], &body).await.expect(202);
        assert_eq!((&again["taken"], &again["known"]), (&json!(0), &json!(1)));
    }
    let metrics = world.metrics.events();
    let taken: Vec<_> = metrics.iter().map(|one| (one.events_taken, one.events_known)).collect();
    assert_eq!(taken, [(1, 0), (0, 1), (1, 0), (0, 1)]);
}

#[tokio::test(start_paused = true)]
async fn the_secret_comes_in_a_header_or_in_the_query_or_signs() {
    let world = world().await;
    let client = client(&world);
    let body = event().to_string();
    let bearer = format!("Bearer {TOKEN}");
    let signed = signature(TOKEN, &body);
    let upper = signed.to_uppercase().replace("SHA256=", "sha256=");
    let in_query = format!("{TARGET}&token={TOKEN}");
    for (target, header) in [
        (TARGET, ("x-hook-token", TOKEN)),
        (TARGET, ("authorization", bearer.as_str())),
        (TARGET, ("x-hook-signature", signed.as_str())),
        (TARGET, ("x-hook-signature", upper.as_str())),
        (in_query.as_str(), ("x-else", "1")),
    ] {
        post(&client, target, &[header], &body).await.expect(202);
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_is_wrong_with_the_sender_gets_the_same_answer() {
    let world = world().await;
    // What is read for who has no secret lets nobody in.
    let nobodys = HookRef::Env("CLOUD_SYNC_NOBODYS_HOOK_TOKEN".to_owned());
    world.credentials.set_token(&nobodys, TOKEN);
    let client = client(&world);
    let body = event().to_string();
    let refused = async |target: &str, headers: &[(&str, &str)], body: &str| {
        let answer = post(&client, target, headers, body).await;
        (answer.status.as_u16(), answer.text)
    };
    let expected = refused(TARGET, &[], &body).await;
    assert_eq!(expected.0, 401);
    let wrong = format!("Bearer {TOKEN}x");
    let [other, of_other, short] =
        [signature("another secret", &body), signature(TOKEN, "{}"), "sha256=00".to_owned()];
    for (target, header) in [
        (TARGET, ("x-hook-token", "wrong")),
        (TARGET, ("x-hook-token", "")),
        (TARGET, ("authorization", wrong.as_str())),
        (TARGET, ("authorization", "Basic Zm9v")),
        (TARGET, ("x-hook-signature", other.as_str())),
        (TARGET, ("x-hook-signature", of_other.as_str())),
        (TARGET, ("x-hook-signature", short.as_str())),
        (TARGET, ("x-hook-signature", "sha256=zz")),
        (TARGET, ("x-hook-signature", "")),
        ("/hooks/aliyun?account=nobody", ("x-hook-token", TOKEN)),
        ("/hooks/aliyun?account=a%23b", ("x-hook-token", TOKEN)),
        ("/hooks/aliyun", ("x-hook-token", TOKEN)),
        ("/hooks/aws?account=prod", ("x-hook-token", TOKEN)),
        ("/hooks/acme?account=prod", ("x-hook-token", TOKEN)),
        ("/hooks/aliyun?account=nobody", ("x-hook-token", "nobody's secret")),
    ] {
        assert_eq!(refused(target, &[header], &body).await, expected, "{target} {header:?}");
    }
    // Whoever signs is held to it.
    let both = [("x-hook-token", TOKEN), ("x-hook-signature", short.as_str())];
    assert_eq!(refused(TARGET, &both, &body).await, expected);
    // Nobody learns without the secret what the account makes of a body.
    assert_eq!(refused(TARGET, &[], "no json").await, expected);
    world.configure(|_| {}).await;
    let has_no_hook = refused(TARGET, &[("x-hook-token", TOKEN)], &body).await;
    assert_eq!(has_no_hook, expected);
    let decoy = refused(TARGET, &[("x-hook-token", "nobody's secret")], &body).await;
    assert_eq!(decoy, expected, "what stands in for a secret is none");
    world.configure(|account| account.hook = Some(HookRef::Env("UNSET".to_owned()))).await;
    assert_eq!(refused(TARGET, &[("x-hook-token", "")], &body).await, expected);
    assert!(world.work.is_empty());
}

#[tokio::test(start_paused = true)]
async fn events_of_another_of_the_vendors_accounts_are_refused() {
    let world = world().await;
    let client = client(&world);
    let identity = |number: &str| {
        let identity = Identity { account_number: number.to_owned(), principal: "p".to_owned() };
        KnownIdentity::new(identity, "digest", world.clock.now())
    };
    let headers = [("x-hook-token", TOKEN)];
    world.store.put_identity(ACCOUNT, &identity("1690700000000099")).await.unwrap();
    post(&client, TARGET, &headers, &event().to_string()).await.expect(401);
    world.store.forget_identity(ACCOUNT).await.unwrap();
    world.store.put_identity(ACCOUNT, &identity("1690700000000030")).await.unwrap();
    post(&client, TARGET, &headers, &event().to_string()).await.expect(202);
}

#[tokio::test(start_paused = true)]
async fn an_event_about_something_else_is_acknowledged_and_counted() {
    let world = world().await;
    let client = client(&world);
    let headers = [("x-hook-token", TOKEN)];
    let mut unknown = event();
    unknown["id"] = json!("another");
    unknown["subject"] = json!("acs:oss:cn-hangzhou:1690700000000030:bucket/x");
    unknown["data"] = json!({});
    let disk = samples()["cloudmonitor_disk_operation"].clone();
    let body = json!([unknown, disk, event()]).to_string();
    let answer = post(&client, TARGET, &headers, &body).await.expect(202);
    assert_eq!((&answer["taken"], &answer["unknown"]), (&json!(1), &json!(2)));
    assert_eq!(world.metrics.events()[0].events_unknown, 2);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_none_is_refused_by_what_is_wrong_with_it() {
    let world = world().await;
    let client = client(&world);
    let headers = [("x-hook-token", TOKEN)];
    let refused = async |body: &str| post(&client, TARGET, &headers, body).await;
    refused("no json").await.expect_wrong_field(422, "body", "not JSON (line 1");
    refused("[{}]").await.expect_wrong_field(422, "body", "event 1 has no source");
    let large = " ".repeat(256 * 1024 + 1);
    refused(&large).await.expect(413);
    let fits = format!("{}{}", event(), " ".repeat(200 * 1024));
    refused(&fits).await.expect(202);
}

#[tokio::test(start_paused = true)]
async fn tables_that_fail_make_the_sender_try_again() {
    let store = FailingStore::new(Arc::new(MemoryStore::default()));
    let world = ready(World::over(store.clone(), &["cn-hangzhou"]).await).await;
    let client = client(&world);
    let headers = [("x-hook-token", TOKEN)];
    store.fail(Operation::NoteEvent, 0);
    post(&client, TARGET, &headers, &event().to_string()).await.expect(503);
    let answer = post(&client, TARGET, &headers, &event().to_string()).await.expect(202);
    assert_eq!(answer["taken"], 1, "it was not remembered");
}

#[tokio::test(start_paused = true)]
async fn an_event_of_an_account_wide_kind_needs_no_region() {
    let world = World::new(&["us-east-1"]).await;
    world.credentials.set_token(&hook(), TOKEN);
    let kind: cloud_sync_core::scope::Kind = "aws.s3.bucket".parse().unwrap();
    world
        .configure(|account| {
            account.provider = "aws".to_owned();
            account.kinds = vec![kind];
            account.hook = Some(hook());
        })
        .await;
    let body = json!({
        "id": "1", "detail-type": "AWS API Call via CloudTrail", "source": "aws.s3",
        "region": "eu-west-1", "account": "123456789012",
        "detail": { "requestParameters": { "bucketName": "my.bucket" } },
    });
    let client = client(&world);
    let target = "/hooks/aws?account=prod";
    let answer = post(&client, target, &[("x-hook-token", TOKEN)], &body.to_string()).await;
    let answer = answer.expect(202);
    let (task, _) = world.task(answer["task_ids"][0].as_str().unwrap()).await;
    assert_eq!(
        (task.regions.as_slice(), task.ids.as_slice()),
        (&[GLOBAL_REGION.to_owned()][..], &["my.bucket".to_owned()][..],)
    );
}

/// Returns a client of an account of another vendor, with one kind.
async fn client_of(provider: &str, kind: &str, region: &str) -> (World, Client) {
    let world = World::new(&[region]).await;
    world.credentials.set_token(&hook(), TOKEN);
    let kind: cloud_sync_core::scope::Kind = kind.parse().unwrap();
    world
        .configure(|account| {
            account.provider = provider.to_owned();
            account.kinds = vec![kind];
            account.regions = vec![region.to_owned()];
            account.hook = Some(hook());
        })
        .await;
    let client = client(&world);
    (world, client)
}

#[tokio::test(start_paused = true)]
async fn an_alarm_of_tencent_clouds_has_its_machine_re_read() {
    let (world, client) = client_of("tencent", "tencent.cvm.instance", "ap-guangzhou").await;
    let body = json!({
        "specversion": "1.0", "id": "13a3f42d-7258-4ada-da6d-000000000001",
        "source": "cvm.cloud.tencent", "type": "cvm:ErrorEvent:GuestReboot",
        "subject": "ins-12abcdef", "time": 1_615_430_559_146_i64, "region": "ap-guangzhou",
        "datacontenttype": "application/json;charset=utf-8", "status": "1",
        "data": { "appId": "1250000011", "instanceId": "ins-12abcdef", "dimensions": {} },
    })
    .to_string();
    let target = "/hooks/tencent?account=prod";
    post(&client, target, &[("x-hook-token", "wrong")], &body).await.expect(401);
    let answer = post(&client, target, &[("x-hook-token", TOKEN)], &body).await.expect(202);
    assert_eq!(answer["taken"], 1, "{answer}");
    let (task, _) = world.task(answer["task_ids"][0].as_str().unwrap()).await;
    assert_eq!(
        (task.mode, task.regions.as_slice(), task.ids.as_slice()),
        (Mode::Targeted, &["ap-guangzhou".to_owned()][..], &["ins-12abcdef".to_owned()][..])
    );
}

#[tokio::test(start_paused = true)]
async fn events_of_huawei_clouds_are_refused_as_not_understood() {
    let (world, client) = client_of("huawei", "huawei.ecs.instance", "cn-north-4").await;
    let body = json!({ "id": "1", "source": "SYS.ECS", "subject": "one" }).to_string();
    let target = "/hooks/huawei?account=prod";
    post(&client, target, &[("x-hook-token", "wrong")], &body).await.expect(401);
    let answer = post(&client, target, &[("x-hook-token", TOKEN)], &body).await;
    answer.expect_wrong_field(422, "body", "events of provider 'huawei' are not understood here");
    assert!(world.work.is_empty());
}
