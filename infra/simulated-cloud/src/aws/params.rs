//! The parameters of a request: those of the query and of the form.

use std::collections::BTreeMap;

use super::error::ApiError;
use crate::front::Request;

/// Parameters that every action has.
const COMMON: [&str; 3] = ["Action", "Version", "DryRun"];

/// The parameters of a request.
#[derive(Debug)]
pub(super) struct Params(BTreeMap<String, String>);

/// A filter: its name, and values of which one has to fit.
pub(super) struct Filter {
    pub name: String,
    pub values: Vec<String>,
}

impl Params {
    /// Reads query and form.
    pub(super) fn read(request: &Request<'_>) -> Self {
        let is_form =
            request.header("content-type").starts_with("application/x-www-form-urlencoded");
        let form = if is_form { request.body } else { &[] };
        let query = form_urlencoded::parse(request.query.as_bytes());
        let all = query.chain(form_urlencoded::parse(form));
        Self(all.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    /// Refuses parameters other than those named. A list is named without
    /// its numbers: `Filter` for `Filter.1.Value.2`.
    pub(super) fn check_names(&self, known: &[&str]) -> Result<(), ApiError> {
        let stem = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
        let is_known =
            |name: &&String| COMMON.contains(&name.as_str()) || known.contains(&&*stem(name));
        match self.0.keys().find(|name| !is_known(name)) {
            Some(unknown) => Err(ApiError::unknown(unknown)),
            None => Ok(()),
        }
    }

    /// Returns a parameter; empty if it is not there.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Returns a parameter that is there and not empty.
    pub(super) fn given(&self, name: &str) -> Option<&str> {
        Some(self.get(name)).filter(|value| !value.is_empty())
    }

    /// Returns a parameter that has to be there.
    pub(super) fn require(&self, name: &str) -> Result<&str, ApiError> {
        self.given(name).ok_or_else(|| ApiError::missing(name))
    }

    /// Returns a number within bounds.
    pub(super) fn number(
        &self,
        name: &str,
        (least, most): (usize, usize),
    ) -> Result<Option<usize>, ApiError> {
        let parse = |text: &str| match text.parse() {
            Ok(number) if (least..=most).contains(&number) => Ok(number),
            _ => Err(ApiError::invalid(name, text)),
        };
        self.given(name).map(parse).transpose()
    }

    /// Returns a truth value.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        let parse = |text: &str| text.parse().map_err(|_| ApiError::invalid(name, text));
        self.given(name).map(parse).transpose()
    }

    /// Returns a list that is written as `Name.1`, `Name.2` and so on.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let all = (1..).map_while(|n| self.given(&format!("{name}.{n}")));
        all.map(str::to_owned).collect()
    }

    /// Returns the filters.
    pub(super) fn filters(&self) -> Vec<Filter> {
        let names = (1..).map_while(|n| Some((n, self.given(&format!("Filter.{n}.Name"))?)));
        let filter = |(n, name): (usize, &str)| Filter {
            name: name.to_owned(),
            values: self.list(&format!("Filter.{n}.Value")),
        };
        names.map(filter).collect()
    }

    /// Returns what a page token is bound to: whatever says what is listed.
    pub(super) fn listing(&self, account: &str, region: &str) -> String {
        let bound = self.0.iter().filter(|(name, _)| {
            !["NextToken", "MaxResults", "Marker", "MaxRecords"].contains(&name.as_str())
        });
        let mut listing = format!("{account}\n{region}");
        for (name, value) in bound {
            listing.extend(["\n", name, "=", value]);
        }
        listing
    }
}
