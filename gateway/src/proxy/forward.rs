//! What is changed on the way: identity headers out, assertion and request id in, our cookies kept from backends.

use super::context::{Admitted, Body};
use crate::hygiene;
use contract::directory::{ASSERTION_HEADER, CLIENT_ADDRESS_HEADER, SESSION_COOKIE};
use contract::id::RequestId;
use http::{HeaderName, HeaderValue, header};
use pingora::http::{RequestHeader, ResponseHeader};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const ASSERTION: HeaderName = HeaderName::from_static(ASSERTION_HEADER);
const CLIENT_ADDRESS: HeaderName = HeaderName::from_static(CLIENT_ADDRESS_HEADER);

/// Prepares the head that goes to the backend.
pub(super) fn request(
    downstream: &RequestHeader,
    upstream: &mut RequestHeader,
    admitted: &Admitted,
    request: RequestId,
    address: Option<&HeaderValue>,
    to_auditor: bool,
) -> pingora::Result<()> {
    for name in hygiene::stripped(&downstream.headers) {
        upstream.remove_header(name);
    }
    // Our session is a key to everything the user may do: no backend needs it, the assertion says who acts.
    if is_bearer(downstream.headers.get(header::AUTHORIZATION)) {
        upstream.remove_header(&header::AUTHORIZATION);
    }
    if downstream.headers.contains_key(header::COOKIE) {
        let kept = kept_cookies(downstream.headers.get_all(header::COOKIE).iter(), to_auditor);
        upstream.remove_header(&header::COOKIE);
        if let Some(kept) = kept {
            upstream.insert_header(header::COOKIE, kept)?;
        }
    }
    if admitted.body == Body::Read {
        upstream.remove_header(&header::EXPECT);
    }
    upstream.insert_header(ASSERTION, admitted.assertion.clone())?;
    upstream.insert_header(REQUEST_ID, request.to_string())?;
    upstream.insert_header(FORWARDED_PROTO, HeaderValue::from_static("https"))?;
    if let Some(address) = address {
        upstream.insert_header(CLIENT_ADDRESS, address.clone())?;
        upstream.insert_header(FORWARDED_FOR, address.clone())?;
    }
    Ok(())
}

/// Prepares the head that goes to the client. Only the auditor's application may set our cookies.
pub(super) fn response(upstream: &mut ResponseHeader, request: RequestId, from_auditor: bool) -> pingora::Result<()> {
    if !from_auditor && upstream.headers.get_all(header::SET_COOKIE).iter().any(sets_ours) {
        let kept: Vec<HeaderValue> =
            upstream.headers.get_all(header::SET_COOKIE).iter().filter(|value| !sets_ours(value)).cloned().collect();
        upstream.remove_header(&header::SET_COOKIE);
        for value in kept {
            upstream.append_header(header::SET_COOKIE, value)?;
        }
    }
    upstream.insert_header(REQUEST_ID, request.to_string())?;
    upstream.insert_header(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=63072000"))?;
    Ok(())
}

/// The session token that a request shows: our cookie, or a bearer token. `None` also if it shows several that
/// differ, for then it is not clear who acts.
pub(super) fn token(headers: &http::HeaderMap) -> Option<&[u8]> {
    let bearer = headers.get_all(header::AUTHORIZATION).iter().filter_map(bearer);
    let cookies = headers.get_all(header::COOKIE).iter().flat_map(|value| pairs(value.as_bytes())).filter_map(ours);
    let mut found = bearer.chain(cookies);
    let first = found.next()?;
    found.all(|other| other == first).then_some(first)
}

fn is_bearer(value: Option<&HeaderValue>) -> bool {
    value.is_some_and(|value| bearer(value).is_some())
}

fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = value.as_bytes().split_at_checked(7)?;
    (scheme.eq_ignore_ascii_case(b"bearer ") && !token.is_empty()).then_some(token)
}

fn pairs(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|b| *b == b';').map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty())
}

fn ours(pair: &[u8]) -> Option<&[u8]> {
    let rest = pair.strip_prefix(SESSION_COOKIE.as_bytes())?.strip_prefix(b"=")?;
    (!rest.is_empty()).then_some(rest)
}

/// Whose a cookie is, by its name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cookie {
    /// The session's: no backend gets it.
    Session,
    /// Another of the login's own, such as the way back: the auditor's application gets it, and nobody else.
    Login,
    /// A registry's.
    Theirs,
}

impl Cookie {
    /// Of a pair, or of what `Set-Cookie` says. Without regard to case, as some backends read names.
    fn of(pair: &[u8]) -> Self {
        let name = pair.split(|b| *b == b'=').next().unwrap_or_default().trim_ascii();
        match name.split_at_checked(SESSION_COOKIE.len()) {
            Some((head, tail)) if head.eq_ignore_ascii_case(SESSION_COOKIE.as_bytes()) => match tail.first() {
                None => Self::Session,
                Some(b'-') => Self::Login,
                Some(_) => Self::Theirs,
            },
            _ => Self::Theirs,
        }
    }
}

fn sets_ours(value: &HeaderValue) -> bool {
    Cookie::of(value.as_bytes()) != Cookie::Theirs
}

fn kept_cookies<'v>(values: impl Iterator<Item = &'v HeaderValue>, to_auditor: bool) -> Option<HeaderValue> {
    let may_have = |pair: &&[u8]| match Cookie::of(pair) {
        Cookie::Session => false,
        Cookie::Login => to_auditor,
        Cookie::Theirs => true,
    };
    let mut kept: Vec<u8> = Vec::new();
    for pair in values.flat_map(|value| pairs(value.as_bytes())).filter(may_have) {
        if !kept.is_empty() {
            kept.extend_from_slice(b"; ");
        }
        kept.extend_from_slice(pair);
    }
    if kept.is_empty() {
        return None;
    }
    let mut kept = HeaderValue::from_bytes(&kept).ok()?;
    kept.set_sensitive(true);
    Some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;

    fn headers(list: &[(HeaderName, &'static str)]) -> HeaderMap {
        list.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn the_token_is_found_in_cookie_or_bearer_and_must_be_one() {
        let cookie = |value| headers(&[(header::COOKIE, value)]);
        assert_eq!(token(&cookie("a=1; __Host-grindvakt=abc; b=2")), Some(&b"abc"[..]));
        assert_eq!(token(&cookie("__Host-grindvakt=")), None);
        assert_eq!(token(&cookie("x__Host-grindvakt=abc")), None);
        assert_eq!(token(&cookie("__Host-grindvakt=abc; __Host-grindvakt=abd")), None);
        let both = headers(&[(header::COOKIE, "__Host-grindvakt=abc"), (header::AUTHORIZATION, "Bearer abd")]);
        assert_eq!(token(&both), None);
        assert_eq!(token(&headers(&[(header::AUTHORIZATION, "bearer abc")])), Some(&b"abc"[..]));
        assert_eq!(token(&headers(&[(header::AUTHORIZATION, "Basic abc")])), None);
    }

    #[test]
    fn backends_get_all_cookies_but_ours() {
        let all = headers(&[
            (header::COOKIE, "a=1; __Host-grindvakt=abc; __Host-grindvakt-return=L3g"),
            (header::COOKIE, "__HOST-Grindvakt=x;b=2;__host-GRINDVAKT-form=y; __Host-grindvaktx=3"),
        ]);
        let kept = |to_auditor| kept_cookies(all.get_all(header::COOKIE).iter(), to_auditor);
        assert_eq!(kept(false), Some(HeaderValue::from_static("a=1; b=2; __Host-grindvaktx=3")));
        let with_logins = "a=1; __Host-grindvakt-return=L3g; b=2; __host-GRINDVAKT-form=y; __Host-grindvaktx=3";
        assert_eq!(kept(true), Some(HeaderValue::from_static(with_logins)), "the session goes to nobody");
        for only in ["__Host-grindvakt=abc", "__Host-grindvakt-return=L3g"] {
            let only = headers(&[(header::COOKIE, only)]);
            assert_eq!(kept_cookies(only.get_all(header::COOKIE).iter(), false), None);
        }
    }

    #[test]
    fn only_the_auditor_sets_our_cookies() -> pingora::Result<()> {
        for (from_auditor, cookies) in [(true, 4), (false, 1)] {
            let mut response_head = ResponseHeader::build(200, None)?;
            for cookie in ["__Host-grindvakt=evil", "__Host-grindvakt-return=L3g", "__HOST-grindvakt-Form=x", "own=1"] {
                response_head.append_header(header::SET_COOKIE, format!("{cookie}; Path=/; Secure"))?;
            }
            response(&mut response_head, RequestId::NONE, from_auditor)?;
            assert_eq!(response_head.headers.get_all(header::SET_COOKIE).iter().count(), cookies);
        }
        Ok(())
    }
}
