//! Where rows go, as the shipper sees it: a place that can be asked, and that fails.

use std::time::Duration;

use contract::Micros;
use contract::row::{AccessRow, AuthRow, KeyRow, Mismatch, Packed, SealKeyRow, SealRow};
use contract::seal::Stream;

/// Rows for one table, of one batch.
#[derive(Debug, Clone, Copy)]
pub(super) enum Load<'a> {
    /// For `data_key`.
    Keys(&'a Packed<KeyRow>),
    /// For `access_log`.
    Access(&'a Packed<AccessRow>),
    /// For `auth_event`.
    Auth(&'a Packed<AuthRow>),
    /// For `access_seal`.
    Seal(&'a SealRow),
    /// For `seal_key`.
    HandOvers(&'a Packed<SealKeyRow>),
}

impl Load<'_> {
    /// How many rows.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Keys(rows) => rows.len(),
            Self::Access(rows) => rows.len(),
            Self::Auth(rows) => rows.len(),
            Self::Seal(_) => 1,
            Self::HandOvers(rows) => rows.len(),
        }
    }
}

/// What to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    /// How much of a batch's rows there is.
    Rows {
        /// The table.
        stream: Stream,
        /// The batch.
        batch: u64,
        /// The first row's number.
        first: u64,
        /// The last row's number.
        last: u64,
        /// The earliest time among the rows: it spares ClickHouse the other months.
        from: Micros,
        /// The latest time among the rows.
        to: Micros,
    },
    /// Whether a batch's seal is there.
    Seal {
        /// The table it covers.
        stream: Stream,
        /// The batch.
        batch: u64,
        /// When it was sealed.
        at: Micros,
    },
}

impl Question {
    /// The batch.
    pub(super) fn batch(&self) -> u64 {
        match self {
            Self::Rows { batch, .. } | Self::Seal { batch, .. } => *batch,
        }
    }

    /// The earliest and the latest time of what is asked for.
    pub(super) fn times(&self) -> (Micros, Micros) {
        match self {
            Self::Rows { from, to, .. } => (*from, *to),
            Self::Seal { at, .. } => (*at, *at),
        }
    }

    /// The answer if everything is there.
    pub(super) fn complete(&self) -> Stored {
        let rows = match self {
            Self::Rows { first, last, .. } => last.saturating_sub(*first).saturating_add(1),
            Self::Seal { .. } => 1,
        };
        Stored { numbers: rows, ids: rows }
    }
}

/// How much of what was asked for is there. Both count: a row that somebody has added has an id of its own, and so would
/// stand for one that is lost; but not under its number as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stored {
    /// Different row numbers; of a seal, batch numbers.
    pub(super) numbers: u64,
    /// Different rows.
    pub(super) ids: u64,
}

/// What tells a row from every other: its number, and its id as it is sent.
pub(super) type Identity = (u64, [u8; 16]);

/// Why the sink did not do it, or why that is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum SinkError {
    /// No answer, or one that was cut off.
    #[error("ClickHouse did not answer ({0})")]
    Unreachable(&'static str),
    /// No answer in time.
    #[error("ClickHouse did not answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// It answered with an exception. Its text is not kept: it may quote rows.
    #[error("ClickHouse answered with exception {code}")]
    Exception {
        /// ClickHouse's number for it; 0 if it gave none.
        code: u32,
    },
    /// The table's columns are not those of the rows.
    #[error("{0}, in ClickHouse; run `auditor migrate`")]
    Schema(#[from] Mismatch),
}

/// Where rows go.
pub(super) trait Sink {
    /// Inserts. Whatever the error, some or all of it may have been stored, or may yet be.
    async fn insert(&mut self, load: Load<'_>) -> Result<(), SinkError>;
    /// Asks how much of a batch is there.
    async fn stored(&mut self, question: Question) -> Result<Stored, SinkError>;
    /// Asks for the same part of many batches at once. True: it is complete. False: that one is to be asked for by itself.
    async fn complete(&mut self, questions: &[Question]) -> Result<Vec<bool>, SinkError>;
    /// Asks which rows of a batch are there: each once, by number and then id, so many at the most. Of a seal, nothing.
    async fn identities(&mut self, question: Question, most: u64) -> Result<Vec<Identity>, SinkError>;
}
