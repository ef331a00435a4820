//! `POST /auth/renew`: a device gets its next certificate, by the one that it has, through the gateway. The request is as at
//! the enrolment listener (RFC 7030 4.2.2, simple re-enrolment), and so is the answer.
//!
//! Who asks is the device that the gateway's assertion names, by the certificate that it showed; nobody needs to be logged
//! in on it. A page of another site cannot make a browser ask: it may not send this content type there.

use super::attempt::by;
use super::pages::from_elsewhere;
use super::{App, Caller, problem};
use crate::clock;
use crate::issuing::{IssueError, est};
use crate::pki::Request;
use crate::store::StoreError;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use std::sync::Arc;

pub(super) async fn renew(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if from_elsewhere(&headers) {
        return problem(StatusCode::FORBIDDEN, "This was not asked for here");
    }
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(est::REQUEST_TYPE)) {
        return problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "A request here is application/pkcs10");
    }
    let request = match Request::read(&body) {
        Ok(request) => request,
        Err(error) => return problem(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let now = clock::now();
    let shown = (caller.assertion.device, caller.assertion.device_cert);
    let given = match app.issuing.renew(now, by(&caller), shown, &request).await {
        Ok(given) => given,
        Err(IssueError::Store(StoreError::Early(early))) => {
            let mut response = problem(StatusCode::CONFLICT, "It is too early for another certificate");
            let wait = early.from.saturating_sub(now) / clock::SECOND + 1;
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait));
            return response;
        }
        Err(IssueError::Store(StoreError::Taken(_))) => {
            return problem(StatusCode::CONFLICT, "The request's key is another device's: make a new one");
        }
        Err(IssueError::Store(StoreError::TooMany(_))) => {
            return problem(StatusCode::TOO_MANY_REQUESTS, "There were too many certificates for this device today");
        }
        Err(IssueError::Store(StoreError::Absent(_))) => {
            return problem(StatusCode::FORBIDDEN, "This certificate is not in use any more");
        }
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a certificate could not be renewed");
            return problem(StatusCode::SERVICE_UNAVAILABLE, "This does not answer now");
        }
    };
    let form = est::Form::accepted(headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()));
    let mut response = ([(header::CONTENT_TYPE, form.media_type())], form.answer(&given)).into_response();
    if form == est::Form::Pkcs7 {
        response.headers_mut().insert("content-transfer-encoding", HeaderValue::from_static("base64"));
    }
    response
}
