//! Collecting an account: who has both halves sets a password and a second factor of their own, or a passkey, on an enrolled
//! device, before anybody is logged in.
//!
//! Whoever is refused learns nothing: the answer is the same, and comes at the same time, for halves that nobody has, that
//! do not fit, that are old and that are spent. Delays grow by device. What was shown is kept as a token in a cookie; the
//! halves are in no address and on no page after the first.

mod own;
mod passkey;
mod qr;

pub(super) use own::own;
pub(super) use passkey::{passkey, question, take};

use super::attempt::{LoginError, by};
use super::language::Language;
use super::outside::{Outside, Wrong, answer};
use super::pages::{Asked, cookie, gone, see_other, set_cookie};
use super::{App, Caller, Secret};
use crate::clock;
use crate::store::Opened;
use askama::Template;
use axum::Extension;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use own::OwnPage;
use serde::Deserialize;
use std::borrow::Cow;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Who has it has shown both halves.
const TOKEN_COOKIE: &str = "__Host-grindvakt-collect";
const PATH: &str = "/auth/collect";

#[derive(Deserialize)]
pub(super) struct Halves {
    #[serde(default)]
    id: Secret,
    #[serde(default)]
    code: Secret,
    #[serde(default)]
    form: String,
    lang: Option<String>,
}

#[derive(Template)]
#[template(path = "collect/halves.html")]
struct HalvesPage<'a> {
    outside: Outside<'a>,
    heading: Cow<'static, str>,
    /// The id as it was typed.
    id: &'a str,
}

#[derive(Template)]
#[template(path = "collect/done.html")]
struct DonePage<'a> {
    outside: Outside<'a>,
    heading: Cow<'static, str>,
}

/// The first page, or the second for who has shown both halves.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let Query(asked) = asked.unwrap_or_default();
    let language = Language::choose(asked.lang.as_deref(), &headers);
    match app.opened(&caller, &headers).await {
        Ok(Some((_, opened))) => OwnPage::answer(&app, &caller, &headers, language, &opened, (false, Vec::new())),
        Ok(None) => first(&app, &caller, &headers, (language, StatusCode::OK), "", None),
        Err(()) => {
            first(&app, &caller, &headers, (language, StatusCode::SERVICE_UNAVAILABLE), "", Some("collect-busy"))
        }
    }
}

/// Both halves, sent.
pub(super) async fn halves(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    sent: Result<Form<Halves>, FormRejection>,
) -> Response {
    let Ok(Form(sent)) = sent else {
        let language = Language::choose(None, &headers);
        return first(&app, &caller, &headers, (language, StatusCode::BAD_REQUEST), "", Some("collect-refused"));
    };
    let language = Language::choose(sent.lang.as_deref(), &headers);
    let again = |status, key| first(&app, &caller, &headers, (language, status), &sent.id, Some(key));
    if !app.asked_for_outside(&caller, &headers, &sent.form).await {
        return again(StatusCode::FORBIDDEN, "wrong-stale");
    }
    let decide = async {
        let token = app.counter.show(clock::now(), by(&caller), &sent.id, &sent.code).await?;
        token.ok_or(LoginError::Refused)
    };
    match app.in_turn(tried(&caller), &caller, decide).await {
        Ok(token) => {
            let mut response = see_other(PATH);
            let cookie = format!("{TOKEN_COOKIE}={}; Path=/; Secure; HttpOnly; SameSite=Strict", *token);
            set_cookie(&mut response, &Zeroizing::new(cookie));
            response
        }
        Err(LoginError::Refused) => again(StatusCode::FORBIDDEN, "collect-refused"),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "halves of credentials could not be judged");
            again(StatusCode::SERVICE_UNAVAILABLE, "collect-busy")
        }
    }
}

/// The account is in use.
pub(super) async fn done(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let Query(asked) = asked.unwrap_or_default();
    let language = Language::choose(asked.lang.as_deref(), &headers);
    let (outside, cookie) = Outside::new(&app, &caller, &headers, language, Vec::new());
    let heading = language.say("collect-done-heading");
    answer(StatusCode::OK, &DonePage { outside, heading }, cookie)
}

fn first(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    (language, status): (Language, StatusCode),
    id: &str,
    wrong: Option<&'static str>,
) -> Response {
    let wrong = wrong.map(|key| Wrong { field: "id", key }).into_iter().collect();
    let (outside, cookie) = Outside::new(app, caller, headers, language, wrong);
    answer(status, &HalvesPage { outside, heading: language.say("collect-heading"), id }, cookie)
}

/// The first page anew: what was shown before is of no use any more, but for a trouble of ours.
fn start_again(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    (language, status): (Language, StatusCode),
    key: &'static str,
) -> Response {
    let mut response = first(app, caller, headers, (language, status), "", Some(key));
    if status != StatusCode::SERVICE_UNAVAILABLE {
        forget(&mut response);
    }
    response
}

/// What delays grow by: halves are guessed from a device.
fn tried(caller: &Caller) -> [u8; 16] {
    caller.assertion.device_cert.0.first_chunk().copied().unwrap_or_default()
}

impl App {
    /// What a browser's token is for.
    async fn opened(&self, caller: &Caller, headers: &HeaderMap) -> Result<Option<(String, Opened)>, ()> {
        let Some(token) = cookie(headers, TOKEN_COOKIE) else { return Ok(None) };
        let found = self.counter.opened(clock::now(), by(caller), token).await;
        let found = found.map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "who collects cannot be told");
        })?;
        Ok(found.map(|opened| (token.to_owned(), opened)))
    }
}

/// Forgets the token.
fn forget(response: &mut Response) {
    set_cookie(response, &gone(TOKEN_COOKIE, "Strict"));
}

#[cfg(test)]
mod tests;
