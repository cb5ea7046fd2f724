//! The fingerprints of the live rows of a scope, packed.
//!
//! A sync of a million rows has a million of these in memory at once, beside
//! the disks of as many machines. So they lie in small blocks, ids shortened
//! by what they share with the one before, and nothing grows by doubling.

use std::collections::BTreeMap;
use std::iter::from_fn;

use jiff::Timestamp;

use crate::fingerprint::Fingerprint;
use crate::packing::{Reader, put_length, put_text};
use crate::resource::Missing;

/// So many entries are in a block, and are at most read to find one.
const ENTRIES_A_BLOCK: usize = 64;

/// What the index holds of one live row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// The row's fingerprint.
    pub fingerprint: Fingerprint,
    /// The row's mark, where it has one.
    pub missing: Option<Missing>,
}

/// The fingerprints of the live rows of a scope.
///
/// Entries may come in any order, but only those that come sorted by id are
/// packed: a table's index gives them so.
#[derive(Clone, Debug, Default)]
pub struct LiveIndex {
    full: Vec<Box<[u8]>>,
    /// The block that is being filled.
    last: Vec<u8>,
    packed: usize,
    last_id: String,
    /// What came out of order, or again: it counts, whatever is packed.
    late: BTreeMap<Box<str>, IndexEntry>,
    /// How many of those are packed too.
    replaced: usize,
}

impl LiveIndex {
    /// Adds or replaces one entry.
    pub fn insert(&mut self, id: &str, entry: IndexEntry) {
        if self.packed > 0 && id <= self.last_id.as_str() {
            let is_packed = self.get_packed(id).is_some();
            if self.late.insert(id.into(), entry).is_none() && is_packed {
                self.replaced += 1;
            }
            return;
        }
        if self.packed.is_multiple_of(ENTRIES_A_BLOCK) {
            if !self.last.is_empty() {
                self.full.push(self.last.as_slice().into());
                self.last.clear();
            }
            self.last_id.clear();
        }
        put(&mut self.last, &self.last_id, id, &entry);
        self.packed += 1;
        id.clone_into(&mut self.last_id);
    }

    /// Returns what is stored of a resource.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<IndexEntry> {
        self.late.get(id).copied().or_else(|| self.get_packed(id))
    }

    fn get_packed(&self, id: &str) -> Option<IndexEntry> {
        let is_before =
            |block: &[u8]| first_id(block).is_some_and(|first| *first <= *id.as_bytes());
        let block = if is_before(&self.last) {
            &self.last
        } else {
            let after = self.full.partition_point(|block| is_before(block));
            &**self.full.get(after.checked_sub(1)?)?
        };
        let mut entries = Entries::of(block);
        while let Some(entry) = entries.advance() {
            match entries.id.as_slice().cmp(id.as_bytes()) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => return Some(entry),
                std::cmp::Ordering::Greater => return None,
            }
        }
        None
    }

    /// Returns the number of live rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.packed + self.late.len() - self.replaced
    }

    /// Tells whether there is no live row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns every id with its entry, sorted by id.
    pub fn iter(&self) -> impl Iterator<Item = (String, IndexEntry)> {
        let blocks = self.full.iter().map(|block| &**block).chain([self.last.as_slice()]);
        let packed = blocks.flat_map(|block| {
            let mut entries = Entries::of(block);
            from_fn(move || entries.advance().map(|entry| (entries.id_text(), entry)))
        });
        let mut packed = packed.filter(|(id, _)| !self.late.contains_key(id.as_str())).peekable();
        let late = self.late.iter().map(|(id, entry)| (id.to_string(), *entry));
        let mut late = late.peekable();
        from_fn(move || match (packed.peek(), late.peek()) {
            (Some((one, _)), Some((other, _))) if other < one => late.next(),
            (Some(_), _) => packed.next(),
            (None, _) => late.next(),
        })
    }
}

/// Appends an entry to a block: how much of its id is that of the one before,
/// the rest of the id, fingerprint and mark.
fn put(block: &mut Vec<u8>, before: &str, id: &str, entry: &IndexEntry) {
    let pairs = before.bytes().zip(id.bytes());
    let shared = pairs.take_while(|(one, other)| one == other).count();
    put_length(block, shared);
    put_text(block, &id.as_bytes()[shared..]);
    entry.fingerprint.pack(block);
    match entry.missing {
        None => block.push(0),
        Some(Missing { since, listing }) => {
            block.push(1);
            block.extend_from_slice(&since.as_nanosecond().to_le_bytes());
            block.extend_from_slice(&listing.to_le_bytes());
        }
    }
}

fn first_id(block: &[u8]) -> Option<Vec<u8>> {
    let (mut reader, mut id) = (Reader(block), Vec::new());
    reader.length()?;
    reader.text(&mut id)?;
    Some(id)
}

/// Reads a block, entry by entry.
struct Entries<'a> {
    reader: Reader<'a>,
    /// The id of the last entry read.
    id: Vec<u8>,
}

impl<'a> Entries<'a> {
    const fn of(block: &'a [u8]) -> Self {
        Self { reader: Reader(block), id: Vec::new() }
    }

    fn id_text(&self) -> String {
        String::from_utf8_lossy(&self.id).into_owned()
    }

    fn advance(&mut self) -> Option<IndexEntry> {
        let shared = self.reader.length()?;
        self.id.truncate(shared);
        self.reader.text(&mut self.id)?;
        let fingerprint = Fingerprint::unpack(&mut self.reader)?;
        let missing = match self.reader.byte()? {
            0 => None,
            _ => Some(Missing {
                since: Timestamp::from_nanosecond(i128::from_le_bytes(self.reader.array()?))
                    .unwrap_or_default(),
                listing: u64::from_le_bytes(self.reader.array()?),
            }),
        };
        Some(IndexEntry { fingerprint, missing })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::Resource;

    fn entry(name: &str) -> IndexEntry {
        let resource = Resource { name: name.into(), ..Resource::default() };
        IndexEntry { fingerprint: Fingerprint::of(&resource), missing: None }
    }

    #[test]
    fn a_million_sorted_entries_take_less_than_forty_five_bytes_each() {
        let mut index = LiveIndex::default();
        // As many letters as a vendor's ids have, the last of them random.
        let mut ids: Vec<_> = (0..20_000_u64)
            .map(|n| format!("i-bp1{:017x}", u128::from(n).wrapping_mul(0x9E37_79B9_7F4A_7C15)))
            .collect();
        ids.sort_unstable();
        for id in &ids {
            let resource = Resource { data_disks: Some([].into()), ..Resource::default() };
            let fingerprint = Fingerprint::of(&resource);
            index.insert(id, IndexEntry { fingerprint, missing: None });
        }
        let bytes: usize = index.full.iter().map(|block| block.len()).sum();
        assert!(bytes / index.len() < 45, "{} bytes an entry", bytes / index.len());
        assert!(index.late.is_empty());
        assert!(ids.iter().all(|id| index.get(id).is_some()));
    }

    #[test]
    fn what_comes_again_replaces_what_came_before() {
        let mut index = LiveIndex::default();
        for id in ["b", "d", "b", "a", "d", "a", "e"] {
            index.insert(id, entry(id));
        }
        index.insert("a", entry("second"));
        index.insert("b", entry("second"));
        let all: Vec<_> = index.iter().collect();
        let expected = [("a", "second"), ("b", "second"), ("d", "d"), ("e", "e")];
        assert_eq!(all, expected.map(|(id, name)| (id.to_owned(), entry(name))));
        assert_eq!(index.len(), 4);
    }
}
