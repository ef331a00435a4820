//! The look into one answer: what of it may leave, and who is in it.
//!
//! The bytes pass as they came; what is looked at is a view of them, decoded where the backend has coded them. A piece
//! leaves when the view up to its end is settled: when nothing in it belongs to a patient's identity that is not known
//! yet.
//!
//! # Bounds
//! What waits is what the scanner holds back ([`super::scan::HOLD_BYTES_MAX`] and 8 KiB), what of a coding's block is not shown, and
//! one piece. Bytes that add nothing to the view (empty blocks, metadata, frames without text) would wait behind it
//! without end, so an answer of which more than [`WAITING_BYTES_MAX`] waits, or more than [`WAITING_PIECES_MAX`] pieces,
//! cannot be looked into. [`Inspector::step`] takes half a millisecond at most, and gives no more hits than stand in
//! [`STEP_BYTES`] and what the scanner held back: who shares a thread and its memory takes them, and yields, in between.

use super::decode::{self, Decoder};
use super::message::Message;
use super::scan::{Form, Hit, Scanner};
use super::websocket::{Event, Frames};
use super::{Unscannable, form};
use crate::patient::Reading;
use crate::route::InResponse;
use bytes::{Bytes, BytesMut};
use contract::record::Reason;
use http::{HeaderMap, StatusCode};
use smallvec::SmallVec;
use std::collections::VecDeque;

/// Pieces that may leave once the hits are recorded.
pub type Ready = SmallVec<[Bytes; 1]>;

/// The most bytes of an answer that wait. What honest answers need is about half of it.
const WAITING_BYTES_MAX: usize = 512 << 10;
/// The most pieces that wait. Short pieces of an answer that is not coded are joined.
const WAITING_PIECES_MAX: usize = 16 << 10;
/// The most bytes of the view that are looked at in one step.
pub const STEP_BYTES: usize = 32 << 10;

/// The same where each few bytes may begin a document or a message of its own, which costs more than reading it.
const SHORT_STEP_BYTES: usize = 4 << 10;
/// Pieces shorter than this are joined with what waits, up to [`JOINED_BYTES_MAX`].
const SHORT_PIECE_BYTES: usize = 1 << 10;
const JOINED_BYTES_MAX: usize = 16 << 10;

/// Looks into one answer.
pub struct Inspector {
    view: View,
    step_bytes: usize,
    /// How much of the answer there has been.
    come: u64,
    /// How much of the view there has been.
    viewed: u64,
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
}

/// How the view comes from the bytes.
enum View {
    /// They are it.
    Plain(Scanner),
    /// They are decoded.
    Coded(Box<Decoder>, Scanner),
    /// It is the text in the frames.
    Socket(Box<Socket>),
}

/// What a server says in a WebSocket.
struct Socket {
    frames: Frames,
    message: Message,
    /// Where in the view the message began.
    base: u64,
    /// Of which each message's scanner is made.
    model: Option<Scanner>,
    reading: Reading,
    absence: Absence,
    /// The piece that is being looked at began where a frame does, and has but pings and pongs so far.
    only_pings: bool,
    /// What has come ends where a frame does.
    at_frame: bool,
}

/// Whether messages that name nobody have come beside others: this is told once, as of an element of a list.
#[derive(Default)]
struct Absence {
    /// A message has something in it and names nobody.
    nobody: bool,
    /// Somebody was told.
    somebody: bool,
    told: bool,
}

/// A piece that may not leave yet.
struct Waiting {
    bytes: Bytes,
    /// Where in the answer it ends.
    coded_end: u64,
    /// How far the view is at its end. `None`: that will only show with a later piece.
    end: Option<u64>,
    /// It begins where a frame does.
    at_frame: bool,
}

impl Inspector {
    /// Of an answer with this head.
    pub fn of_answer(
        how: &InResponse,
        status: StatusCode,
        headers: &HeaderMap,
        reading: Reading,
    ) -> Result<Self, Unscannable> {
        let form = form::of(how, status, headers)?;
        let step_bytes = if matches!(form, Form::Events(_)) { SHORT_STEP_BYTES } else { STEP_BYTES };
        let scanner = Scanner::new(form, reading);
        let codings = decode::codings(headers).map_err(|_| Unscannable::Coding)?;
        let view = match Decoder::new(&codings) {
            None => View::Plain(scanner),
            Some(decoder) => View::Coded(Box::new(decoder), scanner),
        };
        Ok(Self::new(view, step_bytes))
    }

    /// Of what a server sends in a WebSocket.
    pub fn of_socket(how: &InResponse, reading: Reading) -> Self {
        let model = Message::model(form::of_message(how), reading);
        let socket = Socket {
            frames: Frames::new(),
            message: Message::new(model.as_ref(), reading),
            base: 0,
            model,
            reading,
            absence: Absence::default(),
            only_pings: true,
            at_frame: true,
        };
        Self::new(View::Socket(Box::new(socket)), SHORT_STEP_BYTES)
    }

    fn new(view: View, step_bytes: usize) -> Self {
        Self { view, step_bytes, come: 0, viewed: 0, waiting: VecDeque::new(), waiting_bytes: 0 }
    }

    /// Looks at a part of the next piece, and takes it off what is `left` of that. `false`: nothing is left to do, and
    /// the whole piece is to be given to [`Inspector::passed`].
    pub fn step(&mut self, left: &mut &[u8], hits: &mut Vec<Hit>) -> Result<bool, Unscannable> {
        if self.waiting_bytes > WAITING_BYTES_MAX || self.waiting.len() > WAITING_PIECES_MAX {
            return Err(if matches!(self.view, View::Socket(_)) { Unscannable::Frames } else { Unscannable::Bomb });
        }
        match &mut self.view {
            View::Plain(scanner) => {
                let part = first(left, self.step_bytes);
                scanner.push(part, hits)?;
                self.viewed += part.len() as u64;
                *left = left.get(part.len()..).unwrap_or_default();
                Ok(!left.is_empty())
            }
            View::Coded(decoder, scanner) => {
                if decoder.window().is_empty() && !decoder.next(left)? {
                    return Ok(false);
                }
                let part = first(decoder.window(), self.step_bytes);
                if part.is_empty() {
                    return Ok(true);
                }
                if let Err(fault) = scanner.push(part, hits) {
                    decoder.stop();
                    return Err(fault.into());
                }
                self.viewed += part.len() as u64;
                let count = part.len();
                decoder.pass(count);
                Ok(true)
            }
            View::Socket(socket) => {
                let part = first(left, self.step_bytes);
                socket.push(part, &mut self.viewed, hits)?;
                *left = left.get(part.len()..).unwrap_or_default();
                Ok(!left.is_empty())
            }
        }
    }

    /// All of this piece has been looked at. Gives what may leave once the hits are recorded.
    pub fn passed(&mut self, piece: Bytes) -> Ready {
        self.come += piece.len() as u64;
        let mut pings = false;
        let mut at_frame = false;
        let (settled, shown) = match &mut self.view {
            View::Plain(scanner) => (scanner.settled(), self.come),
            View::Coded(decoder, scanner) => (scanner.settled(), decoder.shown()),
            View::Socket(socket) => {
                let frame_ends = socket.frames.settled() == self.come;
                at_frame = std::mem::replace(&mut socket.at_frame, frame_ends);
                pings = std::mem::replace(&mut socket.only_pings, frame_ends) && frame_ends;
                let settled = socket.base.saturating_add(socket.message.settled());
                (settled, if socket.frames.is_told() { self.come } else { 0 })
            }
        };
        if self.waiting.is_empty() && shown >= self.come && settled >= self.viewed {
            return SmallVec::from_elem(piece, 1);
        }
        if pings && self.waiting.front().is_some_and(|first| first.at_frame) {
            // Between the frames of a message they may stand anywhere (RFC 6455, 5.4), and whoever waits for them
            // takes the server for dead.
            return SmallVec::from_elem(piece, 1);
        }
        self.wait(piece, at_frame);
        for waiting in self.waiting.iter_mut().rev().skip_while(|waiting| waiting.coded_end > shown) {
            if waiting.end.is_some() {
                break;
            }
            waiting.end = Some(self.viewed);
        }
        self.ready(settled)
    }

    /// The answer breaks off: tells whom only its end would have told.
    pub fn break_off(&mut self, hits: &mut Vec<Hit>) {
        match &mut self.view {
            View::Plain(scanner) | View::Coded(_, scanner) => scanner.break_off(hits),
            View::Socket(socket) => {
                socket.message.break_off(hits);
                socket.absence.somebody |= socket.message.is_told();
                socket.absence.tell(hits);
            }
        }
    }

    /// The answer has come to its end: all may leave.
    pub fn finish(&mut self, hits: &mut Vec<Hit>) -> Result<Ready, Unscannable> {
        match &mut self.view {
            View::Plain(scanner) => scanner.finish(hits)?,
            View::Coded(decoder, scanner) => {
                decoder.finish()?;
                scanner.finish(hits)?;
            }
            // A message that breaks off with its connection.
            View::Socket(socket) => {
                socket.message.finish(hits)?;
                socket.absence.note(&socket.message, hits);
            }
        }
        Ok(self.give_up())
    }

    /// All that waits.
    pub fn give_up(&mut self) -> Ready {
        self.waiting_bytes = 0;
        self.waiting.drain(..).map(|waiting| waiting.bytes).collect()
    }

    /// This piece waits.
    fn wait(&mut self, piece: Bytes, at_frame: bool) {
        self.waiting_bytes += piece.len();
        if matches!(self.view, View::Plain(_))
            && piece.len() < SHORT_PIECE_BYTES
            && let Some(last) = self.waiting.back_mut()
            && last.bytes.len() < JOINED_BYTES_MAX
        {
            let mut bytes = BytesMut::from(std::mem::take(&mut last.bytes));
            bytes.extend_from_slice(&piece);
            (last.bytes, last.coded_end, last.end) = (bytes.freeze(), self.come, None);
            return;
        }
        self.waiting.push_back(Waiting { bytes: piece, coded_end: self.come, end: None, at_frame });
    }

    fn ready(&mut self, settled: u64) -> Ready {
        let mut ready = Ready::new();
        while let Some(first) = self.waiting.front_mut() {
            let Some(end) = first.end else { break };
            if end > settled {
                let begin = end.saturating_sub(first.bytes.len() as u64);
                if matches!(self.view, View::Plain(_)) && settled > begin {
                    let some = usize::try_from(settled - begin).unwrap_or(0);
                    ready.push(first.bytes.split_to(some));
                }
                break;
            }
            ready.extend(self.waiting.pop_front().map(|waiting| waiting.bytes));
        }
        let left: usize = ready.iter().map(Bytes::len).sum();
        self.waiting_bytes = self.waiting_bytes.saturating_sub(left);
        ready
    }
}

/// The first bytes, at most so many.
fn first(bytes: &[u8], count: usize) -> &[u8] {
    bytes.get(..count).unwrap_or(bytes)
}

impl Absence {
    /// A message has ended.
    fn note(&mut self, message: &Message, hits: &mut Vec<Hit>) {
        self.nobody |= message.names_nobody();
        self.somebody |= message.is_told();
        self.tell(hits);
    }

    fn tell(&mut self, hits: &mut Vec<Hit>) {
        if self.nobody && self.somebody && !self.told {
            self.told = true;
            hits.push(Hit::Unread { reason: Reason::PatientAbsent });
        }
    }
}

impl Socket {
    fn push(&mut self, piece: &[u8], viewed: &mut u64, hits: &mut Vec<Hit>) -> Result<(), Unscannable> {
        let Self { frames, message, base, model, reading, absence, only_pings, .. } = self;
        let mut looked = Ok(());
        let mut look = |event: Event<'_>| -> Result<(), Unscannable> {
            match event {
                Event::Text { bytes, ends, .. } => {
                    *only_pings = false;
                    *viewed += bytes.len() as u64;
                    message.push(bytes, hits)?;
                    if ends {
                        message.finish(hits)?;
                        absence.note(message, hits);
                        *message = Message::new(model.as_ref(), *reading);
                        *base = *viewed;
                    }
                }
                Event::Binary => return Err(Unscannable::Binary),
                Event::Close { reason: payload, .. } | Event::Ping(payload) | Event::Pong(payload) => {
                    *only_pings &= !matches!(event, Event::Close { .. });
                    if payload.is_empty() {
                        return Ok(());
                    }
                    let mut text = Message::new(None, *reading);
                    text.push(payload, hits)?;
                    text.finish(hits)?;
                    absence.note(&text, hits);
                }
            }
            Ok(())
        };
        let read = frames.push(piece, &mut |event| {
            if looked.is_ok() {
                looked = look(event);
            }
        });
        looked.and(read.map_err(Unscannable::from))
    }
}

#[cfg(test)]
mod tests;
