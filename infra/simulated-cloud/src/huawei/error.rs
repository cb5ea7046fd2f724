//! The vendor's errors, as the gateway and the services word them.

use serde_json::{Value, json};

use crate::front::Refusal;

/// How errors are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// `error_code` and `error_msg`.
    Gateway,
    /// `error` with a numeric code and a title.
    Iam,
}

/// An error as the vendor words it.
#[derive(Debug)]
pub(super) struct ApiError {
    pub status: u16,
    code: String,
    message: String,
    /// Whether it comes from the service itself, which writes an object
    /// `error`.
    of_service: bool,
}

impl ApiError {
    fn gateway(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into(), of_service: false }
    }

    pub(super) fn of_service(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { of_service: true, ..Self::gateway(status, code, message) }
    }

    pub(super) fn no_such_api() -> Self {
        let message = "The API does not exist or has not been published in the environment.";
        Self::gateway(404, "APIGW.0101", message)
    }

    pub(super) fn unauthenticated(why: &str) -> Self {
        let message = format!("Incorrect IAM authentication information: {why}");
        Self::gateway(401, "APIGW.0301", message)
    }

    pub(super) fn wrong_project() -> Self {
        Self::unauthenticated("the project is not one of the account")
    }

    pub(super) fn not_open() -> Self {
        let message = "The service is unavailable in the currently selected region.";
        Self::gateway(403, "APIGW.0801", message)
    }

    pub(super) fn invalid(name: &str) -> Self {
        Self::of_service(400, "Ecs.0005", format!("The parameter {name} is invalid."))
    }

    pub(super) fn unknown(name: &str) -> Self {
        let message = format!("The parameter {name} is not supported by this simulated cloud.");
        Self::of_service(400, "Ecs.0005", message)
    }

    /// Returns the body that tells of it.
    pub(super) fn body(&self, style: Style, request_id: &str) -> Value {
        let (code, message) = (&self.code, &self.message);
        match style {
            Style::Iam => {
                let title = match self.status {
                    400 => "Bad Request",
                    401 => "Unauthorized",
                    403 => "Forbidden",
                    404 => "Not Found",
                    429 => "Too Many Requests",
                    _ => "Internal Server Error",
                };
                json!({ "error": { "code": self.status, "title": title, "message": message } })
            }
            Style::Gateway if self.of_service => {
                json!({ "error": { "code": code, "message": message } })
            }
            Style::Gateway => {
                json!({ "error_code": code, "error_msg": message, "request_id": request_id })
            }
        }
    }
}

impl Refusal for ApiError {
    fn throttled() -> Self {
        let message = "The throttling threshold has been reached: policy user over ratelimit.";
        Self::gateway(429, "APIGW.0308", message)
    }

    fn forbidden(action: &str) -> Self {
        let message =
            format!("The IAM user is not authorized to access the API: {action} is not allowed.");
        Self::gateway(403, "APIGW.0302", message)
    }

    fn dry_run() -> Self {
        Self::of_service(400, "DryRunOperation", "The request would have succeeded.")
    }

    fn fault(status: u16, code: &str, message: &str) -> Self {
        Self::gateway(status, code, message)
    }
}
