//! Who may call.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{Problem, gateway};

/// Routes that ask nobody, or ask in their own way.
const OPEN: [&str; 2] = ["/healthz", "/hooks/"];

/// The header in which a browser says how the page it asks for is related to
/// what it asks.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Who may call.
pub enum Access {
    /// Those whom API Gateway lets through: it authorises every route but the
    /// open ones. What did not come through it is refused, and so is what it
    /// let through for another route than the one that it would reach.
    Gateway,
    /// Those who know a token, over HTTP's bearer scheme.
    Token(SecretString),
    /// The programs of this machine, that is, those which call it by a name
    /// of its own. A page in a browser that calls by a name of somebody else's
    /// which leads here is refused, and so is any page from elsewhere.
    Loopback,
}

/// Who called, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    Gateway,
    Token,
    Loopback,
    Anyone,
    Refused,
}

impl Caller {
    /// Returns the name used in logs.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Token => "token",
            Self::Loopback => "loopback",
            Self::Anyone => "anyone",
            Self::Refused => "refused",
        }
    }
}

/// Lets a request through or refuses it.
pub(crate) async fn check(
    State(access): State<Arc<Access>>,
    request: Request,
    next: Next,
) -> Response {
    let (caller, response) = match allow(&access, &request) {
        Ok(caller) => (caller, next.run(request).await),
        Err(refusal) => (Caller::Refused, *refusal),
    };
    let mut response = response;
    response.extensions_mut().insert(caller);
    response
}

fn allow(access: &Access, request: &Request) -> Result<Caller, Box<Response>> {
    let is_open = is_open(request.uri().path());
    match access {
        Access::Gateway => {
            gateway::check(request).map_err(|refusal| Box::new(refusal.into_response()))
        }
        Access::Token(_) if is_open => Ok(Caller::Anyone),
        Access::Token(token) => match bearer(request.headers()) {
            Some(given) if is_same(token, given) => Ok(Caller::Token),
            given => Err(Box::new(unauthorized(given.is_some()))),
        },
        Access::Loopback if is_open => Ok(Caller::Loopback),
        Access::Loopback if !names_this_machine(request) => Err(forbidden(
            "without a token the API answers only to this machine's own names: call \
             http://127.0.0.1 or http://localhost",
        )),
        Access::Loopback if is_of_another_page(request) => Err(forbidden(
            "without a token the API answers to no page from elsewhere; set a token, and have a \
             program of yours ask with it",
        )),
        Access::Loopback => Ok(Caller::Loopback),
    }
}

fn forbidden(detail: &str) -> Box<Response> {
    Box::new(Problem::new(StatusCode::FORBIDDEN, detail).into_response())
}

fn is_open(path: &str) -> bool {
    let [health, hooks] = OPEN;
    path == health || path.starts_with(hooks)
}

/// Returns the token of a request, if it has one.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Compares a secret with what somebody gave, in a time that tells nothing
/// about either.
pub(crate) fn is_same(secret: &SecretString, given: &str) -> bool {
    let [secret, given] = [secret.expose_secret(), given].map(Sha256::digest);
    secret[..].ct_eq(&given[..]).into()
}

fn unauthorized(has_token: bool) -> Response {
    let (detail, challenge) = if has_token {
        ("the token is not this service's", "Bearer error=\"invalid_token\"")
    } else {
        ("give the service's token: Authorization: Bearer …", "Bearer")
    };
    let mut response = Problem::new(StatusCode::UNAUTHORIZED, detail).into_response();
    let challenge = HeaderValue::from_static(challenge);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}

/// Returns the name and port that a request was sent to.
fn host(request: &Request) -> Option<&str> {
    let from_uri = request.uri().authority().map(|authority| authority.as_str());
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    host.or(from_uri)
}

/// Tells whether a browser sent a request for a page that did not come from
/// here. Some requests it sends for any page without asking first, such as
/// POSTs without a body; it says then whose page it was.
fn is_of_another_page(request: &Request) -> bool {
    let values = |name: HeaderName| {
        let values = request.headers().get_all(name).into_iter();
        values.map(|value| value.to_str().unwrap_or_default())
    };
    let is_own_site = |site: &str| matches!(site, "same-origin" | "none");
    let is_own_origin = |origin: &str| {
        let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        let is_host = |host: &str| authority.is_some_and(|own| own.eq_ignore_ascii_case(host));
        host(request).is_some_and(is_host)
    };
    !values(FETCH_SITE).all(is_own_site) || !values(header::ORIGIN).all(is_own_origin)
}

/// Tells whether a request was sent to a name that only this machine has.
fn names_this_machine(request: &Request) -> bool {
    let Some(host) = host(request) else {
        return false;
    };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let is_loopback = |address: IpAddr| address.is_loopback();
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(is_loopback)
}
