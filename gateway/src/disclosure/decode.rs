//! A view of a response body as its client will read it: content codings (RFC 9110, 8.4) decoded while the body streams.
//! The body itself is never changed.
//!
//! # Invariants
//! 1. What a client can decode from pieces that [`Decoder::push`] took, the view has shown. A piece that gives a
//!    [`Fault`] was not shown whole, so it must not leave, nor anything after it. Where clients differ in what they read
//!    from the same bytes, the body is refused:
//!
//!    | bytes | what clients do | here |
//!    |---|---|---|
//!    | `deflate` as zlib or raw (RFC 9110, 8.4.1.2) | sniff, or know only one of them | zlib if the first two bytes say so, else raw; [`Fault::Ambiguous`] if a zlib body could be read as raw |
//!    | several gzip members, several zstd frames | read the first, or all | all are shown |
//!    | anything after the end, zeros too | ignore or show it | [`Fault::Trailing`] |
//!    | a body that ends early | show what came | shown, then [`Fault::Truncated`] |
//!    | a wrong checksum or length | ignore it, or fail | shown, then [`Fault::Corrupt`] |
//!    | no byte at all | an empty body | good (answers to HEAD, 304) |
//!    | zstd: skippable frames, dictionaries, windows over 8 MiB (RFC 9659), older formats; brotli: large windows; zlib: dictionaries | read or skip or fail | [`Fault::Refused`] or [`Fault::Corrupt`] |
//!    | gzip: name, comment and extra field | skip | skipped, up to 1 KiB |
//!    | brotli: metadata | skip | skipped |
//!
//! 2. zstd's blocks are shown when they are whole. Until then [`Decoder::is_settled`] is false: who must not let a byte
//!    go before it was shown holds the pieces back until it is true again, which is at most 128 KiB of such a coding.
//! 3. Memory is bounded: a window for each coding (gzip and deflate 32 KiB, zstd 8 MiB, brotli 16 MiB, only as large as
//!    the body's head asks) and 32 KiB for what comes out. So is time: what comes out of any coding is at most
//!    [`RATIO_MAX`] times what went in, and [`SLACK_BYTES`].
//! 4. No bytes panic. A fault stays: each later call gives it again.
//! 5. Buffers that are owned here are wiped: those of what comes out, and brotli's window. zlib and zstd own theirs.
//!
//! It does not look at what it decodes, and does not know transfer codings.

mod accept;
mod brotli;
mod deflate;
mod gzip;
#[cfg(test)]
mod tests;
mod zstd;

pub use accept::acceptable;

use http::{HeaderMap, header};
use smallvec::SmallVec;
use zeroize::Zeroizing;

/// The most codings of one body.
pub const CODINGS_MAX: usize = 3;
/// How many times its size a body may grow in decoding. gzip does at most 1,032, and some hundreds on equal rows; Brotli and
/// zstd do thousands on rows that are equal to the byte, so such a body of more than [`SLACK_BYTES`] is refused.
pub const RATIO_MAX: u64 = 1000;
/// What a body may grow beyond [`RATIO_MAX`], in bytes: short bodies are never too large.
pub const SLACK_BYTES: u64 = 1 << 20;
/// The most bytes that a sink gets at once.
pub const WINDOW_BYTES: usize = 32 << 10;

/// How much is given to a decoder at once; some count in 32 bits.
const PART_BYTES: usize = 1 << 20;

/// A content coding that is decoded here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// RFC 1952: `gzip`, `x-gzip`.
    Gzip,
    /// RFC 1950, or RFC 1951 without it: `deflate`.
    Deflate,
    /// RFC 7932: `br`.
    Brotli,
    /// RFC 8878: `zstd`.
    Zstd,
}

impl Coding {
    /// The coding of this name, in any case. `None`: not known, or `identity`.
    fn named(name: &[u8]) -> Option<Self> {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        match () {
            () if is("gzip") || is("x-gzip") => Some(Self::Gzip),
            () if is("deflate") => Some(Self::Deflate),
            () if is("br") => Some(Self::Brotli),
            () if is("zstd") => Some(Self::Zstd),
            () => None,
        }
    }
}

/// A body's codings in the order they were applied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Codings(SmallVec<[Coding; CODINGS_MAX]>);

impl Codings {
    /// Whether the body is not coded.
    pub fn is_identity(&self) -> bool {
        self.0.is_empty()
    }

    /// The codings in the order they were applied.
    pub fn applied(&self) -> &[Coding] {
        &self.0
    }
}

/// A coding that is not decoded here, or more than [`CODINGS_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body has a content coding that is not known, or too many")]
pub struct UnknownCoding;

/// The codings that `Content-Encoding` names. `identity` is none; empty list elements are left out (RFC 9110, 5.6.1).
pub fn codings(headers: &HeaderMap) -> Result<Codings, UnknownCoding> {
    let mut codings = Codings::default();
    for value in headers.get_all(header::CONTENT_ENCODING) {
        for name in value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if name.is_empty() || name.eq_ignore_ascii_case(b"identity") {
                continue;
            }
            let coding = Coding::named(name).ok_or(UnknownCoding)?;
            if codings.0.len() == CODINGS_MAX {
                return Err(UnknownCoding);
            }
            codings.0.push(coding);
        }
    }
    Ok(codings)
}

/// Why a body cannot be shown as all its clients will read it. Holds no byte of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not of its coding's form, or a checksum or length is wrong.
    #[error("the body is not of its content coding's form")]
    Corrupt,
    /// The body ended before its coding did.
    #[error("the body ends before its content coding does")]
    Truncated,
    /// Bytes after the coding's end.
    #[error("the body goes on after its content coding's end")]
    Trailing,
    /// More than [`RATIO_MAX`] and [`SLACK_BYTES`] allow.
    #[error("the body grows too much in decoding")]
    Bomb,
    /// Good in two forms with different contents.
    #[error("the body can be decoded in two ways")]
    Ambiguous,
    /// A part of the coding that is not used in HTTP: dictionary, large window, skippable frame, long header.
    #[error("the body uses a part of its content coding that is not decoded")]
    Refused,
    /// The decoder could not be made.
    #[error("no memory to decode the body")]
    Memory,
    /// The sink stopped earlier.
    #[error("the body was not looked at to its end")]
    Stopped,
}

/// Why [`Decoder::push`] stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stop<E> {
    /// The body's fault.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The sink's own error.
    #[error("the decoded body was refused")]
    Sink(#[source] E),
}

/// Decodes one body.
pub struct Decoder {
    /// The coding that was applied last comes first.
    stages: SmallVec<[Stage; 1]>,
    coded: u64,
    fault: Option<Fault>,
}

impl Decoder {
    /// A decoder for a body of these codings; `None` if it has none.
    pub fn new(codings: &Codings) -> Option<Self> {
        let stages: SmallVec<[Stage; 1]> = codings.applied().iter().rev().map(|coding| Stage::new(*coding)).collect();
        (!stages.is_empty()).then_some(Self { stages, coded: 0, fault: None })
    }

    /// Decodes the next piece. `sink` gets what comes out, in order, in windows of at most [`WINDOW_BYTES`].
    ///
    /// It takes time up to [`RATIO_MAX`] times the piece's length; who shares a thread gives small pieces.
    pub fn push<E>(&mut self, piece: &[u8], sink: &mut dyn FnMut(&[u8]) -> Result<(), E>) -> Result<(), Stop<E>> {
        if let Some(fault) = self.fault {
            return Err(fault.into());
        }
        let result = piece.chunks(PART_BYTES).try_for_each(|part| {
            self.coded = self.coded.saturating_add(part.len() as u64);
            let decoded_max = self.coded.saturating_mul(RATIO_MAX).saturating_add(SLACK_BYTES);
            through(&mut self.stages, part, decoded_max, sink)
        });
        self.fault = match &result {
            Ok(()) => None,
            Err(Stop::Fault(fault)) => Some(*fault),
            Err(Stop::Sink(_)) => Some(Fault::Stopped),
        };
        result
    }

    /// The body has ended. Good if its codings have ended too, or never began.
    pub fn finish(&mut self) -> Result<(), Fault> {
        if self.fault.is_none() && !self.stages.iter().all(|stage| stage.reader.is_at_end()) {
            self.fault = Some(Fault::Truncated);
        }
        self.fault.map_or(Ok(()), Err)
    }

    /// Whether all that went in has come out. False in the middle of zstd's blocks, and after a fault.
    pub fn is_settled(&self) -> bool {
        self.fault.is_none() && self.stages.iter().all(|stage| stage.reader.is_settled())
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").field("coded", &self.coded).field("fault", &self.fault).finish_non_exhaustive()
    }
}

/// One coding of a body.
struct Stage {
    reader: Reader,
    /// How many bytes have come out.
    decoded: u64,
}

impl Stage {
    fn new(coding: Coding) -> Self {
        let reader = match coding {
            Coding::Gzip => Reader::Gzip(gzip::Gzip::new()),
            Coding::Deflate => Reader::Deflate(deflate::Deflate::new()),
            Coding::Brotli => Reader::Brotli(brotli::Brotli::new()),
            Coding::Zstd => Reader::Zstd(zstd::Zstd::new()),
        };
        Self { reader, decoded: 0 }
    }
}

enum Reader {
    Gzip(gzip::Gzip),
    Deflate(deflate::Deflate),
    Brotli(brotli::Brotli),
    Zstd(zstd::Zstd),
}

/// Where a coding's windows go.
type Out<'o, E> = &'o mut dyn FnMut(&[u8]) -> Result<(), Stop<E>>;

impl Reader {
    fn push<E>(&mut self, part: &[u8], out: Out<'_, E>) -> Result<(), Stop<E>> {
        match self {
            Self::Gzip(reader) => reader.push(part, out),
            Self::Deflate(reader) => reader.push(part, out),
            Self::Brotli(reader) => reader.push(part, out),
            Self::Zstd(reader) => reader.push(part, out),
        }
    }

    /// Whether the body may end here.
    fn is_at_end(&self) -> bool {
        match self {
            Self::Gzip(reader) => reader.is_at_end(),
            Self::Deflate(reader) => reader.is_at_end(),
            Self::Brotli(reader) => reader.is_at_end(),
            Self::Zstd(reader) => reader.is_at_end(),
        }
    }

    /// Whether all that went in has come out, but for a symbol's bits. zlib's and brotli's decoders go on bit by bit.
    fn is_settled(&self) -> bool {
        match self {
            Self::Gzip(_) | Self::Deflate(_) | Self::Brotli(_) => true,
            Self::Zstd(reader) => reader.is_settled(),
        }
    }
}

/// Takes bytes through the codings that are left. No coding may make more than `decoded_max` of its body.
fn through<E>(
    stages: &mut [Stage],
    part: &[u8],
    decoded_max: u64,
    sink: &mut dyn FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), Stop<E>> {
    let Some((Stage { reader, decoded }, rest)) = stages.split_first_mut() else {
        return sink(part).map_err(Stop::Sink);
    };
    reader.push(part, &mut |window| {
        *decoded = decoded.saturating_add(window.len() as u64);
        if *decoded > decoded_max {
            return Err(Fault::Bomb.into());
        }
        through(rest, window, decoded_max, sink)
    })
}

/// A buffer for what comes out.
fn window() -> Zeroizing<Vec<u8>> {
    Zeroizing::new(vec![0; WINDOW_BYTES])
}
