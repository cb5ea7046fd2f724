//! The vendor's word on who is calling, and roles. Source: its reference of
//! the API of STS of 2011-06-15.

use cloud_sync_core::account::Role;
use cloud_sync_core::credentials::Credentials;
use cloud_sync_core::identity::Identity;
use jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;

use crate::engine::decode::{Unreadable, is_id, nullable};
use crate::engine::params::Params;
use crate::engine::spec::{AssumeSpec, Call, Format, IdentitySpec, Lent};

/// Who is calling. The call needs no permission.
pub(crate) const IDENTITY: IdentitySpec =
    IdentitySpec { call: call("GetCallerIdentity"), decode: decode_identity };

/// Taking on a role, whose credentials are good for an hour.
pub(crate) const ASSUME: AssumeSpec =
    AssumeSpec { call: call("AssumeRole"), params: assume, decode: decode_lent };

const fn call(action: &'static str) -> Call {
    Call { format: Format::Xml, per_second: 5, ..Call::new("sts", "2011-06-15", action) }
}

fn assume(role: &Role) -> Params {
    let given = [
        ("RoleArn", role.arn.as_str()),
        ("RoleSessionName", "cloud-sync"),
        ("DurationSeconds", "3600"),
    ];
    let external_id = role.external_id.as_deref().map(|id| ("ExternalId", id));
    let params = given.into_iter().chain(external_id);
    params.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AssumeReply {
    assume_role_result: Assumed,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Assumed {
    credentials: Keys,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Keys {
    access_key_id: String,
    secret_access_key: SecretString,
    session_token: SecretString,
    expiration: Timestamp,
}

fn decode_lent(reply: &str) -> Result<Lent, Unreadable> {
    let reply: AssumeReply = serde_json::from_str(reply)?;
    let keys = reply.assume_role_result.credentials;
    let credentials = Credentials {
        access_key_id: keys.access_key_id,
        access_key_secret: keys.secret_access_key,
        security_token: Some(keys.session_token),
    };
    Ok(Lent { credentials, until: keys.expiration })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct IdentityReply {
    get_caller_identity_result: Caller,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Caller {
    account: String,
    #[serde(default, deserialize_with = "nullable")]
    arn: String,
}

fn decode_identity(reply: &str) -> Result<Identity, Unreadable> {
    let reply: IdentityReply = serde_json::from_str(reply)?;
    let Caller { account, arn } = reply.get_caller_identity_result;
    if !is_id(&account) {
        return Err(Unreadable::value("Account", &account, "an account's number"));
    }
    if !arn.is_empty() && !is_id(&arn) {
        return Err(Unreadable::value("Arn", &arn, "a name"));
    }
    Ok(Identity { account_number: account, principal: arn })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_has_the_accounts_number() {
        let reply = |caller| json!({ "GetCallerIdentityResult": caller }).to_string();
        let arn = "arn:aws:iam::123456789012:user/kim";
        let caller = json!({ "Arn": arn, "UserId": "AIDA", "Account": "123456789012" });
        let identity = decode_identity(&reply(caller)).unwrap();
        assert_eq!(identity.account_number, "123456789012");
        assert_eq!(identity.principal, arn);
        for bad in [json!({}), json!({ "Account": null }), json!({ "Account": "" }), json!([])] {
            assert!(decode_identity(&reply(bad.clone())).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_role_lends_keys_with_a_token_for_a_while() {
        let keys = json!({
            "AccessKeyId": "ASIA", "SecretAccessKey": "secret", "SessionToken": "token",
            "Expiration": "2026-11-23T12:00:00Z",
        });
        let reply = json!({ "AssumeRoleResult": { "Credentials": keys } });
        let lent = decode_lent(&reply.to_string()).unwrap();
        assert_eq!(lent.credentials.access_key_id, "ASIA");
        assert_eq!(lent.until, "2026-11-23T12:00:00Z".parse().unwrap());
        assert!(decode_lent(r#"{"AssumeRoleResult": {"Credentials": {}}}"#).is_err());
    }
}
