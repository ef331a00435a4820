//! Appointments: a role, and how far it reaches.

use super::Region;
use contract::id::{HsaId, RegistryName};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What somebody was appointed to, besides being a user.
///
/// Its text, in tables and on the command line: `account_admin`, `approver:12`, `registry_holder:hjartsvikt`,
/// `device_admin`, `device_admin:SE…`, `log_reviewer:SE…`, `log_auditor`, `help_desk`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Appointment {
    /// GODKÄNNARE: approves what the people of a region ask for.
    Approver(Region),
    /// REGISTERHÅLLARE: receives and forwards what a region approved for a registry, or sends it back. Grants nothing.
    RegistryHolder(RegistryName),
    /// KONTOADMIN: executes what was forwarded, hands out credentials, locks and unlocks.
    AccountAdmin,
    /// Enrols and revokes devices: of one organisation, or of all.
    DeviceAdmin(Option<HsaId>),
    /// Reviews the accesses of a unit.
    LogReviewer(HsaId),
    /// Reads the whole log and all reviews.
    LogAuditor,
    /// Helps people to log in. Sees no patients and no log.
    HelpDesk,
}

/// A text is no appointment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "an appointment is one of account_admin, approver:LÄNSKOD (as approver:12), registry_holder:REGISTRY, device_admin, \
     device_admin:HSA-ID, log_reviewer:HSA-ID, log_auditor, help_desk"
)]
pub struct AppointmentError;

impl Appointment {
    /// The role alone, as the directory tells it.
    pub const fn role(&self) -> &'static str {
        match self {
            Self::Approver(_) => "approver",
            Self::RegistryHolder(_) => "registry_holder",
            Self::AccountAdmin => "account_admin",
            Self::DeviceAdmin(_) => "device_admin",
            Self::LogReviewer(_) => "log_reviewer",
            Self::LogAuditor => "log_auditor",
            Self::HelpDesk => "help_desk",
        }
    }
}

impl fmt::Display for Appointment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = self.role();
        match self {
            Self::Approver(region) => write!(f, "{role}:{}", region.as_str()),
            Self::RegistryHolder(registry) => write!(f, "{role}:{}", registry.as_str()),
            Self::DeviceAdmin(Some(hsa)) | Self::LogReviewer(hsa) => write!(f, "{role}:{}", hsa.as_str()),
            Self::AccountAdmin | Self::DeviceAdmin(None) | Self::LogAuditor | Self::HelpDesk => f.write_str(role),
        }
    }
}

impl FromStr for Appointment {
    type Err = AppointmentError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (role, reach) = match text.split_once(':') {
            Some((role, reach)) => (role, Some(reach)),
            None => (text, None),
        };
        let hsa = |text: &str| HsaId::parse(text).map_err(|_| AppointmentError);
        Ok(match (role, reach) {
            ("approver", Some(code)) => Self::Approver(Region::parse(code).ok_or(AppointmentError)?),
            ("registry_holder", Some(name)) => {
                Self::RegistryHolder(RegistryName::parse(name).map_err(|_| AppointmentError)?)
            }
            ("account_admin", None) => Self::AccountAdmin,
            ("device_admin", reach) => Self::DeviceAdmin(reach.map(hsa).transpose()?),
            ("log_reviewer", Some(unit)) => Self::LogReviewer(hsa(unit)?),
            ("log_auditor", None) => Self::LogAuditor,
            ("help_desk", None) => Self::HelpDesk,
            _ => return Err(AppointmentError),
        })
    }
}

impl TryFrom<String> for Appointment {
    type Error = AppointmentError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Appointment> for String {
    fn from(appointment: Appointment) -> Self {
        appointment.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_and_others_are_refused() {
        for text in [
            "approver:12",
            "registry_holder:hjartsvikt",
            "account_admin",
            "device_admin",
            "device_admin:SE2321000016-39KJ",
            "log_reviewer:SE2321000016-39KJ",
            "log_auditor",
            "help_desk",
        ] {
            let appointment: Appointment = text.parse().expect("known");
            assert_eq!(appointment.to_string(), text);
            assert!(text.starts_with(appointment.role()));
        }
        for bad in [
            "",
            "approver",
            "approver:02",
            "approver:Skåne",
            "account_admin:12",
            "log_reviewer",
            "log_reviewer:x",
            "root",
            "supervisor",
        ] {
            assert_eq!(bad.parse::<Appointment>(), Err(AppointmentError), "{bad}");
        }
    }
}
