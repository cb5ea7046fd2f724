//! How the values of options are written.

use cloud_sync_core::query::TagFilter;
use cloud_sync_core::resource::Status;
use cloud_sync_core::scope::Kind;
use cloud_sync_provider::Registry;
use jiff::civil::Date;
use jiff::{SignedDuration, Span, Timestamp};
use simulated_cloud::Provider;

/// Reads a duration: `90s`, `2m`, `1h 30m`.
pub(super) fn parse_duration(text: &str) -> Result<SignedDuration, String> {
    let hint = "expected a time like 90s, 2m or 1h";
    // A bare number is taken for seconds.
    let seconds = text.parse::<u32>().map(|seconds| SignedDuration::from_secs(seconds.into()));
    let duration = seconds.or_else(|_| text.parse()).map_err(|_| hint.to_owned())?;
    let longest = SignedDuration::from_hours(24 * 30);
    if duration.is_positive() && duration <= longest { Ok(duration) } else { Err(hint.to_owned()) }
}

/// Reads a time, a day (its beginning, in UTC), or how long ago.
pub(super) fn parse_since(text: &str) -> Result<Timestamp, String> {
    parse_since_at(text, Timestamp::now())
}

fn parse_since_at(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let day = text.parse::<Date>().ok().filter(|_| text.len() == "2026-11-01".len());
    if let Some(day) = day.and_then(|day| day.in_tz("UTC").ok()) {
        return Ok(day.timestamp());
    }
    let ago = text.parse::<Span>().ok().and_then(|span| {
        let before = now.in_tz("UTC").ok()?.checked_sub(span.abs()).ok()?;
        Some(before.timestamp())
    });
    ago.ok_or_else(|| {
        "expected a time (2026-11-01T12:00:00Z), a day (2026-11-01), or how long ago (30m, 2h, 1d)"
            .to_owned()
    })
}

/// Reads a kind that is known.
pub(super) fn parse_kind(text: &str) -> Result<Kind, String> {
    let kind = text.parse::<Kind>().map_err(|error| error.to_string())?;
    Registry::check_kind(&kind).map_err(|error| error.to_string())?;
    Ok(kind)
}

/// Reads a status of the common set.
pub(super) fn parse_status(text: &str) -> Result<Status, String> {
    serde_json::from_value(text.into()).map_err(|error| error.to_string())
}

/// Reads `KEY=VALUE`, or `KEY` for any value.
pub(super) fn parse_tag(text: &str) -> Result<TagFilter, String> {
    let tag = match text.split_once('=') {
        Some((key, value)) => TagFilter::Is(key.to_owned(), value.to_owned()),
        None => TagFilter::Key(text.to_owned()),
    };
    if text.is_empty() || text.starts_with('=') {
        return Err("expected KEY=VALUE, or KEY for any value".to_owned());
    }
    Ok(tag)
}

/// Reads the short name of a vendor.
pub(super) fn parse_provider(text: &str) -> Result<Provider, String> {
    let known = || Provider::ALL.map(Provider::name).join(", ");
    let found = Provider::ALL.into_iter().find(|provider| provider.name() == text);
    found.ok_or_else(|| format!("expected one of {}", known()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let now: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
        let read = |text| parse_since_at(text, now).map(|time| time.to_string());
        assert_eq!(read("2026-11-01T12:00:00+08:00").unwrap(), "2026-11-01T04:00:00Z");
        assert_eq!(read("2026-11-01").unwrap(), "2026-11-01T00:00:00Z");
        assert_eq!(read("90m").unwrap(), "2026-11-23T08:30:00Z");
        assert_eq!(read("1d").unwrap(), "2026-11-22T10:00:00Z");
        assert_eq!(read("2 hours ago").unwrap(), "2026-11-23T08:00:00Z");
        for wrong in ["", "yesterday", "2026-13-01", "12"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_have_units_and_an_end() {
        let read = |text| parse_duration(text).map(|duration| duration.as_secs());
        assert_eq!((read("2m"), read("90s"), read("1h 30m")), (Ok(120), Ok(90), Ok(5400)));
        assert_eq!(read("45"), Ok(45));
        for wrong in ["", "-2m", "0s", "soon", "9999h"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_tag_may_have_an_empty_value_or_any() {
        let is = |value: &str| TagFilter::Is("env".into(), value.into());
        assert_eq!(parse_tag("env=prod").unwrap(), is("prod"));
        assert_eq!(parse_tag("env=").unwrap(), is(""));
        assert_eq!(parse_tag("env").unwrap(), TagFilter::Key("env".into()));
        assert!(parse_tag("=x").is_err());
    }
}
