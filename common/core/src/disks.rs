//! The data disks of a whole region, packed.
//!
//! A list of disks is walked before the list of machines, so all of them are
//! in memory at once. They lie in blocks as they came, some 25 bytes a disk,
//! and a checkpoint keeps the blocks as they are.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::marks::hash;
use crate::packing::{Reader, put_length, put_text};
use crate::resource::Disk;

/// The bits of a place that tell where in its block it is.
const OFFSET_BITS: u32 = 18;

/// A block is full at so many bytes. It leaves room in an item of the tables.
const BLOCK: usize = (1 << OFFSET_BITS) - 64;

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

#[derive(Clone, Debug, Default)]
struct Block {
    /// The id of the first disk: the others begin alike.
    lead: String,
    /// Categories and sizes, which repeat.
    words: Vec<(Box<str>, Option<u64>)>,
    bytes: Vec<u8>,
    word_bytes: usize,
}

impl Block {
    fn put(&mut self, hash: u64, disk: &Disk) {
        if self.bytes.is_empty() {
            disk.id.clone_into(&mut self.lead);
        }
        let word = self.word(&disk.category, disk.size_gib);
        let pairs = self.lead.bytes().zip(disk.id.bytes());
        let shared = pairs.take_while(|(one, other)| one == other).count();
        self.bytes.extend_from_slice(&hash.to_le_bytes());
        put_length(&mut self.bytes, shared);
        put_text(&mut self.bytes, &disk.id.as_bytes()[shared..]);
        put_length(&mut self.bytes, word);
    }

    fn word(&mut self, category: &str, size: Option<u64>) -> usize {
        let is_it = |word: &(Box<str>, Option<u64>)| *word.0 == *category && word.1 == size;
        self.words.iter().position(is_it).unwrap_or_else(|| {
            self.words.push((category.into(), size));
            self.word_bytes += category.len() + 16;
            self.words.len() - 1
        })
    }

    const fn is_full_with(&self, disk: &Disk) -> bool {
        const REST: usize = 60;
        let more = disk.id.len() + disk.category.len() + REST;
        self.lead.len() + self.bytes.len() + self.word_bytes + more > BLOCK
    }

    fn to_bytes(&self) -> Vec<u8> {
        let length = self.lead.len() + self.bytes.len() + self.word_bytes;
        let mut bytes = Vec::with_capacity(length + 16);
        put_text(&mut bytes, self.lead.as_bytes());
        put_length(&mut bytes, self.words.len());
        for (category, size) in &self.words {
            put_text(&mut bytes, category.as_bytes());
            bytes.push(u8::from(size.is_some()));
            bytes.extend(size.map(u64::to_le_bytes).iter().flatten());
        }
        bytes.extend_from_slice(&self.bytes);
        bytes
    }

    fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let text = |reader: &mut Reader<'_>| {
            let mut text = Vec::new();
            reader.text(&mut text)?;
            String::from_utf8(text).ok()
        };
        let lead = text(&mut reader)?;
        let mut words = Vec::new();
        for _ in 0..reader.length()? {
            let category = text(&mut reader)?.into();
            let has_size = reader.byte()? != 0;
            let size = if has_size { Some(u64::from_le_bytes(reader.array()?)) } else { None };
            words.push((category, size));
        }
        let block = Self { lead, words, bytes: reader.0.to_vec(), word_bytes: 0 };
        let read = block.places().try_fold(0, |_, place| block.disk_at(place?).map(|_| 0));
        read.map(|_| block)
    }

    /// Returns where each disk begins; `None`, at last, where that cannot be
    /// told.
    fn places(&self) -> impl Iterator<Item = Option<usize>> {
        let (mut reader, mut text) = (Reader(&self.bytes), Vec::new());
        std::iter::from_fn(move || {
            let place = self.bytes.len() - reader.0.len();
            (!reader.0.is_empty()).then(|| {
                let mut skip = || {
                    reader.array::<8>()?;
                    reader.length()?;
                    text.clear();
                    reader.text(&mut text)?;
                    reader.length()
                };
                let skipped = skip();
                if skipped.is_none() {
                    reader = Reader(&[]);
                }
                skipped.map(|_| place)
            })
        })
    }

    fn hash_at(&self, place: usize) -> Option<u64> {
        Reader(self.bytes.get(place..)?).array().map(u64::from_le_bytes)
    }

    fn disk_at(&self, place: usize) -> Option<Disk> {
        let mut reader = Reader(self.bytes.get(place..)?);
        reader.array::<8>()?;
        let mut id = self.lead.as_bytes().get(..reader.length()?)?.to_vec();
        reader.text(&mut id)?;
        let (category, size_gib) = self.words.get(reader.length()?)?;
        let (id, category) = (String::from_utf8(id).ok()?, category.to_string());
        Some(Disk { id, category, size_gib: *size_gib })
    }
}

/// The data disks of a region's machines.
///
/// A machine is remembered as 64 bits of a hash: among a million, two are
/// taken for one with a probability below one in ten million.
#[derive(Clone, Debug)]
pub struct Disks {
    salt: String,
    blocks: Vec<Block>,
    saved: usize,
    /// The places of all disks, those of a machine side by side.
    order: Vec<u32>,
}

impl Disks {
    /// Returns no disks; `salt` goes into the hashes.
    #[must_use]
    pub fn new(salt: &str) -> Self {
        Self { salt: salt.to_owned(), blocks: Vec::new(), saved: 0, order: Vec::new() }
    }

    /// Adds a disk of a machine. It is found from the next [`Self::sort`] on.
    pub fn add(&mut self, machine: &str, disk: &Disk) {
        let hash = hash(&self.salt, machine);
        let is_open = self.blocks.len() > self.saved;
        match self.blocks.last_mut().filter(|block| is_open && !block.is_full_with(disk)) {
            Some(block) => block.put(hash, disk),
            None => {
                // Almost all blocks come to be full.
                let bytes = Vec::with_capacity(if self.blocks.is_empty() { 0 } else { BLOCK });
                let mut block = Block { bytes, ..Block::default() };
                block.put(hash, disk);
                self.blocks.push(block);
            }
        }
    }

    /// Makes every disk added so far one that is found.
    pub fn sort(&mut self) {
        let places = || {
            let blocks = self.blocks.iter().zip(0_u32..);
            blocks.flat_map(|(block, number)| {
                let places = block.places().flatten();
                places.filter_map(move |place| {
                    Some(number << OFFSET_BITS | u32::try_from(place).ok()?)
                })
            })
        };
        let mut order = Vec::with_capacity(places().count());
        order.extend(places());
        order.sort_unstable_by_key(|place| (self.hash_at(*place), *place));
        self.order = order;
    }

    fn block_of(&self, place: u32) -> Option<(&Block, usize)> {
        let block = self.blocks.get((place >> OFFSET_BITS) as usize)?;
        Some((block, (place & ((1 << OFFSET_BITS) - 1)) as usize))
    }

    fn hash_at(&self, place: u32) -> Option<u64> {
        self.block_of(place).and_then(|(block, place)| block.hash_at(place))
    }

    /// Returns the disks of a machine; none where none was added.
    #[must_use]
    pub fn of(&self, machine: &str) -> BTreeSet<Disk> {
        let hash = Some(hash(&self.salt, machine));
        let first = self.order.partition_point(|place| self.hash_at(*place) < hash);
        let places = self.order[first..].iter().take_while(|place| self.hash_at(**place) == hash);
        places
            .filter_map(|place| self.block_of(*place))
            .filter_map(|(block, place)| block.disk_at(place))
            .collect()
    }

    /// Returns the next part that a checkpoint does not have yet; `None` where
    /// it has everything. What was returned counts as kept.
    pub fn unsaved(&mut self) -> Option<Vec<u8>> {
        let block = self.blocks.get(self.saved)?;
        self.saved += 1;
        Some(block.to_bytes())
    }

    /// Takes over a part that a checkpoint kept, before anything is added.
    /// Returns whether it could be read.
    #[must_use]
    pub fn load(&mut self, bytes: &[u8]) -> bool {
        let block = Block::of_bytes(bytes);
        let is_read = block.is_some();
        self.blocks.extend(block);
        self.saved = self.blocks.len();
        is_read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(id: String) -> Disk {
        Disk { id, category: "cloud_essd".into(), size_gib: Some(100) }
    }

    #[test]
    fn a_region_of_one_disk_a_machine_takes_less_than_thirty_bytes_each() {
        let mut disks = Disks::new("t");
        let count = 20_000;
        for n in 0..count {
            disks.add(&format!("i-{n}"), &disk(format!("d-bp1{n:017}")));
        }
        disks.sort();
        assert!(disks.blocks.len() > 1);
        let bytes: usize = disks.blocks.iter().map(|block| block.bytes.len()).sum();
        let bytes = bytes + 4 * disks.order.len();
        assert!(bytes < 30 * count, "{} bytes a disk", bytes / count);
        assert!(disks.blocks.iter().all(|block| block.bytes.capacity() < BLOCK + 4096));
        for n in 0..count {
            let expected = BTreeSet::from([disk(format!("d-bp1{n:017}"))]);
            assert_eq!(disks.of(&format!("i-{n}")), expected);
        }
        assert_eq!(disks.of("i-x"), BTreeSet::new());
    }

    #[test]
    fn a_part_that_breaks_off_cannot_be_read() {
        let mut disks = Disks::new("t");
        disks.add("a", &disk("d-1".into()));
        let part = disks.unsaved().unwrap();
        assert_eq!(disks.unsaved(), None);
        for length in 1..part.len() {
            // The words without a disk are a part too.
            let is_whole = length == part.len() - 11;
            assert_eq!(Disks::new("t").load(&part[..length]), is_whole, "{length}");
        }
        let mut read = Disks::new("t");
        assert!(read.load(&part));
        read.sort();
        assert_eq!(read.of("a"), BTreeSet::from([disk("d-1".into())]));
    }
}
