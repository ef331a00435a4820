//! The page of one's own passkeys.

use super::none_here;
use super::texts::PasskeyTexts;
use crate::accounts::passkey::{self, PASSKEYS_MAX, PasskeyId};
use crate::accounts::{Account, State as AccountState};
use crate::clock;
use crate::sessions::End;
use crate::store::{Change, Passkey, StoreError};
use crate::web::attempt::by;
use crate::web::form::Bound;
use crate::web::language::{Language, Texts};
use crate::web::{App, Caller, Scripted, nowhere, pages, problem};
use askama::Template;
use axum::Extension;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use contract::Micros;
use contract::id::{AccountId, SessionKey};
use contract::way_back::{PASSKEYS_PATH, WayBack, set_return_cookie};
use serde::Deserialize;
use std::sync::Arc;

/// Who is logged in.
pub(super) struct Inside {
    pub(super) session: SessionKey,
    pub(super) account: Account,
}

/// What is wrong, for the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    Stale,
    Refused,
    NotTaken,
    Name,
    Full,
    Last,
    Absent,
    /// Logged out meanwhile, or the account is no more to be used.
    Out,
    Busy,
}

impl Wrong {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Stale | Self::Refused | Self::Out => StatusCode::FORBIDDEN,
            Self::NotTaken | Self::Name => StatusCode::BAD_REQUEST,
            Self::Full | Self::Last => StatusCode::CONFLICT,
            Self::Absent => StatusCode::NOT_FOUND,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    pub(super) fn text(self, language: Language) -> &'static str {
        let texts = language.passkey_texts();
        match self {
            Self::Stale | Self::Out => language.texts().stale,
            Self::Refused => texts.not_confirmed,
            Self::NotTaken => texts.not_taken,
            Self::Name => texts.name_wrong,
            Self::Full => texts.full,
            Self::Last => texts.last,
            Self::Absent => texts.absent,
            Self::Busy => language.texts().busy,
        }
    }
}

impl From<StoreError> for Wrong {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Absent(_) => Self::Absent,
            StoreError::Taken(_) => Self::NotTaken,
            error => {
                tracing::error!(error = &error as &dyn std::error::Error, "passkeys cannot be read or written");
                Self::Busy
            }
        }
    }
}

/// A form about one passkey.
#[derive(Deserialize)]
pub(in crate::web) struct Sent {
    #[serde(default)]
    form: String,
    #[serde(default)]
    id: String,
    #[serde(default)]
    name: String,
    lang: Option<String>,
}

#[derive(Template)]
#[template(path = "passkeys.html")]
struct PasskeysPage<'a> {
    texts: &'static Texts,
    own: &'static PasskeyTexts,
    language: &'static str,
    other_language: &'static str,
    title: &'a str,
    form: String,
    passkeys: Vec<Row>,
    full: bool,
    has_code: bool,
    wrong: Option<&'static str>,
}

/// A passkey in the list.
struct Row {
    id: String,
    name: String,
    created: Shown,
    last_used: Option<Shown>,
}

/// A time, for people and for programs.
struct Shown {
    text: String,
    exact: String,
}

impl Shown {
    fn new(at: Micros) -> Self {
        let exact = clock::rfc3339(at);
        let text = exact.get(..16).map_or_else(|| exact.clone(), |minutes| minutes.replace('T', " ") + " UTC");
        Self { text, exact }
    }
}

impl App {
    /// Who is logged in, by what the store says now; the gateway's word may be a minute old.
    pub(super) async fn who_is_inside(&self, caller: &Caller) -> Result<Option<Inside>, StoreError> {
        let assertion = &caller.assertion;
        let (Some(session), now) = (assertion.session, clock::now()) else { return Ok(None) };
        let Some(live) = self.store.live_session(session, now).await? else { return Ok(None) };
        if live.device != assertion.device || Some(live.account) != assertion.account {
            return Ok(None);
        }
        let account = self.store.account(live.account).await?;
        let account = account.filter(|account| matches!(account.state.at(now), AccountState::Active { .. }));
        Ok(account.map(|account| Inside { session, account }))
    }
}

/// Holds that who was inside still is, by what the change sees: a session may end while a form is on its way.
async fn still_inside(change: &mut Change, inside: &Inside) -> Result<(), Wrong> {
    let live = change.live_session(inside.session).await?.is_some();
    let now = change.at();
    let account = change.account(inside.account.id).await?;
    if live && matches!(account.state.at(now), AccountState::Active { .. }) { Ok(()) } else { Err(Wrong::Out) }
}

/// Begins a change for who is logged in, and still is when it begins.
pub(super) async fn change_of(app: &App, caller: &Caller, inside: &Inside) -> Result<Change, Wrong> {
    let mut change = app.store.change(clock::now(), by(caller)).await?;
    still_inside(&mut change, inside).await?;
    Ok(change)
}

/// The page.
pub(in crate::web) async fn show(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    asked: Result<Query<pages::Asked>, QueryRejection>,
) -> Response {
    let Query(asked) = asked.unwrap_or_default();
    let language = Language::choose(asked.lang.as_deref(), &headers);
    match app.who_is_inside(&caller).await {
        _ if app.party.is_none() => nowhere::told(&app, &caller, &headers, language),
        Ok(Some(inside)) => page(&app, &caller, &inside, language, None).await,
        Ok(None) => to_login(),
        Err(error) => unavailable(error),
    }
}

/// The form for another name, sent.
pub(in crate::web) async fn rename(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    sent: Result<Form<Sent>, FormRejection>,
) -> Response {
    let change = async |change: &mut Change, inside: &Inside, sent: &Sent| {
        let name = passkey::name(&sent.name).ok_or(Wrong::Name)?;
        let id = sent.id.parse().map_err(|_| Wrong::Absent)?;
        Ok(change.rename_passkey(inside.account.id, &id, &name).await?)
    };
    changed(&app, &caller, &headers, sent, change).await
}

/// The form that removes one, sent. What rested on it ends: every other session of the account.
pub(in crate::web) async fn remove(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    sent: Result<Form<Sent>, FormRejection>,
) -> Response {
    let change = async |change: &mut Change, inside: &Inside, sent: &Sent| {
        let id: PasskeyId = sent.id.parse().map_err(|_| Wrong::Absent)?;
        let account = inside.account.id;
        if !another_way(change, account, &id).await? {
            return Err(Wrong::Last);
        }
        change.end_passkey(account, &id).await?;
        Ok(change.end_other_sessions(account, inside.session, End::Account).await?)
    };
    changed(&app, &caller, &headers, sent, change).await
}

/// Whether an account can be logged in to without this passkey.
async fn another_way(change: &mut Change, account: AccountId, without: &PasskeyId) -> Result<bool, StoreError> {
    let credential = change.credential(account).await?;
    let by_password = credential.password.is_some() && credential.totp.is_some();
    Ok(by_password || change.passkeys(account).await?.iter().any(|passkey| passkey.id != *without))
}

/// Makes a change that a form of the page asks for, if it was asked for here.
async fn changed(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    sent: Result<Form<Sent>, FormRejection>,
    make: impl AsyncFnOnce(&mut Change, &Inside, &Sent) -> Result<(), Wrong>,
) -> Response {
    let inside = match app.who_is_inside(caller).await {
        _ if app.party.is_none() => return none_here(),
        Ok(Some(inside)) => inside,
        Ok(None) => return to_login(),
        Err(error) => return unavailable(error),
    };
    let Ok(Form(sent)) = sent else {
        return page(app, caller, &inside, Language::choose(None, headers), Some(Wrong::Stale)).await;
    };
    let language = Language::choose(sent.lang.as_deref(), headers);
    if !asked_for(app, caller, headers, &inside, &sent.form).await {
        return page(app, caller, &inside, language, Some(Wrong::Stale)).await;
    }
    let done = async {
        let mut change = change_of(app, caller, &inside).await?;
        make(&mut change, &inside, &sent).await?;
        Ok(change.commit().await?)
    };
    match done.await {
        Ok(()) => pages::see_other(&format!("/auth/passkeys?lang={}", language.tag())),
        Err(Wrong::Out) => to_login(),
        Err(wrong) => page(app, caller, &inside, language, Some(wrong)).await,
    }
}

/// Whether a form of the page was asked for here; that it was not is recorded.
pub(super) async fn asked_for(app: &App, caller: &Caller, headers: &HeaderMap, inside: &Inside, form: &str) -> bool {
    let to = Bound::Session(inside.session);
    let held = app.form.holds(form, to, caller.assertion.device_cert, clock::now());
    let right = held && !pages::from_elsewhere(headers);
    if !right {
        pages::record_forged(app, caller).await;
    }
    right
}

/// The page, with what is wrong if something is.
pub(super) async fn page(
    app: &App,
    caller: &Caller,
    inside: &Inside,
    language: Language,
    wrong: Option<Wrong>,
) -> Response {
    let account = inside.account.id;
    let (passkeys, credential) = match (app.store.passkeys(account).await, app.store.credential(account).await) {
        (Ok(passkeys), Ok(credential)) => (passkeys, credential),
        (Err(error), _) | (_, Err(error)) => return unavailable(error),
    };
    let row = |passkey: Passkey| Row {
        id: passkey.id.to_string(),
        name: passkey.name,
        created: Shown::new(passkey.created),
        last_used: passkey.last_used.map(Shown::new),
    };
    let page = PasskeysPage {
        texts: language.texts(),
        own: language.passkey_texts(),
        language: language.tag(),
        other_language: language.other().tag(),
        title: &app.title,
        form: app.form.field(Bound::Session(inside.session), caller.assertion.device_cert, clock::now()),
        full: passkeys.len() >= PASSKEYS_MAX,
        passkeys: passkeys.into_iter().map(row).collect(),
        has_code: credential.totp.is_some(),
        wrong: wrong.map(|wrong| wrong.text(language)),
    };
    let Ok(html) = page.render() else {
        return problem(StatusCode::INTERNAL_SERVER_ERROR, "The page cannot be shown");
    };
    let mut response = (wrong.map_or(StatusCode::OK, Wrong::status), Html(html)).into_response();
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-language"));
    response.extensions_mut().insert(Scripted);
    response
}

/// Who is not logged in is led to the login, and back.
pub(super) fn to_login() -> Response {
    let mut response = pages::see_other("/auth/login");
    pages::set_cookie(&mut response, &set_return_cookie(WayBack::parse(PASSKEYS_PATH).as_ref()));
    response
}

/// The store does not answer.
pub(super) fn unavailable(error: StoreError) -> Response {
    problem(Wrong::from(error).status(), "Passkeys do not answer")
}
