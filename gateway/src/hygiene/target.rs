//! The request target: which bytes a path and a query may have.

/// What is wrong with a path or a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    /// No `/` first.
    #[error("it does not begin with '/'")]
    Relative,
    /// A byte that has to be escaped, or has no place in a target at all.
    #[error("a character that must be escaped, or that has two meanings")]
    Character,
    /// `%` without two hexadecimal digits.
    #[error("'%' without two hexadecimal digits")]
    Escape,
    /// An escape of a character that changes the path, or that needs no escape.
    #[error("an escape of '/', '\\', ';', '.', a control character, or a character that needs no escape")]
    Hidden,
    /// Escapes that are not UTF-8.
    #[error("escapes that are not UTF-8")]
    Encoding,
    /// `//`.
    #[error("an empty segment")]
    Empty,
    /// `.` or `..`.
    #[error("a dot segment")]
    Dot,
}

/// Path and query of a target in origin-form. A target without `/` first, or with `//` first, is none.
pub(super) fn split(target: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    if target.first() != Some(&b'/') {
        return None;
    }
    Some(match memchr::memchr(b'?', target) {
        Some(mark) => (target.get(..mark)?, target.get(mark + 1..)),
        None => (target, None),
    })
}

/// Checks a path: see the invariants of [`super::CleanRequest`].
pub fn check_path(path: &[u8]) -> Result<(), PathFault> {
    let (b'/', mut rest) = path.split_first().ok_or(PathFault::Relative)? else { return Err(PathFault::Relative) };
    loop {
        let slash = memchr::memchr(b'/', rest);
        let segment = rest.get(..slash.unwrap_or(rest.len())).unwrap_or(rest);
        match segment {
            b"" if slash.is_some() => return Err(PathFault::Empty),
            b"." | b".." => return Err(PathFault::Dot),
            _ => check_segment(segment)?,
        }
        match slash.and_then(|slash| rest.get(slash + 1..)) {
            Some(next) => rest = next,
            None => return Ok(()),
        }
    }
}

fn check_segment(mut rest: &[u8]) -> Result<(), PathFault> {
    while let Some((&byte, next)) = rest.split_first() {
        rest = match byte {
            b'%' => {
                let (decoded, next) = escape(next)?;
                if decoded < 0x80 {
                    // A character that may stand as itself must: else two texts name one path. The separators and
                    // controls are what backends decode into another path.
                    if unreserved(decoded) || decoded.is_ascii_control() || matches!(decoded, b'/' | b'\\' | b';') {
                        return Err(PathFault::Hidden);
                    }
                    next
                } else {
                    character(decoded, next)?
                }
            }
            b';' => return Err(PathFault::Character),
            _ if unreserved(byte) || sub_delimiter(byte) || matches!(byte, b':' | b'@') => next,
            _ => return Err(PathFault::Character),
        };
    }
    Ok(())
}

/// Checks a query. Its values may be of any encoding; which bytes may stand in it is not RFC 3986's list but what
/// browsers send.
pub fn check_query(mut rest: &[u8]) -> Result<(), PathFault> {
    while let Some((&byte, next)) = rest.split_first() {
        rest = match byte {
            b'%' => {
                let (decoded, next) = escape(next)?;
                if decoded == 0 {
                    return Err(PathFault::Hidden);
                }
                next
            }
            b'#' | b'\\' | b'"' | b'<' | b'>' => return Err(PathFault::Character),
            0x21..=0x7e => next,
            _ => return Err(PathFault::Character),
        };
    }
    Ok(())
}

fn escape(rest: &[u8]) -> Result<(u8, &[u8]), PathFault> {
    let ([high, low], next) = rest.split_first_chunk().ok_or(PathFault::Escape)?;
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (high, low) = (digit(*high).ok_or(PathFault::Escape)?, digit(*low).ok_or(PathFault::Escape)?);
    Ok((high << 4 | low, next))
}

/// The rest of a character whose first byte was escaped: its other bytes are escaped as well.
fn character(first: u8, mut rest: &[u8]) -> Result<&[u8], PathFault> {
    let mut bytes = [first, 0, 0, 0];
    let length = match first {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return Err(PathFault::Encoding),
    };
    for slot in bytes.iter_mut().take(length).skip(1) {
        let after = rest.strip_prefix(b"%").ok_or(PathFault::Encoding)?;
        (*slot, rest) = escape(after)?;
    }
    let text = bytes.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok()).ok_or(PathFault::Encoding)?;
    if text.chars().any(char::is_control) { Err(PathFault::Hidden) } else { Ok(rest) }
}

fn unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn sub_delimiter(byte: u8) -> bool {
    matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=')
}
