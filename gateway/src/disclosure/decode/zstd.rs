//! Zstandard (RFC 8878) as HTTP uses it (RFC 9659): frames one after the other, no dictionary, windows of at most 8 MiB.
//! Only the first frame may have content: browsers stop at its end, and others go on.
//!
//! Frames are walked here before the library decodes them: it would skip frames that are to be skipped, might read older
//! formats, and does not tell where blocks end.

use super::{Fault, Step, window};
use zeroize::Zeroizing;
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

/// The largest window: 2^23 bytes (RFC 9659, 3).
const WINDOW_LOG_MAX: u32 = 23;
const WINDOW_MAX: u64 = 1 << WINDOW_LOG_MAX;

const MAGIC: u64 = 0xfd2f_b528;
/// Of frames to be skipped; the last four bits may be anything.
const MAGIC_SKIPPABLE: u64 = 0x184d_2a50;
const MAGIC_LENGTH: usize = 4;
/// Magic, descriptor, window, dictionary, content size.
const HEADER_MAX: usize = MAGIC_LENGTH + 1 + 1 + 4 + 8;

/// The coding `zstd`.
pub(super) struct Zstd {
    walk: Walk,
    /// How much of the next input has been walked.
    ahead: usize,
    /// More may come out of what was taken.
    draining: bool,
    taken: u64,
    shown: u64,
    decoder: Option<Decoder<'static>>,
    window: Zeroizing<Vec<u8>>,
}

impl Zstd {
    pub(super) fn new() -> Self {
        Self { walk: Walk::new(), ahead: 0, draining: false, taken: 0, shown: 0, decoder: None, window: window() }
    }

    pub(super) fn read(&mut self, input: &[u8]) -> Result<Step, Fault> {
        if self.ahead == 0 && !self.draining {
            self.ahead = self.walk.advance(input)?;
        }
        let decoder = match &mut self.decoder {
            Some(decoder) => decoder,
            none => none.insert(decoder()?),
        };
        let mut input = InBuffer::around(input.get(..self.ahead).unwrap_or_default());
        let mut output = OutBuffer::around(self.window.as_mut_slice());
        let wanted = decoder.run(&mut input, &mut output).map_err(|_| Fault::Corrupt)?;
        let (taken, made) = (input.pos(), output.pos());
        self.ahead = self.ahead.saturating_sub(taken);
        self.taken += taken as u64;
        // Nothing wanted: a frame has ended, and all of it is out. A full window may have more behind it.
        self.draining = wanted != 0 && made == self.window.len();
        let more = self.ahead > 0 || self.draining;
        if !more && self.is_settled() {
            self.shown = self.taken;
        }
        Ok(Step { taken, made, more })
    }

    pub(super) fn window(&self) -> &[u8] {
        &self.window
    }

    /// Up to which byte all has come out.
    pub(super) fn shown(&self) -> u64 {
        self.shown
    }

    pub(super) fn is_at_end(&self) -> bool {
        matches!(self.walk.part, Part::Header) && self.walk.count == 0
    }

    pub(super) fn is_settled(&self) -> bool {
        !matches!(self.walk.part, Part::Block { .. })
    }
}

fn decoder() -> Result<Decoder<'static>, Fault> {
    let mut decoder = Decoder::new().map_err(|_| Fault::Memory)?;
    decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX)).map_err(|_| Fault::Memory)?;
    Ok(decoder)
}

/// Where in which frame the body is.
struct Walk {
    part: Part,
    /// Bytes of the header, or of a block's header.
    bytes: [u8; HEADER_MAX],
    count: usize,
    /// Whether a frame has come before this one.
    again: bool,
    /// Whether the frame ends with a checksum.
    checksum: bool,
}

#[derive(Clone, Copy)]
enum Part {
    Header,
    BlockHeader,
    Block { left: usize, last: bool },
    Checksum { left: usize },
}

impl Walk {
    fn new() -> Self {
        Self { part: Part::Header, bytes: [0; HEADER_MAX], count: 0, again: false, checksum: false }
    }

    /// Walks on, not further than to the end of the next block. How far.
    fn advance(&mut self, all: &[u8]) -> Result<usize, Fault> {
        let mut bytes = all;
        while let Some((byte, rest)) = bytes.split_first() {
            bytes = match self.part {
                Part::Header => {
                    self.gather(*byte);
                    self.header()?;
                    rest
                }
                Part::BlockHeader => {
                    self.gather(*byte);
                    if self.count == 3 {
                        self.block_header()?;
                    }
                    rest
                }
                Part::Block { left, last } => {
                    let taken = left.min(bytes.len());
                    self.in_block(left - taken, last);
                    let rest = bytes.get(taken..).unwrap_or_default();
                    if taken == left {
                        return Ok(all.len() - rest.len());
                    }
                    rest
                }
                Part::Checksum { left } => {
                    if left > 1 {
                        self.part = Part::Checksum { left: left - 1 };
                    } else {
                        self.frame_ends();
                    }
                    rest
                }
            };
        }
        Ok(all.len())
    }

    fn gather(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.count) {
            *place = byte;
        }
        self.count += 1;
    }

    /// Little-endian, at most eight bytes.
    fn number(&self, from: usize, length: usize) -> u64 {
        let bytes = self.bytes.get(from..from + length).unwrap_or_default();
        bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// Checks as much of the frame's magic as there is.
    fn magic(&self) -> Result<(), Fault> {
        let so_far = self.number(0, self.count);
        let begins = |magic: u64, any: u64| (so_far ^ magic) & !any & ((1 << (8 * self.count)) - 1) == 0;
        match () {
            () if begins(MAGIC, 0) => Ok(()),
            () if !begins(MAGIC_SKIPPABLE, 0xf) && self.again => Err(Fault::Trailing),
            () if !begins(MAGIC_SKIPPABLE, 0xf) => Err(Fault::Corrupt),
            () if self.count == MAGIC_LENGTH => Err(Fault::Refused),
            () => Ok(()),
        }
    }

    /// Reads as much of the frame's header as there is (RFC 8878, 3.1.1).
    fn header(&mut self) -> Result<(), Fault> {
        if self.count <= MAGIC_LENGTH {
            return self.magic();
        }
        let descriptor = self.number(MAGIC_LENGTH, 1);
        if descriptor & 0x08 != 0 {
            return Err(Fault::Corrupt);
        }
        let single = descriptor & 0x20 != 0;
        let window_at = MAGIC_LENGTH + 1;
        let dictionary_at = window_at + usize::from(!single);
        let dictionary_length = match descriptor & 3 {
            3 => 4,
            length => length as usize,
        };
        let size_at = dictionary_at + dictionary_length;
        let size_length = match descriptor >> 6 {
            0 => usize::from(single),
            flag => 1 << flag,
        };
        if self.count < size_at + size_length {
            return Ok(());
        }
        let window = if single {
            self.number(size_at, size_length)
        } else {
            let (exponent, mantissa) = (self.number(window_at, 1) >> 3, self.number(window_at, 1) & 7);
            let base = 1_u64 << (10 + exponent);
            base + base / 8 * mantissa
        };
        if window > WINDOW_MAX || self.number(dictionary_at, dictionary_length) != 0 {
            return Err(Fault::Refused);
        }
        self.checksum = descriptor & 0x04 != 0;
        self.to(Part::BlockHeader);
        Ok(())
    }

    /// Reads a block's header (RFC 8878, 3.1.1.2). That its size is allowed, the library checks.
    fn block_header(&mut self) -> Result<(), Fault> {
        let header = self.number(0, 3);
        let left = match header >> 1 & 3 {
            // One byte, to be repeated.
            1 => 1,
            3 => return Err(Fault::Corrupt),
            _ => (header >> 3) as usize,
        };
        if self.again && header >> 3 != 0 {
            return Err(Fault::Trailing);
        }
        self.in_block(left, header & 1 != 0);
        Ok(())
    }

    fn in_block(&mut self, left: usize, last: bool) {
        match (left, last) {
            (0, false) => self.to(Part::BlockHeader),
            (0, true) if self.checksum => self.to(Part::Checksum { left: 4 }),
            (0, true) => self.frame_ends(),
            _ => self.to(Part::Block { left, last }),
        }
    }

    fn frame_ends(&mut self) {
        self.again = true;
        self.to(Part::Header);
    }

    fn to(&mut self, part: Part) {
        self.part = part;
        self.count = 0;
    }
}
