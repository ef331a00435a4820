//! Frames as a gateway writes them, small and all different.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::sync::Arc;

use contract::Text;
use contract::id::{AccountId, CertFingerprint, DataKeyId, DeviceId, RequestId};
use contract::pseudonym::{PatientRef, SEALED_LENGTH, SealedIdentity, WrappedKey};
use contract::record::{
    Activity, Actor, Asked, AuthEvent, AuthEventKind, AuthMethod, Decision, Initiator, Intent, Marker, Origin, Outcome,
    OutcomeKind, PatientEntry, Purpose, Reason, Sensitivity, Source,
};
use contract::wire::{Blob, Wire};
use uuid::Uuid;

use crate::journal::FrameKind;

/// What to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An intent for so many patients, whose outcome comes later.
    Intent(usize),
    /// An intent with its answer.
    Refused(usize),
    /// The outcome of the latest open intent.
    Outcome(OutcomeKind),
    /// A login.
    Auth,
    /// A data key.
    Key,
    /// A start of the gateway.
    Started,
    /// Nothing that this version knows.
    Garbage,
}

/// Makes frames and remembers them, by the sequence they get if all of them are appended.
#[derive(Default)]
pub(crate) struct Frames {
    next: u128,
    pub(crate) open: Vec<RequestId>,
    key: Option<DataKeyId>,
    made: Vec<Vec<u8>>,
    requests: BTreeMap<Uuid, u64>,
}

impl Frames {
    pub(crate) fn make(&mut self, kind: Kind) -> (FrameKind, Vec<u8>) {
        self.next += 1;
        let at = i64::try_from(self.next).unwrap() * 1000;
        let request = RequestId::new(Uuid::from_u128(self.next << 64));
        let (kind, payload) = match kind {
            Kind::Intent(patients) => {
                self.open.push(request);
                (FrameKind::Intent, self.intent(at, request, patients, false).to_bytes())
            }
            Kind::Refused(patients) => (FrameKind::Intent, self.intent(at, request, patients, true).to_bytes()),
            Kind::Outcome(kind) => {
                let request = self.open.pop().unwrap_or(request);
                if kind == OutcomeKind::Open {
                    self.open.push(request);
                }
                (FrameKind::Outcome, outcome(at, request, kind).to_bytes())
            }
            Kind::Auth => (FrameKind::AuthEvent, auth(at, request).to_bytes()),
            Kind::Key => {
                let id = DataKeyId::new(Uuid::from_u128(self.next));
                self.key = Some(id);
                let key = WrappedKey { id, wrapped: Blob(vec![1; 48]) };
                (FrameKind::Marker, Marker::DataKey { at, key }.to_bytes())
            }
            Kind::Started => {
                self.open.clear();
                (FrameKind::Marker, Marker::Started { at }.to_bytes())
            }
            Kind::Garbage => (FrameKind::Disclosure, vec![9; 12]),
        };
        self.made.push(payload.clone());
        self.requests.insert(request.uuid(), self.made.len() as u64);
        (kind, payload)
    }

    /// The key must be made anew: the frame that held it may be lost.
    pub(crate) fn forget_key(&mut self) {
        self.key = None;
    }

    pub(crate) fn made(&self, sequence: usize) -> &[u8] {
        &self.made[sequence - 1]
    }

    pub(crate) fn sequence_of(&self, request: Uuid) -> u64 {
        self.requests[&request]
    }

    fn intent(&self, at: i64, request: RequestId, patients: usize, answered: bool) -> Intent {
        let text = |t: &str| Text::from(t);
        let known = self.key.is_some();
        let entry = |i: usize| PatientEntry {
            reference: PatientRef([u8::try_from(i).unwrap() + 1; 16]),
            kind: u8::from(known),
            sealed: SealedIdentity([0x5a; SEALED_LENGTH]),
            source: Source::Path,
            position: u32::try_from(i).unwrap(),
            problem: Reason::None,
        };
        Intent {
            asked: Asked {
                at,
                request,
                registry: text("sample"),
                system_hsa: text("SE2321000016-S"),
                route: text("/patients/{patient}"),
                method: text("GET"),
                activity: Activity::Read,
                purpose: Purpose::Care,
                initiator: Initiator::User,
                resource_type: text("journal"),
                sensitivity: Sensitivity::Normal,
                decision: if answered { Decision::Deny } else { Decision::Permit },
                reason: if answered { Reason::NoGrant } else { Reason::None },
                policy_epoch: 3,
            },
            actor: Arc::new(Actor { user_name: text("Anna Andersson"), ..Actor::nobody() }),
            origin: Origin { address: Ipv6Addr::LOCALHOST, country: *b"--", asn: 0 },
            key: self.key.unwrap_or(DataKeyId::NONE),
            patients: (0..patients).map(entry).collect(),
            terms: [PatientRef([8; 16])].into_iter().collect(),
            answered: answered.then(|| outcome(at + 9, request, OutcomeKind::Refused)),
        }
    }
}

fn outcome(at: i64, request: RequestId, kind: OutcomeKind) -> Outcome {
    Outcome { request, at, status: 200, bytes: 10, duration_us: 9, kind }
}

fn auth(at: i64, id: RequestId) -> AuthEvent {
    AuthEvent {
        at,
        id,
        kind: AuthEventKind::Login,
        reason: Reason::None,
        account: AccountId::NONE,
        by: AccountId::NONE,
        user_name: PatientRef::NONE,
        device: DeviceId::NONE,
        device_cert: CertFingerprint([0; 32]),
        device_org: Text::from(""),
        origin: Origin { address: Ipv6Addr::LOCALHOST, country: *b"--", asn: 0 },
        auth_method: AuthMethod::PasswordTotp,
        session: 1,
        count: 1,
        detail: Text::from(""),
    }
}
