//! What the vendors' signatures have in common: all but Alibaba Cloud's older
//! one are HMAC-SHA256 over a canonical request.

use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};

use super::Request;

/// Returns bytes as hexadecimal digits, in lower case.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the SHA-256 of bytes, as hexadecimal digits.
pub(crate) fn hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Returns the HMAC-SHA256 of a text.
pub(crate) fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    // HMAC takes keys of any length.
    Hmac::<Sha256>::new_from_slice(key)
        .map_or_else(|_| Vec::new(), |mac| mac.chain_update(text).finalize().into_bytes().to_vec())
}

/// Tells whether a signature, in hexadecimal digits, is that of a text.
pub(crate) fn is_signed(key: &[u8], text: &str, signature: &str) -> bool {
    let digits = signature.as_bytes().chunks(2).map(|pair| {
        std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok())
    });
    let Some(given) = digits.collect::<Option<Vec<u8>>>() else { return false };
    Hmac::<Sha256>::new_from_slice(key)
        .is_ok_and(|mac| mac.chain_update(text).verify_slice(&given).is_ok())
}

/// What is not written as itself.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Returns a text as vendors write it in what is signed.
pub(crate) fn escape(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

/// Returns a text without escapes. A plus is a plus.
pub(crate) fn unescape(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Returns the names and values of a query, without escapes, as they came.
pub(crate) fn pairs(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(name, value)| (unescape(name), unescape(value))).collect()
}

/// The parts of an `Authorization` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Authorization<'a> {
    /// Who signed, and what for.
    pub credential: &'a str,
    /// The names of the headers that were signed, divided by semicolons.
    pub signed_headers: &'a str,
    /// The signature, in hexadecimal digits.
    pub signature: &'a str,
}

impl<'a> Authorization<'a> {
    /// Reads a header: the algorithm, a space, and fields divided by commas.
    /// `credential` is what the field is called that says who signed.
    pub(crate) fn read(header: &'a str, algorithm: &str, credential: &str) -> Option<Self> {
        let fields = header.strip_prefix(algorithm)?.strip_prefix(' ')?;
        let field = |wanted: &str| {
            let mut pairs = fields.split(',').filter_map(|field| field.trim().split_once('='));
            pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value)
        };
        Some(Self {
            credential: field(credential)?,
            signed_headers: field("SignedHeaders")?,
            signature: field("Signature")?,
        })
    }

    /// Returns the signed headers as they are signed: a line each. `None` if
    /// one of them did not arrive.
    pub(crate) fn canonical_headers(
        &self,
        request: &Request<'_>,
        normal: impl Fn(&str) -> String,
    ) -> Option<String> {
        let mut lines = String::new();
        for name in self.signed_headers.split(';') {
            if !request.headers.contains_key(name) {
                return None;
            }
            lines.extend([name, ":", &normal(request.header(name)), "\n"]);
        }
        Some(lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_with_and_without_spaces() {
        for text in [
            "X Access=a/b, SignedHeaders=c;d, Signature=ef",
            "X Access=a/b,SignedHeaders=c;d,Signature=ef",
        ] {
            let read = Authorization::read(text, "X", "Access").expect("an authorization");
            assert_eq!(
                (read.credential, read.signed_headers, read.signature),
                ("a/b", "c;d", "ef")
            );
        }
        assert_eq!(Authorization::read("Y Access=a", "X", "Access"), None);
        assert_eq!(Authorization::read("X Access=a, Signature=ef", "X", "Access"), None);
    }

    #[test]
    fn only_the_signature_itself_is_good() {
        let good = hex(&hmac(b"key", "text"));
        assert!(is_signed(b"key", "text", &good));
        let other = hex(&hmac(b"key", "texts"));
        for bad in ["", "0", "zz", "é", &good[2..], &format!("{good}00"), &other] {
            assert!(!is_signed(b"key", "text", bad), "{bad}");
        }
        assert!(!is_signed(b"other", "text", &good));
    }
}
