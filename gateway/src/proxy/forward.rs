//! What is changed on the way: identity headers out, assertion and request id in, our cookies kept from backends.

use super::context::{Admitted, Body};
use crate::disclosure::decode;
use crate::hygiene;
use contract::directory::{ASSERTION_HEADER, CLIENT_ADDRESS_HEADER, SESSION_COOKIE};
use contract::id::RequestId;
use http::{HeaderName, HeaderValue, StatusCode, Version, header};
use pingora::ErrorType::InvalidHTTPHeader;
use pingora::OrErr as _;
use pingora::http::{RequestHeader, ResponseHeader};

// As text: pingora takes a name of its own type apart again, with an allocation each.
const REQUEST_ID: &str = "x-request-id";
const TRANSPORT_SECURITY: &str = "strict-transport-security";
const FORWARDED_FOR: &str = "x-forwarded-for";
const FORWARDED_PROTO: &str = "x-forwarded-proto";

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// Headers that concern one connection only (RFC 9110, 7.6.1); others cannot be made so here, for hygiene lets
/// `Connection` name no more.
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    KEEP_ALIVE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("http2-settings"),
    header::PROXY_AUTHENTICATE,
];

/// How a request goes to its backend.
pub(super) struct Way<'a> {
    /// Its id.
    pub(super) request: RequestId,
    /// Where it comes from.
    pub(super) address: Option<&'a HeaderValue>,
    /// The backend is the auditor's own application.
    pub(super) to_auditor: bool,
    /// The backend speaks HTTP/2.
    pub(super) http2: bool,
    /// A body follows, piece by piece.
    pub(super) streams: bool,
}

/// The head that goes to the backend: method, target and headers as they came, but for those that concern the client's
/// connection, and those that vouch for somebody.
pub(super) fn request(
    downstream: &RequestHeader,
    admitted: &Admitted,
    way: &Way<'_>,
) -> pingora::Result<Box<RequestHeader>> {
    let mut upstream = Box::new(downstream.clone());
    for name in hygiene::stripped(&downstream.headers).chain(&HOP_BY_HOP) {
        upstream.remove_header(name);
    }
    // Our session is a key to everything the user may do: no backend needs it, the assertion says who acts.
    if shows_token(&downstream.headers) {
        upstream.remove_header(&header::AUTHORIZATION);
    }
    if downstream.headers.contains_key(header::COOKIE) {
        let kept = kept_cookies(downstream.headers.get_all(header::COOKIE).iter(), way.to_auditor);
        upstream.remove_header(&header::COOKIE);
        if let Some(kept) = kept {
            upstream.insert_header(header::COOKIE, kept)?;
        }
    }
    if way.http2 {
        // What such a backend says to it cannot be heard.
        upstream.remove_header(&header::EXPECT);
    }
    if admitted.route.patients.in_response().is_some() {
        to_be_looked_into(&mut upstream, admitted)?;
    }
    if let Body::Read(body) = &admitted.body {
        // The client has had its leave to send from us, and the whole is known.
        upstream.remove_header(&header::EXPECT);
        if !body.is_empty() || downstream.headers.contains_key(header::TRANSFER_ENCODING) {
            upstream.insert_header(header::CONTENT_LENGTH, body.len())?;
        }
    }
    address_line(&mut upstream, admitted, way)?;
    upstream.insert_header(ASSERTION_HEADER, admitted.assertion.clone())?;
    upstream.insert_header(REQUEST_ID, request_id(way.request))?;
    upstream.insert_header(FORWARDED_PROTO, HeaderValue::from_static("https"))?;
    if let Some(address) = way.address {
        // Registries have the usual header; the auditor's own application believes no other than this.
        let name = if way.to_auditor { CLIENT_ADDRESS_HEADER } else { FORWARDED_FOR };
        upstream.insert_header(name, address.clone())?;
    }
    Ok(upstream)
}

/// Other names by which a part of an answer, or what has changed of it, is asked for: Apache's for old clients, and delta
/// encoding (RFC 3229).
const PARTS: [&str; 2] = ["request-range", "a-im"];

/// Asks for an answer that can be looked into: whole, in a coding that is known, with its messages as they are.
fn to_be_looked_into(upstream: &mut RequestHeader, admitted: &Admitted) -> pingora::Result<()> {
    // A part of an answer may begin in the midst of an identity. And of what the client has kept, we would not know whom
    // it shows again.
    for name in [header::RANGE, header::IF_RANGE, header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE] {
        upstream.remove_header(&name);
    }
    for name in PARTS {
        upstream.remove_header(name);
    }
    if admitted.websocket {
        upstream.remove_header(&header::SEC_WEBSOCKET_EXTENSIONS);
    }
    if upstream.headers.contains_key(header::ACCEPT_ENCODING) {
        let codings = decode::acceptable(&upstream.headers);
        let codings = codings.unwrap_or(HeaderValue::from_static("identity"));
        upstream.remove_header(&header::ACCEPT_ENCODING);
        upstream.insert_header(header::ACCEPT_ENCODING, codings)?;
    }
    Ok(())
}

/// Says in the backend's version of HTTP what is asked of whom, and how the body is framed.
fn address_line(upstream: &mut RequestHeader, admitted: &Admitted, way: &Way<'_>) -> pingora::Result<()> {
    let authority = match upstream.uri.authority() {
        Some(authority) => Some(HeaderValue::from_str(authority.as_str()).or_err(InvalidHTTPHeader, "authority")?),
        None => None,
    };
    if way.http2 {
        let host = upstream.remove_header(&header::HOST).or(authority);
        let scheme = if admitted.registry.tls.is_some() { "https" } else { "http" };
        let uri = http::Uri::builder()
            .scheme(scheme)
            .authority(host.as_ref().map_or(&b""[..], HeaderValue::as_bytes))
            .path_and_query(upstream.raw_path())
            .build();
        upstream.set_uri(uri.or_err(InvalidHTTPHeader, "target")?);
        upstream.set_version(Version::HTTP_2);
        return Ok(());
    }
    upstream.set_version(Version::HTTP_11);
    if let Some(authority) = authority {
        upstream.insert_header(header::HOST, authority)?;
    }
    if admitted.websocket {
        upstream.insert_header(header::CONNECTION, HeaderValue::from_static("Upgrade"))?;
        upstream.insert_header(header::UPGRADE, HeaderValue::from_static("websocket"))?;
    } else if way.streams && !upstream.headers.contains_key(header::CONTENT_LENGTH) {
        upstream.insert_header(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"))?;
    }
    Ok(())
}

/// Whose an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answerer {
    /// The auditor's own application.
    Auditor,
    /// A registry, and it is about nobody.
    Registry,
    /// A registry, and it is about a patient, or may be.
    AboutPatients,
}

/// How an answer goes to its client.
pub(super) struct Told {
    /// The request's id.
    pub(super) request: RequestId,
    /// Whose it is.
    pub(super) from: Answerer,
    /// A body follows.
    pub(super) has_body: bool,
    /// The client speaks HTTP/1.0, which knows no chunks.
    pub(super) http10: bool,
}

/// Prepares the head that goes to the client. Only the auditor's application may set our cookies.
pub(super) fn response(upstream: &mut ResponseHeader, told: &Told) -> pingora::Result<()> {
    if upstream.status != StatusCode::SWITCHING_PROTOCOLS {
        for name in nominated(upstream) {
            upstream.remove_header(&name);
        }
        for name in HOP_BY_HOP.iter().filter(|name| **name != header::TRANSFER_ENCODING) {
            upstream.remove_header(name);
        }
        upstream.set_version(Version::HTTP_11);
        frame(upstream, told)?;
    }
    if told.from != Answerer::Auditor && upstream.headers.get_all(header::SET_COOKIE).iter().any(sets_ours) {
        let kept: Vec<HeaderValue> =
            upstream.headers.get_all(header::SET_COOKIE).iter().filter(|value| !sets_ours(value)).cloned().collect();
        upstream.remove_header(&header::SET_COOKIE);
        for value in kept {
            upstream.append_header(header::SET_COOKIE, value)?;
        }
    }
    if told.from == Answerer::AboutPatients && upstream.status != StatusCode::SWITCHING_PROTOCOLS {
        never_kept(upstream)?;
    }
    // Whatever a server writes behind its status, the client gets the status' own words.
    upstream.set_reason_phrase(None)?;
    upstream.insert_header(REQUEST_ID, request_id(told.request))?;
    upstream.insert_header(TRANSPORT_SECURITY, HeaderValue::from_static("max-age=63072000"))?;
    Ok(())
}

/// Whoever looks again asks again, and is on record again: no browser and no proxy keeps an answer (RFC 9111, 5.2.2.5). Its
/// validators stay, for changes are made on condition of them.
fn never_kept(head: &mut ResponseHeader) -> pingora::Result<()> {
    for name in [header::EXPIRES, header::PRAGMA, header::AGE] {
        head.remove_header(&name);
    }
    head.insert_header(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
}

/// What `Connection` names: headers that were meant for us.
fn nominated(head: &ResponseHeader) -> Vec<HeaderName> {
    let values = head.headers.get_all(header::CONNECTION).iter();
    let names = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let names = names.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok());
    // How the body is framed is not the server's to take away.
    names.filter(|name| *name != header::TRANSFER_ENCODING && *name != header::CONTENT_LENGTH).collect()
}

/// Says how the body ends, where the server did not, or said it in a way that the client does not know.
fn frame(head: &mut ResponseHeader, told: &Told) -> pingora::Result<()> {
    let empty = matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let mut codings = head.headers.get_all(header::TRANSFER_ENCODING).iter();
    if !codings.all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked")) {
        // Whatever it means, it was not taken off.
        return pingora::Error::e_explain(InvalidHTTPHeader, "a transfer coding that is not chunked");
    }
    if head.status == StatusCode::NO_CONTENT {
        // RFC 9110, 8.6: has neither.
        head.remove_header(&header::CONTENT_LENGTH);
        head.remove_header(&header::TRANSFER_ENCODING);
    }
    if head.headers.get_all(header::CONTENT_LENGTH).iter().nth(1).is_some()
        && let Some(length) = head.remove_header(&header::CONTENT_LENGTH)
    {
        // They are equal, or there would be no answer.
        head.insert_header(header::CONTENT_LENGTH, length)?;
    }
    if told.http10 {
        // It ends with the connection.
        head.remove_header(&header::TRANSFER_ENCODING);
    } else if told.has_body
        && !empty
        && !head.headers.contains_key(header::CONTENT_LENGTH)
        && !head.headers.contains_key(header::TRANSFER_ENCODING)
    {
        head.insert_header(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"))?;
    }
    Ok(())
}

fn request_id(request: RequestId) -> HeaderValue {
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    let text = request.uuid().hyphenated().encode_lower(&mut text);
    // Hexadecimal digits and hyphens: always a header's value.
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("-"))
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

/// Whether any `Authorization` is a bearer token. It need not be the first.
fn shows_token(headers: &http::HeaderMap) -> bool {
    headers.get_all(header::AUTHORIZATION).iter().any(|value| bearer(value).is_some())
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
    /// Of a pair, or of what `Set-Cookie` says. Without regard to case, and to spaces of any alphabet around it, as some
    /// backends read names.
    fn of(pair: &[u8]) -> Self {
        let mut name = pair.split(|b| *b == b'=').next().unwrap_or_default();
        let around = |byte: &u8| byte.is_ascii_whitespace() || !byte.is_ascii();
        while let Some((_, rest)) = name.split_first().filter(|(first, _)| around(first)) {
            name = rest;
        }
        while let Some((_, rest)) = name.split_last().filter(|(last, _)| around(last)) {
            name = rest;
        }
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

pub(super) fn kept_cookies<'v>(values: impl Iterator<Item = &'v HeaderValue>, to_auditor: bool) -> Option<HeaderValue> {
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
    fn a_token_behind_another_authorization_is_seen() {
        let both = [(header::AUTHORIZATION, "Basic abc"), (header::AUTHORIZATION, "Bearer abc")];
        assert_eq!(token(&headers(&both)), Some(&b"abc"[..]));
        assert!(shows_token(&headers(&both)));
        assert!(!shows_token(&headers(&[(header::AUTHORIZATION, "Basic abc")])));
        assert!(!shows_token(&headers(&[])));
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
    fn our_cookies_are_known_behind_spaces_that_are_no_ascii() {
        for space in ["\u{a0}", "\u{2009}", " \t\u{a0} "] {
            for name in [format!("{space}__Host-grindvakt"), format!("__host-grindvakt{space}")] {
                let value = HeaderValue::from_bytes(format!("a=1; {name}=abc").as_bytes()).expect("a value");
                assert_eq!(kept_cookies([&value].into_iter(), true).expect("one is left"), "a=1");
            }
        }
        let latin1 = HeaderValue::from_bytes(b"\xa0__Host-grindvakt=abc").expect("a value");
        assert_eq!(kept_cookies([&latin1].into_iter(), true), None);
    }

    #[test]
    fn only_the_auditor_sets_our_cookies() -> pingora::Result<()> {
        for (from, cookies) in [(Answerer::Auditor, 4), (Answerer::Registry, 1), (Answerer::AboutPatients, 1)] {
            let mut response_head = ResponseHeader::build(200, None)?;
            for cookie in ["__Host-grindvakt=evil", "__Host-grindvakt-return=L3g", "__HOST-grindvakt-Form=x", "own=1"] {
                response_head.append_header(header::SET_COOKIE, format!("{cookie}; Path=/; Secure"))?;
            }
            response(&mut response_head, &Told { from, ..told(false, false) })?;
            assert_eq!(response_head.headers.get_all(header::SET_COOKIE).iter().count(), cookies);
        }
        Ok(())
    }

    fn told(has_body: bool, http10: bool) -> Told {
        Told { request: RequestId::NONE, from: Answerer::Registry, has_body, http10 }
    }

    fn answered(status: u16, list: &[(HeaderName, &'static str)], told: &Told) -> pingora::Result<ResponseHeader> {
        let mut head = ResponseHeader::build(status, None)?;
        for (name, value) in list {
            head.append_header(name, *value)?;
        }
        response(&mut head, told)?;
        Ok(head)
    }

    #[test]
    fn what_is_about_a_patient_is_kept_nowhere() -> pingora::Result<()> {
        let list = [
            (header::CACHE_CONTROL, "public, max-age=3600"),
            (header::CACHE_CONTROL, "immutable"),
            (header::EXPIRES, "Thu, 01 Dec 2099 16:00:00 GMT"),
            (header::AGE, "5"),
            (header::ETAG, "W/\"3\""),
        ];
        let as_it_was = &["public, max-age=3600", "immutable"];
        for (from, kept) in [(Answerer::AboutPatients, &["no-store"][..]), (Answerer::Registry, as_it_was)] {
            let of_patients = from == Answerer::AboutPatients;
            let head = answered(200, &list, &Told { from, ..told(true, false) })?;
            let said: Vec<_> = head.headers.get_all(header::CACHE_CONTROL).iter().collect();
            assert_eq!(said, kept);
            assert_eq!(head.headers.contains_key(header::EXPIRES), !of_patients);
            assert_eq!(head.headers.contains_key(header::AGE), !of_patients);
            assert!(head.headers.contains_key(header::ETAG), "changes are made on condition of it");
        }
        Ok(())
    }

    #[test]
    fn what_concerns_the_backends_connection_stays_there() -> pingora::Result<()> {
        let hop = HeaderName::from_static("x-hop");
        let list = [
            (header::CONNECTION, "close, X-Hop, Content-Length"),
            (hop.clone(), "1"),
            (header::UPGRADE, "h2c"),
            (header::PROXY_AUTHENTICATE, "Basic"),
            (header::CONTENT_LENGTH, "5"),
            (header::ETAG, "\"1\""),
        ];
        let mut spoken = ResponseHeader::build(200, None)?;
        spoken.set_reason_phrase(Some("191212121212"))?;
        response(&mut spoken, &told(true, false))?;
        assert_eq!(spoken.get_reason_phrase(), Some("OK"));
        let head = answered(200, &list, &told(true, false))?;
        for name in [header::CONNECTION, hop, header::UPGRADE, header::PROXY_AUTHENTICATE] {
            assert!(!head.headers.contains_key(&name), "{name}");
        }
        for name in [header::CONTENT_LENGTH, header::ETAG] {
            assert!(head.headers.contains_key(&name), "{name}");
        }
        Ok(())
    }

    #[test]
    fn a_body_without_a_length_is_chunked_where_the_client_knows_chunks() -> pingora::Result<()> {
        let chunked = |head: &ResponseHeader| head.headers.contains_key(header::TRANSFER_ENCODING);
        assert!(chunked(&answered(200, &[], &told(true, false))?));
        assert!(!chunked(&answered(200, &[], &told(false, false))?));
        assert!(!chunked(&answered(204, &[], &told(true, false))?));
        assert!(!chunked(&answered(304, &[], &told(true, false))?));
        assert!(!chunked(&answered(200, &[(header::CONTENT_LENGTH, "5")], &told(true, false))?));
        assert!(!chunked(&answered(200, &[(header::TRANSFER_ENCODING, "chunked")], &told(true, true))?));
        Ok(())
    }
}
