//! A segment file: its name, its header and how a new one comes into being.
//!
//! ```text
//! journal-<first sequence, 20 digits>.seg
//!      0  header; again at 4096, because without the salt in it no frame could be told from noise
//!   8192  frames, then zeros
//!
//! header: magic "GRVJRNL\0" | version u32 | node 16 bytes | first sequence u64 | last durable sequence before it u64 |
//!         created, µs since 1970, u64 | salt u64 | CRC32C u32
//! ```
//!
//! A segment gets its name only when its header and its first batch, if there is one, are synced; that batch counts as
//! committed only when the directory is synced as well. So a file with such a name and no readable header is damage, never a crash.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::frame::take;
use super::storage::{Storage, StorageFile};

/// Where frames begin.
pub(super) const SEGMENT_HEADER_BYTES: u64 = 8192;
const COPY_OFFSETS: [u64; 2] = [0, 4096];
const HEADER_LEN: usize = 64;
const MAGIC: [u8; 8] = *b"GRVJRNL\0";
/// Version of the segment format.
pub(super) const SEGMENT_VERSION: u32 = 1;

/// What a segment's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) node: [u8; 16],
    /// The sequence of the first frame; everything below was durable when the segment was made.
    pub(super) first: u64,
    pub(super) created_us: u64,
    pub(super) salt: u64,
}

/// Outcome of reading a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderRead {
    Whole(SegmentHeader),
    Damaged,
    /// Whole, but written by a later version of this program.
    Newer(u32),
}

impl SegmentHeader {
    /// What checksums of frames in this segment start from.
    pub(super) fn seed(&self) -> u32 {
        crc32c::crc32c(&self.salt.to_le_bytes())
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_LEN);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&SEGMENT_VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.node);
        bytes.extend_from_slice(&self.first.to_le_bytes());
        bytes.extend_from_slice(&self.first.saturating_sub(1).to_le_bytes());
        bytes.extend_from_slice(&self.created_us.to_le_bytes());
        bytes.extend_from_slice(&self.salt.to_le_bytes());
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Writes both copies; the caller syncs.
    pub(super) fn write(&self, file: &dyn StorageFile) -> io::Result<()> {
        let mut bytes = self.encode();
        bytes.resize(4096, 0);
        bytes.extend_from_slice(&self.encode());
        file.write_at(0, &bytes)
    }

    /// Reads whichever copy is whole.
    pub(super) fn read(file: &dyn StorageFile) -> io::Result<HeaderRead> {
        let mut answer = HeaderRead::Damaged;
        for offset in COPY_OFFSETS {
            let mut bytes = [0; HEADER_LEN];
            if file.read_at(offset, &mut bytes)? == HEADER_LEN
                && let Some(read) = Self::parse(&bytes)
            {
                answer = read;
                break;
            }
        }
        Ok(answer)
    }

    fn parse(bytes: &[u8; HEADER_LEN]) -> Option<HeaderRead> {
        let mut rest = bytes.as_slice();
        let magic: [u8; 8] = take(&mut rest)?;
        let version = u32::from_le_bytes(take(&mut rest)?);
        let node = take(&mut rest)?;
        let first = u64::from_le_bytes(take(&mut rest)?);
        let _previous: [u8; 8] = take(&mut rest)?;
        let created_us = u64::from_le_bytes(take(&mut rest)?);
        let salt = u64::from_le_bytes(take(&mut rest)?);
        let crc = u32::from_le_bytes(take(&mut rest)?);
        if magic != MAGIC || crc32c::crc32c(bytes.get(..60)?) != crc {
            return None;
        }
        if version != SEGMENT_VERSION {
            return Some(HeaderRead::Newer(version));
        }
        Some(HeaderRead::Whole(Self { node, first, created_us, salt }))
    }
}

/// One segment on disk, as the journal keeps track of it. Where it ends follows from where the next one begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) first: u64,
    /// `None` if its header is damaged, and with it all its frames.
    pub(super) seed: Option<u32>,
    /// Bytes it holds, header included.
    pub(super) bytes: u64,
}

/// The file name of the segment that begins with this sequence.
pub(super) fn file_name(first: u64) -> String {
    format!("journal-{first:020}.seg")
}

/// The first sequence that a file name tells, or `None` if it is not a segment's.
pub(super) fn parse_file_name(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("journal-")?.strip_suffix(".seg")?;
    (digits.len() == 20).then(|| digits.parse().ok()).flatten()
}

/// A file that is ready to become a segment: zero-filled if there was time for it.
pub(super) struct Blank {
    pub(super) file: Arc<dyn StorageFile>,
    pub(super) name: String,
}

impl Blank {
    /// Makes the file. With `size` 0 nothing is zero-filled: slower commits, but ready at once.
    pub(super) fn create(storage: &dyn Storage, dir: &Path, number: u64, size: u64) -> io::Result<Self> {
        let name = format!("spare-{number}.tmp");
        let path = dir.join(&name);
        let file = storage.create(&path)?;
        if size > 0
            && let Err(error) = file.zero_fill(size)
        {
            // Give the room back: others may need it more.
            drop(file);
            if let Err(source) = storage.remove(&path) {
                tracing::debug!(error = %source, "a half-made segment could not be removed");
            }
            return Err(error);
        }
        Ok(Self { file, name })
    }

    /// Gives the file its header, its first frames and its name. When this returns, all of it is durable. The frames come
    /// before the name, because the name may be that of a segment that holds the only other copy of them.
    pub(super) fn publish(
        &self,
        storage: &dyn Storage,
        dir: &Path,
        header: &SegmentHeader,
        frames: &[u8],
    ) -> io::Result<()> {
        header.write(&*self.file)?;
        self.file.write_at(SEGMENT_HEADER_BYTES, frames)?;
        self.file.sync_data()?;
        storage.rename(&dir.join(&self.name), &dir.join(file_name(header.first)))?;
        storage.sync_dir(dir)
    }
}

/// Whether a file name is a left-over of `Blank::create`.
pub(super) fn is_blank_name(name: &str) -> bool {
    name.strip_prefix("spare-").is_some_and(|rest| rest.strip_suffix(".tmp").is_some())
}
