//! Error answers: what a person or a program is told when the gateway answers itself.
//!
//! # Invariants
//! 1. An answer says what to do and names the request, so that who is called for help finds its record. It says
//!    nothing of the inside, and holds no byte of the request: no path, no patient. The one exception is the cookie
//!    with the way back after login, see [`way_back`].
//! 2. No answer may be stored by a cache.
//! 3. Pages need no script and nothing from elsewhere; their policy allows their own style only.

mod page;
mod words;

use crate::route::{Methods, Route};
use bytes::Bytes;
use contract::emergency;
use contract::id::RequestId;
use contract::record::Reason;
use contract::way_back::{WayBack, set_return_cookie};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde::Serialize;
use smallvec::SmallVec;

/// A page on which who was refused mends the reason, at once and alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WayOut {
    /// To log in.
    Login,
    /// To accept the security instructions.
    Instructions,
}

impl WayOut {
    /// The one out of a reason.
    pub fn of(reason: Reason) -> Option<Self> {
        match reason {
            Reason::NoSession | Reason::SessionElsewhere => Some(Self::Login),
            Reason::InstructionsDue => Some(Self::Instructions),
            _ => None,
        }
    }

    /// Where it is, among the auditor's pages.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Login => "/auth/login",
            Self::Instructions => "/auth/instructions",
        }
    }
}

/// In which language a person is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Swedish.
    Swedish,
    /// English.
    English,
}

/// How a client wants its answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preferences {
    /// A page rather than JSON.
    pub html: bool,
    /// The language.
    pub language: Language,
}

impl Preferences {
    /// Reads `Accept` and `Accept-Language`. Only who asks for HTML gets HTML.
    pub fn of(headers: &HeaderMap) -> Self {
        Self { html: wants_html(headers), language: language(headers) }
    }
}

/// What went wrong.
#[derive(Debug, Clone, Copy)]
pub struct Problem<'a> {
    /// Why.
    pub reason: Reason,
    /// The answer's status: see [`status`].
    pub status: StatusCode,
    /// The request.
    pub request: RequestId,
    /// How the client wants it.
    pub preferences: Preferences,
    /// Whom to call, as the settings have it: a telephone number.
    pub contact: Option<&'a str>,
    /// For 405: which methods the path has.
    pub allow: Option<Methods>,
    /// By which the patient may be opened in an emergency.
    pub ticket: Option<&'a str>,
}

/// An answer, ready to send. For HEAD it is sent without the body.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// All headers, `Content-Length` among them.
    pub headers: SmallVec<[(HeaderName, HeaderValue); 10]>,
    /// The body.
    pub body: Bytes,
}

/// The status that goes with a reason, where nothing else is known.
pub fn status(reason: Reason) -> StatusCode {
    match reason {
        Reason::NoRoute => StatusCode::NOT_FOUND,
        Reason::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Reason::BodyTooLarge | Reason::PatientsTooMany => StatusCode::PAYLOAD_TOO_LARGE,
        Reason::Misdirected => StatusCode::MISDIRECTED_REQUEST,
        Reason::Method => StatusCode::METHOD_NOT_ALLOWED,
        Reason::NoSession | Reason::SessionElsewhere => StatusCode::UNAUTHORIZED,
        Reason::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        Reason::Slow => StatusCode::REQUEST_TIMEOUT,
        Reason::DirectoryStale | Reason::JournalUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        Reason::UpstreamUnavailable | Reason::Unscannable => StatusCode::BAD_GATEWAY,
        Reason::Malformed
        | Reason::PatientAbsent
        | Reason::PatientForm
        | Reason::PatientDate
        | Reason::PatientCheckDigit
        | Reason::PatientBody => StatusCode::BAD_REQUEST,
        _ => StatusCode::FORBIDDEN,
    }
}

/// The answer to a problem.
pub fn answer(problem: &Problem<'_>) -> Answer {
    let mut headers = SmallVec::new();
    let (kind, body) = if problem.preferences.html {
        headers.push((header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(page::policy(problem))));
        headers.push((header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")));
        ("text/html; charset=utf-8", page::write(problem))
    } else {
        ("application/problem+json", json(problem))
    };
    let language = words::code(problem.preferences.language);
    headers.push((header::CONTENT_LANGUAGE, HeaderValue::from_static(language)));
    if problem.status == StatusCode::UNAUTHORIZED {
        headers.push((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
    }
    if let Some(allow) = problem.allow.and_then(|allow| HeaderValue::try_from(allow.to_string()).ok()) {
        headers.push((header::ALLOW, allow));
    }
    if matches!(problem.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
        headers.push((header::RETRY_AFTER, HeaderValue::from_static("5")));
    }
    finish(problem.status, headers, kind, body)
}

/// Leads a person to such a page. `back` from [`way_back`].
pub fn lead(way_out: WayOut, back: Option<&WayBack>, language: Language) -> Answer {
    let mut headers = SmallVec::new();
    headers.push((header::LOCATION, HeaderValue::from_static(way_out.path())));
    headers.extend(way_back_cookie(back));
    headers.push((header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")));
    let body = words::to(way_out, language).to_owned();
    finish(StatusCode::FOUND, headers, "text/plain; charset=utf-8", body)
}

/// Keeps the way back for who opens the patient in an emergency. `back` from [`way_back`].
pub fn remember_way_back(answer: &mut Answer, back: Option<&WayBack>) {
    answer.headers.extend(way_back_cookie(back));
}

/// Without a way back, too: one that is kept from before would lead somewhere else.
fn way_back_cookie(back: Option<&WayBack>) -> Option<(HeaderName, HeaderValue)> {
    let mut cookie = HeaderValue::try_from(set_return_cookie(back)).ok()?;
    cookie.set_sensitive(true);
    Some((header::SET_COOKIE, cookie))
}

/// Whether who was refused is led to the page on which to mend the reason, rather than told 401 or 403.
pub fn leads(route: &Route, method: &Method, preferences: Preferences) -> bool {
    route.anonymous_redirect && preferences.html && matches!(*method, Method::GET | Method::HEAD)
}

/// The path and query to come back to after login: of a GET only, for nothing else can be asked again by a link.
pub fn way_back(method: &Method, target: &[u8]) -> Option<WayBack> {
    if *method != Method::GET {
        return None;
    }
    WayBack::parse(std::str::from_utf8(target).ok()?)
}

fn finish(
    status: StatusCode,
    mut headers: SmallVec<[(HeaderName, HeaderValue); 10]>,
    kind: &'static str,
    body: String,
) -> Answer {
    headers.push((header::CONTENT_TYPE, HeaderValue::from_static(kind)));
    headers.push((header::CONTENT_LENGTH, HeaderValue::from(body.len())));
    headers.push((header::CACHE_CONTROL, HeaderValue::from_static("no-store")));
    headers.push((header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")));
    headers.push((header::VARY, HeaderValue::from_static("Accept, Accept-Language")));
    Answer { status, headers, body: body.into() }
}

/// RFC 9457.
fn json(problem: &Problem<'_>) -> String {
    let words = words::of(problem.reason, problem.preferences.language);
    let details = Details {
        kind: format!("urn:grindvakt:problem:{}", problem.reason),
        title: words.title,
        status: problem.status.as_u16(),
        detail: words.detail,
        instance: format!("urn:uuid:{}", problem.request),
        request_id: problem.request,
        emergency: problem.ticket.map(|ticket| Emergency { post: emergency::PATH, ticket }),
    };
    // Texts and a number: nothing that JSON cannot hold.
    serde_json::to_string(&details).unwrap_or_default()
}

/// RFC 9457's members, and the request's id by itself.
#[derive(Serialize)]
struct Details<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: &'static str,
    instance: String,
    request_id: RequestId,
    #[serde(skip_serializing_if = "Option::is_none")]
    emergency: Option<Emergency<'a>>,
}

/// Where the user's browser may go on in an emergency: it posts `ticket` as a form's field of that name.
#[derive(Serialize)]
struct Emergency<'a> {
    post: &'static str,
    ticket: &'a str,
}

fn wants_html(headers: &HeaderMap) -> bool {
    let mut html = None;
    let mut other = None;
    for (kind, weight) in weighted(headers, &header::ACCEPT) {
        let best = match kind {
            _ if kind.eq_ignore_ascii_case("text/html") || kind.eq_ignore_ascii_case("application/xhtml+xml") => {
                &mut html
            }
            _ if kind.eq_ignore_ascii_case("application/json")
                || kind.eq_ignore_ascii_case("application/problem+json") =>
            {
                &mut other
            }
            _ => continue,
        };
        *best = (*best).max(Some(weight));
    }
    html.is_some_and(|weight| weight > 0) && html >= other
}

/// Swedish, unless English is asked for more.
fn language(headers: &HeaderMap) -> Language {
    let mut best = (0, Language::Swedish);
    for (range, weight) in weighted(headers, &header::ACCEPT_LANGUAGE) {
        let primary = range.split('-').next().unwrap_or_default();
        let language = match () {
            () if primary.eq_ignore_ascii_case("sv") => Language::Swedish,
            () if primary.eq_ignore_ascii_case("en") => Language::English,
            () => continue,
        };
        if weight > best.0 {
            best = (weight, language);
        }
    }
    best.1
}

/// The items of a header like `Accept`, with their weight in thousandths.
fn weighted<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = (&'h str, u16)> {
    let texts = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).take(WEIGHTED_MAX).map(|item| {
        let mut parts = item.split(';').map(str::trim);
        let value = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        (value, weight.map_or(1000, thousandths))
    })
}

fn thousandths(text: &str) -> u16 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole == "1" {
        return 1000;
    }
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(3);
    digits.fold(0, |sum, digit| sum * 10 + u16::from(digit.saturating_sub(b'0').min(9)))
}

const WEIGHTED_MAX: usize = 32;

#[cfg(test)]
mod tests;
