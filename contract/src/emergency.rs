//! Emergency access (nödöppning): what a gateway and the auditor say to each other about it.
//!
//! Who is refused a patient for want of a grant may open that patient, for a reason, for a short while. The gateway gives
//! the refused browser a [`Ticket`] that says whom it was about; the browser shows it to the auditor's application at
//! [`PATH`], which asks for the reason and tells all gateways of the [`Opening`].
//!
//! # Invariants
//! 1. A ticket names a patient by pseudonym only, and allows nothing by itself.
//! 2. No registry can be called [`AUDIENCE`], and [`TYPE`] stands in its header: a ticket is never taken for an identity
//!    assertion of the same key, nor an assertion for a ticket.

use crate::Micros;
use crate::id::{AccountId, HsaId, RegistryName, RequestId, RouteName, SessionKey};
use crate::pseudonym::PatientRef;
use crate::record::Reason;
use crate::wire_enum;
use serde::{Deserialize, Serialize};

/// Where a ticket is shown, on every host: by POST, in the form field [`TICKET_FIELD`].
pub const PATH: &str = "/auth/emergency";
/// The form field with the ticket.
pub const TICKET_FIELD: &str = "ticket";
/// Whom tickets are for (`aud`).
pub const AUDIENCE: &str = "urn:grindvakt:emergency";
/// What tickets are (`typ`, RFC 8725 3.11).
pub const TYPE: &str = "grindvakt-emergency+jwt";
/// How long a ticket is good, in seconds.
pub const TICKET_LIFE_S: u64 = 300;
/// The longest ticket, in bytes.
pub const TICKET_BYTES_MAX: usize = 4 << 10;
/// The most openings of one account at a time.
pub const OPENINGS_MAX: u32 = 20;

wire_enum! {
    /// Why somebody opens a patient in an emergency: a closed list.
    pub enum Why {
        /// Fara för patientens liv eller hälsa.
        Life = 1 => "life",
        /// The patient is unconscious, or cannot consent for another cause.
        Incapable = 2 => "incapable",
        /// Acute care that cannot wait until a right is given.
        Acute = 3 => "acute",
        /// Something else, in the words that go with it.
        Other = 4 => "other",
    }
}

impl Why {
    /// The reason as records have it.
    pub const fn reason(self) -> Reason {
        match self {
            Self::Life => Reason::EmergencyLife,
            Self::Incapable => Reason::EmergencyIncapable,
            Self::Acute => Reason::EmergencyAcute,
            Self::Other => Reason::EmergencyOther,
        }
    }
}

/// Whom somebody was refused, signed by the gateway: a JWT (RFC 7519) with EdDSA (RFC 8037). Good once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// The gateway's issuer name.
    pub iss: String,
    /// [`AUDIENCE`].
    pub aud: String,
    /// When it was made, seconds.
    pub iat: u64,
    /// When it ends, seconds.
    pub exp: u64,
    /// The request that was refused: its records bear the same id.
    pub jti: RequestId,
    /// Who was refused.
    pub account: AccountId,
    /// In which session: [`SessionKey::reference`], no key.
    pub session: u64,
    /// In which registry.
    pub registry: RegistryName,
    /// On which route.
    pub route: RouteName,
    /// Whom it was about.
    pub patient: PatientRef,
    /// The unit that the request named, if its route says where one stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<HsaId>,
}

/// What an account has opened: one patient in one registry, to read, until a time. It ends with the session, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// The session that it was opened in.
    pub session: SessionKey,
    /// The registry.
    pub registry: RegistryName,
    /// Whom.
    pub patient: PatientRef,
    /// Why.
    pub why: Why,
    /// Until when.
    pub until: Micros,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_registry_is_the_audience_and_each_reason_is_its_own() {
        assert!(RegistryName::parse(AUDIENCE).is_err());
        for (index, why) in Why::ALL.iter().enumerate() {
            assert!(why.reason().as_str().ends_with(why.as_str()));
            assert!(Why::ALL.iter().skip(index + 1).all(|other| other.reason() != why.reason()));
        }
    }
}
