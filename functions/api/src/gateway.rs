//! What API Gateway says of a request, and whether it may be believed of the
//! path that reaches the router.
//!
//! The gateway authorises by the route that it matched. It hands paths on
//! decoded, and on the way to the router they are read as parts of a URL, for
//! which `\` is `/` and `..` leads up: what it let through as a vendor's event
//! could so arrive as a request for anything.

use axum::extract::Request;
use axum::http::{Method, StatusCode};
use lambda_http::RequestExt;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequestContext;
use lambda_http::request::RequestContext;

use crate::Problem;
use crate::access::Caller;

/// The gateway's routes that anybody may call, as the template has them:
/// health says nothing, and who posts events is asked by the function.
pub const OPEN_ROUTES: [&str; 2] = ["GET /healthz", "POST /hooks/{vendor}"];

/// The gateway's route of all other requests, whose callers it asks who they
/// are.
const CLOSED_ROUTE: &str = "$default";

/// Returns what the gateway says of a request; `None` where it came another
/// way.
pub(crate) fn context(request: &Request) -> Option<&ApiGatewayV2httpRequestContext> {
    match request.request_context_ref()? {
        RequestContext::ApiGatewayV2(context) => Some(context),
        _ => None,
    }
}

/// Tells who called, where the gateway let him through to this very path.
pub(crate) fn check(request: &Request) -> Result<Caller, Problem> {
    let refused = |detail: &str| Err(Problem::new(StatusCode::FORBIDDEN, detail));
    let Some(context) = context(request) else {
        return refused("the request did not come through API Gateway, which asks who calls");
    };
    let path = request.uri().path();
    if !is_unchanged(request.raw_http_path(), path) {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "the path has a character that cannot pass API Gateway, which decodes it; escape it \
             twice: a / in an id is %252F",
        ));
    }
    match context.route_key.as_deref() {
        Some(CLOSED_ROUTE) => Ok(Caller::Gateway),
        Some(route) if OPEN_ROUTES.contains(&route) && is_of(route, request.method(), path) => {
            Ok(Caller::Anyone)
        }
        _ => refused("API Gateway let the request through for another route than this one"),
    }
}

/// Tells whether a path is the one that was sent, but for bytes that were
/// escaped.
fn is_unchanged(sent: &str, path: &str) -> bool {
    let mut left = path.as_bytes();
    for byte in sent.bytes() {
        let escaped = || left.strip_prefix(format!("%{byte:02X}").as_bytes());
        let Some(rest) = left.strip_prefix(&[byte]).or_else(escaped) else { return false };
        left = rest;
    }
    left.is_empty()
}

/// Tells whether a method and path are those of a route.
fn is_of(route: &str, method: &Method, path: &str) -> bool {
    let Some((verb, template)) = route.split_once(' ') else { return false };
    let (wanted, given): (Vec<_>, Vec<_>) =
        (template.split('/').collect(), path.split('/').collect());
    let is_segment = |(wanted, given): (&&str, &&str)| {
        wanted == given || (wanted.starts_with('{') && !given.is_empty())
    };
    method.as_str() == verb
        && wanted.len() == given.len()
        && wanted.iter().zip(&given).all(is_segment)
}
