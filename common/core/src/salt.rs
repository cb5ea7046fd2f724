//! Hashes that hold for one task: what has the same in one has not in another.

use sha2::{Digest, Sha256};
use siphasher::sip::SipHasher13;

/// A keyed hash, SipHash-1-3, whose key is made of a text. It is the same in
/// every process and every version, since checkpoints keep hashes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Salt(SipHasher13);

impl Salt {
    pub(crate) fn of(text: &str) -> Self {
        let (mut key, digest) = ([0; 16], Sha256::digest(text));
        key.copy_from_slice(&digest[..16]);
        Self(SipHasher13::new_with_key(&key))
    }

    /// Returns 64 bits.
    pub(crate) fn hash(&self, bytes: impl AsRef<[u8]>) -> u64 {
        self.0.hash(bytes.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checkpoints of an earlier version have to be read, or to be refused by
    /// their format: see [`crate::ids`] and [`crate::disks`].
    #[test]
    fn a_hash_is_what_it_was_and_another_under_another_salt() {
        assert_eq!(Salt::of("t").hash(b"i-1"), 17_241_026_664_744_692_806);
        assert_ne!(Salt::of("u").hash(b"i-1"), Salt::of("t").hash(b"i-1"));
    }
}
