//! Signatures of version 4, by the vendor's own crate.

use std::time::SystemTime;

use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode,
};
use aws_sigv4::sign::v4::SigningParams;
use cloud_sync_core::credentials::Credentials;
use jiff::Timestamp;
use reqwest::Request;
use reqwest::header::{HeaderName, HeaderValue};
use secrecy::ExposeSecret;
use thiserror::Error;

/// The service whose paths are signed as they are sent, and whose requests
/// carry the digest of what is in them.
pub(super) const S3: &str = "s3";

/// A request that cannot be signed.
#[derive(Debug, Error)]
#[error("the request cannot be signed: {0}")]
pub struct NotSigned(String);

impl NotSigned {
    fn of(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// Signs a request, body and type of content included, for a service in a
/// region.
///
/// # Errors
///
/// The request's URL or one of its headers cannot be written as HTTP wants it.
pub fn sign(
    request: &mut Request,
    credentials: &Credentials,
    (service, region): (&str, &str),
    now: Timestamp,
) -> Result<(), NotSigned> {
    let token = credentials.security_token.as_ref();
    let identity = aws_credential_types::Credentials::new(
        &credentials.access_key_id,
        credentials.access_key_secret.expose_secret(),
        token.map(|token| token.expose_secret().to_owned()),
        None,
        "cloud-sync",
    )
    .into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(SystemTime::from(now))
        .settings(settings(service))
        .build()
        .map_err(NotSigned::of)?
        .into();
    let body = request.body().and_then(|body| body.as_bytes()).unwrap_or_default();
    let text = |value: &'_ HeaderValue| value.to_str().map(str::to_owned).map_err(NotSigned::of);
    let headers: Vec<(&str, String)> = request
        .headers()
        .iter()
        .map(|(name, value)| Ok((name.as_str(), text(value)?)))
        .collect::<Result<_, NotSigned>>()?;
    let signable = SignableRequest::new(
        request.method().as_str(),
        request.url().as_str(),
        headers.iter().map(|(name, value)| (*name, value.as_str())),
        SignableBody::Bytes(body),
    );
    let signed = signable.and_then(|signable| aws_sigv4::http_request::sign(signable, &params));
    let (added, _) = signed.map_err(NotSigned::of)?.into_parts().0.into_parts();
    for header in added {
        let name = HeaderName::from_bytes(header.name().as_bytes()).map_err(NotSigned::of)?;
        let mut value = HeaderValue::from_str(header.value()).map_err(NotSigned::of)?;
        value.set_sensitive(true);
        request.headers_mut().insert(name, value);
    }
    Ok(())
}

fn settings(service: &str) -> SigningSettings {
    let mut settings = SigningSettings::default();
    if service == S3 {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    settings
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use reqwest::Method;
    use secrecy::SecretString;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Vector {
        name: String,
        method: String,
        url: String,
        headers: BTreeMap<String, String>,
        body: String,
        access_key: String,
        secret_key: SecretString,
        session_token: Option<SecretString>,
        region: String,
        service: String,
        authorization: String,
    }

    #[test]
    fn signs_as_the_vendors_own_client_does() {
        let vectors = include_str!("../../testdata/aws_sigv4_vectors.json");
        let vectors: Vec<Vector> = serde_json::from_str(vectors).unwrap();
        assert_eq!(vectors.len(), 7);
        for vector in vectors {
            let method: Method = vector.method.parse().unwrap();
            let mut request = Request::new(method, vector.url.parse().unwrap());
            if let Some(content) = vector.headers.get("Content-Type") {
                request.headers_mut().insert("content-type", content.parse().unwrap());
            }
            *request.body_mut() = Some(vector.body.into());
            let credentials = Credentials {
                access_key_id: vector.access_key,
                access_key_secret: vector.secret_key,
                security_token: vector.session_token,
            };
            let at = "2015-08-30T12:36:00Z".parse().unwrap();
            sign(&mut request, &credentials, (&vector.service, &vector.region), at).unwrap();
            let headers = request.headers();
            assert_eq!(headers["authorization"], vector.authorization, "{}", vector.name);
            for (name, value) in vector.headers {
                assert_eq!(headers[&name], value, "{}", vector.name);
            }
        }
    }
}
