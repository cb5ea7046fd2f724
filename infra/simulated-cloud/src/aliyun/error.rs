//! The vendor's errors: code, message and HTTP status.

use serde_json::json;

use crate::front::Refusal;

/// The code of an error about a page token.
pub const INVALID_TOKEN: &str = "InvalidParameter.NextToken";

/// An error as the vendor words it.
#[derive(Debug)]
pub(super) struct ApiError {
    pub status: u16,
    code: String,
    message: String,
    /// The action that was denied, for the detail that goes with a denial.
    denied: Option<String>,
}

impl ApiError {
    pub(super) fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into(), denied: None }
    }

    pub(super) fn missing(name: &str) -> Self {
        let message = format!(
            "The input parameter \"{name}\" that is mandatory for processing this request is not \
             supplied."
        );
        Self::new(400, "MissingParameter", message)
    }

    pub(super) fn invalid(name: &str) -> Self {
        Self::new(
            400,
            "InvalidParameter",
            format!("The specified parameter \"{name}\" is not valid."),
        )
    }

    pub(super) fn not_simulated(name: &str) -> Self {
        let message = format!(
            "The specified parameter \"{name}\" is not supported by this simulated cloud; leave \
             it out."
        );
        Self::new(400, "InvalidParameter", message)
    }

    pub(super) fn invalid_token() -> Self {
        Self::new(400, INVALID_TOKEN, "The specified parameter NextToken is not valid.")
    }

    pub(super) fn no_such_action() -> Self {
        let message = "Specified api is not found, please check your url and method.";
        Self::new(404, "InvalidAction.NotFound", message)
    }

    pub(super) fn no_such_version() -> Self {
        Self::new(400, "InvalidVersion", "Specified parameter Version is not valid.")
    }

    pub(super) fn no_such_region() -> Self {
        Self::new(404, "InvalidRegionId.NotFound", "The specified RegionId does not exist.")
    }

    pub(super) fn no_such_key() -> Self {
        Self::new(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")
    }

    pub(super) fn key_inactive() -> Self {
        Self::new(400, "InvalidAccessKeyId.Inactive", "Specified access key is disabled.")
    }

    pub(super) fn token_missing() -> Self {
        Self::new(400, "MissingSecurityToken", "SecurityToken is mandatory for this action.")
    }

    pub(super) fn token_mismatch() -> Self {
        let message = "Specified SecurityToken mismatch with the AccessKey.";
        Self::new(400, "InvalidSecurityToken.MismatchWithAccessKey", message)
    }

    pub(super) fn token_malformed() -> Self {
        let message = "Specified SecurityToken is malformed.";
        Self::new(400, "InvalidSecurityToken.Malformed", message)
    }

    pub(super) fn token_expired() -> Self {
        Self::new(400, "InvalidSecurityToken.Expired", "Specified SecurityToken is expired.")
    }

    pub(super) fn malformed_time() -> Self {
        let message = "The input parameter \"Timestamp\" that is mandatory for processing this \
                       request is not well formatted.";
        Self::new(400, "IllegalTimestamp", message)
    }

    pub(super) fn time_expired() -> Self {
        let message = "Specified time stamp or date value is expired.";
        Self::new(400, "InvalidTimeStamp.Expired", message)
    }

    /// The vendor's newer signature is refused with the server's time.
    pub(super) fn time_expired_at(now: jiff::Timestamp) -> Self {
        let now = now.strftime("%Y-%m-%dT%H:%M:%SZ");
        let message =
            format!("Specified time stamp or date value is expired. The server's time is {now}.");
        Self::new(400, "InvalidTimeStamp.Expired", message)
    }

    pub(super) fn incomplete(name: &str) -> Self {
        let message =
            format!("The request signature does not conform to Aliyun standards: {name}.");
        Self::new(400, "IncompleteSignature", message)
    }

    pub(super) fn invalid_name(name: &str) -> Self {
        let message = format!("The parameter {name} is wrongly formed or out of its range.");
        Self::new(400, &format!("InvalidParameter.{name}"), message)
    }

    pub(super) fn no_such_role() -> Self {
        Self::new(404, "EntityNotExist.Role", "The specified Role not exists.")
    }

    pub(super) fn no_such_database() -> Self {
        let message = "Specified DB instance does not exist.";
        Self::new(404, "InvalidDBInstanceId.NotFound", message)
    }

    pub(super) fn nonce_used() -> Self {
        let message = "Specified signature nonce was used already.";
        Self::new(400, "SignatureNonceUsed", message)
    }

    /// The vendor's client compares what follows the first colon with what it
    /// signed itself, to tell a wrong secret from a wrong signature.
    pub(super) fn signature_differs(to_sign: &str) -> Self {
        let message = format!(
            "Specified signature is not matched with our calculation. server string to sign \
             is:{to_sign}"
        );
        Self::new(400, "SignatureDoesNotMatch", message)
    }

    pub(super) fn no_permission() -> Self {
        let message = "You are not authorized to do this action. You should be authorized by RAM.";
        Self::new(403, "NoPermission", message)
    }

    /// The vendor's records reach back seven days.
    pub(super) fn too_long_ago() -> Self {
        let message = "The specified StartTime is earlier than the records that are kept.";
        Self::new(400, "InvalidParameterStartTime", message)
    }

    /// Returns the body, as JSON.
    pub(super) fn body(&self, host: &str, request_id: &str) -> Vec<u8> {
        let code = &self.code;
        let mut body = json!({
            "RequestId": request_id,
            "HostId": host,
            "Code": code,
            "Message": self.message,
            "Recommend": format!(
                "https://api.aliyun.com/troubleshoot?q={code}&product=Ecs&requestId={request_id}"
            ),
        });
        if let Some(action) = &self.denied {
            body["AccessDeniedDetail"] = json!({
                "AuthAction": if action.contains(':') { action.clone() } else { format!("ecs:{action}") },
                "AuthPrincipalType": "SubUser",
                "AuthPrincipalOwnerId": "1690700000000030",
                "AuthPrincipalDisplayName": "2690700000000031",
                "NoPermissionType": "ImplicitDeny",
                "PolicyType": "AccountLevelIdentityBasedPolicy",
                "EncodedDiagnosticMessage": "AQIBIAAAAA...",
            });
        }
        body.to_string().into_bytes()
    }
}

impl Refusal for ApiError {
    fn throttled() -> Self {
        let message = "Request was denied due to user flow control.";
        Self::new(400, "Throttling.User", message)
    }

    fn dry_run() -> Self {
        let message = "Request validation has been passed with DryRun flag set.";
        Self::new(400, "DryRunOperation", message)
    }

    fn forbidden(action: &str) -> Self {
        if action.starts_with("sts:") || action.starts_with("resourcemanager:") {
            return Self::no_permission();
        }
        let message = "User not authorized to operate on the specified resource, or this API \
                       doesn't support RAM.";
        let denied = Some(action.to_owned());
        Self { denied, ..Self::new(403, "Forbidden.RAM", message) }
    }

    fn fault(status: u16, code: &str, message: &str) -> Self {
        Self::new(status, code, message)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::Value;

    use super::*;

    #[test]
    fn errors_read_as_the_vendors_do() {
        let text = include_str!("../../testdata/sample_aliyun_errors.json");
        let samples: BTreeMap<String, Value> = serde_json::from_str(text).expect("samples");
        let ours = [
            ApiError::throttled(),
            ApiError::no_such_key(),
            ApiError::signature_differs("GET&%2F&..."),
            ApiError::forbidden("DescribeInstances"),
            ApiError::token_expired(),
            ApiError::nonce_used(),
            ApiError::time_expired(),
        ];
        for error in ours {
            let sample = &samples[&error.code];
            assert_eq!(sample["http_status"], error.status, "{}", error.code);
            let body: Value =
                serde_json::from_slice(&error.body("ecs.aliyuncs.com", "ID")).expect("JSON");
            assert_eq!(sample["body"]["Message"], body["Message"]);
            let keys = |value: &Value| -> BTreeSet<String> {
                value.as_object().expect("object").keys().cloned().collect()
            };
            let missing: Vec<String> =
                keys(&sample["body"]).difference(&keys(&body)).cloned().collect();
            assert!(missing.is_empty(), "{} lacks {missing:?}", error.code);
            assert_eq!(sample["body"]["AccessDeniedDetail"], body["AccessDeniedDetail"]);
        }
    }
}
