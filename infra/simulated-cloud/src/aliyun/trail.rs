//! `ActionTrail`, version 2020-07-06: `LookupEvents`.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};

use super::ecs;
use super::error::ApiError;
use super::paging::listing;
use super::params::Params;
use super::rpc::{Action, Asked, Product};
use crate::front::Limit;
use crate::front::listing::bent;
use crate::front::token::{self, Position};
use crate::world::id::scatter;
use crate::world::trail::Entry;
use crate::world::{Change, Family, Happening};

pub(super) static PRODUCT: Product = Product {
    name: "actiontrail",
    version: "2020-07-06",
    actions: &[Action::new("LookupEvents", lookup).limited(LIMIT)],
    closed: (403, "NotActivated", "ActionTrail is not activated."),
};

/// An account may look so often, whatever the region.
const LIMIT: Limit = Limit::A_SECOND.everywhere().documented(2);
/// How far back the record reaches.
const WINDOW: SignedDuration = SignedDuration::from_hours(7 * 24);
/// The most that a page may hold, and what it holds where nobody says.
const SIZES: (usize, usize) = (50, 20);

/// What is looked for.
struct Wanted<'a> {
    from: Timestamp,
    until: Timestamp,
    /// The one condition, by its key.
    condition: Option<(&'a str, &'a str)>,
    size: usize,
    after: Option<Position>,
    forward: bool,
}

impl<'a> Wanted<'a> {
    fn read(asked: &Asked<'a>, listing: &str, now: Timestamp, seed: u64) -> Result<Self, ApiError> {
        let params = asked.params;
        let (from, until) = span(params, now)?;
        if params.given("LookupAttribute.2.Key").is_some() {
            return Err(ApiError::not_simulated("LookupAttribute.2"));
        }
        let condition = match params.given("LookupAttribute.1.Key") {
            Some(key) => Some((key, params.require("LookupAttribute.1.Value")?)),
            None => None,
        };
        let known =
            ["EventRW", "ServiceName", "EventName", "ResourceType", "ResourceName", "EventId"];
        if condition.is_some_and(|(key, _)| !known.contains(&key)) {
            return Err(ApiError::not_simulated("LookupAttribute.1.Key"));
        }
        let size = params.number("MaxResults")?.unwrap_or(SIZES.1);
        if size > SIZES.0 {
            return Err(ApiError::invalid("MaxResults"));
        }
        let given = params.given("NextToken");
        if given.is_some() && asked.rejects_token() {
            return Err(ApiError::invalid_token());
        }
        let after =
            given.map(|text| token::open(text, listing, seed).ok_or_else(ApiError::invalid_token));
        let forward = match params.get("Direction") {
            "" | "BACKWARD" => false,
            "FORWARD" => true,
            _ => return Err(ApiError::invalid("Direction")),
        };
        Ok(Self { from, until, condition, size, after: after.transpose()?, forward })
    }

    fn fits(&self, event: &Value) -> bool {
        let Some((key, value)) = self.condition else { return true };
        let field = match key {
            "EventRW" => "eventRW",
            "ServiceName" => "serviceName",
            "EventName" => "eventName",
            "ResourceType" => "resourceType",
            "ResourceName" => "resourceName",
            _ => "eventId",
        };
        event[field] == value
    }

    fn is_beyond(&self, position: u64) -> bool {
        self.after.is_none_or(|after| match self.forward {
            true => position > after.after,
            false => position < after.after,
        })
    }
}

/// Reads between which times events are looked for: both are given or none.
fn span(params: &Params, now: Timestamp) -> Result<(Timestamp, Timestamp), ApiError> {
    let earliest = now - WINDOW;
    let read = |name: &str| {
        let parse = |text: &str| text.parse().map_err(|_| ApiError::invalid(name));
        params.given(name).map(parse).transpose()
    };
    let (from, until) = match (read("StartTime")?, read("EndTime")?) {
        (None, None) => (earliest, now),
        (Some(from), Some(until)) => (from, until),
        (None, Some(_)) => return Err(ApiError::missing("StartTime")),
        (Some(_), None) => return Err(ApiError::missing("EndTime")),
    };
    match from {
        _ if from > until => Err(ApiError::invalid("EndTime")),
        _ if from < earliest => Err(ApiError::too_long_ago()),
        from => Ok((from, until)),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Reply<'a> {
    request_id: &'a str,
    start_time: String,
    end_time: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    next_token: String,
    events: Vec<Value>,
}

/// Answers `LookupEvents`, as JSON.
fn lookup(asked: &Asked<'_>) -> Result<Vec<u8>, ApiError> {
    let now = asked.now;
    let (call, seed) = (&asked.call, asked.world().seed());
    let listing = listing(&call.account, asked.params);
    let wanted = Wanted::read(asked, &listing, now, seed)?;
    let state = asked.world().state();
    // The log is in the order of time, so the end that is looked at is short.
    let recent = state.log.iter().rev().take_while(|entry| second(entry.at) >= second(wanted.from));
    let mut entries: Vec<&Entry> = recent
        .filter(|entry| second(entry.at) <= second(wanted.until))
        .filter(|entry| entry.shows_at.is_some_and(|shows| shows <= now))
        .filter(|entry| entry.event.which.account == call.account)
        .filter(|entry| entry.event.which.region == call.region)
        .filter(|_| !asked.sees_nothing())
        .collect();
    if wanted.forward {
        entries.reverse();
    }
    let mut found = entries
        .into_iter()
        .flat_map(|entry| views(entry, wanted.forward, seed))
        .filter(|(position, event)| wanted.is_beyond(*position) && wanted.fits(event))
        .peekable();
    let (size, _) = bent(wanted.size, &asked.faults);
    let (mut events, mut last) = (Vec::new(), wanted.after.map_or(0, |position| position.after));
    while events.len() < size
        && let Some((position, event)) = found.next()
    {
        last = position;
        events.push(event);
    }
    let is_more = found.peek().is_some() && !events.is_empty();
    let listed = wanted.after.map_or(0, |position| position.listed);
    let listed = listed.saturating_add(u32::try_from(events.len()).unwrap_or(u32::MAX));
    let next = || token::seal(Position { after: last, listed }, &listing, seed);
    ecs::json(&Reply {
        request_id: asked.request_id,
        start_time: time(wanted.from),
        end_time: time(wanted.until),
        next_token: if is_more { next() } else { String::new() },
        events,
    })
}

fn second(at: Timestamp) -> i64 {
    at.as_second()
}

fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Returns what the record has of an event, each with its place: the write
/// itself and, as often as not, somebody's look at the result.
fn views(entry: &Entry, forward: bool, seed: u64) -> Vec<(u64, Value)> {
    let position = entry.event.sequence * 2;
    let mut views = vec![(position, write(entry, seed))];
    let is_instance = entry.event.which.family == Family::Instance;
    if is_instance && scatter(seed ^ scatter(entry.event.sequence)).is_multiple_of(2) {
        let parameters = json!({ "InstanceIds": format!("[\"{}\"]", entry.event.which.id) });
        let look = view(entry, seed, position + 1, ("Ecs", "DescribeInstances"), &parameters);
        views.push((position + 1, look));
    }
    if !forward {
        views.reverse();
    }
    views
}

/// Returns what a family is called in the record: its service, the parameter
/// of its id, and the type of resource.
fn names(family: Family) -> (&'static str, &'static str, &'static str) {
    match family {
        Family::Instance => ("Ecs", "InstanceId", "ACS::ECS::Instance"),
        Family::Disk => ("Ecs", "DiskId", "ACS::ECS::Disk"),
        Family::Database => ("Rds", "DBInstanceId", "ACS::RDS::DBInstance"),
        Family::Cache => ("R-kvstore", "InstanceId", "ACS::Redis::DBInstance"),
        Family::Bucket => ("Oss", "BucketName", "ACS::OSS::Bucket"),
        Family::Address => ("Vpc", "AllocationId", "ACS::EIP::EipAddress"),
        Family::Balancer => ("Slb", "LoadBalancerId", "ACS::SLB::LoadBalancer"),
    }
}

/// Returns the call that did something to what is no instance.
fn call(family: Family, what: Happening) -> &'static str {
    use Change::{EipMoved, Renamed, Resized, Retagged, Started, Stopped};
    use Happening::{Changed, Created, Released};
    match (family, what) {
        (Family::Disk, Created) => "CreateDisk",
        (Family::Disk, Released) => "DeleteDisk",
        (Family::Disk, Changed(Renamed)) => "ModifyDiskAttribute",
        (Family::Disk, Changed(Resized)) => "ResizeDisk",
        (Family::Database, Created) => "CreateDBInstance",
        (Family::Database, Released) => "DeleteDBInstance",
        (Family::Database, Changed(Renamed)) => "ModifyDBInstanceDescription",
        (Family::Database, Changed(Resized)) => "ModifyDBInstanceSpec",
        (Family::Database, Changed(Started)) => "StartDBInstance",
        (Family::Database, Changed(Stopped)) => "StopDBInstance",
        (Family::Cache, Created) => "CreateInstance",
        (Family::Cache, Released) => "DeleteInstance",
        (Family::Cache, Changed(Renamed)) => "ModifyInstanceAttribute",
        (Family::Bucket, Created) => "PutBucket",
        (Family::Bucket, Released) => "DeleteBucket",
        (Family::Bucket, Changed(Retagged)) => "PutBucketTags",
        (Family::Bucket, Changed(_)) => "PutBucketStorageClass",
        (Family::Address, Created) => "AllocateEipAddress",
        (Family::Address, Released) => "ReleaseEipAddress",
        (Family::Address, Changed(EipMoved)) => "AssociateEipAddress",
        (Family::Address, Changed(Renamed | Resized)) => "ModifyEipAddressAttribute",
        (Family::Balancer, Created) => "CreateLoadBalancer",
        (Family::Balancer, Released) => "DeleteLoadBalancer",
        (Family::Balancer, Changed(Renamed)) => "SetLoadBalancerName",
        (Family::Balancer, Changed(Started | Stopped)) => "SetLoadBalancerStatus",
        (Family::Balancer, Changed(Resized)) => "ModifyLoadBalancerInstanceSpec",
        (_, Changed(Retagged)) => "TagResources",
        _ => "ModifyInstanceSpec",
    }
}

fn write(entry: &Entry, seed: u64) -> Value {
    let which = &entry.event.which;
    if which.family != Family::Instance {
        let (service, parameter, _) = names(which.family);
        let name = call(which.family, entry.event.what);
        let parameters = match name {
            "TagResources" => json!({ "ResourceId.1": which.id }),
            _ => json!({ parameter: which.id }),
        };
        return view(entry, seed, entry.event.sequence * 2, (service, name), &parameters);
    }
    let id = &entry.event.which.id;
    let one = json!({ "InstanceId": id });
    let (call, parameters) = match entry.event.what {
        Happening::Created => (("Ecs", "RunInstances"), json!({ "MinAmount": 1, "MaxAmount": 1 })),
        Happening::Released => (("Ecs", "DeleteInstance"), one),
        Happening::Changed(Change::Started) => (("Ecs", "StartInstance"), one),
        Happening::Changed(Change::Stopped) => (("Ecs", "StopInstance"), one),
        Happening::Changed(Change::Renamed) => (("Ecs", "ModifyInstanceAttribute"), one),
        Happening::Changed(Change::Retagged) => {
            (("Ecs", "TagResources"), json!({ "ResourceType": "instance", "ResourceId.1": id }))
        }
        Happening::Changed(Change::EipMoved) => (("Vpc", "AssociateEipAddress"), one),
        Happening::Changed(Change::DiskAttached) => (("Ecs", "AttachDisk"), one),
        Happening::Changed(Change::DiskDetached) => (("Ecs", "DetachDisk"), one),
        Happening::Changed(Change::SecurityGroupSwapped) => (("Ecs", "JoinSecurityGroup"), one),
        Happening::Changed(Change::TypeChanged | Change::Resized) => {
            (("Ecs", "ModifyInstanceSpec"), one)
        }
    };
    view(entry, seed, entry.event.sequence * 2, call, &parameters)
}

/// Returns the version of a service's API.
fn version(service: &str) -> &'static str {
    match service {
        "Vpc" => "2016-04-28",
        "Rds" => "2014-08-15",
        "R-kvstore" => "2015-01-01",
        "Slb" => "2014-05-15",
        "Oss" => "2019-05-17",
        _ => "2014-05-26",
    }
}

/// Writes an event as the vendor does.
fn view(
    entry: &Entry,
    seed: u64,
    position: u64,
    (service, name): (&str, &str),
    parameters: &Value,
) -> Value {
    let which = &entry.event.which;
    let drawn = (scatter(seed ^ position), scatter(!seed ^ position));
    let id = uuid::Uuid::from_u64_pair(drawn.0, drawn.1).to_string().to_uppercase();
    let is_read = name.starts_with("Describe");
    let created = json!({ "InstanceIdSets": { "InstanceIdSet": [which.id] } });
    let mut event = json!({
        "eventId": id,
        "eventVersion": 1,
        "eventCategory": "Management",
        "eventRW": if is_read { "Read" } else { "Write" },
        "eventType": "ApiCall",
        "eventSource": format!("{}.{}.aliyuncs.com", service.to_lowercase(), which.region),
        "eventTime": time(entry.at),
        "eventName": name,
        "serviceName": service,
        "apiVersion": version(service),
        "acsRegion": which.region,
        "isGlobal": false,
        "requestId": id,
        "sourceIpAddress": "203.0.113.7",
        "userAgent": "ecs.console.aliyun.com",
        "userIdentity": {
            "type": "ram-user",
            "accountId": "1690700000000030",
            "principalId": "2690700000000031",
            "userName": "kim",
        },
        "requestParameters": parameters,
        "responseElements": if name == "RunInstances" { created } else { json!({}) },
    });
    // The vendor does not fill these for every call.
    if !drawn.0.is_multiple_of(3) {
        let (_, _, kind) = names(which.family);
        event["resourceType"] = json!(kind);
        event["resourceName"] = json!(which.id);
        let referenced = BTreeMap::from([(kind, [&which.id])]);
        event["referencedResources"] = json!(referenced);
    }
    event
}
