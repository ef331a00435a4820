//! The directory feed: the store's changes as lines, in memory, for any number of gateways.
//!
//! - One task follows the store and appends each change to a bounded ring; readers keep a cursor into it. A reader
//!   that falls behind the ring is cut, and comes again for a snapshot.
//! - A reader names the state it has. Is that one of ours and still in the ring, it gets what follows; else the
//!   snapshot, which all readers share until the ring no longer reaches back to it.
//! - A heartbeat each second tells that the feed lives and how far it is. While the store does not answer there is
//!   none, and no reader: what another auditor has changed would not be known here, and gateways must not take
//!   silence for news.

use crate::clock;
use crate::store::{Store, StoreError, Watch};
use bytes::{Bytes, BytesMut};
use contract::directory::{Epoch, Message};
use futures_util::Stream;
use futures_util::stream::unfold;
use parking_lot::RwLock;
use prometheus::{IntCounter, IntGauge, Registry};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// Changes kept in memory.
pub const RING_LINES_MAX: u32 = 20_000;
const CHUNK_BYTES: usize = 64 << 10;
const HEARTBEAT: Duration = Duration::from_secs(1);
/// The store has been looked at within this time, or the feed says nothing.
const FRESH: Duration = Duration::from_secs(2);
/// After an error of the store, before the next look.
const RETRY: Duration = Duration::from_millis(250);
/// A snapshot with changes after it is made anew, but not more often than this: many gateways may come at once.
const SNAPSHOT_LIFE: Duration = Duration::from_secs(1);
/// With more changes after it than this, it is made anew in any case: reading them would take longer.
const SNAPSHOT_LAG_MAX: usize = 2_000;

/// What the feed counts.
#[derive(Debug, Clone)]
pub struct FeedMetrics {
    readers: IntGauge,
    epoch: IntGauge,
    snapshots: IntCounter,
    cut: IntCounter,
}

impl FeedMetrics {
    /// Registers the metrics.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            readers: IntGauge::new("auditor_directory_readers", "Gateways that follow the directory now")?,
            epoch: IntGauge::new("auditor_directory_epoch", "The directory's present state")?,
            snapshots: IntCounter::new("auditor_directory_snapshots_total", "Snapshots sent to gateways")?,
            cut: IntCounter::new("auditor_directory_readers_cut_total", "Readers cut because they fell behind")?,
        };
        registry.register(Box::new(metrics.readers.clone()))?;
        registry.register(Box::new(metrics.epoch.clone()))?;
        registry.register(Box::new(metrics.snapshots.clone()))?;
        registry.register(Box::new(metrics.cut.clone()))?;
        Ok(metrics)
    }
}

/// The feed.
#[derive(Debug)]
pub struct Feed {
    store: Store,
    ring: RwLock<Ring>,
    head: watch::Sender<Epoch>,
    /// When the store was last known to have nothing newer.
    seen: RwLock<Instant>,
    /// One at a time catches up, so that no change is told twice.
    catching_up: Mutex<()>,
    snapshot: Mutex<Option<Arc<Lines>>>,
    metrics: FeedMetrics,
}

/// Changes in epoch order; `floor` is the state before the first.
#[derive(Debug, Default)]
struct Ring {
    floor: Epoch,
    lines: VecDeque<(Epoch, Bytes)>,
}

/// A snapshot, written out.
#[derive(Debug)]
struct Lines {
    epoch: Epoch,
    made: Instant,
    chunks: Vec<Bytes>,
}

enum Next {
    Some(Bytes, Epoch),
    Nothing,
    Lost,
}

impl Ring {
    fn push(&mut self, epoch: Epoch, line: Bytes) {
        self.lines.push_back((epoch, line));
        while self.lines.len() > RING_LINES_MAX as usize {
            if let Some((gone, _)) = self.lines.pop_front() {
                self.floor = gone;
            }
        }
    }

    fn head(&self) -> Epoch {
        self.lines.back().map_or(self.floor, |(epoch, _)| *epoch)
    }

    /// Whether a reader that has `after` can go on from here.
    fn reaches(&self, after: Epoch) -> bool {
        after == self.floor || self.lines.binary_search_by_key(&after, |(epoch, _)| *epoch).is_ok()
    }

    fn after(&self, cursor: Epoch) -> Next {
        if cursor < self.floor {
            return Next::Lost;
        }
        let start = self.lines.partition_point(|(epoch, _)| *epoch <= cursor);
        let mut chunk = BytesMut::new();
        let mut last = cursor;
        for (epoch, line) in self.lines.range(start..) {
            if !chunk.is_empty() && chunk.len() + line.len() > CHUNK_BYTES {
                break;
            }
            chunk.extend_from_slice(line);
            last = *epoch;
        }
        if chunk.is_empty() { Next::Nothing } else { Next::Some(chunk.freeze(), last) }
    }

    fn lag(&self, epoch: Epoch) -> usize {
        self.lines.len() - self.lines.partition_point(|(at, _)| *at <= epoch)
    }
}

impl Feed {
    /// Starts from the store's last changes. Returns the watch to [`Self::run`] with.
    pub async fn start(store: Store, metrics: FeedMetrics) -> Result<(Arc<Self>, Watch), StoreError> {
        let watch = store.watch().await?;
        let floor = store.epoch_before_last(RING_LINES_MAX).await?;
        let (head, _) = watch::channel(floor);
        let ring = RwLock::new(Ring { floor, lines: VecDeque::new() });
        let seen = RwLock::new(Instant::now());
        let feed = Self { store, ring, head, seen, catching_up: Mutex::new(()), snapshot: Mutex::new(None), metrics };
        feed.catch_up().await?;
        Ok((Arc::new(feed), watch))
    }

    /// Follows the store until `stop`. A store that fails is tried again.
    pub async fn run(&self, mut watch: Watch, stop: CancellationToken) {
        let mut well = true;
        loop {
            let followed = tokio::select! {
                () = stop.cancelled() => return,
                followed = self.follow(&mut watch) => followed,
            };
            let Err(error) = followed else {
                well = true;
                continue;
            };
            if std::mem::take(&mut well) {
                let error = &error as &dyn std::error::Error;
                tracing::error!(
                    error,
                    "the account database cannot be followed; it is tried again, and gateways hear nothing"
                );
            }
            watch.again();
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(RETRY) => {}
            }
        }
    }

    async fn follow(&self, watch: &mut Watch) -> Result<(), StoreError> {
        let looked = Instant::now();
        if watch.next().await? {
            self.catch_up().await?;
        }
        *self.seen.write() = looked;
        Ok(())
    }

    /// Tells what the store has now without waiting for its turn, and says which state that is.
    pub async fn reach(&self) -> Result<Epoch, StoreError> {
        self.catch_up().await?;
        Ok(self.ring.read().head())
    }

    fn is_fresh(&self) -> bool {
        self.seen.read().elapsed() < FRESH
    }

    async fn catch_up(&self) -> Result<(), StoreError> {
        const AT_ONCE: u32 = 1_000;
        let _turn = self.catching_up.lock().await;
        loop {
            let head = self.ring.read().head();
            let changes = self.store.changes_after(head, AT_ONCE).await?;
            let last = changes.len() < AT_ONCE as usize;
            if let Some((epoch, _)) = changes.last() {
                let epoch = *epoch;
                let lines: Vec<_> =
                    changes.iter().filter_map(|(epoch, message)| Some((*epoch, line(message)?))).collect();
                let mut ring = self.ring.write();
                for (epoch, line) in lines {
                    ring.push(epoch, line);
                }
                drop(ring);
                self.metrics.epoch.set(i64::try_from(epoch.0).unwrap_or(i64::MAX));
                self.head.send_replace(epoch);
            }
            if last {
                return Ok(());
            }
        }
    }

    /// The feed for a reader that has `after`.
    pub async fn read(
        self: &Arc<Self>,
        after: Epoch,
        stop: CancellationToken,
    ) -> Result<impl Stream<Item = Result<Bytes, Infallible>> + Send + use<>, StoreError> {
        if !self.is_fresh() {
            return Err(StoreError::Away);
        }
        if after > self.ring.read().head() {
            // It has heard from another auditor what this one is about to see.
            self.catch_up().await?;
        }
        let known = after.0 != 0 && self.ring.read().reaches(after);
        let (cursor, pending) = if known {
            (after, None)
        } else {
            let lines = self.snapshot().await?;
            self.metrics.snapshots.inc();
            (lines.epoch, Some((lines, 0)))
        };
        let mut beat = interval(HEARTBEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.metrics.readers.inc();
        let reader = Reader { feed: Arc::clone(self), cursor, pending, head: self.head.subscribe(), beat, stop };
        Ok(unfold(reader, |mut reader| async move { reader.next().await.map(|bytes| (Ok(bytes), reader)) }))
    }

    async fn snapshot(&self) -> Result<Arc<Lines>, StoreError> {
        let mut cached = self.snapshot.lock().await;
        if let Some(lines) = cached.as_ref() {
            let ring = self.ring.read();
            let lag = ring.lag(lines.epoch);
            let fresh = lag == 0 || (lag <= SNAPSHOT_LAG_MAX && lines.made.elapsed() < SNAPSHOT_LIFE);
            if lines.epoch >= ring.floor && fresh {
                return Ok(Arc::clone(lines));
            }
        }
        let now = clock::now();
        let snapshot = self.store.snapshot(now).await?;
        let epoch = snapshot.epoch;
        let entries = snapshot.entries.into_iter().map(|entry| Message::Change { epoch, at: now, entry });
        let messages = std::iter::once(Message::SnapshotBegin).chain(entries).chain([Message::SnapshotEnd { epoch }]);
        let mut chunks = Vec::new();
        let mut chunk = BytesMut::new();
        for line in messages.filter_map(|message| line(&message)) {
            chunk.extend_from_slice(&line);
            if chunk.len() >= CHUNK_BYTES {
                chunks.push(chunk.split().freeze());
            }
        }
        chunks.push(chunk.freeze());
        let lines = Arc::new(Lines { epoch, made: Instant::now(), chunks });
        *cached = Some(Arc::clone(&lines));
        Ok(lines)
    }
}

struct Reader {
    feed: Arc<Feed>,
    cursor: Epoch,
    pending: Option<(Arc<Lines>, usize)>,
    head: watch::Receiver<Epoch>,
    beat: Interval,
    stop: CancellationToken,
}

impl Reader {
    async fn next(&mut self) -> Option<Bytes> {
        if let Some((lines, index)) = &mut self.pending {
            if let Some(chunk) = lines.chunks.get(*index) {
                *index += 1;
                return Some(chunk.clone());
            }
            self.pending = None;
        }
        loop {
            let next = self.feed.ring.read().after(self.cursor);
            match next {
                Next::Some(bytes, epoch) => {
                    self.cursor = epoch;
                    return Some(bytes);
                }
                Next::Lost => {
                    self.feed.metrics.cut.inc();
                    return None;
                }
                Next::Nothing => {}
            }
            tokio::select! {
                () = self.stop.cancelled() => return None,
                changed = self.head.changed() => if changed.is_err() { return None },
                _ = self.beat.tick() => {
                    let beat = Message::Heartbeat { epoch: self.cursor, at: clock::now() };
                    return if self.feed.is_fresh() { line(&beat) } else { None };
                }
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.feed.metrics.readers.dec();
    }
}

/// One message as a line. A line that is too long for gateways is left out, loudly: it would cut them all.
fn line(message: &Message) -> Option<Bytes> {
    let mut line = serde_json::to_vec(message).ok()?;
    line.push(b'\n');
    if line.len() > contract::directory::LINE_BYTES_MAX {
        tracing::error!(bytes = line.len(), "a directory entry is too long to send");
        return None;
    }
    Some(line.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring() -> Ring {
        let mut ring = Ring { floor: Epoch(10), lines: VecDeque::new() };
        for epoch in [12, 15, 19] {
            ring.push(Epoch(epoch), Bytes::from(format!("{epoch}\n")));
        }
        ring
    }

    #[test]
    fn a_reader_goes_on_only_from_a_state_that_was() {
        let ring = ring();
        for (epoch, known) in
            [(9, false), (10, true), (11, false), (12, true), (15, true), (16, false), (19, true), (20, false)]
        {
            assert_eq!(ring.reaches(Epoch(epoch)), known, "{epoch}");
        }
    }

    #[test]
    fn what_follows_a_cursor() {
        let ring = ring();
        let text = |cursor| match ring.after(Epoch(cursor)) {
            Next::Some(bytes, epoch) => format!("{}@{}", String::from_utf8_lossy(&bytes).replace('\n', " "), epoch.0),
            Next::Nothing => "nothing".to_owned(),
            Next::Lost => "lost".to_owned(),
        };
        assert_eq!(text(10), "12 15 19 @19");
        assert_eq!(text(15), "19 @19");
        assert_eq!(text(19), "nothing");
        assert_eq!(text(9), "lost");
        assert_eq!((ring.lag(Epoch(12)), ring.lag(Epoch(19)), ring.head()), (2, 0, Epoch(19)));
    }

    #[test]
    fn the_ring_is_bounded_and_its_floor_follows() {
        let mut ring = Ring::default();
        for epoch in 1..=u64::from(RING_LINES_MAX) + 3 {
            ring.push(Epoch(epoch), Bytes::from_static(b"x\n"));
        }
        assert_eq!((ring.lines.len(), ring.floor), (RING_LINES_MAX as usize, Epoch(3)));
    }
}
