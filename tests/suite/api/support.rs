//! A client of the API of a world.

use std::io::Write;
use std::sync::{Arc, Mutex};

use api::{Access, Api};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use cloud_sync_tests::world::{CANARY, World};
use lambda_http::RequestExt;
use lambda_http::request::RequestContext;
use serde_json::{Value, json};
use tower::ServiceExt;
use tracing_subscriber::fmt::MakeWriter;

/// Calls the API.
pub(super) struct Client {
    router: Router,
    is_deployed: bool,
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
        Self::of(Api::new(world.dispatcher.clone(), access))
    }

    /// Returns a client of an API.
    pub(super) fn of(api: Api) -> Self {
        let is_deployed = matches!(*api.access, Access::Gateway);
        Self { router: api::router(api), is_deployed }
    }

    /// Sends a request, where the API is deployed through API Gateway, which
    /// lets everybody in.
    pub(super) async fn send(&self, request: Request<Body>) -> Answer {
        self.deliver(if self.is_deployed { through_gateway(request) } else { request }).await
    }

    /// Hands the router a request as it is.
    pub(super) async fn deliver(&self, request: Request<Body>) -> Answer {
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

/// The id that API Gateway gives every request here.
pub(super) const GATEWAY_ID: &str = "JKJaXmPLvHcESHA=";

/// Returns a request as API Gateway hands it on.
fn through_gateway(request: Request<Body>) -> Request<Body> {
    let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
    let vendor = path.strip_prefix("/hooks/").filter(|vendor| !vendor.contains('/'));
    let route = match (method.as_str(), path.as_str()) {
        ("GET", "/healthz") => "GET /healthz",
        ("POST", _) if vendor.is_some_and(|vendor| !vendor.is_empty()) => "POST /hooks/{vendor}",
        _ => "$default",
    };
    let context = json!({
        "routeKey": route, "requestId": GATEWAY_ID, "stage": "$default",
        "http": { "method": method, "path": path },
    });
    let context = RequestContext::ApiGatewayV2(serde_json::from_value(context).unwrap());
    request.with_raw_http_path(path).with_request_context(context)
}

impl Answer {
    /// Asserts what holds for every answer: it has its request's id, an error
    /// is a problem document, and none has a secret, of which every world has
    /// some, or what one could be told by.
    fn assert_well_formed(&self) {
        let all = format!("{self:?}");
        for secret in [CANARY, "credentials_digest"] {
            assert!(!all.contains(secret), "{secret} in {all}");
        }
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

/// What was logged.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Has all that is logged kept, until the guard is dropped.
    pub(super) fn listen() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(log.clone())
            .finish();
        let guard = tracing::subscriber::set_default(subscriber);
        // Other tests, which log nowhere, may have met the same places first.
        tracing::callsite::rebuild_interest_cache();
        (log, guard)
    }

    /// Returns what was logged so far.
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
