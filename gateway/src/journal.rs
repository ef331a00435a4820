//! The journal: every access record is on stable storage before a byte that depends on it leaves.
//!
//! # Format
//! A directory with one log per node, cut into segments:
//! ```text
//! journal-<first sequence>.seg              header, then frames (see `segment` and `frame`); little-endian
//! journal-<first sequence>.seg.quarantined  second name of a segment with damage, kept when the first is deleted
//! spare-<n>.tmp                             zero-filled file that becomes the next segment
//! acked.ledger                              how far the shipper has come (see `ledger`)
//! lock                                      held while a journal is open
//! ```
//!
//! # Invariants
//! 1. A `Receipt` exists only for a frame whose batch was written and synced (fdatasync returned `Ok`), in a segment
//!    whose header and name were synced before.
//! 2. Sequences are gapless per node, also across restarts; none is ever given twice to frames that had a receipt.
//! 3. A batch is written only when everything before it is durable, and each frame says so (`batch first sequence`).
//!    So an intact frame proves all frames before its batch, and recovery can tell a torn tail from corruption.
//! 4. No sync is repeated on the same pages after it failed: the frames go to another segment, from memory. For the same
//!    reason recovery writes anew what it cannot prove durable.
//! 5. A segment's frames are those from its first sequence to the next segment's; whatever else a failed write left in
//!    it does not count.
//! 6. A segment is deleted only when all its frames lie below the ack mark, the mark is on disk, and the grace period
//!    is over or the journal full; oldest first.
//! 7. Above the high-water mark intents are refused, so that there is room to record how requests under way end.
//!
//! # Limits
//! Payloads up to 1 MiB. Damage to the very last batch cannot be told from a torn write. What is pending is bounded by
//! `pending_bytes_max`, what is on disk by `budget_bytes` (beyond it by one batch, the live segment's unused room, one
//! spare, and the outcomes and markers that end what was begun). Failures of reading are reported, not repaired. The journal does not know what its payloads mean.
//!
//! # Threads
//! `journal-commit` writes and syncs; `journal-keep` makes segments ready and deletes them; `journal-watch` ends the
//! waiting of those whom the disk lets wait too long. Should one of them panic, the process ends: a gateway that cannot
//! record must not go on.

mod committer;
mod core;
mod frame;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod keeper;
pub mod ledger;
mod metrics;
mod reader;
mod recovery;
mod scan;
mod segment;
#[doc(hidden)]
pub mod sim;
pub mod storage;
mod ticket;

#[cfg(test)]
mod tests;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;

pub use committer::{Committer, Step};
pub use frame::{Frame, FrameKind, PAYLOAD_BYTES_MAX, Position};
pub use keeper::Keeper;
pub use metrics::Metrics;
pub use reader::{Item, ReadError, Reader};
pub use recovery::{Gap, Recovery};
pub use ticket::{CommitError, Receipt, Ticket};

use self::core::{Batch, Core, CoreParts};
use ledger::{Ledger, LedgerError};
use storage::{Storage, StorageLock};

/// How a journal is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Its directory; made if it is not there.
    pub dir: PathBuf,
    /// The node whose log this is. A journal refuses segments of another node.
    pub node: [u8; 16],
    /// Size of a segment.
    pub segment_bytes: u64,
    /// The most that may wait for the next commit.
    pub pending_bytes_max: usize,
    /// How long frames that nobody waits for may stay in memory.
    pub lazy_ms: u64,
    /// From the beginning of one commit to that of the next, at least, while several wait for each.
    pub gather_us: u64,
    /// How long a ticket waits.
    pub commit_timeout_ms: u64,
    /// The most the journal may take on disk.
    pub budget_bytes: u64,
    /// Above this size intents are refused.
    pub high_water_bytes: u64,
    /// How long a segment is kept after all of it was acknowledged.
    pub grace_s: u64,
}

impl Config {
    /// The defaults.
    pub fn new(dir: impl Into<PathBuf>, node: [u8; 16]) -> Self {
        Self {
            dir: dir.into(),
            node,
            segment_bytes: 64 << 20,
            pending_bytes_max: 16 << 20,
            lazy_ms: 50,
            gather_us: 2000,
            commit_timeout_ms: 2000,
            budget_bytes: 8 << 30,
            high_water_bytes: 7 << 30,
            grace_s: 3600,
        }
    }

    /// All that is wrong with these settings: the setting and the reason.
    pub fn mistakes(&self) -> Vec<(&'static str, &'static str)> {
        let rules = [
            (self.segment_bytes < 16 << 10, "segment_bytes", "must be at least 16 KiB"),
            (self.segment_bytes > 4 << 30, "segment_bytes", "must be at most 4 GiB"),
            (self.pending_bytes_max < 4096, "pending_bytes_max", "must be at least 4 KiB"),
            (self.commit_timeout_ms == 0, "commit_timeout_ms", "must not be 0"),
            (self.budget_bytes < 4 * self.segment_bytes, "budget_bytes", "must hold at least four segments"),
            (self.high_water_bytes >= self.budget_bytes, "high_water_bytes", "must be below budget_bytes"),
            (self.high_water_bytes < 2 * self.segment_bytes, "high_water_bytes", "must hold at least two segments"),
        ];
        rules.into_iter().filter(|(wrong, ..)| *wrong).map(|(_, setting, reason)| (setting, reason)).collect()
    }
}

/// Why a journal could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A setting makes no sense.
    #[error("journal.{setting} {reason}")]
    Config {
        /// The setting.
        setting: &'static str,
        /// What it must be.
        reason: &'static str,
    },
    /// Another process has it open.
    #[error("the journal {dir} is in use by another process")]
    Locked {
        /// The journal's directory.
        dir: PathBuf,
    },
    /// The directory holds another node's log.
    #[error("the journal segment {path} was written by another node")]
    OtherNode {
        /// The segment, or the ack mark.
        path: PathBuf,
    },
    /// A later version of this program wrote it.
    #[error("the journal segment {path} has format version {version}, which this version cannot read")]
    Newer {
        /// The segment.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// A file could not be read or written.
    #[error("{path} cannot be read or written")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The ack mark could not be read or written.
    #[error("the journal's ack mark is unusable")]
    Ledger(#[from] LedgerError),
    /// A thread could not be started.
    #[error("the journal's threads could not be started")]
    Thread(#[source] io::Error),
}

/// Why a frame was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Too much is waiting for the disk; try again in a moment.
    #[error("too much is waiting for the journal")]
    Busy,
    /// There is no room left, or only for frames that end what was begun.
    #[error("the journal is full")]
    Full,
    /// The journal cannot be written at present.
    #[error("the journal cannot be written")]
    Unavailable,
    /// The journal was closed.
    #[error("the journal is closed")]
    Closed,
    /// The payload is larger than a frame can be.
    #[error("a payload of {bytes} bytes is too large")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
}

/// Why an acknowledgement was not taken.
#[derive(Debug, thiserror::Error)]
pub enum AckError {
    /// Nothing may be acknowledged that is not durable.
    #[error("position {position} is acknowledged, but only frames below {durable_end} are durable")]
    NotDurable {
        /// What was acknowledged.
        position: Position,
        /// One past the last durable frame.
        durable_end: Position,
    },
    /// The mark could not be stored; the old one stands.
    #[error("the ack mark could not be stored")]
    Ledger(#[from] LedgerError),
}

/// Whether the journal can take records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It can.
    Healthy = 0,
    /// The disk refuses or hangs.
    Failing = 1,
    /// No room for new requests.
    Full = 2,
}

/// The journal of one node. Clones share it; when the last one is dropped it is closed, which blocks: better call `close`
/// where blocking is allowed.
#[derive(Clone)]
pub struct Journal {
    core: Arc<Core>,
    threads: Arc<Threads>,
}

impl Journal {
    /// Opens the journal, recovers what the last run left, and starts its threads.
    pub fn open(config: Config, storage: Arc<dyn Storage>, metrics: Metrics) -> Result<(Self, Recovery), OpenError> {
        let parts = Self::open_parts(config, storage, metrics)?;
        let Parts { journal, committer, keeper, recovery } = parts;
        let core = Arc::clone(&journal.core);
        let mut threads = journal.threads.handles.lock();
        threads.push(spawn("journal-commit", move || committer.run())?);
        threads.push(spawn("journal-keep", move || keeper.run())?);
        threads.push(spawn("journal-watch", move || keeper::watch(&core))?);
        drop(threads);
        Ok((journal, recovery))
    }

    /// Like `open`, but without threads: the caller drives committer, keeper and `expire` by itself. For simulations.
    pub fn open_parts(config: Config, storage: Arc<dyn Storage>, metrics: Metrics) -> Result<Parts, OpenError> {
        if let Some((setting, reason)) = config.mistakes().first() {
            return Err(OpenError::Config { setting, reason });
        }
        let dir = config.dir.clone();
        let fail = |source| OpenError::Io { path: dir.clone(), source };
        storage.create_dir(&dir).map_err(fail)?;
        let lock = storage.lock(&dir.join(LOCK_NAME)).map_err(fail)?;
        let lock = lock.ok_or_else(|| OpenError::Locked { dir: dir.clone() })?;
        for name in recovery::list(&storage, &dir)? {
            if segment::is_blank_name(&name) {
                storage.remove(&dir.join(name)).map_err(fail)?;
            }
        }
        let (ack_ledger, acked) = open_ack(&storage, &config)?;
        let mut survey = recovery::survey(&storage, &dir, Some(config.node), acked, acked)?;
        quarantine(&*storage, &dir, &mut survey)?;
        metrics.lost_frames.inc_by(survey.recovery.gaps.iter().map(Gap::frames).sum());
        // The directory as it was read is what everything from here on relies on.
        storage.sync_dir(&dir).map_err(fail)?;

        let core = Core::new(CoreParts {
            config,
            storage,
            metrics,
            segments: survey.segments,
            durable: survey.proven - 1,
            next: survey.next,
            acked,
            ack_ledger,
        });
        let unproven = (!survey.tail.bytes.is_empty()).then(|| {
            let mut batch = Batch::new(survey.proven, &core.progress, Vec::new());
            (batch.bytes, batch.kinds) = (survey.tail.bytes, survey.tail.kinds);
            batch
        });
        let keeper = Keeper::new(Arc::clone(&core));
        // So that the first segment of a life is zero-filled like the others. The keeper tries again if it fails.
        if let Err(error) = keeper.fill_spare() {
            tracing::warn!(error = %error, "no segment could be made ready");
        }
        let mut committer = Committer::new(Arc::clone(&core), unproven);
        // If the disk is full or sick the journal opens all the same: the shipper must be able to empty it.
        if !matches!(committer.step(core.storage.monotonic()), Step::Failed(_)) {
            cut_torn_tail(&core, survey.cut);
        }
        let threads = Threads { core: Arc::clone(&core), handles: Mutex::default(), lock: Mutex::new(Some(lock)) };
        Ok(Parts { keeper, journal: Self { core, threads: Arc::new(threads) }, committer, recovery: survey.recovery })
    }

    /// Takes a frame and gives a ticket to wait with. `encode` writes the payload into an empty buffer.
    pub fn append(&self, kind: FrameKind, encode: impl FnOnce(&mut Vec<u8>)) -> Result<Ticket, AppendError> {
        self.core.append(kind, encode)
    }

    /// Takes a frame that nobody waits for: it rides with the next commit, or is synced after `lazy_ms`.
    pub fn append_lazy(&self, kind: FrameKind, encode: impl FnOnce(&mut Vec<u8>)) -> Result<Position, AppendError> {
        self.core.append_lazy(kind, encode)
    }

    /// Whether the journal can take records; for readiness.
    pub fn state(&self) -> State {
        self.core.state()
    }

    /// One past the last durable frame.
    pub fn durable_end(&self) -> Position {
        Position::new(self.core.progress.durable() + 1)
    }

    /// Reads durable frames from a position on, also while more are written.
    pub fn reader(&self, from: Position) -> Reader {
        Reader::live(Arc::clone(&self.core), from)
    }

    /// Notes durably that all frames below `position` are shipped. A lower position than before is no error and has no
    /// effect. Blocks on the disk.
    pub fn ack(&self, position: Position) -> Result<(), AckError> {
        self.core.ack(position)
    }

    /// All frames below this position are shipped.
    pub fn acked(&self) -> Position {
        Position::new(self.core.acked())
    }

    /// The oldest frame that is kept.
    pub fn oldest(&self) -> Position {
        self.reader(Position::OLDEST).oldest()
    }

    /// The first frame of the segment before the one that a frame is in, or will be in: what lies before is more than a
    /// segment back. The oldest frame, if there is no such segment.
    pub fn segment_before(&self, position: Position) -> Position {
        let segments = self.core.segments.lock();
        let begun = segments.iter().take_while(|segment| segment.first <= position.sequence()).count();
        let before = segments.get(begun.saturating_sub(2));
        before.map_or(Position::FIRST, |segment| Position::new(segment.first))
    }

    /// How large a segment is.
    pub fn segment_bytes(&self) -> u64 {
        self.core.config.segment_bytes
    }

    /// Bytes that the segments hold.
    pub fn used_bytes(&self) -> u64 {
        self.core.used_bytes()
    }

    /// Ends the waiting of those who have waited too long by this time. The watchdog thread does this; simulations do it
    /// themselves.
    pub fn expire(&self, now: std::time::Duration) {
        self.core.expire(now);
    }

    /// Takes no more frames, writes what is pending (for as long as a ticket would wait) and ends the threads. Blocks.
    pub fn close(&self) {
        self.threads.stop();
    }
}

/// A journal without threads.
pub struct Parts {
    /// The journal.
    pub journal: Journal,
    /// Writes and syncs.
    pub committer: Committer,
    /// Makes segments ready and deletes them.
    pub keeper: Keeper,
    /// What was found on disk.
    pub recovery: Recovery,
}

/// Looks at a journal without changing it and without its lock: what `gateway journal fsck` and `status` show. While a
/// gateway writes, the end of the log may look torn.
pub fn inspect(storage: &Arc<dyn Storage>, dir: &Path) -> Result<Recovery, OpenError> {
    Ok(inspect_segments(storage, dir, None, 1)?.recovery)
}

/// Reads a journal without changing it and without its lock, as far as it was written when this was called.
pub fn offline_reader(storage: &Arc<dyn Storage>, dir: &Path, from: Position) -> Result<Reader, OpenError> {
    // Where each segment begins and the last one ends is enough: what is damaged within is met when it is read.
    let survey = inspect_segments(storage, dir, None, u64::MAX)?;
    Ok(Reader::offline(Arc::clone(storage), dir, survey.segments, survey.next - 1, from))
}

/// The same, but an error if another node has written it.
pub fn offline_reader_of(
    storage: &Arc<dyn Storage>,
    dir: &Path,
    node: [u8; 16],
    from: Position,
) -> Result<Reader, OpenError> {
    let survey = inspect_segments(storage, dir, Some(node), u64::MAX)?;
    Ok(Reader::offline(Arc::clone(storage), dir, survey.segments, survey.next - 1, from))
}

/// Segments wholly below `scan_from` are not looked into.
fn inspect_segments(
    storage: &Arc<dyn Storage>,
    dir: &Path,
    node: Option<[u8; 16]>,
    scan_from: u64,
) -> Result<recovery::Survey, OpenError> {
    let path = dir.join(ACK_NAME);
    let acked = match Ledger::peek(storage, &path)?.as_deref().and_then(parse_ack) {
        Some((found, _)) if node.is_some_and(|node| node != found) => return Err(OpenError::OtherNode { path }),
        Some((_, acked)) => acked,
        None => 1,
    };
    recovery::survey(storage, dir, node, acked, scan_from)
}

struct Threads {
    core: Arc<Core>,
    handles: Mutex<Vec<JoinHandle<()>>>,
    lock: Mutex<Option<Box<dyn StorageLock>>>,
}

impl Threads {
    fn stop(&self) {
        {
            let mut pending = self.core.pending.lock();
            pending.closing = true;
            self.core.committer_bell.notify_all();
        }
        {
            let mut signal = self.core.keeper_signal.lock();
            signal.stop = true;
            self.core.keeper_bell.notify_all();
        }
        for handle in self.handles.lock().drain(..) {
            // A thread that panicked has ended the process.
            let _ended = handle.join();
        }
        // The next one to open it must find everything at rest.
        *self.lock.lock() = None;
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(name: &'static str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, OpenError> {
    let guarded = move || {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
            let text = panic.downcast_ref::<&str>().map(ToString::to_string);
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            tracing::error!(thread = name, panic = text, "a thread of the journal has panicked; the process ends");
            std::process::abort();
        }
    };
    std::thread::Builder::new().name(name.to_owned()).spawn(guarded).map_err(OpenError::Thread)
}

fn open_ack(storage: &Arc<dyn Storage>, config: &Config) -> Result<(Ledger, u64), OpenError> {
    let path = config.dir.join(ACK_NAME);
    let (ledger, record) = Ledger::open(storage, &path, ACK_BYTES)?;
    if record.is_empty() {
        return Ok((ledger, Position::FIRST.sequence()));
    }
    match parse_ack(&record) {
        Some((node, acked)) if node == config.node => Ok((ledger, acked)),
        Some(_) => Err(OpenError::OtherNode { path }),
        None => Err(LedgerError::Damaged { path }.into()),
    }
}

fn parse_ack(mut record: &[u8]) -> Option<([u8; 16], u64)> {
    let node = frame::take(&mut record)?;
    let acked = u64::from_le_bytes(frame::take(&mut record)?);
    (acked >= 1).then_some((node, acked))
}

/// Gives damaged segments a second name that no acknowledgement deletes, and says what to do.
fn quarantine(storage: &dyn Storage, dir: &Path, survey: &mut recovery::Survey) -> Result<(), OpenError> {
    for first in &survey.damaged {
        let path = dir.join(segment::file_name(*first));
        let mut kept = path.as_os_str().to_owned();
        kept.push(".quarantined");
        let kept = PathBuf::from(kept);
        storage.link(&path, &kept).map_err(|source| OpenError::Io { path: path.clone(), source })?;
        survey.recovery.quarantined.push(kept);
    }
    for gap in &survey.recovery.gaps {
        tracing::error!(
            first = gap.first.sequence(),
            last = gap.last.sequence(),
            "records that had been committed cannot be read; run `gateway journal fsck` and keep the *.quarantined files"
        );
    }
    Ok(())
}

/// Gives back the room of the torn tail, now that its intact part has been written anew.
fn cut_torn_tail(core: &Core, cut: Option<(u64, u64)>) {
    let Some((first, end)) = cut else {
        return;
    };
    let segments = core.segments.lock();
    // Never the live one: it may have taken the name of one that held nothing durable.
    let replaced = segments.last().is_none_or(|live| live.first == first);
    if !replaced && let Err(error) = core.storage.open(&core.segment_path(first)).and_then(|file| file.truncate(end)) {
        tracing::debug!(error = %error, "a segment could not be cut to its length");
    }
}

const LOCK_NAME: &str = "lock";
const ACK_NAME: &str = "acked.ledger";
/// Node and sequence.
const ACK_BYTES: usize = 24;
