//! What stands between date and number: a hyphen, a plus, white space, and the many ways to write them.
//!
//! Characters in UTF-8, in Latin-1 and Windows-1252; HTML's named and numeric entities; JSON's `\u2011` and `\t`, and
//! JavaScript's `\xa0`; `%2D` of links; HTML's tags of a line break (`<wbr>`, `<br>`), without attributes.

use super::candidate::{Candidate, Cut};

/// The longest separator, in bytes: `&NonBreakingSpace;`, or a numeric entity: `&#x`, its digits, `;`.
pub(super) const BYTES_MAX: usize = 4 + ENTITY_DIGITS_MAX;
/// The most digits of a numeric entity, with zeros before.
const ENTITY_DIGITS_MAX: usize = 16;

/// A separator.
pub(super) struct Found {
    /// The index after it.
    pub(super) end: usize,
    /// It is a plus sign.
    pub(super) is_plus: bool,
    /// It is ASCII's white space: any number of them may stand together, as a line break and an indentation.
    pub(super) is_blank: bool,
}

/// With which bytes a separator may begin.
const BEGINS: [bool; 256] = {
    let mut all = [false; 256];
    let (mut rest, mut byte): (&mut [bool], u8) = (&mut all, 0);
    while let [first, others @ ..] = rest {
        *first = matches!(byte, b'\t'..=b'\r' | 0x1e | 0x1f | b'-' | b'+' | b' ' | 0xa0 | 0xad | 0x96 | 0x97)
            || matches!(byte, b'&' | b'<' | b'\\' | b'%' | 0xc2 | 0xe2 | 0xe3 | 0xef);
        (rest, byte) = (others, byte.wrapping_add(1));
    }
    all
};

/// Whether a separator may begin with this byte.
#[inline]
pub(super) fn begins_with(byte: u8) -> bool {
    BEGINS.get(usize::from(byte)).is_some_and(|begins| *begins)
}

/// The separator at an index of the text.
pub(super) fn find(text: &Candidate<'_>, at: usize) -> Result<Option<Found>, Cut> {
    let Some(first) = text.at(at)? else { return Ok(None) };
    let code = match first {
        b'\t'..=b'\r' | 0x1e | 0x1f | b'-' | b'+' | b' ' | 0xa0 | 0xad | 0x96 | 0x97 => {
            Some((u32::from(first), at + 1))
        }
        b'&' => return entity(text, at + 1),
        b'<' => return tag(text, at + 1),
        b'\\' => match text.at(at + 1)? {
            Some(b'u') => hex(text, at + 2, 4)?,
            Some(b'x') => hex(text, at + 2, 2)?,
            Some(b't' | b'n' | b'r') => Some((u32::from(b' '), at + 2)),
            _ => None,
        },
        b'%' => percent(text, at)?,
        0xc2 | 0xe2 | 0xe3 | 0xef => utf8(text, [at, at + 1, at + 2])?,
        _ => None,
    };
    Ok(code.and_then(|(code, end)| separator(code, end)))
}

/// Whether a character separates. 0x96 and 0x97 are dashes in Windows-1252, and as HTML's numeric entities; 0x1e and 0x1f
/// are Word's hyphens.
fn separator(code: u32, end: usize) -> Option<Found> {
    let is_plus = matches!(code, 0x2b | 0xff0b);
    let is_blank = matches!(code, 0x09..=0x0d | 0x20);
    let space = matches!(code, 0xa0 | 0x2000..=0x200f | 0x2028..=0x202f | 0x205f..=0x2064 | 0x3000 | 0xfeff);
    let dash = matches!(code, 0x1e | 0x1f | 0x2d | 0x96 | 0x97 | 0xad | 0x2010..=0x2015 | 0x2212 | 0xfe63 | 0xff0d);
    (is_plus || is_blank || space || dash).then_some(Found { end, is_plus, is_blank })
}

/// `<wbr>` or `<br>` after its `<`.
fn tag(text: &Candidate<'_>, at: usize) -> Result<Option<Found>, Cut> {
    let mut at = at;
    if matches!(text.at(at)?, Some(b'w' | b'W')) {
        at += 1;
    }
    for name in [*b"bB", *b"rR"] {
        if !text.at(at)?.is_some_and(|byte| name.contains(&byte)) {
            return Ok(None);
        }
        at += 1;
    }
    for optional in [b' ', b'/'] {
        if text.at(at)? == Some(optional) {
            at += 1;
        }
    }
    Ok((text.at(at)? == Some(b'>')).then_some(Found { end: at + 1, is_plus: false, is_blank: false }))
}

/// A name stands after those that begin with it.
const NAMES: [(&[u8], u32); 29] = [
    (b"nbsp", 0xa0),
    (b"NonBreakingSpace", 0xa0),
    (b"NoBreak", 0x2060),
    (b"ensp", 0x2002),
    (b"emsp13;", 0x2004),
    (b"emsp14;", 0x2005),
    (b"emsp", 0x2003),
    (b"numsp", 0x2007),
    (b"puncsp", 0x2008),
    (b"thinsp", 0x2009),
    (b"ThinSpace", 0x2009),
    (b"hairsp", 0x200a),
    (b"VeryThinSpace", 0x200a),
    (b"MediumSpace", 0x205f),
    (b"ZeroWidthSpace", 0x200b),
    (b"zwnj", 0x200c),
    (b"zwj", 0x200d),
    (b"lrm", 0x200e),
    (b"rlm", 0x200f),
    (b"Tab", 0x09),
    (b"NewLine", 0x0a),
    (b"shy", 0xad),
    (b"hyphen", 0x2010),
    (b"dash", 0x2010),
    (b"ndash", 0x2013),
    (b"mdash", 0x2014),
    (b"horbar", 0x2015),
    (b"minus", 0x2212),
    (b"plus", 0x2b),
];

/// HTML's entity after its `&`. Browsers do not need the `;` of the older ones.
fn entity(text: &Candidate<'_>, at: usize) -> Result<Option<Found>, Cut> {
    let (code, end) = if text.at(at)? == Some(b'#') {
        let x = matches!(text.at(at + 1)?, Some(b'x' | b'X'));
        let (radix, start) = if x { (16, at + 2) } else { (10, at + 1) };
        let (mut code, mut end) = (0_u32, start);
        // Without its `;` the entity goes on in the digits that follow. Zeros before are few, or it is nothing to be found.
        while let Some(digit) = text.at(end)?.and_then(|byte| char::from(byte).to_digit(radix)) {
            if end == start + ENTITY_DIGITS_MAX {
                return Ok(None);
            }
            code = code.saturating_mul(radix).saturating_add(digit);
            end += 1;
        }
        (code, end)
    } else {
        let mut named = None;
        for (name, code) in NAMES {
            if literal(text, at, name)? {
                named = Some((code, at + name.len()));
                break;
            }
        }
        let Some(named) = named else { return Ok(None) };
        named
    };
    let end = if text.at(end)? == Some(b';') { end + 1 } else { end };
    Ok(separator(code, end))
}

fn literal(text: &Candidate<'_>, at: usize, name: &[u8]) -> Result<bool, Cut> {
    for (byte, index) in name.iter().zip(at..) {
        if text.at(index)? != Some(*byte) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A number of `digits` hexadecimal digits, and the index after it.
fn hex(text: &Candidate<'_>, at: usize, digits: usize) -> Result<Option<(u32, usize)>, Cut> {
    let mut code = 0;
    for index in at..at + digits {
        let Some(digit) = text.at(index)?.and_then(|byte| char::from(byte).to_digit(16)) else { return Ok(None) };
        code = code * 16 + digit;
    }
    Ok(Some((code, at + digits)))
}

/// One character as `%XX`, `%XX%XX` or `%XX%XX%XX`.
fn percent(text: &Candidate<'_>, at: usize) -> Result<Option<(u32, usize)>, Cut> {
    let byte = |at: usize| match text.at(at)? {
        Some(b'%') => Ok(hex(text, at + 1, 2)?.map(|(code, _)| code)),
        _ => Ok(None),
    };
    let Some(first) = byte(at)? else { return Ok(None) };
    character(first, at + 3, |n| byte(at + 3 * n), |n| at + 3 * n)
}

/// One character in UTF-8 whose bytes stand at these indices.
fn utf8(text: &Candidate<'_>, [at, ..]: [usize; 3]) -> Result<Option<(u32, usize)>, Cut> {
    let byte = |at: usize| Ok(text.at(at)?.map(u32::from));
    let Some(first) = byte(at)? else { return Ok(None) };
    character(first, at + 1, |n| byte(at + n), |n| at + n)
}

/// A character of up to three bytes. `next` gives the byte of a number, `end` the index after so many.
fn character(
    first: u32,
    single: usize,
    next: impl Fn(usize) -> Result<Option<u32>, Cut>,
    end: impl Fn(usize) -> usize,
) -> Result<Option<(u32, usize)>, Cut> {
    let continued = |n: usize| Ok(next(n)?.filter(|byte| (0x80..0xc0).contains(byte)).map(|byte| byte & 0x3f));
    match first {
        0xc2..=0xdf => Ok(continued(1)?.map(|low| ((first & 0x1f) << 6 | low, end(2)))),
        0xe0..=0xef => {
            let Some(middle) = continued(1)? else { return Ok(None) };
            Ok(continued(2)?.map(|low| ((first & 0x0f) << 12 | middle << 6 | low, end(3))))
        }
        _ => Ok(Some((first, single))),
    }
}
