//! Identity assertions: who acts, told to the backend in a signed token of at most a minute's life.
//!
//! A token is made once per session (or device) and registry and used again while it has half of its life left:
//! signing for each request would cost more than the rest of the gateway's work. The request's own id goes in a
//! header of its own.
//!
//! The same key signs tickets for emergency access (`contract::emergency`), of another type and audience.

use crate::directory::{KnownDevice, KnownSession};
use crate::keys::AssertionKey;
use crate::policy::Permit;
use contract::directory::{Account, Assertion, Session};
use contract::emergency::{self, Ticket};
use contract::id::{HsaId, RegistryName, RequestId, RouteName};
use contract::pseudonym::PatientRef;
use contract::{Micros, Text};
use http::HeaderValue;

/// How long a token is good, in seconds.
const LIFE_S: u64 = 60;
/// How long it is given out, in microseconds.
const GIVEN_OUT: Micros = 30_000_000;

/// Makes assertions.
pub struct Asserter {
    key: AssertionKey,
    issuer: Text,
    /// The registry of the auditor's own application, which is told the session's key.
    pub(crate) auditor: RegistryName,
}

impl Asserter {
    /// Signs with this key.
    pub fn new(key: AssertionKey, issuer: Text, auditor: RegistryName) -> Self {
        Self { key, issuer, auditor }
    }

    /// The key set that backends verify with.
    pub fn jwks(&self) -> &str {
        self.key.jwks()
    }

    /// The assertion for a permitted request.
    pub fn assertion(
        &self,
        permit: &Permit,
        registry: &RegistryName,
        device: &KnownDevice,
        session: Option<(&KnownSession, &Account)>,
        now: Micros,
    ) -> Option<HeaderValue> {
        // A session that the policy did not count is not vouched for.
        let session = session.filter(|(known, _)| permit.session() == Some(known.session.key));
        let cached = session.map_or(&device.assertions, |(known, _)| &known.assertions);
        cached.get(registry, permit.right(), now, || {
            let iat = u64::try_from(now / 1_000_000).unwrap_or(0);
            let user = session.map(|(_, account)| account);
            let claims = Assertion {
                iss: self.issuer.as_ref().to_owned(),
                sub: permit.account().map_or_else(|| format!("device:{}", permit.device()), |id| id.to_string()),
                aud: registry.as_str().to_owned(),
                iat,
                exp: iat + LIFE_S,
                account: permit.account(),
                session: permit.session().filter(|_| *registry == self.auditor),
                device: device.device.id,
                device_cert: device.device.fingerprint,
                device_org: device.device.organisation.clone(),
                user_hsa: user.and_then(|account| account.user_hsa.clone()),
                name: user.map(|account| account.name.clone()),
                care_unit: session.and_then(|(known, _)| known.session.commission.care_unit.clone()),
                right: permit.right(),
                amr: session.map(|(known, _)| known.session.auth_method),
            };
            let value = HeaderValue::from_str(&self.key.sign(&claims)?).ok()?;
            Some((value, now + GIVEN_OUT))
        })
    }

    /// The ticket by which a session whose request about one patient was refused may open that patient.
    pub fn ticket(&self, session: &Session, refused: Refused<'_>, now: Micros) -> Option<String> {
        let iat = u64::try_from(now / 1_000_000).unwrap_or(0);
        let ticket = Ticket {
            iss: self.issuer.as_ref().to_owned(),
            aud: emergency::AUDIENCE.to_owned(),
            iat,
            exp: iat + emergency::TICKET_LIFE_S,
            jti: refused.request,
            account: session.account,
            session: session.key.reference(),
            registry: refused.registry.clone(),
            route: refused.route.clone(),
            patient: refused.patient,
            unit: refused.unit.cloned(),
        };
        self.key.sign_as(emergency::TYPE, &ticket)
    }
}

/// What was refused, for a ticket.
#[derive(Debug, Clone, Copy)]
pub struct Refused<'r> {
    /// The request.
    pub request: RequestId,
    /// Its registry.
    pub registry: &'r RegistryName,
    /// Its route.
    pub route: &'r RouteName,
    /// Whom it was about.
    pub patient: PatientRef,
    /// The unit that it named.
    pub unit: Option<&'r HsaId>,
}
