//! A segment's frames in memory, for `fuzz/`.

use super::frame::{self, Frame, FrameKind, Position};
use super::scan::Scanner;
use super::segment::{SEGMENT_HEADER_BYTES, SegmentHeader};
use super::storage::StorageFile;
use std::io;
use std::sync::Arc;

/// Where frames begin in a segment.
pub const FRAMES_START: usize = SEGMENT_HEADER_BYTES as usize;

/// A segment with these frames, numbered from `first`, each a batch of its own; where each of them ends.
pub fn segment(seed: u32, first: u64, frames: &[(FrameKind, &[u8])]) -> (Vec<u8>, Vec<usize>) {
    let mut bytes = vec![0; FRAMES_START];
    let mut ends = Vec::with_capacity(frames.len());
    for (sequence, (kind, payload)) in (first..).zip(frames) {
        let start = bytes.len();
        frame::encode(&mut bytes, *kind, sequence, sequence, payload);
        if let Some(batch) = bytes.get_mut(start..) {
            frame::stamp(batch, seed);
        }
        ends.push(bytes.len());
    }
    (bytes, ends)
}

/// Each intact frame of a segment, in order, as recovery searches them.
pub fn search(segment: Vec<u8>, seed: u32) -> io::Result<Vec<Frame>> {
    let mut scanner = Scanner::new(Arc::new(Memory(segment)), seed);
    let mut all = Vec::new();
    while let Some(found) = scanner.search(0, u64::MAX)? {
        let payload = scanner.payload(&found)?;
        all.push(Frame { position: Position::new(found.header.sequence), kind: found.header.kind, payload });
    }
    Ok(all)
}

/// Whether these bytes begin with a segment's whole header.
pub fn has_header(segment: Vec<u8>) -> io::Result<bool> {
    Ok(matches!(SegmentHeader::read(&Memory(segment))?, super::segment::HeaderRead::Whole(_)))
}

/// A file that is only read.
struct Memory(Vec<u8>);

impl StorageFile for Memory {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = self.0.get(start..).unwrap_or_default();
        let count = rest.len().min(out.len());
        if let (Some(out), Some(rest)) = (out.get_mut(..count), rest.get(..count)) {
            out.copy_from_slice(rest);
        }
        Ok(count)
    }

    fn write_at(&self, _: u64, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync_data(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn truncate(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn zero_fill(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
