//! What a complete listing did not have: re-read, proven, judged, and only
//! then deleted.

use std::collections::HashSet;

use cloud_sync_core::deletion::{DeletionPolicy, OnDelete};
use cloud_sync_core::error::{Handling, VendorError};
use cloud_sync_core::listing::{CompleteListing, Page, Walk};
use cloud_sync_core::resource::Row;
use cloud_sync_provider::Permission;

use crate::attempt::{Stop, Work};
use crate::compare::PAGE;

/// So many resources are re-read, or judged, before the time is looked at; so
/// many are in memory together.
const AT_ONCE: usize = 1000;

/// Whether everything was done.
enum Done {
    Yes,
    /// The rest is for another turn.
    NotYet,
}

/// How re-reading what was not listed ended.
enum Reread {
    /// Everything was re-read.
    Gone,
    /// It proves nothing.
    Held,
    /// The rest is for another turn.
    OutOfTime,
}

impl Work<'_> {
    /// Deletes the live rows that are proven to be gone, and holds back those
    /// that cannot be or are too many to believe. Returns whether that is
    /// done; if not, a checkpoint was saved.
    pub(crate) async fn delete_missing(&mut self) -> Result<bool, Stop> {
        let walk = Walk::new(&self.message().task_id);
        let (done, walk) = match std::mem::replace(&mut self.walk, walk).complete() {
            Ok(listing) => (self.delete_unlisted(&listing).await, listing.into_walk()),
            Err(walk) => (Ok(Done::Yes), *walk),
        };
        self.walk = walk;
        if matches!(done?, Done::NotYet) {
            self.save_checkpoint().await?;
            return Ok(false);
        }
        Ok(true)
    }

    async fn delete_unlisted(&mut self, listing: &CompleteListing) -> Result<Done, Stop> {
        let index = self.index.clone();
        let Some(first) = listing.missing(&index).next() else {
            return Ok(Done::Yes);
        };
        // A cancelled task deletes nothing, however late the wish came.
        self.check_cancelled_now().await?;
        tracing::info!(resource_id = first.0, "live rows are not in the listing");
        if listing.unidentified() > 0 {
            // Each item without an id may be any of the candidates.
            tracing::warn!("items without an id were listed; nothing is deleted");
            self.tally.set_held(self.count_gone(listing));
            return Ok(Done::Yes);
        }
        match self.reread_missing(listing).await? {
            Reread::OutOfTime => return Ok(Done::NotYet),
            Reread::Held => return Ok(Done::Yes),
            Reread::Gone => {}
        }
        let gone = self.count_gone(listing);
        if gone == 0 || !self.has_permission(gone).await? {
            return Ok(Done::Yes);
        }
        self.judge_missing(listing, gone).await
    }

    /// Re-reads the candidates by id, some at a time: of a region that seems
    /// to have collapsed they are all rows there were.
    async fn reread_missing(&mut self, listing: &CompleteListing) -> Result<Reread, Stop> {
        let index = self.index.clone();
        let mut missing = listing.missing(&index).map(|(id, _)| id);
        let mut is_identified = true;
        loop {
            let ids = missing.by_ref().filter(|id| self.tally.was_found(id).is_none());
            let ids: Vec<_> = ids.take(AT_ONCE).collect();
            if ids.is_empty() {
                break;
            }
            match self.vendor.reread(&self.scope.kind, &self.region, &ids).await {
                Ok(page) => is_identified &= self.take_reread(ids, page).await?,
                Err(error) => {
                    self.hold_all(&error, self.count_gone(listing))?;
                    return Ok(Reread::Held);
                }
            }
            if self.is_time_up() {
                return Ok(Reread::OutOfTime);
            }
        }
        if is_identified {
            return Ok(Reread::Gone);
        }
        self.tally.set_held(self.count_gone(listing));
        Ok(Reread::Held)
    }

    /// Returns how many candidates there are that no re-read found.
    fn count_gone(&self, listing: &CompleteListing) -> u64 {
        let missing = listing.missing(&self.index);
        missing.filter(|(id, _)| self.tally.was_found(id) != Some(true)).count() as u64
    }

    /// Takes what a re-read of these ids found. Returns whether every item
    /// had an id.
    async fn take_reread(&mut self, ids: Vec<String>, page: Page) -> Result<bool, Stop> {
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
        if is_identified {
            missing.iter().for_each(|id| self.tally.gone(id));
        }
        Ok(is_identified)
    }

    /// Asks the vendor for proof that the account may see what it does not
    /// see. Asked after the re-read, so that a permission that was revoked in
    /// the middle of the walk cannot make a part of it look empty.
    async fn has_permission(&mut self, candidates: u64) -> Result<bool, Stop> {
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
    fn hold_all(&mut self, error: &VendorError, candidates: u64) -> Result<(), Stop> {
        if error.class.handling() == Handling::StopAccount {
            return Err(error.clone().into());
        }
        self.note_secondary(error);
        self.tally.set_held(candidates);
        Ok(())
    }

    /// Judges what is gone, some at a time. What earlier turns of the task
    /// deleted still counts among what is missing.
    async fn judge_missing(&mut self, listing: &CompleteListing, gone: u64) -> Result<Done, Stop> {
        let index = self.index.clone();
        let mut missing = listing.missing(&index).map(|(id, _)| id);
        let mut whole = None;
        loop {
            let ids = missing.by_ref().filter(|id| self.tally.was_found(id) != Some(true));
            let ids: Vec<_> = ids.take(AT_ONCE).collect();
            if ids.is_empty() {
                return Ok(Done::Yes);
            }
            let rows = self.live_rows(&ids).await?;
            // The index may lag behind: of so few rows it is known better.
            let gone = if gone <= AT_ONCE as u64 { rows.len() as u64 } else { gone };
            let (live, deleted) = (index.len() as u64, self.tally.deletions());
            let policy = *whole.get_or_insert_with(|| {
                self.account.deletion.knowing_all(live + deleted, gone + deleted)
            });
            self.judge(&policy, rows).await?;
            if self.is_time_up() {
                return Ok(Done::NotYet);
            }
        }
    }

    async fn live_rows(&self, ids: &[String]) -> Result<Vec<Row>, Stop> {
        let mut rows = Vec::new();
        for ids in ids.chunks(PAGE) {
            rows.extend(self.store.rows(&self.scope, ids).await?.into_iter().filter(Row::is_live));
        }
        Ok(rows)
    }

    /// Deletes rows or holds them; `policy` knows how many there are in all.
    async fn judge(&mut self, policy: &DeletionPolicy, rows: Vec<Row>) -> Result<(), Stop> {
        let listing = self.before.findings.complete_listings + 1;
        let candidates =
            rows.iter().map(|row| (row.resource.id.clone(), row.missing)).collect::<Vec<_>>();
        let verdict = policy.judge(self.index.len() as u64, listing, candidates);
        let hold: HashSet<_> = verdict.hold.into_iter().collect();
        let (held, gone): (Vec<_>, Vec<_>) =
            rows.into_iter().partition(|row| hold.contains(&row.resource.id));
        self.delete(&gone).await?;
        self.hold(&held, listing).await
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
        tracing::warn!(held = held.len(), "too many rows are missing at once; deletions are held");
        self.tally.set_held(self.tally.held() + held.len() as u64);
        for rows in held.chunks(PAGE) {
            let marked: Vec<_> =
                rows.iter().filter_map(|row| self.observer().missed(row, listing)).collect();
            self.put(&[], &marked).await?;
        }
        Ok(())
    }
}
