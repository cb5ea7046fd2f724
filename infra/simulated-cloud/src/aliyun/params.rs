//! The parameters of a request.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::acs3;
use super::error::ApiError;
use crate::front::Request;

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Xml,
}

/// What every call may have.
const COMMON: [&str; 16] = [
    "AcceptLanguage",
    "AccessKeyId",
    "Action",
    "ClientToken",
    "DryRun",
    "Format",
    "RegionId",
    "ResourceOwnerAccount",
    "SecurityToken",
    "Signature",
    "SignatureMethod",
    "SignatureNonce",
    "SignatureType",
    "SignatureVersion",
    "Timestamp",
    "Version",
];

/// The parameters of query and form body together, ordered as they are
/// signed: by the bytes of their names. Of one that is there twice the first
/// counts, so a request that signs both is refused.
#[derive(Debug)]
pub(super) struct Params(BTreeMap<String, String>);

impl Params {
    /// Reads them as forms are: `+` is a space. The vendor's own clients send
    /// it so, though they sign `%20`.
    pub(super) fn read(request: &Request<'_>) -> Self {
        let is_form =
            request.header("content-type").starts_with("application/x-www-form-urlencoded");
        let form = if is_form { request.body } else { &[] };
        let query = form_urlencoded::parse(request.query.as_bytes());
        let mut all = BTreeMap::new();
        // What version 3 of the signature says in headers counts there.
        if let Some(key) = acs3::key_id(request) {
            let header = |name| request.header(name).to_owned();
            all.insert("AccessKeyId".to_owned(), key.to_owned());
            all.insert("Action".to_owned(), header("x-acs-action"));
            all.insert("Version".to_owned(), header("x-acs-version"));
            all.insert("SecurityToken".to_owned(), header("x-acs-security-token"));
            all.insert("Format".to_owned(), "JSON".to_owned());
        }
        for (name, value) in query.chain(form_urlencoded::parse(form)) {
            all.entry(name.into_owned()).or_insert_with(|| value.into_owned());
        }
        Self(all)
    }

    /// Returns a parameter; empty if it is not there. The vendor takes an
    /// empty one as absent.
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

    /// Returns a number.
    pub(super) fn number(&self, name: &str) -> Result<Option<usize>, ApiError> {
        let parse = |text: &str| text.parse().map_err(|_| ApiError::invalid(name));
        self.given(name).map(parse).transpose()
    }

    /// Returns a truth value.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        let parse = |text: &str| match text {
            _ if text.eq_ignore_ascii_case("true") => Ok(true),
            _ if text.eq_ignore_ascii_case("false") => Ok(false),
            _ => Err(ApiError::invalid(name)),
        };
        self.given(name).map(parse).transpose()
    }

    /// Returns a list of up to 100 that is written as a JSON array. An empty
    /// one is a list too.
    pub(super) fn json_list(&self, name: &str) -> Result<Option<Vec<String>>, ApiError> {
        let parse = |text: &str| match serde_json::from_str::<Vec<String>>(text) {
            Ok(list) if list.len() <= 100 => Ok(list),
            _ => Err(ApiError::invalid(name)),
        };
        self.given(name).map(parse).transpose()
    }

    /// Returns a list of up to so many that is written with commas.
    pub(super) fn comma_list(
        &self,
        name: &str,
        most: usize,
    ) -> Result<Option<Vec<String>>, ApiError> {
        let Some(text) = self.given(name) else { return Ok(None) };
        let list: Vec<String> = text.split(',').map(|each| each.trim().to_owned()).collect();
        if list.len() > most { Err(ApiError::invalid(name)) } else { Ok(Some(list)) }
    }

    /// Checks that nothing is asked for but what is simulated, beside what
    /// every call has. To ignore a filter would list what was not asked for.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), ApiError> {
        let is_known = |name: &str| {
            let stem = name.split('.').next().unwrap_or_default();
            known.contains(&stem) || COMMON.contains(&stem)
        };
        match self.0.iter().find(|(name, value)| !value.is_empty() && !is_known(name)) {
            Some((name, _)) => Err(ApiError::not_simulated(name)),
            None => Ok(()),
        }
    }

    /// Returns a list that is written as `Name.1`, `Name.2` and so on.
    pub(super) fn numbered(&self, name: &str, most: usize) -> Result<Vec<String>, ApiError> {
        let list = (1..=most).map_while(|n| self.given(&format!("{name}.{n}")));
        if self.given(&format!("{name}.{}", most + 1)).is_some() {
            return Err(ApiError::invalid(name));
        }
        Ok(list.map(str::to_owned).collect())
    }

    /// Returns the format that is asked for. What is not JSON is XML.
    pub(super) fn format(&self) -> Format {
        if self.get("Format").eq_ignore_ascii_case("JSON") { Format::Json } else { Format::Xml }
    }

    /// Returns the time of the request.
    pub(super) fn timestamp(&self) -> Result<Timestamp, ApiError> {
        let text = self.require("Timestamp")?;
        let whole = text.len() == "2026-11-22T08:00:00Z".len() && text.ends_with('Z');
        text.parse().ok().filter(|_| whole).ok_or_else(ApiError::malformed_time)
    }

    /// Returns every parameter, in the order of signing.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}
