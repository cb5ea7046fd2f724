//! The members of an organisation. Source: the vendor's reference of the API
//! of Resource Management of 2020-03-31, `ListAccounts`.

use serde::Deserialize;

use crate::Member;
use crate::engine::decode::{Unreadable, is_id, nullable};
use crate::engine::spec::{Call, MembersSpec, Paging};

/// The accounts of a resource directory, asked of its management account.
pub(crate) const MEMBERS: MembersSpec = MembersSpec {
    call: Call {
        host: "resourcemanager.aliyuncs.com",
        params: &[("PageSize", "100")],
        per_second: 5,
        ..Call::new("resourcemanager", "2020-03-31", "ListAccounts")
            .listing(&["Accounts", "Account"], Paging::Pages { param: "PageNumber" })
    },
    decode: decode_member,
    role,
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Account {
    account_id: String,
    #[serde(default, deserialize_with = "nullable")]
    display_name: String,
    #[serde(default, deserialize_with = "nullable")]
    status: String,
}

/// An account whose invitation or creation is still under way has no role yet.
fn decode_member(item: &str) -> Result<Option<Member>, Unreadable> {
    let item: Account = serde_json::from_str(item)?;
    if !is_id(&item.account_id) || !item.account_id.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Unreadable::value("AccountId", &item.account_id, "an account's number"));
    }
    let is_ready = matches!(item.status.as_str(), "CreateSuccess" | "InviteSuccess");
    let member = Member { number: item.account_id, name: item.display_name };
    Ok(is_ready.then_some(member))
}

fn role(member: &Member, name: &str) -> String {
    format!("acs:ram::{}:role/{name}", member.number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_an_account_that_is_ready_is_a_member() {
        let item = |status: &str| json!({ "AccountId": "181761095690160", "DisplayName": "Dev", "Status": status });
        let member = decode_member(&item("CreateSuccess").to_string()).unwrap().unwrap();
        assert_eq!((member.number.as_str(), member.name.as_str()), ("181761095690160", "Dev"));
        assert_eq!(role(&member, "sync"), "acs:ram::181761095690160:role/sync");
        assert_eq!(decode_member(&item("PromoteVerifying").to_string()).unwrap(), None);
        for bad in [json!({}), json!({ "AccountId": "" }), json!({ "AccountId": "1:role/x" })] {
            assert!(decode_member(&bad.to_string()).is_err(), "{bad}");
        }
    }
}
