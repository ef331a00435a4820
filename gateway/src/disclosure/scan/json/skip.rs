//! Over an object or array in which nothing is looked for: 64 bytes at a time.
//!
//! Of each block one bit a byte says where quotes, backslashes and brackets stand; from the quotes follows what is
//! within strings. Only brackets outside of strings are then looked at one by one. The kinds of the open brackets are
//! the bits of one number, because there are at most [`DEPTH_MAX`] of them.

use super::super::block::{BLOCK, Is, first_of, mask};
use super::{DEPTH_MAX, Fault};

/// Where in the skipped value the walk is.
#[derive(Debug, Default)]
pub(super) struct Skip {
    /// A bit for each open bracket, the innermost lowest: it is a brace.
    braces: u128,
    depth: usize,
    depth_max: usize,
    string: bool,
    escape: bool,
}

const _: () = assert!(DEPTH_MAX <= 128, "a bit for each open bracket");

impl Skip {
    /// The opening bracket was read.
    pub(super) fn begin(is_object: bool, depth_max: usize) -> Result<Self, Fault> {
        if depth_max == 0 {
            return Err(Fault::Deep);
        }
        Ok(Self { braces: u128::from(is_object), depth: 1, depth_max, ..Self::default() })
    }

    /// How many bytes the value still has; `None`: more than these.
    pub(super) fn run(&mut self, bytes: &[u8]) -> Result<Option<usize>, Fault> {
        let (blocks, tail) = bytes.as_chunks::<BLOCK>();
        for (index, block) in blocks.iter().enumerate() {
            if let Some(len) = self.block(block, BLOCK)? {
                return Ok(Some(index * BLOCK + len));
            }
        }
        if tail.is_empty() {
            return Ok(None);
        }
        let len = self.block(&first_of(tail), tail.len())?;
        Ok(len.map(|len| blocks.len() * BLOCK + len))
    }

    /// Looks at a block of which `len` bytes count.
    fn block(&mut self, block: &[u8; BLOCK], len: usize) -> Result<Option<usize>, Fault> {
        let escapes = mask(block, Is::Backslash);
        let mut quotes = mask(block, Is::Quote);
        if escapes != 0 || self.escape {
            quotes &= !self.escaped(escapes, len);
        }
        let within = before_each(quotes) ^ if self.string { u64::MAX } else { 0 };
        self.string = within >> (BLOCK - 1) != 0;
        let brackets = mask(block, Is::Bracket);
        // A backslash outside of a string is no JSON.
        let mut tokens = (brackets | escapes) & !within;
        while tokens != 0 {
            let at = tokens.trailing_zeros() as usize;
            tokens &= tokens - 1;
            let byte = block.get(at).copied().unwrap_or_default();
            let is_brace = matches!(byte, b'{' | b'}');
            match byte {
                b'{' | b'[' => {
                    if self.depth >= self.depth_max {
                        return Err(Fault::Deep);
                    }
                    self.depth += 1;
                    self.braces = self.braces << 1 | u128::from(is_brace);
                }
                b'}' | b']' if (self.braces & 1 != 0) == is_brace => {
                    self.depth -= 1;
                    self.braces >>= 1;
                    if self.depth == 0 {
                        return Ok(Some(at + 1));
                    }
                }
                _ => return Err(Fault::Syntax),
            }
        }
        Ok(None)
    }

    /// Which bytes are escaped, and whether the byte after the block is.
    fn escaped(&mut self, mut escapes: u64, len: usize) -> u64 {
        let mut literal = u64::from(self.escape);
        if self.escape {
            escapes &= !1;
        }
        self.escape = false;
        while escapes != 0 {
            let at = escapes.trailing_zeros() as usize;
            // Both are used up: an escaped backslash escapes nothing.
            escapes &= !(0b11 << at);
            self.escape = at + 1 == len;
            literal |= 1_u64.checked_shl(at as u32 + 1).unwrap_or(0);
        }
        literal
    }
}

/// For each bit: whether an odd number of bits stands up to it.
fn before_each(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}
