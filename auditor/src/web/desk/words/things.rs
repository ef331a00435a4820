//! What states, ways and kinds of accounts, credentials, devices and tables are called: the texts' keys.

use crate::devices;
use crate::handout::{self, Channel, Part, Purpose, Stage};
use crate::imports::{Feed, What};
use crate::issuing::FileForm;
use crate::web::admin::accounts;
use crate::web::admin::handouts;
use contract::record::AuthMethod;

/// An account's state, by its name.
pub(in crate::web::desk) fn account_state(state: &str) -> &'static str {
    match state {
        "created" => "accounts-state-created",
        "handed_out" => "accounts-state-handed-out",
        "active" => "accounts-state-active",
        "locked" => "accounts-state-locked",
        "locked_unused" => "accounts-state-locked-unused",
        "dormant" => "accounts-state-dormant",
        "blocked" => "accounts-state-blocked",
        "deregistered" => "accounts-state-deregistered",
        _ => "accounts-state-lapsed",
    }
}

/// An order of accounts, by its name.
pub(in crate::web::desk) fn account_order(order: &str) -> &'static str {
    match order {
        "newest" => "accounts-order-newest",
        "unused" => "accounts-order-unused",
        "rested" => "accounts-order-rested",
        _ => "accounts-order-name",
    }
}

/// What somebody does with an account: the button, what they do by it, and that it is done.
pub(in crate::web::desk) const fn account_deed(deed: accounts::deeds::Deed) -> [&'static str; 3] {
    use accounts::deeds::Deed;
    match deed {
        Deed::Lock => ["accounts-lock", "accounts-lock-intro", "accounts-done-lock"],
        Deed::Unlock => ["accounts-unlock", "accounts-unlock-intro", "accounts-done-unlock"],
        Deed::Block => ["accounts-block", "accounts-block-intro", "accounts-done-block"],
        Deed::ProposeLift => ["accounts-propose", "accounts-propose-intro", "accounts-done-propose"],
        Deed::Lift => ["accounts-lift", "accounts-lift-intro", "accounts-done-lift"],
        Deed::Confirm => ["accounts-confirm", "accounts-confirm-intro", "accounts-done-confirm"],
        Deed::Reactivate => ["accounts-reactivate", "accounts-reactivate-intro", "accounts-done-reactivate"],
    }
}

/// How somebody logged in.
pub(in crate::web::desk) const fn method(method: AuthMethod) -> &'static str {
    match method {
        AuthMethod::PasswordTotp => "sessions-by-password",
        AuthMethod::Passkey => "sessions-by-passkey",
        AuthMethod::Oidc => "sessions-by-provider",
        AuthMethod::Siths => "sessions-by-card",
        AuthMethod::Token => "sessions-by-token",
        AuthMethod::None => "sessions-by-none",
    }
}

pub(in crate::web::desk) const fn purpose(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::First => "handouts-first",
        Purpose::Reset => "handouts-new-factor",
    }
}

pub(in crate::web::desk) const fn handout_state(state: handout::State) -> &'static str {
    match state {
        handout::State::Open => "handouts-state-open",
        handout::State::Collected => "handouts-state-collected",
        handout::State::Spent => "handouts-state-spent",
        handout::State::Replaced => "handouts-state-replaced",
        handout::State::Expired => "handouts-state-expired",
    }
}

pub(in crate::web::desk) const fn channel(channel: Channel) -> &'static str {
    match channel {
        Channel::Letter => "handouts-letter",
        Channel::Sms => "handouts-sms",
        Channel::Phone => "handouts-phone",
        Channel::Fax => "handouts-fax",
    }
}

pub(in crate::web::desk) const fn part(part: Part) -> &'static str {
    match part {
        Part::Id => "handouts-id",
        Part::Code => "handouts-code",
    }
}

/// Where a half is that goes by a channel.
pub(in crate::web::desk) const fn stage(channel: Channel, stage: Stage) -> &'static str {
    match (stage, channel) {
        (Stage::Waiting, Channel::Phone) => "handouts-to-read-out",
        (Stage::Waiting, Channel::Sms) => "handouts-waits-for-letter",
        (Stage::Waiting, Channel::Letter | Channel::Fax) => "handouts-to-print",
        (Stage::Gone, Channel::Phone) => "handouts-was-read-out",
        _ => any_stage(stage),
    }
}

/// Where a half is, however it goes.
pub(in crate::web::desk) const fn any_stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Waiting => "handouts-waiting",
        Stage::Printed => "handouts-printed",
        Stage::Queued => "handouts-queued",
        Stage::Sent => "handouts-sent",
        Stage::Failed => "handouts-failed",
        Stage::Delivered => "handouts-delivered",
        Stage::Gone => "handouts-gone",
    }
}

/// What somebody does with a half: the button, and what they do by it.
pub(in crate::web::desk) fn handout_deed(deed: handouts::deeds::Deed, stage: Stage) -> [&'static str; 2] {
    use handouts::deeds::Deed;
    match deed {
        Deed::Letter if stage == Stage::Printed => ["handouts-print-again", "handouts-print-again-intro"],
        Deed::Letter => ["handouts-print", "handouts-print-intro"],
        Deed::Posted => ["handouts-posted", "handouts-posted-intro"],
        Deed::Number => ["handouts-number", "handouts-number-intro"],
        Deed::Called => ["handouts-called", "handouts-called-intro"],
        Deed::Reroute => ["handouts-reroute", "handouts-reroute-intro"],
    }
}

/// A device's state, by its name.
pub(in crate::web::desk) fn device_state(state: &str) -> &'static str {
    match state {
        "active" => "devices-state-active",
        "expired" => "devices-state-expired",
        _ => "devices-state-revoked",
    }
}

/// An order of devices, by its name.
pub(in crate::web::desk) fn device_order(order: &str) -> &'static str {
    match order {
        "expires" => "devices-order-expires",
        "unused" => "devices-order-unused",
        _ => "devices-order-newest",
    }
}

/// A code's state, by its name.
pub(in crate::web::desk) fn code_state(state: &str) -> &'static str {
    match state {
        "open" => "devices-code-open",
        "expired" => "devices-code-expired",
        _ => "devices-code-spent",
    }
}

/// Why a device is revoked.
pub(in crate::web::desk) const fn revoked(why: devices::Why) -> &'static str {
    match why {
        devices::Why::Lost => "devices-why-lost",
        devices::Why::Stolen => "devices-why-stolen",
        devices::Why::KeyCompromised => "devices-why-key",
        devices::Why::Replaced => "devices-why-replaced",
        devices::Why::OutOfUse => "devices-why-out-of-use",
        devices::Why::Leaves => "devices-why-leaves",
        devices::Why::Mistake => "devices-why-mistake",
        devices::Why::Unspecified | devices::Why::Superseded => "devices-why-unsaid",
    }
}

pub(in crate::web::desk) const fn file_form(form: FileForm) -> &'static str {
    match form {
        FileForm::Pkcs12 => "devices-form-pkcs12",
        FileForm::Pkcs12Legacy => "devices-form-legacy",
        FileForm::MobileConfig => "devices-form-profile",
    }
}

pub(in crate::web::desk) const fn feed(feed: Feed) -> &'static str {
    match feed {
        Feed::Employments => "imports-employments",
        Feed::Units => "imports-units",
        Feed::Assignments => "imports-assignments",
    }
}

/// What is wrong in a table.
pub(in crate::web::desk) const fn fault(what: What) -> &'static str {
    match what {
        What::Form => "imports-fault-form",
        What::Missing => "imports-fault-missing",
        What::Unknown => "imports-fault-unknown",
        What::Value => "imports-fault-value",
        What::Double => "imports-fault-double",
        What::Backwards => "imports-fault-backwards",
        What::Overlap => "imports-fault-overlap",
        What::Absent => "imports-fault-absent",
        What::TooMany => "imports-fault-too-many",
    }
}
