//! The routes, a file a group.

mod accounts;
mod changes;
mod deletions;
mod hooks;
mod plans;
mod resources;
mod stats;
mod status_changes;
mod syncs;
mod tasks;

use std::sync::OnceLock;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::get;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::document::{Described, with_refusals};
use crate::{Api, Problem, access, log, panics};

/// A request's body may have so many bytes.
const MOST_BODY: usize = 64 * 1024;

/// Returns every documented route with its document.
fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(Described::openapi())
        .merge(syncs::router())
        .merge(plans::router())
        .merge(tasks::router())
        .merge(status_changes::router())
        .merge(resources::router())
        .merge(changes::router())
        .merge(stats::router())
        .merge(deletions::router())
        .merge(accounts::router())
        .merge(hooks::router())
}

/// Returns the document of the API, `OpenAPI` 3.1 in JSON.
#[must_use]
pub fn openapi() -> &'static str {
    static DOCUMENT: OnceLock<String> = OnceLock::new();
    DOCUMENT.get_or_init(|| {
        // A document has a JSON form.
        with_refusals(routes().into_openapi()).to_pretty_json().unwrap_or_default()
    })
}

/// Returns the API's router. Who may call is decided by `api.access`.
pub fn router(api: Api) -> Router {
    let access = api.access.clone();
    let (routes, _) = routes().split_for_parts();
    routes
        .route("/healthz", get(async || "ok"))
        .route("/openapi.json", get(async || document()))
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "there is no such route"))
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "the route does not take this method")
        })
        .layer(DefaultBodyLimit::max(MOST_BODY))
        .layer(from_fn(panics::catch))
        .layer(from_fn_with_state(access, access::check))
        .layer(from_fn(log::log))
        .with_state(api)
}

fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], openapi())
}
