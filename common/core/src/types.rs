//! What instance types are: how many processors, how much memory. The same
//! for every machine of a type, so it is kept once and shown beside each.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// So long what was learnt of a type serves.
const TTL: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The longest name that is asked about; a type's has some twenty bytes.
const LONGEST_NAME: usize = 64;

/// What a machine of a type has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TypeSpec {
    /// Virtual processors.
    pub vcpus: u32,
    /// Memory in GiB; small types have half ones.
    pub memory_gib: f64,
    /// Graphics processors.
    #[serde(default)]
    pub gpus: u32,
    /// Their model; empty where there is none.
    #[serde(default)]
    pub gpu_model: String,
}

/// What is known of a type, and since when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KnownType {
    /// What it is.
    #[serde(flatten)]
    pub spec: TypeSpec,
    /// When the vendor said so.
    pub learnt_at: Timestamp,
}

/// What is known of the types of one kind in one account, by name.
pub type KnownTypes = BTreeMap<String, KnownType>;

/// Returns which of some types have to be asked about, at most so many.
#[must_use]
pub fn unknown(
    met: &BTreeSet<String>,
    known: &KnownTypes,
    now: Timestamp,
    most: usize,
) -> Vec<String> {
    let is_known = |name: &String| {
        known.get(name).is_some_and(|known| now.duration_since(known.learnt_at) < TTL)
    };
    let can_be_one = |name: &&String| (1..=LONGEST_NAME).contains(&name.len());
    met.iter().filter(can_be_one).filter(|name| !is_known(name)).take(most).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * day)
    }

    #[test]
    fn a_type_is_asked_about_once_a_month() {
        let met = ["ecs.g7.large", "ecs.c7.large", "", &"x".repeat(65)].map(str::to_owned).into();
        let known = KnownType { spec: TypeSpec::default(), learnt_at: at(0) };
        let known = [("ecs.g7.large".to_owned(), known)].into();
        assert_eq!(unknown(&met, &known, at(29), 10), ["ecs.c7.large"]);
        assert_eq!(unknown(&met, &known, at(30), 10), ["ecs.c7.large", "ecs.g7.large"]);
        assert_eq!(unknown(&met, &known, at(30), 1), ["ecs.c7.large"]);
    }
}
