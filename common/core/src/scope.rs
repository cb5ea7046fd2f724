//! What is synced: kinds of resources, and scopes, the unit of work, of
//! locking, of scheduling and of completeness.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The one region of services that are account-wide.
pub const GLOBAL_REGION: &str = "global";

/// A resource type, named `provider.service.type`: `aliyun.ecs.instance`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, max_length = 64, pattern = r"^[a-z0-9_]+\.[a-z0-9_]+\.[a-z0-9_]+$", example = "aliyun.ecs.instance"))]
pub struct Kind(String);

/// A kind's name is not of the form `provider.service.type`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "'{0}' is not a kind: expected provider.service.type in lower case, like aliyun.ecs.instance"
)]
pub struct InvalidKind(pub String);

impl Kind {
    /// Returns the vendor's name, the part before the first dot.
    #[must_use]
    pub fn provider(&self) -> &str {
        self.0.split('.').next().unwrap_or_default()
    }

    /// Returns the whole name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Kind {
    type Err = InvalidKind;

    fn from_str(text: &str) -> Result<Self, InvalidKind> {
        let word = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        if text.len() <= 64 && text.split('.').count() == 3 && text.split('.').all(word) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidKind(text.chars().take(80).collect()))
        }
    }
}

impl TryFrom<String> for Kind {
    type Error = InvalidKind;

    fn try_from(text: String) -> Result<Self, InvalidKind> {
        text.parse()
    }
}

impl From<Kind> for String {
    fn from(kind: Kind) -> Self {
        kind.0
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Account × kind × region.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Scope {
    /// The account's id in this service.
    pub account_id: String,
    /// The kind of resource.
    pub kind: Kind,
    /// The vendor's region id, or [`GLOBAL_REGION`].
    pub region: String,
}

impl fmt::Display for Scope {
    /// Writes `account/kind/region`, as logs and messages to people show it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.account_id, self.kind, self.region)
    }
}

/// Tells whether a word can be part of a key: an account's id or a region.
///
/// Keys are joined with `#`, and shown joined with `/`, so neither may occur.
#[must_use]
pub fn is_key_word(word: &str) -> bool {
    (1..=64).contains(&word.len())
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_has_three_lower_case_words() {
        assert_eq!("aliyun.ecs.instance".parse::<Kind>().unwrap().provider(), "aliyun");
        for bad in
            ["", "ecs", "aliyun.ecs", "aliyun.ecs.", "Aliyun.ecs.instance", "a.b.c.d", "a.b#.c"]
        {
            assert_eq!(bad.parse::<Kind>(), Err(InvalidKind(bad.to_owned())), "{bad}");
        }
    }

    #[test]
    fn key_words_hold_no_separator() {
        assert!(is_key_word("cn-hangzhou") && is_key_word("team_a.prod"));
        assert!(
            !is_key_word("a#b") && !is_key_word("a/b") && !is_key_word("") && !is_key_word("生产")
        );
    }
}
