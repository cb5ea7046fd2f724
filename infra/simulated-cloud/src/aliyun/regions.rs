//! `DescribeRegions`, as each product writes it.

use serde_json::{Value, json};

use super::ecs;
use super::error::ApiError;
use super::rpc::Asked;
use crate::world::catalog::RegionFacts;
use crate::world::{Endpoints, Provider};

/// Answers as most products do.
pub(super) fn plain(asked: &Asked<'_>) -> Result<Vec<u8>, ApiError> {
    let service = asked.call.action.split_once(':').map_or("ecs", |(service, _)| service);
    let view = |region: &RegionFacts| {
        json!({
            "RegionId": region.id,
            "LocalName": name(asked, region),
            "RegionEndpoint": endpoint(asked, service, region),
            "Status": "available",
        })
    };
    let regions: Vec<Value> = offered(asked).into_iter().map(view).collect();
    ecs::json(&json!({ "RequestId": asked.request_id, "Regions": { "Region": regions } }))
}

/// Answers as RDS does: a line for each zone.
pub(super) fn of_databases(asked: &Asked<'_>) -> Result<Vec<u8>, ApiError> {
    let view = |region: &RegionFacts, zone: &str| {
        json!({
            "RegionId": region.id,
            "ZoneId": zone,
            "LocalName": name(asked, region),
            "ZoneName": zone,
            "RegionEndpoint": endpoint(asked, "rds", region),
        })
    };
    let regions: Vec<Value> = offered(asked)
        .into_iter()
        .flat_map(|region| zones(region).into_iter().map(move |zone| view(region, &zone)))
        .collect();
    ecs::json(&json!({ "RequestId": asked.request_id, "Regions": { "RDSRegion": regions } }))
}

/// Answers as R-KVStore does: with the zones of each region.
pub(super) fn of_caches(asked: &Asked<'_>) -> Result<Vec<u8>, ApiError> {
    let view = |region: &RegionFacts| {
        json!({
            "RegionId": region.id,
            "LocalName": name(asked, region),
            "RegionEndpoint": endpoint(asked, "r-kvstore", region),
            "ZoneIds": zones(region).join(","),
            "ZoneIdList": { "ZoneId": zones(region) },
        })
    };
    let regions: Vec<Value> = offered(asked).into_iter().map(view).collect();
    ecs::json(&json!({ "RequestId": asked.request_id, "RegionIds": { "KVStoreRegion": regions } }))
}

fn offered(asked: &Asked<'_>) -> Vec<&'static RegionFacts> {
    match asked.sees_nothing() {
        true => Vec::new(),
        false => asked.world().offered(Provider::Aliyun),
    }
}

fn name(asked: &Asked<'_>, region: &RegionFacts) -> &'static str {
    let english = asked.params.get("AcceptLanguage").starts_with("en");
    if english { region.english } else { region.chinese }
}

fn endpoint(asked: &Asked<'_>, service: &str, region: &RegionFacts) -> String {
    match asked.world().endpoints() {
        Endpoints::Vendor => format!("{service}.{}.aliyuncs.com", region.id),
        Endpoints::Server => asked.cloud.address.clone(),
    }
}

fn zones(region: &RegionFacts) -> Vec<String> {
    region.zones.chars().map(|letter| format!("{}-{letter}", region.id)).collect()
}
