//! Vendors' error codes to classes, by table. The code decides, not the HTTP
//! status: Alibaba Cloud throttles with 400, Tencent errs with 200.

use cloud_sync_core::error::ErrorClass;
use reqwest::StatusCode;

/// At most so many characters of a text from outside go into an error.
const MOST_TEXT: usize = 400;

/// At most so many bytes of an answer that is no answer are shown.
const MOST_SNIPPET: usize = 120;

/// What a code means.
pub(crate) struct Rule {
    /// The code; with a `*` at its end, every code that begins like it.
    pub code: &'static str,
    /// The class of the error.
    pub class: ErrorClass,
    /// What a person can do about it; empty where the vendor's message says
    /// enough.
    pub hint: &'static str,
}

/// Returns a rule.
pub(crate) const fn rule(code: &'static str, class: ErrorClass, hint: &'static str) -> Rule {
    Rule { code, class, hint }
}

/// Returns the first rule that fits a code.
pub(crate) fn rule_for(rules: &'static [Rule], code: &str) -> Option<&'static Rule> {
    rules.iter().find(|rule| match rule.code.strip_suffix('*') {
        Some(prefix) => code.starts_with(prefix),
        None => code == rule.code,
    })
}

/// Returns the class of an error whose code is in no table, or that has none.
/// What the vendor calls our fault is ours.
pub(crate) fn class_of_status(status: StatusCode) -> ErrorClass {
    if status == StatusCode::TOO_MANY_REQUESTS {
        ErrorClass::Throttled
    } else if status.is_server_error() {
        ErrorClass::Network
    } else {
        ErrorClass::Internal
    }
}

/// Cuts a text from outside.
pub(crate) fn bounded(text: &str) -> String {
    text.char_indices()
        .nth(MOST_TEXT)
        .map_or_else(|| text.to_owned(), |(end, _)| format!("{}…", &text[..end]))
}

/// Returns the beginning of a body that is not what was expected, in one line.
/// A word that does not end in it is left out: the beginning of a secret would
/// not be known for one.
pub(crate) fn snippet(body: &[u8]) -> String {
    let start = String::from_utf8_lossy(&body[..body.len().min(MOST_SNIPPET)]);
    let is_cut = body.len() > MOST_SNIPPET;
    let is_of_a_word = |c: char| is_cut && (c.is_alphanumeric() || "+/=%-_.~\u{fffd}".contains(c));
    let words: Vec<_> = start.trim_end_matches(is_of_a_word).split_whitespace().collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_was_cut_is_not_shown() {
        let token = "CAIS+0123456789/abcdefghijklmnopqrstuvwxyz==";
        for length in 60..130 {
            let start = "a ".repeat(length / 2);
            let shown = snippet(format!("{start}{token}").as_bytes());
            let is_whole = start.len() + token.len() <= MOST_SNIPPET;
            assert_eq!(shown.contains("CAIS"), is_whole, "{length}: {shown}");
            assert!(shown.starts_with("a a a"), "{length}: {shown}");
        }
        assert_eq!(snippet(b"<html>\n  busy"), "<html> busy");
    }
}
