//! The book: the small durable record that says how far the shipper has come and which batch it has opened.
//!
//! Kept in a [`Ledger`], which replaces it as a whole. `opened` is written before the first byte of a batch is sent and
//! taken away after the last one has arrived. The acknowledgement follows the book, never the other way round: so the
//! journal's ack mark lies between `acked` (where it was when the record was written) and `resume` (where it goes next),
//! and a book or a journal that was replaced by an older one is found out.
//!
//! A disk that loses synced frames at the very end of the journal leaves no trace of them there, and their sequences are
//! given again to other frames. The book knows better: it is cut back to where the journal now ends, so that the rows of
//! the new frames are not taken for shipped.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use contract::Micros;
use contract::id::NodeName;
use contract::seal::Stream;
use contract::wire::Wire;
use contract::wire_struct;

use super::OpenError;
use crate::journal::Position;
use crate::journal::ledger::{Ledger, LedgerError};
use crate::journal::storage::Storage;

wire_struct! {
    /// How far one table has come.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Progress {
        /// The number of the next row.
        pub seq: u64,
        /// The number of the next batch.
        pub batch: u64,
        /// The hash that the next seal chains to.
        pub previous: [u8; 32],
    }
}

impl Progress {
    pub(super) const START: Self = Self { seq: 1, batch: 1, previous: [0; 32] };
}

wire_struct! {
    /// How far the shipper has come.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Mark {
        /// The journal's ack mark when this was written.
        pub acked: u64,
        /// The first frame to be read again after a restart: the oldest open exchange's.
        pub resume: u64,
        /// All rows of frames below are in ClickHouse.
        pub end: u64,
        /// `access_log`.
        pub access: Progress,
        /// `auth_event`.
        pub auth: Progress,
    }
}

impl Mark {
    /// Nothing was ever shipped.
    pub(super) const START: Self = Self {
        acked: Position::FIRST.sequence(),
        resume: Position::FIRST.sequence(),
        end: Position::FIRST.sequence(),
        access: Progress::START,
        auth: Progress::START,
    };

    pub(super) fn of(&self, stream: Stream) -> &Progress {
        match stream {
            Stream::Access => &self.access,
            Stream::Auth => &self.auth,
        }
    }
}

wire_struct! {
    /// One table's part of an open batch.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Portion {
        /// How many rows; 0: none, and no seal.
        pub rows: u64,
        /// The hash of the seal's statement, which covers every byte of the rows.
        pub chain: [u8; 32],
        /// The earliest time among the rows.
        pub from: Micros,
        /// The latest time among the rows.
        pub to: Micros,
    }
}

wire_struct! {
    /// A batch that may have been sent.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Opened {
        /// Its rows are those of the frames from the mark's end to this one, exclusive.
        pub end: u64,
        /// When it was sealed.
        pub at: Micros,
        /// Its rows of `access_log`.
        pub access: Portion,
        /// Its rows of `auth_event`.
        pub auth: Portion,
    }
}

impl Opened {
    pub(super) fn of(&self, stream: Stream) -> &Portion {
        match stream {
            Stream::Access => &self.access,
            Stream::Auth => &self.auth,
        }
    }
}

wire_struct! {
    /// The record in the file.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Record {
        /// The form of what follows.
        pub version: u8,
        /// Whose book it is.
        pub node: String,
        /// How far the shipper has come.
        pub mark: Mark,
        /// The batch that may have been sent.
        pub opened: Option<Opened>,
        /// Where exchanges were last carried over ([`super::carried`]); 0: nowhere yet.
        pub carried: u64,
    }
}

wire_struct! {
    /// The record of version 1, which knew of nothing that was carried over.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct FirstRecord {
        /// 1.
        pub version: u8,
        /// Whose book it is.
        pub node: String,
        /// How far the shipper has come.
        pub mark: Mark,
        /// The batch that may have been sent.
        pub opened: Option<Opened>,
    }
}

impl Record {
    /// Of this version, or of the one before. `None`: of a later one, or damaged.
    fn read(bytes: &[u8]) -> Option<Self> {
        match bytes.first() {
            Some(&FIRST_VERSION) => {
                let FirstRecord { version, node, mark, opened } = FirstRecord::from_bytes(bytes).ok()?;
                Some(Self { version, node, mark, opened, carried: 0 })
            }
            Some(&VERSION) => Self::from_bytes(bytes).ok(),
            _ => None,
        }
    }
}

/// The book of one node.
pub(super) struct Book {
    ledger: Ledger,
    node: NodeName,
    mark: Mark,
    opened: Option<Opened>,
    carried: u64,
    /// It was written by a version that carried nothing over, and has not been written since.
    is_first: bool,
}

impl Book {
    /// Opens the book, or begins it if the journal is new as well.
    ///
    /// `acked` is the journal's ack mark, `next` the sequence that the first frame after the start gets, if that is known.
    pub(super) fn open(
        storage: &Arc<dyn Storage>,
        path: &Path,
        node: &NodeName,
        acked: Position,
        next: Option<Position>,
    ) -> Result<Self, OpenError> {
        let (ledger, bytes) = Ledger::open(storage, path, RECORD_BYTES_MAX)?;
        let path = || path.to_owned();
        if bytes.is_empty() {
            if acked > Position::FIRST {
                return Err(OpenError::Missing { path: path(), acked });
            }
            let mut book =
                Self { ledger, node: node.clone(), mark: Mark::START, opened: None, carried: 0, is_first: false };
            book.store(Mark::START, None)?;
            return Ok(book);
        }
        let record = Record::read(&bytes).ok_or_else(|| OpenError::Form { path: path() })?;
        if record.node != node.as_str() {
            return Err(OpenError::OtherNode { path: path(), found: record.node });
        }
        let Mark { acked: low, resume: high, .. } = record.mark;
        if !(low..=high).contains(&acked.sequence()) {
            return Err(OpenError::Mismatch { path: path(), acked, low, high });
        }
        let Record { version, mark, opened, carried, .. } = record;
        let mut book = Self { ledger, node: node.clone(), mark, opened, carried, is_first: version == FIRST_VERSION };
        if let Some(next) = next {
            book.cut(next.sequence())?;
        }
        Ok(book)
    }

    /// Forgets frames that the journal has lost without a trace, before others take their sequences.
    fn cut(&mut self, next: u64) -> Result<(), LedgerError> {
        let end = self.opened.map_or(self.mark.end, |opened| opened.end);
        if end <= next {
            return Ok(());
        }
        tracing::error!(
            first = next,
            last = end - 1,
            "the journal has lost frames at its end that had been committed and read; check the disk"
        );
        let mark = Mark { resume: self.mark.resume.min(next), end: self.mark.end.min(next), ..self.mark };
        let opened = self.opened.map(|opened| Opened { end: next, ..opened });
        self.carried = self.carried.min(mark.end);
        // It stays of the version that it has until it is known that nothing was carried over.
        if self.is_first {
            let node = self.node.as_str().to_owned();
            self.ledger.store(&FirstRecord { version: FIRST_VERSION, node, mark, opened }.to_bytes())?;
            (self.mark, self.opened) = (mark, opened);
            return Ok(());
        }
        self.store(mark, opened)
    }

    /// Where exchanges were last carried over; 0: nowhere. `None`: nothing is known of that yet, or it was shipped by a
    /// version that carried nothing over.
    pub(super) fn carried(&self) -> Option<u64> {
        (!self.is_first && self.mark.end > Mark::START.end).then_some(self.carried)
    }

    /// Writes that exchanges were carried over at this frame, so that reading may begin at another one; at 0: that it is not
    /// known any more which.
    pub(super) fn carry(&mut self, at: u64, resume: u64) -> Result<(), LedgerError> {
        let before = std::mem::replace(&mut self.carried, at);
        let mark = Mark { resume: self.mark.resume.max(resume), ..self.mark };
        self.store(mark, self.opened).inspect_err(|_| self.carried = before)
    }

    /// How far the shipper has come.
    pub(super) fn mark(&self) -> &Mark {
        &self.mark
    }

    /// The batch that was open when the book was read or last written.
    pub(super) fn opened(&self) -> Option<&Opened> {
        self.opened.as_ref()
    }

    /// Writes that a batch is about to be sent.
    pub(super) fn open_batch(&mut self, mark: Mark, opened: Opened) -> Result<(), LedgerError> {
        self.store(mark, Some(opened))
    }

    /// Writes that everything up to the mark has arrived.
    pub(super) fn settle(&mut self, mark: Mark) -> Result<(), LedgerError> {
        self.store(mark, None)
    }

    /// Notes, for the next record, that the journal is acknowledged up to `resume`.
    pub(super) fn acknowledged(&mut self) {
        self.mark.acked = self.mark.resume;
    }

    /// The disk's source of random numbers.
    pub(super) fn random(&self) -> u64 {
        self.ledger.storage().salt()
    }

    /// The disk's clock, which never goes back.
    pub(super) fn clock(&self) -> Duration {
        self.ledger.storage().monotonic()
    }

    fn store(&mut self, mark: Mark, opened: Option<Opened>) -> Result<(), LedgerError> {
        let (node, carried) = (self.node.as_str().to_owned(), self.carried);
        self.ledger.store(&Record { version: VERSION, node, mark, opened, carried }.to_bytes())?;
        (self.mark, self.opened, self.is_first) = (mark, opened, false);
        Ok(())
    }
}

/// Reads how far a shipper has come, without changing anything: for tools that only look. `None`: no such file, or a
/// form that this version does not know.
pub(crate) fn peek_book(storage: &Arc<dyn Storage>, path: &Path) -> Result<Option<BookSeen>, LedgerError> {
    Ok(peek(storage, path)?.map(|Record { version, node, mark, opened, carried }| BookSeen {
        path: path.to_owned(),
        node,
        resume: mark.resume,
        shipped_below: mark.end,
        access_rows: mark.access.seq - 1,
        access_batches: mark.access.batch - 1,
        auth_rows: mark.auth.seq - 1,
        auth_batches: mark.auth.batch - 1,
        open_batch_rows: opened.map(|opened| opened.access.rows + opened.auth.rows),
        carried: (version != FIRST_VERSION && mark.end > Mark::START.end).then_some(carried),
    }))
}

/// The same, as it stands there.
pub(super) fn peek(storage: &Arc<dyn Storage>, path: &Path) -> Result<Option<Record>, LedgerError> {
    let bytes = Ledger::peek(storage, path)?;
    Ok(bytes.and_then(|bytes| Record::read(&bytes)))
}

/// What a book says.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct BookSeen {
    /// The book's file.
    pub(crate) path: PathBuf,
    /// Whose it is.
    pub(crate) node: String,
    /// The first frame that is still needed.
    pub(crate) resume: u64,
    /// All rows of frames below are in ClickHouse.
    pub(crate) shipped_below: u64,
    /// Rows of `access_log` shipped so far.
    pub(crate) access_rows: u64,
    /// Batches of `access_log` shipped so far.
    pub(crate) access_batches: u64,
    /// Rows of `auth_event` shipped so far.
    pub(crate) auth_rows: u64,
    /// Batches of `auth_event` shipped so far.
    pub(crate) auth_batches: u64,
    /// Rows of the batch that is being sent, if one is.
    pub(crate) open_batch_rows: Option<u64>,
    /// Where exchanges were last carried over; 0: nowhere. `None`: nothing is known of that.
    pub(crate) carried: Option<u64>,
}

const VERSION: u8 = 2;
const FIRST_VERSION: u8 = 1;
/// Version, node and the two structures above, with room to spare.
const RECORD_BYTES_MAX: usize = 1024;
