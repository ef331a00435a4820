//! Identifiers: one type per kind of thing, parsed at the edge, so that none can stand in for another.

mod hsa;
mod keys;
mod record;

pub use hsa::{HsaId, HsaIdError};
pub use keys::{CertFingerprint, NameError, NodeName, RegistryName, RouteName, SessionKey};
pub use record::RecordId;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! uuid_id {
    ($($(#[$meta:meta])* $name:ident;)*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);
        impl $name {
            /// The id that means «none»: all zeros.
            pub const NONE: Self = Self(Uuid::nil());
            /// Wraps an id.
            pub const fn new(id: Uuid) -> Self { Self(id) }
            /// The id as a UUID.
            pub const fn uuid(self) -> Uuid { self.0 }
            /// Whether this is [`Self::NONE`].
            pub fn is_none(self) -> bool { self.0.is_nil() }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { self.0.fmt(f) }
        }
        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> { Uuid::parse_str(text).map(Self) }
        }
        impl $crate::wire::Wire for $name {
            fn encode(&self, out: &mut Vec<u8>) { self.0.encode(out); }
            fn decode(input: &mut $crate::wire::Input<'_>) -> Result<Self, $crate::wire::WireError> {
                Uuid::decode(input).map(Self)
            }
        }
    )*};
}

uuid_id! {
    /// A personal account. Never reused: a new application makes a new account (domain rules for accounts).
    AccountId;
    /// An enrolled device: one client certificate holder.
    DeviceId;
    /// One request through the gateway, a UUIDv7. The same id goes upstream as `X-Request-Id`.
    RequestId;
    /// A data key under which patient identities are sealed.
    DataKeyId;
    /// A form of the account procedure: application, change or deregistration.
    FormId;
    /// An appointment to a duty.
    AppointmentId;
    /// A code to enrol a device by.
    DeviceCodeId;
    /// Credentials on their way to somebody, in two halves.
    HandoutId;
    /// Something that was opened in an emergency.
    OpeningId;
    /// One half on its way by one channel: what a provider's callback names it by.
    MessageId;
}
