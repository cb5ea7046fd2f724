//! STS, version 2018-08-13: who calls, and roles.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::error::ApiError;
use super::{Action, Asked, Product, Provider, uin};
use crate::front::{Limit, Refusal};

pub(super) static PRODUCT: Product = Product {
    service: "sts",
    version: "2018-08-13",
    actions: &[
        Action {
            name: "GetCallerIdentity",
            regional: true,
            params: &[],
            limit: Limit::A_SECOND,
            shape: None,
            answer: identity,
        },
        Action {
            name: "AssumeRole",
            regional: true,
            params: &["RoleArn", "RoleSessionName", "DurationSeconds", "ExternalId", "Policy"],
            limit: Limit::A_SECOND,
            shape: None,
            answer: assume_role,
        },
    ],
};

fn identity(asked: &Asked<'_>) -> Result<Value, ApiError> {
    let owner = uin(asked.admitted.account);
    let user = owner + 100_000_000_000;
    let (arn, id, kind) = match asked.session {
        Some(session) => {
            let arn = format!("qcs::sts:uin/{owner}:assumed-role/{session}");
            (arn, session.to_owned(), "CAMRole")
        }
        None => (format!("qcs::cam:uin/{owner}:uin/{user}"), user.to_string(), "SubAccount"),
    };
    Ok(json!({
        "Arn": arn,
        "AccountId": owner.to_string(),
        "UserId": id,
        "PrincipalId": id,
        "Type": kind,
    }))
}

/// Returns which account a role is of, and its name.
fn role(arn: &str) -> Option<(usize, &str)> {
    let (owner, role) = arn.strip_prefix("qcs::cam::uin/")?.split_once(':')?;
    let owner = owner.parse::<u64>().ok()?.checked_sub(uin(0))?;
    Some((usize::try_from(owner).ok()?, role.strip_prefix("roleName/")?))
}

/// Answers `AssumeRole`: keys of the role's account, if it trusts the
/// caller's.
fn assume_role(asked: &Asked<'_>) -> Result<Value, ApiError> {
    let (account, role) =
        role(asked.params.text("RoleArn")?).ok_or_else(|| ApiError::invalid("RoleArn"))?;
    let session = format!("{role}/{}", asked.params.text("RoleSessionName")?);
    let seconds = asked.params.number("DurationSeconds")?.unwrap_or(7200);
    if !(1..=43_200).contains(&seconds) {
        return Err(ApiError::new(
            "InvalidParameter.OverTimeError",
            "DurationSeconds is too long.",
        ));
    }
    let vendor = Provider::Tencent;
    match asked.world.trusts(vendor, account, role, asked.admitted.account) {
        None => return Err(ApiError::no_such_role()),
        Some(false) => return Err(Refusal::forbidden("sts:AssumeRole")),
        Some(true) => {}
    }
    let expires = asked.admitted.now + SignedDuration::from_secs(seconds as i64);
    let key = asked.world.lend_session(vendor, account, "AKID", expires, Some(session));
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
