//! Walking a scope's pages, and what a complete listing proves.
//!
//! **Invariant**: a [`CompleteListing`] can only be had from a [`Walk`] that
//! took every page from the first to the one without a next token. There is
//! no other way to learn what is missing.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::ids::Ids;
pub use crate::index::{IndexEntry, MissingRows};
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

/// The mark of an id that was seen. The tally has the lower ones.
pub(crate) const SEEN: u8 = 64;

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

/// What a checkpoint keeps of a walk, besides the marks of the ids seen.
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

/// A walk over the pages of a scope, in progress. What it has seen is marked in
/// the table of the scope's ids, which is always the same one.
#[derive(Clone, Debug)]
pub struct Walk {
    state: WalkState,
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
    #[must_use]
    pub const fn new() -> Self {
        Self { state: start() }
    }

    /// Returns a walk that goes on where a checkpoint stood, from what that
    /// one kept; `None` where `ids` are not those that it has seen. Whoever
    /// goes on without them takes them for gone.
    #[must_use]
    pub fn resume(state: WalkState, ids: &Ids) -> Option<Self> {
        let seen = ids.all_marks().filter(|marks| marks & SEEN != 0).count() as u64;
        let is_it = state.listed.checked_sub(state.unidentified) == Some(seen);
        is_it.then_some(Self { state })
    }

    /// Goes back to before the first page, forgetting what was seen: what an
    /// earlier page showed may be gone by the time of the new first page.
    pub fn restart(&mut self, ids: &mut Ids) {
        self.state = start();
        ids.clear(SEEN);
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

    /// Takes one page and returns what is new in it. Vendors repeat items when
    /// the list moves under the walk; only the first sight counts.
    ///
    /// # Errors
    ///
    /// The page shows that the walk will never end.
    pub fn take(&mut self, page: Page, ids: &mut Ids) -> Result<Fresh, Stalled> {
        if page.next.is_some() && page.next.as_deref() == self.token() {
            return Err(Stalled::TokenRepeated);
        }
        let mut fresh = Fresh { resources: page.resources, undecodable: Vec::new() };
        fresh.resources.retain(|resource| self.see(ids, &resource.id));
        for item in page.undecodable {
            let is_new = item.id.as_deref().is_none_or(|id| self.see(ids, id));
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

    fn see(&mut self, ids: &mut Ids, id: &str) -> bool {
        let is_new = ids.add(id, SEEN) & SEEN == 0;
        self.state.listed += u64::from(is_new);
        is_new
    }

    /// Returns what a checkpoint has to keep, besides the ids seen.
    #[must_use]
    pub const fn state(&self) -> &WalkState {
        &self.state
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

impl Default for Walk {
    fn default() -> Self {
        Self::new()
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

    /// Tells whether a row of the index was listed, as far as `ids`, the
    /// walk's, can tell: where it cannot, it was.
    #[must_use]
    pub fn contains(&self, ids: &Ids, id: &str) -> bool {
        !ids.may_lack(id, SEEN)
    }

    /// Returns how many rows of the index, as it was read, were not listed.
    #[must_use]
    pub fn count_missing(&self, ids: &Ids) -> u64 {
        ids.count_lacking(SEEN)
    }

    /// Adds those live rows that were not listed to `missing`: candidates for
    /// deletion, nothing more.
    pub fn add_missing(
        &self,
        ids: &Ids,
        index: &[(String, IndexEntry)],
        missing: &mut MissingRows,
    ) {
        let unlisted = index.iter().filter(|(id, _)| !self.contains(ids, id));
        unlisted.for_each(|(id, entry)| missing.push(id, entry.missing));
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

    /// Returns which rows of an index with these ids are missing.
    fn missing(listing: &CompleteListing, ids: &Ids, rows: &[&str]) -> Vec<String> {
        let fingerprint = Fingerprint::of(&Resource::default());
        let entry = IndexEntry { fingerprint, missing: None };
        let index: Vec<_> = rows.iter().map(|id| ((*id).to_owned(), entry)).collect();
        let mut missing = MissingRows::default();
        listing.add_missing(ids, &index, &mut missing);
        let mut known = ids.clone();
        index.iter().for_each(|(id, entry)| known.insert_live(id, entry));
        assert_eq!(listing.count_missing(&known), missing.len() as u64);
        missing.iter().map(|(id, _)| id).collect()
    }

    /// A walk and its ids.
    struct Walking(Walk, Ids);

    impl Walking {
        fn new() -> Self {
            Self(Walk::new(), Ids::new("t"))
        }

        fn take(&mut self, page: Page) -> Result<Fresh, Stalled> {
            self.0.take(page, &mut self.1)
        }
    }

    #[test]
    fn only_the_last_page_completes_a_listing() {
        let mut walk = Walking::new();
        assert!(walk.0.clone().complete().is_err(), "nothing was walked");
        walk.take(page(&["a"], Some("2"))).unwrap();
        assert!(walk.0.clone().complete().is_err(), "a page is left");
        walk.take(page(&["b"], None)).unwrap();
        let listing = walk.0.complete().unwrap();
        assert_eq!(missing(&listing, &walk.1, &["a", "b", "c"]), ["c"]);
    }

    #[test]
    fn an_empty_page_in_the_middle_is_not_the_end() {
        let mut walk = Walking::new();
        walk.take(page(&[], Some("2"))).unwrap();
        assert!(!walk.0.is_at_end());
        assert_eq!(walk.0.token(), Some("2"));
    }

    #[test]
    fn repeated_items_count_once() {
        let mut walk = Walking::new();
        walk.take(page(&["a", "b"], Some("2"))).unwrap();
        let fresh = walk.take(page(&["b", "c", "c"], None)).unwrap();
        assert_eq!(fresh.resources.len(), 1);
        assert_eq!(walk.0.complete().unwrap().total(), 3);
    }

    #[test]
    fn an_undecodable_resource_counts_as_seen() {
        let mut walk = Walking::new();
        let undecodable =
            |id: Option<&str>| Undecodable { id: id.map(Into::into), message: "no status".into() };
        let page = Page {
            undecodable: vec![undecodable(Some("a")), undecodable(None), undecodable(None)],
            ..Page::default()
        };
        walk.take(page).unwrap();
        let listing = walk.0.complete().unwrap();
        assert_eq!(missing(&listing, &walk.1, &["a", "b"]), ["b"]);
        assert_eq!((listing.total(), listing.undecodable(), listing.unidentified()), (3, 3, 2));
    }

    #[test]
    fn a_resumed_walk_remembers_and_a_restarted_one_forgets() {
        let mut first = Walking::new();
        first.take(page(&["a"], Some("2"))).unwrap();
        let (state, part) = (first.0.state().clone(), first.1.unsaved(100));
        assert!(first.1.unsaved(100).is_empty(), "ids are handed over once");
        let mut seen = Ids::new("t");
        assert!(seen.load(&part));

        let walk = Walk::resume(state.clone(), &seen).unwrap();
        let mut resumed = Walking(walk, seen.clone());
        assert_eq!(resumed.0.token(), Some("2"));
        resumed.take(page(&["b"], None)).unwrap();
        let listing = resumed.0.complete().unwrap();
        assert_eq!(missing(&listing, &resumed.1, &["a", "b"]), Vec::<String>::new());

        let mut restarted = Walking(Walk::resume(state, &seen).unwrap(), seen);
        restarted.0.restart(&mut restarted.1);
        assert_eq!(restarted.0.token(), None);
        restarted.take(page(&["b"], None)).unwrap();
        let listing = restarted.0.complete().unwrap();
        assert_eq!(missing(&listing, &restarted.1, &["a", "b"]), ["a"]);
    }

    #[test]
    fn a_walk_does_not_go_on_without_what_it_has_seen() {
        let mut walk = Walking::new();
        let nameless = vec![Undecodable { id: None, message: String::new() }];
        walk.take(Page { undecodable: nameless, ..page(&["a", "b"], Some("2")) }).unwrap();
        let state = walk.0.state().clone();
        assert!(Walk::resume(state.clone(), &walk.1).is_some());
        let mut half = Ids::new("t");
        assert!(half.load(&walk.1.unsaved(10)));
        assert!(Walk::resume(state, &half).is_none());
    }

    #[test]
    fn tokens_in_a_circle_are_an_error() {
        let mut walk = Walking::new();
        let circle = ["2", "3", "4"].into_iter().cycle();
        let stalled = circle.take(1000).find_map(|next| walk.take(page(&["a"], Some(next))).err());
        assert_eq!(stalled, Some(Stalled::NothingNew));
    }

    #[test]
    fn many_pages_of_repeats_between_new_ones_are_a_list_that_moves() {
        let mut walk = Walking::new();
        for number in 0..1000 {
            let id = (number / 90).to_string();
            walk.take(page(&[&id], Some(&number.to_string()))).unwrap();
        }
        walk.take(page(&["last"], None)).unwrap();
        assert_eq!(walk.0.complete().unwrap().total(), 13);
    }

    #[test]
    fn a_walk_that_will_never_end_is_an_error() {
        let mut walk = Walking::new();
        walk.take(page(&["a"], Some("2"))).unwrap();
        assert_eq!(walk.take(page(&["b"], Some("2"))), Err(Stalled::TokenRepeated));

        let mut walk = Walking::new();
        let stalled = (0..).find_map(|n| walk.take(page(&[], Some(&n.to_string()))).err());
        assert_eq!(stalled, Some(Stalled::NothingNew));
    }
}
