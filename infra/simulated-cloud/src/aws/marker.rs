//! Pages of the query protocols: `Marker` and `MaxRecords`.

use serde_json::{Value, json};

use super::Asked;
use super::error::ApiError;
use crate::front::token::{self, Position};

/// The sizes that a page may have.
const SIZES: (usize, usize) = (20, 100);

/// Which page is asked for.
pub(super) struct Page {
    pub position: Option<Position>,
    pub size: usize,
    listing: String,
    seed: u64,
}

impl Page {
    /// Reads it.
    pub(super) fn read(asked: &Asked<'_>) -> Result<Self, ApiError> {
        let size = asked.params.number("MaxRecords", SIZES)?.unwrap_or(SIZES.1);
        let seed = asked.world.seed();
        let call = &asked.admitted.call;
        let listing = asked.params.listing(&call.account, &call.region);
        let open = |text: &str| {
            let found = token::open(text, &listing, seed);
            found.filter(|_| !asked.admitted.rejects_token()).ok_or_else(|| {
                let message = format!("Marker {text} is not valid.");
                ApiError::new(400, "InvalidParameterValue", message)
            })
        };
        let position = asked.params.given("Marker").map(open).transpose()?;
        Ok(Self { position, size, listing, seed })
    }

    /// Adds the marker of the next page to a reply, if there is one.
    pub(super) fn reply(&self, mut reply: Value, next: Option<Position>) -> Value {
        if let Some(position) = next {
            reply["Marker"] = json!(token::seal(position, &self.listing, self.seed));
        }
        reply
    }
}
