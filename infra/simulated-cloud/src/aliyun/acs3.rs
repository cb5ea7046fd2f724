//! The signature of version 3: HMAC-SHA256 over a canonical request, with the
//! action in headers.

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::error::ApiError;
use super::sign::{WINDOW, escape};
use crate::front::Request;
use crate::front::sign::{Authorization, hash, is_signed};

/// The name of the algorithm.
const ALGORITHM: &str = "ACS3-HMAC-SHA256";

/// Headers that say what is asked; one that is not signed could be changed on
/// the way.
const MUST_BE_SIGNED: [&str; 6] = [
    "host",
    "x-acs-action",
    "x-acs-version",
    "x-acs-date",
    "x-acs-content-sha256",
    "x-acs-signature-nonce",
];

/// The `Authorization` header of a request that is signed so.
pub(super) struct Signed<'a>(Authorization<'a>);

/// Returns whose key a request says it is signed with, if it is signed so.
pub(super) fn key_id<'a>(request: &Request<'a>) -> Option<&'a str> {
    let header = request.header("authorization").strip_prefix(ALGORITHM)?;
    let mut fields = header.split([' ', ',']).filter_map(|field| field.split_once('='));
    fields.find(|(name, _)| *name == "Credential").map(|(_, key)| key)
}

impl<'a> Signed<'a> {
    /// Reads the header; `None` if the request is signed in another way.
    pub(super) fn read(request: &Request<'a>) -> Result<Option<Self>, ApiError> {
        let header = request.header("authorization");
        if !header.starts_with(ALGORITHM) {
            return Ok(None);
        }
        let read = Authorization::read(header, ALGORITHM, "Credential");
        let read = read.ok_or_else(|| ApiError::incomplete("Authorization"))?;
        let is_signed = |name: &str| read.signed_headers.split(';').any(|each| each == name);
        for name in MUST_BE_SIGNED {
            if request.header(name).is_empty() {
                return Err(ApiError::missing(name));
            }
            if !is_signed(name) {
                return Err(ApiError::incomplete(name));
            }
        }
        let token = "x-acs-security-token";
        if request.headers.contains_key(token) && !is_signed(token) {
            return Err(ApiError::incomplete(token));
        }
        Ok(Some(Self(read)))
    }

    /// Checks the signature, over the headers that the request names, and that
    /// the body is the one that was signed.
    pub(super) fn check(
        &self,
        request: &Request<'_>,
        secret: &SecretString,
    ) -> Result<(), ApiError> {
        let canonical =
            self.canonical(request).ok_or_else(|| ApiError::incomplete("SignedHeaders"))?;
        let to_sign = format!("{ALGORITHM}\n{}", hash(canonical.as_bytes()));
        let is_body = request.header("x-acs-content-sha256") == hash(request.body);
        if is_body && is_signed(secret.expose_secret().as_bytes(), &to_sign, self.0.signature) {
            Ok(())
        } else {
            Err(ApiError::signature_differs(&canonical))
        }
    }

    fn canonical(&self, request: &Request<'_>) -> Option<String> {
        let headers = self.0.canonical_headers(request, |value| value.trim().to_owned())?;
        Some(format!(
            "{}\n{}\n{}\n{headers}\n{}\n{}",
            request.method,
            request.path,
            canonical_query(request.query),
            self.0.signed_headers,
            hash(request.body),
        ))
    }
}

/// Checks that a request is not from another time, and returns until when it
/// could be sent again.
pub(super) fn check_time(request: &Request<'_>, now: Timestamp) -> Result<Timestamp, ApiError> {
    let text = request.header("x-acs-date");
    let whole = text.len() == "2026-11-22T08:00:00Z".len() && text.ends_with('Z');
    let sent: Option<Timestamp> = text.parse().ok().filter(|_| whole);
    let sent = sent.ok_or_else(ApiError::malformed_time)?;
    if now.duration_since(sent).abs() > WINDOW {
        return Err(ApiError::time_expired_at(now));
    }
    Ok(sent + WINDOW)
}

fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<(String, String)> =
        form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    pairs.sort();
    let pairs = pairs.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value)));
    pairs.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use axum::http::{HeaderMap, HeaderName, HeaderValue};
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Vector {
        name: String,
        method: String,
        path: String,
        query: BTreeMap<String, String>,
        headers: BTreeMap<String, String>,
        body: String,
        access_key_id: String,
        access_key_secret: String,
        canonical_request: String,
        authorization: String,
    }

    fn vectors() -> Vec<Vector> {
        let text = include_str!("../../testdata/aliyun_acs3_vectors.json");
        serde_json::from_str(text).expect("vectors")
    }

    fn headers(vector: &Vector) -> HeaderMap {
        let signed = [("authorization", vector.authorization.as_str())];
        let all = vector.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        all.chain(signed)
            .map(|(name, value)| {
                let name = HeaderName::try_from(name).expect("a name");
                (name, HeaderValue::from_bytes(value.as_bytes()).expect("a value"))
            })
            .collect()
    }

    #[test]
    fn signatures_of_the_vendors_own_client_are_good() {
        let vectors = vectors();
        assert_eq!(vectors.len(), 10);
        for vector in vectors {
            let query = form_urlencoded::Serializer::new(String::new())
                .extend_pairs(&vector.query)
                .finish();
            let headers = headers(&vector);
            let mut request = Request {
                method: &vector.method,
                path: &vector.path,
                query: &query,
                headers: &headers,
                body: vector.body.as_bytes(),
            };
            assert_eq!(key_id(&request), Some(vector.access_key_id.as_str()));
            let signed = Signed::read(&request).expect(&vector.name).expect("signed so");
            assert_eq!(signed.canonical(&request).as_deref(), Some(&*vector.canonical_request));
            let secret = SecretString::from(vector.access_key_secret.clone());
            signed.check(&request, &secret).expect(&vector.name);
            signed.check(&request, &"other".into()).expect_err(&vector.name);
            request.body = b"another body";
            signed.check(&request, &secret).expect_err("another body");
        }
    }

    #[test]
    fn what_says_what_is_asked_has_to_be_signed() {
        let vector = &vectors()[1];
        for name in MUST_BE_SIGNED {
            let mut headers = headers(vector);
            let bare = vector.authorization.replace(&format!("{name};"), "");
            let bare = bare.replace(&format!(";{name},"), ",");
            assert_ne!(bare, vector.authorization, "{name}");
            headers.insert("authorization", HeaderValue::try_from(bare).expect("a value"));
            let request =
                Request { method: "POST", path: "/", query: "", headers: &headers, body: b"" };
            assert!(Signed::read(&request).is_err(), "{name}");
        }
    }
}
