//! Marks on very many ids, nine bytes each.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::packing::Reader;

/// So many new ids are kept apart before they are sorted in among the others.
const MOST_RECENT: usize = 28_000;

/// Set on what a checkpoint has.
const SAVED: u8 = 0x80;

/// Bytes of one id and its marks in a checkpoint.
const RECORD: usize = 9;

/// Marks on ids: up to seven bits each.
///
/// An id is remembered as 64 bits of a hash. Among a million ids two are taken
/// for one with a probability below one in ten million; with another salt, as
/// the next task has it, they are not.
#[derive(Clone, Debug)]
pub struct IdMarks {
    salt: String,
    /// Sorted; `marks` go with it. A set of machine words would be twice as
    /// large, and three times while it grows.
    hashes: Vec<u64>,
    marks: Vec<u8>,
    recent: HashMap<u64, u8>,
}

impl IdMarks {
    /// Returns an empty set; `salt` goes into the hashes.
    #[must_use]
    pub fn new(salt: &str) -> Self {
        let (hashes, marks, recent) = Default::default();
        Self { salt: salt.to_owned(), hashes, marks, recent }
    }

    /// Returns how many ids have a mark.
    #[must_use]
    pub fn len(&self) -> usize {
        self.hashes.len() + self.recent.len()
    }

    /// Tells whether no id has a mark.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the marks of an id, 0 where it has none.
    #[must_use]
    pub fn get(&self, id: &str) -> u8 {
        self.of_hash(hash(&self.salt, id))
    }

    /// Returns the marks of an id by its hash, as another set of the same salt
    /// knows it.
    #[must_use]
    pub fn of_hash(&self, hash: u64) -> u8 {
        let packed = self.hashes.binary_search(&hash).ok().and_then(|at| self.marks.get(at));
        packed.or_else(|| self.recent.get(&hash)).copied().unwrap_or(0) & !SAVED
    }

    /// Adds marks to those of an id. Returns those it had before.
    pub fn add(&mut self, id: &str, marks: u8) -> u8 {
        self.add_to_hash(hash(&self.salt, id), marks & !SAVED)
    }

    fn add_to_hash(&mut self, hash: u64, marks: u8) -> u8 {
        let packed = self.hashes.binary_search(&hash).ok();
        let stored = match packed.and_then(|at| self.marks.get_mut(at)) {
            Some(stored) => stored,
            None => self.recent.entry(hash).or_default(),
        };
        let before = *stored & !SAVED;
        if before | marks != before {
            // What a checkpoint has of it is not all any more.
            *stored = before | marks;
        }
        if self.recent.len() >= MOST_RECENT {
            self.sort_in();
        }
        before
    }

    /// Takes these marks from every id. A checkpoint has nothing of it all
    /// then: what earlier ones kept is to be forgotten.
    pub fn clear(&mut self, marks: u8) {
        let all = self.marks.iter_mut().chain(self.recent.values_mut());
        all.for_each(|stored| *stored &= !(marks | SAVED));
    }

    /// Forgets every id.
    pub fn forget(&mut self) {
        *self = Self::new(&std::mem::take(&mut self.salt));
    }

    /// Returns the hash and the marks of every id, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u8)> {
        let packed = self.hashes.iter().zip(&self.marks);
        packed.chain(&self.recent).map(|(hash, marks)| (*hash, marks & !SAVED))
    }

    /// Moves the recent ones to their places, from the last to the first, so
    /// that nothing is copied aside.
    fn sort_in(&mut self) {
        let mut recent: Vec<_> = self.recent.drain().collect();
        recent.sort_unstable();
        let mut from = self.hashes.len();
        let mut to = from + recent.len();
        self.hashes.reserve_exact(recent.len());
        self.hashes.resize(to, 0);
        self.marks.reserve_exact(recent.len());
        self.marks.resize(to, 0);
        while let Some((hash, marks)) = recent.pop() {
            while from > 0 && self.hashes[from - 1] > hash {
                (from, to) = (from - 1, to - 1);
                self.hashes[to] = self.hashes[from];
                self.marks[to] = self.marks[from];
            }
            to -= 1;
            self.hashes[to] = hash;
            self.marks[to] = marks;
        }
    }

    /// Returns what the next checkpoint has to keep, in parts of at most
    /// `most` bytes; empty where it has everything. What was returned counts
    /// as kept.
    pub fn unsaved(&mut self, most: usize) -> Vec<u8> {
        self.sort_in();
        let mut bytes = Vec::new();
        for (hash, marks) in self.hashes.iter().zip(&mut self.marks) {
            if *marks & SAVED != 0 || *marks == 0 {
                continue;
            }
            if bytes.len() + RECORD > most {
                break;
            }
            bytes.extend_from_slice(&hash.to_le_bytes());
            bytes.push(*marks);
            *marks |= SAVED;
        }
        bytes
    }

    /// Takes over what a checkpoint kept, before anything is added. Returns whether it could be read.
    #[must_use]
    pub fn load(&mut self, bytes: &[u8]) -> bool {
        let mut reader = Reader(bytes);
        while let (Some(hash), Some(marks)) =
            (reader.array().map(u64::from_le_bytes), reader.byte())
        {
            self.add_to_hash(hash, marks);
            let packed = self.hashes.binary_search(&hash).ok();
            let stored = match packed {
                Some(at) => self.marks.get_mut(at),
                None => self.recent.get_mut(&hash),
            };
            stored.into_iter().for_each(|marks| *marks |= SAVED);
        }
        bytes.len().is_multiple_of(RECORD)
    }
}

/// Returns 64 bits of a hash of an id.
pub(crate) fn hash(salt: &str, id: &str) -> u64 {
    let digest = Sha256::new().chain_update(salt).chain_update([0]).chain_update(id).finalize();
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_ids_are_remembered_with_all_their_marks() {
        let mut marks = IdMarks::new("t");
        let count = 3 * MOST_RECENT;
        for round in [1_u8, 2] {
            for n in 0..count {
                let before = marks.add(&n.to_string(), round);
                assert_eq!(before, round - 1, "{n}");
            }
        }
        assert_eq!(marks.len(), count);
        assert!((0..count).all(|n| marks.get(&n.to_string()) == 3));
        assert_eq!(marks.get("another"), 0);
        assert!(marks.hashes.is_sorted());
        assert!(marks.iter().all(|(hash, found)| found == 3 && marks.of_hash(hash) == 3));
    }

    #[test]
    fn a_checkpoint_gets_each_mark_once_and_gives_all_back() {
        let mut marks = IdMarks::new("t");
        let mut parts = Vec::new();
        let mut save = |marks: &mut IdMarks| {
            let before = parts.len();
            while let Some(part) = Some(marks.unsaved(100)).filter(|part| !part.is_empty()) {
                assert!(part.len() <= 100);
                parts.push(part);
            }
            parts.len() - before
        };
        (0..100).for_each(|n| _ = marks.add(&n.to_string(), 1));
        assert_eq!(save(&mut marks), 10, "eleven ids fit a part");
        (50..60).for_each(|n| _ = marks.add(&n.to_string(), 4));
        assert_eq!((save(&mut marks), save(&mut marks)), (1, 0));

        let mut read = IdMarks::new("t");
        assert!(parts.iter().all(|part| read.load(part)));
        assert!((0..100).all(|n| read.get(&n.to_string()) == marks.get(&n.to_string())));
        assert!(read.unsaved(100).is_empty(), "it was saved already");
        assert!(!read.load(&parts[0][1..]), "a part that breaks off");
    }

    #[test]
    fn marks_that_were_taken_back_are_not_saved() {
        let mut marks = IdMarks::new("t");
        marks.add("a", 3);
        marks.add("b", 2);
        assert!(!marks.unsaved(100).is_empty());
        marks.clear(2);
        assert_eq!((marks.get("a"), marks.get("b")), (1, 0));
        assert_eq!(marks.unsaved(100).len(), RECORD, "and the rest is saved again");
    }
}
