//! Signatures of version 3 (`ACS3-HMAC-SHA256`), as Alibaba Cloud's newer SDKs
//! make them. Source: the vendor's "V3 request body and signature mechanism".

use std::collections::BTreeMap;

use cloud_sync_core::credentials::Credentials;
use jiff::Timestamp;
use secrecy::ExposeSecret;

use crate::engine::digest::{hex, hmac_sha256, sha256_hex};
use crate::engine::params::query;

/// The name of the algorithm.
const ALGORITHM: &str = "ACS3-HMAC-SHA256";

/// A request of an API in RPC style, whose parameters are all in its query.
#[derive(Clone, Copy, Debug)]
pub struct Acs3Request<'a> {
    /// The method: `POST`.
    pub method: &'a str,
    /// The host, with its port where that is not the scheme's own.
    pub host: &'a str,
    /// The API's name.
    pub action: &'a str,
    /// The version of the product's API.
    pub version: &'a str,
    /// The parameters.
    pub params: &'a BTreeMap<String, String>,
}

/// Returns the headers that make a request of it, by name and in lower case:
/// those that say what is asked and who asks, and `authorization` over them.
///
/// `nonce` must be another one for every request, retries included.
#[must_use]
pub fn signed(
    credentials: &Credentials,
    request: Acs3Request<'_>,
    nonce: &str,
    now: Timestamp,
) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::new();
    let mut add = |name: &str, value: &str| headers.insert(name.to_owned(), value.to_owned());
    add("host", request.host);
    add("x-acs-action", request.action);
    add("x-acs-version", request.version);
    add("x-acs-date", &now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    add("x-acs-signature-nonce", nonce);
    add("x-acs-content-sha256", &sha256_hex(b""));
    if let Some(token) = &credentials.security_token {
        add("x-acs-accesskey-id", &credentials.access_key_id);
        add("x-acs-security-token", token.expose_secret());
    }
    let canonical = canonical(request.method, "/", &query(request.params), &headers);
    let authorization = authorization(credentials, &canonical, &headers);
    headers.insert("authorization".to_owned(), authorization);
    headers
}

/// Returns the text whose digest is signed. `headers` are those to be signed,
/// the body's digest among them.
fn canonical(method: &str, path: &str, query: &str, headers: &BTreeMap<String, String>) -> String {
    let lines: String =
        headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    let body = headers.get("x-acs-content-sha256").map_or("", String::as_str);
    format!("{method}\n{path}\n{query}\n{lines}\n{}\n{body}", names(headers))
}

fn names(headers: &BTreeMap<String, String>) -> String {
    headers.keys().map(String::as_str).collect::<Vec<_>>().join(";")
}

fn authorization(
    credentials: &Credentials,
    canonical: &str,
    headers: &BTreeMap<String, String>,
) -> String {
    let text = string_to_sign(canonical);
    let secret = credentials.access_key_secret.expose_secret();
    format!(
        "{ALGORITHM} Credential={},SignedHeaders={},Signature={}",
        credentials.access_key_id,
        names(headers),
        hex(&hmac_sha256(secret.as_bytes(), text.as_bytes()))
    )
}

fn string_to_sign(canonical: &str) -> String {
    format!("{ALGORITHM}\n{}", sha256_hex(canonical.as_bytes()))
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;
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
        access_key_secret: SecretString,
        canonical_request: String,
        string_to_sign: String,
        authorization: String,
    }

    impl Vector {
        fn credentials(&self) -> Credentials {
            Credentials {
                access_key_id: self.access_key_id.clone(),
                access_key_secret: self.access_key_secret.clone(),
                security_token: self.headers.get("x-acs-security-token").cloned().map(Into::into),
            }
        }
    }

    fn vectors() -> Vec<Vector> {
        serde_json::from_str(include_str!("../../testdata/aliyun_acs3_vectors.json")).unwrap()
    }

    #[test]
    fn signs_as_the_vendors_own_code_does() {
        let vectors = vectors();
        assert_eq!(vectors.len(), 10);
        for vector in vectors {
            let name = &vector.name;
            let text =
                canonical(&vector.method, &vector.path, &query(&vector.query), &vector.headers);
            assert_eq!(text, vector.canonical_request, "{name}");
            assert_eq!(string_to_sign(&text), vector.string_to_sign, "{name}");
            let signed = authorization(&vector.credentials(), &text, &vector.headers);
            assert_eq!(signed, vector.authorization, "{name}");
            let body = sha256_hex(vector.body.as_bytes());
            assert_eq!(body, vector.headers["x-acs-content-sha256"], "{name}");
        }
    }

    /// The vectors that have what this crate sends and nothing else.
    #[test]
    fn a_whole_request_is_as_the_vendors_own_code_makes_it() {
        let mut compared = 0;
        for vector in vectors() {
            let (known, own) = (vector.headers.clone(), vector.credentials());
            if !vector.body.is_empty() || known.contains_key("x-acs-retry-attempts") {
                continue;
            }
            let request = Acs3Request {
                method: &vector.method,
                host: &known["host"],
                action: &known["x-acs-action"],
                version: &known["x-acs-version"],
                params: &vector.query,
            };
            let at = known["x-acs-date"].parse().unwrap();
            let mut expected = known.clone();
            expected.insert("authorization".into(), vector.authorization);
            let signed = signed(&own, request, &known["x-acs-signature-nonce"], at);
            assert_eq!(signed, expected, "{}", vector.name);
            compared += 1;
        }
        assert_eq!(compared, 8);
    }
}
