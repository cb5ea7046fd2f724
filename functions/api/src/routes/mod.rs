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

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::get;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::document::{Described, with_refusals};
use crate::surface::Surface;
use crate::{Api, Problem, access, log, panics};

/// A request's body may have so many bytes.
const MOST_BODY: usize = 64 * 1024;

/// Puts every documented route on a surface, but for those of events, whose
/// bodies may be larger.
fn routes<S: Surface>(surface: S) -> S {
    let surface = plans::routes(syncs::routes(surface));
    let surface = status_changes::routes(tasks::routes(surface));
    let surface = changes::routes(resources::routes(surface));
    let surface = deletions::routes(stats::routes(surface));
    accounts::routes(surface)
}

/// The document of the API, `OpenAPI` 3.1 in JSON, as it is kept.
const DOCUMENT: &str = include_str!("../../../../docs/openapi.json");

/// Makes the document of the API, `OpenAPI` 3.1 in JSON, of the routes.
#[must_use]
pub fn openapi() -> String {
    let described = hooks::routes(routes(OpenApiRouter::with_openapi(Described::openapi())));
    // A document has a JSON form.
    with_refusals(described.into_openapi()).to_pretty_json().unwrap_or_default()
}

/// Returns the API's router. Who may call is decided by `api.access`.
pub fn router(api: Api) -> Router {
    let access = api.access.clone();
    let hooks = hooks::routes(Router::new()).layer(DefaultBodyLimit::max(hooks::MOST_BODY));
    routes(Router::new())
        .merge(hooks)
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
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT)
}
