//! The second page, for who takes a passkey: instructions, and the passkey. No password is set: a passkey stands for both
//! factors.

use super::super::attempt::by;
use super::super::form::Bound;
use super::super::language::Language;
use super::super::outside::{Outside, Wrong, answer};
use super::super::pages::{Asked, record_forged, see_other};
use super::super::passkey::ticket::{self, Aim};
use super::super::passkey::{PasskeyTexts, asked, none_here};
use super::super::{App, Caller, Scripted, Secret, problem};
use super::{PATH, forget, start_again};
use crate::accounts::passkey::PublicHalf;
use crate::clock;
use crate::store::{Opened, Own, Passkey, StoreError, Way};
use askama::Template;
use axum::Extension;
use axum::extract::rejection::{FormRejection, JsonRejection, QueryRejection};
use axum::extract::{Form, Json, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use std::borrow::Cow;
use std::sync::Arc;

/// What the script sends to be asked.
#[derive(Deserialize)]
pub(in crate::web) struct Ask {
    #[serde(default)]
    form: String,
    lang: Option<String>,
}

#[derive(Deserialize)]
pub(in crate::web) struct Sent {
    #[serde(default)]
    accept: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    ticket: String,
    #[serde(default)]
    answer: Secret,
    #[serde(default)]
    form: String,
    lang: Option<String>,
}

#[derive(Template)]
#[template(path = "collect/passkey.html")]
struct PasskeyPage<'a> {
    outside: Outside<'a>,
    heading: Cow<'static, str>,
    paragraphs: Vec<&'a str>,
    version: u32,
    accepted: bool,
    user: &'a str,
    words: &'static PasskeyTexts,
}

/// The page.
pub(in crate::web) async fn passkey(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    if app.party.is_none() {
        return none_here();
    }
    let Query(asked) = asked.unwrap_or_default();
    let language = Language::choose(asked.lang.as_deref(), &headers);
    match app.opened(&caller, &headers).await {
        Ok(Some((_, opened))) => page(&app, &caller, &headers, language, &opened, (false, None)),
        Ok(None) => see_other(PATH),
        Err(()) => start_again(&app, &caller, &headers, (language, StatusCode::SERVICE_UNAVAILABLE), "collect-busy"),
    }
}

/// The question for the new passkey, for who has shown both halves.
pub(in crate::web) async fn question(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    sent: Result<Json<Ask>, JsonRejection>,
) -> Response {
    let Some(party) = &app.party else { return none_here() };
    let Ok(Json(sent)) = sent else { return problem(StatusCode::BAD_REQUEST, "Send JSON with the text form") };
    let told = |status, key| problem(status, &Language::choose(sent.lang.as_deref(), &headers).say(key));
    if !app.asked_for_outside(&caller, &headers, &sent.form).await {
        return told(StatusCode::FORBIDDEN, "wrong-stale");
    }
    let (token, opened) = match app.opened(&caller, &headers).await {
        Ok(Some(found)) => found,
        Ok(None) => return told(StatusCode::FORBIDDEN, "collect-stale"),
        Err(()) => return told(StatusCode::SERVICE_UNAVAILABLE, "collect-busy"),
    };
    let (device, now) = (caller.assertion.device_cert, clock::now());
    let to = Bound::Cookie(&token);
    asked(party.ask_new(&opened.account, &[]), |state| ticket::make(&app.form, Aim::Collect, to, device, state, now))
}

/// The new passkey, sent.
pub(in crate::web) async fn take(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    sent: Result<Form<Sent>, FormRejection>,
) -> Response {
    let Some(party) = &app.party else { return none_here() };
    let sent = sent.ok().map(|Form(sent)| sent);
    let language = Language::choose(sent.as_ref().and_then(|sent| sent.lang.as_deref()), &headers);
    let start = |status, key| start_again(&app, &caller, &headers, (language, status), key);
    let Some(sent) = sent else { return start(StatusCode::BAD_REQUEST, "collect-stale") };
    if !app.asked_for_outside(&caller, &headers, &sent.form).await {
        return start(StatusCode::FORBIDDEN, "wrong-stale");
    }
    let (token, opened) = match app.opened(&caller, &headers).await {
        Ok(Some(found)) => found,
        Ok(None) => return start(StatusCode::FORBIDDEN, "collect-stale"),
        Err(()) => return start(StatusCode::SERVICE_UNAVAILABLE, "collect-busy"),
    };
    let accepted = sent.accept == "yes" && sent.version.parse() == Ok(app.instructions.version);
    let again = |field, key| page(&app, &caller, &headers, language, &opened, (accepted, Some(Wrong { field, key })));
    if !accepted {
        return again("accept", "instructions-not-accepted");
    }
    let (device, now) = (caller.assertion.device_cert, clock::now());
    let read = ticket::read(&app.form, &sent.ticket, Aim::Collect, Bound::Cookie(&token), device, now);
    let Some(ticket) = read else {
        record_forged(&app, &caller).await;
        return again("add", "wrong-stale");
    };
    let passkey = match party.take_new(&sent.answer, &ticket.state) {
        Ok(key) => app.first_passkey(&opened, &key, language),
        Err(error) => {
            if let Err(error) = app.counter.refused(now, by(&caller), &opened, error.reason()).await {
                return failed(&error, start);
            }
            None
        }
    };
    let Some(passkey) = passkey else { return again("add", "collect-passkey-wrong") };
    let way = Way::Passkey { passkey: &passkey, question: (&ticket.id, ticket.until) };
    let own = Own { way, instructions: app.instructions.version };
    match app.counter.collect(now, by(&caller), &token, own).await {
        Ok(Some(_)) => {
            let mut response = see_other("/auth/collect/done");
            forget(&mut response);
            response
        }
        Ok(None) => start(StatusCode::FORBIDDEN, "collect-stale"),
        // One that there is already, or was.
        Err(StoreError::Taken(_)) => again("add", "collect-passkey-wrong"),
        Err(error) => failed(&error, start),
    }
}

fn failed(error: &StoreError, start: impl FnOnce(StatusCode, &'static str) -> Response) -> Response {
    tracing::error!(error = error as &dyn std::error::Error, "a first passkey could not be set");
    start(StatusCode::SERVICE_UNAVAILABLE, "collect-busy")
}

fn page(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    language: Language,
    opened: &Opened,
    (accepted, wrong): (bool, Option<Wrong>),
) -> Response {
    let status = if wrong.is_none() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let (outside, cookie) = Outside::new(app, caller, headers, language, wrong.into_iter().collect());
    let shown = PasskeyPage {
        outside,
        heading: language.say("collect-passkey-heading"),
        paragraphs: app.instructions.paragraphs(language),
        version: app.instructions.version,
        accepted,
        user: opened.account.user_name.as_str(),
        words: language.passkey_texts(),
    };
    let mut response = answer(status, &shown, cookie);
    response.extensions_mut().insert(Scripted);
    response
}

impl App {
    fn first_passkey(&self, opened: &Opened, key: &PublicHalf, language: Language) -> Option<Passkey> {
        let account = opened.account.id;
        Some(Passkey {
            id: key.id(),
            account,
            credential: self.seal_passkey(account, key).ok()?,
            name: language.say("collect-passkey-name").into_owned(),
            created: clock::now(),
            last_used: None,
            ended: None,
        })
    }
}
