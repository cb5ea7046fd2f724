//! What the tables' streams tell: of every item that was written, as it was
//! and as it is.

use cloud_sync_core::account::{Account, AccountRecord, Suspension};
use cloud_sync_core::change::Change;
use cloud_sync_core::document::Document;
use cloud_sync_core::task::{SyncTask, TaskStatus};
use serde::Deserialize;
use serde_dynamo::Item;
use thiserror::Error;

use super::keys;
use super::tables::Table;

/// An item of a stream cannot be read.
#[derive(Debug, Error)]
#[error("an item of the table of {} cannot be read: {reason}", table.suffix())]
pub struct UnreadableItem {
    /// The table.
    pub table: Table,
    /// What is wrong with it.
    pub reason: serde_dynamo::Error,
}

/// News that a stream told of.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// A change of a resource was recorded.
    Changed(Box<Change>),
    /// A task has ended.
    TaskEnded(Box<SyncTask>),
    /// An account was suspended.
    Suspended(Box<Account>, Box<Suspension>),
}

impl News {
    /// Returns what is told to the outside; `None` where that is nothing.
    #[must_use]
    pub fn document(&self) -> Option<Document> {
        match self {
            Self::Changed(change) => Some(Document::of_change(change)),
            Self::TaskEnded(task) => Document::of_task(task),
            Self::Suspended(account, suspension) => {
                Some(Document::of_suspension(account, suspension))
            }
        }
    }
}

/// Where a part of a task stands. The table has other items too, which have no
/// status.
#[derive(Deserialize)]
struct Standing {
    part: String,
    #[serde(default)]
    status: Option<TaskStatus>,
}

impl Standing {
    fn is_ended_task(&self) -> bool {
        self.part == keys::TASK_PART && self.status.is_some_and(TaskStatus::is_terminal)
    }
}

/// What of an account tells whether it is suspended.
#[derive(Deserialize)]
struct Suspended {
    suspended: Option<serde::de::IgnoredAny>,
}

/// Returns what an item that was written means; `None` where it is no news.
/// `old` is empty where there was none before.
///
/// # Errors
///
/// The item is not one of the table, or of another version of it.
pub fn news(table: Table, new: Item, old: Item) -> Result<Option<News>, UnreadableItem> {
    let unreadable = |reason| UnreadableItem { table, reason };
    match table {
        Table::Changes => {
            let change = serde_dynamo::from_item(new).map_err(unreadable)?;
            Ok(Some(News::Changed(Box::new(change))))
        }
        Table::Tasks => task_news(new, old).map_err(unreadable),
        Table::Accounts => account_news(new, old).map_err(unreadable),
        Table::Scopes | Table::Resources => Ok(None),
    }
}

fn task_news(new: Item, old: Item) -> serde_dynamo::Result<Option<News>> {
    let now: Standing = serde_dynamo::from_item(new.clone())?;
    if !now.is_ended_task() {
        return Ok(None);
    }
    // Whatever else is written to a task that has ended is no second end.
    let had_ended = serde_dynamo::from_item(old).is_ok_and(|old: Standing| old.is_ended_task());
    if had_ended {
        return Ok(None);
    }
    Ok(Some(News::TaskEnded(serde_dynamo::from_item(new)?)))
}

fn account_news(new: Item, old: Item) -> serde_dynamo::Result<Option<News>> {
    let was_suspended =
        serde_dynamo::from_item(old).is_ok_and(|old: Suspended| old.suspended.is_some());
    let now: Suspended = serde_dynamo::from_item(new.clone())?;
    if was_suspended || now.suspended.is_none() {
        return Ok(None);
    }
    let AccountRecord { account, suspended, .. } = serde_dynamo::from_item(new)?;
    Ok(suspended.map(|suspended| News::Suspended(Box::new(account), Box::new(suspended))))
}

/// Returns the table that a stream is of, by its ARN:
/// `arn:aws:dynamodb:REGION:ACCOUNT:table/NAME/stream/TIME`.
#[must_use]
pub fn table_of(stream_arn: &str) -> Option<Table> {
    let name = stream_arn.split_once(":table/")?.1.split('/').next()?;
    // A prefix may end in anything, but no table's suffix ends in another's.
    Table::ALL.into_iter().find(|table| name.ends_with(table.suffix()))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use jiff::Timestamp;
    use serde_dynamo::AttributeValue;

    use super::*;

    fn task(status: TaskStatus) -> Item {
        let kind = "aliyun.ecs.instance".parse().unwrap();
        let task = SyncTask::new("t".into(), "prod", kind, vec!["r".into()], Timestamp::UNIX_EPOCH);
        let end_time = status.is_terminal().then_some(Timestamp::UNIX_EPOCH);
        let mut item: HashMap<String, AttributeValue> =
            serde_dynamo::to_item(SyncTask { status, end_time, ..task }).unwrap();
        item.insert(keys::PART.into(), AttributeValue::S(keys::TASK_PART.into()));
        item.into()
    }

    fn of_task(new: Item, old: Item) -> Option<News> {
        news(Table::Tasks, new, old).unwrap()
    }

    #[test]
    fn a_task_is_news_once_when_it_has_ended() {
        use TaskStatus::{Cancelled, Failed, Partial, Pending, Running, Success};
        let none = Item::default;
        for ended in [Success, Partial, Failed, Cancelled] {
            for before in [task(Pending), task(Running), none()] {
                assert!(matches!(of_task(task(ended), before), Some(News::TaskEnded(_))));
            }
            assert_eq!(of_task(task(ended), task(ended)), None, "{ended:?} again");
        }
        assert_eq!(of_task(task(Running), task(Pending)), None);
        let mut region: HashMap<_, _> = task(Success).into();
        region.insert(keys::PART.into(), AttributeValue::S(keys::region_part("r")));
        assert_eq!(of_task(region.into(), none()), None, "a region is no task");
        let request = [(keys::PART.to_owned(), AttributeValue::S("request".into()))];
        assert_eq!(of_task(HashMap::from(request).into(), none()), None, "nor is a request");
    }

    #[test]
    fn a_table_is_known_by_its_stream() {
        let arn = |name: &str| format!("arn:aws:dynamodb:eu-west-1:1:table/{name}/stream/2026-11");
        assert_eq!(table_of(&arn("my-tasks-changes")), Some(Table::Changes));
        assert_eq!(table_of(&arn("accounts")), Some(Table::Accounts));
        assert_eq!(table_of(&arn("orders")), None);
        assert_eq!(table_of("arn:aws:sqs:eu-west-1:1:x-changes"), None);
    }

    #[test]
    fn what_cannot_be_read_says_of_which_table_it_is() {
        let empty = Item::default;
        let error = news(Table::Changes, empty(), empty()).unwrap_err().to_string();
        assert!(error.starts_with("an item of the table of changes cannot be read: "), "{error}");
    }
}
