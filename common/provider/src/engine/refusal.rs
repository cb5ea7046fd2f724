//! What the refusals of all vendors have in common: a class and a hint by
//! code, no secret, a wait where there is one, both clocks where one is wrong.

use std::time::Duration;

use cloud_sync_core::error::{ErrorClass, VendorError};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{DATE, RETRY_AFTER};

use super::errors::{Rule, bounded, class_of_status, snippet};
use super::http::Reply;
use super::redact::Secrets;
use super::spec::Call;

/// The hint of a rule that blames the time of a request. The error then says
/// what both clocks say.
pub(crate) const SET_CLOCK: &str = "set the clock of this machine";

/// However long a vendor asks to wait, it is asked again after this.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// An answer that is no good, and what it answers.
#[derive(Clone, Copy)]
pub(crate) struct Answered<'a> {
    /// What was called.
    pub call: &'a Call,
    /// The answer.
    pub reply: &'a Reply,
    /// What must not be quoted.
    pub secrets: &'a Secrets,
    /// When.
    pub now: Timestamp,
    /// How long no further call is wanted, where it is that which is refused.
    pub wait: Duration,
}

/// A refusal, in the vendor's words.
#[derive(Clone, Copy)]
pub(crate) struct Refused<'a> {
    /// What the vendor's table of errors says of its code.
    pub rule: Option<&'static Rule>,
    /// The code.
    pub code: &'a str,
    /// The message.
    pub message: &'a str,
    /// What the vendor's people can find the request by.
    pub request_id: &'a str,
    /// The permission that was missing, where it is told.
    pub permission: &'a str,
}

impl Refused<'_> {
    /// Returns the error that it is.
    pub(crate) fn error(self, answered: Answered<'_>) -> VendorError {
        let Answered { call, reply, secrets, now, wait } = answered;
        let hint = self.rule.map_or("", |rule| rule.hint);
        let class = match self.rule.map_or_else(|| class_of_status(reply.status), |it| it.class) {
            // Whoever may not see one resource may see the others.
            ErrorClass::Auth if call.is_of_one && !self.permission.is_empty() => ErrorClass::Data,
            class => class,
        };
        let message = without_secrets(secrets, &self.text(hint));
        let code = bounded(&secrets.redacted(self.code));
        let mut error = VendorError::new(class, call.action, code, message);
        error.retry_after = (class == ErrorClass::Throttled).then_some(wait);
        if hint == SET_CLOCK {
            error.message.push_str(&compare_clocks(reply, now));
        }
        error
    }

    /// Returns what the vendor says and what to do. The vendor's own words
    /// come last, since they may have to be cut.
    fn text(&self, hint: &str) -> String {
        let mut text = match (hint, self.permission) {
            ("", _) => String::new(),
            (hint, "") => format!("{hint}: "),
            (hint, permission) => format!("{hint} {permission}: "),
        };
        if !self.request_id.is_empty() {
            text.push_str(&format!("(request {}) ", self.request_id));
        }
        text.push_str(self.message);
        text
    }
}

/// Returns the error for an answer that is not the vendor's: a proxy's or a
/// gateway's.
pub(crate) fn foreign(answered: Answered<'_>) -> VendorError {
    let Answered { call, reply, secrets, wait, .. } = answered;
    let class = match class_of_status(reply.status) {
        ErrorClass::Internal => ErrorClass::Data,
        class => class,
    };
    let text = format!(
        "HTTP {} with '{}', which is not an error of the vendor's; check that the account's \
         endpoint is the vendor's API",
        reply.status.as_u16(),
        without_secrets(secrets, &snippet(&reply.body))
    );
    let code = format!("Http{}", reply.status.as_u16());
    let mut error = VendorError::new(class, call.action, code, text);
    error.retry_after = (class == ErrorClass::Throttled).then_some(wait);
    error
}

/// Takes secrets out of a refusal of the vendor's, which for one quotes the
/// text it signed, security token and all.
fn without_secrets(secrets: &Secrets, text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let quoted = ["string to sign", "stringtosign"].iter().filter_map(|at| lower.find(at)).min();
    bounded(&secrets.redacted(text[..quoted.unwrap_or(text.len())].trim_end()))
}

/// Returns how long an answer asks to wait in the header that HTTP has for
/// it, in seconds; where it does not, until the vendor's next minute begins.
pub(crate) fn told_wait(reply: &Reply, now: Timestamp) -> Duration {
    let told = reply.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    told.and_then(|text| text.trim().parse().ok())
        .map_or_else(|| to_next_minute(reply, now), Duration::from_secs)
        .min(LONGEST_WAIT)
}

/// Returns how long it is until the vendor's next minute begins.
///
/// Its own clock says when its minute ends. The header has whole seconds, so
/// that this is late by less than one, never early.
pub(crate) fn to_next_minute(reply: &Reply, now: Timestamp) -> Duration {
    let second = server_time(reply).unwrap_or(now).as_second().rem_euclid(60);
    Duration::from_secs(60 - second.unsigned_abs())
}

/// Returns what the vendor's clock says, where it does.
pub(crate) fn server_time(reply: &Reply) -> Option<Timestamp> {
    let date = reply.headers.get(DATE)?.to_str().ok()?;
    rfc2822::DateTimeParser::new().parse_timestamp(date).ok()
}

/// Says how far this machine's clock is from the vendor's.
fn compare_clocks(reply: &Reply, now: Timestamp) -> String {
    let Some(theirs) = server_time(reply) else {
        return format!(" (this machine's clock says {now:.0})");
    };
    let ahead = now.duration_since(theirs);
    let seconds = ahead.as_secs().unsigned_abs();
    let word = if ahead.is_negative() { "behind" } else { "ahead" };
    format!(" (this machine's clock says {now:.0}, the vendor's {theirs}: {seconds} s {word})")
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;
    use reqwest::header::HeaderMap;

    use super::*;

    #[test]
    fn a_wait_is_as_told_or_to_the_next_minute() {
        let wait = |headers: &[(&'static str, &str)]| {
            let headers: HeaderMap =
                headers.iter().map(|(k, v)| (k.parse().unwrap(), v.parse().unwrap())).collect();
            let reply = Reply { status: StatusCode::OK, headers, body: Vec::new() };
            told_wait(&reply, Timestamp::UNIX_EPOCH).as_secs()
        };
        let date = ("date", "Mon, 23 Nov 2026 10:15:48 GMT");
        assert_eq!(wait(&[date, ("retry-after", "7")]), 7);
        assert_eq!(wait(&[date, ("retry-after", "99999")]), LONGEST_WAIT.as_secs());
        assert_eq!(wait(&[date]), 12);
        assert_eq!(wait(&[]), 60);
    }
}
