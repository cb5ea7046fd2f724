//! EC2, version 2016-11-15: the calls that are simulated.

mod instance_view;
mod instances;
mod regions;
mod types;
mod volumes;

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::error::{ApiError, Style};
use super::params::Filter;
use super::{Action, Asked, Product};
use crate::front::Limit;
use crate::front::spoil::Shape;
use crate::front::token::{self, Position};
use crate::world::id;
use crate::world::model::{Holding, Minute};

pub(super) static PRODUCT: Product = Product {
    service: "ec2",
    version: "2016-11-15",
    namespace: "http://ec2.amazonaws.com/doc/2016-11-15/",
    style: Style::Ec2,
    regional: true,
    limit: Limit::BUCKET.documented(100),
    actions: &[
        Action {
            name: "DescribeInstances",
            params: &["InstanceId", "Filter", "MaxResults", "NextToken"],
            shape: Some(Shape {
                items: &["reservationSet", "item", "instancesSet", "item"],
                id: "instanceId",
                status: &["instanceState", "name"],
                tags: huge_tag,
                total: &[],
            }),
            answer: instances::describe,
        },
        Action {
            name: "DescribeInstanceStatus",
            params: &["InstanceId", "IncludeAllInstances", "MaxResults", "NextToken"],
            shape: Some(Shape {
                items: &["instanceStatusSet", "item"],
                id: "instanceId",
                status: &["instanceState", "name"],
                tags: |_, _, _| {},
                total: &[],
            }),
            answer: instances::describe_status,
        },
        Action {
            name: "DescribeVolumes",
            params: &["VolumeId", "Filter", "MaxResults", "NextToken"],
            shape: Some(Shape {
                items: &["volumeSet", "item"],
                id: "volumeId",
                status: &["status"],
                tags: huge_tag,
                total: &[],
            }),
            answer: volumes::describe,
        },
        Action {
            name: "DescribeInstanceTypes",
            params: &["InstanceType", "MaxResults", "NextToken"],
            shape: None,
            answer: types::describe,
        },
        Action {
            name: "DescribeRegions",
            params: &["RegionName", "AllRegions"],
            shape: None,
            answer: regions::describe,
        },
    ],
};

/// The sizes that a page may have.
const SIZES: (usize, usize) = (5, 1000);

fn huge_tag(item: &mut Value, key: &str, value: String) {
    item["tagSet"] = json!({ "item": [{ "key": key, "value": value }] });
}

/// Writes a time as the vendor does: `2024-04-14T22:32:00.000Z`.
fn time(minute: Minute) -> String {
    let time = Timestamp::from_second(minute.saturating_mul(60));
    super::timestamp(time.unwrap_or(Timestamp::UNIX_EPOCH))
}

/// Writes tags.
fn tag_set<'a>(tags: impl Iterator<Item = (&'a str, &'a str)>) -> Value {
    let items = tags.map(|(key, value)| json!({ "key": key, "value": value }));
    json!({ "item": items.collect::<Vec<_>>() })
}

/// Which page is asked for.
struct Page {
    position: Option<Position>,
    size: usize,
    listing: String,
    seed: u64,
}

impl Page {
    /// Reads it. With ids there are no pages.
    fn read(
        asked: &Asked<'_>,
        sizes: (usize, usize),
        ids: (&str, &[String]),
    ) -> Result<Self, ApiError> {
        let params = asked.params;
        let size = params.number("MaxResults", sizes)?;
        let given = params.given("NextToken");
        let (name, listed) = ids;
        if !listed.is_empty() && (size.is_some() || given.is_some()) {
            return Err(ApiError::combination(name, "maxResults"));
        }
        let seed = asked.world.seed();
        let call = &asked.admitted.call;
        let listing = params.listing(&call.account, &call.region);
        let open = |text: &str| {
            let found = token::open(text, &listing, seed);
            found.filter(|_| !asked.admitted.rejects_token()).ok_or_else(|| {
                let message = format!(
                    "Value ( {text} ) for parameter nextToken is invalid. The token is invalid."
                );
                ApiError::new(400, "InvalidParameterValue", message)
            })
        };
        let position = given.map(open).transpose()?;
        Ok(Self { position, size: size.unwrap_or(usize::MAX), listing, seed })
    }

    /// Returns the token of the next page, if there is one.
    fn token(&self, next: Option<Position>) -> Option<String> {
        next.map(|position| token::seal(position, &self.listing, self.seed))
    }
}

/// What ids are refused as.
struct IdWords {
    kind: &'static str,
    malformed: &'static str,
    not_found: &'static str,
}

/// Returns the codes of ids, all of which have to be of something that is
/// there. Without ids there is nothing to return.
fn codes(
    ids: &[String],
    words: &IdWords,
    holding: &Holding,
    exists: impl Fn(u64) -> bool,
) -> Result<Option<BTreeSet<u64>>, ApiError> {
    if ids.is_empty() {
        return Ok(None);
    }
    let mut codes = BTreeSet::new();
    let mut missing = Vec::new();
    for given in ids {
        match id::parse(words.kind, holding.region, given) {
            None => {
                let message = format!("Invalid id: \"{given}\"");
                return Err(ApiError::new(400, words.malformed, message));
            }
            Some(code) if exists(code) => {
                codes.insert(code);
            }
            Some(_) => missing.push(given.as_str()),
        }
    }
    match missing[..] {
        [] => Ok(Some(codes)),
        [one] => Err(ApiError::new(400, words.not_found, format!("The ID '{one}' does not exist"))),
        _ => {
            let message = format!("The IDs '{}' do not exist", missing.join(", "));
            Err(ApiError::new(400, words.not_found, message))
        }
    }
}

/// Refuses filters other than those named, and patterns.
fn check_filters(filters: &[Filter], known: &[&str]) -> Result<(), ApiError> {
    for filter in filters {
        let name = filter.name.as_str();
        if !(known.contains(&name) || name.starts_with("tag:")) {
            let message = format!("The filter '{name}' is invalid, or not simulated");
            return Err(ApiError::new(400, "InvalidParameterValue", message));
        }
        if filter.values.iter().any(|value| value.contains(['*', '?'])) {
            let message = format!("The filter '{name}' has a pattern, which is not simulated");
            return Err(ApiError::new(400, "InvalidParameterValue", message));
        }
    }
    Ok(())
}
