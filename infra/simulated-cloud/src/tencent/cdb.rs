//! CDB, version 2017-03-20: databases for MySQL.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::error::ApiError;
use super::{Action, Asked, Product};
use crate::front::Limit;
use crate::front::listing::Source;
use crate::front::spoil::Shape;
use crate::world::managed::{Condition, Managed};
use crate::world::model::Holding;
use crate::world::{Family, TruthManaged};

pub(super) static PRODUCT: Product = Product {
    service: "cdb",
    version: "2017-03-20",
    actions: &[Action {
        name: "DescribeDBInstances",
        regional: true,
        params: &["InstanceIds", "InstanceNames", "Status", "Offset", "Limit"],
        limit: Limit::A_SECOND,
        shape: Some(Shape {
            items: &["Items"],
            id: "InstanceId",
            status: &["Status"],
            tags: |item, key, value| {
                item["TagList"] = json!([{ "TagKey": key, "TagValue": value }]);
            },
            total: &["TotalCount"],
        }),
        answer: describe,
    }],
};

/// The most items of a page, and ids of a request.
const MOST: usize = 2000;

fn describe(asked: &Asked<'_>) -> Result<Value, ApiError> {
    let (offset, limit) = asked.params.page(MOST)?;
    let ids = asked.params.list("InstanceIds", MOST)?;
    let names = asked.params.list("InstanceNames", MOST)?;
    let statuses = asked.params.numbers("Status")?;
    let state = asked.world.state();
    let holding = asked.holding(&state)?;
    let wanted: BTreeSet<u64> =
        ids.iter().filter_map(|id| holding.find_managed(Family::Database, id)).collect();
    let source = Source {
        all: holding.managed(Family::Database),
        only: asked.admitted.visible((!ids.is_empty()).then_some(wanted)),
        filtered: !names.is_empty() || !statuses.is_empty(),
        most: usize::MAX,
        matches: |_, managed: &Managed| {
            (names.is_empty() || names.iter().any(|name| **name == *managed.name))
                && (statuses.is_empty() || statuses.contains(&status(managed)))
        },
    };
    let page = source.slice(offset, limit, &asked.admitted.faults);
    let items = page.items.iter().map(|(code, managed)| view(holding, *code, managed));
    Ok(json!({ "TotalCount": page.total, "Items": items.collect::<Vec<_>>() }))
}

fn status(managed: &Managed) -> u64 {
    match managed.condition {
        Condition::Creating => 0,
        Condition::Stopped => 5,
        Condition::Running | Condition::Changing | Condition::Restarting => 1,
    }
}

/// Writes a time as the product does: Beijing's, and without saying so.
fn time(time: Timestamp) -> String {
    (time + SignedDuration::from_hours(8)).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn view(holding: &Holding, code: u64, managed: &Managed) -> Value {
    let truth = TruthManaged::of(holding, Family::Database, code, managed);
    let class = managed.class(Family::Database);
    let (cpu, memory) = class.map_or((0, 0), |class| (class.cpu, class.memory_mib));
    let tags = truth.tags.iter().map(|(key, value)| json!({ "TagKey": key, "TagValue": value }));
    let is_public = managed.public_ip.is_some();
    let mut item = json!({
        "InstanceId": truth.id,
        "InstanceName": truth.name,
        "InstanceType": 1,
        "InstanceNodes": 2,
        "Status": status(managed),
        "TaskStatus": match managed.condition {
            Condition::Changing => 1,
            Condition::Restarting => 10,
            _ => 0,
        },
        "EngineVersion": truth.engine_version,
        "EngineType": "InnoDB",
        "Cpu": cpu,
        "Memory": memory,
        "Volume": truth.storage_gib,
        "DeviceType": "UNIVERSAL",
        "Region": holding.region.id,
        "Zone": truth.zone,
        "ZoneName": holding.region.chinese,
        "ProjectId": truth.resource_group.parse::<u64>().unwrap_or(0),
        "PayType": u8::from(!truth.prepaid),
        "CreateTime": time(truth.created),
        "DeadlineTime": truth.expires.map_or_else(|| "0000-00-00 00:00:00".to_owned(), time),
        "AutoRenew": 0,
        "InitFlag": 1,
        "ProtectMode": 0,
        "DeployMode": 0,
        "CdbError": 0,
        "UniqVpcId": truth.vpc,
        "UniqSubnetId": holding.vswitch_id(managed.zone),
        "Vip": managed.private_ip,
        "Vport": 3306,
        "WanStatus": u8::from(is_public),
        "WanDomain": "",
        "WanPort": 0,
        "TagList": tags.collect::<Vec<_>>(),
    });
    item["MasterInfo"] = Value::Null;
    item["RoGroups"] = json!([]);
    if is_public {
        item["WanDomain"] = json!(format!("{}.sql.tencentcdb.com", truth.id));
        item["WanPort"] = json!(10_000 + code % 50_000);
    }
    item
}
