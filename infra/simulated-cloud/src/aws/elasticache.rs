//! ElastiCache, version 2015-02-02: clusters of caches, and their tags.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::error::{ApiError, Style};
use super::marker::Page;
use super::{Action, Asked, Product, number, timestamp};
use crate::front::Limit;
use crate::front::listing::Source;
use crate::front::spoil::Shape;
use crate::world::managed::{Condition, Managed};
use crate::world::model::Holding;
use crate::world::{Family, TruthManaged, id};

pub(super) static PRODUCT: Product = Product {
    service: "elasticache",
    version: "2015-02-02",
    namespace: "http://elasticache.amazonaws.com/doc/2015-02-02/",
    style: Style::Query,
    regional: true,
    limit: Limit::BUCKET,
    actions: &[
        Action {
            name: "DescribeCacheClusters",
            params: &["CacheClusterId", "ShowCacheNodeInfo", "MaxRecords", "Marker"],
            shape: Some(Shape {
                items: &["CacheClusters", "CacheCluster"],
                id: "CacheClusterId",
                status: &["CacheClusterStatus"],
                tags: |_, _, _| {},
                total: &[],
            }),
            answer: describe,
        },
        Action {
            name: "ListTagsForResource",
            params: &["ResourceName"],
            shape: None,
            answer: list_tags,
        },
    ],
};

fn describe(asked: &Asked<'_>) -> Result<Value, ApiError> {
    let page = Page::read(asked)?;
    let with_nodes = asked.params.flag("ShowCacheNodeInfo")?.unwrap_or(false);
    let state = asked.world.state();
    let holding = asked.holding(&state)?;
    let only = match asked.params.given("CacheClusterId") {
        Some(given) => {
            let code = holding.find_managed(Family::Cache, given);
            Some(BTreeSet::from([code.ok_or_else(|| not_found(given))?]))
        }
        None => None,
    };
    let source = Source {
        all: holding.managed(Family::Cache),
        only: asked.admitted.visible(only),
        filtered: false,
        most: usize::MAX,
        matches: |_, _: &Managed| true,
    };
    let found = source.after(page.position, page.size, &asked.admitted.faults);
    let owner = number(asked.admitted.account);
    let items = found.items.iter().map(|(code, managed)| {
        let mut item = view(holding, *code, managed, &owner);
        if with_nodes {
            item["CacheNodes"] = json!({ "CacheNode": nodes(holding, *code, managed) });
        }
        item
    });
    let items = json!({ "CacheCluster": items.collect::<Vec<_>>() });
    Ok(page.reply(json!({ "CacheClusters": items }), found.next))
}

fn not_found(id: &str) -> ApiError {
    ApiError::new(404, "CacheClusterNotFound", format!("CacheCluster not found: {id}"))
}

fn view(holding: &Holding, code: u64, managed: &Managed, owner: &str) -> Value {
    let truth = TruthManaged::of(holding, Family::Cache, code, managed);
    let groups = [json!({ "SecurityGroupId": holding.group_id(0), "Status": "active" })];
    let arn = format!("arn:aws:elasticache:{}:{owner}:cluster:{}", holding.region.id, truth.id);
    let mut item = json!({
        "CacheClusterId": truth.id,
        "CacheNodeType": truth.spec,
        "Engine": truth.engine,
        "EngineVersion": truth.engine_version,
        "CacheClusterStatus": truth.status,
        "NumCacheNodes": 1,
        "PreferredAvailabilityZone": truth.zone,
        "PreferredMaintenanceWindow": "sun:04:00-sun:05:00",
        "CacheSubnetGroupName": "default",
        "AutoMinorVersionUpgrade": true,
        "SecurityGroups": { "member": groups },
        "SnapshotRetentionLimit": 0,
        "ARN": arn,
    });
    if managed.condition != Condition::Creating {
        item["CacheClusterCreateTime"] = json!(timestamp(truth.created));
    }
    // Only this engine has one address for all nodes.
    if truth.engine == "memcached" {
        item["ConfigurationEndpoint"] = endpoint(holding, code, managed, "cfg");
    }
    item
}

fn endpoint(holding: &Holding, code: u64, managed: &Managed, node: &str) -> Value {
    let cluster = holding.managed_id(Family::Cache, code);
    let (own, region) = (id::short(holding.salt), holding.region.id);
    json!({
        "Address": format!("{cluster}.{own}.{node}.{region}.cache.amazonaws.com"),
        "Port": managed.engine(Family::Cache).map_or(0, |engine| engine.port),
    })
}

fn nodes(holding: &Holding, code: u64, managed: &Managed) -> Vec<Value> {
    if managed.condition == Condition::Creating {
        return Vec::new();
    }
    let truth = TruthManaged::of(holding, Family::Cache, code, managed);
    vec![json!({
        "CacheNodeId": "0001",
        "CacheNodeStatus": truth.status,
        "CacheNodeCreateTime": timestamp(truth.created),
        "Endpoint": endpoint(holding, code, managed, "0001"),
        "ParameterGroupStatus": "in-sync",
        "CustomerAvailabilityZone": truth.zone,
    })]
}

/// Answers `ListTagsForResource`: a listing of clusters is without tags.
fn list_tags(asked: &Asked<'_>) -> Result<Value, ApiError> {
    let name = asked.params.require("ResourceName")?;
    let state = asked.world.state();
    let holding = asked.holding(&state)?;
    let id = name.rsplit_once(":cluster:").map_or(name, |(_, id)| id);
    let code = holding.find_managed(Family::Cache, id).ok_or_else(|| not_found(id))?;
    let managed = &holding.managed(Family::Cache)[&code];
    let truth = TruthManaged::of(holding, Family::Cache, code, managed);
    let tags = truth.tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value }));
    Ok(json!({ "TagList": { "Tag": tags.collect::<Vec<_>>() } }))
}
