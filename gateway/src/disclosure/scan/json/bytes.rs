//! Bytes of JSON, several at a time.

use super::super::block::find_quote;

/// How far a string goes on.
pub(super) struct Ended {
    /// Bytes looked at, with the closing quote.
    pub(super) len: usize,
    /// The closing quote stands among them.
    pub(super) closed: bool,
}

/// Reads on in a string. `escape`: the byte before was a backslash that escapes the first.
pub(super) fn string(rest: &[u8], escape: &mut bool) -> Ended {
    let mut at = usize::from(std::mem::take(escape));
    while let Some(found) = rest.get(at..).and_then(find_quote) {
        at += found;
        if rest.get(at) == Some(&b'"') {
            return Ended { len: at + 1, closed: true };
        }
        at += 2;
    }
    // The last byte was a backslash.
    *escape = at > rest.len();
    Ended { len: rest.len(), closed: false }
}

/// A key that stands as a whole before its value.
pub(super) struct Key<'b> {
    pub(super) text: &'b [u8],
    /// Where its value begins.
    pub(super) value: usize,
}

/// The key at an index, after a comma if `comma`. `None`: it is cut off, has escapes, or is none.
#[inline]
pub(super) fn key(rest: &[u8], at: usize, comma: bool) -> Option<Key<'_>> {
    // As programs write it.
    let start = at + usize::from(comma);
    if (!comma || rest.get(at) == Some(&b','))
        && let Some([b'"', text @ ..]) = rest.get(start..)
        && let Some(len) = find_quote(text)
        && let Some((text, [b'"', b':', next, ..])) = text.split_at_checked(len)
        && *next > b' '
    {
        return Some(Key { text, value: start + len + 3 });
    }
    spaced_key(rest, at, comma)
}

/// The same with white space anywhere.
#[inline(never)]
fn spaced_key(rest: &[u8], at: usize, comma: bool) -> Option<Key<'_>> {
    let quote = if comma { after(rest, after(rest, at, b',')?, b'"')? } else { after(rest, at, b'"')? };
    let text = rest.get(quote..)?;
    let (text, _) = text.split_at_checked(find_quote(text)?)?;
    let colon = after(rest, after(rest, quote + text.len(), b'"')?, b':')?;
    Some(Key { text, value: colon + spaces(rest.get(colon..)?) })
}

/// The index after white space and this byte.
#[inline]
fn after(rest: &[u8], at: usize, byte: u8) -> Option<usize> {
    let mut at = at;
    if rest.get(at)? != &byte {
        at += spaces(rest.get(at..)?);
        if rest.get(at)? != &byte {
            return None;
        }
    }
    Some(at + 1)
}

/// The index after the closing quote of a string that goes on here; `None` if it is cut off.
#[inline]
pub(super) fn closing(rest: &[u8], at: usize) -> Option<usize> {
    let mut at = at;
    loop {
        at += find_quote(rest.get(at..)?)?;
        if rest.get(at) == Some(&b'"') {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// The rest of a string, if it stands here as a whole and has no escapes.
#[inline]
pub(super) fn plain_text(rest: &[u8], at: usize) -> Option<&[u8]> {
    let text = rest.get(at..)?;
    let (text, end) = text.split_at_checked(find_quote(text)?)?;
    (end.first() == Some(&b'"')).then_some(text)
}

/// The index after a number that begins here; `None` if it may go on.
#[inline]
pub(super) fn ended_literal(rest: &[u8], at: usize) -> Option<usize> {
    let end = at + literal(rest.get(at..)?);
    (end < rest.len()).then_some(end)
}

/// The index after a word that begins here; `None` if it may go on, or is none.
#[inline]
pub(super) fn ended_word(rest: &[u8], at: usize) -> Option<usize> {
    let word = rest.get(at..)?;
    let len = match word {
        [b't', b'r', b'u', b'e', ..] | [b'n', b'u', b'l', b'l', ..] => 4,
        [b'f', b'a', b'l', b's', b'e', ..] => 5,
        _ => return None,
    };
    word.get(len).filter(|next| !is_literal(**next)).map(|_| at + len)
}

/// How many bytes of a number or word stand here.
#[inline]
pub(super) fn literal(rest: &[u8]) -> usize {
    rest.iter().position(|byte| !is_literal(*byte)).unwrap_or(rest.len())
}

/// Which bytes numbers and words have.
const LITERAL: [bool; 256] = {
    let mut all = [false; 256];
    let (mut rest, mut byte): (&mut [bool], u8) = (&mut all, 0);
    while let [first, others @ ..] = rest {
        *first = matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'E' | b'+' | b'-' | b'.');
        (rest, byte) = (others, byte.wrapping_add(1));
    }
    all
};

#[inline]
fn is_literal(byte: u8) -> bool {
    LITERAL.get(usize::from(byte)).is_some_and(|is| *is)
}

/// How many bytes of white space stand here.
pub(super) fn spaces(rest: &[u8]) -> usize {
    rest.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).unwrap_or(rest.len())
}
