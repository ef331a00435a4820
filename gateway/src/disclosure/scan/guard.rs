//! Whether bytes are those of a text whose digits stand as in ASCII.
//!
//! A content type says what a body should be. UTF-16, UTF-32, and what is compressed have digits that no scan for them
//! sees, and clients find out from the bytes: such a body is refused, whatever its type. UTF-16 and UTF-32 have a zero
//! byte beside each digit. Of compressed bytes one in ten is a control character that no text has.
//!
//! These control characters are the MIME Sniffing standard's "binary data bytes", but for two that texts do have: the
//! vertical tab (Word's line break within a paragraph), and the record separator (RFC 7464, SignalR, Word's hyphen).

use super::Fault;
use super::block::{BLOCK, Is, first_of, mask};

/// What begins so is no such text, and may have no control character: UTF-16 with a mark, PDF, XML in EBCDIC, zstd.
const OTHERS: [&[u8]; 5] = [b"\xff\xfe", b"\xfe\xff", b"%PDF", b"\x4c\x6f\xa7\x94", b"\x28\xb5\x2f\xfd"];
const HEAD: usize = 4;

/// Looks at the bytes of a body, piece after piece.
#[derive(Debug, Default)]
pub(super) struct Guard {
    /// How many of the first [`HEAD`] bytes have been seen.
    seen: usize,
    /// Which of [`OTHERS`] it does not begin with.
    differs: [bool; OTHERS.len()],
    /// How much was settled when the first byte came that is none of a text.
    broken: Option<u64>,
}

impl Guard {
    /// How many bytes of the piece stand before the first that is none of a text; `None`: all are text's.
    pub(super) fn foreign(&mut self, piece: &[u8]) -> Option<usize> {
        for (index, byte) in piece.iter().take(HEAD - self.seen).enumerate() {
            let place = self.seen;
            self.seen += 1;
            for (other, differs) in OTHERS.iter().zip(&mut self.differs) {
                *differs |= other.get(place).is_some_and(|expected| expected != byte);
                if !*differs && other.len() == self.seen {
                    return Some(index);
                }
            }
        }
        let (blocks, tail) = piece.as_chunks::<BLOCK>();
        let found =
            |block: &[u8; BLOCK]| Some(mask(block, Is::Binary).trailing_zeros() as usize).filter(|at| *at < BLOCK);
        let of_block = |(index, block)| found(block).map(|at| index * BLOCK + at);
        let in_blocks = blocks.iter().enumerate().find_map(of_block);
        in_blocks.or_else(|| found(&first_of(tail)).map(|at| blocks.len() * BLOCK + at))
    }

    /// The rest is not looked at. `settled`: how much was settled before.
    pub(super) fn stop(&mut self, settled: u64) {
        self.broken = Some(settled);
    }

    pub(super) fn broken(&self) -> Option<u64> {
        self.broken
    }

    pub(super) fn result(&self) -> Result<(), Fault> {
        if self.broken.is_some() { Err(Fault::Binary) } else { Ok(()) }
    }
}
