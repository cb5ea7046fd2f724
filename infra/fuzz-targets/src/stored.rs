//! What was stored: parts of checkpoints, and items.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use cloud_sync_core::account::AccountRecord;
use cloud_sync_core::change::Change;
use cloud_sync_core::deletion::Decision;
use cloud_sync_core::disks::Disks;
use cloud_sync_core::document::LARGEST_DOCUMENT;
use cloud_sync_core::fingerprint::Fingerprint;
use cloud_sync_core::ids::Ids;
use cloud_sync_core::index::IndexEntry;
use cloud_sync_core::lease::{Checkpoint, Findings, Lease};
use cloud_sync_core::resource::{Disk, Row};
use cloud_sync_core::tally::Tally;
use cloud_sync_core::task::{RegionResult, SyncTask};
use cloud_sync_runtime::store::stream::news;
use cloud_sync_runtime::store::tables::Table;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

const SALT: &str = "task";

/// The size of a part, small so that there are many.
const PART: usize = 100;

/// Gives bytes to the reader that the first byte names.
///
/// # Panics
///
/// What was read is not what it is saved and read as again.
pub fn stored(data: &[u8]) {
    let Some((which, rest)) = data.split_first() else { return };
    match which % 13 {
        0 => marks(rest),
        1 => tally(rest),
        2 => disks(rest),
        3 => added_disks(&String::from_utf8_lossy(rest)),
        4 => document::<Row>(rest),
        5 => document::<Change>(rest),
        6 => item::<Checkpoint>(rest),
        7 => item::<AccountRecord>(rest),
        8 => item::<SyncTask>(rest),
        9 => item::<RegionResult>(rest),
        10 => item::<Decision>(rest),
        12 => stream_record(rest),
        _ => {
            item::<Lease>(rest);
            item::<Findings>(rest);
        }
    }
}

fn marks(bytes: &[u8]) {
    let mut ids = Ids::new(SALT);
    let is_read = ids.load(bytes);
    assert!(ids.unsaved(PART).is_empty(), "a checkpoint has all of it already");
    assert_eq!(ids.live(), 0);
    if is_read {
        ids.insert_live(
            "row",
            &IndexEntry { fingerprint: Fingerprint::unreadable(), missing: None },
        );
        assert!(ids.stored("row").is_some() && ids.unsaved(PART).is_empty());
    }
}

fn tally(bytes: &[u8]) {
    let mut tally = Tally::new(SALT);
    if !tally.ids_mut().load(bytes) {
        return;
    }
    let counts = tally.counts(7, 3, 1);
    let most = (bytes.len() / 9) as u64;
    assert!(counts.deleted_count <= most && counts.added_count + counts.updated_count <= most);
    assert!(tally.reread() <= most && tally.deletions() == counts.deleted_count);
    tally.restart();
    let mut again = Tally::new(SALT);
    loop {
        let part = tally.ids_mut().unsaved(PART);
        if part.is_empty() {
            break;
        }
        assert!(part.len() <= PART && again.ids_mut().load(&part));
    }
    assert_eq!(again.counts(7, 3, 1), tally.counts(7, 3, 1));
    assert_eq!((again.changes(), again.reread()), (tally.changes(), tally.reread()));
}

fn disks(bytes: &[u8]) {
    let mut disks = Disks::new(SALT);
    if disks.load(bytes) {
        disks.sort();
        assert_eq!(disks.unsaved(), None);
        disks.add("machine", &Disk::default());
        disks.sort();
        assert!(disks.of("machine").contains(&Disk::default()));
    }
}

/// A disk a line: machine, id, category and size.
fn added_disks(text: &str) {
    let mut expected = BTreeMap::<&str, BTreeSet<Disk>>::new();
    let mut disks = Disks::new(SALT);
    for line in text.lines() {
        let mut words = line.split('\t');
        let mut word = || words.next().unwrap_or_default();
        let (machine, id, category) = (word(), word().to_owned(), word().to_owned());
        let disk = Disk { id, category, size_gib: word().parse().ok() };
        disks.add(machine, &disk);
        expected.entry(machine).or_default().insert(disk);
    }
    let mut again = Disks::new(SALT);
    while let Some(part) = disks.unsaved() {
        assert!(again.load(&part));
    }
    disks.sort();
    again.sort();
    for (machine, expected) in &expected {
        assert_eq!(disks.of(machine), *expected);
        assert_eq!(again.of(machine), *expected);
    }
}

/// A byte for the table, and what its stream tells of an item: what is told
/// of it is short enough for an event bus, and the same for the same item.
fn stream_record(bytes: &[u8]) {
    #[derive(Deserialize)]
    struct Images {
        new: serde_dynamo::Item,
        #[serde(default)]
        old: serde_dynamo::Item,
    }
    let Some((which, rest)) = bytes.split_first() else { return };
    let Ok(Images { new, old }) = serde_json::from_slice(rest) else { return };
    let table = Table::ALL[usize::from(*which) % Table::ALL.len()];
    let told = || news(table, new.clone(), old.clone()).ok().flatten()?.document();
    let Some(document) = told() else { return };
    assert_eq!(told().as_ref(), Some(&document));
    assert!(!document.head().event_id.is_empty());
    let length = serde_json::to_vec(&document).unwrap().len();
    assert!(length <= LARGEST_DOCUMENT, "it has {length} bytes");
}

/// Something with parts in the vendor's own shape. Their numbers are kept as
/// exactly as JSON tells them, which is not to the last bit of a fraction.
fn document<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else { return };
    let Ok(read) = serde_json::from_slice::<T>(bytes) else { return };
    let printed = serde_json::to_vec(&read).unwrap();
    let again = serde_json::from_slice::<T>(&printed).unwrap();
    assert!(has_fraction(&value) || again == read, "{read:?}\nis read again as {again:?}");
}

fn has_fraction(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(items) => items.iter().any(has_fraction),
        Value::Object(entries) => entries.values().any(has_fraction),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}

/// Something that is an item of a table, or an attribute of one.
fn item<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) {
    document::<T>(bytes);
    let Ok(read) = serde_json::from_slice::<T>(bytes) else { return };
    let item: serde_dynamo::Item = serde_dynamo::to_item(&read).unwrap();
    assert_eq!(serde_dynamo::from_item::<_, T>(item).unwrap(), read);
}
