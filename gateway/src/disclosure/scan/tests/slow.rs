//! The reader of texts that is slow and plainly right: at each place it tries each form and each separator.

use super::READING;
use contract::identity::{IdentityKind, parse_with};

/// Ways to write what may stand between date and number, and what each stands for.
const SEPARATORS: [(&[u8], bool); 40] = [
    (b"-", false),
    (b"+", true),
    (b" ", false),
    (b"\xa0", false),
    (b"\xad", false),
    (b"\x96", false),
    (b"\x97", false),
    (b"\xc2\xa0", false),
    (b"\xc2\xad", false),
    (b"\xe2\x80\x91", false),
    (b"\xe2\x88\x92", false),
    (b"\xe2\x80\xaf", false),
    (b"\xe2\x80\x89", false),
    (b"\xe2\x80\x93", false),
    (b"\xef\xbb\xbf", false),
    (b"&nbsp;", false),
    (b"&nbsp", false),
    (b"&#160;", false),
    (b"&#xA0;", false),
    (b"&shy;", false),
    (b"&shy", false),
    (b"&ndash;", false),
    (b"&minus;", false),
    (b"&plus;", true),
    (b"\\u2011", false),
    (b"\\u00a0", false),
    (b"\\xa0", false),
    (b"\\x2d", false),
    (b"%20", false),
    (b"%2D", false),
    (b"%2B", true),
    (b"%C2%A0", false),
    (b"%A0", false),
    (b"%a0", false),
    (b"\\u00A0", false),
    (b"\\xA0", false),
    (b"%96", false),
    (b"%97", false),
    (b"%AD", false),
    (b"%ad", false),
];

fn hex(bytes: &[u8]) -> bool {
    bytes.iter().all(u8::is_ascii_hexdigit)
}

fn digits(bytes: &[u8]) -> bool {
    bytes.iter().all(u8::is_ascii_digit)
}

fn near(text: &[u8], index: Option<usize>, test: impl Fn(&u8) -> bool) -> bool {
    index.and_then(|index| text.get(index)).is_some_and(test)
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

/// All ways to read separators from `at` on: where they end, how many, whether one is a plus.
fn ends(text: &[u8], at: usize, count: usize, plus: bool, all: &mut Vec<(usize, usize, bool)>) {
    all.push((at, count, plus));
    if count < 3 {
        for (separator, is_plus) in SEPARATORS {
            if text[at..].starts_with(separator) {
                ends(text, at + separator.len(), count + 1, plus || is_plus, all);
            }
        }
    }
}

fn read_at(text: &[u8], run: usize, start: usize) -> Option<String> {
    let length = text[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let end = start + length;
    let mut ways: Vec<(Vec<u8>, usize)> = Vec::new();
    if [10, 12].contains(&length) {
        ways.push((text[start..end].to_vec(), end));
    }
    if [6, 8].contains(&length) {
        let mut all = Vec::new();
        ends(text, end, 0, false, &mut all);
        for (at, count, plus) in all {
            let Some(tail) = text.get(at..at + 4) else { continue };
            let plain = count > 0 && digits(tail);
            let reserve = length == 8
                && !digits(tail)
                && tail.iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
                && (count == 0 || (count == 1 && text[end] == b'-'));
            let whole = at + 4;
            if (plain || reserve)
                && !near(text, Some(whole), u8::is_ascii_digit)
                && !text.get(whole..whole + 23).is_some_and(|rest| uuid(&[b"01234567-0123".as_slice(), rest].concat()))
            {
                let sign = if plus && length == 6 { b"+" } else { b"-" };
                ways.push(([&text[start..end], sign, tail].concat(), whole));
            }
        }
    }
    for (id, whole) in ways {
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
        if start == run && near(text, start.checked_sub(1), |byte| *byte == b'.') {
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
