//! Session tokens and cookies: a backend gets neither ours nor what it could take for ours.

use contract::directory::SESSION_COOKIE;
use gateway::fuzzing::proxy::{kept_cookies, token};
use http::{HeaderMap, HeaderValue, header};

/// Lines: a Cookie header each, or after `!` an Authorization.
pub fn cookie(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n').take(16) {
        let (name, value) = match line {
            [b'!', rest @ ..] => (header::AUTHORIZATION, rest),
            _ => (header::COOKIE, line),
        };
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(name, value);
        }
    }
    let shown = token(&headers);
    // Who is known by one token shows no other. A space before `=` makes another name, as browsers never send it; and
    // what is no ASCII, the other reader may trim.
    let exact = |value: &HeaderValue| {
        value.as_bytes().is_ascii() && value.as_bytes().windows(2).all(|two| !matches!(two, b" =" | b"\t="))
    };
    if let Some(shown) = shown
        && headers.get_all(header::COOKIE).iter().all(exact)
    {
        for (_, value) in
            theirs(&headers).into_iter().filter(|(name, value)| name == SESSION_COOKIE && !value.is_empty())
        {
            let shown = shown.trim_ascii().iter().copied().map(char::from);
            assert!(value.trim_matches([' ', '\t']).chars().eq(shown), "two tokens");
        }
    }
    for to_auditor in [false, true] {
        let Some(kept) = kept_cookies(&headers, to_auditor) else { continue };
        assert!(kept.is_sensitive(), "a log could show it");
        let mut forwarded = HeaderMap::new();
        forwarded.insert(header::COOKIE, kept.clone());
        assert_eq!(token(&forwarded), None, "the session goes on");
        for (name, _) in theirs(&forwarded) {
            let name = name.to_ascii_lowercase();
            let ours = SESSION_COOKIE.to_ascii_lowercase();
            assert_ne!(name, ours, "the session goes on");
            assert!(to_auditor || !name.starts_with(&format!("{ours}-")), "the login goes on");
        }
        assert_eq!(kept_cookies(&forwarded, to_auditor), Some(kept), "what was kept is kept");
    }
}

/// Names and values as another reader sees them; what is no text as Latin-1.
fn theirs(headers: &HeaderMap) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for value in headers.get_all(header::COOKIE) {
        let text: String = value.as_bytes().iter().map(|byte| char::from(*byte)).collect();
        for pair in ::cookie::Cookie::split_parse(text).flatten() {
            pairs.push((pair.name().to_owned(), pair.value().to_owned()));
        }
    }
    pairs
}
