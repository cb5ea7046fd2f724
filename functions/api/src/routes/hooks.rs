//! Events of the vendors: what they name is re-read soon.

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode};
use cloud_sync_core::account::{AccountRecord, HookRef};
use cloud_sync_core::error::ErrorClass;
use cloud_sync_core::scope::is_key_word;
use cloud_sync_dispatch::events::Hearing;
use cloud_sync_provider::events::{VendorEvent, decode_events};
use cloud_sync_runtime::metrics::EventMetrics;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::Sha256;
use utoipa::{IntoParams, ToSchema};

use crate::access::{bearer, is_same};
use crate::extract::{Json, Path, Query};
use crate::surface::{Surface, put};
use crate::{Api, Problem};

/// A body may have so many bytes: vendors send events together.
pub(super) const MOST_BODY: usize = 256 * 1024;

/// The header with an account's secret.
const TOKEN: &str = "x-hook-token";

/// The header with a signature of the body: `sha256=` and 64 hexadecimal
/// digits.
const SIGNATURE: &str = "x-hook-signature";

/// The variable that is asked for in the place of a secret's where an account
/// is unknown or has none; what it holds lets nobody in.
const NOBODYS: &str = "CLOUD_SYNC_NOBODYS_HOOK_TOKEN";

/// Returns the group's routes.
pub(super) fn routes<S: Surface>(surface: S) -> S {
    put!(surface, hear)
}

/// Whose events they are.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Sender {
    /// The account's id.
    #[serde(default)]
    #[param(required = true)]
    account: String,
    /// The account's secret, for senders that can set no header.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    token: Option<SecretString>,
}

/// What a vendor posts.
#[derive(ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "it describes what each vendor's part reads")]
enum Events {
    /// One event.
    One(Map<String, Value>),
    /// Several.
    Several(Vec<Map<String, Value>>),
}

/// Take a vendor's events.
///
/// What they name is re-read; nothing else in them is believed. They are sent
/// with the account's own secret: in the header `X-Hook-Token`, as a bearer's
/// token, in the query, or as the key of `X-Hook-Signature: sha256=…`, the
/// HMAC of the body. Whatever is wrong with account or secret gets the same
/// answer.
#[utoipa::path(
    post,
    path = "/hooks/{provider}",
    tag = "hooks",
    security(()),
    params(
        ("provider" = String, Path, description = "The vendor: aliyun, aws or tencent"),
        Sender,
        ("X-Hook-Token" = Option<String>, Header, description = "The account's secret"),
        (
            "X-Hook-Signature" = Option<String>, Header,
            description = "sha256= and the HMAC of the body in hexadecimal digits",
        ),
    ),
    request_body(content = Events, description = "One event, or a list of up to 1,000"),
    responses(
        (status = 202, description = "What became of them", body = Hearing),
        (status = 401, description = "There is no such account, or this is not its secret",
         body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "These are no events, or a parameter makes no sense",
         body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn hear(
    State(api): State<Api>,
    Path(provider): Path<String>,
    Query(sender): Query<Sender>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Hearing>), Problem> {
    let body = body.map_err(|error| Problem::new(error.status(), error.body_text()))?;
    let record = authentic(&api, &provider, &sender, &headers, &body).await?;
    let events = decode_events(&provider, &body)
        .map_err(|error| Problem::field("body", error.to_string()))?;
    if !events.iter().all(|event| is_of(&record, event)) {
        tracing::warn!(account = record.account.id, "events of another of the vendor's accounts");
        return Err(unauthorized());
    }
    let hearing = api.dispatcher.hear(&record, &events).await?;
    api.metrics.events(EventMetrics {
        at: api.clock.now().into(),
        provider: record.account.provider,
        account_id: record.account.id,
        events: events.len() as u64,
        events_taken: hearing.taken as u64,
        events_known: hearing.known as u64,
        events_unknown: hearing.unknown as u64,
        events_idle: hearing.idle as u64,
    });
    Ok((StatusCode::ACCEPTED, Json(hearing)))
}

/// Returns the account that sent a body. Of one that is unknown, or has no
/// secret, as much is computed as of one whose secret is another.
async fn authentic(
    api: &Api,
    provider: &str,
    sender: &Sender,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<AccountRecord, Problem> {
    let record =
        if is_key_word(&sender.account) { api.store.account(&sender.account).await? } else { None };
    let record = record.filter(|record| record.account.provider == provider);
    let hook = record.as_ref().and_then(|record| record.account.hook.as_ref());
    let nobodys = HookRef::Env(NOBODYS.to_owned());
    let secret = match api.credentials.hook_token(hook.unwrap_or(&nobodys)).await {
        Ok(secret) => Some(secret),
        Err(_) if hook.is_none() => None,
        Err(error) if error.class() == ErrorClass::Network => {
            return Err(Problem::internal(&error));
        }
        Err(error) => {
            tracing::error!(account = sender.account, %error, "events are refused");
            None
        }
    };
    let is_known = hook.is_some() && secret.is_some();
    let secret = secret.unwrap_or_else(|| SecretString::from("nobody's secret"));
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let given = text(TOKEN)
        .or_else(|| bearer(headers))
        .or_else(|| sender.token.as_ref().map(|token| token.expose_secret()))
        .unwrap_or_default();
    let has_token = is_same(&secret, given);
    // Who signs is held to it.
    let is_right = match text(SIGNATURE) {
        Some(signature) => is_signature(&secret, signature, body),
        None => has_token,
    };
    record.filter(|_| is_known && is_right).ok_or_else(unauthorized)
}

/// Tells whether a signature is that of a body, in a time that tells nothing
/// about the secret.
fn is_signature(secret: &SecretString, signature: &str, body: &[u8]) -> bool {
    let given = signature.strip_prefix("sha256=").and_then(unhex).unwrap_or_default();
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) else {
        return false;
    };
    mac.chain_update(body).verify_slice(&given).is_ok()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

fn unauthorized() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "there is no such account, or this is not its secret")
}

/// Tells whether an event can be of an account.
fn is_of(record: &AccountRecord, event: &VendorEvent) -> bool {
    match (&record.identity, &event.account_number) {
        (Some(known), Some(said)) => known.account_number == *said,
        _ => true,
    }
}
