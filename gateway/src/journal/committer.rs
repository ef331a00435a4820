//! The one writer: takes all that is pending, writes it with one call, syncs once, tells all who wait.
//!
//! On a fast disk a sync is over before many have come, and the sync itself is then what most of the processor time
//! goes to. So after a batch that several waited for, the next begins no sooner than `gather_us` after it: under load
//! commits are evenly spaced and large, one caller alone never waits, and on a disk whose sync takes longer nothing
//! changes.
//!
//! A write or sync that fails is never repeated on the same pages: the kernel marks them clean after a failed sync, and
//! a second sync answers `Ok` for bytes that never reached the disk. The segment is left where it was last durable, and
//! the same frames are written anew, from memory, into another one.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::core::{BLOCKED, Batch, Core, FAILING, InFlight, STALLED, Waits};
use super::frame;
use super::segment::{Blank, SEGMENT_HEADER_BYTES, SegmentHeader};
use super::storage::StorageFile;
use super::ticket::CommitError;

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There was nothing to commit.
    Idle,
    /// Lazy frames wait, for this long at most.
    Wait(Duration),
    /// A crowd gathers, for this long.
    Gather(Duration),
    /// A batch is on stable storage.
    Committed,
    /// It could not be written; call again after this time.
    Failed(Duration),
}

/// Owns the live segment. One per journal; `step` does one commit, so that a simulation can drive it without threads.
pub struct Committer {
    core: Arc<Core>,
    live: Option<Live>,
    in_flight: Option<Batch>,
    recycled: Vec<u8>,
    failures: u32,
    /// When the next batch may begin, after one that many waited for.
    gather_until: Duration,
}

/// The segment that is being written.
struct Live {
    file: Arc<dyn StorageFile>,
    offset: u64,
    seed: u32,
}

impl Committer {
    /// A committer that begins by writing the frames that recovery could not prove durable, if there are any.
    pub(super) fn new(core: Arc<Core>, unproven: Option<Batch>) -> Self {
        if let Some(batch) = &unproven {
            let since = core.storage.monotonic();
            core.pending.lock().in_flight = Some(InFlight { since, group: Arc::clone(&batch.group) });
        }
        Self { core, live: None, in_flight: unproven, recycled: Vec::new(), failures: 0, gather_until: Duration::ZERO }
    }

    /// Commits what is pending, or tries again what could not be committed.
    pub fn step(&mut self, now: Duration) -> Step {
        let mut batch = match self.in_flight.take() {
            Some(batch) => batch,
            None => match self.take_pending(now) {
                Ok(batch) => batch,
                Err(Step::Idle) if self.live.is_none() => return self.begin_early(),
                Err(step) => return step,
            },
        };
        let started = self.core.storage.monotonic();
        match self.write(&mut batch) {
            Ok(()) => {
                self.publish(batch, started);
                Step::Committed
            }
            Err(error) => {
                self.in_flight = Some(batch);
                Step::Failed(self.fail(&error))
            }
        }
    }

    fn take_pending(&mut self, now: Duration) -> Result<Batch, Step> {
        let mut pending = self.core.pending.lock();
        if pending.batch.bytes.is_empty() {
            return Err(Step::Idle);
        }
        if !pending.closing {
            if pending.batch.waited_for == 0 {
                let due = pending.batch.since + Duration::from_millis(self.core.config.lazy_ms);
                if now < due {
                    return Err(Step::Wait(due.saturating_sub(now)));
                }
            } else if now < self.gather_until {
                return Err(Step::Gather(self.gather_until.saturating_sub(now)));
            }
        }
        let crowd = pending.batch.waited_for >= CROWD;
        self.gather_until =
            if crowd { now + Duration::from_micros(self.core.config.gather_us) } else { Duration::ZERO };
        let next = Batch::new(pending.next, &self.core.progress, std::mem::take(&mut self.recycled));
        let batch = std::mem::replace(&mut pending.batch, next);
        pending.in_flight = Some(InFlight { since: batch.since, group: Arc::clone(&batch.group) });
        Ok(batch)
    }

    /// Makes the live segment while there is nothing to write: whether the disk can be written shows before somebody
    /// waits for it, and a journal whose appends are refused finds out by itself that it can be written again.
    fn begin_early(&mut self) -> Step {
        let first = self.core.pending.lock().batch.first;
        match begin_segment(&self.core, first, &mut []) {
            Ok(live) => {
                self.live = Some(live);
                self.recovered();
                Step::Idle
            }
            Err(error) => Step::Failed(self.fail(&error)),
        }
    }

    fn recovered(&mut self) {
        if self.failures > 0 {
            tracing::info!(failures = self.failures, "the journal can be written again");
            self.failures = 0;
        }
        self.core.clear_flags(FAILING | STALLED | BLOCKED);
    }

    /// Writes and syncs the batch. When this returns `Ok`, its frames are durable.
    fn write(&mut self, batch: &mut Batch) -> io::Result<()> {
        let length = batch.bytes.len() as u64;
        let segment_bytes = self.core.config.segment_bytes;
        // A batch goes into one segment, even if it is larger than one should be.
        let full = |live: &Live| live.offset > SEGMENT_HEADER_BYTES && live.offset + length > segment_bytes;
        if let Some(live) = self.live.take_if(|live| full(live)) {
            seal(&live);
        }
        let Some(live) = &mut self.live else {
            self.live = Some(begin_segment(&self.core, batch.first, &mut batch.bytes)?);
            return Ok(());
        };
        frame::stamp(&mut batch.bytes, live.seed);
        live.file.write_at(live.offset, &batch.bytes)?;
        live.file.sync_data()?;
        live.offset += length;
        Ok(())
    }

    fn publish(&mut self, batch: Batch, started: Duration) {
        self.core.grow_live(self.live.as_ref().map_or(SEGMENT_HEADER_BYTES, |live| live.offset));
        self.core.progress.set_durable(batch.last());
        // If it was given up, the group is closed already; who looks again finds the frame durable.
        batch.group.close(Ok(()));
        // Before the flags: the watchdog sets `STALLED` only while something is in flight.
        self.core.pending.lock().in_flight = None;
        self.recovered();
        let core = &self.core;
        core.arrivals.notify_waiters();
        let metrics = &core.metrics;
        metrics.commit_seconds.observe(core.storage.monotonic().saturating_sub(started).as_secs_f64());
        metrics.commit_batch_frames.observe(f64::from(u32::try_from(batch.frames()).unwrap_or(u32::MAX)));
        metrics.durable_sequence.set(batch.last().cast_signed());
        metrics.count_frames(batch.kinds);
        self.recycled = batch.bytes;
    }

    /// Leaves the live segment and says when to try again.
    fn fail(&mut self, error: &io::Error) -> Duration {
        if let Some(live) = self.live.take() {
            seal(&live);
        }
        self.core.metrics.write_failures.inc();
        let full = is_full(error);
        self.core.set_flags(if full { BLOCKED } else { FAILING });
        let backoff = Duration::from_millis(BACKOFF_FIRST_MS << self.failures.min(BACKOFF_DOUBLINGS));
        self.failures = self.failures.saturating_add(1);
        tracing::error!(
            error = %error,
            failures = self.failures,
            retry_ms = backoff.as_millis() as u64,
            "the journal cannot be written; requests are refused until it can"
        );
        backoff
    }

    /// Commits until told to stop; then what is still pending, if the disk lets it.
    pub(super) fn run(mut self) {
        let patience = Duration::from_millis(self.core.config.commit_timeout_ms);
        let mut give_up = None;
        loop {
            let now = self.core.storage.monotonic();
            let step = self.step(now);
            let core = Arc::clone(&self.core);
            let mut pending = core.pending.lock();
            if pending.closing {
                let nothing_left = self.in_flight.is_none() && pending.batch.bytes.is_empty();
                if nothing_left || *give_up.get_or_insert(now + patience) <= now {
                    self.close(&pending.batch);
                    return;
                }
            }
            match step {
                Step::Committed => {}
                // Something may have come in since the step looked.
                Step::Idle if !pending.batch.bytes.is_empty() => {}
                Step::Idle => {
                    if !pending.closing {
                        pending.committer_waits = Waits::ForAnything;
                        core.committer_bell.wait(&mut pending);
                    }
                }
                Step::Wait(_) | Step::Gather(_) if pending.closing => {}
                Step::Wait(_) if pending.batch.waited_for > 0 => {}
                Step::Wait(time) => {
                    pending.committer_waits = Waits::ForUrgent;
                    core.committer_bell.wait_for(&mut pending, time);
                }
                // Only closing rings. Those who come now are whom a gathering waits for; and to a failing journal
                // nobody can come.
                Step::Gather(time) | Step::Failed(time) => {
                    core.committer_bell.wait_for(&mut pending, time);
                }
            }
            pending.committer_waits = Waits::No;
        }
    }

    fn close(&mut self, pending: &Batch) {
        if let Some(batch) = &self.in_flight {
            batch.group.close(Err(CommitError::Closed));
            tracing::error!(
                frames = batch.frames() + pending.frames(),
                "frames were not written before the journal closed"
            );
        }
        pending.group.close(Err(CommitError::Closed));
        if let Some(live) = self.live.take() {
            seal(&live);
        }
        self.core.closed.store(true, Ordering::Release);
        self.core.arrivals.notify_waiters();
    }
}

/// Gives back the room behind the last durable frame. Nothing depends on it, so a failure is only worth a note.
fn seal(live: &Live) {
    if let Err(error) = live.file.truncate(live.offset) {
        tracing::debug!(error = %error, "a segment could not be cut to its length");
    }
}

/// Makes a segment that begins with these frames.
fn begin_segment(core: &Core, first: u64, frames: &mut [u8]) -> io::Result<Live> {
    let storage = &*core.storage;
    let spare = core.spare.lock().take();
    let blank = match spare {
        Some(blank) => blank,
        // Not zero-filled: slower commits for one segment, but nobody waits for 64 MiB of zeros.
        None => Blank::create(storage, &core.config.dir, core.blanks_made.fetch_add(1, Ordering::Relaxed), 0)?,
    };
    let header = SegmentHeader { node: core.config.node, first, created_us: storage.now_us(), salt: storage.salt() };
    let seed = header.seed();
    frame::stamp(frames, seed);
    blank.publish(storage, &core.config.dir, &header, frames)?;
    core.push_segment(first, seed);
    core.ring_keeper();
    Ok(Live { file: blank.file, offset: SEGMENT_HEADER_BYTES + frames.len() as u64, seed })
}

/// Whether an error says that there is no room.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}

/// A batch that so many wait for shows a crowd: the next one gathers. Fewer would only wait longer.
const CROWD: u32 = 4;
const BACKOFF_FIRST_MS: u64 = 10;
/// 10 ms doubled seven times: at most about 1.3 s between two tries.
const BACKOFF_DOUBLINGS: u32 = 7;
