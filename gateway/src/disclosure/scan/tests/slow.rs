//! The reader of texts that is slow and plainly right: at each place it tries each form and each separator.

use super::READING;
use contract::identity::{IdentityKind, parse_with};

/// HTML's names. Where one begins with another, the longer stands first.
const NAMES: [(&str, u64); 29] = [
    ("nbsp", 0xa0),
    ("NonBreakingSpace", 0xa0),
    ("NoBreak", 0x2060),
    ("ensp", 0x2002),
    ("emsp13;", 0x2004),
    ("emsp14;", 0x2005),
    ("emsp", 0x2003),
    ("numsp", 0x2007),
    ("puncsp", 0x2008),
    ("thinsp", 0x2009),
    ("ThinSpace", 0x2009),
    ("hairsp", 0x200a),
    ("VeryThinSpace", 0x200a),
    ("MediumSpace", 0x205f),
    ("ZeroWidthSpace", 0x200b),
    ("zwnj", 0x200c),
    ("zwj", 0x200d),
    ("lrm", 0x200e),
    ("rlm", 0x200f),
    ("Tab", 9),
    ("NewLine", 10),
    ("shy", 0xad),
    ("hyphen", 0x2010),
    ("dash", 0x2010),
    ("ndash", 0x2013),
    ("mdash", 0x2014),
    ("horbar", 0x2015),
    ("minus", 0x2212),
    ("plus", 0x2b),
];
const TAGS: [&str; 6] = ["<wbr>", "<wbr/>", "<wbr />", "<br>", "<br/>", "<br />"];
/// The most separators, beside white space, and before how many bytes the last begins.
const SEPARATORS_MAX: usize = 3;
const GAP_MAX: usize = 64;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Blank,
    Plus,
    Other,
}

fn kind(code: u64) -> Option<Kind> {
    let blanks = ['\t', '\n', '\u{b}', '\u{c}', '\r', ' '];
    let others = "\u{1e}\u{1f}-\u{96}\u{97}\u{a0}\u{ad}\u{2212}\u{3000}\u{feff}\u{fe63}\u{ff0d}";
    let ranges = ['\u{2000}'..='\u{2015}', '\u{2028}'..='\u{202f}', '\u{205f}'..='\u{2064}'];
    let code = char::from_u32(u32::try_from(code).ok()?)?;
    match code {
        '+' | '\u{ff0b}' => Some(Kind::Plus),
        _ if blanks.contains(&code) => Some(Kind::Blank),
        _ if others.contains(code) || ranges.iter().any(|range| range.contains(&code)) => Some(Kind::Other),
        _ => None,
    }
}

/// The separator at the text's start, and its length.
fn separator(text: &[u8]) -> Option<(usize, Kind)> {
    let first = *text.first()?;
    let (len, code) = match first {
        b'&' => entity(text)?,
        b'<' => {
            let is = |tag: &&&str| text.get(..tag.len()).is_some_and(|text| text.eq_ignore_ascii_case(tag.as_bytes()));
            return TAGS.iter().find(is).map(|tag| (tag.len(), Kind::Other));
        }
        b'\\' => match text.get(1)? {
            b'u' => (6, number(text.get(2..6)?, 16)?),
            b'x' => (4, number(text.get(2..4)?, 16)?),
            b't' | b'n' | b'r' => (2, 0x20),
            _ => return None,
        },
        b'%' => {
            let bytes: Vec<u8> = (0..3)
                .map_while(|place| text.get(3 * place..3 * place + 3)?.strip_prefix(b"%"))
                .map_while(|digits| number(digits, 16)?.try_into().ok())
                .collect();
            let (len, code) = character(&bytes)?;
            (3 * len, code)
        }
        0xc2 | 0xe2 | 0xe3 | 0xef => character(text)?,
        _ => (1, first.into()),
    };
    Some((len, kind(code)?))
}

/// One character: in UTF-8, or a byte that is none.
fn character(bytes: &[u8]) -> Option<(usize, u64)> {
    let low = |at: usize| bytes.get(at).filter(|byte| **byte & 0xc0 == 0x80).map(|byte| u64::from(byte & 0x3f));
    let first = u64::from(*bytes.first()?);
    Some(match first {
        0xc2..=0xdf => (2, (first - 0xc0) * 64 + low(1)?),
        0xe0..=0xef => (3, ((first - 0xe0) * 64 + low(1)?) * 64 + low(2)?),
        _ => (1, first),
    })
}

fn entity(text: &[u8]) -> Option<(usize, u64)> {
    let (len, code) = match text.get(1..)? {
        [b'#', b'x' | b'X', rest @ ..] => {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
            (3 + digits, if digits > 16 { return None } else { number(&rest[..digits], 16).unwrap_or(0) })
        }
        [b'#', rest @ ..] => {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            (2 + digits, if digits > 16 { return None } else { number(&rest[..digits], 10).unwrap_or(0) })
        }
        rest => {
            let (name, code) = NAMES.iter().find(|(name, _)| rest.starts_with(name.as_bytes()))?;
            (1 + name.len(), *code)
        }
    };
    Some((len + usize::from(text.get(len) == Some(&b';')), code))
}

fn number(text: &[u8], radix: u32) -> Option<u64> {
    let digits = std::str::from_utf8(text).ok()?;
    if !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

/// The separators from `at` on: where they end, whether one is a plus.
fn passed(text: &[u8], date_end: usize) -> (usize, bool) {
    let (mut at, mut plus, mut count) = (date_end, false, 0);
    while at - date_end < GAP_MAX {
        let Some((len, kind)) = separator(&text[at..]) else { break };
        count += usize::from(kind != Kind::Blank);
        if count > SEPARATORS_MAX {
            break;
        }
        plus |= kind == Kind::Plus;
        at += len;
    }
    (at, plus)
}

/// `-01-01` and no digit.
fn month_and_day(text: &[u8], at: usize) -> bool {
    text.get(at..at + 6)
        .is_some_and(|text| text[0] == b'-' && digits(&text[1..3]) && text[3] == b'-' && digits(&text[4..]))
        && !near(text, Some(at + 6), u8::is_ascii_digit)
}

fn hex(bytes: &[u8]) -> bool {
    bytes.iter().all(u8::is_ascii_hexdigit)
}

fn digits(bytes: &[u8]) -> bool {
    bytes.iter().all(u8::is_ascii_digit)
}

fn near(text: &[u8], index: Option<usize>, fits: impl Fn(&u8) -> bool) -> bool {
    index.and_then(|index| text.get(index)).is_some_and(fits)
}

/// Whether an escape ends before `at` that begins before `run`.
fn after_escape(text: &[u8], run: usize, at: usize) -> bool {
    [(b"%".as_slice(), 2), (b"\\x", 2), (b"\\u", 4)].iter().any(|(mark, count)| {
        at.checked_sub(mark.len() + count).is_some_and(|start| {
            let (head, tail) = text[start..at].split_at(mark.len());
            start + mark.len() <= run && head == *mark && hex(tail)
        })
    })
}

fn uuid(bytes: &[u8]) -> bool {
    bytes.len() == 36
        && bytes.iter().enumerate().all(|(index, byte)| {
            if [8, 13, 18, 23].contains(&index) { *byte == b'-' } else { byte.is_ascii_hexdigit() }
        })
}

fn read_at(text: &[u8], run: usize, start: usize) -> Option<String> {
    let length = text[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let end = start + length;
    let mut ways: Vec<(Vec<u8>, usize, bool)> = Vec::new();
    if [10, 12].contains(&length) {
        ways.push((text[start..end].to_vec(), end, true));
    }
    let dated = length == 4 && month_and_day(text, end);
    let (date, date_end) = match length {
        6 | 8 => (text[start..end].to_vec(), end),
        4 if dated => (text[start..end + 6].iter().copied().filter(u8::is_ascii_digit).collect(), end + 6),
        _ => (Vec::new(), end),
    };
    let (at, plus) = passed(text, date_end);
    if let Some(tail) = text.get(at..at + 4).filter(|_| !date.is_empty()) {
        let plain = at > date_end && digits(tail);
        let reserve = date.len() == 8
            && !digits(tail)
            && tail.iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
            && ((at == date_end && !dated) || (at == date_end + 1 && text[date_end] == b'-'));
        let whole = at + 4;
        if (plain || reserve)
            && !near(text, Some(whole), u8::is_ascii_digit)
            && !(dated && month_and_day(text, whole))
            && !text.get(whole..whole + 23).is_some_and(|rest| uuid(&[b"01234567-0123".as_slice(), rest].concat()))
        {
            let sign = if plus && date.len() == 6 { b"+" } else { b"-" };
            ways.push(([date.as_slice(), sign, tail].concat(), whole, at == date_end));
        }
    }
    for (id, whole, joined) in ways {
        if near(text, Some(whole), u8::is_ascii_alphabetic) {
            continue;
        }
        let Ok(id) = parse_with(std::str::from_utf8(&id).expect("ASCII"), READING.year, READING.series) else {
            continue;
        };
        let number = matches!(id.kind(), IdentityKind::Personnummer | IdentityKind::Samordningsnummer);
        if [6, 10].contains(&length) && !number {
            continue;
        }
        if start >= 12 && hex(&text[start - 12..start]) || whole >= 36 && uuid(&text[whole - 36..whole]) {
            continue;
        }
        if joined && start == run && near(text, start.checked_sub(1), |byte| *byte == b'.') {
            let before = &text[..start - 1];
            let count = before.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
            if count > 8 || count > 0 && !near(before, before.len().checked_sub(count + 1), |byte| *byte == b'.') {
                continue;
            }
        }
        return Some(id.expose().to_owned());
    }
    None
}

/// The identities in a text, each once, in their order.
pub(super) fn read(text: &[u8]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for run in 0..text.len() {
        if !text[run].is_ascii_digit() || near(text, run.checked_sub(1), u8::is_ascii_digit) {
            continue;
        }
        let length = text[run..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let escaped = (run + 1..(run + 5).min(run + length)).find(|at| after_escape(text, run, *at));
        if length > 16 {
            continue;
        }
        let id = escaped.and_then(|start| read_at(text, run, start)).or_else(|| read_at(text, run, run));
        if let Some(id) = id.filter(|id| !found.contains(id)) {
            found.push(id);
        }
    }
    found
}
