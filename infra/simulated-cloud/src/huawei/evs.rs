//! EVS: volumes.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::error::{ApiError, Style};
use super::{Asked, Route, project_id};
use crate::front::listing::Source;
use crate::front::spoil::Shape;
use crate::front::token::Position;
use crate::world::id;
use crate::world::model::{Disk, Holding, second};

pub(super) static ROUTES: [Route; 1] = [Route {
    method: "GET",
    path: "/v2/{project_id}/cloudvolumes/detail",
    action: "ListVolumes",
    params: &[
        "limit",
        "offset",
        "marker",
        "id",
        "ids",
        "server_id",
        "status",
        "name",
        "availability_zone",
    ],
    style: Style::Gateway,
    shape: Some(Shape {
        items: &["volumes"],
        id: "id",
        status: &["status"],
        tags: |item, key, value| item["tags"] = json!({ key: value }),
        total: &["count"],
    }),
    answer: list,
}];

/// The most items of a page, and ids of a request.
const MOST: usize = 1000;
const MOST_IDS: usize = 60;

fn list(asked: &Asked<'_>) -> Result<Value, ApiError> {
    let params = asked.params;
    let limit = params.number("limit", MOST)?.unwrap_or(MOST);
    let offset = params.number("offset", usize::MAX)?.unwrap_or(0);
    let state = asked.world.state();
    let holding = asked.holding(&state)?;
    let find = |text: &str| {
        id::parse("d", holding.region, text).filter(|code| holding.disks.contains_key(code))
    };
    let ids = params.given("ids").map(read_ids).transpose()?;
    let ids = ids.or(params.given("id").map(|id| vec![id.to_owned()]));
    let only: Option<BTreeSet<u64>> =
        ids.map(|ids| ids.iter().filter_map(|text| find(text)).collect());
    let filters = ["server_id", "status", "name", "availability_zone"];
    let source = Source {
        all: &holding.disks,
        only: asked.admitted.visible(only),
        filtered: filters.iter().any(|name| params.given(name).is_some()),
        most: usize::MAX,
        matches: |_, disk: &Disk| matches(asked, holding, disk),
    };
    let faults = &asked.admitted.faults;
    let found = match params.given("marker") {
        Some(marker) => {
            let code = find(marker).filter(|_| !asked.admitted.rejects_token());
            let Some(after) = code else {
                let message = format!("marker [{marker}] not found");
                return Err(ApiError::of_service(400, "EVS.2004", message));
            };
            source.after(Some(Position { after, listed: 0 }), limit, faults).items
        }
        None => source.slice(offset, limit, faults).items,
    };
    let count = source.slice(0, 0, &[]).total;
    let volumes = found.iter().map(|(code, disk)| view(holding, *code, disk));
    Ok(json!({ "count": count, "volumes": volumes.collect::<Vec<_>>() }))
}

/// Reads a list of ids: `['one','another']`.
fn read_ids(text: &str) -> Result<Vec<String>, ApiError> {
    let within = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let within = within.ok_or_else(|| ApiError::invalid("ids"))?;
    let ids = within.split(',').map(|id| id.trim().trim_matches(['\'', '"']).to_owned());
    let ids: Vec<String> = ids.filter(|id| !id.is_empty()).collect();
    if ids.len() > MOST_IDS { Err(ApiError::invalid("ids")) } else { Ok(ids) }
}

fn status(disk: &Disk) -> &'static str {
    if disk.attached.is_empty() { "available" } else { "in-use" }
}

fn matches(asked: &Asked<'_>, holding: &Holding, disk: &Disk) -> bool {
    let params = asked.params;
    let hangs_on =
        |server: &str| disk.attached.iter().any(|at| holding.instance_id(at.instance) == server);
    params.fits("server_id", hangs_on)
        && params.fits("status", |wanted| status(disk) == wanted)
        && params.fits("name", |name| disk.name.contains(name))
        && params.fits("availability_zone", |zone| holding.zone_id(disk.zone) == zone)
}

fn view(holding: &Holding, code: u64, disk: &Disk) -> Value {
    let id = holding.disk_id(code);
    let attachments = disk.attached.iter().map(|at| {
        json!({
            "server_id": holding.instance_id(at.instance),
            "attachment_id": id::render("attachment", holding.region, code ^ at.instance),
            "attached_at": second(at.at),
            "volume_id": id,
            "device": format!("/dev/vd{}", char::from(at.letter)),
            "id": id,
        })
    });
    let mut item = json!({
        "id": id,
        "name": &*disk.name,
        "status": status(disk),
        "attachments": attachments.collect::<Vec<_>>(),
        "availability_zone": holding.zone_id(disk.zone),
        "created_at": second(disk.created),
        "updated_at": second(disk.created),
        "volume_type": holding.category_of(disk),
        "size": disk.size_gib,
        "bootable": disk.system.to_string(),
        "encrypted": disk.encrypted,
        "multiattach": disk.multi_attach,
        "shareable": disk.multi_attach.to_string(),
        "service_type": "EVS",
        "enterprise_project_id": "0",
        "metadata": {},
        "tags": disk.tags.iter().flat_map(|tags| tags.iter()).map(|(key, value)| {
            (key.to_string(), json!(value))
        }).collect::<Map<_, _>>(),
    });
    item["os-vol-tenant-attr:tenant_id"] = json!(project_id(holding));
    item
}
