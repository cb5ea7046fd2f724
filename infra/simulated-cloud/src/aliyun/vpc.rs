//! VPC, version 2016-04-28: elastic addresses.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::arguments::{Field, Listing, expiry, huge_tag, put_tags, status, time};
use super::ecs::{self, filter};
use super::error::ApiError;
use super::paging::Paging;
use super::regions;
use super::rpc::{Action, Asked, Product};
use crate::front::spoil::Shape;
use crate::world::Family;
use crate::world::managed::Managed;
use crate::world::model::Holding;

pub(super) static PRODUCT: Product = Product {
    name: "vpc",
    version: "2016-04-28",
    actions: &[
        Action::new("DescribeRegions", regions::plain).anywhere(),
        Action::new("DescribeEipAddresses", describe).listing(Shape {
            items: &["EipAddresses", "EipAddress"],
            id: "AllocationId",
            status: &["Status"],
            tags: huge_tag,
            total: &["TotalCount"],
        }),
    ],
    // Not confirmed: every region that has ECS has networks.
    closed: (404, "InvalidRegionId.NotFound", "The specified RegionId does not exist."),
};

/// The most that a page may hold, and what it holds where nobody says.
const SIZES: (usize, usize) = (100, 10);
/// The most ids, or addresses, that may be asked for.
const MOST_IDS: usize = 50;

const FIELDS: &[Field] = &[
    ("Status", |holding, eip| status(holding, Family::Address, eip).to_owned()),
    ("EipName", |_, eip| eip.name.to_string()),
    ("ChargeType", |_, eip| charge_type(eip).to_owned()),
    ("AssociatedInstanceType", |_, eip| holder_type(eip).to_owned()),
    ("AssociatedInstanceId", holder),
    ("ResourceGroupId", |holding, eip| holding.resource_group_id(eip.resource_group)),
];

fn describe(asked: &Asked<'_>) -> Result<Vec<u8>, ApiError> {
    let mut known: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
    known.extend(["AllocationId", "EipAddress", "PageNumber", "PageSize", "Tag"]);
    asked.params.only(&known)?;
    let paging = Paging::by_number(asked, SIZES)?;
    let state = asked.world().state();
    let holding = asked.region(&state)?;
    let listing = Listing {
        family: Family::Address,
        ids: ids(asked, holding)?,
        fields: FIELDS,
        tags: filter::tags(asked.params)?,
    };
    let page = listing.page(asked, holding, &paging);
    let items: Vec<Value> =
        page.items.iter().map(|(code, eip)| view(holding, *code, eip)).collect();
    ecs::json(&json!({
        "RequestId": asked.request_id,
        "PageNumber": page.number,
        "PageSize": page.size,
        "TotalCount": page.total,
        "EipAddresses": { "EipAddress": items },
    }))
}

/// Returns the ids that are asked for, by themselves or by their addresses.
/// With both, those that are in both.
fn ids(asked: &Asked<'_>, holding: &Holding) -> Result<Option<Vec<String>>, ApiError> {
    let ids = asked.params.comma_list("AllocationId", MOST_IDS)?;
    let Some(addresses) = asked.params.comma_list("EipAddress", MOST_IDS)? else {
        return Ok(ids);
    };
    let addresses: BTreeSet<String> = addresses.into_iter().collect();
    let has = |eip: &Managed| eip.public_ip.is_some_and(|ip| addresses.contains(&ip.to_string()));
    let found = holding.managed(Family::Address).iter().filter(|(_, eip)| has(eip));
    let found = found.map(|(code, _)| holding.managed_id(Family::Address, *code));
    Ok(Some(found.filter(|id| ids.as_ref().is_none_or(|ids| ids.contains(id))).collect()))
}

fn view(holding: &Holding, code: u64, eip: &Managed) -> Value {
    let mut view = json!({
        "AllocationId": holding.managed_id(Family::Address, code),
        "IpAddress": eip.public_ip.map(|ip| ip.to_string()).unwrap_or_default(),
        "Name": eip.name,
        "Description": "",
        "Status": status(holding, Family::Address, eip),
        "InstanceId": holder(holding, eip),
        "InstanceType": holder_type(eip),
        "InstanceRegionId": if eip.bound.is_some() { holding.region.id } else { "" },
        "PrivateIpAddress": "",
        // A number, written as a text.
        "Bandwidth": eip.size.to_string(),
        "EipBandwidth": eip.size.to_string(),
        "InternetChargeType": "PayByTraffic",
        "ChargeType": charge_type(eip),
        "AllocationTime": time(eip.created),
        "ExpiredTime": expiry(eip),
        "RegionId": holding.region.id,
        "ResourceGroupId": holding.resource_group_id(eip.resource_group),
        "ISP": "BGP",
        "Netmode": "public",
        "Mode": "NAT",
        "BusinessStatus": "Normal",
        "DeletionProtection": false,
        "SecondLimited": false,
        "HDMonitorStatus": "OFF",
        "HasReservationData": "false",
        "ServiceManaged": 0,
        "OperationLocks": { "LockReason": [] },
    });
    put_tags(&mut view, eip.tags.as_deref(), ("Key", "Value"));
    view
}

fn holder(holding: &Holding, eip: &Managed) -> String {
    eip.bound.map(|instance| holding.instance_id(instance)).unwrap_or_default()
}

fn holder_type(eip: &Managed) -> &'static str {
    if eip.bound.is_some() { "EcsInstance" } else { "" }
}

fn charge_type(eip: &Managed) -> &'static str {
    if eip.expires.is_some() { "PrePaid" } else { "PostPaid" }
}
