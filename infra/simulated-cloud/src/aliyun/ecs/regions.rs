//! `DescribeRegions`.

use serde::Serialize;

use super::json;
use crate::aliyun::error::ApiError;
use crate::aliyun::{Admitted, Aliyun};
use crate::world::{Endpoints, Fault, Provider};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Reply<'a> {
    request_id: &'a str,
    regions: Regions,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Regions {
    region: Vec<Region>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Region {
    region_id: &'static str,
    local_name: &'static str,
    region_endpoint: String,
    status: &'static str,
}

pub(super) fn describe(
    cloud: &Aliyun,
    admitted: &Admitted<'_>,
    request_id: &str,
) -> Result<Vec<u8>, ApiError> {
    let english = admitted.params.get("AcceptLanguage").starts_with("en");
    let empty = admitted.blind || admitted.faults.contains(&Fault::Empty);
    let offered = if empty { Vec::new() } else { cloud.world.offered(Provider::Aliyun) };
    let region = offered.iter().map(|region| Region {
        region_id: region.id,
        local_name: if english { region.english } else { region.chinese },
        region_endpoint: match cloud.world.endpoints() {
            Endpoints::Vendor => format!("ecs.{}.aliyuncs.com", region.id),
            Endpoints::Server => cloud.address.clone(),
        },
        status: "available",
    });
    json(&Reply { request_id, regions: Regions { region: region.collect() } })
}
