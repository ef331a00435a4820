//! Text: identities that stand anywhere in it.
//!
//! # What is found
//! A run of 12 digits, of 10 digits (where short forms are accepted), or a date and four digits with a separator between;
//! for the regions' reserve numbers also eight digits and four characters, the letters in upper case. The date has 8 or 6
//! digits, or is written `1980-01-01`. Between date and number stand up to three separators, and white space before,
//! between and after them: blanks, tabs, line breaks with an indentation, together 64 bytes at least. What a separator is
//! stands in [`separator`]. Date and check digit must hold, so of random numbers one in 140 passes with 10 digits, and one
//! in 3000 with 12. Ten digits are a personnummer or a samordningsnummer, no reserve number.
//!
//! # What is not
//! - A part of a longer run of digits. Digits of an escape before it (`\u0020`, `%20`, `\x22`) do not belong to the run.
//! - Digits with an ASCII letter directly after them (a hash, `…T12`); letters before are let pass (`id="p1912…"`).
//! - A decimal's fraction: `0.1912…`. An OID's last part is no fraction: `1.2.752.1912…`; nor is what has a separator, as
//!   after a list's number: `1.19121212-1212`.
//! - A part of a UUID, and the tail of at least twelve other hexadecimal digits.
//! - A date with dashes and four digits that begin another such date.
//!
//! # What stays unfound
//! These would be identities to a reader, and no record names them. A route whose answers write them so names its
//! fields (`json`), or does not go this way.
//! - Digits that are themselves written as escapes (`&#49;`, `%31`, `\u0031`), and digits of other scripts.
//! - Anything within the digits of date or number: blanks (`19 800101`, `04 23`), tags (`1980<b>0101</b>`), soft hyphens,
//!   the folding of a calendar's or a card's lines.
//! - Tags between date and number that are no line break's, or have attributes, and comments; so also a date and a number
//!   in two cells of a table, or in two elements or fields.
//! - Dates in other forms: `1980/01/01`, `1980.01.01`, `80-01-01`, `198001 01`, `1 januari 1980`.
//! - Escapes within escapes: `\\u2011` of JSON in JSON, `&amp;nbsp;`, `%252D`.
//! - In an event stream, what a line break divides.
//!
//! A time of 12 digits (`yyyymmddHHMM`), a telephone number (`070…`), Unix seconds of some months, or a date and a number
//! of four digits behind it (a time, a year, a next column) do pass if the check digit fits by chance, one in ten. That is
//! a record too many; the other way round it would be one too few.
//!
//! # Speed
//! A candidate has six digits in a row at least, or begins with a date that has hyphens. So the sweep looks only where
//! either stands ([`sights`]).

mod candidate;
mod separator;
mod sights;

use super::{Hit, Hits};
use crate::patient::Reading;
use candidate::{Candidate, Verdict};
use sights::{Sight, Sights};
use std::ops::Range;
use zeroize::Zeroizing;

/// The shortest run of digits that begins an identity.
const RUN_MIN: usize = 6;
/// The longest run of digits that may be one: twelve, and four of an escape before it.
const RUN_MAX: usize = 16;
/// How far before a run its meaning is looked for.
const BEFORE: usize = 32;
/// How far after its start a candidate is decided: the run, month and day, separators, four characters, the rest of a UUID.
const SPAN: usize = RUN_MAX + 6 + candidate::GAP_MAX + separator::BYTES_MAX + 4 + 25;
/// The digits of a date's year.
const YEAR: usize = 4;
/// `-01-01` behind a date's year, and the digits of the day.
const MONTH_AND_DAY: usize = 6;
const DAY: usize = 2;
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

    /// The same at a text's start.
    pub(super) fn fresh(&self) -> Self {
        Self::new(self.reading)
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
    fn sweep(&mut self, text: &[u8], mut from: usize, last: bool, hits: &mut Vec<Hit>) -> usize {
        let (mut sights, mut first) = (Sights::new(text, from, last), from);
        while let Some(sight) = sights.next(first) {
            let (run, end) = match sight {
                Sight::Digits(at) => {
                    let end = run_end(text, at.min(text.len()));
                    (run(text, from, end), end)
                }
                // Its year, and up to its month's end.
                Sight::Date(at) => (run(text, from, at - MONTH_AND_DAY + 1), (at - DAY).min(text.len())),
            };
            if end == text.len() && !last {
                return if run.len() > RUN_MAX { end } else { run.start };
            }
            // What ends the run begins none.
            (from, first) = (end, end + 1);
            let shortest = if text.get(run.end) == Some(&b'-') { YEAR } else { RUN_MIN };
            if (shortest..=RUN_MAX).contains(&run.len()) {
                match (Candidate { text, start: run.start, end: run.end, last, reading: self.reading }).decide() {
                    Verdict::Patient(id) => self.out.patient(id, self.out.count(), hits),
                    Verdict::Nobody => {}
                    Verdict::Open => return run.start,
                }
            }
        }
        text.len()
    }
}

/// The run of digits that ends before `end`. One that began before `from` is longer than any that counts, else it would be
/// open still.
fn run(text: &[u8], from: usize, end: usize) -> Range<usize> {
    let before = text.get(from..end).unwrap_or_default();
    let len = before.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let start = end - len;
    let is_over = len > 0 && start == from && from.checked_sub(1).is_some_and(|at| is_digit(text, at));
    if is_over { end.saturating_sub(RUN_MAX + 1)..end } else { start..end }
}

/// Where the run of digits ends that has one at `at`.
fn run_end(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

fn is_digit(text: &[u8], at: usize) -> bool {
    text.get(at).is_some_and(u8::is_ascii_digit)
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
