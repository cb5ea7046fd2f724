//! Secondary calls, for what the primary list does not have: data disks, which
//! some vendors list for a whole region, and of some kinds tags and addresses,
//! which are asked for page by page.
//!
//! A call that fails leaves what it tells unknown, never empty: it is recorded
//! as an error, and the sync goes on with what it knows.

use std::sync::Arc;

use cloud_sync_core::account::Region;
use cloud_sync_core::disks::{DiskPosition, DiskWalk, Disks};
use cloud_sync_core::error::{ErrorClass, VendorError};
use cloud_sync_core::message::{Mode, WorkMessage};
use cloud_sync_core::resource::Resource;
use cloud_sync_core::scope::Kind;
use cloud_sync_provider::{DetailsPage, SecondaryCalls, Vendor};
use jiff::{SignedDuration, Timestamp};

/// For more resources than this, a walk over everything may be cheaper than a
/// call for each.
const MOST_BY_ID: usize = 20;

/// A resource created so shortly before the walk over the disks may have been
/// missed by it: vendors' times are whole minutes, and their clocks not ours.
const BLIND_TIME: SignedDuration = SignedDuration::from_mins(5);

/// A list that has more pages than this has no end.
const MOST_PAGES: u64 = 100_000;

/// Where data disks come from during one attempt.
pub(crate) struct DetailSource {
    vendor: Arc<dyn Vendor>,
    kind: Kind,
    region: Region,
    salt: String,
    calls: SecondaryCalls,
    mode: Mode,
    /// The walk over everything, in progress or complete; `disks` are what it
    /// found.
    walk: Option<DiskWalk>,
    disks: Disks,
    /// Whether the parts of the last checkpoint are of another walk.
    is_replaced: bool,
    /// Whether a walk was seen to take more calls than it spares.
    is_too_large: bool,
    failed: bool,
}

impl DetailSource {
    pub(crate) fn new(vendor: Arc<dyn Vendor>, region: Region, message: &WorkMessage) -> Self {
        Self {
            calls: vendor.secondary_calls(&message.kind),
            vendor,
            kind: message.kind.clone(),
            region,
            salt: message.task_id.clone(),
            mode: message.mode,
            walk: None,
            disks: Disks::new(&message.task_id),
            is_replaced: false,
            is_too_large: false,
            failed: false,
        }
    }

    /// Goes on where a checkpoint stood.
    pub(crate) fn resume(&mut self, walk: DiskWalk, disks: Disks) {
        self.disks = disks;
        if walk.is_complete() {
            self.disks.sort();
        }
        self.walk = Some(walk);
    }

    /// Tells whether the mode wants the details of everything.
    pub(crate) fn wants_all(&self) -> bool {
        self.is_needed() && self.mode.asks_everything()
    }

    /// Tells whether the kind has what the primary list does not show.
    pub(crate) fn is_needed(&self) -> bool {
        self.calls != SecondaryCalls::None
    }

    /// Tells whether details can be listed for a whole region.
    pub(crate) fn is_listed(&self) -> bool {
        self.calls == SecondaryCalls::Listed
    }

    /// Begins the walk over everything, unless it began already.
    pub(crate) fn begin(&mut self, now: Timestamp) {
        self.walk.get_or_insert_with(|| DiskWalk::begin(now));
    }

    /// Begins it again.
    pub(crate) fn restart(&mut self, now: Timestamp) {
        self.replace(DiskWalk::begin(now), Disks::new(&self.salt));
    }

    /// Gives it up: disks stay unknown, in later turns too.
    pub(crate) fn fail(&mut self) {
        if let Some(walk) = self.walk.take() {
            let walk = DiskWalk { position: DiskPosition::Failed, ..walk };
            self.replace(walk, Disks::new(&self.salt));
        }
    }

    /// Forgets the disks found: nothing is compared any more in this task. They
    /// count as given up, so that nothing is taken for one without disks.
    pub(crate) fn forget(&mut self) {
        self.fail();
    }

    fn replace(&mut self, walk: DiskWalk, disks: Disks) {
        self.walk = Some(walk);
        self.disks = disks;
        self.is_replaced = true;
    }

    /// Returns the token of the next page of the walk, `Some(None)` for the
    /// first; `None` where there is no next page.
    pub(crate) fn next_page(&self) -> Option<Option<String>> {
        Some(self.walk.as_ref()?.next()?.map(str::to_owned))
    }

    /// Takes the next page of the walk.
    pub(crate) fn take(&mut self, page: DetailsPage) -> Result<(), VendorError> {
        match &mut self.walk {
            Some(walk) => take(walk, &mut self.disks, page),
            None => Ok(()),
        }
    }

    /// Returns where the walk stands.
    pub(crate) const fn state(&self) -> Option<&DiskWalk> {
        self.walk.as_ref()
    }

    /// Tells, once, whether what a checkpoint has of the disks is void.
    pub(crate) const fn was_replaced(&mut self) -> bool {
        std::mem::replace(&mut self.is_replaced, false)
    }

    /// Returns the next part that a checkpoint does not have yet.
    pub(crate) fn unsaved(&mut self) -> Option<Vec<u8>> {
        self.disks.unsaved()
    }

    /// Tells whether disks could not be had, so that they are not asked for.
    pub(crate) fn has_failed(&self) -> bool {
        let is_failed = |walk: &DiskWalk| walk.position == DiskPosition::Failed;
        self.failed || self.walk.as_ref().is_some_and(is_failed)
    }

    /// Tells whether everything in the region was asked for already.
    pub(crate) fn has_walked(&self) -> bool {
        self.walk.as_ref().is_some_and(DiskWalk::is_complete)
    }

    /// Puts into a resource what the walk over everything found.
    ///
    /// One that the walk may have been too early for stays unknown: it may
    /// have seen some of its disks and missed others.
    pub(crate) fn fill(&self, resource: &mut Resource) {
        let Some(walk) = self.walk.as_ref().filter(|walk| self.is_needed() && walk.is_complete())
        else {
            return;
        };
        let is_recent =
            resource.created_at.is_some_and(|created| created > walk.began_at - BLIND_TIME);
        if !is_recent {
            resource.set_disks(self.disks.of(&resource.id));
        }
    }

    /// Asks anew for the details of these resources, and puts them in. Does
    /// nothing after a failure: one is enough to report. Returns those whose
    /// own details the vendor refused.
    pub(crate) async fn ask(
        &mut self,
        resources: &mut [Resource],
        now: Timestamp,
    ) -> Result<Vec<(String, VendorError)>, VendorError> {
        if !self.is_needed() || self.has_failed() || resources.is_empty() {
            return Ok(Vec::new());
        }
        let asked = self.try_ask(resources, now).await;
        self.failed = asked.is_err();
        asked
    }

    async fn try_ask(
        &mut self,
        resources: &mut [Resource],
        now: Timestamp,
    ) -> Result<Vec<(String, VendorError)>, VendorError> {
        let are_many = self.is_listed() && resources.len() > MOST_BY_ID;
        if are_many && self.walk_within(resources.len() as u64, now).await? {
            resources.iter_mut().for_each(|resource| self.fill(resource));
            return Ok(Vec::new());
        }
        let mut details = self.vendor.details(&self.kind, &self.region, resources).await?;
        let mut refused = Vec::new();
        for resource in resources {
            let detail = details.remove(&resource.id).unwrap_or_default();
            refused.extend(detail.refused.clone().map(|error| (resource.id.clone(), error)));
            detail.put_into(resource);
        }
        Ok(refused)
    }

    /// Walks over everything anew, unless that takes more than so many pages.
    /// Returns whether it did.
    async fn walk_within(&mut self, pages: u64, now: Timestamp) -> Result<bool, VendorError> {
        if self.is_too_large {
            return Ok(false);
        }
        let (mut walk, mut disks) = (DiskWalk::begin(now), Disks::new(&self.salt));
        while let Some(token) = walk.next() {
            if walk.pages == pages {
                self.is_too_large = true;
                return Ok(false);
            }
            let page = self.vendor.details_page(&self.kind, &self.region, token).await?;
            take(&mut walk, &mut disks, page)?;
        }
        self.replace(walk, disks);
        Ok(true)
    }
}

/// Adds a page to a walk.
fn take(walk: &mut DiskWalk, disks: &mut Disks, page: DetailsPage) -> Result<(), VendorError> {
    let is_repeated = page.next.is_some() && walk.next().flatten() == page.next.as_deref();
    if is_repeated || walk.pages >= MOST_PAGES {
        let text = "the vendor keeps announcing a next page; the list would never end";
        return Err(VendorError::new(ErrorClass::Data, "", "EndlessList", text));
    }
    for (id, disk) in &page.disks {
        disks.add(id, disk);
    }
    walk.pages += 1;
    walk.position = page.next.map_or(DiskPosition::End, DiskPosition::At);
    if walk.is_complete() {
        disks.sort();
    }
    Ok(())
}
