//! The data disks of a whole region, packed.
//!
//! A list of disks is walked before the list of machines, so all of them are
//! in memory at once. They lie in blocks as they came, some 12 bytes a disk,
//! with 10 that tell whose it is. A checkpoint keeps block by block.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::hashed::Hashed;
use crate::packing::{Coding, Reader, put_length, put_text};
use crate::resource::Disk;
use crate::salt::Salt;

/// The bits of a place that tell where in its block it is.
const OFFSET_BITS: u32 = 18;

/// A block is full at so many bytes, in a checkpoint, where each disk has the
/// hash of its machine too. It leaves room in an item of the tables.
const BLOCK: usize = (1 << OFFSET_BITS) - 64;

/// So many new disks are kept apart before they are sorted in among the others.
const MOST_RECENT: usize = 8_000;

/// What a part of a checkpoint begins with.
const FORMAT: u8 = 3;

/// Where a walk over the disks of a region stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskWalk {
    /// When it began: a machine created later may have been missed.
    pub began_at: Timestamp,
    /// How many pages were taken.
    pub pages: u64,
    /// Where it stands.
    pub position: DiskPosition,
}

/// The next page of a walk over disks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiskPosition {
    /// The first.
    Start,
    /// The one with this token.
    At(String),
    /// None: the last was taken.
    End,
    /// None: one could not be had, and what was found is no answer.
    Failed,
}

impl DiskWalk {
    /// Returns a walk that stands before the first page.
    #[must_use]
    pub const fn begin(now: Timestamp) -> Self {
        Self { began_at: now, pages: 0, position: DiskPosition::Start }
    }

    /// Returns the token of the next page, `Some(None)` for the first; `None`
    /// where there is no next page.
    #[must_use]
    pub fn next(&self) -> Option<Option<&str>> {
        match &self.position {
            DiskPosition::Start => Some(None),
            DiskPosition::At(token) => Some(Some(token)),
            DiskPosition::End | DiskPosition::Failed => None,
        }
    }

    /// Tells whether every page was taken.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.position == DiskPosition::End
    }
}

/// What many disks have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Word {
    category: Box<str>,
    size_gib: Option<u64>,
    /// How much of the id is that of the block's first disk.
    shared: usize,
    /// How long the rest is, and how it is written.
    length: usize,
    coding: Coding,
}

#[derive(Clone, Debug, Default)]
struct Block {
    /// The id of the first disk: the others begin alike.
    lead: String,
    words: Vec<Word>,
    /// Of each disk its word, and the rest of its id.
    bytes: Vec<u8>,
    disks: usize,
    word_bytes: usize,
}

impl Block {
    /// Adds a disk. Returns where it begins.
    fn put(&mut self, disk: &Disk) -> usize {
        if self.bytes.is_empty() {
            disk.id.clone_into(&mut self.lead);
        }
        let number = self.word(disk);
        let place = self.bytes.len();
        put_length(&mut self.bytes, number);
        if let Some(Word { shared, coding, .. }) = self.words.get(number) {
            coding.put(&mut self.bytes, &disk.id.as_bytes()[*shared..]);
        }
        self.disks += 1;
        place
    }

    fn word(&mut self, disk: &Disk) -> usize {
        let id = disk.id.as_bytes();
        let pairs = self.lead.bytes().zip(id);
        let shared = pairs.take_while(|(one, other)| one == *other).count();
        // One that shares less will do, so that there are few of them.
        let is_it = |word: &Word| {
            word.shared <= shared
                && word.shared + word.length == id.len()
                && *word.category == *disk.category
                && word.size_gib == disk.size_gib
                && word.coding == Coding::of(&id[word.shared..])
        };
        self.words.iter().position(is_it).unwrap_or_else(|| {
            let coding = Coding::of(&id[shared..]);
            let (category, size_gib) = (disk.category.as_str().into(), disk.size_gib);
            let length = id.len() - shared;
            self.words.push(Word { category, size_gib, shared, length, coding });
            self.word_bytes += disk.category.len() + 32;
            self.words.len() - 1
        })
    }

    const fn is_full_with(&self, disk: &Disk) -> bool {
        const REST: usize = 80;
        let more = disk.id.len() + disk.category.len() + REST;
        self.length() + more > BLOCK
    }

    const fn length(&self) -> usize {
        self.lead.len() + self.bytes.len() + self.word_bytes + 8 * self.disks
    }

    /// Returns a part of a checkpoint; `hashes` are those of the machines.
    fn to_part(&self, hashes: &[u64]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.length() + 32);
        bytes.push(FORMAT);
        put_text(&mut bytes, self.lead.as_bytes());
        put_length(&mut bytes, self.words.len());
        for word in &self.words {
            put_text(&mut bytes, word.category.as_bytes());
            bytes.push(u8::from(word.size_gib.is_some()));
            bytes.extend(word.size_gib.map(u64::to_le_bytes).iter().flatten());
            put_length(&mut bytes, word.shared);
            put_length(&mut bytes, word.length);
            bytes.push(word.coding as u8);
        }
        put_length(&mut bytes, self.disks);
        bytes.extend(hashes.iter().flat_map(|hash| hash.to_le_bytes()));
        bytes.extend_from_slice(&self.bytes);
        bytes
    }

    /// Reads a part: the block, and of each disk where it begins and the hash
    /// of its machine.
    fn of_part(bytes: &[u8]) -> Option<(Self, Vec<(usize, u64)>)> {
        let mut reader = Reader(bytes);
        let text = |reader: &mut Reader<'_>| {
            let mut text = Vec::new();
            reader.text(&mut text)?;
            String::from_utf8(text).ok()
        };
        if reader.byte()? != FORMAT {
            return None;
        }
        let lead = text(&mut reader)?;
        let mut words = Vec::new();
        for _ in 0..reader.length()? {
            let category = text(&mut reader)?.into();
            let has_size = reader.byte()? != 0;
            let size_gib = if has_size { Some(u64::from_le_bytes(reader.array()?)) } else { None };
            let (shared, length) = (reader.length()?, reader.length()?);
            let coding = Coding::of_number(reader.byte()?.into())?;
            words.push(Word { category, size_gib, shared, length, coding });
        }
        let disks = reader.length()?;
        let hashes = reader.bytes(disks.checked_mul(8)?)?;
        let bytes = reader.0.to_vec();
        let block = Self { lead, words, bytes, disks, word_bytes: 0 };
        let (mut machines, mut place) = (Vec::new(), 0);
        for hash in hashes.as_chunks().0 {
            machines.push((place, u64::from_le_bytes(*hash)));
            place = block.read(place)?.1;
        }
        (place == block.bytes.len() && place < 1 << OFFSET_BITS).then_some((block, machines))
    }

    /// Reads the disk at a place. Returns where the next begins, too.
    fn read(&self, place: usize) -> Option<(Disk, usize)> {
        let mut reader = Reader(self.bytes.get(place..)?);
        let word = self.words.get(reader.length()?)?;
        let mut id = self.lead.as_bytes().get(..word.shared)?.to_vec();
        word.coding.read(&mut reader, word.length, &mut id)?;
        let (id, category) = (String::from_utf8(id).ok()?, word.category.to_string());
        let disk = Disk { id, category, size_gib: word.size_gib };
        Some((disk, self.bytes.len() - reader.0.len()))
    }
}

/// Where a disk is: the number of its block, and where in that it begins.
type Place = [u8; 4];

/// The data disks of a region's machines.
///
/// A machine is remembered as 64 bits of a hash: among a million, two are
/// taken for one with a probability below one in ten million.
#[derive(Clone, Debug)]
pub struct Disks {
    salt: Salt,
    blocks: Vec<Block>,
    saved: usize,
    /// The places of all disks but the recent ones, by machine.
    places: Hashed<Place>,
    /// Sorted where they are to be found.
    recent: Vec<(u64, Place)>,
}

impl Disks {
    /// Returns no disks; `salt` goes into the hashes.
    #[must_use]
    pub fn new(salt: &str) -> Self {
        let (blocks, places, recent) = Default::default();
        Self { salt: Salt::of(salt), blocks, saved: 0, places, recent }
    }

    /// Adds a disk of a machine. It is found from the next [`Self::sort`] on.
    pub fn add(&mut self, machine: &str, disk: &Disk) {
        let hash = self.salt.hash(machine);
        let is_open = self.blocks.len() > self.saved;
        if !self.blocks.last().is_some_and(|block| is_open && !block.is_full_with(disk)) {
            if let Some(full) = self.blocks.last_mut() {
                full.bytes.shrink_to_fit();
            }
            // What a block comes to have of an id and its word, without hash.
            let room = if self.blocks.is_empty() { 0 } else { BLOCK * 5 / 8 };
            self.blocks.push(Block { bytes: Vec::with_capacity(room), ..Block::default() });
        }
        let number = self.blocks.len() - 1;
        if let Some(block) = self.blocks.last_mut() {
            let place = block.put(disk);
            self.note(hash, number, place);
        }
    }

    fn note(&mut self, hash: u64, number: usize, place: usize) {
        let place = (number << OFFSET_BITS | place) as u32;
        self.recent.push((hash, place.to_le_bytes()));
        if self.recent.len() >= MOST_RECENT {
            self.sort();
            self.places.merge(std::mem::take(&mut self.recent).iter().copied());
        }
    }

    /// Makes every disk added so far one that is found.
    pub fn sort(&mut self) {
        self.recent.sort_unstable();
    }

    fn block_of(&self, place: Place) -> Option<(&Block, usize)> {
        let place = u32::from_le_bytes(place) as usize;
        let block = self.blocks.get(place >> OFFSET_BITS)?;
        Some((block, place & ((1 << OFFSET_BITS) - 1)))
    }

    /// Returns the disks of a machine; none where none was added.
    #[must_use]
    pub fn of(&self, machine: &str) -> BTreeSet<Disk> {
        let hash = self.salt.hash(machine);
        let packed = self.places.places(hash).map(|at| *self.places.value(at));
        let first = self.recent.partition_point(|(other, _)| *other < hash);
        let recent = self.recent[first..].iter().take_while(|(other, _)| *other == hash);
        packed
            .chain(recent.map(|(_, place)| *place))
            .filter_map(|place| self.block_of(place))
            .filter_map(|(block, place)| Some(block.read(place)?.0))
            .collect()
    }

    /// Returns the next part that a checkpoint does not have yet; `None` where
    /// it has everything. What was returned counts as kept.
    pub fn unsaved(&mut self) -> Option<Vec<u8>> {
        let block = self.blocks.get(self.saved)?;
        let recent = self.recent.iter().map(|(hash, place)| (*hash, place));
        let all = self.places.iter().chain(recent);
        let mut machines: Vec<_> = all
            .map(|(hash, place)| (u32::from_le_bytes(*place), hash))
            .filter(|(place, _)| (place >> OFFSET_BITS) as usize == self.saved)
            .collect();
        machines.sort_unstable();
        let hashes: Vec<_> = machines.into_iter().map(|(_, hash)| hash).collect();
        let part = block.to_part(&hashes);
        self.saved += 1;
        Some(part)
    }

    /// Takes over a part that a checkpoint kept, before anything is added.
    /// Returns whether it could be read.
    #[must_use]
    pub fn load(&mut self, bytes: &[u8]) -> bool {
        let Some((block, machines)) = Block::of_part(bytes) else { return false };
        let number = self.blocks.len();
        self.blocks.push(block);
        self.saved = self.blocks.len();
        machines.into_iter().for_each(|(place, hash)| self.note(hash, number, place));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(id: String) -> Disk {
        Disk { id, category: "cloud_essd".into(), size_gib: Some(100) }
    }

    #[test]
    fn a_region_of_one_disk_a_machine_takes_less_than_twenty_three_bytes_each() {
        let mut disks = Disks::new("t");
        let count = 60_000;
        // As many letters as a vendor's ids have, the last of them random.
        let id = |n: usize| {
            let random = (n as u128).wrapping_mul(0x9E37_79B9_7F4A_7C15_9E37);
            format!("d-bp1{:017x}", random & ((1 << 68) - 1))
        };
        for n in 0..count {
            disks.add(&format!("i-{n}"), &disk(id(n)));
        }
        disks.sort();
        let parts: Vec<_> = std::iter::from_fn(|| disks.unsaved()).collect();
        assert!(parts.len() > 2 && parts.iter().all(|part| part.len() <= 1 << OFFSET_BITS));
        let full = &disks.blocks[..disks.blocks.len() - 1];
        assert!(full.iter().all(|block| block.bytes.capacity() == block.bytes.len()));
        let bytes: usize = disks.blocks.iter().map(|block| block.bytes.len()).sum();
        let bytes = bytes + 10 * count;
        assert!(bytes < 23 * count, "{} bytes a disk", bytes / count);

        let mut read = Disks::new("t");
        assert!(parts.iter().all(|part| read.load(part)));
        read.sort();
        for n in 0..count {
            let expected = BTreeSet::from([disk(id(n))]);
            assert_eq!(disks.of(&format!("i-{n}")), expected);
            assert_eq!(read.of(&format!("i-{n}")), expected);
        }
        assert_eq!(disks.of("i-x"), BTreeSet::new());
    }

    #[test]
    fn a_part_that_breaks_off_cannot_be_read() {
        let mut disks = Disks::new("t");
        disks.add("a", &disk("d-1".into()));
        disks.add("b", &Disk { size_gib: None, ..disk("d-Z".into()) });
        let part = disks.unsaved().unwrap();
        assert_eq!(disks.unsaved(), None);
        for length in 0..part.len() {
            assert!(!Disks::new("t").load(&part[..length]), "{length}");
        }
        assert!(!Disks::new("t").load(&[&part[..], &[0]].concat()), "more than there are hashes");
        let mut read = Disks::new("t");
        assert!(read.load(&part));
        read.sort();
        assert_eq!(read.of("a"), BTreeSet::from([disk("d-1".into())]));
    }
}
