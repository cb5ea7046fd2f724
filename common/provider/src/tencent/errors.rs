//! Tencent Cloud's error codes. Source: the vendor's "Common error codes" and
//! the error lists of the calls used.

use cloud_sync_core::error::ErrorClass::{Auth, Network, NotOffered, Throttled};

use crate::engine::errors::{Rule, rule};
use crate::engine::refusal::SET_CLOCK;

const KEY: &str = "check the account's access key";
const SECRET: &str = "check the account's access key secret";
const TOKEN: &str = "renew the account's temporary credentials";
const ACTIVATE: &str = "activate the service for the account, to sync it";
const ADDRESS: &str = "allow this machine's address in the access control of the account's key";

/// The hint of a rule about a permission that is missing.
pub(super) const GRANT: &str = "grant the account's user the permission";

/// What codes mean. The first rule that fits a code holds.
pub(super) const RULES: &[Rule] = &[
    rule("RequestLimitExceeded*", Throttled, ""),
    rule("InternalError*", Network, ""),
    rule("InternalServerError*", Network, ""),
    rule("ServiceUnavailable*", Network, ""),
    rule("UnsupportedRegion*", NotOffered, ""),
    rule("InvalidRegion*", NotOffered, ""),
    // Each service has one of these for an account that never opened it.
    rule("FailedOperation.ServiceNotOpen*", NotOffered, ACTIVATE),
    rule("FailedOperation.UnOpenError", NotOffered, ACTIVATE),
    rule("ResourceUnavailable.ServiceNotOpen*", NotOffered, ACTIVATE),
    rule("AuthFailure.SignatureExpire", Auth, SET_CLOCK),
    rule("AuthFailure.SignatureFailure", Auth, SECRET),
    rule("AuthFailure.TokenFailure", Auth, TOKEN),
    rule("AuthFailure.UnauthorizedOperation", Auth, GRANT),
    rule("AuthFailure*", Auth, KEY),
    rule("UnauthorizedOperation*", Auth, GRANT),
    rule("OperationDenied.UserHasNoStrategy", Auth, GRANT),
    rule("IpInBlacklist", Auth, ADDRESS),
    rule("IpNotInWhitelist", Auth, ADDRESS),
];

/// Tells whether an error that no rule knows is about the position in a list:
/// what was listed has become shorter than that.
pub(super) fn rejects_position(code: &str) -> bool {
    code.contains("Offset")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::errors::rule_for;

    #[test]
    fn a_service_that_is_not_activated_is_nothing_wrong_with_the_account() {
        for code in [
            "FailedOperation.ServiceNotOpen",
            "FailedOperation.UnOpenError",
            "ResourceUnavailable.ServiceNotOpenedError",
        ] {
            let rule = rule_for(RULES, code).unwrap();
            assert_eq!((rule.class, rule.hint), (NotOffered, ACTIVATE), "{code}");
        }
        assert!(rule_for(RULES, "FailedOperation").is_none());
    }
}
