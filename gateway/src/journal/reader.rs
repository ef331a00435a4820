//! Reading the log in order: while it is written, or off line from its directory alone.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::core::Core;
use super::frame::{Frame, Position};
use super::recovery::Gap;
use super::scan::Scanner;
use super::segment::{self, Segment};
use super::storage::Storage;

/// What a reader yields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// The next frame.
    Frame(Frame),
    /// Frames that had been durable and cannot be read.
    Gap(Gap),
}

/// A segment could not be read. The call may be repeated: the reader has not moved.
#[derive(Debug, thiserror::Error)]
#[error("the journal segment {path} cannot be read")]
pub struct ReadError {
    /// The segment's file.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

/// Yields durable frames in the order of their sequences, and gaps where frames are missing. Holds one window of one
/// segment in memory.
pub struct Reader {
    source: Source,
    next: u64,
    place: Option<Place>,
}

#[derive(Clone)]
enum Source {
    Live(Arc<Core>),
    /// The journal as it was when it was looked at.
    Offline {
        storage: Arc<dyn Storage>,
        dir: PathBuf,
        segments: Arc<[Segment]>,
        durable: u64,
    },
}

/// The segment that holds the next frame.
struct Place {
    first: u64,
    /// The next segment's first sequence; the live segment has no end yet.
    end: Option<u64>,
    /// `None` if the segment's header is damaged.
    scanner: Option<Scanner>,
}

impl Reader {
    pub(super) fn live(core: Arc<Core>, from: Position) -> Self {
        Self { source: Source::Live(core), next: from.sequence(), place: None }
    }

    pub(super) fn offline(
        storage: Arc<dyn Storage>,
        dir: &Path,
        segments: Vec<Segment>,
        durable: u64,
        from: Position,
    ) -> Self {
        let source = Source::Offline { storage, dir: dir.to_owned(), segments: segments.into(), durable };
        Self { source, next: from.sequence(), place: None }
    }

    /// Another reader of the same log, from a position of its own on. Off line, both see the log as it was when it was
    /// looked at: that is not done again.
    #[must_use]
    pub fn another(&self, from: Position) -> Self {
        Self { source: self.source.clone(), next: from.sequence(), place: None }
    }

    /// The position of the next item.
    pub fn position(&self) -> Position {
        Position::new(self.next)
    }

    /// The oldest frame that is kept.
    pub fn oldest(&self) -> Position {
        Position::new(self.source.oldest().unwrap_or(u64::MAX))
    }

    /// The next frame or gap; `None` when all that is durable was read. Reads from the disk: not for an async thread
    /// that others need.
    #[expect(clippy::should_implement_trait, reason = "`None` is not the end: more may come")]
    pub fn next(&mut self) -> Result<Option<Item>, ReadError> {
        let durable = self.source.durable();
        loop {
            if self.next > durable {
                return Ok(None);
            }
            let expected = self.next;
            let Some(place) = self.find_place()? else {
                // Before the oldest segment, or there is none.
                let oldest = self.source.oldest().unwrap_or(durable + 1);
                let missing = Gap::new(expected, oldest.min(durable + 1) - 1);
                let anywhere = expected == Position::OLDEST.sequence();
                self.next = oldest.min(durable + 1).max(1);
                if anywhere {
                    continue;
                }
                return Ok(Some(Item::Gap(missing)));
            };
            let limit = place.end.unwrap_or(u64::MAX).min(durable + 1);
            let first = place.first;
            match place.read(expected, limit) {
                Ok(Some(item)) => {
                    self.next = match &item {
                        Item::Frame(frame) => frame.position.next().sequence(),
                        Item::Gap(gap) => gap.last.next().sequence(),
                    };
                    return Ok(Some(item));
                }
                Ok(None) => {}
                Err(source) => {
                    self.place = None;
                    return Err(ReadError { path: self.source.path(first), source });
                }
            }
        }
    }

    /// Waits until there is a frame that was not read. False if the journal was closed and all was read. An off-line
    /// reader never waits.
    pub async fn wait_for_new(&self) -> bool {
        let Source::Live(core) = &self.source else {
            return self.next <= self.source.durable();
        };
        loop {
            let arrival = core.arrivals.notified();
            tokio::pin!(arrival);
            arrival.as_mut().enable();
            let closed = core.closed.load(Ordering::Acquire);
            if self.next <= core.progress.durable() {
                return true;
            }
            if closed {
                return false;
            }
            arrival.await;
        }
    }

    /// Opens the segment with the next frame, if it is not open. `None` if the next frame is older than all segments.
    fn find_place(&mut self) -> Result<Option<&mut Place>, ReadError> {
        if let Some(place) = &mut self.place {
            if place.end.is_none() {
                place.end = self.source.end_of(place.first);
            }
            if place.end.is_some_and(|end| self.next >= end) {
                self.place = None;
            }
        }
        while self.place.is_none() {
            let Some((segment, end)) = self.source.segment_with(self.next) else {
                return Ok(None);
            };
            let path = self.source.path(segment.first);
            let scanner = match self.source.storage().open_read(&path) {
                Ok(file) => segment.seed.map(|seed| Scanner::new(file, seed)),
                // Deleted since the list was read: the list knows by now, or will at the next look.
                Err(error)
                    if error.kind() == io::ErrorKind::NotFound && self.source.segment_with(self.next).is_none() =>
                {
                    continue;
                }
                Err(source) => return Err(ReadError { path, source }),
            };
            self.place = Some(Place { first: segment.first, end, scanner });
        }
        Ok(self.place.as_mut())
    }
}

impl Place {
    /// The frame with this sequence, or the gap that begins with it. All frames below `limit` were durable.
    fn read(&mut self, expected: u64, limit: u64) -> io::Result<Option<Item>> {
        let Some(scanner) = &mut self.scanner else {
            return Ok(Some(Item::Gap(Gap::new(expected, limit - 1))));
        };
        let mut found = scanner.take(expected)?;
        if found.is_none() {
            // What was read ahead may be older than the frame.
            scanner.refresh();
            found = scanner.take(expected)?;
        }
        if found.is_none() {
            // Somewhere further on: at the first look into a segment, and behind damage.
            let start = scanner.offset();
            found = scanner.search(expected, limit)?;
            match found {
                Some(next) if next.header.sequence == expected => {}
                Some(next) => {
                    scanner.seek(next.offset);
                    return Ok(Some(Item::Gap(Gap::new(expected, next.header.sequence - 1))));
                }
                None => {
                    scanner.seek(start);
                    return Ok(Some(Item::Gap(Gap::new(expected, limit - 1))));
                }
            }
        }
        let Some(found) = found else {
            return Ok(None);
        };
        let payload = scanner.payload(&found)?;
        let position = Position::new(found.header.sequence);
        Ok(Some(Item::Frame(Frame { position, kind: found.header.kind, payload })))
    }
}

impl Source {
    fn durable(&self) -> u64 {
        match self {
            Self::Live(core) => core.progress.durable(),
            Self::Offline { durable, .. } => *durable,
        }
    }

    fn storage(&self) -> &Arc<dyn Storage> {
        match self {
            Self::Live(core) => &core.storage,
            Self::Offline { storage, .. } => storage,
        }
    }

    fn path(&self, first: u64) -> PathBuf {
        match self {
            Self::Live(core) => core.segment_path(first),
            Self::Offline { dir, .. } => dir.join(segment::file_name(first)),
        }
    }

    fn with_segments<R>(&self, look: impl FnOnce(&[Segment]) -> R) -> R {
        match self {
            Self::Live(core) => look(&core.segments.lock()),
            Self::Offline { segments, .. } => look(segments),
        }
    }

    fn oldest(&self) -> Option<u64> {
        self.with_segments(|segments| segments.first().map(|segment| segment.first))
    }

    fn end_of(&self, first: u64) -> Option<u64> {
        self.with_segments(|segments| segments.iter().map(|segment| segment.first).find(|next| *next > first))
    }

    /// The last segment that begins at or before this sequence, and where it ends.
    fn segment_with(&self, sequence: u64) -> Option<(Segment, Option<u64>)> {
        self.with_segments(|segments| {
            let after = segments.partition_point(|segment| segment.first <= sequence);
            let segment = segments.get(after.checked_sub(1)?)?.clone();
            Some((segment, segments.get(after).map(|next| next.first)))
        })
    }
}
