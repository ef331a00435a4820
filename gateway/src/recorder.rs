//! What is written to the journal, and when: the one way from a request to its records.
//!
//! - [`Recorder::intend`] writes the intent of an admitted request and gives a [`Pending`]; only [`Pending::durable`]
//!   turns it into a [`Durable`], and only with a journal receipt in hand.
//! - [`Recorder::disclose`] writes patients who were found in an answer, and gives a [`Pending`] as well.
//! - [`Recorder::refuse`] writes a refused request, whole.
//! - [`Recorder::end`] writes how an exchange ended, without waiting.
//! - [`Recorder::event`] writes authentication events; floods of equal ones are counted ([`flood`]).

pub mod flood;
mod metrics;
pub mod sealer;

pub use metrics::Metrics;

use crate::journal::{AppendError, CommitError, FrameKind, Journal, Receipt, Ticket};
use contract::record::{AuthEvent, Disclosure, Intent, Marker, Outcome, OutcomeKind, Reason};
use contract::wire::Wire;
use contract::{Micros, id::RequestId};
use std::sync::Arc;

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
}

impl Recorder {
    /// Writes to this journal.
    pub fn new(journal: Journal, metrics: Metrics) -> Self {
        Self { journal, metrics: Arc::new(metrics) }
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

    /// Writes patients who were found in an answer, before that part of it leaves.
    pub fn disclose(&self, disclosure: &Disclosure) -> Result<Pending, RecordError> {
        let found = disclosure.patients.iter().filter(|p| p.kind != 0).count() as u64;
        self.metrics.disclosed.inc_by(found);
        self.metrics.unidentified.inc_by(disclosure.patients.len() as u64 - found);
        let appended = self.journal.append(FrameKind::Disclosure, |out| disclosure.encode(out));
        Ok(Pending(appended.inspect_err(|_| self.metrics.failures.inc())?))
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
        // Not taken: at its next start the gateway records the outcome as unknown. Nothing is lost.
        self.lazy(FrameKind::Outcome, |out| outcome.encode(out));
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
