//! A vendor's feed of what was done to an account: which resources its events
//! name, and when what it says may be believed.
//!
//! **Invariant**: a feed only ever says what to look at. It deletes nothing,
//! and it completes no listing; whatever about it is in doubt ends in a walk.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

use crate::lease::Findings;

/// As close to the end of a feed's memory nothing is asked of it: what is at
/// the very end may be gone by the time it is asked for.
const MARGIN: SignedDuration = SignedDuration::from_hours(1);

/// A page of the vendor's list has about so many resources.
const LISTED_AT_ONCE: u64 = 100;

/// So many pages of events are worth a try, however short the walk is.
const FEWEST_PAGES: u64 = 4;

/// More pages of events are never read: a feed is slow.
const MOST_PAGES: u64 = 40;

/// So many resources are one call to re-read, however few there are.
const FEWEST_IDS: u64 = 100;

/// More resources are never re-read: each may cost a call for its disks, and
/// all of them are in memory together.
const MOST_IDS: u64 = 1000;

/// Where more than one in so many live resources was touched, a walk is as
/// cheap.
const SHARE: u64 = 10;

/// So often a feed that is throttled is waited for, before a walk tells.
const MOST_WAITS: u32 = 2;

/// What a vendor promises of its feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedTerms {
    /// How far back it remembers.
    pub window: SignedDuration,
    /// So long after it happened an event is surely there. What was asked for
    /// up to a moment is asked for again from this much earlier.
    pub overlap: SignedDuration,
}

/// What an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Concern {
    /// It changed nothing that is synced.
    Nothing,
    /// It may have changed these resources and no others.
    Resources(BTreeSet<String>),
    /// It may have changed resources that it does not name.
    Unnamed,
}

/// One entry of a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedEvent {
    /// The vendor's name of it.
    pub name: String,
    /// What it is about.
    pub concern: Concern,
}

/// One page of a feed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedPage {
    /// The events.
    pub events: Vec<FeedEvent>,
    /// The token of the next page; `None` on the last.
    pub next: Option<String>,
}

/// Why a feed is not believed, so that a walk has to tell.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Doubt {
    /// There is nothing that the events could be applied to.
    #[error("the scope was never listed whole")]
    NeverListed,
    /// Deletions are held back, and only a listing can judge them.
    #[error("deletions are held, which only a listing can judge")]
    DeletionsHeld,
    /// The feed does not remember that long.
    #[error("the feed does not reach back to {since}")]
    OutOfWindow {
        /// Since when events are wanted.
        since: Timestamp,
    },
    /// Reading the events takes more than walking the list.
    #[error("there are more than {pages} pages of events; a walk is cheaper")]
    TooManyEvents {
        /// So many were read.
        pages: u64,
    },
    /// Re-reading what was touched takes as much as walking the list.
    #[error("more than {ids} resources were touched; a walk is as cheap")]
    TooManyResources {
        /// So many are re-read at most.
        ids: u64,
    },
    /// An event may have changed resources that it does not name.
    #[error("the event {name} does not say what it changed")]
    Unnamed {
        /// The event.
        name: String,
    },
    /// The vendor announces the page that was just read as the next.
    #[error("the feed does not get on")]
    Stalled,
}

/// The reading of a feed, in progress.
#[derive(Clone, Debug)]
pub struct FeedReading {
    from: Timestamp,
    until: Timestamp,
    most_pages: u64,
    most_ids: u64,
    pages: u64,
    token: Option<String>,
    ids: BTreeSet<String>,
}

impl FeedReading {
    /// Begins to read what happened since the scope's last success, or since
    /// an earlier moment that somebody wants.
    ///
    /// # Errors
    ///
    /// The feed cannot tell enough.
    pub fn begin(
        terms: FeedTerms,
        findings: &Findings,
        wanted: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Self, Doubt> {
        let listed = findings.last_complete_at.ok_or(Doubt::NeverListed)?;
        if findings.held_count > 0 {
            return Err(Doubt::DeletionsHeld);
        }
        let known = findings.last_success_at().unwrap_or(listed);
        let since = wanted.map_or(known, |wanted| wanted.min(known)).min(now);
        let from = since.checked_sub(terms.overlap).unwrap_or(Timestamp::MIN);
        let earliest = now.checked_sub(terms.window - MARGIN).unwrap_or(Timestamp::MIN);
        // However well the feed goes on, a listing is due once in its window.
        if from < earliest || listed < earliest {
            return Err(Doubt::OutOfWindow { since: from.min(listed) });
        }
        let walk = findings.live_count.div_ceil(LISTED_AT_ONCE);
        let share = findings.live_count / SHARE;
        Ok(Self {
            from,
            until: now,
            most_pages: walk.clamp(FEWEST_PAGES, MOST_PAGES),
            most_ids: share.clamp(FEWEST_IDS, MOST_IDS),
            pages: 0,
            token: None,
            ids: BTreeSet::new(),
        })
    }

    /// Returns from when on events are asked for.
    #[must_use]
    pub const fn from(&self) -> Timestamp {
        self.from
    }

    /// Returns until when events are asked for.
    #[must_use]
    pub const fn until(&self) -> Timestamp {
        self.until
    }

    /// Returns the token of the page to fetch; `None` for the first.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Tells whether a throttled feed is worth a wait, after so many. A walk
    /// of few pages is cheaper; one of many is a hundred calls for the one that
    /// the feed takes a minute later.
    #[must_use]
    pub const fn is_worth_a_wait(&self, waits: u32) -> bool {
        waits < MOST_WAITS && self.most_pages > FEWEST_PAGES
    }

    /// Takes one page. Returns whether there is another.
    ///
    /// # Errors
    ///
    /// The feed is not to be believed.
    pub fn take(&mut self, page: FeedPage) -> Result<bool, Doubt> {
        for event in page.events {
            match event.concern {
                Concern::Nothing => {}
                Concern::Resources(ids) => self.ids.extend(ids),
                Concern::Unnamed => return Err(Doubt::Unnamed { name: event.name }),
            }
        }
        if self.ids.len() as u64 > self.most_ids {
            return Err(Doubt::TooManyResources { ids: self.most_ids });
        }
        self.pages += 1;
        let is_last = page.next.is_none();
        if !is_last && page.next == self.token {
            return Err(Doubt::Stalled);
        }
        if !is_last && self.pages >= self.most_pages {
            return Err(Doubt::TooManyEvents { pages: self.pages });
        }
        self.token = page.next;
        Ok(!is_last)
    }

    /// Returns the resources that were touched, sorted.
    #[must_use]
    pub fn into_ids(self) -> Vec<String> {
        self.ids.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: FeedTerms = FeedTerms {
        window: SignedDuration::from_hours(7 * 24),
        overlap: SignedDuration::from_mins(15),
    };

    fn at(minute: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute)
    }

    fn listed(minute: i64) -> Findings {
        Findings { last_complete_at: Some(at(minute)), ..Findings::default() }
    }

    fn begin(findings: &Findings, now: i64) -> Result<FeedReading, Doubt> {
        FeedReading::begin(TERMS, findings, None, at(now))
    }

    fn named(ids: &[&str]) -> FeedEvent {
        let ids = ids.iter().map(|id| (*id).to_owned()).collect();
        FeedEvent { name: "StopInstance".into(), concern: Concern::Resources(ids) }
    }

    fn page(events: Vec<FeedEvent>, next: Option<&str>) -> FeedPage {
        FeedPage { events, next: next.map(str::to_owned) }
    }

    #[test]
    fn events_are_asked_for_since_the_last_success_and_some_time_before() {
        let walked = begin(&listed(1000), 1060).unwrap();
        assert_eq!((walked.from(), walked.until()), (at(985), at(1060)));
        let fed = Findings { fed_until: Some(at(1040)), ..listed(1000) };
        assert_eq!(begin(&fed, 1060).unwrap().from(), at(1025), "the later of the two");
        let walked = Findings { fed_until: Some(at(900)), ..listed(1000) };
        assert_eq!(begin(&walked, 1060).unwrap().from(), at(985));
    }

    #[test]
    fn a_feed_is_waited_for_where_the_walk_takes_many_calls() {
        let waits = |live_count| {
            let reading = begin(&Findings { live_count, ..listed(1000) }, 1060).unwrap();
            (0..10).take_while(|waits| reading.is_worth_a_wait(*waits)).count()
        };
        assert_eq!((waits(400), waits(401), waits(1_000_000)), (0, 2, 2));
    }

    #[test]
    fn an_earlier_wish_is_heeded_and_a_later_one_skips_nothing() {
        let from = |wanted| {
            let reading = FeedReading::begin(TERMS, &listed(1000), Some(at(wanted)), at(1060));
            reading.unwrap().from()
        };
        assert_eq!(from(500), at(485));
        assert_eq!(from(1050), at(985));
    }

    #[test]
    fn a_clock_that_went_back_still_has_its_overlap() {
        let reading = begin(&listed(1000), 990).unwrap();
        assert_eq!((reading.from(), reading.until()), (at(975), at(990)));
    }

    #[test]
    fn what_was_never_listed_or_too_long_ago_is_walked() {
        assert_eq!(begin(&Findings::default(), 0).unwrap_err(), Doubt::NeverListed);
        let day = 24 * 60;
        let last = 7 * day - 60;
        assert!(begin(&listed(15), last).is_ok());
        assert!(matches!(begin(&listed(14), last), Err(Doubt::OutOfWindow { .. })));
        // A feed that is read every hour does not replace the walk for ever.
        let fed = Findings { fed_until: Some(at(8 * day)), ..listed(0) };
        assert_eq!(begin(&fed, 8 * day).unwrap_err(), Doubt::OutOfWindow { since: at(0) });
    }

    #[test]
    fn held_deletions_are_walked() {
        let held = Findings { held_count: 1, ..listed(0) };
        assert_eq!(begin(&held, 60).unwrap_err(), Doubt::DeletionsHeld);
    }

    #[test]
    fn resources_are_collected_over_all_pages_and_only_the_absence_of_a_token_ends_them() {
        let mut reading = begin(&listed(0), 60).unwrap();
        assert_eq!(reading.take(page(vec![named(&["b"])], Some("2"))), Ok(true));
        assert_eq!(reading.token(), Some("2"));
        let quiet = FeedEvent { name: "DescribeInstances".into(), concern: Concern::Nothing };
        assert_eq!(reading.take(page(vec![], Some("3"))), Ok(true));
        assert_eq!(reading.take(page(vec![named(&["a", "b"]), quiet], None)), Ok(false));
        assert_eq!(reading.into_ids(), ["a", "b"]);
    }

    #[test]
    fn an_event_that_names_nothing_it_changed_is_in_doubt() {
        let mut reading = begin(&listed(0), 60).unwrap();
        let event = FeedEvent { name: "ResizeDisk".into(), concern: Concern::Unnamed };
        let doubt = reading.take(page(vec![named(&["a"]), event], None)).unwrap_err();
        assert_eq!(doubt, Doubt::Unnamed { name: "ResizeDisk".into() });
    }

    #[test]
    fn more_pages_than_a_walk_has_are_not_read() {
        let pages = |live_count| {
            let findings = Findings { live_count, ..listed(0) };
            let mut reading = begin(&findings, 60).unwrap();
            let mut read = 0_u64;
            loop {
                read += 1;
                let doubt = reading.take(page(vec![], Some(&read.to_string()))).err();
                if let Some(doubt) = doubt {
                    assert_eq!(doubt, Doubt::TooManyEvents { pages: read });
                    return read;
                }
            }
        };
        assert_eq!((pages(0), pages(400), pages(1001), pages(1_000_000)), (4, 4, 11, 40));
    }

    #[test]
    fn the_last_page_that_may_be_read_may_be_the_end() {
        let mut reading = begin(&listed(0), 60).unwrap();
        for next in ["2", "3", "4"] {
            assert_eq!(reading.take(page(vec![], Some(next))), Ok(true));
        }
        assert_eq!(reading.take(page(vec![], None)), Ok(false));
    }

    #[test]
    fn more_resources_than_a_share_are_not_re_read() {
        let most = |live_count| {
            let findings = Findings { live_count, ..listed(0) };
            let mut reading = begin(&findings, 60).unwrap();
            let read = (1..).find(|n: &u64| {
                let page = page(vec![named(&[&format!("i-{n}")])], None);
                reading.take(page).is_err()
            });
            read.unwrap() - 1
        };
        assert_eq!((most(0), most(5000), most(1_000_000)), (100, 500, 1000));
    }

    #[test]
    fn a_feed_that_does_not_get_on_is_left() {
        let mut reading = begin(&listed(0), 60).unwrap();
        assert_eq!(reading.take(page(vec![], Some("2"))), Ok(true));
        assert_eq!(reading.take(page(vec![], Some("2"))), Err(Doubt::Stalled));
    }
}
