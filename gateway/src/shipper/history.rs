//! What was shipped: a note of each batch, so that it can be sent again should ClickHouse lose it ([`super::resend`]).
//!
//! A note holds what a batch is made of besides its rows: numbers, frames, time, and the signatures, for the key may be
//! another one by then. With the frames, of which the journal keeps those of the last while, it gives the same batch, to
//! the byte. Notes are of one size, one after the other in one file:
//! ```text
//! Past (wire form) | CRC32C u32
//! ```
//!
//! # Invariants
//! 1. A batch is noted, durably, after all of it has arrived and before the book says so. It may be noted twice.
//! 2. Nothing waits for a note: a disk that takes none holds up no shipping, for shipping is what gives room back.
//! 3. The notes are in the order of their frames. Those of frames that are deleted go, now and then; of those that stay
//!    there are [`NOTES_MAX`] at the most, 108 MB.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use contract::row::SealRow;
use contract::seal::{SealKey, Statement, Stream};
use contract::wire::Wire;
use contract::wire_struct;

use super::book::{Mark, Opened};
use crate::journal::storage::{Storage, StorageFile};

wire_struct! {
    /// A batch that was shipped.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Past {
        /// The form of what follows.
        pub version: u8,
        /// The book's mark before it.
        pub mark: Mark,
        /// The batch.
        pub opened: Opened,
        /// The public key of its seals.
        pub key: [u8; 32],
        /// The signature over the rows of `access_log`; zeros if there are none.
        pub access: [u8; 64],
        /// The signature over the rows of `auth_event`; zeros if there are none.
        pub auth: [u8; 64],
    }
}

impl Past {
    pub(super) fn new(mark: Mark, opened: Opened, seals: &[SealRow]) -> Self {
        let of = |stream| seals.iter().find(|seal| seal.stream == stream).map_or([0; 64], |seal| seal.signature);
        let key = seals.first().map_or([0; 32], |seal| seal.key);
        Self { version: VERSION, mark, opened, key, access: of(Stream::Access), auth: of(Stream::Auth) }
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (said, crc) = bytes.split_last_chunk::<4>()?;
        let whole = crc32c::crc32c(said).to_le_bytes() == *crc;
        Self::from_bytes(said).ok().filter(|past: &Self| whole && past.version == VERSION)
    }

    fn note(&self) -> Vec<u8> {
        let mut bytes = self.to_bytes();
        bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
        bytes
    }
}

/// Who signs the seals of a batch.
#[derive(Debug, Clone, Copy)]
pub(super) enum Signer<'a> {
    /// The key in force.
    Key(&'a SealKey),
    /// Whoever signed the same statements before.
    Past(&'a Past),
}

impl Signer<'_> {
    pub(super) fn seal(self, statement: Statement) -> SealRow {
        match self {
            Self::Key(key) => SealRow::new(statement, key),
            Self::Past(past) => {
                let signature = if statement.stream == Stream::Access { past.access } else { past.auth };
                SealRow::signed(statement, past.key, signature)
            }
        }
    }
}

/// The file that is written.
pub(super) struct History {
    storage: Arc<dyn Storage>,
    dir: PathBuf,
    /// `None`: it is to be opened (again).
    open: Option<Open>,
    /// From so many notes on, old ones are looked for.
    tidy_at: u64,
    /// The last note failed, which was said.
    failing: bool,
}

struct Open {
    file: Arc<dyn StorageFile>,
    notes: u64,
}

impl History {
    /// The history in a journal's folder. Nothing is opened yet.
    pub(super) fn new(storage: &Arc<dyn Storage>, dir: &Path) -> Self {
        Self { storage: Arc::clone(storage), dir: dir.to_owned(), open: None, tidy_at: TIDY_MIN, failing: false }
    }

    /// Notes a batch, durably if the disk allows. `oldest` is the oldest frame that the journal still has.
    pub(super) fn note(&mut self, past: &Past, oldest: u64) {
        match self.try_note(past, oldest) {
            Ok(()) => self.failing = false,
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!(%error, "what is shipped cannot be noted: it cannot be sent again should ClickHouse lose it");
                }
            }
        }
    }

    fn try_note(&mut self, past: &Past, oldest: u64) -> io::Result<()> {
        // What is found wrong is opened anew the next time.
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.open()?,
        };
        if open.notes >= self.tidy_at {
            open = self.tidy(open, oldest)?;
        }
        open.file.write_at(open.notes * NOTE_BYTES, &past.note())?;
        open.file.sync_data()?;
        open.notes += 1;
        self.open = Some(open);
        Ok(())
    }

    fn open(&self) -> io::Result<Open> {
        let path = self.dir.join(NAME);
        let file = match self.storage.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.storage.create(&path)?,
            opened => opened?,
        };
        self.storage.sync_dir(&self.dir)?;
        // A note that a crash has torn is written over.
        let notes = file.size()? / NOTE_BYTES;
        Ok(Open { file, notes })
    }

    /// Writes the notes that are still needed to another file, which then takes the place of this one.
    fn tidy(&mut self, open: Open, oldest: u64) -> io::Result<Open> {
        let (mut first, mut end) = (open.notes.saturating_sub(NOTES_MAX), open.notes);
        while first < end {
            let middle = first.midpoint(end);
            // A note that is damaged says nothing; one close behind it may say that both are old. In doubt all are kept.
            let mut old = None;
            for number in middle..end.min(middle + NEAR_NOTES) {
                if let Some(past) = read_note(&*open.file, number)? {
                    old = (past.opened.end <= oldest).then_some(number);
                    break;
                }
            }
            match old {
                Some(number) => first = number + 1,
                None => end = middle,
            }
        }
        let kept = open.notes - first;
        self.tidy_at = TIDY_MIN.max(kept.saturating_mul(2)).min(NOTES_MAX + TIDY_MIN);
        if first == 0 {
            return Ok(open);
        }
        let (new, path) = (self.dir.join(NEW_NAME), self.dir.join(NAME));
        let file = self.storage.create(&new)?;
        let mut piece = vec![0; PIECE_BYTES];
        let (mut at, end) = (first * NOTE_BYTES, open.notes * NOTE_BYTES);
        while at < end {
            let most = usize::try_from(end - at).unwrap_or(usize::MAX).min(piece.len());
            let piece = piece.get_mut(..most).unwrap_or_default();
            if open.file.read_at(at, piece)? < piece.len() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            file.write_at(at - first * NOTE_BYTES, piece)?;
            at += piece.len() as u64;
        }
        file.sync_data()?;
        self.storage.rename(&new, &path)?;
        self.storage.sync_dir(&self.dir)?;
        Ok(Open { file, notes: kept })
    }
}

/// Shows the batches that were shipped and noted, in order, each once. None if there is no such file. A note that is
/// damaged is none: whoever must know what is missing compares the numbers of those that are there.
pub(super) fn read(storage: &dyn Storage, dir: &Path, mut show: impl FnMut(&Past)) -> io::Result<()> {
    let file = match storage.open_read(&dir.join(NAME)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    let mut before = None;
    for number in 0..file.size()? / NOTE_BYTES {
        let past = read_note(&*file, number)?;
        if let Some(past) = past.filter(|past| before.as_ref() != Some(past)) {
            show(&past);
            before = Some(past);
        }
    }
    Ok(())
}

fn read_note(file: &dyn StorageFile, number: u64) -> io::Result<Option<Past>> {
    let mut bytes = [0; NOTE_BYTES as usize];
    let read = file.read_at(number * NOTE_BYTES, &mut bytes)?;
    Ok(bytes.get(..read).and_then(Past::read))
}

const NAME: &str = "shipper.history";
const NEW_NAME: &str = "shipper.history.new";
const VERSION: u8 = 1;
/// A [`Past`] and its checksum.
const NOTE_BYTES: u64 = 409 + 4;
/// The most notes that are kept.
const NOTES_MAX: u64 = 1 << 18;
/// With fewer, old ones do no harm.
const TIDY_MIN: u64 = 4096;
/// So many notes are looked at for one that is whole.
const NEAR_NOTES: u64 = 64;
const PIECE_BYTES: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::super::book::{Portion, Progress};
    use super::*;
    use crate::journal::sim::SimStorage;

    fn past(number: u64) -> Past {
        let progress = Progress { seq: number, batch: number, previous: [1; 32] };
        let portion = Portion { rows: 1, chain: [2; 32], from: 1, to: 2 };
        let mark = Mark { acked: number, resume: number, end: number, access: progress, auth: progress };
        let opened = Opened { end: number + 1, at: 7, access: portion, auth: portion };
        Past { version: VERSION, mark, opened, key: [3; 32], access: [4; 64], auth: [5; 64] }
    }

    fn all(storage: &dyn Storage) -> Vec<u64> {
        let mut all = Vec::new();
        read(storage, Path::new("/journal"), |past| all.push(past.mark.end)).unwrap();
        all
    }

    #[test]
    fn a_note_has_one_size_and_one_that_was_changed_is_none() {
        let note = past(1).note();
        assert_eq!(note.len() as u64, NOTE_BYTES);
        assert_eq!(Past::read(&note), Some(past(1)));
        for at in [0, 1, 200, note.len() - 1] {
            let mut wrong = note.clone();
            wrong[at] ^= 1;
            assert_eq!(Past::read(&wrong), None, "byte {at}");
        }
    }

    #[test]
    fn notes_of_frames_that_are_gone_go_and_the_others_stay() {
        let sim = SimStorage::new(1);
        let storage = sim.storage();
        let dir = Path::new("/journal");
        storage.create_dir(dir).unwrap();
        assert_eq!(all(&*storage), [0; 0]);
        let mut history = History::new(&storage, dir);
        for number in 1..=TIDY_MIN {
            history.note(&past(number), 1);
        }
        // Twice, and by one who has opened it anew.
        let mut history = History::new(&storage, dir);
        history.note(&past(TIDY_MIN), 1);
        assert!(all(&*storage).into_iter().eq(1..=TIDY_MIN));
        // Frames below 4001 are gone, which is looked for at the start, and after as many notes again.
        let mut history = History::new(&storage, dir);
        history.note(&past(TIDY_MIN + 1), 4001);
        assert!(all(&*storage).into_iter().eq(4001..=TIDY_MIN + 1));
        history.note(&past(TIDY_MIN + 2), 4001);
        assert!(all(&*storage).into_iter().eq(4001..=TIDY_MIN + 2));
    }

    #[test]
    fn a_note_that_is_damaged_takes_no_other_with_it() {
        let dir = Path::new("/journal");
        // Nothing is old, half is old; one note is damaged, many are.
        for (oldest, damaged) in
            [(1, 2047..2048), (1, 0..4000), (2049, 2047..2049), (2049, 2040..2060), (4001, 0..4096)]
        {
            let sim = SimStorage::new(1);
            let storage = sim.storage();
            storage.create_dir(dir).unwrap();
            let mut history = History::new(&storage, dir);
            for number in 1..=TIDY_MIN {
                history.note(&past(number), 1);
            }
            sim.corrupt(&dir.join(NAME), |bytes| {
                for number in damaged.clone() {
                    bytes[number * NOTE_BYTES as usize + 7] ^= 1;
                }
            });
            let needed: Vec<u64> = all(&*storage).into_iter().filter(|end| end + 1 > oldest).collect();
            let before = all(&*storage).len();
            let mut history = History::new(&storage, dir);
            history.note(&past(TIDY_MIN + 1), oldest);
            let left = all(&*storage);
            assert!(left.ends_with(&[needed, vec![TIDY_MIN + 1]].concat()), "{oldest}, {damaged:?}");
            // Of the old ones some may stay.
            assert!(
                oldest == 1 || before == 0 || left.len() <= before / 2 + 128,
                "{oldest}, {damaged:?}: {}",
                left.len()
            );
        }
    }
}
