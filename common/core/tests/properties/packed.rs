//! What is kept packed tells the same as plain maps do.

use std::collections::{BTreeMap, BTreeSet};

use cloud_sync_core::change::{Change, ChangeKind};
use cloud_sync_core::disks::Disks;
use cloud_sync_core::fingerprint::Fingerprint;
use cloud_sync_core::index::{IndexEntry, LiveIndex};
use cloud_sync_core::listing::{Page, Walk};
use cloud_sync_core::marks::IdMarks;
use cloud_sync_core::resource::{Disk, Missing, Resource};
use cloud_sync_core::scope::Scope;
use cloud_sync_core::tally::Tally;
use cloud_sync_core::task::Counts;
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

fn change(id: &str, kind: ChangeKind) -> Change {
    Change {
        scope: Scope {
            account_id: "a".into(),
            kind: "aliyun.ecs.instance".parse().unwrap(),
            region: "r".into(),
        },
        id: id.into(),
        version: 1,
        change: kind,
        fields: BTreeMap::new(),
        task_id: "t".into(),
        at: Timestamp::UNIX_EPOCH,
    }
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
            let save = |marks: &mut IdMarks| {
                is_saved.then(|| marks.unsaved(most)).filter(|part| !part.is_empty())
            };
            while let Some(part) = save(&mut marks) {
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

    /// Whatever a task did in whichever attempt, every resource is counted
    /// once: what was listed or found or recorded makes the total.
    #[test]
    fn a_tally_counts_every_resource_once(
        did in prop::collection::vec((0..12_usize, 0..6_u8), 0..60),
        listed in prop::collection::btree_set(0..12_usize, 0..12),
        is_saved in any::<bool>(),
    ) {
        let mut tally = Tally::new("t");
        let mut walk = Walk::new("t");
        let mut model = [BTreeSet::new(), BTreeSet::new(), BTreeSet::new(), BTreeSet::new()];
        for (n, what) in did {
            let id = n.to_string();
            let kind = match what {
                0 => ChangeKind::Added,
                1 => ChangeKind::Restored,
                2 => ChangeKind::Updated,
                3 => ChangeKind::Deleted,
                _ if listed.contains(&n) => continue,
                4 => {
                    tally.found(&id);
                    model[3].insert(n);
                    continue;
                }
                _ => {
                    tally.gone(&id);
                    continue;
                }
            };
            model[usize::from(what.saturating_sub(1))].insert(n);
            tally.record(&change(&id, kind));
        }
        let resource = |n: &usize| Resource { id: n.to_string(), ..Resource::default() };
        let resources = listed.iter().map(resource).collect();
        walk.take(Page { resources, ..Page::default() }).unwrap();
        if is_saved {
            let mut read = Tally::new("t");
            while let Some(part) = Some(tally.unsaved(30)).filter(|part| !part.is_empty()) {
                prop_assert!(read.load(&part));
            }
            tally = read;
        }
        let counts = tally.counts(walk.listed(), 0, 0, |hash| walk.has_seen_hash(hash));
        let [added, updated, deleted, found] = model;
        let updated: BTreeSet<_> = updated.difference(&added).copied().collect();
        let all = [&listed, &found, &added, &updated].into_iter().flatten();
        let total = all.collect::<BTreeSet<_>>().len() as u64;
        let expected = Counts {
            total_count: total,
            added_count: added.len() as u64,
            updated_count: updated.len() as u64,
            deleted_count: deleted.len() as u64,
            unchanged_count: total - (added.len() + updated.len()) as u64,
            ..Counts::default()
        };
        prop_assert_eq!(counts, expected);
        prop_assert_eq!(tally.deletions(), deleted.len() as u64);
        let changed: BTreeSet<_> = [&added, &updated, &deleted].into_iter().flatten().collect();
        prop_assert_eq!(tally.changes(), changed.len() as u64);
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
