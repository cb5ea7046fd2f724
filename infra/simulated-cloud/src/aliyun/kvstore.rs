//! R-KVStore, version 2015-01-01: Redis and Memcache.

use serde_json::{Value, json};

use super::arguments::{Field, Listing, engine, expiry, huge_tag, put_tags, spec, status, time};
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
    name: "r-kvstore",
    version: "2015-01-01",
    actions: &[
        Action::new("DescribeRegions", regions::of_caches).anywhere(),
        Action::new("DescribeInstances", describe).listing(Shape {
            items: &["Instances", "KVStoreInstance"],
            id: "InstanceId",
            status: &["InstanceStatus"],
            tags: huge_tag,
            total: &["TotalCount"],
        }),
    ],
    // Not confirmed: the vendor documents none for a region without Redis.
    closed: (404, "InvalidRegionId.NotFound", "The specified region is not found."),
};

/// The most that a page may hold, and what it holds where nobody says.
const SIZES: (usize, usize) = (50, 30);
/// The most ids that may be asked for.
const MOST_IDS: usize = 30;

const FIELDS: &[Field] = &[
    ("InstanceStatus", |holding, cache| status(holding, Family::Cache, cache).to_owned()),
    ("InstanceClass", |holding, cache| spec(holding, Family::Cache, cache)),
    ("InstanceType", |holding, cache| engine(holding, Family::Cache, cache).0.to_owned()),
    ("EngineVersion", |holding, cache| engine(holding, Family::Cache, cache).1.to_owned()),
    ("ChargeType", |_, cache| charge_type(cache).to_owned()),
    ("NetworkType", |_, _| "VPC".to_owned()),
    ("VpcId", |holding, _| holding.vpc_id()),
    ("VSwitchId", |holding, cache| holding.vswitch_id(cache.zone)),
    ("ZoneId", |holding, cache| holding.zone_id(cache.zone)),
    ("PrivateIp", |_, cache| cache.private_ip.map(|ip| ip.to_string()).unwrap_or_default()),
    ("ResourceGroupId", |holding, cache| holding.resource_group_id(cache.resource_group)),
];

fn describe(asked: &Asked<'_>) -> Result<Vec<u8>, ApiError> {
    let mut known: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
    known.extend(["InstanceIds", "PageNumber", "PageSize", "Tag"]);
    asked.params.only(&known)?;
    let paging = Paging::by_number(asked, SIZES)?;
    let state = asked.world().state();
    let holding = asked.region(&state)?;
    let ids = asked.params.comma_list("InstanceIds", MOST_IDS)?;
    let tags = filter::tags(asked.params)?;
    let listing = Listing { family: Family::Cache, ids, fields: FIELDS, tags };
    let page = listing.page(asked, holding, &paging);
    let items: Vec<Value> =
        page.items.iter().map(|(code, cache)| view(holding, *code, cache)).collect();
    ecs::json(&json!({
        "RequestId": asked.request_id,
        "PageNumber": page.number,
        "PageSize": page.size,
        "TotalCount": page.total,
        "Instances": { "KVStoreInstance": items },
    }))
}

fn view(holding: &Holding, code: u64, cache: &Managed) -> Value {
    let id = holding.managed_id(Family::Cache, code);
    let (kind, version) = engine(holding, Family::Cache, cache);
    let class = cache.class(Family::Cache);
    let connections = class.map_or(0, |class| class.connections);
    let mut view = json!({
        "InstanceId": id,
        "InstanceName": cache.name,
        "InstanceStatus": status(holding, Family::Cache, cache),
        "InstanceType": kind,
        "InstanceClass": spec(holding, Family::Cache, cache),
        "EngineVersion": version,
        "EditionType": "Community",
        "ArchitectureType": "standard",
        "NodeType": "double",
        "PackageType": "standard",
        "ConnectionDomain": format!("{id}.redis.rds.aliyuncs.com"),
        "ConnectionMode": "Standard",
        "PrivateIp": cache.private_ip.map(|ip| ip.to_string()).unwrap_or_default(),
        "Port": cache.engine(Family::Cache).map_or(0, |engine| engine.port),
        "Capacity": class.map_or(0, |class| class.memory_mib),
        "Bandwidth": 10,
        "Connections": connections,
        "QPS": u64::from(connections) * 10,
        "ChargeType": charge_type(cache),
        "NetworkType": "VPC",
        "UserName": id,
        "RegionId": holding.region.id,
        "ZoneId": holding.zone_id(cache.zone),
        "VpcId": holding.vpc_id(),
        "VSwitchId": holding.vswitch_id(cache.zone),
        "CreateTime": time(cache.created),
        "EndTime": expiry(cache),
        "DestroyTime": "",
        "ResourceGroupId": holding.resource_group_id(cache.resource_group),
        "HasRenewChangeOrder": false,
        "IsRds": true,
        "ReplacateId": "",
    });
    put_tags(&mut view, cache.tags.as_deref(), ("Key", "Value"));
    view
}

fn charge_type(cache: &Managed) -> &'static str {
    if cache.expires.is_some() { "PrePaid" } else { "PostPaid" }
}
