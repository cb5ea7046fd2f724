//! SLB, version 2014-05-15: load balancers.

use serde_json::{Value, json};

use super::arguments::{Field, Listing, huge_tag_key, put_tags, spec, status, time};
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
    name: "slb",
    version: "2014-05-15",
    actions: &[
        Action::new("DescribeRegions", regions::plain).anywhere(),
        Action::new("DescribeLoadBalancers", describe).listing(Shape {
            items: &["LoadBalancers", "LoadBalancer"],
            id: "LoadBalancerId",
            status: &["LoadBalancerStatus"],
            tags: huge_tag_key,
            total: &["TotalCount"],
        }),
    ],
    closed: (403, "UserNotAllowed", "The user is not allowed, please submit the application."),
};

/// The most that a page may hold, and what it holds where nobody says.
const SIZES: (usize, usize) = (100, 10);
/// The most ids that may be asked for.
const MOST_IDS: usize = 10;

const FIELDS: &[Field] = &[
    ("LoadBalancerStatus", |holding, slb| status(holding, Family::Balancer, slb).to_owned()),
    ("AddressType", |_, slb| address_type(slb).to_owned()),
    ("Address", |_, slb| address(slb)),
    ("NetworkType", |_, slb| network_type(slb).to_owned()),
    ("PayType", |_, slb| pay_type(slb).to_owned()),
    ("MasterZoneId", |holding, slb| holding.zone_id(slb.zone)),
    ("VpcId", vpc),
    ("ResourceGroupId", |holding, slb| holding.resource_group_id(slb.resource_group)),
];

fn describe(asked: &Asked<'_>) -> Result<Vec<u8>, ApiError> {
    let mut known: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
    known.extend(["LoadBalancerId", "PageNumber", "PageSize", "Tag"]);
    asked.params.only(&known)?;
    // The vendor wants both or none.
    if asked.params.given("PageSize").is_some() {
        asked.params.require("PageNumber")?;
    }
    let paging = Paging::by_number(asked, SIZES)?;
    let state = asked.world().state();
    let holding = asked.region(&state)?;
    let ids = asked.params.comma_list("LoadBalancerId", MOST_IDS)?;
    let tags = filter::tags(asked.params)?;
    let listing = Listing { family: Family::Balancer, ids, fields: FIELDS, tags };
    let page = listing.page(asked, holding, &paging);
    let items: Vec<Value> =
        page.items.iter().map(|(code, slb)| view(holding, *code, slb)).collect();
    ecs::json(&json!({
        "RequestId": asked.request_id,
        "PageNumber": page.number,
        "PageSize": page.size,
        "TotalCount": page.total,
        "LoadBalancers": { "LoadBalancer": items },
    }))
}

fn view(holding: &Holding, code: u64, slb: &Managed) -> Value {
    let within = slb.private_ip.is_some();
    let mut view = json!({
        "LoadBalancerId": holding.managed_id(Family::Balancer, code),
        "LoadBalancerName": slb.name,
        "LoadBalancerStatus": status(holding, Family::Balancer, slb),
        "LoadBalancerSpec": spec(holding, Family::Balancer, slb),
        "Address": address(slb),
        "AddressIPVersion": "ipv4",
        "AddressType": address_type(slb),
        "NetworkType": network_type(slb),
        "VpcId": vpc(holding, slb),
        "VSwitchId": if within { holding.vswitch_id(slb.zone) } else { String::new() },
        "MasterZoneId": holding.zone_id(slb.zone),
        "SlaveZoneId": holding.zone_id(slb.zone),
        "RegionId": holding.region.id,
        "RegionIdAlias": holding.region.id,
        "CreateTime": time(slb.created).replacen(":00Z", "Z", 1),
        "CreateTimeStamp": slb.created * 60_000,
        "PayType": pay_type(slb),
        "InstanceChargeType": "PayBySpec",
        "InternetChargeType": "4",
        "InternetChargeTypeAlias": "paybytraffic",
        "Bandwidth": 5120,
        "DeleteProtection": "off",
        "ModificationProtectionStatus": "NonProtection",
        "ModificationProtectionReason": "",
        "ResourceGroupId": holding.resource_group_id(slb.resource_group),
    });
    put_tags(&mut view, slb.tags.as_deref(), ("TagKey", "TagValue"));
    view
}

fn address(slb: &Managed) -> String {
    slb.public_ip.or(slb.private_ip).map(|ip| ip.to_string()).unwrap_or_default()
}

fn address_type(slb: &Managed) -> &'static str {
    if slb.public_ip.is_some() { "internet" } else { "intranet" }
}

fn network_type(slb: &Managed) -> &'static str {
    if slb.private_ip.is_some() { "vpc" } else { "classic" }
}

fn vpc(holding: &Holding, slb: &Managed) -> String {
    if slb.private_ip.is_some() { holding.vpc_id() } else { String::new() }
}

fn pay_type(slb: &Managed) -> &'static str {
    if slb.expires.is_some() { "PrePay" } else { "PayOnDemand" }
}
