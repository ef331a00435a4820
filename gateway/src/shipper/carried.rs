//! What is known of exchanges that stay open for long, so that the frames they began with can go.
//!
//! The row of an exchange is made when it ends, out of what it began with: its intent. One that stays open (a WebSocket, a
//! large download) would keep the journal from its beginning on, shipped or not, until no request could be recorded any more.
//! So whoever began more than a segment ago is written, as far as it was read, to a small file, and reading begins behind it:
//! ```text
//! frames   … | intent of A | … | below | … | at = the book's end | …
//! file       A, as it was at `at`; a new start reads on from `below`
//! ```
//!
//! # Invariants
//! 1. What is in the file was so when all below `at` had been read, and all rows of frames below `at` are in ClickHouse. So
//!    with it, reading from `below` on gives each row that is still to be shipped, to the byte.
//! 2. The book says "begin at `below`" only after the file is on stable storage, and which state of it that is: an older one
//!    is not taken for it.
//! 3. Of each state there is a copy for as long as the journal keeps frames that need it ([`super::resend`]), unless the disk
//!    does not take it; the last ones until there is another state.
//!
//! # Limits
//! [`BYTES_MAX`]: some 100 000 exchanges. If they are more, the journal is kept from their beginning on, as if there were no
//! file, and the log says so.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use contract::Text;
use contract::id::NodeName;
use contract::row::{Carry, Fold};
use contract::wire::Wire;
use contract::wire_struct;

use super::OpenError;
use super::book::{Book, Mark};
use crate::journal::ledger::{Ledger, LedgerError};
use crate::journal::storage::Storage;

wire_struct! {
    /// The record in the file.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Record {
        /// The form of what follows.
        pub version: u8,
        /// Whose it is.
        pub node: String,
        /// The exchanges.
        pub carry: Carry,
    }
}

/// The file of one node.
pub(super) struct Carried {
    /// `None`: it may not be the one under its name any more, and is to be opened again.
    ledger: Option<Ledger>,
    storage: Arc<dyn Storage>,
    dir: PathBuf,
    node: NodeName,
    /// What it said when it was opened, until somebody begins with it.
    carry: Option<Carry>,
    /// The last copy failed, which was said.
    failing: bool,
}

impl Carried {
    /// Opens the file in a journal's folder, or begins it if nothing was carried over yet. It has `room` from the beginning,
    /// in bytes, so that a full disk does not keep so much from being written; it grows if that is not enough.
    pub(super) fn open(
        storage: &Arc<dyn Storage>,
        dir: &Path,
        node: &NodeName,
        book: &mut Book,
        room: usize,
    ) -> Result<Self, OpenError> {
        let path = dir.join(NAME);
        match storage.open_read(&path).and_then(|file| file.size()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && book.carried().is_some() => {
                return Err(OpenError::NotCarried { path });
            }
            // So says who has lost it.
            Ok(0) => {
                tracing::error!(
                    "carried.ledger was emptied: exchanges that were open for long when the gateway stopped get no row of their end"
                );
                if book.carried().is_some() {
                    book.carry(0, 0)?;
                }
                let failed = |source| OpenError::Carried(LedgerError::Io { path: path.clone(), source });
                storage.remove(&path).map_err(failed)?;
            }
            _ => {}
        }
        // A disk that is full has to be emptied, with what room there is.
        let opened = match Ledger::open(storage, &path, room) {
            Err(LedgerError::Io { source, .. })
                if matches!(
                    source.kind(),
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
                ) =>
            {
                Ledger::open(storage, &path, 0)
            }
            opened => opened,
        };
        let (ledger, bytes) = opened.map_err(OpenError::Carried)?;
        let carry = match bytes.as_slice() {
            [] => None,
            bytes => Some(Record::read(bytes, node).ok_or_else(|| OpenError::NotItsCarried { path: path.clone() })?),
        };
        let at = carry.as_ref().map_or(0, |carry| carry.at);
        // It is written before the book. An older one knows nothing of what was open since.
        if book.carried().is_some_and(|carried| at < carried) {
            return Err(OpenError::NotItsCarried { path });
        }
        let (storage, dir) = (Arc::clone(storage), dir.to_owned());
        let mut carried = Self { ledger: Some(ledger), storage, dir, node: node.clone(), carry: None, failing: false };
        let Some(mut carry) = carry else { return Ok(carried) };
        let end = book.mark().end;
        if carry.at > end {
            // A journal that has lost its very end gives the sequences from there on again: to frames behind this state.
            carry.at = end;
            carry.below = carry.below.min(end);
            carried.store(carry.clone(), 0).map_err(OpenError::Carried)?;
        }
        // A crash may have come between the file and its copy.
        let record = carried.record(carry.clone());
        carried.copy(carry.at, &record, (0, end));
        carried.carry = Some(carry);
        Ok(carried)
    }

    fn record(&self, carry: Carry) -> Vec<u8> {
        Record { version: VERSION, node: self.node.as_str().to_owned(), carry }.to_bytes()
    }

    /// Where to begin to read, and with what, for the rows of frames from the mark's end on.
    pub(super) fn begin(&mut self, mark: &Mark, tenant: &Text) -> (u64, Fold) {
        begin(self.carry.take(), mark, &self.node, tenant)
    }

    /// Keeps these, of which the book says that everything below `carry.at` is shipped. `oldest` is the oldest frame that the
    /// journal still has.
    pub(super) fn store(&mut self, carry: Carry, oldest: u64) -> Result<(), LedgerError> {
        let at = carry.at;
        let record = self.record(carry);
        let path = self.dir.join(NAME);
        if record.len() > BYTES_MAX {
            return Err(LedgerError::TooLarge { path, bytes: record.len() });
        }
        // Half of a change of the file may have failed: only its name says which one counts.
        let mut ledger = match self.ledger.take() {
            Some(ledger) => ledger,
            None => Ledger::open(&self.storage, &path, record.len())?.0,
        };
        let mut stored = ledger.store(&record);
        if matches!(stored, Err(LedgerError::TooLarge { .. })) {
            ledger = Ledger::open(&self.storage, &path, record.len().next_power_of_two())?.0;
            stored = ledger.store(&record);
        }
        self.ledger = Some(ledger);
        stored?;
        self.copy(at, &record, (oldest, u64::MAX));
        Ok(())
    }

    /// Adds a copy, if it is not there, and removes those whose frames the journal has not any more: those before `oldest`,
    /// and those behind its `end`.
    fn copy(&mut self, at: u64, record: &[u8], kept: (u64, u64)) {
        match self.try_copy(at, record, kept) {
            Ok(()) => self.failing = false,
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!(
                        %error,
                        "what is known of open exchanges cannot be copied: not every batch can be sent again should ClickHouse lose it"
                    );
                }
            }
        }
    }

    fn try_copy(&self, at: u64, record: &[u8], (oldest, end): (u64, u64)) -> io::Result<()> {
        let all = copies(&*self.storage, &self.dir)?;
        let next = all.iter().skip(1).map(|(at, _)| *at).chain([u64::MAX]);
        for ((there, name), next) in all.iter().zip(next) {
            if next <= oldest || *there > end {
                self.storage.remove(&self.dir.join(name))?;
            }
        }
        let mut bytes = record.to_vec();
        bytes.extend(crc32c::crc32c(record).to_le_bytes());
        let (new, path) = (self.dir.join(COPY_NEW), self.dir.join(format!("{COPY}{at:020}{COPY_END}")));
        if read_all(&*self.storage, &path).is_ok_and(|there| there == bytes) {
            return Ok(());
        }
        let file = self.storage.create(&new)?;
        let written = file.write_at(0, &bytes).and_then(|()| file.sync_data());
        written.and_then(|()| self.storage.rename(&new, &path)).inspect_err(|_| {
            // It must not take the last room of a disk that is full.
            let _half = self.storage.remove(&new);
        })?;
        self.storage.sync_dir(&self.dir)
    }
}

impl Record {
    /// This node's, of this version.
    fn read(bytes: &[u8], node: &NodeName) -> Option<Carry> {
        let record = Self::from_bytes(bytes).ok()?;
        (record.version == VERSION && record.node == node.as_str()).then_some(record.carry)
    }
}

/// Where to begin to read, and with what.
fn begin(carry: Option<Carry>, mark: &Mark, node: &NodeName, tenant: &Text) -> (u64, Fold) {
    // Behind it nothing is open that began before.
    match carry.filter(|carry| mark.resume <= carry.below) {
        Some(carry) => (carry.below, Fold::with(node, tenant, carry)),
        None => (mark.resume, Fold::new(node, tenant)),
    }
}

/// The same for a batch that was shipped, by the copies that are there.
pub(super) fn begin_again(
    storage: &dyn Storage,
    dir: &Path,
    mark: &Mark,
    (node, tenant): (&NodeName, &Text),
) -> io::Result<(u64, Fold)> {
    let last = copies(storage, dir)?.into_iter().rev().find(|(at, _)| *at <= mark.end);
    let carry = match last {
        Some((_, name)) => read_copy(storage, &dir.join(name), node)?,
        None => None,
    };
    Ok(begin(carry, mark, node, tenant))
}

/// What the file says, without changing anything: for tools that only look.
pub(crate) fn peek_carried(storage: &Arc<dyn Storage>, dir: &Path) -> Result<CarriedSeen, LedgerError> {
    let path = dir.join(NAME);
    if storage.open_read(&path).and_then(|file| file.size()).is_ok_and(|size| size == 0) {
        return Ok(CarriedSeen::Emptied);
    }
    Ok(match Ledger::peek(storage, &path)?.as_deref() {
        None => CarriedSeen::Missing,
        Some([]) => CarriedSeen::Nothing,
        Some(bytes) => Record::from_bytes(bytes).ok().filter(|record| record.version == VERSION).map_or(
            CarriedSeen::Unknown,
            |Record { node, carry: Carry { at, below, exchanges }, .. }| CarriedSeen::Carried {
                node,
                at,
                below,
                exchanges: exchanges.len(),
            },
        ),
    })
}

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CarriedSeen {
    /// It is not there.
    Missing,
    /// Somebody has emptied it: it begins anew.
    Emptied,
    /// Nothing was ever carried over.
    Nothing,
    /// It is of a later version, or damaged.
    Unknown,
    /// Exchanges were carried over.
    Carried {
        /// Whose it is.
        node: String,
        /// They were open at this frame.
        at: u64,
        /// And began before this one.
        below: u64,
        /// So many.
        exchanges: usize,
    },
}

/// The copies, in order: the frame, and the file's name.
fn copies(storage: &dyn Storage, dir: &Path) -> io::Result<Vec<(u64, String)>> {
    let at = |name: &str| name.strip_prefix(COPY)?.strip_suffix(COPY_END)?.parse::<u64>().ok();
    let mut all: Vec<_> = storage.list(dir)?.into_iter().filter_map(|name| Some((at(&name)?, name))).collect();
    all.sort_unstable();
    Ok(all)
}

/// A copy that is damaged, or another node's, is none: then the batch cannot be formed as it was, which is found out.
fn read_copy(storage: &dyn Storage, path: &Path, node: &NodeName) -> io::Result<Option<Carry>> {
    let bytes = match read_all(storage, path) {
        // It goes when its frames go.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read?,
    };
    let Some((said, crc)) = bytes.split_last_chunk::<4>() else { return Ok(None) };
    let whole = crc32c::crc32c(said).to_le_bytes() == *crc;
    Ok(Record::read(said, node).filter(|_| whole))
}

fn read_all(storage: &dyn Storage, path: &Path) -> io::Result<Vec<u8>> {
    let file = storage.open_read(path)?;
    let mut bytes = vec![0; usize::try_from(file.size()?).unwrap_or(usize::MAX).min(BYTES_MAX + 4)];
    let read = file.read_at(0, &mut bytes)?;
    bytes.truncate(read);
    Ok(bytes)
}

const NAME: &str = "carried.ledger";
const COPY: &str = "carried-";
const COPY_END: &str = ".copy";
const COPY_NEW: &str = "carried.new";
const VERSION: u8 = 1;
/// The most that is carried over.
const BYTES_MAX: usize = 256 << 20;
