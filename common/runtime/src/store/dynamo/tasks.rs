//! Tasks: one item for the task and one for each region that has begun.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use cloud_sync_core::request::KnownRequest;
use cloud_sync_core::stats::day_of_task;
use cloud_sync_core::task::{RegionResult, SyncTask, TaskStatus};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use super::DynamoStore;
use super::days::count_for_day;
use super::errors::Call;
use super::items::{Item, decode, encode, item, number, text};
use super::requests::{Query, Update, Want, Written};
use crate::store::tables::Table;
use crate::store::{
    AccountStore, RequestStore, Result, StoreError, TaskPlace, TaskQuery, TaskStore, keys,
};

/// So many accounts are asked for their tasks at a time.
const ACCOUNTS_AT_A_TIME: usize = 4;

/// So often a request is looked for that is there and is not.
const MOST_TRIES: usize = 3;

const fn want(operation: &'static str) -> Want {
    Want { operation, table: Table::Tasks }
}

fn key(task_id: &str, part: &str) -> Item {
    item([(keys::TASK_ID, text(task_id)), (keys::PART, text(part))])
}

fn task_key(task_id: &str) -> Item {
    key(task_id, keys::TASK_PART)
}

/// Returns the values of [`keys::NOT_ENDED`].
fn open_statuses() -> Item {
    item([
        (":pending", text(TaskStatus::Pending.as_str())),
        (":running", text(TaskStatus::Running.as_str())),
    ])
}

fn set(item: &mut Item, name: &str, value: AttributeValue) {
    item.insert(name.to_owned(), value);
}

/// Returns ids as a set, which may not hold one twice.
fn ids(ids: &[String]) -> AttributeValue {
    let ids: BTreeSet<&String> = ids.iter().collect();
    AttributeValue::Ss(ids.into_iter().cloned().collect())
}

/// Returns a task that was read. A set comes in any order.
fn decoded(call: Call<'_>, item: Item) -> Result<SyncTask> {
    let mut task: SyncTask = decode(call, item)?;
    task.ids.sort_unstable();
    Ok(task)
}

impl DynamoStore {
    fn task_item(&self, want: Want, task: &SyncTask) -> Result<Item> {
        let mut item = encode(self.call(want, "PutItem"), task)?;
        set(&mut item, keys::PART, text(keys::TASK_PART));
        set(&mut item, keys::START_TIME, text(keys::time(task.start_time)));
        set(&mut item, keys::DEADLINE, text(keys::time(task.deadline)));
        set(&mut item, keys::TTL, number(keys::ttl(task.start_time, keys::TASK_DAYS)));
        if !task.ids.is_empty() {
            set(&mut item, keys::IDS, ids(&task.ids));
        }
        if !task.status.is_terminal() {
            set(&mut item, keys::OPEN, text(keys::OPEN_MARK));
        }
        Ok(item)
    }

    fn decode_tasks(&self, want: Want, items: Vec<Item>) -> Result<Vec<SyncTask>> {
        items.into_iter().map(|item| decoded(self.call(want, "Query"), item)).collect()
    }

    /// Changes a task, if the condition holds.
    async fn update_task_item(
        &self,
        want: Want,
        task_id: &str,
        (update, condition): (&str, &str),
        values: Item,
    ) -> Result<Written> {
        let mut all = open_statuses();
        all.extend(values);
        let update = Update {
            key: task_key(task_id),
            update,
            condition: Some(condition),
            values: all,
            returned: ReturnValue::AllNew,
        };
        self.update(want, update).await
    }

    /// Returns the tasks of an account. The index knows nothing of their order
    /// within one time, so all of the last time are read that has a part in
    /// the answer.
    async fn account_tasks(&self, account_id: &str, query: &TaskQuery) -> Result<Vec<SyncTask>> {
        let mut most = query.limit.saturating_add(1);
        loop {
            let mut tasks = self.newest_tasks(account_id, query, most).await?;
            let is_all = tasks.len() < most;
            let last = tasks.last().map(|task| task.start_time);
            let is_whole = |task: &SyncTask| is_all || Some(task.start_time) != last;
            let is_after = |task: &SyncTask| {
                query.after.as_ref().is_none_or(|after| TaskPlace::of(task) < *after)
            };
            tasks.retain(|task| is_whole(task) && is_after(task));
            if is_all || tasks.len() >= query.limit {
                sort(&mut tasks);
                tasks.truncate(query.limit);
                return Ok(tasks);
            }
            most = most.saturating_mul(2);
        }
    }

    /// Returns the newest of an account's tasks, within the query's times.
    async fn newest_tasks(
        &self,
        account_id: &str,
        query: &TaskQuery,
        most: usize,
    ) -> Result<Vec<SyncTask>> {
        let want = want("reading the tasks of an account");
        let after = query.after.as_ref().map(|after| after.start_time);
        let until = [query.until, after].into_iter().flatten().min();
        if query.since.zip(until).is_some_and(|(since, until)| since > until) {
            return Ok(Vec::new());
        }
        let mut values = item([(":account_id", text(account_id))]);
        let times = [(":since", query.since), (":until", until)];
        let times = times.into_iter().filter_map(|(name, time)| Some((name, time?)));
        values.extend(times.map(|(name, time)| (name.to_owned(), text(keys::time(time)))));
        let condition = match (query.since, until) {
            (Some(_), Some(_)) => keys::TASKS_OF_ACCOUNT_BETWEEN,
            (Some(_), None) => keys::TASKS_OF_ACCOUNT_SINCE,
            (None, Some(_)) => keys::TASKS_OF_ACCOUNT_UNTIL,
            (None, None) => keys::TASKS_OF_ACCOUNT,
        };
        let request = Query {
            index: Some(keys::BY_ACCOUNT),
            condition,
            values,
            descending: true,
            limit: Some(i32::try_from(most).unwrap_or(i32::MAX)),
            ..Query::default()
        };
        self.decode_tasks(want, self.query(want, request, most).await?)
    }
}

#[async_trait]
impl TaskStore for DynamoStore {
    async fn create_task(&self, task: &SyncTask) -> Result<bool> {
        let want = want("creating a task");
        let item = self.task_item(want, task)?;
        Ok(self.put(want, item, Some(keys::IS_NEW_TASK), Item::new()).await?.is_done())
    }

    async fn task(&self, task_id: &str) -> Result<Option<SyncTask>> {
        let want = want("reading a task");
        let found = self.get(want, task_key(task_id)).await?;
        found.map(|item| decoded(self.call(want, "GetItem"), item)).transpose()
    }

    async fn join_task(&self, task_id: &str, joining: &[String]) -> Result<bool> {
        let Some(room) = keys::room_for(joining.len()).filter(|_| !joining.is_empty()) else {
            return Ok(false);
        };
        let update = Update {
            key: task_key(task_id),
            update: keys::JOIN_TASK,
            condition: Some(keys::CAN_BE_JOINED),
            values: item([
                (":ids", ids(joining)),
                (":pending", text(TaskStatus::Pending.as_str())),
                (":no", AttributeValue::Bool(false)),
                (":room", number(room)),
            ]),
            returned: ReturnValue::None,
        };
        Ok(self.update(want("adding to a task"), update).await?.is_done())
    }

    async fn start_task(&self, task_id: &str, deadline: Timestamp) -> Result<Option<SyncTask>> {
        let want = want("starting a task");
        let how = (keys::START_TASK, keys::NOT_ENDED_AND_EARLIER);
        let values = item([(":deadline", text(keys::time(deadline)))]);
        let written = self.update_task_item(want, task_id, how, values).await?;
        let call = self.call(want, "UpdateItem");
        let found = match written {
            Written::Done(item) => return decoded(call, item).map(Some),
            Written::Unmet(item) if item.is_empty() => return Ok(None),
            Written::Unmet(item) => decoded(call, item)?,
        };
        if found.status != TaskStatus::Pending {
            return Ok(Some(found));
        }
        // Its deadline is late enough, so only the status is to move.
        let how = (keys::START_TASK_ONLY, keys::NOT_ENDED);
        match self.update_task_item(want, task_id, how, Item::new()).await? {
            Written::Done(item) => decoded(call, item).map(Some),
            Written::Unmet(item) if item.is_empty() => Ok(None),
            Written::Unmet(item) => decoded(call, item).map(Some),
        }
    }

    async fn request_cancel(&self, task_id: &str) -> Result<bool> {
        let how = (keys::REQUEST_CANCEL, keys::NOT_ENDED);
        let values = item([(":yes", AttributeValue::Bool(true))]);
        Ok(self.update_task_item(want("cancelling a task"), task_id, how, values).await?.is_done())
    }

    async fn update_task(&self, task: &SyncTask) -> Result<bool> {
        let want = want("writing a task");
        let item = self.task_item(want, task)?;
        let update = keys::set_task_sums(|name| item.contains_key(name));
        let values = keys::TASK_SUMS
            .into_iter()
            .filter_map(|name| Some((format!(":{name}"), item.get(name)?.clone())));
        let Some(day) = day_of_task(task) else {
            let how = (update.as_str(), keys::NOT_ENDED);
            let written = self.update_task_item(want, &task.task_id, how, values.collect()).await?;
            return Ok(written.is_done());
        };
        let ended = Update {
            key: task_key(&task.task_id),
            update: &update,
            condition: Some(keys::NOT_ENDED),
            values: open_statuses().into_iter().chain(values).collect(),
            returned: ReturnValue::None,
        };
        let scopes = Want { table: Table::Scopes, ..want };
        self.update_both((want, ended), (scopes, count_for_day(task, day))).await
    }

    async fn put_region_result(&self, result: &RegionResult) -> Result<bool> {
        let want = want("writing the result of a region");
        let mut item = encode(self.call(want, "PutItem"), result)?;
        set(&mut item, keys::PART, text(keys::region_part(&result.region)));
        set(&mut item, keys::TTL, number(keys::ttl(result.start_time, keys::TASK_DAYS)));
        let condition = Some(keys::ABSENT_OR_NOT_ENDED);
        Ok(self.put(want, item, condition, open_statuses()).await?.is_done())
    }

    async fn region_result(&self, task_id: &str, region: &str) -> Result<Option<RegionResult>> {
        let want = want("reading the result of a region");
        let found = self.get(want, key(task_id, &keys::region_part(region))).await?;
        found.map(|item| decode(self.call(want, "GetItem"), item)).transpose()
    }

    async fn region_results(&self, task_id: &str) -> Result<Vec<RegionResult>> {
        let want = want("reading the results of a task");
        let query = Query {
            condition: keys::REGIONS_OF_TASK,
            values: item([(":task_id", text(task_id)), (":regions", text(keys::REGION_PREFIX))]),
            consistent: true,
            ..Query::default()
        };
        let items = self.query(want, query, usize::MAX).await?;
        items.into_iter().map(|item| decode(self.call(want, "Query"), item)).collect()
    }

    async fn open_tasks(&self) -> Result<Vec<SyncTask>> {
        let want = want("reading the open tasks");
        let query = Query {
            index: Some(keys::OPEN_TASKS),
            condition: keys::ALL_OPEN,
            values: item([(":open", text(keys::OPEN_MARK))]),
            ..Query::default()
        };
        self.decode_tasks(want, self.query(want, query, usize::MAX).await?)
    }

    async fn tasks(&self, query: &TaskQuery) -> Result<Vec<SyncTask>> {
        if query.limit == 0 {
            return Ok(Vec::new());
        }
        if let Some(account_id) = &query.account_id {
            return self.account_tasks(account_id, query).await;
        }
        let accounts = self.accounts().await?;
        let mut tasks: Vec<_> = stream::iter(accounts)
            .map(|record| async move { self.account_tasks(&record.account.id, query).await })
            .buffer_unordered(ACCOUNTS_AT_A_TIME)
            .try_concat()
            .await?;
        sort(&mut tasks);
        tasks.truncate(query.limit);
        Ok(tasks)
    }
}

/// Puts tasks in the order of their places.
fn sort(tasks: &mut [SyncTask]) {
    tasks.sort_by(|a, b| (b.start_time, &b.task_id).cmp(&(a.start_time, &a.task_id)));
}

#[async_trait]
impl RequestStore for DynamoStore {
    async fn remember_request(&self, request: &KnownRequest) -> Result<KnownRequest> {
        let want = want("remembering a request");
        let mut item = encode(self.call(want, "PutItem"), request)?;
        item.extend(key(&keys::request_id(&request.key), keys::REQUEST_PART));
        set(&mut item, keys::TTL, number(request.expires_at().as_second()));
        let now = || self::item([(":now", number(request.at.as_second()))]);
        for _ in 0..MOST_TRIES {
            let condition = Some(keys::IS_NEW_REQUEST);
            if self.put(want, item.clone(), condition, now()).await?.is_done() {
                return Ok(request.clone());
            }
            let key = key(&keys::request_id(&request.key), keys::REQUEST_PART);
            // One that is gone by now had outlived its time.
            if let Some(found) = self.get(want, key).await? {
                return decode(self.call(want, "GetItem"), found);
            }
        }
        let reason = "it comes and goes; try again".to_owned();
        Err(StoreError::Unavailable { operation: want.operation, reason })
    }
}
