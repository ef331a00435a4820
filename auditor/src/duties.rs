//! Who may do what. [`ALLOWED`] is the one table that pages, interfaces, documentation and tests read.
//!
//! Pure. That several people do what one alone must not is in the forms and moves themselves (`forms`): a table cannot
//! say it.

mod appointment;
mod given;
mod page;
mod region;

pub use appointment::{Appointment, AppointmentError};
pub use given::{Given, Why};
pub use page::page;
pub use region::Region;

use contract::id::{HsaId, RegistryName};

/// What somebody may do besides using registries, signing for themselves, and ending their own sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// See a request with its form.
    SeeRequest,
    /// Hand in form 3 for another: the account ends at once.
    Deregister,
    /// Approve or refuse a request, or send it back.
    DecideForRegion,
    /// Receive an approved request and forward it, or send it back.
    Forward,
    /// Execute a forwarded request.
    Execute,
    /// See an account: who it is, its state, its rights.
    SeeAccount,
    /// Lock an account, or end somebody's sessions.
    Lock,
    /// Unlock an account, or give a new second factor: after a call-back.
    Unlock,
    /// Block an account after an incident.
    Block,
    /// Lift a block: two do it.
    LiftBlock,
    /// Approve that a dormant account is used again, and confirm it each year.
    Reconfirm,
    /// Hand out credentials: print letters, make calls.
    HandOut,
    /// Appoint people, and end appointments.
    Appoint,
    /// Bring in data about people and units.
    Import,
    /// See devices.
    SeeDevices,
    /// Enrol and revoke devices.
    ManageDevices,
    /// Review the accesses of a unit.
    Review,
    /// Read the whole log and all reviews.
    ReadLog,
}

/// What an action is about, as far as appointments reach by it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// The region that the person works in.
    pub region: Option<Region>,
    /// The registry.
    pub registry: Option<RegistryName>,
    /// The organisation of a device.
    pub organisation: Option<HsaId>,
    /// The unit whose accesses they are.
    pub unit: Option<HsaId>,
}

/// A kind of appointment, in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// [`Appointment::Approver`]
    Approver,
    /// [`Appointment::RegistryHolder`]
    RegistryHolder,
    /// [`Appointment::AccountAdmin`]
    AccountAdmin,
    /// [`Appointment::DeviceAdmin`]
    DeviceAdmin,
    /// [`Appointment::LogReviewer`]
    LogReviewer,
    /// [`Appointment::LogAuditor`]
    LogAuditor,
    /// [`Appointment::HelpDesk`]
    HelpDesk,
}

impl Role {
    /// All, in the order of the procedure.
    pub const ALL: [Self; 7] = [
        Self::Approver,
        Self::RegistryHolder,
        Self::AccountAdmin,
        Self::DeviceAdmin,
        Self::LogReviewer,
        Self::LogAuditor,
        Self::HelpDesk,
    ];
}

/// Who may do what, where their appointment reaches. What is not here nobody may.
pub const ALLOWED: [(Action, &[Role]); 18] = [
    (Action::SeeRequest, &[Role::Approver, Role::RegistryHolder, Role::AccountAdmin]),
    (Action::Deregister, &[Role::Approver, Role::RegistryHolder, Role::AccountAdmin]),
    (Action::DecideForRegion, &[Role::Approver]),
    (Action::Forward, &[Role::RegistryHolder]),
    (Action::Execute, &[Role::AccountAdmin]),
    (Action::SeeAccount, &[Role::Approver, Role::RegistryHolder, Role::AccountAdmin, Role::HelpDesk]),
    (Action::Lock, &[Role::Approver, Role::AccountAdmin, Role::HelpDesk]),
    (Action::Unlock, &[Role::AccountAdmin]),
    (Action::Block, &[Role::Approver, Role::AccountAdmin]),
    (Action::LiftBlock, &[Role::AccountAdmin]),
    (Action::Reconfirm, &[Role::Approver]),
    (Action::HandOut, &[Role::AccountAdmin]),
    (Action::Appoint, &[Role::AccountAdmin]),
    (Action::Import, &[Role::AccountAdmin]),
    (Action::SeeDevices, &[Role::DeviceAdmin, Role::HelpDesk]),
    (Action::ManageDevices, &[Role::DeviceAdmin]),
    (Action::Review, &[Role::LogReviewer]),
    (Action::ReadLog, &[Role::LogAuditor]),
];

impl Appointment {
    /// Its kind.
    pub const fn kind(&self) -> Role {
        match self {
            Self::Approver(_) => Role::Approver,
            Self::RegistryHolder(_) => Role::RegistryHolder,
            Self::AccountAdmin => Role::AccountAdmin,
            Self::DeviceAdmin(_) => Role::DeviceAdmin,
            Self::LogReviewer(_) => Role::LogReviewer,
            Self::LogAuditor => Role::LogAuditor,
            Self::HelpDesk => Role::HelpDesk,
        }
    }

    /// Whether it reaches so far. What is not told is out of reach.
    pub fn reaches(&self, about: &About) -> bool {
        match self {
            Self::Approver(region) => about.region == Some(*region),
            Self::RegistryHolder(registry) => about.registry.as_ref() == Some(registry),
            Self::DeviceAdmin(Some(organisation)) => about.organisation.as_ref() == Some(organisation),
            Self::LogReviewer(unit) => about.unit.as_ref() == Some(unit),
            Self::AccountAdmin | Self::DeviceAdmin(None) | Self::LogAuditor | Self::HelpDesk => true,
        }
    }
}

/// Whether a role allows an action at all, wherever it reaches. No by default.
pub fn allows(role: Role, action: Action) -> bool {
    ALLOWED.iter().any(|(known, roles)| *known == action && roles.contains(&role))
}

/// Whether one of these appointments allows it. No by default.
pub fn may(appointments: &[Appointment], action: Action, about: &About) -> bool {
    appointments.iter().any(|appointment| allows(appointment.kind(), action) && appointment.reaches(about))
}

/// Whether one of these appointments allows it about an account: as one of all, of a region that vouches for it, or of a
/// registry that it has a right in.
pub fn may_about_account<'r>(
    appointments: &[Appointment],
    action: Action,
    regions: impl IntoIterator<Item = Region>,
    registries: impl IntoIterator<Item = &'r RegistryName>,
) -> bool {
    let by_region = regions.into_iter().map(|region| About { region: Some(region), ..About::default() });
    let by_registry =
        registries.into_iter().map(|registry| About { registry: Some(registry.clone()), ..About::default() });
    std::iter::once(About::default()).chain(by_region).chain(by_registry).any(|about| may(appointments, action, &about))
}

/// The organisations in whose devices somebody may do something; none said: in all.
pub fn organisations(appointments: &[Appointment], action: Action) -> Option<Vec<HsaId>> {
    let mut some = Vec::new();
    for appointment in appointments.iter().filter(|appointment| allows(appointment.kind(), action)) {
        match appointment {
            Appointment::DeviceAdmin(Some(organisation)) => some.push(organisation.clone()),
            reaching if reaching.reaches(&About::default()) => return None,
            _ => {}
        }
    }
    Some(some)
}

/// The units whose accesses somebody may see, as their reviewer or as who reads the whole log; none said: all.
pub fn units(appointments: &[Appointment]) -> Option<Vec<HsaId>> {
    let mut some = Vec::new();
    for appointment in appointments {
        match appointment {
            Appointment::LogReviewer(unit) if allows(appointment.kind(), Action::Review) => some.push(unit.clone()),
            all if allows(all.kind(), Action::ReadLog) => return None,
            _ => {}
        }
    }
    Some(some)
}

#[cfg(test)]
mod tests;
