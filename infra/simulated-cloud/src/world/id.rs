//! Ids of resources, as the vendor writes them: a kind, the region's three
//! characters, and a code that says nothing.

use super::catalog::RegionFacts;

const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
/// Stands between the region's characters and the code.
const FILL: &str = "acfm";
/// Characters of a code: 36^13 exceeds 2^64.
const WIDTH: usize = 13;

/// Scatters a number. No two numbers become the same, so serial numbers stay
/// apart while their order is lost. (The last step of the splitmix64 generator.)
pub(crate) fn scatter(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Returns the id of a resource: `i-bp1acfm0000000000001`.
pub(crate) fn render(kind: &str, region: &RegionFacts, code: u64) -> String {
    let mut digits = [b'0'; WIDTH];
    let mut rest = code;
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(rest % 36) as usize];
        rest /= 36;
    }
    let mut id = String::with_capacity(kind.len() + 1 + region.prefix.len() + FILL.len() + WIDTH);
    id.push_str(kind);
    id.push('-');
    id.push_str(region.prefix);
    id.push_str(FILL);
    id.extend(digits.map(char::from));
    id
}

/// Returns the last characters of a code, for names that need no way back.
pub(crate) fn short(code: u64) -> String {
    let mut rest = scatter(code);
    let digit = |_| {
        let digit = DIGITS[(rest % 36) as usize];
        rest /= 36;
        char::from(digit)
    };
    (0..8).map(digit).collect()
}

/// Returns the code of an id, if it is one of that kind and region.
pub(crate) fn parse(kind: &str, region: &RegionFacts, id: &str) -> Option<u64> {
    let digits = id
        .strip_prefix(kind)?
        .strip_prefix('-')?
        .strip_prefix(region.prefix)?
        .strip_prefix(FILL)
        .filter(|digits| digits.len() == WIDTH)?;
    let code = u64::from_str_radix(digits, 36).ok()?;
    // One code has one spelling: no upper case, no sign.
    (render(kind, region, code) == id).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::catalog::REGIONS;

    #[test]
    fn an_id_has_one_spelling_and_gives_its_code_back() {
        for code in [0, 1, 35, 36, u64::MAX, scatter(7)] {
            let id = render("i", &REGIONS[0], code);
            assert_eq!(id.len(), 22);
            assert_eq!(parse("i", &REGIONS[0], &id), Some(code));
            assert_eq!(parse("i", &REGIONS[1], &id), None, "another region's");
            assert_eq!(parse("d", &REGIONS[0], &id), None, "another kind's");
        }
        assert_eq!(parse("i", &REGIONS[0], "i-bp1acfm+000000000001"), None);
        assert_eq!(parse("i", &REGIONS[0], "i-bp1acfm000000000000A"), None);
        assert_eq!(parse("i", &REGIONS[0], "i-bp1acfmzzzzzzzzzzzzz"), None, "beyond 64 bits");
    }
}
