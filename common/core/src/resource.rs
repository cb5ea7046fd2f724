//! A resource as a vendor shows it, in words common to all vendors.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::attributes::Attributes;
use crate::fingerprint::Fingerprint;
use crate::scope::Scope;

/// The common set of statuses. The vendor's own word stands beside it in
/// [`Resource::vendor_status`].
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Status {
    /// Being created.
    Pending,
    /// Being started.
    Starting,
    /// In service.
    Running,
    /// Being stopped.
    Stopping,
    /// Stopped, can be started again.
    Stopped,
    /// Being restarted.
    Rebooting,
    /// Being released.
    Terminating,
    /// Gone. Also the status of every tombstone.
    Terminated,
    /// Broken, by the vendor's own account.
    Error,
    /// A word of the vendor's that has no counterpart here.
    #[default]
    Unknown,
}

impl Status {
    /// Returns the name used in tables, messages and filters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Rebooting => "rebooting",
            Self::Terminating => "terminating",
            Self::Terminated => "terminated",
            Self::Error => "error",
            Self::Unknown => "unknown",
        }
    }
}

/// Tells whether a text is one that the tables have room for as an id.
#[must_use]
pub fn is_resource_id(text: &str) -> bool {
    (1..=256).contains(&text.len())
}

/// A data disk attached to a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Disk {
    /// The vendor's disk id.
    pub id: String,
    /// The vendor's disk category, `cloud_essd` for one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub category: String,
    /// Size in GiB, where the vendor says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_gib: Option<u64>,
}

/// A resource as the vendor described it in one reply.
///
/// Sets are sets: order and repetition in the vendor's reply are lost here on
/// purpose, so nothing later can mistake a reordering for a change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Resource {
    /// The vendor's id, unique within a scope.
    pub id: String,
    /// The name a person gave it.
    #[serde(default)]
    pub name: String,
    /// The common status.
    #[serde(default)]
    pub status: Status,
    /// The vendor's own status word.
    #[serde(default)]
    pub vendor_status: String,
    /// The instance type, class or plan.
    #[serde(default)]
    pub spec: String,
    /// The availability zone.
    #[serde(default)]
    pub zone: String,
    /// Public addresses, elastic ones included.
    #[serde(default)]
    pub public_ips: BTreeSet<String>,
    /// Private addresses, those of secondary interfaces included.
    #[serde(default)]
    pub private_ips: BTreeSet<String>,
    /// Security group ids.
    #[serde(default)]
    pub security_groups: BTreeSet<String>,
    /// Data disks. `None` means not known (the call for them was not made or
    /// failed), which is never the same as having none.
    #[serde(default)]
    pub data_disks: Option<BTreeSet<Disk>>,
    /// The disk that it starts from, where the call for disks tells of that
    /// one too. It is no data disk, and is not kept.
    #[serde(skip)]
    pub system_disk: String,
    /// Whether tags, addresses and security groups come from secondary calls,
    /// as data disks do: then they are unknown where `data_disks` is `None`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_deferred: bool,
    /// Tags. A tag with an empty value is a tag.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// When the vendor created it.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// When its subscription ends, where it has one.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
    /// The vendor's further attributes, as a document. Not tracked: they are
    /// as of the last change of a tracked field.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = std::collections::BTreeMap<String, serde_json::Value>))]
    pub attributes: Attributes,
}

impl Resource {
    /// Tells whether secondary calls were made for it, or none are needed, so
    /// that what they tell is known.
    #[must_use]
    pub const fn has_details(&self) -> bool {
        self.data_disks.is_some()
    }

    /// Takes the disks that were found of it as its data disks.
    pub fn set_disks(&mut self, mut disks: BTreeSet<Disk>) {
        if !self.system_disk.is_empty() {
            disks.retain(|disk| disk.id != self.system_disk);
        }
        self.data_disks = Some(disks);
    }

    /// Takes over from `other` what is not known here.
    pub fn complete_from(&mut self, other: &Self) {
        if self.has_details() {
            return;
        }
        self.data_disks.clone_from(&other.data_disks);
        if self.is_deferred {
            self.tags.clone_from(&other.tags);
            self.public_ips.clone_from(&other.public_ips);
            self.private_ips.clone_from(&other.private_ips);
            self.security_groups.clone_from(&other.security_groups);
        }
    }
}

/// That a live row was not in the latest complete listings, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Missing {
    /// When it was first not listed.
    pub since: Timestamp,
    /// The scope's number of complete listings then, that one included.
    pub listing: u64,
}

/// A stored resource: a live row, or the tombstone of a deleted one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Row {
    /// Where it lives.
    #[serde(flatten)]
    pub scope: Scope,
    /// What it is.
    #[serde(flatten)]
    pub resource: Resource,
    /// Over the tracked fields of `resource`.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub fingerprint: Fingerprint,
    /// The number of changes recorded for it; the last change has it as its
    /// version.
    pub version: u64,
    /// The task that recorded the last change.
    pub task_id: String,
    /// When a listing first had it.
    pub first_seen_at: Timestamp,
    /// When the last change was recorded.
    pub changed_at: Timestamp,
    /// When it was found to be gone; `None` for a live row.
    #[serde(default)]
    pub deleted_at: Option<Timestamp>,
    /// Set on a live row that the last complete listing did not have.
    #[serde(default)]
    pub missing: Option<Missing>,
}

impl Row {
    /// Tells whether the resource exists, as far as is known.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        self.deleted_at.is_none()
    }
}
