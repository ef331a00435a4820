//! From frames to rows.

mod carry;

pub use carry::Carry;

use super::{AccessRow, AuthRow, KeyRow};
use crate::id::{DataKeyId, NodeName, RecordId, RequestId};
use crate::pseudonym::PatientRef;
use crate::record::{
    Actor, AuthEvent, AuthEventKind, AuthMethod, Disclosure, Intent, Marker, Origin, Outcome, OutcomeKind,
    PatientEntry, Phase, Protection, Reason, Relation,
};
use crate::wire::{Wire, WireError};
use crate::{Micros, Text};
use carry::{Open, Waiting};
use std::collections::{BTreeMap, HashMap};

/// The kinds of frames: the numbers that the journal writes.
pub mod kinds {
    /// An [`crate::record::Intent`].
    pub const INTENT: u8 = 1;
    /// A [`crate::record::Disclosure`].
    pub const DISCLOSURE: u8 = 2;
    /// An [`crate::record::Outcome`].
    pub const OUTCOME: u8 = 3;
    /// An [`crate::record::AuthEvent`].
    pub const AUTH_EVENT: u8 = 4;
    /// A [`crate::record::Marker`].
    pub const MARKER: u8 = 5;
}

/// A frame that says nothing to this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The payload does not decode.
    #[error("frame {sequence} does not decode")]
    Payload {
        /// The frame.
        sequence: u64,
        /// Why.
        #[source]
        source: WireError,
    },
    /// The kind is of a later version.
    #[error("frame {sequence} is of an unknown kind, {kind}")]
    Kind {
        /// The frame.
        sequence: u64,
        /// Its kind.
        kind: u8,
    },
}

/// What a frame gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// For `access_log`. Its `seq` and `batch` are still 0.
    Access(Box<AccessRow>),
    /// For `auth_event`. Its `seq` and `batch` are still 0.
    Auth(Box<AuthRow>),
    /// For `data_key`.
    Key(KeyRow),
}

/// The most patients whose rows wait for the end of their exchange. Beyond, the older ones get theirs at once: memory is
/// bounded, however long the list that an answer is.
const WAITING_MAX: usize = 256;

/// The state between frames: the exchanges that are still open. As large as the requests under way.
pub struct Fold {
    node: Text,
    tenant: Text,
    open: HashMap<RequestId, Open>,
    oldest: BTreeMap<u64, RequestId>,
    /// Exchanges that began below this frame are kept elsewhere: their first frames are not needed.
    carried_below: u64,
    /// What was carried over, until reading has come to where that was done.
    aside: Option<Carry>,
}

impl Fold {
    /// Starts with nothing open.
    pub fn new(node: &NodeName, tenant: &Text) -> Self {
        Self {
            node: node.text(),
            tenant: Text::clone(tenant),
            open: HashMap::new(),
            oldest: BTreeMap::new(),
            carried_below: 0,
            aside: None,
        }
    }

    /// The first frame that must be read again after a restart, so that every open exchange is known that was not carried
    /// over: the oldest open intent's, or `next` if nothing is open.
    pub fn resume_from(&self, next: u64) -> u64 {
        if let Some(carry) = &self.aside {
            return carry.below.min(next);
        }
        self.oldest.first_key_value().map_or(next, |(sequence, _)| (*sequence).max(self.carried_below).min(next))
    }

    /// How many exchanges are open.
    pub fn open(&self) -> usize {
        self.open.len() + self.aside.as_ref().map_or(0, |carry| carry.exchanges.len())
    }

    /// When the oldest open exchange began.
    pub fn oldest_open(&self) -> Option<Micros> {
        let aside = self.aside.iter().flat_map(|carry| &carry.exchanges).map(|open| open.intent.asked.at).min();
        let (_, request) = self.oldest.first_key_value().unzip();
        aside.or_else(|| request.and_then(|request| self.open.get(request)).map(|open| open.intent.asked.at))
    }

    /// Takes the next frame and appends the rows it gives. Gives the frame's time.
    pub fn apply(
        &mut self,
        sequence: u64,
        kind: u8,
        payload: &[u8],
        rows: &mut Vec<Row>,
    ) -> Result<Micros, FrameError> {
        if self.aside.as_ref().is_some_and(|carry| sequence >= carry.at) {
            self.take_carried();
        }
        let payload_error = |source| FrameError::Payload { sequence, source };
        match kind {
            kinds::INTENT => {
                let intent = Intent::from_bytes(payload).map_err(payload_error)?;
                let at = intent.asked.at;
                self.intent(sequence, intent, rows);
                Ok(at)
            }
            kinds::DISCLOSURE => {
                let disclosure = Disclosure::from_bytes(payload).map_err(payload_error)?;
                self.disclosure(&disclosure, rows);
                Ok(disclosure.at)
            }
            kinds::OUTCOME => {
                let outcome = Outcome::from_bytes(payload).map_err(payload_error)?;
                self.outcome(&outcome, rows);
                Ok(outcome.at)
            }
            kinds::AUTH_EVENT => {
                let event = AuthEvent::from_bytes(payload).map_err(payload_error)?;
                let at = event.at;
                rows.push(Row::Auth(Box::new(self.auth_row(event))));
                Ok(at)
            }
            kinds::MARKER => {
                let marker = Marker::from_bytes(payload).map_err(payload_error)?;
                let (Marker::Started { at } | Marker::DataKey { at, .. } | Marker::Stopped { at }) = &marker;
                let at = *at;
                self.marker(marker, rows);
                Ok(at)
            }
            kind => Err(FrameError::Kind { sequence, kind }),
        }
    }

    /// Appends the row that tells of frames that are lost, at the time of a frame behind them: the same, whenever they
    /// are met.
    pub fn gap(&self, first: u64, last: u64, at: Micros, rows: &mut Vec<Row>) {
        let nobody = Actor::nobody();
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"grindvakt journal gap").update(self.node.as_bytes());
        hasher.update(&first.to_le_bytes()).update(&last.to_le_bytes());
        let mut id = [0; 16];
        hasher.finalize_xof().fill(&mut id);
        rows.push(Row::Auth(Box::new(self.auth_row(AuthEvent {
            at,
            id: RequestId::new(uuid::Builder::from_custom_bytes(id).into_uuid()),
            kind: AuthEventKind::JournalGap,
            reason: Reason::None,
            account: nobody.account,
            by: nobody.account,
            user_name: PatientRef::NONE,
            device: nobody.device,
            device_cert: nobody.device_cert,
            device_org: nobody.device_org,
            origin: Origin::UNKNOWN,
            auth_method: AuthMethod::None,
            session: 0,
            count: u32::try_from(last.saturating_sub(first).saturating_add(1)).unwrap_or(u32::MAX),
            detail: format!("frames {first} to {last}").into(),
        }))));
    }

    fn intent(&mut self, sequence: u64, intent: Intent, rows: &mut Vec<Row>) {
        if let Some(outcome) = intent.answered {
            for (index, patient) in intent.patients.iter().enumerate() {
                rows.push(self.row(&intent, &outcome, Phase::Whole, (number(index), intent.key, patient)));
            }
            return;
        }
        let request = intent.asked.request;
        let next = number(intent.patients.len());
        let open = Open { intent, sequence, begun: false, disclosed: Vec::new(), next };
        // No gateway gives an id twice; of a journal that has one twice, the later counts.
        if let Some(before) = self.open.insert(request, open) {
            self.oldest.remove(&before.sequence);
        }
        self.oldest.insert(sequence, request);
    }

    fn disclosure(&mut self, disclosure: &Disclosure, rows: &mut Vec<Row>) {
        // As for an outcome without an intent.
        let Some(mut open) = self.open.remove(&disclosure.request) else { return };
        for patient in &disclosure.patients {
            if open.disclosed.len() >= WAITING_MAX {
                self.during(&mut open, disclosure, rows);
            }
            open.disclosed.push(Waiting { index: open.next, key: disclosure.key, patient: *patient });
            open.next = open.next.saturating_add(1);
        }
        if open.begun {
            self.during(&mut open, disclosure, rows);
        }
        self.open.insert(disclosure.request, open);
    }

    /// The rows of all that wait, while their exchange goes on.
    fn during(&self, open: &mut Open, seen: &Disclosure, rows: &mut Vec<Row>) {
        let Disclosure { request, at, status, bytes, .. } = *seen;
        let duration_us = u64::try_from(at.saturating_sub(open.intent.asked.at)).unwrap_or(0);
        let outcome = Outcome { request, at, status, bytes, duration_us, kind: OutcomeKind::Open };
        for Waiting { index, key, patient } in open.disclosed.drain(..) {
            rows.push(self.row(&open.intent, &outcome, Phase::During, (index, key, &patient)));
        }
    }

    fn outcome(&mut self, outcome: &Outcome, rows: &mut Vec<Row>) {
        // An outcome without an intent belongs to a request whose rows were closed by a marker, or was not recorded.
        let Some(mut open) = self.open.remove(&outcome.request) else { return };
        if outcome.kind == OutcomeKind::Open {
            if !open.begun {
                self.exchange(&open, outcome, Phase::Begin, rows);
                open.disclosed.clear();
            }
            open.begun = true;
            self.open.insert(outcome.request, open);
            return;
        }
        self.oldest.remove(&open.sequence);
        self.exchange(&open, outcome, if open.begun { Phase::End } else { Phase::Whole }, rows);
    }

    fn marker(&mut self, marker: Marker, rows: &mut Vec<Row>) {
        match marker {
            Marker::Started { at } => {
                for (_, request) in std::mem::take(&mut self.oldest) {
                    let Some(open) = self.open.remove(&request) else { continue };
                    let asked = open.intent.asked.at;
                    let duration_us = u64::try_from(at.saturating_sub(asked)).unwrap_or(0);
                    let outcome = Outcome { request, at, status: 0, bytes: 0, duration_us, kind: OutcomeKind::Unknown };
                    let phase = if open.begun { Phase::End } else { Phase::Whole };
                    self.exchange(&open, &outcome, phase, rows);
                }
            }
            Marker::DataKey { at, key } => rows.push(Row::Key(KeyRow {
                key_id: key.id.uuid(),
                node: Text::clone(&self.node),
                ts: at,
                wrapped: hex::encode(key.wrapped.0).into(),
            })),
            Marker::Stopped { .. } => {}
        }
    }

    /// The rows of an exchange: of whom its request named, and of those disclosed that still wait. That the answer named
    /// nobody stands there only if that is so.
    fn exchange(&self, open: &Open, outcome: &Outcome, phase: Phase, rows: &mut Vec<Row>) {
        let told = open.next > number(open.intent.patients.len());
        for (index, patient) in open.intent.patients.iter().enumerate() {
            let mut patient = *patient;
            if told && patient.problem == Reason::PatientInResponse {
                if phase == Phase::Whole {
                    continue;
                }
                // The row of the exchange itself: those whom it discloses have theirs.
                patient.problem = Reason::None;
            }
            rows.push(self.row(&open.intent, outcome, phase, (number(index), open.intent.key, &patient)));
        }
        let phase = if phase == Phase::Begin { Phase::During } else { phase };
        for Waiting { index, key, patient } in &open.disclosed {
            rows.push(self.row(&open.intent, outcome, phase, (*index, *key, patient)));
        }
    }

    fn row(
        &self,
        intent: &Intent,
        outcome: &Outcome,
        phase: Phase,
        (index, key, patient): (u32, DataKeyId, &PatientEntry),
    ) -> Row {
        let (asked, actor) = (&intent.asked, &intent.actor);
        Row::Access(Box::new(AccessRow {
            record_id: RecordId::derive(asked.request, index, phase == Phase::End).uuid(),
            node: Text::clone(&self.node),
            seq: 0,
            batch: 0,
            ts: asked.at,
            phase,
            tenant: Text::clone(&self.tenant),
            registry: Text::clone(&asked.registry),
            system_hsa: Text::clone(&asked.system_hsa),
            account: actor.account.uuid(),
            user_hsa: Text::clone(&actor.user_hsa),
            user_name: Text::clone(&actor.user_name),
            user_title: Text::clone(&actor.user_title),
            commission_hsa: Text::clone(&actor.commission_hsa),
            commission_name: Text::clone(&actor.commission_name),
            commission_purpose: Text::clone(&actor.commission_purpose),
            care_provider_hsa: Text::clone(&actor.care_provider_hsa),
            care_unit_hsa: Text::clone(&actor.care_unit_hsa),
            care_unit_name: Text::clone(&actor.care_unit_name),
            session: actor.session,
            auth_method: actor.auth_method,
            acr: Text::clone(&actor.acr),
            device: actor.device.uuid(),
            device_cert: actor.device_cert.0,
            device_org: Text::clone(&actor.device_org),
            src_ip: intent.origin.address,
            src_country: intent.origin.country,
            src_asn: intent.origin.asn,
            request_id: asked.request.uuid(),
            method: Text::clone(&asked.method),
            route: Text::clone(&asked.route),
            status: outcome.status,
            bytes: outcome.bytes,
            duration_us: outcome.duration_us,
            activity: asked.activity,
            purpose: asked.purpose,
            initiator: asked.initiator,
            decision: asked.decision,
            reason: if asked.reason == Reason::None { patient.problem } else { asked.reason },
            policy_epoch: asked.policy_epoch,
            resource_type: Text::clone(&asked.resource_type),
            sensitivity: asked.sensitivity,
            patient_ref: patient.reference.0,
            patient_kind: patient.kind,
            patient_key: if patient.kind == 0 { uuid::Uuid::nil() } else { key.uuid() },
            patient_sealed: patient.sealed.0,
            patient_source: patient.source,
            position: patient.position,
            protection: Protection::Unknown,
            care_relation: Relation::Unknown,
            search_terms: intent.terms.iter().map(|term| term.0).collect(),
            outcome: outcome.kind,
        }))
    }

    fn auth_row(&self, event: AuthEvent) -> AuthRow {
        AuthRow::of(event, &self.node, &self.tenant)
    }
}

impl AuthRow {
    /// The row of an event at a node; its `seq` and `batch` are still 0.
    pub fn of(event: AuthEvent, node: &Text, tenant: &Text) -> Self {
        Self {
            event_id: event.id.uuid(),
            node: Text::clone(node),
            seq: 0,
            batch: 0,
            ts: event.at,
            tenant: Text::clone(tenant),
            kind: event.kind,
            reason: event.reason,
            account: event.account.uuid(),
            by: event.by.uuid(),
            user_name: event.user_name.0,
            device: event.device.uuid(),
            device_cert: event.device_cert.0,
            device_org: event.device_org,
            src_ip: event.origin.address,
            src_country: event.origin.country,
            src_asn: event.origin.asn,
            auth_method: event.auth_method,
            session: event.session,
            count: event.count,
            detail: event.detail,
        }
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
