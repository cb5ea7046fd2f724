//! What a complete listing did not have: re-read, proven, judged, and only
//! then deleted.

use std::collections::HashSet;

use cloud_sync_core::budget::BUDGET_EXHAUSTED;
use cloud_sync_core::deletion::{Decision, DeletionPolicy, OnDelete, Verdict, decision_on};
use cloud_sync_core::error::{Handling, VendorError};
use cloud_sync_core::listing::{CompleteListing, MissingRows, Page};
use cloud_sync_core::resource::{Missing, Row};
use cloud_sync_provider::Permission;

use crate::compare::PAGE;
use crate::index::{CONTROLS, Unlisted};
use crate::work::{Stop, Work};

/// So many resources are judged before the time is looked at; so many are in
/// memory together.
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
        let (done, walk) = match std::mem::take(&mut self.walk).complete() {
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
        if listing.count_missing(self.tally.ids()) == 0 {
            return Ok(Done::Yes);
        }
        // A cancelled task deletes nothing, however late the wish came.
        self.check_cancelled_now().await?;
        // Their place may be needed for as many ids.
        self.details.forget();
        let Some(Unlisted { rows: missing, controls }) = self.read_unlisted(listing).await? else {
            return Ok(Done::NotYet);
        };
        let done = self.delete_missing_rows(listing, &missing, &controls).await?;
        if matches!(done, Done::Yes) {
            self.count_unproven(&missing).await?;
        }
        Ok(done)
    }

    async fn delete_missing_rows(
        &mut self,
        listing: &CompleteListing,
        missing: &MissingRows,
        controls: &[String],
    ) -> Result<Done, Stop> {
        let Some((first, _)) = missing.iter().next() else {
            // The index has caught up with writes before this task's.
            return Ok(Done::Yes);
        };
        tracing::info!(resource_id = first, "live rows are not in the listing");
        if listing.unidentified() > 0 {
            // Each item without an id may be any of the candidates.
            tracing::warn!("items without an id were listed; nothing is deleted");
            self.tally.set_held(self.count_gone(missing));
            return Ok(Done::Yes);
        }
        // A permission that was taken away during the walk, and may be back
        // after the re-read, makes everything look gone: it has to be there
        // before and after.
        let Some(permission) = self.permission(missing).await? else {
            return Ok(Done::Yes);
        };
        match self.reread_missing(missing, controls).await? {
            Reread::OutOfTime => return Ok(Done::NotYet),
            Reread::Held => return Ok(Done::Yes),
            Reread::Gone => {}
        }
        let gone = self.count_gone(missing);
        if gone == 0 || self.permission(missing).await?.is_none() {
            return Ok(Done::Yes);
        }
        // Nothing that is known was listed, and nobody can be asked whether it
        // would be: then no number of missing rows is plausible.
        let is_blind = permission == Permission::NoProbe && controls.is_empty();
        let policy = self.account.deletion;
        let policy = if is_blind { policy.believing_none() } else { policy };
        self.judge_missing(&policy, missing, gone).await
    }

    /// Re-reads the candidates by id, a request's worth at a time, and asks a
    /// second API of the vendor about those it does not find.
    async fn reread_missing(
        &mut self,
        missing: &MissingRows,
        controls: &[String],
    ) -> Result<Reread, Stop> {
        let mut left = missing.iter().map(|(id, _)| id);
        loop {
            let ids = left.by_ref().filter(|id| self.tally.was_found(id).is_none());
            let ids: Vec<_> = ids.take(PAGE - CONTROLS).collect();
            if ids.is_empty() {
                return Ok(Reread::Gone);
            }
            match self.is_believable(ids, controls).await {
                Ok(true) => {}
                Ok(false) => {
                    self.tally.set_held(self.count_gone(missing));
                    return Ok(Reread::Held);
                }
                Err(Stop::Vendor(error)) => {
                    self.hold_all(&error, self.count_gone(missing))?;
                    return Ok(Reread::Held);
                }
                Err(stop) => return Err(stop),
            }
            if self.is_time_up() {
                return Ok(Reread::OutOfTime);
            }
        }
    }

    /// Re-reads some candidates, and asks a second API about those it does not
    /// find. Tells whether the vendor's answers can be believed: two of its
    /// APIs agree on what is not there, and both know what is.
    async fn is_believable(&mut self, ids: Vec<String>, controls: &[String]) -> Result<bool, Stop> {
        let (kind, region) = (self.scope.kind.clone(), self.region.clone());
        let asked = [&ids[..], controls].concat();
        let page = self.vendor.reread(&kind, &region, &asked).await?;
        let is_known = |id: &String| {
            page.resources.iter().any(|resource| resource.id == *id)
                || page.undecodable.iter().any(|item| item.id.as_ref() == Some(id))
        };
        if !controls.is_empty() && !controls.iter().any(is_known) {
            tracing::warn!("a re-read does not find what was listed; nothing is deleted");
            return Ok(false);
        }
        let Some(gone) = self.take_reread(ids, page).await? else {
            return Ok(false);
        };
        if !gone.is_empty() {
            let asked = [&gone[..], controls].concat();
            let statuses = self.vendor.statuses(&kind, &region, &asked).await?;
            if let Some(id) = gone.iter().find(|id| statuses.contains_key(*id)) {
                tracing::warn!(resource_id = id, "has a status, yet no re-read finds it");
                return Ok(false);
            }
            if !controls.is_empty() && !controls.iter().any(|id| statuses.contains_key(id)) {
                tracing::warn!("what was listed has no status; nothing is deleted");
                return Ok(false);
            }
        }
        gone.iter().for_each(|id| self.tally.gone(id));
        Ok(true)
    }

    /// Returns how many candidates there are that no re-read found.
    fn count_gone(&self, missing: &MissingRows) -> u64 {
        missing.iter().filter(|(id, _)| self.tally.was_found(id) != Some(true)).count() as u64
    }

    /// Takes what a re-read of these ids found. Returns those it did not find;
    /// `None` where an item without an id may be any of them.
    async fn take_reread(
        &mut self,
        ids: Vec<String>,
        page: Page,
    ) -> Result<Option<Vec<String>>, Stop> {
        let mut missing: HashSet<_> = ids.into_iter().collect();
        let mut is_identified = true;
        self.unmark(&page.undecodable).await?;
        for item in &page.undecodable {
            self.note_undecodable(item);
            match &item.id {
                Some(id) if missing.remove(id) => {
                    self.tally.found_undecodable(id);
                    self.count_undecodable(std::slice::from_ref(id)).await?;
                }
                Some(_) => {}
                None => is_identified = false,
            }
        }
        let mut found = page.resources;
        found.retain(|resource| missing.remove(&resource.id));
        for resource in &found {
            self.tally.found(&resource.id);
        }
        self.count_seen(&found);
        while !found.is_empty() {
            let rest = found.split_off(found.len().min(PAGE));
            self.write(found).await?;
            found = rest;
        }
        let mut missing: Vec<_> = missing.into_iter().collect();
        missing.sort_unstable();
        Ok(is_identified.then_some(missing))
    }

    /// Asks the vendor for proof that the account may see what it does not
    /// see. Without an answer all candidates are held.
    async fn permission(&mut self, missing: &MissingRows) -> Result<Option<Permission>, Stop> {
        match self.vendor.probe(&self.scope.kind, &self.region).await {
            Ok(permission) => Ok(Some(permission)),
            Err(error) => {
                self.hold_all(&error, self.count_gone(missing))?;
                Ok(None)
            }
        }
    }

    /// Holds all candidates back: without an answer nothing is proven. An
    /// error that concerns the whole account stops the attempt.
    fn hold_all(&mut self, error: &VendorError, candidates: u64) -> Result<(), Stop> {
        if error.class.handling() == Handling::StopAccount || error.code == BUDGET_EXHAUSTED {
            return Err(error.clone().into());
        }
        self.note_secondary(error);
        self.tally.set_held(candidates);
        Ok(())
    }

    /// Judges what is gone, some at a time. What earlier turns of the task
    /// deleted still counts among what is missing; what an operator approved
    /// does not.
    async fn judge_missing(
        &mut self,
        policy: &DeletionPolicy,
        missing: &MissingRows,
        gone: u64,
    ) -> Result<Done, Stop> {
        let mut left = missing.iter().map(|(id, _)| id);
        let approved = self.count_approved(missing).await?;
        let mut whole = None;
        loop {
            let ids = left.by_ref().filter(|id| self.tally.was_found(id) != Some(true));
            let ids: Vec<_> = ids.take(AT_ONCE).collect();
            if ids.is_empty() {
                return Ok(Done::Yes);
            }
            let rows = self.live_rows(&ids).await?;
            // The index may lag behind: of so few rows it is known better.
            let gone = if gone <= AT_ONCE as u64 { rows.len() as u64 } else { gone };
            let (live, deleted) = (self.tally.ids().live(), self.tally.deletions());
            let open = |rows: u64| (rows + deleted).saturating_sub(approved);
            let whole = whole.get_or_insert_with(|| policy.knowing_all(open(live), open(gone)));
            self.judge(whole, rows).await?;
            if self.is_time_up() {
                return Ok(Done::NotYet);
            }
        }
    }

    /// Returns how many of the rows that were not listed an operator approved
    /// the deletion of.
    async fn count_approved(&self, missing: &MissingRows) -> Result<u64, Stop> {
        let marked = || missing.iter().filter_map(|(id, mark)| Some((id, mark?)));
        if marked().next().is_none() {
            return Ok(0);
        }
        let decisions = self.store.scope(&self.scope).await?.decisions;
        let is_approved = |(id, mark): &(String, Missing)| {
            self.tally.was_found(id) != Some(true)
                && decision_on(&decisions, id, mark).is_some_and(|d| d.verdict == Verdict::Approve)
        };
        Ok(marked().filter(is_approved).count() as u64)
    }

    pub(crate) async fn live_rows(&self, ids: &[String]) -> Result<Vec<Row>, Stop> {
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
        let decisions = self.decisions(&rows).await?;
        let live = self.tally.ids().live();
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
            self.meter.record_rows(ids.len());
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
        self.tally.set_held(self.tally.held() + held.len() as u64);
        self.statuses.hold(held);
        for rows in held.chunks(PAGE) {
            let marked: Vec<_> =
                rows.iter().filter_map(|row| self.observer().missed(row, listing)).collect();
            self.put(&[], &marked).await?;
        }
        Ok(())
    }
}
