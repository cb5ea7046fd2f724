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
    /// S3's.
    Rest,
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
    /// What is asked for is in another region.
    Elsewhere(&'static str),
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

    /// The account has not signed up for a service.
    pub(super) fn closed(style: Style) -> Self {
        let code = if style == Style::Rest { "NotSignedUp" } else { "OptInRequired" };
        Self::new(403, code, "You are not subscribed to this service.")
    }

    /// Returns status, code and message as a service has them.
    fn words(&self, style: Style) -> (u16, String, String) {
        if let Self::Given { status, code, message } = self {
            return (*status, code.clone(), message.clone());
        }
        let (status, code) = match style {
            Style::Ec2 => self.of_ec2(),
            Style::Query => self.of_query(),
            Style::Rest => self.of_rest(),
        };
        (status, code.to_owned(), self.message())
    }

    fn of_ec2(&self) -> (u16, &'static str) {
        match self {
            Self::NotSigned => (400, "MissingParameter"),
            Self::Malformed(_) => (400, "IncompleteSignature"),
            Self::Skewed(_) | Self::TokenExpired => (400, "RequestExpired"),
            Self::Throttled => (503, "RequestLimitExceeded"),
            Self::Forbidden(_) => (403, "UnauthorizedOperation"),
            _ => (401, "AuthFailure"),
        }
    }

    fn of_query(&self) -> (u16, &'static str) {
        match self {
            Self::NotSigned => (403, "MissingAuthenticationToken"),
            Self::Malformed(_) => (400, "IncompleteSignature"),
            Self::NoSuchKey | Self::TokenInvalid => (403, "InvalidClientTokenId"),
            Self::TokenExpired => (403, "ExpiredToken"),
            Self::Throttled => (400, "Throttling"),
            Self::Forbidden(_) => (403, "AccessDenied"),
            _ => (403, "SignatureDoesNotMatch"),
        }
    }

    fn of_rest(&self) -> (u16, &'static str) {
        match self {
            Self::NoSuchKey => (403, "InvalidAccessKeyId"),
            Self::SignatureDiffers => (403, "SignatureDoesNotMatch"),
            Self::Skewed(_) => (403, "RequestTimeTooSkewed"),
            Self::TokenInvalid => (400, "InvalidToken"),
            Self::TokenExpired => (400, "ExpiredToken"),
            Self::Throttled => (503, "SlowDown"),
            Self::NotSigned | Self::Forbidden(_) => (403, "AccessDenied"),
            _ => (400, "AuthorizationHeaderMalformed"),
        }
    }

    fn message(&self) -> String {
        let message = match self {
            Self::Given { message, .. } | Self::Skewed(message) => message,
            Self::NotSigned => "Request is missing Authentication Token",
            Self::Malformed(what) => return format!("Authorization header: {what}"),
            Self::NoSuchKey | Self::TokenInvalid => {
                "AWS was not able to validate the provided access credentials"
            }
            Self::SignatureDiffers => {
                "The request signature we calculated does not match the signature you provided. \
                 Check your AWS Secret Access Key and signing method."
            }
            Self::TokenExpired => "The security token included in the request is expired",
            Self::WrongRegion(_) | Self::WrongService(_) => return self.scope(),
            Self::Elsewhere(region) => {
                return format!("The authorization header is malformed; expecting '{region}'");
            }
            Self::Throttled => "Request limit exceeded. Please reduce your request rate.",
            Self::Forbidden(action) => {
                return format!("You are not authorized to perform this operation: {action}");
            }
        };
        message.to_owned()
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
            Style::Rest => {
                let mut error = error;
                error["RequestId"] = json!(request_id);
                error["HostId"] = json!("simulated");
                if let Self::Elsewhere(region) = self {
                    error["Region"] = json!(region);
                }
                xml::document("Error", None, &error)
            }
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
