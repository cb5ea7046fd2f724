//! STS, version 2018-08-13: who calls, and roles.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::error::ApiError;
use super::{Action, Asked, Product, uin};

pub(super) static PRODUCT: Product = Product {
    service: "sts",
    version: "2018-08-13",
    actions: &[
        Action {
            name: "GetCallerIdentity",
            regional: true,
            params: &[],
            shape: None,
            answer: identity,
        },
        Action {
            name: "AssumeRole",
            regional: true,
            params: &["RoleArn", "RoleSessionName", "DurationSeconds", "ExternalId", "Policy"],
            shape: None,
            answer: assume_role,
        },
    ],
};

fn identity(asked: &Asked<'_>) -> Result<Value, ApiError> {
    let owner = uin(asked.admitted.account);
    let user = owner + 100_000_000_000;
    Ok(json!({
        "Arn": format!("qcs::cam:uin/{owner}:uin/{user}"),
        "AccountId": owner.to_string(),
        "UserId": user.to_string(),
        "PrincipalId": user.to_string(),
        "Type": "SubAccount",
    }))
}

/// Answers `AssumeRole`. A role is any of an account of this vendor.
fn assume_role(asked: &Asked<'_>) -> Result<Value, ApiError> {
    let role = asked.params.text("RoleArn")?;
    asked.params.text("RoleSessionName")?;
    let seconds = asked.params.number("DurationSeconds")?.unwrap_or(7200);
    if !(1..=43_200).contains(&seconds) {
        return Err(ApiError::new(
            "InvalidParameter.OverTimeError",
            "DurationSeconds is too long.",
        ));
    }
    let owner = role.strip_prefix("qcs::cam::uin/").and_then(|rest| rest.split_once(':'));
    let owner = owner.filter(|(_, name)| name.starts_with("role"));
    let owner = owner.and_then(|(owner, _)| owner.parse::<u64>().ok());
    let owner = owner.and_then(|owner| owner.checked_sub(uin(0)));
    let account = owner.and_then(|account| usize::try_from(account).ok());
    let expires = asked.admitted.now + SignedDuration::from_secs(seconds as i64);
    let key = account.and_then(|account| {
        asked.world.lend_key(super::Provider::Tencent, account, "AKID", expires)
    });
    let key = key.ok_or_else(ApiError::no_such_role)?;
    Ok(json!({
        "Credentials": {
            "Token": key.token,
            "TmpSecretId": key.id,
            "TmpSecretKey": key.secret,
        },
        "ExpiredTime": expires.as_second(),
        "Expiration": expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    }))
}
