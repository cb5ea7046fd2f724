//! Requests to AWS: forms for the older services, paths for S3.

use std::io::{self, Write};

use cloud_sync_core::credentials::Credentials;
use cloud_sync_provider::aws::sign;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Request};
use serde_json::json;

use crate::AWKWARD;

const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

const FORM: HeaderValue =
    HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8");

/// Services with the hosts and paths that are asked.
const PLACES: [(&str, &str, &str); 5] = [
    ("ec2", "us-east-1", "https://ec2.us-east-1.amazonaws.com/"),
    ("rds", "cn-north-1", "https://rds.cn-north-1.amazonaws.com.cn/"),
    ("s3", "eu-west-1", "https://s3.eu-west-1.amazonaws.com/"),
    ("s3", "eu-west-1", "https://s3.eu-west-1.amazonaws.com/a.bucket%2Fwith%20odd~name"),
    ("s3", "us-west-2", "http://127.0.0.1:9000/proxy/bucket"),
];

/// Prints every awkward request to every place, with a token and without.
pub(crate) fn print(out: &mut impl Write) -> io::Result<()> {
    for token in [None, Some("FwoGZXIvYXdzEBc+/==")] {
        for place in PLACES {
            for (n, params) in (0..).zip(AWKWARD) {
                writeln!(out, "{}", line(token, place, n, params)?)?;
            }
        }
    }
    Ok(())
}

fn line(
    token: Option<&str>,
    (service, region, url): (&str, &str, &str),
    n: i64,
    params: &[(&str, &str)],
) -> io::Result<String> {
    let secret = ["wJalrXUtnFEMI/K7MDENG", "s3cr&t +/=密"][usize::from(n % 2 == 1)];
    let credentials = Credentials {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        access_key_secret: secret.to_owned().into(),
        security_token: token.map(|token| token.to_owned().into()),
    };
    let encode = |text: &str| utf8_percent_encode(text, RESERVED).to_string();
    let pairs = params.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
    let query = pairs.collect::<Vec<_>>().join("&");
    let mut url: reqwest::Url = url.parse().map_err(io::Error::other)?;
    let mut request = if service == "s3" {
        url.set_query(Some(query.as_str()).filter(|query| !query.is_empty()));
        Request::new(Method::GET, url)
    } else {
        let mut request = Request::new(Method::POST, url);
        request.headers_mut().insert(CONTENT_TYPE, FORM);
        *request.body_mut() = Some(query.into());
        request
    };
    let at = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(24 * 365 * 56 + n);
    sign::sign(&mut request, &credentials, (service, region), at).map_err(io::Error::other)?;
    let headers = request.headers().iter();
    let headers: serde_json::Map<_, _> = headers
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().into()))
        .collect();
    let body = request.body().and_then(|body| body.as_bytes()).unwrap_or_default();
    let line = json!({
        "method": request.method().as_str(), "url": request.url().as_str(), "headers": headers,
        "body": String::from_utf8_lossy(body), "service": service, "region": region,
        "key": credentials.access_key_id, "secret": secret, "token": token,
    });
    Ok(line.to_string())
}
