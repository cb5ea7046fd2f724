//! CVM, version 2017-03-12: instances and regions.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::cvm_view::view;
use super::error::ApiError;
use super::params::Filter;
use super::{Action, Asked, Product, Provider};
use crate::front::Limit;
use crate::front::listing::{Sliced, Source};
use crate::front::spoil::Shape;
use crate::world::TruthInstance;
use crate::world::id;
use crate::world::model::{Holding, Instance};

pub(super) static PRODUCT: Product = Product {
    service: "cvm",
    version: "2017-03-12",
    actions: &[
        Action {
            name: "DescribeInstances",
            regional: true,
            params: &["InstanceIds", "Filters", "Offset", "Limit"],
            limit: Limit::A_SECOND.documented(40),
            shape: Some(Shape {
                items: &["InstanceSet"],
                id: "InstanceId",
                status: &["InstanceState"],
                tags: |item, key, value| item["Tags"] = json!([{ "Key": key, "Value": value }]),
                total: &["TotalCount"],
            }),
            answer: describe,
        },
        Action {
            name: "DescribeInstancesStatus",
            regional: true,
            params: &["InstanceIds", "Offset", "Limit"],
            limit: Limit::A_SECOND,
            shape: Some(Shape {
                items: &["InstanceStatusSet"],
                id: "InstanceId",
                status: &["InstanceState"],
                tags: |_, _, _| {},
                total: &["TotalCount"],
            }),
            answer: describe_status,
        },
        Action {
            name: "DescribeRegions",
            regional: false,
            params: &[],
            limit: Limit::A_SECOND,
            shape: None,
            answer: regions,
        },
    ],
};

/// The most items of a page, and ids of a request.
const MOST: usize = 100;

fn describe(asked: &Asked<'_>) -> Result<Value, ApiError> {
    let filters = asked.params.filters()?;
    list(asked, &filters, |page, holding| {
        let items = page.items.iter().map(|(code, instance)| view(holding, *code, instance));
        json!({ "TotalCount": page.total, "InstanceSet": items.collect::<Vec<_>>() })
    })
}

fn describe_status(asked: &Asked<'_>) -> Result<Value, ApiError> {
    list(asked, &[], |page, holding| {
        let items = page.items.iter().map(|(code, instance)| {
            json!({
                "InstanceId": holding.instance_id(*code),
                "InstanceState": holding.catalog().status_word(instance.status),
            })
        });
        json!({ "TotalCount": page.total, "InstanceStatusSet": items.collect::<Vec<_>>() })
    })
}

fn list(
    asked: &Asked<'_>,
    filters: &[Filter],
    write: impl Fn(&Sliced<'_, Instance>, &Holding) -> Value,
) -> Result<Value, ApiError> {
    let (offset, limit) = asked.params.page(MOST)?;
    let ids = asked.params.list("InstanceIds", MOST)?;
    if !ids.is_empty() && !filters.is_empty() {
        let message = "`InstanceIds` and `Filters` cannot be given both.";
        return Err(ApiError::new("InvalidParameter", message));
    }
    if let Some(unknown) = filters.iter().find(|filter| !is_known(filter)) {
        let message = format!("The filter `{}` is not supported.", unknown.name);
        return Err(ApiError::new("InvalidFilter", message));
    }
    let state = asked.world.state();
    let holding = asked.holding(&state)?;
    let malformed = |given: &&String| id::parse("i", holding.region, given).is_none();
    if let Some(malformed) = ids.iter().find(malformed) {
        return Err(ApiError::malformed_id(malformed));
    }
    let wanted: BTreeSet<u64> = ids.iter().filter_map(|given| holding.find(given)).collect();
    let source = Source {
        all: &holding.instances,
        only: asked.admitted.visible((!ids.is_empty()).then_some(wanted)),
        filtered: !filters.is_empty(),
        most: usize::MAX,
        matches: |code, instance: &Instance| matches(holding, code, instance, filters),
    };
    Ok(write(&source.slice(offset, limit, &asked.admitted.faults), holding))
}

fn is_known(filter: &Filter) -> bool {
    const KNOWN: [&str; 12] = [
        "zone",
        "project-id",
        "instance-id",
        "instance-name",
        "instance-state",
        "instance-type",
        "instance-charge-type",
        "vpc-id",
        "security-group-id",
        "private-ip-address",
        "public-ip-address",
        "tag-key",
    ];
    KNOWN.contains(&filter.name.as_str()) || filter.name.starts_with("tag:")
}

/// Tells whether an instance fits every filter, which is to fit one of its
/// values. Names fit by a part of theirs.
fn matches(holding: &Holding, code: u64, instance: &Instance, filters: &[Filter]) -> bool {
    if filters.is_empty() {
        return true;
    }
    let truth = TruthInstance::of(holding, code, instance);
    filters.iter().all(|filter| filter.values.iter().any(|value| fits(&truth, &filter.name, value)))
}

fn fits(truth: &TruthInstance, name: &str, value: &str) -> bool {
    let is_address = |address: &std::net::Ipv4Addr| address.to_string() == value;
    match name {
        "zone" => truth.zone == value,
        "project-id" => truth.resource_group == value,
        "instance-id" => truth.id == value,
        "instance-name" => truth.name.contains(value),
        "instance-state" => truth.status == value,
        "instance-type" => truth.instance_type == value,
        "instance-charge-type" => truth.charge_type == value,
        "vpc-id" => truth.vpc == value,
        "security-group-id" => truth.security_groups.iter().any(|group| group == value),
        "private-ip-address" => truth.private_ips.iter().any(is_address),
        "public-ip-address" => truth.public_ips.iter().any(is_address),
        "tag-key" => truth.tags.contains_key(value),
        _ => {
            let key = name.strip_prefix("tag:").unwrap_or_default();
            truth.tags.get(key).is_some_and(|tag| tag == value)
        }
    }
}

fn regions(asked: &Asked<'_>) -> Result<Value, ApiError> {
    let mut offered = asked.world.offered(Provider::Tencent);
    if asked.admitted.sees_nothing() {
        offered.clear();
    }
    let region = offered.iter().map(|region| {
        json!({
            "Region": region.id,
            "RegionName": region.chinese,
            "RegionState": "AVAILABLE",
        })
    });
    Ok(json!({ "TotalCount": offered.len(), "RegionSet": region.collect::<Vec<_>>() }))
}
