//! What lists are filtered by. Everything is bounded and checked before it
//! reaches a key.

use cloud_sync_core::query::ScopeFilter;
use cloud_sync_core::resource::is_resource_id;
use cloud_sync_core::scope::{Kind, Scope, is_key_word};

use crate::Problem;

/// A parameter has at most so many values.
const MOST_VALUES: usize = 100;

/// The longest text that is compared with, in bytes.
const LONGEST_TEXT: usize = 1024;

/// Returns which scopes a request means.
pub(crate) fn scopes(
    account_ids: Vec<String>,
    kinds: Vec<Kind>,
    regions: Vec<String>,
) -> Result<ScopeFilter, Problem> {
    check_count("kind", &kinds)?;
    check_words("account", &account_ids)?;
    check_words("region", &regions)?;
    Ok(ScopeFilter { account_ids, kinds, regions })
}

/// Returns the scope that a path or body names.
pub(crate) fn scope(account_id: String, kind: Kind, region: String) -> Result<Scope, Problem> {
    check_word("account_id", &account_id)?;
    check_word("region", &region)?;
    Ok(Scope { account_id, kind, region })
}

/// Checks that a parameter has not too many values.
pub(crate) fn check_count<T>(field: &str, values: &[T]) -> Result<(), Problem> {
    let fits = values.len() <= MOST_VALUES;
    fits.then_some(()).ok_or_else(|| Problem::field(field, format!("at most {MOST_VALUES}")))
}

/// Checks values that are parts of keys.
pub(crate) fn check_words(field: &str, words: &[String]) -> Result<(), Problem> {
    check_count(field, words)?;
    words.iter().try_for_each(|word| check_word(field, word))
}

/// Checks a value that is a part of a key.
pub(crate) fn check_word(field: &str, word: &str) -> Result<(), Problem> {
    let reason = "expected 1 to 64 letters, digits, `-`, `_` or `.`";
    is_key_word(word).then_some(()).ok_or_else(|| Problem::field(field, reason))
}

/// Checks ids of resources.
pub(crate) fn check_ids(field: &str, ids: &[String]) -> Result<(), Problem> {
    check_count(field, ids)?;
    let are_ids = ids.iter().all(|id| is_resource_id(id));
    are_ids.then_some(()).ok_or_else(|| Problem::field(field, "expected 1 to 256 bytes"))
}

/// Checks a text that is compared with.
pub(crate) fn check_text(field: &str, text: &str) -> Result<(), Problem> {
    let fits = (1..=LONGEST_TEXT).contains(&text.len());
    let reason = || format!("expected 1 to {LONGEST_TEXT} bytes");
    fits.then_some(()).ok_or_else(|| Problem::field(field, reason()))
}
