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

/// The signs that ids consist of: sixty-four, so that each takes six bits. The
/// first thirty-six are all that most vendors' ids have.
const SIGNS: &[u8; 64] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";

/// The number of each sign, 0 for any other.
const CODES: [u8; 256] = {
    let (mut codes, mut number) = ([0; 256], 0);
    while number < SIGNS.len() {
        codes[SIGNS[number] as usize] = number as u8;
        number += 1;
    }
    codes
};

/// So many signs of thirty-six fit sixteen bytes.
const SIGNS_A_NUMBER: usize = 24;

/// How the signs of a text are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// As they are.
    Plain = 0,
    /// In six bits each.
    SixtyFour = 1,
    /// As digits of numbers to the base of thirty-six: 17 signs in 11 bytes.
    ThirtySix = 2,
}

impl Coding {
    /// Returns the shortest for a text.
    pub(crate) fn of(text: &[u8]) -> Self {
        if text.iter().all(|sign| sign.is_ascii_digit() || sign.is_ascii_lowercase()) {
            Self::ThirtySix
        } else if text.iter().all(|sign| sign.is_ascii_alphanumeric() || b"-_".contains(sign)) {
            Self::SixtyFour
        } else {
            Self::Plain
        }
    }

    pub(crate) const fn of_number(number: usize) -> Option<Self> {
        match number {
            0 => Some(Self::Plain),
            1 => Some(Self::SixtyFour),
            2 => Some(Self::ThirtySix),
            _ => None,
        }
    }

    /// Appends a text that has no other signs than this has.
    pub(crate) fn put(self, bytes: &mut Vec<u8>, text: &[u8]) {
        let code = |sign: &u8| CODES[usize::from(*sign)];
        match self {
            Self::Plain => bytes.extend_from_slice(text),
            Self::SixtyFour => {
                for signs in text.chunks(4) {
                    let codes = signs.iter().map(|sign| u64::from(code(sign)));
                    let bits =
                        codes.zip([18, 12, 6, 0]).map(|(code, shift)| code << shift).sum::<u64>();
                    bytes.extend(&bits.to_be_bytes()[5..][..signs.len().min(3)]);
                }
            }
            Self::ThirtySix => {
                for signs in text.chunks(SIGNS_A_NUMBER) {
                    let number =
                        signs.iter().fold(0, |sum, sign| sum * 36 + u128::from(code(sign)));
                    bytes.extend(&number.to_le_bytes()[..bytes_of_digits(signs.len())]);
                }
            }
        }
    }

    /// Reads `length` signs that [`Self::put`] appended, and appends them to
    /// `text`.
    pub(crate) fn read(
        self,
        reader: &mut Reader<'_>,
        length: usize,
        text: &mut Vec<u8>,
    ) -> Option<()> {
        let mut left = length;
        if self == Self::Plain {
            text.extend_from_slice(reader.bytes(left)?);
            return Some(());
        }
        while left > 0 {
            let count = left.min(if self == Self::SixtyFour { 4 } else { SIGNS_A_NUMBER });
            if self == Self::SixtyFour {
                let taken = reader.bytes(count.min(3))?;
                let mut bits = [0; 8];
                bits[5..][..taken.len()].copy_from_slice(taken);
                let bits = u64::from_be_bytes(bits);
                let signs = [18, 12, 6, 0].map(|shift| SIGNS[(bits >> shift & 63) as usize]);
                text.extend(&signs[..count]);
            } else {
                let taken = reader.bytes(bytes_of_digits(count))?;
                let mut number = [0; 16];
                number[..taken.len()].copy_from_slice(taken);
                let begin = text.len();
                text.resize(begin + count, 0);
                write_digits(u128::from_le_bytes(number), &mut text[begin..]);
            }
            left -= count;
        }
        Some(())
    }
}

/// Writes a number to the base of thirty-six.
fn write_digits(mut number: u128, signs: &mut [u8]) {
    // So many digits fit 64 bits, which are much faster to divide.
    const FIT: u32 = 12;
    for signs in signs.rchunks_mut(FIT as usize) {
        let mut digits = (number % 36_u128.pow(FIT)) as u64;
        number /= 36_u128.pow(FIT);
        for sign in signs.iter_mut().rev() {
            *sign = SIGNS[(digits % 36) as usize];
            digits /= 36;
        }
    }
}

/// Returns how many bytes so many digits to the base of thirty-six take, 24 at
/// most: each has a little less than 5.17 bits.
const fn bytes_of_digits(count: usize) -> usize {
    (count * 517).div_ceil(800)
}

/// Appends a text, as short as its signs let it be.
pub(crate) fn put_text(bytes: &mut Vec<u8>, text: &[u8]) {
    let coding = Coding::of(text);
    put_length(bytes, text.len() << 2 | coding as usize);
    coding.put(bytes, text);
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
        Coding::of_number(length & 3)?.read(self, length >> 2, text)
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
    fn texts_are_read_as_they_were_written_and_ids_take_few_bits_a_sign() {
        let long = "z".repeat(2 * SIGNS_A_NUMBER + 17);
        let texts = [
            ("", 0),
            ("a", 1),
            ("zz", 2),
            ("0zA", 3),
            ("-_", 2),
            ("Z9-_", 3),
            ("i-bp1", 4),
            ("67acfmxazb4p12345", 11),
            (&long, 16 + 16 + 11),
            ("ä", 2),
            ("a b", 3),
            ("#", 1),
            ("a\u{0}", 2),
        ];
        for (text, length) in texts {
            let mut bytes = Vec::new();
            put_text(&mut bytes, text.as_bytes());
            let header = 1 + usize::from(text.len() > 31);
            assert_eq!(bytes.len(), header + length, "{text}");
            let mut read = Vec::new();
            let mut reader = Reader(&bytes);
            assert_eq!((reader.text(&mut read), reader.0), (Some(()), &[][..]));
            assert_eq!(read, text.as_bytes());
            assert!(Reader(&bytes[..bytes.len() - 1]).text(&mut read).is_none(), "{text}");
        }
    }

    #[test]
    fn so_many_digits_fit_so_many_bytes() {
        for count in 1..=SIGNS_A_NUMBER {
            let largest = 36_u128.checked_pow(count as u32).unwrap() - 1;
            let bytes = bytes_of_digits(count);
            assert!(bytes <= 16 && (bytes == 16 || largest >> (8 * bytes) == 0), "{count}");
        }
    }
}
