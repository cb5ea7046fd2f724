//! The vendor's word on who is calling, and roles. Source: its reference of the API of
//! STS of 2015-04-01.

use cloud_sync_core::account::Role;
use cloud_sync_core::credentials::Credentials;
use cloud_sync_core::identity::Identity;
use jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;

use crate::engine::decode::{Unreadable, is_id, nullable};
use crate::engine::params::Params;
use crate::engine::spec::{AssumeSpec, Call, IdentitySpec, Lent};

/// Who is calling. The call needs no permission.
pub(crate) const IDENTITY: IdentitySpec = IdentitySpec {
    call: Call {
        host: "sts.aliyuncs.com",
        per_second: 5,
        ..Call::new("sts", "2015-04-01", "GetCallerIdentity")
    },
    decode: decode_identity,
};

/// Taking on a role, whose credentials are good for an hour.
pub(crate) const ASSUME: AssumeSpec = AssumeSpec {
    call: Call {
        host: "sts.aliyuncs.com",
        per_second: 5,
        ..Call::new("sts", "2015-04-01", "AssumeRole")
    },
    params: assume,
    decode: decode_lent,
};

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
struct Assumed {
    credentials: Keys,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Keys {
    access_key_id: String,
    access_key_secret: SecretString,
    security_token: SecretString,
    expiration: Timestamp,
}

fn decode_lent(reply: &str) -> Result<Lent, Unreadable> {
    let Assumed { credentials: keys } = serde_json::from_str(reply)?;
    let credentials = Credentials {
        access_key_id: keys.access_key_id,
        access_key_secret: keys.access_key_secret,
        security_token: Some(keys.security_token),
    };
    Ok(Lent { credentials, until: keys.expiration })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Caller {
    account_id: String,
    #[serde(default, deserialize_with = "nullable")]
    arn: String,
}

fn decode_identity(reply: &str) -> Result<Identity, Unreadable> {
    let caller: Caller = serde_json::from_str(reply)?;
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
    fn a_role_lends_keys_with_a_token_for_a_while() {
        let reply = json!({
            "RequestId": "6894B13B-6D71-4EF5-88FA-F32781734A7F",
            "AssumedRoleUser": { "AssumedRoleId": "34458433936495****:alice", "Arn": "acs:…" },
            "Credentials": {
                "SecurityToken": "token", "AccessKeyId": "STS.key", "AccessKeySecret": "secret",
                "Expiration": "2026-11-23T12:00:00Z",
            },
        });
        let lent = decode_lent(&reply.to_string()).unwrap();
        assert_eq!(lent.credentials.access_key_id, "STS.key");
        assert_eq!(lent.until, "2026-11-23T12:00:00Z".parse().unwrap());
        assert!(decode_lent(r#"{"Credentials": {}}"#).is_err());
    }

    #[test]
    fn an_answer_has_the_accounts_number() {
        let reply = json!({
            "RequestId": "2C9BE469-4A35-44D5-9529-CAA280B11603", "AccountId": "1690700000000030",
            "IdentityType": "RAMUser", "UserId": "2690700000000031",
            "PrincipalId": "2690700000000031", "Arn": "acs:ram::1690700000000030:user/kim",
        });
        let identity = decode_identity(&reply.to_string()).unwrap();
        assert_eq!(identity.account_number, "1690700000000030");
        assert_eq!(identity.principal, "acs:ram::1690700000000030:user/kim");
        for bad in [json!({}), json!({ "AccountId": 1 }), json!({ "AccountId": "" }), json!([])] {
            assert!(decode_identity(&bad.to_string()).is_err(), "{bad}");
        }
    }
}
