//! What differs between two descriptions of a resource, field by field.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::resource::Resource;

/// A tracked field. Every typed field of a [`Resource`] but its id is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Field {
    /// [`Resource::name`].
    Name,
    /// [`Resource::status`].
    Status,
    /// [`Resource::vendor_status`].
    VendorStatus,
    /// [`Resource::spec`].
    Spec,
    /// [`Resource::zone`].
    Zone,
    /// [`Resource::public_ips`].
    PublicIps,
    /// [`Resource::private_ips`].
    PrivateIps,
    /// [`Resource::security_groups`].
    SecurityGroups,
    /// [`Resource::data_disks`].
    DataDisks,
    /// [`Resource::tags`].
    Tags,
    /// [`Resource::created_at`].
    CreatedAt,
    /// [`Resource::expires_at`].
    ExpiresAt,
}

/// What secondary calls can tell.
const DETAILS: [Field; 5] =
    [Field::PublicIps, Field::PrivateIps, Field::SecurityGroups, Field::DataDisks, Field::Tags];

/// A field's value before and after. `null` stands for unknown or absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FieldChange {
    /// Before.
    pub old: Value,
    /// After.
    pub new: Value,
}

/// The changed fields of one resource.
pub type FieldChanges = BTreeMap<Field, FieldChange>;

impl Field {
    /// Every tracked field.
    pub const ALL: [Self; 12] = [
        Self::Name,
        Self::Status,
        Self::VendorStatus,
        Self::Spec,
        Self::Zone,
        Self::PublicIps,
        Self::PrivateIps,
        Self::SecurityGroups,
        Self::DataDisks,
        Self::Tags,
        Self::CreatedAt,
        Self::ExpiresAt,
    ];

    /// Returns the field's name in rows, changes and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Status => "status",
            Self::VendorStatus => "vendor_status",
            Self::Spec => "spec",
            Self::Zone => "zone",
            Self::PublicIps => "public_ips",
            Self::PrivateIps => "private_ips",
            Self::SecurityGroups => "security_groups",
            Self::DataDisks => "data_disks",
            Self::Tags => "tags",
            Self::CreatedAt => "created_at",
            Self::ExpiresAt => "expires_at",
        }
    }

    /// Tells whether secondary calls tell the field, of a resource that defers
    /// more than its disks to them or of another.
    pub(crate) fn is_detail(self, is_deferred: bool) -> bool {
        DETAILS.contains(&self) && (is_deferred || self == Self::DataDisks)
    }

    /// Returns the field's value; `null` where it is empty or not known.
    fn value(self, resource: &Resource) -> Value {
        fn json<T: Serialize>(value: &T) -> Value {
            // The types of a resource's fields always have a JSON form.
            serde_json::to_value(value).unwrap_or_default()
        }
        let value = match self {
            Self::Name => json(&resource.name),
            Self::Status => json(&resource.status),
            Self::VendorStatus => json(&resource.vendor_status),
            Self::Spec => json(&resource.spec),
            Self::Zone => json(&resource.zone),
            Self::PublicIps => json(&resource.public_ips),
            Self::PrivateIps => json(&resource.private_ips),
            Self::SecurityGroups => json(&resource.security_groups),
            // Unknown disks are `null`, no disks are `[]`: not one value here.
            Self::DataDisks => return json(&resource.data_disks),
            Self::Tags => json(&resource.tags),
            Self::CreatedAt => json(&resource.created_at),
            Self::ExpiresAt => json(&resource.expires_at),
        };
        let empty = match &value {
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(entries) => entries.is_empty(),
            _ => false,
        };
        if empty { Value::Null } else { value }
    }

    /// Tells whether the field is the same in both, without making values.
    fn is_same(self, old: &Resource, new: &Resource) -> bool {
        match self {
            Self::Name => old.name == new.name,
            Self::Status => old.status == new.status,
            Self::VendorStatus => old.vendor_status == new.vendor_status,
            Self::Spec => old.spec == new.spec,
            Self::Zone => old.zone == new.zone,
            Self::PublicIps => old.public_ips == new.public_ips,
            Self::PrivateIps => old.private_ips == new.private_ips,
            Self::SecurityGroups => old.security_groups == new.security_groups,
            Self::DataDisks => old.data_disks == new.data_disks,
            Self::Tags => old.tags == new.tags,
            Self::CreatedAt => old.created_at == new.created_at,
            Self::ExpiresAt => old.expires_at == new.expires_at,
        }
    }

    /// Puts a value of a [`FieldChange`] into a resource.
    ///
    /// # Errors
    ///
    /// The value is not one that this field can have.
    fn set(self, resource: &mut Resource, value: &Value) -> Result<(), serde_json::Error> {
        fn read<T: Default + serde::de::DeserializeOwned>(
            value: &Value,
        ) -> Result<T, serde_json::Error> {
            Ok(Option::<T>::deserialize(value)?.unwrap_or_default())
        }
        match self {
            Self::Name => resource.name = read(value)?,
            Self::Status => resource.status = read(value)?,
            Self::VendorStatus => resource.vendor_status = read(value)?,
            Self::Spec => resource.spec = read(value)?,
            Self::Zone => resource.zone = read(value)?,
            Self::PublicIps => resource.public_ips = read(value)?,
            Self::PrivateIps => resource.private_ips = read(value)?,
            Self::SecurityGroups => resource.security_groups = read(value)?,
            Self::DataDisks => resource.data_disks = Option::deserialize(value)?,
            Self::Tags => resource.tags = read(value)?,
            Self::CreatedAt => resource.created_at = Option::deserialize(value)?,
            Self::ExpiresAt => resource.expires_at = Option::deserialize(value)?,
        }
        Ok(())
    }

    /// Hashes the field's canonical bytes: none where it is empty, else its
    /// name and length-prefixed parts, so that no two values share bytes.
    pub(crate) fn hash_canonical(self, resource: &Resource, out: &mut Sha256) {
        match self {
            Self::Name => self.hash_parts(out, one(&resource.name)),
            Self::Status => self.hash_parts(out, one(resource.status.as_str())),
            Self::VendorStatus => self.hash_parts(out, one(&resource.vendor_status)),
            Self::Spec => self.hash_parts(out, one(&resource.spec)),
            Self::Zone => self.hash_parts(out, one(&resource.zone)),
            Self::PublicIps => self.hash_parts(out, resource.public_ips.iter()),
            Self::PrivateIps => self.hash_parts(out, resource.private_ips.iter()),
            Self::SecurityGroups => self.hash_parts(out, resource.security_groups.iter()),
            Self::DataDisks => self.hash_parts(
                out,
                resource.data_disks.iter().flatten().flat_map(|disk| {
                    let size = disk.size_gib.map(|gib| gib.to_string()).unwrap_or_default();
                    [Cow::from(&disk.id), Cow::from(&disk.category), Cow::from(size)]
                }),
            ),
            Self::Tags => {
                self.hash_parts(out, resource.tags.iter().flat_map(|(key, value)| [key, value]));
            }
            Self::CreatedAt => self.hash_time(out, resource.created_at),
            Self::ExpiresAt => self.hash_time(out, resource.expires_at),
        }
    }

    fn hash_time(self, out: &mut Sha256, time: Option<jiff::Timestamp>) {
        self.hash_parts(out, time.map(|time| time.to_string()).iter());
    }

    fn hash_parts<T: AsRef<str>>(self, out: &mut Sha256, parts: impl Iterator<Item = T>) {
        let mut parts = parts.peekable();
        if parts.peek().is_none() {
            return;
        }
        out.update(self.as_str());
        out.update(b"=");
        for part in parts {
            let part = part.as_ref();
            out.update((part.len() as u64).to_le_bytes());
            out.update(part);
        }
        out.update(b";");
    }
}

/// Returns one part, or none for an empty text.
fn one(text: &str) -> impl Iterator<Item = &str> {
    (!text.is_empty()).then_some(text).into_iter()
}

/// Returns the tracked fields that differ.
///
/// What `new` does not know is not compared: not knowing is not a change.
#[must_use]
pub fn diff(old: &Resource, new: &Resource) -> FieldChanges {
    Field::ALL
        .into_iter()
        .filter(|field| new.has_details() || !field.is_detail(new.is_deferred))
        .filter(|field| !field.is_same(old, new))
        .map(|field| (field, FieldChange { old: field.value(old), new: field.value(new) }))
        .collect()
}

/// Applies changed fields to a resource: the inverse of [`diff`].
///
/// # Errors
///
/// A value is not one that its field can have.
pub fn apply(resource: &mut Resource, fields: &FieldChanges) -> Result<(), serde_json::Error> {
    fields.iter().try_for_each(|(field, change)| field.set(resource, &change.new))
}
