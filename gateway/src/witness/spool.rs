//! Copies of seals on their way: lines in a file beside the journal, and how far each witness has taken them.
//!
//! # Invariants
//! 1. What [`Spool::append`] has returned for is on the disk, and stays until every witness has taken it.
//! 2. A mark moves only over lines that its witness has taken. It may be older than the truth: then lines come twice.
//! 3. The file is cut back to nothing only when all marks are at its end, and nothing is appended before the marks on the
//!    disk say so. A mark beyond the file's end tells of a crash in between, and means the beginning.
//!
//! # Limits
//! `bytes_max` for the file; 64 KiB in memory for each witness. Not done here: more than one process.

use super::To;
use crate::journal::ledger::{Ledger, LedgerError};
use crate::journal::storage::{Storage, StorageFile};
use contract::seal::SealCopy;
use contract::wire::Wire as _;
use contract::wire_struct;
use parking_lot::Mutex;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;

/// Why the spool is of no use.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The file could not be read or written.
    #[error("the witness' spool {path} cannot be read or written")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The marks could not be read or written.
    #[error("the witness' marks cannot be read or written")]
    Marks(#[from] LedgerError),
    /// The marks have another form.
    #[error("the witness' marks {0} were written by a later version, or are damaged")]
    Form(PathBuf),
    /// A witness was away for too long.
    #[error("the witness' spool is full ({0} bytes): bring the witness back, or give the spool more room")]
    Full(u64),
    /// The thread that reads has ended.
    #[error("the thread that reads the spool has ended")]
    Ended,
}

wire_struct! {
    /// The record in the marks' file.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Marks {
        /// The form of what follows.
        pub version: u8,
        /// How far the file has come, if there is one.
        pub file: Option<u64>,
        /// How far the endpoint has come, if there is one.
        pub url: Option<u64>,
    }
}

impl Marks {
    fn of(&mut self, to: To) -> &mut Option<u64> {
        match to {
            To::File => &mut self.file,
            To::Url => &mut self.url,
        }
    }

    fn all(&self) -> impl Iterator<Item = u64> {
        [self.file, self.url].into_iter().flatten()
    }
}

/// How large the spool may become.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Nothing is appended over this size.
    pub(crate) bytes_max: u64,
    /// When all has been taken, a file of this size is emptied.
    pub(crate) tidy_bytes: u64,
}

/// The spool. Clones share it.
#[derive(Clone)]
pub struct Spool {
    state: Arc<Mutex<State>>,
    grown: Arc<watch::Sender<u64>>,
}

impl std::fmt::Debug for Spool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Spool")
    }
}

struct State {
    file: Arc<dyn StorageFile>,
    path: PathBuf,
    /// Whole lines, all of them synced.
    size: u64,
    /// A write has failed: there may be something behind `size`.
    torn: bool,
    ledger: Ledger,
    marks: Marks,
    /// The marks on the disk are those of the file as it was before it was emptied.
    marks_stale: bool,
    limits: Limits,
}

/// Lines for a witness.
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    /// Where they begin.
    pub(crate) start: u64,
    /// Whole lines.
    pub(crate) bytes: Vec<u8>,
    /// All that waits, these included.
    pub(crate) waiting_bytes: u64,
}

impl Chunk {
    /// Each line, and what it says. `None`: it is none, for a crash has torn it before it was needed; nobody gets it.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (&[u8], Option<SealCopy>)> {
        self.bytes.split_inclusive(|byte| *byte == b'\n').map(|line| (line, SealCopy::read(line)))
    }
}

impl Spool {
    /// Opens the spool in this folder for the witnesses that there are (file, endpoint).
    pub(crate) fn open(
        storage: &Arc<dyn Storage>,
        dir: &Path,
        there: [bool; 2],
        limits: Limits,
    ) -> Result<Self, SpoolError> {
        let path = dir.join("witness.spool");
        let fail = |source| SpoolError::Io { path: path.clone(), source };
        let (file, size) = open_file(&**storage, dir, &path).map_err(fail)?;
        let marks_path = dir.join("witness.ledger");
        let (ledger, bytes) = Ledger::open(storage, &marks_path, MARKS_BYTES_MAX)?;
        let old = if bytes.is_empty() {
            Marks { version: VERSION, file: None, url: None }
        } else {
            let read = Marks::from_bytes(&bytes).ok().filter(|marks| marks.version == VERSION);
            read.ok_or(SpoolError::Form(marks_path))?
        };
        // Who is new gets all that is there; a witness that was taken out of the settings has no mark any more.
        let mark = |mark: Option<u64>, there: bool| there.then(|| mark.filter(|mark| *mark <= size).unwrap_or(0));
        let [file_there, url_there] = there;
        let marks = Marks { file: mark(old.file, file_there), url: mark(old.url, url_there), ..old };
        let marks_stale = marks != old;
        let mut state = State { file, path, size, torn: false, ledger, marks, marks_stale, limits };
        state.store_stale()?;
        Ok(Self { state: Arc::new(Mutex::new(state)), grown: Arc::new(watch::Sender::new(size)) })
    }

    /// Adds lines, durably. After an error the call may be repeated.
    pub(crate) fn append(&self, lines: &[u8]) -> Result<(), SpoolError> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut state = self.state.lock();
        if state.size + lines.len() as u64 > state.limits.bytes_max {
            return Err(SpoolError::Full(state.size));
        }
        state.store_stale()?;
        state.append(lines).map_err(|source| SpoolError::Io { path: state.path.clone(), source })?;
        self.grown.send_replace(state.size);
        Ok(())
    }

    /// The next lines for a witness; `None` if it has all.
    pub(crate) fn next(&self, to: To) -> Result<Option<Chunk>, SpoolError> {
        let mut state = self.state.lock();
        let (start, size) = (state.marks.of(to).unwrap_or(state.size), state.size);
        if start >= size {
            return Ok(None);
        }
        let (file, path) = (Arc::clone(&state.file), state.path.clone());
        // What lies before the size does not change; while this witness has not taken it, it is not cut off either.
        drop(state);
        let fail = |source| SpoolError::Io { path: path.clone(), source };
        let most = usize::try_from(size - start).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
        let mut bytes = vec![0; most];
        let count = file.read_at(start, &mut bytes).map_err(fail)?;
        bytes.truncate(count);
        // A line that is longer than a chunk is none of ours: the disk has changed it. It goes on in pieces.
        let whole = memchr::memrchr(b'\n', &bytes).map_or(bytes.len(), |end| end + 1);
        bytes.truncate(whole);
        if bytes.is_empty() {
            return Err(fail(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(Some(Chunk { start, bytes, waiting_bytes: size - start }))
    }

    /// A witness has taken everything before `end`.
    pub(crate) fn taken(&self, to: To, end: u64) -> Result<(), SpoolError> {
        let mut state = self.state.lock();
        let end = end.min(state.size);
        if let Some(mark) = state.marks.of(to) {
            *mark = end;
        }
        let all = state.marks.all().all(|mark| mark == state.size);
        if all && state.size >= state.limits.tidy_bytes {
            state.empty().map_err(|source| SpoolError::Io { path: state.path.clone(), source })?;
        }
        state.marks_stale = true;
        state.store_stale()
    }

    /// Tells when there is more.
    pub(crate) fn grown(&self) -> watch::Receiver<u64> {
        self.grown.subscribe()
    }
}

impl State {
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.torn {
            self.file.truncate(self.size)?;
        }
        self.torn = true;
        self.file.write_at(self.size, lines)?;
        self.file.sync_data()?;
        self.torn = false;
        self.size += lines.len() as u64;
        Ok(())
    }

    /// Empties the file, all of which has been taken.
    fn empty(&mut self) -> io::Result<()> {
        self.file.truncate(0)?;
        self.size = 0;
        self.marks.file = self.marks.file.map(|_| 0);
        self.marks.url = self.marks.url.map(|_| 0);
        self.marks_stale = true;
        // Should the sync fail, the old lines may come back: they are cut off again before anything is written.
        self.torn = true;
        self.file.sync_data()?;
        self.torn = false;
        Ok(())
    }

    fn store_stale(&mut self) -> Result<(), SpoolError> {
        if self.marks_stale {
            self.ledger.store(&self.marks.to_bytes())?;
            self.marks_stale = false;
        }
        Ok(())
    }
}

/// Opens the file, or makes it, and cuts off a line that a crash has torn.
fn open_file(storage: &dyn Storage, dir: &Path, path: &Path) -> io::Result<(Arc<dyn StorageFile>, u64)> {
    let file = match storage.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => storage.create(path)?,
        opened => opened?,
    };
    storage.sync_dir(dir)?;
    let size = file.size()?;
    // Only the last write can be torn, and no line is longer than this.
    let mut tail = vec![0; usize::try_from(size).unwrap_or(usize::MAX).min(2 * SealCopy::BYTES_MAX)];
    let start = size - tail.len() as u64;
    let count = file.read_at(start, &mut tail)?;
    let whole = tail.get(..count).and_then(|tail| memchr::memrchr(b'\n', tail)).map_or(0, |end| end as u64 + 1);
    let whole = if whole == 0 && start > 0 { size } else { start + whole };
    if whole < size {
        file.truncate(whole)?;
    }
    // After a sync that failed and a death of the process alone, the last lines may be seen here and not be on the disk. In
    // place and with the same bytes: if they are, nothing changes.
    let seen = tail.get(..usize::try_from(whole - start).unwrap_or(0)).unwrap_or_default();
    file.write_at(start, seen)?;
    file.sync_data()?;
    Ok((file, whole))
}

const VERSION: u8 = 1;
const MARKS_BYTES_MAX: usize = 64;
/// What is read for a witness at a time: some hundred lines.
const CHUNK_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests;
