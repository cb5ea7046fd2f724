//! Which project a region of an account is in, where its vendor wants to know.
//!
//! It is remembered with the account's regions. A region that was configured,
//! or remembered before, may come without one: then the regions are asked for
//! again, once a client.

use std::borrow::Cow;
use std::collections::HashMap;

use cloud_sync_core::account::Region;
use cloud_sync_core::error::{ErrorClass, VendorError};
use tokio::sync::OnceCell;

use super::Client;
use super::spec::Call;
use crate::{Result, Vendor};

/// What stands for the project in the path of a call.
const PLACE: &str = "{project}";

/// The projects of an account by region, once they were asked for.
#[derive(Default)]
pub(crate) struct Projects(OnceCell<HashMap<String, String>>);

impl Client {
    /// Returns a region with its project, where a call needs one.
    pub(super) async fn placed<'a>(
        &self,
        call: &Call,
        region: &'a Region,
    ) -> Result<Cow<'a, Region>> {
        if !region.project.is_empty() || !call.path.contains(PLACE) {
            return Ok(Cow::Borrowed(region));
        }
        let ask = async || {
            let regions = self.regions().await?.into_iter();
            Ok(regions.map(|region| (region.id, region.project)).collect())
        };
        let known = self.projects.0.get_or_try_init(ask).await?;
        let Some(project) = known.get(&region.id).filter(|project| !project.is_empty()) else {
            let text = format!(
                "the account has no project in region {}; open the region in the vendor's console",
                region.id
            );
            return Err(VendorError::new(ErrorClass::NotOffered, call.action, "NoProject", text));
        };
        Ok(Cow::Owned(Region { project: project.clone(), ..region.clone() }))
    }
}
