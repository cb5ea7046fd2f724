//! The parameters of a request: one JSON object.

use serde_json::{Map, Value};

use super::error::ApiError;
use crate::front::Request;

/// The parameters of an action.
pub(super) struct Params(Map<String, Value>);

/// A filter: its name, and values of which one has to fit.
pub(super) struct Filter {
    pub name: String,
    pub values: Vec<String>,
}

impl Params {
    /// Reads the body. Of parameters, only those named are known.
    pub(super) fn read(request: &Request<'_>, known: &[&str]) -> Result<Self, ApiError> {
        if request.method != "POST" {
            return Err(ApiError::unsupported_protocol("method"));
        }
        if !request.header("content-type").starts_with("application/json") {
            return Err(ApiError::unsupported_protocol("content type"));
        }
        let Ok(Value::Object(all)) = serde_json::from_slice(request.body) else {
            return Err(ApiError::new("InvalidParameter", "The request body is no JSON object."));
        };
        match all.keys().find(|name| !known.contains(&name.as_str())) {
            Some(unknown) => Err(ApiError::unknown(unknown)),
            None => Ok(Self(all)),
        }
    }

    fn given(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// Returns a number that is not negative.
    pub(super) fn number(&self, name: &str) -> Result<Option<usize>, ApiError> {
        let number = |value: &Value| {
            let number = value.as_u64().and_then(|number| usize::try_from(number).ok());
            number.ok_or_else(|| ApiError::invalid(name))
        };
        self.given(name).map(number).transpose()
    }

    /// Returns a text that has to be there.
    pub(super) fn text(&self, name: &str) -> Result<&str, ApiError> {
        let value = self.given(name).ok_or_else(|| ApiError::missing(name))?;
        value.as_str().filter(|text| !text.is_empty()).ok_or_else(|| ApiError::invalid(name))
    }

    /// Returns a list of texts. An empty one is none.
    pub(super) fn list(&self, name: &str, most: usize) -> Result<Vec<String>, ApiError> {
        let Some(value) = self.given(name) else { return Ok(Vec::new()) };
        let list = texts(value).ok_or_else(|| ApiError::invalid(name))?;
        if list.len() > most { Err(ApiError::too_many(name)) } else { Ok(list) }
    }

    /// Returns a list of numbers. An empty one is none.
    pub(super) fn numbers(&self, name: &str) -> Result<Vec<u64>, ApiError> {
        let Some(value) = self.given(name) else { return Ok(Vec::new()) };
        let list = value.as_array().and_then(|list| list.iter().map(Value::as_u64).collect());
        list.ok_or_else(|| ApiError::invalid(name))
    }

    /// Returns the filters: at most ten, each with at most five values.
    pub(super) fn filters(&self) -> Result<Vec<Filter>, ApiError> {
        let Some(given) = self.given("Filters") else { return Ok(Vec::new()) };
        let given = given.as_array().ok_or_else(|| ApiError::invalid("Filters"))?;
        let read = |filter: &Value| {
            let name = filter["Name"].as_str().ok_or_else(|| ApiError::invalid("Filters.Name"))?;
            let values = texts(&filter["Values"]);
            let values = values.ok_or_else(|| ApiError::invalid("Filters.Values"))?;
            let filter = Filter { name: name.to_owned(), values };
            if filter.values.len() > 5 { Err(too_many_filters()) } else { Ok(filter) }
        };
        if given.len() > 10 {
            return Err(too_many_filters());
        }
        given.iter().map(read).collect()
    }

    /// Returns which items are wanted: from where on, and how many.
    pub(super) fn page(&self, most: usize) -> Result<(usize, usize), ApiError> {
        let limit = self.number("Limit").map_err(|_| limit_error())?.unwrap_or(20);
        let offset = self.number("Offset").map_err(|_| {
            ApiError::new("InvalidParameterValueOffset", "The value of `Offset` is not valid.")
        })?;
        if limit == 0 || limit > most {
            return Err(limit_error());
        }
        Ok((offset.unwrap_or(0), limit))
    }
}

fn texts(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect()
}

fn limit_error() -> ApiError {
    ApiError::new("InvalidParameterValueLimit", "The value of `Limit` is not valid.")
}

fn too_many_filters() -> ApiError {
    let message = "There are more filters, or values of one, than are allowed.";
    ApiError::new("InvalidFilterValue.LimitExceeded", message)
}
