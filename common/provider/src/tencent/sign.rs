//! Signatures TC3-HMAC-SHA256, as Tencent Cloud's API 3.0 takes them. Source:
//! the vendor's "Signature v3".

use cloud_sync_core::credentials::Credentials;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use crate::engine::digest::{hex, hmac_sha256, sha256_hex};

const ALGORITHM: &str = "TC3-HMAC-SHA256";

/// What a key is derived for, at the end of every scope.
const TERMINATOR: &str = "tc3_request";

/// The content type of every request, which is signed.
pub const CONTENT_TYPE: &str = "application/json";

/// Returns the `Authorization` header of a POST of `body` to a host.
///
/// The signature is over the bytes of the body, and good for five minutes
/// around `now`, which the header `X-TC-Timestamp` has to say in seconds. A
/// security token is not part of it.
#[must_use]
pub fn authorization(
    credentials: &Credentials,
    service: &str,
    host: &str,
    body: &[u8],
    now: Timestamp,
) -> String {
    let scope = Scope { now, service };
    let canonical = canonical_request("POST", "", CONTENT_TYPE, host, body);
    let signature =
        scope.signature(&credentials.access_key_secret, &scope.string_to_sign(&canonical));
    format!(
        "{ALGORITHM} Credential={}/{}, SignedHeaders=content-type;host, Signature={signature}",
        credentials.access_key_id,
        scope.text()
    )
}

fn canonical_request(
    method: &str,
    query: &str,
    content_type: &str,
    host: &str,
    body: &[u8],
) -> String {
    format!(
        "{method}\n/\n{query}\ncontent-type:{content_type}\nhost:{host}\n\ncontent-type;host\n{}",
        sha256_hex(body)
    )
}

/// What a signature is good for: a day, in UTC, and a service.
struct Scope<'a> {
    now: Timestamp,
    service: &'a str,
}

impl Scope<'_> {
    fn day(&self) -> String {
        self.now.strftime("%Y-%m-%d").to_string()
    }

    fn text(&self) -> String {
        format!("{}/{}/{TERMINATOR}", self.day(), self.service)
    }

    fn string_to_sign(&self, canonical: &str) -> String {
        let digest = sha256_hex(canonical.as_bytes());
        format!("{ALGORITHM}\n{}\n{}\n{digest}", self.now.as_second(), self.text())
    }

    fn signature(&self, secret: &SecretString, text: &str) -> String {
        let mut key = format!("TC3{}", secret.expose_secret()).into_bytes();
        for part in [self.day().as_str(), self.service, TERMINATOR] {
            key = hmac_sha256(&key, part.as_bytes());
        }
        hex(&hmac_sha256(&key, text.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Vector {
        name: String,
        method: String,
        host: String,
        service: String,
        timestamp: i64,
        headers: BTreeMap<String, String>,
        payload: String,
        query: String,
        secret_id: String,
        secret_key: SecretString,
        canonical_request: String,
        string_to_sign: String,
        signature: String,
        authorization: Option<String>,
    }

    fn vectors() -> Vec<Vector> {
        serde_json::from_str(include_str!("../../testdata/tencent_tc3_vectors.json")).unwrap()
    }

    #[test]
    fn signs_as_the_vendors_own_code_does() {
        let vectors = vectors();
        assert_eq!(vectors.len(), 9);
        for vector in vectors {
            let now = Timestamp::from_second(vector.timestamp).unwrap();
            let content_type = &vector.headers["Content-Type"];
            let (host, body) = (&vector.host, vector.payload.as_bytes());
            let canonical =
                canonical_request(&vector.method, &vector.query, content_type, host, body);
            assert_eq!(canonical, vector.canonical_request, "{}", vector.name);
            let scope = Scope { now, service: &vector.service };
            let text = scope.string_to_sign(&canonical);
            assert_eq!(text, vector.string_to_sign, "{}", vector.name);
            let signature = scope.signature(&vector.secret_key, &text);
            assert_eq!(signature, vector.signature, "{}", vector.name);
        }
    }

    #[test]
    fn a_whole_header_is_as_the_vendors_own_code_makes_it() {
        let mut compared = 0;
        for vector in vectors() {
            let is_ours = vector.method == "POST" && vector.headers["Content-Type"] == CONTENT_TYPE;
            let Some(expected) = vector.authorization.filter(|_| is_ours) else { continue };
            let credentials = Credentials {
                access_key_id: vector.secret_id,
                access_key_secret: vector.secret_key,
                security_token: None,
            };
            let now = Timestamp::from_second(vector.timestamp).unwrap();
            let body = vector.payload.as_bytes();
            let made = authorization(&credentials, &vector.service, &vector.host, body, now);
            assert_eq!(made, expected, "{}", vector.name);
            compared += 1;
        }
        assert!(compared >= 5, "{compared}");
    }
}
