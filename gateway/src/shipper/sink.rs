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
    /// How many different rows of a batch there are.
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
    /// The answer if everything is there.
    pub(super) fn complete(&self) -> u64 {
        match self {
            Self::Rows { first, last, .. } => last - first + 1,
            Self::Seal { .. } => 1,
        }
    }
}

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
    /// Asks how many different rows of a batch are there.
    async fn stored(&mut self, question: Question) -> Result<u64, SinkError>;
}
