//! Request hygiene: a request that could mean two things to two programs is refused, before anything is decided.
//!
//! What is checked here, authorised and recorded is byte for byte what is forwarded: nothing is ever normalised,
//! decoded or repaired. Headers that vouch for an identity are taken out ([`stripped`]).
//!
//! # Invariants of a [`CleanRequest`]
//! 1. One host, of letters, digits, `-`, `_`, `.` (or a bracketed IPv6 address); `Host` and `:authority` agree.
//! 2. The target is a path in origin-form and an optional query. The path has no empty segment but a last one, no dot
//!    segment, no `;`, no escape of a character that needs none, of `/`, `\` or `;`, or of a control character, and
//!    its escapes are UTF-8.
//! 3. One framing: no body, one `Content-Length`, or `chunked`. GET and HEAD have no body.
//! 4. Header names are letters, digits and `-`; values have no control characters; no header changes method or path.
//!
//! It does not look at bodies, routes or the directory.

mod headers;
mod raw;
mod target;

pub use headers::{STRIPPED, STRIPPED_PREFIXES, is_clean_name, is_stripped, stripped};
pub use raw::check_raw;
pub use target::{PathFault, check_path, check_query};

use crate::route::{Route, Verb};
use contract::record::Reason;
use http::{HeaderMap, Method, StatusCode, Version};

/// The head of a request as it arrived.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// The method.
    pub method: &'a Method,
    /// The request target as it will be forwarded: path and query. For HTTP/2 the pseudo-header `:path`.
    pub target: &'a [u8],
    /// HTTP/2's `:authority`; `None` for HTTP/1.
    pub authority: Option<&'a str>,
    /// The version.
    pub version: Version,
    /// The headers.
    pub headers: &'a HeaderMap,
}

/// How large a head may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Method, target and all headers together, in bytes.
    pub head_bytes_max: usize,
    /// Name and value of one header, in bytes.
    pub header_bytes_max: usize,
    /// How many headers.
    pub headers_max: usize,
    /// The target, in bytes.
    pub target_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { head_bytes_max: 32 << 10, header_bytes_max: 16 << 10, headers_max: 100, target_bytes_max: 8 << 10 }
    }
}

/// Which body a request announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLength {
    /// None.
    None,
    /// So many bytes, at least one.
    Known(u64),
    /// Known at its end only: `chunked`, or HTTP/2 without `content-length`. It may turn out to be empty.
    Unknown,
}

/// A head that means one thing. Only [`check`] makes one.
#[derive(Debug, Clone, Copy)]
pub struct CleanRequest<'a> {
    host: &'a str,
    verb: Verb,
    path: &'a [u8],
    query: Option<&'a [u8]>,
    body: BodyLength,
    websocket: bool,
}

impl<'a> CleanRequest<'a> {
    /// The host name without port, in the case it came in.
    pub fn host(&self) -> &'a str {
        self.host
    }

    /// The method.
    pub fn verb(&self) -> Verb {
        self.verb
    }

    /// The path's raw bytes.
    pub fn path(&self) -> &'a [u8] {
        self.path
    }

    /// The query's raw bytes, without `?`.
    pub fn query(&self) -> Option<&'a [u8]> {
        self.query
    }

    /// The body it announces.
    pub fn body(&self) -> BodyLength {
        self.body
    }

    /// Whether it asks to become a WebSocket.
    pub fn websocket(&self) -> bool {
        self.websocket
    }

    /// What the route adds: an upgrade only where the route is a WebSocket, and no larger body than it takes. A body
    /// of unknown length is to be counted as it arrives.
    pub fn fits(&self, route: &Route) -> Result<(), Refusal> {
        if self.websocket && !route.websocket {
            return Err(Fault::Upgrade.into());
        }
        match self.body {
            BodyLength::Known(length) if length > route.body_bytes_max => Err(Refusal {
                reason: Reason::BodyTooLarge,
                status: StatusCode::PAYLOAD_TOO_LARGE,
                fault: Fault::BodyTooLarge,
            }),
            _ => Ok(()),
        }
    }
}

/// Why a head is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct Refusal {
    /// For the record and the answer.
    pub reason: Reason,
    /// The answer's status.
    pub status: StatusCode,
    /// What exactly, for the log: holds no byte of the request.
    pub fault: Fault,
}

/// What exactly is wrong with a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// HTTP/0.9, or something newer than HTTP/2.
    #[error("the version is not HTTP/1.0, HTTP/1.1 or HTTP/2")]
    Version,
    /// TRACE or CONNECT.
    #[error("the method can never pass")]
    MethodForbidden,
    /// A method that nobody here knows.
    #[error("the method is not known")]
    MethodUnknown,
    /// The target is too long.
    #[error("the target is too long")]
    TargetTooLong,
    /// Not a path: absolute-form, authority-form, `*`.
    #[error("the target is not a path")]
    TargetForm,
    /// The path could mean two things.
    #[error("the path: {0}")]
    Path(PathFault),
    /// The query could mean two things.
    #[error("the query: {0}")]
    Query(PathFault),
    /// A line of the head ends without CR, or the request line has characters that it may not have.
    #[error("a line of the head is not as it must be")]
    LineEnd,
    /// No Host, or no `:authority`.
    #[error("the host is missing")]
    HostMissing,
    /// Several.
    #[error("the host stands there twice")]
    HostRepeated,
    /// `Host` and `:authority` differ.
    #[error("Host and :authority differ")]
    HostConflict,
    /// User info, or characters that no host name has.
    #[error("the host is not a name or address with an optional port")]
    HostForm,
    /// Both framings.
    #[error("both Content-Length and Transfer-Encoding")]
    TwoFramings,
    /// Several, also when equal.
    #[error("Content-Length stands there twice")]
    LengthRepeated,
    /// Not digits only.
    #[error("Content-Length is not a number")]
    LengthForm,
    /// Something other than `chunked`.
    #[error("Transfer-Encoding is not exactly chunked")]
    TransferEncoding,
    /// A body where none has a meaning.
    #[error("a body on a GET or HEAD")]
    BodyWithoutMeaning,
    /// More than the route takes.
    #[error("the body is larger than the route takes")]
    BodyTooLarge,
    /// A name with other characters than letters, digits and `-`.
    #[error("a header's name has other characters than letters, digits and '-'")]
    HeaderName,
    /// A control character in a value.
    #[error("a header's value has a control character")]
    HeaderValue,
    /// A header that replaces method or path.
    #[error("a header that replaces the method or the path")]
    HeaderOverride,
    /// A header that belongs to HTTP/1 connections, in HTTP/2.
    #[error("a connection header in HTTP/2")]
    ConnectionHeader,
    /// `Connection` names headers to drop.
    #[error("Connection names other headers")]
    Connection,
    /// An upgrade other than to a WebSocket where the route has one.
    #[error("an upgrade that is not allowed here")]
    Upgrade,
    /// Something other than `100-continue`.
    #[error("Expect is not 100-continue")]
    Expect,
    /// The head, a header, or their number.
    #[error("the head is too large")]
    HeadTooLarge,
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        let (reason, status) = match fault {
            Fault::HeadTooLarge => (Reason::HeadTooLarge, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
            Fault::TargetTooLong => (Reason::HeadTooLarge, StatusCode::URI_TOO_LONG),
            Fault::MethodForbidden => (Reason::Method, StatusCode::METHOD_NOT_ALLOWED),
            Fault::MethodUnknown => (Reason::Method, StatusCode::NOT_IMPLEMENTED),
            Fault::BodyTooLarge => (Reason::BodyTooLarge, StatusCode::PAYLOAD_TOO_LARGE),
            Fault::Version => (Reason::Malformed, StatusCode::HTTP_VERSION_NOT_SUPPORTED),
            Fault::Expect => (Reason::Malformed, StatusCode::EXPECTATION_FAILED),
            _ => (Reason::Malformed, StatusCode::BAD_REQUEST),
        };
        Self { reason, status, fault }
    }
}

/// Checks a head. Any bytes may come in.
pub fn check<'a>(head: &Head<'a>, limits: &Limits) -> Result<CleanRequest<'a>, Refusal> {
    sizes(head, limits)?;
    if !matches!(head.version, Version::HTTP_10 | Version::HTTP_11 | Version::HTTP_2) {
        return Err(Fault::Version.into());
    }
    let verb = match *head.method {
        Method::TRACE | Method::CONNECT => return Err(Fault::MethodForbidden.into()),
        _ => Verb::of(head.method).ok_or(Fault::MethodUnknown)?,
    };
    let (path, query) = target::split(head.target).ok_or(Fault::TargetForm)?;
    check_path(path).map_err(Fault::Path)?;
    if let Some(query) = query {
        check_query(query).map_err(Fault::Query)?;
    }
    headers::names_and_values(head.headers)?;
    let host = headers::host(head)?;
    let body = headers::framing(head.headers, head.version, verb)?;
    let websocket = headers::connection(head.headers, head.version, verb)?;
    if websocket && body != BodyLength::None {
        return Err(Fault::Upgrade.into());
    }
    headers::expect(head.headers)?;
    Ok(CleanRequest { host, verb, path, query, body, websocket })
}

/// Whether a request's host is another than the name its TLS connection was opened for. Without a server name there
/// is nothing to differ from.
pub fn misdirected(host: &str, server_name: Option<&str>) -> bool {
    server_name.is_some_and(|name| !name.trim_end_matches('.').eq_ignore_ascii_case(host.trim_end_matches('.')))
}

fn sizes(head: &Head<'_>, limits: &Limits) -> Result<(), Fault> {
    if head.target.len() > limits.target_bytes_max {
        return Err(Fault::TargetTooLong);
    }
    if head.headers.len() > limits.headers_max {
        return Err(Fault::HeadTooLarge);
    }
    // «: » and the line end count with each header, as in HTTP/1's text.
    let mut total = head.method.as_str().len() + head.target.len() + head.authority.map_or(0, str::len);
    for (name, value) in head.headers {
        let bytes = name.as_str().len() + value.len();
        total += bytes + 4;
        if bytes > limits.header_bytes_max || total > limits.head_bytes_max {
            return Err(Fault::HeadTooLarge);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
