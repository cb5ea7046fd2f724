//! Days: an item for each account, day and kind, beside the scopes.

use async_trait::async_trait;
use aws_sdk_dynamodb::types::ReturnValue;
use cloud_sync_core::scope::Kind;
use cloud_sync_core::stats::{Day, Flow, Snapshot};
use cloud_sync_core::task::SyncTask;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::DynamoStore;
use super::errors::{Call, corrupt};
use super::items::{Item, attribute, decode, item, number, require_text, take, text};
use super::requests::{Query, Update, Want};
use crate::store::tables::Table;
use crate::store::{Result, StatsStore, keys};

const fn want(operation: &'static str) -> Want {
    Want { operation, table: Table::Scopes }
}

fn key(account_id: &str, day: Date, kind: &Kind) -> Item {
    item([(keys::ACCOUNT_ID, text(account_id)), (keys::ENTRY, text(keys::day_entry(day, kind)))])
}

fn ttl(day: Date) -> i64 {
    let begin = day.to_zoned(TimeZone::UTC).map(|day| day.timestamp()).unwrap_or_default();
    keys::ttl(begin, keys::DAY_DAYS)
}

/// Returns the update that counts an ended task for its day.
pub(super) fn count_for_day(task: &SyncTask, day: Date) -> Update<'static> {
    let Flow { tasks, added, updated, deleted } = Flow::of(&task.counts);
    Update {
        key: key(&task.account_id, day, &task.resource_type),
        update: keys::COUNT_FOR_DAY,
        condition: None,
        values: item([
            (":tasks", number(tasks)),
            (":added", number(added)),
            (":updated", number(updated)),
            (":deleted", number(deleted)),
            (":ttl", number(ttl(day))),
        ]),
        returned: ReturnValue::None,
    }
}

fn decode_day(call: Call<'_>, mut item: Item) -> Result<Day> {
    let account_id = require_text(call, &mut item, keys::ACCOUNT_ID)?;
    let entry = require_text(call, &mut item, keys::ENTRY)?;
    let (day, kind) = keys::parse_day_entry(&entry)
        .ok_or_else(|| corrupt(call, &format!("{account_id}: '{entry}' names no day")))?;
    let snapshot = take(call, &mut item, keys::SNAPSHOT)?;
    // A snapshot may be there before the first task of the day is counted.
    let flow = if item.contains_key("tasks") { decode(call, item)? } else { Flow::default() };
    Ok(Day { account_id, kind, day, flow, snapshot })
}

#[async_trait]
impl StatsStore for DynamoStore {
    async fn days(&self, account_id: &str, from: Date, to: Date) -> Result<Vec<Day>> {
        let want = want("reading the days of an account");
        if from > to {
            return Ok(Vec::new());
        }
        let [first, last] = keys::day_entries(from, to);
        let query = Query {
            condition: keys::DAYS_OF_ACCOUNT,
            values: item([
                (":account_id", text(account_id)),
                (":from", text(first)),
                (":to", text(last)),
            ]),
            ..Query::default()
        };
        let items = self.query(want, query, usize::MAX).await?;
        items.into_iter().map(|item| decode_day(self.call(want, "Query"), item)).collect()
    }

    async fn put_snapshot(
        &self,
        account_id: &str,
        kind: &Kind,
        day: Date,
        snapshot: &Snapshot,
    ) -> Result<()> {
        let want = want("writing what is live on a day");
        let update = Update {
            key: key(account_id, day, kind),
            update: keys::SET_SNAPSHOT,
            condition: Some(keys::NO_LATER_SNAPSHOT),
            values: item([
                (":snapshot", attribute(self.call(want, "UpdateItem"), snapshot)?),
                (":snapshot_at", text(keys::time(snapshot.at))),
                (":ttl", number(ttl(day))),
            ]),
            returned: ReturnValue::None,
        };
        self.update(want, update).await.map(drop)
    }
}
