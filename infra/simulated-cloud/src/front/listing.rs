//! Pages of a listing: after a position, or from an offset.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::token::Position;
use crate::world::Fault;

/// At most so many items are looked at for one page. A filter that fits few
/// makes short pages, as it does at the vendors'.
const LOOK: usize = 20_000;

/// What is listed.
pub(crate) struct Source<'a, T, F> {
    pub all: &'a BTreeMap<u64, T>,
    /// Only these, if given.
    pub only: Option<BTreeSet<u64>>,
    pub matches: F,
    /// Whether `matches` may say no.
    pub filtered: bool,
    /// No more than so many are listed, however many there are.
    pub most: usize,
}

/// A page after a position.
pub(crate) struct Walked<'a, T> {
    pub items: Vec<(u64, &'a T)>,
    /// Where the next page begins, if there is one.
    pub next: Option<Position>,
}

/// A page from an offset, and how many items there are.
pub(crate) struct Sliced<'a, T> {
    pub items: Vec<(u64, &'a T)>,
    pub total: usize,
}

impl<'a, T, F: Fn(u64, &T) -> bool> Source<'a, T, F> {
    /// Walks on from a position: what was listed before costs nothing.
    pub(crate) fn after(
        &self,
        position: Option<Position>,
        size: usize,
        faults: &[Fault],
    ) -> Walked<'a, T> {
        let listed = position.map_or(0, |position| position.listed);
        let from = position.map_or(Bound::Unbounded, |position| Bound::Excluded(position.after));
        let left = self.most.saturating_sub(listed as usize);
        let (size, lost) = bent(size.min(left), faults);
        let mut items = Vec::new();
        // An empty page gets on from where it began.
        let mut after = position.map_or(0, |position| position.after);
        let mut more = false;
        for (looked, (code, item)) in self.from(from).enumerate() {
            if items.len() >= size.saturating_add(lost) || looked >= LOOK {
                more = items.len() < left;
                break;
            }
            after = code;
            if (self.matches)(code, item) {
                items.push((code, item));
            }
        }
        items.truncate(size);
        let listed = listed.saturating_add(u32::try_from(items.len()).unwrap_or(u32::MAX));
        self.repeat(&mut items, from, faults);
        Walked { items, next: more.then_some(Position { after, listed }) }
    }

    /// Returns the items from an offset on.
    pub(crate) fn slice(&self, offset: usize, size: usize, faults: &[Fault]) -> Sliced<'a, T> {
        let all = || self.from(Bound::Unbounded).filter(|(code, item)| (self.matches)(*code, item));
        let count = match &self.only {
            None if !self.filtered => self.all.len(),
            _ => all().count(),
        };
        let total = count.min(self.most);
        let mut items: Vec<_> = all().take(total).skip(offset).take(size).collect();
        let (size, lost) = bent(size, faults);
        items.truncate(size.min(items.len().saturating_sub(lost)));
        let from = items.first().map_or(Bound::Unbounded, |(code, _)| Bound::Included(*code));
        self.repeat(&mut items, from, faults);
        Sliced { items, total }
    }

    fn from(&self, from: Bound<u64>) -> Box<dyn Iterator<Item = (u64, &'a T)> + '_> {
        let range = (from, Bound::Unbounded);
        match &self.only {
            Some(only) => {
                Box::new(only.range(range).filter_map(|code| Some((*code, self.all.get(code)?))))
            }
            None => Box::new(self.all.range(range).map(|(code, item)| (*code, item))),
        }
    }

    /// Puts items of the page before in front, if that is the fault.
    fn repeat(&self, items: &mut Vec<(u64, &'a T)>, from: Bound<u64>, faults: &[Fault]) {
        let count = faults.iter().find_map(|fault| match fault {
            Fault::Repeat(count) => Some(*count),
            _ => None,
        });
        let until = match from {
            Bound::Excluded(code) => Bound::Included(code),
            Bound::Included(code) => Bound::Excluded(code),
            Bound::Unbounded => return,
        };
        let Some(count) = count else { return };
        let before = self.all.range((Bound::Unbounded, until)).rev().take(count);
        let before: Vec<_> = before.map(|(code, item)| (*code, item)).collect();
        items.splice(0..0, before.into_iter().rev());
    }
}

/// Returns how many items a page has, and how many after them are lost.
pub(crate) fn bent(size: usize, faults: &[Fault]) -> (usize, usize) {
    faults.iter().fold((size, 0), |(size, lost), fault| match fault {
        Fault::ShortPage(most) => (size.min(*most), lost),
        Fault::Skip(count) => (size, lost.max(*count)),
        _ => (size, lost),
    })
}
