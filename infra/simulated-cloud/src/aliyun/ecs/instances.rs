//! `DescribeInstances` and `DescribeInstanceStatus`.

use std::collections::BTreeSet;

use serde::Serialize;

use super::filter::InstanceFilter;
use super::instance_view::InstanceView;
use super::{PageReply, json};
use crate::aliyun::error::ApiError;
use crate::aliyun::paging::{Paging, Sizes, Source};
use crate::aliyun::{Admitted, Aliyun};
use crate::world::Fault;
use crate::world::model::{Holding, Instance};

const SIZES: Sizes = Sizes { results: (10, 100), page: 100 };
/// The most that a page of statuses may hold.
const MOST_STATUSES: usize = 50;

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

pub(super) fn describe(
    cloud: &Aliyun,
    admitted: &Admitted<'_>,
    request_id: &str,
) -> Result<Vec<u8>, ApiError> {
    let paging = Paging::read(admitted, SIZES, cloud.world.seed())?;
    let state = cloud.world.state();
    let holding = admitted.holding(&state)?;
    let mut filter = InstanceFilter::read(admitted.params, holding)?;
    let source = Source {
        all: &holding.instances,
        only: admitted.visible(filter.ids.take()),
        filtered: filter.is_filter(),
        most: filter.most(),
        matches: |_, instance: &Instance| filter.matches(holding, instance),
    };
    let page = paging.list(&source, &admitted.faults);
    let instance = page
        .items
        .iter()
        .map(|(code, instance)| InstanceView::of(holding, *code, instance))
        .collect();
    json(&PageReply {
        request_id,
        next_token: Some(page.next_token),
        page_number: page.number,
        page_size: page.size,
        total_count: page.total,
        items: Instances { instances: InstanceList { instance } },
    })
}

pub(super) fn describe_status(
    cloud: &Aliyun,
    admitted: &Admitted<'_>,
    request_id: &str,
) -> Result<Vec<u8>, ApiError> {
    let params = admitted.params;
    let ids = params.numbered("InstanceId", 100)?;
    let paging = Paging::by_number(admitted, MOST_STATUSES)?;
    let state = cloud.world.state();
    let holding = admitted.holding(&state)?;
    let zone = params.given("ZoneId");
    let only = (!ids.is_empty())
        .then(|| ids.iter().filter_map(|id| holding.find(id)).collect::<BTreeSet<u64>>());
    let source = Source {
        all: &holding.instances,
        only: admitted.visible(only),
        filtered: zone.is_some(),
        most: usize::MAX,
        matches: |_, instance: &Instance| {
            zone.is_none_or(|zone| zone == holding.zone_id(instance.zone))
        },
    };
    let page = paging.list(&source, &admitted.faults);
    let view = |(code, instance): &(u64, &Instance)| StatusView {
        instance_id: holding.instance_id(*code),
        status: instance.status.word(),
    };
    json(&PageReply {
        request_id,
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

impl Admitted<'_> {
    /// Returns what the account has in the region that is asked about.
    pub(super) fn holding<'a>(
        &self,
        state: &'a crate::world::model::State,
    ) -> Result<&'a Holding, ApiError> {
        state
            .accounts
            .get(self.account)
            .and_then(|account| account.holdings.get(self.call.region.as_str()))
            .ok_or_else(ApiError::no_such_region)
    }

    /// Returns what may be listed of what is asked for: nothing, to one who
    /// may not see and is not told.
    pub(super) fn visible(&self, asked: Option<BTreeSet<u64>>) -> Option<BTreeSet<u64>> {
        let nothing = self.blind || self.faults.contains(&Fault::Empty);
        if nothing { Some(BTreeSet::new()) } else { asked }
    }
}
