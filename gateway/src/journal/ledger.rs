//! A small record that is replaced as a whole and is always there: two slots in one file, written in turn.
//!
//! ```text
//! slot:  magic "GVLG" | version u16 | reserved u16 | generation u64 | payload length u32 | CRC32C u32 | payload
//! ```
//!
//! Invariants: a store goes to the slot that does *not* hold the newest record, so a torn write leaves the older record
//! whole; a store that returned `Ok` is on stable storage; `open` hands out a record only after it has written and synced
//! it again, because after a failed sync and a crash of the process alone the page cache may show what the disk lacks.
//! The file is made under another name and renamed, so a file in which neither slot is whole is damage, not a beginning.
//!
//! Not done here: more than one writer; records larger than was said at `open`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::frame::take;
use super::storage::{Storage, StorageFile};

const MAGIC: [u8; 4] = *b"GVLG";
const VERSION: u16 = 1;
const SLOT_HEADER_BYTES: usize = 24;
/// Slots start on blocks of their own, so that writing one cannot tear the other.
const SLOT_ALIGN: u64 = 4096;

/// What can go wrong with a ledger.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file could not be read or written.
    #[error("the ledger {path} cannot be read or written")]
    Io {
        /// The ledger's file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Neither slot is whole: somebody or something changed the file.
    #[error("the ledger {path} is damaged: neither of its two records is whole")]
    Damaged {
        /// The ledger's file.
        path: PathBuf,
    },
    /// The record is larger than was announced.
    #[error("a record of {bytes} bytes is too large for the ledger {path}")]
    TooLarge {
        /// The ledger's file.
        path: PathBuf,
        /// The record's size.
        bytes: usize,
    },
}

/// A durable record file. All methods block on the disk.
pub struct Ledger {
    storage: Arc<dyn Storage>,
    file: Arc<dyn StorageFile>,
    path: PathBuf,
    slot_bytes: u64,
    generation: u64,
    newest: u64,
}

impl Ledger {
    /// Opens the ledger, or makes it. Returns the record it holds: empty if none was ever stored.
    pub fn open(
        storage: &Arc<dyn Storage>,
        path: &Path,
        record_bytes_max: usize,
    ) -> Result<(Self, Vec<u8>), LedgerError> {
        let wanted = ((SLOT_HEADER_BYTES + record_bytes_max) as u64).next_multiple_of(SLOT_ALIGN);
        let fail = |source| LedgerError::Io { path: path.to_owned(), source };
        let file = match storage.open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok((Self::create(storage, path, wanted, 0, &[]).map_err(fail)?, Vec::new()));
            }
            Err(error) => return Err(fail(error)),
        };
        let (slot_bytes, best) = newest_slot(&*file).map_err(fail)?;
        let Some(((generation, newest), record)) = best else {
            return Err(LedgerError::Damaged { path: path.to_owned() });
        };
        if slot_bytes < wanted {
            let ledger = Self::create(storage, path, wanted, generation, &record).map_err(fail)?;
            return Ok((ledger, record));
        }
        let ledger = Self { storage: Arc::clone(storage), file, path: path.to_owned(), slot_bytes, generation, newest };
        // In place and with the same bytes: if they are on disk already this changes nothing, and if they are not,
        // the other slot still stands behind it.
        ledger.write(newest, generation, &record).map_err(fail)?;
        // The same holds for the file's name.
        ledger.sync_name().map_err(fail)?;
        Ok((ledger, record))
    }

    /// Reads the record without changing or proving anything: for tools that only look. `None` if there is no ledger.
    pub fn peek(storage: &Arc<dyn Storage>, path: &Path) -> Result<Option<Vec<u8>>, LedgerError> {
        let fail = |source| LedgerError::Io { path: path.to_owned(), source };
        let file = match storage.open_read(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fail(error)),
        };
        let (_, record) =
            newest_slot(&*file).map_err(fail)?.1.ok_or_else(|| LedgerError::Damaged { path: path.to_owned() })?;
        Ok(Some(record))
    }

    /// Replaces the record. After an error the old record stands, and the call may be repeated.
    pub fn store(&mut self, record: &[u8]) -> Result<(), LedgerError> {
        if (SLOT_HEADER_BYTES + record.len()) as u64 > self.slot_bytes {
            return Err(LedgerError::TooLarge { path: self.path.clone(), bytes: record.len() });
        }
        let slot = 1 - self.newest;
        self.write(slot, self.generation + 1, record)
            .map_err(|source| LedgerError::Io { path: self.path.clone(), source })?;
        self.newest = slot;
        self.generation += 1;
        Ok(())
    }

    /// The storage this ledger lives on.
    pub fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    fn create(
        storage: &Arc<dyn Storage>,
        path: &Path,
        slot_bytes: u64,
        generation: u64,
        record: &[u8],
    ) -> io::Result<Self> {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".tmp");
        let temporary = PathBuf::from(temporary);
        let file = storage.create(&temporary)?;
        let ledger = Self {
            storage: Arc::clone(storage),
            file,
            path: path.to_owned(),
            slot_bytes,
            generation: generation + 1,
            newest: 1,
        };
        let filled = ledger.file.zero_fill(2 * slot_bytes).and_then(|()| {
            ledger.write(0, generation, record)?;
            ledger.write(1, generation + 1, record)
        });
        if let Err(error) = filled {
            // It must not take the last room of a disk that is full.
            let _next_try_empties_it = storage.remove(&temporary);
            return Err(error);
        }
        storage.rename(&temporary, path)?;
        ledger.sync_name()?;
        Ok(ledger)
    }

    fn sync_name(&self) -> io::Result<()> {
        self.path.parent().map_or(Ok(()), |dir| self.storage.sync_dir(dir))
    }

    fn write(&self, slot: u64, generation: u64, record: &[u8]) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(SLOT_HEADER_BYTES + record.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&[0; 2]);
        bytes.extend_from_slice(&generation.to_le_bytes());
        bytes.extend_from_slice(&(record.len() as u32).to_le_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes), record);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes.extend_from_slice(record);
        self.file.write_at(slot * self.slot_bytes, &bytes)?;
        self.file.sync_data()
    }
}

/// A slot's generation and number, and the record in it.
type Slot = ((u64, u64), Vec<u8>);

/// The slots' size and the newest whole one.
fn newest_slot(file: &dyn StorageFile) -> io::Result<(u64, Option<Slot>)> {
    let slot_bytes = file.size()? / 2;
    let mut best: Option<Slot> = None;
    for slot in 0..2 {
        if let Some((generation, record)) = read_slot(file, slot, slot_bytes)?
            && best.as_ref().is_none_or(|((newest, _), _)| generation > *newest)
        {
            best = Some(((generation, slot), record));
        }
    }
    Ok((slot_bytes, best))
}

/// The slot's generation and record, or `None` if it is not whole.
fn read_slot(file: &dyn StorageFile, slot: u64, slot_bytes: u64) -> io::Result<Option<(u64, Vec<u8>)>> {
    let mut bytes = vec![0; usize::try_from(slot_bytes).unwrap_or(0)];
    let count = file.read_at(slot * slot_bytes, &mut bytes)?;
    bytes.truncate(count);
    Ok(parse_slot(&bytes))
}

fn parse_slot(bytes: &[u8]) -> Option<(u64, Vec<u8>)> {
    let mut rest = bytes;
    let magic: [u8; 4] = take(&mut rest)?;
    let version = u16::from_le_bytes(take(&mut rest)?);
    let _reserved: [u8; 2] = take(&mut rest)?;
    let generation = u64::from_le_bytes(take(&mut rest)?);
    let length = u32::from_le_bytes(take(&mut rest)?);
    let crc = u32::from_le_bytes(take(&mut rest)?);
    let record = rest.get(..length as usize)?;
    let whole = crc32c::crc32c_append(crc32c::crc32c(bytes.get(..20)?), record) == crc;
    (magic == MAGIC && version == VERSION && whole).then(|| (generation, record.to_vec()))
}
