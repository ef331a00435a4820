//! Text: identities that stand anywhere in it.
//!
//! # What is found
//! A run of 12 digits, of 10 digits (where short forms are accepted), or of 8 or 6 digits and four more after a
//! separator; for the regions' reserve numbers also 8 digits and four characters, the letters in upper case. What a
//! separator is stands in [`separator`]. Date and check digit must hold, so of random numbers one in 140 passes with
//! 10 digits, and one in 3000 with 12. Ten digits are a personnummer or a samordningsnummer, no reserve number.
//!
//! # What is not
//! - A part of a longer run of digits. Digits of an escape before it (`\u0020`, `%20`, `\x22`) do not belong to the run.
//! - Digits with an ASCII letter directly after them (a hash, `…T12`); letters before are let pass (`id="p1912…"`).
//! - A decimal's fraction: `0.1912…`. An OID's last part is no fraction: `1.2.752.1912…`.
//! - A part of a UUID, and the tail of at least twelve other hexadecimal digits.
//! - Digits that are themselves written as escapes (`&#49;`): nothing in use writes them so.
//!
//! A time of 12 digits (`yyyymmddHHMM`), a telephone number (`070…`) or Unix seconds of some months do pass if the
//! check digit fits by chance. That is a record too many; the other way round it would be one too few.
//!
//! # Speed
//! A candidate has six digits in a row at least, so the sweep looks at every sixth byte, and around it if that is a
//! digit.

mod candidate;
mod separator;

use super::{Hit, Hits};
use crate::patient::Reading;
use candidate::{Candidate, Verdict};
use zeroize::Zeroizing;

/// The shortest run of digits that begins an identity.
const RUN_MIN: usize = 6;
/// The longest run of digits that may be one: twelve, and four of an escape before it.
const RUN_MAX: usize = 16;
/// How far before a run its meaning is looked for.
const BEFORE: usize = 32;
/// How far after its start a candidate is decided: the run, three separators, four characters, the rest of a UUID.
const SPAN: usize = RUN_MAX + 3 * separator::BYTES_MAX + 4 + 25;
/// Kept between pieces: what stands before the first open candidate, and its bytes.
const KEPT: usize = BEFORE + SPAN;
/// Kept bytes, and enough of the next piece to decide all that began in them, and to go on in the piece itself.
const JOIN: usize = KEPT + SPAN + BEFORE;

/// The scan of a text.
#[derive(Debug)]
pub(super) struct Scan {
    reading: Reading,
    out: Hits,
    kept: Kept,
    /// Bytes pushed.
    read: u64,
}

/// The last bytes of what was pushed.
struct Kept {
    bytes: Zeroizing<[u8; KEPT]>,
    len: usize,
    /// What begins before this index is decided.
    from: usize,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").field("len", &self.len).field("from", &self.from).finish_non_exhaustive()
    }
}

impl Scan {
    pub(super) fn new(reading: Reading) -> Self {
        let kept = Kept { bytes: Zeroizing::new([0; KEPT]), len: 0, from: 0 };
        Self { reading, out: Hits::default(), kept, read: 0 }
    }

    pub(super) fn push(&mut self, piece: &[u8], hits: &mut Vec<Hit>) {
        self.read += piece.len() as u64;
        let mut from = 0;
        if self.kept.len > 0 {
            let mut join = Zeroizing::new([0; JOIN]);
            let head = piece.get(..SPAN + BEFORE).unwrap_or(piece);
            let joined = fill(&mut join, self.kept.get(), head);
            let resume = self.sweep(joined, self.kept.from, false, hits);
            // All that began in the kept bytes is decided, and what stands before the next is in the piece.
            match resume.checked_sub(self.kept.len).filter(|next| *next >= BEFORE) {
                Some(next) if head.len() < piece.len() => from = next,
                _ => return self.kept.keep(joined, resume),
            }
        }
        let resume = self.sweep(piece, from, false, hits);
        self.kept.keep(piece, resume);
    }

    pub(super) fn finish(&mut self, hits: &mut Vec<Hit>) {
        let kept = std::mem::replace(&mut self.kept, Kept { bytes: Zeroizing::new([0; KEPT]), len: 0, from: 0 });
        self.sweep(kept.get(), kept.from, true, hits);
    }

    /// The first byte of what is open.
    pub(super) fn settled(&self) -> u64 {
        self.read - self.open()
    }

    /// How many of the last bytes are open.
    pub(super) fn open(&self) -> u64 {
        (self.kept.len - self.kept.from) as u64
    }

    /// Decides all candidates of `text` that begin at `from` or later, and returns where the first begins that needs
    /// more bytes; `last`: there are no more.
    fn sweep(&mut self, text: &[u8], from: usize, last: bool, hits: &mut Vec<Hit>) -> usize {
        let digit = |index: usize| text.get(index).is_some_and(u8::is_ascii_digit);
        let mut at = from + RUN_MIN - 1;
        while let Some(byte) = text.get(at) {
            if !byte.is_ascii_digit() {
                at += RUN_MIN;
                continue;
            }
            let mut start = at;
            while start > from && digit(start - 1) {
                start -= 1;
            }
            let mut end = at + 1;
            while digit(end) {
                end += 1;
            }
            // A run that began long before `from` is long over.
            let length = end - start;
            if length <= RUN_MAX {
                if end == text.len() && !last {
                    return start;
                }
                if length >= RUN_MIN {
                    match (Candidate { text, start, end, last, reading: self.reading }).decide() {
                        Verdict::Patient(id) => self.out.patient(id, self.out.count(), hits),
                        Verdict::Nobody => {}
                        Verdict::Open => return start,
                    }
                }
            }
            at = end + RUN_MIN;
        }
        let mut start = text.len();
        while !last && start > from && digit(start - 1) {
            start -= 1;
        }
        if text.len() - start > RUN_MAX { text.len() } else { start }
    }
}

impl Kept {
    fn get(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Keeps what is open from `from` on, and what stands before it.
    fn keep(&mut self, text: &[u8], from: usize) {
        let start = from.saturating_sub(BEFORE);
        let tail = text.get(start..).unwrap_or_default();
        self.len = fill(&mut self.bytes, tail, &[]).len();
        self.from = from - start;
    }
}

/// Copies both into the place, and returns them.
fn fill<'p, const N: usize>(place: &'p mut [u8; N], first: &[u8], second: &[u8]) -> &'p [u8] {
    let len = (first.len() + second.len()).min(N);
    for (place, byte) in place.iter_mut().zip(first.iter().chain(second)) {
        *place = *byte;
    }
    place.get(..len).unwrap_or_default()
}
