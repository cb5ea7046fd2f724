//! Every name, key and condition of the tables, and nowhere else.
//!
//! In expressions, `#word` stands for the attribute named `word`
//! ([`names`] makes the list the service wants of it) and `:word` for a value.
//!
//! | table | partition key | sort key |
//! | --- | --- | --- |
//! | accounts | `account_id` | |
//! | scopes | `account_id` | `entry`: `kind#region`, `~kind#region#task#name` for a part of a checkpoint, `~types#kind#name` for an instance type, `~event#name` for an event of the vendor's, and `~days#day#kind` for what became of a kind on a day |
//! | tasks | `task_id`, and `request#…` | `part`: `task`, `region#…`, and `request` |
//! | resources | `scope`: `account#kind#region` | `id` |
//! | changes | `resource`: `account#kind#region#id` | `version` |

use std::collections::HashMap;

use cloud_sync_core::change::Change;
use cloud_sync_core::message::MOST_IDS;
use cloud_sync_core::scope::{Kind, Scope};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

/// Partition key of accounts and scopes, and of the indexes by account.
pub const ACCOUNT_ID: &str = "account_id";
/// An account's configuration.
pub const ACCOUNT: &str = "account";
/// How often an account's configuration was written.
pub const REVISION: &str = "revision";
/// When an account was removed; absent where it was not. What identity it had
/// stays, so that nobody takes its rows for those of another of the vendor's
/// accounts that comes under its id.
pub const REMOVED: &str = "removed";
/// Why an account is suspended; absent where it is not.
pub const SUSPENDED: &str = "suspended";
/// The regions an account has.
pub const REGIONS: &str = "regions";

/// The API calls an account has spent: a map of day and calls.
pub const SPENT: &str = "spent";
/// Whose credentials an account has.
pub const IDENTITY: &str = "identity";

/// Sort key of scopes.
pub const ENTRY: &str = "entry";
/// Counts the leases of a scope.
pub const EPOCH: &str = "epoch";
/// Who holds the lease; absent where it was released cleanly.
pub const LEASE_OWNER: &str = "lease_owner";
/// When the lease expires, in nanoseconds since 1970, so that it compares.
pub const LEASE_UNTIL: &str = "lease_until";
/// The tasks whose writes may be unfinished, as a set.
pub const LEASE_TASKS: &str = "lease_tasks";
/// Where the walk in progress stands.
pub const CHECKPOINT: &str = "checkpoint";
/// What a part of a checkpoint holds.
pub const BYTES: &str = "bytes";
/// The last task a scope was given to.
pub const DISPATCHED: &str = "dispatched";
/// The last task that events made of a scope.
pub const EVENT_TASK: &str = "event_task";
/// The last task that ended with a scope.
pub const ENDED_TASK: &str = "ended_task";
/// What the last complete sync of a scope found.
pub const FINDINGS: &str = "findings";
/// What operators decided on the held deletions of a scope.
pub const DECISIONS: &str = "decisions";

/// What throttling taught of a scope's APIs.
pub const PACES: &str = "paces";

/// Partition key of tasks and of the changes' index by task.
pub const TASK_ID: &str = "task_id";
/// Sort key of tasks.
pub const PART: &str = "part";
/// The status of a task or a region.
pub const STATUS: &str = "status";
/// When a task was created; sorts.
pub const START_TIME: &str = "start_time";
/// When a task is given up; sorts.
pub const DEADLINE: &str = "deadline";
/// Partition key of the index of open tasks; absent once a task has ended.
pub const OPEN: &str = "open";
/// The resources that a task names, as a set, so that some can be added.
pub const IDS: &str = "ids";
/// Whether a task was asked to stop.
pub const CANCEL_REQUESTED: &str = "cancel_requested";

/// Partition key of resources.
pub const SCOPE: &str = "scope";
/// Sort key of resources.
pub const ID: &str = "id";
/// Partition key of the index of live rows; absent in a tombstone.
pub const LIVE: &str = "live";
/// A row's fingerprint.
pub const FINGERPRINT: &str = "fingerprint";
/// The mark of a row that the last complete listing did not have.
pub const MISSING: &str = "missing";
/// The vendor's further attributes, as JSON text: numbers stay exact, and
/// nesting and empty names are no concern of the table's.
pub const ATTRIBUTES: &str = "attributes";

/// Partition key of changes.
pub const RESOURCE: &str = "resource";
/// Sort key of changes.
pub const VERSION: &str = "version";
/// When a change was seen.
pub const AT: &str = "at";
/// Sort key of the changes' index by task.
pub const TASK_ORDER: &str = "task_order";
/// Sort key of the changes' index by account.
pub const ACCOUNT_ORDER: &str = "account_order";

/// The time after which an item goes, in seconds since 1970, in every table
/// that has one.
pub const TTL: &str = "ttl";

/// Index of tasks by account and start, and of changes by account and time.
pub const BY_ACCOUNT: &str = "by_account";
/// Index of the tasks that have not ended, by deadline.
pub const OPEN_TASKS: &str = "open_tasks";
/// Index of the live rows of a scope, with their fingerprints.
pub const LIVE_ROWS: &str = "live_rows";
/// Index of changes by task.
pub const BY_TASK: &str = "by_task";

/// [`PART`] of the task itself.
pub const TASK_PART: &str = "task";
/// Before the [`TASK_ID`] of a request, whose key comes after it. No task's id
/// has such a sign.
pub const REQUEST_PREFIX: &str = "request#";
/// [`PART`] of a request.
pub const REQUEST_PART: &str = "request";
/// The one value of [`OPEN`].
pub const OPEN_MARK: &str = "open";
/// Before the [`PART`] of a region.
pub const REGION_PREFIX: &str = "region#";
/// Before the [`ENTRY`] of a part of a checkpoint: sorts after every kind, so
/// that a query for scopes ends before the first of them.
pub const PARTS_PREFIX: &str = "~";

/// Before the [`ENTRY`] of an instance type. No kind is of one word, so that
/// no part of a checkpoint begins like it.
pub const TYPES_PREFIX: &str = "~types#";
/// Before the [`ENTRY`] of an event. No kind is of one word, so that nothing
/// else begins like it.
pub const EVENTS_PREFIX: &str = "~event#";
/// So long an event is remembered.
pub const EVENT_DAYS: u32 = 1;
/// What is known of an instance type.
pub const TYPE: &str = "type";
/// So long it is kept.
pub const TYPE_DAYS: u32 = 30;

/// Before the [`ENTRY`] of a day. No kind is of one word.
pub const DAYS_PREFIX: &str = "~days#";
/// What was live on a day.
pub const SNAPSHOT: &str = "snapshot";
/// When that was read; sorts.
pub const SNAPSHOT_AT: &str = "snapshot_at";
/// So long a day is kept.
pub const DAY_DAYS: u32 = 730;

/// What a lease's expiry is set to by a holder who lets go of it without
/// being done.
pub const LET_GO: Timestamp = Timestamp::UNIX_EPOCH;

/// So long after a lease's expiry the parts of a checkpoint are of no use.
pub const PART_DAYS: u32 = 3;
/// So long tasks are kept after their start.
pub const TASK_DAYS: u32 = 180;
/// So long changes are kept.
pub const CHANGE_DAYS: u32 = 180;

/// The tables take no larger items, in bytes.
pub const LARGEST_ITEM: usize = 400 * 1024;
/// An id of this many bytes leaves room for the rest of every key it is in.
pub const LONGEST_ID: usize = 800;
/// So many bytes a part of a checkpoint may have: it is an item.
pub const LARGEST_PART: usize = 320 << 10;

/// The attributes of a task that its sums, status and end consist of.
pub const TASK_SUMS: [&str; 22] = [
    STATUS,
    OPEN,
    "end_time",
    "duration_ms",
    "total_count",
    "added_count",
    "updated_count",
    "deleted_count",
    "unchanged_count",
    "error_count",
    "held_count",
    "api_calls",
    "read_units",
    "write_units",
    "throttled_calls",
    "retried_calls",
    "bytes_received",
    "rows_written",
    "worker_ms",
    "apis",
    "plan",
    "error_message",
];

/// The item does not exist.
pub const IS_NEW_TASK: &str = "attribute_not_exists(#task_id)";
/// There is no such request any more.
pub const IS_NEW_REQUEST: &str = "attribute_not_exists(#task_id) OR #ttl <= :now";
/// The account is known.
pub const ACCOUNT_EXISTS: &str = "attribute_exists(#account_id)";
/// The account is not known, or was removed.
pub const ACCOUNT_IS_NEW: &str = "attribute_not_exists(#account_id) OR attribute_exists(#removed)";
/// The account's configuration was written so often, and it was not removed.
pub const SAME_REVISION: &str = "attribute_not_exists(#removed) AND #revision = :revision";
/// The account is known since before revisions were counted.
pub const NO_REVISION: &str = "attribute_exists(#account_id) AND \
     attribute_not_exists(#removed) AND attribute_not_exists(#revision)";
/// The account is known and not suspended.
pub const NOT_SUSPENDED: &str =
    "attribute_exists(#account_id) AND attribute_not_exists(#suspended)";
/// The account counts what it spends on this day.
pub const SAME_DAY: &str = "#spent.#day = :day";
/// The account is known, and the last day it counted is before this one.
pub const EARLIER_DAY: &str =
    "attribute_exists(#account_id) AND (attribute_not_exists(#spent) OR #spent.#day < :day)";
/// The account is known, and not as another one of the vendor's.
pub const SAME_IDENTITY: &str = "attribute_exists(#account_id) AND \
     (attribute_not_exists(#identity) OR #identity.#account_number = :number)";
/// The lease is absent, expired or the same owner's.
pub const LEASE_IS_FREE: &str =
    "attribute_not_exists(#lease_owner) OR #lease_until <= :now OR #lease_owner = :owner";
/// The lease is held by this owner, in this epoch, who has not let go of it.
pub const LEASE_IS_MINE: &str =
    "#lease_owner = :owner AND #epoch = :epoch AND #lease_until > :let_go";
/// There is a lease.
pub const LEASE_EXISTS: &str = "attribute_exists(#lease_owner)";
/// The scope is known, and nothing was decided on it.
pub const UNDECIDED: &str = "attribute_exists(#entry) AND attribute_not_exists(#decisions)";
/// What was decided on the scope is what it was.
pub const DECIDED_AS_BEFORE: &str = "#decisions = :before";
/// The stored task or region has not ended.
pub const NOT_ENDED: &str = "#status IN (:pending, :running)";
/// The stored task has not begun, is wanted, and has room for more ids.
pub const CAN_BE_JOINED: &str =
    "#status = :pending AND #cancel_requested = :no AND size(#ids) <= :room";
/// The stored task has not ended and its deadline is earlier.
pub const NOT_ENDED_AND_EARLIER: &str = "#status IN (:pending, :running) AND #deadline < :deadline";
/// There is no stored region, or it has not ended.
pub const ABSENT_OR_NOT_ENDED: &str =
    "attribute_not_exists(#task_id) OR #status IN (:pending, :running)";
/// No later snapshot of the day is stored.
pub const NO_LATER_SNAPSHOT: &str =
    "attribute_not_exists(#snapshot_at) OR #snapshot_at < :snapshot_at";
/// The row is live.
pub const IS_LIVE: &str = "attribute_exists(#live)";

/// Writes an account's configuration and leaves what was learnt of it.
pub const SET_ACCOUNT: &str = "SET #account = :account REMOVE #removed ADD #revision :one";
/// Removes an account, but for whose credentials it had.
pub const REMOVE_ACCOUNT: &str =
    "SET #removed = :removed REMOVE #suspended, #regions, #spent ADD #revision :one";
/// Writes an account's regions.
pub const SET_REGIONS: &str = "SET #regions = :regions";
/// Suspends an account.
pub const SUSPEND: &str = "SET #suspended = :suspended";
/// Adds to what an account has spent on the day it counts.
pub const ADD_SPENT: &str = "SET #spent.#calls = #spent.#calls + :calls";
/// Begins to count another day.
pub const SET_SPENT: &str = "SET #spent = :spent";
/// Writes whose credentials an account has.
pub const SET_IDENTITY: &str = "SET #identity = :identity";
/// Forgets whose credentials an account has.
pub const FORGET_IDENTITY: &str = "REMOVE #identity";
/// Ends an account's suspension.
pub const RESUME: &str = "REMOVE #suspended";
/// Writes whom a scope was given to.
pub const SET_DISPATCHED: &str = "SET #dispatched = :dispatched";
/// Writes the task that events made of a scope.
pub const SET_EVENT_TASK: &str = "SET #event_task = :event_task";
/// Writes what operators decided on a scope.
pub const SET_DECISIONS: &str = "SET #decisions = :decisions";
/// Takes a lease: the next epoch, and one more task among those that may be
/// unfinished.
pub const TAKE_LEASE: &str = "SET #lease_owner = :owner, #lease_until = :until \
     ADD #epoch :one, #lease_tasks :tasks";
/// Writes what throttling taught.
pub const SET_PACES: &str = "SET #paces = :paces";
/// Lets go of a lease; its tasks stay.
pub const LET_GO_OF_LEASE: &str = "SET #lease_until = :let_go";
/// Ends a lease; the checkpoint stays.
pub const END_LEASE: &str = "REMOVE #lease_owner, #lease_until, #lease_tasks";
/// Ends a lease and the work.
pub const END_WORK: &str = "SET #ended_task = :task \
     REMOVE #lease_owner, #lease_until, #lease_tasks, #checkpoint";
/// Ends a lease and the work, which found something.
pub const END_WORK_WITH_FINDINGS: &str = "SET #ended_task = :task, #findings = :findings \
     REMOVE #lease_owner, #lease_until, #lease_tasks, #checkpoint";
/// Saves a checkpoint.
pub const SAVE_CHECKPOINT: &str = "SET #checkpoint = :checkpoint";
/// Adds ids to those that a task names.
pub const JOIN_TASK: &str = "ADD #ids :ids";
/// Starts a task and moves its deadline.
pub const START_TASK: &str = "SET #status = :running, #deadline = :deadline";
/// Starts a task whose deadline is late enough.
pub const START_TASK_ONLY: &str = "SET #status = :running";
/// Counts an ended task for its day.
pub const COUNT_FOR_DAY: &str = "SET #ttl = :ttl \
     ADD #tasks :tasks, #added :added, #updated :updated, #deleted :deleted";
/// Writes what was live on a day.
pub const SET_SNAPSHOT: &str =
    "SET #ttl = :ttl, #snapshot = :snapshot, #snapshot_at = :snapshot_at";
/// Asks a task to stop.
pub const REQUEST_CANCEL: &str = "SET #cancel_requested = :yes";

/// The scopes of an account, without the parts of their checkpoints.
pub const SCOPES_OF_ACCOUNT: &str = "#account_id = :account_id AND #entry < :parts";
/// The scopes of an account and kind.
pub const SCOPES_OF_KIND: &str = "#account_id = :account_id AND begins_with(#entry, :kind)";
/// The days of an account.
pub const DAYS_OF_ACCOUNT: &str = "#account_id = :account_id AND #entry BETWEEN :from AND :to";
/// The instance types of an account and kind.
pub const TYPES_OF_ACCOUNT: &str = "#account_id = :account_id AND begins_with(#entry, :types)";
/// The regions of a task.
pub const REGIONS_OF_TASK: &str = "#task_id = :task_id AND begins_with(#part, :regions)";
/// The tasks that have not ended.
pub const ALL_OPEN: &str = "#open = :open";
/// The tasks of an account.
pub const TASKS_OF_ACCOUNT: &str = "#account_id = :account_id";
/// The tasks of an account since a time.
pub const TASKS_OF_ACCOUNT_SINCE: &str = "#account_id = :account_id AND #start_time >= :since";
/// The tasks of an account until a time.
pub const TASKS_OF_ACCOUNT_UNTIL: &str = "#account_id = :account_id AND #start_time <= :until";
/// The tasks of an account between two times, both included.
pub const TASKS_OF_ACCOUNT_BETWEEN: &str =
    "#account_id = :account_id AND #start_time BETWEEN :since AND :until";
/// The rows of a scope.
pub const ROWS_OF_SCOPE: &str = "#scope = :scope";
/// The live rows of a scope.
pub const LIVE_ROWS_OF_SCOPE: &str = "#live = :scope";
/// What is read of the index of live rows.
pub const INDEX_ENTRY: &str = "#id, #fingerprint, #missing";
/// The changes of a resource.
pub const CHANGES_OF_RESOURCE: &str = "#resource = :resource";
/// The changes of a task in a scope.
pub const CHANGES_OF_TASK: &str = "#task_id = :task_id AND begins_with(#task_order, :scope)";
/// The changes of an account.
pub const CHANGES_OF_ACCOUNT: &str = "#account_id = :account_id";
/// The changes of an account since a time.
pub const CHANGES_OF_ACCOUNT_SINCE: &str = "#account_id = :account_id AND #account_order >= :since";

/// Returns the names that expressions use, each standing for itself.
#[must_use]
pub fn names(expressions: &[&str]) -> HashMap<String, String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut names = HashMap::new();
    for part in expressions.iter().flat_map(|expression| expression.split('#').skip(1)) {
        let word = &part[..part.find(|c| !is_word(c)).unwrap_or(part.len())];
        names.insert(format!("#{word}"), word.to_owned());
    }
    names
}

/// Returns the update that writes a task's sums. An attribute for which
/// `is_present` does not hold is removed.
#[must_use]
pub fn set_task_sums(is_present: impl Fn(&str) -> bool) -> String {
    let (set, remove): (Vec<&str>, Vec<&str>) =
        TASK_SUMS.into_iter().partition(|name| is_present(name));
    let set: Vec<_> = set.iter().map(|name| format!("#{name} = :{name}")).collect();
    let remove: Vec<_> = remove.iter().map(|name| format!("#{name}")).collect();
    let clause = |word: &str, items: &[String]| {
        if items.is_empty() { String::new() } else { format!("{word} {} ", items.join(", ")) }
    };
    format!("{}{}", clause("SET", &set), clause("REMOVE", &remove)).trim_end().to_owned()
}

/// Returns the [`ENTRY`] of a scope.
#[must_use]
pub fn entry(scope: &Scope) -> String {
    format!("{}#{}", scope.kind, scope.region)
}

/// Reads an [`ENTRY`] of a scope.
#[must_use]
pub fn parse_entry(account_id: &str, entry: &str) -> Option<Scope> {
    let (kind, region) = entry.split_once('#')?;
    let kind = kind.parse::<Kind>().ok()?;
    Some(Scope { account_id: account_id.to_owned(), kind, region: region.to_owned() })
}

/// Returns the name of a part of a checkpoint. It is made of what the part
/// holds, so that no writer can put anything else in its place.
#[must_use]
pub fn part_name(bytes: &[u8]) -> String {
    Sha256::digest(bytes)[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the [`ENTRY`] of a part of a checkpoint.
#[must_use]
pub fn part_entry(scope: &Scope, task_id: &str, name: &str) -> String {
    format!("{PARTS_PREFIX}{}#{task_id}#{name}", entry(scope))
}

/// Returns what the [`ENTRY`] of every instance type of a kind begins with.
#[must_use]
pub fn types_prefix(kind: &Kind) -> String {
    format!("{TYPES_PREFIX}{kind}#")
}

/// Returns the [`ENTRY`] of an event.
#[must_use]
pub fn event_entry(event: &str) -> String {
    format!("{EVENTS_PREFIX}{event}")
}

/// Returns how many ids a task may have that so many are to be added to.
#[must_use]
pub const fn room_for(count: usize) -> Option<usize> {
    MOST_IDS.checked_sub(count)
}

/// Returns what the [`ENTRY`] of every scope of a kind begins with.
#[must_use]
pub fn kind_prefix(kind: &Kind) -> String {
    format!("{kind}#")
}

/// Returns the [`ENTRY`] of a kind's day.
#[must_use]
pub fn day_entry(day: Date, kind: &Kind) -> String {
    format!("{DAYS_PREFIX}{day}#{kind}")
}

/// Returns an [`ENTRY`] before and one after all of these days.
#[must_use]
pub fn day_entries(from: Date, to: Date) -> [String; 2] {
    // No kind begins with a sign as large as this.
    [format!("{DAYS_PREFIX}{from}#"), format!("{DAYS_PREFIX}{to}#~")]
}

/// Reads an [`ENTRY`] of a kind's day.
#[must_use]
pub fn parse_day_entry(entry: &str) -> Option<(Date, Kind)> {
    let (day, kind) = entry.strip_prefix(DAYS_PREFIX)?.split_once('#')?;
    Some((day.parse().ok()?, kind.parse().ok()?))
}

/// Returns the [`PART`] of a region.
#[must_use]
pub fn region_part(region: &str) -> String {
    format!("{REGION_PREFIX}{region}")
}

/// Returns the [`TASK_ID`] of a request.
#[must_use]
pub fn request_id(key: &str) -> String {
    format!("{REQUEST_PREFIX}{key}")
}

/// Returns the [`SCOPE`] of resources.
#[must_use]
pub fn scope(scope: &Scope) -> String {
    format!("{}#{}", scope.account_id, entry(scope))
}

/// Returns the [`RESOURCE`] of changes.
#[must_use]
pub fn resource(of: &Scope, id: &str) -> String {
    format!("{}#{id}", scope(of))
}

/// Returns what the [`TASK_ORDER`] of every change in a scope begins with.
#[must_use]
pub fn task_order_prefix(of: &Scope) -> String {
    format!("{}#", scope(of))
}

/// Returns the [`TASK_ORDER`] of a change.
#[must_use]
pub fn task_order(change: &Change) -> String {
    format!("{}{}#{:020}", task_order_prefix(&change.scope), change.id, change.version)
}

/// Returns the [`RESOURCE`] and [`VERSION`] of the change that a
/// [`TASK_ORDER`] is of, or `None` where it is not one in this scope.
#[must_use]
pub fn parse_task_order(of: &Scope, order: &str) -> Option<(String, u64)> {
    let (resource, version) = order.rsplit_once('#')?;
    resource.starts_with(&task_order_prefix(of)).then_some(())?;
    Some((resource.to_owned(), version.parse().ok()?))
}

/// Returns the [`ACCOUNT_ORDER`] of a change.
#[must_use]
pub fn account_order(change: &Change) -> String {
    let Change { scope, id, version, at, .. } = change;
    format!("{}#{}#{id}#{version:020}", time(*at), entry(scope))
}

/// Returns the [`RESOURCE`] and [`VERSION`] of the change that an
/// [`ACCOUNT_ORDER`] is of, or `None` where it is not one.
#[must_use]
pub fn parse_account_order(account_id: &str, order: &str) -> Option<(String, u64)> {
    let (_, rest) = order.split_once('#')?;
    let (kind, rest) = rest.split_once('#')?;
    let (region, rest) = rest.split_once('#')?;
    let (id, version) = rest.rsplit_once('#')?;
    let of = parse_entry(account_id, &format!("{kind}#{region}"))?;
    Some((resource(&of, id), version.parse().ok()?))
}

/// Checks that a part of a checkpoint can be stored.
///
/// # Errors
///
/// Says how large it is.
pub fn check_part(bytes: &[u8]) -> Result<(), String> {
    let length = bytes.len();
    let fits = length <= LARGEST_PART;
    fits.then_some(()).ok_or_else(|| format!("it has {length} bytes, at most {LARGEST_PART} fit"))
}

/// Says what is wrong with a part of a checkpoint.
#[must_use]
pub fn bad_part(scope: &Scope, name: &str, what: &str) -> String {
    format!("part {name} of the checkpoint of {scope} {what}")
}

/// Checks that a row or change can be stored.
///
/// # Errors
///
/// Says which resource is at fault and why.
pub fn check_fits(scope: &Scope, id: &str, size: usize) -> Result<(), String> {
    if size > LARGEST_ITEM {
        let id: String = id.chars().take(LONGEST_ID).collect();
        return Err(format!("{id} in {scope} has {size} bytes, at most {LARGEST_ITEM} are stored"));
    }
    if id.is_empty() || id.len() > LONGEST_ID {
        let begin: String = id.chars().take(40).collect();
        let length = id.len();
        return Err(format!(
            "the id '{begin}' in {scope} has {length} bytes, 1 to {LONGEST_ID} are stored"
        ));
    }
    Ok(())
}

/// Returns a time as a text of fixed width, which sorts.
#[must_use]
pub fn time(at: Timestamp) -> String {
    format!("{at:.9}")
}

/// Returns the [`TTL`] of what is to be kept for `days` from `at`.
#[must_use]
pub fn ttl(at: Timestamp, days: u32) -> i64 {
    let kept = SignedDuration::from_hours(24 * i64::from(days));
    at.saturating_add(kept).unwrap_or(Timestamp::MAX).as_second()
}

#[cfg(test)]
mod tests;
