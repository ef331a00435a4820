//! Where an identity may begin: six digits in a row, or a date that is written with hyphens.
//!
//! Of 64 bytes at a time one bit each tells which are digits; the rest is arithmetic on these bits. Where the text goes
//! on in another piece, any byte may follow, so that whatever may become such a row or date is one.

use super::super::block::{BLOCK, Is, first_of, mask};
use super::{RUN_MIN, separator};

/// What is seen.
#[derive(Clone, Copy)]
pub(super) enum Sight {
    /// Six digits in a row, and the index of the last.
    Digits(usize),
    /// `dddd-dd-dd`, and the index of the last.
    Date(usize),
}

/// `dddd-dd-dd`.
const DATE: usize = 10;
/// How far before a date's last digit its hyphens stand.
const HYPHENS: [usize; 2] = [2, 5];

const _: () = assert!(RUN_MIN == 6, "the bits of a row are put together for six");

/// Goes through a text.
pub(super) struct Sights<'t> {
    text: &'t [u8],
    /// Nothing follows.
    last: bool,
    /// Where the block begins.
    base: usize,
    /// The last bytes of rows in the block.
    sixes: u64,
    /// The last bytes of dates in the block, if their hyphens stand where they should.
    dates: u64,
    row: Row,
}

/// Which bytes of a block are the last of so many digits.
#[derive(Clone, Copy, Default)]
struct Row {
    one: u64,
    two: u64,
    four: u64,
}

impl<'t> Sights<'t> {
    /// From an index on: what stands before it is not looked at.
    pub(super) fn new(text: &'t [u8], from: usize, last: bool) -> Self {
        let mut sights = Self { text, last, base: from, sixes: 0, dates: 0, row: Row::default() };
        sights.read();
        sights
    }

    /// The next that begins at `first`, which never falls, or later.
    #[inline]
    pub(super) fn next(&mut self, first: usize) -> Option<Sight> {
        loop {
            self.sixes &= from_bit((first + RUN_MIN - 1).saturating_sub(self.base));
            self.dates &= from_bit((first + DATE - 1).saturating_sub(self.base));
            while self.sixes | self.dates != 0 {
                let (six, date) = (self.sixes.trailing_zeros(), self.dates.trailing_zeros());
                if six <= date {
                    let at = self.base + six as usize;
                    return (at - (RUN_MIN - 1) < self.text.len()).then_some(Sight::Digits(at));
                }
                self.dates &= self.dates - 1;
                let at = self.base + date as usize;
                if self.is_date(at) {
                    return Some(Sight::Date(at));
                }
            }
            self.base += BLOCK;
            // What has begun before the end may be told behind it.
            if self.base >= self.text.len() + if self.last { 0 } else { DATE } {
                return None;
            }
            self.read();
        }
    }

    /// Whether hyphens stand where they should, and a number may follow.
    #[inline]
    fn is_date(&self, at: usize) -> bool {
        let is = |index: usize, test: fn(u8) -> bool| self.text.get(index).map_or(!self.last, |byte| test(*byte));
        let hyphen = |byte: u8| byte == b'-';
        if !(is(at + 1, separator::begins_with) && HYPHENS.iter().all(|before| is(at - before, hyphen))) {
            return false;
        }
        // Often a time: its third character is none of a number.
        match self.text.get(at + 1..at + 3) {
            Some([b' ' | b'-', b'0'..=b'9']) => is(at + 4, |byte| byte.is_ascii_digit() || byte.is_ascii_uppercase()),
            _ => true,
        }
    }

    /// Reads the block.
    #[inline]
    fn read(&mut self) {
        let rest = self.text.get(self.base..).unwrap_or_default();
        let ones = match rest.first_chunk() {
            Some(block) => mask(block, Is::Digit),
            None => mask(&first_of(rest), Is::Digit) | if self.last { 0 } else { from_bit(rest.len()) },
        };
        let old = std::mem::take(&mut self.row);
        let two = ones & after(ones, old.one, 1);
        let four = two & after(two, old.two, 2);
        self.sixes = four & after(two, old.two, 4);
        self.dates = two & after(two, old.two, 3) & after(four, old.four, 6);
        self.row = Row { one: ones, two, four };
    }
}

/// Each bit so many places later, with those that come from the block before.
#[inline]
fn after(bits: u64, old: u64, places: u32) -> u64 {
    bits << places | old >> (u64::BITS - places)
}

/// The bits from this one on.
#[inline]
fn from_bit(bit: usize) -> u64 {
    u32::try_from(bit).ok().and_then(|bit| u64::MAX.checked_shl(bit)).unwrap_or(0)
}
