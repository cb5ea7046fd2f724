//! Who may call.

use api::Access;
use axum::body::Body;
use axum::http::{Method, Request};
use cloud_sync_core::message::Mode;
use cloud_sync_tests::vendor::machine;
use cloud_sync_tests::world::World;
use serde_json::{Value, json};

use super::support::{Answer, Client, GATEWAY_ID, Log};
use crate::events::event;

const TOKEN: &str = "canary-token-5c1e";

async fn call(access: Access, target: &str, headers: &[(&str, &str)]) -> Answer {
    let client = Client::with_access(&World::new(&["r1"]).await, access);
    let mut request = Request::builder().uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    client.send(request.body(Body::empty()).unwrap()).await
}

fn token() -> Access {
    Access::Token(TOKEN.to_owned().into())
}

#[tokio::test(start_paused = true)]
async fn a_token_is_asked_for_and_never_shown() {
    let none = call(token(), "/tasks", &[]).await;
    assert_eq!(
        (none.status.as_u16(), &none.headers["www-authenticate"]),
        (401, &"Bearer".parse().unwrap())
    );
    for wrong in [
        "Bearer ",
        "Bearer canary-token-5c1",
        "Bearer canary-token-5c1ee",
        "Basic canary-token-5c1e",
        "canary-token-5c1e",
    ] {
        let refused = call(token(), "/tasks", &[("authorization", wrong)]).await;
        assert_eq!(refused.status, 401, "{wrong}");
        assert!(!refused.text.contains("canary"), "{}", refused.text);
    }
    for right in ["Bearer canary-token-5c1e", "bearer canary-token-5c1e"] {
        call(token(), "/tasks", &[("authorization", right)]).await.expect(200);
    }
    call(token(), "/openapi.json", &[]).await.expect(401);
}

#[tokio::test(start_paused = true)]
async fn health_and_hooks_ask_in_their_own_way() {
    assert_eq!(call(token(), "/healthz", &[]).await.text, "ok");
    let hook = call(token(), "/hooks/nobody", &[]).await;
    assert_eq!(hook.status, 405, "it got past the token: {}", hook.text);
    call(token(), "/hooks", &[]).await.expect(401);
}

#[tokio::test(start_paused = true)]
async fn without_a_token_only_this_machines_own_names_are_answered() {
    for own in ["127.0.0.1:8080", "localhost", "LOCALHOST:1", "[::1]:8080", "127.9.9.9"] {
        call(Access::Loopback, "/tasks", &[("host", own)]).await.expect(200);
    }
    for other in
        ["evil.example", "localhost.evil.example", "10.0.0.1", "[::2]", "", "127.0.0.1.nip.io"]
    {
        call(Access::Loopback, "/tasks", &[("host", other)]).await.expect(403);
    }
    call(Access::Loopback, "/tasks", &[]).await.expect(403);
    call(token(), "/tasks", &[("host", "x"), ("authorization", &format!("Bearer {TOKEN}"))])
        .await
        .expect(200);
}

#[tokio::test(start_paused = true)]
async fn a_request_keeps_its_id_where_it_is_one() {
    let kept = call(Access::Gateway, "/tasks", &[("x-request-id", "Root-1.2_3")]).await;
    assert_eq!(kept.headers["x-request-id"], "Root-1.2_3");
    for bad in ["", "a b", "<script>", &"x".repeat(65)] {
        let made = call(Access::Gateway, "/tasks", &[("x-request-id", bad)]).await;
        assert_eq!(made.headers["x-request-id"], GATEWAY_ID, "by which the gateway logs it: {bad}");
        let headers = [("x-request-id", bad), ("host", "localhost")];
        let made = call(Access::Loopback, "/tasks", &headers).await;
        assert_eq!(made.headers["x-request-id"].len(), 36, "{bad}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_log_has_both_ids_of_a_request() {
    let (log, _logging) = Log::listen();
    for _ in 0..100 {
        call(Access::Gateway, "/tasks", &[("x-request-id", "of-the-caller")]).await.expect(200);
        if log.text().contains("answered a request") {
            break;
        }
        tracing::callsite::rebuild_interest_cache();
    }
    let logged = log.text();
    let line = logged.lines().find(|line| line.contains("answered a request")).unwrap();
    for id in [r#"request_id="of-the-caller""#, &format!("gateway_request_id=\"{GATEWAY_ID}\"")] {
        assert!(line.contains(id), "{id} in {line}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_token_no_page_from_elsewhere_can_have_a_browser_ask() {
    let own = ("host", "127.0.0.1:8080");
    let ask = async |headers: &[(&str, &str)]| {
        let headers = [&[own], headers].concat();
        call(Access::Loopback, "/tasks", &headers).await.status.as_u16()
    };
    for headers in [
        &[][..],
        &[("sec-fetch-site", "same-origin")],
        &[("sec-fetch-site", "none")],
        &[("origin", "http://127.0.0.1:8080")],
        &[("origin", "HTTP://127.0.0.1:8080".to_lowercase().as_str())],
    ] {
        assert_eq!(ask(headers).await, 200, "{headers:?}");
    }
    for headers in [
        &[("sec-fetch-site", "cross-site")][..],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "")],
        &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
        &[("origin", "https://evil.example")],
        &[("origin", "http://127.0.0.1:8081")],
        &[("origin", "http://127.0.0.1")],
        &[("origin", "null")],
        &[("origin", "")],
        &[("origin", "http://127.0.0.1:8080"), ("origin", "https://evil.example")],
    ] {
        assert_eq!(ask(headers).await, 403, "{headers:?}");
    }
    let world = World::new(&["r1"]).await;
    let client = Client::with_access(&world, Access::Loopback);
    for target in ["/accounts/prod/resume", "/accounts/prod/verify", "/tasks/x/cancel"] {
        // What a page may send without asking first.
        let request = Request::builder().method(Method::POST).uri(target).header(own.0, own.1);
        let request = request.header("origin", "https://evil.example").body(Body::empty());
        client.send(request.unwrap()).await.expect(403);
    }
    let headers = [("host", "x"), ("origin", "https://app.example")];
    let bearer = format!("Bearer {TOKEN}");
    let headers = [&headers[..], &[("authorization", bearer.as_str())]].concat();
    call(token(), "/tasks", &headers).await.expect(200);
}

/// Has API Gateway deliver a request for a path, as it says that the path was
/// and by one of its routes.
async fn deliver(client: &Client, route: &str, method: &str, path: &str) -> Answer {
    let mut delivered: Value = serde_json::from_str(&event("api-post-syncs")).unwrap();
    delivered["rawPath"] = json!(path);
    delivered["routeKey"] = json!(route);
    let context = &mut delivered["requestContext"];
    context["routeKey"] = json!(route);
    context["http"]["method"] = json!(method);
    context["http"]["path"] = json!(path);
    delivered["body"] = json!("{}");
    let request = lambda_http::request::from_str(&delivered.to_string()).unwrap();
    client.deliver(request.map(|body| Body::from(body.to_vec()))).await
}

const HOOKS: &str = "POST /hooks/{vendor}";

#[tokio::test(start_paused = true)]
async fn an_open_route_of_the_gateway_leads_nowhere_else() {
    let world = World::new(&["r1"]).await;
    let client = Client::new(&world);
    deliver(&client, "$default", "POST", "/syncs").await.expect(202);
    world.drain().await;
    deliver(&client, "GET /healthz", "GET", "/healthz").await.expect(200);
    deliver(&client, HOOKS, "POST", "/hooks/aliyun").await.expect(401);
    // What the router would take for another path than the gateway did.
    for path in [
        "/hooks/..\\syncs",
        "/hooks\\..\\syncs",
        "/hooks/../syncs",
        "/hooks/%2e%2e/syncs",
        "/hooks/.%2E\\syncs",
        "/hooks/x\\..\\..\\accounts/prod/resume",
        "/hooks/.\t./syncs",
        "/hooks/./aliyun",
        "/hooks/aliyun#/",
        "/hooks/aliyun?account=prod",
        "/hooks/aliyun\n",
    ] {
        for route in [HOOKS, "$default"] {
            let refused = deliver(&client, route, "POST", path).await.expect(400);
            assert!(refused["detail"].as_str().unwrap().contains("escape it twice"), "{path:?}");
        }
    }
    for (route, method, path) in [
        (HOOKS, "POST", "/syncs"),
        (HOOKS, "POST", "/accounts/prod/resume"),
        (HOOKS, "POST", "/hooks/"),
        (HOOKS, "POST", "/hooks/a/b"),
        (HOOKS, "GET", "/hooks/aliyun"),
        ("GET /healthz", "GET", "/tasks"),
        ("GET /healthz", "POST", "/syncs"),
        ("POST /syncs", "POST", "/syncs"),
        ("", "POST", "/syncs"),
    ] {
        let answer = deliver(&client, route, method, path).await;
        assert_eq!(answer.status, 403, "{route} {method} {path}");
    }
    // A request of nobody's gateway.
    let request = Request::builder().method(Method::POST).uri("/syncs").body(Body::from("{}"));
    client.deliver(request.unwrap()).await.expect(403);
    assert!(world.store.open_tasks().await.unwrap().is_empty(), "one of them got through");
}

#[tokio::test(start_paused = true)]
async fn ids_of_every_look_can_be_asked_for_through_the_gateway() {
    let world = World::new(&["r1"]).await;
    // An id, and what the gateway makes of a path in which it was escaped, twice
    // where it has to be.
    let ids = [
        ("a/b", "a%2Fb"),
        ("a#b", "a%23b"),
        ("a?b", "a%3Fb"),
        ("a\\b", "a%5Cb"),
        ("a%41", "a%2541"),
        ("a b", "a b"),
        ("ä\"b", "ä\"b"),
        ("a:b;c=d,e+f", "a:b;c=d,e+f"),
    ];
    for (id, _) in ids {
        world.vendor.put("r1", machine(id));
    }
    world.sync(Mode::Full).await;
    let client = Client::new(&world);
    for (id, sent) in ids {
        let path = format!("/resources/prod/aliyun.ecs.instance/r1/{sent}");
        let found = deliver(&client, "$default", "GET", &path).await.expect(200);
        assert_eq!(found["id"], id, "{path}");
        deliver(&client, "$default", "GET", &format!("{path}/history")).await.expect(200);
    }
    for (id, status) in [("a/b", 404), ("a#b", 400), ("a?b", 400), ("a\\b", 400)] {
        let path = format!("/resources/prod/aliyun.ecs.instance/r1/{id}");
        deliver(&client, "$default", "GET", &path).await.expect(status);
    }
}
