//! What is asked of the inventory: filters, and a resource as it is shown.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::attributes::Attributes;
use crate::change::{Change, ChangeKind};
use crate::resource::{Disk, Resource, Row, Status};
use crate::scope::{Kind, Scope};
use crate::types::TypeSpec;

/// Which scopes are meant; an empty list means all.
#[derive(Clone, Debug, Default)]
pub struct ScopeFilter {
    /// Of these accounts.
    pub account_ids: Vec<String>,
    /// Of these kinds.
    pub kinds: Vec<Kind>,
    /// In these regions.
    pub regions: Vec<String>,
}

impl ScopeFilter {
    /// Tells whether an account is meant.
    #[must_use]
    pub fn wants_account(&self, account_id: &str) -> bool {
        is_wanted(&self.account_ids, account_id)
    }

    /// Tells whether a kind is meant.
    #[must_use]
    pub fn wants_kind(&self, kind: &Kind) -> bool {
        is_wanted(&self.kinds, kind)
    }

    /// Tells whether a region is meant.
    #[must_use]
    pub fn wants_region(&self, region: &str) -> bool {
        is_wanted(&self.regions, region)
    }

    /// Tells whether a scope is meant.
    #[must_use]
    pub fn wants(&self, scope: &Scope) -> bool {
        self.wants_account(&scope.account_id)
            && self.wants_kind(&scope.kind)
            && self.wants_region(&scope.region)
    }
}

/// Whether rows of resources that are gone are meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Deleted {
    /// Only what is live.
    #[default]
    Without,
    /// What is live, and what is gone.
    With,
    /// Only what is gone.
    Only,
}

impl Deleted {
    /// Tells whether any tombstone is meant.
    #[must_use]
    pub const fn includes_tombstones(self) -> bool {
        !matches!(self, Self::Without)
    }
}

/// A tag that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagFilter {
    /// This key, with any value.
    Key(String),
    /// This key and value.
    Is(String, String),
    /// `key` or `key:value`. Both may hold colons themselves, so that each of
    /// them may be the one in between.
    Text(String),
}

impl TagFilter {
    fn is_among(&self, tags: &BTreeMap<String, String>) -> bool {
        let is = |key: &str, value: &str| tags.get(key).is_some_and(|tag| tag == value);
        match self {
            Self::Key(key) => tags.contains_key(key),
            Self::Is(key, value) => is(key, value),
            Self::Text(text) => {
                let mut colons = text.match_indices(':');
                tags.contains_key(text) || colons.any(|(at, _)| is(&text[..at], &text[at + 1..]))
            }
        }
    }
}

/// Which resources of the scopes are meant; an empty list means all.
#[derive(Clone, Debug, Default)]
pub struct ResourceFilter {
    /// With these ids.
    pub ids: Vec<String>,
    /// Of these statuses.
    pub statuses: Vec<Status>,
    /// With all of these tags.
    pub tags: Vec<TagFilter>,
    /// With a name that begins like this.
    pub name: Option<String>,
    /// With this address, public or private.
    pub ip: Option<String>,
    /// Whether they are gone.
    pub deleted: Deleted,
}

impl ResourceFilter {
    /// Tells whether a row is meant.
    #[must_use]
    pub fn wants(&self, row: &Row) -> bool {
        let resource = &row.resource;
        let has_ip =
            |ip: &String| resource.public_ips.contains(ip) || resource.private_ips.contains(ip);
        let is_there = match self.deleted {
            Deleted::Without => row.is_live(),
            Deleted::With => true,
            Deleted::Only => !row.is_live(),
        };
        is_there
            && is_wanted(&self.ids, &resource.id)
            && is_wanted(&self.statuses, &resource.status)
            && self.tags.iter().all(|tag| tag.is_among(&resource.tags))
            && self.name.as_ref().is_none_or(|prefix| resource.name.starts_with(prefix))
            && self.ip.as_ref().is_none_or(has_ip)
    }
}

/// Which changes of an account are meant; an empty list means all.
#[derive(Clone, Debug, Default)]
pub struct ChangeFilter {
    /// Of resources of these kinds.
    pub kinds: Vec<Kind>,
    /// In these regions.
    pub regions: Vec<String>,
    /// Of these kinds of change.
    pub changes: Vec<ChangeKind>,
}

impl ChangeFilter {
    /// Tells whether a change is meant.
    #[must_use]
    pub fn wants(&self, change: &Change) -> bool {
        is_wanted(&self.kinds, &change.scope.kind)
            && is_wanted(&self.regions, &change.scope.region)
            && is_wanted(&self.changes, &change.change)
    }
}

/// Tells whether a value is one of those wanted; an empty list means all.
#[must_use]
pub fn is_wanted<T: PartialEq<V>, V: ?Sized>(wanted: &[T], value: &V) -> bool {
    wanted.is_empty() || wanted.iter().any(|one| one == value)
}

/// A resource as it is shown: its row, and what its instance type has.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = ListedResource))]
pub struct ResourceView {
    /// The account.
    pub account_id: String,
    /// The vendor.
    pub provider: String,
    /// What it is.
    pub kind: Kind,
    /// The vendor's region, or `global`.
    pub region: String,
    /// The vendor's id, unique among those of its account, kind and region.
    pub id: String,
    /// The name a person gave it.
    pub name: String,
    /// The common status; `terminated` for one that is gone.
    pub status: Status,
    /// The vendor's own status word.
    pub vendor_status: String,
    /// The instance type, class or plan.
    pub spec: String,
    /// The type's virtual processors, where they are known.
    pub vcpus: Option<u32>,
    /// The type's memory, where it is known.
    pub memory_gib: Option<f64>,
    /// The type's graphics processors, where they are known.
    pub gpus: Option<u32>,
    /// Their model, where there are some.
    pub gpu_model: Option<String>,
    /// The availability zone.
    pub zone: String,
    /// Public addresses, elastic ones included.
    pub public_ips: BTreeSet<String>,
    /// Private addresses.
    pub private_ips: BTreeSet<String>,
    /// Security group ids.
    pub security_groups: BTreeSet<String>,
    /// Data disks; `null` where they are not known.
    pub data_disks: Option<BTreeSet<Disk>>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// When the vendor created it.
    pub created_at: Option<Timestamp>,
    /// When its subscription ends, where it has one.
    pub expires_at: Option<Timestamp>,
    /// When a listing first had it.
    pub first_seen_at: Timestamp,
    /// When the last change was recorded.
    pub changed_at: Timestamp,
    /// When it was found to be gone; `null` for one that is live.
    pub deleted_at: Option<Timestamp>,
    /// Since when complete listings lack it, while its deletion is held back.
    pub missing_since: Option<Timestamp>,
    /// How many changes were recorded of it.
    pub version: u64,
    /// The task that recorded the last one.
    pub task_id: String,
    /// The vendor's further attributes, as of the last change.
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, serde_json::Value>))]
    pub attributes: Attributes,
}

impl ResourceView {
    /// Returns a row with what is known of its instance type.
    #[must_use]
    pub fn of(row: Row, spec: Option<&TypeSpec>) -> Self {
        let Row { scope, resource, .. } = row;
        let Resource { id, name, status, vendor_status, spec: type_name, zone, .. } = resource;
        let gpu_model = spec.map(|spec| spec.gpu_model.clone());
        Self {
            provider: scope.kind.provider().to_owned(),
            account_id: scope.account_id,
            kind: scope.kind,
            region: scope.region,
            id,
            name,
            status,
            vendor_status,
            spec: type_name,
            vcpus: spec.map(|spec| spec.vcpus),
            memory_gib: spec.map(|spec| spec.memory_gib),
            gpus: spec.map(|spec| spec.gpus),
            gpu_model: gpu_model.filter(|model| !model.is_empty()),
            zone,
            public_ips: resource.public_ips,
            private_ips: resource.private_ips,
            security_groups: resource.security_groups,
            data_disks: resource.data_disks,
            tags: resource.tags,
            created_at: resource.created_at,
            expires_at: resource.expires_at,
            first_seen_at: row.first_seen_at,
            changed_at: row.changed_at,
            deleted_at: row.deleted_at,
            missing_since: row.missing.map(|missing| missing.since),
            version: row.version,
            task_id: row.task_id,
            attributes: resource.attributes,
        }
    }
}

/// A change as it is shown.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChangeView {
    /// The vendor.
    pub provider: String,
    /// The change.
    #[serde(flatten)]
    pub change: Change,
}

impl From<Change> for ChangeView {
    fn from(change: Change) -> Self {
        Self { provider: change.scope.kind.provider().to_owned(), change }
    }
}
