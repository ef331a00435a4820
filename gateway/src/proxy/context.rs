//! What one request carries through its life, and the outcome at its end, whichever end that is.

use super::disclose::Look;
use super::hold::Hold;
use super::metrics::Metrics;
use crate::client::{Allowed, Client, Clients, Long, Watched};
use crate::clock;
use crate::discover::Glance;
use crate::policy::Permit;
use crate::recorder::Recorder;
use crate::route::{Registry, Route};
use bytes::Bytes;
use contract::Micros;
use contract::id::RequestId;
use contract::pseudonym::PatientRef;
use contract::record::OutcomeKind;
use http::HeaderValue;
use smallvec::SmallVec;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

/// An exchange that has gone on for so long is cut when its right ends.
const LASTING: Micros = 500_000;
/// An exchange that has gone on for so long gets its first rows before it ends.
const LONG: Micros = 60_000_000;

/// A request's context.
pub struct Context {
    /// The connection it came on.
    pub(super) client: Option<Arc<Client>>,
    /// Its id: in the record, to the backend, and in the answer.
    pub(super) request: RequestId,
    /// When its head had arrived.
    pub(super) at: Micros,
    /// Where it is in its life.
    pub(super) stage: Stage,
    /// The status sent, 0 if none was yet.
    pub(super) status: u16,
    /// Bytes of response body released.
    pub(super) bytes: u64,
    /// The look into the answer, on a marked route.
    pub(super) look: Option<Box<Look>>,
    /// The glance at an answer on a route that is not marked.
    pub(super) glance: Option<Box<Glance>>,
    /// The gateway answered itself, where a backend's answer was due.
    pub(super) answered_instead: bool,
    /// Its intent is in the journal, and so needs an outcome, wherever the request ends.
    pub(super) intended: bool,
    ended: bool,
    recorder: Recorder,
    metrics: Arc<Metrics>,
}

/// Where a request is in its life.
pub(super) enum Stage {
    /// Nothing is decided.
    Received,
    /// Refused and recorded as such.
    Refused,
    /// Answered by the gateway itself, without patient data.
    Answered,
    /// Allowed, recorded, on its way.
    Admitted(Box<Admitted>),
}

/// How an admitted request's body goes.
pub(super) enum Body {
    /// It announced none, and so may have none: HTTP/2 lets one follow all the same.
    None,
    /// It was read before the request is forwarded.
    Read(Bytes),
    /// It passes through.
    Streamed,
}

/// An admitted request: the only kind that reaches a backend.
pub(super) struct Admitted {
    /// Policy's proof.
    pub(super) permit: Permit,
    /// Its record.
    pub(super) hold: Hold,
    /// Its route.
    pub(super) route: Arc<Route>,
    /// Its registry.
    pub(super) registry: Arc<Registry>,
    /// The pseudonyms of those whom its record names, where the answer may name more.
    pub(super) named: SmallVec<[PatientRef; 1]>,
    /// Who acts, for the backend.
    pub(super) assertion: HeaderValue,
    /// The name of the certificate it came with, and its unit: to ask the policy again.
    pub(super) again: super::admit::Again,
    /// It asks to become a WebSocket.
    pub(super) websocket: bool,
    /// How its body goes.
    pub(super) body: Body,
    /// Bytes of its body that went through.
    pub(super) body_bytes: u64,
    /// Servers that could not be connected to.
    pub(super) unreachable: SmallVec<[usize; 4]>,
    /// A place among the registry's requests under way.
    pub(super) _place: OwnedSemaphorePermit,
    /// Watched since it lasts.
    pub(super) watched: Option<Watched>,
    /// Its first rows are written, since it is long.
    pub(super) open: bool,
}

impl Context {
    pub(super) fn new(at: Micros, recorder: Recorder, metrics: Arc<Metrics>) -> Self {
        let client = Client::here();
        if let Some(client) = &client {
            client.request_began();
        }
        metrics.received.inc();
        Self {
            client,
            request: RequestId::new(Uuid::now_v7()),
            at,
            stage: Stage::Received,
            status: 0,
            bytes: 0,
            look: None,
            glance: None,
            answered_instead: false,
            intended: false,
            ended: false,
            recorder,
            metrics,
        }
    }

    /// Whether the response has begun to leave.
    pub(super) fn disclosing(&self) -> bool {
        self.status != 0 && !self.answered_instead
    }

    /// Whether the exchange has just become one whose right is to be watched.
    pub(super) fn is_lasting(&self, now: Micros) -> bool {
        matches!(&self.stage, Stage::Admitted(admitted) if admitted.watched.is_none())
            && now.saturating_sub(self.at) > LASTING
    }

    /// Whether the exchange has just become a long one.
    pub(super) fn is_long(&self, now: Micros) -> bool {
        matches!(&self.stage, Stage::Admitted(admitted) if !admitted.open) && now.saturating_sub(self.at) > LONG
    }

    /// Watches its right. Had it ended before this, no change would tell: false then.
    #[must_use]
    pub(super) fn watch(&mut self, now: Micros, allowed: Option<Allowed>, clients: &Arc<Clients>) -> bool {
        let (Stage::Admitted(admitted), Some(client), Some(allowed)) = (&mut self.stage, &self.client, allowed) else {
            return true;
        };
        let asked_again = Allowed::clone(&allowed);
        admitted.watched =
            Some(clients.watch(Long { client: Arc::clone(client), session: admitted.permit.session(), allowed }));
        (asked_again.0)(now)
    }

    /// Begins its rows.
    pub(super) fn begin_long(&mut self, now: Micros) {
        let Stage::Admitted(admitted) = &mut self.stage else { return };
        if !std::mem::replace(&mut admitted.open, true) && admitted.hold.is_recorded() {
            self.recorder.end(self.request, now, self.at, self.status, self.bytes, OutcomeKind::Open);
        }
    }

    /// Records the outcome. Only the first call counts.
    pub(super) fn end(&mut self, now: Micros, kind: OutcomeKind) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let Stage::Admitted(admitted) = &mut self.stage else {
            // Written, and then not admitted: its record was not durable in time, or the client left while it waited.
            // An intent without an end would hold back the journal until the next start.
            if self.intended {
                self.recorder.end(self.request, now, self.at, self.status, self.bytes, OutcomeKind::Failed);
            }
            return;
        };
        admitted.watched = None;
        // An answer that is complete has told all by now; a tunnel that one side has closed may have not.
        let begun = self.status != 0 && !self.answered_instead;
        if let Some(look) = self.look.as_mut().filter(|_| begun) {
            look.break_off(&self.recorder, self.request, self.bytes);
        }
        if admitted.hold.is_recorded() {
            self.recorder.end(self.request, now, self.at, self.status, self.bytes, kind);
        }
        self.metrics.ended(admitted.route.id, kind, now.saturating_sub(self.at));
    }
}

impl Drop for Context {
    /// A connection that breaks, or is cut, drops the request wherever it is.
    fn drop(&mut self) {
        if !self.ended {
            self.end(clock::now(), OutcomeKind::Aborted);
        }
        if matches!(self.stage, Stage::Received) {
            self.metrics.abandoned.inc();
        }
        if let Some(client) = &self.client {
            client.request_ended();
        }
    }
}
