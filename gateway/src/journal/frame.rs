//! The frame: how one record lies in a segment. Little-endian, written by hand, so that the bytes on disk depend on
//! nothing but this file.
//!
//! ```text
//! offset size
//!      0    4  payload length
//!      4    1  frame version (1)
//!      5    1  kind
//!      6    2  reserved, zero
//!      8    8  sequence
//!     16    8  batch first sequence: every frame below it was durable when this one was written
//!     24    4  CRC32C over the segment's salt, bytes 0..24 and the payload
//!     28    n  payload, then zeros up to a multiple of 8
//! ```
//!
//! The salt keeps a payload from posing as a frame: who sends a request chooses part of a payload, but cannot know the
//! salt of the segment it lands in, so a search for the next intact frame after damage does not fall for it.

use std::fmt;

/// Size of a frame's header.
pub(super) const FRAME_HEADER_BYTES: usize = 28;
/// Frames start at multiples of this, which makes the search after damage cheap.
pub(super) const FRAME_ALIGN: usize = 8;
/// The least room a frame takes.
pub(super) const FRAME_BYTES_MIN: u64 = 32;
/// The largest payload a frame can hold.
pub const PAYLOAD_BYTES_MAX: usize = 1 << 20;
/// Version written into each frame.
const FRAME_VERSION: u8 = 1;

/// A place in the journal: the sequence number of a frame. Sequences start at 1 and are gapless per node, also across
/// restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u64);

impl Position {
    /// Where a reader starts that wants the oldest frame still kept, whichever that is.
    pub const OLDEST: Self = Self(0);
    /// The first frame a node ever writes.
    pub const FIRST: Self = Self(1);

    /// The position of this sequence number.
    pub const fn new(sequence: u64) -> Self {
        Self(sequence)
    }

    /// The sequence number.
    pub const fn sequence(self) -> u64 {
        self.0
    }

    /// The position after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// What a frame records. The journal itself does not look at payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FrameKind {
    /// Somebody asks for a patient's data; written before anything is forwarded or disclosed.
    Intent = 1,
    /// A patient was found in a response; written before that part of it leaves.
    Disclosure = 2,
    /// How a request ended.
    Outcome = 3,
    /// A login, a refusal, a lock, a change of an account or device.
    AuthEvent = 4,
    /// A note of the gateway's own, such as its start and stop.
    Marker = 5,
}

impl FrameKind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::Intent, Self::Disclosure, Self::Outcome, Self::AuthEvent, Self::Marker];

    /// The kind's name as metrics and the CLI show it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Disclosure => "disclosure",
            Self::Outcome => "outcome",
            Self::AuthEvent => "auth_event",
            Self::Marker => "marker",
        }
    }

    pub(super) const fn index(self) -> usize {
        self as usize - 1
    }

    const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Intent,
            2 => Self::Disclosure,
            3 => Self::Outcome,
            4 => Self::AuthEvent,
            5 => Self::Marker,
            _ => return None,
        })
    }
}

/// One frame as a reader hands it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its sequence number.
    pub position: Position,
    /// What it records.
    pub kind: FrameKind,
    /// Its bytes as they were appended.
    pub payload: Vec<u8>,
}

/// A frame's header, parsed and plausible; the checksum is not looked at yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub(super) length: u32,
    pub(super) kind: FrameKind,
    pub(super) sequence: u64,
    pub(super) batch_first: u64,
    crc: u32,
}

impl FrameHeader {
    /// Reads a header, or `None` if these bytes cannot be one.
    pub(super) fn parse(mut bytes: &[u8]) -> Option<Self> {
        let length = u32::from_le_bytes(take(&mut bytes)?);
        let [version, kind, reserved_low, reserved_high] = take(&mut bytes)?;
        let kind = FrameKind::from_byte(kind)?;
        let sequence = u64::from_le_bytes(take(&mut bytes)?);
        let batch_first = u64::from_le_bytes(take(&mut bytes)?);
        let crc = u32::from_le_bytes(take(&mut bytes)?);
        let plausible = version == FRAME_VERSION
            && reserved_low == 0
            && reserved_high == 0
            && length as usize <= PAYLOAD_BYTES_MAX
            && batch_first >= 1
            && batch_first <= sequence;
        plausible.then_some(Self { length, kind, sequence, batch_first, crc })
    }

    /// Header and payload, without the padding.
    pub(super) const fn bytes(&self) -> usize {
        FRAME_HEADER_BYTES + self.length as usize
    }

    /// The room the frame takes in its segment.
    pub(super) const fn room(&self) -> usize {
        room(self.length as usize)
    }

    /// Whether these bytes (header and payload) carry the right checksum.
    pub(super) fn verify(&self, frame: &[u8], seed: u32) -> bool {
        checksum(frame, seed) == Some(self.crc)
    }
}

/// The room a frame with such a payload takes.
pub(super) const fn room(payload_bytes: usize) -> usize {
    (FRAME_HEADER_BYTES + payload_bytes).next_multiple_of(FRAME_ALIGN)
}

/// Appends a frame. Its checksum stays zero until `stamp`, because it depends on the segment the frame ends up in.
pub(super) fn encode(out: &mut Vec<u8>, kind: FrameKind, sequence: u64, batch_first: u64, payload: &[u8]) {
    let start = out.len();
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&[FRAME_VERSION, kind as u8, 0, 0]);
    out.extend_from_slice(&sequence.to_le_bytes());
    out.extend_from_slice(&batch_first.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
    out.resize(start + room(payload.len()), 0);
}

/// Writes the checksum into each frame of a batch, for a segment with this seed.
pub(super) fn stamp(batch: &mut [u8], seed: u32) {
    let mut rest = batch;
    while let Some(header) = FrameHeader::parse(rest) {
        let Some((frame, after)) = rest.split_at_mut_checked(header.room()) else {
            break;
        };
        let crc = frame.get(..header.bytes()).and_then(|bytes| checksum(bytes, seed));
        if let (Some(crc), Some(field)) = (crc, frame.get_mut(24..28)) {
            field.copy_from_slice(&crc.to_le_bytes());
        }
        rest = after;
    }
}

fn checksum(frame: &[u8], seed: u32) -> Option<u32> {
    let (head, payload) = frame.split_at_checked(FRAME_HEADER_BYTES)?;
    Some(crc32c::crc32c_append(crc32c::crc32c_append(seed, head.get(..24)?), payload))
}

/// Takes the next `N` bytes.
pub(super) fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*head)
}
