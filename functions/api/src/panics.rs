//! A request whose handling panics is answered like any other.

use std::panic::AssertUnwindSafe;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;

use crate::Problem;

/// Answers a request whose handling panics with a problem document that hides
/// the cause, which is logged instead.
pub(crate) async fn catch(request: Request, next: Next) -> Response {
    AssertUnwindSafe(next.run(request)).catch_unwind().await.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        tracing::error!(panic = text.unwrap_or("of no text"), "the request's handling panicked");
        let detail = "the service failed at this request, which is a mistake of its own; its log \
                      has more under the answer's x-request-id";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).into_response()
    })
}
