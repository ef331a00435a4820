//! Login with a passkey.

use super::proof::For;
use super::ticket::{self, Aim, Ticket};
use super::{asked, none_here};
use crate::accounts::passkey::{Answer, RelyingParty};
use crate::clock;
use crate::web::attempt::{LoginError, Opened, by};
use crate::web::form::{Bound, FORM_COOKIE};
use crate::web::language::Language;
use crate::web::pages::{self, Wrong};
use crate::web::{App, Caller, Secret, problem};
use axum::Extension;
use axum::extract::rejection::{FormRejection, JsonRejection};
use axum::extract::{Form, Json, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use contract::record::AuthMethod;
use serde::Deserialize;
use std::sync::Arc;

/// What the script sends to be asked.
#[derive(Deserialize)]
pub(in crate::web) struct Ask {
    #[serde(default)]
    form: String,
    lang: Option<String>,
}

/// The answered question.
#[derive(Deserialize)]
pub(in crate::web) struct Sent {
    #[serde(default)]
    ticket: String,
    #[serde(default)]
    answer: Secret,
    lang: Option<String>,
}

/// A question to whoever wants to log in.
pub(in crate::web) async fn question(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    sent: Result<Json<Ask>, JsonRejection>,
) -> Response {
    let Some(party) = &app.party else { return none_here() };
    let Ok(Json(sent)) = sent else { return problem(StatusCode::BAD_REQUEST, "Send JSON with the text form") };
    let (device, now) = (caller.assertion.device_cert, clock::now());
    let to = Bound::Cookie(pages::cookie(&headers, FORM_COOKIE).unwrap_or_default());
    if pages::from_elsewhere(&headers) || !app.form.holds(&sent.form, to, device, now) {
        pages::record_forged(&app, &caller).await;
        return problem(StatusCode::FORBIDDEN, Language::choose(sent.lang.as_deref(), &headers).texts().stale);
    }
    asked(party.ask(), |state| ticket::make(&app.form, Aim::Login, to, device, state, now))
}

/// The answer, sent.
pub(in crate::web) async fn log_in(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    sent: Result<Form<Sent>, FormRejection>,
) -> Response {
    let Some(party) = &app.party else { return none_here() };
    let Ok(Form(sent)) = sent else {
        return pages::page(&app, &caller, &headers, Language::choose(None, &headers), Some(Wrong::Passkey));
    };
    let language = Language::choose(sent.lang.as_deref(), &headers);
    let again = |wrong| pages::page(&app, &caller, &headers, language, Some(wrong));
    let to = Bound::Cookie(pages::cookie(&headers, FORM_COOKIE).unwrap_or_default());
    let read = ticket::read(&app.form, &sent.ticket, Aim::Login, to, caller.assertion.device_cert, clock::now());
    let Some(ticket) = read.filter(|_| !pages::from_elsewhere(&headers)) else {
        pages::record_forged(&app, &caller).await;
        return again(Wrong::Stale);
    };
    match app.attempt_passkey(&caller, party, &ticket, &sent.answer).await {
        Ok(opened) => pages::inside(&headers, &opened),
        Err(LoginError::Refused) => again(Wrong::Passkey),
        Err(error) => {
            pages::log_failure(&error);
            again(Wrong::Busy)
        }
    }
}

impl App {
    /// Tries to log in with a passkey.
    async fn attempt_passkey(
        &self,
        caller: &Caller,
        party: &RelyingParty,
        ticket: &Ticket,
        answer: &str,
    ) -> Result<Opened, LoginError> {
        // Delays grow by passkey: there is no name.
        let tried = Answer::parse(answer).ok().and_then(|answer| answer.id().bytes().first_chunk().copied());
        let decide = self.decide_passkey(caller, party, ticket, answer);
        self.in_turn(tried.unwrap_or_default(), caller, decide).await
    }

    async fn decide_passkey(
        &self,
        caller: &Caller,
        party: &RelyingParty,
        ticket: &Ticket,
        answer: &str,
    ) -> Result<Opened, LoginError> {
        let mut change = self.store.change(clock::now(), by(caller)).await?;
        let settled = self.prove(&mut change, party, (ticket, answer), For::Login).await?;
        self.let_in(change, caller, settled, AuthMethod::Passkey).await
    }
}
