//! STS, version 2011-06-15: who calls, and roles.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::error::{ApiError, Style};
use super::{Action, Asked, Product, Provider, number};

pub(super) static PRODUCT: Product = Product {
    service: "sts",
    version: "2011-06-15",
    namespace: "https://sts.amazonaws.com/doc/2011-06-15/",
    style: Style::Query,
    regional: false,
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
    Ok(json!({
        "Arn": format!("arn:aws:iam::{account}:user/kim"),
        "UserId": format!("AIDA{:0>17}", asked.admitted.account),
        "Account": account,
    }))
}

/// Answers `AssumeRole`. A role is any of an account of this vendor.
fn assume_role(asked: &Asked<'_>) -> Result<Value, ApiError> {
    let role = asked.params.require("RoleArn")?;
    let session = asked.params.require("RoleSessionName")?;
    let seconds = asked.params.number("DurationSeconds", (900, 43_200))?.unwrap_or(3600);
    let owner = role.strip_prefix("arn:aws:iam::").and_then(|rest| rest.split_once(":role/"));
    let owner = owner.filter(|(_, name)| !name.is_empty());
    let accounts = asked.world.accounts().len();
    let account =
        owner.and_then(|(owner, _)| (0..accounts).find(|account| number(*account) == owner));
    let expires = asked.admitted.now + SignedDuration::from_secs(seconds as i64);
    let lent =
        account.and_then(|account| asked.world.lend_key(Provider::Aws, account, "ASIA", expires));
    let (Some((owner, name)), Some(lent)) = (owner, lent) else {
        let message = format!("User is not authorized to perform: sts:AssumeRole on {role}");
        return Err(ApiError::new(403, "AccessDenied", message));
    };
    Ok(json!({
        "Credentials": {
            "AccessKeyId": lent.id,
            "SecretAccessKey": lent.secret,
            "SessionToken": lent.token,
            "Expiration": expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        },
        "AssumedRoleUser": {
            "AssumedRoleId": format!("AROA0000000000000ROLE:{session}"),
            "Arn": format!("arn:aws:sts::{owner}:assumed-role/{name}/{session}"),
        },
    }))
}
