//! The object store's signatures: version 4, HMAC-SHA256 with a key for the
//! day and region, and version 1, HMAC-SHA1.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use percent_encoding::{AsciiSet, percent_decode_str, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use sha1::Sha1;

use super::Target;
use super::error::OssError;
use crate::aliyun::sign::{ESCAPED, escape};
use crate::front::Request;
use crate::front::sign::{hash, hmac, is_signed};

const ALGORITHM: &str = "OSS4-HMAC-SHA256";
/// What ends the scope of a signature.
const SCOPE_END: &str = "aliyun_v4_request";
/// What is not written as itself in a path.
const PATH: &AsciiSet = &ESCAPED.remove(b'/');

/// Parameters that name a part of a bucket, which version 1 signs; it signs no
/// others.
const PARTS: [&str; 16] = [
    "acl",
    "bucketInfo",
    "cloudboxes",
    "continuation-token",
    "delete",
    "location",
    "objectMeta",
    "regionList",
    "resourceGroup",
    "restore",
    "security-token",
    "stat",
    "symlink",
    "tagging",
    "versioning",
    "versions",
];

/// What an `Authorization` header says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Signed<'a> {
    V4 {
        key_id: &'a str,
        /// The day that the key is for.
        day: &'a str,
        region: &'a str,
        /// Headers that are signed beside those that always are.
        additional: &'a str,
        signature: &'a str,
    },
    V1 {
        key_id: &'a str,
        signature: &'a str,
    },
}

impl<'a> Signed<'a> {
    /// Reads the header of a request.
    pub(super) fn read(request: &Request<'a>) -> Result<Self, OssError> {
        let header = request.header("authorization");
        let malformed = || OssError::new(400, "InvalidArgument", "The authorization is malformed.");
        if header.is_empty() {
            return Err(OssError::access_denied(
                "Anonymous access is forbidden for this operation.",
            ));
        }
        if let Some(rest) = header.strip_prefix("OSS ") {
            let (key_id, signature) = rest.rsplit_once(':').ok_or_else(malformed)?;
            return Ok(Self::V1 { key_id, signature });
        }
        let fields = header.strip_prefix(ALGORITHM).ok_or_else(malformed)?;
        let field = |wanted: &str| {
            let mut pairs = fields.split(',').filter_map(|field| field.trim().split_once('='));
            pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value)
        };
        let credential: Vec<&str> = field("Credential").ok_or_else(malformed)?.split('/').collect();
        let &[key_id, day, region, "oss", SCOPE_END] = credential.as_slice() else {
            return Err(malformed());
        };
        let signature = field("Signature").ok_or_else(malformed)?;
        let additional = field("AdditionalHeaders").unwrap_or("");
        Ok(Self::V4 { key_id, day, region, additional, signature })
    }

    /// Returns whose key it says it is signed with.
    pub(super) fn key_id(&self) -> &'a str {
        match self {
            Self::V4 { key_id, .. } | Self::V1 { key_id, .. } => key_id,
        }
    }

    /// Returns the region that it is signed for; empty if it is for any.
    pub(super) fn region(&self) -> &'a str {
        match self {
            Self::V4 { region, .. } => region,
            Self::V1 { .. } => "",
        }
    }

    /// Returns when the request says it was sent.
    pub(super) fn time(&self, request: &Request<'_>) -> Result<Timestamp, OssError> {
        let (date, own) = (request.header("date"), request.header("x-oss-date"));
        let read = match self {
            Self::V4 { day, .. } => {
                let parsed = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", own).ok();
                let at = parsed.and_then(|at| at.to_zoned(jiff::tz::TimeZone::UTC).ok());
                at.filter(|_| own.starts_with(day)).map(|at| at.timestamp())
            }
            Self::V1 { .. } => {
                let text = if own.is_empty() { date } else { own };
                DateTimeParser::new().parse_timestamp(text).ok()
            }
        };
        read.ok_or_else(|| OssError::access_denied("OSS authentication requires a valid Date."))
    }

    /// Checks the signature.
    pub(super) fn check(
        &self,
        request: &Request<'_>,
        target: &Target,
        secret: &SecretString,
    ) -> Result<(), OssError> {
        let (to_sign, good) = match self {
            Self::V4 { day, region, additional, signature, .. } => {
                let scope = format!("{day}/{region}/oss/{SCOPE_END}");
                let canonical = canonical_v4(request, target, additional);
                let hashed = hash(canonical.as_bytes());
                let date = request.header("x-oss-date");
                let to_sign = format!("{ALGORITHM}\n{date}\n{scope}\n{hashed}");
                let first = format!("aliyun_v4{}", secret.expose_secret()).into_bytes();
                let key = [day, region, "oss", SCOPE_END]
                    .iter()
                    .fold(first, |key, part| hmac(&key, part));
                let good = is_signed(&key, &to_sign, signature);
                (to_sign, good)
            }
            Self::V1 { signature, .. } => {
                let to_sign = to_sign_v1(request, target);
                let given = BASE64_STANDARD.decode(signature).unwrap_or_default();
                let mac = Hmac::<Sha1>::new_from_slice(secret.expose_secret().as_bytes());
                let good = mac.is_ok_and(|mac| {
                    mac.chain_update(to_sign.as_bytes()).verify_slice(&given).is_ok()
                });
                (to_sign, good)
            }
        };
        if good { Ok(()) } else { Err(OssError::signature_differs(self.key_id(), &to_sign)) }
    }
}

fn canonical_v4(request: &Request<'_>, target: &Target, additional: &str) -> String {
    let added: Vec<&str> = additional.split(';').filter(|name| !name.is_empty()).collect();
    let is_signed = |name: &str| {
        name.starts_with("x-oss-")
            || ["content-type", "content-md5"].contains(&name)
            || added.contains(&name)
    };
    let payload = match request.header("x-oss-content-sha256") {
        "" => "UNSIGNED-PAYLOAD",
        given => given,
    };
    format!(
        "{}\n{}\n{}\n{}\n{additional}\n{payload}",
        request.method,
        utf8_percent_encode(&target.resource(), PATH),
        canonical_query(request.query),
        canonical_headers(request, is_signed),
    )
}

fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<(String, String)> = pairs(query)
        .map(|(name, value)| (escape(&name).to_string(), escape(&value).to_string()))
        .collect();
    pairs.sort();
    join(&pairs)
}

fn to_sign_v1(request: &Request<'_>, target: &Target) -> String {
    let own = request.header("x-oss-date");
    let date = if own.is_empty() { request.header("date") } else { own };
    let mut parts: Vec<(String, String)> =
        pairs(request.query).filter(|(name, _)| PARTS.contains(&name.as_str())).collect();
    parts.sort();
    let query = if parts.is_empty() { String::new() } else { format!("?{}", join(&parts)) };
    format!(
        "{}\n{}\n{}\n{date}\n{}{}{query}",
        request.method,
        request.header("content-md5"),
        request.header("content-type"),
        canonical_headers(request, |name| name.starts_with("x-oss-")),
        target.resource(),
    )
}

/// Returns headers as they are signed: a line each, ordered by name.
fn canonical_headers(request: &Request<'_>, is_signed: impl Fn(&str) -> bool) -> String {
    let mut names: Vec<&str> = request.headers.keys().map(|name| name.as_str()).collect();
    names.retain(|name| is_signed(name));
    names.sort_unstable();
    names.iter().map(|name| format!("{name}:{}\n", request.header(name).trim())).collect()
}

/// Reads a query, in which a space is never written as a plus.
pub(super) fn pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    query.split('&').filter(|pair| !pair.is_empty()).map(move |pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}

/// Joins parameters; one without a value stands without an equals sign.
fn join(pairs: &[(String, String)]) -> String {
    let one = |(name, value): &(String, String)| match value.as_str() {
        "" => name.clone(),
        value => format!("{name}={value}"),
    };
    pairs.iter().map(one).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Vector {
        name: String,
        version: String,
        method: String,
        url: String,
        bucket: Option<String>,
        headers: BTreeMap<String, String>,
        region: Option<String>,
        access_key_id: String,
        access_key_secret: String,
        canonical_request: Option<String>,
        authorization: String,
    }

    #[test]
    fn signatures_of_the_vendors_own_client_are_good() {
        let text = include_str!("../../../testdata/aliyun_oss_vectors.json");
        let vectors: Vec<Vector> = serde_json::from_str(text).expect("vectors");
        assert_eq!(vectors.len(), 10);
        for vector in vectors {
            let uri: Uri = vector.url.parse().expect("a URL");
            let signed = [("authorization", vector.authorization.as_str())];
            let all = vector.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let mut headers: HeaderMap = all
                .chain(signed)
                .map(|(name, value)| {
                    let name = HeaderName::try_from(name.to_lowercase()).expect("a name");
                    (name, HeaderValue::try_from(value).expect("a value"))
                })
                .collect();
            let host = HeaderValue::try_from(uri.host().expect("a host")).expect("a value");
            headers.insert("host", host);
            let request = Request {
                method: &vector.method,
                path: uri.path(),
                query: uri.query().unwrap_or(""),
                headers: &headers,
                body: b"",
            };
            let target = Target::of(&request, "127.0.0.1:1");
            assert_eq!(target.bucket, vector.bucket, "{}", vector.name);
            let read = Signed::read(&request).expect(&vector.name);
            assert_eq!(read.key_id(), vector.access_key_id);
            if let Signed::V4 { region, additional, .. } = &read {
                assert_eq!(vector.version, "v4");
                assert_eq!(vector.region.as_deref(), Some(*region));
                let canonical = canonical_v4(&request, &target, additional);
                assert_eq!(Some(canonical), vector.canonical_request, "{}", vector.name);
            }
            let sent = read.time(&request).expect(&vector.name);
            assert_eq!(sent.to_string(), "2026-11-22T08:00:00Z");
            let secret = SecretString::from(vector.access_key_secret.clone());
            read.check(&request, &target, &secret).expect(&vector.name);
            read.check(&request, &target, &"other".into()).expect_err(&vector.name);
            let elsewhere = Target { bucket: Some("another".into()), ..target };
            read.check(&request, &elsewhere, &secret).expect_err("another bucket");
        }
    }
}
