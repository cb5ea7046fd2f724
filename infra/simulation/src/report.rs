//! What a simulation comes to.

use std::collections::BTreeMap;

use serde::Serialize;

/// How often what happened.
pub type Stats = BTreeMap<&'static str, u64>;

/// Something that must always be true was not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Which of the invariants.
    pub invariant: &'static str,
    /// What was found, for a person.
    pub text: String,
}

/// What the simulation of one seed comes to.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// What was wrong; empty is right.
    pub violations: Vec<Violation>,
    /// How often what happened, so that one sees what was tried.
    pub stats: Stats,
    /// What happened, in order, if that was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trace: Vec<String>,
}
