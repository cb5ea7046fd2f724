//! RDS, version 2014-10-31: databases.

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
    service: "rds",
    version: "2014-10-31",
    namespace: "http://rds.amazonaws.com/doc/2014-10-31/",
    style: Style::Query,
    regional: true,
    limit: Limit::BUCKET,
    actions: &[Action {
        name: "DescribeDBInstances",
        params: &["DBInstanceIdentifier", "Filters", "MaxRecords", "Marker"],
        shape: Some(Shape {
            items: &["DBInstances", "DBInstance"],
            id: "DBInstanceIdentifier",
            status: &["DBInstanceStatus"],
            tags: |item, key, value| {
                item["TagList"] = json!({ "Tag": [{ "Key": key, "Value": value }] });
            },
            total: &[],
        }),
        answer: describe,
    }],
};

fn describe(asked: &Asked<'_>) -> Result<Value, ApiError> {
    let page = Page::read(asked)?;
    let state = asked.world.state();
    let holding = asked.holding(&state)?;
    let all = holding.managed(Family::Database);
    let find = |given: &str| {
        // An identifier may be given as the whole name of the resource.
        let given = given.rsplit_once(":db:").map_or(given, |(_, given)| given);
        holding.find_managed(Family::Database, given)
    };
    let only = match asked.params.given("DBInstanceIdentifier") {
        Some(given) => Some(BTreeSet::from([find(given).ok_or_else(|| not_found(given))?])),
        None => filtered(asked)?.map(|ids| ids.iter().filter_map(|id| find(id)).collect()),
    };
    let source = Source {
        all,
        only: asked.admitted.visible(only),
        filtered: false,
        most: usize::MAX,
        matches: |_, _: &Managed| true,
    };
    let found = source.after(page.position, page.size, &asked.admitted.faults);
    let owner = number(asked.admitted.account);
    let items = found.items.iter().map(|(code, managed)| view(holding, *code, managed, &owner));
    let items = json!({ "DBInstance": items.collect::<Vec<_>>() });
    Ok(page.reply(json!({ "DBInstances": items }), found.next))
}

fn not_found(id: &str) -> ApiError {
    ApiError::new(404, "DBInstanceNotFound", format!("DBInstance {id} not found."))
}

/// Returns the ids of the one filter that is simulated.
fn filtered(asked: &Asked<'_>) -> Result<Option<Vec<String>>, ApiError> {
    match asked.params.given("Filters.Filter.1.Name") {
        None => Ok(None),
        Some("db-instance-id") if asked.params.get("Filters.Filter.2.Name").is_empty() => {
            Ok(Some(asked.params.list("Filters.Filter.1.Values.Value")))
        }
        Some(name) => {
            let message = format!("Unrecognized filter name, or not simulated: {name}");
            Err(ApiError::new(400, "InvalidParameterValue", message))
        }
    }
}

fn view(holding: &Holding, code: u64, managed: &Managed, owner: &str) -> Value {
    let truth = TruthManaged::of(holding, Family::Database, code, managed);
    let region = holding.region.id;
    let engine = managed.engine(Family::Database);
    let groups = [json!({ "VpcSecurityGroupId": holding.group_id(0), "Status": "active" })];
    let tags = truth.tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value }));
    let mut item = json!({
        "DBInstanceIdentifier": truth.id,
        "DBInstanceClass": truth.spec,
        "Engine": truth.engine,
        "EngineVersion": truth.engine_version,
        "DBInstanceStatus": truth.status,
        "MasterUsername": "admin",
        "AllocatedStorage": truth.storage_gib,
        "PreferredBackupWindow": "03:00-03:30",
        "PreferredMaintenanceWindow": "sun:04:00-sun:04:30",
        "BackupRetentionPeriod": 7,
        "VpcSecurityGroups": { "VpcSecurityGroupMembership": groups },
        "DBSubnetGroup": {
            "DBSubnetGroupName": "default",
            "VpcId": truth.vpc,
            "SubnetGroupStatus": "Complete",
        },
        "MultiAZ": false,
        "AutoMinorVersionUpgrade": true,
        "LicenseModel": "general-public-license",
        "PubliclyAccessible": managed.public_ip.is_some(),
        "StorageType": "gp3",
        "StorageEncrypted": false,
        "DbiResourceId": format!("db-{}", id::short(code).to_uppercase()),
        "DBInstanceArn": format!("arn:aws:rds:{region}:{owner}:db:{}", truth.id),
        "TagList": { "Tag": tags.collect::<Vec<_>>() },
        "DeletionProtection": false,
    });
    // What is being created has no place and no name to reach it by yet.
    if managed.condition != Condition::Creating {
        item["AvailabilityZone"] = json!(truth.zone);
        item["InstanceCreateTime"] = json!(timestamp(truth.created));
        item["Endpoint"] = json!({
            "Address": format!("{}.{}.{region}.rds.amazonaws.com", truth.id, id::short(holding.salt)),
            "Port": engine.map_or(0, |engine| engine.port),
            "HostedZoneId": "Z2R2ITUGPM61AM",
        });
    }
    item
}
