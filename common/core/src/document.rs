//! What is told to the outside: of changes of resources, of tasks that ended
//! and of accounts that were suspended.
//!
//! One function a kind of news gives the document, wherever it is told: on an
//! event bus, or by the command line. `docs/EVENTS.md` describes them, and
//! `docs/events` has their JSON schemas.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::account::{Account, Suspension};
use crate::change::{Change, ChangeKind};
use crate::cost::Cost;
use crate::diff::{Field, FieldChanges};
use crate::message::{Mode, Trigger};
use crate::scope::{Kind, Scope};
use crate::task::{Counts, SyncTask, TaskStatus};

/// The source of every document.
pub const SOURCE: &str = "cloud-sync";

/// The version of the documents' schemas. Another one means that something
/// was removed or has another meaning; what is added leaves it as it is.
pub const SCHEMA_VERSION: u32 = 1;

/// A document may have so many bytes as JSON. An event bus takes 256 KiB with
/// what it adds, and so do the queues and topics behind it.
pub const LARGEST_DOCUMENT: usize = 240 * 1024;

/// Texts for a person are cut to so many characters.
const MOST_TEXT_CHARS: usize = 4_000;

/// What a document is about, by the names that an event bus knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum DetailType {
    /// See [`ChangeKind::Added`].
    #[serde(rename = "Resource Added")]
    ResourceAdded,
    /// See [`ChangeKind::Updated`].
    #[serde(rename = "Resource Updated")]
    ResourceUpdated,
    /// See [`ChangeKind::Deleted`].
    #[serde(rename = "Resource Deleted")]
    ResourceDeleted,
    /// See [`ChangeKind::Restored`].
    #[serde(rename = "Resource Restored")]
    ResourceRestored,
    /// A task has ended, in whatever way.
    #[serde(rename = "Sync Task Completed")]
    SyncTaskCompleted,
    /// A vendor refused an account's credentials.
    #[serde(rename = "Account Suspended")]
    AccountSuspended,
}

impl DetailType {
    /// Every detail type.
    pub const ALL: [Self; 6] = [
        Self::ResourceAdded,
        Self::ResourceUpdated,
        Self::ResourceDeleted,
        Self::ResourceRestored,
        Self::SyncTaskCompleted,
        Self::AccountSuspended,
    ];

    /// Returns the name by which rules select.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ResourceAdded => "Resource Added",
            Self::ResourceUpdated => "Resource Updated",
            Self::ResourceDeleted => "Resource Deleted",
            Self::ResourceRestored => "Resource Restored",
            Self::SyncTaskCompleted => "Sync Task Completed",
            Self::AccountSuspended => "Account Suspended",
        }
    }
}

impl From<ChangeKind> for DetailType {
    fn from(change: ChangeKind) -> Self {
        match change {
            ChangeKind::Added => Self::ResourceAdded,
            ChangeKind::Updated => Self::ResourceUpdated,
            ChangeKind::Deleted => Self::ResourceDeleted,
            ChangeKind::Restored => Self::ResourceRestored,
        }
    }
}

/// One piece of news, in the form in which it reaches a rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Document {
    /// Always [`SOURCE`].
    pub source: &'static str,
    /// What it is about.
    #[serde(rename = "detail-type")]
    pub detail_type: DetailType,
    /// When it happened.
    pub time: Timestamp,
    /// What happened.
    pub detail: Detail,
}

/// What every document says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Head {
    /// See [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The same for the same news, however often it is told.
    pub event_id: String,
    /// When it happened.
    pub time: Timestamp,
    /// The account.
    pub account_id: String,
    /// The vendor.
    pub provider: String,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Detail {
    /// A resource changed.
    Resource(Box<ResourceDetail>),
    /// A task ended.
    Task(Box<TaskDetail>),
    /// An account was suspended.
    Account(Box<AccountDetail>),
}

/// What became of a resource.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ResourceDetail {
    /// What every document says.
    #[serde(flatten)]
    pub head: Head,
    /// The kind.
    pub kind: Kind,
    /// The region.
    pub region: String,
    /// The vendor's id.
    pub resource_id: String,
    /// The versions of a resource are 1, 2, 3, … without a gap.
    pub resource_version: u64,
    /// What happened to it.
    pub change: ChangeKind,
    /// Its name, where the change tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its status, where the change tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The names of the fields that changed, left out ones among them.
    pub changed_fields: Vec<Field>,
    /// Their values before and after.
    pub fields: FieldChanges,
    /// Those whose values were left out, since all would be too long.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub omitted_fields: Vec<Field>,
    /// The task that saw it.
    pub task_id: String,
}

/// How a task ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TaskDetail {
    /// What every document says.
    #[serde(flatten)]
    pub head: Head,
    /// The kind.
    pub kind: Kind,
    /// The regions.
    pub regions: Vec<String>,
    /// The task.
    pub task_id: String,
    /// How much the vendor was asked.
    pub mode: Mode,
    /// What started it.
    pub trigger: Trigger,
    /// How it ended.
    pub status: TaskStatus,
    /// When it was created.
    pub start_time: Timestamp,
    /// When it ended.
    pub end_time: Timestamp,
    /// From start to end, in milliseconds.
    pub duration_ms: i64,
    /// What it saw and did.
    #[serde(flatten)]
    pub counts: Counts,
    /// Requests to the vendor.
    pub api_calls: u64,
    /// The error that ended each region that failed, for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
}

/// Why an account is left out of scheduled syncs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AccountDetail {
    /// What every document says.
    #[serde(flatten)]
    pub head: Head,
    /// The vendor's error code.
    pub code: String,
    /// The vendor's message.
    pub reason: String,
    /// The task that met it, where one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
}

impl Document {
    /// Returns the news of a change.
    #[must_use]
    pub fn of_change(change: &Change) -> Self {
        let Scope { account_id, kind, region } = &change.scope;
        let told = |field: Field| match change.fields.get(&field).map(|values| &values.new) {
            Some(Value::String(text)) if !text.is_empty() => Some(cut(text)),
            _ => None,
        };
        let Change { id, version, at, .. } = change;
        // The time is in it, since a change that was recorded but never
        // applied can be recorded anew, as what is true by then.
        let event_id = format!("{}/{id}/{version}/{at}", change.scope);
        let detail = ResourceDetail {
            head: head(event_id, *at, account_id, kind.provider()),
            kind: kind.clone(),
            region: region.clone(),
            resource_id: id.clone(),
            resource_version: *version,
            change: change.change,
            name: told(Field::Name),
            status: told(Field::Status),
            changed_fields: change.fields.keys().copied().collect(),
            fields: change.fields.clone(),
            omitted_fields: Vec::new(),
            task_id: change.task_id.clone(),
        };
        Self::new(change.change.into(), *at, Detail::Resource(Box::new(detail.cut())))
    }

    /// Returns the news of a task that has ended; `None` of one that has not,
    /// and of a plan, which syncs nothing.
    #[must_use]
    pub fn of_task(task: &SyncTask) -> Option<Self> {
        let end_time = task.end_time.filter(|_| task.status.is_terminal())?;
        if task.mode == Mode::Plan {
            return None;
        }
        let event_id = format!("{}/completed", task.task_id);
        let Cost { api_calls, .. } = task.cost;
        let detail = TaskDetail {
            head: head(event_id, end_time, &task.account_id, &task.provider),
            kind: task.resource_type.clone(),
            regions: task.regions.clone(),
            task_id: task.task_id.clone(),
            mode: task.mode,
            trigger: task.trigger,
            status: task.status,
            start_time: task.start_time,
            end_time,
            duration_ms: task.duration_ms.unwrap_or_default(),
            counts: task.counts,
            api_calls,
            error_message: task.error_message.as_deref().map(cut),
        };
        let detail = Detail::Task(Box::new(detail));
        Some(Self::new(DetailType::SyncTaskCompleted, end_time, detail))
    }

    /// Returns the news of a suspension. The digest of the credentials that
    /// were refused stays out of it.
    #[must_use]
    pub fn of_suspension(account: &Account, suspension: &Suspension) -> Self {
        let Suspension { at, code, reason, task_id, credentials_digest: _ } = suspension;
        let event_id = format!("{}/suspended/{at}", account.id);
        let detail = AccountDetail {
            head: head(event_id, *at, &account.id, &account.provider),
            code: cut(code),
            reason: cut(reason),
            task_id: Some(task_id.clone()).filter(|id| !id.is_empty()),
        };
        Self::new(DetailType::AccountSuspended, *at, Detail::Account(Box::new(detail)))
    }

    const fn new(detail_type: DetailType, time: Timestamp, detail: Detail) -> Self {
        Self { source: SOURCE, detail_type, time, detail }
    }

    /// Returns what every document says.
    #[must_use]
    pub fn head(&self) -> &Head {
        match &self.detail {
            Detail::Resource(detail) => &detail.head,
            Detail::Task(detail) => &detail.head,
            Detail::Account(detail) => &detail.head,
        }
    }
}

impl ResourceDetail {
    /// Leaves out the longest values, until the rest is short enough.
    fn cut(mut self) -> Self {
        // What is not a field's value is bounded: ids, names, and the names
        // of fields.
        const ROOM: usize = LARGEST_DOCUMENT - 64 * 1024;
        let mut lengths: Vec<_> = self
            .fields
            .iter()
            .map(|(field, values)| (length(&values.old) + length(&values.new), *field))
            .collect();
        lengths.sort_unstable();
        let mut total: usize = lengths.iter().map(|(length, _)| length).sum();
        while total > ROOM {
            let Some((length, field)) = lengths.pop() else { break };
            total -= length;
            self.fields.remove(&field);
            self.omitted_fields.push(field);
        }
        self.omitted_fields.sort_unstable();
        self
    }
}

/// Returns how many bytes a value has as JSON.
fn length(value: &Value) -> usize {
    value.to_string().len()
}

fn head(event_id: String, time: Timestamp, account_id: &str, provider: &str) -> Head {
    Head {
        schema_version: SCHEMA_VERSION,
        event_id,
        time,
        account_id: account_id.to_owned(),
        provider: provider.to_owned(),
    }
}

/// Returns a text for a person, cut where it is long.
fn cut(text: &str) -> String {
    match text.char_indices().nth(MOST_TEXT_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::diff::FieldChange;

    fn change(fields: FieldChanges) -> Change {
        Change {
            scope: Scope {
                account_id: "prod".into(),
                kind: "aliyun.ecs.instance".parse().unwrap(),
                region: "cn-hangzhou".into(),
            },
            id: "i-1".into(),
            version: 3,
            change: ChangeKind::Updated,
            fields,
            task_id: "t".into(),
            at: Timestamp::UNIX_EPOCH,
        }
    }

    fn field(old: Value, new: Value) -> FieldChange {
        FieldChange { old, new }
    }

    fn resource(document: Document) -> ResourceDetail {
        match document.detail {
            Detail::Resource(detail) => *detail,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_change_tells_what_changed_and_what_it_is_called_where_that_is_known() {
        let status = field(json!("running"), json!("stopped"));
        let detail = resource(Document::of_change(&change([(Field::Status, status)].into())));
        assert_eq!((detail.name, detail.status.as_deref()), (None, Some("stopped")));
        assert_eq!(detail.changed_fields, [Field::Status]);
        assert_eq!(
            detail.head.event_id,
            "prod/aliyun.ecs.instance/cn-hangzhou/i-1/3/1970-01-01T00:00:00Z"
        );
    }

    #[test]
    fn a_name_that_was_taken_away_is_no_name() {
        for gone in [json!(""), Value::Null] {
            let name = field(json!("web"), gone);
            let detail = resource(Document::of_change(&change([(Field::Name, name)].into())));
            assert_eq!(detail.name, None);
        }
    }

    #[test]
    fn of_what_is_too_long_the_longest_values_are_left_out_and_named() {
        let long = |n: usize| json!("\u{1}".repeat(n));
        let fields: FieldChanges = [
            (Field::Name, field(json!("a"), long(70_000))),
            (Field::Spec, field(json!("s.small"), json!("s.large"))),
            (Field::Tags, field(json!({}), json!({"k": "生".repeat(60_000)}))),
        ]
        .into();
        let document = Document::of_change(&change(fields));
        let bytes = serde_json::to_vec(&document).unwrap().len();
        assert!(bytes <= LARGEST_DOCUMENT, "{bytes}");
        let detail = resource(document);
        assert_eq!(detail.omitted_fields, [Field::Name]);
        assert_eq!(detail.changed_fields, [Field::Name, Field::Spec, Field::Tags]);
        assert!(detail.fields.contains_key(&Field::Tags), "no more than has to be left out");
        assert!(detail.name.unwrap().ends_with('…'));
    }

    #[test]
    fn a_document_is_short_enough_whatever_is_in_it() {
        let huge = || json!("\u{1}".repeat(400_000));
        let all = Field::ALL.map(|name| (name, field(huge(), huge())));
        let longest = Change { id: "\u{1}".repeat(800), ..change(all.into()) };
        let bytes = serde_json::to_vec(&Document::of_change(&longest)).unwrap().len();
        assert!(bytes <= LARGEST_DOCUMENT, "{bytes}");
    }

    #[test]
    fn only_a_sync_that_has_ended_is_told_of() {
        let kind: Kind = "aliyun.ecs.instance".parse().unwrap();
        let open = SyncTask::new("t".into(), "a", kind, vec![], Timestamp::UNIX_EPOCH);
        assert_eq!(Document::of_task(&open), None);
        let end_time = Some(Timestamp::UNIX_EPOCH);
        let ended = SyncTask { status: TaskStatus::Failed, end_time, ..open };
        let plan = SyncTask { mode: Mode::Plan, ..ended.clone() };
        assert_eq!(Document::of_task(&plan), None);
        let document = Document::of_task(&ended).unwrap();
        assert_eq!(document.detail_type, DetailType::SyncTaskCompleted);
        assert_eq!(document.head().event_id, "t/completed");
    }
}
