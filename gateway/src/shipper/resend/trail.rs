//! Follows the notes from batch to batch: which are missing between them?
//!
//! Batches have consecutive numbers, so a number without a note was a batch that was not noted, or whose note is damaged or
//! gone; or it was given up, and its rows went under the next number. These can be told apart: the seal after a batch that
//! was given up chains to the one before it. A gap that holds both is named as a whole.
//!
//! Of a batch without rows (data keys alone) no number tells. Nothing of it can be absent either: data keys are always sent.

use contract::Micros;
use contract::seal::Stream;

use super::{NAMED_MAX, Range};
use crate::shipper::batch;
use crate::shipper::book::{Mark, Progress};
use crate::shipper::history::Past;

/// Batches that were shipped, and of which there is no note.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Unnoted {
    /// The table.
    pub table: &'static str,
    /// The first batch's number.
    pub first: u64,
    /// The last batch's number.
    pub last: u64,
    /// They were sealed at or after this time, as far as that is known.
    pub from: Option<Micros>,
    /// They were sealed before this time, as far as that is known.
    pub to: Option<Micros>,
}

/// What is missing so far.
pub(super) struct Trail {
    range: Range,
    begin: Option<Micros>,
    last: Option<Past>,
    unnoted: Vec<Unnoted>,
}

impl Trail {
    pub(super) fn new(range: Range) -> Self {
        Self { range, begin: None, last: None, unnoted: Vec::new() }
    }

    /// The next note.
    pub(super) fn note(&mut self, past: &Past) {
        self.begin = self.begin.or(Some(past.opened.at));
        self.reach(&past.mark, Some(past.opened.at));
        self.last = Some(*past);
    }

    /// When the oldest batch was sealed that is noted.
    pub(super) fn begin(&self) -> Option<Micros> {
        self.begin
    }

    /// What is missing, given how far the shipper has come.
    pub(super) fn end(mut self, book: Option<Mark>) -> Vec<Unnoted> {
        if let Some(mark) = book {
            self.reach(&mark, None);
        }
        self.unnoted
    }

    /// Here the shipper stood, before a batch that was sealed then.
    fn reach(&mut self, mark: &Mark, at: Option<Micros>) {
        let from = self.last.map(|past| past.opened.at);
        // A clock may have been set back in between.
        let (begin, end) = match (from, at) {
            (Some(from), Some(at)) => (from.min(at), from.max(at)),
            (from, at) => (from.unwrap_or(Micros::MIN), at.unwrap_or(Micros::MAX)),
        };
        if self.range.from >= end || self.range.to <= begin {
            return;
        }
        for (stream, table) in [(Stream::Access, "access_log"), (Stream::Auth, "auth_event")] {
            if let Some((first, last)) = missing(self.last.as_ref(), mark.of(stream), stream)
                && self.unnoted.len() < NAMED_MAX
            {
                self.unnoted.push(Unnoted { table, first, last, from, to: at });
            }
        }
    }
}

/// The numbers of one table between a note, or the very beginning, and where the shipper stood later.
fn missing(before: Option<&Past>, next: &Progress, stream: Stream) -> Option<(u64, u64)> {
    let (expected, given_up) = match before {
        None => (Progress::START, Progress::START.previous),
        // It may itself have been given up after it was noted.
        Some(past) => (*batch::settled(&past.mark, &past.opened, 0).of(stream), past.mark.of(stream).previous),
    };
    let sealed = next.previous != expected.previous && next.previous != given_up;
    (next.batch > expected.batch && sealed).then(|| (expected.batch, next.batch - 1))
}
