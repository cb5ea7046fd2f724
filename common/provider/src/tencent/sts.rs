//! The vendor's word on who is calling. Source: its reference of the API of
//! STS of 2018-08-13.

use cloud_sync_core::identity::Identity;
use serde::Deserialize;

use super::call;
use crate::engine::decode::{Unreadable, is_id, nullable};
use crate::engine::spec::{Call, IdentitySpec};

/// Who is calling. The call needs no permission.
pub(crate) const IDENTITY: IdentitySpec = IdentitySpec {
    call: Call { per_second: 5, ..call("sts", "2018-08-13", "GetCallerIdentity") },
    decode: decode_identity,
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Envelope {
    response: Caller,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Caller {
    account_id: String,
    #[serde(default, deserialize_with = "nullable")]
    arn: String,
}

fn decode_identity(reply: &str) -> Result<Identity, Unreadable> {
    let Envelope { response: caller } = serde_json::from_str(reply)?;
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
}
