//! Tasks in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;
use cloud_sync_core::request::KnownRequest;
use cloud_sync_core::task::{RegionResult, SyncTask, TaskStatus};
use jiff::Timestamp;

use super::units::{Bill, size};
use super::{MemoryStore, Tables};
use crate::store::{RequestStore, Result, TaskPlace, TaskQuery, TaskStore, keys};

/// A task and the results of its regions.
#[derive(Debug, Default)]
pub(super) struct TaskEntry {
    /// Absent where only a region's result was ever written.
    task: Option<SyncTask>,
    regions: BTreeMap<String, RegionResult>,
}

impl Tables {
    fn all_tasks(&self) -> impl Iterator<Item = &SyncTask> {
        self.tasks.values().filter_map(|entry| entry.task.as_ref())
    }
}

fn bill_for(bill: &mut Bill, task: &SyncTask) {
    bill.write(size(task), if task.status.is_terminal() { 1 } else { 2 });
}

impl MemoryStore {
    /// Changes a task, unless it has ended. Returns it as it is then, and
    /// whether it was changed.
    fn change_task(
        &self,
        task_id: &str,
        change: impl FnOnce(&mut SyncTask),
    ) -> Option<(SyncTask, bool)> {
        self.request(|tables, bill| {
            let task = tables.tasks.get_mut(task_id)?.task.as_mut()?;
            let is_open = !task.status.is_terminal();
            if is_open {
                change(task);
            }
            bill_for(bill, task);
            Some((task.clone(), is_open))
        })
    }
}

#[async_trait]
impl TaskStore for MemoryStore {
    async fn create_task(&self, task: &SyncTask) -> Result<bool> {
        self.request(|tables, bill| {
            let entry = tables.tasks.entry(task.task_id.clone()).or_default();
            let is_new = entry.task.is_none();
            let task = entry.task.get_or_insert_with(|| task.clone());
            task.ids.sort_unstable();
            task.ids.dedup();
            bill_for(bill, task);
            Ok(is_new)
        })
    }

    async fn task(&self, task_id: &str) -> Result<Option<SyncTask>> {
        self.request(|tables, bill| {
            let found = tables.tasks.get(task_id).and_then(|entry| entry.task.clone());
            bill.read(size(&found));
            Ok(found)
        })
    }

    async fn join_task(&self, task_id: &str, ids: &[String]) -> Result<bool> {
        let Some(room) = keys::room_for(ids.len()).filter(|_| !ids.is_empty()) else {
            return Ok(false);
        };
        let mut is_joined = false;
        self.change_task(task_id, |task| {
            is_joined = task.status == TaskStatus::Pending
                && !task.cancel_requested
                && !task.ids.is_empty()
                && task.ids.len() <= room;
            if is_joined {
                task.ids.extend_from_slice(ids);
                task.ids.sort_unstable();
                task.ids.dedup();
            }
        });
        Ok(is_joined)
    }

    async fn start_task(&self, task_id: &str, deadline: Timestamp) -> Result<Option<SyncTask>> {
        let changed = self.change_task(task_id, |task| {
            task.status = TaskStatus::Running;
            task.deadline = task.deadline.max(deadline);
        });
        Ok(changed.map(|(task, _)| task))
    }

    async fn request_cancel(&self, task_id: &str) -> Result<bool> {
        let changed = self.change_task(task_id, |task| task.cancel_requested = true);
        Ok(changed.is_some_and(|(_, done)| done))
    }

    async fn update_task(&self, task: &SyncTask) -> Result<bool> {
        self.request(|tables, bill| {
            let entry = tables.tasks.get_mut(&task.task_id);
            let Some(stored) = entry.and_then(|entry| entry.task.as_mut()) else {
                return Ok(false);
            };
            bill_for(bill, stored);
            if stored.status.is_terminal() {
                return Ok(false);
            }
            stored.status = task.status;
            stored.end_time = task.end_time;
            stored.duration_ms = task.duration_ms;
            stored.counts = task.counts;
            stored.cost = task.cost.clone();
            stored.error_message.clone_from(&task.error_message);
            tables.count_for_day(task, bill);
            Ok(true)
        })
    }

    async fn put_region_result(&self, result: &RegionResult) -> Result<bool> {
        self.request(|tables, bill| {
            let regions = &mut tables.tasks.entry(result.task_id.clone()).or_default().regions;
            bill.write(size(result), 0);
            if regions.get(&result.region).is_some_and(|stored| stored.status.is_terminal()) {
                return Ok(false);
            }
            regions.insert(result.region.clone(), result.clone());
            Ok(true)
        })
    }

    async fn region_result(&self, task_id: &str, region: &str) -> Result<Option<RegionResult>> {
        self.request(|tables, bill| {
            let found = tables.tasks.get(task_id).and_then(|entry| entry.regions.get(region));
            bill.read(size(&found));
            Ok(found.cloned())
        })
    }

    async fn region_results(&self, task_id: &str) -> Result<Vec<RegionResult>> {
        self.request(|tables, bill| {
            let found = tables.tasks.get(task_id).map(|entry| &entry.regions);
            bill.read(size(&found));
            Ok(found.map(|regions| regions.values().cloned().collect()).unwrap_or_default())
        })
    }

    async fn open_tasks(&self) -> Result<Vec<SyncTask>> {
        self.request(|tables, bill| {
            let open = tables.all_tasks().filter(|task| !task.status.is_terminal());
            let mut open: Vec<_> = open.cloned().collect();
            open.sort_by_key(|task| task.deadline);
            bill.read_lagging(size(&open));
            Ok(open)
        })
    }

    async fn tasks(&self, query: &TaskQuery) -> Result<Vec<SyncTask>> {
        self.request(|tables, bill| {
            let is_wanted = |task: &&SyncTask| {
                let of_account = match &query.account_id {
                    Some(id) => task.account_id == *id,
                    None => tables.accounts.contains_key(&task.account_id),
                };
                let place = TaskPlace::of(task);
                of_account
                    && query.since.is_none_or(|since| task.start_time >= since)
                    && query.until.is_none_or(|until| task.start_time <= until)
                    && query.after.as_ref().is_none_or(|after| place < *after)
            };
            let mut found: Vec<_> = tables.all_tasks().filter(is_wanted).collect();
            found.sort_by(|a, b| (b.start_time, &b.task_id).cmp(&(a.start_time, &a.task_id)));
            found.truncate(query.limit);
            bill.read_lagging(size(&found));
            Ok(found.into_iter().cloned().collect())
        })
    }
}

#[async_trait]
impl RequestStore for MemoryStore {
    async fn remember_request(&self, request: &KnownRequest) -> Result<KnownRequest> {
        self.request(|tables, bill| {
            bill.write(size(request), 0);
            let known = tables.requests.entry(request.key.clone());
            let known = known.or_insert_with(|| request.clone());
            // To the second, as the table tells.
            if known.expires_at().as_second() <= request.at.as_second() {
                known.clone_from(request);
            }
            Ok(known.clone())
        })
    }
}
