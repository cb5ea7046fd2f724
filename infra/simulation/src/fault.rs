//! What can go wrong in a simulation, by name.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use thiserror::Error;

/// A kind of fault. How often it strikes is drawn from the seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// A process dies between any two of its requests, or in one.
    Crash,
    /// A process panics at a request.
    Panic,
    /// A process stands still for up to two hours, and nobody stops it at its
    /// deadline.
    Freeze,
    /// Processes' clocks are apart by up to forty seconds.
    Skew,
    /// A worker's time is a minute or two, so that it has to hand over.
    ShortTurns,
    /// The tables refuse a request.
    StoreDown,
    /// The tables carry a request out, and their answer is lost.
    StoreLostAnswer,
    /// A batch of writes is carried out in part.
    StorePartial,
    /// Indexes lag behind the tables.
    IndexLag,
    /// The queues refuse a request, or their answer is lost.
    QueueDown,
    /// A message is delivered twice, to two workers at once or much later.
    Duplicate,
    /// A message comes late, after others of other groups.
    Delay,
    /// A message that was sent vanishes.
    Vanish,
    /// Requests to the vendor are lost, cut off, or answered with an error
    /// that passes.
    Network,
    /// The vendor allows a few calls a minute.
    Throttle,
    /// Items of the vendor's answers cannot be read.
    Malformed,
    /// The vendor lists nothing, with success.
    SilentEmpty,
    /// The vendor's pages miss items, repeat them, or are short.
    Paging,
    /// The vendor refuses page tokens.
    TokenRejected,
    /// The vendor's totals are wrong.
    WrongTotal,
    /// The vendor's calls for disks fail.
    Disks,
    /// A permission is revoked in the middle of a walk, openly or silently.
    Revoked,
    /// Somebody cancels tasks.
    Cancel,
    /// Access keys are replaced.
    Rotate,
    /// The vendor's change feed fails, or loses events for good.
    Feed,
    /// An account's key is put into another account's place for a while.
    Swap,
    /// The vendors' events come twice, late and out of order.
    Events,
}

impl Fault {
    /// Every kind of fault.
    pub const ALL: [Self; 27] = [
        Self::Crash,
        Self::Panic,
        Self::Freeze,
        Self::Skew,
        Self::ShortTurns,
        Self::StoreDown,
        Self::StoreLostAnswer,
        Self::StorePartial,
        Self::IndexLag,
        Self::QueueDown,
        Self::Duplicate,
        Self::Delay,
        Self::Vanish,
        Self::Network,
        Self::Throttle,
        Self::Malformed,
        Self::SilentEmpty,
        Self::Paging,
        Self::TokenRejected,
        Self::WrongTotal,
        Self::Disks,
        Self::Revoked,
        Self::Cancel,
        Self::Rotate,
        Self::Feed,
        Self::Swap,
        Self::Events,
    ];

    /// Returns its name: `silent-empty`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Panic => "panic",
            Self::Freeze => "freeze",
            Self::Skew => "skew",
            Self::ShortTurns => "short-turns",
            Self::StoreDown => "store-down",
            Self::StoreLostAnswer => "store-lost-answer",
            Self::StorePartial => "store-partial",
            Self::IndexLag => "index-lag",
            Self::QueueDown => "queue-down",
            Self::Duplicate => "duplicate",
            Self::Delay => "delay",
            Self::Vanish => "vanish",
            Self::Network => "network",
            Self::Throttle => "throttle",
            Self::Malformed => "malformed",
            Self::SilentEmpty => "silent-empty",
            Self::Paging => "paging",
            Self::TokenRejected => "token-rejected",
            Self::WrongTotal => "wrong-total",
            Self::Disks => "disks",
            Self::Revoked => "revoked",
            Self::Cancel => "cancel",
            Self::Rotate => "rotate",
            Self::Feed => "feed",
            Self::Swap => "swap",
            Self::Events => "events",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A name that is no fault's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no fault is named '{name}'; there are: all, none, {}", names(&FaultSet::all()))]
pub struct UnknownFault {
    /// The name.
    pub name: String,
}

/// The faults that a simulation may draw from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FaultSet(BTreeSet<Fault>);

fn names(set: &FaultSet) -> String {
    set.0.iter().map(|fault| fault.as_str()).collect::<Vec<_>>().join(", ")
}

impl FaultSet {
    /// Returns every fault.
    #[must_use]
    pub fn all() -> Self {
        Self(Fault::ALL.into_iter().collect())
    }

    /// Returns no fault.
    #[must_use]
    pub const fn none() -> Self {
        Self(BTreeSet::new())
    }

    /// Tells whether a fault is one of them.
    #[must_use]
    pub fn has(&self, fault: Fault) -> bool {
        self.0.contains(&fault)
    }
}

impl FromStr for FaultSet {
    type Err = UnknownFault;

    /// Reads `all`, `none`, or names with commas between them.
    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        match text {
            "all" => return Ok(Self::all()),
            "none" => return Ok(Self::none()),
            _ => {}
        }
        let named = |name: &str| {
            let found = Fault::ALL.into_iter().find(|fault| fault.as_str() == name);
            found.ok_or_else(|| UnknownFault { name: name.chars().take(40).collect() })
        };
        text.split(',').map(|name| named(name.trim())).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for FaultSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::all() {
            f.write_str("all")
        } else if self.0.is_empty() {
            f.write_str("none")
        } else {
            f.write_str(&names(self).replace(", ", ","))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_its_name_and_all_are_listed() {
        assert_eq!(FaultSet::all().0.len(), Fault::ALL.len(), "none is listed twice");
        for fault in Fault::ALL {
            let set: FaultSet = fault.as_str().parse().unwrap();
            assert!(set.has(fault));
            assert_eq!(set.0.len(), 1);
        }
    }

    #[test]
    fn a_set_reads_what_it_prints() {
        for text in ["all", "none", "crash,index-lag"] {
            assert_eq!(text.parse::<FaultSet>().unwrap().to_string(), text);
        }
        let error = "crash,cosmic-rays".parse::<FaultSet>().unwrap_err().to_string();
        assert!(error.starts_with("no fault is named 'cosmic-rays'; there are: all, none, crash,"));
    }
}
