//! The look into one answer: what of it may leave, and who is in it.
//!
//! The bytes pass as they came; what is looked at is a view of them, decoded where the backend has coded them. A piece
//! leaves when the view up to its end is settled: when nothing in it belongs to a patient's identity that is not known
//! yet. What waits is bounded by what the scanner holds back ([`super::scan::HOLD_BYTES_MAX`]) and one piece.

use super::decode::{self, Decoder};
use super::message::Message;
use super::scan::{Form, Hit, Scanner};
use super::websocket::{Event, Frames};
use super::{Unscannable, form};
use crate::patient::Reading;
use crate::route::InResponse;
use bytes::Bytes;
use http::HeaderMap;
use smallvec::SmallVec;
use std::collections::VecDeque;

/// Pieces that may leave once the hits are recorded.
pub type Ready = SmallVec<[Bytes; 1]>;

/// Looks into one answer.
pub struct Inspector {
    view: View,
    /// How much of the view there has been.
    viewed: u64,
    waiting: VecDeque<Waiting>,
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
    form: Form,
    reading: Reading,
}

/// A piece that may not leave yet.
struct Waiting {
    bytes: Bytes,
    /// How far the view is at its end; as far as can be: that will only show with a later piece.
    end: u64,
}

impl Inspector {
    /// Of an answer with this head.
    pub fn of_answer(how: &InResponse, headers: &HeaderMap, reading: Reading) -> Result<Self, Unscannable> {
        let scanner = Scanner::new(form::of(how, headers)?, reading);
        let codings = decode::codings(headers).map_err(|_| Unscannable::Coding)?;
        Ok(Self::new(match Decoder::new(&codings) {
            None => View::Plain(scanner),
            Some(decoder) => View::Coded(Box::new(decoder), scanner),
        }))
    }

    /// Of what a server sends in a WebSocket.
    pub fn of_socket(how: &InResponse, reading: Reading) -> Self {
        let form = form::of_message(how);
        let message = Message::new(&form, reading);
        Self::new(View::Socket(Box::new(Socket { frames: Frames::new(), message, base: 0, form, reading })))
    }

    fn new(view: View) -> Self {
        Self { view, viewed: 0, waiting: VecDeque::new() }
    }

    /// Looks at the next piece. Gives what may leave.
    pub fn push(&mut self, piece: Bytes, hits: &mut Vec<Hit>) -> Result<Ready, Unscannable> {
        let viewed = &mut self.viewed;
        let (settled, shown) = match &mut self.view {
            View::Plain(scanner) => {
                scanner.push(&piece, hits)?;
                *viewed += piece.len() as u64;
                (scanner.settled(), true)
            }
            View::Coded(decoder, scanner) => {
                decoder.push(&piece, &mut |window| {
                    *viewed += window.len() as u64;
                    scanner.push(window, hits)
                })?;
                (scanner.settled(), decoder.is_settled())
            }
            View::Socket(socket) => {
                socket.push(&piece, viewed, hits)?;
                (socket.base.saturating_add(socket.message.settled()), socket.frames.is_told())
            }
        };
        if shown && self.waiting.is_empty() && settled >= self.viewed {
            return Ok(SmallVec::from_elem(piece, 1));
        }
        self.waiting.push_back(Waiting { bytes: piece, end: u64::MAX });
        if shown {
            for waiting in self.waiting.iter_mut().rev().take_while(|waiting| waiting.end == u64::MAX) {
                waiting.end = self.viewed;
            }
        }
        Ok(self.ready(settled))
    }

    /// The answer breaks off: tells whom only its end would have told.
    pub fn break_off(&mut self, hits: &mut Vec<Hit>) {
        match &mut self.view {
            View::Plain(scanner) | View::Coded(_, scanner) => scanner.break_off(hits),
            // What a message says is told by itself.
            View::Socket(_) => {}
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
            View::Socket(socket) => socket.message.finish(hits)?,
        }
        Ok(self.give_up())
    }

    /// All that waits.
    pub fn give_up(&mut self) -> Ready {
        self.waiting.drain(..).map(|waiting| waiting.bytes).collect()
    }

    fn ready(&mut self, settled: u64) -> Ready {
        let mut ready = Ready::new();
        while let Some(first) = self.waiting.front_mut() {
            if first.end > settled {
                let begin = first.end.saturating_sub(first.bytes.len() as u64);
                if matches!(self.view, View::Plain(_)) && settled > begin {
                    let some = usize::try_from(settled - begin).unwrap_or(0);
                    ready.push(first.bytes.split_to(some));
                }
                break;
            }
            ready.extend(self.waiting.pop_front().map(|waiting| waiting.bytes));
        }
        ready
    }
}

impl Socket {
    fn push(&mut self, piece: &[u8], viewed: &mut u64, hits: &mut Vec<Hit>) -> Result<(), Unscannable> {
        let Self { frames, message, base, form, reading } = self;
        let mut looked = Ok(());
        let mut look = |event: Event<'_>| -> Result<(), Unscannable> {
            match event {
                Event::Text { bytes, ends, .. } => {
                    *viewed += bytes.len() as u64;
                    message.push(bytes, hits)?;
                    if ends {
                        message.finish(hits)?;
                        *message = Message::new(form, *reading);
                        *base = *viewed;
                    }
                }
                Event::Binary => return Err(Unscannable::Binary),
                Event::Close { reason: payload, .. } | Event::Ping(payload) | Event::Pong(payload) => {
                    let mut text = Message::new(&Form::Text, *reading);
                    text.push(payload, hits)?;
                    text.finish(hits)?;
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
