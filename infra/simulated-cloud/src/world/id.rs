//! Ids of resources, as the vendor writes them: a kind, the region's three
//! characters, and a code that says nothing.

use super::Provider;
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

/// Bits of a code that makes a short id: 36^8 exceeds 2^40.
const SHORT: u32 = 40;

/// Scatters a number within 40 bits. Of numbers that differ only there, no two
/// become the same.
pub(crate) fn scatter_short(number: u64) -> u64 {
    const MASK: u64 = (1 << SHORT) - 1;
    let mut mixed = number & MASK;
    for factor in [0x9e_3779_b97f, 0xbf_5847_6d1d] {
        mixed = ((mixed ^ (mixed >> 21)).wrapping_mul(factor)) & MASK;
    }
    mixed ^ (mixed >> 19)
}

/// Returns the id of a resource, as the region's vendor writes it:
/// `i-bp1acfm0000000000001`. Kinds are called as Alibaba Cloud does.
pub(crate) fn render(kind: &str, region: &RegionFacts, code: u64) -> String {
    match region.provider {
        Provider::Aliyun => {
            format!("{kind}-{}{FILL}{}", region.prefix, digits::<WIDTH>(code))
        }
        Provider::Tencent => {
            let code = code & ((1 << SHORT) - 1);
            format!("{}-{}", tencent_kind(kind), digits::<8>(code))
        }
        Provider::Huawei => uuid(kind, code),
        Provider::Aws => format!("{}-0{code:016x}", aws_kind(kind)),
    }
}

fn tencent_kind(kind: &str) -> &str {
    match kind {
        "i" => "ins",
        "d" => "disk",
        "vsw" => "subnet",
        "rm" => "cdb",
        "r" => "crs",
        other => other,
    }
}

fn aws_kind(kind: &str) -> &str {
    match kind {
        "d" => "vol",
        "vsw" => "subnet",
        "eip" => "eipalloc",
        "rm" => "db",
        "r" => "cache",
        "rsv" => "r",
        other => other,
    }
}

fn digits<const WIDTH: usize>(code: u64) -> String {
    let mut digits = [b'0'; WIDTH];
    let mut rest = code;
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(rest % 36) as usize];
        rest /= 36;
    }
    digits.map(char::from).iter().collect()
}

/// Returns a random UUID in form, which begins with the code.
fn uuid(kind: &str, code: u64) -> String {
    let salt = kind.bytes().fold(0, |salt: u64, byte| salt << 8 | u64::from(byte));
    let rest = scatter(code ^ scatter(salt));
    let all = format!("{code:016x}{rest:016x}");
    let variant = ['8', '9', 'a', 'b'][(rest % 4) as usize];
    format!(
        "{}-{}-4{}-{variant}{}-{}",
        &all[..8],
        &all[8..12],
        &all[12..15],
        &all[15..18],
        &all[18..30],
    )
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
    let code = match region.provider {
        Provider::Aliyun => {
            let digits = id.strip_prefix(kind)?.strip_prefix('-')?.strip_prefix(region.prefix)?;
            u64::from_str_radix(digits.strip_prefix(FILL)?, 36).ok()?
        }
        Provider::Tencent => u64::from_str_radix(id.rsplit_once('-')?.1, 36).ok()?,
        Provider::Aws => u64::from_str_radix(id.rsplit_once('-')?.1, 16).ok()?,
        Provider::Huawei => {
            let hex: String = id.split('-').collect();
            let parts = [hex.get(..12)?, hex.get(13..16)?, hex.get(17..18)?];
            u64::from_str_radix(&parts.concat(), 16).ok()?
        }
    };
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
    #[test]
    fn every_vendor_writes_ids_its_own_way_and_reads_them_back() {
        use crate::world::catalog::Catalog;

        let written = |provider, kind, code| {
            let region = &Catalog::of(provider).regions[0];
            let id = render(kind, region, code);
            assert_eq!(parse(kind, region, &id), Some(code), "{id}");
            assert_eq!(parse(kind, region, &id.to_uppercase()), None, "{id}");
            id
        };
        assert_eq!(written(Provider::Tencent, "i", 35), "ins-0000000z");
        assert_eq!(written(Provider::Aws, "d", 255), "vol-000000000000000ff");
        let uuid = written(Provider::Huawei, "i", 0x0123_4567_89ab_cdef);
        assert!(uuid.starts_with("01234567-89ab-4cde-"), "{uuid}");
        uuid.parse::<uuid::Uuid>().expect("a UUID");
        for number in 0..200 {
            for provider in Provider::ALL {
                let code = match provider {
                    Provider::Tencent => scatter_short(number),
                    _ => scatter(number),
                };
                written(provider, "d", code);
            }
        }
    }

    #[test]
    fn short_codes_stay_apart() {
        let codes: std::collections::BTreeSet<u64> = (0..100_000).map(scatter_short).collect();
        assert_eq!(codes.len(), 100_000);
        assert!(codes.iter().all(|code| *code < 1 << SHORT));
    }
}
