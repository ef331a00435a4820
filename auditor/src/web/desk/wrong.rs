//! What is wrong, in a page's language: beside fields, or as a page of its own.

use super::field::{Field, Input, Wrong};
use super::words;
use crate::web::admin::problem::{FieldError, Kind, Problem};
use crate::web::language::Language;
use crate::web::page::{Frame, Trouble, page};
use crate::web::pages::see_other;
use askama::Template;
use axum::response::Response;
use std::borrow::Cow;

/// What is wrong with fields.
pub(super) fn wrongs(speaks: impl Into<Language>, problem: &Problem, fields: &[Field]) -> Vec<Wrong> {
    let speaks = speaks.into();
    if let Some(key) = problem.words() {
        return vec![whole(speaks, key)];
    }
    let mut all: Vec<Wrong> = problem.errors.iter().map(|error| wrong(speaks, error, fields)).collect();
    // Of several fields that nobody has asked for, one line tells.
    all.dedup();
    all
}

fn wrong(speaks: Language, error: &FieldError, fields: &[Field]) -> Wrong {
    let name = error.field.strip_prefix('/').unwrap_or(&error.field);
    let name = if name == "account" { "user_name" } else { name };
    let field = fields.iter().find(|field| field.name == name);
    let about = |key| match field {
        Some(field) => speaks.say_of(key, "field", field.label.as_ref()),
        None => speaks.say("problem-other").into_owned(),
    };
    let plain = |key| speaks.say(key).into_owned();
    let chosen = field.is_some_and(|field| matches!(field.input, Input::Radio(_) | Input::Select(_)));
    let text = match (name, error.code) {
        ("hsa", "missing") if field.is_none() => plain("problem-subject"),
        ("called_back", _) => plain("problem-called-back"),
        ("file", "form") => plain("problem-utf8"),
        ("table", "missing") => plain("problem-table"),
        ("closes_at_most", "refused") => plain("problem-closes"),
        ("closes_at_most", _) => about("problem-whole-number"),
        ("csr", "form") => plain("problem-csr"),
        ("organisation", "refused") => plain("problem-organisation"),
        ("search" | "text", "form") => about("problem-line"),
        ("name", "form") => plain("problem-device-name"),
        (_, "missing" | "form") if chosen => about("problem-missing-choice"),
        (_, "missing") => about("problem-missing"),
        ("user_name", "refused") => plain("problem-no-account"),
        ("user_name", "form") => plain("problem-user-name"),
        ("address", "text") => plain("problem-address"),
        ("units", "text" | "form") => plain("problem-units"),
        ("number", "form") => plain("problem-number"),
        ("hsa" | "unit_hsa" | "organisation", "form") => about("problem-hsa"),
        ("registry", "form") => plain("problem-registry"),
        ("valid_from" | "valid_to", "form") => about("problem-date"),
        ("valid_to", "period") => plain("problem-period"),
        ("purpose" | "reason" | "basis", "text") => about("problem-words"),
        (_, "text") => about("problem-line"),
        (_, "unknown") => plain("problem-unknown"),
        ("", "refused") => plain("problem-reach"),
        _ => plain("problem-other"),
    };
    Wrong { field: field.map(|field| field.name.to_owned()), text }
}

/// What is wrong with the whole.
pub(super) fn whole(speaks: impl Into<Language>, key: &'static str) -> Wrong {
    Wrong { field: None, text: speaks.into().say(key).into_owned() }
}

/// What is wrong with one field.
pub(super) fn beside(speaks: impl Into<Language>, field: &str, key: &'static str) -> Wrong {
    Wrong { field: Some(field.to_owned()), text: speaks.into().say(key).into_owned() }
}

/// A problem in words: a heading, and what follows from it.
pub(super) fn said(speaks: impl Into<Language>, problem: &Problem) -> (Cow<'static, str>, Cow<'static, str>) {
    let speaks = speaks.into();
    let (heading, text) = match problem.kind() {
        Kind::NotAppointed => {
            let duty = problem.duty().map(|duty| speaks.say(words::action(duty))).unwrap_or_default();
            let text = speaks.say_of("problem-not-appointed-text", "duty", duty.as_ref());
            return (speaks.say("problem-not-appointed"), text.into());
        }
        Kind::Own => ("problem-own", "problem-own-text"),
        Kind::Unidentified => ("problem-unidentified", "problem-unidentified-text"),
        Kind::DecidedBefore => ("problem-decided-before", "problem-decided-before-text"),
        Kind::OtherHalf => ("problem-other-half", "problem-other-half-text"),
        Kind::NotYours => ("problem-not-yours", "problem-not-yours-text"),
        Kind::TooMany => ("problem-too-many", "problem-too-many-text"),
        Kind::Limit => ("problem-limit", "problem-limit-text"),
        Kind::WrongState => ("problem-wrong-state", "problem-wrong-state-text"),
        Kind::WrongStage => ("problem-wrong-stage", "problem-wrong-stage-text"),
        Kind::AccountState => ("problem-account-state", "problem-account-state-text"),
        Kind::DeviceState => ("problem-device-state", "problem-device-state-text"),
        Kind::Taken => ("problem-taken", "problem-taken-text"),
        Kind::Overtaken => ("problem-overtaken", "problem-overtaken-text"),
        Kind::CodeRefused => ("problem-code-refused", "problem-code-refused-text"),
        Kind::Changed => ("problem-changed", "problem-changed-text"),
        Kind::NotFound => ("trouble-not-found", "trouble-not-found-text"),
        Kind::MethodNotAllowed => ("trouble-method", "trouble-method-text"),
        Kind::Unavailable => ("trouble-unavailable", "trouble-unavailable-text"),
        Kind::Malformed | Kind::TooLarge | Kind::UnsupportedMediaType | Kind::CrossSite => {
            ("trouble-unreadable", "trouble-unreadable-text")
        }
        Kind::NotLoggedIn
        | Kind::AccountInactive
        | Kind::StepUpRequired
        | Kind::InstructionsDue
        | Kind::PreconditionRequired
        | Kind::Invalid => ("problem-refused", "problem-refused-text"),
    };
    (speaks.say(heading), speaks.say(text))
}

/// The page that says what cannot be done.
#[derive(Template)]
#[template(path = "admin/trouble.html")]
struct ProblemPage {
    frame: Frame,
    heading: Cow<'static, str>,
    text: Cow<'static, str>,
}

/// A problem as a page.
pub(super) fn trouble(frame: Frame, problem: &Problem) -> Response {
    match problem.kind() {
        Kind::NotLoggedIn | Kind::AccountInactive => see_other("/auth/login"),
        Kind::NotFound => Trouble::NotFound.page(frame),
        Kind::Unavailable => Trouble::Unavailable.page(frame),
        kind => {
            let (heading, text) = said(&frame, problem);
            page(kind.parts().1, &ProblemPage { frame, heading, text })
        }
    }
}
