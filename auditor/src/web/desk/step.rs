//! Showing a second factor again, to sign: a page between a decision and what it does. What was typed goes with it, as
//! hidden fields of the page's form, which is sent to where the decision was sent: nothing of it is in an address, and
//! nothing is done before it is read anew. A passkey is shown to the session by the page's script, before the same is sent.

use super::field::{Field, Input, Told, Wrong, summary};
use super::wrong::beside;
use crate::web::admin::problem::{Kind, Problem};
use crate::web::member::Member;
use crate::web::page::{Frame, Typed, page};
use crate::web::passkey::PasskeyTexts;
use crate::web::{App, Scripted};
use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use std::borrow::Cow;

/// The code's field.
pub(super) const CODE: &str = "code";

/// What is to be signed.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    /// Where it is sent.
    pub(super) to: String,
    /// What it is, in words.
    pub(super) deed: String,
    /// What was typed.
    pub(super) typed: &'a Typed,
    /// Which of its fields go with it.
    pub(super) fields: &'a [&'static str],
    /// Where one goes who does not sign.
    pub(super) back: String,
}

#[derive(Template)]
#[template(path = "admin/step_up.html")]
struct StepUpPage {
    frame: Frame,
    heading: Cow<'static, str>,
    to: String,
    deed: String,
    hidden: Vec<(&'static str, String)>,
    fields: Vec<Field>,
    told: Vec<Told>,
    back: String,
    words: &'static PasskeyTexts,
}

/// The page that asks for a code or a passkey.
pub(super) fn ask(frame: Frame, asked: Asked<'_>, wrong: Option<&'static str>) -> Response {
    let status = if wrong.is_some() { StatusCode::FORBIDDEN } else { StatusCode::OK };
    let wrong: Vec<Wrong> = wrong.map(|key| beside(&frame, CODE, key)).into_iter().collect();
    let code = Field::line(&frame, CODE, "step-up-code").hinted(&frame, "step-up-code-hint");
    // A code is never shown again.
    let fields = vec![code.input(Input::Line("text")).filled_by("one-time-code").with("", &wrong)];
    let hidden = asked.fields.iter().map(|name| (*name, asked.typed.get(name).replace("\r\n", "\n")));
    let shown = StepUpPage {
        heading: frame.say("step-up-heading"),
        to: asked.to,
        deed: asked.deed,
        hidden: hidden.filter(|(_, value)| !value.is_empty()).collect(),
        told: summary(&wrong, &fields),
        fields,
        back: asked.back,
        words: frame.language.passkey_texts(),
        frame,
    };
    let mut response = page(status, &shown);
    if shown.frame.factors.passkey {
        response.extensions_mut().insert(Scripted);
    }
    response
}

impl App {
    /// Takes the code of a page that [`ask`] made, if one was sent. What is wrong with it, as a text's key.
    pub(super) async fn shown_code(&self, member: &Member, typed: &Typed) -> Result<Result<(), &'static str>, Problem> {
        if !typed.names().any(|name| name == CODE) {
            return Ok(Ok(()));
        }
        let code = typed.get(CODE);
        if code.is_empty() {
            return Ok(Err("step-up-missing"));
        }
        match self.step_up(member, code).await {
            Ok(_) => Ok(Ok(())),
            Err(problem) if problem.kind() == Kind::CodeRefused => Ok(Err("step-up-wrong")),
            Err(problem) => Err(problem),
        }
    }
}
