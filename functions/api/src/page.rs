//! Lists, a page at a time.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

/// A page has at most so many items.
pub(crate) const MOST_ITEMS: u16 = 1000;

/// What a page holds has at most so many bytes of JSON: an answer through
/// Lambda has 6 MB.
pub(crate) const MOST_BYTES: usize = 4 << 20;

/// The longest cursor that is read.
const LONGEST_CURSOR: usize = 5 * 1024;

/// A page of a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Give it as `cursor` for the items after these; absent where there are
    /// none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// What room there is left in a page.
pub(crate) struct Room {
    left: usize,
    is_empty: bool,
}

impl Default for Room {
    fn default() -> Self {
        Self { left: MOST_BYTES, is_empty: true }
    }
}

impl Room {
    /// Takes the room that an item needs, and tells whether there was as much.
    /// There always is for the first: items are bounded, and a page has to
    /// lead on.
    pub(crate) fn takes(&mut self, item: &impl Serialize) -> bool {
        let left = self.left.checked_sub(size(item));
        let fits = self.is_empty || left.is_some();
        (self.left, self.is_empty) = (left.unwrap_or_default(), false);
        fits
    }

    /// Returns how many of some items there is room for, from the first on.
    pub(crate) fn count(mut self, items: &[impl Serialize]) -> usize {
        items.iter().take_while(|item| self.takes(item)).count()
    }
}

/// Returns how many bytes a value has in an answer through Lambda, where the
/// JSON is a text in JSON itself and has its quotes escaped.
pub(crate) fn size(value: &impl Serialize) -> usize {
    // What is answered has a JSON form.
    let text = serde_json::to_vec(value).unwrap_or_default();
    text.len() + text.iter().filter(|byte| matches!(byte, b'"' | b'\\')).count()
}

/// How many items a page may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u16")]
pub(crate) struct Limit(u16);

impl Limit {
    /// Returns the highest there is.
    pub(crate) const fn most() -> Self {
        Self(MOST_ITEMS)
    }

    /// Returns the number.
    pub(crate) fn get(self) -> usize {
        self.0.into()
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(100)
    }
}

impl TryFrom<u16> for Limit {
    type Error = String;

    fn try_from(limit: u16) -> Result<Self, String> {
        let fits = (1..=MOST_ITEMS).contains(&limit);
        fits.then_some(Self(limit)).ok_or_else(|| format!("expected 1 to {MOST_ITEMS}"))
    }
}

/// Where a page begins. Opaque to callers: the position in JSON, in base64url.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cursor<T>(pub T);

impl<T: Serialize> Cursor<T> {
    /// Returns what callers are given.
    pub(crate) fn text(&self) -> String {
        // A position is made of texts, numbers and times.
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&self.0).unwrap_or_default())
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Cursor<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = || D::Error::custom("this is no cursor that a list like this one gave");
        let text = String::deserialize(deserializer)?;
        if text.len() > LONGEST_CURSOR {
            return Err(wrong());
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| wrong())?;
        serde_json::from_slice(&bytes).map(Self).map_err(|_| wrong())
    }
}
