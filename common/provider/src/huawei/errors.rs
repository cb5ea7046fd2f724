//! Huawei Cloud's error codes. Source: the vendor's list of its gateway's
//! codes, and those of the services used.

use cloud_sync_core::error::ErrorClass::{Auth, Network, Throttled};

use crate::engine::errors::{Rule, rule, rule_for};
use crate::engine::refusal::SET_CLOCK;

const KEY: &str = "check the account's access key";
const SECRET: &str = "check the account's access key secret";
const TOKEN: &str = "renew the account's temporary credentials";
const GRANT: &str = "grant the account's user the permission";

/// The gateway's code for whatever is wrong with who asks. Only its message
/// says what.
const NOT_AUTHENTICATED: &str = "APIGW.0301";

/// What words in that message mean. The first that is in it holds.
const NOT_AUTHENTICATED_RULES: &[(&str, Rule)] = &[
    ("token", rule(NOT_AUTHENTICATED, Auth, TOKEN)),
    ("x-sdk-date", rule(NOT_AUTHENTICATED, Auth, SET_CLOCK)),
    ("expired", rule(NOT_AUTHENTICATED, Auth, SET_CLOCK)),
    ("signature", rule(NOT_AUTHENTICATED, Auth, SECRET)),
    ("", rule(NOT_AUTHENTICATED, Auth, KEY)),
];

/// What codes mean. The first rule that fits a code holds.
const RULES: &[Rule] = &[
    rule("APIGW.0302", Auth, GRANT),
    rule("APIGW.0306", Auth, GRANT),
    rule("APIGW.0305", Auth, KEY),
    rule("APIGW.0307", Auth, TOKEN),
    rule("APIGW.0308", Throttled, ""),
    rule("APIGW.0203", Network, ""),
    rule("APIGW.0202", Network, ""),
];

/// What statuses mean where no rule knows the code: some services have none of
/// their own for these.
const STATUS_RULES: &[Rule] = &[rule("401", Auth, KEY), rule("403", Auth, GRANT)];

/// Returns the rule for an error of the vendor's.
pub(super) fn rule_of(code: &str, message: &str, status: u16) -> Option<&'static Rule> {
    if code == NOT_AUTHENTICATED {
        let message = message.to_ascii_lowercase();
        let found = NOT_AUTHENTICATED_RULES.iter().find(|(word, _)| message.contains(word));
        return found.map(|(_, rule)| rule);
    }
    rule_for(RULES, code).or_else(|| rule_for(STATUS_RULES, &status.to_string()))
}
