//! What answers disclose: the patients whom a request does not name.
//!
//! An answer on a route that is marked so is looked into as it passes: an [`Inspector`] keeps what may not leave yet, reads
//! the rest as its content type says ([`scan`]) through the coding that it came in ([`decode`]), or the messages of a
//! WebSocket ([`websocket`]). Whom it finds is recorded before that part of the answer leaves; that is the proxy's part.
//!
//! # Invariants
//! 1. No byte leaves that completes the identity of a patient whose record is not durable.
//! 2. What cannot be looked into is [`Unscannable`], with its cause, and never just passes.
//! 3. Memory is bounded, whatever the answer.

pub mod decode;
mod form;
mod inspector;
mod message;
pub mod scan;
mod seen;
pub mod websocket;

pub use form::{is_json, is_text};
pub use inspector::{Inspector, Ready, STEP_BYTES};
pub use seen::{Seen, TooMany};

/// Why an answer cannot be looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unscannable {
    /// Its content type is of no text that is known here, or its characters are not told as ASCII's are; or its bytes
    /// show that, whatever the type.
    #[error("the content is none that can be looked into")]
    Type,
    /// It is coded in a way that is not known here.
    #[error("the content coding is not known")]
    Coding,
    /// Its coding is broken, or goes on behind its end; with another member or frame too, which not all clients read.
    #[error("the content coding is broken")]
    Broken,
    /// It would become far larger than it is, or goes on and on without any content.
    #[error("the answer grows beyond measure when it is decoded, or goes on without content")]
    Bomb,
    /// It is not JSON as its type says, too deep, or no resource where FHIR is said.
    #[error("the JSON is broken, too deep, or no FHIR resource")]
    Json,
    /// An element of it, or all of it, goes on for too long without naming anybody
    /// ([`scan::HOLD_BYTES_MAX`]). It cannot be held until it does, and must not leave before.
    #[error("it goes on for too long without naming anybody")]
    Nameless,
    /// It is binary, in a WebSocket.
    #[error("a binary message")]
    Binary,
    /// Its frames are not a WebSocket's, or go on and on without text.
    #[error("frames that are none of a WebSocket, or too many without text")]
    Frames,
    /// It names more patients than one answer may.
    #[error("more patients than one answer may name")]
    TooMany,
    /// It is a part of an answer, which was not asked for.
    #[error("a part of an answer")]
    Part,
}

impl From<scan::Fault> for Unscannable {
    fn from(fault: scan::Fault) -> Self {
        match fault {
            scan::Fault::Binary => Self::Type,
            scan::Fault::Nameless => Self::Nameless,
            scan::Fault::Syntax | scan::Fault::Deep | scan::Fault::Cut | scan::Fault::Type => Self::Json,
        }
    }
}

impl From<decode::Fault> for Unscannable {
    fn from(fault: decode::Fault) -> Self {
        if fault == decode::Fault::Bomb { Self::Bomb } else { Self::Broken }
    }
}

impl From<websocket::Fault> for Unscannable {
    fn from(_: websocket::Fault) -> Self {
        Self::Frames
    }
}

impl<E: Into<Self>> From<decode::Stop<E>> for Unscannable {
    fn from(stop: decode::Stop<E>) -> Self {
        match stop {
            decode::Stop::Fault(fault) => fault.into(),
            decode::Stop::Sink(error) => error.into(),
        }
    }
}

impl Unscannable {
    /// All causes.
    pub const ALL: [Self; 10] = [
        Self::Type,
        Self::Coding,
        Self::Broken,
        Self::Bomb,
        Self::Json,
        Self::Nameless,
        Self::Binary,
        Self::Frames,
        Self::TooMany,
        Self::Part,
    ];

    /// The cause's name, in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Coding => "coding",
            Self::Broken => "broken",
            Self::Bomb => "bomb",
            Self::Json => "json",
            Self::Nameless => "nameless",
            Self::Binary => "binary",
            Self::Frames => "frames",
            Self::TooMany => "too_many",
            Self::Part => "part",
        }
    }
}
