//! What is kept packed tells the same as plain maps do.

use std::collections::{BTreeMap, BTreeSet};

use cloud_sync_core::fingerprint::Fingerprint;
use cloud_sync_core::index::{IndexEntry, LiveIndex};
use cloud_sync_core::resource::{Missing, Resource};
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
}
