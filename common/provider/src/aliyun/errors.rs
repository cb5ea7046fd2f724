//! Alibaba Cloud's error codes. Source: the vendor's "Common error codes" and
//! the error lists of the calls used.

use cloud_sync_core::error::ErrorClass::{self, Auth, Network, NotOffered, Throttled};

use crate::engine::errors::{Rule, rule};
use crate::engine::refusal::SET_CLOCK;

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
    rule("InvalidTimeStamp*", Auth, SET_CLOCK),
    rule("IllegalTimestamp*", Auth, SET_CLOCK),
];

/// Tells whether an error that no rule knows is about the page token. Calls
/// of this vendor differ in how they word it; all name the parameter.
pub(super) fn rejects_token(code: &str, message: &str) -> bool {
    code.contains("NextToken") || message.contains("NextToken")
}
