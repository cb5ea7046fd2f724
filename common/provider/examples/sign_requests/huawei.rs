//! Huawei Cloud's requests.

use std::io::{self, Write};

use cloud_sync_core::credentials::Credentials;
use cloud_sync_provider::huawei::sign;
use serde_json::{Value, json};

use crate::{AWKWARD, Pairs, TOKENS, at, owned, secret};

/// Hosts, paths and projects that are asked.
const PLACES: [(&str, &str, &str); 4] = [
    ("ecs.cn-north-4.myhuaweicloud.com", "/v1/0605767fb280d5762fd0/cloudservers/detail", "0605"),
    ("iam.myhuaweicloud.com", "/v3/projects", ""),
    ("evs.cn-north-4.myhuaweicloud.com", "/v2/a%20b~c/cloudvolumes/%E7%BD%91%2A/", "p1"),
    ("127.0.0.1:8080", "/proxy/v3/auth/domains", ""),
];

/// Prints requests to every place, with a token and without.
pub(crate) fn print(out: &mut dyn Write) -> io::Result<()> {
    for token in TOKENS {
        for place in PLACES {
            for (n, params) in (0..).zip(AWKWARD) {
                writeln!(out, "{}", request(token, place, n, params))?;
            }
        }
    }
    Ok(())
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
