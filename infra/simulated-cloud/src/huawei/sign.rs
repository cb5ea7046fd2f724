//! The signature SDK-HMAC-SHA256.

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};

use super::error::ApiError;
use crate::front::Request;
use crate::front::sign::{Authorization, escape, hash, is_signed, pairs, unescape};
use crate::world::AccessKey;

const ALGORITHM: &str = "SDK-HMAC-SHA256";

/// How far a request's time may be off.
const WINDOW: SignedDuration = SignedDuration::from_mins(15);

fn authorization<'a>(request: &Request<'a>) -> Option<Authorization<'a>> {
    Authorization::read(request.header("authorization"), ALGORITHM, "Access")
}

/// Returns the access key that a request claims to be signed with.
pub(super) fn key_id<'a>(request: &Request<'a>) -> Option<&'a str> {
    authorization(request).map(|authorization| authorization.credential)
}

/// Checks that everything that a signature needs is there.
pub(super) fn check_form(request: &Request<'_>) -> Result<(), ApiError> {
    let Some(given) = authorization(request) else {
        let why = match request.header("authorization") {
            "" => "get token or aksk from request fail",
            _ => "the authorization header is not of the form that is required",
        };
        return Err(ApiError::unauthenticated(why));
    };
    let mut signed = given.signed_headers.split(';');
    match signed.any(|name| name.eq_ignore_ascii_case("x-sdk-date")) {
        true => Ok(()),
        false => Err(ApiError::unauthenticated("x-sdk-date is not signed")),
    }
}

/// Checks that a request is not from another time.
pub(super) fn check_time(request: &Request<'_>, now: Timestamp) -> Result<(), ApiError> {
    let text = request.header("x-sdk-date");
    let sent = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text)
        .and_then(|time| time.to_zoned(jiff::tz::TimeZone::UTC));
    let sent = sent.map_err(|_| ApiError::unauthenticated("x-sdk-date is no time"))?;
    match now.duration_since(sent.timestamp()).abs() > WINDOW {
        true => {
            Err(ApiError::unauthenticated("the request is expired: x-sdk-date is out of range"))
        }
        false => Ok(()),
    }
}

/// Checks that the security token is the one that belongs to a key.
pub(super) fn check_token(
    key: &AccessKey,
    request: &Request<'_>,
    now: Timestamp,
) -> Result<(), ApiError> {
    let given = request.header("x-security-token");
    if key.token.as_ref().map_or("", |token| token.expose_secret()) != given {
        return Err(ApiError::unauthenticated("decrypt security token fail"));
    }
    match key.expires {
        Some(expires) if expires <= now => {
            Err(ApiError::unauthenticated("the security token is expired"))
        }
        _ => Ok(()),
    }
}

/// Checks the signature.
pub(super) fn check_signature(
    request: &Request<'_>,
    secret: &SecretString,
) -> Result<(), ApiError> {
    let differs = || ApiError::unauthenticated("verify aksk signature fail");
    let given = authorization(request).ok_or_else(differs)?;
    let canonical = canonical_request(request, &given).ok_or_else(differs)?;
    let to_sign = string_to_sign(request, &canonical);
    match is_signed(secret.expose_secret().as_bytes(), &to_sign, given.signature) {
        true => Ok(()),
        false => Err(differs()),
    }
}

fn canonical_request(request: &Request<'_>, given: &Authorization<'_>) -> Option<String> {
    let headers = given.canonical_headers(request, |value| value.trim().to_owned())?;
    // The path is signed with a slash at its end, whether or not it has one.
    let path = request.path.strip_suffix('/').unwrap_or(request.path);
    let segments: Vec<String> = path.split('/').map(|part| escape(&unescape(part))).collect();
    let mut pairs = pairs(request.query);
    pairs.sort();
    let pairs: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
    let (method, path, query) = (request.method, segments.join("/"), pairs.join("&"));
    let (signed, body) = (given.signed_headers, hash(request.body));
    Some(format!("{method}\n{path}/\n{query}\n{headers}\n{signed}\n{body}"))
}

fn string_to_sign(request: &Request<'_>, canonical: &str) -> String {
    let time = request.header("x-sdk-date");
    format!("{ALGORITHM}\n{time}\n{}", hash(canonical.as_bytes()))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderName, HeaderValue};
    use serde_json::Value;

    use super::*;

    fn vectors() -> Vec<Value> {
        let text = include_str!("../../testdata/huawei_sdk_hmac_vectors.json");
        serde_json::from_str(text).expect("vectors")
    }

    fn headers(vector: &Value) -> HeaderMap {
        let given = vector["headers"].as_object().expect("headers").iter();
        let mut headers: HeaderMap = given
            .map(|(name, value)| {
                let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
                let value = value.as_str().expect("a text").as_bytes();
                (name, HeaderValue::from_bytes(value).expect("a value"))
            })
            .collect();
        let authorization = vector["authorization"].as_str().expect("an authorization");
        headers.insert("authorization", authorization.parse().expect("a value"));
        headers
    }

    #[test]
    fn signatures_of_the_vendors_own_client_are_good() {
        let vectors = vectors();
        assert_eq!(vectors.len(), 10);
        for vector in vectors {
            let text = |name: &str| vector[name].as_str().expect("a text");
            let name = text("name");
            let headers = headers(&vector);
            let query = text("request_uri").split_once('?').map_or("", |(_, query)| query);
            let request = Request {
                method: text("method"),
                path: text("path"),
                query,
                headers: &headers,
                body: text("body").as_bytes(),
            };
            check_form(&request).expect(name);
            let given = authorization(&request).expect("an authorization");
            let canonical = canonical_request(&request, &given).expect("canonical");
            assert_eq!(canonical, text("canonical_request"));
            assert_eq!(string_to_sign(&request, &canonical), text("string_to_sign"));
            let secret = SecretString::from(text("secret_key"));
            check_signature(&request, &secret).expect(name);
            check_signature(&request, &"other".into()).expect_err(name);
            let other = Request { body: b"{}", ..request };
            check_signature(&other, &secret).expect_err(name);
            let at = |time: &str| check_time(&request, time.parse().expect("a time")).is_ok();
            assert!(at("2026-11-22T08:15:00Z") && at("2026-11-22T07:45:00Z"), "{name}");
            assert!(!at("2026-11-22T08:15:01Z") && !at("2026-11-22T07:44:59Z"), "{name}");
        }
    }
}
