//! Alibaba Cloud.

pub mod acs3;
mod actiontrail;
pub(crate) mod ecs_disk;
pub(crate) mod ecs_instance;
mod errors;
pub(crate) mod events;
mod instance_type;
mod oss;
pub(crate) mod oss_bucket;
pub mod oss_sign;
mod products;
pub(crate) mod rds_instance;
pub(crate) mod redis_instance;
mod resource_manager;
mod rpc;
pub mod sign;
pub(crate) mod slb_loadbalancer;
mod sts;
pub(crate) mod vpc_eip;

use cloud_sync_core::account::{Account, InvalidAccount, Region};
use jiff::Timestamp;
use serde::Deserialize;

pub(crate) use self::resource_manager::MEMBERS;
pub(crate) use self::rpc::SIGNATURES;
pub(crate) use self::sts::{ASSUME, IDENTITY};
use crate::engine::Protocol;
use crate::engine::decode::{Unreadable, nullable, time};
use crate::engine::spec::{Call, Paging, RegionsSpec};

/// The paging that most of the vendor's calls have.
pub(crate) const NEXT_TOKEN: Paging = Paging::Token { param: "NextToken", next: &["NextToken"] };

/// The paging of those that count pages instead.
const BY_NUMBER: Paging = Paging::Pages { param: "PageNumber" };

/// Returns a call of a product that allows fewer requests than ECS.
const fn call(product: &'static str, version: &'static str, action: &'static str) -> Call {
    Call { per_second: 10, ..Call::new(product, version, action) }
}

/// Reads when a subscription ends. What is paid for as it is used has an end
/// in a far century, or none.
fn expiry(
    field: &'static str,
    text: &str,
    charge_type: &str,
) -> Result<Option<Timestamp>, Unreadable> {
    match charge_type {
        "PrePaid" | "Prepaid" => time(field, text),
        _ => Ok(None),
    }
}

/// The regions of an account, with the host that serves each.
pub(crate) const REGIONS: RegionsSpec = RegionsSpec {
    call: Call {
        items: &["Regions", "Region"],
        per_second: 5,
        ..Call::new("ecs", "2014-05-26", "DescribeRegions")
    },
    decode: decode_region,
};

/// Returns what makes requests for an account.
pub(crate) fn open(account: &Account) -> Result<Box<dyn Protocol>, InvalidAccount> {
    Ok(Box::new(rpc::Rpc::open(account)?))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RegionItem {
    region_id: String,
    #[serde(default, deserialize_with = "nullable")]
    region_endpoint: String,
}

fn decode_region(item: &str) -> Result<Option<Region>, Unreadable> {
    let item: RegionItem = serde_json::from_str(item)?;
    Ok(Some(Region { id: item.region_id, endpoint: item.region_endpoint, ..Region::default() }))
}
