//! The signature of RPC version 1: HMAC-SHA1 over the sorted parameters.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use sha1::Sha1;

use super::error::ApiError;
use super::params::Params;
use crate::world::AccessKey;

/// What is not written as itself.
pub(super) const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// How far a request's time may be off.
pub(super) const WINDOW: SignedDuration = SignedDuration::from_mins(15);

/// Checks that everything that a signature needs is there.
pub(super) fn check_form(params: &Params) -> Result<(), ApiError> {
    for name in ["Version", "AccessKeyId", "Signature", "SignatureNonce", "Timestamp"] {
        params.require(name)?;
    }
    for (name, only) in [("SignatureMethod", "HMAC-SHA1"), ("SignatureVersion", "1.0")] {
        if params.require(name)? != only {
            return Err(ApiError::invalid(name));
        }
    }
    Ok(())
}

/// Checks that a request is not from another time, and returns until when it
/// could be sent again.
pub(super) fn check_time(params: &Params, now: Timestamp) -> Result<Timestamp, ApiError> {
    let sent = params.timestamp()?;
    if now.duration_since(sent).abs() > WINDOW {
        return Err(ApiError::time_expired());
    }
    Ok(sent + WINDOW)
}

/// Checks that a key is in use, and that the security token is the one that
/// belongs to it.
pub(super) fn check_key(
    key: &AccessKey,
    token: Option<&str>,
    now: Timestamp,
) -> Result<(), ApiError> {
    if !key.active {
        return Err(ApiError::key_inactive());
    }
    match (&key.token, token) {
        (None, None) => Ok(()),
        (Some(_), None) => Err(ApiError::token_missing()),
        (None, Some(_)) => Err(ApiError::token_mismatch()),
        (Some(token), Some(given)) if token.expose_secret() != given => {
            Err(ApiError::token_malformed())
        }
        (Some(_), Some(_)) if key.expires.is_some_and(|expires| expires <= now) => {
            Err(ApiError::token_expired())
        }
        (Some(_), Some(_)) => Ok(()),
    }
}

/// Checks the signature over whatever parameters came.
pub(super) fn check_signature(
    method: &str,
    params: &Params,
    secret: &SecretString,
) -> Result<(), ApiError> {
    let to_sign = string_to_sign(method, params);
    let given = BASE64_STANDARD.decode(params.get("Signature")).unwrap_or_default();
    let matches = mac(&to_sign, secret).is_some_and(|mac| mac.verify_slice(&given).is_ok());
    if matches { Ok(()) } else { Err(ApiError::signature_differs(&to_sign)) }
}

fn mac(to_sign: &str, secret: &SecretString) -> Option<Hmac<Sha1>> {
    let key = format!("{}&", secret.expose_secret());
    let mut mac = Hmac::<Sha1>::new_from_slice(key.as_bytes()).ok()?;
    mac.update(to_sign.as_bytes());
    Some(mac)
}

fn string_to_sign(method: &str, params: &Params) -> String {
    let mut query = String::new();
    for (name, value) in params.all().filter(|(name, _)| *name != "Signature") {
        if !query.is_empty() {
            query.push('&');
        }
        query.extend(escape(name));
        query.push('=');
        query.extend(escape(value));
    }
    format!("{method}&%2F&{}", escape(&query))
}

pub(super) fn escape(text: &str) -> percent_encoding::PercentEncode<'_> {
    utf8_percent_encode(text, ESCAPED)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::LazyLock;

    use axum::http::header::CONTENT_TYPE;
    use axum::http::{HeaderMap, HeaderValue};
    use serde::Deserialize;

    use super::*;
    use crate::front::Request;

    #[derive(Deserialize)]
    struct Vector {
        name: String,
        method: String,
        access_key_secret: String,
        query_params: BTreeMap<String, String>,
        body_params: BTreeMap<String, String>,
        string_to_sign: String,
        signature: String,
        signed_url_from_sdk: Option<String>,
    }

    fn vectors() -> Vec<Vector> {
        let text = include_str!("../../testdata/aliyun_rpc_v1_vectors.json");
        serde_json::from_str(text).expect("vectors")
    }

    fn request<'a>(method: &'a str, query: &'a str, form: &'a str) -> Request<'a> {
        static HEADERS: LazyLock<HeaderMap> = LazyLock::new(|| {
            let form = HeaderValue::from_static("application/x-www-form-urlencoded");
            HeaderMap::from_iter([(CONTENT_TYPE, form)])
        });
        Request { method, path: "/", query, headers: &HEADERS, body: form.as_bytes() }
    }

    fn form(params: &BTreeMap<String, String>) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish()
    }

    #[test]
    fn signatures_of_the_vendors_own_clients_are_good() {
        let vectors = vectors();
        assert_eq!(vectors.len(), 24);
        for vector in vectors {
            let mut query = vector.query_params.clone();
            query.insert("Signature".into(), vector.signature);
            let query = form(&query);
            let form = form(&vector.body_params);
            let params = Params::read(&request(&vector.method, &query, &form));
            assert_eq!(string_to_sign(&vector.method, &params), vector.string_to_sign);
            let secret = SecretString::from(vector.access_key_secret);
            check_signature(&vector.method, &params, &secret).expect(&vector.name);
            check_signature(&vector.method, &params, &"other".into()).expect_err(&vector.name);
        }
    }

    #[test]
    fn what_the_vendors_client_puts_on_the_wire_is_read_as_it_was_signed() {
        let mut urls = 0;
        for vector in vectors() {
            let Some(url) = vector.signed_url_from_sdk else { continue };
            let query = url.split_once('?').expect("query").1;
            let form = form(&vector.body_params);
            let secret = SecretString::from(vector.access_key_secret);
            let params = Params::read(&request(&vector.method, query, &form));
            check_signature(&vector.method, &params, &secret).expect(&vector.name);
            urls += 1;
        }
        assert!(urls > 10, "only {urls} vectors have a URL");
    }
}
