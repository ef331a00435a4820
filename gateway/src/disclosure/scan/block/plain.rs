//! By plain code.

use super::{BLOCK, Is};

/// Which bytes answer yes.
#[inline]
pub(in super::super) fn mask(block: &[u8; BLOCK], is: Is) -> u64 {
    match is {
        Is::Digit => mask_of(block, |byte| byte.is_ascii_digit()),
        Is::Quote => mask_of(block, |byte| byte == b'"'),
        Is::Backslash => mask_of(block, |byte| byte == b'\\'),
        Is::Bracket => mask_of(block, |byte| matches!(byte | 0x20, b'{' | b'}')),
        Is::Binary => {
            // Most have no control character at all, which costs next to nothing to see.
            if block.iter().fold(u8::MAX, |least, byte| least.min(*byte)) >= 0x20 {
                return 0;
            }
            mask_of(block, |byte| byte < 0x20 && !matches!(byte, 0x09..=0x0d | 0x1b | 0x1e))
        }
    }
}

#[inline]
fn mask_of(block: &[u8; BLOCK], test: impl Fn(u8) -> bool) -> u64 {
    // Each byte becomes the bit of its place among eight; the product adds the eight up in its highest byte.
    let bits: [u8; BLOCK] = std::array::from_fn(|at| {
        let byte = block.get(at).copied().unwrap_or_default();
        if test(byte) { 1 << (at % 8) } else { 0 }
    });
    let (words, _) = bits.as_chunks::<8>();
    words.iter().zip((0..64).step_by(8)).fold(0, |mask, (word, place)| {
        let sum = u64::from_le_bytes(*word).wrapping_mul(u64::from_le_bytes([1; 8])) >> 56;
        mask | sum << place
    })
}

/// How many words are looked at before the way is taken that is quick over long stretches.
const NEAR: usize = 6;
const ONES: u64 = u64::from_le_bytes([1; 8]);
const HIGHS: u64 = u64::from_le_bytes([0x80; 8]);
const QUOTES: u64 = u64::from_le_bytes([b'"'; 8]);
const ESCAPES: u64 = u64::from_le_bytes([b'\\'; 8]);

/// Where the next quote or backslash stands.
#[inline]
pub(in super::super) fn find_quote(bytes: &[u8]) -> Option<usize> {
    let (words, _) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().take(NEAR).enumerate() {
        let word = u64::from_le_bytes(*word);
        let found = zeros(word ^ QUOTES) | zeros(word ^ ESCAPES);
        if found != 0 {
            return Some(index * 8 + (found.trailing_zeros() / 8) as usize);
        }
    }
    let passed = words.len().min(NEAR) * 8;
    memchr::memchr2(b'"', b'\\', bytes.get(passed..)?).map(|found| passed + found)
}

/// The high bit of each byte that is zero; exact up to the first of them.
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGHS
}
