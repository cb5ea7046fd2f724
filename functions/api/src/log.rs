//! The access log: one line a request, with an id that the caller gets too.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;
use uuid::Uuid;

use crate::access::Caller;
use crate::gateway;

/// The header with a request's id.
const REQUEST_ID: &str = "x-request-id";

/// The longest id that is taken over from a caller.
const LONGEST_ID: usize = 64;

/// Gives a request an id, unless it brings one, and logs how it went. Never
/// its query or headers: they may hold what is nobody's business. API
/// Gateway's own id, by which its log names the request, is there in any case.
pub(crate) async fn log(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let gateway_id = gateway::context(&request).and_then(|context| context.request_id.clone());
    let id = request_id(&request, gateway_id.as_deref());
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    let span = tracing::info_span!("request", id);
    let mut response = next.run(request).instrument(span).await;
    let caller = response.extensions().get::<Caller>().copied().unwrap_or(Caller::Anyone);
    tracing::info!(
        http.method = %method,
        http.route = route,
        http.status = response.status().as_u16(),
        http.duration_ms = started.elapsed().as_secs_f64() * 1000.0,
        request_id = id,
        gateway_request_id = gateway_id,
        caller = caller.as_str(),
        "answered a request"
    );
    // An id consists of what a header may hold.
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// Returns the id that a request brings, where it is one, or API Gateway's, or
/// a new one.
fn request_id(request: &Request, gateway_id: Option<&str>) -> String {
    let is_id = |text: &&str| {
        (1..=LONGEST_ID).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    };
    let given = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let id = given.filter(is_id).or(gateway_id);
    id.map_or_else(|| Uuid::new_v4().to_string(), str::to_owned)
}
