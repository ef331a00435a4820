//! JSON bodies: a walk over the text that keeps nothing but the fields asked for.
//!
//! Keys are compared without regard to case, repeated keys all count, and arrays are entered by themselves, because
//! programs differ in each of these. A field that is a FHIR Identifier or Reference is read as one: `value` with its
//! `system`, `reference`, `identifier`. What stands before a syntax error is still found.

use super::{Extraction, Reading, text};
use crate::route::{FieldPath, Place, Route};
use contract::record::{Reason, Source};
use smallvec::SmallVec;
use zeroize::Zeroizing;

/// The deepest nesting that is followed; a deeper body is unreadable.
const DEPTH_MAX: usize = 64;

/// Reads the fields that the route names. `false`: the body is not JSON, or too deep.
pub(super) fn fields(body: &[u8], route: &Route, reading: Reading, out: &mut Extraction) -> bool {
    let places = route.patients.places().iter().filter_map(|place| match place {
        Place::Json(path) => Some(Target { path, term: false }),
        _ => None,
    });
    let terms = route.search_terms.iter().map(|path| Target { path, term: true });
    let targets: SmallVec<[Target<'_>; 8]> = places.chain(terms).collect();
    let start: Cursors = (0..targets.len()).map(|target| Cursor { target, depth: 0 }).collect();
    let rest = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let mut walker = Walker { rest, targets: &targets, reading, out };
    let mut values = 0_usize;
    loop {
        walker.space();
        if walker.rest.is_empty() {
            break;
        }
        if walker.value(&start, 0).is_none() {
            return false;
        }
        values += 1;
    }
    // Several values in a row are no JSON text, but all were looked into.
    values == 1 && std::str::from_utf8(body).is_ok()
}

#[derive(Clone, Copy)]
struct Target<'r> {
    path: &'r FieldPath,
    term: bool,
}

/// How far a target's path has been followed.
#[derive(Clone, Copy)]
struct Cursor {
    target: usize,
    depth: usize,
}

type Cursors = SmallVec<[Cursor; 8]>;

/// A value that is no object or array.
#[derive(Clone, Copy)]
enum Scalar<'b> {
    /// Without its quotes.
    Text {
        raw: &'b [u8],
        escaped: bool,
    },
    Number(&'b [u8]),
    Truth,
    Null,
}

struct Walker<'b, 'r, 'o> {
    rest: &'b [u8],
    targets: &'r [Target<'r>],
    reading: Reading,
    out: &'o mut Extraction,
}

impl<'b> Walker<'b, '_, '_> {
    /// Walks the next value. `None`: a syntax error.
    fn value(&mut self, cursors: &[Cursor], depth: usize) -> Option<()> {
        self.space();
        match *self.rest.first()? {
            b'{' => self.object(cursors, depth),
            b'[' => self.array(cursors, depth),
            _ => {
                let scalar = self.scalar()?;
                for cursor in cursors {
                    self.take(*cursor, scalar, None);
                }
                Some(())
            }
        }
    }

    fn array(&mut self, cursors: &[Cursor], depth: usize) -> Option<()> {
        self.enter(depth)?;
        if self.eat(b']') {
            return Some(());
        }
        loop {
            self.value(cursors, depth + 1)?;
            if !self.eat(b',') {
                return self.eat(b']').then_some(());
            }
        }
    }

    fn object(&mut self, cursors: &[Cursor], depth: usize) -> Option<()> {
        self.enter(depth)?;
        // `system` may follow the `value` that it speaks of, so values wait for the object's end.
        let mut systems: SmallVec<[Scalar<'b>; 1]> = SmallVec::new();
        let mut waiting: SmallVec<[(Cursor, Scalar<'b>); 1]> = SmallVec::new();
        if !self.eat(b'}') {
            loop {
                self.member(cursors, depth, &mut systems, &mut waiting)?;
                if !self.eat(b',') {
                    break;
                }
            }
            if !self.eat(b'}') {
                return None;
            }
        }
        // Several systems say nothing certain of the value.
        let system = if let [system] = *systems { Some(system) } else { None };
        for (cursor, scalar) in waiting {
            self.take(cursor, scalar, system);
        }
        Some(())
    }

    fn member(
        &mut self,
        cursors: &[Cursor],
        depth: usize,
        systems: &mut SmallVec<[Scalar<'b>; 1]>,
        waiting: &mut SmallVec<[(Cursor, Scalar<'b>); 1]>,
    ) -> Option<()> {
        self.space();
        let (raw, escaped) = self.string()?;
        if !self.eat(b':') {
            return None;
        }
        if cursors.is_empty() {
            return self.value(&[], depth + 1);
        }
        let (next, is_value, is_system) = unescaped(raw, escaped, |key| {
            let is = |name: &str| key.eq_ignore_ascii_case(name.as_bytes());
            (self.follow(cursors, key), is("value"), is("system"))
        })
        .unwrap_or_default();
        self.space();
        let plain = !matches!(self.rest.first()?, b'{' | b'[');
        if plain && (is_value || is_system) {
            let scalar = self.scalar()?;
            if is_system {
                systems.push(scalar);
            }
            waiting.extend(next.iter().map(|cursor| (*cursor, scalar)));
            return Some(());
        }
        self.value(&next, depth + 1)
    }

    /// The cursors below a key.
    fn follow(&self, cursors: &[Cursor], key: &[u8]) -> Cursors {
        let is = |name: &str| key.eq_ignore_ascii_case(name.as_bytes());
        let mut next = Cursors::new();
        for cursor in cursors {
            let Some(target) = self.targets.get(cursor.target) else { continue };
            match target.path.keys().get(cursor.depth) {
                Some(name) if is(name) => next.push(Cursor { depth: cursor.depth + 1, ..*cursor }),
                // The field is an object: an Identifier or a Reference.
                None if is("value") || is("reference") || is("identifier") => next.push(*cursor),
                Some(_) | None => {}
            }
        }
        next
    }

    /// Takes a scalar, if it stands at its target's end.
    fn take(&mut self, cursor: Cursor, scalar: Scalar<'b>, system: Option<Scalar<'b>>) {
        let Some(target) = self.targets.get(cursor.target).copied() else { return };
        if cursor.depth < target.path.keys().len() {
            return;
        }
        let (reading, out) = (self.reading, &mut *self.out);
        let mut read = |bytes: &[u8], system: Option<&[u8]>| {
            if target.term {
                text::term(bytes, out);
            } else {
                text::read(bytes, system, Source::Body, reading, out);
            }
        };
        let whole = match (scalar, system) {
            (Scalar::Text { raw, escaped }, Some(Scalar::Text { raw: system, escaped: system_escaped })) => {
                unescaped(raw, escaped, |bytes| {
                    unescaped(system, system_escaped, |system| read(bytes, Some(system)))
                        .unwrap_or_else(|| read(bytes, None));
                })
            }
            (Scalar::Text { raw, escaped }, _) => unescaped(raw, escaped, |bytes| read(bytes, None)),
            (Scalar::Number(digits), _) => {
                read(digits, None);
                Some(())
            }
            (Scalar::Null, _) => Some(()),
            (Scalar::Truth, _) => None,
        };
        if whole.is_none() && !target.term {
            self.out.note(Reason::PatientForm, Source::Body);
        }
    }

    fn enter(&mut self, depth: usize) -> Option<()> {
        self.rest = self.rest.get(1..)?;
        (depth < DEPTH_MAX).then_some(())
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }

    fn eat(&mut self, byte: u8) -> bool {
        self.space();
        match self.rest.split_first() {
            Some((first, rest)) if *first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn scalar(&mut self) -> Option<Scalar<'b>> {
        if self.rest.first() == Some(&b'"') {
            let (raw, escaped) = self.string()?;
            return Some(Scalar::Text { raw, escaped });
        }
        let end =
            self.rest.iter().position(|byte| !matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'E' | b'+' | b'-' | b'.'));
        let (word, rest) = self.rest.split_at_checked(end.unwrap_or(self.rest.len()))?;
        self.rest = rest;
        match word {
            b"true" | b"false" => Some(Scalar::Truth),
            b"null" => Some(Scalar::Null),
            [b'-' | b'0'..=b'9', ..] => Some(Scalar::Number(word)),
            _ => None,
        }
    }

    /// The next string without its quotes, and whether it has escapes.
    fn string(&mut self) -> Option<(&'b [u8], bool)> {
        let inner = self.rest.strip_prefix(b"\"")?;
        let mut end = 0;
        let mut escaped = false;
        loop {
            let tail = inner.get(end..)?;
            end += memchr::memchr2(b'"', b'\\', tail)?;
            if inner.get(end) == Some(&b'"') {
                break;
            }
            escaped = true;
            end += 2;
        }
        let (raw, rest) = inner.split_at_checked(end)?;
        self.rest = rest.get(1..)?;
        Some((raw, escaped))
    }
}

/// Calls `take` with the text that a JSON string means; `None` if an escape is wrong. The copy is wiped.
pub(crate) fn unescaped<T>(raw: &[u8], escaped: bool, take: impl FnOnce(&[u8]) -> T) -> Option<T> {
    if !escaped {
        return Some(take(raw));
    }
    // No escape is shorter than what it means, so the text never moves while it grows.
    let mut text = Zeroizing::new(Vec::with_capacity(raw.len()));
    let mut rest = raw;
    while let Some((&byte, next)) = rest.split_first() {
        rest = next;
        if byte != b'\\' {
            text.push(byte);
            continue;
        }
        let (&kind, next) = next.split_first()?;
        rest = next;
        text.push(match kind {
            b'"' | b'\\' | b'/' => kind,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let (character, next) = unicode(next)?;
                rest = next;
                text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            _ => return None,
        });
    }
    Some(take(&text))
}

/// The character of `XXXX`, or of a surrogate pair `XXXX\uXXXX`.
fn unicode(rest: &[u8]) -> Option<(char, &[u8])> {
    let (high, next) = four(rest)?;
    if let Some(character) = char::from_u32(high) {
        return Some((character, next));
    }
    let (low, next) = four(next.strip_prefix(b"\\u")?)?;
    let low = low.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
    let high = high.checked_sub(0xd800).filter(|high| *high < 0x400)?;
    Some((char::from_u32(0x1_0000 + (high << 10) + low)?, next))
}

fn four(rest: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, next) = rest.split_first_chunk::<4>()?;
    let code = digits.iter().try_fold(0, |code, digit| Some(code << 4 | char::from(*digit).to_digit(16)?))?;
    Some((code, next))
}
