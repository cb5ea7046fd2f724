//! STS, version 2011-06-15: who calls, and roles.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::error::{ApiError, Style};
use super::{Action, Asked, Product, Provider, number};
use crate::front::Limit;
use crate::world::id;

pub(super) static PRODUCT: Product = Product {
    service: "sts",
    version: "2011-06-15",
    namespace: "https://sts.amazonaws.com/doc/2011-06-15/",
    style: Style::Query,
    regional: false,
    limit: Limit::BUCKET,
    actions: &[
        Action { name: "GetCallerIdentity", params: &[], shape: None, answer: identity },
        Action {
            name: "AssumeRole",
            params: &["RoleArn", "RoleSessionName", "DurationSeconds", "ExternalId", "Policy"],
            shape: None,
            answer: assume_role,
        },
    ],
};

fn identity(asked: &Asked<'_>) -> Result<Value, ApiError> {
    let account = number(asked.admitted.account);
    let (arn, id) = match asked.session.and_then(|session| session.split_once('/')) {
        Some((role, session)) => {
            (session_arn(&account, role, session), format!("{}:{session}", role_id(role)))
        }
        None => (
            format!("arn:aws:iam::{account}:user/kim"),
            format!("AIDA{:0>17}", asked.admitted.account),
        ),
    };
    Ok(json!({ "Arn": arn, "UserId": id, "Account": account }))
}

fn session_arn(account: &str, role: &str, session: &str) -> String {
    format!("arn:aws:sts::{account}:assumed-role/{role}/{session}")
}

fn role_id(role: &str) -> String {
    let code = role.bytes().fold(0, |code, byte| id::scatter(code ^ u64::from(byte)));
    format!("AROA{code:017X}")
}

/// Answers `AssumeRole`: keys of the role's account, if it trusts the
/// caller's. A role that is not there is not told from one that does not.
fn assume_role(asked: &Asked<'_>) -> Result<Value, ApiError> {
    let arn = asked.params.require("RoleArn")?;
    let session = asked.params.require("RoleSessionName")?;
    let seconds = asked.params.number("DurationSeconds", (900, 43_200))?.unwrap_or(3600);
    let denied = || {
        let message = format!("User is not authorized to perform: sts:AssumeRole on {arn}");
        ApiError::new(403, "AccessDenied", message)
    };
    let (owner, role) = arn
        .strip_prefix("arn:aws:iam::")
        .and_then(|rest| rest.split_once(":role/"))
        .ok_or_else(|| ApiError::new(400, "ValidationError", format!("{arn} is invalid")))?;
    let accounts = asked.world.accounts().len();
    let account = (0..accounts).find(|account| number(*account) == owner).ok_or_else(denied)?;
    if asked.world.trusts(Provider::Aws, account, role, asked.admitted.account) != Some(true) {
        return Err(denied());
    }
    let expires = asked.admitted.now + SignedDuration::from_secs(seconds as i64);
    let named = Some(format!("{role}/{session}"));
    let lent = asked.world.lend_session(Provider::Aws, account, "ASIA", expires, named);
    let lent = lent.ok_or_else(denied)?;
    Ok(json!({
        "Credentials": {
            "AccessKeyId": lent.id,
            "SecretAccessKey": lent.secret,
            "SessionToken": lent.token,
            "Expiration": expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        },
        "AssumedRoleUser": {
            "AssumedRoleId": format!("{}:{session}", role_id(role)),
            "Arn": session_arn(owner, role, session),
        },
    }))
}
