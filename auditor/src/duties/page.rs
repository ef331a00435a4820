//! The table of duties as a page for people: `auditor/ROLES.md`.

use super::{ALLOWED, Action, Role, allows};
use std::fmt::Write as _;

impl Action {
    /// Its stable name, for interfaces.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SeeRequest => "see_request",
            Self::Deregister => "deregister",
            Self::DecideForRegion => "decide_for_region",
            Self::Forward => "forward",
            Self::Execute => "execute",
            Self::SeeAccount => "see_account",
            Self::Lock => "lock",
            Self::Unlock => "unlock",
            Self::Block => "block",
            Self::LiftBlock => "lift_block",
            Self::Reconfirm => "reconfirm",
            Self::HandOut => "hand_out",
            Self::Appoint => "appoint",
            Self::Import => "import",
            Self::SeeDevices => "see_devices",
            Self::ManageDevices => "manage_devices",
            Self::Review => "review",
            Self::ReadLog => "read_log",
        }
    }

    /// In words.
    const fn words(self) -> &'static str {
        match self {
            Self::SeeRequest => "see a form that was submitted",
            Self::Deregister => "submit form 3, or a form 2 that only takes away, for another",
            Self::DecideForRegion => "approve or refuse a form, or send it back",
            Self::Forward => "forward an approved form, or send it back",
            Self::Execute => "execute a forwarded form",
            Self::SeeAccount => "see an account: who it is, its state, its rights",
            Self::Lock => "lock an account, or end somebody's sessions",
            Self::Unlock => "unlock an account, or give a new second factor",
            Self::Block => "block an account after an incident",
            Self::LiftBlock => "lift a block: two do it",
            Self::Reconfirm => "confirm an account each year, or take a dormant one into use again",
            Self::HandOut => "hand out credentials",
            Self::Appoint => "appoint others, and end appointments",
            Self::Import => "bring in data about people and units",
            Self::SeeDevices => "see devices",
            Self::ManageDevices => "enrol and revoke devices",
            Self::Review => "review the accesses of a unit",
            Self::ReadLog => "read the whole log and all reviews",
        }
    }

    /// What serves it.
    const fn place(self) -> &'static str {
        match self {
            Self::SeeRequest => "`GET /forms`, `GET /forms/{id}`",
            Self::Deregister => "`POST /forms`, `POST /forms/{id}/submit`",
            Self::DecideForRegion => "`POST /forms/{id}/approve`, `…/refuse`, `…/return`",
            Self::Forward => "`POST /forms/{id}/forward`, `…/return`",
            Self::Execute => "`POST /forms/{id}/execute`",
            Self::SeeAccount => "`POST /accounts/search`, `GET /accounts/{id}`",
            Self::Lock => {
                "`POST /accounts/{id}/lock`, `GET /accounts/{id}/sessions`, `POST /accounts/{id}/sessions/end`"
            }
            Self::Unlock => "`POST /accounts/{id}/unlock`, `POST /handouts` for an account in use",
            Self::Block => "`POST /accounts/{id}/block`",
            Self::LiftBlock => "`POST /accounts/{id}/propose-lift`, `…/lift`",
            Self::Reconfirm => "`POST /accounts/{id}/confirm`, `…/reactivate`",
            Self::Appoint => "`GET /appointments`, `POST /appointments`, `POST /appointments/{id}/end`",
            Self::SeeDevices => "`GET /devices`, `GET /devices/{id}`, `GET /device-codes`, `GET /organisations`",
            Self::ManageDevices => {
                "`POST /devices`, `POST /device-files`, `POST /devices/{id}/renew`, `POST /devices/{id}/revoke`, \
                 `POST /device-codes`, `POST /device-codes/{id}/withdraw`, `POST /organisations`"
            }
            Self::Import => "`POST /imports/{feed}`",
            Self::HandOut => {
                "`GET /handouts`, `POST /handouts`, `POST /handouts/{id}/letter`, `…/posted`, `…/called`, `…/reroute`"
            }
            Self::Review => "`POST /emergencies/{id}/seen`; `GET /emergencies` of one's units",
            Self::ReadLog => "`GET /emergencies` of all units; `POST /emergencies/{id}/seen` of one of no unit",
        }
    }
}

impl Role {
    const fn heading(self) -> &'static str {
        match self {
            Self::Approver => "approver",
            Self::RegistryHolder => "registry holder",
            Self::AccountAdmin => "account administrator",
            Self::DeviceAdmin => "device administrator",
            Self::LogReviewer => "log reviewer",
            Self::LogAuditor => "log auditor",
            Self::HelpDesk => "help desk",
        }
    }

    const fn reach(self) -> &'static str {
        match self {
            Self::Approver => "`approver:12`: the people and forms of one region, by its code (länskod)",
            Self::RegistryHolder => "`registry_holder:fotled`: the forms and accounts of one registry",
            Self::AccountAdmin => "`account_admin`: all",
            Self::DeviceAdmin => "`device_admin`: all devices; `device_admin:HSA-ID`: those of one organisation",
            Self::LogReviewer => "`log_reviewer:HSA-ID`: the accesses of one unit",
            Self::LogAuditor => "`log_auditor`: all",
            Self::HelpDesk => "`help_desk`: all",
        }
    }
}

/// The page.
pub fn page() -> String {
    let mut text = String::from(HEAD);
    text.push_str("\n| appointment | as text, and how far it reaches |\n|---|---|\n");
    for role in Role::ALL {
        let _ = writeln!(text, "| {} | {} |", role.heading(), role.reach());
    }
    text.push_str("\n## Who may do what\n\n| |");
    for role in Role::ALL {
        let _ = write!(text, " {} |", role.heading());
    }
    text.push_str("\n|---|");
    text.push_str(&":-:|".repeat(Role::ALL.len()));
    text.push('\n');
    for (action, _) in ALLOWED {
        let _ = write!(text, "| `{}`: {} |", action.as_str(), action.words());
        for role in Role::ALL {
            text.push_str(if allows(role, action) { " yes |" } else { " |" });
        }
        text.push('\n');
    }
    text.push_str(PLACES);
    text.push_str("| | under `/admin/api/v1` |\n|---|---|\n");
    for (action, _) in ALLOWED {
        let _ = writeln!(text, "| `{}` | {} |", action.as_str(), action.place());
    }
    text.push_str(FOOT);
    text
}

const HEAD: &str = "\
# Who may do what

This page is made from the table in `src/duties.rs`, and a test fails if it is not what the code says. Another goes
through the interface cell by cell: each appointment, each action, in its own reach and beyond it.

Everybody with an active account may use the registries that they have a grant for, sign for themselves, see their own
account, write forms about themselves and end their own sessions. All else needs an appointment, and counts only where
that reaches.
";

const PLACES: &str = "
## Where it is done

On the command line no appointment is needed; what is done there is on
record with the name of the operating system's user.

";

const FOOT: &str = "
## What no appointment allows

The forms themselves see to it (`src/forms`), whatever somebody is appointed to:

- Nobody decides on a form about themselves, lifts a block of their own, confirms their own account or appoints
  themselves.
- Of one form, who submits it for another does not approve it, who approves it does not forward it, and who approves
  or forwards it does not execute it.
- Who decides must be known by an HSA-id: else it cannot be told whether it is about themselves.
- A draft is seen by who wrote it and whom it is about, and by nobody else.
- Each decision is signed: the second factor was shown in the same session at most `step_up_s` before.
- What somebody tries and may not is refused and on record (`move_denied`); so is each reading of another's form
  (`form_revealed`).
";

#[cfg(test)]
mod tests {
    use super::super::Appointment;
    use super::*;

    #[test]
    fn names_are_their_own() {
        for (index, (action, _)) in ALLOWED.iter().enumerate() {
            assert!(ALLOWED.iter().skip(index + 1).all(|(other, _)| other.as_str() != action.as_str()));
        }
    }

    #[test]
    fn appointments_on_the_page_are_read() {
        for role in Role::ALL {
            let text = role.reach().split('`').nth(1).expect("a text");
            let appointment: Appointment =
                text.parse().or_else(|_| "log_reviewer:SE2321000016-39KJ".parse()).expect("reads");
            assert_eq!(appointment.kind(), role);
        }
    }
}
