//! What is written to the journal, and when: the one way from a request to its records.
//!
//! - [`Recorder::intend`] writes the intent of an admitted request and gives a [`Pending`]; only [`Pending::durable`]
//!   turns it into a [`Durable`], and only with a journal receipt in hand.
//! - [`Recorder::disclose`] writes patients who were found in an answer, and gives a [`Pending`] as well.
//! - [`Recorder::refuse`] writes a refused request, whole.
//! - [`Recorder::end`] writes how an exchange ended, without waiting. What the journal does not take then is kept and
//!   written later ([`Recorder::catch_up`]): an intent without an end would hold the journal's ack mark back, and with it
//!   all room, until the next start.
//! - [`Recorder::event`] writes authentication events; floods of equal ones are counted ([`flood`]).

pub mod flood;
mod metrics;
pub mod sealer;

pub use metrics::Metrics;

use crate::journal::{AppendError, CommitError, FrameKind, Journal, Receipt, Ticket};
use contract::record::{AuthEvent, Disclosure, Intent, Marker, Outcome, OutcomeKind, Reason};
use contract::wire::Wire;
use contract::{Micros, id::RequestId};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Outcomes that are kept for later, at the most: about 5 MB. There are never more than requests were under way when the
/// journal stopped taking records.
const OWED_MAX: usize = 1 << 16;

/// The journal did not take a record, or did not make it durable in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// It was not taken.
    #[error("the journal does not take records")]
    Append(#[from] AppendError),
    /// It was taken, and is not on stable storage (yet).
    #[error("the record could not be made durable")]
    Commit(#[from] CommitError),
    /// Who waited for it has left.
    #[error("nobody waited until the record was durable")]
    Left,
}

/// An intent that was written and may not yet be durable.
#[must_use = "an intent that nobody waits for protects nothing"]
pub struct Pending(Ticket);

/// Proof that the intent of this request is on stable storage. Only [`Pending::durable`] makes one.
#[derive(Debug)]
pub struct Durable(Receipt);

impl Pending {
    /// Waits until the intent is on stable storage.
    pub async fn durable(self) -> Result<Durable, RecordError> {
        Ok(Durable(self.0.await?))
    }
}

/// Disclosures that were written and that nobody waits for yet: to be handed in with the one that is waited for
/// ([`Recorder::disclose`]). Nothing of them may leave before that is durable.
#[must_use = "what was written ahead is waited for with the disclosure that follows"]
#[derive(Debug)]
pub struct Ahead(());

impl Durable {
    /// Where in the journal the intent stands.
    pub fn position(&self) -> crate::journal::Position {
        self.0.position()
    }
}

/// A recorder whose journal never commits, as on a disk that hangs, and its folder.
#[cfg(test)]
pub(crate) fn stalled() -> (tempfile::TempDir, Recorder) {
    use crate::journal::{Config, Metrics as JournalMetrics, storage::Disk};
    let dir = tempfile::tempdir().expect("a folder");
    let registry = prometheus::Registry::new();
    let metrics = JournalMetrics::new(&registry).expect("an empty registry");
    // Nobody runs the committer.
    let parts = Journal::open_parts(Config::new(dir.path(), [1; 16]), Disk::storage(), metrics);
    let journal = parts.expect("an empty folder").journal;
    (dir, Recorder::new(journal, Metrics::register(&registry).expect("its own names")))
}

/// The way into the journal.
#[derive(Clone)]
pub struct Recorder {
    journal: Journal,
    metrics: Arc<Metrics>,
    owed: Arc<Owed>,
}

/// Outcomes that the journal has not taken yet, in their order.
#[derive(Default)]
struct Owed {
    any: AtomicBool,
    outcomes: Mutex<VecDeque<Outcome>>,
}

impl Recorder {
    /// Writes to this journal.
    pub fn new(journal: Journal, metrics: Metrics) -> Self {
        Self { journal, metrics: Arc::new(metrics), owed: Arc::default() }
    }

    /// Tells that the gateway has started: what was open before will never get an outcome.
    pub fn started(&self, at: Micros) -> Result<Pending, RecordError> {
        self.marker(&Marker::Started { at })
    }

    /// Tells that the gateway stops. When it is durable, so is everything written before.
    pub fn stopped(&self, at: Micros) -> Result<Pending, RecordError> {
        self.marker(&Marker::Stopped { at })
    }

    /// Writes a marker.
    pub fn marker(&self, marker: &Marker) -> Result<Pending, RecordError> {
        Ok(Pending(self.journal.append(FrameKind::Marker, |out| marker.encode(out))?))
    }

    /// Writes the intent of an admitted request.
    pub fn intend(&self, intent: &Intent) -> Result<Pending, RecordError> {
        debug_assert!(intent.answered.is_none(), "an admitted request is answered later");
        self.metrics.intents.inc();
        self.metrics.patients.inc_by(intent.patients.iter().filter(|p| p.kind != 0).count() as u64);
        // Whom the answer names shows later.
        let unknown = intent.patients.iter().filter(|p| p.kind == 0 && p.problem != Reason::PatientInResponse);
        self.metrics.unidentified.inc_by(unknown.count() as u64);
        let appended = self.journal.append(FrameKind::Intent, |out| intent.encode(out));
        Ok(Pending(appended.inspect_err(|_| self.metrics.failures.inc())?))
    }

    /// Writes patients who were found in an answer, before that part of it leaves. What was written ahead is durable with it.
    pub fn disclose(&self, disclosure: &Disclosure, _: Option<Ahead>) -> Result<Pending, RecordError> {
        self.count(disclosure);
        let appended = self.journal.append(FrameKind::Disclosure, |out| disclosure.encode(out));
        Ok(Pending(appended.inspect_err(|_| self.metrics.failures.inc())?))
    }

    /// Writes patients disclosed ahead of others, so that all wait for one sync.
    pub fn disclose_ahead(&self, disclosure: &Disclosure, _: Option<Ahead>) -> Result<Ahead, RecordError> {
        self.count(disclosure);
        let appended = self.journal.append_lazy(FrameKind::Disclosure, |out| disclosure.encode(out));
        appended.inspect_err(|_| self.metrics.failures.inc())?;
        Ok(Ahead(()))
    }

    fn count(&self, disclosure: &Disclosure) {
        let found = disclosure.patients.iter().filter(|p| p.kind != 0).count() as u64;
        self.metrics.disclosed.inc_by(found);
        self.metrics.unidentified.inc_by(disclosure.patients.len() as u64 - found);
    }

    /// Counts an answer that was to name patients, and named none. Its intent says so.
    pub fn disclosed_none(&self) {
        self.metrics.unidentified.inc();
    }

    /// Writes a refused request, to be waited for before the answer: an answer that somebody got has its record.
    pub fn refuse(&self, intent: &Intent) -> Result<Pending, RecordError> {
        debug_assert!(intent.answered.is_some(), "a refused request has its answer with it");
        self.metrics.refusals.inc();
        let appended = self.journal.append(FrameKind::Intent, |out| intent.encode(out));
        Ok(Pending(appended.inspect_err(|_| self.metrics.failures.inc())?))
    }

    /// Writes how an exchange ended, or that it goes on.
    pub fn end(&self, request: RequestId, at: Micros, since: Micros, status: u16, bytes: u64, kind: OutcomeKind) {
        let duration_us = u64::try_from(at.saturating_sub(since)).unwrap_or(0);
        let outcome = Outcome { request, at, status, bytes, duration_us, kind };
        if self.owed.any.load(Ordering::Acquire) {
            // Behind the others.
            self.metrics.failures.inc();
        } else if self.lazy(FrameKind::Outcome, |out| outcome.encode(out)) {
            return;
        }
        let mut owed = self.owed.outcomes.lock();
        if owed.len() < OWED_MAX {
            owed.push_back(outcome);
            self.owed.any.store(true, Ordering::Release);
        }
        // Beyond that: at its next start the gateway records the outcome as unknown. Nothing is lost.
    }

    /// Writes outcomes that the journal did not take when they came. To be called each second.
    pub fn catch_up(&self) {
        if !self.owed.any.load(Ordering::Acquire) {
            return;
        }
        let mut owed = self.owed.outcomes.lock();
        while let Some(outcome) = owed.front() {
            if self.journal.append_lazy(FrameKind::Outcome, |out| outcome.encode(out)).is_err() {
                return;
            }
            owed.pop_front();
        }
        self.owed.any.store(false, Ordering::Release);
    }

    /// Writes an authentication event.
    pub fn event(&self, event: &AuthEvent) {
        self.metrics.events.with_label_values(&[event.kind.as_str(), event.reason.as_str()]).inc_by(event.count.into());
        self.lazy(FrameKind::AuthEvent, |out| event.encode(out));
    }

    /// The journal.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    fn lazy(&self, kind: FrameKind, encode: impl FnOnce(&mut Vec<u8>)) -> bool {
        let taken = self.journal.append_lazy(kind, encode).is_ok();
        if !taken {
            self.metrics.failures.inc();
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::sim::SimStorage;
    use crate::journal::{Config, Item, Metrics as JournalMetrics, Position};
    use std::time::Duration;
    use uuid::Uuid;

    #[test]
    fn an_outcome_that_was_not_taken_is_written_once_there_is_room() {
        let sim = SimStorage::new(1);
        let registry = prometheus::Registry::new();
        let config = Config { segment_bytes: 16 << 10, pending_bytes_max: 4096, ..Config::new("/journal", [1; 16]) };
        let metrics = JournalMetrics::new(&registry).expect("an empty registry");
        let mut parts = Journal::open_parts(config, sim.storage(), metrics).expect("an empty disk");
        let recorder = Recorder::new(parts.journal.clone(), Metrics::register(&registry).expect("its own names"));
        // Nothing is written to the disk meanwhile.
        while recorder.lazy(FrameKind::Marker, |out| Marker::Stopped { at: 1 }.encode(out)) {}
        let requests = [1_u128, 2].map(|number| RequestId::new(Uuid::from_u128(number)));
        for request in requests {
            recorder.end(request, 9, 5, 200, 3, OutcomeKind::Complete);
        }
        recorder.catch_up();
        parts.committer.step(Duration::from_secs(1));
        recorder.catch_up();
        parts.committer.step(Duration::from_secs(2));
        recorder.catch_up();
        let mut reader = parts.journal.reader(Position::FIRST);
        let mut ended = Vec::new();
        while let Some(Item::Frame(frame)) = reader.next().expect("a sound disk") {
            if frame.kind == FrameKind::Outcome {
                ended.push(Outcome::from_bytes(&frame.payload).expect("an outcome").request);
            }
        }
        assert_eq!(ended, requests);
    }
}
