//! The way to where the card is shown.

use super::begun::Begun;
use crate::clock;
use crate::web::language::Language;
use crate::web::pages::{self, Asked, see_other, set_cookie};
use crate::web::{App, Caller, problem};
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use std::sync::Arc;

/// Sends a browser to where its user shows the card, with what it needs to come back.
///
/// It is a link and no form: a page may send forms to this host only, and browsers hold redirects after a form to that.
pub(in crate::web) async fn start(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let Some(cards) = &app.siths else { return problem(StatusCode::NOT_FOUND, "No cards are let in here") };
    // Another site may not set off a login that nobody has asked for.
    if pages::from_elsewhere(&headers) {
        return see_other("/auth/login");
    }
    let Query(asked) = asked.unwrap_or_default();
    let language = Language::choose(asked.lang.as_deref(), &headers);
    let begun = Begun::new(clock::now());
    let state = begun.state(&app.form, caller.assertion.device_cert);
    let mut response = see_other(&format!("{}/?state={state}&lang={}", cards.origin, language.tag()));
    set_cookie(&mut response, &begun.set());
    response
}
