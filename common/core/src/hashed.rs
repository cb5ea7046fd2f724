//! Values under hashes, packed: so many that every byte of one is a megabyte.

use std::ops::Range;

/// So many bits of a hash are where its entry stands.
const PLACE_BITS: u32 = 16;

/// So many entries are allocated together.
const ENTRIES_A_CHUNK: usize = 1 << 12;

/// Bytes of the rest of a hash.
const REST: usize = 6;

#[derive(Clone, Copy, Debug)]
struct Entry<V> {
    rest: [u8; REST],
    value: V,
}

/// Values under 64 bits of a hash, sorted by it; more than one may have the
/// same.
///
/// The upper bits of a hash are where its entry stands, so that six bytes are
/// kept of it. Entries lie in chunks of one size: nothing grows by doubling,
/// nothing is copied to a larger place, and what one table gives back fits the
/// next.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hashed<V> {
    chunks: Vec<Box<[Entry<V>]>>,
    len: usize,
    /// Where the entries of each upper part begin, and at last their number;
    /// empty where there is no entry.
    starts: Vec<u32>,
}

const fn upper(hash: u64) -> usize {
    (hash >> (u64::BITS - PLACE_BITS)) as usize
}

fn rest(hash: u64) -> [u8; REST] {
    let mut rest = [0; REST];
    rest.copy_from_slice(&hash.to_be_bytes()[8 - REST..]);
    rest
}

fn joined(upper: usize, rest: [u8; REST]) -> u64 {
    let mut bytes = [0; 8];
    bytes[8 - REST..].copy_from_slice(&rest);
    u64::from_be_bytes(bytes) | (upper as u64) << (u64::BITS - PLACE_BITS)
}

impl<V: Copy + Default> Hashed<V> {
    fn entry(&self, at: usize) -> &Entry<V> {
        &self.chunks[at / ENTRIES_A_CHUNK][at % ENTRIES_A_CHUNK]
    }

    fn entry_mut(&mut self, at: usize) -> &mut Entry<V> {
        &mut self.chunks[at / ENTRIES_A_CHUNK][at % ENTRIES_A_CHUNK]
    }

    fn start(&self, upper: usize) -> usize {
        self.starts.get(upper).map_or(0, |start| *start as usize)
    }

    /// Returns where the values of a hash are.
    pub(crate) fn places(&self, hash: u64) -> Range<usize> {
        let (upper, rest) = (upper(hash), rest(hash));
        let (mut begin, end) = (self.start(upper), self.start(upper + 1));
        let mut left = end - begin;
        while left > 0 {
            let half = left / 2;
            if self.entry(begin + half).rest < rest {
                begin += half + 1;
                left -= half + 1;
            } else {
                left = half;
            }
        }
        let same = (begin..end).take_while(|at| self.entry(*at).rest == rest);
        begin..begin + same.count()
    }

    /// Returns the value at a place.
    pub(crate) fn value(&self, at: usize) -> &V {
        &self.entry(at).value
    }

    /// Returns the value at a place, to be changed.
    pub(crate) fn value_mut(&mut self, at: usize) -> &mut V {
        &mut self.entry_mut(at).value
    }

    /// Returns every hash and its value, sorted by hash.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &V)> {
        let uppers = 0..self.starts.len().saturating_sub(1);
        uppers.flat_map(move |upper| {
            let places = self.start(upper)..self.start(upper + 1);
            places.map(move |at| (joined(upper, self.entry(at).rest), self.value(at)))
        })
    }

    /// Returns every hash and its value, to be changed, sorted by hash.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (u64, &mut V)> {
        let (starts, mut upper) = (&self.starts, 0);
        let entries = self.chunks.iter_mut().flat_map(|chunk| chunk.iter_mut());
        entries.take(self.len).zip(0..).map(move |(entry, at): (_, u32)| {
            while starts.get(upper + 1).is_some_and(|next| *next <= at) {
                upper += 1;
            }
            (joined(upper, entry.rest), &mut entry.value)
        })
    }

    /// Adds entries, which come sorted by hash. They are moved to their places
    /// from the last to the first, so that nothing is copied aside.
    pub(crate) fn merge(&mut self, more: impl DoubleEndedIterator<Item = (u64, V)> + Clone) {
        let mut before = std::mem::take(&mut self.starts);
        before.resize((1 << PLACE_BITS) + 1, 0);
        let mut starts = vec![0; before.len()];
        more.clone().for_each(|(hash, _)| starts[upper(hash) + 1] += 1);
        let mut sum = 0;
        for (start, before) in starts.iter_mut().zip(&before) {
            sum += *start;
            *start = before + sum;
        }
        self.starts = starts;
        let (mut from, mut to) = (self.len, self.len + sum as usize);
        self.len = to;
        while self.chunks.len() * ENTRIES_A_CHUNK < self.len {
            let empty = Entry { rest: [0; REST], value: V::default() };
            self.chunks.push(vec![empty; ENTRIES_A_CHUNK].into());
        }
        let mut upper = 1 << PLACE_BITS;
        for (hash, value) in more.rev() {
            while from > 0 {
                while before[upper] as usize >= from {
                    upper -= 1;
                }
                let last = *self.entry(from - 1);
                if joined(upper, last.rest) <= hash {
                    break;
                }
                (from, to) = (from - 1, to - 1);
                *self.entry_mut(to) = last;
            }
            to -= 1;
            *self.entry_mut(to) = Entry { rest: rest(hash), value };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_found_under_its_hash_however_it_came() {
        let hash = |n: u64| n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let ends = [0, u64::MAX, 1 << 48, (1 << 48) - 1];
        let mut all: Vec<_> =
            (0..20_000_u64).map(hash).chain(ends).zip(0..).collect::<Vec<(u64, u32)>>();
        let mut table = Hashed::default();
        assert_eq!((table.places(7), table.iter().count()), (0..0, 0));
        for part in all.chunks(3_001) {
            let mut part = part.to_vec();
            part.sort_unstable();
            table.merge(part.iter().copied());
        }
        table.merge([(hash(5), 77_777)].iter().copied());
        assert_eq!(table.len, all.len() + 1);
        for (hash, value) in &all {
            let found: Vec<_> = table.places(*hash).map(|at| *table.value(at)).collect();
            assert!(found.contains(value), "{hash:x}");
        }
        assert_eq!(table.places(hash(5)).len(), 2);
        assert_eq!(table.places(12_345).len(), 0);

        all.push((hash(5), 77_777));
        all.sort_unstable();
        let mut listed: Vec<_> = table.iter().map(|(hash, value)| (hash, *value)).collect();
        assert!(listed.is_sorted_by_key(|(hash, _)| *hash));
        listed.sort_unstable();
        assert_eq!(listed, all);
        table.iter_mut().for_each(|(hash, value)| *value ^= hash as u32);
        assert!(table.places(hash(9)).all(|at| *table.value(at) == 9 ^ hash(9) as u32));
        assert_eq!(table.iter_mut().count(), table.len);
    }

    #[test]
    fn an_entry_takes_six_bytes_beside_its_value() {
        assert_eq!(size_of::<Entry<[u8; 4]>>(), 10);
    }
}
