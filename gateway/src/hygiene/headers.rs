//! The headers: host, framing, connection, and which headers are taken out.

use super::{BodyLength, Fault, Head};
use crate::route::Verb;
use http::{HeaderMap, HeaderName, HeaderValue, Version, header};

/// Headers that vouch for an identity, an address or a path, and so may only come from the gateway: taken out of
/// each request. Lower case. See [`is_stripped`] for the families of [`STRIPPED_PREFIXES`].
pub const STRIPPED: &[&str] = &[
    "client-cert",
    "client-cert-chain",
    "cf-connecting-ip",
    "forwarded",
    "proxy-authorization",
    "proxy-connection",
    "remote-addr",
    "remote-groups",
    "remote-name",
    "remote-email",
    "remote-user",
    "true-client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-original-forwarded-for",
    "x-original-host",
    "x-host",
    "x-real-ip",
    "x-request-id",
    "x-user",
    "x-username",
    "x-userid",
];

/// Beginnings of such headers. Lower case.
pub const STRIPPED_PREFIXES: &[&str] = &[
    "grindvakt-",
    "x-grindvakt-",
    "ssl-",
    "x-ssl-",
    "x-client-cert",
    "x-client-dn",
    "x-client-verify",
    "x-forwarded",
    "x-auth-request-",
    "x-authenticated-",
    "x-remote-",
    "x-hsa-",
    "x-siths-",
    "x-tls-client-",
    "x-arr-clientcert",
    "x-amzn-mtls-",
    "shib-",
    "oidc-claim-",
];

/// Headers by which some frameworks take another method or path than the request's own.
const OVERRIDES: &[&str] = &[
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-method",
    "x-original-uri",
    "x-original-url",
    "x-rewrite-url",
];

/// Whether this header is taken out of each request.
pub fn is_stripped(name: &HeaderName) -> bool {
    let name = name.as_str();
    STRIPPED.contains(&name) || STRIPPED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// The headers of a request that are to be taken out before it is forwarded.
pub fn stripped(headers: &HeaderMap) -> impl Iterator<Item = &HeaderName> {
    headers.keys().filter(|name| is_stripped(name))
}

/// Whether a name has letters, digits and `-` only: programs that turn others into `_` see no other header in it.
pub fn is_clean_name(name: &HeaderName) -> bool {
    name.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

pub(super) fn names_and_values(headers: &HeaderMap) -> Result<(), Fault> {
    for (name, value) in headers {
        if !is_clean_name(name) {
            return Err(Fault::HeaderName);
        }
        if value.as_bytes().iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
            return Err(Fault::HeaderValue);
        }
        if name.as_str().starts_with("x-") && OVERRIDES.contains(&name.as_str()) {
            return Err(Fault::HeaderOverride);
        }
    }
    Ok(())
}

/// The one value of a header; `None` if absent.
fn single(headers: &HeaderMap, name: HeaderName, repeated: Fault) -> Result<Option<&HeaderValue>, Fault> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() { Err(repeated) } else { Ok(first) }
}

pub(super) fn host<'a>(head: &Head<'a>) -> Result<&'a str, Fault> {
    let host = match single(head.headers, header::HOST, Fault::HostRepeated)? {
        Some(value) => Some(value.to_str().map_err(|_| Fault::HostForm)?),
        None => None,
    };
    let http2 = head.version == Version::HTTP_2;
    let authority = match (head.authority, host) {
        (Some(authority), Some(host)) if authority != host => return Err(Fault::HostConflict),
        // HTTP/2 names its host by `:authority`, HTTP/1 by `Host`.
        (Some(authority), _) if http2 => authority,
        (_, Some(host)) if !http2 => host,
        _ => return Err(Fault::HostMissing),
    };
    host_name(authority).ok_or(Fault::HostForm)
}

/// The host name of an authority, without its port.
fn host_name(authority: &str) -> Option<&str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(bracketed) => {
            let end = bracketed.find(']')?;
            let (address, _) = bracketed.split_at_checked(end)?;
            address.parse::<std::net::Ipv6Addr>().ok()?;
            authority.split_at_checked(end + 2)?
        }
        None => authority.split_at_checked(authority.find(':').unwrap_or(authority.len()))?,
    };
    if !host.starts_with('[')
        && (host.is_empty()
            || host.starts_with('.')
            || !host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')))
    {
        return None;
    }
    match port.strip_prefix(':') {
        None if port.is_empty() => Some(host),
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) && digits.parse::<u16>().is_ok() => Some(host),
        _ => None,
    }
}

pub(super) fn framing(headers: &HeaderMap, version: Version, verb: Verb) -> Result<BodyLength, Fault> {
    let length = single(headers, header::CONTENT_LENGTH, Fault::LengthRepeated)?;
    let encoding = single(headers, header::TRANSFER_ENCODING, Fault::TransferEncoding)?;
    let body = match (length, encoding) {
        (Some(_), Some(_)) => return Err(Fault::TwoFramings),
        (None, Some(_)) if version == Version::HTTP_2 => return Err(Fault::ConnectionHeader),
        (None, Some(encoding)) if version == Version::HTTP_11 && encoding.as_bytes() == b"chunked" => {
            BodyLength::Unknown
        }
        (None, Some(_)) => return Err(Fault::TransferEncoding),
        (Some(length), None) => match number(length.as_bytes()).ok_or(Fault::LengthForm)? {
            0 => BodyLength::None,
            length => BodyLength::Known(length),
        },
        // HTTP/2 frames the body itself; that a GET has none shows when its stream ends with the head.
        (None, None) if version == Version::HTTP_2 && !matches!(verb, Verb::Get | Verb::Head) => BodyLength::Unknown,
        (None, None) => BodyLength::None,
    };
    if body != BodyLength::None && matches!(verb, Verb::Get | Verb::Head) {
        return Err(Fault::BodyWithoutMeaning);
    }
    Ok(body)
}

fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// Checks `Connection` and `Upgrade`; whether the request asks to become a WebSocket.
pub(super) fn connection(headers: &HeaderMap, version: Version, verb: Verb) -> Result<bool, Fault> {
    if version == Version::HTTP_2 {
        let forbidden = ["connection", "keep-alive", "proxy-connection", "upgrade", "http2-settings"];
        if forbidden.iter().any(|name| headers.contains_key(*name)) {
            return Err(Fault::ConnectionHeader);
        }
        let trailers = headers.get_all(header::TE).iter().all(|value| value.as_bytes() == b"trailers");
        return if trailers { Ok(false) } else { Err(Fault::ConnectionHeader) };
    }
    let mut upgrades = false;
    for value in headers.get_all(header::CONNECTION) {
        for token in value.as_bytes().split(|byte| *byte == b',') {
            match token.trim_ascii() {
                b"" => {}
                token if token.eq_ignore_ascii_case(b"upgrade") => upgrades = true,
                token
                    if [b"close".as_slice(), b"keep-alive", b"te"]
                        .iter()
                        .any(|known| token.eq_ignore_ascii_case(known)) => {}
                _ => return Err(Fault::Connection),
            }
        }
    }
    let upgrade = single(headers, header::UPGRADE, Fault::Upgrade)?;
    match (upgrade, upgrades) {
        (None, false) => Ok(false),
        (Some(protocol), true)
            if protocol.as_bytes().eq_ignore_ascii_case(b"websocket")
                && version == Version::HTTP_11
                && verb == Verb::Get =>
        {
            Ok(true)
        }
        _ => Err(Fault::Upgrade),
    }
}

pub(super) fn expect(headers: &HeaderMap) -> Result<(), Fault> {
    match single(headers, header::EXPECT, Fault::Expect)? {
        Some(value) if !value.as_bytes().eq_ignore_ascii_case(b"100-continue") => Err(Fault::Expect),
        _ => Ok(()),
    }
}
