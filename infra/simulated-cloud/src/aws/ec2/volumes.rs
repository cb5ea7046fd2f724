//! `DescribeVolumes`.

use serde_json::{Value, json};

use super::{IdWords, Page, SIZES, check_filters, codes, tag_set, time};
use crate::aws::Asked;
use crate::aws::error::ApiError;
use crate::aws::params::Filter;
use crate::front::listing::Source;
use crate::world::model::{Disk, Holding};

const IDS: IdWords = IdWords {
    kind: "d",
    malformed: "InvalidVolumeID.Malformed",
    not_found: "InvalidVolume.NotFound",
};

const FILTERS: [&str; 6] = [
    "attachment.instance-id",
    "availability-zone",
    "encrypted",
    "status",
    "volume-id",
    "volume-type",
];

pub(super) fn describe(asked: &Asked<'_>) -> Result<Value, ApiError> {
    let ids = asked.params.list("VolumeId");
    let page = Page::read(asked, SIZES, ("volumesSet", &ids))?;
    let filters = asked.params.filters();
    check_filters(&filters, &FILTERS)?;
    let state = asked.world.state();
    let holding = asked.holding(&state)?;
    let only = codes(&ids, &IDS, holding, |code| holding.disks.contains_key(&code))?;
    let source = Source {
        all: &holding.disks,
        only: asked.admitted.visible(only),
        filtered: !filters.is_empty(),
        most: usize::MAX,
        matches: |code, disk: &Disk| {
            let fits = |filter: &Filter, value| fits(holding, code, disk, &filter.name, value);
            filters.iter().all(|filter| filter.values.iter().any(|value| fits(filter, value)))
        },
    };
    let found = source.after(page.position, page.size, &asked.admitted.faults);
    let items = found.items.iter().map(|(code, disk)| view(holding, *code, disk));
    let mut reply = json!({ "volumeSet": { "item": items.collect::<Vec<_>>() } });
    if let Some(token) = page.token(found.next) {
        reply["nextToken"] = json!(token);
    }
    Ok(reply)
}

fn status(disk: &Disk) -> &'static str {
    if disk.attached.is_empty() { "available" } else { "in-use" }
}

fn fits(holding: &Holding, code: u64, disk: &Disk, name: &str, value: &str) -> bool {
    match name {
        "attachment.instance-id" => {
            let mut holders = disk.attached.iter().map(|at| holding.instance_id(at.instance));
            holders.any(|holder| holder == value)
        }
        "availability-zone" => holding.zone_id(disk.zone) == value,
        "encrypted" => disk.encrypted.to_string() == value,
        "status" => status(disk) == value,
        "volume-id" => holding.disk_id(code) == value,
        "volume-type" => holding.category_of(disk) == value,
        _ => {
            let key = name.strip_prefix("tag:").unwrap_or_default();
            let mut tags = disk.tags.as_deref().unwrap_or(&[]).iter();
            tags.any(|(each, tag)| **each == *key && **tag == *value)
        }
    }
}

fn view(holding: &Holding, code: u64, disk: &Disk) -> Value {
    let id = holding.disk_id(code);
    let attached = disk.attached.iter().map(|at| {
        json!({
            "volumeId": id,
            "instanceId": holding.instance_id(at.instance),
            "device": format!("/dev/xvd{}", char::from(at.letter)),
            "status": "attached",
            "attachTime": time(at.at),
            "deleteOnTermination": disk.system,
        })
    });
    let name = Some(("Name", &*disk.name)).filter(|(_, name)| !name.is_empty());
    let tags = disk.tags.as_deref().unwrap_or(&[]).iter().map(|(key, value)| (&**key, &**value));
    json!({
        "volumeId": id,
        "size": disk.size_gib,
        "snapshotId": "",
        "availabilityZone": holding.zone_id(disk.zone),
        "status": status(disk),
        "createTime": time(disk.created),
        "attachmentSet": { "item": attached.collect::<Vec<_>>() },
        "volumeType": holding.category_of(disk),
        "iops": 3000,
        "encrypted": disk.encrypted,
        "multiAttachEnabled": disk.multi_attach,
        "tagSet": tag_set(name.into_iter().chain(tags)),
    })
}
