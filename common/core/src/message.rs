//! What travels on the queues.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::scope::{Kind, Scope};
use crate::task::SyncTask;

/// How much a sync asks the vendor.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Mode {
    /// Walks everything, secondary calls (data disks) too.
    #[default]
    Full,
    /// Walks the primary list, and makes secondary calls only for what
    /// changed. Where the account has a change feed, asks that instead, and
    /// walks in doubt.
    Incremental,
    /// Asks as a full sync does, and shows what one would do instead of doing
    /// it.
    Plan,
    /// Re-reads given resources.
    Targeted,
    /// Compares only the statuses of given resources, by the cheapest call
    /// there is.
    Status,
}

/// At most so many resources are named in one request.
pub const MOST_IDS: usize = 100;

impl Mode {
    /// Tells whether secondary calls are made for everything.
    #[must_use]
    pub const fn asks_everything(self) -> bool {
        matches!(self, Self::Full | Self::Plan)
    }

    /// Tells whether it is about given resources, not about whole scopes: it
    /// completes no listing and deletes nothing.
    #[must_use]
    pub const fn names_ids(self) -> bool {
        matches!(self, Self::Targeted | Self::Status)
    }

    /// Tells whether the schedule can count on it as on a sync.
    #[must_use]
    pub const fn is_sync(self) -> bool {
        matches!(self, Self::Full | Self::Incremental)
    }

    /// Returns the name used in tables, messages and options.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Incremental => "incremental",
            Self::Plan => "plan",
            Self::Targeted => "targeted",
            Self::Status => "status",
        }
    }
}

/// What started a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Trigger {
    /// The schedule's tick.
    Scheduled,
    /// A person or a program asked for it.
    OnDemand,
}

impl Trigger {
    /// Returns the name used in tables and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::OnDemand => "on_demand",
        }
    }
}

/// A message on the work queue: sync one scope for one task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkMessage {
    /// The task it is part of.
    pub task_id: String,
    /// The account's id.
    pub account_id: String,
    /// The kind of resource.
    pub kind: Kind,
    /// The region.
    pub region: String,
    /// How much to ask the vendor.
    pub mode: Mode,
    /// For incremental: since when to look closer, at the disks of what was
    /// created and at the change feed; the scope's last success where `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The resources, for modes that name some.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
    /// How many continuations came before this message.
    #[serde(default)]
    pub turn: u32,
    /// The checkpoint of another task that this message let go first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yielded_to: Option<String>,
}

impl WorkMessage {
    /// Returns the message that begins a region of a task.
    #[must_use]
    pub fn first(task: &SyncTask, region: &str) -> Self {
        Self {
            task_id: task.task_id.clone(),
            account_id: task.account_id.clone(),
            kind: task.resource_type.clone(),
            region: region.to_owned(),
            mode: task.mode,
            since: task.since,
            ids: task.ids.clone(),
            turn: 0,
            yielded_to: None,
        }
    }

    /// Returns the scope to sync; also the message's queue group.
    #[must_use]
    pub fn scope(&self) -> Scope {
        Scope {
            account_id: self.account_id.clone(),
            kind: self.kind.clone(),
            region: self.region.clone(),
        }
    }

    /// Returns the text that makes two sendings of this message one.
    #[must_use]
    pub fn dedup_text(&self) -> String {
        let text = format!("{}#{}#{}", self.task_id, self.region, self.turn);
        match &self.yielded_to {
            Some(other) => format!("{text}#after#{other}"),
            None => text,
        }
    }
}

/// A message on the results queue: look at this task, something in it ended or
/// is overdue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResultMessage {
    /// The task.
    pub task_id: String,
}

/// A wish for syncs: by a person, a program or the schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SyncRequest {
    /// The accounts; empty means all that are enabled.
    pub account_ids: Vec<String>,
    /// The kinds; empty means all that each account is configured for.
    pub kinds: Vec<Kind>,
    /// The regions; empty means all that each account is configured for.
    pub regions: Vec<String>,
    /// How much to ask the vendor.
    pub mode: Mode,
    /// For incremental: since when to look closer, at the disks of what was
    /// created and at the change feed; the scope's last success where `None`.
    pub since: Option<Timestamp>,
    /// The resources, for modes that name some: of one account, kind and
    /// region.
    pub ids: Vec<String>,
}
