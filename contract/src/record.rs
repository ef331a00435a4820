//! What the gateway writes to its journal: intents, disclosures, outcomes, authentication events, markers.
//!
//! An [`Intent`] is written before anything is forwarded or disclosed, a [`Disclosure`] before a piece of the answer leaves
//! in which patients were found, an [`Outcome`] when the exchange is over.
//! Rows of ClickHouse are made from them by [`crate::row::Fold`], and from nothing else.

mod codes;

pub use codes::{
    Activity, AuthEventKind, AuthMethod, Decision, Initiator, OutcomeKind, Phase, Protection, Purpose, Reason,
    Relation, Right, Sensitivity, Source,
};

use crate::id::{AccountId, CertFingerprint, DataKeyId, DeviceId, RequestId};
use crate::pseudonym::{PatientRef, SealedIdentity, WrappedKey};
use crate::wire::{Input, Wire, WireError, encode_list};
use crate::{Micros, Text, wire_struct};
use smallvec::SmallVec;
use std::net::Ipv6Addr;
use std::sync::Arc;

/// The version of the payloads below: the first byte of each.
pub const PAYLOAD_VERSION: u8 = 1;

wire_struct! {
    /// Who acts, as the directory knew them when the session was made. Shared by all records of a session.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Actor {
        /// The account; [`AccountId::NONE`] before login.
        pub account: AccountId,
        /// The user's HSA-id, or empty.
        pub user_hsa: Text,
        /// The user's name.
        pub user_name: Text,
        /// The user's title or profession.
        pub user_title: Text,
        /// The commission (medarbetaruppdrag) chosen at login: HSA-id.
        pub commission_hsa: Text,
        /// The commission's name.
        pub commission_name: Text,
        /// The commission's purpose, in the words of the catalogue.
        pub commission_purpose: Text,
        /// The care provider (vårdgivare) from which the user acts: HSA-id.
        pub care_provider_hsa: Text,
        /// The care unit (vårdenhet) from which the user acts: HSA-id (HSLF-FS 2016:40 4 kap. 9 §).
        pub care_unit_hsa: Text,
        /// The care unit's name.
        pub care_unit_name: Text,
        /// A reference to the session, no key: [`crate::id::SessionKey::reference`].
        pub session: u64,
        /// How the user logged in.
        pub auth_method: AuthMethod,
        /// The authentication context class an identity provider vouched for, or empty.
        pub acr: Text,
        /// The device.
        pub device: DeviceId,
        /// SHA-256 of the device's certificate.
        pub device_cert: CertFingerprint,
        /// The organisation that the device is enrolled for: HSA-id.
        pub device_org: Text,
    }
}

impl Actor {
    /// Nobody known: before the device is looked up.
    pub fn nobody() -> Self {
        let empty = Text::from("");
        Self {
            account: AccountId::NONE,
            user_hsa: empty.clone(),
            user_name: empty.clone(),
            user_title: empty.clone(),
            commission_hsa: empty.clone(),
            commission_name: empty.clone(),
            commission_purpose: empty.clone(),
            care_provider_hsa: empty.clone(),
            care_unit_hsa: empty.clone(),
            care_unit_name: empty.clone(),
            session: 0,
            auth_method: AuthMethod::None,
            acr: empty.clone(),
            device: DeviceId::NONE,
            device_cert: CertFingerprint::NONE,
            device_org: empty,
        }
    }
}

wire_struct! {
    /// Where a request came from.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Origin {
        /// The client's address; IPv4 as `::ffff:a.b.c.d`.
        pub address: Ipv6Addr,
        /// ISO 3166 country of the address by the country data, `--` if unknown.
        pub country: [u8; 2],
        /// Number of the autonomous system that the address belongs to, 0 if unknown.
        pub asn: u32,
    }
}

wire_struct! {
    /// What was asked, and what policy said.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Asked {
        /// When the request's head had arrived.
        pub at: Micros,
        /// The request.
        pub request: RequestId,
        /// The registry, or empty when no route matched.
        pub registry: Text,
        /// The registry's HSA-id (StoreLog's systemId), or empty.
        pub system_hsa: Text,
        /// The route's path template, or empty when none matched: never the path itself.
        pub route: Text,
        /// The HTTP method, or `OTHER`.
        pub method: Text,
        /// What the user does with the data (åtgärd, HSLF-FS 2016:40 4 kap. 9 §).
        pub activity: Activity,
        /// Why (ändamål).
        pub purpose: Purpose,
        /// Who set the request off.
        pub initiator: Initiator,
        /// What kind of thing was asked for, by routes config.
        pub resource_type: Text,
        /// How sensitive the route's data are.
        pub sensitivity: Sensitivity,
        /// What policy decided.
        pub decision: Decision,
        /// Why it was refused, or opened in an emergency; [`Reason::None`] when a grant allowed it.
        pub reason: Reason,
        /// The directory's epoch that the decision rests on.
        pub policy_epoch: u64,
    }
}

wire_struct! {
    /// One patient asked for or disclosed: or that none could be found, and why.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct PatientEntry {
        /// The pseudonym; [`PatientRef::NONE`] when unidentified.
        pub reference: PatientRef,
        /// The number series ([`crate::identity::IdentityKind`]'s tag), 0 when unidentified.
        pub kind: u8,
        /// The identity, sealed.
        pub sealed: SealedIdentity,
        /// Where the identity stood.
        pub source: Source,
        /// Its position in a list, from 0.
        pub position: u32,
        /// Why no patient could be found; [`Reason::None`] when one was.
        pub problem: Reason,
    }
}

impl PatientEntry {
    /// The entry of an access to patient data in which no patient was found.
    pub fn unidentified(source: Source, problem: Reason) -> Self {
        Self { reference: PatientRef::NONE, kind: 0, sealed: SealedIdentity::NONE, source, position: 0, problem }
    }
}

impl Origin {
    /// Nothing is known of where it came from.
    pub const UNKNOWN: Self = Self { address: Ipv6Addr::UNSPECIFIED, country: *b"--", asn: 0 };
}

/// The record of an access before it happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// What was asked and decided.
    pub asked: Asked,
    /// By whom.
    pub actor: Arc<Actor>,
    /// From where.
    pub origin: Origin,
    /// The data key of the sealed identities below.
    pub key: DataKeyId,
    /// The patients asked for; at least one entry, see [`PatientEntry::unidentified`].
    pub patients: SmallVec<[PatientEntry; 1]>,
    /// Pseudonyms of the search terms.
    pub terms: SmallVec<[PatientRef; 2]>,
    /// For a refused request, which has no later outcome: the answer given.
    pub answered: Option<Outcome>,
}

impl Wire for Intent {
    fn encode(&self, out: &mut Vec<u8>) {
        PAYLOAD_VERSION.encode(out);
        self.asked.encode(out);
        self.actor.encode(out);
        self.origin.encode(out);
        self.key.encode(out);
        encode_list(self.patients.iter(), out);
        encode_list(self.terms.iter(), out);
        self.answered.encode(out);
    }
    fn decode(input: &mut Input<'_>) -> Result<Self, WireError> {
        version(input)?;
        Ok(Self {
            asked: Asked::decode(input)?,
            actor: Arc::new(Actor::decode(input)?),
            origin: Origin::decode(input)?,
            key: DataKeyId::decode(input)?,
            patients: SmallVec::from_vec(Vec::decode(input)?),
            terms: SmallVec::from_vec(Vec::decode(input)?),
            answered: Option::decode(input)?,
        })
    }
}

fn version(input: &mut Input<'_>) -> Result<(), WireError> {
    match u8::decode(input)? {
        PAYLOAD_VERSION => Ok(()),
        other => Err(WireError::Tag(other)),
    }
}

wire_struct! {
    /// How an exchange ended, or that it goes on for long.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Outcome {
        /// The request.
        pub request: RequestId,
        /// When.
        pub at: Micros,
        /// The HTTP status sent, 0 if none was.
        pub status: u16,
        /// Bytes of response body released towards the client.
        pub bytes: u64,
        /// Microseconds since the request's head had arrived.
        pub duration_us: u64,
        /// How it ended.
        pub kind: OutcomeKind,
    }
}

/// The most patients of one [`Disclosure`]: more are written as several.
pub const DISCLOSED_MAX: usize = 256;

/// Patients that were found in an answer, before that part of it leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disclosure {
    /// The request.
    pub request: RequestId,
    /// When.
    pub at: Micros,
    /// The HTTP status of the answer.
    pub status: u16,
    /// Bytes of response body released before.
    pub bytes: u64,
    /// The data key of the sealed identities below.
    pub key: DataKeyId,
    /// The patients, each once in an exchange and none that its intent names; at most [`DISCLOSED_MAX`].
    pub patients: SmallVec<[PatientEntry; 1]>,
}

impl Wire for Disclosure {
    fn encode(&self, out: &mut Vec<u8>) {
        PAYLOAD_VERSION.encode(out);
        self.request.encode(out);
        self.at.encode(out);
        self.status.encode(out);
        self.bytes.encode(out);
        self.key.encode(out);
        encode_list(self.patients.iter(), out);
    }
    fn decode(input: &mut Input<'_>) -> Result<Self, WireError> {
        version(input)?;
        Ok(Self {
            request: RequestId::decode(input)?,
            at: i64::decode(input)?,
            status: u16::decode(input)?,
            bytes: u64::decode(input)?,
            key: DataKeyId::decode(input)?,
            patients: SmallVec::from_vec(Vec::decode(input)?),
        })
    }
}

wire_struct! {
    /// Something that happened to a login, a device, an account or a session, and each read of audit data.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct AuthEvent {
        /// When.
        pub at: Micros,
        /// A UUIDv7 of its own, or the request's.
        pub id: RequestId,
        /// What.
        pub kind: AuthEventKind,
        /// Why, for refusals.
        pub reason: Reason,
        /// Whom it concerns; [`AccountId::NONE`] when unknown.
        pub account: AccountId,
        /// Who did it; the same as `account` for one's own doings.
        pub by: AccountId,
        /// The user name tried, as a pseudonym, when no account has it.
        pub user_name: PatientRef,
        /// The device, if known.
        pub device: DeviceId,
        /// SHA-256 of the certificate shown, zeros if none.
        pub device_cert: CertFingerprint,
        /// The organisation of the device.
        pub device_org: Text,
        /// From where.
        pub origin: Origin,
        /// How.
        pub auth_method: AuthMethod,
        /// A reference to the session, 0 if none.
        pub session: u64,
        /// How many equal events this one stands for: floods are counted, not listed.
        pub count: u32,
        /// More, in words without names or identities of patients and users; of a command, who ran it on its machine.
        pub detail: Text,
    }
}

/// What a marker frame says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Marker {
    /// The gateway started: intents before this frame that have no outcome will never get one.
    Started {
        /// When.
        at: Micros,
    },
    /// A data key from here on.
    DataKey {
        /// When.
        at: Micros,
        /// The key, sealed to the auditor.
        key: WrappedKey,
    },
    /// The gateway stopped in order: every exchange before this frame has its outcome before it.
    Stopped {
        /// When.
        at: Micros,
    },
}

impl Wire for Marker {
    fn encode(&self, out: &mut Vec<u8>) {
        PAYLOAD_VERSION.encode(out);
        match self {
            Self::Started { at } => {
                out.push(1);
                at.encode(out);
            }
            Self::DataKey { at, key } => {
                out.push(2);
                at.encode(out);
                key.encode(out);
            }
            Self::Stopped { at } => {
                out.push(3);
                at.encode(out);
            }
        }
    }
    fn decode(input: &mut Input<'_>) -> Result<Self, WireError> {
        version(input)?;
        match u8::decode(input)? {
            1 => Ok(Self::Started { at: i64::decode(input)? }),
            2 => Ok(Self::DataKey { at: i64::decode(input)?, key: WrappedKey::decode(input)? }),
            3 => Ok(Self::Stopped { at: i64::decode(input)? }),
            tag => Err(WireError::Tag(tag)),
        }
    }
}
