//! The parameters of a request: its query.

use super::error::ApiError;
use crate::front::Request;
use crate::front::sign::pairs;

/// The parameters of a call.
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    /// Reads the query. Of parameters, only those named are known.
    pub(super) fn read(request: &Request<'_>, known: &[&str]) -> Result<Self, ApiError> {
        let all = pairs(request.query);
        match all.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((unknown, _)) => Err(ApiError::unknown(unknown)),
            None => Ok(Self(all)),
        }
    }

    /// Returns a parameter that is there and not empty.
    pub(super) fn given(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(given, value)| given == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    /// Returns a number up to a most.
    pub(super) fn number(&self, name: &str, most: usize) -> Result<Option<usize>, ApiError> {
        let parse = |text: &str| match text.parse() {
            Ok(number) if number <= most => Ok(number),
            _ => Err(ApiError::invalid(name)),
        };
        self.given(name).map(parse).transpose()
    }

    /// Tells whether a filter, if it is given, fits.
    pub(super) fn fits(&self, name: &str, fits: impl Fn(&str) -> bool) -> bool {
        self.given(name).is_none_or(fits)
    }
}
