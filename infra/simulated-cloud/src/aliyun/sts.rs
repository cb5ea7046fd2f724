//! STS, version 2015-04-01: `GetCallerIdentity`.

use serde_json::json;

use super::Admitted;
use super::error::ApiError;
use super::params::Params;

/// The version of the API.
pub(super) const VERSION: &str = "2015-04-01";

/// Checks that a request is for the one call.
pub(super) fn check(params: &Params) -> Result<(), ApiError> {
    match params.get("Action") {
        "GetCallerIdentity" => Ok(()),
        _ => Err(ApiError::no_such_action()),
    }
}

/// Answers `GetCallerIdentity`, as JSON. Accounts are numbered in the order of
/// the world's plan.
pub(super) fn identity(admitted: &Admitted<'_>, request_id: &str) -> Vec<u8> {
    let account = 1_690_700_000_000_030 + admitted.account as u64;
    let user = 2_690_700_000_000_031 + admitted.account as u64;
    let reply = json!({
        "RequestId": request_id,
        "AccountId": account.to_string(),
        "IdentityType": "RAMUser",
        "PrincipalId": user.to_string(),
        "UserId": user.to_string(),
        "Arn": format!("acs:ram::{account}:user/kim"),
    });
    reply.to_string().into_bytes()
}
