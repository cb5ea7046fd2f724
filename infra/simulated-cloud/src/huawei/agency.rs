//! IAM's agencies: keys of another account for a time.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::error::{ApiError, Style};
use super::{Asked, Route, domain_id};
use crate::front::Refusal;
use crate::world::Provider;

pub(super) static ROUTES: [Route; 1] = [Route {
    method: "POST",
    path: "/v3.0/OS-CREDENTIAL/securitytokens",
    action: "CreateTemporaryAccessKeyByAgency",
    params: &[],
    style: Style::Iam,
    shape: None,
    answer: assume,
}];

/// How long a key may last, in seconds, and how long it lasts where nobody
/// says.
const SECONDS: (u64, u64, u64) = (900, 86_400, 900);

/// Answers with keys of the account that an agency is of, if it trusts the
/// caller's.
fn assume(asked: &Asked<'_>) -> Result<Value, ApiError> {
    let body: Value = serde_json::from_slice(asked.body).unwrap_or_default();
    let identity = &body["auth"]["identity"];
    let wanted = &identity["assume_role"];
    if identity["methods"] != json!(["assume_role"]) {
        return Err(ApiError::invalid("methods"));
    }
    let Some(agency) = wanted["agency_name"].as_str() else {
        return Err(ApiError::invalid("agency_name"));
    };
    let (least, most, usual) = SECONDS;
    let seconds = match &wanted["duration_seconds"] {
        Value::Null => usual,
        given => given
            .as_u64()
            .filter(|seconds| (least..=most).contains(seconds))
            .ok_or_else(|| ApiError::invalid("duration_seconds"))?,
    };
    let owner = owner(asked, wanted).ok_or_else(no_such_agency)?;
    match asked.world.trusts(Provider::Huawei, owner, agency, asked.admitted.account) {
        None => return Err(no_such_agency()),
        Some(false) => return Err(Refusal::forbidden("iam:agencies:assume")),
        Some(true) => {}
    }
    let expires =
        asked.admitted.now + SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(0));
    let session = asked.admitted.call.account.as_str();
    let session = Some(format!("{agency}/{session}"));
    let lent = asked.world.lend_session(Provider::Huawei, owner, "HST", expires, session);
    let lent = lent.ok_or_else(no_such_agency)?;
    Ok(json!({
        "credential": {
            "access": lent.id,
            "secret": lent.secret,
            "securitytoken": lent.token,
            "expires_at": expires.strftime("%Y-%m-%dT%H:%M:%S.000000Z").to_string(),
        },
    }))
}

/// Returns the account that is named, by its name or by its id.
fn owner(asked: &Asked<'_>, wanted: &Value) -> Option<usize> {
    let seed = asked.world.seed();
    let mut accounts = asked.world.accounts().into_iter().enumerate();
    let found = accounts.find(|(account, name)| {
        wanted["domain_name"] == json!(name)
            || wanted["domain_id"] == json!(domain_id(*account, seed))
    });
    found.map(|(account, _)| account)
}

fn no_such_agency() -> ApiError {
    ApiError::of_service(404, "IAM.0004", "Could not find the agency.")
}
