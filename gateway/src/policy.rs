//! Policy: may this device and this person ask this of this registry, now?
//!
//! One pure function: the same input gives the same answer. All it knows is in [`Input`]: the directory's entries as
//! they are at this moment, the route, and the time.
//!
//! # Invariants
//! 1. A [`Permit`] comes from [`authorize`] or [`authorize_opened`] only, and cannot be copied: who holds one was allowed
//!    this request.
//! 2. Checks go from the outside in (directory, device, session, account, grant), so that nobody learns of the inner
//!    state who does not pass the outer.
//! 3. Taking something away (a grant, a device, a session, time) never turns a denial into a permit.
//! 4. What is not known denies.
//! 5. Who has to accept the security instructions gets nothing but what devices get without login, which is where
//!    they are accepted.
//! 6. What was opened in an emergency permits nothing but to read that patient, on routes that say so, and is asked for
//!    only where a grant is lacking.

use crate::route::{Access, Registry, RegistryId, Route, RouteId};
use contract::Micros;
use contract::directory::{Account, AccountStanding, Device, Epoch, Grant, Session};
use contract::emergency::{Opening, Why};
use contract::id::{AccountId, CertFingerprint, DeviceId, HsaId, SessionKey};
use contract::pseudonym::PatientRef;
use contract::record::{Reason, Right};
use http::{Method, StatusCode};

/// What a decision rests on.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The request's route.
    pub route: &'a Route,
    /// The route's registry.
    pub registry: &'a Registry,
    /// The request's method.
    pub method: &'a Method,
    /// The certificate that the connection was opened with.
    pub certificate: &'a CertFingerprint,
    /// The device that has this certificate, by the directory.
    pub device: Option<&'a Device>,
    /// The session that the request names, if the directory has it.
    pub session: Option<&'a Session>,
    /// The session's account, if the directory has it.
    pub account: Option<&'a Account>,
    /// When the session was last used, as far as this gateway or the directory knows.
    pub last_used: Micros,
    /// The unit that the request concerns.
    pub unit: &'a Unit,
    /// The directory's state.
    pub directory: Directory,
}

/// The directory's state at the time of the decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Directory {
    /// Its epoch.
    pub epoch: Epoch,
    /// When the gateway last heard from the auditor.
    pub heard: Micros,
    /// For how long it may decide without hearing anything, in microseconds.
    pub age_max_us: i64,
}

/// The unit that a request concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unit {
    /// The route does not say: the unit from which the user acts counts.
    OfSession,
    /// This one.
    Named(HsaId),
    /// The route says where it stands, and there is none, or no HSA-id, or several.
    Unclear,
}

impl Unit {
    /// The one that the request names.
    pub fn named(&self) -> Option<&HsaId> {
        match self {
            Self::Named(unit) => Some(unit),
            Self::OfSession | Self::Unclear => None,
        }
    }
}

/// Proof that the policy allowed this request. Only this module makes one.
#[derive(Debug, PartialEq, Eq)]
pub struct Permit {
    route: RouteId,
    registry: RegistryId,
    device: DeviceId,
    user: Option<User>,
    changes: bool,
    opened: Option<Why>,
    epoch: Epoch,
}

/// Who is logged in, for a [`Permit`].
#[derive(Debug, PartialEq, Eq)]
struct User {
    account: AccountId,
    session: SessionKey,
    right: Option<Right>,
}

impl Permit {
    /// The route allowed.
    pub fn route(&self) -> RouteId {
        self.route
    }

    /// Its registry.
    pub fn registry(&self) -> RegistryId {
        self.registry
    }

    /// The device that asks.
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// The account that asks; `None` on a route for devices without a valid session.
    pub fn account(&self) -> Option<AccountId> {
        self.user.as_ref().map(|user| user.account)
    }

    /// The session that it asks by.
    pub fn session(&self) -> Option<SessionKey> {
        self.user.as_ref().map(|user| user.session)
    }

    /// What the account may do in the registry; `None` where no grant was needed.
    pub fn right(&self) -> Option<Right> {
        self.user.as_ref().and_then(|user| user.right)
    }

    /// Whether the request changes data, and so is forwarded only after its receipt.
    pub fn changes(&self) -> bool {
        self.changes
    }

    /// Why the patient was opened in an emergency; `None` where no emergency was needed.
    pub fn opened(&self) -> Option<Why> {
        self.opened
    }

    /// The directory's epoch that the decision rests on.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }
}

/// The policy did not allow the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("denied: {reason}")]
pub struct Denial {
    /// Why, for record and answer.
    pub reason: Reason,
    /// The answer's status.
    pub status: StatusCode,
    /// The directory's epoch that the decision rests on.
    pub epoch: Epoch,
}

impl Denial {
    /// Whether the route lets somebody open the patient in an emergency who was denied so: a grant is lacking, and the
    /// request only reads.
    pub fn may_be_opened(&self, route: &Route, method: &Method) -> bool {
        route.emergency
            && route.access == Access::Grant
            && route.right(method) == Right::Read
            && matches!(self.reason, Reason::NoGrant | Reason::OtherUnit)
    }

    /// Whether the device itself was refused: an authentication event of its own.
    pub fn of_device(&self) -> bool {
        matches!(
            self.reason,
            Reason::DeviceUnknown | Reason::DeviceRevoked | Reason::DeviceForeign | Reason::CertExpired
        )
    }
}

/// Decides on a request about one patient that was denied for want of a grant: what the session has opened in an
/// emergency permits to read that patient.
pub fn authorize_opened(input: &Input<'_>, patient: PatientRef, now: Micros) -> Result<Permit, Denial> {
    let denial = match authorize(input, now) {
        Err(denial) if denial.may_be_opened(input.route, input.method) => denial,
        decided => return decided,
    };
    // Anew, as far as the denial went: nothing of the outer checks is taken from elsewhere.
    let inside = || {
        let device = device(input, now).ok()?;
        let (session, account) = instructed(input, device, now).ok()?;
        let opens = |opening: &&Opening| {
            opening.session == session.key
                && opening.registry == input.registry.name
                && opening.patient == patient
                && patient != PatientRef::NONE
                && now < opening.until
        };
        let opening = account.openings.iter().find(opens)?;
        Some(Permit {
            route: input.route.id,
            registry: input.route.registry,
            device: device.id,
            user: Some(user(session, account, Some(Right::Read))),
            changes: false,
            opened: Some(opening.why),
            epoch: input.directory.epoch,
        })
    };
    inside().ok_or(denial)
}

/// Decides on a request.
pub fn authorize(input: &Input<'_>, now: Micros) -> Result<Permit, Denial> {
    let epoch = input.directory.epoch;
    let deny = |reason| Denial { reason, status: status(reason), epoch };
    directory(&input.directory, now).map_err(deny)?;
    let device = device(input, now).map_err(deny)?;
    let user = match input.route.access {
        // Who happens to be logged in is told to the registry: the login pages end sessions by it.
        Access::Device => session(input, device, now).ok().map(|(session, account)| user(session, account, None)),
        Access::Session => {
            let (session, account) = instructed(input, device, now).map_err(deny)?;
            Some(user(session, account, None))
        }
        Access::Grant => {
            let (session, account) = instructed(input, device, now).map_err(deny)?;
            let right = grant(input, session, account, now).map_err(deny)?;
            Some(user(session, account, Some(right)))
        }
    };
    Ok(Permit {
        route: input.route.id,
        registry: input.route.registry,
        device: device.id,
        user,
        changes: input.route.changes(input.method),
        opened: None,
        epoch,
    })
}

fn user(session: &Session, account: &Account, right: Option<Right>) -> User {
    User { account: account.id, session: session.key, right }
}

fn directory(directory: &Directory, now: Micros) -> Result<(), Reason> {
    let fresh = now.saturating_sub(directory.heard) <= directory.age_max_us;
    if fresh { Ok(()) } else { Err(Reason::DirectoryStale) }
}

fn device<'a>(input: &Input<'a>, now: Micros) -> Result<&'a Device, Reason> {
    let device = input.device.filter(|device| device.fingerprint == *input.certificate).ok_or(Reason::DeviceUnknown)?;
    if device.revoked.is_some() {
        return Err(Reason::DeviceRevoked);
    }
    if now >= device.not_after {
        return Err(Reason::CertExpired);
    }
    let organisations = &input.registry.organisations;
    // A registry that is not the route's would be a mistake of the caller: it must not widen anything.
    if input.registry.id != input.route.registry
        || !(organisations.is_empty() || organisations.contains(&device.organisation))
    {
        return Err(Reason::DeviceForeign);
    }
    Ok(device)
}

fn session<'a>(input: &Input<'a>, device: &Device, now: Micros) -> Result<(&'a Session, &'a Account), Reason> {
    let session = input.session.ok_or(Reason::NoSession)?;
    let idle_us = i64::from(session.idle_s) * 1_000_000;
    // The session was used when it was made, whatever the caller heard of it.
    let idle_since = input.last_used.max(session.last_used).max(session.created);
    if session.ended.is_some() || now >= session.expires || now.saturating_sub(idle_since) >= idle_us {
        return Err(Reason::NoSession);
    }
    if session.device != device.id {
        return Err(Reason::SessionElsewhere);
    }
    let account = input.account.filter(|account| account.id == session.account).ok_or(Reason::AccountInactive)?;
    match account.standing {
        AccountStanding::Active => Ok((session, account)),
        AccountStanding::Locked => Err(Reason::Locked),
        _ => Err(Reason::AccountInactive),
    }
}

/// The session, of an account whose user has accepted the security instructions.
fn instructed<'a>(input: &Input<'a>, device: &Device, now: Micros) -> Result<(&'a Session, &'a Account), Reason> {
    let (session, account) = session(input, device, now)?;
    if account.instructions_due { Err(Reason::InstructionsDue) } else { Ok((session, account)) }
}

/// The widest right among the grants that allow the request.
fn grant(input: &Input<'_>, session: &Session, account: &Account, now: Micros) -> Result<Right, Reason> {
    let needed = input.route.right(input.method);
    let unit = match input.unit {
        Unit::OfSession => session.commission.care_unit.as_ref(),
        Unit::Named(unit) => Some(unit),
        Unit::Unclear => None,
    };
    let covers = |grant: &Grant| grant.units.is_empty() || unit.is_some_and(|unit| grant.units.contains(unit));
    let valid = |grant: &Grant| grant.valid_from <= now && grant.valid_to.is_none_or(|end| now < end);
    // How far the best grant came: none, too little a right, another unit.
    let mut reason = Reason::NoGrant;
    let mut best = None;
    for grant in account.grants.iter().filter(|grant| grant.registry == input.registry.name && valid(grant)) {
        if !allows(grant.right, needed) {
            if reason == Reason::NoGrant {
                reason = Reason::ReadOnly;
            }
        } else if covers(grant) {
            best = best.max(Some(grant.right));
        } else {
            reason = Reason::OtherUnit;
        }
    }
    best.ok_or(reason)
}

fn allows(granted: Right, needed: Right) -> bool {
    match (granted, needed) {
        (Right::ReadWrite, _) | (Right::Read, Right::Read) => true,
        (Right::Read, Right::ReadWrite) => false,
    }
}

fn status(reason: Reason) -> StatusCode {
    match reason {
        Reason::NoSession | Reason::SessionElsewhere => StatusCode::UNAUTHORIZED,
        Reason::DirectoryStale => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::FORBIDDEN,
    }
}

#[cfg(test)]
mod tests;
