//! Alibaba Cloud's error codes. Source: the vendor's "Common error codes" and
//! the error lists of the calls used.

use cloud_sync_core::error::ErrorClass::{self, Auth, Network, NotOffered, Throttled};

use crate::engine::errors::Rule;

const fn rule(code: &'static str, class: ErrorClass, hint: &'static str) -> Rule {
    Rule { code, class, hint }
}

const KEY: &str = "check the account's access key";
const TOKEN: &str = "renew the account's temporary credentials";
const GRANT: &str = "grant the account's user the permission";

/// What codes mean. The first rule that fits a code holds.
pub(super) const RULES: &[Rule] = &[
    rule("Throttling*", Throttled, ""),
    rule("ServiceUnavailable*", Network, ""),
    rule("InternalError*", Network, ""),
    rule("UnknownError*", Network, ""),
    // A proxy on the way may send a request twice. The next one has another.
    rule("SignatureNonceUsed", Network, ""),
    rule("InvalidRegionId*", NotOffered, ""),
    rule("InvalidRegion.NotFound", NotOffered, ""),
    rule("RegionUnauthorized*", NotOffered, ""),
    rule("Forbidden.NotSupportRegion", NotOffered, ""),
    rule("ServiceNotOpen*", NotOffered, ""),
    rule("InvalidAccessKeyId*", Auth, KEY),
    rule("InvalidAccessKeySecret", Auth, KEY),
    rule("SignatureDoesNotMatch", Auth, "check the account's access key secret"),
    rule("IncompleteSignature", Auth, KEY),
    rule("InvalidSecurityToken*", Auth, TOKEN),
    rule("MissingSecurityToken", Auth, TOKEN),
    rule("Forbidden*", Auth, GRANT),
    rule("Forbbiden*", Auth, GRANT),
    rule("NoPermission*", Auth, GRANT),
    rule("UnauthorizedOperation*", Auth, GRANT),
    rule(CLOCK_CODES[0], Auth, "set the clock of this machine"),
    rule(CLOCK_CODES[1], Auth, "set the clock of this machine"),
];

/// The codes that blame the time of a request.
const CLOCK_CODES: [&str; 2] = ["InvalidTimeStamp*", "IllegalTimestamp*"];

/// Tells whether a code blames the time of a request.
pub(super) fn is_about_time(code: &str) -> bool {
    CLOCK_CODES.iter().any(|known| code.starts_with(known.trim_end_matches('*')))
}

/// Tells whether an error that no rule knows is about the page token. Calls
/// of this vendor differ in how they word it; all name the parameter.
pub(super) fn rejects_token(code: &str, message: &str) -> bool {
    code.contains("NextToken") || message.contains("NextToken")
}
