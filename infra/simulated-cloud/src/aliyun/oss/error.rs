//! The object store's errors, which are XML.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::front::Refusal;

/// An error as the object store words it.
#[derive(Debug)]
pub(super) struct OssError {
    pub status: u16,
    code: String,
    message: String,
    /// What some errors say beside.
    details: Vec<(&'static str, String)>,
}

impl OssError {
    pub(super) fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into(), details: Vec::new() }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.details.push((name, value.into()));
        self
    }

    pub(super) fn access_denied(message: &str) -> Self {
        Self::new(403, "AccessDenied", message)
    }

    pub(super) fn no_such_key(id: &str) -> Self {
        let message = "The OSS Access Key Id you provided does not exist in our records.";
        Self::new(403, "InvalidAccessKeyId", message).with("OSSAccessKeyId", id)
    }

    pub(super) fn key_disabled(id: &str) -> Self {
        let message = "The OSS Access Key Id you provided is disabled.";
        Self::new(403, "InvalidAccessKeyId", message).with("OSSAccessKeyId", id)
    }

    pub(super) fn bad_token() -> Self {
        Self::new(403, "InvalidSecurityToken", "The security token you provided is invalid.")
    }

    pub(super) fn token_expired() -> Self {
        let message = "The security token you provided has expired.";
        Self::new(403, "SecurityTokenExpired", message)
    }

    pub(super) fn signature_differs(key_id: &str, to_sign: &str) -> Self {
        let message = "The request signature we calculated does not match the signature you \
                       provided. Check your key and signing method.";
        Self::new(403, "SignatureDoesNotMatch", message)
            .with("OSSAccessKeyId", key_id)
            .with("StringToSign", to_sign)
    }

    pub(super) fn skewed(sent: Timestamp, now: Timestamp, window: SignedDuration) -> Self {
        let time = |at: Timestamp| at.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string();
        let message = "The difference between the request time and the current time is too large.";
        Self::new(403, "RequestTimeTooSkewed", message)
            .with("MaxAllowedSkewMilliseconds", window.as_millis().to_string())
            .with("RequestTime", time(sent))
            .with("ServerTime", time(now))
    }

    pub(super) fn invalid(name: &'static str, value: &str) -> Self {
        Self::new(400, "InvalidArgument", format!("The argument {name} is not valid."))
            .with("ArgumentName", name)
            .with("ArgumentValue", value)
    }

    pub(super) fn not_simulated(what: &str) -> Self {
        let message = format!("{what} is not supported by this simulated cloud; leave it out.");
        Self::new(400, "InvalidArgument", message)
    }

    pub(super) fn no_such_bucket(name: &str) -> Self {
        let message = "The specified bucket does not exist.";
        Self::new(404, "NoSuchBucket", message).with("BucketName", name)
    }

    pub(super) fn elsewhere(name: &str, endpoint: String) -> Self {
        let message = "The bucket you are attempting to access must be addressed using the \
                       specified endpoint. Please send all future requests to this endpoint.";
        Self::access_denied(message).with("Bucket", name).with("Endpoint", endpoint)
    }

    /// Said of an account that has not opened the service, or owes for it.
    pub(super) fn not_open() -> Self {
        Self::new(403, "UserDisable", "UserDisable")
    }

    /// Returns the body, as what becomes XML.
    pub(super) fn body(&self, host: &str, request_id: &str) -> Value {
        let mut body = Map::from_iter([
            ("Code".to_owned(), json!(self.code)),
            ("Message".to_owned(), json!(self.message)),
            ("RequestId".to_owned(), json!(request_id)),
            ("HostId".to_owned(), json!(host)),
        ]);
        let details = self.details.iter();
        body.extend(details.map(|(name, value)| ((*name).to_owned(), json!(value))));
        Value::Object(body)
    }
}

impl Refusal for OssError {
    fn throttled() -> Self {
        Self::new(503, "QpsLimitExceeded", "Your requests are too frequent; slow down.")
    }

    fn forbidden(_: &str) -> Self {
        Self::access_denied("You have no right to access this object because of bucket acl.")
    }

    fn dry_run() -> Self {
        Self::not_simulated("A dry run")
    }

    fn fault(status: u16, code: &str, message: &str) -> Self {
        Self::new(status, code, message)
    }
}
