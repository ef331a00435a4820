//! What a page has around its content where nobody is logged in.

use super::form::{Bound, FORM_COOKIE, well_formed};
use super::language::Language;
use super::pages::{cookie, from_elsewhere, record_forged, set_cookie};
use super::{App, Caller, problem};
use crate::{clock, random};
use askama::Template;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use std::borrow::Cow;

/// Something that is to be mended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wrong {
    /// The field's id.
    pub(super) field: &'static str,
    /// The text's key.
    pub(super) key: &'static str,
}

/// What templates that extend `outside.html` have as `outside`.
pub(super) struct Outside<'a> {
    pub(super) language: Language,
    pub(super) title: &'a str,
    pub(super) help: &'a str,
    /// The form's proof that it was asked for here.
    pub(super) form: String,
    pub(super) wrong: Vec<Wrong>,
}

impl<'a> Outside<'a> {
    /// With a cookie for the form, if the browser has none yet.
    pub(super) fn new(
        app: &'a App,
        caller: &Caller,
        headers: &HeaderMap,
        language: Language,
        wrong: Vec<Wrong>,
    ) -> (Self, Option<String>) {
        let kept = cookie(headers, FORM_COOKIE).filter(|cookie| well_formed(cookie)).map(str::to_owned);
        let new = kept.is_none();
        let cookie = kept.unwrap_or_else(|| random::token().to_string());
        let form = app.form.field(Bound::Cookie(&cookie), caller.assertion.device_cert, clock::now());
        (Self { language, title: &app.title, help: &app.help, form, wrong }, new.then_some(cookie))
    }

    /// A text in the page's language.
    pub(super) fn say(&self, key: &'static str) -> Cow<'static, str> {
        self.language.say(key)
    }

    /// Whether something is wrong with a field.
    pub(super) fn is_wrong(&self, field: &str) -> bool {
        self.wrong.iter().any(|wrong| wrong.field == field)
    }
}

/// A page, and the cookie that its form needs.
pub(super) fn answer(status: StatusCode, template: &impl Template, form_cookie: Option<String>) -> Response {
    let Ok(html) = template.render() else {
        return problem(StatusCode::INTERNAL_SERVER_ERROR, "The page cannot be shown");
    };
    let mut response = (status, Html(html)).into_response();
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-language, cookie"));
    if let Some(cookie) = form_cookie {
        set_cookie(&mut response, &format!("{FORM_COOKIE}={cookie}; Path=/; Secure; HttpOnly; SameSite=Strict"));
    }
    response
}

impl App {
    /// Whether a form was asked for here; if not, that is on record.
    pub(super) async fn asked_for_outside(&self, caller: &Caller, headers: &HeaderMap, form: &str) -> bool {
        let cookie = cookie(headers, FORM_COOKIE).unwrap_or_default();
        let asked_for = self.form.holds(form, Bound::Cookie(cookie), caller.assertion.device_cert, clock::now())
            && !from_elsewhere(headers);
        if !asked_for {
            record_forged(self, caller).await;
        }
        asked_for
    }
}

#[cfg(test)]
pub(super) mod browser;
