//! Server-sent events (HTML standard, "Parsing an event stream"): each event's data is a document of its own.
//!
//! Lines end with CR, LF or both. The `data` lines of an event, with LF between them, are read in the inner form. All
//! other lines are read as text, because they leave as well.
//!
//! Data that are not what the inner form says are told as [`Reason::PatientBody`], and read as text from their start.
//! So the text of each event is read beside its form, and what was found is told only then.
//!
//! An event is held from its first data line to its end, or until it has [`HOLD_BYTES_MAX`]; then it leaves as the
//! inner form lets it, and one that has named nobody by then is a fault, as it would be without a stream. What text finds
//! in a longer event that turns out to be broken is told late. An event that has something in it and names nobody is told as
//! [`Reason::PatientAbsent`] if the stream names somebody.

use super::{Fault, Form, HOLD_BYTES_MAX, Hit, Hits, Scanner, text};
use crate::patient::Reading;
use contract::record::Reason;

/// The most hits of an event's text that are remembered in case that its form is broken.
const TEXT_HITS_MAX: usize = 1024;
/// The most lines of which it is known where their bytes stand in the stream.
const LINES_MAX: usize = 64;

const FIELD: &[u8] = b"data";
const MARK: &[u8] = b"\xef\xbb\xbf";

/// The scan of an event stream.
#[derive(Debug)]
pub(super) struct Events {
    /// Of which each event's scanner is made; `None` if their form is text.
    model: Option<Box<Scanner>>,
    reading: Reading,
    out: Hits,
    /// The line's text.
    text: text::Scan,
    line: Line,
    /// The last byte was a CR: a LF belongs to it.
    carriage: bool,
    read: u64,
    /// Offset of the event's first data line; of the line, while there is none.
    start: u64,
    /// Which event of those with data.
    count: u32,
    event: Option<Event>,
    /// An event has named nobody.
    absent: bool,
    settled: u64,
    fault: Option<Fault>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Line {
    /// So many bytes of it are those of `data`.
    Field(usize),
    /// After `data:`, before the space that may follow.
    Space,
    Data,
    Other,
}

/// The data of an event.
#[derive(Debug)]
struct Event {
    /// Reads them in their form; `None` if that is text, or they are not what it says.
    inner: Option<Box<Scanner>>,
    /// How many bytes `inner` has got.
    read: u64,
    /// What text has found in them.
    found: Vec<Hit>,
    many: bool,
    /// Where lines begin: in the data, and in the stream.
    lines: Vec<(u64, u64)>,
}

impl Events {
    pub(super) fn new(form: Form, reading: Reading) -> Self {
        let model = (form != Form::Text).then(|| Box::new(Scanner::new(form, reading)));
        Self::with(model, reading)
    }

    /// The same at a stream's start.
    pub(super) fn fresh(&self) -> Self {
        Self::with(self.model.as_ref().map(|model| Box::new(model.fresh())), self.reading)
    }

    fn with(model: Option<Box<Scanner>>, reading: Reading) -> Self {
        Self {
            model,
            reading,
            out: Hits::default(),
            text: text::Scan::new(reading),
            line: Line::Field(0),
            carriage: false,
            read: 0,
            start: 0,
            count: 0,
            event: None,
            absent: false,
            settled: 0,
            fault: None,
        }
    }

    pub(super) fn push(&mut self, mut piece: &[u8], hits: &mut Vec<Hit>) -> Result<(), Fault> {
        self.fault()?;
        while let Some((first, after)) = piece.split_first() {
            if std::mem::take(&mut self.carriage) && *first == b'\n' {
                self.start += u64::from(self.start == self.read);
                self.read += 1;
                piece = after;
                continue;
            }
            let end = memchr::memchr2(b'\n', b'\r', piece).unwrap_or(piece.len());
            let (part, rest) = piece.split_at_checked(end).unwrap_or((piece, &[]));
            self.part(part, hits);
            self.fault()?;
            piece = rest;
            if let Some((end, rest)) = rest.split_first() {
                self.read += 1;
                self.carriage = *end == b'\r';
                self.end_line(hits);
                self.fault()?;
                piece = rest;
            }
        }
        self.settled = self.settled.max(self.held());
        Ok(())
    }

    pub(super) fn finish(&mut self, hits: &mut Vec<Hit>) -> Result<(), Fault> {
        self.fault()?;
        self.end_line(hits);
        self.fault()?;
        self.end_event(hits);
        self.fault()?;
        self.settled = self.read;
        Ok(())
    }

    /// The stream breaks off: tells what only the open event's end would have told.
    pub(super) fn break_off(&mut self, hits: &mut Vec<Hit>) {
        if let Some(inner) = self.event.as_mut().and_then(|event| event.inner.as_mut()) {
            let mut found = Vec::new();
            inner.break_off(&mut found);
            self.tell(found, hits);
        }
        self.absence(hits);
    }

    /// Tells that an event named nobody, if the stream named somebody.
    fn absence(&mut self, hits: &mut Vec<Hit>) {
        if self.absent && self.out.any() {
            self.out.unread(Reason::PatientAbsent, hits);
        }
    }

    /// The fault that there was. Nothing is told after it.
    pub(super) fn fault(&self) -> Result<(), Fault> {
        self.fault.map_or(Ok(()), Err)
    }

    pub(super) fn settled(&self) -> u64 {
        self.settled
    }

    /// The first byte that must not leave yet.
    fn held(&self) -> u64 {
        if self.event.is_some() && self.read - self.start < HOLD_BYTES_MAX {
            return self.start;
        }
        let text = self.read - self.text.open();
        let Some((event, inner)) = self.event.as_ref().and_then(|event| Some((event, event.inner.as_ref()?))) else {
            return text;
        };
        let settled = inner.settled();
        let line = event.lines.iter().rev().find(|(data, _)| *data <= settled);
        // Between lines stand field names: the true place is not before this.
        let inside = line.map_or(self.start, |(data, stream)| stream + (settled - data));
        let inside = if settled == event.read { self.read } else { inside.min(self.read) };
        if self.line == Line::Other { inside.min(text) } else { inside }
    }

    /// A part of a line, without its end.
    fn part(&mut self, part: &[u8], hits: &mut Vec<Hit>) {
        let mut rest = part;
        while let Some((byte, after)) = rest.split_first() {
            let offset = self.read + (part.len() - rest.len()) as u64;
            let mark = usize::try_from(offset).ok().and_then(|offset| MARK.get(offset));
            self.line = match self.line {
                Line::Field(0) if mark == Some(byte) => Line::Field(0),
                Line::Field(known) if FIELD.get(known) == Some(byte) => Line::Field(known + 1),
                Line::Field(known) if known == FIELD.len() && *byte == b':' => Line::Space,
                Line::Field(_) => Line::Other,
                Line::Space if *byte == b' ' => {
                    self.begin_data(offset + 1, hits);
                    Line::Data
                }
                Line::Space => {
                    self.begin_data(offset, hits);
                    self.line = Line::Data;
                    break;
                }
                Line::Data | Line::Other => break,
            };
            rest = after;
        }
        let mut found = Vec::new();
        self.text.push(part, &mut found);
        self.read += part.len() as u64;
        self.take_text(found, hits);
        if self.line == Line::Data {
            self.data(rest, hits);
        }
    }

    fn end_line(&mut self, hits: &mut Vec<Hit>) {
        let blank = self.line == Line::Field(0);
        if matches!(self.line, Line::Field(known) if known == FIELD.len()) || self.line == Line::Space {
            self.begin_data(self.read, hits);
            self.line = Line::Data;
        }
        let mut found = Vec::new();
        self.text.finish(&mut found);
        self.take_text(found, hits);
        self.text = text::Scan::new(self.reading);
        self.line = Line::Field(0);
        if blank {
            self.end_event(hits);
        }
        if self.event.is_none() {
            self.start = self.read;
        }
    }

    /// A data line's value begins at this offset.
    fn begin_data(&mut self, offset: u64, hits: &mut Vec<Hit>) {
        if self.event.is_some() {
            self.data(b"\n", hits);
        }
        let event = self.event.get_or_insert_with(|| {
            self.count = self.count.saturating_add(1);
            let inner = self.model.as_ref().map(|model| Box::new(model.fresh()));
            Event { inner, read: 0, found: Vec::new(), many: false, lines: Vec::new() }
        });
        let settled = event.inner.as_ref().map_or(0, |inner| inner.settled());
        let passed = event.lines.iter().rposition(|(data, _)| *data <= settled).unwrap_or(0);
        event.lines.drain(..passed);
        if event.lines.len() < LINES_MAX {
            event.lines.push((event.read, offset));
        }
    }

    /// Bytes of the event's data.
    fn data(&mut self, bytes: &[u8], hits: &mut Vec<Hit>) {
        let Some(event) = &mut self.event else { return };
        event.read += bytes.len() as u64;
        let Some(inner) = &mut event.inner else { return };
        let mut found = Vec::new();
        let ended = inner.push(bytes, &mut found);
        self.take_inner(found, ended, hits);
    }

    fn end_event(&mut self, hits: &mut Vec<Hit>) {
        if let Some(inner) = self.event.as_mut().and_then(|event| event.inner.as_mut()) {
            let mut found = Vec::new();
            let ended = inner.finish(&mut found);
            self.take_inner(found, ended, hits);
        }
        let ended = self.event.take().and_then(|event| event.inner);
        self.absent |= ended.is_some_and(|inner| inner.names_nobody());
        self.absence(hits);
    }

    /// Tells what the data's form has found. After a fault the text counts.
    fn take_inner(&mut self, found: Vec<Hit>, ended: Result<(), Fault>, hits: &mut Vec<Hit>) {
        self.tell(found, hits);
        if ended == Err(Fault::Nameless) {
            // It is as its form says. As text it would pass without a name.
            self.fault = Some(Fault::Nameless);
            self.absence(hits);
        }
        if ended.is_ok() || self.fault.is_some() {
            return;
        }
        let Some(event) = &mut self.event else { return };
        event.inner = None;
        let found = std::mem::take(&mut event.found);
        if event.many {
            self.out.unread(Reason::PatientsTooMany, hits);
        }
        self.out.unread(Reason::PatientBody, hits);
        self.tell(found, hits);
    }

    /// Takes what was found in the line's text.
    fn take_text(&mut self, found: Vec<Hit>, hits: &mut Vec<Hit>) {
        match &mut self.event {
            Some(event) if self.line == Line::Data && event.inner.is_some() => {
                let room = TEXT_HITS_MAX.saturating_sub(event.found.len());
                event.many |= found.len() > room;
                event.found.extend(found.into_iter().take(room));
            }
            _ => self.tell(found, hits),
        }
    }

    fn tell(&mut self, found: Vec<Hit>, hits: &mut Vec<Hit>) {
        for hit in found {
            match hit {
                Hit::Patient { id, .. } => self.out.patient(id, self.count.saturating_sub(1), hits),
                Hit::Unread { reason } => self.out.unread(reason, hits),
            }
        }
    }
}
