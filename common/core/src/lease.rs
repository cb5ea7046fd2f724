//! What is kept of a scope between its syncs: who works on it, how far the
//! work got, and what the last ones found.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::deletion::Decision;
use crate::disks::DiskWalk;
use crate::listing::WalkState;
use crate::pace::Paces;
use crate::schedule::Rhythm;
use crate::scope::Scope;
use crate::stats::{ScopeStatuses, StatusCounts};
use crate::task::RegionError;

/// The right to write a scope.
///
/// It outlives the time its holder may run. `tasks` are those whose writes may
/// be unfinished: a change was written, and the crash came before its row. The
/// next holder takes the list over and finishes them; only a clean release
/// ends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The scope.
    pub scope: Scope,
    /// The holder, unique a message handled.
    pub owner: String,
    /// Counts the leases of the scope.
    pub epoch: u64,
    /// When it may be taken from its holder.
    pub expires_at: Timestamp,
    /// The tasks whose writes may be unfinished, the holder's own included.
    pub tasks: Vec<String>,
}

/// A wish for a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseRequest {
    /// The holder to be, unique a message handled.
    pub owner: String,
    /// The task it works for.
    pub task_id: String,
    /// The present time.
    pub now: Timestamp,
    /// When the lease may be taken from it.
    pub expires_at: Timestamp,
}

/// How far a task got when its worker's time ran out.
///
/// What would not fit an item is stored beside it in parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The task.
    pub task_id: String,
    /// The continuation that goes on from here.
    pub turn: u32,
    /// Where the walk over the disks stands, if there is one.
    pub disks: Option<DiskWalk>,
    /// Where the walk over the list stands.
    pub walk: WalkState,
    /// What is stored beside it.
    pub parts: Parts,
    /// The statuses of the live resources that were seen so far.
    #[serde(default)]
    pub statuses: StatusCounts,
    /// How many errors the walks met so far.
    #[serde(default)]
    pub error_count: u64,
    /// The first of them.
    #[serde(default)]
    pub errors: Vec<RegionError>,
    /// When an attempt last got further than those before.
    pub advanced_at: Timestamp,
    /// How far that was, in pages and resources re-read.
    pub furthest: u64,
}

impl Checkpoint {
    /// Returns how many pages the walks have taken.
    #[must_use]
    pub fn pages(&self) -> u64 {
        self.disks.as_ref().map_or(0, |walk| walk.pages) + self.walk.pages()
    }
}

/// The names of the parts of a checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parts {
    /// The disks found so far.
    pub disks: Vec<String>,
    /// Which ids the walk has seen, and what the task did to which.
    #[serde(default)]
    pub ids: Vec<String>,
}

impl Checkpoint {
    /// Returns the name of this checkpoint among all of its scope's.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}#{}", self.task_id, self.turn)
    }
}

/// That a scope was given to a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispatched {
    /// The task.
    pub task_id: String,
    /// When.
    pub at: Timestamp,
}

/// What the sync of a scope found, once it ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Findings {
    /// When the last complete full sync began.
    #[serde(default)]
    pub last_full_at: Option<Timestamp>,
    /// When the last complete sync of any mode began.
    #[serde(default)]
    pub last_complete_at: Option<Timestamp>,
    /// When a change was last recorded.
    #[serde(default)]
    pub last_changed_at: Option<Timestamp>,
    /// The number of live rows after it.
    #[serde(default)]
    pub live_count: u64,
    /// The statuses of those; `None` where no listing has told all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statuses: Option<ScopeStatuses>,
    /// The number of complete listings so far.
    #[serde(default)]
    pub complete_listings: u64,
    /// The number of rows held back from deletion.
    #[serde(default)]
    pub held_count: u64,
    /// How often it changes, and what it costs to look.
    #[serde(default)]
    pub rhythm: Rhythm,
    /// Whether a resource of the scope was ever deleted: only then can a new
    /// one have a history.
    #[serde(default)]
    pub ever_deleted: bool,
    /// Until when the account's change feed was read and followed. Where that
    /// is later than the last complete sync, it is the last success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fed_until: Option<Timestamp>,
    /// When a live resource was last asked for by id and not found, since the
    /// last complete sync: only a listing can tell that it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lacked_at: Option<Timestamp>,
}

impl Findings {
    /// Returns the moment up to which everything that happened is known: the
    /// beginning of the last complete sync, or until when the change feed was
    /// followed since.
    #[must_use]
    pub fn last_success_at(&self) -> Option<Timestamp> {
        self.last_complete_at.max(self.fed_until)
    }
}

/// Everything kept of a scope.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScopeState {
    /// The scope.
    #[serde(flatten)]
    pub scope: Scope,
    /// Counts the leases so far.
    #[serde(default)]
    pub epoch: u64,
    /// The present lease; one past its expiry was not released cleanly.
    #[serde(default)]
    pub lease: Option<Lease>,
    /// Where the walk in progress stands.
    #[serde(default)]
    pub checkpoint: Option<Checkpoint>,
    /// The last task it was given to.
    #[serde(default)]
    pub dispatched: Option<Dispatched>,
    /// The last task that the vendor's events made of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_task: Option<Dispatched>,
    /// The last task that ended with it, however it ended.
    #[serde(default)]
    pub ended_task: Option<String>,
    /// What operators decided on held deletions, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<Decision>,
    /// What throttling taught of the region's APIs.
    #[serde(default, skip_serializing_if = "Paces::is_empty")]
    pub paces: Paces,
    /// What the last complete sync found.
    #[serde(flatten)]
    pub findings: Findings,
}

impl ScopeState {
    /// Returns the state of a scope that was never touched.
    #[must_use]
    pub fn new(scope: Scope) -> Self {
        Self {
            scope,
            epoch: 0,
            lease: None,
            checkpoint: None,
            dispatched: None,
            event_task: None,
            ended_task: None,
            decisions: Vec::new(),
            paces: Paces::new(),
            findings: Findings::default(),
        }
    }
}

/// How a lease ends.
#[derive(Clone, Debug, PartialEq)]
pub enum Release {
    /// The task is done with the scope, all writes are whole. The checkpoint
    /// goes; `findings` replaces what was kept, where the listing was
    /// complete.
    Ended {
        /// The task.
        task_id: String,
        /// What it found, if it got that far.
        findings: Option<Box<Findings>>,
    },
    /// A checkpoint was saved, all writes are whole; a continuation follows.
    Continued,
    /// The attempt broke off: writes may be unfinished, so the list of tasks
    /// stays for the next holder, who need not wait.
    Abandoned,
}
