//! The scanner: who stands in a body, while it passes in pieces.
//!
//! # Invariants
//! 1. The pieces do not matter: however a body is cut, the hits, their order and the faults are the same.
//! 2. [`Scanner::settled`] never falls, and never passes the first byte of an identity that was not told yet.
//! 3. Memory is bounded whatever the body, time is linear in it, and no bytes panic.
//! 4. Bytes of a body that are kept are wiped. No fault and no `Debug` has any.
//!
//! It reads bytes that are UTF-8, Latin-1 or another encoding with ASCII's digits, not compressed; bytes of a text that
//! show another are [`Fault::Binary`]. It does not hold back, record or count anybody: that is the caller's.

mod block;
mod events;
mod fhir;
mod guard;
mod hold;
mod json;
mod paths;
mod recent;
mod text;

use crate::patient::Reading;
use crate::route::FieldPath;
use contract::identity::PatientId;
use contract::record::Reason;
use guard::Guard;
use recent::Hits;
use std::sync::Arc;

/// How long an element (of a list, or the whole body if it is none) may be, in bytes, while it names nobody. It is held
/// back for so long; then it is [`Fault::Nameless`], up to 8 KiB later.
///
/// Each answer may have as much in memory, and with a block of its coding (128 KiB in zstd) it must stay below what may wait
/// at all. A record with its notes before its identity is shorter; one with an image before it is not.
pub const HOLD_BYTES_MAX: u64 = 128 * 1024;

/// RFC 7464 has a record separator before each document.
const SEPARATOR: u8 = 0x1e;

/// As what a body is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// Any text: HTML, CSV, XML, plain, and JSON of which nothing is known. Identities stand anywhere.
    Text,
    /// JSON: identities stand in these fields.
    Json(Arc<[FieldPath]>),
    /// A JSON document in each line (NDJSON), or each after a record separator (RFC 7464).
    Lines(Arc<[FieldPath]>),
    /// FHIR's JSON: a Bundle or one resource, or one of these in each line.
    Fhir,
    /// `text/event-stream`: each event's data is a document of the inner form.
    Events(Box<Form>),
}

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub enum Hit {
    /// A patient. The same one may be told again later.
    Patient {
        /// Who.
        id: PatientId,
        /// Where: of a list the element's index, of lines, events and documents in a row theirs; in a text of its own
        /// the number of hits before it, so that the order is that of appearance.
        position: u32,
    },
    /// Somebody stands there who cannot be read. Each reason is told once.
    Unread {
        /// Why.
        reason: Reason,
    },
}

/// Why a body is not what its form says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Fault {
    /// A syntax error.
    #[error("the body is not JSON")]
    Syntax,
    /// Nested deeper than is followed.
    #[error("the body is nested too deep")]
    Deep,
    /// The body ended in the middle.
    #[error("the body is cut off")]
    Cut,
    /// Its bytes are not those of a text: another encoding (UTF-16), compressed, or not text at all.
    #[error("the body is not text")]
    Binary,
    /// JSON, but no resource of FHIR: it has no type.
    #[error("the body is no FHIR resource")]
    Type,
    /// An element, or a document without a list, is longer than [`HOLD_BYTES_MAX`] and has named nobody.
    #[error("a part of the body is too long that names nobody")]
    Nameless,
}

/// Looks at a body, piece after piece.
///
/// After a fault the rest is not looked at: each further call gives the same fault.
#[derive(Debug)]
pub struct Scanner {
    inner: Inner,
    /// Of text: JSON's syntax has no room for other bytes between its strings.
    guard: Option<Guard>,
}

#[derive(Debug)]
enum Inner {
    Text(Box<text::Scan>),
    Json(Box<json::Walker<paths::Paths>>),
    Fhir(Box<json::Walker<fhir::Fhir>>),
    Events(Box<events::Events>),
}

impl Scanner {
    /// A scanner at a body's start.
    pub fn new(form: Form, reading: Reading) -> Self {
        let guard = matches!(form, Form::Text | Form::Events(_)).then(Guard::default);
        let inner = match form {
            Form::Json(paths) => {
                Inner::Json(Box::new(json::Walker::new(paths::Paths::new(paths, false, reading), None)))
            }
            Form::Lines(paths) => {
                Inner::Json(Box::new(json::Walker::new(paths::Paths::new(paths, true, reading), Some(SEPARATOR))))
            }
            Form::Fhir => Inner::Fhir(Box::new(json::Walker::new(fhir::Fhir::new(reading), Some(SEPARATOR)))),
            Form::Events(form) => Inner::Events(Box::new(events::Events::new(*form, reading))),
            Form::Text => Inner::Text(Box::new(text::Scan::new(reading))),
        };
        Self { inner, guard }
    }

    /// A scanner of a text whose bytes are known to be characters, as those of a WebSocket's message and of a header. It
    /// may have any control character, as protocols in WebSockets do, and has no faults.
    pub fn of_characters(reading: Reading) -> Self {
        Self { inner: Inner::Text(Box::new(text::Scan::new(reading))), guard: None }
    }

    /// The same scanner at a body's start. It costs less than a new one: what the form says is known.
    #[must_use]
    pub fn fresh(&self) -> Self {
        let inner = match &self.inner {
            Inner::Text(text) => Inner::Text(Box::new(text.fresh())),
            Inner::Json(walker) => Inner::Json(Box::new(walker.fresh(walker.guide().fresh()))),
            Inner::Fhir(walker) => Inner::Fhir(Box::new(walker.fresh(walker.guide().fresh()))),
            Inner::Events(events) => Inner::Events(Box::new(events.fresh())),
        };
        Self { inner, guard: self.guard.as_ref().map(|_| Guard::default()) }
    }

    /// Whether a document has something in it where somebody should be named, and names nobody. Asked at the end of a
    /// body that stands in a row with others: each of these is judged as an element of a list would be.
    pub fn names_nobody(&self) -> bool {
        match &self.inner {
            Inner::Json(walker) => walker.guide().names_nobody(),
            Inner::Fhir(walker) => walker.guide().names_nobody(),
            // Text says of nobody in particular what it says; events are judged one by one.
            Inner::Text(_) | Inner::Events(_) => false,
        }
    }

    /// Looks at the next bytes.
    pub fn push(&mut self, piece: &[u8], hits: &mut Vec<Hit>) -> Result<(), Fault> {
        if let Some(guard) = &mut self.guard {
            guard.result()?;
            self.inner.fault()?;
            if let Some(before) = guard.foreign(piece) {
                let settled = self.inner.settled();
                // A fault in what stands before it comes first, as it would if they came apart.
                self.look(piece.get(..before).unwrap_or_default(), hits)?;
                self.end(hits)?;
                if let Some(guard) = &mut self.guard {
                    guard.stop(settled);
                }
                return Err(Fault::Binary);
            }
        }
        self.look(piece, hits)
    }

    /// The body has ended.
    pub fn finish(&mut self, hits: &mut Vec<Hit>) -> Result<(), Fault> {
        self.guard.as_ref().map_or(Ok(()), Guard::result)?;
        self.end(hits)
    }

    /// How many bytes from the body's start may leave once the hits so far are recorded. What follows may belong to
    /// somebody who is not known yet. After [`Scanner::finish`]: all; after a fault: what was settled before it.
    pub fn settled(&self) -> u64 {
        self.guard.as_ref().and_then(Guard::broken).unwrap_or_else(|| self.inner.settled())
    }

    /// The body breaks off, and its end will not come: tells what only that would have told.
    pub fn break_off(&mut self, hits: &mut Vec<Hit>) {
        match &mut self.inner {
            Inner::Text(_) => {}
            Inner::Json(walker) => walker.guide_mut().finish(hits),
            Inner::Fhir(walker) => walker.guide_mut().finish(hits),
            Inner::Events(events) => events.break_off(hits),
        }
    }

    fn look(&mut self, piece: &[u8], hits: &mut Vec<Hit>) -> Result<(), Fault> {
        match &mut self.inner {
            Inner::Text(text) => text.push(piece, hits),
            Inner::Json(walker) => {
                let ended = walker.push(piece, hits);
                if ended.is_err() {
                    walker.guide_mut().finish(hits);
                }
                return ended;
            }
            Inner::Fhir(walker) => {
                let ended = walker.push(piece, hits);
                if ended.is_err() {
                    walker.guide_mut().finish(hits);
                }
                return ended;
            }
            Inner::Events(events) => return events.push(piece, hits),
        }
        Ok(())
    }

    fn end(&mut self, hits: &mut Vec<Hit>) -> Result<(), Fault> {
        match &mut self.inner {
            Inner::Text(text) => text.finish(hits),
            Inner::Json(walker) => {
                let ended = walker.finish(hits);
                walker.guide_mut().finish(hits);
                return ended;
            }
            Inner::Fhir(walker) => {
                let ended = walker.finish(hits);
                walker.guide_mut().finish(hits);
                return ended;
            }
            Inner::Events(events) => return events.finish(hits),
        }
        Ok(())
    }
}

impl Inner {
    /// The fault of a stream of events: the others are asked again, and say the same.
    fn fault(&self) -> Result<(), Fault> {
        match self {
            Self::Events(events) => events.fault(),
            _ => Ok(()),
        }
    }

    fn settled(&self) -> u64 {
        match self {
            Self::Text(text) => text.settled(),
            Self::Json(walker) => walker.settled(),
            Self::Fhir(walker) => walker.settled(),
            Self::Events(events) => events.settled(),
        }
    }
}

#[cfg(test)]
mod tests;
