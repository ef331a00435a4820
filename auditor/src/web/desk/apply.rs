//! Form 1 from people who have no account yet: written and submitted on an enrolled device, before anybody is logged in.
//!
//! Who has submitted one is shown a case number and a secret code, once; with both they see where it stands, and mend it
//! when it is sent back ([`case`]). Whether they have an account all the same is not looked at here: every whole form is
//! taken, and gets the same answer. How many come from a device is bounded in the store.

mod case;

pub(super) use case::{leave, mend, open, show as case};

use super::field::{self, Field, Input, Told, Wrong};
use super::paper::{self, Given};
use super::sheet::Sheet;
use super::show::ASSURED;
use super::wrong::{beside, said, whole, wrongs};
use super::{day, write};
use crate::clock;
use crate::duties::Action;
use crate::forms::{Form, Kind as Paper};
use crate::store::{Case, StoreError};
use crate::web::admin::content;
use crate::web::admin::problem::{Kind, Problem};
use crate::web::attempt::by;
use crate::web::language::Language;
use crate::web::outside::{Outside, answer};
use crate::web::page::Typed;
use crate::web::pages::{Asked, see_other};
use crate::web::{App, Caller};
use askama::Template;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State as Shared};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use contract::id::AccountId;
use std::borrow::Cow;
use std::sync::Arc;

/// Where the form is.
const PATH: &str = "/auth/apply";

#[derive(Template)]
#[template(path = "apply/form.html")]
struct FormPage<'a> {
    outside: Outside<'a>,
    /// The language of the fields.
    frame: Language,
    heading: Cow<'static, str>,
    intro: Cow<'static, str>,
    /// Why it was sent back.
    because: Option<String>,
    told: Vec<Told>,
    to: &'static str,
    version: Option<i64>,
    fields: Vec<Field>,
    submit: Cow<'static, str>,
}

#[derive(Template)]
#[template(path = "apply/done.html")]
struct DonePage<'a> {
    outside: Outside<'a>,
    heading: Cow<'static, str>,
    number: &'a str,
    secret: &'a str,
}

/// What is shown of a form that is written.
struct Draft<'a> {
    sheet: &'a Sheet,
    wrong: &'a [Wrong],
    /// Of a form that was sent back: why, and the version that is mended.
    returned: Option<(String, i64)>,
}

/// The form. Who is logged in writes it by their account.
pub(super) async fn show(
    Shared(app): Shared<Arc<App>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    if caller.assertion.account.is_some() {
        return see_other(write::APPLICATION);
    }
    let Query(asked) = asked.unwrap_or_default();
    let language = Language::choose(asked.lang.as_deref(), &headers);
    let mut sheet = Sheet::new(Paper::Application);
    sheet.set("valid_from", day::day(clock::now()));
    let draft = Draft { sheet: &sheet, wrong: &[], returned: None };
    page(&app, &caller, &headers, (language, StatusCode::OK), draft)
}

/// The form, sent: it is submitted, or shown again with what was typed.
pub(super) async fn submit(
    Shared(app): Shared<Arc<App>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if caller.assertion.account.is_some() {
        return see_other(write::APPLICATION);
    }
    let (typed, sheet, language) = read(&headers, &body);
    let again = |status, wrong: &[Wrong]| {
        page(&app, &caller, &headers, (language, status), Draft { sheet: &sheet, wrong, returned: None })
    };
    if !app.asked_for_outside(&caller, &headers, typed.get("form")).await {
        return again(StatusCode::FORBIDDEN, &[whole(language, "wrong-stale")]);
    }
    let taken = match form(&typed, &sheet) {
        Ok(form) => app.office.apply(clock::now(), by(&caller), form).await.map_err(|error| refused(&error)),
        Err(problem) => Err(problem),
    };
    match taken {
        Ok(case) => done(&app, &caller, &headers, language, &case),
        Err(problem) => {
            let (status, wrong) = mended(language, &problem);
            again(status, &wrong)
        }
    }
}

/// What was typed.
fn read(headers: &HeaderMap, body: &[u8]) -> (Typed, Sheet, Language) {
    let typed = Typed::read(body).unwrap_or_default();
    let mut sheet = Sheet::typed(Paper::Application, &typed.without(&["lang", ASSURED]));
    sheet.set(ASSURED, typed.get(ASSURED));
    let language = Language::choose(Some(typed.get("lang")).filter(|tag| !tag.is_empty()), headers);
    (typed, sheet, language)
}

/// The application, if it is whole and its applicant assures that it is true. It is of nobody's account.
fn form(typed: &Typed, sheet: &Sheet) -> Result<Form, Problem> {
    let now = clock::now();
    let mut form = content::form(sheet.without(ASSURED).fields(None, now), AccountId::NONE, now)?;
    form.subject.account = None;
    form.check_newcomers().map_err(|fault| refused(&fault.into()))?;
    if typed.get(ASSURED) != "yes" {
        return Err(Problem::field("/assured", "missing", "the assurance is missing"));
    }
    Ok(form)
}

fn refused(error: &StoreError) -> Problem {
    Problem::from_store(error, Action::SeeRequest)
}

/// What is wrong, in words beside the fields and above them.
fn mended(language: Language, problem: &Problem) -> (StatusCode, Vec<Wrong>) {
    let wrong = match problem.kind() {
        Kind::Invalid if problem.errors.iter().any(|error| error.field == "/assured") => {
            vec![beside(language, ASSURED, "forms-submit-wrong")]
        }
        Kind::Invalid => wrongs(language, problem, &fields(language)),
        Kind::Limit => return (StatusCode::TOO_MANY_REQUESTS, vec![whole(language, "apply-too-many")]),
        Kind::Changed => vec![whole(language, "forms-edit-changed")],
        _ => {
            let (heading, text) = said(language, problem);
            vec![Wrong { field: None, text: format!("{heading}. {text}") }]
        }
    };
    (problem.kind().parts().1, wrong)
}

fn fields(language: Language) -> Vec<Field> {
    let mut fields = paper::fields(language, Paper::Application, Given::default());
    // By an account it is known who somebody is; without one it is asked.
    for field in fields.iter_mut().filter(|field| field.name == "number") {
        field.optional = false;
    }
    let mark = Input::Mark(language.say("forms-submit-assured"));
    fields.push(Field::line(language, ASSURED, "forms-submit-assurance").input(mark));
    fields
}

fn page(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    (language, status): (Language, StatusCode),
    draft: Draft<'_>,
) -> Response {
    let (outside, cookie) = Outside::new(app, caller, headers, language, Vec::new());
    let fields = paper::filled(fields(language), draft.sheet, draft.wrong);
    let (because, version) = draft.returned.unzip();
    let returned = version.is_some();
    let shown = FormPage {
        outside,
        frame: language,
        heading: language.say(if returned { "apply-mend-heading" } else { "apply-heading" }),
        intro: language.say(if returned { "apply-mend-intro" } else { "apply-intro" }),
        because,
        told: field::summary(draft.wrong, &fields),
        to: if returned { case::MEND } else { PATH },
        version,
        fields,
        submit: language.say(if returned { "apply-mend-submit" } else { "apply-submit" }),
    };
    answer(status, &shown, cookie)
}

/// It is submitted: number and code, this once.
fn done(app: &App, caller: &Caller, headers: &HeaderMap, language: Language, case: &Case) -> Response {
    let (outside, cookie) = Outside::new(app, caller, headers, language, Vec::new());
    let heading = language.say("apply-done-heading");
    let shown = DonePage { outside, heading, number: &case.number, secret: &case.secret };
    answer(StatusCode::OK, &shown, cookie)
}

#[cfg(test)]
mod tests;
