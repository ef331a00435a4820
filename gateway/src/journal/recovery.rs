//! Reading what the last run left: which frames are durable, which are torn, which are missing though they had been
//! durable.
//!
//! A frame is *proven* if a later intact frame (by its batch first sequence), a later segment (by its first sequence) or
//! the ack mark says that it had been durable. What is proven and cannot be read is a gap: corruption, never cut
//! silently. What is not proven lies in the last batch of the last segment; its intact beginning is kept, the rest is the
//! torn tail. The kept part is written anew before anything relies on it, because after a failed sync the page cache may
//! show what the disk lacks.
//!
//! Memory: one window of a segment and the last batch.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::OpenError;
use super::frame::{self, FRAME_BYTES_MIN, FrameKind, Position};
use super::scan::{Found, Scanner};
use super::segment::{self, HeaderRead, SEGMENT_HEADER_BYTES, Segment, SegmentHeader};
use super::storage::Storage;

/// Frames that had been durable and cannot be read any more, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The first missing frame.
    pub first: Position,
    /// The last missing frame.
    pub last: Position,
}

impl Gap {
    pub(super) const fn new(first: u64, last: u64) -> Self {
        Self { first: Position::new(first), last: Position::new(last) }
    }

    /// How many frames are missing.
    pub const fn frames(&self) -> u64 {
        self.last.sequence() - self.first.sequence() + 1
    }
}

/// What was found on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Intact frames from the ack mark's segment on.
    pub frames: u64,
    /// Segments on disk.
    pub segments: usize,
    /// Bytes of frames and headers in them.
    pub bytes: u64,
    /// The sequence that the next frame gets.
    pub next: u64,
    /// All frames below this sequence were acknowledged.
    pub acked: u64,
    /// Bytes at the end that were being written when the last run ended; no one had a receipt for them.
    pub torn_bytes: u64,
    /// What had been durable and is missing. Readers deliver the same gaps.
    pub gaps: Vec<Gap>,
    /// Copies kept of the damaged segments.
    pub quarantined: Vec<PathBuf>,
}

/// The frames of the last batch, which nothing proves to be durable.
#[derive(Debug, Default)]
pub(super) struct Tail {
    /// Encoded as one batch.
    pub(super) bytes: Vec<u8>,
    pub(super) kinds: [u64; 5],
}

/// What `survey` found.
#[derive(Debug)]
pub(super) struct Survey {
    pub(super) segments: Vec<Segment>,
    /// Everything below this sequence was durable, or is a gap.
    pub(super) proven: u64,
    pub(super) next: u64,
    pub(super) tail: Tail,
    /// Where the last segment's proven frames end, if it may be cut there.
    pub(super) cut: Option<(u64, u64)>,
    pub(super) recovery: Recovery,
    /// First sequences of the segments that hold damage.
    pub(super) damaged: Vec<u64>,
}

/// Reads all segments in `dir`. Changes nothing. Segments wholly below `scan_from` are not looked into.
pub(super) fn survey(
    storage: &Arc<dyn Storage>,
    dir: &Path,
    node: Option<[u8; 16]>,
    acked: u64,
    scan_from: u64,
) -> Result<Survey, OpenError> {
    let mut firsts: Vec<u64> = list(storage, dir)?.iter().filter_map(|name| segment::parse_file_name(name)).collect();
    firsts.sort_unstable();
    let mut survey = Survey {
        segments: Vec::with_capacity(firsts.len()),
        proven: acked,
        next: acked,
        tail: Tail::default(),
        cut: None,
        recovery: Recovery { acked, ..Recovery::default() },
        damaged: Vec::new(),
    };
    if let Some(&oldest) = firsts.first()
        && oldest > acked
    {
        // Only what was acknowledged is ever deleted.
        survey.recovery.gaps.push(Gap::new(acked, oldest - 1));
    }
    for (index, &first) in firsts.iter().enumerate() {
        let path = dir.join(segment::file_name(first));
        let fail = |source| OpenError::Io { path: path.clone(), source };
        let file = storage.open_read(&path).map_err(fail)?;
        let bytes = file.size().map_err(fail)?;
        let seed = match SegmentHeader::read(&*file).map_err(fail)? {
            HeaderRead::Newer(version) => return Err(OpenError::Newer { path, version }),
            HeaderRead::Whole(header) if node.is_some_and(|node| node != header.node) => {
                return Err(OpenError::OtherNode { path });
            }
            HeaderRead::Whole(header) if header.first == first => Some(header.seed()),
            HeaderRead::Whole(_) | HeaderRead::Damaged => None,
        };
        let segment = Segment { first, seed, bytes };
        let scanner = seed.map(|seed| Scanner::new(file, seed));
        let segment = if let Some(&end) = firsts.get(index + 1) {
            if end > scan_from {
                survey.read_sealed(scanner, first, end).map_err(fail)?;
            }
            segment
        } else {
            survey.read_last(scanner, segment).map_err(fail)?
        };
        survey.segments.push(segment);
    }
    // What was acknowledged is shipped: it is no longer this log's business whether it can be read.
    survey.recovery.gaps.retain_mut(|gap| {
        gap.first = gap.first.max(Position::new(scan_from));
        gap.first <= gap.last
    });
    survey.recovery.segments = survey.segments.len();
    survey.recovery.bytes = survey.segments.iter().map(|segment| segment.bytes).sum();
    survey.recovery.next = survey.next;
    Ok(survey)
}

/// Names of the files in the journal's directory.
pub(super) fn list(storage: &Arc<dyn Storage>, dir: &Path) -> Result<Vec<String>, OpenError> {
    storage.list(dir).map_err(|source| OpenError::Io { path: dir.to_owned(), source })
}

impl Survey {
    fn gap(&mut self, segment: u64, first: u64, last: u64) {
        self.recovery.gaps.push(Gap::new(first, last));
        if self.damaged.last() != Some(&segment) {
            self.damaged.push(segment);
        }
    }

    /// A segment that others follow: all its frames had been durable.
    fn read_sealed(&mut self, scanner: Option<Scanner>, first: u64, end: u64) -> io::Result<()> {
        let mut expected = first;
        if let Some(mut scanner) = scanner {
            while expected < end
                && let Some(found) = scanner.search(expected, end)?
            {
                if found.header.sequence > expected {
                    self.gap(first, expected, found.header.sequence - 1);
                }
                self.recovery.frames += 1;
                expected = found.header.sequence + 1;
            }
        }
        if expected < end {
            self.gap(first, expected, end - 1);
        }
        Ok(())
    }

    fn read_last(&mut self, scanner: Option<Scanner>, mut segment: Segment) -> io::Result<Segment> {
        let first = segment.first;
        let Some(mut scanner) = scanner else {
            // No telling how many frames it held; no sequence may ever be given twice, so skip all it can have held.
            let next = (first + segment.bytes / FRAME_BYTES_MIN + 1).max(self.proven);
            self.gap(first, first, next - 1);
            (self.proven, self.next) = (next, next);
            return Ok(segment);
        };
        self.proven = self.proven.max(first);
        let mut expected = first;
        while let Some(found) = scanner.search(expected, u64::MAX)? {
            self.proven = self.proven.max(found.header.batch_first);
            expected = found.header.sequence + 1;
        }
        let written_end = scanner.written_end();
        scanner.seek(SEGMENT_HEADER_BYTES);
        let proven = self.proven;
        let mut proven_end = SEGMENT_HEADER_BYTES;
        let mut end = SEGMENT_HEADER_BYTES;
        let mut intact = true;
        expected = first;
        while let Some(found) = scanner.search(expected, u64::MAX)? {
            let sequence = found.header.sequence;
            if sequence > expected {
                if sequence > proven {
                    // Whatever is missing here was never durable: this is where the torn tail begins.
                    break;
                }
                self.gap(first, expected, sequence - 1);
                intact = false;
            }
            if sequence >= proven {
                self.tail.add(&mut scanner, &found, proven)?;
            } else {
                proven_end = scanner.offset();
            }
            end = scanner.offset();
            self.recovery.frames += 1;
            expected = sequence + 1;
        }
        if expected < proven {
            self.gap(first, expected, proven - 1);
            intact = false;
        }
        self.next = expected.max(proven);
        self.recovery.torn_bytes = written_end.saturating_sub(end);
        if intact {
            segment.bytes = proven_end;
            self.cut = Some((first, proven_end));
        }
        Ok(segment)
    }
}

impl Tail {
    fn add(&mut self, scanner: &mut Scanner, found: &Found, proven: u64) -> io::Result<()> {
        let payload = scanner.payload(found)?;
        self.push(found.header.kind, found.header.sequence, proven, &payload);
        Ok(())
    }

    fn push(&mut self, kind: FrameKind, sequence: u64, proven: u64, payload: &[u8]) {
        frame::encode(&mut self.bytes, kind, sequence, proven, payload);
        if let Some(count) = self.kinds.get_mut(kind.index()) {
            *count += 1;
        }
    }
}
