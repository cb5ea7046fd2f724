//! Prints requests signed by this crate, one JSON object a line, for
//! `tests/peers/verify_signatures.py` and, with an argument that names another
//! vendor, that vendor's script beside it, to check with the vendor's own code.

#[path = "sign_requests/aws.rs"]
mod aws;

use std::collections::BTreeMap;
use std::io::{self, Write};

use cloud_sync_core::credentials::Credentials;
use cloud_sync_provider::aliyun::sign;
use jiff::Timestamp;
use serde_json::json;

/// Parameters that are easily signed wrongly: what encoders disagree about,
/// what sorts differently by bytes than by letters, what is empty.
const AWKWARD: &[&[(&str, &str)]] = &[
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

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    if std::env::args().nth(1).as_deref() == Some("aws") {
        return aws::print(&mut out);
    }
    for token in [None, Some("CAISxyz+/==&% token")] {
        for method in ["GET", "POST"] {
            for (n, extra) in (0..).zip(AWKWARD) {
                writeln!(out, "{}", line(token, method, n, extra))?;
            }
        }
    }
    Ok(())
}

fn line(token: Option<&str>, method: &str, n: i64, extra: &[(&str, &str)]) -> String {
    let secret = ["testsecret", "s3cr&t +/=密"][usize::from(n % 2 == 1)];
    let credentials = Credentials {
        access_key_id: "STS.LTAI-example".to_owned(),
        access_key_secret: secret.to_owned().into(),
        security_token: token.map(|token| token.to_owned().into()),
    };
    let fixed = [("Action", "DescribeInstances"), ("Version", "2014-05-26")];
    let params: BTreeMap<_, _> = fixed
        .iter()
        .chain(extra)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let at = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(24 * 365 * 56 + n);
    let params = sign::signed(&credentials, method, params, &format!("nonce-{method}-{n}"), at);
    json!({ "method": method, "params": params, "secret": secret }).to_string()
}
