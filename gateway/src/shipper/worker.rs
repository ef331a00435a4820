//! The shipper's steps. Each call of [`Worker::step`] does the next thing that is to be done, and may be repeated after
//! an error. It never sleeps, reads no clock and knows no ClickHouse: tests drive it through every failure.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use contract::id::NodeName;
use contract::row::{Carry, Packed, SealKeyRow};
use contract::seal::{Edge, Stream};
use contract::{Micros, Text};

use super::batch::{self, Batch, Part};
use super::book::{Book, Mark, Opened};
use super::carried::Carried;
use super::collect::Collector;
use super::history::{History, Signer};
use super::metrics::{FailureKind, Metrics};
use super::sink::{Load, Sink, SinkError};
use crate::journal::ledger::LedgerError;
use crate::journal::{AckError, Journal, Position, ReadError};
use crate::keys::{KeysError, SealKeys};
use crate::witness::{Spool, SpoolError};

/// What a worker is made of.
pub(super) struct Parts<S> {
    pub(super) journal: Journal,
    pub(super) book: Book,
    pub(super) carried: Carried,
    pub(super) sink: S,
    pub(super) seal_keys: SealKeys,
    pub(super) witness: Option<Spool>,
    pub(super) history: History,
    pub(super) metrics: Metrics,
    pub(super) node: NodeName,
    pub(super) tenant: Text,
    pub(super) rows_max: usize,
}

/// What a step has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A batch was shipped, and there may be another whole one.
    Full,
    /// A batch was shipped, and most likely little is left: let rows gather.
    Partial,
    /// There was nothing to ship.
    Idle,
}

/// Why a step could not be done. It stays to be done.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("rows could not be put into ClickHouse")]
    Sink(#[from] SinkError),
    #[error("the journal could not be read")]
    Read(#[from] ReadError),
    #[error("the journal could not be acknowledged")]
    Ack(#[from] AckError),
    #[error("the shipper's book could not be written")]
    Book(#[from] LedgerError),
    #[error("what is known of open exchanges could not be written")]
    Carry(#[source] LedgerError),
    #[error("the seal key could not be handed over")]
    Keys(#[from] KeysError),
    #[error("copies of seals could not be kept for the witness")]
    Witness(#[from] SpoolError),
    #[error("frames below {end} belong to a batch that was sent, and the journal gives out only those below {durable}")]
    NotYetDurable { end: u64, durable: Position },
}

impl Failure {
    /// Nothing is to be shipped that it holds up.
    pub(super) fn holds_up_nothing(&self) -> bool {
        matches!(self, Self::Carry(_))
    }

    fn kind(&self) -> FailureKind {
        match self {
            Self::Sink(SinkError::Exception { .. }) => FailureKind::Refused,
            Self::Sink(SinkError::Schema(_)) => FailureKind::Schema,
            Self::Sink(SinkError::Unreachable(_) | SinkError::Timeout(_)) => FailureKind::Unreachable,
            Self::Read(_) | Self::Ack(_) | Self::NotYetDurable { .. } => FailureKind::Journal,
            Self::Book(_) | Self::Carry(_) => FailureKind::Book,
            Self::Keys(_) => FailureKind::Keys,
            Self::Witness(_) => FailureKind::Witness,
        }
    }
}

/// The shipper without its thread.
pub(super) struct Worker<S> {
    parts: Parts<S>,
    collector: Collector,
    /// A batch that is being sent.
    flight: Option<Flight>,
    /// Exchanges that began below could not be carried over; 0: they could.
    not_carried_below: u64,
    /// This run has sent the hand-overs so far: there are few, and the table keeps one of each.
    hand_overs_sent: bool,
}

/// A batch on its way.
struct Flight {
    batch: Batch,
    /// The book has it. Nothing is sent before.
    opened: bool,
    /// What has not arrived, as far as is known.
    left: VecDeque<Leg>,
    resume: u64,
    /// What is to be carried over when it has arrived.
    carry: Option<Carry>,
    /// It was open when this run began.
    sent_before: bool,
    begun: Option<Duration>,
}

struct Leg {
    part: Part,
    /// It was sent, or may have been: ask before it is sent again.
    ask_first: bool,
}

impl<S: Sink> Worker<S> {
    pub(super) fn new(mut parts: Parts<S>) -> Self {
        let mark = parts.book.mark();
        let (from, fold) = parts.carried.begin(mark, &parts.tenant);
        let collector = Collector::new(parts.journal.reader(Position::new(from)), fold, mark.end);
        Self { parts, collector, flight: None, not_carried_below: 0, hand_overs_sent: false }
    }

    /// Does the next thing. `now` is the time that a new batch is sealed with.
    pub(super) async fn step(&mut self, now: Micros) -> Result<Step, Failure> {
        self.acknowledge()?;
        self.hand_over(now).await?;
        let mut step = Step::Full;
        if self.flight.is_none() {
            if let Some(opened) = self.parts.book.opened().copied() {
                self.form_again(opened, now).await?;
            } else if !self.form(now)? {
                self.measure(now);
                return Ok(Step::Idle);
            }
        }
        if self
            .flight
            .as_ref()
            .is_some_and(|flight| !flight.sent_before && flight.batch.rows.len() < self.parts.rows_max)
        {
            step = Step::Partial;
        }
        self.deliver().await?;
        self.measure(now);
        Ok(step)
    }

    /// Lets the seal key that waits take over, unless a batch is on its way that the old one has sealed; and tells
    /// ClickHouse which key follows which, before the first seal of this run.
    async fn hand_over(&mut self, now: Micros) -> Result<(), Failure> {
        if self.parts.seal_keys.waits() && self.flight.is_none() && self.parts.book.opened().is_none() {
            let mark = self.parts.book.mark();
            let edge = |stream| Edge { batch: mark.of(stream).batch, previous: mark.of(stream).previous };
            if self.parts.seal_keys.hand_over(edge(Stream::Access), edge(Stream::Auth), now)? {
                tracing::info!(
                    access_batch = mark.access.batch,
                    auth_batch = mark.auth.batch,
                    "the next seal key signs"
                );
                self.hand_overs_sent = false;
            }
        }
        if !self.hand_overs_sent && !self.parts.seal_keys.history().is_empty() {
            let mut rows = Packed::default();
            self.parts.seal_keys.history().iter().for_each(|signed| rows.push(&SealKeyRow::from(signed)));
            self.parts.sink.insert(Load::HandOvers(&rows)).await?;
        }
        self.hand_overs_sent = true;
        Ok(())
    }

    /// Brings the journal's ack mark to where the book allows it. The book was written before.
    fn acknowledge(&mut self) -> Result<(), Failure> {
        let resume = Position::new(self.parts.book.mark().resume);
        if self.parts.journal.acked() < resume {
            self.parts.journal.ack(resume)?;
        }
        self.parts.book.acknowledged();
        Ok(())
    }

    /// Forms the next batch. False if there is nothing to ship.
    fn form(&mut self, now: Micros) -> Result<bool, Failure> {
        match self.collector.collect(self.parts.rows_max, &self.parts.metrics) {
            // What can be read is shipped first; the error will be back.
            Err(error) if self.collector.rows().is_empty() => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        let mark = *self.parts.book.mark();
        let end = self.collector.position();
        let resume = self.collector.resume_from(end);
        let carry = self.to_carry(end, self.collector.rows().is_empty());
        if self.collector.rows().is_empty() {
            // What is shipped already has yet to be read again.
            if end < mark.end {
                return Ok(false);
            }
            if resume > mark.resume || carry.is_some() {
                // Nothing to send, but frames that are not needed any more.
                self.parts.book.settle(Mark { resume, end, ..mark })?;
                self.carry(carry)?;
                self.acknowledge()?;
            }
            return Ok(false);
        }
        let rows = self.collector.take();
        let batch = Batch::new(&self.parts.node, &mark, rows, end, now, Signer::Key(self.parts.seal_keys.current()));
        self.flight = Some(Flight { carry, ..Flight::new(batch, resume, false) });
        Ok(true)
    }

    /// What must be carried over so that the journal can go on, all frames below `end` having been read: exchanges that began
    /// more than a segment ago. Younger ones most likely end before their frames are in anybody's way. What failed is not
    /// tried again with each batch, but only if there is none (`again`).
    fn to_carry(&self, end: u64, again: bool) -> Option<Carry> {
        let below = self.parts.journal.segment_before(Position::new(end)).sequence();
        let due = self.collector.resume_from(end) < below && (again || below > self.not_carried_below);
        due.then(|| self.collector.carry(below))
    }

    /// Carries exchanges over, everything before having been shipped and settled.
    fn carry(&mut self, carry: Option<Carry>) -> Result<(), Failure> {
        let Some(carry) = carry else { return Ok(()) };
        let (at, below) = (carry.at, carry.below);
        self.not_carried_below = below;
        self.parts.carried.store(carry, self.parts.journal.oldest().sequence()).map_err(Failure::Carry)?;
        self.parts.book.carry(at, below)?;
        self.collector.carried(below);
        self.not_carried_below = 0;
        self.parts.metrics.carried.inc();
        Ok(())
    }

    /// Forms the batch that was open when the last run ended, out of the same frames.
    async fn form_again(&mut self, opened: Opened, now: Micros) -> Result<(), Failure> {
        if !self.collector.collect_to(opened.end, &self.parts.metrics)? {
            let durable = self.parts.journal.durable_end();
            return Err(Failure::NotYetDurable { end: opened.end, durable });
        }
        let mark = *self.parts.book.mark();
        let resume = self.collector.resume_from(opened.end);
        let rows = self.collector.rows();
        // The rows stay with the collector until it is certain what becomes of them.
        let same_counts = rows.access.len() as u64 == opened.access.rows && rows.auth.len() as u64 == opened.auth.rows;
        if same_counts {
            let rows = self.collector.take();
            let batch = Batch::new(
                &self.parts.node,
                &mark,
                rows,
                opened.end,
                opened.at,
                Signer::Key(self.parts.seal_keys.current()),
            );
            if batch.opened == opened {
                self.flight = Some(Flight::new(batch, resume, true));
                return Ok(());
            }
            self.collector.put_back(batch.rows);
        }
        if self.all_there(&opened).await? {
            if let Some(spool) = &self.parts.witness {
                spool.append(&batch::copies_of(&self.parts.node, &mark, &opened))?;
            }
            self.collector.take();
            self.parts.book.settle(batch::settled(&mark, &opened, resume))?;
            return Ok(());
        }
        tracing::error!(
            access_batch = mark.access.batch,
            auth_batch = mark.auth.batch,
            "the batch cannot be formed again as it was sent: the journal is damaged, or the program or its settings have \
             changed; its rows go under the next number, and the old batch has no seal"
        );
        let rows = self.collector.take();
        let mark = batch::given_up(&mark, &opened);
        let batch =
            Batch::new(&self.parts.node, &mark, rows, opened.end, now, Signer::Key(self.parts.seal_keys.current()));
        // Numbered anew: from here on this is the open batch.
        if let Err(error) = self.parts.book.open_batch(mark, batch.opened) {
            self.collector.put_back(batch.rows);
            return Err(error.into());
        }
        self.parts.metrics.renumbered.inc();
        self.flight = Some(Flight::new(batch, resume, true));
        Ok(())
    }

    /// Whether the rows and seals of a batch that cannot be formed again are all in ClickHouse.
    async fn all_there(&mut self, opened: &Opened) -> Result<bool, Failure> {
        let mark = *self.parts.book.mark();
        for stream in [Stream::Access, Stream::Auth] {
            for part in [Part::Rows(stream), Part::Seal(stream)] {
                if opened.of(stream).rows > 0
                    && let Some(question) = batch::question(&mark, opened, part)
                    && self.parts.sink.stored(question).await? != question.complete()
                {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Sends what is left of the batch and settles it.
    async fn deliver(&mut self) -> Result<(), Failure> {
        let Some(flight) = &mut self.flight else { return Ok(()) };
        if !flight.opened {
            let mark = *self.parts.book.mark();
            self.parts.book.open_batch(mark, flight.batch.opened)?;
            flight.opened = true;
        }
        let begun = *flight.begun.get_or_insert_with(|| self.parts.book.clock());
        while let Some(leg) = flight.left.front_mut() {
            let arrived = match flight.batch.question(leg.part).filter(|_| leg.ask_first) {
                Some(question) => self.parts.sink.stored(question).await? == question.complete(),
                None => false,
            };
            if arrived {
                self.parts.metrics.found.inc();
            } else if let Some(load) = flight.batch.load(leg.part) {
                leg.ask_first = true;
                let insert = self.parts.sink.insert(load);
                meanwhile(insert, || self.collector.collect_some(self.parts.rows_max, &self.parts.metrics)).await?;
            }
            flight.left.pop_front();
        }
        if let Some(spool) = &self.parts.witness {
            spool.append(&flight.batch.copies())?;
        }
        // Nothing waits for it: shipping is what gives a full disk its room back.
        self.parts.history.note(&flight.batch.past(), self.parts.journal.oldest().sequence());
        self.parts.book.settle(flight.batch.settled(flight.resume))?;
        for stream in [Stream::Access, Stream::Auth] {
            self.parts.metrics.count_rows(stream, flight.batch.opened.of(stream).rows);
        }
        self.parts.metrics.batches.inc();
        self.parts.metrics.ship_seconds.observe(self.parts.book.clock().saturating_sub(begun).as_secs_f64());
        if let Some(flight) = self.flight.take() {
            self.collector.recycle(flight.batch.rows);
            // It holds up nothing but that segments go.
            if let Err(failure) = self.carry(flight.carry) {
                self.report(&failure);
            }
        }
        self.acknowledge()
    }

    /// Waits until there is something to ship; false if nothing will come.
    pub(super) async fn wait_for_new(&self) -> bool {
        self.collector.wait_for_new().await
    }

    /// A number that nobody can guess.
    pub(super) fn random(&self) -> u64 {
        self.parts.book.random()
    }

    /// All rows of frames below have arrived.
    #[cfg(test)]
    pub(super) fn settled_end(&self) -> u64 {
        self.parts.book.mark().end
    }

    /// Of exchanges that began below this frame it is known elsewhere what they are.
    #[cfg(test)]
    pub(super) fn carried_below(&self) -> u64 {
        self.collector.carried_below()
    }

    /// Whether the journal keeps more frames than it must: more than those of the last two segments that were shipped, though
    /// the disk has taken what there was to carry over.
    #[cfg(test)]
    pub(super) fn keeps_back(&self) -> bool {
        let (journal, last) = (&self.parts.journal, self.settled_end().saturating_sub(1));
        journal.acked() < journal.segment_before(Position::new(last)) && self.not_carried_below == 0
    }

    /// Sets the gauges.
    pub(super) fn measure(&self, now: Micros) {
        let metrics = &self.parts.metrics;
        let backlog = self.parts.journal.durable_end().sequence().saturating_sub(self.shipped_below());
        metrics.backlog_frames.set(i64::try_from(backlog).unwrap_or(i64::MAX));
        metrics.open_exchanges.set(i64::try_from(self.collector.open()).unwrap_or(i64::MAX));
        let age_of = |at: Option<Micros>| at.map_or(0, |at| now.saturating_sub(at).max(0));
        #[expect(clippy::cast_precision_loss, reason = "ages, in gauges")]
        let seconds = |at| age_of(at) as f64 / 1e6;
        metrics.oldest_exchange_seconds.set(seconds(self.collector.oldest_open()));
        let oldest =
            self.flight.as_ref().map_or_else(|| self.collector.rows().oldest(), |flight| flight.batch.rows.oldest());
        metrics.oldest_unshipped_seconds.set(seconds(oldest));
    }

    /// Below this frame everything is shipped: rows that are there, and frames read that gave none.
    fn shipped_below(&self) -> u64 {
        let mark = self.parts.book.mark();
        let nothing_held =
            self.flight.is_none() && self.parts.book.opened().is_none() && self.collector.rows().is_empty();
        if nothing_held { self.collector.position().max(mark.end) } else { mark.end }
    }

    /// Counts and logs a failure.
    pub(super) fn report(&self, failure: &Failure) {
        self.parts.metrics.count_failure(failure.kind());
        let reason = std::error::Error::source(failure).map(ToString::to_string).unwrap_or_default();
        let batch = self.parts.book.mark().access.batch;
        if failure.kind() == FailureKind::Unreachable {
            tracing::warn!(batch, reason, "{failure}; nothing is lost, it is tried again");
        } else {
            tracing::error!(batch, reason, "{failure}; nothing is lost, it is tried again, but it needs a person");
        }
    }
}

/// Waits for `work`, and whenever it has to wait for the network does a little of something else, until that says that
/// there is no more of it. One thread does both in turns.
async fn meanwhile<T>(work: impl Future<Output = T>, mut other: impl FnMut() -> bool) -> T {
    let mut work = pin!(work);
    let mut more = true;
    poll_fn(|context| {
        let done = work.as_mut().poll(context);
        if done.is_pending() && more {
            more = other();
            if more {
                context.waker().wake_by_ref();
            }
        }
        done
    })
    .await
}

impl Flight {
    fn new(batch: Batch, resume: u64, sent_before: bool) -> Self {
        let left = batch.parts().into_iter().map(|part| Leg { part, ask_first: sent_before }).collect();
        Self { batch, opened: sent_before, left, resume, carry: None, sent_before, begun: None }
    }
}
