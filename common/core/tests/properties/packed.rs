//! What is kept packed tells the same as plain maps do.

use std::collections::{BTreeMap, BTreeSet};

use cloud_sync_core::disks::Disks;
use cloud_sync_core::fingerprint::Fingerprint;
use cloud_sync_core::index::{IndexEntry, LiveIndex};
use cloud_sync_core::marks::IdMarks;
use cloud_sync_core::resource::{Disk, Missing, Resource};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

/// Ids that share much, little and nothing, with signs of several bytes.
fn id() -> impl Strategy<Value = String> {
    prop_oneof!["i-[ab]{0,5}", "[aäß#~]{0,4}", "[a-z]{130,140}"]
}

fn entry() -> impl Strategy<Value = IndexEntry> {
    let missing = prop::option::of((0..1000_i64, 0..9_u64));
    ("[ab]", any::<bool>(), missing).prop_map(|(name, disks, missing)| {
        let data_disks = disks.then(BTreeSet::new);
        let resource = Resource { name, data_disks, ..Resource::default() };
        let missing = missing.map(|(minutes, listing)| {
            let since = Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes);
            Missing { since, listing }
        });
        IndexEntry { fingerprint: Fingerprint::of(&resource), missing }
    })
}

fn disk() -> impl Strategy<Value = Disk> {
    let size = prop::option::of(prop_oneof![0..300_u64, Just(1 << 40)]);
    ("d-[a-c]{0,3}", "[a-c]{0,3}", size).prop_map(|(id, category, size_gib)| Disk {
        id,
        category,
        size_gib,
    })
}

proptest! {
    #[test]
    fn an_index_is_a_map_sorted_by_id(
        entries in prop::collection::vec((id(), entry()), 0..300),
        is_sorted in any::<bool>(),
        others in prop::collection::vec(id(), 20),
    ) {
        let mut entries = entries;
        if is_sorted {
            entries.sort_by(|one, other| one.0.cmp(&other.0));
        }
        let mut index = LiveIndex::default();
        let mut model = BTreeMap::new();
        for (id, entry) in &entries {
            index.insert(id, *entry);
            model.insert(id.clone(), *entry);
            prop_assert_eq!(index.get(id), Some(*entry));
        }
        prop_assert_eq!(index.len(), model.len());
        prop_assert_eq!(index.is_empty(), model.is_empty());
        for id in model.keys().chain(&others) {
            prop_assert_eq!(index.get(id), model.get(id).copied(), "{}", id);
        }
        prop_assert_eq!(index.iter().collect::<Vec<_>>(), model.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn marks_are_a_map_whatever_is_saved_in_between(
        steps in prop::collection::vec((id(), 1..8_u8, prop::bool::weighted(0.1)), 0..200),
        most in 9..200_usize,
    ) {
        let mut marks = IdMarks::new("t");
        let mut model: BTreeMap<String, u8> = BTreeMap::new();
        let mut parts = Vec::new();
        for (id, added, is_saved) in steps {
            let stored = model.entry(id.clone()).or_default();
            prop_assert_eq!(marks.add(&id, added), *stored);
            *stored |= added;
            while is_saved {
                let part = marks.unsaved(most);
                if part.is_empty() {
                    break;
                }
                prop_assert!(part.len() <= most);
                parts.push((part, marks.clone(), model.clone()));
            }
        }
        prop_assert_eq!(marks.len(), model.len());
        for (id, expected) in &model {
            prop_assert_eq!(marks.get(id), *expected);
        }
        let mut read = IdMarks::new("t");
        let Some((_, saved, model)) = parts.last().cloned() else { return Ok(()) };
        for (part, ..) in &parts {
            prop_assert!(read.load(part));
        }
        prop_assert_eq!(read.len(), saved.len());
        for (id, expected) in &model {
            prop_assert_eq!(read.get(id), *expected, "{} after the last save", id);
        }
        prop_assert!(read.unsaved(most).is_empty());
    }

    #[test]
    fn disks_are_those_of_their_machine_before_and_after_a_checkpoint(
        steps in prop::collection::vec((id(), disk(), prop::bool::weighted(0.1)), 0..200),
        others in prop::collection::vec(id(), 5),
    ) {
        let mut disks = Disks::new("t");
        let mut model: BTreeMap<String, BTreeSet<Disk>> = BTreeMap::new();
        let mut read = Disks::new("t");
        for (machine, disk, is_saved) in steps {
            disks.add(&machine, &disk);
            model.entry(machine).or_default().insert(disk);
            while let Some(part) = is_saved.then(|| disks.unsaved()).flatten() {
                prop_assert!(read.load(&part));
            }
        }
        while let Some(part) = disks.unsaved() {
            prop_assert!(read.load(&part));
        }
        disks.sort();
        read.sort();
        for machine in model.keys().chain(&others) {
            let expected = model.get(machine).cloned().unwrap_or_default();
            prop_assert_eq!(&disks.of(machine), &expected);
            prop_assert_eq!(read.of(machine), expected);
        }
    }
}
