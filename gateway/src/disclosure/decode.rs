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
//!    | content in a second gzip member or zstd frame | browsers leave it out, curl fails, Go and Python show it | [`Fault::Trailing`]; members and frames without content may follow |
//!    | anything else after the end, zeros too | ignore or show it | [`Fault::Trailing`] |
//!    | a body that ends early | show what came | shown, then [`Fault::Truncated`] |
//!    | a wrong checksum or length | ignore it, or fail | shown, then [`Fault::Corrupt`] |
//!    | no byte at all | an empty body | good (answers to HEAD, 304) |
//!    | zstd: skippable frames, dictionaries, windows over 8 MiB (RFC 9659), older formats; brotli: large windows; zlib: dictionaries | read or skip or fail | [`Fault::Refused`] or [`Fault::Corrupt`] |
//!    | gzip: name, comment and extra field | skip | skipped, up to 1 KiB |
//!    | brotli: metadata | skip | skipped |
//!
//! 2. zstd's blocks, at most 128 KiB of such a coding, are shown when they are whole. [`Decoder::shown`] tells up to
//!    which byte of the body all was: who must not let a byte go before that holds back what follows. Beneath or above
//!    another coding it only moves where a piece ends between two blocks.
//! 3. Memory is bounded: a window for each coding (gzip and deflate 32 KiB, zstd 8 MiB, brotli 16 MiB, only as large as
//!    the body's head asks) and 32 KiB for what comes out. So is time: what comes out of any coding is at most
//!    [`RATIO_MAX`] times what went in, and [`SLACK_BYTES`]; and of any stretch of the body at most [`RATIO_MAX`] times
//!    its length, and [`CREDIT_BYTES`]: noise at the beginning buys no bomb behind it. [`Decoder::next`] does at most
//!    [`PART_BYTES`] of input and one window, so that a thread can be shared.
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
/// What a body has not used of [`RATIO_MAX`] counts for later up to so many bytes.
pub const CREDIT_BYTES: u64 = 16 << 20;
/// The most bytes that a sink gets at once.
pub const WINDOW_BYTES: usize = 32 << 10;
/// How much is given to a coding at once. Without anything coming out, as from many empty blocks with tables of their own,
/// it takes half a millisecond at most.
pub const PART_BYTES: usize = 4 << 10;

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
    /// Bytes after the coding's end, or content in a second member or frame.
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
    /// How much has gone in.
    coded: u64,
    /// Where all had come out when last it had.
    settled: u64,
    fault: Option<Fault>,
}

impl Decoder {
    /// A decoder for a body of these codings; `None` if it has none.
    pub fn new(codings: &Codings) -> Option<Self> {
        let stages: SmallVec<[Stage; 1]> = codings.applied().iter().rev().map(|coding| Stage::new(*coding)).collect();
        (!stages.is_empty()).then_some(Self { stages, coded: 0, settled: 0, fault: None })
    }

    /// Decodes the next piece. `sink` gets what comes out, in order, in windows of at most [`WINDOW_BYTES`].
    ///
    /// It takes time up to [`RATIO_MAX`] times the piece's length; who shares a thread calls [`Decoder::next`].
    pub fn push<E>(&mut self, mut piece: &[u8], sink: &mut dyn FnMut(&[u8]) -> Result<(), E>) -> Result<(), Stop<E>> {
        while self.next(&mut piece)? {
            let window = self.window();
            if !window.is_empty()
                && let Err(error) = sink(window)
            {
                self.stop();
                return Err(Stop::Sink(error));
            }
            self.pass(usize::MAX);
        }
        Ok(())
    }

    /// Does a part of the work on what is left of a piece, and takes that off it. What has come out is the
    /// [`window`](Self::window), which may be empty, and has to be [passed](Self::pass) before the next part. `false`: all
    /// of the piece is done.
    pub fn next(&mut self, piece: &mut &[u8]) -> Result<bool, Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let done = self.part(piece);
        match done {
            Ok(false) if self.is_settled() => self.settled = self.coded,
            Ok(_) => {}
            Err(fault) => self.fault = Some(fault),
        }
        done
    }

    /// What has come out and was not passed.
    pub fn window(&self) -> &[u8] {
        self.stages.last().map_or(&[], Stage::window)
    }

    /// So many bytes of the window are done with.
    pub fn pass(&mut self, count: usize) {
        if let Some(stage) = self.stages.last_mut() {
            stage.pass(count);
        }
    }

    /// Nothing more is to be decoded: what came out was not taken.
    pub fn stop(&mut self) {
        self.fault = self.fault.or(Some(Fault::Stopped));
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

    /// Up to which byte of the body all that is in it has come out. To be asked when a piece is done.
    pub fn shown(&self) -> u64 {
        match self.stages.as_slice() {
            [Stage { reader: Reader::Zstd(reader), .. }] => self.settled.max(reader.shown()),
            _ => self.settled,
        }
    }

    /// Asks the last coding that has something to do.
    fn part(&mut self, piece: &mut &[u8]) -> Result<bool, Fault> {
        let mut stages = self.stages.as_mut_slice();
        while let Some((stage, before)) = std::mem::take(&mut stages).split_last_mut() {
            let input = before.last().map_or(*piece, Stage::window);
            if input.is_empty() && !stage.more {
                stages = before;
                continue;
            }
            let input = input.get(..PART_BYTES).unwrap_or(input);
            let Step { taken, made, more } = stage.reader.read(input)?;
            if taken == 0 && made == 0 && more {
                return Err(Fault::Corrupt);
            }
            if let Some(before) = before.last_mut() {
                before.pass(taken);
            } else {
                *piece = piece.get(taken..).unwrap_or_default();
                self.coded = self.coded.saturating_add(taken as u64);
            }
            return stage.came(made, more, self.coded).map(|()| true);
        }
        Ok(false)
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
    /// What has come out and was not passed: from where, to where.
    out: (usize, usize),
    /// There may be more to come out of what went in.
    more: bool,
    /// How much may still come out, when so much of the body has gone in.
    credit: u64,
    coded: u64,
}

/// What a reader has done.
struct Step {
    /// Of its input.
    taken: usize,
    /// In its window.
    made: usize,
    /// It wants to go on, even without more input.
    more: bool,
}

impl Stage {
    fn new(coding: Coding) -> Self {
        let reader = match coding {
            Coding::Gzip => Reader::Gzip(gzip::Gzip::new()),
            Coding::Deflate => Reader::Deflate(deflate::Deflate::new()),
            Coding::Brotli => Reader::Brotli(brotli::Brotli::new()),
            Coding::Zstd => Reader::Zstd(zstd::Zstd::new()),
        };
        Self { reader, out: (0, 0), more: false, credit: SLACK_BYTES, coded: 0 }
    }

    fn window(&self) -> &[u8] {
        self.reader.window().get(self.out.0..self.out.1).unwrap_or_default()
    }

    fn pass(&mut self, count: usize) {
        self.out.0 = self.out.0.saturating_add(count).min(self.out.1);
    }

    /// So much has come out, of so much of the body.
    fn came(&mut self, made: usize, more: bool, coded: u64) -> Result<(), Fault> {
        let earned = coded.saturating_sub(self.coded).saturating_mul(RATIO_MAX);
        let credit = self.credit.saturating_add(earned).min(CREDIT_BYTES);
        self.credit = credit.checked_sub(made as u64).ok_or(Fault::Bomb)?;
        (self.out, self.more, self.coded) = ((0, made), more, coded);
        Ok(())
    }
}

enum Reader {
    Gzip(gzip::Gzip),
    Deflate(deflate::Deflate),
    Brotli(brotli::Brotli),
    Zstd(zstd::Zstd),
}

impl Reader {
    /// Takes some of its input, of which what it does not take is the beginning of the next. What was made before is gone.
    fn read(&mut self, input: &[u8]) -> Result<Step, Fault> {
        match self {
            Self::Gzip(reader) => reader.read(input),
            Self::Deflate(reader) => reader.read(input),
            Self::Brotli(reader) => reader.read(input),
            Self::Zstd(reader) => reader.read(input),
        }
    }

    fn window(&self) -> &[u8] {
        match self {
            Self::Gzip(reader) => reader.window(),
            Self::Deflate(reader) => reader.window(),
            Self::Brotli(reader) => reader.window(),
            Self::Zstd(reader) => reader.window(),
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

/// A buffer for what comes out.
fn window() -> Zeroizing<Vec<u8>> {
    Zeroizing::new(vec![0; WINDOW_BYTES])
}
