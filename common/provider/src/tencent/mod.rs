//! Tencent Cloud.

mod api;
pub(crate) mod cdb_instance;
pub(crate) mod cvm_instance;
mod errors;
pub(crate) mod events;
pub mod sign;
mod sts;

use std::time::Duration;

use cloud_sync_core::account::{Account, InvalidAccount, Region};
use serde::Deserialize;

pub(crate) use self::sts::{ASSUME, IDENTITY};
use crate::engine::Protocol;
use crate::engine::decode::{Unreadable, nullable};
use crate::engine::spec::{Call, Paging, Path, RegionsSpec};

/// Returns a call as the vendor's own SDK makes it, which waits a minute.
const fn call(product: &'static str, version: &'static str, action: &'static str) -> Call {
    Call { timeout: Duration::from_secs(60), ..Call::new(product, version, action) }
}

/// Returns a call that lists.
const fn list(call: Call, items: Path) -> Call {
    call.listing(items, Paging::Offset { param: "Offset" })
}

/// The regions that can be used.
pub(crate) const REGIONS: RegionsSpec = RegionsSpec {
    call: Call {
        items: &["Response", "RegionSet"],
        per_second: 5,
        ..call("cvm", "2017-03-12", "DescribeRegions")
    },
    decode: decode_region,
};

/// Returns what makes requests for an account.
pub(crate) fn open(account: &Account) -> Result<Box<dyn Protocol>, InvalidAccount> {
    Ok(Box::new(api::Api::open(account)?))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RegionItem {
    region: String,
    #[serde(default, deserialize_with = "nullable")]
    region_state: String,
}

fn decode_region(item: &str) -> Result<Option<Region>, Unreadable> {
    let item: RegionItem = serde_json::from_str(item)?;
    Ok((item.region_state == "AVAILABLE").then(|| Region::new(&item.region)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_available_regions_are_asked() {
        let decode = |item: serde_json::Value| decode_region(&item.to_string());
        let region = |state: &str| json!({ "Region": "ap-guangzhou", "RegionState": state });
        let found = decode(region("AVAILABLE")).unwrap().unwrap();
        assert_eq!((found.id.as_str(), found.endpoint.as_str()), ("ap-guangzhou", ""));
        assert_eq!(decode(region("UNAVAILABLE")).unwrap(), None);
        assert!(decode(json!({ "RegionState": "AVAILABLE" })).is_err());
    }
}
