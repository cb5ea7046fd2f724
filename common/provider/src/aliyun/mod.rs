//! Alibaba Cloud.

mod actiontrail;
pub(crate) mod ecs_instance;
mod errors;
mod instance_type;
mod rpc;
pub mod sign;
mod sts;

use std::time::Duration;

use cloud_sync_core::account::{Account, InvalidAccount, Region};
use cloud_sync_core::credentials::Credentials;
use serde::Deserialize;

pub(crate) use self::sts::IDENTITY;
use crate::engine::Protocol;
use crate::engine::decode::{Unreadable, nullable};
use crate::engine::spec::{Call, RegionsSpec};

/// The regions of an account, with the host that serves each.
pub(crate) const REGIONS: RegionsSpec = RegionsSpec {
    call: Call {
        product: "ecs",
        version: "2014-05-26",
        action: "DescribeRegions",
        params: &[],
        items: &["Regions", "Region"],
        paging: None,
        per_second: 5,
        timeout: Duration::from_secs(10),
    },
    decode: decode_region,
};

/// Returns what makes requests for an account.
pub(crate) fn open(
    account: &Account,
    credentials: Credentials,
) -> Result<Box<dyn Protocol>, InvalidAccount> {
    Ok(Box::new(rpc::Rpc::open(account, credentials)?))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RegionItem {
    region_id: String,
    #[serde(default, deserialize_with = "nullable")]
    region_endpoint: String,
}

fn decode_region(item: &str) -> Result<Region, Unreadable> {
    let item: RegionItem = serde_json::from_str(item)?;
    Ok(Region { id: item.region_id, endpoint: item.region_endpoint })
}
