//! The journal's housekeeping, away from the committer: zero-fills the next segment, deletes segments that were
//! acknowledged long enough ago.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::committer::is_full;
use super::core::{Core, NO_SPACE};
use super::segment::Blank;

/// How often grace periods and free space are looked at when nobody rings.
const ROUND: Duration = Duration::from_secs(1);

/// One per journal; `step` does one round, so that a simulation can drive it without threads.
pub struct Keeper {
    core: Arc<Core>,
    /// When each deletable segment was first seen to be so. Starts anew with the process: grace then lasts longer,
    /// never shorter.
    deletable_since: HashMap<u64, Duration>,
}

impl Keeper {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core, deletable_since: HashMap::new() }
    }

    /// One round. Errors are for the caller to log; the next round tries again.
    pub fn step(&mut self, now: Duration) -> io::Result<()> {
        let filled = self.fill_spare();
        self.delete_acked(now)?;
        filled
    }

    pub(super) fn fill_spare(&self) -> io::Result<()> {
        let core = &self.core;
        if core.spare.lock().is_some() {
            core.clear_flags(NO_SPACE);
            return Ok(());
        }
        let number = core.blanks_made.fetch_add(1, Ordering::Relaxed);
        match Blank::create(&*core.storage, &core.config.dir, number, core.config.segment_bytes) {
            Ok(blank) => {
                *core.spare.lock() = Some(blank);
                core.clear_flags(NO_SPACE);
                Ok(())
            }
            Err(error) => {
                if is_full(&error) {
                    core.set_flags(NO_SPACE);
                }
                Err(error)
            }
        }
    }

    /// Deletes oldest first, each durably before the next, so that what is left is always one unbroken end of the log.
    fn delete_acked(&mut self, now: Duration) -> io::Result<()> {
        let core = Arc::clone(&self.core);
        let grace = Duration::from_secs(core.config.grace_s);
        // The mark that is on disk; the one in memory follows it.
        let acked = core.acked();
        loop {
            let oldest = {
                let segments = core.segments.lock();
                let end = segments.get(1).map(|next| next.first);
                segments.first().zip(end).map(|(oldest, end)| (oldest.first, end))
            };
            let Some((first, end)) = oldest.filter(|(_, end)| *end <= acked) else {
                break;
            };
            // Each segment behind it that is deletable by now starts its own grace here, not when its turn comes. A full
            // journal keeps nothing for grace: requests are refused for want of the room.
            let over = *self.deletable_since.entry(first).or_insert(now) + grace;
            if now < over && core.state() != super::State::Full {
                break;
            }
            match core.storage.remove(&core.segment_path(first)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            core.storage.sync_dir(&core.config.dir)?;
            tracing::debug!(first, end, "segment deleted");
            self.deletable_since.remove(&first);
            let mut segments = core.segments.lock();
            segments.retain(|segment| segment.first != first);
            core.count_segments(&segments);
        }
        self.note_deletable(now, acked);
        Ok(())
    }

    fn note_deletable(&mut self, now: Duration, acked: u64) {
        let segments = self.core.segments.lock();
        for (segment, next) in segments.iter().zip(segments.iter().skip(1)) {
            if next.first <= acked {
                self.deletable_since.entry(segment.first).or_insert(now);
            }
        }
    }

    pub(super) fn run(mut self) {
        let core = Arc::clone(&self.core);
        loop {
            if let Err(error) = self.step(core.storage.monotonic()) {
                tracing::warn!(error = %error, "journal housekeeping failed; it is tried again");
            }
            let mut signal = core.keeper_signal.lock();
            if !signal.stop && !signal.work {
                core.keeper_bell.wait_for(&mut signal, ROUND);
            }
            if signal.stop {
                return;
            }
            signal.work = false;
        }
    }
}

/// Watches the time of those who wait, in a thread of its own because all others may be stuck in the disk.
pub(super) fn watch(core: &Core) {
    let interval = Duration::from_millis((core.config.commit_timeout_ms / 8).clamp(5, 250));
    loop {
        core.expire(core.storage.monotonic());
        let mut signal = core.keeper_signal.lock();
        if signal.stop {
            return;
        }
        core.keeper_bell.wait_for(&mut signal, interval);
        if signal.stop {
            return;
        }
    }
}
