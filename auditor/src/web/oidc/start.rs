//! The way to a provider.

use super::Trouble;
use super::sealed::{self, Begun};
use crate::clock;
use crate::provider::Question;
use crate::random;
use crate::web::language::Language;
use crate::web::pages::{self, Asked, Wrong, see_other, set_cookie};
use crate::web::{App, Caller, problem};
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use std::sync::Arc;

/// Sends a browser to a provider, with what it needs to come back.
///
/// It is a link and no form: a page may send forms to this host only, and browsers hold redirects after a form to that.
pub(in crate::web) async fn start(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    headers: HeaderMap,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let Some(provider) = app.oidc.named(&name) else {
        return problem(StatusCode::NOT_FOUND, "There is no such identity provider");
    };
    // Another site may not set off a login that nobody has asked for.
    if pages::from_elsewhere(&headers) {
        return see_other("/auth/login");
    }
    let Query(asked) = asked.unwrap_or_default();
    let language = Language::choose(asked.lang.as_deref(), &headers);
    let token = || random::token().to_string();
    let question = Question { state: token(), nonce: token(), verifier: token() };
    let address = match provider.address(&question, language.tag()).await {
        Ok(address) => address,
        Err(error) => {
            tracing::warn!(
                provider = name,
                error = &error as &dyn std::error::Error,
                "no login at the identity provider"
            );
            app.oidc.count(&provider.settings().name, error.as_str());
            return pages::page(&app, &caller, &headers, language, Some(Wrong::Elsewhere(Trouble::Away)));
        }
    };
    let begun =
        Begun { provider: name, question, language: language.tag().to_owned(), until: sealed::end(clock::now()) };
    let Some(sealed) = app.oidc.seal_begun(&begun, caller.assertion.device_cert) else {
        return problem(StatusCode::INTERNAL_SERVER_ERROR, "No login can be begun");
    };
    let mut response = see_other(&address);
    set_cookie(&mut response, &sealed::set(&sealed));
    response
}
