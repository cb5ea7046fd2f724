//! Syncs of given resources. They complete no listing, so what is not found
//! stays as it is stored: only a listing can prove that it is gone. That it
//! was not found is remembered, so that the next listing comes soon.

use std::collections::BTreeSet;

use cloud_sync_core::listing::Page;
use cloud_sync_core::message::Mode;
use cloud_sync_core::resource::{Resource, Row};

use crate::work::{Stop, Work};

impl Work<'_> {
    /// Syncs the resources that the task names.
    pub(crate) async fn sync_named(&mut self) -> Result<(), Stop> {
        self.is_partial = true;
        if self.message().mode == Mode::Status {
            self.compare_statuses().await
        } else {
            self.reread().await
        }
    }

    async fn reread(&mut self) -> Result<(), Stop> {
        let mut missing: BTreeSet<String> = self.ids.iter().cloned().collect();
        let mut page = self.vendor.reread(&self.scope.kind, &self.region, &self.ids).await?;
        // An item that cannot be told may be any of them.
        let is_told = page.undecodable.iter().all(|item| item.id.is_some());
        // Pages repeat what moves between them: each counts once.
        page.resources.retain(|resource| missing.remove(&resource.id));
        page.undecodable.retain(|item| item.id.as_ref().is_none_or(|id| missing.remove(id)));
        tracing::info!(asked = self.ids.len(), missing = missing.len(), "re-reading");
        self.lacks = is_told && self.live_among(missing.into_iter().collect()).await?.is_some();
        self.take_some(Page { next: None, ..page }).await
    }

    /// Writes the statuses that differ, of resources that are stored: a status
    /// alone is no description of one that is not.
    async fn compare_statuses(&mut self) -> Result<(), Stop> {
        let (kind, ids) = (&self.scope.kind, &self.ids);
        let told = self.vendor.statuses(kind, &self.region, ids).await?;
        let rows = self.store.rows(&self.scope, ids).await?;
        let mut changed = Vec::new();
        for row in rows.into_iter().filter(Row::is_live) {
            let Some((status, word)) = told.get(&row.resource.id) else { continue };
            self.tally.found(&row.resource.id);
            let is_same = row.resource.status == *status && row.resource.vendor_status == *word;
            if !is_same {
                let (status, vendor_status) = (*status, word.clone());
                changed.push(Resource { status, vendor_status, ..row.resource });
            }
        }
        tracing::info!(asked = self.ids.len(), found = told.len(), "comparing statuses");
        self.write(changed).await
    }
}
