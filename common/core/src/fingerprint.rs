//! A canonical hash over the tracked fields of a resource.
//!
//! Two parts: `main` over what the primary list call tells, `detail` over what
//! secondary calls tell (data disks; of some kinds tags and addresses too). So a sync that made no secondary call,
//! or whose secondary call failed, still compares all that it does know.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::diff::Field;
use crate::resource::Resource;
use crate::salt::Salt;

/// The set of fields that new fingerprints cover, and that of resources which
/// defer more than their disks to secondary calls. A stored fingerprint says
/// which set it was made over; see [`Fingerprint::compare`].
const CURRENT_PROJECTION: u8 = 1;
const DEFERRED_PROJECTION: u8 = 2;

/// A hash over the tracked fields of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint {
    projection: u8,
    main: [u8; 16],
    detail: Option<[u8; 8]>,
}

/// What comparing a resource with a stored fingerprint can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Everything known about the resource is as it was stored.
    Same,
    /// Only what secondary calls tell differs.
    DetailDiffers,
    /// Something the primary list call tells differs.
    Differs,
    /// The stored fingerprint is over a set of fields unknown to this
    /// version: the row itself has to be compared.
    Unreadable,
}

/// A text is not a fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("not a fingerprint: '{0}'")]
pub struct InvalidFingerprint(String);

impl Fingerprint {
    /// Returns the fingerprint of a resource over the current set of fields.
    #[must_use]
    pub fn of(resource: &Resource) -> Self {
        let projection =
            if resource.is_deferred { DEFERRED_PROJECTION } else { CURRENT_PROJECTION };
        Self::over(resource, projection).unwrap_or(Self::unreadable())
    }

    /// Returns a fingerprint that tells nothing: the row that has it is read
    /// and compared itself, and gets a real one.
    #[must_use]
    pub const fn unreadable() -> Self {
        Self { projection: 0, main: [0; 16], detail: None }
    }

    /// Returns the fingerprint over the set of fields of `projection`, or
    /// `None` where this version does not know it.
    fn over(resource: &Resource, projection: u8) -> Option<Self> {
        let (fields, is_deferred) = fields(projection)?;
        let digest = |is_detail| {
            let mut digest = Sha256::new();
            let fields = fields.iter().filter(|field| field.is_detail(is_deferred) == is_detail);
            fields.for_each(|field| field.hash_canonical(resource, &mut digest));
            digest.finalize()
        };
        let main = truncated::<16>(&digest(false));
        let detail = resource.has_details().then(|| truncated::<8>(&digest(true)));
        Some(Self { projection, main, detail })
    }

    /// Returns it in eleven bytes; see [`ShortFingerprint`].
    pub(crate) fn short(&self, salt: &Salt) -> ShortFingerprint {
        let all = self.detail.map(|detail| {
            let mut both = [0; 24];
            both[..16].copy_from_slice(&self.main);
            both[16..].copy_from_slice(&detail);
            salted(salt, &both)
        });
        ShortFingerprint {
            main: salted(salt, &self.main),
            all: all.unwrap_or_default(),
            projection: self.projection,
            has_detail: all.is_some(),
        }
    }

    /// Compares a resource with this, a stored fingerprint.
    ///
    /// The resource is hashed over the stored fingerprint's own set of fields,
    /// so that tracking one more field does not make every row an update: a
    /// row gets the new set when it next changes.
    #[must_use]
    pub fn compare(&self, resource: &Resource) -> Comparison {
        let Some(seen) = Self::over(resource, self.projection) else {
            return Comparison::Unreadable;
        };
        if seen.main != self.main {
            Comparison::Differs
        } else if seen.detail.is_some() && seen.detail != self.detail {
            Comparison::DetailDiffers
        } else {
            Comparison::Same
        }
    }
}

/// A fingerprint as a sync has a million of them in memory: forty bits over
/// what the primary list call tells, and forty over all of it.
///
/// So one change in some trillion is taken for none. It is not lost: the salt
/// is the task's, so that the next walk sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ShortFingerprint {
    main: [u8; 5],
    all: [u8; 5],
    projection: u8,
    has_detail: bool,
}

impl ShortFingerprint {
    /// Compares a resource with this, a stored fingerprint, as
    /// [`Fingerprint::compare`] does.
    pub(crate) fn compare(&self, salt: &Salt, resource: &Resource) -> Comparison {
        let Some(seen) = Fingerprint::over(resource, self.projection) else {
            return Comparison::Unreadable;
        };
        let seen = seen.short(salt);
        if seen.main != self.main {
            Comparison::Differs
        } else if seen.has_detail && (!self.has_detail || seen.all != self.all) {
            Comparison::DetailDiffers
        } else {
            Comparison::Same
        }
    }
}

/// Returns forty bits of a hash of a fingerprint.
fn salted(salt: &Salt, bytes: &[u8]) -> [u8; 5] {
    truncated(&salt.hash(bytes).to_le_bytes())
}

/// Returns the tracked fields of a projection, and whether what is deferred
/// counts as detail in it.
const fn fields(projection: u8) -> Option<(&'static [Field], bool)> {
    match projection {
        1 => Some((&FIELDS, false)),
        2 => Some((&FIELDS, true)),
        _ => None,
    }
}

/// In the order in which they are hashed.
const FIELDS: [Field; 12] = [
    Field::Name,
    Field::Status,
    Field::VendorStatus,
    Field::Spec,
    Field::Zone,
    Field::PublicIps,
    Field::PrivateIps,
    Field::SecurityGroups,
    Field::Tags,
    Field::CreatedAt,
    Field::ExpiresAt,
    Field::DataDisks,
];

fn truncated<const N: usize>(digest: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&digest[..N]);
    out
}

impl fmt::Display for Fingerprint {
    /// Writes `projection.main[.detail]` with the hashes in hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.", self.projection)?;
        self.main.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        if let Some(detail) = self.detail {
            f.write_str(".")?;
            detail.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        }
        Ok(())
    }
}

impl FromStr for Fingerprint {
    type Err = InvalidFingerprint;

    fn from_str(text: &str) -> Result<Self, InvalidFingerprint> {
        let parse = || {
            let mut parts = text.split('.');
            let projection = parts.next()?.parse().ok()?;
            let main = unhex(parts.next()?)?;
            let detail = match parts.next() {
                Some(part) => Some(unhex(part)?),
                None => None,
            };
            parts.next().is_none().then_some(Self { projection, main, detail })
        };
        parse().ok_or_else(|| InvalidFingerprint(text.chars().take(80).collect()))
    }
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut out = [0; N];
    for (slot, [high, low]) in out.iter_mut().zip(pairs) {
        *slot = (digit(*high)? << 4 | digit(*low)?) as u8;
    }
    Some(out)
}

impl TryFrom<String> for Fingerprint {
    type Error = InvalidFingerprint;

    fn try_from(text: String) -> Result<Self, InvalidFingerprint> {
        text.parse()
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::Disk;

    fn machine() -> Resource {
        Resource {
            id: "i-1".into(),
            name: "web".into(),
            data_disks: Some([Disk { id: "d-1".into(), ..Disk::default() }].into()),
            tags: [("env".to_owned(), String::new())].into(),
            ..Resource::default()
        }
    }

    #[test]
    fn reads_back_what_it_writes() {
        let whole = Fingerprint::of(&machine());
        let without = Fingerprint::of(&Resource { data_disks: None, ..machine() });
        assert_eq!(whole.to_string().parse(), Ok(whole));
        assert_eq!(without.to_string().parse(), Ok(without));
        for bad in ["", "1", "1.zz", "1.00", "x.00", "1.é0000000000000000000000000000000"] {
            assert!(bad.parse::<Fingerprint>().is_err(), "{bad}");
        }
    }

    #[test]
    fn unknown_disks_compare_all_the_rest() {
        let stored = Fingerprint::of(&machine());
        let unknown = Resource { data_disks: None, ..machine() };
        assert_eq!(stored.compare(&unknown), Comparison::Same);
        assert_eq!(stored.compare(&Resource { name: "db".into(), ..unknown }), Comparison::Differs);
        assert_eq!(
            stored.compare(&Resource { data_disks: Some([].into()), ..machine() }),
            Comparison::DetailDiffers
        );
    }

    #[test]
    fn of_a_deferred_resource_tags_and_addresses_may_be_unknown_too() {
        let known = Resource { is_deferred: true, ..machine() };
        let stored = Fingerprint::of(&known);
        let unknown = Resource { data_disks: None, tags: [].into(), ..known.clone() };
        assert_eq!(stored.compare(&unknown), Comparison::Same);
        let renamed = Resource { name: "db".into(), ..unknown.clone() };
        assert_eq!(stored.compare(&renamed), Comparison::Differs);
        let untagged = Resource { tags: [].into(), ..known.clone() };
        assert_eq!(stored.compare(&untagged), Comparison::DetailDiffers);
        let moved = Resource { private_ips: ["10.0.0.1".into()].into(), ..known };
        assert_eq!(stored.compare(&moved), Comparison::DetailDiffers);
    }

    #[test]
    fn a_projection_of_another_version_is_not_a_difference() {
        let newer: Fingerprint = format!("9.{}", "00".repeat(16)).parse().unwrap();
        assert_eq!(newer.compare(&machine()), Comparison::Unreadable);
    }

    #[test]
    fn a_short_fingerprint_compares_as_the_whole_one_does() {
        let unknown = Resource { data_disks: None, ..machine() };
        let bare = Resource { data_disks: Some([].into()), ..machine() };
        let renamed = Resource { name: "db".into(), ..machine() };
        let all = [machine(), unknown, bare, renamed];
        let salt = Salt::of("t");
        let newer: Fingerprint = format!("9.{}", "00".repeat(16)).parse().unwrap();
        let stored = all.iter().map(Fingerprint::of);
        for stored in stored.chain([newer, Fingerprint::unreadable()]) {
            for seen in &all {
                let short = stored.short(&salt);
                assert_eq!(short.compare(&salt, seen), stored.compare(seen), "{stored} {seen:?}");
            }
        }
        let stored = Fingerprint::of(&machine());
        assert_ne!(
            stored.short(&salt),
            stored.short(&Salt::of("u")),
            "the next task sees it otherwise"
        );
    }

    #[test]
    fn an_empty_tag_is_not_an_absent_tag() {
        let untagged = Resource { tags: [].into(), ..machine() };
        assert_eq!(Fingerprint::of(&machine()).compare(&untagged), Comparison::Differs);
    }

    #[test]
    fn attributes_stay_out() {
        let attributes = [("RequestId".into(), "1".into())].into_iter().collect();
        let noisy = Resource { attributes, ..machine() };
        assert_eq!(Fingerprint::of(&machine()), Fingerprint::of(&noisy));
    }
}
