//! The administration's interface for programs and pages, `/admin/api/v1`: the account procedure's forms, who is appointed
//! to what, and devices. `GET /admin/api/v1/openapi.json` describes it.
//!
//! Every request is of somebody who is logged in with an account in use ([`member`]). What they may do, `duties` and
//! the forms themselves decide, in the store, in the same change as what is done; here requests are read and answers
//! written. What somebody may not know of is not there for them.

pub(super) mod accounts;
pub(super) mod appointments;
pub(super) mod body;
pub(super) mod content;
pub(super) mod device_codes;
pub(super) mod devices;
pub(super) mod emergencies;
pub(super) mod forms;
pub(super) mod handouts;
pub(super) mod imports;
mod member;
mod moves;
mod openapi;
pub(super) mod organisations;
pub(super) mod problem;
pub(super) mod query;
pub(super) mod sign;
#[cfg(test)]
pub(super) mod tests;
mod view;
pub(super) mod work;

use self::accounts::holds;
use super::App;
use crate::duties::Action;
use crate::store::StoreError;
use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get, post};
use problem::{Kind, Problem};
use serde::Serialize;
use std::str::FromStr;
use std::sync::Arc;

/// Where it is.
const BASE: &str = "/admin/api/v1";

/// Most bytes of a body.
const BODY_BYTES_MAX: usize = 64 << 10;

/// All routes, below [`BASE`].
fn routes() -> Vec<(&'static str, MethodRouter<Arc<App>>)> {
    vec![
        ("/openapi.json", get(openapi::show)),
        ("/step-up", post(sign::step_up)),
        ("/step-up/question", post(sign::question)),
        ("/step-up/passkey", post(sign::step_up_by_passkey)),
        ("/forms", get(forms::list).post(forms::begin)),
        ("/forms/{id}", get(forms::show).put(forms::mend)),
        ("/forms/{id}/submit", post(moves::submit)),
        ("/forms/{id}/approve", post(moves::approve)),
        ("/forms/{id}/refuse", post(moves::refuse)),
        ("/forms/{id}/return", post(moves::send_back)),
        ("/forms/{id}/forward", post(moves::forward)),
        ("/forms/{id}/execute", post(moves::execute)),
        ("/appointments", get(appointments::list).post(appointments::give)),
        ("/appointments/{id}/end", post(appointments::end)),
        ("/imports/{feed}", post(imports::bring).layer(DefaultBodyLimit::max(imports::BODY_BYTES_MAX))),
        ("/accounts/search", post(accounts::list::search)),
        ("/accounts/{id}", get(accounts::show)),
        ("/accounts/{id}/lock", post(holds::lock)),
        ("/accounts/{id}/unlock", post(holds::unlock)),
        ("/accounts/{id}/block", post(holds::block)),
        ("/accounts/{id}/propose-lift", post(holds::propose_lift)),
        ("/accounts/{id}/lift", post(holds::lift)),
        ("/accounts/{id}/confirm", post(holds::confirm)),
        ("/accounts/{id}/reactivate", post(holds::reactivate)),
        ("/accounts/{id}/sessions", get(holds::sessions)),
        ("/accounts/{id}/sessions/end", post(holds::end_sessions)),
        ("/organisations", get(organisations::list).post(organisations::add)),
        ("/devices", get(devices::list).post(devices::enrol)),
        ("/devices/{id}", get(devices::show)),
        ("/devices/{id}/renew", post(devices::renew_file)),
        ("/devices/{id}/revoke", post(devices::revoke)),
        ("/device-files", post(devices::enrol_file)),
        ("/device-codes", get(device_codes::list).post(device_codes::issue)),
        ("/device-codes/{id}/withdraw", post(device_codes::withdraw)),
        ("/emergencies", get(emergencies::list)),
        ("/emergencies/{id}/seen", post(emergencies::see)),
        ("/handouts", get(handouts::list).post(handouts::issue)),
        ("/handouts/{id}", get(handouts::show)),
        ("/handouts/{id}/letter", post(handouts::letter)),
        ("/handouts/{id}/posted", post(handouts::posted)),
        ("/handouts/{id}/number", post(handouts::number)),
        ("/handouts/{id}/called", post(handouts::called)),
        ("/handouts/{id}/reroute", post(handouts::reroute)),
    ]
}

/// The interface's routes.
pub(super) fn router(app: &Arc<App>) -> Router<Arc<App>> {
    let mut router = Router::new();
    for (path, route) in routes() {
        router = router.route(&format!("{BASE}{path}"), route.fallback(wrong_method));
    }
    for rest in ["", "/", "/{*rest}"] {
        router = router.route(&format!("{BASE}{rest}"), axum::routing::any(nothing));
    }
    router
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(Arc::clone(app), member::known_member))
}

async fn wrong_method() -> Problem {
    Kind::MethodNotAllowed.into()
}

async fn nothing() -> Problem {
    Kind::NotFound.into()
}

/// An answer, with the version of what it shows.
fn answer<T: Serialize>(status: StatusCode, version: Option<i64>, value: &T) -> Response {
    let Ok(body) = serde_json::to_string(value) else { return Problem::from(Kind::Unavailable).into_response() };
    let mut response = (status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
    if let Some(tag) = version.and_then(|version| HeaderValue::from_str(&format!("\"{version}\"")).ok()) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// What the store says to something that everybody may ask.
fn refused(error: &StoreError) -> Problem {
    Problem::from_store(error, Action::SeeRequest)
}

/// The version that somebody has seen, by exactly one `If-Match` with one strong tag.
fn seen(headers: &HeaderMap) -> Result<i64, Problem> {
    let mut tags = headers.get_all(header::IF_MATCH).iter();
    let tag = tags.next().ok_or(Kind::PreconditionRequired)?;
    let number = tag.to_str().ok().and_then(|tag| tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok());
    match (number, tags.next()) {
        (Some(number), None) => Ok(number),
        _ => Err(Problem::new(Kind::Malformed, "If-Match must be one tag, as an answer's ETag told it")),
    }
}

/// The id in a path. One that is none is that of nothing.
#[derive(Debug)]
struct Id<T>(T);

impl<T: FromStr, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let id = path.ok().and_then(|Path(text)| text.parse().ok());
        Ok(Self(id.ok_or(Kind::NotFound)?))
    }
}
