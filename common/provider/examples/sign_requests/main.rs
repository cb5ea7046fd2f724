//! Prints a vendor's requests signed by this crate, one JSON object a line,
//! for the scripts in `tests/peers` to check with the vendor's own code.

mod aliyun;
mod aws;
mod huawei;
mod tencent;

use std::collections::BTreeMap;
use std::io::{self, Write};

use jiff::Timestamp;

/// Parameters, by name.
type Pairs = &'static [(&'static str, &'static str)];

/// Parameters that are easily signed wrongly: what encoders disagree about,
/// what sorts differently by bytes than by letters, what is empty.
const AWKWARD: &[Pairs] = &[
    &[],
    &[("NextToken", "AAAAAVkPyzXz0sQ9mMvNGBQBxWVJ9pfyx0lm+Y2u/8U=")],
    &[("InstanceName", "web prod  01 ")],
    &[("InstanceName", "web*"), ("Tilde", "~-_."), ("Plus", "a+b%2Bc%20d")],
    &[("InstanceName", "生产环境-数据库"), ("Emoji", "🦀é\u{301}")],
    &[("InstanceIds", "[]"), ("Description", "")],
    &[("InstanceIds", r#"["i-1","i-2"]"#), ("DryRun", "true")],
    &[("Tag.1.Key", "a"), ("Tag.10.Key", "b"), ("Tag.2.Key", "c"), ("tag", "d"), ("Tag_", "e")],
    &[("Reserved", ":/?#[]@!$&'()*+,;=\"<>\\^`{|}"), ("Control", "\u{1}\t\r\n\u{7f}")],
    &[("Ключ", "значение"), ("a&b=c", "d=e&f")],
];

/// Tokens of temporary credentials, and of none.
const TOKENS: [Option<&str>; 2] = [None, Some("CAISxyz+/==&% token")];

type Print = fn(&mut dyn Write) -> io::Result<()>;

/// One line a vendor.
const VENDORS: &[(&str, Print)] = &[
    ("aliyun", aliyun::print),
    ("aws", |mut out| aws::print(&mut out)),
    ("huawei", huawei::print),
    ("tencent", tencent::print),
];

fn main() -> io::Result<()> {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let Some((_, print)) = VENDORS.iter().find(|(name, _)| *name == wanted) else {
        let known: Vec<_> = VENDORS.iter().map(|(name, _)| *name).collect();
        let text = format!("usage: sign_requests VENDOR; known: {}", known.join(", "));
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    };
    print(&mut io::stdout().lock())
}

/// Returns the secret that a request is signed with.
fn secret(n: i64) -> &'static str {
    ["testsecret", "s3cr&t +/=密"][usize::from(n % 2 == 1)]
}

/// Returns when a request is signed.
fn at(n: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(24 * 365 * 56 + n)
}

/// Returns parameters as those who sign take them.
fn owned(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
