//! The second page: instructions, password, second factor. What is wrong is told field by field.

use super::super::attempt::by;
use super::super::language::Language;
use super::super::outside::{Outside, Wrong, answer};
use super::super::pages::see_other;
use super::super::{App, Caller, Secret, problem};
use super::qr::Qr;
use super::{forget, start_again};
use crate::accounts::password::{self, PasswordError};
use crate::accounts::totp::CodeCheck;
use crate::breached::Breached;
use crate::store::{Opened, Own, Way};
use crate::{clock, random};
use askama::Template;
use axum::Extension;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// Whoever waits longer for their turn tries again.
const WAIT_MAX: Duration = Duration::from_secs(5);

#[derive(Deserialize)]
pub(in crate::web) struct Sent {
    #[serde(default)]
    accept: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    password: Secret,
    #[serde(default)]
    again: Secret,
    #[serde(default)]
    code: Secret,
    #[serde(default)]
    form: String,
    lang: Option<String>,
}

#[derive(Template)]
#[template(path = "collect/own.html")]
pub(super) struct OwnPage<'a> {
    outside: Outside<'a>,
    heading: Cow<'static, str>,
    paragraphs: Vec<&'a str>,
    version: u32,
    accepted: bool,
    user: &'a str,
    qr: Qr,
    secret: &'a str,
    /// There are passkeys here.
    passkeys: bool,
}

impl OwnPage<'_> {
    /// The page, with whether the instructions were accepted and what is to be mended.
    pub(super) fn answer(
        app: &App,
        caller: &Caller,
        headers: &HeaderMap,
        language: Language,
        opened: &Opened,
        (accepted, wrong): (bool, Vec<Wrong>),
    ) -> Response {
        let user = opened.account.user_name.as_str();
        let address = opened.totp.otpauth_url(&app.title, user).ok();
        let Some(qr) = address.and_then(|address| Qr::of(&address)) else {
            return problem(StatusCode::INTERNAL_SERVER_ERROR, "The page cannot be shown");
        };
        let status = if wrong.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
        let secret = opened.totp.to_base32();
        let (outside, cookie) = Outside::new(app, caller, headers, language, wrong);
        let shown = OwnPage {
            outside,
            heading: language.say("collect-own-heading"),
            paragraphs: app.instructions.paragraphs(language),
            version: app.instructions.version,
            accepted,
            user,
            qr,
            secret: &secret,
            passkeys: app.party.is_some(),
        };
        answer(status, &shown, cookie)
    }
}

/// What somebody sets, sent.
pub(in crate::web) async fn own(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    sent: Result<Form<Sent>, FormRejection>,
) -> Response {
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
    let now = clock::now();
    let code = opened.totp.check(&sent.code, now, 0);
    let (hash, mut wrong) = match app.new_password(&opened, sent.password, &sent.again).await {
        Ok(hash) => (hash, Vec::new()),
        Err(Some(wrong)) => (Zeroizing::default(), vec![wrong]),
        Err(None) => return start(StatusCode::SERVICE_UNAVAILABLE, "collect-busy"),
    };
    if !accepted {
        wrong.insert(0, Wrong { field: "accept", key: "instructions-not-accepted" });
    }
    let CodeCheck::Right { step } = code else {
        wrong.push(Wrong { field: "code", key: "collect-totp-wrong" });
        return OwnPage::answer(&app, &caller, &headers, language, &opened, (accepted, wrong));
    };
    if !wrong.is_empty() {
        return OwnPage::answer(&app, &caller, &headers, language, &opened, (accepted, wrong));
    }
    let way = Way::Codes { password: &hash, step };
    let own = Own { way, instructions: app.instructions.version };
    match app.counter.collect(now, by(&caller), &token, own).await {
        Ok(Some(_)) => {
            let mut response = see_other("/auth/collect/done");
            forget(&mut response);
            response
        }
        Ok(None) => start(StatusCode::FORBIDDEN, "collect-stale"),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "credentials could not be collected");
            start(StatusCode::SERVICE_UNAVAILABLE, "collect-busy")
        }
    }
}

impl App {
    /// The hash of a new password; or what is wrong with it; or that it cannot be told now.
    async fn new_password(&self, opened: &Opened, typed: Secret, again: &str) -> Result<Secret, Option<Wrong>> {
        let wrong = |field, key| Some(Wrong { field, key });
        if typed.as_str() != again {
            return Err(wrong("again", "collect-again-differs"));
        }
        let account = &opened.account;
        let known =
            [account.user_name.as_str().to_owned(), account.name.clone(), account.title.clone(), self.title.clone()];
        let list = self.login.breached_file.clone();
        let permit = tokio::time::timeout(WAIT_MAX, self.checks.acquire()).await;
        let Ok(Ok(_permit)) = permit else { return Err(None) };
        let hashed = tokio::task::spawn_blocking(move || {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            password::acceptable(&typed, &known).map_err(Some)?;
            if let Some(list) = list {
                match Breached::open(&list).and_then(|mut list| list.has(&typed)) {
                    Ok(true) => return Err(Some(PasswordError::Breached)),
                    Ok(false) => {}
                    // Nobody sets a password that was not compared.
                    Err(error) => {
                        tracing::error!(
                            error = &error as &dyn std::error::Error,
                            "nobody can set a password until login.breached_file can be read, or is taken out"
                        );
                        return Err(None);
                    }
                }
            }
            password::hash(&typed, &random::secret()).map(Zeroizing::new).map_err(Some)
        });
        match hashed.await {
            Ok(Ok(hash)) => Ok(hash),
            Ok(Err(Some(PasswordError::Length))) => Err(wrong("password", "collect-password-length")),
            Ok(Err(Some(PasswordError::Guessable))) => Err(wrong("password", "collect-password-guessable")),
            Ok(Err(Some(PasswordError::Breached))) => Err(wrong("password", "collect-password-breached")),
            Ok(Err(Some(PasswordError::Hash(_)) | None)) | Err(_) => Err(None),
        }
    }
}
