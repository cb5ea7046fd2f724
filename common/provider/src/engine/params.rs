//! What a request asks for: parameters, ids among them, and positions in lists.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::spec::{ByIds, FixedParams, IdForm, Paging};

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
            Self::Token { param, .. } | Self::Pages { param } | Self::Offset { param } => param,
        }
    }

    /// Returns the position of the next page, after one at `position` (`None`
    /// for the first) that had `found` items; `next` is what it said of the
    /// next one. What a vendor counts itself ends nothing: a list that ends
    /// too early is taken for deletions.
    pub(crate) fn next(
        &self,
        position: Option<&str>,
        found: usize,
        next: Option<String>,
    ) -> Option<String> {
        let at = |first: u64| position.map_or(Some(first), |text| text.parse().ok());
        let is_end = found == 0;
        match self {
            Self::Token { .. } => next,
            Self::Pages { .. } | Self::Offset { .. } if is_end => None,
            Self::Pages { .. } => Some(at(1)?.saturating_add(1).to_string()),
            // From where the page ended, not from where it should have: what a
            // short one left out comes then.
            Self::Offset { .. } => Some(at(0)?.saturating_add(found as u64).to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGES: Paging = Paging::Pages { param: "n" };
    const OFFSET: Paging = Paging::Offset { param: "n" };

    fn walk(paging: Paging, pages: &[usize]) -> Vec<String> {
        let mut positions = Vec::new();
        let mut position = None;
        for found in pages {
            position = paging.next(position.as_deref(), *found, None);
            match &position {
                Some(position) => positions.push(position.clone()),
                None => break,
            }
        }
        positions
    }

    #[test]
    fn only_an_empty_page_ends_what_is_counted() {
        assert_eq!(walk(PAGES, &[10, 10, 5, 0, 9]), ["2", "3", "4"]);
        assert_eq!(walk(OFFSET, &[10, 10, 5, 0, 9]), ["10", "20", "25"]);
        assert!(walk(PAGES, &[0, 10]).is_empty());
        assert!(walk(OFFSET, &[0, 10]).is_empty());
    }

    #[test]
    fn an_offset_goes_on_where_a_short_page_ended() {
        assert_eq!(walk(OFFSET, &[9, 10, 5, 0]), ["9", "19", "24"]);
    }

    #[test]
    fn a_position_that_is_no_number_ends_in_no_page() {
        assert_eq!(PAGES.next(Some("x"), 1, None), None);
        assert_eq!(OFFSET.next(Some("x"), 1, None), None);
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
