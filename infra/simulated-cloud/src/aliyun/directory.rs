//! Resource Management, version 2020-03-31: the accounts of an organisation.

use serde_json::{Value, json};

use super::arguments::huge_tag;
use super::ecs;
use super::error::ApiError;
use super::number;
use super::paging::Paging;
use super::rpc::{Action, Asked, Product};
use crate::front::spoil::Shape;

pub(super) static PRODUCT: Product = Product {
    name: "resourcemanager",
    version: "2020-03-31",
    actions: &[Action::new("ListAccounts", list)
        .listing(Shape {
            items: &["Accounts", "Account"],
            id: "AccountId",
            status: &["Status"],
            tags: huge_tag,
            total: &["TotalCount"],
        })
        .anywhere()],
    closed: NOT_IN_USE,
};

const NOT_IN_USE: (u16, &str, &str) =
    (404, "ResourceDirectoryNotInUse", "The resource directory is not enabled.");

/// The most that a page may hold, and what it holds where nobody says.
const SIZES: (usize, usize) = (100, 10);

fn list(asked: &Asked<'_>) -> Result<Vec<u8>, ApiError> {
    asked.params.only(&["PageNumber", "PageSize", "IncludeTags"])?;
    let size = asked.params.number("PageSize")?.unwrap_or(SIZES.1);
    let first = asked.params.number("PageNumber")?.unwrap_or(1);
    // Checks the bounds as every other listing does.
    Paging::by_number(asked, SIZES)?;
    let state = asked.world().state();
    let owner = state.accounts.get(asked.account).map(|owner| owner.id.as_str());
    let is_member = |account: &crate::world::model::Account| {
        account.member_of.is_some() && account.member_of.as_deref() == owner
    };
    let members = state.accounts.iter().enumerate().filter(|(_, account)| is_member(account));
    let members: Vec<Value> = members.map(|(index, account)| view(index, &account.id)).collect();
    if members.is_empty() {
        let (status, code, message) = NOT_IN_USE;
        return Err(ApiError::new(status, code, message));
    }
    let total = if asked.sees_nothing() { 0 } else { members.len() };
    let visible = members.into_iter().take(total);
    let page: Vec<Value> = visible.skip((first - 1).saturating_mul(size)).take(size).collect();
    ecs::json(&json!({
        "RequestId": asked.request_id,
        "PageNumber": first,
        "PageSize": size,
        "TotalCount": total,
        "Accounts": { "Account": page },
    }))
}

fn view(index: usize, name: &str) -> Value {
    json!({
        "AccountId": number(index).to_string(),
        "DisplayName": name,
        "FolderId": "fd-simulated0",
        "JoinMethod": "created",
        "JoinTime": "2024-01-18T03:27:27.473Z",
        "ModifyTime": "2024-01-18T03:27:27.473Z",
        "ResourceDirectoryId": "rd-simul0",
        "ResourceDirectoryPath": format!("rd-simul0/r-simul0/{}", number(index)),
        "Status": "CreateSuccess",
        "Type": "ResourceAccount",
    })
}
