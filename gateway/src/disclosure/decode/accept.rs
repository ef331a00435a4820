//! Which codings a client accepts, of those that can be decoded here.

use super::Coding;
use http::{HeaderMap, HeaderValue, header};
use smallvec::SmallVec;

/// What is left of an `Accept-Encoding`, and what `*` stands for, in this order.
const KNOWN: [&str; 5] = ["gzip", "deflate", "br", "zstd", "identity"];

/// The most elements that are read; what a client names after them it does not get.
const ELEMENTS_MAX: usize = 64;

/// A request's `Accept-Encoding` without the codings that are not decoded here: a server that heeds it sends nothing that
/// cannot be looked at. Weights (RFC 9110, 12.4.2) stay; the first of equal names counts; `*` becomes the codings that
/// the request does not name, so `*;q=0` still forbids them. Elements that are not well formed are left out.
///
/// `None`: the request has no such header or nothing is left of it; the header is to be removed.
pub fn acceptable(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut kept: SmallVec<[(&str, &str); 8]> = SmallVec::new();
    let mut any = None;
    let values = headers.get_all(header::ACCEPT_ENCODING).iter();
    let elements = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    for (name, weight) in elements.take(ELEMENTS_MAX).filter_map(element) {
        if name == "*" {
            any = any.or(Some(weight));
        } else if let Some(known) = known(name)
            && kept.iter().all(|(name, _)| *name != known)
        {
            kept.push((known, weight));
        }
    }
    if let Some(weight) = any {
        for known in KNOWN {
            if kept.iter().all(|(name, _)| *name != known) {
                kept.push((known, weight));
            }
        }
    }
    let mut text = String::new();
    for (name, weight) in &kept {
        let parts = if text.is_empty() { ["", name] } else { [", ", name] };
        text.extend(parts);
        if !weight.is_empty() {
            text.extend([";q=", weight]);
        }
    }
    if text.is_empty() { None } else { HeaderValue::try_from(text).ok() }
}

/// The name that stands in [`KNOWN`] for this one.
fn known(name: &str) -> Option<&'static str> {
    match Coding::named(name.as_bytes()) {
        Some(Coding::Gzip) => Some("gzip"),
        Some(Coding::Deflate) => Some("deflate"),
        Some(Coding::Brotli) => Some("br"),
        Some(Coding::Zstd) => Some("zstd"),
        None => name.eq_ignore_ascii_case("identity").then_some("identity"),
    }
}

/// Name and weight of a list element; the weight is empty if it has none.
fn element(bytes: &[u8]) -> Option<(&str, &str)> {
    let text = std::str::from_utf8(bytes).ok()?;
    let Some((name, parameter)) = text.split_once(';') else { return Some((text.trim_ascii(), "")) };
    let (key, weight) = parameter.trim_ascii().split_once('=')?;
    (key.eq_ignore_ascii_case("q") && is_weight(weight)).then_some((name.trim_ascii(), weight))
}

/// 0 to 1 with at most three digits after the point.
fn is_weight(text: &str) -> bool {
    let (whole, digits) = text.split_once('.').unwrap_or((text, ""));
    let digit = match whole {
        "0" => '0'..='9',
        "1" => '0'..='0',
        _ => return false,
    };
    digits.len() <= 3 && digits.chars().all(|character| digit.contains(&character))
}
