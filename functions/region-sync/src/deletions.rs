//! What a complete listing did not have: re-read, proven, judged, and only
//! then deleted.

use std::collections::HashSet;

use cloud_sync_core::deletion::{Decision, OnDelete};
use cloud_sync_core::error::{Handling, VendorError};
use cloud_sync_core::listing::CompleteListing;
use cloud_sync_core::resource::Row;
use cloud_sync_provider::Permission;

use crate::attempt::{Stop, Work};
use crate::compare::PAGE;

impl Work<'_> {
    /// Deletes the live rows that are proven to be gone, and holds back those
    /// that cannot be or are too many to believe.
    pub(crate) async fn delete_missing(&mut self) -> Result<(), Stop> {
        let Ok(listing) = self.walk.clone().complete() else {
            return Ok(());
        };
        let ids: Vec<_> = listing.missing(&self.index).map(|(id, _)| id).collect();
        if ids.is_empty() {
            return Ok(());
        }
        // A cancelled task deletes nothing, however late the wish came.
        self.check_cancelled_now().await?;
        tracing::info!(candidates = ids.len(), "live rows are not in the listing");
        let Some(ids) = self.still_missing(&listing, ids).await? else {
            return Ok(());
        };
        if ids.is_empty() || !self.has_permission(ids.len()).await? {
            return Ok(());
        }
        self.judge(ids).await
    }

    /// Re-reads candidates by id and returns those that do not exist. `None`
    /// where that cannot be told: all are held then.
    async fn still_missing(
        &mut self,
        listing: &CompleteListing,
        ids: Vec<String>,
    ) -> Result<Option<Vec<String>>, Stop> {
        if listing.unidentified() > 0 {
            // Each item without an id may be any of the candidates.
            tracing::warn!("items without an id were listed; nothing is deleted");
            self.tally.set_held(ids.len() as u64);
            return Ok(None);
        }
        let page = match self.vendor.reread(&self.scope.kind, &self.region, &ids).await {
            Ok(page) => page,
            Err(error) => {
                self.hold_all(&error, ids.len())?;
                return Ok(None);
            }
        };
        let mut missing: HashSet<_> = ids.into_iter().collect();
        let mut is_identified = true;
        self.unmark(&page.undecodable).await?;
        for item in &page.undecodable {
            self.note_undecodable(item);
            match &item.id {
                Some(id) if missing.remove(id) => self.tally.found_undecodable(id),
                Some(_) => {}
                None => is_identified = false,
            }
        }
        let mut found = page.resources;
        found.retain(|resource| missing.remove(&resource.id));
        for resource in &found {
            self.tally.found(&resource.id);
        }
        while !found.is_empty() {
            let rest = found.split_off(found.len().min(PAGE));
            self.write(found).await?;
            found = rest;
        }
        if !is_identified {
            self.tally.set_held(missing.len() as u64);
            return Ok(None);
        }
        let mut missing: Vec<_> = missing.into_iter().collect();
        missing.sort_unstable();
        Ok(Some(missing))
    }

    /// Asks the vendor for proof that the account may see what it does not
    /// see. Asked after the re-read, so that a permission that was revoked in
    /// the middle of the walk cannot make a part of it look empty.
    async fn has_permission(&mut self, candidates: usize) -> Result<bool, Stop> {
        match self.vendor.probe(&self.scope.kind, &self.region).await {
            Ok(Permission::Granted | Permission::NoProbe) => Ok(true),
            Err(error) => {
                self.hold_all(&error, candidates)?;
                Ok(false)
            }
        }
    }

    /// Holds all candidates back: without an answer nothing is proven. An
    /// error that concerns the whole account stops the attempt.
    fn hold_all(&mut self, error: &VendorError, candidates: usize) -> Result<(), Stop> {
        if error.class.handling() == Handling::StopAccount {
            return Err(error.clone().into());
        }
        self.note_secondary(error);
        self.tally.set_held(candidates as u64);
        Ok(())
    }

    async fn judge(&mut self, ids: Vec<String>) -> Result<(), Stop> {
        let mut rows = Vec::new();
        for ids in ids.chunks(PAGE) {
            rows.extend(self.store.rows(&self.scope, ids).await?.into_iter().filter(Row::is_live));
        }
        let listing = self.before.findings.complete_listings + 1;
        let candidates =
            rows.iter().map(|row| (row.resource.id.clone(), row.missing)).collect::<Vec<_>>();
        let decisions = self.decisions(&rows).await?;
        let policy = self.account.deletion;
        let live = self.index.len() as u64;
        let judgement = policy.judge(live, listing, candidates, &decisions);
        let hold: HashSet<_> = judgement.hold.into_iter().collect();
        let (held, gone): (Vec<_>, Vec<_>) =
            rows.into_iter().partition(|row| hold.contains(&row.resource.id));
        self.delete(&gone).await?;
        self.hold(&held, listing).await
    }

    /// Returns what operators decided on the scope, as of now: an approval that
    /// was given while the walk ran counts. Only marked rows can be decided on.
    async fn decisions(&self, rows: &[Row]) -> Result<Vec<Decision>, Stop> {
        if rows.iter().all(|row| row.missing.is_none()) {
            return Ok(Vec::new());
        }
        Ok(self.store.scope(&self.scope).await?.decisions)
    }

    async fn delete(&mut self, gone: &[Row]) -> Result<(), Stop> {
        for rows in gone.chunks(PAGE) {
            let (changes, tombstones): (Vec<_>, Vec<_>) =
                rows.iter().map(|row| self.observer().gone(row)).unzip();
            if self.account.deletion.on_delete == OnDelete::Tombstone {
                self.put(&changes, &tombstones).await?;
                continue;
            }
            self.put(&changes, &[]).await?;
            self.check_time_to_write()?;
            let ids: Vec<_> = changes.into_iter().map(|change| change.id).collect();
            self.store.remove_rows(&self.scope, &ids).await?;
        }
        Ok(())
    }

    async fn hold(&mut self, held: &[Row], listing: u64) -> Result<(), Stop> {
        if held.is_empty() {
            return Ok(());
        }
        tracing::warn!(
            held = held.len(),
            "missing rows are held: too many at once, or an operator rejected"
        );
        self.tally.set_held(held.len() as u64);
        for rows in held.chunks(PAGE) {
            let marked: Vec<_> =
                rows.iter().filter_map(|row| self.observer().missed(row, listing)).collect();
            self.put(&[], &marked).await?;
        }
        Ok(())
    }
}
