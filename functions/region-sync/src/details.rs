//! Secondary calls: data disks, which the primary list does not have.
//!
//! A call that fails leaves disks unknown, never empty: it is recorded as an
//! error, and the sync goes on with what it knows.

use std::sync::Arc;

use cloud_sync_core::account::Region;
use cloud_sync_core::error::VendorError;
use cloud_sync_core::message::Mode;
use cloud_sync_core::resource::Resource;
use cloud_sync_core::scope::Kind;
use cloud_sync_provider::{Details, Vendor};
use jiff::{SignedDuration, Timestamp};

/// For more resources than this, one walk over everything is cheaper than a
/// call for each.
const MOST_BY_ID: usize = 20;

/// A resource created so shortly before the walk over the disks may have been
/// missed by it: vendors' times are whole minutes, and their clocks not ours.
const BLIND_TIME: SignedDuration = SignedDuration::from_mins(5);

/// Where data disks come from during one attempt.
pub(crate) struct DetailSource {
    vendor: Arc<dyn Vendor>,
    kind: Kind,
    region: Region,
    needed: bool,
    mode: Mode,
    walked: Option<(Details, Timestamp)>,
    failed: bool,
}

impl DetailSource {
    pub(crate) fn new(vendor: Arc<dyn Vendor>, kind: Kind, region: Region, mode: Mode) -> Self {
        let needed = vendor.has_details(&kind);
        Self { vendor, kind, region, needed, mode, walked: None, failed: false }
    }

    /// Tells whether the mode wants the disks of everything.
    pub(crate) fn wants_all(&self) -> bool {
        self.needed && self.mode == Mode::Full
    }

    /// Tells whether the kind has disks that the primary list does not show.
    pub(crate) const fn is_needed(&self) -> bool {
        self.needed
    }

    /// Asks for the disks of everything in the region.
    pub(crate) async fn walk(&mut self, now: Timestamp) -> Result<(), VendorError> {
        match self.vendor.details(&self.kind, &self.region, None).await {
            Ok(details) => {
                self.walked = Some((details, now));
                Ok(())
            }
            Err(error) => {
                self.failed = true;
                Err(error)
            }
        }
    }

    /// Puts into a resource what the walk over everything found.
    ///
    /// One that the walk may have been too early for stays unknown.
    pub(crate) fn fill(&self, resource: &mut Resource) {
        let (true, Some((details, walked_at))) = (self.needed, &self.walked) else {
            return;
        };
        let found = details.get(&resource.id);
        let is_recent =
            resource.created_at.is_some_and(|created| created > *walked_at - BLIND_TIME);
        if found.is_some() || !is_recent {
            resource.data_disks = Some(found.into_iter().flatten().cloned().collect());
        }
    }

    /// Asks anew for the disks of these resources, and puts them in. Does
    /// nothing after a failure: one is enough to report.
    pub(crate) async fn ask(
        &mut self,
        resources: &mut [Resource],
        now: Timestamp,
    ) -> Result<(), VendorError> {
        if !self.needed || self.failed || resources.is_empty() {
            return Ok(());
        }
        let details = if resources.len() > MOST_BY_ID {
            self.walk(now).await?;
            None
        } else {
            let ids: Vec<_> = resources.iter().map(|resource| resource.id.clone()).collect();
            match self.vendor.details(&self.kind, &self.region, Some(&ids)).await {
                Ok(details) => Some(details),
                Err(error) => {
                    self.failed = true;
                    return Err(error);
                }
            }
        };
        for resource in resources {
            match &details {
                Some(details) => {
                    let found = details.get(&resource.id).into_iter().flatten();
                    resource.data_disks = Some(found.cloned().collect());
                }
                None => self.fill(resource),
            }
        }
        Ok(())
    }

    /// Tells whether everything in the region was asked for already.
    pub(crate) const fn has_walked(&self) -> bool {
        self.walked.is_some()
    }
}
