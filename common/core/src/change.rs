//! Changes: what a sync saw happen to one resource, and the row that follows.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::diff::{FieldChanges, apply, diff};
use crate::fingerprint::Fingerprint;
use crate::resource::{Missing, Resource, Row, Status};
use crate::scope::Scope;

/// What happened to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum ChangeKind {
    /// Listed for the first time.
    Added,
    /// A tracked field differs.
    Updated,
    /// Proven to be gone.
    Deleted,
    /// Listed again after it was recorded as deleted.
    Restored,
}

impl ChangeKind {
    /// Returns the name used in tables and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
            Self::Restored => "restored",
        }
    }
}

/// One change of one resource.
///
/// The changes of a resource have the versions 1, 2, 3, … without a gap, and
/// replaying them from the first gives every tracked field of its row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Change {
    /// Where the resource lives.
    #[serde(flatten)]
    pub scope: Scope,
    /// The resource's id.
    pub id: String,
    /// One more than the version before it.
    pub version: u64,
    /// What happened.
    pub change: ChangeKind,
    /// Old and new value of every tracked field that differs.
    #[cfg_attr(feature = "openapi", schema(value_type = std::collections::BTreeMap<crate::diff::Field, crate::diff::FieldChange>))]
    pub fields: FieldChanges,
    /// The task that saw it.
    pub task_id: String,
    /// When it was seen.
    pub at: Timestamp,
}

/// Who observes, for which scope, and when.
#[derive(Clone, Copy, Debug)]
pub struct Observer<'a> {
    /// The scope being synced.
    pub scope: &'a Scope,
    /// The task doing it.
    pub task_id: &'a str,
    /// The time to record.
    pub now: Timestamp,
}

/// What an observed resource means for its row.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The row is right as it stands.
    Unchanged,
    /// Nothing happened to the resource, but the row has to be written: a
    /// `missing` mark is to go, or its fingerprint cannot be read.
    Refreshed(Box<Row>),
    /// Something happened: the change is written first, then the row.
    Changed(Change, Box<Row>),
}

impl Observer<'_> {
    /// Returns what seeing `seen` at the vendor means for `row`.
    #[must_use]
    pub fn seen(&self, row: Option<&Row>, mut seen: Resource) -> Outcome {
        let Some(row) = row else {
            // What is not known is in no change, so that it must not be in the
            // row either, however much of it the list has told.
            seen.complete_from(&Resource::default());
            let fields = diff(&Resource::default(), &seen);
            return self.changed(None, ChangeKind::Added, fields, seen);
        };
        seen.complete_from(&row.resource);
        let fields = diff(&row.resource, &seen);
        if !row.is_live() {
            return self.changed(Some(row), ChangeKind::Restored, fields, seen);
        }
        if !fields.is_empty() {
            return self.changed(Some(row), ChangeKind::Updated, fields, seen);
        }
        let fingerprint = Fingerprint::of(&seen);
        if row.missing.is_some() || fingerprint != row.fingerprint {
            let row = Row { resource: seen, fingerprint, missing: None, ..row.clone() };
            return Outcome::Refreshed(Box::new(row));
        }
        Outcome::Unchanged
    }

    /// Returns the deletion of a live row, as a change and a tombstone.
    #[must_use]
    pub fn gone(&self, row: &Row) -> (Change, Row) {
        let resource = Resource { status: Status::Terminated, ..row.resource.clone() };
        let fields = diff(&row.resource, &resource);
        let change = self.change(Some(row), &row.resource.id, ChangeKind::Deleted, fields);
        let tombstone = next_row(Some(row), &change, resource);
        (change, tombstone)
    }

    /// Returns the row without its mark, or `None` where it has none: the
    /// resource was listed, though nothing of it could be decoded.
    #[must_use]
    pub fn sighted(&self, row: &Row) -> Option<Row> {
        row.missing.is_some().then(|| Row { missing: None, ..row.clone() })
    }

    /// Returns the row marked as not listed, or `None` where it is already.
    #[must_use]
    pub fn missed(&self, row: &Row, listing: u64) -> Option<Row> {
        (row.is_live() && row.missing.is_none())
            .then(|| Row { missing: Some(Missing { since: self.now, listing }), ..row.clone() })
    }

    fn changed(
        &self,
        row: Option<&Row>,
        kind: ChangeKind,
        fields: FieldChanges,
        seen: Resource,
    ) -> Outcome {
        let change = self.change(row, &seen.id, kind, fields);
        let row = next_row(row, &change, seen);
        Outcome::Changed(change, Box::new(row))
    }

    fn change(
        &self,
        row: Option<&Row>,
        id: &str,
        change: ChangeKind,
        fields: FieldChanges,
    ) -> Change {
        Change {
            scope: self.scope.clone(),
            id: id.to_owned(),
            version: row.map_or(0, |row| row.version) + 1,
            change,
            fields,
            task_id: self.task_id.to_owned(),
            at: self.now,
        }
    }
}

/// Returns the row that a change leaves behind.
fn next_row(old: Option<&Row>, change: &Change, resource: Resource) -> Row {
    Row {
        scope: change.scope.clone(),
        fingerprint: Fingerprint::of(&resource),
        resource,
        version: change.version,
        task_id: change.task_id.clone(),
        first_seen_at: old.map_or(change.at, |row| row.first_seen_at),
        changed_at: change.at,
        deleted_at: (change.change == ChangeKind::Deleted).then_some(change.at),
        missing: None,
    }
}

/// A change does not follow the row it is to be applied to.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// Versions are missing, or were applied already.
    #[error("change {found} of {id} cannot follow version {version}")]
    Gap {
        /// The resource.
        id: String,
        /// The row's version.
        version: u64,
        /// The change's version.
        found: u64,
    },
    /// A value is not one that its field can have.
    #[error("change {version} of {id} holds an impossible value: {source}")]
    Value {
        /// The resource.
        id: String,
        /// The change's version.
        version: u64,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// Applies a recorded change to the row of the version before it.
///
/// It finishes what a crash between the two writes left undone, and replays a
/// history. The attributes, which changes do not carry, stay as they were.
///
/// # Errors
///
/// The change does not have the version after the row's, or holds a value that
/// its field cannot have.
pub fn replay(row: Option<&Row>, change: &Change) -> Result<Row, ReplayError> {
    let version = row.map_or(0, |row| row.version);
    if change.version != version + 1 {
        return Err(ReplayError::Gap { id: change.id.clone(), version, found: change.version });
    }
    let mut resource = row.map_or_else(
        || Resource { id: change.id.clone(), ..Resource::default() },
        |row| row.resource.clone(),
    );
    apply(&mut resource, &change.fields).map_err(|source| ReplayError::Value {
        id: change.id.clone(),
        version: change.version,
        source,
    })?;
    Ok(next_row(row, change, resource))
}
