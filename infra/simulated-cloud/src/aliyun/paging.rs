//! Pages: by token, where a page says how to get the next, or by number.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::Admitted;
use super::error::ApiError;
use super::params::Params;
use crate::front::token::{self, Position};
use crate::world::Fault;

/// At most so many items are looked at for one page. A filter that fits few
/// makes short pages, as it does at the vendor's.
const LOOK: usize = 20_000;

/// The page sizes of a call.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    /// The bounds that `MaxResults` is moved into.
    pub results: (usize, usize),
    /// The most that `PageSize` may be; more is refused.
    pub page: usize,
}

/// Which page is asked for.
#[derive(Clone, Copy, Debug)]
enum Wanted {
    After(Option<Position>),
    Number(usize),
}

/// A request for a page.
pub(super) struct Paging {
    wanted: Wanted,
    size: usize,
    listing: String,
    seed: u64,
}

/// A page.
pub(super) struct Listed<'a, T> {
    pub items: Vec<(u64, &'a T)>,
    pub next_token: String,
    pub number: usize,
    pub size: usize,
    pub total: i64,
}

/// What is listed.
pub(super) struct Source<'a, T, F> {
    pub all: &'a BTreeMap<u64, T>,
    /// Only these, if given.
    pub only: Option<BTreeSet<u64>>,
    pub matches: F,
    /// Whether `matches` may say no.
    pub filtered: bool,
    /// No more than so many are listed, however many there are.
    pub most: usize,
}

impl Paging {
    /// Reads what page is asked for. `NextToken` or `MaxResults` win over
    /// numbers.
    pub(super) fn read(admitted: &Admitted<'_>, sizes: Sizes, seed: u64) -> Result<Self, ApiError> {
        let params = admitted.params;
        let call = &admitted.call;
        let listing = listing(&call.account, params);
        let given = params.given("NextToken");
        if given.is_some() && admitted.faults.contains(&Fault::RejectToken) {
            return Err(ApiError::invalid_token());
        }
        let results = params.number("MaxResults")?;
        if given.is_none() && results.is_none() {
            return Self::by_number(admitted, sizes.page);
        }
        let position = given
            .map(|token| token::open(token, &listing, seed).ok_or_else(ApiError::invalid_token));
        let (least, most) = sizes.results;
        let size = results.unwrap_or(least).clamp(least, most);
        Ok(Self { wanted: Wanted::After(position.transpose()?), size, listing, seed })
    }

    /// Reads which page is asked for where there are only numbered ones, of
    /// `most` items at most.
    pub(super) fn by_number(admitted: &Admitted<'_>, most: usize) -> Result<Self, ApiError> {
        let size = admitted.params.number("PageSize")?.unwrap_or(10);
        let number = admitted.params.number("PageNumber")?.unwrap_or(1);
        if size == 0 || size > most {
            return Err(ApiError::invalid("PageSize"));
        }
        if number == 0 {
            return Err(ApiError::invalid("PageNumber"));
        }
        Ok(Self { wanted: Wanted::Number(number), size, listing: String::new(), seed: 0 })
    }

    /// Returns the page.
    pub(super) fn list<'a, T, F: Fn(u64, &T) -> bool>(
        &self,
        source: &Source<'a, T, F>,
        faults: &[Fault],
    ) -> Listed<'a, T> {
        match self.wanted {
            Wanted::After(position) => self.after(position, source, faults),
            Wanted::Number(number) => self.numbered(number, source, faults),
        }
    }

    /// Walks on from a position: what was listed before costs nothing.
    fn after<'a, T, F: Fn(u64, &T) -> bool>(
        &self,
        position: Option<Position>,
        source: &Source<'a, T, F>,
        faults: &[Fault],
    ) -> Listed<'a, T> {
        let listed = position.map_or(0, |position| position.listed);
        let from = position.map_or(Bound::Unbounded, |position| Bound::Excluded(position.after));
        let left = source.most.saturating_sub(listed as usize);
        let (size, lost) = bent(self.size.min(left), faults);
        let mut items = Vec::new();
        // An empty page gets on from where it began.
        let mut after = position.map_or(0, |position| position.after);
        let mut more = false;
        for (looked, (code, item)) in source.from(from).enumerate() {
            if items.len() >= size + lost || looked >= LOOK {
                more = items.len() < left;
                break;
            }
            after = code;
            if (source.matches)(code, item) {
                items.push((code, item));
            }
        }
        items.truncate(size);
        let listed = listed.saturating_add(u32::try_from(items.len()).unwrap_or(u32::MAX));
        let next_token = match more {
            true => token::seal(Position { after, listed }, &self.listing, self.seed),
            false => String::new(),
        };
        repeat(&mut items, from, source, faults);
        Listed { items, next_token, number: 1, size: self.size, total: 0 }
    }

    fn numbered<'a, T, F: Fn(u64, &T) -> bool>(
        &self,
        number: usize,
        source: &Source<'a, T, F>,
        faults: &[Fault],
    ) -> Listed<'a, T> {
        let all =
            || source.from(Bound::Unbounded).filter(|(code, item)| (source.matches)(*code, item));
        let count = match &source.only {
            None if !source.filtered => source.all.len(),
            _ => all().count(),
        };
        let total = count.min(source.most);
        let before = (number - 1).saturating_mul(self.size);
        let mut items: Vec<_> = all().take(total).skip(before).take(self.size).collect();
        let (size, lost) = bent(self.size, faults);
        items.truncate(size.min(items.len().saturating_sub(lost)));
        let from = items.first().map_or(Bound::Unbounded, |(code, _)| Bound::Included(*code));
        repeat(&mut items, from, source, faults);
        let total = i64::try_from(total).unwrap_or(i64::MAX);
        Listed { items, next_token: String::new(), number, size: self.size, total }
    }
}

impl<'a, T, F> Source<'a, T, F> {
    fn from(&self, from: Bound<u64>) -> Box<dyn Iterator<Item = (u64, &'a T)> + '_> {
        let range = (from, Bound::Unbounded);
        match &self.only {
            Some(only) => {
                Box::new(only.range(range).filter_map(|code| Some((*code, self.all.get(code)?))))
            }
            None => Box::new(self.all.range(range).map(|(code, item)| (*code, item))),
        }
    }
}

/// Returns how many items a page has, and how many after them are lost.
pub(super) fn bent(size: usize, faults: &[Fault]) -> (usize, usize) {
    faults.iter().fold((size, 0), |(size, lost), fault| match fault {
        Fault::ShortPage(most) => (size.min(*most), lost),
        Fault::Skip(count) => (size, lost.max(*count)),
        _ => (size, lost),
    })
}

/// Puts items of the page before in front, if that is the fault.
fn repeat<'a, T, F>(
    items: &mut Vec<(u64, &'a T)>,
    from: Bound<u64>,
    source: &Source<'a, T, F>,
    faults: &[Fault],
) {
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
    let before = source.all.range((Bound::Unbounded, until)).rev().take(count);
    items.splice(
        0..0,
        before.map(|(code, item)| (*code, item)).collect::<Vec<_>>().into_iter().rev(),
    );
}

/// Returns what a token is bound to: the account and every parameter that
/// says what is listed.
pub(super) fn listing(account: &str, params: &Params) -> String {
    const OTHERS: [&str; 12] = [
        "AccessKeyId",
        "Format",
        "MaxResults",
        "NextToken",
        "PageNumber",
        "PageSize",
        "SecurityToken",
        "Signature",
        "SignatureNonce",
        "SignatureType",
        "Timestamp",
        "AcceptLanguage",
    ];
    let bound = params.all().filter(|(name, value)| !OTHERS.contains(name) && !value.is_empty());
    let mut listing = account.to_owned();
    for (name, value) in bound {
        listing.push('\n');
        listing.push_str(name);
        listing.push('=');
        listing.push_str(value);
    }
    listing
}
