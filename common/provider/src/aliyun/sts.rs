//! The vendor's word on who is calling. Source: its reference of the API of
//! STS of 2015-04-01.

use cloud_sync_core::identity::Identity;
use serde::Deserialize;

use crate::engine::decode::{Unreadable, is_id, nullable};
use crate::engine::spec::{Call, IdentitySpec};

/// Who is calling. The call needs no permission.
pub(crate) const IDENTITY: IdentitySpec = IdentitySpec {
    call: Call {
        host: "sts.aliyuncs.com",
        per_second: 5,
        ..Call::new("sts", "2015-04-01", "GetCallerIdentity")
    },
    decode: decode_identity,
};

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
