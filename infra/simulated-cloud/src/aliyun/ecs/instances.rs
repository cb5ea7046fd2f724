//! `DescribeInstances` and `DescribeInstanceStatus`.

use std::collections::BTreeSet;

use serde::Serialize;

use super::filter::InstanceFilter;
use super::instance_view::InstanceView;
use super::{PageReply, json};
use crate::aliyun::error::ApiError;
use crate::aliyun::paging::{Paging, Sizes};
use crate::aliyun::rpc::Asked;
use crate::front::listing::Source;
use crate::world::model::Instance;

const SIZES: Sizes = Sizes { results: (10, 100, 10), lenient: true, page: (100, 10) };
/// The most that a page of statuses may hold, and what it holds where nobody
/// says.
const MOST_STATUSES: (usize, usize) = (50, 10);

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Instances<'a> {
    instances: InstanceList<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct InstanceList<'a> {
    instance: Vec<InstanceView<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statuses {
    instance_statuses: StatusList,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct StatusList {
    instance_status: Vec<StatusView>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct StatusView {
    instance_id: String,
    status: &'static str,
}

pub(super) fn describe(asked: &Asked<'_>) -> Result<Vec<u8>, ApiError> {
    let paging = Paging::read(asked, SIZES)?;
    let state = asked.world().state();
    let holding = asked.region(&state)?;
    let mut filter = InstanceFilter::read(asked.params, holding)?;
    let source = Source {
        all: &holding.instances,
        only: asked.visible(filter.ids.take()),
        filtered: filter.is_filter(),
        most: filter.most(),
        matches: |_, instance: &Instance| filter.matches(holding, instance),
    };
    let page = paging.list(&source, asked);
    let instance = page
        .items
        .iter()
        .map(|(code, instance)| InstanceView::of(holding, *code, instance))
        .collect();
    json(&PageReply {
        request_id: asked.request_id,
        next_token: Some(page.next_token),
        page_number: page.number,
        page_size: page.size,
        total_count: page.total,
        items: Instances { instances: InstanceList { instance } },
    })
}

pub(super) fn describe_status(asked: &Asked<'_>) -> Result<Vec<u8>, ApiError> {
    let params = asked.params;
    let ids = params.numbered("InstanceId", 100)?;
    let paging = Paging::by_number(asked, MOST_STATUSES)?;
    let state = asked.world().state();
    let holding = asked.region(&state)?;
    let zone = params.given("ZoneId");
    let only = (!ids.is_empty())
        .then(|| ids.iter().filter_map(|id| holding.find(id)).collect::<BTreeSet<u64>>());
    let source = Source {
        all: &holding.instances,
        only: asked.visible(only),
        filtered: zone.is_some(),
        most: usize::MAX,
        matches: |_, instance: &Instance| {
            zone.is_none_or(|zone| zone == holding.zone_id(instance.zone))
        },
    };
    let page = paging.list(&source, asked);
    let view = |(code, instance): &(u64, &Instance)| StatusView {
        instance_id: holding.instance_id(*code),
        status: instance.status.word(),
    };
    json(&PageReply {
        request_id: asked.request_id,
        next_token: None,
        page_number: page.number,
        page_size: page.size,
        total_count: page.total,
        items: Statuses {
            instance_statuses: StatusList {
                instance_status: page.items.iter().map(view).collect(),
            },
        },
    })
}
