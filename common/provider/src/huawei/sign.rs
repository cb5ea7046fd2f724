//! Signatures SDK-HMAC-SHA256, as Huawei Cloud's gateway takes them. Source:
//! the vendor's "AK/SK Signing and Authentication Guide".

use std::collections::BTreeMap;

use cloud_sync_core::credentials::Credentials;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};

use crate::engine::digest::{hex, hmac_sha256, sha256_hex};
use crate::engine::params::encode;

const ALGORITHM: &str = "SDK-HMAC-SHA256";

/// The header that says when a request was signed.
const DATE: &str = "x-sdk-date";

/// Returns the headers of a GET that make a request of it, by name: time,
/// project, token and signature.
///
/// The query is good for the request as it is signed, by `name=value` in the
/// order of the names. The signature is good for 15 minutes around `now`.
#[must_use]
pub fn signed(
    credentials: &Credentials,
    (host, path): (&str, &str),
    params: &BTreeMap<String, String>,
    project: &str,
    now: Timestamp,
) -> BTreeMap<&'static str, String> {
    let token = credentials.security_token.as_ref().map(|token| token.expose_secret().to_owned());
    let mut headers = BTreeMap::from([
        ("host", host.to_owned()),
        (DATE, now.strftime("%Y%m%dT%H%M%SZ").to_string()),
    ]);
    headers.extend(token.map(|token| ("x-security-token", token)));
    if !project.is_empty() {
        headers.insert("x-project-id", project.to_owned());
    }
    let query = params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let names = names(&headers);
    let canonical = canonical_request("GET", path, query, &headers, b"");
    let text = string_to_sign(&headers[DATE], &canonical);
    let signature = signature(&credentials.access_key_secret, &text);
    let key = &credentials.access_key_id;
    let authorization =
        format!("{ALGORITHM} Access={key}, SignedHeaders={names}, Signature={signature}");
    headers.insert("authorization", authorization);
    headers
}

fn names(headers: &BTreeMap<&str, String>) -> String {
    headers.keys().copied().collect::<Vec<_>>().join(";")
}

/// Returns what a request comes to. The path ends with a slash in it, whether
/// or not it does in the request.
fn canonical_request(
    method: &str,
    path: &str,
    mut query: Vec<(&str, &str)>,
    headers: &BTreeMap<&str, String>,
    body: &[u8],
) -> String {
    let path = path.strip_suffix('/').unwrap_or(path);
    let segments =
        path.split('/').map(|part| encode(&percent_decode_str(part).decode_utf8_lossy()));
    query.sort_unstable();
    let query = query.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
    let lines = headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim()));
    format!(
        "{method}\n{}/\n{}\n{}\n{}\n{}",
        segments.collect::<Vec<_>>().join("/"),
        query.collect::<Vec<_>>().join("&"),
        lines.collect::<String>(),
        names(headers),
        sha256_hex(body)
    )
}

fn string_to_sign(date: &str, canonical: &str) -> String {
    format!("{ALGORITHM}\n{date}\n{}", sha256_hex(canonical.as_bytes()))
}

/// The key is the secret itself: none is derived.
fn signature(secret: &SecretString, text: &str) -> String {
    hex(&hmac_sha256(secret.expose_secret().as_bytes(), text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::Value;

    use super::*;

    #[derive(Deserialize)]
    struct Vector {
        name: String,
        method: String,
        path: String,
        query: Vec<(String, Value)>,
        headers: BTreeMap<String, String>,
        body: String,
        access_key: String,
        secret_key: SecretString,
        canonical_request: String,
        string_to_sign: String,
        signature: String,
        authorization: String,
    }

    fn vectors() -> Vec<Vector> {
        serde_json::from_str(include_str!("../../testdata/huawei_sdk_hmac_vectors.json")).unwrap()
    }

    fn text(value: &Value) -> String {
        value.as_str().map_or_else(|| value.to_string(), str::to_owned)
    }

    #[test]
    fn signs_as_the_vendors_own_code_does() {
        let vectors = vectors();
        assert_eq!(vectors.len(), 10);
        for vector in vectors {
            let lower: Vec<_> =
                vector.headers.iter().map(|(k, v)| (k.to_lowercase(), v.clone())).collect();
            let headers: BTreeMap<&str, String> =
                lower.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
            let query: Vec<_> =
                vector.query.iter().map(|(name, value)| (name.clone(), text(value))).collect();
            let query = query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let body = vector.body.as_bytes();
            let canonical = canonical_request(&vector.method, &vector.path, query, &headers, body);
            assert_eq!(canonical, vector.canonical_request, "{}", vector.name);
            let to_sign = string_to_sign(&headers[DATE], &canonical);
            assert_eq!(to_sign, vector.string_to_sign, "{}", vector.name);
            let signature = signature(&vector.secret_key, &to_sign);
            assert_eq!(signature, vector.signature, "{}", vector.name);
            let (key, names) = (&vector.access_key, names(&headers));
            let whole =
                format!("{ALGORITHM} Access={key}, SignedHeaders={names}, Signature={signature}");
            assert_eq!(whole, vector.authorization, "{}", vector.name);
        }
    }

    #[test]
    fn what_is_sent_is_signed() {
        let credentials = |token: Option<&str>| Credentials {
            access_key_id: "ak".into(),
            access_key_secret: "sk".to_owned().into(),
            security_token: token.map(|token| token.to_owned().into()),
        };
        let sign = |token: Option<&str>, project: &str| {
            let place = ("ecs.cn-north-4.myhuaweicloud.com", "/v1/p/cloudservers/detail");
            let params = [("limit".to_owned(), "500".to_owned())].into();
            let now = "2026-11-22T08:00:00Z".parse().unwrap();
            signed(&credentials(token), place, &params, project, now)
        };
        let headers = sign(Some("t"), "p");
        let names = "SignedHeaders=host;x-project-id;x-sdk-date;x-security-token,";
        assert!(headers["authorization"].contains(names), "{headers:?}");
        assert_eq!((&*headers["x-sdk-date"], &*headers["x-project-id"]), ("20261122T080000Z", "p"));
        let headers = sign(None, "");
        assert!(headers["authorization"].contains("SignedHeaders=host;x-sdk-date,"), "{headers:?}");
    }
}
