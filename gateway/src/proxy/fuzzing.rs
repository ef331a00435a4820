//! How sessions are read and kept from backends, for `fuzz/`.

use super::forward;
use http::{HeaderMap, HeaderValue, header};

/// The session token that a request shows.
pub fn token(headers: &HeaderMap) -> Option<&[u8]> {
    forward::token(headers)
}

/// The cookies that go on.
pub fn kept_cookies(headers: &HeaderMap, to_auditor: bool) -> Option<HeaderValue> {
    forward::kept_cookies(headers.get_all(header::COOKIE).iter(), to_auditor)
}
