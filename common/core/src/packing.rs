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

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        let length = self.length()?;
        std::str::from_utf8(self.bytes(length)?).ok()
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
}
