//! Records as benches write them.

use contract::Text;
use contract::id::{AccountId, CertFingerprint, DataKeyId, DeviceId, RequestId};
use contract::pseudonym::{PatientRef, SealedIdentity};
use contract::record::{
    Activity, Actor, Asked, AuthMethod, Decision, Initiator, Intent, Origin, PatientEntry, Purpose, Reason,
    Sensitivity, Source,
};
use std::net::Ipv6Addr;
use std::sync::Arc;
use uuid::Uuid;

/// 2026-01-01, in microseconds.
pub(crate) const BEGIN: i64 = 1_767_225_600_000_000;

/// A text.
pub(crate) fn text(text: &str) -> Text {
    Text::from(text)
}

/// One of a few hundred users.
fn actor(number: u64) -> Arc<Actor> {
    let user = number % 300;
    Arc::new(Actor {
        account: AccountId::new(Uuid::from_u128(u128::from(user) << 40)),
        user_hsa: text(&format!("SE2321000016-{user:04}")),
        user_name: text(&format!("Anna Andersson {user}")),
        user_title: text("Sjuksköterska"),
        commission_hsa: text("SE2321000016-1C2D"),
        commission_name: text("Vård och behandling, medicinkliniken"),
        commission_purpose: text("Vård och behandling"),
        care_provider_hsa: text("SE2321000016-39KJ"),
        care_unit_hsa: text(&format!("SE2321000016-U{:03}", user % 20)),
        care_unit_name: text("Medicinkliniken avdelning 52"),
        session: user * 7919,
        auth_method: AuthMethod::PasswordTotp,
        acr: text(""),
        device: DeviceId::new(Uuid::from_u128(u128::from(user) << 50)),
        device_cert: CertFingerprint([7; 32]),
        device_org: text("SE2321000016-39KJ"),
    })
}

/// The intent to read one of many patients.
pub(crate) fn intent(number: u64, at: i64, request: RequestId) -> Intent {
    let patient = PatientEntry {
        reference: PatientRef((u128::from(number % 100_000) * 0x9E37_79B9_7F4A_7C15).to_le_bytes()),
        kind: 1,
        sealed: SealedIdentity(std::array::from_fn(|i| (number >> (i % 8)) as u8)),
        source: Source::Path,
        position: 0,
        problem: Reason::None,
    };
    Intent {
        asked: Asked {
            at,
            request,
            registry: text("sample"),
            system_hsa: text("SE2321000016-S"),
            route: text("/patients/{patient}/notes"),
            method: text("GET"),
            activity: Activity::Read,
            purpose: Purpose::Care,
            initiator: Initiator::User,
            resource_type: text("journal"),
            sensitivity: Sensitivity::Normal,
            decision: Decision::Permit,
            reason: Reason::None,
            policy_epoch: 3,
        },
        actor: actor(number),
        origin: Origin { address: Ipv6Addr::LOCALHOST, country: *b"SE", asn: 1257 },
        key: DataKeyId::new(Uuid::from_u128(9)),
        patients: [patient].into_iter().collect(),
        terms: std::iter::empty().collect(),
        answered: None,
    }
}
