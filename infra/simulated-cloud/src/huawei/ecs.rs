//! ECS: servers.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::ecs_view::view;
use super::error::{ApiError, Style};
use super::{Asked, Route};
use crate::front::listing::Source;
use crate::front::spoil::Shape;
use crate::front::token::Position;
use crate::world::TruthInstance;
use crate::world::model::{Holding, Instance};

pub(super) static ROUTES: [Route; 2] = [
    Route {
        method: "GET",
        path: "/v1/{project_id}/cloudservers/detail",
        action: "ListServersDetails",
        params: &[
            "limit",
            "offset",
            "marker",
            "server_id",
            "name",
            "status",
            "flavor",
            "ip",
            "ip_eq",
            "tags",
            "enterprise_project_id",
        ],
        style: Style::Gateway,
        shape: Some(Shape {
            items: &["servers"],
            id: "id",
            status: &["status"],
            tags: |item, key, value| item["tags"] = json!([format!("{key}={value}")]),
            total: &["count"],
        }),
        answer: list,
    },
    Route {
        method: "GET",
        path: "/v1/{project_id}/cloudservers/{server_id}",
        action: "ShowServer",
        params: &[],
        style: Style::Gateway,
        shape: None,
        answer: show,
    },
];

/// The most items of a page.
const MOST: usize = 1000;
/// The most ids that should be asked for at once.
const MOST_IDS: usize = 100;

fn list(asked: &Asked<'_>) -> Result<Value, ApiError> {
    let params = asked.params;
    let limit = params.number("limit", MOST)?.unwrap_or(25);
    let state = asked.world.state();
    let holding = asked.holding(&state)?;
    if let Some(ids) = params.given("server_id") {
        return by_id(asked, holding, ids);
    }
    let filters = ["name", "status", "flavor", "ip", "ip_eq", "tags", "enterprise_project_id"];
    let source = Source {
        all: &holding.instances,
        only: asked.admitted.visible(None),
        filtered: filters.iter().any(|name| params.given(name).is_some()),
        most: usize::MAX,
        matches: |code, instance: &Instance| matches(asked, holding, code, instance),
    };
    let faults = &asked.admitted.faults;
    let found = match params.given("marker") {
        Some(marker) => {
            let code = holding.find(marker).filter(|_| !asked.admitted.rejects_token());
            let Some(after) = code else {
                let message = format!("marker [{marker}] not found");
                return Err(ApiError::of_service(400, "Ecs.0005", message));
            };
            source.after(Some(Position { after, listed: 0 }), limit, faults).items
        }
        None => {
            // Pages are numbered from 1, and 0 is the first one too.
            let page = params.number("offset", usize::MAX)?.unwrap_or(1).max(1);
            source.slice((page - 1).saturating_mul(limit), limit, faults).items
        }
    };
    let count = source.slice(0, 0, &[]).total;
    let servers = found.iter().map(|(code, instance)| view(holding, *code, instance));
    Ok(json!({ "count": count, "servers": servers.collect::<Vec<_>>() }))
}

/// Lists servers by their ids, whatever else is asked. One that is not there
/// is told by an entry with nothing but its id and a fault.
fn by_id(asked: &Asked<'_>, holding: &Holding, ids: &str) -> Result<Value, ApiError> {
    let ids: BTreeSet<&str> = ids.split(',').map(str::trim).collect();
    if ids.len() > MOST_IDS {
        return Err(ApiError::invalid("server_id"));
    }
    let servers = ids.iter().map(|id| {
        let code = holding.find(id).filter(|_| !asked.admitted.sees_nothing());
        match code.and_then(|code| Some((code, holding.instances.get(&code)?))) {
            Some((code, instance)) => view(holding, code, instance),
            None => json!({
                "id": id,
                "name": null,
                "status": null,
                "fault": { "code": 404, "message": format!("Instance {id} could not be found.") },
            }),
        }
    });
    Ok(json!({ "count": ids.len(), "servers": servers.collect::<Vec<_>>() }))
}

fn matches(asked: &Asked<'_>, holding: &Holding, code: u64, instance: &Instance) -> bool {
    let truth = TruthInstance::of(holding, code, instance);
    let params = asked.params;
    let ips = || truth.private_ips.iter().chain(&truth.public_ips).map(ToString::to_string);
    let has_tag = |wanted: &str| {
        truth.tags.iter().any(|(key, value)| key == wanted || format!("{key}={value}") == wanted)
    };
    params.fits("name", |name| truth.name.contains(name))
        && params.fits("status", |status| truth.status == status)
        && params.fits("flavor", |flavor| truth.instance_type == flavor)
        && params.fits("ip", |ip| ips().any(|each| each.contains(ip)))
        && params.fits("ip_eq", |ip| ips().any(|each| each == ip))
        && params.fits("tags", has_tag)
        && params.fits("enterprise_project_id", |project| {
            project == "all_granted_eps" || truth.resource_group == project
        })
}

fn show(asked: &Asked<'_>) -> Result<Value, ApiError> {
    let state = asked.world.state();
    let holding = asked.holding(&state)?;
    let id = asked.parts.get(1).copied().unwrap_or_default();
    let code = holding.find(id).filter(|_| !asked.admitted.sees_nothing());
    match code.and_then(|code| Some((code, holding.instances.get(&code)?))) {
        Some((code, instance)) => Ok(json!({ "server": view(holding, code, instance) })),
        None => {
            let message = format!("Instance[{id}] could not be found.");
            Err(ApiError::of_service(404, "Ecs.0114", message))
        }
    }
}
