//! From the text of a field to patients.
//!
//! Understood: an identity; FHIR's token `system|value`; FHIR's reference `Patient/identity`; `urn:oid:…:identity`
//! and HL7's `identity^^^…`; several of these with `,` between. Programs differ in which part of a text they take for the
//! number, so wherever a text has parts, each identity in it is found.

use super::{Extraction, Reading};
use contract::identity::{IdentityError, IdentityKind, PatientId, parse_with};
use contract::record::{Reason, Source};
use zeroize::Zeroizing;

/// What a text says.
pub(crate) enum Said<'t> {
    /// A patient's identity.
    Patient(PatientId),
    /// FHIR's reference to a Patient by an id that is no identity.
    Logical {
        /// The id.
        id: &'t str,
        /// Why it is no identity.
        reason: Reason,
    },
    /// Something that is no identity.
    Unread {
        /// Why.
        reason: Reason,
        /// The text does not name its series: a sibling field may say that it is another one, and then nothing is
        /// wrong.
        unsaid: bool,
    },
}

/// Reads a field's text. `system` is what a sibling field says of its number series. An empty text names nobody.
pub(super) fn read(bytes: &[u8], system: Option<&[u8]>, source: Source, reading: Reading, out: &mut Extraction) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        out.note(Reason::PatientForm, source);
        return;
    };
    let system = system.and_then(|system| std::str::from_utf8(system).ok());
    identities(text, reading, &mut |said| match said {
        Said::Patient(id) => out.add(id, source),
        Said::Logical { reason, .. } => out.note(reason, source),
        // A number of another series (a local record number) is not a patient's identity gone wrong.
        Said::Unread { reason, unsaid } => {
            if !unsaid || system.is_none_or(is_identity_system) {
                out.note(reason, source);
            }
        }
    });
}

/// Reads a field's text, in requests and in responses. An empty text says nothing.
pub(crate) fn identities<'t>(text: &'t str, reading: Reading, say: &mut impl FnMut(Said<'t>)) {
    let text = text.trim();
    if text.is_empty() {
        return;
    }
    // What FHIR says of most subjects.
    if let Some(id) = text.strip_prefix("Patient/").filter(|id| is_logical(id)) {
        refers(id, reading, say);
        return;
    }
    if !text.contains([',', ';', '|', '/', ':', '^', '"', '\\']) {
        one(text, text, None, reading, say);
        return;
    }
    for part in text.split([',', ';']).map(str::trim).filter(|part| !part.is_empty()) {
        let (named, value) = match part.rsplit_once('|') {
            Some((named, value)) => (Some(named.trim_end_matches('\\')).filter(|named| !named.is_empty()), value),
            None => (None, part),
        };
        // Who knows no such tokens may take for the number what stands before `|`.
        numbers(named.unwrap_or_default(), reading, say);
        one(part, value, named, reading, say);
    }
}

fn one<'t>(whole: &str, value: &'t str, named: Option<&'t str>, reading: Reading, say: &mut impl FnMut(Said<'t>)) {
    let value = value.trim().trim_matches('"').trim();
    if value.is_empty() {
        // `system|` asks for all who have a number of that series: nobody in particular.
        if whole.contains('|') {
            say(Said::Unread { reason: Reason::PatientForm, unsaid: false });
        }
        return;
    }
    let error = match parse_with(value, reading.year, reading.series) {
        Ok(id) => return say(Said::Patient(id)),
        Err(error) => error,
    };
    let path = value.split(['?', '#']).next().unwrap_or(value);
    let understood = if path.contains('/') {
        let refers = references(path, reading, say);
        numbers(value.get(path.len()..).unwrap_or_default(), reading, say) || refers
    } else {
        numbers(value, reading, say);
        value.split([':', '^']).any(|part| parse_with(part, reading.year, reading.series).is_ok())
    };
    if understood {
        return;
    }
    if named.is_none_or(is_identity_system) {
        say(Said::Unread { reason: reason(error), unsaid: named.is_none() });
    }
}

/// Keeps a search term. Bytes that are not UTF-8 are what older applications send, Latin-1.
pub(super) fn term(bytes: &[u8], out: &mut Extraction) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return out.add_term(text);
    }
    let mut text = Zeroizing::new(String::with_capacity(bytes.len() * 2));
    text.extend(bytes.iter().copied().map(char::from));
    out.add_term(&text);
}

/// No identity is shorter, in bytes.
const IDENTITY_BYTES_MIN: usize = 10;

/// Tells each identity that stands in a text, whatever stands between them; and whether there was one.
fn numbers<'t>(text: &'t str, reading: Reading, say: &mut impl FnMut(Said<'t>)) -> bool {
    let mut found = false;
    for word in text.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '+')) {
        if word.len() >= IDENTITY_BYTES_MIN
            && let Ok(id) = parse_with(word, reading.year, reading.series)
        {
            found = true;
            say(Said::Patient(id));
        }
    }
    found
}

/// Reads FHIR's reference: `Patient/id`, also absolute or with a version. One to a practitioner or a location names no
/// patient, and so is no problem. False if the path is no reference and names nobody: an address, a date, words with a
/// stroke between them.
fn references<'t>(path: &'t str, reading: Reading, say: &mut impl FnMut(Said<'t>)) -> bool {
    let mut understood = false;
    let mut before = "";
    for segment in path.split('/') {
        let named = std::mem::replace(&mut before, segment);
        let is_id = is_logical(segment);
        if is_id && OTHERS.iter().any(|other| named.eq_ignore_ascii_case(other)) {
            understood = true;
            continue;
        }
        if is_id && named.eq_ignore_ascii_case("Patient") {
            understood = true;
            refers(segment, reading, say);
        } else {
            understood |= numbers(segment, reading, say) || is_id && is_type(named);
        }
    }
    understood
}

/// A reference to a Patient by this id.
fn refers<'t>(id: &'t str, reading: Reading, say: &mut impl FnMut(Said<'t>)) {
    match parse_with(id, reading.year, reading.series) {
        Ok(id) => say(Said::Patient(id)),
        Err(error) => {
            say(Said::Logical { id, reason: reason(error) });
            numbers(id, reading, say);
        }
    }
}

/// Types of FHIR's whose ids may look like a patient's identity and are none.
const OTHERS: [&str; 6] = ["Practitioner", "PractitionerRole", "Organization", "Location", "Device", "Group"];

/// Whether it may name a type of FHIR's: `Encounter`.
fn is_type(segment: &str) -> bool {
    segment.starts_with(|c: char| c.is_ascii_uppercase()) && segment.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// Whether it may be an id of FHIR's.
fn is_logical(segment: &str) -> bool {
    (1..=64).contains(&segment.len())
        && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
}

/// Whether an identifier system names one of the series of patients' identities: `urn:oid:…` or the bare OID.
pub(crate) fn is_identity_system(system: &str) -> bool {
    let system = system.trim();
    let oid =
        system.get(..8).filter(|head| head.eq_ignore_ascii_case("urn:oid:")).and(system.get(8..)).unwrap_or(system);
    oid.is_empty() || oid.starts_with("1.2.") && IdentityKind::from_oid(oid).is_some() || names_series(oid)
}

/// The Swedish FHIR profiles' systems: `http://electronichealth.se/identifier/personnummer` and the like.
fn names_series(system: &str) -> bool {
    // Nearly all systems are others, and this is asked for each.
    if !system
        .len()
        .checked_sub(6)
        .and_then(|tail| system.get(tail..))
        .is_some_and(|tail| tail.eq_ignore_ascii_case("nummer"))
    {
        return false;
    }
    let last = system.rsplit('/').next().unwrap_or(system);
    ["personnummer", "samordningsnummer", "reservnummer"].iter().any(|name| last.eq_ignore_ascii_case(name))
}

fn reason(error: IdentityError) -> Reason {
    match error {
        IdentityError::Form => Reason::PatientForm,
        IdentityError::Date => Reason::PatientDate,
        IdentityError::CheckDigit => Reason::PatientCheckDigit,
    }
}
