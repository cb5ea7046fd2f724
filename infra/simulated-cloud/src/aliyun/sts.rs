//! STS, version 2015-04-01: who calls, and roles.

use jiff::SignedDuration;
use serde_json::json;

use super::ecs;
use super::error::ApiError;
use super::rpc::{Action, Asked, Product};
use super::{account_of, number};
use crate::world::Provider;
use crate::world::id::scatter;

pub(super) static PRODUCT: Product = Product {
    name: "sts",
    version: "2015-04-01",
    actions: &[
        Action::new("GetCallerIdentity", identity).anywhere(),
        Action::new("AssumeRole", assume_role).anywhere(),
    ],
    closed: (403, "NoPermission", "STS is not open."),
};

/// How long a session may last, in seconds, and how long it lasts where nobody
/// says.
const SECONDS: (usize, usize, usize) = (900, 3600, 3600);

/// Answers `GetCallerIdentity`. Accounts are numbered in the order of the
/// world's plan.
fn identity(asked: &Asked<'_>) -> Result<Vec<u8>, ApiError> {
    let account = number(asked.account);
    let user = account + 1_000_000_000_000_001;
    let key = asked.params.get("AccessKeyId");
    let state = asked.world().state();
    let keys = state.accounts.get(asked.account).map(|account| account.keys.iter());
    let session =
        keys.into_iter().flatten().find(|each| each.id == key).and_then(|key| key.session.clone());
    let mut reply = json!({ "RequestId": asked.request_id, "AccountId": account.to_string() });
    match session.as_deref().and_then(|session| session.split_once('/')) {
        Some((role, name)) => {
            let role_id = role_id(asked.account, role);
            reply["IdentityType"] = json!("AssumedRoleUser");
            reply["RoleId"] = json!(role_id);
            reply["PrincipalId"] = json!(format!("{role_id}:{name}"));
            reply["Arn"] = json!(format!("acs:sts::{account}:assumed-role/{role}/{name}"));
        }
        None => {
            reply["IdentityType"] = json!("RAMUser");
            reply["PrincipalId"] = json!(user.to_string());
            reply["UserId"] = json!(user.to_string());
            reply["Arn"] = json!(format!("acs:ram::{account}:user/kim"));
        }
    }
    ecs::json(&reply)
}

/// Answers `AssumeRole`: keys of the role's account, if it trusts the
/// caller's. A session may take on another role.
fn assume_role(asked: &Asked<'_>) -> Result<Vec<u8>, ApiError> {
    asked.params.only(&[
        "RoleArn",
        "RoleSessionName",
        "DurationSeconds",
        "ExternalId",
        "Policy",
        "SourceIdentity",
    ])?;
    let role_arn = asked.params.require("RoleArn")?;
    let malformed = || ApiError::invalid_name("RoleArn");
    let (owner, role) = role_arn
        .strip_prefix("acs:ram::")
        .and_then(|rest| rest.split_once(":role/"))
        .ok_or_else(malformed)?;
    let session = asked.params.require("RoleSessionName")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || ".@-_".contains(c);
    if !(2..=64).contains(&session.len()) || !session.chars().all(plain) {
        return Err(ApiError::invalid_name("RoleSessionName"));
    }
    let (least, most, usual) = SECONDS;
    let seconds = asked.params.number("DurationSeconds")?.unwrap_or(usual);
    if !(least..=most).contains(&seconds) {
        return Err(ApiError::invalid_name("DurationSeconds"));
    }
    let account = account_of(owner).ok_or_else(malformed)?;
    match asked.world().trusts(Provider::Aliyun, account, role, asked.account) {
        None => return Err(ApiError::no_such_role()),
        Some(false) => return Err(ApiError::no_permission()),
        Some(true) => {}
    }
    let expires = asked.now + SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(0));
    let session_of = format!("{role}/{session}");
    let lent = asked.world().lend_session(
        Provider::Aliyun,
        account,
        "STS.NU",
        expires,
        Some(session_of.clone()),
    );
    let lent = lent.ok_or_else(ApiError::no_such_role)?;
    ecs::json(&json!({
        "RequestId": asked.request_id,
        "AssumedRoleUser": {
            "AssumedRoleId": format!("{}:{session}", role_id(account, role)),
            "Arn": format!("acs:ram::{owner}:role/{session_of}"),
        },
        "Credentials": {
            "AccessKeyId": lent.id,
            "AccessKeySecret": lent.secret,
            "SecurityToken": lent.token,
            "Expiration": expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        },
    }))
}

fn role_id(account: usize, role: &str) -> String {
    let mixed = role.bytes().fold(number(account), |mixed, byte| scatter(mixed ^ u64::from(byte)));
    format!("3{:017}", mixed % 100_000_000_000_000_000)
}
