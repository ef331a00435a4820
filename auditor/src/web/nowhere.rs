//! Where there is nothing: told to people on a page that leads on, to programs as a problem.

use super::language::Language;
use super::outside::Outside;
use super::page::page;
use super::pages::Asked;
use super::{App, Caller, problem};
use askama::Template;
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State as Shared};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use std::borrow::Cow;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "nowhere.html")]
struct NowherePage<'a> {
    outside: Outside<'a>,
    heading: Cow<'static, str>,
}

/// The answer to what no route takes, and to what this installation does not have.
pub(super) async fn nowhere(
    Shared(app): Shared<Arc<App>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let asked = asked.map(|Query(asked)| asked).unwrap_or_default();
    let language = Language::choose(asked.lang.as_deref(), &headers);
    told(&app, &caller, &headers, language)
}

/// The same, in a language that is known.
pub(super) fn told(app: &App, caller: &Caller, headers: &HeaderMap, language: Language) -> Response {
    if !wants_page(headers) {
        return problem(StatusCode::NOT_FOUND, "There is nothing here");
    }
    // Without a form it needs no cookie either.
    let (outside, _) = Outside::new(app, caller, headers, language, Vec::new());
    page(StatusCode::NOT_FOUND, &NowherePage { heading: outside.say("trouble-not-found"), outside })
}

/// Whether a person asks.
pub(super) fn wants_page(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"))
}
