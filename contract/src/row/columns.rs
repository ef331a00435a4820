//! The columns, in the order of the tables in `contract/clickhouse`.

use super::binary::{Column, Numbered, Record};
use crate::pseudonym::SEALED_LENGTH;
use crate::record::{
    Activity, AuthEventKind, AuthMethod, Decision, Initiator, OutcomeKind, Phase, Protection, Purpose, Reason,
    Relation, Sensitivity, Source,
};
use crate::seal::{Edge, HandOver, SealCopy, SealKey, SignedHandOver, Statement, Stream};
use crate::wire::{Input, WireError};
use crate::{Micros, Text};
use std::net::Ipv6Addr;
use uuid::Uuid;

/// Makes a row of a table out of its fields.
macro_rules! row {
    ($(#[$meta:meta])* pub struct $name:ident in $table:literal { $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name { $($(#[$field_meta])* pub $field: $type,)* }
        impl Record for $name {
            const TABLE: &'static str = $table;
            const COLUMNS: &'static [&'static str] = &[$(stringify!($field),)*];
            const FITS: &'static [fn(&str) -> bool] = &[$(<$type as Column>::fits,)*];
            fn put(&self, out: &mut Vec<u8>) {
                $(self.$field.put(out);)*
            }
            fn take(input: &mut Input<'_>) -> Result<Self, WireError> {
                Ok(Self { $($field: Column::take(input)?,)* })
            }
        }
    };
}

row! {
    /// A row of `access_log`: one patient (or none found) of one request.
    pub struct AccessRow in "access_log" {
        /// The row's own id; sorts by time.
        pub record_id: Uuid,
        /// The gateway node.
        pub node: Text,
        /// The row's number at its node: gapless.
        pub seq: u64,
        /// The batch it was sent in.
        pub batch: u64,
        /// When the request's head had arrived, UTC.
        pub ts: Micros,
        /// Which part of the exchange.
        pub phase: Phase,
        /// The care provider that this installation belongs to: HSA-id.
        pub tenant: Text,
        /// The registry.
        pub registry: Text,
        /// The registry's HSA-id.
        pub system_hsa: Text,
        /// The account.
        pub account: Uuid,
        /// The user's HSA-id.
        pub user_hsa: Text,
        /// The user's name.
        pub user_name: Text,
        /// The user's title.
        pub user_title: Text,
        /// The commission's HSA-id.
        pub commission_hsa: Text,
        /// The commission's name.
        pub commission_name: Text,
        /// The commission's purpose.
        pub commission_purpose: Text,
        /// The care provider from which the user acts.
        pub care_provider_hsa: Text,
        /// The care unit from which the user acts.
        pub care_unit_hsa: Text,
        /// Its name.
        pub care_unit_name: Text,
        /// A reference to the session.
        pub session: u64,
        /// How the user logged in.
        pub auth_method: AuthMethod,
        /// The authentication context class.
        pub acr: Text,
        /// The device.
        pub device: Uuid,
        /// SHA-256 of its certificate.
        pub device_cert: [u8; 32],
        /// Its organisation.
        pub device_org: Text,
        /// The client's address.
        pub src_ip: Ipv6Addr,
        /// The address' country, `--` if unknown.
        pub src_country: [u8; 2],
        /// The address' autonomous system, 0 if unknown.
        pub src_asn: u32,
        /// The request.
        pub request_id: Uuid,
        /// The HTTP method.
        pub method: Text,
        /// The route's path template.
        pub route: Text,
        /// The HTTP status, 0 if none was sent.
        pub status: u16,
        /// Bytes of response body released.
        pub bytes: u64,
        /// Microseconds from the request's head to the end.
        pub duration_us: u64,
        /// The user's doing.
        pub activity: Activity,
        /// Its purpose.
        pub purpose: Purpose,
        /// Who set it off.
        pub initiator: Initiator,
        /// What policy decided.
        pub decision: Decision,
        /// Why it was refused, or why no patient was found.
        pub reason: Reason,
        /// The directory's epoch.
        pub policy_epoch: u64,
        /// What kind of thing was asked for.
        pub resource_type: Text,
        /// How sensitive.
        pub sensitivity: Sensitivity,
        /// The patient's pseudonym; zeros: unidentified.
        pub patient_ref: [u8; 16],
        /// The number series, 0: unidentified.
        pub patient_kind: u8,
        /// The data key that the identity is sealed under.
        pub patient_key: Uuid,
        /// The identity, sealed.
        pub patient_sealed: [u8; SEALED_LENGTH],
        /// Where it stood.
        pub patient_source: Source,
        /// Its position in a list.
        pub position: u32,
        /// The patient's protection at the time.
        pub protection: Protection,
        /// Whether a care relation was known.
        pub care_relation: Relation,
        /// Pseudonyms of the search terms.
        pub search_terms: Vec<[u8; 16]>,
        /// How it ended.
        pub outcome: OutcomeKind,
    }
}

row! {
    /// A row of `auth_event`.
    pub struct AuthRow in "auth_event" {
        /// The event's own id; sorts by time.
        pub event_id: Uuid,
        /// The node that wrote it: a gateway or an auditor.
        pub node: Text,
        /// The row's number at its node: gapless.
        pub seq: u64,
        /// The batch it was sent in.
        pub batch: u64,
        /// When, UTC.
        pub ts: Micros,
        /// The installation's care provider.
        pub tenant: Text,
        /// What.
        pub kind: AuthEventKind,
        /// Why.
        pub reason: Reason,
        /// Whom it concerns.
        pub account: Uuid,
        /// Who did it.
        pub by: Uuid,
        /// The unknown user name tried, as a pseudonym.
        pub user_name: [u8; 16],
        /// The device.
        pub device: Uuid,
        /// SHA-256 of the certificate shown.
        pub device_cert: [u8; 32],
        /// The device's organisation.
        pub device_org: Text,
        /// From where.
        pub src_ip: Ipv6Addr,
        /// The address' country.
        pub src_country: [u8; 2],
        /// The address' autonomous system.
        pub src_asn: u32,
        /// How.
        pub auth_method: AuthMethod,
        /// A reference to the session.
        pub session: u64,
        /// How many equal events this one stands for.
        pub count: u32,
        /// More, in words.
        pub detail: Text,
    }
}

row! {
    /// A row of `data_key`: a data key sealed to the auditor.
    pub struct KeyRow in "data_key" {
        /// The key.
        pub key_id: Uuid,
        /// The node that made it.
        pub node: Text,
        /// When.
        pub ts: Micros,
        /// The sealed key, as lower-case hexadecimal digits.
        pub wrapped: Text,
    }
}

row! {
    /// A row of `access_seal`: a statement, the key and its signature.
    pub struct SealRow in "access_seal" {
        /// The node that wrote the rows.
        pub node: Text,
        /// The table.
        pub stream: Stream,
        /// The batch.
        pub batch: u64,
        /// The first row's number.
        pub first: u64,
        /// The last row's number.
        pub last: u64,
        /// BLAKE3 over the rows' hashes.
        pub root: [u8; 32],
        /// Each row's leaf.
        pub leaves: Vec<u64>,
        /// The chain before.
        pub previous: [u8; 32],
        /// When it was sealed.
        pub ts: Micros,
        /// The public key.
        pub key: [u8; 32],
        /// The signature over the statement's bytes.
        pub signature: [u8; 64],
    }
}

row! {
    /// A row of `seal_key`: a node's seal key hands over to the next.
    pub struct SealKeyRow in "seal_key" {
        /// The node.
        pub node: Text,
        /// The key that signed this.
        pub old_key: [u8; 32],
        /// The key that follows it.
        pub new_key: [u8; 32],
        /// The first batch of `access_log` under the new key.
        pub access_batch: u64,
        /// What that batch's seal chains to.
        pub access_previous: [u8; 32],
        /// The first batch of `auth_event` under the new key.
        pub auth_batch: u64,
        /// What that batch's seal chains to.
        pub auth_previous: [u8; 32],
        /// When it was signed.
        pub ts: Micros,
        /// The old key's signature.
        pub signature: [u8; 64],
    }
}

impl From<&SignedHandOver> for SealKeyRow {
    fn from(SignedHandOver { said, signature }: &SignedHandOver) -> Self {
        Self {
            node: said.node.as_str().into(),
            old_key: said.old,
            new_key: said.new,
            access_batch: said.access.batch,
            access_previous: said.access.previous,
            auth_batch: said.auth.batch,
            auth_previous: said.auth.previous,
            ts: said.at,
            signature: *signature,
        }
    }
}

impl From<&SealKeyRow> for SignedHandOver {
    fn from(row: &SealKeyRow) -> Self {
        let said = HandOver {
            node: row.node.to_string(),
            old: row.old_key,
            new: row.new_key,
            access: Edge { batch: row.access_batch, previous: row.access_previous },
            auth: Edge { batch: row.auth_batch, previous: row.auth_previous },
            at: row.ts,
        };
        Self { said, signature: row.signature }
    }
}

impl Numbered for AccessRow {}
impl Numbered for AuthRow {}

impl SealRow {
    /// Signs a statement. The same statement gives the same row.
    pub fn new(statement: Statement, key: &SealKey) -> Self {
        let signature = key.sign(&statement);
        Self::signed(statement, key.public(), signature)
    }

    /// A statement that was signed before, by this key.
    pub fn signed(statement: Statement, key: [u8; 32], signature: [u8; 64]) -> Self {
        let Statement { node, stream, batch, first, last, root, leaves, previous, at } = statement;
        Self { node: node.into(), stream, batch, first, last, root, leaves, previous, ts: at, key, signature }
    }

    /// What it says: what the signature is over.
    pub fn statement(&self) -> Statement {
        Statement {
            node: self.node.to_string(),
            stream: self.stream,
            batch: self.batch,
            first: self.first,
            last: self.last,
            root: self.root,
            leaves: self.leaves.clone(),
            previous: self.previous,
            at: self.ts,
        }
    }

    /// Its copy for a witness.
    pub fn copy(&self) -> SealCopy {
        SealCopy::new(&self.statement(), self.key, self.signature)
    }
}
