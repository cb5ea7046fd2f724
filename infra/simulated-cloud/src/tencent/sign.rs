//! The signature TC3-HMAC-SHA256, over the bytes of the body as they came.

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};

use super::error::ApiError;
use crate::front::Request;
use crate::front::sign::{Authorization, hash, hmac, is_signed};
use crate::world::AccessKey;

const ALGORITHM: &str = "TC3-HMAC-SHA256";
/// What a key is derived for, at the end of every scope.
const TERMINATOR: &str = "tc3_request";

/// How far a request's time may be off.
const WINDOW: SignedDuration = SignedDuration::from_mins(5);

fn authorization<'a>(request: &Request<'a>) -> Option<Authorization<'a>> {
    Authorization::read(request.header("authorization"), ALGORITHM, "Credential")
}

/// Returns the secret id that a request claims to be signed with.
pub(super) fn key_id<'a>(request: &Request<'a>) -> Option<&'a str> {
    authorization(request)?.credential.split('/').next()
}

/// Returns the service that a request was signed for, if it was at all.
pub(super) fn service<'a>(request: &Request<'a>) -> Result<&'a str, ApiError> {
    if request.header("authorization").is_empty() {
        return Err(ApiError::missing("Authorization"));
    }
    scope(request).map(|(_, service)| service)
}

/// Returns the day and the service of the scope.
fn scope<'a>(request: &Request<'a>) -> Result<(&'a str, &'a str), ApiError> {
    let credential = authorization(request).map(|authorization| authorization.credential);
    let parts: Vec<&str> = credential.unwrap_or_default().split('/').collect();
    match parts[..] {
        [_, day, service, TERMINATOR] => Ok((day, service)),
        _ => Err(ApiError::invalid_authorization()),
    }
}

/// Checks that a request is not from another time.
pub(super) fn check_time(request: &Request<'_>, now: Timestamp) -> Result<(), ApiError> {
    let text = request.header("x-tc-timestamp");
    if text.is_empty() {
        return Err(ApiError::missing("X-TC-Timestamp"));
    }
    let sent = text.parse().ok().and_then(|second| Timestamp::from_second(second).ok());
    let sent = sent.ok_or_else(|| ApiError::invalid("X-TC-Timestamp"))?;
    if now.duration_since(sent).abs() > WINDOW {
        return Err(ApiError::signature_expired());
    }
    // The day is the timestamp's, in UTC.
    let (day, _) = scope(request)?;
    if sent.strftime("%Y-%m-%d").to_string() == day {
        Ok(())
    } else {
        Err(ApiError::signature_differs())
    }
}

/// Checks that a key is in use, and that the token is the one that belongs to
/// it. The token is not signed.
pub(super) fn check_key(
    key: &AccessKey,
    request: &Request<'_>,
    now: Timestamp,
) -> Result<(), ApiError> {
    if !key.active {
        return Err(ApiError::key_inactive());
    }
    let given = request.header("x-tc-token");
    let wanted = key.token.as_ref().map_or("", |token| token.expose_secret());
    let is_over = key.expires.is_some_and(|expires| expires <= now);
    if wanted != given || is_over { Err(ApiError::token_failure()) } else { Ok(()) }
}

/// Checks the signature.
pub(super) fn check_signature(
    request: &Request<'_>,
    secret: &SecretString,
) -> Result<(), ApiError> {
    let (day, service) = scope(request)?;
    let given = authorization(request).ok_or_else(ApiError::invalid_authorization)?;
    let signed: Vec<&str> = given.signed_headers.split(';').collect();
    if !["content-type", "host"].iter().all(|name| signed.contains(name)) {
        return Err(ApiError::invalid_authorization());
    }
    let canonical = canonical_request(request, &given).ok_or_else(ApiError::signature_differs)?;
    let to_sign = string_to_sign(request, (day, service), &canonical);
    let key = hmac(format!("TC3{}", secret.expose_secret()).as_bytes(), day);
    let key = hmac(&hmac(&key, service), TERMINATOR);
    match is_signed(&key, &to_sign, given.signature) {
        true => Ok(()),
        false => Err(ApiError::signature_differs()),
    }
}

fn canonical_request(request: &Request<'_>, given: &Authorization<'_>) -> Option<String> {
    let headers = given.canonical_headers(request, |value| value.trim().to_lowercase())?;
    let Request { method, query, .. } = request;
    let (signed, body) = (given.signed_headers, hash(request.body));
    Some(format!("{method}\n/\n{query}\n{headers}\n{signed}\n{body}"))
}

fn string_to_sign(request: &Request<'_>, (day, service): (&str, &str), canonical: &str) -> String {
    let time = request.header("x-tc-timestamp");
    format!("{ALGORITHM}\n{time}\n{day}/{service}/{TERMINATOR}\n{}", hash(canonical.as_bytes()))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderName, HeaderValue};
    use serde_json::Value;

    use super::*;

    fn vectors() -> Vec<Value> {
        let text = include_str!("../../testdata/tencent_tc3_vectors.json");
        serde_json::from_str(text).expect("vectors")
    }

    fn headers(vector: &Value) -> HeaderMap {
        let given = vector["headers"].as_object().expect("headers").iter();
        let mut headers: HeaderMap = given
            .map(|(name, value)| {
                let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
                (name, value.as_str().and_then(|text| text.parse().ok()).expect("a value"))
            })
            .collect();
        let text = |name: &str| vector[name].as_str().expect("a text");
        let second = vector["timestamp"].as_i64().expect("a time");
        let day = Timestamp::from_second(second).expect("a time").strftime("%Y-%m-%d");
        let authorization = format!(
            "{ALGORITHM} Credential={}/{day}/{}/{TERMINATOR}, \
             SignedHeaders=content-type;host, Signature={}",
            text("secret_id"),
            text("service"),
            text("signature"),
        );
        // Where the vendor's client made it, it is as the client wrote it.
        let given = vector["authorization"].as_str().unwrap_or(&authorization);
        assert_eq!(given, authorization);
        headers.insert("authorization", authorization.parse().expect("a value"));
        headers.insert("x-tc-timestamp", HeaderValue::from(second));
        headers
    }

    #[test]
    fn signatures_of_the_vendors_own_client_are_good() {
        let vectors = vectors();
        assert_eq!(vectors.len(), 9);
        for vector in vectors {
            let text = |name: &str| vector[name].as_str().expect("a text");
            let name = text("name");
            let headers = headers(&vector);
            let request = Request {
                method: text("method"),
                path: "/",
                query: text("query"),
                headers: &headers,
                body: text("payload").as_bytes(),
            };
            let given = authorization(&request).expect("an authorization");
            let canonical = canonical_request(&request, &given).expect("canonical");
            assert_eq!(canonical, text("canonical_request"));
            let scope = scope(&request).expect("a scope");
            assert_eq!(string_to_sign(&request, scope, &canonical), text("string_to_sign"));
            let secret = SecretString::from(text("secret_key"));
            check_signature(&request, &secret).expect(name);
            check_signature(&request, &"other".into()).expect_err(name);
            let other = Request { body: b"{}", ..request };
            check_signature(&other, &secret).expect_err(name);
            let sent = vector["timestamp"].as_i64().expect("a time");
            let at = |second| check_time(&request, Timestamp::from_second(second).expect("a time"));
            assert!(at(sent + 300).is_ok() && at(sent - 300).is_ok(), "{name}");
            assert!(at(sent + 301).is_err() && at(sent - 301).is_err(), "{name}");
        }
    }
}
