//! What is kept packed tells the same as plain maps do.

use std::collections::{BTreeMap, BTreeSet};

use cloud_sync_core::change::{Change, ChangeKind};
use cloud_sync_core::disks::Disks;
use cloud_sync_core::fingerprint::Fingerprint;
use cloud_sync_core::ids::Ids;
use cloud_sync_core::index::IndexEntry;
use cloud_sync_core::listing::{MissingRows, Page, Walk};
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

fn resource() -> impl Strategy<Value = Resource> {
    ("[ab]", prop::option::of(prop::collection::btree_set(disk(), 0..2)))
        .prop_map(|(name, data_disks)| Resource { name, data_disks, ..Resource::default() })
}

fn entry() -> impl Strategy<Value = IndexEntry> {
    let missing = prop::option::of((0..1000_i64, 0..9_u64));
    (resource(), missing).prop_map(|(resource, missing)| {
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
    /// Of every row it is known how it compares, whatever else is known of its
    /// id, and before or after.
    #[test]
    fn rows_are_compared_as_the_index_has_them(
        rows in prop::collection::btree_map(id(), entry(), 0..300),
        others in prop::collection::btree_set(id(), 20),
        seen in resource(),
    ) {
        let mut ids = Ids::new("t");
        let mut walk = Walk::new();
        let resources = rows.keys().chain(&others).step_by(2);
        let resources = resources.map(|id| Resource { id: id.clone(), ..Resource::default() });
        let mut resources: Vec<_> = resources.collect();
        let late = resources.split_off(resources.len() / 2);
        walk.take(Page { resources, next: Some("2".into()), ..Page::default() }, &mut ids).unwrap();
        rows.iter().for_each(|(id, entry)| ids.insert_live(id, entry));
        walk.take(Page { resources: late, ..Page::default() }, &mut ids).unwrap();
        prop_assert_eq!(ids.live(), rows.len() as u64);
        for id in rows.keys().chain(&others) {
            let stored = ids.stored(id);
            let known = stored.map(|stored| (stored.compare(&seen), stored.is_marked()));
            let expected =
                rows.get(id).map(|row| (row.fingerprint.compare(&seen), row.missing.is_some()));
            prop_assert_eq!(known, expected, "{}", id);
        }
    }

    /// Any listing, saved and read back in between: what is missing is what
    /// was not listed, of whichever rows the index shows.
    #[test]
    fn missing_is_what_was_not_listed(
        pages in prop::collection::vec(prop::collection::vec(id(), 0..20), 1..8),
        rows in prop::collection::btree_map(id(), entry(), 0..100),
        saved_at in 0..8_usize,
        most in 10..200_usize,
    ) {
        let mut ids = Ids::new("t");
        let mut walk = Walk::new();
        rows.iter().for_each(|(id, entry)| ids.insert_live(id, entry));
        for (number, page) in pages.iter().enumerate() {
            if number == saved_at {
                let mut read = Ids::new("t");
                while let Some(part) = Some(ids.unsaved(most)).filter(|part| !part.is_empty()) {
                    prop_assert!(part.len() <= most && read.load(&part));
                }
                walk = Walk::resume(walk.state().clone(), &read).unwrap();
                prop_assert!(read.unsaved(most).is_empty());
                rows.iter().for_each(|(id, entry)| read.insert_live(id, entry));
                ids = read;
            }
            let resource = |id: &String| Resource { id: id.clone(), ..Resource::default() };
            let next = (number + 1 < pages.len()).then(|| number.to_string());
            let resources = page.iter().map(resource).collect();
            walk.take(Page { resources, next, ..Page::default() }, &mut ids).unwrap();
        }
        let listed: BTreeSet<_> = pages.iter().flatten().collect();
        let listing = walk.complete().unwrap();
        prop_assert_eq!(listing.total(), listed.len() as u64);
        let index: Vec<_> = rows.clone().into_iter().collect();
        let mut missing = MissingRows::default();
        listing.add_missing(&ids, &index, &mut missing);
        let expected = rows.iter().filter(|(id, _)| !listed.contains(id));
        let expected: Vec<_> = expected.map(|(id, row)| (id.clone(), row.missing)).collect();
        prop_assert_eq!(missing.iter().collect::<Vec<_>>(), expected);
        prop_assert_eq!(listing.count_missing(&ids), missing.len() as u64);
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
        let mut walk = Walk::new();
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
        walk.take(Page { resources, ..Page::default() }, tally.ids_mut()).unwrap();
        if is_saved {
            let mut read = Tally::new("t");
            let mut unsaved = || Some(tally.ids_mut().unsaved(30)).filter(|part| !part.is_empty());
            while let Some(part) = unsaved() {
                prop_assert!(read.ids_mut().load(&part));
            }
            tally = read;
        }
        let counts = tally.counts(walk.listed(), 0, 0);
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
