//! `application/x-www-form-urlencoded`: queries and forms.
//!
//! Fields are parted at `&` and, as some frameworks do, at `;`. Names are compared without regard to case. A field
//! without `=` is a name with an empty value.

use super::{Extraction, Reading, text};
use crate::route::{Place, Route};
use contract::record::Source;
use zeroize::Zeroizing;

/// Reads the fields that the route names: patients from those places that `wanted` picks, and search terms.
pub(super) fn fields(
    raw: &[u8],
    route: &Route,
    wanted: impl Fn(&Place) -> bool,
    source: Source,
    reading: Reading,
    out: &mut Extraction,
) {
    let places = route.patients.places();
    if route.search_terms.is_empty() && !places.iter().any(&wanted) {
        return;
    }
    each(raw, |key, value| {
        for place in places.iter().filter(|place| wanted(place)) {
            if let Place::Query(name) | Place::Form(name) = place
                && same_name(key, name.as_str())
            {
                text::read(value, None, source, reading, out);
            }
        }
        if route.search_terms.iter().any(|name| same_name(key, name.as_str())) {
            text::term(value, out);
        }
    });
}

/// Calls `take` with each field's decoded name and value.
pub(super) fn each(raw: &[u8], mut take: impl FnMut(&[u8], &[u8])) {
    for field in raw.split(|byte| matches!(byte, b'&' | b';')).filter(|field| !field.is_empty()) {
        let (key, value) = match memchr::memchr(b'=', field) {
            Some(equals) => field.split_at_checked(equals).unwrap_or((field, b"")),
            None => (field, b"".as_slice()),
        };
        let value = value.strip_prefix(b"=").unwrap_or(value);
        decoded(key, true, |key| decoded(value, true, |value| take(key, value)));
    }
}

/// Whether a field has this name. A FHIR modifier (`subject:Patient`) and PHP's brackets (`id[]`) do not count, nor what
/// PHP drops besides: spaces before a name, and what follows on a NUL. `.`, space and `[` it takes for `_`.
pub(super) fn same_name(key: &[u8], name: &str) -> bool {
    let name = name.as_bytes();
    let key = key.trim_ascii_start();
    let same =
        |(key, name): (&u8, &u8)| key.eq_ignore_ascii_case(name) || *name == b'_' && matches!(key, b'.' | b' ' | b'[');
    match key.split_at_checked(name.len()) {
        Some((head, tail)) => head.iter().zip(name).all(same) && matches!(tail.first(), None | Some(b':' | b'[' | 0)),
        None => false,
    }
}

/// Calls `take` with the text that an escaped text means. Its copy, if one is made, is wiped.
pub(super) fn decoded<T>(raw: &[u8], plus_is_space: bool, take: impl FnOnce(&[u8]) -> T) -> T {
    if !raw.iter().any(|byte| *byte == b'%' || (plus_is_space && *byte == b'+')) {
        return take(raw);
    }
    let mut text = Zeroizing::new(Vec::with_capacity(raw.len()));
    let mut rest = raw;
    while let Some((&byte, next)) = rest.split_first() {
        rest = next;
        text.push(match byte {
            b'+' if plus_is_space => b' ',
            b'%' => match next.split_first_chunk() {
                Some(([high, low], after)) => match (hex(*high), hex(*low)) {
                    (Some(high), Some(low)) => {
                        rest = after;
                        high << 4 | low
                    }
                    _ => byte,
                },
                None => byte,
            },
            _ => byte,
        });
    }
    take(&text)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}
