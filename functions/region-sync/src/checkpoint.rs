//! What a turn leaves to the next: where the walks stand, and beside it, in
//! parts, what they found and what was done.

use cloud_sync_core::disks::Disks;
use cloud_sync_core::lease::{Checkpoint, Parts};
use cloud_sync_core::listing::Walk;
use cloud_sync_core::message::Mode;
use cloud_sync_core::tally::Tally;
use cloud_sync_runtime::store::StoreError;
use cloud_sync_runtime::store::keys::LARGEST_PART;
use jiff::Timestamp;

use crate::work::{Stop, Work};

/// What is saved of a task so far.
#[derive(Debug)]
pub(crate) struct Progress {
    /// The parts saved.
    pub(crate) parts: Parts,
    /// Whether this attempt went on from a checkpoint.
    pub(crate) is_resumed: bool,
    advanced_at: Timestamp,
}

impl Progress {
    pub(crate) fn begin(now: Timestamp) -> Self {
        Self { parts: Parts::default(), is_resumed: false, advanced_at: now }
    }
}

impl Work<'_> {
    /// Returns when errors are no longer put up with: some time after the
    /// region last got further.
    pub(crate) fn give_up_at(&self) -> Timestamp {
        self.progress.advanced_at + self.sync.settings.give_up_after
    }

    /// Goes on where an earlier turn or attempt of this task stood.
    pub(crate) async fn resume(&mut self) -> Result<(), Stop> {
        let task_id = &self.delivered.message.task_id;
        let saved = self.before.checkpoint.take().filter(|saved| saved.task_id == *task_id);
        let Some(saved) = saved else {
            return Ok(());
        };
        match self.load(&saved).await {
            Ok((walk, tally, disks)) => {
                tracing::info!(listed = walk.listed(), "going on from a checkpoint");
                self.walk = walk;
                self.tally = tally;
                if let Some(walk) = &saved.disks {
                    self.details.resume(walk.clone(), disks);
                }
                self.statuses.seen = saved.statuses.clone();
                self.result.counts.error_count = saved.error_count;
                self.result.errors.clone_from(&saved.errors);
                self.progress = Progress {
                    parts: saved.parts.clone(),
                    is_resumed: true,
                    advanced_at: saved.advanced_at,
                };
                self.before.checkpoint = Some(saved);
                Ok(())
            }
            Err(StoreError::Corrupt { reason, .. }) => {
                tracing::warn!(reason, "the checkpoint cannot be read; walking from the start");
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Reads the parts of a checkpoint, one at a time: all of them are as
    /// much as what is made of them.
    async fn load(&self, saved: &Checkpoint) -> Result<(Walk, Tally, Disks), StoreError> {
        let task_id = &saved.task_id;
        let (mut tally, mut disks) = (Tally::new(task_id), Disks::new(task_id));
        for name in &saved.parts.ids {
            self.load_part(task_id, name, |bytes| tally.ids_mut().load(bytes)).await?;
        }
        for name in &saved.parts.disks {
            self.load_part(task_id, name, |bytes| disks.load(bytes)).await?;
        }
        let walk = Walk::resume(saved.walk.clone(), tally.ids());
        let corrupt = || StoreError::Corrupt {
            operation: "reading a checkpoint",
            reason: format!("the parts of that of {} are not what its walk has seen", self.scope),
        };
        Ok((walk.ok_or_else(corrupt)?, tally, disks))
    }

    async fn load_part(
        &self,
        task_id: &str,
        name: &str,
        mut load: impl FnMut(&[u8]) -> bool,
    ) -> Result<(), StoreError> {
        let bytes = self.store.part(&self.scope, task_id, name).await?;
        let reason = || format!("part {name} of the checkpoint of {} breaks off", self.scope);
        let corrupt = || StoreError::Corrupt {
            operation: "reading a part of a checkpoint",
            reason: reason(),
        };
        load(&bytes).then_some(()).ok_or_else(corrupt)
    }

    /// Saves how far the task got. Every write is whole then.
    pub(crate) async fn save_checkpoint(&mut self) -> Result<(), Stop> {
        if self.message().mode == Mode::Plan {
            return Err(Stop::PlanTooLong);
        }
        let task_id = self.message().task_id.clone();
        loop {
            let bytes = self.tally.ids_mut().unsaved(LARGEST_PART);
            if bytes.is_empty() {
                break;
            }
            let name = self.store.put_part(&self.lease, &task_id, &bytes).await?;
            self.progress.parts.ids.push(name);
        }
        if self.details.was_replaced() {
            self.progress.parts.disks.clear();
        }
        while let Some(bytes) = self.details.unsaved() {
            let name = self.store.put_part(&self.lease, &task_id, &bytes).await?;
            self.progress.parts.disks.push(name);
        }
        let mut checkpoint = Checkpoint {
            task_id,
            turn: self.message().turn + 1,
            disks: self.details.state().cloned(),
            walk: self.walk.state().clone(),
            parts: self.progress.parts.clone(),
            statuses: self.statuses.seen.clone(),
            error_count: self.result.counts.error_count,
            errors: self.result.errors.clone(),
            advanced_at: self.progress.advanced_at,
            furthest: 0,
        };
        let before = self.before.checkpoint.as_ref().map_or(0, |saved| saved.furthest);
        let got_to = checkpoint.pages() + self.tally.reread();
        checkpoint.furthest = before.max(got_to);
        if got_to > before {
            checkpoint.advanced_at = self.sync.clock.now();
        }
        self.store.save_checkpoint(&self.lease, &checkpoint).await?;
        self.progress.advanced_at = checkpoint.advanced_at;
        self.before.checkpoint = Some(checkpoint);
        Ok(())
    }
}
