//! What is easily signed wrongly, at any vendor.

use std::collections::BTreeMap;

use jiff::Timestamp;

/// Parameters, by name.
pub type Pairs = &'static [(&'static str, &'static str)];

/// Parameters that are easily signed wrongly: what encoders disagree about,
/// what sorts differently by bytes than by letters, what is empty.
pub const AWKWARD: &[Pairs] = &[
    &[],
    &[("NextToken", "AAAAAVkPyzXz0sQ9mMvNGBQBxWVJ9pfyx0lm+Y2u/8U=")],
    &[("InstanceName", "web prod  01 ")],
    &[("InstanceName", "web*"), ("Tilde", "~-_."), ("Plus", "a+b%2Bc%20d")],
    &[("InstanceName", "生产环境-数据库"), ("Emoji", "🦀é\u{301}")],
    &[("InstanceIds", "[]"), ("Description", "")],
    &[("InstanceIds", r#"["i-1","i-2"]"#), ("DryRun", "true")],
    &[("Tag.1.Key", "a"), ("Tag.10.Key", "b"), ("Tag.2.Key", "c"), ("tag", "d"), ("Tag_", "e")],
    &[("Reserved", ":/?#[]@!$&'()*+,;=\"<>\\^`{|}"), ("Control", "\u{1}\t\r\n\u{7f}")],
];

/// Tokens of temporary credentials, and of none.
pub const TOKENS: [Option<&str>; 2] = [None, Some("CAISxyz+/==&% token")];

/// Returns the secret that a request is signed with.
pub fn secret(n: i64) -> &'static str {
    ["testsecret", "s3cr&t +/=密"][usize::from(n % 2 == 1)]
}

/// Returns when a request is signed.
pub fn at(n: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(24 * 365 * 56 + n)
}

/// Returns parameters as those who sign take them.
pub fn owned(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
