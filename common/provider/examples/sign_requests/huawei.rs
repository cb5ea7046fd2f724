//! Huawei Cloud's requests.

use cloud_sync_core::credentials::Credentials;
use cloud_sync_provider::huawei::sign;
use serde_json::{Value, json};

use crate::awkward::{AWKWARD, Pairs, TOKENS, at, owned, secret};

/// Hosts, paths and projects that are asked.
const PLACES: [(&str, &str, &str); 4] = [
    ("ecs.cn-north-4.myhuaweicloud.com", "/v1/0605767fb280d5762fd0/cloudservers/detail", "0605"),
    ("iam.myhuaweicloud.com", "/v3/projects", ""),
    ("evs.cn-north-4.myhuaweicloud.com", "/v2/a%20b~c/cloudvolumes/%E7%BD%91%2A/", "p1"),
    ("127.0.0.1:8080", "/proxy/v3/auth/domains", ""),
];

/// Returns requests to every place, with a token and without.
pub fn requests() -> Vec<Value> {
    let mut all = Vec::new();
    for token in TOKENS {
        for place in PLACES {
            let numbered = (0..).zip(AWKWARD);
            all.extend(numbered.map(|(n, params)| request(token, place, n, params)));
        }
    }
    all
}

fn request(
    token: Option<&str>,
    (host, path, project): (&str, &str, &str),
    n: i64,
    params: Pairs,
) -> Value {
    let credentials = Credentials {
        access_key_id: "QTWAOYTTINDUT2QVKYUC".to_owned(),
        access_key_secret: secret(n).to_owned().into(),
        security_token: token.map(|token| token.to_owned().into()),
    };
    let params = owned(params);
    let headers = sign::signed(&credentials, (host, path), &params, project, at(n));
    json!({
        "signature": "sdk-hmac-sha256", "host": host, "path": path, "params": params,
        "headers": headers, "key": credentials.access_key_id, "secret": secret(n),
    })
}
