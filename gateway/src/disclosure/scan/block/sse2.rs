//! By the instructions that every x86-64 has.

#![expect(unsafe_code, reason = "a call to code that asks for SSE2, which is a part of x86-64")]

use super::{BLOCK, Is};
use std::arch::x86_64::{
    __m128i, _mm_andnot_si128, _mm_cmpeq_epi8, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x,
    _mm_set1_epi8, _mm_sub_epi8,
};

/// How many bytes one instruction asks.
const PART: usize = 16;
/// How many of them are asked behind the first before the way is taken that is quick over long stretches.
const NEAR: usize = 3;

#[cfg(not(target_feature = "sse2"))]
compile_error!("x86-64 without SSE2");

/// Which bytes answer yes.
#[inline]
pub(in super::super) fn mask(block: &[u8; BLOCK], is: Is) -> u64 {
    // SAFETY: the code asks for SSE2 and nothing else of its caller, and the line above holds.
    unsafe { mask_of(block, is) }
}

/// Where the next quote or backslash stands.
#[inline]
pub(in super::super) fn find_quote(bytes: &[u8]) -> Option<usize> {
    // Most keys and codes end here.
    if let Some(part) = bytes.first_chunk::<PART>() {
        // SAFETY: as above.
        let found = unsafe { quotes(part) };
        if found != 0 {
            return Some(found.trailing_zeros() as usize);
        }
    }
    find_far_quote(bytes)
}

/// The same where it does not stand among the first bytes, or there are few.
#[inline(never)]
fn find_far_quote(bytes: &[u8]) -> Option<usize> {
    let mut passed = if bytes.len() < PART { 0 } else { PART };
    let (parts, _) = bytes.get(passed..)?.as_chunks::<PART>();
    for part in parts.iter().take(NEAR) {
        // SAFETY: as above.
        let found = unsafe { quotes(part) };
        if found != 0 {
            return Some(passed + found.trailing_zeros() as usize);
        }
        passed += PART;
    }
    memchr::memchr2(b'"', b'\\', bytes.get(passed..)?).map(|found| passed + found)
}

#[inline]
#[target_feature(enable = "sse2")]
fn mask_of(block: &[u8; BLOCK], is: Is) -> u64 {
    let (parts, _) = block.as_chunks::<PART>();
    if is == Is::Binary {
        // Most have no control character at all, which is soon seen.
        let least = parts.iter().fold(all(u8::MAX), |least, part| _mm_min_epu8(least, load(part)));
        if bits(within(least, 0, 0x1f)) == 0 {
            return 0;
        }
    }
    parts.iter().rev().fold(0, |mask, part| {
        let part = load(part);
        let answer = match is {
            Is::Digit => within(part, b'0', b'9'),
            Is::Quote => equal(part, b'"'),
            Is::Backslash => equal(part, b'\\'),
            // Brackets and braces differ in one bit.
            Is::Bracket => {
                let brace = _mm_or_si128(part, all(0x20));
                _mm_or_si128(equal(brace, b'{'), equal(brace, b'}'))
            }
            Is::Binary => {
                let text = _mm_or_si128(within(part, b'\t', b'\r'), _mm_or_si128(equal(part, 0x1b), equal(part, 0x1e)));
                _mm_andnot_si128(text, within(part, 0, 0x1f))
            }
        };
        mask << PART | u64::from(bits(answer))
    })
}

#[inline]
#[target_feature(enable = "sse2")]
fn quotes(part: &[u8; PART]) -> u32 {
    let part = load(part);
    bits(_mm_or_si128(equal(part, b'"'), equal(part, b'\\')))
}

#[inline]
#[target_feature(enable = "sse2")]
fn load(part: &[u8; PART]) -> __m128i {
    let both = u128::from_le_bytes(*part);
    _mm_set_epi64x((both >> 64) as i64, both as i64)
}

#[inline]
#[target_feature(enable = "sse2")]
fn all(byte: u8) -> __m128i {
    _mm_set1_epi8(byte.cast_signed())
}

#[inline]
#[target_feature(enable = "sse2")]
fn equal(part: __m128i, byte: u8) -> __m128i {
    _mm_cmpeq_epi8(part, all(byte))
}

/// Both ends included.
#[inline]
#[target_feature(enable = "sse2")]
fn within(part: __m128i, first: u8, last: u8) -> __m128i {
    // What stands before the first becomes large.
    let above = _mm_sub_epi8(part, all(first));
    _mm_cmpeq_epi8(_mm_min_epu8(above, all(last - first)), above)
}

/// The highest bit of each byte.
#[inline]
#[target_feature(enable = "sse2")]
fn bits(part: __m128i) -> u32 {
    _mm_movemask_epi8(part).cast_unsigned()
}
