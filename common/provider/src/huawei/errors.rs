//! Huawei Cloud's error codes. Source: the vendor's list of its gateway's
//! codes, and those of the services used.

use cloud_sync_core::error::ErrorClass::{Auth, Network, NotOffered, Throttled};

use crate::engine::errors::{Rule, rule, rule_for};
use crate::engine::refusal::SET_CLOCK;

const KEY: &str = "check the account's access key";
const SECRET: &str = "check the account's access key secret";
const TOKEN: &str = "renew the account's temporary credentials";
const GRANT: &str = "grant the account's user the permission";
const ADDRESS: &str = "allow this machine's address in the access control of the account";
const OPEN: &str = "open the service for the account in the region, to sync it";
const REGION: &str = "let the account's user into the region, to sync it";
const PROJECT: &str = "see why the region's project is not available";

/// What words mean in the message of a refusal of whoever asks, which is all
/// that says what is wrong. The first that is in it holds.
const WHO_ASKS: &[(&str, Rule)] = &[
    ("token", rule("", Auth, TOKEN)),
    ("x-sdk-date", rule("", Auth, SET_CLOCK)),
    ("expired", rule("", Auth, SET_CLOCK)),
    ("signature", rule("", Auth, SECRET)),
    ("", rule("", Auth, KEY)),
];

/// What codes mean. The first rule that fits a code holds.
const RULES: &[Rule] = &[
    rule("APIGW.0302", Auth, GRANT),
    rule("APIGW.0306", Auth, GRANT),
    rule("APIGW.0305", Auth, KEY),
    rule("APIGW.0307", Auth, TOKEN),
    rule("APIGW.0401", Auth, ADDRESS),
    rule("APIGW.0402", Auth, ADDRESS),
    rule("APIGW.0310", NotOffered, PROJECT),
    rule("APIGW.0801", NotOffered, OPEN),
    rule("APIGW.0802", NotOffered, REGION),
    rule("APIGW.0308", Throttled, ""),
    rule("APIGW.0203", Network, ""),
    rule("APIGW.0202", Network, ""),
];

/// What is in the message where a service with codes of its own was never
/// opened: nothing else says so. It is no verdict on who asks.
const NOT_OPEN: &[&str] =
    &["not subscribe", "not activated", "not enabled", "not opened", "not been opened"];

const CLOSED: &Rule = &rule("", NotOffered, OPEN);

/// What the status means of an error that no rule knows: some services have no
/// codes of their own for it.
const FORBIDDEN: &Rule = &rule("", Auth, GRANT);

/// Returns the rule for an error of the vendor's. Whatever is wrong with who
/// asks has one code of the gateway's, and one status everywhere.
pub(super) fn rule_of(code: &str, message: &str, status: u16) -> Option<&'static Rule> {
    let known = rule_for(RULES, code);
    let message = message.to_ascii_lowercase();
    match status {
        401 if known.is_none() => {
            let found = WHO_ASKS.iter().find(|(word, _)| message.contains(word));
            found.map(|(_, rule)| rule)
        }
        403 if known.is_none() => {
            let is_closed = NOT_OPEN.iter().any(|words| message.contains(words));
            Some(if is_closed { CLOSED } else { FORBIDDEN })
        }
        _ => known,
    }
}

#[cfg(test)]
mod tests {
    use cloud_sync_core::error::ErrorClass;

    use super::*;

    fn class_of(code: &str, message: &str, status: u16) -> ErrorClass {
        rule_of(code, message, status).unwrap().class
    }

    #[test]
    fn what_is_not_open_is_nothing_wrong_with_the_account() {
        for (code, message) in [
            ("APIGW.0801", "The service is unavailable in the currently selected region."),
            ("APIGW.0802", "The IAM user is forbidden in the currently selected region."),
            ("APIGW.0310", "The project is unavailable."),
            ("Xyz.0001", "The service has Not been opened for this tenant."),
            ("Xyz.0002", "The account has not subscribed to the service."),
        ] {
            assert_eq!(class_of(code, message, 403), NotOffered, "{code}");
        }
    }

    #[test]
    fn another_refusal_is_that_of_a_permission() {
        assert_eq!(class_of("APIGW.0302", "The IAM user is not authorized.", 403), Auth);
        assert_eq!(class_of("Xyz.0003", "Policy doesn't allow it to be performed.", 403), Auth);
        // The status says whether it is about who asks at all.
        assert!(rule_of("Xyz.0001", "not enabled", 400).is_none());
    }
}
