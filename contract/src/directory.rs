//! The directory feed: what the auditor tells the gateways, as newline-delimited JSON over one long response.
//!
//! `GET /internal/v1/directory?after=EPOCH` answers with [`Message`]s. If the auditor still has the changes after
//! that epoch it sends them, else a snapshot: `snapshot_begin`, one `change` per entry, `snapshot_end`. Then each
//! change as it happens, in epoch order, and a heartbeat each second. A gateway that sees neither for some seconds
//! connects again.
//!
//! `POST /internal/v1/session` asks for one session by key ([`SessionQuestion`] → [`SessionAnswer`]).
//! `POST /internal/v1/activity` reports when sessions were last used ([`Activity`]).
//!
//! Entries hold no secret: a session's token stays with the browser, the feed has its hash.

use crate::Micros;
use crate::emergency::Opening;
use crate::id::{AccountId, CertFingerprint, DeviceId, HsaId, RegistryName, SessionKey};
use crate::record::{AuthMethod, Right};
use crate::wire_enum;
use serde::{Deserialize, Serialize};

/// The longest line of the feed, in bytes; a longer one ends the connection.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// A state of the directory: grows with each change, never repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Epoch(pub u64);

/// One line of the feed.
#[expect(clippy::large_enum_variant, reason = "one is alive at a time, on its way to a line or from one")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "snake_case")]
pub enum Message {
    /// All entries follow; what the gateway had is to be replaced when `snapshot_end` has come.
    SnapshotBegin,
    /// An entry as it is now.
    Change {
        /// The state that this change leads to; within a snapshot, the snapshot's own.
        epoch: Epoch,
        /// When the change was made, for measuring how long it took to arrive.
        at: Micros,
        /// The entry.
        entry: Entry,
    },
    /// The snapshot is whole.
    SnapshotEnd {
        /// The state it shows.
        epoch: Epoch,
    },
    /// Nothing new: the feed is alive.
    Heartbeat {
        /// The present state.
        epoch: Epoch,
        /// The auditor's clock.
        at: Micros,
    },
}

/// An entry of the directory. An entry that is no longer there is sent in its final state (`closed`, `revoked`,
/// `ended`) and left out of later snapshots once nothing can refer to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Entry {
    /// An account.
    Account(Account),
    /// A device.
    Device(Device),
    /// A session.
    Session(Session),
}

wire_enum! {
    /// What a gateway needs to know of an account's state.
    pub enum AccountStanding {
        /// AKTIV: may log in and use grants.
        Active = 1 => "active",
        /// LÅST: too many wrong attempts.
        Locked = 2 => "locked",
        /// VILANDE: dormant.
        Dormant = 3 => "dormant",
        /// SPÄRRAD: blocked after an incident.
        Blocked = 4 => "blocked",
        /// SKAPAD or UTLÄMNAD: not yet active.
        Pending = 5 => "pending",
        /// AVREGISTRERAD or FÖRFALLEN: closed for good.
        Closed = 6 => "closed",
    }
}

/// An account, as far as the gateway enforces it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its state.
    pub standing: AccountStanding,
    /// The user's HSA-id.
    pub user_hsa: Option<HsaId>,
    /// The user's name.
    pub name: String,
    /// The user's title or profession.
    pub title: String,
    /// What it may do.
    pub grants: Vec<Grant>,
    /// Roles in the auditor's own application, for its assertion.
    #[serde(default)]
    pub roles: Vec<String>,
    /// What it has opened in emergencies and not yet closed; at most [`crate::emergency::OPENINGS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub openings: Vec<Opening>,
    /// Its user has been shown security instructions at login and not accepted them yet: no registry is open to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub instructions_due: bool,
}

/// One grant: a right in a registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Where.
    pub registry: RegistryName,
    /// What.
    pub right: Right,
    /// For which units; none named: all.
    #[serde(default)]
    pub units: Vec<HsaId>,
    /// From when.
    pub valid_from: Micros,
    /// Until when, if limited.
    pub valid_to: Option<Micros>,
}

/// A device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Its id.
    pub id: DeviceId,
    /// SHA-256 of its present certificate.
    pub fingerprint: CertFingerprint,
    /// The organisation it is enrolled for.
    pub organisation: HsaId,
    /// When its certificate ends.
    pub not_after: Micros,
    /// When it was revoked, if it was.
    pub revoked: Option<Micros>,
    /// The certificate that it has been given besides, and takes the present one's place when it is first used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<NextCertificate>,
}

/// A certificate that a device has been given and not used yet: both are good until then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextCertificate {
    /// SHA-256 of it.
    pub fingerprint: CertFingerprint,
    /// When it ends.
    pub not_after: Micros,
}

/// A session: who is logged in, on which device, until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// SHA-256 of its token.
    pub key: SessionKey,
    /// Whose.
    pub account: AccountId,
    /// The device it was made on and is bound to.
    pub device: DeviceId,
    /// When it was made.
    pub created: Micros,
    /// When it ends at the latest.
    pub expires: Micros,
    /// It ends when unused for so long, in seconds.
    pub idle_s: u32,
    /// When it was last used, as far as the auditor has heard.
    pub last_used: Micros,
    /// How the user logged in.
    pub auth_method: AuthMethod,
    /// The authentication context class, or empty.
    pub acr: String,
    /// The commission chosen.
    pub commission: Commission,
    /// When it was ended, if it was.
    pub ended: Option<Micros>,
}

/// Where a user acts from in a session: commission (medarbetaruppdrag), care provider and care unit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commission {
    /// The commission's HSA-id.
    pub hsa: Option<HsaId>,
    /// The commission's name.
    pub name: String,
    /// The commission's purpose, in the words of the catalogue.
    pub purpose: String,
    /// The care provider's (vårdgivare) HSA-id.
    pub care_provider: Option<HsaId>,
    /// The care unit's (vårdenhet) HSA-id.
    pub care_unit: Option<HsaId>,
    /// The care unit's name.
    pub care_unit_name: String,
}

/// A gateway met a session key that it does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionQuestion {
    /// The key.
    pub key: SessionKey,
}

/// The answer: the session, if there is one, and the state that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionAnswer {
    /// The session; none: unknown or ended.
    pub session: Option<Session>,
    /// The account behind it, so that the answer can be used before the feed has caught up.
    pub account: Option<Account>,
    /// A state that the answer is no newer than: who has heard of it by the feed knows all that led to the answer.
    #[serde(default)]
    pub epoch: Epoch,
}

/// When sessions and devices were last used, as one gateway saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionsUsed {
    /// Key and time of last use; at most 10,000 a message.
    pub used: Vec<(SessionKey, Micros)>,
    /// Of devices: their certificates and the time of last use; at most 10,000 a message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<(CertFingerprint, Micros)>,
}

/// The identity assertion that goes to backends, as a JWT (RFC 7519) signed with EdDSA (RFC 8037). Header:
/// `Grindvakt-Assertion`. `aud` is the registry, `exp` at most 60 s after `iat`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assertion {
    /// The gateway's issuer name.
    pub iss: String,
    /// The account, or `device:ID` before login.
    pub sub: String,
    /// The registry.
    pub aud: String,
    /// When it was made, seconds.
    pub iat: u64,
    /// When it ends, seconds.
    pub exp: u64,
    /// The account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// The session's key: for the auditor's application only, which ends sessions by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionKey>,
    /// The device.
    pub device: DeviceId,
    /// SHA-256 of the device's certificate.
    pub device_cert: CertFingerprint,
    /// The device's organisation.
    pub device_org: HsaId,
    /// The user's HSA-id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_hsa: Option<HsaId>,
    /// The user's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The care unit from which the user acts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub care_unit: Option<HsaId>,
    /// The right in this registry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub right: Option<Right>,
    /// How the user logged in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amr: Option<AuthMethod>,
}

/// The request header that carries the assertion.
pub const ASSERTION_HEADER: &str = "grindvakt-assertion";
/// The request header that carries the client's address to the auditor's application.
pub const CLIENT_ADDRESS_HEADER: &str = "grindvakt-client-address";
/// The name of the session cookie. `__Host-` binds it to the host, `Secure`, path `/` (RFC 6265bis 4.1.3.2).
pub const SESSION_COOKIE: &str = "__Host-grindvakt";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_keeps_its_form() {
        let message = Message::Change {
            epoch: Epoch(7),
            at: 1,
            entry: Entry::Device(Device {
                id: DeviceId::NONE,
                fingerprint: CertFingerprint([0xab; 32]),
                organisation: HsaId::parse("SE2321000016-39KJ").expect("valid"),
                not_after: 2,
                revoked: None,
                next: None,
            }),
        };
        let line = serde_json::to_string(&message).expect("writes");
        assert_eq!(
            line,
            concat!(
                r#"{"message":"change","epoch":7,"at":1,"entry":{"kind":"device","id":"00000000-0000-0000-0000-000000000000","#,
                r#""fingerprint":"abababababababababababababababababababababababababababababababab","#,
                r#""organisation":"SE2321000016-39KJ","not_after":2,"revoked":null}}"#
            )
        );
        assert_eq!(serde_json::from_str::<Message>(&line).expect("reads"), message);
    }
}
