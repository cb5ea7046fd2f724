//! ECS, version 2014-05-26: the calls that are simulated.

mod disk_view;
mod disks;
mod filter;
mod instance_view;
mod instances;
mod regions;
mod types;

use jiff::Timestamp;
use serde::Serialize;

use super::error::ApiError;
use super::params::Params;
use super::{Admitted, Aliyun};
use crate::world::model::Minute;
use crate::world::{Provider, World};

/// The version of the API.
const VERSION: &str = "2014-05-26";

/// Checks that a request is for one of these calls, and for a region that
/// the world offers.
pub(super) fn check(world: &World, params: &Params) -> Result<(), ApiError> {
    if params.get("Version") != VERSION {
        return Err(ApiError::no_such_version());
    }
    match params.get("Action") {
        "DescribeRegions" => return Ok(()),
        "DescribeInstances"
        | "DescribeInstanceStatus"
        | "DescribeInstanceTypes"
        | "DescribeDisks" => {}
        _ => return Err(ApiError::no_such_action()),
    }
    check_region(world, params)
}

/// Checks that a request is for a region that the world offers.
pub(super) fn check_region(world: &World, params: &Params) -> Result<(), ApiError> {
    let wanted = params.require("RegionId")?;
    let offered = world.offered(Provider::Aliyun);
    if offered.iter().any(|region| region.id == wanted) {
        Ok(())
    } else {
        Err(ApiError::no_such_region())
    }
}

/// Answers a call, as JSON.
pub(super) fn answer(
    cloud: &Aliyun,
    admitted: &Admitted<'_>,
    request_id: &str,
) -> Result<Vec<u8>, ApiError> {
    match admitted.call.action.as_str() {
        "DescribeRegions" => regions::describe(cloud, admitted, request_id),
        "DescribeInstances" => instances::describe(cloud, admitted, request_id),
        "DescribeInstanceStatus" => instances::describe_status(cloud, admitted, request_id),
        "DescribeInstanceTypes" => types::describe(admitted, request_id),
        "DescribeDisks" => disks::describe(cloud, admitted, request_id),
        _ => Err(ApiError::no_such_action()),
    }
}

/// An answer with a page of items.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PageReply<'a, T> {
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
    page_number: usize,
    page_size: usize,
    total_count: i64,
    #[serde(flatten)]
    items: T,
}

/// Writes an answer.
pub(super) fn json<T: Serialize>(reply: &T) -> Result<Vec<u8>, ApiError> {
    serde_json::to_vec(reply).map_err(|error| {
        tracing::error!(%error, "an answer could not be written as JSON");
        ApiError::new(500, "InternalError", "The answer could not be written.")
    })
}

/// Writes a time as ECS does: `2024-04-14T22:32Z`, without seconds.
fn minute(minute: Minute) -> String {
    let time = Timestamp::from_second(minute.saturating_mul(60)).unwrap_or(Timestamp::UNIX_EPOCH);
    time.strftime("%Y-%m-%dT%H:%MZ").to_string()
}
