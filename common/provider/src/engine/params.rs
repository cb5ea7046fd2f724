//! What a request asks for: parameters, ids among them, and positions in lists.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::spec::{ByIds, Counted, FixedParams, IdForm, Paging};

/// The parameters of a request, sorted by name.
pub(crate) type Params = BTreeMap<String, String>;

/// Everything but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Returns a text percent-encoded, as every vendor signs it.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// Returns parameters as a query: sorted by name, percent-encoded.
pub(crate) fn query(params: &Params) -> String {
    let pairs = params.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// Returns parameters that a call always has.
pub(crate) fn fixed(params: FixedParams) -> Params {
    params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Adds ids.
pub(crate) fn with_ids(mut params: Params, by_ids: &ByIds, ids: &[String]) -> Params {
    params.extend(fixed(by_ids.params));
    let name = by_ids.param.to_owned();
    match by_ids.form {
        IdForm::JsonArray => {
            params.insert(name, serde_json::Value::from(ids).to_string());
        }
        IdForm::Numbered => {
            let numbered = ids.iter().zip(1..).map(|(id, n)| (format!("{name}.{n}"), id.clone()));
            params.extend(numbered);
        }
        IdForm::Commas => {
            params.insert(name, ids.join(","));
        }
        IdForm::Single => params.extend(ids.first().map(|id| (name, id.clone()))),
    }
    params
}

/// Returns a path with its parameters in place, which are then no longer among
/// the others.
pub(crate) fn fill_path(path: &str, params: &mut Params) -> String {
    let mut parts = path.split('{');
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}').unwrap_or((part, ""));
        filled.push_str(&encode(&params.remove(name).unwrap_or_default()));
        filled.push_str(rest);
    }
    filled
}

impl Paging {
    /// Returns the parameter that takes a position in the list.
    pub(crate) const fn param(&self) -> &'static str {
        match self {
            Self::Token { param, .. } => param,
            Self::Pages(counted) | Self::Offset(counted) => counted.param,
        }
    }

    /// Returns the position of the next page, after one at `position` (`None`
    /// for the first) that had `found` items; `next` and `total` are what it
    /// said of the next page and of the whole list.
    pub(crate) fn next(
        &self,
        position: Option<&str>,
        found: usize,
        next: Option<String>,
        total: Option<u64>,
    ) -> Option<String> {
        let at = |first| position.map_or(Some(first), |text| text.parse().ok());
        match self {
            Self::Token { .. } => next,
            Self::Pages(counted) => {
                let page: u64 = at(1)?;
                let seen = (page - 1).saturating_mul(counted.size as u64) + found as u64;
                (!counted.is_end(found, seen, total)).then(|| (page + 1).to_string())
            }
            // From where the page ended, not from where it should have: what a
            // short one left out comes then.
            Self::Offset(counted) => {
                let seen = at(0)?.saturating_add(found as u64);
                (!counted.is_end(found, seen, total)).then(|| seen.to_string())
            }
        }
    }
}

impl Counted {
    fn is_end(&self, found: usize, seen: u64, total: Option<u64>) -> bool {
        found == 0 || (found < self.size && total.is_some_and(|total| seen >= total))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNTED: Counted = Counted { param: "n", size: 10, total: &["Total"] };

    fn walk(paging: Paging, pages: &[usize], total: Option<u64>) -> Vec<String> {
        let mut positions = Vec::new();
        let mut position = None;
        for found in pages {
            position = paging.next(position.as_deref(), *found, None, total);
            match &position {
                Some(position) => positions.push(position.clone()),
                None => break,
            }
        }
        positions
    }

    #[test]
    fn counted_pages_end_where_short_page_and_total_agree() {
        assert_eq!(walk(Paging::Pages(COUNTED), &[10, 10, 5, 9], Some(25)), ["2", "3"]);
        assert_eq!(walk(Paging::Offset(COUNTED), &[10, 10, 5, 9], Some(25)), ["10", "20"]);
        assert!(walk(Paging::Pages(COUNTED), &[0, 10], Some(25)).is_empty());
    }

    #[test]
    fn a_page_that_is_short_in_the_middle_is_not_the_end() {
        assert_eq!(walk(Paging::Pages(COUNTED), &[9, 10, 5, 0], Some(30)), ["2", "3", "4"]);
        assert_eq!(walk(Paging::Offset(COUNTED), &[9, 10, 5, 0], Some(30)), ["9", "19", "24"]);
    }

    #[test]
    fn a_total_that_is_too_small_ends_nothing_while_pages_are_full() {
        assert_eq!(walk(Paging::Offset(COUNTED), &[10, 10, 3], Some(4)), ["10", "20"]);
    }

    #[test]
    fn without_a_total_only_an_empty_page_is_the_end() {
        assert_eq!(walk(Paging::Pages(COUNTED), &[10, 3, 0, 1], None), ["2", "3"]);
    }

    #[test]
    fn ids_are_written_as_the_call_wants_them() {
        let ids = ["a".to_owned(), "b/c".to_owned()];
        let written = |form| {
            let by_ids = ByIds { params: &[("Kind", "x")], ..ByIds::new("Id", form, 2) };
            query(&with_ids(Params::new(), &by_ids, &ids))
        };
        assert_eq!(written(IdForm::JsonArray), "Id=%5B%22a%22%2C%22b%2Fc%22%5D&Kind=x");
        assert_eq!(written(IdForm::Numbered), "Id.1=a&Id.2=b%2Fc&Kind=x");
        assert_eq!(written(IdForm::Commas), "Id=a%2Cb%2Fc&Kind=x");
        assert_eq!(written(IdForm::Single), "Id=a&Kind=x");
    }

    #[test]
    fn a_path_takes_its_parameters_out_of_the_query() {
        let mut params: Params = [("id", "a/b"), ("limit", "1")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        assert_eq!(fill_path("/v1/{id}/detail", &mut params), "/v1/a%2Fb/detail");
        assert_eq!(query(&params), "limit=1");
        assert_eq!(fill_path("/", &mut params), "/");
    }
}
