//! Prints a vendor's requests signed by this crate, one JSON object a line,
//! for `tests/peers/verify_signatures.py` to check with the vendor's own code.

mod aliyun;
mod awkward;
mod huawei;
mod tencent;

use std::io::{self, Write};

use serde_json::Value;

/// Makes the requests of a vendor.
type Requests = fn() -> Vec<Value>;

/// One line a vendor.
const VENDORS: &[(&str, Requests)] =
    &[("aliyun", aliyun::requests), ("huawei", huawei::requests), ("tencent", tencent::requests)];

fn main() -> io::Result<()> {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let Some((_, requests)) = VENDORS.iter().find(|(name, _)| *name == wanted) else {
        let known: Vec<_> = VENDORS.iter().map(|(name, _)| *name).collect();
        let text = format!("usage: sign_requests VENDOR; known: {}", known.join(", "));
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    };
    let mut out = io::stdout().lock();
    requests().into_iter().try_for_each(|request| writeln!(out, "{request}"))
}
