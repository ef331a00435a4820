//! The cutting of SQL into words, names, strings and signs.

use super::Error;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A bare word or number.
    Word,
    /// A name in backticks or double quotes.
    Quoted,
    /// A string.
    Text,
    /// One byte of punctuation.
    Sign,
}

/// A piece of the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    /// Without quotes for names.
    pub(super) text: &'a [u8],
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Token<'_> {
    pub(super) fn is_word(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word.as_bytes())
    }

    pub(super) fn is_sign(&self, sign: u8) -> bool {
        self.kind == Kind::Sign && self.text == [sign]
    }

    /// A name that may call something, in lower case.
    pub(super) fn name(&self) -> Option<String> {
        matches!(self.kind, Kind::Word | Kind::Quoted).then(|| String::from_utf8_lossy(self.text).to_ascii_lowercase())
    }
}

/// Cuts the text into tokens; blanks and comments are dropped.
pub(super) struct Lexer<'a> {
    pub(super) sql: &'a [u8],
    pub(super) position: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn next(&mut self) -> Result<Option<Token<'a>>, Error> {
        loop {
            let rest = self.sql.get(self.position..).unwrap_or_default();
            let start = self.position;
            match rest {
                [] => return Ok(None),
                [b'-', b'-', ..] => {
                    self.position += rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
                }
                [b'/', b'*', after @ ..] => {
                    let length = find(after, b"*/").ok_or(Error::NotClosed)?;
                    if after.get(..length).is_some_and(|comment| find(comment, b"/*").is_some()) {
                        return Err(Error::Unsupported("Comments inside comments"));
                    }
                    self.position += length + 4;
                }
                [b'#', ..] => return Err(Error::Unsupported("Comments that begin with #")),
                [b'$', ..] => return Err(Error::Unsupported("Heredocs")),
                [0xe2, 0x80, 0x98..=0x9f, ..] => {
                    return Err(Error::Unsupported("Typographic quotes"));
                }
                [quote @ (b'\'' | b'"' | b'`'), after @ ..] => {
                    let length = closing(after, *quote).ok_or(Error::NotClosed)?;
                    self.position += length + 2;
                    let kind = if *quote == b'\'' { Kind::Text } else { Kind::Quoted };
                    let text = after.get(..length).unwrap_or_default();
                    if kind == Kind::Quoted && text.contains(&b'\\') {
                        // An escaped letter would hide a name from the check.
                        return Err(Error::Unsupported("Escapes in quoted names"));
                    }
                    return Ok(Some(Token { kind, text, start, end: self.position }));
                }
                [first, ..] if is_word_byte(*first) => {
                    let length = rest.iter().position(|b| !is_word_byte(*b) && *b != b'$').unwrap_or(rest.len());
                    self.position += length;
                    return Ok(Some(Token {
                        kind: Kind::Word,
                        text: rest.get(..length).unwrap_or_default(),
                        start,
                        end: self.position,
                    }));
                }
                // Blanks. Anything beyond ASCII outside quotes is a blank to ClickHouse, or an error.
                [first, ..] if !first.is_ascii_graphic() => self.position += 1,
                _ => {
                    self.position += 1;
                    return Ok(Some(Token {
                        kind: Kind::Sign,
                        text: rest.get(..1).unwrap_or_default(),
                        start,
                        end: self.position,
                    }));
                }
            }
        }
    }
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The length of what stands before the closing quote. A doubled quote ends one string and begins the next, which
/// for the check is the same.
fn closing(text: &[u8], quote: u8) -> Option<usize> {
    let mut bytes = text.iter().enumerate();
    while let Some((index, byte)) = bytes.next() {
        if *byte == b'\\' {
            bytes.next();
        } else if *byte == quote {
            return Some(index);
        }
    }
    None
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}
