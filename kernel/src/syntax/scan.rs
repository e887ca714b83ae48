//! Finding a byte among a few, sixteen at a time: keys and values are short, so that a call of a search made for long texts costs
//! more than it saves.

use wide::u8x16;

pub const LANES: usize = 16;
const WORD: usize = 8;

/// A byte in every lane.
#[derive(Clone, Copy)]
pub struct Repeated(u8x16);

impl Repeated {
    pub fn new(byte: u8) -> Self {
        Self(u8x16::new([byte; LANES]))
    }
}

/// Where the first of the `wanted` bytes stands; the length when none does.
#[inline(always)]
pub fn find<const N: usize>(wanted: [Repeated; N], bytes: &[u8]) -> usize {
    let mut rest = bytes;
    while let Some((chunk, after)) = rest.split_first_chunk::<LANES>() {
        let found = marks(wanted, *chunk);
        if found != 0 {
            return bytes.len() - rest.len() + found.trailing_zeros() as usize;
        }
        rest = after;
    }
    let mut chunk = [0; LANES];
    for (place, byte) in chunk.iter_mut().zip(rest) {
        *place = *byte;
    }
    match marks(wanted, chunk) & ((1_u32 << rest.len()) - 1) {
        0 => bytes.len(),
        found => bytes.len() - rest.len() + found.trailing_zeros() as usize,
    }
}

/// Where the first blank or control character stands; the length when none does.
#[inline(always)]
pub fn find_control(bytes: &[u8]) -> usize {
    let least = u8x16::splat(b' ' + 1);
    let mut rest = bytes;
    while let Some((chunk, after)) = rest.split_first_chunk::<LANES>() {
        let chunk = u8x16::new(*chunk);
        let found = !chunk.max(least).cmp_eq(chunk).move_mask().cast_unsigned() & 0xffff;
        if found != 0 {
            return bytes.len() - rest.len() + found.trailing_zeros() as usize;
        }
        rest = after;
    }
    bytes.len() - rest.len() + rest.iter().take_while(|byte| **byte > b' ').count()
}

/// A bit for each lane that holds a wanted byte.
#[inline(always)]
pub fn marks<const N: usize>(wanted: [Repeated; N], chunk: [u8; LANES]) -> u32 {
    let chunk = u8x16::new(chunk);
    let mut found = u8x16::new([0; LANES]);
    for one in wanted {
        found |= chunk.cmp_eq(one.0);
    }
    found.move_mask().cast_unsigned()
}

/// The first eight bytes as a number, zeros behind the end.
pub fn prefix(bytes: &[u8]) -> u64 {
    if let Some(chunk) = bytes.first_chunk::<WORD>() {
        return u64::from_le_bytes(*chunk);
    }
    let mut word = [0; WORD];
    for (place, byte) in word.iter_mut().zip(bytes) {
        *place = *byte;
    }
    u64::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_a_plain_loop_finds_in_all_small_texts() {
        let wanted = [b'=', b' ', b'\t'];
        let signs = wanted.map(Repeated::new);
        // Bytes around the wanted ones, where borrows of the subtraction could mislead.
        let alphabet = [b'=', b'<', b'>', b' ', b'!', b'\t', 0, 0x80, 0xff, b'x'];
        let mut seed = 1_u64;
        for _ in 0..20_000 {
            let mut text = Vec::new();
            for _ in 0..seed % 40 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.push(alphabet[(seed >> 33) as usize % if seed & 64 == 0 { alphabet.len() } else { 3 + 7 } % alphabet.len()]);
            }
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            for from in 0..=text.len() {
                let rest = &text[from..];
                let plain = rest.iter().position(|byte| wanted.contains(byte)).unwrap_or(rest.len());
                assert_eq!(find(signs, rest), plain, "{rest:?}");
            }
        }
    }

    #[test]
    fn a_prefix_holds_what_there_is() {
        assert_eq!(prefix(b""), 0);
        assert_eq!(prefix(b"ab"), u64::from(b'a') | u64::from(b'b') << 8);
        assert_eq!(prefix(b"abcdefghij"), u64::from_le_bytes(*b"abcdefgh"));
    }
}
