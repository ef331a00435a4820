//! The columns, in the order of the tables in `contract/clickhouse`.
//!
//! The types serialise as ClickHouse's RowBinary wants them: UUIDs as two words, enums as their number.

use crate::pseudonym::SEALED_LENGTH;
use crate::record::{
    Activity, AuthEventKind, AuthMethod, Decision, Initiator, OutcomeKind, Phase, Protection, Purpose, Reason,
    Relation, Sensitivity, Source,
};
use crate::{Micros, Text, wire_struct};
use serde::{Deserialize, Serialize};
use std::net::Ipv6Addr;
use uuid::Uuid;

/// Makes a row: its canonical bytes, its column names, and its form on ClickHouse's wire.
macro_rules! row {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)* }) => {
        wire_struct! {
            $(#[$meta])*
            #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
            pub struct $name { $($(#[$field_meta])* pub $field: $type,)* }
        }
        impl $name {
            /// The columns, in the order of the fields.
            pub const COLUMNS: &'static [&'static str] = &[$(stringify!($field),)*];
        }
    };
}

row! {
    /// A row of `access_log`: one patient (or none found) of one request.
    pub struct AccessRow {
        /// The row's own id; sorts by time.
        #[serde(with = "as_words")]
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
        #[serde(with = "as_number")]
        pub phase: Phase,
        /// The care provider that this installation belongs to: HSA-id.
        pub tenant: Text,
        /// The registry.
        pub registry: Text,
        /// The registry's HSA-id.
        pub system_hsa: Text,
        /// The account.
        #[serde(with = "as_words")]
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
        #[serde(with = "as_number")]
        pub auth_method: AuthMethod,
        /// The authentication context class.
        pub acr: Text,
        /// The device.
        #[serde(with = "as_words")]
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
        #[serde(with = "as_words")]
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
        #[serde(with = "as_number")]
        pub activity: Activity,
        /// Its purpose.
        #[serde(with = "as_number")]
        pub purpose: Purpose,
        /// Who set it off.
        #[serde(with = "as_number")]
        pub initiator: Initiator,
        /// What policy decided.
        #[serde(with = "as_number")]
        pub decision: Decision,
        /// Why it was refused, or why no patient was found.
        #[serde(with = "as_number")]
        pub reason: Reason,
        /// The directory's epoch.
        pub policy_epoch: u64,
        /// What kind of thing was asked for.
        pub resource_type: Text,
        /// How sensitive.
        #[serde(with = "as_number")]
        pub sensitivity: Sensitivity,
        /// The patient's pseudonym; zeros: unidentified.
        pub patient_ref: [u8; 16],
        /// The number series, 0: unidentified.
        pub patient_kind: u8,
        /// The data key that the identity is sealed under.
        #[serde(with = "as_words")]
        pub patient_key: Uuid,
        /// The identity, sealed.
        #[serde(with = "as_bytes")]
        pub patient_sealed: [u8; SEALED_LENGTH],
        /// Where it stood.
        #[serde(with = "as_number")]
        pub patient_source: Source,
        /// Its position in a list.
        pub position: u32,
        /// The patient's protection at the time.
        #[serde(with = "as_number")]
        pub protection: Protection,
        /// Whether a care relation was known.
        #[serde(with = "as_number")]
        pub care_relation: Relation,
        /// Pseudonyms of the search terms.
        pub search_terms: Vec<[u8; 16]>,
        /// How it ended.
        #[serde(with = "as_number")]
        pub outcome: OutcomeKind,
    }
}

row! {
    /// A row of `auth_event`.
    pub struct AuthRow {
        /// The event's own id; sorts by time.
        #[serde(with = "as_words")]
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
        #[serde(with = "as_number")]
        pub kind: AuthEventKind,
        /// Why.
        #[serde(with = "as_number")]
        pub reason: Reason,
        /// Whom it concerns.
        #[serde(with = "as_words")]
        pub account: Uuid,
        /// Who did it.
        #[serde(with = "as_words")]
        pub by: Uuid,
        /// The unknown user name tried, as a pseudonym.
        pub user_name: [u8; 16],
        /// The device.
        #[serde(with = "as_words")]
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
        #[serde(with = "as_number")]
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
    pub struct KeyRow {
        /// The key.
        #[serde(with = "as_words")]
        pub key_id: Uuid,
        /// The node that made it.
        pub node: Text,
        /// When.
        pub ts: Micros,
        /// The sealed key, as lower-case hexadecimal digits.
        pub wrapped: Text,
    }
}

/// ClickHouse's UUID: two 64-bit words, the high one first.
mod as_words {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use uuid::Uuid;

    pub(super) fn serialize<S: Serializer>(id: &Uuid, serializer: S) -> Result<S::Ok, S::Error> {
        id.as_u64_pair().serialize(serializer)
    }
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Uuid, D::Error> {
        let (high, low) = <(u64, u64)>::deserialize(deserializer)?;
        Ok(Uuid::from_u64_pair(high, low))
    }
}

/// `FixedString(N)` for lengths that serde's arrays do not reach.
mod as_bytes {
    use serde::de::{Error, SeqAccess, Visitor};
    use serde::ser::SerializeTuple;
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer, const N: usize>(bytes: &[u8; N], serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(N)?;
        for byte in bytes {
            tuple.serialize_element(byte)?;
        }
        tuple.end()
    }

    struct Bytes<const N: usize>;

    impl<'de, const N: usize> Visitor<'de> for Bytes<N> {
        type Value = [u8; N];
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "{N} bytes")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<[u8; N], A::Error> {
            let mut bytes = [0; N];
            for (i, byte) in bytes.iter_mut().enumerate() {
                *byte = items.next_element()?.ok_or_else(|| A::Error::invalid_length(i, &self))?;
            }
            Ok(bytes)
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(deserializer: D) -> Result<[u8; N], D::Error> {
        deserializer.deserialize_tuple(N, Bytes::<N>)
    }
}

/// `Enum8`: the tag as a signed byte.
mod as_number {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) trait Tagged: Copy {
        fn to_tag(self) -> u8;
        fn of_tag(tag: u8) -> Option<Self>;
    }

    pub(super) fn serialize<S: Serializer, T: Tagged>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i8(i8::try_from(value.to_tag()).unwrap_or(i8::MAX))
    }
    pub(super) fn deserialize<'de, D: Deserializer<'de>, T: Tagged>(deserializer: D) -> Result<T, D::Error> {
        let tag = i8::deserialize(deserializer)?;
        u8::try_from(tag).ok().and_then(T::of_tag).ok_or_else(|| D::Error::custom("unknown enum value"))
    }
}

macro_rules! tagged {
    ($($name:ident),*) => {$(
        impl as_number::Tagged for $name {
            fn to_tag(self) -> u8 { self.tag() }
            fn of_tag(tag: u8) -> Option<Self> { Self::from_tag(tag) }
        }
    )*};
}
tagged!(
    Activity,
    AuthEventKind,
    AuthMethod,
    Decision,
    Initiator,
    OutcomeKind,
    Phase,
    Protection,
    Purpose,
    Reason,
    Relation,
    Sensitivity,
    Source
);
