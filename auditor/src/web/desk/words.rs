//! What states, kinds, rights and duties are called: the texts' keys.

mod things;

pub(super) use things::{
    account_deed, account_order, account_state, any_stage, channel, code_state, device_order, device_state, fault,
    feed, file_form, handout_deed, handout_state, method, part, purpose, revoked, stage,
};

use crate::duties::{Action, Appointment, Why};
use crate::forms::{Did, Kind, State};
use crate::web::admin::work::Deed;
use crate::web::language::Language;
use contract::emergency;
use contract::record::Right;

pub(super) const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Application => "forms-kind-application",
        Kind::Alteration => "forms-kind-alteration",
        Kind::Deregistration => "forms-kind-deregistration",
    }
}

pub(super) const fn state(state: State) -> &'static str {
    match state {
        State::Draft => "forms-state-draft",
        State::Submitted => "forms-state-submitted",
        State::Approved => "forms-state-approved",
        State::Forwarded => "forms-state-forwarded",
        State::Executed => "forms-state-executed",
        State::Refused => "forms-state-refused",
        State::Lapsed => "forms-state-lapsed",
    }
}

pub(super) const fn did(did: Did) -> &'static str {
    match did {
        Did::Submitted => "forms-did-submitted",
        Did::Approved => "forms-did-approved",
        Did::Forwarded => "forms-did-forwarded",
        Did::Executed => "forms-did-executed",
        Did::Returned => "forms-did-returned",
        Did::Refused => "forms-did-refused",
        Did::Lapsed => "forms-did-lapsed",
    }
}

/// What comes next for a form that stands there.
pub(super) const fn next(state: State) -> &'static str {
    match state {
        State::Draft => "forms-next-draft",
        State::Submitted => "forms-next-submitted",
        State::Approved => "forms-next-approved",
        State::Forwarded => "forms-next-forwarded",
        State::Executed => "forms-next-executed",
        State::Refused => "forms-next-refused",
        State::Lapsed => "forms-next-lapsed",
    }
}

pub(super) const fn right(right: Right) -> &'static str {
    match right {
        Right::Read => "forms-right-read",
        Right::ReadWrite => "forms-right-read-write",
    }
}

/// What somebody does: the button, what they do by it, and that it is done.
pub(super) const fn deed(deed: Deed) -> [&'static str; 3] {
    match deed {
        Deed::Submit => ["forms-submit", "forms-submit-intro", "forms-done-submit"],
        Deed::Approve => ["forms-approve", "forms-approve-intro", "forms-done-approve"],
        Deed::Return => ["forms-return", "forms-return-intro", "forms-done-return"],
        Deed::Refuse => ["forms-refuse", "forms-refuse-intro", "forms-done-refuse"],
        Deed::Forward => ["forms-forward", "forms-forward-intro", "forms-done-forward"],
        Deed::Execute => ["forms-execute", "forms-execute-intro", "forms-done-execute"],
    }
}

/// What a duty allows.
pub(super) const fn action(action: Action) -> &'static str {
    match action {
        Action::SeeRequest => "forms-action-see-request",
        Action::Deregister => "forms-action-deregister",
        Action::DecideForRegion => "forms-action-decide-for-region",
        Action::Forward => "forms-action-forward",
        Action::Execute => "forms-action-execute",
        Action::SeeAccount => "forms-action-see-account",
        Action::Lock => "forms-action-lock",
        Action::Unlock => "forms-action-unlock",
        Action::Block => "forms-action-block",
        Action::LiftBlock => "forms-action-lift-block",
        Action::Reconfirm => "forms-action-reconfirm",
        Action::HandOut => "forms-action-hand-out",
        Action::Appoint => "forms-action-appoint",
        Action::Import => "forms-action-import",
        Action::SeeDevices => "forms-action-see-devices",
        Action::ManageDevices => "forms-action-manage-devices",
        Action::Review => "forms-action-review",
        Action::ReadLog => "forms-action-read-log",
    }
}

/// An appointment, and how far it reaches.
pub(super) fn appointment(language: Language, appointment: &Appointment) -> String {
    let of = |key, reach: &str| language.say_with(key, [("reach", reach.into())]);
    match appointment {
        Appointment::Approver(region) => of("forms-duty-approver", region.name()),
        Appointment::RegistryHolder(registry) => of("forms-duty-registry-holder", registry.as_str()),
        Appointment::AccountAdmin => language.say("forms-duty-account-admin").into_owned(),
        Appointment::DeviceAdmin(None) => language.say("forms-duty-device-admin").into_owned(),
        Appointment::DeviceAdmin(Some(hsa)) => of("forms-duty-device-admin-of", hsa.as_str()),
        Appointment::LogReviewer(unit) => of("forms-duty-log-reviewer", unit.as_str()),
        Appointment::LogAuditor => language.say("forms-duty-log-auditor").into_owned(),
        Appointment::HelpDesk => language.say("forms-duty-help-desk").into_owned(),
    }
}

/// Why an appointment ends.
pub(super) const fn why(why: Why) -> &'static str {
    match why {
        Why::Leaves => "appointments-why-leaves",
        Why::Mistake => "appointments-why-mistake",
        _ => "appointments-why-other-duty",
    }
}

/// Why a patient is opened in an emergency.
pub(super) const fn emergency(why: emergency::Why) -> &'static str {
    match why {
        emergency::Why::Life => "emergency-why-life",
        emergency::Why::Incapable => "emergency-why-incapable",
        emergency::Why::Acute => "emergency-why-acute",
        emergency::Why::Other => "emergency-why-other",
    }
}
