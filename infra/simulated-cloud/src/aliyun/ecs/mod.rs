//! ECS, version 2014-05-26: the calls that are simulated.

mod disk_view;
mod disks;
pub(super) mod filter;
mod instance_view;
mod instances;
mod types;

use jiff::Timestamp;
use serde::Serialize;

use super::arguments::huge_tag_key;
use super::error::ApiError;
use super::regions;
use super::rpc::{Action, Product};
use crate::front::spoil::Shape;
use crate::world::model::Minute;

pub(super) static PRODUCT: Product = Product {
    name: "ecs",
    version: "2014-05-26",
    actions: &[
        Action::new("DescribeRegions", regions::plain).anywhere(),
        Action::new("DescribeInstances", instances::describe).listing(Shape {
            items: &["Instances", "Instance"],
            id: "InstanceId",
            status: &["Status"],
            tags: huge_tag_key,
            total: &["TotalCount"],
        }),
        Action::new("DescribeInstanceStatus", instances::describe_status).listing(Shape {
            items: &["InstanceStatuses", "InstanceStatus"],
            id: "InstanceId",
            status: &["Status"],
            tags: huge_tag_key,
            total: &["TotalCount"],
        }),
        Action::new("DescribeInstanceTypes", types::describe),
        Action::new("DescribeDisks", disks::describe).listing(Shape {
            items: &["Disks", "Disk"],
            id: "DiskId",
            status: &["Status"],
            tags: huge_tag_key,
            total: &["TotalCount"],
        }),
    ],
    closed: (403, "RegionUnauthorized", "There is no authority to use the specified region."),
};

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
