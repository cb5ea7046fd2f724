//! RPC signatures, version 1.0 (HMAC-SHA1), as Alibaba Cloud's older APIs
//! take them. Source: the vendor's "Request signatures" for ECS.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use cloud_sync_core::credentials::Credentials;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha1::Sha1;

use crate::engine::params::{encode, query};

/// Returns `params` with everything that makes a request of them: format, key
/// id, token, nonce, time and signature.
///
/// `nonce` must be another one for every request, retries included.
#[must_use]
pub fn signed(
    credentials: &Credentials,
    method: &str,
    mut params: BTreeMap<String, String>,
    nonce: &str,
    now: Timestamp,
) -> BTreeMap<String, String> {
    let mut add = |name: &str, value: &str| params.insert(name.to_owned(), value.to_owned());
    add("Format", "JSON");
    add("AccessKeyId", &credentials.access_key_id);
    add("SignatureMethod", "HMAC-SHA1");
    add("SignatureVersion", "1.0");
    add("SignatureNonce", nonce);
    add("Timestamp", &now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    if let Some(token) = &credentials.security_token {
        add("SecurityToken", token.expose_secret());
    }
    let text = string_to_sign(method, &params);
    params.insert("Signature".to_owned(), signature(&credentials.access_key_secret, &text));
    params
}

/// Returns the text that a request's signature is over. The path is always
/// `/`, wherever the request goes.
fn string_to_sign(method: &str, params: &BTreeMap<String, String>) -> String {
    format!("{method}&%2F&{}", encode(&query(params)))
}

#[allow(clippy::expect_used, reason = "HMAC takes a key of any length")]
fn signature(secret: &SecretString, text: &str) -> String {
    let key = format!("{}&", secret.expose_secret());
    let mut mac = Hmac::<Sha1>::new_from_slice(key.as_bytes()).expect("any length will do");
    mac.update(text.as_bytes());
    BASE64_STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Vector {
        name: String,
        method: String,
        access_key_secret: SecretString,
        query_params: BTreeMap<String, String>,
        body_params: BTreeMap<String, String>,
        canonical_query: String,
        string_to_sign: String,
        signature: String,
    }

    fn vectors() -> Vec<Vector> {
        serde_json::from_str(include_str!("../../testdata/aliyun_rpc_v1_vectors.json")).unwrap()
    }

    #[test]
    fn signs_as_the_vendors_own_code_does() {
        let vectors = vectors();
        assert_eq!(vectors.len(), 24);
        for vector in vectors {
            let mut params = vector.query_params;
            params.extend(vector.body_params);
            let text = string_to_sign(&vector.method, &params);
            assert_eq!(query(&params), vector.canonical_query, "{}", vector.name);
            assert_eq!(text, vector.string_to_sign, "{}", vector.name);
            assert_eq!(
                signature(&vector.access_key_secret, &text),
                vector.signature,
                "{}",
                vector.name
            );
        }
    }

    /// The vectors made without the empty `SignatureType` that older SDKs add,
    /// as this crate sends it; with a token and without.
    #[test]
    fn a_whole_request_is_as_the_vendors_own_code_makes_it() {
        let mut compared = 0;
        for vector in vectors() {
            let mut expected = vector.query_params;
            expected.extend(vector.body_params);
            if expected.contains_key("SignatureType") || expected["Format"] != "JSON" {
                continue;
            }
            let credentials = Credentials {
                access_key_id: expected["AccessKeyId"].clone(),
                access_key_secret: vector.access_key_secret,
                security_token: expected.get("SecurityToken").cloned().map(Into::into),
            };
            let (nonce, at) = (expected["SignatureNonce"].clone(), expected["Timestamp"].clone());
            let own = ["Action", "Version"];
            let ours = |name: &String| {
                !name.starts_with("Signature")
                    && !["Format", "AccessKeyId", "Timestamp", "SecurityToken"]
                        .contains(&name.as_str())
            };
            let params: BTreeMap<_, _> =
                expected.clone().into_iter().filter(|(name, _)| ours(name)).collect();
            assert!(own.iter().all(|name| params.contains_key(*name)));
            let at = at.parse().unwrap();
            let signed = signed(&credentials, &vector.method, params, &nonce, at);
            expected.insert("Signature".into(), vector.signature);
            assert_eq!(signed, expected, "{}", vector.name);
            compared += 1;
        }
        assert!(compared >= 3, "{compared}");
    }
}
