//! Huawei Cloud's error codes. Source: the vendor's list of its gateway's
//! codes, and those of the services used.

use cloud_sync_core::error::ErrorClass::{Auth, Network, Throttled};

use crate::engine::errors::{Rule, rule, rule_for};
use crate::engine::refusal::SET_CLOCK;

const KEY: &str = "check the account's access key";
const SECRET: &str = "check the account's access key secret";
const TOKEN: &str = "renew the account's temporary credentials";
const GRANT: &str = "grant the account's user the permission";

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
    rule("APIGW.0308", Throttled, ""),
    rule("APIGW.0203", Network, ""),
    rule("APIGW.0202", Network, ""),
];

/// What the status means of an error that no rule knows: some services have no
/// codes of their own for it.
const FORBIDDEN: &Rule = &rule("", Auth, GRANT);

/// Returns the rule for an error of the vendor's. Whatever is wrong with who
/// asks has one code of the gateway's, and one status everywhere.
pub(super) fn rule_of(code: &str, message: &str, status: u16) -> Option<&'static Rule> {
    let known = rule_for(RULES, code);
    match status {
        401 if known.is_none() => {
            let message = message.to_ascii_lowercase();
            let found = WHO_ASKS.iter().find(|(word, _)| message.contains(word));
            found.map(|(_, rule)| rule)
        }
        403 => known.or(Some(FORBIDDEN)),
        _ => known,
    }
}
