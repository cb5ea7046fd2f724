//! An account at a vendor, as the service asks it.

use std::collections::{BTreeMap, HashSet};

use async_trait::async_trait;
use cloud_sync_core::account::Region;
use cloud_sync_core::error::{ErrorClass, VendorError};
use cloud_sync_core::feed::{FeedPage, FeedTerms};
use cloud_sync_core::identity::Identity;
use cloud_sync_core::listing::Page;
use cloud_sync_core::pace::Paces;
use cloud_sync_core::resource::{Resource, Status};
use cloud_sync_core::scope::{Kind, is_key_word};
use cloud_sync_core::types::TypeSpec;
use jiff::Timestamp;
use serde_json::value::RawValue;

use super::decode::Unreadable;
use super::params::{fixed, with_ids};
use super::spec::{ByIds, Call};
use super::{Client, errors, read_all, reply};
use crate::{
    Details, DetailsPage, Member, Permission, Result, SecondaryCalls, Vendor, no_feed, no_members,
};

/// A name that the domain name system can know has at most so many bytes.
const LONGEST_HOST: usize = 253;

impl Client {
    /// Returns the region whose hosts answer for a scope.
    fn at(&self, region: &Region) -> Region {
        if region.is_global() { self.home() } else { region.clone() }
    }

    pub(super) fn home(&self) -> Region {
        Region::new(&self.default_region)
    }

    /// Asks for given ids, chunk by chunk.
    pub(super) async fn by_ids<T: Send>(
        &self,
        (call, by_ids): (&Call, &ByIds),
        region: &Region,
        ids: &[String],
        read: impl Fn(Vec<&RawValue>) -> Result<T> + Send + Sync,
        mut take: impl FnMut(&[String], T) + Send,
    ) -> Result<()> {
        let call = by_ids.call.as_ref().unwrap_or(call);
        let mut left: Vec<_> = ids.chunks(by_ids.most).rev().collect();
        while let Some(chunk) = left.pop() {
            let params = with_ids(fixed(call.params), by_ids, chunk);
            let mut pages = Vec::new();
            match self.walk(call, region, params, &read, |found| pages.push(found)).await {
                // It need not say which of them is not there, and the others
                // may well be.
                Err(error) if by_ids.absent.contains(&error.code.as_str()) => {
                    let (first, second) = chunk.split_at(chunk.len() / 2);
                    left.extend([second, first].into_iter().filter(|_| chunk.len() > 1));
                }
                walked => {
                    walked?;
                    pages.into_iter().for_each(|found| take(chunk, found));
                }
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Vendor for Client {
    async fn regions(&self) -> Result<Vec<Region>> {
        let spec = &self.spec.regions;
        let decode = |item: &str| {
            let Some(region) = (spec.decode)(item)? else { return Ok(Vec::new()) };
            if !is_key_word(&region.id) {
                return Err(Unreadable::value("the region", &region.id, "a region's id"));
            }
            if region.endpoint.len() > LONGEST_HOST {
                return Err(Unreadable::value("the endpoint", &region.endpoint, "a host"));
            }
            Ok(vec![region])
        };
        let mut regions = Vec::new();
        let read = read_all(&spec.call, decode);
        let params = fixed(spec.call.params);
        self.walk(&spec.call, &self.home(), params, read, |found| regions.extend(found)).await?;
        if regions.is_empty() {
            let text = "the vendor lists no region at all for this account";
            return Err(VendorError::new(ErrorClass::Data, spec.call.action, "NoRegions", text));
        }
        Ok(regions)
    }

    async fn page(&self, kind: &Kind, region: &Region, token: Option<&str>) -> Result<Page> {
        let spec = self.kind(kind)?;
        let read = |items: Vec<&RawValue>| Ok(self.decode_page(spec, &items));
        let params = fixed(spec.list.params);
        let (page, next) = self.step(&spec.list, &self.at(region), params, token, read).await?;
        Ok(Page { next, ..page })
    }

    async fn reread(&self, kind: &Kind, region: &Region, ids: &[String]) -> Result<Page> {
        let spec = self.kind(kind)?;
        let mut all = Page::default();
        let read = |items: Vec<&RawValue>| Ok(self.decode_page(spec, &items));
        let take = |_: &[String], page: Page| {
            all.resources.extend(page.resources);
            all.undecodable.extend(page.undecodable);
        };
        self.by_ids((&spec.list, &spec.by_ids), &self.at(region), ids, read, take).await?;
        // Where ids are but a filter, others may pass it.
        let asked: HashSet<&String> = ids.iter().collect();
        all.resources.retain(|resource| asked.contains(&resource.id));
        Ok(all)
    }

    fn secondary_calls(&self, kind: &Kind) -> SecondaryCalls {
        match self.kind(kind).map_or(&[][..], |spec| spec.secondary) {
            [] => SecondaryCalls::None,
            calls if calls.iter().any(|call| call.lists_region) => SecondaryCalls::Listed,
            _ => SecondaryCalls::Asked,
        }
    }

    async fn details_page(
        &self,
        kind: &Kind,
        region: &Region,
        token: Option<&str>,
    ) -> Result<DetailsPage> {
        let spec = self.kind(kind)?.secondary.iter().find(|secondary| secondary.lists_region);
        let Some(spec) = spec else {
            return Ok(DetailsPage::default());
        };
        let read = read_all(&spec.call, spec.decode);
        let params = fixed(spec.call.params);
        let (found, next) = self.step(&spec.call, &self.at(region), params, token, read).await?;
        let disks = found
            .into_iter()
            .flat_map(|(id, detail)| detail.disks.into_iter().map(move |disk| (id.clone(), disk)));
        Ok(DetailsPage { disks: disks.collect(), next })
    }

    async fn details(
        &self,
        kind: &Kind,
        region: &Region,
        resources: &[Resource],
    ) -> Result<Details> {
        let mut details = Details::new();
        let region = self.at(region);
        for spec in self.kind(kind)?.secondary {
            self.ask_secondary(spec, &region, resources, &mut details).await?;
        }
        // A disk asked for by one resource may be attached to others too,
        // whose other disks were not asked for.
        let asked: HashSet<&String> = resources.iter().map(|resource| &resource.id).collect();
        details.retain(|id, _| asked.contains(id));
        Ok(details)
    }

    async fn statuses(
        &self,
        kind: &Kind,
        region: &Region,
        ids: &[String],
    ) -> Result<BTreeMap<String, (Status, String)>> {
        let kind_spec = self.kind(kind)?;
        let Some(spec) = &kind_spec.statuses else {
            let page = self.reread(kind, region, ids).await?;
            let told = page.resources.into_iter();
            return Ok(told.map(|found| (found.id, (found.status, found.vendor_status))).collect());
        };
        let mut statuses = BTreeMap::new();
        let read = read_all(&spec.call, |item| Ok(vec![(kind_spec.decode)(item)?]));
        let take = |_: &[String], found: Vec<Resource>| {
            let told = found.into_iter().map(|it| (it.id, (it.status, it.vendor_status)));
            statuses.extend(told);
        };
        self.by_ids((&spec.call, &spec.by_ids), &self.at(region), ids, read, take).await?;
        Ok(statuses)
    }

    fn paces(&self, region: &Region) -> Paces {
        let limits = self.shared.limits.as_ref();
        limits.map_or_else(Paces::new, |limits| limits.paces(&self.account, &region.id))
    }

    fn recall(&self, region: &Region, paces: &Paces) {
        if let Some(limits) = &self.shared.limits {
            limits.recall(&self.account, &region.id, paces);
        }
    }

    async fn probe(&self, kind: &Kind, region: &Region) -> Result<Permission> {
        let spec = self.kind(kind)?;
        let Some(probe) = &spec.probe else {
            return Ok(Permission::NoProbe);
        };
        let mut params = fixed(spec.list.params);
        params.extend(fixed(probe.params));
        match self.call(&spec.list, &self.at(region), &params, |_| Ok(())).await {
            Err(answer) if answer.code == probe.granted => Ok(Permission::Granted),
            Err(error) => Err(error),
            Ok(()) => {
                let text = format!("expected the answer {} to a dry run", probe.granted);
                Err(VendorError::new(ErrorClass::Data, spec.list.action, "UnexpectedReply", text))
            }
        }
    }

    async fn identity(&self) -> Result<Option<Identity>> {
        let Some(spec) = &self.spec.identity else {
            return Ok(None);
        };
        let read = |body: &[u8]| reply::read_object(&spec.call, body, spec.decode);
        self.call(&spec.call, &self.home(), &fixed(spec.call.params), read).await.map(Some)
    }

    async fn types(
        &self,
        kind: &Kind,
        region: &Region,
        names: &[String],
    ) -> Result<BTreeMap<String, TypeSpec>> {
        let mut types = BTreeMap::new();
        let Some(spec) = &self.kind(kind)?.types else {
            return Ok(types);
        };
        let read = read_all(&spec.call, |item| Ok(vec![(spec.decode)(item)?]));
        let take = |_: &[String], found| types.extend::<Vec<_>>(found);
        self.by_ids((&spec.call, &spec.by_ids), region, names, read, take).await?;
        Ok(types)
    }

    async fn members(&self) -> Result<Vec<Member>> {
        let Some(spec) = &self.spec.members else {
            return Err(no_members(self.spec.name));
        };
        let mut members = Vec::new();
        let read = read_all(&spec.call, |item| Ok(Vec::from_iter((spec.decode)(item)?)));
        let params = fixed(spec.call.params);
        self.walk(&spec.call, &self.home(), params, read, |found| members.extend(found)).await?;
        Ok(members)
    }

    fn role_in(&self, member: &Member, role: &str) -> Option<String> {
        self.spec.members.as_ref().map(|spec| (spec.role)(member, role))
    }

    fn feed_terms(&self, kind: &Kind) -> Option<FeedTerms> {
        self.kind(kind).ok()?.feed.as_ref().map(|feed| feed.terms)
    }

    async fn feed_page(
        &self,
        kind: &Kind,
        region: &Region,
        span: [Timestamp; 2],
        token: Option<&str>,
    ) -> Result<FeedPage> {
        let spec = self.kind(kind)?.feed.as_ref().ok_or_else(|| no_feed(kind))?;
        let mut params = fixed(spec.call.params);
        let seconds = span.map(|at| format!("{at:.0}"));
        params.extend(spec.span.map(str::to_owned).into_iter().zip(seconds));
        // The host that the region was listed with is another service's.
        let region = Region::new(&region.id);
        let read = read_all(&spec.call, |item| Ok(vec![(spec.decode)(item)?]));
        let (mut events, next) = self.step(&spec.call, &region, params, token, read).await?;
        for event in &mut events {
            event.name = errors::bounded(&self.keyring.redacted(&event.name));
        }
        Ok(FeedPage { events, next })
    }
}
