//! RDS, version 2014-08-15: databases.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::arguments::{Field, Listing, engine, expiry, spec, status, time};
use super::ecs::{self, filter};
use super::error::ApiError;
use super::paging::{Paging, Sizes};
use super::regions;
use super::rpc::{Action, Asked, Product};
use crate::front::listing::Source;
use crate::front::spoil::Shape;
use crate::world::Family;
use crate::world::managed::Managed;
use crate::world::model::{Holding, State};

pub(super) static PRODUCT: Product = Product {
    name: "rds",
    version: "2014-08-15",
    actions: &[
        Action::new("DescribeRegions", regions::of_databases).anywhere(),
        Action::new("DescribeDBInstances", describe).listing(SHAPE),
        Action::new("DescribeDBInstanceAttribute", attribute)
            .listing(Shape { items: &["Items", "DBInstanceAttribute"], ..SHAPE })
            .anywhere(),
        Action::new("DescribeDBInstanceNetInfo", net_info).anywhere(),
        Action::new("ListTagResources", list_tags),
        Action::new("DescribeTags", describe_tags),
    ],
    // Not confirmed: the vendor documents none for a region without RDS.
    closed: (404, "InvalidRegionId.NotFound", "The specified RegionId does not exist."),
};

const SHAPE: Shape = Shape {
    items: &["Items", "DBInstance"],
    id: "DBInstanceId",
    status: &["DBInstanceStatus"],
    // The listing has no tags: what is huge is beside what is read.
    tags: |item, key, value| item["DBInstanceDescription"] = json!(format!("{key}={value}")),
    total: &["TotalRecordCount"],
};

const SIZES: Sizes = Sizes { results: (1, 100, 30), lenient: false, page: (100, 30) };

/// The most ids that `DescribeDBInstanceAttribute` takes.
const MOST_IDS: usize = 30;
/// The most ids that `ListTagResources` takes, and how many databases a page
/// of tags is of.
const MOST_TAGGED: usize = 50;

const FIELDS: &[Field] = &[
    ("DBInstanceStatus", |holding, db| status(holding, Family::Database, db).to_owned()),
    ("DBInstanceClass", |holding, db| spec(holding, Family::Database, db)),
    ("Engine", |holding, db| engine(holding, Family::Database, db).0.to_owned()),
    ("EngineVersion", |holding, db| engine(holding, Family::Database, db).1.to_owned()),
    ("ZoneId", |holding, db| holding.zone_id(db.zone)),
    ("PayType", |_, db| pay_type(db).to_owned()),
    ("DBInstanceType", |_, _| "Primary".to_owned()),
    ("InstanceNetworkType", |_, _| "VPC".to_owned()),
    ("VpcId", |holding, _| holding.vpc_id()),
    ("ResourceGroupId", |holding, db| holding.resource_group_id(db.resource_group)),
];

fn describe(asked: &Asked<'_>) -> Result<Vec<u8>, ApiError> {
    let mut known: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
    known.extend(["DBInstanceId", "MaxResults", "NextToken", "PageNumber", "PageSize"]);
    asked.params.only(&known)?;
    let paging = Paging::read(asked, SIZES)?;
    let state = asked.world().state();
    let holding = asked.region(&state)?;
    // One id, and not a list: the vendor's documents say nothing of more.
    let ids = asked.params.given("DBInstanceId").map(|id| vec![id.to_owned()]);
    let listing = Listing { family: Family::Database, ids, fields: FIELDS, tags: Vec::new() };
    let page = listing.page(asked, holding, &paging);
    let items: Vec<Value> = page.items.iter().map(|(code, db)| view(holding, *code, db)).collect();
    ecs::json(&json!({
        "RequestId": asked.request_id,
        "NextToken": page.next_token,
        "PageNumber": page.number,
        "PageRecordCount": items.len(),
        "TotalRecordCount": page.total,
        "Items": { "DBInstance": items },
    }))
}

/// What both the listing and the attributes say.
fn view(holding: &Holding, code: u64, db: &Managed) -> Value {
    let id = holding.managed_id(Family::Database, code);
    let (name, version) = engine(holding, Family::Database, db);
    let class = db.class(Family::Database);
    let host = host(&id, db);
    json!({
        "DBInstanceId": id,
        "DBInstanceDescription": db.name,
        "DBInstanceStatus": status(holding, Family::Database, db),
        "DBInstanceType": "Primary",
        "DBInstanceClass": spec(holding, Family::Database, db),
        "DBInstanceCPU": class.map_or(0, |class| class.cpu).to_string(),
        "DBInstanceMemory": class.map_or(0, |class| class.memory_mib),
        "DBInstanceStorageType": "cloud_essd",
        "DBInstanceNetType": "Intranet",
        "InstanceNetworkType": "VPC",
        "ConnectionMode": "Standard",
        "ConnectionString": host,
        "Engine": name,
        "EngineVersion": version,
        "Category": "HighAvailability",
        "PayType": pay_type(db),
        "CreateTime": time(db.created),
        "ExpireTime": expiry(db),
        "DestroyTime": "",
        "LockMode": "Unlock",
        "LockReason": "",
        "RegionId": holding.region.id,
        "ZoneId": holding.zone_id(db.zone),
        "VpcId": holding.vpc_id(),
        "VSwitchId": holding.vswitch_id(db.zone),
        "VpcCloudInstanceId": id,
        "ResourceGroupId": holding.resource_group_id(db.resource_group),
        "DeletionProtection": false,
        "MutriORsignle": false,
        "ReadOnlyDBInstanceIds": { "ReadOnlyDBInstanceId": [] },
    })
}

fn pay_type(db: &Managed) -> &'static str {
    if db.expires.is_some() { "Prepaid" } else { "Postpaid" }
}

fn host(id: &str, db: &Managed) -> String {
    let prefix = db.engine(Family::Database).map_or("", |engine| engine.aliyun.2);
    format!("{id}.{prefix}.rds.aliyuncs.com")
}

fn port(db: &Managed) -> String {
    db.engine(Family::Database).map_or(0, |engine| engine.port).to_string()
}

/// Answers for the ids that exist; where none does, that none does. No region
/// is asked for: an id is one of some region.
fn attribute(asked: &Asked<'_>) -> Result<Vec<u8>, ApiError> {
    asked.params.only(&["DBInstanceId"])?;
    asked.params.require("DBInstanceId")?;
    let ids = asked.params.comma_list("DBInstanceId", MOST_IDS)?.unwrap_or_default();
    let state = asked.world().state();
    let found = ids.iter().filter_map(|id| find(asked, &state, id));
    let items: Vec<Value> =
        found.map(|(holding, code, db)| attributes(holding, code, db)).collect();
    if items.is_empty() && !asked.sees_nothing() {
        return Err(ApiError::no_such_database());
    }
    let items = json!({ "DBInstanceAttribute": items });
    ecs::json(&json!({ "RequestId": asked.request_id, "Items": items }))
}

/// Finds a database in the region that is named or, if none is, in any.
fn find<'s>(
    asked: &Asked<'_>,
    state: &'s State,
    id: &str,
) -> Option<(&'s Holding, u64, &'s Managed)> {
    let region = asked.call.region.as_str();
    let holdings = state.accounts.get(asked.account)?.holdings.values();
    let mut holdings = holdings.filter(|each| region.is_empty() || each.region.id == region);
    let found = holdings.find_map(|holding| {
        let code = holding.find_managed(Family::Database, id)?;
        Some((holding, code, holding.managed(Family::Database).get(&code)?))
    });
    found.filter(|_| !asked.sees_nothing())
}

fn attributes(holding: &Holding, code: u64, db: &Managed) -> Value {
    let mut view = view(holding, code, db);
    let class = db.class(Family::Database);
    if let Some(fields) = view.as_object_mut() {
        // The same under another name, and what only the listing has.
        let created = fields.remove("CreateTime").unwrap_or_default();
        fields.remove("DestroyTime");
        fields.remove("MutriORsignle");
        fields.insert("CreationTime".to_owned(), created);
    }
    view["DBInstanceStorage"] = json!(db.size);
    view["MaxConnections"] = json!(class.map_or(0, |class| class.connections));
    view["MaxIOPS"] = json!(1800 + db.size * 50);
    view["Port"] = json!(port(db));
    view["SecurityIPList"] = json!("127.0.0.1");
    view["MaintainTime"] = json!("18:00Z-22:00Z");
    view
}

fn net_info(asked: &Asked<'_>) -> Result<Vec<u8>, ApiError> {
    asked.params.only(&["DBInstanceId"])?;
    let id = asked.params.require("DBInstanceId")?;
    let state = asked.world().state();
    let found = find(asked, &state, id);
    if found.is_none() && !asked.sees_nothing() {
        return Err(ApiError::no_such_database());
    }
    let infos = found.map_or_else(Vec::new, |(holding, code, db)| connections(holding, code, db));
    ecs::json(&json!({
        "RequestId": asked.request_id,
        "InstanceNetworkType": "VPC",
        "SecurityIPMode": "normal",
        "DBInstanceNetInfos": { "DBInstanceNetInfo": infos },
    }))
}

/// Returns how a database is reached: from its network and, of some, from
/// the internet.
fn connections(holding: &Holding, code: u64, db: &Managed) -> Vec<Value> {
    let id = holding.managed_id(Family::Database, code);
    let host = host(&id, db);
    let within = db.private_ip.map(|ip| {
        json!({
            "ConnectionString": host,
            "ConnectionStringType": "Normal",
            "IPAddress": ip,
            "IPType": "Private",
            "Port": port(db),
            "VPCId": holding.vpc_id(),
            "VSwitchId": holding.vswitch_id(db.zone),
            "Upgradeable": "Disabled",
        })
    });
    let public = db.public_ip.map(|ip| {
        json!({
            "ConnectionString": host.replacen('.', "-pub.", 1),
            "ConnectionStringType": "Normal",
            "IPAddress": ip,
            "IPType": "Public",
            "Port": port(db),
            "VPCId": "",
            "VSwitchId": "",
            "Upgradeable": "Disabled",
        })
    });
    within.into_iter().chain(public).collect()
}

/// Answers with the tags of databases, some databases a page.
fn list_tags(asked: &Asked<'_>) -> Result<Vec<u8>, ApiError> {
    asked.params.only(&["ResourceType", "ResourceId", "NextToken", "Tag"])?;
    if !asked.params.require("ResourceType")?.eq_ignore_ascii_case("INSTANCE") {
        return Err(ApiError::invalid("ResourceType"));
    }
    let ids = asked.params.numbered("ResourceId", MOST_TAGGED)?;
    let wanted = filter::tags(asked.params)?;
    let paging = Paging::by_token(asked, MOST_TAGGED)?;
    let state = asked.world().state();
    let holding = asked.region(&state)?;
    let found = ids.iter().filter_map(|id| holding.find_managed(Family::Database, id));
    let source = Source {
        all: holding.managed(Family::Database),
        only: asked.visible((!ids.is_empty()).then(|| found.collect())),
        filtered: true,
        most: usize::MAX,
        matches: |_, db: &Managed| filter::has_tags(db.tags(), &wanted),
    };
    let page = paging.list(&source, asked);
    let tags: Vec<Value> = page
        .items
        .iter()
        .flat_map(|(code, db)| {
            let id = holding.managed_id(Family::Database, *code);
            db.tags().iter().map(move |(key, value)| {
                json!({
                    "ResourceId": id,
                    "ResourceType": "ALIYUN::RDS::INSTANCE",
                    "TagKey": key,
                    "TagValue": value,
                })
            })
        })
        .collect();
    ecs::json(&json!({
        "RequestId": asked.request_id,
        "NextToken": page.next_token,
        "TagResources": { "TagResource": tags },
    }))
}

/// Answers with every tag there is, each with the databases that have it.
fn describe_tags(asked: &Asked<'_>) -> Result<Vec<u8>, ApiError> {
    asked.params.only(&["DBInstanceId"])?;
    let state = asked.world().state();
    let holding = asked.region(&state)?;
    let wanted = asked.params.given("DBInstanceId");
    let mut tags: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for (code, db) in holding.managed(Family::Database) {
        let id = holding.managed_id(Family::Database, *code);
        if asked.sees_nothing() || wanted.is_some_and(|wanted| wanted != id) {
            continue;
        }
        for (key, value) in db.tags() {
            tags.entry((key, value)).or_default().push(id.clone());
        }
    }
    let infos: Vec<Value> = tags
        .into_iter()
        .map(|((key, value), ids)| {
            let ids = json!({ "DBInstanceIds": ids });
            json!({ "TagKey": key, "TagValue": value, "DBInstanceIds": ids })
        })
        .collect();
    ecs::json(&json!({ "RequestId": asked.request_id, "Items": { "TagInfos": infos } }))
}
