//! Whether a run of digits begins an identity.

use super::separator::{self, Found};
use super::{MONTH_AND_DAY, RUN_MAX, RUN_MIN};
use crate::patient::Reading;
use contract::identity::{IdentityKind, PatientId, parse_with};
use zeroize::Zeroizing;

/// A run of digits of a text.
pub(super) struct Candidate<'t> {
    pub(super) text: &'t [u8],
    pub(super) start: usize,
    pub(super) end: usize,
    /// The text ends where it ends, and is not cut.
    pub(super) last: bool,
    pub(super) reading: Reading,
}

pub(super) enum Verdict {
    Patient(PatientId),
    Nobody,
    /// More bytes decide.
    Open,
}

/// The text is cut where a byte is asked for.
pub(super) struct Cut;

/// The most separators between date and number, beside white space: a soft hyphen, a hyphen, `<wbr>`.
const SEPARATORS_MAX: usize = 3;
/// How much of separators and white space is passed, in bytes: one more may begin before it.
pub(super) const GAP_MAX: usize = 64;
/// The longest part of an escape that stands before its last digit: `\u00a`.
const ESCAPE_MAX: usize = 5;
/// A run after so many other hexadecimal digits is a hash's.
const HASH_BYTES: usize = 12;

impl Candidate<'_> {
    pub(super) fn decide(&self) -> Verdict {
        if !self.fits() {
            return Verdict::Nobody;
        }
        let escape = self.escape();
        for start in [self.start + escape, self.start] {
            match self.read(start) {
                Ok(Some(id)) => return Verdict::Patient(id),
                Ok(None) => {}
                Err(Cut) => return Verdict::Open,
            }
            if escape == 0 {
                break;
            }
        }
        Verdict::Nobody
    }

    /// Whether the run's length, and what follows it, may be those of an identity. Most runs show here that they are none.
    #[inline]
    fn fits(&self) -> bool {
        let next = self.text.get(self.end).copied();
        match self.end - self.start {
            _ if self.follows_mark() => true,
            12 | 10 => !next.is_some_and(|byte| byte.is_ascii_alphabetic()),
            8 => next.is_none_or(|byte| separator::begins_with(byte) || byte.is_ascii_uppercase()),
            6 => next.is_none_or(separator::begins_with),
            4 => true,
            _ => false,
        }
    }

    /// Reads what begins at `start`.
    fn read(&self, start: usize) -> Result<Option<PatientId>, Cut> {
        let Some(head) = self.text.get(start..self.end) else { return Ok(None) };
        match head.len() {
            12 | 10 if self.letter(self.end)? => Ok(None),
            12 => Ok(self.identity(head, b"", start, self.end, true)),
            10 => {
                let (date, number) = head.split_at(6);
                Ok(self.identity(date, number, start, self.end, true))
            }
            8 | 6 => self.split(head, start, self.end),
            4 => self.dated(head, start),
            _ => Ok(None),
        }
    }

    /// Reads a year and what follows it: `-01-01-1234`.
    fn dated(&self, year: &[u8], start: usize) -> Result<Option<PatientId>, Cut> {
        if !self.month_and_day(self.end)? {
            return Ok(None);
        }
        let end = self.end + MONTH_AND_DAY;
        let mut date = Zeroizing::new([0; 8]);
        let digits = self.text.get(self.end..end).unwrap_or_default().iter().filter(|byte| byte.is_ascii_digit());
        for (place, byte) in date.iter_mut().zip(year.iter().chain(digits)) {
            *place = *byte;
        }
        self.split(date.as_slice(), start, end)
    }

    /// Whether `-dd-dd` stands here, and no digit after it.
    fn month_and_day(&self, at: usize) -> Result<bool, Cut> {
        for (place, index) in (at..=at + MONTH_AND_DAY).enumerate() {
            let byte = self.at(index)?;
            let fits = match place {
                0 | 3 => byte == Some(b'-'),
                MONTH_AND_DAY => !byte.is_some_and(|byte| byte.is_ascii_digit()),
                _ => byte.is_some_and(|byte| byte.is_ascii_digit()),
            };
            if !fits {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Reads a date of eight or six digits that ends at `date_end`, and what follows it.
    fn split(&self, head: &[u8], start: usize, date_end: usize) -> Result<Option<PatientId>, Cut> {
        // Most dates are followed by nothing of a number. Letters stand directly behind digits only.
        let goes_on = |byte: u8| separator::begins_with(byte) || date_end == self.end && byte.is_ascii_uppercase();
        if !self.at(date_end)?.is_some_and(goes_on) {
            return Ok(None);
        }
        let mut at = date_end;
        let (mut plus, mut count) = (false, 0);
        while at - date_end < GAP_MAX
            && let Some(Found { end, is_plus, is_blank }) = separator::find(self, at)?
            && (is_blank || count < SEPARATORS_MAX)
        {
            at = end;
            plus |= is_plus;
            count += usize::from(!is_blank);
        }
        let mut tail = [0; 4];
        let mut letters = false;
        for (byte, index) in tail.iter_mut().zip(at..) {
            match self.at(index)? {
                Some(digit @ b'0'..=b'9') => *byte = digit,
                Some(letter @ b'A'..=b'Z') if head.len() == 8 => {
                    letters = true;
                    *byte = letter;
                }
                _ => return Ok(None),
            }
        }
        let end = at + 4;
        if self.letter(end)? || self.at(end)?.is_some_and(|byte| byte.is_ascii_digit()) {
            return Ok(None);
        }
        // Digits without a separator are another length's; letters stand directly or after a hyphen.
        let joined = at == date_end;
        let hyphen = at == date_end + 1 && self.at(date_end)? == Some(b'-');
        let fits = match (letters, date_end == self.end) {
            (false, _) => !joined,
            (true, true) => joined || hyphen,
            (true, false) => hyphen,
        };
        if !fits {
            return Ok(None);
        }
        // Two dates in a row are no date and number: `2024-01-01 - 2024-12-31`.
        if date_end != self.end && self.month_and_day(end)? {
            return Ok(None);
        }
        if self.begins_uuid(end)? {
            return Ok(None);
        }
        // Years of four digits leave nothing for a «+» to say: it is a space in a link.
        let mut number = Zeroizing::new([if plus && head.len() == 6 { b'+' } else { b'-' }, 0, 0, 0, 0]);
        for (place, byte) in number.iter_mut().skip(1).zip(tail) {
            *place = byte;
        }
        Ok(self.identity(head, number.as_slice(), start, end, joined))
    }

    /// The identity of these characters, if their date and check digit hold and nothing around speaks against it. `joined`:
    /// nothing stands between date and number, as in a decimal.
    fn identity(&self, head: &[u8], tail: &[u8], start: usize, end: usize, joined: bool) -> Option<PatientId> {
        let mut text = Zeroizing::new([0_u8; RUN_MAX]);
        for (place, byte) in text.iter_mut().zip(head.iter().chain(tail)) {
            *place = *byte;
        }
        let text = std::str::from_utf8(text.get(..head.len() + tail.len())?).ok()?;
        let id = parse_with(text, self.reading.year, self.reading.series).ok()?;
        let is_number = matches!(id.kind(), IdentityKind::Personnummer | IdentityKind::Samordningsnummer);
        let short = head.len() == RUN_MIN;
        let fraction = joined && self.is_fraction(start);
        let foreign = (short && !is_number) || fraction || self.ends_hash(start) || self.ends_uuid(end);
        (!foreign).then_some(id)
    }

    /// The byte at an index, `None` after the text's end.
    pub(super) fn at(&self, index: usize) -> Result<Option<u8>, Cut> {
        match self.text.get(index) {
            Some(byte) => Ok(Some(*byte)),
            None if self.last => Ok(None),
            None => Err(Cut),
        }
    }

    fn letter(&self, index: usize) -> Result<bool, Cut> {
        Ok(self.at(index)?.is_some_and(|byte| byte.is_ascii_alphabetic()))
    }

    /// The `count` bytes before an index.
    fn before(&self, index: usize, count: usize) -> Option<&[u8]> {
        self.text.get(index.checked_sub(count)?..index)
    }

    /// Whether a byte stands shortly before the run that begins an escape.
    #[inline]
    fn follows_mark(&self) -> bool {
        let near = self.text.get(self.start.saturating_sub(ESCAPE_MAX)..self.start).unwrap_or_default();
        near.iter().any(|byte| matches!(byte, b'%' | b'\\'))
    }

    /// How many digits of the run belong to an escape that begins before it: `%20`, `\x22`, `\u00a0`.
    fn escape(&self) -> usize {
        if !self.follows_mark() {
            return 0;
        }
        let hex = |skip: usize, mark: &[u8]| {
            self.before(self.start, skip + mark.len())
                .and_then(|bytes| bytes.strip_prefix(mark))
                .is_some_and(|between| between.iter().all(u8::is_ascii_hexdigit))
        };
        for (mark, digits) in [(b"%".as_slice(), 2), (b"\\x", 2), (b"\\u", 4)] {
            for skip in 0..digits {
                if hex(skip, mark) {
                    return digits - skip;
                }
            }
        }
        0
    }

    /// Whether the run stands behind a decimal point.
    fn is_fraction(&self, start: usize) -> bool {
        let Some(whole) = self.text.get(..start).and_then(|before| before.strip_suffix(b".")) else { return false };
        let digits = whole.iter().rev().take(8).take_while(|byte| byte.is_ascii_digit()).count();
        let rest = whole.get(..whole.len() - digits).unwrap_or_default();
        digits > 0 && rest.last() != Some(&b'.')
    }

    fn ends_hash(&self, start: usize) -> bool {
        self.before(start, HASH_BYTES).is_some_and(|bytes| bytes.iter().all(u8::is_ascii_hexdigit))
    }

    /// Whether a UUID ends here: `hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh`.
    fn ends_uuid(&self, end: usize) -> bool {
        self.before(end, 36).is_some_and(|bytes| uuid(bytes, 0).is_ok_and(|fits| fits))
    }

    /// Whether the rest of a UUID stands here: `-hhhh-hhhh-hhhhhhhhhhhh`.
    fn begins_uuid(&self, at: usize) -> Result<bool, Cut> {
        match uuid(self.text.get(at..).unwrap_or_default(), 13) {
            Err(Cut) if self.last => Ok(false),
            fits => fits,
        }
    }
}

/// Whether the bytes are a UUID's from its character `skip` on; cut if they end before one of them differs.
fn uuid(bytes: &[u8], skip: usize) -> Result<bool, Cut> {
    let mut bytes = bytes.iter();
    for position in skip..36 {
        let byte = bytes.next().ok_or(Cut)?;
        let fits = if matches!(position, 8 | 13 | 18 | 23) { *byte == b'-' } else { byte.is_ascii_hexdigit() };
        if !fits {
            return Ok(false);
        }
    }
    Ok(true)
}
