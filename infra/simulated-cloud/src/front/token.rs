//! Page tokens: opaque, and good only for the listing they came from.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// Bytes of a seal.
const SEAL: usize = 12;
/// Bytes of a position: code and count.
const POSITION: usize = 12;

/// Where a page ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// The code of the last item.
    pub after: u64,
    /// How many items were listed so far.
    pub listed: u32,
}

/// Returns the token of a position in a listing. `listing` says which: account,
/// region, action and filters.
pub(crate) fn seal(position: Position, listing: &str, seed: u64) -> String {
    let mut plain = [0; POSITION];
    plain[..8].copy_from_slice(&position.after.to_be_bytes());
    plain[8..].copy_from_slice(&position.listed.to_be_bytes());
    let seal = digest(seed, &[listing.as_bytes(), &plain]);
    let hidden = mask(plain, &seal, seed);
    BASE64_STANDARD.encode([seal, hidden].concat())
}

/// Returns the position that a token stands for, if it is of that listing.
pub(crate) fn open(token: &str, listing: &str, seed: u64) -> Option<Position> {
    let bytes = BASE64_STANDARD.decode(token).ok()?;
    let seal: [u8; SEAL] = bytes.get(..SEAL)?.try_into().ok()?;
    let hidden: [u8; POSITION] = bytes.get(SEAL..)?.try_into().ok()?;
    let plain = mask(hidden, &seal, seed);
    let position = Position {
        after: u64::from_be_bytes(plain[..8].try_into().ok()?),
        listed: u32::from_be_bytes(plain[8..].try_into().ok()?),
    };
    (digest(seed, &[listing.as_bytes(), &plain]) == seal).then_some(position)
}

fn mask(bytes: [u8; POSITION], seal: &[u8; SEAL], seed: u64) -> [u8; POSITION] {
    let pad = digest(seed, &[seal]);
    std::array::from_fn(|n| bytes[n] ^ pad[n])
}

fn digest(seed: u64, parts: &[&[u8]]) -> [u8; SEAL] {
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(&seed.to_be_bytes()) else {
        // HMAC takes keys of any length.
        return [0; SEAL];
    };
    for part in parts {
        mac.update(part);
    }
    let whole = mac.finalize().into_bytes();
    std::array::from_fn(|n| whole[n])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_its_own_listing_only() {
        let position = Position { after: u64::MAX - 7, listed: 300 };
        let token = seal(position, "demo cn-hangzhou", 1);
        assert_eq!(open(&token, "demo cn-hangzhou", 1), Some(position));
        assert_eq!(open(&token, "demo cn-beijing", 1), None);
        assert_eq!(open(&token, "demo cn-hangzhou", 2), None);
        for broken in ["", "AAAA", "no base64!", &token[1..], &format!("A{}", &token[1..])] {
            assert!(broken == token || open(broken, "demo cn-hangzhou", 1).is_none(), "{broken}");
        }
    }
}
