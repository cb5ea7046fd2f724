//! A client of the API of a world.

use api::{Access, Api};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use cloud_sync_tests::world::World;
use serde_json::Value;
use tower::ServiceExt;

/// Calls the API.
pub(super) struct Client {
    router: Router,
}

/// What the API answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// As it was sent.
    pub(super) text: String,
    /// Read as JSON; `null` where it is none.
    pub(super) body: Value,
}

impl Client {
    /// Returns a client of the API as it is deployed, over a world.
    pub(super) fn new(world: &World) -> Self {
        Self::with_access(world, Access::Gateway)
    }

    /// Returns a client of an API that asks who calls.
    pub(super) fn with_access(world: &World, access: Access) -> Self {
        Self { router: api::router(Api::new(world.dispatcher.clone(), access)) }
    }

    /// Sends a request as it is.
    pub(super) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 26).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let body = serde_json::from_str(&text).unwrap_or_default();
        let answer = Answer { status, headers, text, body };
        answer.assert_well_formed();
        answer
    }

    /// Sends a request without a body.
    pub(super) async fn call(&self, method: Method, target: &str) -> Answer {
        let request = Request::builder().method(method).uri(target);
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// Sends a request with a body in JSON.
    pub(super) async fn call_with(&self, method: Method, target: &str, body: &Value) -> Answer {
        let request = Request::builder().method(method).uri(target);
        let request = request.header("content-type", "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    /// Gets.
    pub(super) async fn get(&self, target: &str) -> Answer {
        self.call(Method::GET, target).await
    }

    /// Posts JSON.
    pub(super) async fn post(&self, target: &str, body: &Value) -> Answer {
        self.call_with(Method::POST, target, body).await
    }
}

impl Answer {
    /// Asserts what holds for every answer: it has its request's id, and an
    /// error is a problem document.
    fn assert_well_formed(&self) {
        assert!(self.headers.contains_key("x-request-id"), "{self:?}");
        if self.status.is_client_error() || self.status.is_server_error() {
            assert_eq!(self.headers["content-type"], "application/problem+json", "{self:?}");
            assert_eq!(self.body["status"], self.status.as_u16(), "{self:?}");
            for name in ["type", "title", "detail"] {
                assert!(self.body[name].is_string(), "{name} in {self:?}");
            }
        }
    }

    /// Asserts the status, and returns the body.
    #[track_caller]
    pub(super) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self.body
    }

    /// Asserts that a request was refused for one of its fields.
    #[track_caller]
    pub(super) fn expect_wrong_field(self, status: u16, field: &str, reason: &str) {
        let body = self.expect(status);
        assert_eq!(body["errors"][0]["field"], field, "{body}");
        let text = body["errors"][0]["reason"].as_str().unwrap();
        assert!(text.contains(reason), "{body}");
    }
}
