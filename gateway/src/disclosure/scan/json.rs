//! JSON that comes in pieces: a walk that can stop after any byte.
//!
//! The [`Walker`] knows the syntax, and a [`Guide`] knows what is looked for: it says of each key whether anything may
//! stand beneath it. What it does not want is skipped: strings are closed there, brackets fit, and the literals between
//! are not read. Of what it wants, keys and values are kept up to [`kept::BYTES_MAX`] if a piece ends in them.
//!
//! As in requests, several documents in a row are all looked into.

mod bytes;
mod guide;
mod kept;
mod skip;

pub(super) use guide::{Guide, Scalar, TICK};

use super::{Fault, Hit};
use bytes::Ended;
use kept::Kept;
use skip::Skip;

/// The deepest nesting that is followed.
pub(super) const DEPTH_MAX: usize = 128;
/// Nearly all texts are no deeper, and so have room from the start.
pub(super) const DEPTH_USUAL: usize = 16;

/// The walk through a text of JSON.
#[derive(Debug)]
pub(super) struct Walker<G: Guide> {
    guide: G,
    at: At,
    stack: Vec<Frame<G::Node>>,
    /// What is known of the value that comes or that is read now.
    node: Option<G::Node>,
    /// The last byte of the piece was a string's backslash.
    escape: bool,
    kept: Kept,
    skip: Skip,
    /// Offset of the value that is read now.
    value: u64,
    read: u64,
    /// Bytes that may stand between documents beside white space.
    separator: Option<u8>,
    fault: Option<Fault>,
    settled: u64,
}

#[derive(Debug, Clone, Copy)]
struct Frame<N> {
    node: N,
    is_object: bool,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq)]
enum At {
    /// A byte order mark's second and third byte.
    Mark(u8),
    Document,
    Value,
    /// An array's first value, or its end.
    Element,
    Key,
    /// An object's first key, or its end.
    Member,
    Colon,
    /// A comma, or the end of array or object.
    After,
    InKey,
    /// In a string that is kept, or not.
    InText(bool),
    /// In a number that is kept, or not.
    InNumber(bool),
    InWord,
    InSkip,
}

impl<G: Guide> Walker<G> {
    /// `separator`: what may stand between documents beside white space.
    pub(super) fn new(guide: G, separator: Option<u8>) -> Self {
        Self {
            guide,
            at: At::Document,
            stack: Vec::with_capacity(DEPTH_USUAL),
            node: None,
            escape: false,
            kept: Kept::default(),
            skip: Skip::default(),
            value: 0,
            read: 0,
            separator,
            fault: None,
            settled: 0,
        }
    }

    pub(super) fn push(&mut self, mut piece: &[u8], hits: &mut Vec<Hit>) -> Result<(), Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        while !piece.is_empty() {
            let ahead = usize::try_from(TICK - self.read % TICK).unwrap_or(1);
            let (now, rest) = piece.split_at_checked(ahead).unwrap_or((piece, &[]));
            if let Err(fault) = self.walk(now, hits) {
                self.fault = Some(fault);
                return Err(fault);
            }
            self.read += now.len() as u64;
            if self.read.is_multiple_of(TICK) {
                self.guide.tick(self.read, hits);
                if let Some(fault) = self.guide.fault() {
                    self.fault = Some(fault);
                    return Err(fault);
                }
            }
            piece = rest;
        }
        let open = match self.at {
            At::InText(true) | At::InNumber(true) if !self.kept.is_too_long() => self.value,
            _ => self.read,
        };
        self.settled = self.settled.max(self.guide.settled(self.read).min(open));
        Ok(())
    }

    pub(super) fn finish(&mut self, hits: &mut Vec<Hit>) -> Result<(), Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let ended = match self.at {
            At::InNumber(_) | At::InWord if self.stack.is_empty() => self.literal(&[], self.read, hits),
            At::Document => Ok(()),
            _ => Err(Fault::Cut),
        };
        let ended = ended.and_then(|()| self.guide.fault().map_or(Ok(()), Err));
        match ended {
            Ok(()) => self.settled = self.read,
            Err(fault) => self.fault = Some(fault),
        }
        ended
    }

    pub(super) fn settled(&self) -> u64 {
        self.settled
    }

    pub(super) fn guide(&self) -> &G {
        &self.guide
    }

    pub(super) fn guide_mut(&mut self) -> &mut G {
        &mut self.guide
    }

    /// Another with this guide, at a body's start.
    pub(super) fn fresh(&self, guide: G) -> Self {
        Self::new(guide, self.separator)
    }

    fn walk(&mut self, piece: &[u8], hits: &mut Vec<Hit>) -> Result<(), Fault> {
        let mut at = 0;
        while let Some(rest) = piece.get(at..).filter(|rest| !rest.is_empty()) {
            let offset = self.read + at as u64;
            at += match self.at {
                At::After | At::Member | At::Key if self.in_object() => {
                    let len = self.members(rest, offset, hits)?;
                    let offset = offset + len as u64;
                    let rest = rest.get(len..).unwrap_or_default();
                    len + if matches!(self.at, At::After | At::Member | At::Key | At::Value) {
                        self.between(rest, offset, hits)?
                    } else {
                        0
                    }
                }
                At::InKey => self.key(rest),
                At::InText(kept) => self.text(rest, kept, offset, hits),
                At::InNumber(_) | At::InWord => {
                    let len = bytes::literal(rest);
                    let (part, after) = rest.split_at_checked(len).unwrap_or((rest, &[]));
                    if after.is_empty() {
                        if self.at != At::InNumber(false) {
                            self.keep(part, hits);
                        }
                    } else {
                        self.literal(part, offset + len as u64, hits)?;
                    }
                    len
                }
                At::InSkip => match self.skip.run(rest)? {
                    Some(len) => {
                        self.done(offset + len as u64, hits);
                        len
                    }
                    None => rest.len(),
                },
                _ => self.between(rest, offset, hits)?,
            };
        }
        Ok(())
    }

    fn in_object(&self) -> bool {
        self.stack.last().is_some_and(|frame| frame.is_object)
    }

    /// Passes the members of an object, and of objects in it and around it, that stand in this piece as a whole; returns how
    /// far. It does what the steps one by one would do, only faster.
    #[inline(never)]
    fn members(&mut self, rest: &[u8], offset: u64, hits: &mut Vec<Hit>) -> Result<usize, Fault> {
        // What was passed, up to the end of a member or the beginning or end of an object.
        let mut passed = 0;
        while let Some(frame) = self.stack.last().copied() {
            if !frame.is_object {
                let Some(next) = self.element(frame.node, rest, passed, offset, hits)? else { break };
                passed = next;
                continue;
            }
            if self.at != At::Key && rest.get(passed) == Some(&b'}') {
                self.leave(true, offset + passed as u64, hits)?;
                passed += 1;
                continue;
            }
            let Some(key) = bytes::key(rest, passed, self.at == At::After) else { break };
            let node = self.guide.key(frame.node, key.text);
            let first = rest.get(key.value);
            // Whether it is read or entered.
            let wanted = match first {
                Some(b'{' | b'[') => node.filter(|node| self.guide.enters(*node)),
                _ => node.filter(|node| self.guide.wants(*node)),
            };
            let end = match (first, wanted) {
                (Some(b'"'), None) => bytes::closing(rest, key.value + 1),
                (Some(b'"'), Some(node)) => bytes::plain_text(rest, key.value + 1).map(|text| {
                    let is_short = text.len() <= kept::BYTES_MAX;
                    self.guide.scalar(node, if is_short { Scalar::Text(text) } else { Scalar::Unreadable }, hits);
                    key.value + text.len() + 2
                }),
                (Some(b'-' | b'0'..=b'9'), None) => bytes::ended_literal(rest, key.value),
                (Some(b'-' | b'0'..=b'9'), Some(node)) => self.number(node, rest, key.value, hits),
                (Some(b't' | b'f' | b'n'), None) => bytes::ended_word(rest, key.value),
                (Some(byte @ (b'{' | b'[')), None) => {
                    let Some(end) = self.pass_over(*byte == b'{', rest, key.value + 1)? else { return Ok(rest.len()) };
                    Some(end)
                }
                (Some(byte @ (b'{' | b'[')), Some(node)) => {
                    self.enter(node, *byte == b'{', offset + key.value as u64)?;
                    passed = key.value + 1;
                    continue;
                }
                (Some(_), _) => {
                    self.node = node;
                    self.at = At::Value;
                    return Ok(key.value);
                }
                (None, _) => None,
            };
            let Some(end) = end else { break };
            self.at = At::After;
            passed = end;
        }
        Ok(passed)
    }

    /// Passes a number that is read and ends in this piece; returns how far.
    #[inline(never)]
    fn number(&mut self, node: G::Node, rest: &[u8], at: usize, hits: &mut Vec<Hit>) -> Option<usize> {
        let end = bytes::ended_literal(rest, at)?;
        let digits = rest.get(at..end).filter(|digits| digits.len() <= kept::BYTES_MAX);
        self.guide.scalar(node, digits.map_or(Scalar::Unreadable, Scalar::Number), hits);
        Some(end)
    }

    /// Passes the end of an array, or the beginning of an object that is its next element, as programs write them; returns
    /// how far. `None`: something else stands here.
    #[inline]
    fn element(
        &mut self,
        node: G::Node,
        rest: &[u8],
        passed: usize,
        offset: u64,
        hits: &mut Vec<Hit>,
    ) -> Result<Option<usize>, Fault> {
        let begin = match (self.at, rest.get(passed..)) {
            (At::After, Some([b',', b'{', ..])) => passed + 1,
            (At::Element, Some([b'{', ..])) => passed,
            (At::After | At::Element, Some([b']', ..])) => {
                self.leave(false, offset + passed as u64, hits)?;
                return Ok(Some(passed + 1));
            }
            _ => return Ok(None),
        };
        let at = offset + begin as u64;
        let node = self.guide.element(node, at, b'{');
        if self.guide.enters(node) {
            self.enter(node, true, at)?;
            return Ok(Some(begin + 1));
        }
        let Some(end) = self.pass_over(true, rest, begin + 1)? else { return Ok(Some(rest.len())) };
        self.done(offset + end as u64, hits);
        Ok(Some(end))
    }

    /// Passes an object or array in which nothing is looked for, from behind its bracket; returns how far. `None`: it goes
    /// on in the next piece.
    fn pass_over(&mut self, is_object: bool, rest: &[u8], begin: usize) -> Result<Option<usize>, Fault> {
        let mut skip = Skip::begin(is_object, DEPTH_MAX.saturating_sub(self.stack.len()))?;
        let len = skip.run(rest.get(begin..).unwrap_or_default())?;
        if len.is_none() {
            self.skip = skip;
            self.at = At::InSkip;
        }
        Ok(len.map(|len| begin + len))
    }

    /// The next byte between the tokens; returns how far.
    fn between(&mut self, rest: &[u8], offset: u64, hits: &mut Vec<Hit>) -> Result<usize, Fault> {
        let spaces = bytes::spaces(rest);
        Ok(match rest.get(spaces) {
            Some(byte) => {
                let used = self.byte(*byte, offset + spaces as u64, hits)?;
                spaces + usize::from(used)
            }
            None => spaces,
        })
    }

    /// A byte between the tokens, no white space. `false`: it belongs to the token that begins.
    fn byte(&mut self, byte: u8, offset: u64, hits: &mut Vec<Hit>) -> Result<bool, Fault> {
        match (self.at, byte) {
            (At::Member | At::Key, b'"') => {
                self.kept.clear();
                self.at = At::InKey;
            }
            (At::Colon, b':') => self.at = At::Value,
            (At::Value, _) => return self.begin(byte, offset),
            (At::After, b',') => {
                let is_object = self.stack.last().is_some_and(|frame| frame.is_object);
                self.at = if is_object { At::Key } else { At::Value };
            }
            (At::After | At::Member, b'}') => self.leave(true, offset, hits)?,
            (At::After | At::Element, b']') => self.leave(false, offset, hits)?,
            (At::Element, _) => {
                self.at = At::Value;
                return self.begin(byte, offset);
            }
            (At::Document, 0xef) if offset == 0 => self.at = At::Mark(0xbb),
            (At::Mark(0xbb), 0xbb) => self.at = At::Mark(0xbf),
            (At::Mark(0xbf), 0xbf) => self.at = At::Document,
            (At::Document, _) if self.separator == Some(byte) => {}
            (At::Document, _) => {
                if let Some(fault) = self.guide.fault() {
                    return Err(fault);
                }
                self.node = Some(self.guide.document(offset, byte));
                return self.begin(byte, offset);
            }
            _ => return Err(Fault::Syntax),
        }
        Ok(true)
    }

    /// A value begins with this byte. `false`: it belongs to a number or word.
    fn begin(&mut self, byte: u8, offset: u64) -> Result<bool, Fault> {
        if let Some(frame) = self.stack.last().filter(|frame| !frame.is_object) {
            self.node = Some(self.guide.element(frame.node, offset, byte));
        }
        match byte {
            b'{' | b'[' => {
                let is_object = byte == b'{';
                if let Some(node) = self.node.filter(|node| self.guide.enters(*node)) {
                    self.enter(node, is_object, offset)?;
                } else {
                    self.skip = Skip::begin(is_object, DEPTH_MAX.saturating_sub(self.stack.len()))?;
                    self.at = At::InSkip;
                }
                return Ok(true);
            }
            b'"' => self.at = At::InText(self.wanted()),
            b'-' | b'0'..=b'9' => self.at = At::InNumber(self.wanted()),
            b't' | b'f' | b'n' => self.at = At::InWord,
            _ => return Err(Fault::Syntax),
        }
        self.value = offset;
        self.kept.clear();
        Ok(byte == b'"')
    }

    /// An object or array begins in which something may stand.
    #[inline]
    fn enter(&mut self, node: G::Node, is_object: bool, offset: u64) -> Result<(), Fault> {
        if self.stack.len() >= DEPTH_MAX {
            return Err(Fault::Deep);
        }
        self.stack.push(Frame { node, is_object });
        if is_object {
            self.guide.enter_object(node, offset);
            self.at = At::Member;
        } else {
            self.guide.enter_array(node);
            self.at = At::Element;
        }
        Ok(())
    }

    fn wanted(&self) -> bool {
        self.node.is_some_and(|node| self.guide.wants(node))
    }

    /// Reads on in a key; returns how far.
    fn key(&mut self, rest: &[u8]) -> usize {
        let Ended { len, closed } = bytes::string(rest, &mut self.escape);
        let part = rest.get(..len - usize::from(closed)).unwrap_or_default();
        if !closed {
            self.kept.keep(part);
            return len;
        }
        let key = self.kept.join(part);
        let node = self.stack.last().map(|frame| frame.node);
        self.node = match (node, key) {
            (Some(node), Some(key)) => {
                crate::patient::unescaped(key, key.contains(&b'\\'), |key| self.guide.key(node, key)).flatten()
            }
            _ => None,
        };
        self.at = At::Colon;
        len
    }

    /// Reads on in a text; returns how far.
    fn text(&mut self, rest: &[u8], kept: bool, offset: u64, hits: &mut Vec<Hit>) -> usize {
        let Ended { len, closed } = bytes::string(rest, &mut self.escape);
        let part = rest.get(..len - usize::from(closed)).unwrap_or_default();
        if !closed {
            if kept {
                self.keep(part, hits);
            }
            return len;
        }
        if kept && !self.kept.is_too_long() {
            let text = self.kept.join(part);
            if let (Some(text), Some(node)) = (text, self.node) {
                let guide = &mut self.guide;
                let whole = crate::patient::unescaped(text, text.contains(&b'\\'), |text| {
                    guide.scalar(node, Scalar::Text(text), hits);
                });
                if whole.is_none() {
                    self.guide.scalar(node, Scalar::Unreadable, hits);
                }
            } else if let Some(node) = self.node {
                self.guide.scalar(node, Scalar::Unreadable, hits);
            }
        }
        self.kept.clear();
        self.done(offset + len as u64, hits);
        len
    }

    /// Keeps a part of a value; the guide hears of it once it is too long.
    fn keep(&mut self, part: &[u8], hits: &mut Vec<Hit>) {
        let before = self.kept.is_too_long();
        self.kept.keep(part);
        if self.kept.is_too_long()
            && !before
            && let Some(node) = self.node
        {
            self.guide.scalar(node, Scalar::Unreadable, hits);
        }
    }

    /// A number or word has ended with this part.
    fn literal(&mut self, part: &[u8], offset: u64, hits: &mut Vec<Hit>) -> Result<(), Fault> {
        if self.at == At::InNumber(false) {
            self.done(offset, hits);
            return Ok(());
        }
        let is_word = self.at == At::InWord;
        let wanted = self.node.filter(|node| self.guide.wants(*node));
        let long = self.kept.is_too_long();
        let Some(whole) = self.kept.join(part) else {
            if is_word {
                return Err(Fault::Syntax);
            }
            if let Some(node) = wanted.filter(|_| !long) {
                self.guide.scalar(node, Scalar::Unreadable, hits);
            }
            self.kept.clear();
            self.done(offset, hits);
            return Ok(());
        };
        let scalar = match whole {
            b"true" | b"false" if is_word => Scalar::Truth,
            b"null" if is_word => Scalar::Null,
            _ if is_word => return Err(Fault::Syntax),
            digits => Scalar::Number(digits),
        };
        if let Some(node) = wanted {
            self.guide.scalar(node, scalar, hits);
        }
        self.kept.clear();
        self.done(offset, hits);
        Ok(())
    }

    fn leave(&mut self, is_object: bool, offset: u64, hits: &mut Vec<Hit>) -> Result<(), Fault> {
        let Some(frame) = self.stack.pop().filter(|frame| frame.is_object == is_object) else {
            return Err(Fault::Syntax);
        };
        let is_empty = matches!(self.at, At::Member | At::Element);
        if is_object {
            self.guide.leave_object(frame.node, is_empty, hits);
        } else {
            self.guide.leave_array(frame.node, is_empty);
        }
        self.done(offset + 1, hits);
        Ok(())
    }

    /// A value has ended before this offset.
    fn done(&mut self, offset: u64, hits: &mut Vec<Hit>) {
        self.at = match self.stack.last() {
            None => {
                self.guide.ended(offset, hits);
                At::Document
            }
            Some(frame) => {
                if !frame.is_object {
                    self.guide.element_ended(offset, hits);
                }
                At::After
            }
        };
    }
}
