//! `DescribeRegions`.

use serde_json::{Value, json};

use crate::aws::error::ApiError;
use crate::aws::{Asked, Provider};

pub(super) fn describe(asked: &Asked<'_>) -> Result<Value, ApiError> {
    let names = asked.params.list("RegionName");
    let mut offered = asked.world.offered(Provider::Aws);
    if let Some(unknown) = names.iter().find(|name| !offered.iter().any(|r| r.id == **name)) {
        return Err(ApiError::invalid("region", unknown));
    }
    offered.retain(|region| names.is_empty() || names.iter().any(|name| name == region.id));
    if asked.admitted.sees_nothing() {
        offered.clear();
    }
    let items = offered.iter().map(|region| {
        json!({
            "regionName": region.id,
            "regionEndpoint": format!("ec2.{}.amazonaws.com", region.id),
            "optInStatus": "opt-in-not-required",
        })
    });
    Ok(json!({ "regionInfo": { "item": items.collect::<Vec<_>>() } }))
}
