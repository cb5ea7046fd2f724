//! Who may call.

use api::Access;
use axum::body::Body;
use axum::http::Request;
use cloud_sync_tests::world::World;

use super::support::{Answer, Client};

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
    assert_eq!(hook.status, 404, "it got past the token: {}", hook.text);
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
        assert_eq!(made.headers["x-request-id"].len(), 36, "{bad}");
    }
}
