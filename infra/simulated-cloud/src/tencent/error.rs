//! The vendor's errors: code and message, with HTTP status 200.

use serde_json::{Value, json};

use crate::front::Refusal;

/// An error as the vendor words it.
#[derive(Debug)]
pub(super) struct ApiError {
    pub status: u16,
    pub code: String,
    message: String,
}

impl ApiError {
    pub(super) fn new(code: &str, message: impl Into<String>) -> Self {
        Self { status: 200, code: code.to_owned(), message: message.into() }
    }

    pub(super) fn missing(name: &str) -> Self {
        let message = format!("The request is missing a required parameter `{name}`.");
        Self::new("MissingParameter", message)
    }

    pub(super) fn unknown(name: &str) -> Self {
        let message = format!(
            "The parameter `{name}` is not recognized, or not supported by this simulated cloud."
        );
        Self::new("UnknownParameter", message)
    }

    pub(super) fn invalid(name: &str) -> Self {
        let message = format!("The value of the parameter `{name}` is not valid.");
        Self::new("InvalidParameterValue", message)
    }

    pub(super) fn too_many(name: &str) -> Self {
        let message = format!("The parameter `{name}` has more values than are allowed.");
        Self::new("InvalidParameterValue.LimitExceeded", message)
    }

    pub(super) fn malformed_id(id: &str) -> Self {
        let message = format!("The format of the resource id `{id}` is not valid.");
        Self::new("InvalidInstanceId.Malformed", message)
    }

    pub(super) fn no_such_product(service: &str) -> Self {
        Self::new("NoSuchProduct", format!("The product `{service}` does not exist."))
    }

    pub(super) fn no_such_version(version: &str) -> Self {
        Self::new("NoSuchVersion", format!("The version `{version}` does not exist."))
    }

    pub(super) fn no_such_action(action: &str, version: &str) -> Self {
        let message =
            format!("The action `{action}` is invalid or does not match the version `{version}`.");
        Self::new("InvalidAction", message)
    }

    pub(super) fn not_open(service: &str) -> Self {
        let message = format!("The account has not activated the service `{service}`.");
        Self::new("FailedOperation.ServiceNotOpen", message)
    }

    pub(super) fn unsupported_region(region: &str) -> Self {
        Self::new("UnsupportedRegion", format!("The region `{region}` is not supported."))
    }

    pub(super) fn unsupported_protocol(what: &str) -> Self {
        Self::new("UnsupportedProtocol", format!("The request's {what} is not supported."))
    }

    pub(super) fn invalid_authorization() -> Self {
        let message = "The request header `Authorization` is not of the format that is required.";
        Self::new("AuthFailure.InvalidAuthorization", message)
    }

    pub(super) fn no_such_key() -> Self {
        Self::new("AuthFailure.SecretIdNotFound", "The SecretId is not found.")
    }

    pub(super) fn key_inactive() -> Self {
        let message = "The SecretId is not found, or was disabled.";
        Self::new("AuthFailure.SecretIdNotFound", message)
    }

    pub(super) fn signature_differs() -> Self {
        let message = "The provided credentials could not be validated. Please check your \
                       signature is correct.";
        Self::new("AuthFailure.SignatureFailure", message)
    }

    pub(super) fn signature_expired() -> Self {
        let message = "The request has expired: its timestamp and the server's time differ by \
                       more than five minutes.";
        Self::new("AuthFailure.SignatureExpire", message)
    }

    pub(super) fn token_failure() -> Self {
        Self::new("AuthFailure.TokenFailure", "The token is not valid, or has expired.")
    }

    pub(super) fn no_such_role() -> Self {
        Self::new("ResourceNotFound.RoleNotFound", "The role does not exist.")
    }

    /// Returns the response that tells of it.
    pub(super) fn body(&self) -> Value {
        json!({ "Error": { "Code": self.code, "Message": self.message } })
    }
}

impl Refusal for ApiError {
    fn throttled() -> Self {
        let message = "The request rate exceeds the limit of requests for this action.";
        Self::new("RequestLimitExceeded", message)
    }

    fn forbidden(action: &str) -> Self {
        let message = format!(
            "The request is not authorized: the account has no permission to perform `{action}`."
        );
        Self::new("AuthFailure.UnauthorizedOperation", message)
    }

    fn dry_run() -> Self {
        Self::new("DryRunOperation", "The request would have succeeded.")
    }

    fn fault(status: u16, code: &str, message: &str) -> Self {
        Self { status, ..Self::new(code, message) }
    }
}
