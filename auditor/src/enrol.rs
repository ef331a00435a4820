//! The enrolment listener: where a device without a certificate gets its first one, by a one-time code.
//!
//! The gateway lets in nobody without a certificate, so this is a listener of its own, with a server certificate and no
//! client's. `POST /enrol` is RFC 7030's simple enrolment (4.2): a PKCS#10 request in base64 or PEM, the code as the
//! password of HTTP Basic authentication (3.2.3; the user name is not looked at), a PKCS#7 with the certificate or PEM as the
//! answer. Programs that know RFC 7030 find it under its own paths, too.
//!
//! Anybody can come here. What is sent is bounded in length and time, tries are limited by address and by code, every
//! refused code is on record, and one answer serves for all that is wrong with a code.

use crate::clock;
use crate::devices::Code;
use crate::issuing::{Desk, IssueError, est};
use crate::net::{BODY, Limit, Peer, in_time};
use crate::pki::{REQUEST_BYTES_MAX, Request};
use crate::store::{By, Store, StoreError};
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use governor::Quota;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use zeroize::Zeroizing;

/// An `Authorization` header with a code is never longer.
const AUTHORIZATION_BYTES_MAX: usize = 512;

/// What the listener works with.
#[derive(Debug)]
struct Enrol {
    desk: Arc<Desk>,
    limit: Limit,
}

/// The listener's routes. `tries_a_minute`: of one address.
pub fn router(desk: Arc<Desk>, tries_a_minute: u32) -> Router {
    let crl = crl_router(desk.store().clone());
    let tries = Quota::per_minute(NonZeroU32::new(tries_a_minute).unwrap_or(NonZeroU32::MIN));
    let enrol = Arc::new(Enrol { desk, limit: Limit::new(tries) });
    Router::new()
        .route("/enrol", post(simple_enrol))
        .route("/.well-known/est/simpleenroll", post(simple_enrol))
        .route("/.well-known/est/cacerts", get(authority))
        .with_state(enrol)
        .merge(crl)
        .layer(middleware::map_response(harden))
}

/// The certificate revocation list, for this listener and the operators'.
pub fn crl_router(store: Store) -> Router {
    Router::new().route("/crl/device-ca.crl", get(crl)).with_state(store)
}

/// Nobody keeps what does not say otherwise, or takes it for something else.
async fn harden(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn simple_enrol(
    State(enrol): State<Arc<Enrol>>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let peer = peer.map_or(Peer::UNKNOWN, |Extension(peer)| peer);
    if !enrol.limit.allows(peer) {
        let wait = [(header::RETRY_AFTER, "60")];
        return (wait, refusal(StatusCode::TOO_MANY_REQUESTS, "too many tries: wait a minute")).into_response();
    }
    let Some(code) = code(&headers) else { return unauthorised() };
    let body = match in_time(BODY, to_bytes(body, REQUEST_BYTES_MAX)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return refusal(StatusCode::PAYLOAD_TOO_LARGE, "the request is too large, or broke off"),
        Err(slow) => return refusal(StatusCode::REQUEST_TIMEOUT, &slow.to_string()),
    };
    let request = match Request::read(&body) {
        Ok(request) => request,
        Err(error) => return refusal(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let mut by = By::program("enrol");
    by.origin.address = match peer.0 {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    match enrol.desk.enrol_by_code(clock::now(), by, &code, &request).await {
        Ok(Ok(given)) => {
            tracing::info!(device = %given.device, "a device was enrolled by code");
            certificates(est::Form::accepted(accept(&headers)), |form| form.answer(&given))
        }
        Ok(Err(_)) => unauthorised(),
        Err(IssueError::Store(StoreError::Taken(what))) => {
            refusal(StatusCode::CONFLICT, &format!("the {what} is taken already: make a new key"))
        }
        Err(error) => failed(&error),
    }
}

/// The authority's certificate (RFC 7030 4.1).
async fn authority(State(enrol): State<Arc<Enrol>>, headers: HeaderMap) -> Response {
    match enrol.desk.authority() {
        Ok((pem, der)) => certificates(est::Form::accepted(accept(&headers)), |form| form.authority(&pem, &der)),
        Err(error) => failed(&error),
    }
}

async fn crl(State(store): State<Store>) -> Response {
    match store.crl().await {
        Ok(Some(crl)) => {
            // Whoever keeps it asks again in a while: it is not what revokes here.
            let headers = [(header::CONTENT_TYPE, "application/pkix-crl"), (header::CACHE_CONTROL, "max-age=300")];
            (headers, crl.der).into_response()
        }
        Ok(None) => refusal(StatusCode::SERVICE_UNAVAILABLE, "there is no revocation list yet"),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the revocation list could not be read");
            refusal(StatusCode::SERVICE_UNAVAILABLE, "this does not answer now")
        }
    }
}

/// The code, from one header of HTTP Basic authentication (RFC 7617).
fn code(headers: &HeaderMap) -> Option<Code> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().filter(|value| value.len() <= AUTHORIZATION_BYTES_MAX)?;
    if values.next().is_some() {
        return None;
    }
    let (scheme, digits) = value.to_str().ok()?.split_once(' ')?;
    let plain = STANDARD.decode(digits.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let plain = Zeroizing::new(plain);
    let (_, password) = std::str::from_utf8(&plain).ok()?.split_once(':')?;
    Code::parse(password).ok()
}

fn accept(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::ACCEPT)?.to_str().ok()
}

fn certificates(form: est::Form, text: impl FnOnce(est::Form) -> String) -> Response {
    let mut response = ([(header::CONTENT_TYPE, form.media_type())], text(form)).into_response();
    if form == est::Form::Pkcs7 {
        response.headers_mut().insert("content-transfer-encoding", HeaderValue::from_static("base64"));
    }
    response
}

fn unauthorised() -> Response {
    let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"enrol\", charset=\"UTF-8\"")];
    let words = "an enrolment code that is good is needed, as the password: ask whoever administrates your devices";
    (challenge, refusal(StatusCode::UNAUTHORIZED, words)).into_response()
}

fn refusal(status: StatusCode, words: &str) -> Response {
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], format!("{words}\n")).into_response()
}

fn failed(error: &IssueError) -> Response {
    tracing::error!(error = error as &dyn std::error::Error, "a device could not be enrolled");
    refusal(StatusCode::SERVICE_UNAVAILABLE, "this does not answer now")
}

#[cfg(test)]
mod tests;
