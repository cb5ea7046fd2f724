//! What the index of a scope's live rows tells of one of them, and the rows
//! that a listing lacks, packed.

use std::iter::from_fn;

use jiff::Timestamp;

use crate::fingerprint::Fingerprint;
use crate::packing::{Reader, put_length, put_text};
use crate::resource::Missing;

/// A block is full at so many bytes.
const BLOCK: usize = 32 << 10;

/// What the index holds of one live row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// The row's fingerprint.
    pub fingerprint: Fingerprint,
    /// The row's mark, where it has one.
    pub missing: Option<Missing>,
}

/// Live rows that a complete listing does not have: their ids and marks, in
/// the order in which the index has them.
///
/// Where a listing has collapsed there are as many as the region has, so they
/// lie in blocks, ids shortened by what they share with the one before.
#[derive(Clone, Debug, Default)]
pub struct MissingRows {
    blocks: Vec<Vec<u8>>,
    last_id: String,
    last_second: i64,
    count: usize,
}

impl MissingRows {
    /// Adds a row.
    pub(crate) fn push(&mut self, id: &str, mark: Option<Missing>) {
        if self.blocks.last().is_none_or(|block| block.len() >= BLOCK) {
            self.blocks.push(Vec::new());
            self.last_id.clear();
            self.last_second = 0;
        }
        let Some(block) = self.blocks.last_mut() else { return };
        let pairs = self.last_id.bytes().zip(id.bytes());
        let shared = pairs.take_while(|(one, other)| one == other).count();
        put_length(block, shared);
        put_text(block, &id.as_bytes()[shared..]);
        put_length(block, usize::from(mark.is_some()));
        if let Some(Missing { since, listing }) = mark {
            let second = since.as_second();
            put_number(block, second.wrapping_sub(self.last_second));
            put_number(block, since.subsec_nanosecond().into());
            put_number(block, listing.cast_signed());
            self.last_second = second;
        }
        id.clone_into(&mut self.last_id);
        self.count += 1;
    }

    /// Returns how many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Tells whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns every id with its mark.
    pub fn iter(&self) -> impl Iterator<Item = (String, Option<Missing>)> {
        self.blocks.iter().flat_map(|block| {
            let (mut reader, mut id, mut second) = (Reader(block), Vec::new(), 0_i64);
            from_fn(move || {
                id.truncate(reader.length()?);
                reader.text(&mut id)?;
                let mark = match reader.length()? {
                    0 => None,
                    _ => {
                        second = second.wrapping_add(number(&mut reader)?);
                        let nanosecond = number(&mut reader)?.try_into().ok()?;
                        let since = Timestamp::new(second, nanosecond).ok()?;
                        let listing = number(&mut reader)?.cast_unsigned();
                        Some(Missing { since, listing })
                    }
                };
                Some((String::from_utf8_lossy(&id).into_owned(), mark))
            })
        })
    }
}

/// Appends a number, in few bytes where it is near zero.
fn put_number(block: &mut Vec<u8>, number: i64) {
    put_length(block, (number << 1 ^ number >> 63).cast_unsigned() as usize);
}

fn number(reader: &mut Reader<'_>) -> Option<i64> {
    let folded = reader.length()? as u64;
    Some((folded >> 1).cast_signed() ^ -(folded & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_missing_rows_take_less_than_twenty_five_bytes_each() {
        let mut rows = MissingRows::default();
        let count = 20_000_u64;
        // As many letters as a vendor's ids have, the last of them random.
        let id = |n: u64| {
            let random = u128::from(n).wrapping_mul(0x9E37_79B9_7F4A_7C15_9E37);
            format!("i-bp1{:017x}", random >> 4 & ((1 << 68) - 1))
        };
        let mut ids: Vec<_> = (0..count).map(id).collect();
        ids.sort_unstable();
        for (id, n) in ids.iter().zip(0..) {
            let since = Timestamp::from_millisecond(1_700_000_000_000 + n * 7).unwrap();
            rows.push(id, Some(Missing { since, listing: 12 }));
        }
        let bytes: usize = rows.blocks.iter().map(Vec::len).sum();
        assert!(bytes / rows.len() < 25, "{} bytes a row", bytes / rows.len());
        assert!(rows.iter().map(|(id, _)| id).eq(ids));
    }

    #[test]
    fn rows_come_back_in_order_with_their_marks() {
        let mark = |since, listing| Some(Missing { since, listing });
        let all = [
            ("a".to_owned(), None),
            ("a".to_owned(), mark(Timestamp::MAX, u64::MAX)),
            ("ä".to_owned(), mark(Timestamp::MIN, 0)),
            ("äb".to_owned(), None),
            (String::new(), mark(Timestamp::new(5, 999_999_999).unwrap(), 3)),
            ("x".repeat(60_000), mark(Timestamp::new(-5, -1).unwrap(), 4)),
            ("y".to_owned(), mark(Timestamp::UNIX_EPOCH, 5)),
        ];
        let mut rows = MissingRows::default();
        assert!(rows.is_empty());
        all.iter().for_each(|(id, mark)| rows.push(id, *mark));
        assert_eq!((rows.len(), rows.blocks.len()), (all.len(), 2));
        assert_eq!(rows.iter().collect::<Vec<_>>(), all);
    }
}
