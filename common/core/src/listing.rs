//! Walking a scope's pages, and what a complete listing proves.
//!
//! **Invariant**: a [`CompleteListing`] can only be had from a [`Walk`] that
//! took every page from the first to the one without a next token. There is
//! no other way to learn what is missing.

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use crate::index::{IndexEntry, LiveIndex};
use crate::marks::IdMarks;
use crate::resource::Resource;

/// So many pages in a row without anything new, each with a token for a next
/// one, are a vendor that will never end: empty ones, or tokens in a circle.
const MOST_IDLE_PAGES: u32 = 100;

/// An item of a reply that could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undecodable {
    /// Its id, where that much could be read.
    pub id: Option<String>,
    /// What is wrong with it, for a person.
    pub message: String,
}

/// One page of a listing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// What was decoded.
    pub resources: Vec<Resource>,
    /// What was not.
    pub undecodable: Vec<Undecodable>,
    /// The token of the next page; `None` on the last.
    pub next: Option<String>,
}

/// The mark of an id that was seen.
const SEEN: u8 = 1;

/// Where a walk stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Position {
    /// Before the first page.
    Start,
    /// Before the page with this token.
    At(String),
    /// After the last page.
    End,
}

/// What a checkpoint keeps of a walk, besides the hashes of the ids seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalkState {
    position: Position,
    listed: u64,
    undecodable: u64,
    unidentified: u64,
    pages: u64,
    idle_pages: u32,
}

impl WalkState {
    /// Returns how many pages were taken.
    #[must_use]
    pub const fn pages(&self) -> u64 {
        self.pages
    }
}

/// A walk over the pages of a scope, in progress.
#[derive(Clone, Debug)]
pub struct Walk {
    state: WalkState,
    seen: IdMarks,
}

/// A walk will never reach an end.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Stalled {
    /// The next token is the one that was just used.
    #[error("the vendor answered with the page token it was given; the listing would never end")]
    TokenRepeated,
    /// Nothing new on page after page, each with a next token.
    #[error(
        "the vendor sent {MOST_IDLE_PAGES} pages in a row that brought nothing new, \
         each announcing another"
    )]
    NothingNew,
}

/// What a page brought.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fresh {
    /// Resources not seen before in this walk.
    pub resources: Vec<Resource>,
    /// Items that could not be decoded, not seen before in this walk.
    pub undecodable: Vec<Undecodable>,
}

impl Walk {
    /// Returns a walk that stands before the first page.
    ///
    /// `salt` goes into the hashes that remember ids; a task's id will do, so
    /// that two ids that collide in one task do not in the next.
    #[must_use]
    pub fn new(salt: &str) -> Self {
        Self { state: start(), seen: IdMarks::new(salt) }
    }

    /// Returns a walk that goes on where a checkpoint stood, from what that
    /// one kept.
    #[must_use]
    pub const fn resume(state: WalkState, seen: IdMarks) -> Self {
        Self { state, seen }
    }

    /// Goes back to before the first page, forgetting what was seen: what an
    /// earlier page showed may be gone by the time of the new first page.
    pub fn restart(&mut self) {
        self.state = start();
        self.seen.forget();
    }

    /// Tells whether there is another page to fetch.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.state.position == Position::End
    }

    /// Returns the token of the page to fetch; `None` for the first.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        match &self.state.position {
            Position::At(token) => Some(token),
            Position::Start | Position::End => None,
        }
    }

    /// Returns how many pages were taken.
    #[must_use]
    pub const fn pages(&self) -> u64 {
        self.state.pages
    }

    /// Returns how many different resources were seen, decodable or not.
    #[must_use]
    pub const fn listed(&self) -> u64 {
        self.state.listed
    }

    /// Returns how many of them could not be decoded.
    #[must_use]
    pub const fn undecodable(&self) -> u64 {
        self.state.undecodable
    }

    /// Tells whether a resource was seen in this walk.
    #[must_use]
    pub fn has_seen(&self, id: &str) -> bool {
        self.seen.get(id) == SEEN
    }

    /// Tells the same of an id by the hash that other marks of the same salt
    /// have of it.
    #[must_use]
    pub fn has_seen_hash(&self, hash: u64) -> bool {
        self.seen.of_hash(hash) == SEEN
    }

    /// Takes one page and returns what is new in it. Vendors repeat items when
    /// the list moves under the walk; only the first sight counts.
    ///
    /// # Errors
    ///
    /// The page shows that the walk will never end.
    pub fn take(&mut self, page: Page) -> Result<Fresh, Stalled> {
        if page.next.is_some() && page.next.as_deref() == self.token() {
            return Err(Stalled::TokenRepeated);
        }
        let mut fresh = Fresh::default();
        for resource in page.resources {
            if self.see(&resource.id) {
                fresh.resources.push(resource);
            }
        }
        for item in page.undecodable {
            let is_new = item.id.as_deref().is_none_or(|id| self.see(id));
            if item.id.is_none() {
                self.state.listed += 1;
                self.state.unidentified += 1;
            }
            if is_new {
                self.state.undecodable += 1;
                fresh.undecodable.push(item);
            }
        }
        let is_idle = fresh.resources.is_empty() && fresh.undecodable.is_empty();
        self.state.idle_pages = if is_idle { self.state.idle_pages + 1 } else { 0 };
        if page.next.is_some() && self.state.idle_pages >= MOST_IDLE_PAGES {
            return Err(Stalled::NothingNew);
        }
        self.state.pages += 1;
        self.state.position = page.next.map_or(Position::End, Position::At);
        Ok(fresh)
    }

    fn see(&mut self, id: &str) -> bool {
        let is_new = self.seen.add(id, SEEN) != SEEN;
        self.state.listed += u64::from(is_new);
        is_new
    }

    /// Returns what a checkpoint has to keep, besides the ids seen.
    #[must_use]
    pub const fn state(&self) -> &WalkState {
        &self.state
    }

    /// Returns the ids seen since the last checkpoint, in parts of at most
    /// `most` bytes; empty where there are none. Each is returned once.
    pub fn unsaved(&mut self, most: usize) -> Vec<u8> {
        self.seen.unsaved(most)
    }

    /// Returns the complete listing, if the last page was taken.
    ///
    /// # Errors
    ///
    /// Gives the walk back where pages are left.
    pub fn complete(self) -> Result<CompleteListing, Box<Self>> {
        if self.is_at_end() { Ok(CompleteListing { walk: self }) } else { Err(Box::new(self)) }
    }
}

const fn start() -> WalkState {
    WalkState {
        position: Position::Start,
        listed: 0,
        undecodable: 0,
        unidentified: 0,
        pages: 0,
        idle_pages: 0,
    }
}

/// Proof that every page of a scope was walked.
#[derive(Clone, Debug)]
pub struct CompleteListing {
    walk: Walk,
}

impl CompleteListing {
    /// Returns how many different resources were listed, decodable or not.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.walk.state.listed
    }

    /// Returns how many of them could not be decoded.
    #[must_use]
    pub const fn undecodable(&self) -> u64 {
        self.walk.state.undecodable
    }

    /// Returns how many of those did not even show an id. Each may be any of
    /// the resources that seem to be missing.
    #[must_use]
    pub const fn unidentified(&self) -> u64 {
        self.walk.state.unidentified
    }

    /// Tells whether a resource was listed.
    #[must_use]
    pub fn contains(&self, id: &str) -> bool {
        self.walk.has_seen(id)
    }

    /// Returns the live rows that were not listed, sorted by id: candidates
    /// for deletion, nothing more.
    pub fn missing<'a>(
        &'a self,
        index: &'a LiveIndex,
    ) -> impl Iterator<Item = (String, IndexEntry)> + 'a {
        index.iter().filter(|(id, _)| !self.contains(id))
    }

    /// Gives the walk back.
    #[must_use]
    pub fn into_walk(self) -> Walk {
        self.walk
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::Fingerprint;

    fn page(ids: &[&str], next: Option<&str>) -> Page {
        Page {
            resources: ids
                .iter()
                .map(|id| Resource { id: (*id).into(), ..Resource::default() })
                .collect(),
            undecodable: Vec::new(),
            next: next.map(Into::into),
        }
    }

    fn index(ids: &[&str]) -> LiveIndex {
        let mut index = LiveIndex::default();
        for id in ids {
            let fingerprint = Fingerprint::of(&Resource::default());
            index.insert(id, IndexEntry { fingerprint, missing: None });
        }
        index
    }

    fn missing(listing: &CompleteListing, index: &LiveIndex) -> Vec<String> {
        listing.missing(index).map(|(id, _)| id).collect()
    }

    #[test]
    fn only_the_last_page_completes_a_listing() {
        let mut walk = Walk::new("t");
        assert!(walk.clone().complete().is_err(), "nothing was walked");
        walk.take(page(&["a"], Some("2"))).unwrap();
        assert!(walk.clone().complete().is_err(), "a page is left");
        walk.take(page(&["b"], None)).unwrap();
        let listing = walk.complete().unwrap();
        assert_eq!(missing(&listing, &index(&["a", "b", "c"])), ["c"]);
    }

    #[test]
    fn an_empty_page_in_the_middle_is_not_the_end() {
        let mut walk = Walk::new("t");
        walk.take(page(&[], Some("2"))).unwrap();
        assert!(!walk.is_at_end());
        assert_eq!(walk.token(), Some("2"));
    }

    #[test]
    fn repeated_items_count_once() {
        let mut walk = Walk::new("t");
        walk.take(page(&["a", "b"], Some("2"))).unwrap();
        let fresh = walk.take(page(&["b", "c", "c"], None)).unwrap();
        assert_eq!(fresh.resources.len(), 1);
        assert_eq!(walk.complete().unwrap().total(), 3);
    }

    #[test]
    fn an_undecodable_resource_counts_as_seen() {
        let mut walk = Walk::new("t");
        let undecodable =
            |id: Option<&str>| Undecodable { id: id.map(Into::into), message: "no status".into() };
        let page = Page {
            undecodable: vec![undecodable(Some("a")), undecodable(None), undecodable(None)],
            ..Page::default()
        };
        walk.take(page).unwrap();
        let listing = walk.complete().unwrap();
        assert_eq!(missing(&listing, &index(&["a", "b"])), ["b"]);
        assert_eq!((listing.total(), listing.undecodable(), listing.unidentified()), (3, 3, 2));
    }

    #[test]
    fn a_resumed_walk_remembers_and_a_restarted_one_forgets() {
        let mut first = Walk::new("t");
        first.take(page(&["a"], Some("2"))).unwrap();
        let (state, part) = (first.state().clone(), first.unsaved(100));
        assert!(first.unsaved(100).is_empty(), "ids are handed over once");
        let mut seen = IdMarks::new("t");
        assert!(seen.load(&part));

        let mut resumed = Walk::resume(state.clone(), seen.clone());
        assert_eq!(resumed.token(), Some("2"));
        resumed.take(page(&["b"], None)).unwrap();
        let listing = resumed.complete().unwrap();
        assert_eq!(missing(&listing, &index(&["a", "b"])), Vec::<String>::new());

        let mut restarted = Walk::resume(state, seen);
        restarted.restart();
        assert_eq!(restarted.token(), None);
        restarted.take(page(&["b"], None)).unwrap();
        let listing = restarted.complete().unwrap();
        assert_eq!(missing(&listing, &index(&["a", "b"])), ["a"]);
    }

    #[test]
    fn tokens_in_a_circle_are_an_error() {
        let mut walk = Walk::new("t");
        let circle = ["2", "3", "4"].into_iter().cycle();
        let stalled = circle.take(1000).find_map(|next| walk.take(page(&["a"], Some(next))).err());
        assert_eq!(stalled, Some(Stalled::NothingNew));
    }

    #[test]
    fn many_pages_of_repeats_between_new_ones_are_a_list_that_moves() {
        let mut walk = Walk::new("t");
        for number in 0..1000 {
            let id = (number / 90).to_string();
            walk.take(page(&[&id], Some(&number.to_string()))).unwrap();
        }
        walk.take(page(&["last"], None)).unwrap();
        assert_eq!(walk.complete().unwrap().total(), 13);
    }

    #[test]
    fn a_walk_that_will_never_end_is_an_error() {
        let mut walk = Walk::new("t");
        walk.take(page(&["a"], Some("2"))).unwrap();
        assert_eq!(walk.take(page(&["b"], Some("2"))), Err(Stalled::TokenRepeated));

        let mut walk = Walk::new("t");
        let stalled = (0..).find_map(|n| walk.take(page(&[], Some(&n.to_string()))).err());
        assert_eq!(stalled, Some(Stalled::NothingNew));
    }
}
