//! Questions to 64 bytes at once: a bit for each byte, the first one's lowest.
//!
//! On x86-64 sixteen bytes are asked by one instruction, which every such processor has. Elsewhere the compiler makes what
//! it can of plain code.

#[cfg(any(test, not(target_arch = "x86_64")))]
mod plain;
#[cfg(target_arch = "x86_64")]
mod sse2;

#[cfg(not(target_arch = "x86_64"))]
pub(super) use plain::{find_quote, mask};
#[cfg(target_arch = "x86_64")]
pub(super) use sse2::{find_quote, mask};

/// How many bytes are asked at once: as many as a mask has bits.
pub(super) const BLOCK: usize = 64;

/// What is asked of each byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Is {
    /// A decimal digit.
    Digit,
    Quote,
    Backslash,
    /// An opening or closing bracket or brace.
    Bracket,
    /// A control character that no text has: MIME Sniffing's "binary data bytes" but for the vertical tab and the record
    /// separator.
    Binary,
}

/// The first bytes of a text, with blanks behind it if it has too few.
#[inline]
pub(super) fn first_of(text: &[u8]) -> [u8; BLOCK] {
    let mut block = [b' '; BLOCK];
    for (place, byte) in block.iter_mut().zip(text) {
        *place = *byte;
    }
    block
}

#[cfg(test)]
mod tests {
    use super::{BLOCK, Is, find_quote, mask, plain};
    use proptest::prelude::*;

    fn holds(is: Is, byte: u8) -> bool {
        match is {
            Is::Digit => byte.is_ascii_digit(),
            Is::Quote => byte == b'"',
            Is::Backslash => byte == b'\\',
            Is::Bracket => b"[]{}".contains(&byte),
            Is::Binary => byte < 0x20 && !b"\t\n\x0b\x0c\r\x1b\x1e".contains(&byte),
        }
    }

    #[test]
    fn each_byte_is_answered_for() {
        for start in (0..256).step_by(BLOCK) {
            for turn in 0..BLOCK {
                let block: [u8; BLOCK] = std::array::from_fn(|at| (start + (at + turn) % BLOCK) as u8);
                for is in [Is::Digit, Is::Quote, Is::Backslash, Is::Bracket, Is::Binary] {
                    let expected = (0..BLOCK).map(|at| u64::from(holds(is, block[at])) << at).sum::<u64>();
                    assert_eq!([mask(&block, is), plain::mask(&block, is)], [expected; 2], "{is:?} {start} {turn}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn the_next_quote_is_found(
            text in prop::collection::vec(prop_oneof![9 => any::<u8>(), 1 => Just(b'"'), 1 => Just(b'\\')], 0..200),
            plain in prop::collection::vec(b'a'..=b'z', 0..200),
        ) {
            let text = [plain, text].concat();
            let expected = text.iter().position(|byte| matches!(byte, b'"' | b'\\'));
            prop_assert_eq!([find_quote(&text), plain::find_quote(&text)], [expected; 2]);
        }
    }
}
