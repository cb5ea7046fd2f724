//! The vendor's word on who is calling, and roles. Source: its reference of
//! the API of STS of 2018-08-13.

use cloud_sync_core::account::Role;
use cloud_sync_core::credentials::Credentials;
use cloud_sync_core::identity::Identity;
use jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;

use super::call;
use crate::engine::decode::{Unreadable, is_id, nullable};
use crate::engine::params::Params;
use crate::engine::spec::{AssumeSpec, Call, IdentitySpec, Lent};

/// Who is calling. The call needs no permission.
pub(crate) const IDENTITY: IdentitySpec = IdentitySpec {
    call: Call { per_second: 5, ..call("sts", "2018-08-13", "GetCallerIdentity") },
    decode: decode_identity,
};

/// Taking on a role, whose credentials are good for an hour.
pub(crate) const ASSUME: AssumeSpec = AssumeSpec {
    call: Call { per_second: 5, ..call("sts", "2018-08-13", "AssumeRole") },
    params: assume,
    decode: decode_lent,
};

fn assume(role: &Role) -> Params {
    let given = [("RoleArn", role.arn.as_str()), ("RoleSessionName", "cloud-sync")];
    let external_id = role.external_id.as_deref().map(|id| ("ExternalId", id));
    // A text that looks like a number is one only if it is not quoted.
    let texts = given.into_iter().chain(external_id);
    let texts = texts.map(|(name, text)| (name.to_owned(), Value::from(text).to_string()));
    texts.chain([("DurationSeconds".to_owned(), "3600".to_owned())]).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Envelope<T> {
    response: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Assumed {
    credentials: Keys,
    expiration: Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Keys {
    tmp_secret_id: String,
    tmp_secret_key: SecretString,
    token: SecretString,
}

fn decode_lent(reply: &str) -> Result<Lent, Unreadable> {
    let Envelope { response: Assumed { credentials: keys, expiration } } =
        serde_json::from_str(reply)?;
    let credentials = Credentials {
        access_key_id: keys.tmp_secret_id,
        access_key_secret: keys.tmp_secret_key,
        security_token: Some(keys.token),
    };
    Ok(Lent { credentials, until: expiration })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Caller {
    account_id: String,
    #[serde(default, deserialize_with = "nullable")]
    arn: String,
}

fn decode_identity(reply: &str) -> Result<Identity, Unreadable> {
    let Envelope { response: caller } = serde_json::from_str::<Envelope<Caller>>(reply)?;
    if !is_id(&caller.account_id) {
        return Err(Unreadable::value("AccountId", &caller.account_id, "an account's number"));
    }
    if !caller.arn.is_empty() && !is_id(&caller.arn) {
        return Err(Unreadable::value("Arn", &caller.arn, "a name"));
    }
    Ok(Identity { account_number: caller.account_id, principal: caller.arn })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_has_the_accounts_number() {
        let reply = json!({ "Response": {
            "Arn": "qcs::cam::uin/100000000001:uin/100000000002", "AccountId": "100000000001",
            "UserId": "100000000002", "PrincipalId": "100000000002", "Type": "SubAccount",
            "RequestId": "2a6fa09a-44e3-4b7d-8c5b-8ea5e1b9c7a1",
        } });
        let identity = decode_identity(&reply.to_string()).unwrap();
        assert_eq!(identity.account_number, "100000000001");
        assert_eq!(identity.principal, "qcs::cam::uin/100000000001:uin/100000000002");
        for bad in [json!({}), json!({ "Response": { "AccountId": "" } }), json!([])] {
            assert!(decode_identity(&bad.to_string()).is_err(), "{bad}");
        }
    }
    #[test]
    fn a_role_is_asked_for_in_texts_and_lends_credentials() {
        let role =
            Role { arn: "qcs::cam::uin/1:roleName/sync".into(), external_id: Some("7".into()) };
        let params = assume(&role);
        assert_eq!(params["ExternalId"], "\"7\"");
        assert_eq!(params["RoleArn"], "\"qcs::cam::uin/1:roleName/sync\"");
        let reply = json!({ "Response": {
            "Credentials": { "Token": "t", "TmpSecretId": "AKID", "TmpSecretKey": "s" },
            "ExpiredTime": 1_795_338_000, "Expiration": "2026-11-22T09:00:00Z", "RequestId": "R",
        } });
        let lent = decode_lent(&reply.to_string()).unwrap();
        assert_eq!(lent.credentials.access_key_id, "AKID");
        assert!(lent.credentials.security_token.is_some());
        assert_eq!(lent.until, "2026-11-22T09:00:00Z".parse().unwrap());
        assert!(decode_lent("{}").is_err());
    }
}
