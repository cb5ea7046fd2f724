//! Tencent Cloud's requests.

use std::io::{self, Write};

use cloud_sync_core::credentials::Credentials;
use cloud_sync_provider::tencent::sign;
use serde_json::{Value, json};

use crate::{AWKWARD, Pairs, at, owned, secret};

/// Services with the hosts that are asked.
const PLACES: [(&str, &str); 3] = [
    ("cvm", "cvm.tencentcloudapi.com"),
    ("sts", "sts.tencentcloudapi.com"),
    ("cdb", "127.0.0.1:8080"),
];

/// Prints requests to every service. A token is not part of the signature.
pub(crate) fn print(out: &mut dyn Write) -> io::Result<()> {
    for place in PLACES {
        for (n, params) in (0..).zip(AWKWARD) {
            writeln!(out, "{}", request(place, n, params))?;
        }
    }
    Ok(())
}

fn request((service, host): (&str, &str), n: i64, params: Pairs) -> Value {
    let credentials = Credentials {
        access_key_id: "AKIDexample".to_owned(),
        access_key_secret: secret(n).to_owned().into(),
        security_token: None,
    };
    // One at the very end of a day, one at the beginning of the next.
    let now = at(n * 24) - jiff::SignedDuration::from_secs(n % 2);
    let body = json!(owned(params)).to_string();
    let authorization = sign::authorization(&credentials, service, host, body.as_bytes(), now);
    json!({
        "signature": "tc3", "service": service, "host": host, "body": body,
        "content_type": sign::CONTENT_TYPE, "second": now.as_second(),
        "authorization": authorization, "key": credentials.access_key_id, "secret": secret(n),
    })
}
