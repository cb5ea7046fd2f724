//! An incremental sync of an account with a change feed: what the feed says
//! was touched is re-read by id, and nothing else.
//!
//! **Invariant**: nothing is written before everything is known that could
//! make the feed doubtful. In doubt the walk tells, in the same attempt, as if
//! there were no feed; so no feed deletes anything.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use cloud_sync_core::error::{Handling, VendorError};
use cloud_sync_core::feed::{Doubt, FeedReading, FeedTerms};
use cloud_sync_core::lease::Findings;
use cloud_sync_core::listing::Page;
use cloud_sync_core::message::Mode;
use cloud_sync_core::resource::Row;
use cloud_sync_core::scope::Scope;
use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

use crate::compare::PAGE;
use crate::work::{Stop, Work};

/// So long a throttled feed is waited for that does not say how long.
const A_LITTLE: SignedDuration = SignedDuration::from_secs(15);

/// Scopes that wait for the feed of one account come back within so many
/// milliseconds of each other.
const SPREAD_MS: u32 = 10_000;

/// Returns a share of [`SPREAD_MS`] that is another one for every scope and
/// time.
fn spread(scope: &Scope, waits: u32) -> SignedDuration {
    let mut hasher = DefaultHasher::new();
    (scope.to_string(), waits).hash(&mut hasher);
    // Less than a u32, so nothing is cut off.
    SignedDuration::from_millis((hasher.finish() % u64::from(SPREAD_MS)) as i64)
}

/// Why a walk has to tell.
#[derive(Debug, Error)]
enum Unfit {
    #[error(transparent)]
    Doubt(#[from] Doubt),
    #[error("{0}")]
    Vendor(VendorError),
    #[error("{0} was touched and is not found any more, which only a listing can prove")]
    Gone(String),
    #[error("what was touched has an item without an id")]
    Unidentified,
    #[error("the worker's time is up")]
    OutOfTime,
}

/// What was touched, as it is now.
#[derive(Default)]
struct Touched {
    found: Page,
    until: Timestamp,
}

impl Work<'_> {
    /// Syncs what the account's change feed says was touched, where there is
    /// one. Returns whether that is all there is to do; if not, nothing was
    /// written, and the list has to be walked.
    pub(crate) async fn follow_feed(&mut self) -> Result<bool, Stop> {
        let Some(terms) = self.feed_terms() else {
            return Ok(false);
        };
        let touched = match self.touched(terms).await? {
            Ok(touched) => touched,
            Err(Unfit::Vendor(error)) => {
                let (api, code) = (&error.api, &error.code);
                tracing::warn!(api, code, error = error.message, "no change feed; walking");
                return Ok(false);
            }
            Err(reason) => {
                tracing::info!(%reason, "the change feed does not tell enough; walking");
                return Ok(false);
            }
        };
        let until = touched.until;
        let touched = touched.found;
        let count = touched.resources.len() + touched.undecodable.len();
        tracing::info!(touched = count, "following the change feed");
        self.take_some(touched).await?;
        self.is_partial = true;
        // Disks that could not be asked for are asked for again next time.
        if !self.details.has_failed() {
            self.before.findings.fed_until = Some(until);
        }
        Ok(true)
    }

    /// Returns what the vendor promises of its feed, where this sync may use
    /// it. A walk in progress goes on, and what a predecessor left half-done
    /// is compared with the whole list once.
    fn feed_terms(&self) -> Option<FeedTerms> {
        let own = &self.message().task_id;
        let is_fit = self.account.change_feed
            && self.message().mode == Mode::Incremental
            && !self.progress.is_resumed
            && self.lease.tasks.iter().all(|task| task == own);
        self.vendor.feed_terms(&self.scope.kind).filter(|_| is_fit)
    }

    /// Returns what was touched since the scope's last success.
    async fn touched(&mut self, terms: FeedTerms) -> Result<Result<Touched, Unfit>, Stop> {
        let now = self.sync.clock.now();
        let begun = FeedReading::begin(terms, &self.before.findings, self.message().since, now);
        let mut reading = match begun {
            Ok(reading) => reading,
            Err(doubt) => return Ok(Err(doubt.into())),
        };
        let mut waits = 0;
        loop {
            self.check_cancelled().await?;
            if self.is_time_up() {
                return Ok(Err(Unfit::OutOfTime));
            }
            let (kind, span) = (&self.scope.kind, [reading.from(), reading.until()]);
            let page = self.vendor.feed_page(kind, &self.region, span, reading.token()).await;
            let wait = page.as_ref().err().and_then(|error| self.feed_wait(error, &reading, waits));
            if let Some(wait) = wait {
                tracing::info!(wait_ms = wait.as_millis(), "the change feed is throttled; waiting");
                waits += 1;
                tokio::time::sleep(wait.unsigned_abs()).await;
                continue;
            }
            match page.map(|page| reading.take(page)) {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) => break,
                Ok(Err(doubt)) => return Ok(Err(doubt.into())),
                Err(error) => return Ok(Err(Unfit::Vendor(error))),
            }
        }
        let until = reading.until();
        let found = self.reread_touched(reading.into_ids()).await?;
        Ok(found.map(|found| Touched { found, until }))
    }

    /// Returns how long a throttled feed is waited for; `None` where a walk
    /// tells instead. The vendor counts the whole account's queries, and tells
    /// every worker the same minute to come back: each comes a little later by
    /// an amount of its scope's own.
    fn feed_wait(
        &self,
        error: &VendorError,
        reading: &FeedReading,
        waits: u32,
    ) -> Option<SignedDuration> {
        if error.class.handling() != Handling::Wait || !reading.is_worth_a_wait(waits) {
            return None;
        }
        let told = error.retry_after.map_or(Ok(A_LITTLE), SignedDuration::try_from).ok()?;
        let settings = &self.sync.settings;
        let wait = told + spread(&self.scope, waits);
        let ends = self.sync.clock.now().checked_add(wait).ok()?;
        let is_short =
            told <= settings.wait_in_place && ends < self.delivered.deadline - settings.wind_down;
        is_short.then_some(wait)
    }

    /// Re-reads what was touched. One that is live and not found makes the
    /// feed unfit; one that is neither was short-lived, or is not synced.
    async fn reread_touched(&self, ids: Vec<String>) -> Result<Result<Page, Unfit>, Stop> {
        if ids.is_empty() {
            return Ok(Ok(Page::default()));
        }
        let mut page = match self.vendor.reread(&self.scope.kind, &self.region, &ids).await {
            Ok(page) => page,
            Err(error) => return Ok(Err(Unfit::Vendor(error))),
        };
        let mut missing: BTreeSet<String> = ids.into_iter().collect();
        if page.undecodable.iter().any(|item| item.id.is_none()) {
            return Ok(Err(Unfit::Unidentified));
        }
        page.resources.retain(|resource| missing.remove(&resource.id));
        page.undecodable.retain(|item| item.id.as_ref().is_some_and(|id| missing.remove(id)));
        Ok(match self.live_among(missing.into_iter().collect()).await? {
            Some(gone) => Err(Unfit::Gone(gone)),
            None => Ok(page),
        })
    }

    /// Returns one of the given resources that is live, if any is.
    pub(crate) async fn live_among(&self, ids: Vec<String>) -> Result<Option<String>, Stop> {
        for ids in ids.chunks(PAGE) {
            let rows = self.store.rows(&self.scope, ids).await?;
            if let Some(row) = rows.into_iter().find(Row::is_live) {
                return Ok(Some(row.resource.id));
            }
        }
        Ok(None)
    }

    /// Writes what differs of some resources that were re-read by id.
    pub(crate) async fn take_some(&mut self, page: Page) -> Result<(), Stop> {
        for item in &page.undecodable {
            self.note_undecodable(item);
            item.id.iter().for_each(|id| self.tally.found_undecodable(id));
        }
        let mut found = page.resources;
        found.iter().for_each(|resource| self.tally.found(&resource.id));
        self.ask_details(&mut found).await?;
        while !found.is_empty() {
            let rest = found.split_off(found.len().min(PAGE));
            self.write(found).await?;
            found = rest;
        }
        Ok(())
    }

    /// Returns what is known after some resources were looked at: no listing,
    /// and where they were all that the change feed tells of, a success. How many rows are live follows from what the whole task
    /// recorded, in this attempt or an earlier one.
    pub(crate) fn findings_of_some(&self, changed_at: Option<Timestamp>) -> Findings {
        let (earlier, counts) = (&self.before.findings, &self.result.counts);
        let live_count = earlier.live_count + counts.added_count;
        let is_sync = self.message().mode.is_sync();
        Findings {
            rhythm: if is_sync { self.rhythm() } else { earlier.rhythm },
            last_changed_at: changed_at.or(earlier.last_changed_at),
            live_count: live_count.saturating_sub(counts.deleted_count),
            lacked_at: self.lacks.then_some(self.entered).or(earlier.lacked_at),
            statuses: self.statuses.after_some(),
            ..earlier.clone()
        }
    }
}
