//! Pages: by token, where a page says how to get the next, or by number.

use super::error::ApiError;
use super::params::Params;
use super::rpc::Asked;
use crate::front::listing::Source;
use crate::front::token::{self, Position};

/// The page sizes of a call.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    /// The bounds of `MaxResults`, and what it is where nobody says.
    pub results: (usize, usize, usize),
    /// Whether a `MaxResults` out of bounds is moved into them, not refused.
    pub lenient: bool,
    /// The most that `PageSize` may be, and what it is where nobody says.
    pub page: (usize, usize),
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

impl Paging {
    /// Reads what page is asked for. `NextToken` or `MaxResults` win over
    /// numbers.
    pub(super) fn read(asked: &Asked<'_>, sizes: Sizes) -> Result<Self, ApiError> {
        let params = asked.params;
        let given = params.given("NextToken");
        if given.is_some() && asked.rejects_token() {
            return Err(ApiError::invalid_token());
        }
        let results = params.number("MaxResults")?;
        if given.is_none() && results.is_none() {
            return Self::by_number(asked, sizes.page);
        }
        let (least, most, usual) = sizes.results;
        let size = results.unwrap_or(usual);
        if !sizes.lenient && !(least..=most).contains(&size) {
            return Err(ApiError::invalid("MaxResults"));
        }
        Self::by_token(asked, size.clamp(least, most))
    }

    /// Reads which page is asked for where there are only tokens.
    pub(super) fn by_token(asked: &Asked<'_>, size: usize) -> Result<Self, ApiError> {
        let seed = asked.world().seed();
        let listing = listing(&asked.call.account, asked.params);
        let given = asked.params.given("NextToken");
        if given.is_some() && asked.rejects_token() {
            return Err(ApiError::invalid_token());
        }
        let position = given
            .map(|token| token::open(token, &listing, seed).ok_or_else(ApiError::invalid_token));
        Ok(Self { wanted: Wanted::After(position.transpose()?), size, listing, seed })
    }

    /// Reads which page is asked for where there are only numbered ones, of so
    /// many items at most and so many where nobody says.
    pub(super) fn by_number(
        asked: &Asked<'_>,
        (most, usual): (usize, usize),
    ) -> Result<Self, ApiError> {
        let size = asked.params.number("PageSize")?.unwrap_or(usual);
        let number = asked.params.number("PageNumber")?.unwrap_or(1);
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
        asked: &Asked<'_>,
    ) -> Listed<'a, T> {
        match self.wanted {
            Wanted::After(position) => {
                let walked = source.after(position, self.size, &asked.faults);
                let seal = |next| token::seal(next, &self.listing, self.seed);
                Listed {
                    items: walked.items,
                    next_token: walked.next.map(seal).unwrap_or_default(),
                    number: 1,
                    size: self.size,
                    total: 0,
                }
            }
            Wanted::Number(number) => {
                let before = (number - 1).saturating_mul(self.size);
                let sliced = source.slice(before, self.size, &asked.faults);
                Listed {
                    items: sliced.items,
                    next_token: String::new(),
                    number,
                    size: self.size,
                    total: i64::try_from(sliced.total).unwrap_or(i64::MAX),
                }
            }
        }
    }
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
