//! A new passkey: first the user shows again, by code or by a passkey there is, that it is they who are logged in.

use super::own::{Inside, Wrong, asked_for, change_of, page, to_login, unavailable};
use super::proof::For;
use super::ticket::{self, Aim, Ticket};
use super::{asked, none_here};
use crate::accounts::login::{Shown, judge};
use crate::accounts::passkey::{self, PASSKEYS_MAX, PublicHalf, RelyingParty};
use crate::clock;
use crate::store::Passkey;
use crate::web::attempt::{How, LoginError, by, refuse, settle};
use crate::web::form::Bound;
use crate::web::language::Language;
use crate::web::{App, Caller, Secret, pages, problem};
use axum::Extension;
use axum::extract::rejection::{FormRejection, JsonRejection};
use axum::extract::{Form, Json, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use contract::record::{AuthMethod, Reason};
use serde::Deserialize;
use std::sync::Arc;

/// What the script sends to be asked: the form's field, and for a new passkey who it is that asks.
#[derive(Deserialize)]
pub(in crate::web) struct Ask {
    #[serde(default)]
    form: String,
    #[serde(default)]
    code: Secret,
    #[serde(default)]
    ticket: String,
    #[serde(default)]
    answer: Secret,
    lang: Option<String>,
}

/// The new passkey.
#[derive(Deserialize)]
pub(in crate::web) struct Sent {
    #[serde(default)]
    ticket: String,
    #[serde(default)]
    answer: Secret,
    #[serde(default)]
    name: String,
    lang: Option<String>,
}

/// A question by which the user may show who it is.
pub(in crate::web) async fn confirm(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    sent: Result<Json<Ask>, JsonRejection>,
) -> Response {
    let (party, inside, _) = match entered(&app, &caller, &headers, sent).await {
        Ok(entered) => entered,
        Err(response) => return *response,
    };
    let to = Bound::Session(inside.session);
    let (device, now) = (caller.assertion.device_cert, clock::now());
    asked(party.ask(), |state| ticket::make(&app.form, Aim::Confirm, to, device, state, now))
}

/// The question for the new passkey, for who has shown it.
pub(in crate::web) async fn new(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    sent: Result<Json<Ask>, JsonRejection>,
) -> Response {
    let (party, inside, sent) = match entered(&app, &caller, &headers, sent).await {
        Ok(entered) => entered,
        Err(response) => return *response,
    };
    let told = |wrong: Wrong| problem(wrong.status(), wrong.text(Language::choose(sent.lang.as_deref(), &headers)));
    let known = match app.store.passkeys(inside.account.id).await {
        Ok(known) if known.len() >= PASSKEYS_MAX => return told(Wrong::Full),
        Ok(known) => known,
        Err(error) => return told(error.into()),
    };
    let tried = app.pseudonym.user_name(inside.account.user_name.as_str()).0;
    match app.in_turn(tried, &caller, app.confirmed(&caller, party, &inside, &sent)).await {
        Ok(()) => {}
        Err(LoginError::Refused) => return told(Wrong::Refused),
        Err(error) => {
            pages::log_failure(&error);
            return told(Wrong::Busy);
        }
    }
    let known: Vec<PublicHalf> = known.iter().filter_map(|passkey| app.open_passkey(passkey)).collect();
    let to = Bound::Session(inside.session);
    let (device, now) = (caller.assertion.device_cert, clock::now());
    asked(party.ask_new(&inside.account, &known), |state| ticket::make(&app.form, Aim::New, to, device, state, now))
}

/// The new passkey, sent.
pub(in crate::web) async fn add(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    sent: Result<Form<Sent>, FormRejection>,
) -> Response {
    let Some(party) = &app.party else { return none_here() };
    let inside = match app.who_is_inside(&caller).await {
        Ok(Some(inside)) => inside,
        Ok(None) => return to_login(),
        Err(error) => return unavailable(error),
    };
    let Ok(Form(sent)) = sent else {
        return page(&app, &caller, &inside, Language::choose(None, &headers), Some(Wrong::NotTaken)).await;
    };
    let language = Language::choose(sent.lang.as_deref(), &headers);
    let to = Bound::Session(inside.session);
    let read = ticket::read(&app.form, &sent.ticket, Aim::New, to, caller.assertion.device_cert, clock::now());
    let Some(ticket) = read.filter(|_| !pages::from_elsewhere(&headers)) else {
        pages::record_forged(&app, &caller).await;
        return page(&app, &caller, &inside, language, Some(Wrong::Stale)).await;
    };
    match app.take_passkey(&caller, party, &inside, &ticket, &sent).await {
        Ok(()) => pages::see_other(&format!("/auth/passkeys?lang={}", language.tag())),
        Err(Wrong::Out) => to_login(),
        Err(wrong) => page(&app, &caller, &inside, language, Some(wrong)).await,
    }
}

type Entered<'a> = (&'a RelyingParty, Inside, Ask);

/// Who is logged in and asks by the page's own script; or what they are told.
async fn entered<'a>(
    app: &'a App,
    caller: &Caller,
    headers: &HeaderMap,
    sent: Result<Json<Ask>, JsonRejection>,
) -> Result<Entered<'a>, Box<Response>> {
    let Some(party) = &app.party else { return Err(none_here().into()) };
    let Ok(Json(sent)) = sent else {
        return Err(problem(StatusCode::BAD_REQUEST, "Send JSON with the text form").into());
    };
    let inside = app.who_is_inside(caller).await.map_err(|error| Box::new(unavailable(error)))?;
    let Some(inside) = inside else { return Err(problem(StatusCode::UNAUTHORIZED, "Not logged in").into()) };
    if !asked_for(app, caller, headers, &inside, &sent.form).await {
        let language = Language::choose(sent.lang.as_deref(), headers);
        return Err(problem(Wrong::Stale.status(), Wrong::Stale.text(language)).into());
    }
    Ok((party, inside, sent))
}

impl App {
    /// Whether who asks has shown again who it is: by a passkey of theirs if one has answered, else by a code. A wrong
    /// one counts like one at login.
    async fn confirmed(
        &self,
        caller: &Caller,
        party: &RelyingParty,
        inside: &Inside,
        sent: &Ask,
    ) -> Result<(), LoginError> {
        let (id, now) = (inside.account.id, clock::now());
        let mut change = self.store.change(now, by(caller)).await?;
        let settled = if sent.ticket.is_empty() {
            let account = change.account(id).await?;
            let credential = change.credential(id).await?;
            // The session stands for the password.
            let shown = Shown { password: true, code: self.check_code(id, &credential, &sent.code, now) };
            let before = account.state;
            let verdict = judge(account, shown, self.login.lock, now);
            let how = How { method: AuthMethod::PasswordTotp, note: "confirm".to_owned() };
            settle(&mut change, before, verdict, &how).await?
        } else {
            let to = Bound::Session(inside.session);
            let device = caller.assertion.device_cert;
            let Some(ticket) = ticket::read(&self.form, &sent.ticket, Aim::Confirm, to, device, now) else {
                refuse(&mut change, id, Reason::Forged, &in_adding("ticket")).await?;
                change.commit().await?;
                return Err(LoginError::Refused);
            };
            self.prove(&mut change, party, (&ticket, &sent.answer), For::Confirm(id)).await?
        };
        change.commit().await?;
        settled.map(drop).map_err(|_| LoginError::Refused)
    }

    /// Keeps a new passkey, if who sends it is still inside.
    pub(super) async fn take_passkey(
        &self,
        caller: &Caller,
        party: &RelyingParty,
        inside: &Inside,
        ticket: &Ticket,
        sent: &Sent,
    ) -> Result<(), Wrong> {
        let id = inside.account.id;
        let mut change = change_of(self, caller, inside).await?;
        if !change.answer_once(&ticket.id, ticket.until).await? {
            refuse(&mut change, id, Reason::CodeReplayed, &in_adding("replayed")).await?;
            change.commit().await?;
            return Err(Wrong::Stale);
        }
        let key = match party.take_new(&sent.answer, &ticket.state) {
            Ok(key) => key,
            Err(error) => {
                refuse(&mut change, id, error.reason(), &in_adding(error.as_str())).await?;
                change.commit().await?;
                return Err(Wrong::NotTaken);
            }
        };
        if change.passkeys(id).await?.len() >= PASSKEYS_MAX {
            return Err(Wrong::Full);
        }
        let passkey = Passkey {
            id: key.id(),
            account: id,
            credential: self.seal_passkey(id, &key).map_err(|_| Wrong::Busy)?,
            name: passkey::name(&sent.name).ok_or(Wrong::Name)?,
            created: change.at(),
            last_used: None,
            ended: None,
        };
        change.add_passkey(&passkey).await?;
        Ok(change.commit().await?)
    }
}

fn in_adding(word: &str) -> How {
    How { method: AuthMethod::Passkey, note: format!("new {word}") }
}
