//! A vendor in memory, which does what a test tells it to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use cloud_sync_core::account::{Account, InvalidAccount, Region};
use cloud_sync_core::credentials::Credentials;
use cloud_sync_core::error::{ErrorClass, VendorError};
use cloud_sync_core::feed::{Concern, FeedEvent, FeedPage, FeedTerms};
use cloud_sync_core::identity::Identity;
use cloud_sync_core::listing::{Page, Undecodable};
use cloud_sync_core::meter::{Meter, Request};
use cloud_sync_core::pace::Paces;
use cloud_sync_core::resource::{Disk, Resource, Status};
use cloud_sync_core::scope::Kind;
use cloud_sync_core::types::TypeSpec;
use cloud_sync_provider::{
    Detail, Details, DetailsPage, Permission, Result, SecondaryCalls, Vendor, Vendors,
};
use jiff::{SignedDuration, Timestamp};

/// What can be asked of the vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Call {
    /// [`Vendor::regions`].
    Regions,
    /// [`Vendor::page`].
    Page,
    /// [`Vendor::reread`].
    Reread,
    /// [`Vendor::details_page`].
    AllDetails,
    /// [`Vendor::details`].
    SomeDetails,
    /// [`Vendor::statuses`].
    Statuses,
    /// [`Vendor::probe`].
    Probe,
    /// [`Vendor::feed_page`].
    Feed,
    /// [`Vendor::identity`].
    Identity,
    /// [`Vendor::types`].
    Types,
}

/// Something that is to go wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The call fails.
    Error(VendorError),
    /// The call panics.
    Panic,
    /// A listing or re-read answers with nothing, and no error.
    Empty,
}

#[derive(Debug)]
struct Planned {
    call: Call,
    region: Option<String>,
    after: u32,
    times: u32,
    fault: Fault,
}

#[derive(Debug, Default)]
struct State {
    regions: BTreeMap<String, BTreeMap<String, Resource>>,
    disks: BTreeMap<String, BTreeSet<Disk>>,
    refused: BTreeMap<String, VendorError>,
    undecodable: BTreeMap<String, Vec<Undecodable>>,
    hidden: BTreeSet<String>,
    has_no_probe: bool,
    planned: Vec<Planned>,
    /// When each happened, since when it shows, and what.
    events: BTreeMap<String, Vec<(Timestamp, Timestamp, FeedEvent)>>,
    calls: BTreeMap<Call, u32>,
    caller: Option<Identity>,
    now: Timestamp,
    page_size: usize,
    disks_a_page: usize,
    call_time: Duration,
    paces: Paces,
    recalled: Vec<Paces>,
    types: BTreeMap<String, TypeSpec>,
}

/// So many events are on a page of the feed.
const EVENTS_A_PAGE: usize = 5;

/// The vendor; clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct ScriptedVendor {
    state: Arc<Mutex<State>>,
    /// Where an opened one counts its calls.
    meter: Arc<Meter>,
}

/// Returns a running machine as the vendor shows it.
#[must_use]
pub fn machine(id: &str) -> Resource {
    Resource {
        id: id.to_owned(),
        name: format!("name of {id}"),
        status: Status::Running,
        vendor_status: "Running".into(),
        spec: "ecs.g7.large".into(),
        zone: "cn-hangzhou-k".into(),
        private_ips: ["10.0.0.1".to_owned()].into(),
        security_groups: ["sg-1".to_owned(), "sg-2".to_owned()].into(),
        tags: [("env".to_owned(), "prod".to_owned())].into(),
        created_at: Some("2024-01-01T00:00:00Z".parse().unwrap_or_default()),
        ..Resource::default()
    }
}

impl ScriptedVendor {
    /// Returns a vendor with the given, empty regions and pages of 10.
    #[must_use]
    pub fn new(regions: &[&str]) -> Self {
        let vendor = Self::default();
        vendor.set_pages(10, 500);
        for region in regions {
            vendor.state().regions.insert((*region).to_owned(), BTreeMap::new());
        }
        vendor
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Creates or replaces a resource.
    pub fn put(&self, region: &str, resource: Resource) {
        self.state()
            .regions
            .entry(region.to_owned())
            .or_default()
            .insert(resource.id.clone(), resource);
    }

    /// Creates `count` machines, `{prefix}-000` and so on.
    pub fn fill(&self, region: &str, prefix: &str, count: usize) {
        for n in 0..count {
            self.put(region, machine(&format!("{prefix}-{n:03}")));
        }
    }

    /// Changes a resource.
    ///
    /// # Panics
    ///
    /// There is no such resource.
    pub fn change(&self, region: &str, id: &str, change: impl FnOnce(&mut Resource)) {
        let mut state = self.state();
        let resource = state.regions.get_mut(region).and_then(|all| all.get_mut(id));
        change(resource.unwrap_or_else(|| panic!("no {id} in {region}")));
    }

    /// Releases a resource.
    pub fn release(&self, region: &str, id: &str) {
        if let Some(all) = self.state().regions.get_mut(region) {
            all.remove(id);
        }
    }

    /// Lets listings of a resource leave it out; re-reads still find it.
    pub fn hide(&self, id: &str) {
        self.state().hidden.insert(id.to_owned());
    }

    /// Takes away the call that tells what the account may see.
    pub fn take_away_the_probe(&self) {
        self.state().has_no_probe = true;
    }

    /// Refuses to tell the details of a resource.
    pub fn refuse_details(&self, id: &str, error: VendorError) {
        self.state().refused.insert(id.to_owned(), error);
    }

    /// Sets the data disks of a resource.
    pub fn attach(&self, id: &str, disks: &[&str]) {
        let disks = disks.iter().map(|disk| Disk { id: (*disk).to_owned(), ..Disk::default() });
        self.state().disks.insert(id.to_owned(), disks.collect());
    }

    /// Adds an item that cannot be decoded to the last page of a region.
    pub fn garble(&self, region: &str, id: Option<&str>) {
        let item = Undecodable { id: id.map(str::to_owned), message: "Status is a number".into() };
        self.state().undecodable.entry(region.to_owned()).or_default().push(item);
    }

    /// Notes in the feed that something happened to these resources. It shows
    /// so much later.
    pub fn tell(&self, region: &str, at: Timestamp, lag: SignedDuration, ids: &[&str]) {
        let ids = ids.iter().map(|id| (*id).to_owned()).collect();
        self.tell_of(region, at, lag, Concern::Resources(ids));
    }

    /// Notes in the feed that something happened.
    pub fn tell_of(&self, region: &str, at: Timestamp, lag: SignedDuration, concern: Concern) {
        let event = FeedEvent { name: "SomeEvent".to_owned(), concern };
        self.state().events.entry(region.to_owned()).or_default().push((at, at + lag, event));
    }

    /// Sets the number of the account that calls, by the vendor's word.
    pub fn set_caller(&self, number: &str) {
        let principal = format!("acs:ram::{number}:user/kim");
        let caller = Identity { account_number: number.to_owned(), principal };
        self.state().caller = Some(caller);
    }

    /// Sets the time, on which it depends what the feed shows already.
    pub fn set_time(&self, now: Timestamp) {
        self.state().now = now;
    }

    /// Lets a call fail: from the one after `after` such calls on, `times`
    /// times, in one region or in any.
    pub fn fail(&self, call: Call, region: Option<&str>, after: u32, times: u32, fault: Fault) {
        let region = region.map(str::to_owned);
        self.state().planned.push(Planned { call, region, after, times, fault });
    }

    /// Lets nothing go wrong any more.
    pub fn heal(&self) {
        let mut state = self.state();
        state.planned.clear();
        state.hidden.clear();
        state.undecodable.clear();
    }

    /// Sets how many machines and how many disks are on a page.
    pub fn set_pages(&self, machines: usize, disks: usize) {
        let mut state = self.state();
        (state.page_size, state.disks_a_page) = (machines, disks);
    }

    /// Lets every call take so long.
    pub fn take_time(&self, time: Duration) {
        self.state().call_time = time;
    }

    /// Returns how often a call was made since the last [`Self::forget`].
    #[must_use]
    pub fn calls(&self, call: Call) -> u32 {
        self.state().calls.get(&call).copied().unwrap_or_default()
    }

    /// Returns how many calls were made since the last [`Self::forget`].
    #[must_use]
    pub fn all_calls(&self) -> u64 {
        self.state().calls.values().map(|calls| u64::from(*calls)).sum()
    }

    /// Forgets how often calls were made.
    pub fn forget(&self) {
        self.state().calls.clear();
    }

    /// Says from now on that throttling taught this.
    pub fn teach(&self, paces: &Paces) {
        self.state().paces.clone_from(paces);
    }

    /// Returns what was recalled of throttling, in order.
    #[must_use]
    pub fn recalled(&self) -> Vec<Paces> {
        self.state().recalled.clone()
    }

    /// Lets the vendor know an instance type; without one it is not asked.
    pub fn know_type(&self, name: &str, vcpus: u32) {
        let spec = TypeSpec { vcpus, ..TypeSpec::default() };
        self.state().types.insert(name.to_owned(), spec);
    }

    /// Returns what a region has, with its disks.
    #[must_use]
    pub fn truth(&self, region: &str) -> BTreeMap<String, Resource> {
        let state = self.state();
        let mut all = state.regions.get(region).cloned().unwrap_or_default();
        for (id, resource) in &mut all {
            resource.data_disks = Some(state.disks.get(id).cloned().unwrap_or_default());
        }
        all
    }

    async fn enter(&self, call: Call, region: Option<&str>) -> Result<bool> {
        self.meter.pass().await?;
        let took = self.state().call_time;
        tokio::time::sleep(took).await;
        self.meter.record_call(&format!("{call:?}"), Request { took, ..Request::default() });
        let fault = {
            let mut state = self.state();
            *state.calls.entry(call).or_default() += 1;
            state.planned.iter_mut().find_map(|planned| {
                let is_meant = planned.call == call
                    && (planned.region.is_none() || planned.region.as_deref() == region);
                if !is_meant || planned.times == 0 {
                    None
                } else if planned.after > 0 {
                    planned.after -= 1;
                    None
                } else {
                    planned.times -= 1;
                    Some(planned.fault.clone())
                }
            })
        };
        match fault {
            None => Ok(false),
            Some(Fault::Empty) => Ok(true),
            Some(Fault::Error(error)) => Err(error),
            Some(Fault::Panic) => panic!("told to panic"),
        }
    }
}

/// Returns an error of a class, as the engine would after its retries.
#[must_use]
pub fn error(class: ErrorClass, code: &str) -> Fault {
    Fault::Error(VendorError::new(class, "DescribeInstances", code, "told to fail"))
}

#[async_trait]
impl Vendor for ScriptedVendor {
    async fn regions(&self) -> Result<Vec<Region>> {
        self.enter(Call::Regions, None).await?;
        let state = self.state();
        let region = |id: &String| Region::new(id);
        Ok(state.regions.keys().map(region).collect())
    }

    async fn page(&self, _: &Kind, region: &Region, token: Option<&str>) -> Result<Page> {
        if self.enter(Call::Page, Some(&region.id)).await? {
            return Ok(Page::default());
        }
        let state = self.state();
        let all = state.regions.get(&region.id).into_iter().flatten();
        let visible = all.filter(|(id, _)| !state.hidden.contains(*id));
        let mut rest = visible.filter(|(id, _)| token.is_none_or(|token| id.as_str() > token));
        let resources: Vec<_> =
            rest.by_ref().take(state.page_size).map(|(_, resource)| resource.clone()).collect();
        let is_last = rest.next().is_none();
        let next = resources.last().filter(|_| !is_last).map(|last| last.id.clone());
        let garbled = state.undecodable.get(&region.id).filter(|_| is_last);
        Ok(Page { resources, undecodable: garbled.cloned().unwrap_or_default(), next })
    }

    async fn reread(&self, _: &Kind, region: &Region, ids: &[String]) -> Result<Page> {
        if self.enter(Call::Reread, Some(&region.id)).await? {
            return Ok(Page::default());
        }
        let state = self.state();
        let all = state.regions.get(&region.id);
        let garbled = |id: &String| {
            let mut items = state.undecodable.get(&region.id).into_iter().flatten();
            items.find(|item| item.id.as_ref() == Some(id)).cloned()
        };
        Ok(Page {
            resources: ids.iter().filter_map(|id| all?.get(id).cloned()).collect(),
            undecodable: ids.iter().filter_map(garbled).collect(),
            next: None,
        })
    }

    fn secondary_calls(&self, _: &Kind) -> SecondaryCalls {
        SecondaryCalls::Listed
    }

    async fn details_page(
        &self,
        _: &Kind,
        region: &Region,
        token: Option<&str>,
    ) -> Result<DetailsPage> {
        self.enter(Call::AllDetails, Some(&region.id)).await?;
        let state = self.state();
        let all = state.disks.iter().flat_map(|(id, disks)| disks.iter().map(move |one| (id, one)));
        let begin = token.and_then(|token| token.parse().ok()).unwrap_or(0);
        let mut rest = all.skip(begin);
        let disks: Vec<_> = rest
            .by_ref()
            .take(state.disks_a_page)
            .map(|(id, disk)| (id.clone(), disk.clone()))
            .collect();
        let next = rest.next().map(|_| (begin + disks.len()).to_string());
        Ok(DetailsPage { disks, next })
    }

    async fn details(&self, _: &Kind, region: &Region, resources: &[Resource]) -> Result<Details> {
        self.enter(Call::SomeDetails, Some(&region.id)).await?;
        let state = self.state();
        let disks = resources.iter().filter_map(|one| Some((&one.id, state.disks.get(&one.id)?)));
        let detail = |disks: &BTreeSet<Disk>| Detail { disks: disks.clone(), ..Detail::default() };
        let mut details: Details = disks.map(|(id, disks)| (id.clone(), detail(disks))).collect();
        for resource in resources {
            let refused = state.refused.get(&resource.id).cloned();
            if refused.is_some() {
                details.insert(resource.id.clone(), Detail { refused, ..Detail::default() });
            }
        }
        Ok(details)
    }

    async fn statuses(
        &self,
        _: &Kind,
        region: &Region,
        ids: &[String],
    ) -> Result<BTreeMap<String, (Status, String)>> {
        self.enter(Call::Statuses, Some(&region.id)).await?;
        let state = self.state();
        let all = state.regions.get(&region.id).cloned().unwrap_or_default();
        let found = all.into_iter().filter(|(id, _)| ids.contains(id));
        Ok(found.map(|(id, r)| (id, (r.status, r.vendor_status))).collect())
    }

    fn paces(&self, _: &Region) -> Paces {
        self.state().paces.clone()
    }

    fn recall(&self, _: &Region, paces: &Paces) {
        self.state().recalled.push(paces.clone());
    }

    async fn probe(&self, _: &Kind, region: &Region) -> Result<Permission> {
        if self.state().has_no_probe {
            return Ok(Permission::NoProbe);
        }
        self.enter(Call::Probe, Some(&region.id)).await?;
        Ok(Permission::Granted)
    }

    async fn types(
        &self,
        _: &Kind,
        region: &Region,
        names: &[String],
    ) -> Result<BTreeMap<String, TypeSpec>> {
        if self.state().types.is_empty() {
            return Ok(BTreeMap::new());
        }
        self.enter(Call::Types, Some(&region.id)).await?;
        let known = self.state().types.clone();
        Ok(known.into_iter().filter(|(name, _)| names.contains(name)).collect())
    }

    async fn identity(&self) -> Result<Option<Identity>> {
        if self.state().caller.is_none() {
            return Ok(None);
        }
        self.enter(Call::Identity, None).await?;
        Ok(self.state().caller.clone())
    }

    fn feed_terms(&self, _: &Kind) -> Option<FeedTerms> {
        let window = SignedDuration::from_hours(7 * 24);
        Some(FeedTerms { window, overlap: SignedDuration::from_mins(15) })
    }

    async fn feed_page(
        &self,
        _: &Kind,
        region: &Region,
        [from, until]: [Timestamp; 2],
        token: Option<&str>,
    ) -> Result<FeedPage> {
        self.enter(Call::Feed, Some(&region.id)).await?;
        let state = self.state();
        let all = state.events.get(&region.id).into_iter().flatten();
        let shown = all.filter(|(at, shows, _)| (from..=until).contains(at) && *shows <= state.now);
        let begin = token.and_then(|token| token.parse().ok()).unwrap_or(0);
        let mut rest = shown.skip(begin);
        let events: Vec<_> =
            rest.by_ref().take(EVENTS_A_PAGE).map(|(_, _, event)| event.clone()).collect();
        let next = rest.next().map(|_| (begin + events.len()).to_string());
        Ok(FeedPage { events, next })
    }
}

impl Vendors for ScriptedVendor {
    fn open(
        &self,
        _: &Account,
        _: Credentials,
        meter: Arc<Meter>,
    ) -> std::result::Result<Arc<dyn Vendor>, InvalidAccount> {
        Ok(Arc::new(Self { meter, ..self.clone() }))
    }

    fn kinds(&self, account: &Account) -> std::result::Result<Vec<Kind>, InvalidAccount> {
        Ok(account.kinds.clone())
    }

    fn is_global(&self, kind: &Kind) -> bool {
        kind.as_str().ends_with(".bucket")
    }
}
