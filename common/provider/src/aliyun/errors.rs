//! Alibaba Cloud's error codes. Source: the vendor's "Common error codes" and
//! the error lists of the calls used.

use cloud_sync_core::error::ErrorClass::{Auth, Network, NotOffered, Throttled};

use crate::engine::errors::{Rule, rule};
use crate::engine::refusal::SET_CLOCK;

const KEY: &str = "check the account's access key";
const TOKEN: &str = "renew the account's temporary credentials";
/// The hint that goes on with a permission.
pub(super) const GRANT: &str = "grant the account's user the permission";
/// The hint that goes on with a product.
pub(super) const OPEN: &str = "to sync it there, open for the account";

/// What codes mean. The first rule that fits a code holds.
pub(super) const RULES: &[Rule] = &[
    rule("Throttling*", Throttled, ""),
    rule("ServiceUnavailable*", Network, ""),
    rule("InternalError*", Network, ""),
    rule("UnknownError*", Network, ""),
    // A proxy on the way may send a request twice. The next one has another.
    rule("SignatureNonceUsed", Network, ""),
    rule("InvalidRegionId*", NotOffered, OPEN),
    rule("InvalidRegion.NotFound", NotOffered, OPEN),
    rule("RegionUnauthorized*", NotOffered, OPEN),
    rule("Forbidden.NotSupportRegion", NotOffered, OPEN),
    rule("ServiceNotOpen*", NotOffered, OPEN),
    // Of load balancers, and of the object store, which an account in arrears
    // is refused as one that never opened it.
    rule("UserNotAllowed", NotOffered, OPEN),
    rule("UserDisable", NotOffered, OPEN),
    rule("QpsLimitExceeded", Throttled, ""),
    rule("InvalidAccessKeyId*", Auth, KEY),
    rule("InvalidAccessKeySecret", Auth, KEY),
    rule("SignatureDoesNotMatch", Auth, "check the account's access key secret"),
    rule("IncompleteSignature", Auth, KEY),
    rule("InvalidSecurityToken*", Auth, TOKEN),
    rule("MissingSecurityToken", Auth, TOKEN),
    rule("SecurityTokenExpired", Auth, TOKEN),
    rule("Forbidden*", Auth, GRANT),
    rule("Forbbiden*", Auth, GRANT),
    rule("NoPermission*", Auth, GRANT),
    rule("UnauthorizedOperation*", Auth, GRANT),
    rule(ACCESS_DENIED, Auth, GRANT),
    rule("InvalidTimeStamp*", Auth, SET_CLOCK),
    rule("IllegalTimestamp*", Auth, SET_CLOCK),
    rule("RequestTimeTooSkewed", Auth, SET_CLOCK),
];

/// The object store's code of whatever an account may not.
pub(super) const ACCESS_DENIED: &str = "AccessDenied";

/// Tells whether an error that no rule knows is about the page token. Calls
/// of this vendor differ in how they word it; all name the parameter.
pub(super) fn rejects_token(code: &str, message: &str) -> bool {
    let is_about_marker = code == "InvalidArgument" && message.contains("marker");
    code.contains("NextToken") || message.contains("NextToken") || is_about_marker
}
