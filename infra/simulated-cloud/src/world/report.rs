//! What happened in the world, and what it comes to.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::family::Family;

/// What was done to a resource that existed before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// It was started.
    Started,
    /// It was stopped.
    Stopped,
    /// It has another name.
    Renamed,
    /// It has other tags.
    Retagged,
    /// It lost or got an elastic address.
    EipMoved,
    /// It has one more data disk.
    DiskAttached,
    /// It has one data disk less.
    DiskDetached,
    /// One security group took another's place.
    SecurityGroupSwapped,
    /// It has another instance type.
    TypeChanged,
    /// It has another class or size.
    Resized,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Started => "started",
            Self::Stopped => "stopped",
            Self::Renamed => "renamed",
            Self::Retagged => "retagged",
            Self::EipMoved => "elastic address moved",
            Self::DiskAttached => "disk attached",
            Self::DiskDetached => "disk detached",
            Self::SecurityGroupSwapped => "security group swapped",
            Self::TypeChanged => "instance type changed",
            Self::Resized => "resized",
        })
    }
}

/// What happened to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// It came into being.
    Created,
    /// It ceased to be.
    Released,
    /// It changed.
    Changed(Change),
}

/// A resource of an account in a region.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Which {
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
    /// What it is.
    pub family: Family,
    /// Its id.
    pub id: String,
}

/// One entry of the world's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number; the first is 1, none is left out.
    pub sequence: u64,
    /// The resource.
    pub which: Which,
    /// What happened to it.
    pub what: Happening,
}

/// What a run of events comes to. A resource is in one of the three sets at
/// most, however often it changed: created and then changed is created;
/// changed and then released is released; created and then released is
/// nowhere. So the sizes are what a sync after those events should find,
/// unless a change was undone by a later one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChurnReport {
    /// Those that are new.
    pub created: BTreeSet<Which>,
    /// Those that are gone.
    pub released: BTreeSet<Which>,
    /// Those that changed, with everything that was done to each.
    pub changed: BTreeMap<Which, BTreeSet<Change>>,
}

impl ChurnReport {
    /// Returns what events come to, given in the order they happened.
    pub fn of<'a>(events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut report = Self::default();
        for event in events {
            let which = event.which.clone();
            match event.what {
                Happening::Created => {
                    report.created.insert(which);
                }
                Happening::Released => {
                    report.changed.remove(&which);
                    if !report.created.remove(&which) {
                        report.released.insert(which);
                    }
                }
                Happening::Changed(_) if report.created.contains(&which) => {}
                Happening::Changed(change) => {
                    report.changed.entry(which).or_default().insert(change);
                }
            }
        }
        report
    }

    /// Returns the part of it that is about a family.
    #[must_use]
    pub fn only(&self, family: Family) -> Self {
        let is = |which: &&Which| which.family == family;
        Self {
            created: self.created.iter().filter(is).cloned().collect(),
            released: self.released.iter().filter(is).cloned().collect(),
            changed: self
                .changed
                .iter()
                .filter(|(which, _)| is(which))
                .map(|(which, changes)| (which.clone(), changes.clone()))
                .collect(),
        }
    }

    /// Returns how many resources were changed in each way. One that changed
    /// in two ways counts in both, so the sum may exceed `changed.len()`.
    pub fn by_change(&self) -> BTreeMap<Change, usize> {
        let mut counts = BTreeMap::new();
        for change in self.changed.values().flatten() {
            *counts.entry(*change).or_insert(0) += 1;
        }
        counts
    }

    /// Tells whether nothing happened.
    pub fn is_empty(&self) -> bool {
        self.created.is_empty() && self.released.is_empty() && self.changed.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(events: &[(&str, Happening)]) -> (Vec<String>, Vec<String>, Vec<String>) {
        let events: Vec<Event> = events
            .iter()
            .zip(1..)
            .map(|((id, what), sequence)| Event {
                sequence,
                which: Which {
                    account: "a".into(),
                    region: "r".into(),
                    family: Family::Instance,
                    id: (*id).into(),
                },
                what: *what,
            })
            .collect();
        let report = ChurnReport::of(&events);
        let ids = |set: &BTreeSet<Which>| set.iter().map(|which| which.id.clone()).collect();
        (
            ids(&report.created),
            ids(&report.released),
            report.changed.keys().map(|which| which.id.clone()).collect(),
        )
    }

    #[test]
    fn an_instance_is_reported_once() {
        use Happening::{Changed, Created, Released};
        let (created, released, changed) = report(&[
            ("changed-twice", Changed(Change::Renamed)),
            ("changed-twice", Changed(Change::Retagged)),
            ("new", Created),
            ("new", Changed(Change::Renamed)),
            ("short-lived", Created),
            ("short-lived", Released),
            ("gone", Changed(Change::Stopped)),
            ("gone", Released),
        ]);
        assert_eq!(created, ["new"]);
        assert_eq!(released, ["gone"]);
        assert_eq!(changed, ["changed-twice"]);
    }
}
