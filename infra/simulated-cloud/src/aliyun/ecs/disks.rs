//! `DescribeDisks`.

use std::collections::BTreeSet;

use serde::Serialize;

use super::disk_view::DiskView;
use super::filter::{MOST_BY_TAG, fits, has_tags, tags};
use super::{PageReply, json};
use crate::aliyun::error::ApiError;
use crate::aliyun::paging::{Paging, Sizes};
use crate::aliyun::params::Params;
use crate::aliyun::rpc::Asked;
use crate::front::listing::Source;
use crate::world::catalog::DISK_CATEGORIES;
use crate::world::id;
use crate::world::model::{Disk, Holding};

const SIZES: Sizes = Sizes { results: (10, 500, 10), lenient: true, page: (100, 10) };

/// Filters that the vendor has and this cloud has not.
const NOT_SIMULATED: [&str; 11] = [
    "AutoSnapshotPolicyId",
    "DeleteAutoSnapshot",
    "DeleteWithInstance",
    "DiskChargeType",
    "EnableAutoSnapshot",
    "EnableShared",
    "Filter.1.Key",
    "KMSKeyId",
    "LockReason",
    "ResourceGroupId",
    "SnapshotId",
];

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Disks<'a> {
    disks: DiskList<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DiskList<'a> {
    disk: Vec<DiskView<'a>>,
}

/// What `DescribeDisks` is asked to list.
struct DiskFilter {
    only: Option<BTreeSet<u64>>,
    system: Option<bool>,
    available: Option<bool>,
    name: Option<String>,
    category: Option<String>,
    zone: Option<String>,
    encrypted: Option<bool>,
    portable: Option<bool>,
    multi_attach: Option<bool>,
    tags: Vec<(String, Option<String>)>,
}

pub(super) fn describe(asked: &Asked<'_>) -> Result<Vec<u8>, ApiError> {
    let paging = Paging::read(asked, SIZES)?;
    let state = asked.world().state();
    let holding = asked.region(&state)?;
    let mut filter = DiskFilter::read(asked.params, holding)?;
    let source = Source {
        all: &holding.disks,
        only: asked.visible(filter.only.take()),
        filtered: true,
        most: if filter.tags.is_empty() { usize::MAX } else { MOST_BY_TAG },
        matches: |_, disk: &Disk| filter.matches(holding, disk),
    };
    let page = paging.list(&source, asked);
    let disk = page.items.iter().map(|(code, disk)| DiskView::of(holding, *code, disk)).collect();
    json(&PageReply {
        request_id: asked.request_id,
        next_token: Some(page.next_token),
        page_number: page.number,
        page_size: page.size,
        total_count: page.total,
        items: Disks { disks: DiskList { disk } },
    })
}

impl DiskFilter {
    fn read(params: &Params, holding: &Holding) -> Result<Self, ApiError> {
        if let Some(name) = NOT_SIMULATED.iter().find(|name| params.given(name).is_some()) {
            return Err(ApiError::not_simulated(name));
        }
        let text = |name: &str| params.given(name).map(str::to_owned);
        let word = |name: &str, words: [&str; 2]| match params.given(name) {
            None | Some("all" | "All") => Ok(None),
            Some(given) if given == words[0] => Ok(Some(true)),
            Some(given) if given == words[1] => Ok(Some(false)),
            Some(_) => Err(ApiError::invalid(name)),
        };
        Ok(Self {
            only: only(params, holding)?,
            system: word("DiskType", ["system", "data"])?,
            available: word("Status", ["Available", "In_use"])?,
            multi_attach: word("MultiAttach", ["Enabled", "Disabled"])?,
            name: text("DiskName"),
            category: text("Category").filter(|category| category != "all"),
            zone: text("ZoneId"),
            encrypted: params.flag("Encrypted")?,
            portable: params.flag("Portable")?,
            tags: tags(params)?,
        })
    }

    fn matches(&self, holding: &Holding, disk: &Disk) -> bool {
        self.system.is_none_or(|system| system == disk.system)
            && self.available.is_none_or(|available| available == disk.attached.is_empty())
            && self.multi_attach.is_none_or(|multi| multi == disk.multi_attach)
            && self.name.as_deref().is_none_or(|pattern| fits(pattern, &disk.name))
            && self
                .category
                .as_deref()
                .is_none_or(|category| category == DISK_CATEGORIES[usize::from(disk.category)].0)
            && self.zone.as_deref().is_none_or(|zone| zone == holding.zone_id(disk.zone))
            && self.encrypted.is_none_or(|encrypted| encrypted == disk.encrypted)
            && self.portable.is_none_or(|portable| portable != disk.system)
            && has_tags(disk.tags.as_deref().unwrap_or(&[]), &self.tags)
    }
}

/// Returns the disks that are asked for by id, or as those of an instance.
fn only(params: &Params, holding: &Holding) -> Result<Option<BTreeSet<u64>>, ApiError> {
    let ids = params.json_list("DiskIds")?;
    let named: Option<BTreeSet<u64>> =
        ids.map(|ids| ids.iter().filter_map(|id| id::parse("d", holding.region, id)).collect());
    let Some(instance) = params.given("InstanceId") else { return Ok(named) };
    let instance = holding.find(instance).and_then(|code| holding.instances.get(&code));
    let held: BTreeSet<u64> =
        instance.map(|instance| instance.disks.iter().copied().collect()).unwrap_or_default();
    Ok(Some(match named {
        Some(named) => named.intersection(&held).copied().collect(),
        None => held,
    }))
}
