//! The signature AWS4-HMAC-SHA256.

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};

use super::error::ApiError;
use crate::front::Request;
use crate::front::sign::{Authorization, escape, hash, hmac, is_signed, pairs};
use crate::world::AccessKey;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// What a key is derived for, at the end of every scope.
const TERMINATOR: &str = "aws4_request";
/// How far a request's time may be off.
const WINDOW: SignedDuration = SignedDuration::from_mins(15);

/// What a request was signed for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope<'a> {
    pub key_id: &'a str,
    pub day: &'a str,
    pub region: &'a str,
    pub service: &'a str,
    given: Authorization<'a>,
}

/// Returns what a request was signed for, if it was and says so well.
pub(super) fn scope<'a>(request: &Request<'a>) -> Option<Scope<'a>> {
    let given = Authorization::read(request.header("authorization"), ALGORITHM, "Credential")?;
    let parts: Vec<&str> = given.credential.split('/').collect();
    match parts[..] {
        [key_id, day, region, service, TERMINATOR] => {
            Some(Scope { key_id, day, region, service, given })
        }
        _ => None,
    }
}

/// Returns what a request was signed for, or says what is wrong with that.
pub(super) fn require<'a>(
    request: &Request<'a>,
    scope: Option<Scope<'a>>,
) -> Result<Scope<'a>, ApiError> {
    match scope {
        Some(scope) => Ok(scope),
        None if request.header("authorization").is_empty() => Err(ApiError::NotSigned),
        None => Err(ApiError::Malformed("it is not of the form that is required.")),
    }
}

/// Checks that a request is not from another time.
pub(super) fn check_time(
    request: &Request<'_>,
    scope: &Scope<'_>,
    now: Timestamp,
) -> Result<(), ApiError> {
    let text = request.header("x-amz-date");
    let sent = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text)
        .and_then(|time| time.to_zoned(jiff::tz::TimeZone::UTC));
    let sent = match sent {
        Ok(sent) if text.starts_with(scope.day) => sent.timestamp(),
        _ => return Err(ApiError::Malformed("X-Amz-Date and the credential's day differ.")),
    };
    let written = |time: Timestamp| time.strftime("%Y%m%dT%H%M%SZ").to_string();
    let off = now.duration_since(sent);
    if off > WINDOW {
        let bound = written(now - WINDOW);
        return Err(ApiError::Skewed(format!(
            "Signature expired: {text} is now earlier than {bound} ({} - 15 min.)",
            written(now)
        )));
    }
    if off < -WINDOW {
        let bound = written(now + WINDOW);
        return Err(ApiError::Skewed(format!(
            "Signature not yet current: {text} is still later than {bound} ({} + 15 min.)",
            written(now)
        )));
    }
    Ok(())
}

/// Checks that the security token is the one that belongs to a key.
pub(super) fn check_token(
    key: &AccessKey,
    request: &Request<'_>,
    now: Timestamp,
) -> Result<(), ApiError> {
    let given = request.header("x-amz-security-token");
    if key.token.as_ref().map_or("", |token| token.expose_secret()) != given {
        return Err(ApiError::TokenInvalid);
    }
    match key.expires {
        Some(expires) if expires <= now => Err(ApiError::TokenExpired),
        _ => Ok(()),
    }
}

/// Checks the signature.
pub(super) fn check_signature(
    request: &Request<'_>,
    scope: &Scope<'_>,
    secret: &SecretString,
) -> Result<(), ApiError> {
    let signed: Vec<&str> = scope.given.signed_headers.split(';').collect();
    if !["host", "x-amz-date"].iter().all(|name| signed.contains(name)) {
        return Err(ApiError::Malformed("'Host' and 'X-Amz-Date' must be signed."));
    }
    let canonical = canonical_request(request, scope).ok_or(ApiError::SignatureDiffers)?;
    let to_sign = string_to_sign(request, scope, &canonical);
    let key = hmac(format!("AWS4{}", secret.expose_secret()).as_bytes(), scope.day);
    let key = hmac(&hmac(&hmac(&key, scope.region), scope.service), TERMINATOR);
    match is_signed(&key, &to_sign, scope.given.signature) {
        true => Ok(()),
        false => Err(ApiError::SignatureDiffers),
    }
}

fn canonical_request(request: &Request<'_>, scope: &Scope<'_>) -> Option<String> {
    let one_space = |value: &str| value.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    let headers = scope.given.canonical_headers(request, one_space)?;
    let body = match request.header("x-amz-content-sha256") {
        "" => hash(request.body),
        "UNSIGNED-PAYLOAD" if scope.service == "s3" => "UNSIGNED-PAYLOAD".to_owned(),
        told => Some(hash(request.body)).filter(|hash| hash == told)?,
    };
    let Request { method, path, .. } = request;
    let (query, signed) = (canonical_query(request.query), scope.given.signed_headers);
    Some(format!("{method}\n{path}\n{query}\n{headers}\n{signed}\n{body}"))
}

fn canonical_query(query: &str) -> String {
    let pairs = pairs(query).into_iter();
    let mut pairs: Vec<_> = pairs.map(|(name, value)| (escape(&name), escape(&value))).collect();
    pairs.sort();
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

fn string_to_sign(request: &Request<'_>, scope: &Scope<'_>, canonical: &str) -> String {
    let Scope { day, region, service, .. } = scope;
    let time = request.header("x-amz-date");
    let hash = hash(canonical.as_bytes());
    format!("{ALGORITHM}\n{time}\n{day}/{region}/{service}/{TERMINATOR}\n{hash}")
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderName, Uri};
    use serde_json::Value;

    use super::*;

    fn vectors() -> Vec<Value> {
        let text = include_str!("../../testdata/aws_sigv4_vectors.json");
        serde_json::from_str(text).expect("vectors")
    }

    fn headers(vector: &Value, uri: &Uri) -> HeaderMap {
        let given = vector["headers"].as_object().expect("headers").iter();
        let mut headers: HeaderMap = given
            .map(|(name, value)| {
                let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
                (name, value.as_str().and_then(|text| text.parse().ok()).expect("a value"))
            })
            .collect();
        let authority = uri.authority().expect("a host").as_str();
        headers.insert("host", authority.parse().expect("a value"));
        let authorization = vector["authorization"].as_str().expect("an authorization");
        headers.insert("authorization", authorization.parse().expect("a value"));
        headers
    }

    #[test]
    fn signatures_of_the_vendors_own_client_are_good() {
        let vectors = vectors();
        assert_eq!(vectors.len(), 7);
        for vector in vectors {
            let text = |name: &str| vector[name].as_str().expect("a text");
            let name = text("name");
            let uri: Uri = text("url").parse().expect("a URL");
            let headers = headers(&vector, &uri);
            let request = Request {
                method: text("method"),
                path: uri.path(),
                query: uri.query().unwrap_or(""),
                headers: &headers,
                body: text("body").as_bytes(),
            };
            let scope = scope(&request).expect("a scope");
            let canonical = canonical_request(&request, &scope).expect("canonical");
            assert_eq!(canonical, text("canonical_request"));
            assert_eq!(string_to_sign(&request, &scope, &canonical), text("string_to_sign"));
            let secret = SecretString::from(text("secret_key"));
            check_signature(&request, &scope, &secret).expect(name);
            check_signature(&request, &scope, &"other".into()).expect_err(name);
            let other = Request { body: b"Action=Other", ..request };
            check_signature(&other, &scope, &secret).expect_err(name);
            let at =
                |time: &str| check_time(&request, &scope, time.parse().expect("a time")).is_ok();
            assert!(at("2015-08-30T12:51:00Z") && at("2015-08-30T12:21:00Z"), "{name}");
            assert!(!at("2015-08-30T12:51:01Z") && !at("2015-08-30T12:20:59Z"), "{name}");
        }
    }

    #[test]
    fn queries_are_sorted_and_written_one_way() {
        assert_eq!(canonical_query("b=2&a=%7e&a&c=%2f+"), "a=&a=~&b=2&c=%2F%2B");
        assert_eq!(canonical_query(""), "");
    }
}
