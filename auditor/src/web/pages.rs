//! The pages and their handlers.

use super::attempt::{LoginError, Opened, Typed};
use super::form::{Bound, FORM_COOKIE, well_formed};
use super::language::{Language, Texts};
use super::oidc::{Button, Trouble};
use super::passkey::PasskeyTexts;
use super::{App, Caller, Scripted, Secret, problem};
use crate::clock;
use crate::random;
use askama::Template;
use axum::Extension;
use axum::extract::rejection::{FormRejection, JsonRejection, QueryRejection};
use axum::extract::{Form, Json, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use contract::directory::SESSION_COOKIE;
use contract::record::AuthMethod;
use contract::way_back::{RETURN_COOKIE, WayBack, set_return_cookie};
use serde::Deserialize;
use std::borrow::Cow;
use std::sync::Arc;
use zeroize::Zeroizing;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    pub(super) lang: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Sent {
    #[serde(default)]
    user: Secret,
    #[serde(default)]
    password: Secret,
    #[serde(default)]
    code: Secret,
    #[serde(default)]
    form: String,
    lang: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Credentials {
    user: Secret,
    password: Secret,
    code: Secret,
}

/// What is wrong, for the user.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wrong {
    Refused,
    Passkey,
    Stale,
    Incomplete,
    Busy,
    /// At an identity provider, or on the way back from it.
    Elsewhere(Trouble),
}

impl Wrong {
    fn status(self) -> StatusCode {
        match self {
            Self::Refused | Self::Passkey | Self::Stale => StatusCode::FORBIDDEN,
            Self::Incomplete => StatusCode::BAD_REQUEST,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Elsewhere(trouble) => trouble.status(),
        }
    }

    fn text(self, language: Language) -> Cow<'static, str> {
        let texts = language.texts();
        match self {
            Self::Refused => texts.refused.into(),
            Self::Passkey => language.passkey_texts().refused.into(),
            Self::Stale => texts.stale.into(),
            Self::Incomplete => texts.incomplete.into(),
            Self::Busy => texts.busy.into(),
            Self::Elsewhere(trouble) => language.say(trouble.key()),
        }
    }
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage<'a> {
    texts: &'static Texts,
    language: &'static str,
    other_language: &'static str,
    title: &'a str,
    help: &'a str,
    form: String,
    wrong: Option<Cow<'static, str>>,
    passkey: Option<&'static PasskeyTexts>,
    /// The language, for texts by their keys.
    speaks: Language,
    elsewhere: Vec<Button>,
    /// Whether cards are let in.
    siths: bool,
}

/// The login page.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let Query(asked) = asked.unwrap_or_default();
    let language = Language::choose(asked.lang.as_deref(), &headers);
    page(&app, &caller, &headers, language, None)
}

/// The login form, sent.
pub(super) async fn submit(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    sent: Result<Form<Sent>, FormRejection>,
) -> Response {
    let Ok(Form(sent)) = sent else {
        let language = Language::choose(None, &headers);
        return page(&app, &caller, &headers, language, Some(Wrong::Incomplete));
    };
    let language = Language::choose(sent.lang.as_deref(), &headers);
    let again = |wrong| page(&app, &caller, &headers, language, Some(wrong));
    let cookie = cookie(&headers, FORM_COOKIE).unwrap_or_default();
    let asked_for = app.form.holds(&sent.form, Bound::Cookie(cookie), caller.assertion.device_cert, clock::now());
    if !asked_for || from_elsewhere(&headers) {
        record_forged(&app, &caller).await;
        return again(Wrong::Stale);
    }
    if sent.user.trim().is_empty() || sent.password.is_empty() || sent.code.trim().is_empty() {
        return again(Wrong::Incomplete);
    }
    let typed = Typed { user: sent.user, password: sent.password, code: sent.code };
    match app.attempt(&caller, typed, AuthMethod::PasswordTotp).await {
        Ok(opened) => inside(&headers, &opened),
        Err(LoginError::Refused) => again(Wrong::Refused),
        Err(LoginError::Busy) => again(Wrong::Busy),
        Err(error) => {
            log_failure(&error);
            again(Wrong::Busy)
        }
    }
}

/// Leads who is let in to where they wanted to go, with the session's cookie.
pub(super) fn inside(headers: &HeaderMap, opened: &Opened) -> Response {
    let session = format!("{SESSION_COOKIE}={}; Path=/; Secure; HttpOnly; SameSite=Lax", *opened.token);
    if opened.instructions_due {
        // The way back is kept until they are accepted.
        let mut response = see_other(super::instructions::PATH);
        set_cookie(&mut response, &Zeroizing::new(session));
        set_cookie(&mut response, &gone(FORM_COOKIE, "Strict"));
        return response;
    }
    let back = cookie(headers, RETURN_COOKIE).and_then(WayBack::from_cookie);
    let mut response = see_other(back.as_ref().map_or("/", WayBack::as_str));
    set_cookie(&mut response, &Zeroizing::new(session));
    set_cookie(&mut response, &gone(FORM_COOKIE, "Strict"));
    set_cookie(&mut response, &set_return_cookie(None));
    response
}

/// Records what was sent without having been asked for here.
pub(super) async fn record_forged(app: &App, caller: &Caller) {
    if let Err(error) = app.forged(caller).await {
        tracing::error!(error = &error as &dyn std::error::Error, "a forged form cannot be recorded");
    }
}

/// Tells operators of a login that could not be decided on.
pub(super) fn log_failure(error: &LoginError) {
    tracing::error!(error = error as &dyn std::error::Error, "a login failed");
}

/// Login for programs: the token of a new session, to be sent as `Authorization: Bearer`.
pub(super) async fn token(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    sent: Result<Json<Credentials>, JsonRejection>,
) -> Response {
    let sent = match sent {
        Ok(Json(sent)) => sent,
        Err(rejection) => return problem(rejection.status(), "Send JSON with the texts user, password and code"),
    };
    let typed = Typed { user: sent.user, password: sent.password, code: sent.code };
    match app.attempt(&caller, typed, AuthMethod::Token).await {
        Ok(opened) => {
            let body = serde_json::json!({
                "token": *opened.token, "token_type": "Bearer", "expires": clock::rfc3339(opened.expires),
            });
            Json(body).into_response()
        }
        Err(LoginError::Refused) => {
            let mut response =
                problem(StatusCode::UNAUTHORIZED, "User name, password or code is wrong, or the account is locked");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            response
        }
        Err(LoginError::Busy) => problem(StatusCode::SERVICE_UNAVAILABLE, "Too many logins at once"),
        Err(error) => {
            log_failure(&error);
            problem(StatusCode::SERVICE_UNAVAILABLE, "Login does not answer")
        }
    }
}

/// The button, pressed.
#[derive(Default, Deserialize)]
pub(super) struct Leave {
    #[serde(default)]
    form: String,
}

/// Ends the session, if that was asked for here: by a program, by a form of ours, or by a page of this host as the browser
/// says, for registries have such buttons, too.
pub(super) async fn logout(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    sent: Result<Form<Leave>, FormRejection>,
) -> Response {
    let sent = sent.map(|Form(sent)| sent).unwrap_or_default();
    match app.may_leave(&caller, &headers, &sent.form).await {
        Ok(true) => {}
        Ok(false) => {
            record_forged(&app, &caller).await;
            return problem(StatusCode::FORBIDDEN, "This was not asked for here");
        }
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a logout failed");
            return problem(StatusCode::SERVICE_UNAVAILABLE, "Logout does not answer");
        }
    }
    if let Err(error) = app.leave(&caller).await {
        tracing::error!(error = &error as &dyn std::error::Error, "a logout failed");
        return problem(StatusCode::SERVICE_UNAVAILABLE, "Logout does not answer");
    }
    let mut response = if super::nowhere::wants_page(&headers) {
        see_other("/auth/login")
    } else {
        StatusCode::NO_CONTENT.into_response()
    };
    set_cookie(&mut response, &gone(SESSION_COOKIE, "Lax"));
    // Who logs in next here may be somebody else, and is not led to where this user wanted to go.
    set_cookie(&mut response, &set_return_cookie(None));
    response
}

/// Who one is, for programs.
pub(super) async fn me(Extension(caller): Extension<Caller>) -> Response {
    let assertion = &caller.assertion;
    let Some(account) = assertion.account else { return problem(StatusCode::UNAUTHORIZED, "Not logged in") };
    Json(serde_json::json!({
        "account": account,
        "user_hsa": assertion.user_hsa,
        "name": assertion.name,
        "care_unit": assertion.care_unit,
        "right": assertion.right,
        "auth_method": assertion.amr,
        "device": assertion.device,
        "device_org": assertion.device_org,
    }))
    .into_response()
}

/// The style sheet.
pub(super) async fn style() -> Response {
    let headers = [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "private, max-age=3600")];
    (headers, include_str!("../../templates/style.css")).into_response()
}

/// The login page, with what is wrong if something is.
pub(super) fn page(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    language: Language,
    wrong: Option<Wrong>,
) -> Response {
    let kept = cookie(headers, FORM_COOKIE).filter(|cookie| well_formed(cookie)).map(str::to_owned);
    let (cookie, new) = match kept {
        Some(cookie) => (cookie, false),
        None => (random::token().to_string(), true),
    };
    let texts = language.texts();
    let page = LoginPage {
        texts,
        language: language.tag(),
        other_language: language.other().tag(),
        title: &app.title,
        help: &app.help,
        form: app.form.field(Bound::Cookie(&cookie), caller.assertion.device_cert, clock::now()),
        wrong: wrong.map(|wrong| wrong.text(language)),
        passkey: app.party.as_ref().map(|_| language.passkey_texts()),
        speaks: language,
        elsewhere: app.oidc.buttons(language),
        siths: app.siths.is_some(),
    };
    let Ok(html) = page.render() else {
        return problem(StatusCode::INTERNAL_SERVER_ERROR, "The page cannot be shown");
    };
    let mut response = (wrong.map_or(StatusCode::OK, Wrong::status), Html(html)).into_response();
    if page.passkey.is_some() {
        response.extensions_mut().insert(Scripted);
    }
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-language"));
    if new {
        set_cookie(&mut response, &format!("{FORM_COOKIE}={cookie}; Path=/; Secure; HttpOnly; SameSite=Strict"));
    }
    response
}

pub(super) fn see_other(to: &str) -> Response {
    let location = HeaderValue::from_str(to).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}

pub(super) fn set_cookie(response: &mut Response, cookie: &str) {
    if let Ok(mut value) = HeaderValue::from_str(cookie) {
        value.set_sensitive(true);
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

pub(super) fn gone(name: &str, same_site: &str) -> String {
    format!("{name}=; Path=/; Secure; HttpOnly; SameSite={same_site}; Max-Age=0")
}

/// A cookie's value, if exactly one cookie has the name.
pub(super) fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter_map(|(key, value)| (key == name).then_some(value));
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

/// Whether the browser says that another site sent this.
pub(super) fn from_elsewhere(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none")
}
