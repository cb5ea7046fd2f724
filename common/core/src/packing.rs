//! Writing values into bytes and reading them back, for what is kept packed.

/// Appends a length: seven bits a byte, the lowest first.
pub(crate) fn put_length(bytes: &mut Vec<u8>, length: usize) {
    let mut left = length;
    while left >= 0x80 {
        bytes.push(0x80 | (left & 0x7f) as u8);
        left >>= 7;
    }
    bytes.push(left as u8);
}

/// The signs that ids consist of: sixty-four, so that each takes six bits.
const SIGNS: &[u8; 64] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";

/// Appends a text, in six bits a sign where it has only the signs of ids.
pub(crate) fn put_text(bytes: &mut Vec<u8>, text: &[u8]) {
    let is_plain = text.iter().all(|sign| sign.is_ascii_alphanumeric() || b"-_".contains(sign));
    put_length(bytes, text.len() << 1 | usize::from(is_plain));
    if !is_plain {
        bytes.extend_from_slice(text);
        return;
    }
    for signs in text.chunks(4) {
        let code = |sign| SIGNS.iter().position(|one| *one == sign).unwrap_or(0) as u64;
        let codes = signs.iter().map(|sign| code(*sign));
        let bits = codes.zip([18, 12, 6, 0]).map(|(code, shift)| code << shift).sum::<u64>();
        bytes.extend(&bits.to_be_bytes()[5..][..signs.len().min(3)]);
    }
}

/// Reads values from bytes; `None` where they end too early.
pub(crate) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn length(&mut self) -> Option<usize> {
        let mut length = 0;
        for shift in (0..usize::BITS).step_by(7) {
            let byte = self.byte()?;
            length |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(length);
            }
        }
        None
    }

    /// Reads what [`put_text`] appended, and appends it to `text`.
    pub(crate) fn text(&mut self, text: &mut Vec<u8>) -> Option<()> {
        let length = self.length()?;
        let (mut left, is_plain) = (length >> 1, length & 1 == 1);
        if !is_plain {
            text.extend_from_slice(self.bytes(left)?);
            return Some(());
        }
        while left > 0 {
            let count = left.min(4);
            let taken = self.bytes(count.min(3))?;
            let mut bits = [0; 8];
            bits[5..][..taken.len()].copy_from_slice(taken);
            let bits = u64::from_be_bytes(bits);
            let signs =
                [18, 12, 6, 0].into_iter().map(|shift| SIGNS[(bits >> shift & 63) as usize]);
            text.extend(signs.take(count));
            left -= count;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_as_they_were_written() {
        for length in [0, 1, 127, 128, 800, 16_383, 16_384, usize::MAX] {
            let mut bytes = Vec::new();
            put_length(&mut bytes, length);
            let mut reader = Reader(&bytes);
            assert_eq!((reader.length(), reader.0), (Some(length), &[][..]));
            assert_eq!(Reader(&bytes[..bytes.len() - 1]).length(), None);
        }
    }

    #[test]
    fn texts_are_read_as_they_were_written_and_ids_take_six_bits_a_sign() {
        let ids = ["", "a", "-_", "0zA", "Z9-_", "i-bp1", "d-bp67acfmxazb4p12345"];
        for text in ids.into_iter().chain(["ä", "a b", "#", "a\u{0}"]) {
            let mut bytes = Vec::new();
            put_text(&mut bytes, text.as_bytes());
            let is_id = text.bytes().all(|sign| SIGNS.contains(&sign));
            let length = if is_id { (6 * text.len()).div_ceil(8) } else { text.len() };
            assert_eq!(bytes.len(), 1 + length, "{text}");
            let mut read = Vec::new();
            let mut reader = Reader(&bytes);
            assert_eq!((reader.text(&mut read), reader.0), (Some(()), &[][..]));
            assert_eq!(read, text.as_bytes());
            assert!(Reader(&bytes[..bytes.len() - 1]).text(&mut read).is_none(), "{text}");
        }
    }
}
