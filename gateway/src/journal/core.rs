//! What appenders, committer, keeper and readers share: the pending buffer, the state, the list of segments.

use std::cell::Cell;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::Notify;

use super::frame::{self, FrameKind, PAYLOAD_BYTES_MAX, Position};
use super::ledger::Ledger;
use super::metrics::Metrics;
use super::segment::{Blank, SEGMENT_HEADER_BYTES, Segment};
use super::storage::Storage;
use super::ticket::{CommitError, Group, Progress, Ticket};
use super::{AckError, AppendError, Config, State};

/// The last commit failed and is being repeated.
pub(super) const FAILING: u8 = 1;
/// A commit has been on its way for longer than anybody waits.
pub(super) const STALLED: u8 = 2;
/// The file system has no room for the next segment; the live one may have.
pub(super) const NO_SPACE: u8 = 4;
/// A batch could not be written for want of room.
pub(super) const BLOCKED: u8 = 8;

/// Shared by all parts of one journal.
pub(super) struct Core {
    pub(super) config: Config,
    pub(super) storage: Arc<dyn Storage>,
    pub(super) metrics: Metrics,
    pub(super) pending: Mutex<Pending>,
    /// The committer waits here for something to commit.
    pub(super) committer_bell: Condvar,
    pub(super) progress: Arc<Progress>,
    /// Readers wait here for frames.
    pub(super) arrivals: Notify,
    flags: AtomicU8,
    /// Bytes of all segments, as far as they are filled.
    used_bytes: AtomicU64,
    pub(super) segments: Mutex<Vec<Segment>>,
    pub(super) spare: Mutex<Option<Blank>>,
    pub(super) blanks_made: AtomicU64,
    /// The committer has stopped: nothing more will come.
    pub(super) closed: AtomicBool,
    acked: AtomicU64,
    ack_ledger: Mutex<Ledger>,
    pub(super) keeper_signal: Mutex<KeeperSignal>,
    pub(super) keeper_bell: Condvar,
}

/// What keeper and watchdog are told.
#[derive(Debug, Default)]
pub(super) struct KeeperSignal {
    pub(super) stop: bool,
    pub(super) work: bool,
}

/// Frames that wait for the next commit.
pub(super) struct Pending {
    pub(super) batch: Batch,
    pub(super) next: u64,
    pub(super) closing: bool,
    /// The batch on its way to the disk.
    pub(super) in_flight: Option<InFlight>,
    pub(super) committer_waits: Waits,
}

pub(super) struct InFlight {
    pub(super) since: Duration,
    pub(super) group: Arc<Group>,
}

/// What the committer waits for, so that an append rings its bell only if that helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waits {
    No,
    ForAnything,
    ForUrgent,
}

/// Frames that are written and synced together.
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    /// Sequence of its first frame.
    pub(super) first: u64,
    pub(super) kinds: [u64; 5],
    /// How many of its frames somebody waits for.
    pub(super) waited_for: u32,
    /// When its first frame came.
    pub(super) since: Duration,
    pub(super) group: Arc<Group>,
}

impl Batch {
    pub(super) fn new(first: u64, progress: &Arc<Progress>, mut bytes: Vec<u8>) -> Self {
        bytes.clear();
        Self { bytes, first, kinds: [0; 5], waited_for: 0, since: Duration::ZERO, group: Group::new(progress) }
    }

    pub(super) fn frames(&self) -> u64 {
        self.kinds.iter().sum()
    }

    pub(super) fn last(&self) -> u64 {
        self.first + self.frames() - 1
    }
}

/// What `Core::new` needs.
pub(super) struct CoreParts {
    pub(super) config: Config,
    pub(super) storage: Arc<dyn Storage>,
    pub(super) metrics: Metrics,
    pub(super) segments: Vec<Segment>,
    /// Last sequence that is durable for certain.
    pub(super) durable: u64,
    /// The sequence that the next appended frame gets.
    pub(super) next: u64,
    pub(super) acked: u64,
    pub(super) ack_ledger: Ledger,
}

impl Core {
    pub(super) fn new(parts: CoreParts) -> Arc<Self> {
        let CoreParts { config, storage, metrics, segments, durable, next, acked, ack_ledger } = parts;
        let progress = Progress::new(durable);
        metrics.high_water_bytes.set(config.high_water_bytes.cast_signed());
        metrics.durable_sequence.set(durable.cast_signed());
        metrics.acked_sequence.set(acked.cast_signed());
        let core = Arc::new(Self {
            pending: Mutex::new(Pending {
                batch: Batch::new(next, &progress, Vec::new()),
                next,
                closing: false,
                in_flight: None,
                committer_waits: Waits::No,
            }),
            committer_bell: Condvar::new(),
            progress,
            arrivals: Notify::new(),
            flags: AtomicU8::new(0),
            used_bytes: AtomicU64::new(0),
            segments: Mutex::new(segments),
            spare: Mutex::new(None),
            blanks_made: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            acked: AtomicU64::new(acked),
            ack_ledger: Mutex::new(ack_ledger),
            keeper_signal: Mutex::default(),
            keeper_bell: Condvar::new(),
            config,
            storage,
            metrics,
        });
        core.count_segments(&core.segments.lock());
        core
    }

    pub(super) fn append(&self, kind: FrameKind, encode: impl FnOnce(&mut Vec<u8>)) -> Result<Ticket, AppendError> {
        let (group, sequence) = with_payload(encode, |payload| {
            let (mut pending, sequence) = self.put(kind, payload, true)?;
            pending.batch.waited_for += 1;
            if !pending.batch.group.is_open() {
                // Those who waited before have given up; this one has its whole time before it.
                pending.batch.group = Group::new(&self.progress);
                pending.batch.since = self.storage.monotonic();
            }
            let group = Arc::clone(&pending.batch.group);
            let ring = pending.committer_waits != Waits::No;
            pending.committer_waits = Waits::No;
            drop(pending);
            if ring {
                self.committer_bell.notify_one();
            }
            Ok((group, sequence))
        })?;
        Ok(Ticket::new(group, sequence))
    }

    pub(super) fn append_lazy(
        &self,
        kind: FrameKind,
        encode: impl FnOnce(&mut Vec<u8>),
    ) -> Result<Position, AppendError> {
        with_payload(encode, |payload| {
            let (mut pending, sequence) = self.put(kind, payload, false)?;
            if pending.committer_waits == Waits::ForAnything {
                pending.committer_waits = Waits::No;
                drop(pending);
                self.committer_bell.notify_one();
            }
            Ok(Position::new(sequence))
        })
    }

    /// Puts a frame into the pending batch, if it may.
    fn put(
        &self,
        kind: FrameKind,
        payload: &[u8],
        waited_for: bool,
    ) -> Result<(MutexGuard<'_, Pending>, u64), AppendError> {
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(AppendError::TooLarge { bytes: payload.len() });
        }
        let mut pending = self.pending.lock();
        if pending.closing {
            return Err(AppendError::Closed);
        }
        let flags = self.flags.load(Ordering::Relaxed);
        // What nobody waits for stays in memory until the disk is back: how a request ended that the trouble ended, above
        // all.
        if waited_for && flags & (FAILING | STALLED) != 0 {
            return Err(AppendError::Unavailable);
        }
        let room = frame::room(payload.len());
        let waiting = pending.batch.bytes.len() + room;
        // New requests and disclosures stop at the high-water mark, so that there is room to record how those under way
        // end. What ends something stops at nothing but a full disk: it is small, and without it the ack mark stands still,
        // and no room ever comes back.
        let (limit, refused_by) = match kind {
            FrameKind::Intent | FrameKind::Disclosure => (self.config.high_water_bytes, BLOCKED | NO_SPACE),
            FrameKind::AuthEvent => (self.config.budget_bytes, BLOCKED),
            FrameKind::Outcome | FrameKind::Marker => (u64::MAX, BLOCKED),
        };
        let before = pending.batch.bytes.len() as u64;
        if flags & refused_by != 0 || self.used_bytes.load(Ordering::Relaxed) + before >= limit {
            return Err(AppendError::Full);
        }
        if waiting > self.config.pending_bytes_max {
            return Err(AppendError::Busy);
        }
        let sequence = pending.next;
        if pending.batch.bytes.is_empty() {
            pending.batch.since = self.storage.monotonic();
        }
        let batch_first = pending.batch.first;
        frame::encode(&mut pending.batch.bytes, kind, sequence, batch_first, payload);
        if let Some(count) = pending.batch.kinds.get_mut(kind.index()) {
            *count += 1;
        }
        pending.next += 1;
        Ok((pending, sequence))
    }

    /// Gives up those who have waited too long. The watchdog calls this now and then.
    pub(super) fn expire(&self, now: Duration) {
        let patience = Duration::from_millis(self.config.commit_timeout_ms);
        let mut expired = 0;
        {
            let pending = self.pending.lock();
            if let Some(in_flight) = &pending.in_flight
                && in_flight.since + patience <= now
            {
                self.set_flags(STALLED);
                expired += u64::from(in_flight.group.close(Err(CommitError::Timeout)));
            }
            if !pending.batch.bytes.is_empty() && pending.batch.waited_for > 0 && pending.batch.since + patience <= now
            {
                expired += u64::from(pending.batch.group.close(Err(CommitError::Timeout)));
            }
        }
        self.metrics.timeouts.inc_by(expired);
    }

    pub(super) fn state(&self) -> State {
        let flags = self.flags.load(Ordering::Relaxed);
        if flags & (NO_SPACE | BLOCKED) != 0 || self.used_bytes.load(Ordering::Relaxed) >= self.config.high_water_bytes
        {
            State::Full
        } else if flags & (FAILING | STALLED) != 0 {
            State::Failing
        } else {
            State::Healthy
        }
    }

    pub(super) fn set_flags(&self, flags: u8) {
        self.flags.fetch_or(flags, Ordering::Relaxed);
        self.metrics.state.set(self.state() as i64);
    }

    pub(super) fn clear_flags(&self, flags: u8) {
        // A read first: this is called after each commit, and there is nearly never anything to clear.
        if self.flags.load(Ordering::Relaxed) & flags != 0 {
            self.flags.fetch_and(!flags, Ordering::Relaxed);
            self.metrics.state.set(self.state() as i64);
        }
    }

    /// Adds up the segments after a change of the list.
    pub(super) fn count_segments(&self, segments: &[Segment]) {
        let used: u64 = segments.iter().map(|segment| segment.bytes).sum();
        self.used_bytes.store(used, Ordering::Relaxed);
        self.metrics.bytes.set(used.cast_signed());
        self.metrics.segments.set(i64::try_from(segments.len()).unwrap_or(i64::MAX));
        self.metrics.state.set(self.state() as i64);
    }

    /// Notes that the live segment has grown.
    pub(super) fn grow_live(&self, end: u64) {
        let mut segments = self.segments.lock();
        if let Some(live) = segments.last_mut() {
            let grown = end.saturating_sub(live.bytes);
            live.bytes = end;
            let used = self.used_bytes.fetch_add(grown, Ordering::Relaxed) + grown;
            self.metrics.bytes.set(used.cast_signed());
        }
    }

    /// Puts a new live segment at the end of the list. One with the same first sequence held nothing durable and has
    /// been replaced on disk as well.
    pub(super) fn push_segment(&self, first: u64, seed: u32) {
        let mut segments = self.segments.lock();
        segments.retain(|segment| segment.first != first);
        segments.push(Segment { first, seed: Some(seed), bytes: SEGMENT_HEADER_BYTES });
        self.count_segments(&segments);
    }

    pub(super) fn used_bytes(&self) -> u64 {
        self.used_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn acked(&self) -> u64 {
        self.acked.load(Ordering::Acquire)
    }

    pub(super) fn ack(&self, position: Position) -> Result<(), AckError> {
        let sequence = position.sequence();
        let mut ledger = self.ack_ledger.lock();
        let durable_end = self.progress.durable() + 1;
        if sequence > durable_end {
            return Err(AckError::NotDurable { position, durable_end: Position::new(durable_end) });
        }
        if sequence <= self.acked() {
            return Ok(());
        }
        ledger.store(&encode_ack(self.config.node, sequence))?;
        // Only now: who deletes goes by this figure.
        self.acked.store(sequence, Ordering::Release);
        self.metrics.acked_sequence.set(sequence.cast_signed());
        drop(ledger);
        self.ring_keeper();
        Ok(())
    }

    pub(super) fn ring_keeper(&self) {
        self.keeper_signal.lock().work = true;
        self.keeper_bell.notify_all();
    }

    pub(super) fn segment_path(&self, first: u64) -> PathBuf {
        self.config.dir.join(super::segment::file_name(first))
    }
}

/// The ack mark's record: node, then the sequence below which all is shipped.
pub(super) fn encode_ack(node: [u8; 16], sequence: u64) -> Vec<u8> {
    let mut record = node.to_vec();
    record.extend_from_slice(&sequence.to_le_bytes());
    record
}

/// Encodes into a buffer of the thread's own before any lock is taken: a slow or panicking encoder then holds up or
/// harms nobody else, at the price of one short copy.
fn with_payload<R>(encode: impl FnOnce(&mut Vec<u8>), use_payload: impl FnOnce(&[u8]) -> R) -> R {
    thread_local! {
        static PAYLOAD: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    }
    let mut payload = PAYLOAD.take();
    payload.clear();
    encode(&mut payload);
    let answer = use_payload(&payload);
    if payload.capacity() <= KEPT_PAYLOAD_BYTES {
        PAYLOAD.set(payload);
    }
    answer
}

/// A larger buffer is not kept for the thread's next frame.
const KEPT_PAYLOAD_BYTES: usize = 64 << 10;
