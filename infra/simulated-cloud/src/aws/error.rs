//! The vendor's errors. The same trouble has other codes in other services.

use serde_json::json;

use crate::front::{Refusal, xml};

/// How a service writes replies and errors, and which codes it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// EC2's, which is older than the other services'.
    Ec2,
    /// That of the other services with a query protocol.
    Query,
}

/// What is wrong with a request.
#[derive(Debug)]
pub(super) enum ApiError {
    /// An error that is worded alike everywhere.
    Given {
        status: u16,
        code: String,
        message: String,
    },
    NotSigned,
    Malformed(&'static str),
    NoSuchKey,
    SignatureDiffers,
    /// The request is of another time.
    Skewed(String),
    TokenInvalid,
    TokenExpired,
    WrongRegion(String),
    WrongService(&'static str),
    Throttled,
    Forbidden(String),
}

impl ApiError {
    pub(super) fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self::Given { status, code: code.to_owned(), message: message.into() }
    }

    pub(super) fn missing(name: &str) -> Self {
        let message = format!("The request must contain the parameter {name}");
        Self::new(400, "MissingParameter", message)
    }

    pub(super) fn invalid(name: &str, value: &str) -> Self {
        let message = format!("Value ({value}) for parameter {name} is invalid.");
        Self::new(400, "InvalidParameterValue", message)
    }

    pub(super) fn unknown(name: &str) -> Self {
        let message = format!(
            "The parameter {name} is not recognized, or not supported by this simulated cloud"
        );
        Self::new(400, "UnknownParameter", message)
    }

    pub(super) fn combination(one: &str, other: &str) -> Self {
        let message = format!("The parameter {one} cannot be used with the parameter {other}");
        Self::new(400, "InvalidParameterCombination", message)
    }

    pub(super) fn no_such_action(name: &str) -> Self {
        let message = format!("The action {name} is not valid for this web service.");
        Self::new(400, "InvalidAction", message)
    }

    /// Returns status, code and message as a service has them.
    fn words(&self, style: Style) -> (u16, String, String) {
        let ec2 = style == Style::Ec2;
        let denied = "AWS was not able to validate the provided access credentials";
        let (status, code, message): (u16, &str, String) = match self {
            Self::Given { status, code, message } => (*status, code, message.clone()),
            Self::NotSigned if ec2 => {
                (400, "MissingParameter", "The request must contain a signature".into())
            }
            Self::NotSigned => (
                403,
                "MissingAuthenticationToken",
                "Request is missing Authentication Token".into(),
            ),
            Self::Malformed(what) => {
                (400, "IncompleteSignature", format!("Authorization header: {what}"))
            }
            Self::WrongRegion(_) | Self::WrongService(_) if ec2 => {
                (401, "AuthFailure", self.scope())
            }
            Self::WrongRegion(_) | Self::WrongService(_) => {
                (403, "SignatureDoesNotMatch", self.scope())
            }
            Self::NoSuchKey | Self::SignatureDiffers | Self::TokenInvalid if ec2 => {
                (401, "AuthFailure", denied.into())
            }
            Self::NoSuchKey | Self::TokenInvalid => {
                let message = "The security token included in the request is invalid.";
                (403, "InvalidClientTokenId", message.into())
            }
            Self::SignatureDiffers => {
                let message = "The request signature we calculated does not match the signature \
                               you provided. Check your AWS Secret Access Key and signing method.";
                (403, "SignatureDoesNotMatch", message.into())
            }
            Self::Skewed(_) | Self::TokenExpired if ec2 => {
                (400, "RequestExpired", "Request has expired.".into())
            }
            Self::Skewed(message) => (403, "SignatureDoesNotMatch", message.clone()),
            Self::TokenExpired => {
                let message = "The security token included in the request is expired";
                (403, "ExpiredToken", message.into())
            }
            Self::Throttled if ec2 => {
                (503, "RequestLimitExceeded", "Request limit exceeded.".into())
            }
            Self::Throttled => (400, "Throttling", "Rate exceeded".into()),
            Self::Forbidden(_) if ec2 => {
                let message = "You are not authorized to perform this operation.";
                (403, "UnauthorizedOperation", message.into())
            }
            Self::Forbidden(action) => {
                (403, "AccessDenied", format!("User is not authorized to perform: {action}"))
            }
        };
        (status, code.to_owned(), message)
    }

    fn scope(&self) -> String {
        match self {
            Self::WrongRegion(region) => {
                format!("Credential should be scoped to a valid region, not '{region}'.")
            }
            Self::WrongService(service) => {
                format!("Credential should be scoped to correct service: '{service}'.")
            }
            _ => String::new(),
        }
    }

    /// Returns the status and the body that tells of it.
    pub(super) fn body(&self, style: Style, request_id: &str) -> (u16, Vec<u8>) {
        let (status, code, message) = self.words(style);
        let error = json!({ "Code": code, "Message": message });
        let body = match style {
            Style::Ec2 => xml::document(
                "Response",
                None,
                &json!({ "Errors": { "Error": error }, "RequestID": request_id }),
            ),
            Style::Query => {
                let mut error = error;
                error["Type"] = json!(if status < 500 { "Sender" } else { "Receiver" });
                xml::document(
                    "ErrorResponse",
                    None,
                    &json!({ "Error": error, "RequestId": request_id }),
                )
            }
        };
        (status, body)
    }
}

impl Refusal for ApiError {
    fn throttled() -> Self {
        Self::Throttled
    }

    fn forbidden(action: &str) -> Self {
        Self::Forbidden(action.to_owned())
    }

    fn dry_run() -> Self {
        let message = "Request would have succeeded, but DryRun flag is set.";
        Self::new(412, "DryRunOperation", message)
    }

    fn fault(status: u16, code: &str, message: &str) -> Self {
        Self::new(status, code, message)
    }
}
