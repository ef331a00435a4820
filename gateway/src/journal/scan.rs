//! Finding frames in a segment: streaming, in bounded memory, and able to go on behind damage.

use std::io;
use std::sync::Arc;

use super::frame::{FRAME_ALIGN, FRAME_HEADER_BYTES, FrameHeader};
use super::segment::SEGMENT_HEADER_BYTES;
use super::storage::StorageFile;

/// How much is read at a time.
const WINDOW_BYTES: usize = 256 << 10;

/// An intact frame and where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) offset: u64,
    pub(super) header: FrameHeader,
}

/// Walks through one segment file.
pub(super) struct Scanner {
    file: Arc<dyn StorageFile>,
    seed: u32,
    offset: u64,
    window: Vec<u8>,
    window_offset: u64,
    /// End of the last bytes that are not zero, as far as was looked.
    written_end: u64,
}

impl Scanner {
    pub(super) fn new(file: Arc<dyn StorageFile>, seed: u32) -> Self {
        let offset = SEGMENT_HEADER_BYTES;
        Self { file, seed, offset, window: Vec::new(), window_offset: 0, written_end: SEGMENT_HEADER_BYTES }
    }

    /// Where the next frame is expected.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) const fn written_end(&self) -> u64 {
        self.written_end
    }

    /// Goes back (or forth) to an offset.
    pub(super) fn seek(&mut self, offset: u64) {
        self.offset = offset;
    }

    /// Forgets what was read ahead: the file may have been written since.
    pub(super) fn refresh(&mut self) {
        self.window.clear();
    }

    /// The frame at the present offset if it is intact and has this sequence; moves behind it.
    pub(super) fn take(&mut self, sequence: u64) -> io::Result<Option<Found>> {
        let found = self.intact_here()?.filter(|found| found.header.sequence == sequence);
        if let Some(found) = found {
            self.pass(&found);
        }
        Ok(found)
    }

    /// The next intact frame at or behind the present offset whose sequence lies in `low..high`; moves behind it.
    pub(super) fn search(&mut self, low: u64, high: u64) -> io::Result<Option<Found>> {
        loop {
            if !self.skip_zeros()? {
                return Ok(None);
            }
            if let Some(found) = self.intact_here()? {
                // Later frames have higher sequences; a lower one has been passed already.
                if (low..high).contains(&found.header.sequence) {
                    self.pass(&found);
                    return Ok(Some(found));
                }
                self.pass(&found);
                continue;
            }
            self.offset += FRAME_ALIGN as u64;
            self.written_end = self.written_end.max(self.offset);
        }
    }

    /// The payload of a frame that `take` or `search` found.
    pub(super) fn payload(&mut self, found: &Found) -> io::Result<Vec<u8>> {
        let start = found.offset + FRAME_HEADER_BYTES as u64;
        let length = found.header.length as usize;
        let payload = self.bytes(start, length)?.to_vec();
        if payload.len() == length { Ok(payload) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    fn pass(&mut self, found: &Found) {
        self.offset = found.offset + found.header.room() as u64;
        self.written_end = self.written_end.max(self.offset);
    }

    fn intact_here(&mut self) -> io::Result<Option<Found>> {
        let (offset, seed) = (self.offset, self.seed);
        let Some(header) = FrameHeader::parse(self.bytes(offset, FRAME_HEADER_BYTES)?) else {
            return Ok(None);
        };
        let frame = self.bytes(offset, header.bytes())?;
        let intact = frame.len() == header.bytes() && header.verify(frame, seed);
        Ok(intact.then_some(Found { offset, header }))
    }

    /// Moves over zeros; false at the end of the file.
    fn skip_zeros(&mut self) -> io::Result<bool> {
        loop {
            let window = self.bytes(self.offset, FRAME_ALIGN)?;
            if window.len() < FRAME_ALIGN {
                return Ok(false);
            }
            let ahead = usize::try_from(self.offset - self.window_offset).unwrap_or(usize::MAX);
            let rest = self.window.get(ahead..).unwrap_or_default();
            let zeros = zeros(rest);
            let more = zeros + FRAME_ALIGN <= rest.len();
            self.offset += zeros as u64;
            if more {
                return Ok(true);
            }
        }
    }

    /// Bytes at an offset; fewer at the end of the file.
    fn bytes(&mut self, offset: u64, count: usize) -> io::Result<&[u8]> {
        let start = offset.checked_sub(self.window_offset).and_then(|ahead| usize::try_from(ahead).ok());
        let inside = start.is_some_and(|start| start + count <= self.window.len());
        if !inside {
            let size = self.file.size()?.saturating_sub(offset);
            let want = usize::try_from(size).unwrap_or(usize::MAX).min(WINDOW_BYTES.max(count));
            self.window.resize(want, 0);
            self.window_offset = offset;
            let read = match self.file.read_at(offset, &mut self.window) {
                Ok(read) => read,
                Err(error) => {
                    self.window.clear();
                    return Err(error);
                }
            };
            self.window.truncate(read);
        }
        let start = usize::try_from(offset - self.window_offset).unwrap_or(usize::MAX);
        let rest = self.window.get(start..).unwrap_or_default();
        Ok(rest.get(..count).unwrap_or(rest))
    }
}

/// How many bytes at the beginning are zero, in whole units of the frames' alignment. By blocks first: most of a segment
/// that was just begun is zeros.
fn zeros(bytes: &[u8]) -> usize {
    const BLOCK: [u8; 512] = [0; 512];
    let blocks = bytes.chunks_exact(BLOCK.len()).take_while(|chunk| **chunk == BLOCK).count() * BLOCK.len();
    let rest = bytes.get(blocks..).unwrap_or_default();
    blocks + rest.chunks_exact(FRAME_ALIGN).take_while(|chunk| **chunk == [0; FRAME_ALIGN]).count() * FRAME_ALIGN
}
