//! Everything a sync knows of each id of its scope: what the index of live rows
//! has of it, whether the walk saw it, and what the task did. One table for
//! all three, since almost every id is in all three.
//!
//! **Invariant**: a wrong answer is on the safe side. An id is remembered as 64
//! bits of a hash, salted with the task's id. Among a million ids two are taken
//! for one with a probability below one in ten million, and with the next task
//! they are not. Where both are live rows, that is noticed: neither counts as
//! missing then, and both are compared as whole rows. Where one of them is new,
//! it is taken for seen, or for gone, in the place of the other: its row, if it
//! gets one, is a matter of the next task.

use std::collections::BTreeMap;

use crate::fingerprint::{Comparison, ShortFingerprint};
use crate::hashed::Hashed;
use crate::index::IndexEntry;
use crate::packing::Reader;
use crate::resource::Resource;
use crate::salt::Salt;

/// So many new ids are kept apart before they are sorted in among the others.
const MOST_RECENT: usize = 8_000;

/// Set on marks that a checkpoint has.
const SAVED: u8 = 0x80;

/// What a part of a checkpoint begins with.
const FORMAT: u8 = 2;

/// Bytes of one id and its marks in a checkpoint.
const RECORD: usize = 9;

/// It has a live row.
const LIVE: u8 = 1;
/// That row is marked as missing.
const MISSING: u8 = 2;
/// Another live row has the same hash.
const SHARED: u8 = 4;

#[derive(Clone, Copy, Debug, Default)]
struct Known {
    fingerprint: ShortFingerprint,
    row: u8,
    marks: u8,
}

/// What is known of the ids of a scope.
///
/// Marks are up to seven bits; what they mean is the business of those who set
/// them, the walk and the tally.
#[derive(Clone, Debug)]
pub struct Ids {
    salt: Salt,
    packed: Hashed<Known>,
    recent: BTreeMap<u64, Known>,
    live: u64,
}

/// What the index of live rows has of one id.
#[derive(Clone, Copy, Debug)]
pub struct Stored<'a> {
    salt: &'a Salt,
    known: Known,
}

impl Stored<'_> {
    /// Compares a resource of this id with the row, as
    /// [`crate::fingerprint::Fingerprint::compare`] does.
    #[must_use]
    pub fn compare(&self, resource: &Resource) -> Comparison {
        self.known.fingerprint.compare(self.salt, resource)
    }

    /// Tells whether the row is marked as missing.
    #[must_use]
    pub const fn is_marked(&self) -> bool {
        self.known.row & MISSING != 0
    }
}

impl Ids {
    /// Returns an empty table. `salt` goes into the hashes; a task's id will
    /// do, so that two ids that collide in one task do not in the next.
    #[must_use]
    pub fn new(salt: &str) -> Self {
        let (packed, recent) = Default::default();
        Self { salt: Salt::of(salt), packed, recent, live: 0 }
    }

    /// Adds what the index has of a live row, each row once.
    pub fn insert_live(&mut self, id: &str, entry: &IndexEntry) {
        let fingerprint = entry.fingerprint.short(&self.salt);
        let known = self.known_mut(self.salt.hash(id));
        if known.row & LIVE == 0 {
            known.fingerprint = fingerprint;
            known.row = LIVE;
        } else {
            // Whichever of the two is asked for: the rows themselves tell.
            known.fingerprint = ShortFingerprint::default();
            known.row |= SHARED;
        }
        known.row |= if entry.missing.is_some() { MISSING } else { 0 };
        self.live += 1;
        self.sort_in_many();
    }

    /// Returns the number of live rows that the index has.
    #[must_use]
    pub const fn live(&self) -> u64 {
        self.live
    }

    /// Returns what the index has of an id; `None` where that is nothing.
    #[must_use]
    pub fn stored(&self, id: &str) -> Option<Stored<'_>> {
        let known = self.known(self.salt.hash(id)).filter(|known| known.row & LIVE != 0)?;
        Some(Stored { salt: &self.salt, known })
    }

    fn known(&self, hash: u64) -> Option<Known> {
        let packed = self.packed.places(hash).next().map(|at| *self.packed.value(at));
        packed.or_else(|| self.recent.get(&hash).copied())
    }

    fn known_mut(&mut self, hash: u64) -> &mut Known {
        match self.packed.places(hash).next() {
            Some(at) => self.packed.value_mut(at),
            None => self.recent.entry(hash).or_default(),
        }
    }

    fn all(&self) -> impl Iterator<Item = Known> {
        let packed = self.packed.iter().map(|(_, known)| *known);
        packed.chain(self.recent.values().copied())
    }

    /// Returns the marks of an id, 0 where it has none.
    pub(crate) fn marks(&self, id: &str) -> u8 {
        self.known(self.salt.hash(id)).map_or(0, |known| known.marks & !SAVED)
    }

    /// Adds marks to those of an id. Returns those it had before.
    pub(crate) fn add(&mut self, id: &str, marks: u8) -> u8 {
        self.add_to_hash(self.salt.hash(id), marks)
    }

    fn add_to_hash(&mut self, hash: u64, marks: u8) -> u8 {
        let stored = &mut self.known_mut(hash).marks;
        let before = *stored & !SAVED;
        let after = before | (marks & !SAVED);
        if after != before {
            // What a checkpoint has of it is not all any more.
            *stored = after;
        }
        self.sort_in_many();
        before
    }

    /// Takes these marks from every id. A checkpoint has nothing of it all
    /// then: what earlier ones kept is to be forgotten.
    pub(crate) fn clear(&mut self, marks: u8) {
        let packed = self.packed.iter_mut().map(|(_, known)| known);
        packed.chain(self.recent.values_mut()).for_each(|known| known.marks &= !(marks | SAVED));
    }

    /// Returns the marks of every id that has any.
    pub(crate) fn all_marks(&self) -> impl Iterator<Item = u8> {
        self.all().map(|known| known.marks & !SAVED).filter(|marks| *marks != 0)
    }

    /// Tells whether an id may be missing as far as this table tells: it is no
    /// row that another could be taken for, and has none of these marks.
    pub(crate) fn may_lack(&self, id: &str, marks: u8) -> bool {
        let known = self.known(self.salt.hash(id));
        known.is_none_or(|known| lacks(known, marks))
    }

    /// Returns how many live rows may be missing in that sense.
    pub(crate) fn count_lacking(&self, marks: u8) -> u64 {
        self.all().filter(|known| known.row & LIVE != 0 && lacks(*known, marks)).count() as u64
    }

    fn sort_in_many(&mut self) {
        if self.recent.len() >= MOST_RECENT {
            let recent: Vec<_> = std::mem::take(&mut self.recent).into_iter().collect();
            self.packed.merge(recent.iter().copied());
        }
    }

    /// Returns what the next checkpoint has to keep of the marks, in parts of
    /// at most `most` bytes; empty where it has everything. What was returned
    /// counts as kept.
    pub fn unsaved(&mut self, most: usize) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        let recent = self.recent.iter_mut().map(|(hash, known)| (*hash, known));
        for (hash, Known { marks, .. }) in self.packed.iter_mut().chain(recent) {
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
        // Nothing but the format: there is no such part.
        if bytes.len() == 1 { Vec::new() } else { bytes }
    }

    /// Takes over marks that a checkpoint kept, before others are added.
    /// Returns whether they could be read.
    #[must_use]
    pub fn load(&mut self, bytes: &[u8]) -> bool {
        let records = match bytes {
            [] => bytes,
            [FORMAT, records @ ..] => records,
            _ => return false,
        };
        let mut reader = Reader(records);
        while let (Some(hash), Some(marks)) =
            (reader.array().map(u64::from_le_bytes), reader.byte())
        {
            self.add_to_hash(hash, marks);
            self.known_mut(hash).marks |= SAVED;
        }
        records.len().is_multiple_of(RECORD)
    }
}

const fn lacks(known: Known, marks: u8) -> bool {
    known.row & SHARED == 0 && known.marks & marks == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::Fingerprint;
    use crate::resource::Missing;

    fn machine(name: &str) -> Resource {
        Resource { name: name.into(), ..Resource::default() }
    }

    fn entry(name: &str, is_marked: bool) -> IndexEntry {
        let mark = Missing { since: jiff::Timestamp::UNIX_EPOCH, listing: 1 };
        let missing = is_marked.then_some(mark);
        IndexEntry { fingerprint: Fingerprint::of(&machine(name)), missing }
    }

    #[test]
    fn many_ids_are_remembered_with_rows_and_all_their_marks() {
        let mut ids = Ids::new("t");
        let count = 3 * MOST_RECENT;
        for n in (0..count).step_by(2) {
            ids.insert_live(&n.to_string(), &entry("row", n % 4 == 0));
        }
        for round in [1_u8, 2] {
            for n in 0..count {
                let before = ids.add(&n.to_string(), round);
                assert_eq!(before, round - 1, "{n}");
            }
        }
        for n in 0..count {
            let id = n.to_string();
            let stored = ids.stored(&id);
            assert_eq!((ids.marks(&id), stored.is_some()), (3, n % 2 == 0), "{n}");
            assert!(stored.is_none_or(|row| {
                row.is_marked() == (n % 4 == 0)
                    && row.compare(&machine("row")) == Comparison::Same
                    && row.compare(&machine("")) == Comparison::Differs
            }));
        }
        assert_eq!((ids.live(), ids.all_marks().count()), (count as u64 / 2, count));
        assert_eq!((ids.marks("another"), ids.stored("another").is_some()), (0, false));
        assert!(ids.may_lack("another", 1) && !ids.may_lack("1", 1) && ids.may_lack("1", 4));
        assert_eq!((ids.count_lacking(1), ids.count_lacking(4)), (0, ids.live()));
    }

    #[test]
    fn an_id_takes_twenty_bytes_six_of_them_its_hash() {
        assert_eq!(size_of::<Known>(), 14);
    }

    #[test]
    fn two_rows_of_one_hash_are_never_missing_and_never_believed_to_be_the_same() {
        let mut ids = Ids::new("t");
        ids.insert_live("a", &entry("first", false));
        // An id twice looks just as two ids of one hash do.
        ids.insert_live("a", &entry("second", false));
        ids.insert_live("b", &entry("b", false));
        assert_eq!((ids.live(), ids.count_lacking(1)), (3, 1));
        assert!(!ids.may_lack("a", 1) && ids.may_lack("b", 1));
        for name in ["first", "second"] {
            let compared = ids.stored("a").unwrap().compare(&machine(name));
            assert_eq!(compared, Comparison::Unreadable);
        }
    }

    #[test]
    fn a_checkpoint_gets_each_mark_once_and_gives_all_back() {
        let mut ids = Ids::new("t");
        let mut parts = Vec::new();
        let mut save = |ids: &mut Ids| {
            let before = parts.len();
            while let Some(part) = Some(ids.unsaved(100)).filter(|part| !part.is_empty()) {
                assert!(part.len() <= 100);
                parts.push(part);
            }
            parts.len() - before
        };
        (0..100).for_each(|n| _ = ids.add(&n.to_string(), 1));
        ids.insert_live("row", &entry("row", false));
        assert_eq!(save(&mut ids), 10, "eleven ids fit a part; what has no mark is not kept");
        (50..60).for_each(|n| _ = ids.add(&n.to_string(), 4));
        assert_eq!((save(&mut ids), save(&mut ids)), (1, 0));

        let mut read = Ids::new("t");
        assert!(parts.iter().all(|part| read.load(part)));
        assert!((0..100).all(|n| read.marks(&n.to_string()) == ids.marks(&n.to_string())));
        read.insert_live("7", &entry("row", true));
        assert!(read.marks("7") == 1 && read.stored("7").unwrap().is_marked());
        assert!(read.unsaved(100).is_empty(), "it was saved already");
        let part = &parts[0];
        assert!(!read.load(&part[..part.len() - 1]), "a part that breaks off");
        assert!(!read.load(&part[1..]), "one of another format");
    }

    #[test]
    fn marks_that_were_taken_back_are_not_saved() {
        let mut ids = Ids::new("t");
        ids.add("a", 3);
        ids.add("b", 2);
        assert!(!ids.unsaved(100).is_empty());
        ids.clear(2);
        assert_eq!((ids.marks("a"), ids.marks("b")), (1, 0));
        assert_eq!(ids.unsaved(100).len(), 1 + RECORD, "and the rest is saved again");
    }
}
