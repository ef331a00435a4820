//! WebSocket frames (RFC 6455) from a server to its client, read while they pass. The bytes themselves are never changed.
//!
//! # Invariants
//! 1. Each byte of text that a client can read is in an event: of text messages all payload, of control frames theirs. Of
//!    binary messages only the beginning is told.
//! 2. What RFC 6455 forbids a server is a [`Fault`], so that no client reads what was not told. A fault stays; no event
//!    follows. Only what [`Frames::settled`] counts may leave then.
//! 3. Memory is bounded, however long a frame or message is: its payload is told as it comes. No bytes panic.
//! 4. The events of the same bytes are the same whatever the pieces they came in, but for where text is cut.
//!
//! It does not check that text is UTF-8, does not join messages, and knows no extension: with one, as permessage-deflate,
//! payloads would be something else than they seem. A handshake that agreed on one must not get here.

#[cfg(test)]
mod tests;

use zeroize::Zeroizing;

/// The longest payload of a control frame (RFC 6455, 5.5).
const CONTROL_MAX: usize = 125;
/// The longest payload that is believed.
const PAYLOAD_MAX: u64 = 1 << 62;
/// First byte, length, long length. A server sends no mask.
const HEADER_MAX: usize = 1 + 1 + 8;

const FINAL: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;

/// What a server says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Event<'p> {
    /// A part of a text message.
    Text {
        /// Its bytes; may be none.
        bytes: &'p [u8],
        /// Whether the message begins with it.
        starts: bool,
        /// Whether the message ends with it.
        ends: bool,
    },
    /// A binary message begins.
    Binary,
    /// The connection is closed.
    Close {
        /// Why, as a number (RFC 6455, 7.4).
        code: Option<u16>,
        /// Why, as a text.
        reason: &'p [u8],
    },
    /// A ping with its payload.
    Ping(&'p [u8]),
    /// A pong with its payload.
    Pong(&'p [u8]),
}

impl std::fmt::Debug for Event<'_> {
    /// Tells lengths only: texts may name patients.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text { bytes, starts, ends } => write!(f, "Text({} bytes, {starts}, {ends})", bytes.len()),
            Self::Binary => f.write_str("Binary"),
            Self::Close { code, reason } => write!(f, "Close({code:?}, {} bytes)", reason.len()),
            Self::Ping(payload) => write!(f, "Ping({} bytes)", payload.len()),
            Self::Pong(payload) => write!(f, "Pong({} bytes)", payload.len()),
        }
    }
}

/// What a server must not send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A masked frame (RFC 6455, 5.1).
    #[error("the server masks its frames")]
    Masked,
    /// A reserved bit, which only an extension gives a meaning (5.2).
    #[error("a frame has reserved bits set")]
    ReservedBits,
    /// A reserved opcode (5.2).
    #[error("a frame has a reserved opcode")]
    Opcode,
    /// A length that a shorter form could tell (5.2).
    #[error("a frame's length is not in its shortest form")]
    LengthForm,
    /// A length of more than 2^62 bytes.
    #[error("a frame is longer than can be")]
    Length,
    /// A control frame of more than 125 bytes (5.5).
    #[error("a control frame is too long")]
    ControlLength,
    /// A control frame in parts (5.5).
    #[error("a control frame is fragmented")]
    ControlFragmented,
    /// A continuation of nothing (5.4).
    #[error("a continuation frame continues nothing")]
    Continuation,
    /// A message that begins within another (5.4).
    #[error("a message begins before the last has ended")]
    Interleaved,
    /// A close frame whose payload is half a code (5.5.1).
    #[error("a close frame has no whole code")]
    CloseForm,
    /// Anything after a close frame (5.5.1).
    #[error("the server goes on after it closed")]
    AfterClose,
}

/// Reads one connection's frames.
pub struct Frames {
    part: Part,
    header: [u8; HEADER_MAX],
    header_length: usize,
    /// The message whose frames are coming.
    message: Option<Message>,
    control: Zeroizing<[u8; CONTROL_MAX]>,
    control_length: usize,
    position: u64,
    settled: u64,
    fault: Option<Fault>,
}

#[derive(Clone, Copy)]
enum Part {
    Header,
    /// A data frame's payload.
    Data {
        left: u64,
        last: bool,
    },
    /// A control frame's payload.
    Control {
        left: usize,
        kind: Control,
    },
    Closed,
}

#[derive(Clone, Copy)]
enum Message {
    /// `begun`: some of it was told.
    Text {
        begun: bool,
    },
    Binary,
}

#[derive(Clone, Copy)]
enum Control {
    Close,
    Ping,
    Pong,
}

/// Where events go.
type Out<'o> = &'o mut dyn FnMut(Event<'_>);

impl Default for Frames {
    fn default() -> Self {
        Self::new()
    }
}

impl Frames {
    /// A connection right after its handshake.
    pub fn new() -> Self {
        Self {
            part: Part::Header,
            header: [0; HEADER_MAX],
            header_length: 0,
            message: None,
            control: Zeroizing::new([0; CONTROL_MAX]),
            control_length: 0,
            position: 0,
            settled: 0,
            fault: None,
        }
    }

    /// Whether all payload that came was told. False in the middle of a control frame, which is told as a whole.
    pub fn is_told(&self) -> bool {
        self.fault.is_none() && !matches!(self.part, Part::Control { .. })
    }

    /// Looks at the next bytes. Before a fault, `out` gets what came before it.
    pub fn push(&mut self, mut piece: &[u8], out: Out<'_>) -> Result<(), Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        while !piece.is_empty() {
            match self.step(piece, out) {
                Ok(taken) => {
                    self.position = self.position.saturating_add(taken as u64);
                    if matches!(self.part, Part::Closed)
                        || (matches!(self.part, Part::Header) && self.header_length == 0)
                    {
                        self.settled = self.position;
                    }
                    piece = piece.get(taken..).unwrap_or_default();
                }
                Err(fault) => {
                    self.fault = Some(fault);
                    return Err(fault);
                }
            }
        }
        Ok(())
    }

    /// How many bytes from the connection's start are whole frames. Who holds back what follows lets no part of a frame
    /// go whose end has not been looked at.
    pub fn settled(&self) -> u64 {
        self.settled
    }

    /// Takes some bytes, at least one. How many.
    fn step(&mut self, piece: &[u8], out: Out<'_>) -> Result<usize, Fault> {
        match self.part {
            Part::Header => {
                if let (Some(place), Some(byte)) = (self.header.get_mut(self.header_length), piece.first()) {
                    *place = *byte;
                    self.header_length += 1;
                }
                self.header(out)?;
                Ok(1)
            }
            Part::Data { left, last } => {
                let taken = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
                let left = left - taken as u64;
                self.data(piece.get(..taken).unwrap_or_default(), left, last, out);
                Ok(taken)
            }
            Part::Control { left, kind } => {
                let taken = left.min(piece.len());
                for (place, byte) in self.control.iter_mut().skip(self.control_length).zip(piece.iter().take(taken)) {
                    *place = *byte;
                }
                self.control_length += taken;
                self.control(left - taken, kind, out)?;
                Ok(taken)
            }
            Part::Closed => Err(Fault::AfterClose),
        }
    }

    /// Checks the header as far as it has come (RFC 6455, 5.2), and goes on to the payload when it is whole.
    fn header(&mut self, out: Out<'_>) -> Result<(), Fault> {
        let [first, second, long @ ..] = self.header;
        let (last, opcode) = (first & FINAL != 0, first & 0x0f);
        let control = match opcode {
            0x0..=0x2 => None,
            0x8 => Some(Control::Close),
            0x9 => Some(Control::Ping),
            0xa => Some(Control::Pong),
            _ => return Err(Fault::Opcode),
        };
        match (opcode, self.message) {
            _ if first & RESERVED != 0 => return Err(Fault::ReservedBits),
            _ if control.is_some() && !last => return Err(Fault::ControlFragmented),
            (0, None) => return Err(Fault::Continuation),
            (1 | 2, Some(_)) => return Err(Fault::Interleaved),
            _ => {}
        }
        if self.header_length < 2 {
            return Ok(());
        }
        if second & MASKED != 0 {
            return Err(Fault::Masked);
        }
        if control.is_some() && usize::from(second) > CONTROL_MAX {
            return Err(Fault::ControlLength);
        }
        let (length_bytes, shortest) = match second {
            LENGTH_16 => (2, u64::from(LENGTH_16)),
            LENGTH_64 => (8, 1 << 16),
            _ => (0, 0),
        };
        if self.header_length < 2 + length_bytes {
            return Ok(());
        }
        let length = match length_bytes {
            0 => u64::from(second),
            _ => long.iter().take(length_bytes).fold(0, |length, byte| length << 8 | u64::from(*byte)),
        };
        if length < shortest {
            return Err(Fault::LengthForm);
        }
        if length > PAYLOAD_MAX {
            return Err(Fault::Length);
        }
        self.header_length = 0;
        self.control_length = 0;
        if let Some(kind) = control {
            // At most 125.
            return self.control(length as usize, kind, out);
        }
        match opcode {
            1 => self.message = Some(Message::Text { begun: false }),
            2 => {
                self.message = Some(Message::Binary);
                out(Event::Binary);
            }
            _ => {}
        }
        self.part = Part::Data { left: length, last };
        if length == 0 {
            self.data(&[], 0, last, out);
        }
        Ok(())
    }

    /// Tells payload of a data frame, of which `left` bytes are still to come.
    fn data(&mut self, bytes: &[u8], left: u64, last: bool, out: Out<'_>) {
        let ends = left == 0 && last;
        if let Some(Message::Text { begun }) = &mut self.message {
            let starts = !std::mem::replace(begun, true);
            out(Event::Text { bytes, starts, ends });
        }
        if ends {
            self.message = None;
        }
        self.part = if left == 0 { Part::Header } else { Part::Data { left, last } };
    }

    /// Tells a control frame, if nothing is left to come.
    fn control(&mut self, left: usize, kind: Control, out: Out<'_>) -> Result<(), Fault> {
        if left > 0 {
            self.part = Part::Control { left, kind };
            return Ok(());
        }
        self.part = Part::Header;
        let payload = self.control.get(..self.control_length).unwrap_or_default();
        match (kind, payload) {
            (Control::Ping, _) => out(Event::Ping(payload)),
            (Control::Pong, _) => out(Event::Pong(payload)),
            (Control::Close, [_]) => return Err(Fault::CloseForm),
            (Control::Close, _) => {
                let (code, reason) = match payload {
                    [high, low, reason @ ..] => (Some(u16::from_be_bytes([*high, *low])), reason),
                    _ => (None, payload),
                };
                out(Event::Close { code, reason });
                self.part = Part::Closed;
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Frames {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frames").field("settled", &self.settled).field("fault", &self.fault).finish_non_exhaustive()
    }
}
