//! A case of somebody without an account: where their application stands, and the form again when it was sent back.
//!
//! Number and code are typed once; then a signed cookie stands for them, on that device and in that browser, for half an
//! hour. They are in no address.

use super::super::day::Shown;
use super::super::said;
use super::super::sheet::Sheet;
use super::super::words;
use super::{Draft, PATH, form, mended, page, read, refused};
use crate::clock;
use crate::forms::{Did, State, has_lapsed};
use crate::store::{Filed, StoreError};
use crate::web::attempt::{LoginError, by};
use crate::web::form::{Bound, FORM_COOKIE};
use crate::web::language::Language;
use crate::web::outside::{Outside, Wrong, answer};
use crate::web::pages::{Asked, cookie, gone, see_other, set_cookie};
use crate::web::passkey::ticket::{self, Aim};
use crate::web::{App, Caller, Secret};
use askama::Template;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Form, Query, State as Shared};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use contract::id::FormId;
use serde::Deserialize;
use std::borrow::Cow;
use std::sync::Arc;

/// Who has it has shown number and code.
const CASE_COOKIE: &str = "__Host-grindvakt-case";
const CASE: &str = "/auth/apply/case";
pub(super) const MEND: &str = "/auth/apply/case/mend";

#[derive(Deserialize)]
pub(in crate::web::desk) struct Sent {
    #[serde(default)]
    number: Secret,
    #[serde(default)]
    secret: Secret,
    #[serde(default)]
    form: String,
    lang: Option<String>,
}

#[derive(Template)]
#[template(path = "apply/case.html")]
struct CasePage<'a> {
    outside: Outside<'a>,
    heading: Cow<'static, str>,
    number: &'a str,
}

#[derive(Template)]
#[template(path = "apply/state.html")]
struct StatePage<'a> {
    outside: Outside<'a>,
    heading: Cow<'static, str>,
    state: Cow<'static, str>,
    next: String,
    region: &'static str,
    registry: String,
    since: Shown,
    /// Why it was refused.
    because: Option<String>,
}

/// The case, for who has shown number and code; else where to type them.
pub(in crate::web::desk) async fn show(
    Shared(app): Shared<Arc<App>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let Query(asked) = asked.unwrap_or_default();
    let language = Language::choose(asked.lang.as_deref(), &headers);
    let Some(id) = app.shown_case(&caller, &headers) else {
        return ask(&app, &caller, &headers, (language, StatusCode::OK), "", None);
    };
    match app.office.read(id).await {
        Ok(filed) => state(&app, &caller, &headers, language, &filed),
        Err(error) => away(&app, &caller, &headers, language, &error),
    }
}

/// Number and code, sent.
pub(in crate::web::desk) async fn open(
    Shared(app): Shared<Arc<App>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    sent: Result<Form<Sent>, FormRejection>,
) -> Response {
    let Ok(Form(sent)) = sent else {
        let language = Language::choose(None, &headers);
        return ask(&app, &caller, &headers, (language, StatusCode::BAD_REQUEST), "", Some("apply-case-wrong"));
    };
    let language = Language::choose(sent.lang.as_deref(), &headers);
    let again = |status, key| ask(&app, &caller, &headers, (language, status), &sent.number, Some(key));
    if !app.asked_for_outside(&caller, &headers, &sent.form).await {
        return again(StatusCode::FORBIDDEN, "wrong-stale");
    }
    let now = clock::now();
    let decide = async {
        let found = app.office.case(now, by(&caller), &sent.number, &sent.secret).await?;
        found.ok_or(LoginError::Refused)
    };
    // Delays grow by device: there is no name.
    let tried = caller.assertion.device_cert.0.first_chunk().copied().unwrap_or_default();
    match app.in_turn(tried, &caller, decide).await {
        Ok(id) => {
            let to = Bound::Cookie(cookie(&headers, FORM_COOKIE).unwrap_or_default());
            let device = caller.assertion.device_cert;
            let ticket = ticket::make(&app.form, Aim::Case, to, device, &id.to_string(), now);
            let mut response = see_other(CASE);
            set_cookie(&mut response, &format!("{CASE_COOKIE}={ticket}; Path=/; Secure; HttpOnly; SameSite=Strict"));
            response
        }
        Err(LoginError::Refused) => again(StatusCode::FORBIDDEN, "apply-case-wrong"),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a case could not be looked up");
            again(StatusCode::SERVICE_UNAVAILABLE, "collect-busy")
        }
    }
}

/// A form that was sent back, mended and submitted anew.
pub(in crate::web::desk) async fn mend(
    Shared(app): Shared<Arc<App>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (typed, sheet, language) = read(&headers, &body);
    let Some(id) = app.shown_case(&caller, &headers) else {
        return ask(&app, &caller, &headers, (language, StatusCode::FORBIDDEN), "", Some("collect-stale"));
    };
    let filed = match app.office.read(id).await {
        Ok(filed) => filed,
        Err(error) => return away(&app, &caller, &headers, language, &error),
    };
    let Some(because) = returned(&filed) else { return see_other(CASE) };
    let seen = typed.get("version").parse().unwrap_or_default();
    let again = |status, wrong: &[super::Wrong]| {
        let draft = Draft { sheet: &sheet, wrong, returned: Some((because.clone(), filed.heading.version)) };
        page(&app, &caller, &headers, (language, status), draft)
    };
    if !app.asked_for_outside(&caller, &headers, typed.get("form")).await {
        return again(StatusCode::FORBIDDEN, &[super::whole(language, "wrong-stale")]);
    }
    let made = match form(&typed, &sheet) {
        Ok(form) => {
            let made = app.office.apply_again(clock::now(), by(&caller), (id, seen), form).await;
            made.map_err(|error| refused(&error))
        }
        Err(problem) => Err(problem),
    };
    match made {
        Ok(_) => see_other(CASE),
        Err(problem) => {
            let (status, wrong) = mended(language, &problem);
            again(status, &wrong)
        }
    }
}

/// Somebody is done with a case: on a device that several use, nobody else sees it.
pub(in crate::web::desk) async fn leave(
    Shared(app): Shared<Arc<App>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    sent: Result<Form<Sent>, FormRejection>,
) -> Response {
    let form = sent.map(|Form(sent)| sent.form).unwrap_or_default();
    let mut response = see_other(PATH);
    if app.asked_for_outside(&caller, &headers, &form).await {
        set_cookie(&mut response, &gone(CASE_COOKIE, "Strict"));
    }
    response
}

/// Where number and code are typed.
fn ask(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    (language, status): (Language, StatusCode),
    number: &str,
    wrong: Option<&'static str>,
) -> Response {
    let wrong = wrong.map(|key| Wrong { field: "number", key }).into_iter().collect();
    let (outside, cookie) = Outside::new(app, caller, headers, language, wrong);
    answer(status, &CasePage { outside, heading: language.say("apply-case-heading"), number }, cookie)
}

fn away(app: &App, caller: &Caller, headers: &HeaderMap, language: Language, error: &StoreError) -> Response {
    tracing::error!(error = error as &dyn std::error::Error, "a case cannot be read");
    ask(app, caller, headers, (language, StatusCode::SERVICE_UNAVAILABLE), "", Some("collect-busy"))
}

/// Why a form was sent back, if that is where it stands.
fn returned(filed: &Filed) -> Option<String> {
    let last = filed.steps.last().filter(|step| step.did == Did::Returned)?;
    Some(last.words.clone().unwrap_or_default())
}

fn state(app: &App, caller: &Caller, headers: &HeaderMap, language: Language, filed: &Filed) -> Response {
    let heading = &filed.heading;
    let lapsed = !heading.state.is_final() && has_lapsed(heading.state_at, clock::now(), app.request_life_us);
    let state = if lapsed { State::Lapsed } else { heading.state };
    if let (Some(because), false) = (returned(filed), lapsed) {
        let sheet = Sheet::kept(filed.stored.form());
        let draft = Draft { sheet: &sheet, wrong: &[], returned: Some((because, heading.version)) };
        return page(app, caller, headers, (language, StatusCode::OK), draft);
    }
    let (outside, cookie) = Outside::new(app, caller, headers, language, Vec::new());
    let refused = filed.steps.last().filter(|step| step.did == Did::Refused);
    let shown = StatePage {
        outside,
        heading: language.say("apply-state-heading"),
        state: language.say(words::state(state)),
        next: said::next(language, heading, state),
        region: heading.region.name(),
        registry: heading.registry.as_str().to_owned(),
        since: Shown::minute(heading.state_at),
        because: refused.and_then(|step| step.words.clone()),
    };
    answer(StatusCode::OK, &shown, cookie)
}

impl App {
    /// The form whose number and code were shown in this browser a while ago.
    fn shown_case(&self, caller: &Caller, headers: &HeaderMap) -> Option<FormId> {
        let to = Bound::Cookie(cookie(headers, FORM_COOKIE)?);
        let ticket = cookie(headers, CASE_COOKIE)?;
        let ticket = ticket::read(&self.form, ticket, Aim::Case, to, caller.assertion.device_cert, clock::now())?;
        ticket.state.parse().ok()
    }
}
