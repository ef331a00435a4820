//! The shipper: takes durable frames from the journal and puts each record into ClickHouse exactly once.
//!
//! # How
//! Frames are folded into rows ([`contract::row::Fold`]), rows are numbered and gathered into batches, each batch is
//! sealed, and what a batch is made of goes to a small file, the book, before the first byte is sent:
//! ```text
//! collect ─▶ number, seal ─▶ book: opened ─▶ keys, access rows, event rows, seals ─▶ book: settled ─▶ journal: ack
//!    ▲                                          │ any failure: wait, ask for the batch, resend only what is absent
//!    └──── restart: settled, read on            └──── restart: opened, fold the same frames to the same batch, ask
//! ```
//!
//! # Invariants
//! 1. A row belongs to the frame that gave it. The rows of frames below the book's `end` are all in ClickHouse; those
//!    of the open batch are of the frames from there to the batch's own end; no others have been sent.
//! 2. Row numbers (`seq`) and batch numbers are gapless per node and table. The book holds them, so the numbers, the time
//!    of the seal and the hash it chains to are the same however often a batch is formed again: the same batch, to the byte.
//! 3. Nothing is sent twice without asking. An insert that failed in any way, or was under way when the last run
//!    ended, may have been stored, in part or as a whole; ClickHouse is asked, and only what is absent is sent. An
//!    insert that lands later still does no harm: rows are identical and carry their own id, and the tables keep one.
//!    Deduplication tokens are not used: a retried token can lose data.
//! 4. The journal is acknowledged only after the book says settled, and never beyond an open exchange: its intent will
//!    be needed to form the row when its outcome comes. One that stays open for long is carried over ([`carried`]).
//! 5. Data keys go before rows that are sealed under them, seals after the rows they cover, and the hand-over to a seal
//!    key before the first seal by it.
//! 6. If there are witnesses, the copies of a batch's seals are in their spool before the book says settled. So is the note
//!    from which the batch can be sent again, unless the disk does not take it ([`history`]).
//! 7. Nothing is dropped. A batch that ClickHouse refuses stays and is tried again, with a loud log line and a metric.
//!    Only a frame that cannot be decoded, or that the journal lost, gives no row; both are counted and logged.
//!
//! Should the journal be damaged between two tries of a batch, the batch cannot be formed again. Then the rows that can
//! be formed go under the next batch number and new row numbers: each is still there once, and that the old batch has no
//! seal tells what happened.
//!
//! # Limits
//! Memory: the batch that is being sent and the one that is read meanwhile, each of `rows_max` rows and at the most one
//! frame's rows more, and the open exchanges.
//! A row waits for others for `wait`. One shipper at a time: it holds the journal, which is locked.
//! Reading, folding and sending take turns on a thread of their own, `shipper`, so that they never hold up a request:
//! whenever a send waits for the network, a few more frames are read.
//!
//! # Not done here
//! Making tables, deleting rows, checking seals: the auditor's.

mod batch;
mod book;
mod carried;
mod clickhouse;
mod collect;
mod history;
mod metrics;
pub mod resend;
mod sink;
mod worker;

#[cfg(test)]
pub(crate) mod tests;

pub use metrics::Metrics;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use contract::Text;
use contract::id::NodeName;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::journal::ledger::LedgerError;
use crate::journal::storage::{Disk, Storage};
use crate::journal::{Journal, Position, State};
use crate::keys::SealKeys;
use crate::witness::Spool;
use book::Book;
pub(crate) use book::{BookSeen, peek_book};
use carried::Carried;
pub(crate) use carried::{CarriedSeen, peek_carried};
use history::History;
use worker::{Parts, Step, Worker};

/// What the shipper needs to know.
#[derive(Debug)]
pub struct Config {
    /// The node under whose name rows are numbered.
    pub node: NodeName,
    /// The care provider of the installation: HSA-id.
    pub tenant: Text,
    /// Where rows go.
    pub clickhouse: ClickHouse,
    /// Rows in one batch at the most.
    pub rows_max: usize,
    /// How long a row may wait for company.
    pub wait: Duration,
    /// The book's file; its directory, where the notes of what was shipped lie as well, must exist and stay with the journal.
    pub ledger_path: PathBuf,
    /// Where copies of seals go.
    pub witness: Option<Spool>,
}

/// How ClickHouse is reached.
pub struct ClickHouse {
    /// The HTTP interface.
    pub url: String,
    /// The database.
    pub database: String,
    /// The user: may insert, and ask for a batch.
    pub user: String,
    /// The user's key.
    pub key: Zeroizing<String>,
}

impl std::fmt::Debug for ClickHouse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClickHouse").field("url", &self.url).field("database", &self.database).finish_non_exhaustive()
    }
}

/// Why the shipper could not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The book could not be read or written.
    #[error("the shipper's book is unusable")]
    Ledger(#[from] LedgerError),
    /// The book's record has another form.
    #[error("the shipper's book {path} was written by a later version, or is damaged")]
    Form {
        /// The book's file.
        path: PathBuf,
    },
    /// The book is another node's.
    #[error("the shipper's book {path} is that of node {found}: give the node its old name, or its own files")]
    OtherNode {
        /// The book's file.
        path: PathBuf,
        /// Whose it is.
        found: String,
    },
    /// Frames were shipped, but there is no book: row numbers would be given twice.
    #[error(
        "the journal was shipped up to {acked}, but the shipper's book {path} is missing: put it back, \
         or row numbers would be given twice"
    )]
    Missing {
        /// The book's file.
        path: PathBuf,
        /// The journal's ack mark.
        acked: Position,
    },
    /// Book and journal are not of the same time: one was replaced.
    #[error(
        "the shipper's book {path} and the journal do not belong together: the journal is acknowledged up to {acked}, \
         the book allows {low} to {high}; put back the one that was replaced"
    )]
    Mismatch {
        /// The book's file.
        path: PathBuf,
        /// The journal's ack mark.
        acked: Position,
        /// The lowest mark that fits.
        low: u64,
        /// The highest mark that fits.
        high: u64,
    },
    /// Frames were shipped, but it is not there what is known of exchanges whose first frames are gone.
    #[error(
        "{path} is missing: put it back, or nobody knows how exchanges ended that were open for long when the gateway \
         stopped"
    )]
    NotCarried {
        /// The file.
        path: PathBuf,
    },
    /// What is known of open exchanges could not be read or written.
    #[error("what is known of open exchanges is unusable")]
    Carried(#[source] LedgerError),
    /// It is there, and says nothing that this version and this journal could go on with.
    #[error(
        "{path} does not belong to this journal: it is another node's, of a later version, or older than the shipper's book; \
         put back the one that belongs to it"
    )]
    NotItsCarried {
        /// The file.
        path: PathBuf,
    },
    /// The runtime for the connection could not be made.
    #[error("the shipper's runtime could not be started")]
    Runtime(#[source] std::io::Error),
}

/// The shipper, ready to run.
pub struct Shipper {
    worker: Worker<clickhouse::ClickHouseSink>,
    runtime: OwnRuntime,
    wait: Duration,
}

/// The shipper's runtime. A start that fails drops it within the program's own, where waiting for it is not allowed.
struct OwnRuntime(Option<tokio::runtime::Runtime>);

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Shipper {
    /// Opens the book and checks that it belongs to the journal, to which nothing may have been appended in this run.
    /// Asks nothing of ClickHouse, which may be away.
    pub fn open(journal: Journal, config: Config, seal_keys: SealKeys, metrics: Metrics) -> Result<Self, OpenError> {
        let storage: Arc<dyn Storage> = Disk::storage();
        // On a disk that fails just now, the journal's end may be further on than it can prove.
        let end = (journal.state() == State::Healthy).then(|| journal.durable_end());
        let mut book = Book::open(&storage, &config.ledger_path, &config.node, journal.acked(), end)?;
        let dir = config.ledger_path.parent().unwrap_or(Path::new("."));
        let carried = Carried::open(&storage, dir, &config.node, &mut book, carried_room(&journal))?;
        let sink = clickhouse::ClickHouseSink::new(&config.clickhouse, &config.node);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(OpenError::Runtime)?;
        let worker = Worker::new(Parts {
            journal,
            book,
            carried,
            sink,
            seal_keys,
            witness: config.witness,
            history: History::new(&storage, dir),
            metrics,
            node: config.node,
            tenant: config.tenant,
            rows_max: config.rows_max.max(1),
        });
        Ok(Self { worker, runtime: OwnRuntime(Some(runtime)), wait: config.wait })
    }

    /// Ships until told to stop; then sends what is durable, for a few seconds at the most. Returns when it has ended.
    /// What was not sent stays in the journal. A panic in here ends the process.
    pub async fn run(self, stop: CancellationToken) {
        let (done, ended) = oneshot::channel::<()>();
        let work = move || {
            let Self { worker, runtime, wait } = self;
            let work =
                AssertUnwindSafe(|| runtime.0.as_ref().map(|runtime| runtime.block_on(ship(worker, wait, &stop))));
            if catch_unwind(work).is_err() {
                tracing::error!("the shipper has panicked; the process ends");
                std::process::abort();
            }
            drop(runtime);
            drop(done);
        };
        if let Err(error) = std::thread::Builder::new().name("shipper".to_owned()).spawn(work) {
            tracing::error!(%error, "the shipper's thread could not be started; the process ends");
            std::process::abort();
        }
        // The sender never sends: it is dropped when the thread is done.
        let _ended = ended.await;
    }
}

async fn ship(worker: Worker<clickhouse::ClickHouseSink>, wait: Duration, stop: &CancellationToken) {
    let bound = async {
        stop.cancelled().await;
        tokio::time::sleep(STOP_BOUND).await;
    };
    tokio::select! {
        () = ship_all(worker, wait, stop) => {}
        () = bound => tracing::warn!("the shipper was stopped in the middle of a batch; the next start finishes it"),
    }
}

async fn ship_all(mut worker: Worker<clickhouse::ClickHouseSink>, wait: Duration, stop: &CancellationToken) {
    let (mut failures, mut not_carried) = (0_u32, 0_u32);
    loop {
        let done = worker.step(crate::clock::now()).await;
        if matches!(done, Ok(Step::Idle)) {
            not_carried = 0;
        }
        match done {
            Ok(Step::Full) => failures = 0,
            Ok(Step::Idle) if stop.is_cancelled() => return,
            Ok(Step::Idle | Step::Partial) => {
                failures = 0;
                let more = tokio::select! {
                    more = worker.wait_for_new() => more,
                    () = stop.cancelled() => continue,
                };
                if !more {
                    return;
                }
                // Company for the first row. Not woken for each frame: that would cost the requests' own threads.
                pause(&worker, wait, stop).await;
            }
            Err(failure) => {
                worker.report(&failure);
                if stop.is_cancelled() {
                    return;
                }
                if failure.holds_up_nothing() {
                    // What comes meanwhile is shipped.
                    not_carried = not_carried.saturating_add(1);
                    tokio::select! {
                        () = pause(&worker, backoff(not_carried, worker.random()), stop) => {}
                        _ = worker.wait_for_new() => pause(&worker, wait, stop).await,
                    }
                    continue;
                }
                failures = failures.saturating_add(1);
                pause(&worker, backoff(failures, worker.random()), stop).await;
            }
        }
    }
}

/// Waits, keeping the backlog's figures fresh.
async fn pause(worker: &Worker<clickhouse::ClickHouseSink>, time: Duration, stop: &CancellationToken) {
    let mut left = time;
    while !left.is_zero() {
        worker.measure(crate::clock::now());
        let slice = left.min(Duration::from_secs(1));
        tokio::select! {
            () = tokio::time::sleep(slice) => left -= slice,
            () = stop.cancelled() => return,
        }
    }
}

/// For what is known of some thousand open exchanges, if segments are of the usual size.
fn carried_room(journal: &Journal) -> usize {
    usize::try_from(journal.segment_bytes() / 16).unwrap_or(usize::MAX).min(CARRIED_ROOM_MAX)
}

/// Twice as long after each failure, from 0.1 s to 30 s, of which a random half is taken off.
fn backoff(failures: u32, random: u64) -> Duration {
    let longest = BACKOFF_MAX_MS.min(BACKOFF_MIN_MS << failures.saturating_sub(1).min(20));
    Duration::from_millis(longest - random % (longest / 2 + 1))
}

const CARRIED_ROOM_MAX: usize = 4 << 20;
const BACKOFF_MIN_MS: u64 = 100;
const BACKOFF_MAX_MS: u64 = 30_000;
/// How long the shipper goes on after it was told to stop.
const STOP_BOUND: Duration = Duration::from_secs(5);

/// For the bench: the shipper's work without a network.
#[doc(hidden)]
pub mod measure {
    use contract::Text;
    use contract::id::NodeName;
    use contract::seal::SealKey;

    use super::batch::Batch;
    use super::book::Mark;
    use super::collect::Collector;
    use super::metrics::Metrics;
    use crate::journal::{Journal, Position};
    use contract::row::Fold;

    /// Forms one batch from the journal's first frame on, and returns how many rows it has.
    pub fn form(journal: &Journal, node: &NodeName, tenant: &Text, rows_max: usize, key: &SealKey) -> u64 {
        let Ok(metrics) = Metrics::new(&prometheus::Registry::new()) else { return 0 };
        let mut collector = Collector::new(journal.reader(Position::FIRST), Fold::new(node, tenant), 0);
        let Ok(()) = collector.collect(rows_max, &metrics) else { return 0 };
        let end = collector.position();
        let batch = Batch::new(node, &Mark::START, collector.take(), end, 1, super::history::Signer::Key(key));
        batch.opened.access.rows + batch.opened.auth.rows
    }
}
