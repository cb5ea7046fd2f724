//! `DescribeInstances` and `DescribeInstanceStatus`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::instance_view::{Shown, state, view};
use super::{IdWords, Page, SIZES, check_filters, codes};
use crate::aws::error::ApiError;
use crate::aws::params::Filter;
use crate::aws::{Asked, number};
use crate::front::listing::Source;
use crate::world::id::{render, scatter};
use crate::world::model::{Holding, Status};
use crate::world::{SHOWN, TruthInstance};

const IDS: IdWords = IdWords {
    kind: "i",
    malformed: "InvalidInstanceID.Malformed",
    not_found: "InvalidInstanceID.NotFound",
};

const FILTERS: [&str; 10] = [
    "availability-zone",
    "image-id",
    "instance-id",
    "instance-state-name",
    "instance-type",
    "instance.group-id",
    "ip-address",
    "private-ip-address",
    "tag-key",
    "vpc-id",
];

/// Returns every instance that is shown: also those that went within the hour.
fn shown(holding: &Holding, now: Timestamp) -> BTreeMap<u64, Shown<'_>> {
    let live = holding.instances.iter().map(|(code, instance)| (*code, Shown::Live(instance)));
    let gone = holding.gone.iter().filter(|(_, (_, left))| now.duration_since(*left) < SHOWN);
    live.chain(gone.map(|(code, (instance, left))| (*code, Shown::Gone(instance, *left)))).collect()
}

pub(super) fn describe(asked: &Asked<'_>) -> Result<Value, ApiError> {
    let ids = asked.params.list("InstanceId");
    let page = Page::read(asked, SIZES, ("instancesSet", &ids))?;
    let filters = asked.params.filters();
    check_filters(&filters, &FILTERS)?;
    let state = asked.world.state();
    let holding = asked.holding(&state)?;
    let all = shown(holding, asked.admitted.now);
    let only = codes(&ids, &IDS, holding, |code| all.contains_key(&code))?;
    let source = Source {
        all: &all,
        only: asked.admitted.visible(only),
        filtered: !filters.is_empty(),
        most: usize::MAX,
        matches: |code, shown: &Shown<'_>| matches(holding, code, shown, &filters),
    };
    let found = source.after(page.position, page.size, &asked.admitted.faults);
    let owner = number(asked.admitted.account);
    let mut reservations: Vec<Value> = Vec::new();
    let mut instances: Vec<Value> = Vec::new();
    for (code, shown) in found.items {
        // Now and then several were started at once.
        if !instances.is_empty() && !scatter(code).is_multiple_of(4) {
            reservations.push(reservation(holding, &owner, std::mem::take(&mut instances)));
        }
        instances.push(view(holding, code, shown, &owner));
    }
    if !instances.is_empty() {
        reservations.push(reservation(holding, &owner, instances));
    }
    let mut reply = Map::new();
    reply.insert("reservationSet".to_owned(), json!({ "item": reservations }));
    if let Some(token) = page.token(found.next) {
        reply.insert("nextToken".to_owned(), json!(token));
    }
    Ok(Value::Object(reply))
}

fn reservation(holding: &Holding, owner: &str, instances: Vec<Value>) -> Value {
    let code = instances[0]["instanceId"].as_str().and_then(|id| holding.find(id)).unwrap_or(0);
    json!({
        "reservationId": render("rsv", holding.region, scatter(code)),
        "ownerId": owner,
        "groupSet": null,
        "instancesSet": { "item": instances },
    })
}

/// Tells whether an instance fits every filter, which is to fit one of its
/// values.
fn matches(holding: &Holding, code: u64, shown: &Shown<'_>, filters: &[Filter]) -> bool {
    if filters.is_empty() {
        return true;
    }
    let mut truth = TruthInstance::of(holding, code, shown.instance());
    if let Shown::Gone(..) = shown {
        truth.vpc.clear();
        truth.private_ips.clear();
        truth.public_ips.clear();
        truth.security_groups.clear();
        truth.status = "terminated".to_owned();
    }
    filters.iter().all(|filter| filter.values.iter().any(|value| fits(&truth, &filter.name, value)))
}

fn fits(truth: &TruthInstance, name: &str, value: &str) -> bool {
    let is_address = |address: &std::net::Ipv4Addr| address.to_string() == value;
    match name {
        "availability-zone" => truth.zone == value,
        "image-id" => truth.image == value,
        "instance-id" => truth.id == value,
        "instance-state-name" => truth.status == value,
        "instance-type" => truth.instance_type == value,
        "instance.group-id" => truth.security_groups.iter().any(|group| group == value),
        "ip-address" => truth.public_ips.iter().any(is_address),
        "private-ip-address" => truth.private_ips.iter().any(is_address),
        "tag-key" => truth.tags.contains_key(value),
        "vpc-id" => truth.vpc == value,
        _ => {
            let key = name.strip_prefix("tag:").unwrap_or_default();
            truth.tags.get(key).is_some_and(|tag| tag == value)
        }
    }
}

pub(super) fn describe_status(asked: &Asked<'_>) -> Result<Value, ApiError> {
    let ids = asked.params.list("InstanceId");
    let page = Page::read(asked, SIZES, ("instancesSet", &ids))?;
    let everything = asked.params.flag("IncludeAllInstances")?.unwrap_or(false);
    let world = asked.world.state();
    let holding = asked.holding(&world)?;
    let all = shown(holding, asked.admitted.now);
    let only = codes(&ids, &IDS, holding, |code| all.contains_key(&code))?;
    let is_running =
        |shown: &Shown<'_>| matches!(shown, Shown::Live(each) if each.status == Status::Running);
    let source = Source {
        all: &all,
        only: asked.admitted.visible(only),
        filtered: true,
        most: usize::MAX,
        matches: |_, shown: &Shown<'_>| everything || is_running(shown),
    };
    let found = source.after(page.position, page.size, &asked.admitted.faults);
    let items = found.items.iter().map(|(code, shown)| {
        let summary = json!({ "status": if is_running(shown) { "ok" } else { "not-applicable" } });
        json!({
            "instanceId": holding.instance_id(*code),
            "availabilityZone": holding.zone_id(shown.instance().zone),
            "instanceState": state(shown),
            "systemStatus": summary,
            "instanceStatus": summary,
        })
    });
    let mut reply = json!({ "instanceStatusSet": { "item": items.collect::<Vec<_>>() } });
    if let Some(token) = page.token(found.next) {
        reply["nextToken"] = json!(token);
    }
    Ok(reply)
}
