//! From the journal to rows: reads frames in order and keeps the rows of those that have not been shipped.

use contract::Micros;
use contract::row::{AccessRow, AuthRow, Carry, Fold, KeyRow, Packed, Row};

use super::metrics::Metrics;
use crate::journal::{Item, ReadError, Reader};

/// Rows in the order of the frames that gave them.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) keys: Packed<KeyRow>,
    pub(super) access: Packed<AccessRow>,
    pub(super) auth: Packed<AuthRow>,
    oldest: Option<Micros>,
}

impl Rows {
    pub(super) fn len(&self) -> usize {
        self.keys.len() + self.access.len() + self.auth.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// When the oldest row came to be: an access when it had ended, an event when it happened.
    pub(super) fn oldest(&self) -> Option<Micros> {
        self.oldest
    }

    fn push(&mut self, row: &Row) {
        let at = match row {
            Row::Key(row) => {
                self.keys.push(row);
                None
            }
            Row::Access(row) => {
                self.access.push(row);
                Some(row.ts.saturating_add(i64::try_from(row.duration_us).unwrap_or(i64::MAX)))
            }
            Row::Auth(row) => {
                self.auth.push(row);
                Some(row.ts)
            }
        };
        self.oldest = self.oldest.into_iter().chain(at).min();
    }

    fn clear(&mut self) {
        self.keys.clear(ROOM_BYTES);
        self.access.clear(ROOM_BYTES);
        self.auth.clear(ROOM_BYTES);
        self.oldest = None;
    }
}

/// Reads and folds. It begins at the oldest frame that may still matter, so that the open exchanges are known, and
/// throws away the rows of frames that were shipped before.
pub(super) struct Collector {
    reader: Reader,
    fold: Fold,
    /// Rows of frames below were shipped.
    skip_below: u64,
    /// What is lost before the next frame, first and last.
    gaps: Vec<(u64, u64)>,
    rows: Rows,
    /// Room for the next rows: that of a batch before.
    spare: Rows,
    scratch: Vec<Row>,
}

impl Collector {
    /// Begins where the reader stands, knowing what `fold` knows; the rows of frames from `skip_below` on are wanted.
    pub(super) fn new(reader: Reader, fold: Fold, skip_below: u64) -> Self {
        Self {
            reader,
            fold,
            skip_below,
            gaps: Vec::new(),
            rows: Rows::default(),
            spare: Rows::default(),
            scratch: Vec::new(),
        }
    }

    /// Reads until there are so many rows, or no more durable frames. An error loses nothing: call again.
    pub(super) fn collect(&mut self, rows_max: usize, metrics: &Metrics) -> Result<(), ReadError> {
        while self.rows.len() < rows_max && self.next(metrics)? {}
        Ok(())
    }

    /// Reads a few rows' worth of frames, ahead of their being needed. False: there is nothing more to read, or enough is
    /// held, or an error, which will be back when it matters.
    pub(super) fn collect_some(&mut self, rows_max: usize, metrics: &Metrics) -> bool {
        let enough = rows_max.min(self.rows.len() + AHEAD_ROWS);
        self.collect(enough, metrics).is_ok() && (enough..rows_max).contains(&self.rows.len())
    }

    /// Reads up to this frame, exclusive. False: the journal does not give it out yet.
    pub(super) fn collect_to(&mut self, end: u64, metrics: &Metrics) -> Result<bool, ReadError> {
        while self.position() < end {
            if !self.next(metrics)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Reads a frame, and what is lost before it. A gap gives its row together with the frame behind it, whose time it
    /// has; until then it counts as not read.
    fn next(&mut self, metrics: &Metrics) -> Result<bool, ReadError> {
        loop {
            let frame = match self.reader.next()? {
                None => return Ok(false),
                Some(Item::Gap(gap)) => {
                    let (first, last) = (gap.first.sequence(), gap.last.sequence());
                    tracing::error!(
                        first,
                        last,
                        "frames of the journal are lost and give no rows; run `gateway journal fsck`"
                    );
                    self.gaps.push((first, last));
                    continue;
                }
                Some(Item::Frame(frame)) => frame,
            };
            let sequence = frame.position.sequence();
            match self.fold.apply(sequence, frame.kind as u8, &frame.payload, &mut self.scratch) {
                Ok(at) => {
                    for (first, last) in self.gaps.drain(..) {
                        metrics.gap_frames.inc_by(last - first + 1);
                        if last >= self.skip_below {
                            self.fold.gap(first, last, at, &mut self.scratch);
                        }
                    }
                }
                Err(error) => {
                    metrics.undecodable_frames.inc();
                    let kind = frame.kind.name();
                    tracing::error!(sequence, kind, %error, "a frame of the journal gives no rows: this version cannot decode it");
                }
            }
            let wanted = sequence >= self.skip_below;
            for row in self.scratch.drain(..).filter(|_| wanted) {
                self.rows.push(&row);
            }
            return Ok(true);
        }
    }

    /// From here on, the rows of frames below this one are not wanted. None may be held.
    pub(super) fn skip_below(&mut self, frame: u64) {
        self.skip_below = frame;
    }

    /// The next frame to be read.
    pub(super) fn position(&self) -> u64 {
        self.gaps.first().map_or_else(|| self.reader.position().sequence(), |(first, _)| *first)
    }

    /// The rows collected so far.
    pub(super) fn rows(&self) -> &Rows {
        &self.rows
    }

    /// Hands out the rows collected so far.
    pub(super) fn take(&mut self) -> Rows {
        std::mem::replace(&mut self.rows, std::mem::take(&mut self.spare))
    }

    /// Takes rows back that are not needed any more, for the room they take.
    pub(super) fn recycle(&mut self, mut rows: Rows) {
        rows.clear();
        self.spare = rows;
    }

    /// Takes rows back that were handed out last.
    pub(super) fn put_back(&mut self, rows: Rows) {
        self.rows = rows;
    }

    /// Where reading would have to begin for rows from `end` on, given that everything below has been read.
    pub(super) fn resume_from(&self, end: u64) -> u64 {
        self.fold.resume_from(end)
    }

    /// What must be known of exchanges that began below this frame, and are open where reading has come to, so that those
    /// frames are not needed any more.
    pub(super) fn carry(&self, below: u64) -> Carry {
        self.fold.carry(self.position(), below)
    }

    /// It is known elsewhere from now on.
    pub(super) fn carried(&mut self, below: u64) {
        self.fold.carried(below);
    }

    #[cfg(test)]
    pub(super) fn carried_below(&self) -> u64 {
        self.fold.carried_below()
    }

    /// When the oldest open exchange began.
    pub(super) fn oldest_open(&self) -> Option<Micros> {
        self.fold.oldest_open()
    }

    /// How many exchanges are open.
    pub(super) fn open(&self) -> usize {
        self.fold.open()
    }

    /// Waits until there is something to ship; false if nothing will come.
    pub(super) async fn wait_for_new(&self) -> bool {
        !self.rows.is_empty() || self.reader.wait_for_new().await
    }
}

/// Rows read in one go while something is being sent: about a millisecond's work.
const AHEAD_ROWS: usize = 512;
/// What is kept of a batch's room, for each table. New memory costs more than the rows that are written to it.
const ROOM_BYTES: usize = 8 << 20;
