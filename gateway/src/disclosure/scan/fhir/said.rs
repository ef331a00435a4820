//! What single fields say: systems, values, references, and what they lead to.

use super::part::{Aim, Logical, TEXTS_MAX};
use super::place::Place;
use super::resource::About;
use super::{FRAGMENTS_MAX, Fhir, IDS_MAX};
use crate::disclosure::scan::json::Scalar;
use crate::disclosure::scan::{Hit, Scanner};
use crate::patient::{Reading, Said, identities, is_identity_system};
use contract::identity::PatientId;
use contract::record::Reason;
use smallvec::SmallVec;

/// No identity is shorter, in bytes.
const IDENTITY_BYTES_MIN: usize = 10;
/// No identity has fewer digits in a row.
const DIGITS_MIN: usize = 6;

impl Fhir {
    /// A `system`.
    pub(super) fn system(&mut self, place: Place, scalar: Scalar<'_>) {
        let ours = match scalar {
            Scalar::Text(bytes) if is_plainly_other(bytes) => false,
            Scalar::Text(bytes) => match std::str::from_utf8(bytes) {
                // Says nothing.
                Ok(text) if text.trim().is_empty() => return,
                Ok(text) => is_identity_system(text),
                Err(_) => true,
            },
            Scalar::Number(_) => false,
            _ => true,
        };
        if !ours && place == Place::OtherSystem && self.known_part().is_none() {
            // The most common: a code's. Unsaid is as good as another's.
            return;
        }
        if let Some(part) = self.part() {
            // Two systems say nothing certain.
            part.ours = Some(part.ours.is_some() || ours);
        }
    }

    /// A `value`.
    pub(super) fn value(&mut self, place: Place, scalar: Scalar<'_>, hits: &mut Vec<Hit>) {
        let bytes = match scalar {
            // A quantity's.
            Scalar::Number(bytes) if place == Place::OtherValue && bytes.len() < IDENTITY_BYTES_MIN => return,
            Scalar::Text(bytes) | Scalar::Number(bytes) => bytes,
            _ => b"?",
        };
        let known = self.known_part();
        if known.is_some_and(|part| part.ours == Some(false)) {
            return;
        }
        let many = known.is_some_and(|part| part.ids.len() >= TEXTS_MAX);
        let mut found: SmallVec<[PatientId; 1]> = SmallVec::new();
        let mut reasons: SmallVec<[Reason; 1]> = SmallVec::new();
        match std::str::from_utf8(bytes).map(str::trim) {
            Ok("") => return,
            Ok(text) if text.len() < IDENTITY_BYTES_MIN => reasons.push(Reason::PatientForm),
            Ok(text) => identities(text, self.reading, &mut |said| match said {
                Said::Patient(id) => found.push(id),
                Said::Logical { reason, .. } | Said::Unread { reason, .. } => reasons.push(reason),
            }),
            Err(_) => reasons.push(Reason::PatientForm),
        }
        let Some(part) = self.part() else { return };
        for reason in reasons {
            part.note(reason);
        }
        if !many {
            part.ids.extend(found);
            return;
        }
        part.told |= !found.is_empty();
        for id in found {
            self.tell(place, id, hits);
        }
    }

    /// Words, in which numbers are looked for as in any text.
    pub(super) fn words(&mut self, words: &[u8], hits: &mut Vec<Hit>) {
        if words.iter().filter(|byte| byte.is_ascii_digit()).count() < DIGITS_MIN {
            return;
        }
        let (mut scanner, mut found) = (Scanner::of_characters(self.reading), Vec::new());
        // It has no faults.
        let _none = scanner.push(words, &mut found).and_then(|()| scanner.finish(&mut found));
        for hit in found {
            match hit {
                Hit::Patient { id, .. } => self.tell(Place::Words, id, hits),
                Hit::Unread { reason } => self.unread(Place::Words, reason, hits),
            }
        }
    }

    /// The text of a `reference`.
    pub(super) fn reference(&mut self, place: Place, scalar: Scalar<'_>, hits: &mut Vec<Hit>) {
        let text = match scalar {
            Scalar::Text(bytes) | Scalar::Number(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        };
        let Some(text) = text else { return self.unread(place, Reason::PatientForm, hits) };
        let mut aims: SmallVec<[Aim; 1]> = SmallVec::new();
        let of_somebody = matches!(place, Place::SubjectText | Place::ActorText);
        let elsewhere = leads_elsewhere(text);
        let mut found = SmallVec::new();
        match elsewhere {
            true if !of_somebody => return,
            // Unless it is said to lead to a Patient.
            true => aims.push(Aim::Elsewhere(Logical::url(text))),
            false => found = self.aims(text, &mut aims),
        }
        if aims.is_empty() && found.is_empty() {
            if is_search_of_patients(text) {
                self.unread(place, Reason::PatientForm, hits);
            }
            return;
        }
        let Some(part) = self.part() else { return };
        part.named |= !found.is_empty();
        part.elsewhere |= place == Place::ActorText && is_of_another_type(text);
        let room = TEXTS_MAX.saturating_sub(part.aims.len());
        let many = aims.len() > room;
        if !aims.is_empty() {
            part.aims.extend(aims.into_iter().take(room));
        }
        if many {
            self.form(hits);
        }
        for id in found {
            self.tell(place, id, hits);
        }
    }

    /// To whom a text leads.
    pub(super) fn aims(&self, text: &str, aims: &mut SmallVec<[Aim; 1]>) -> SmallVec<[PatientId; 1]> {
        let mut found = SmallVec::new();
        // A search's URL has the line between a system and its value coded.
        let decoded = (memchr::memchr(b'%', text.as_bytes()).is_some() && text.contains("%7"))
            .then(|| text.replace("%7C", "|").replace("%7c", "|"));
        let text = decoded.as_deref().unwrap_or(text);
        identities(text, self.reading, &mut |said| match said {
            Said::Patient(id) => found.push(id),
            Said::Logical { id, .. } => aims.push(match base(text) {
                Some(base) => Aim::PatientAt(Logical::id_at(base, id), Logical::id_anywhere(id)),
                None => Aim::Patient(Logical::id(id)),
            }),
            Said::Unread { .. } => {
                let logical = Logical::url(text);
                aims.push(if text.trim().starts_with('#') { Aim::Fragment(logical) } else { Aim::Url(logical) });
            }
        });
        found
    }

    /// A URL of an entry, or in what was asked or answered for it.
    pub(super) fn url(&mut self, place: Place, scalar: Scalar<'_>, hits: &mut Vec<Hit>) {
        let text = match scalar {
            Scalar::Text(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        };
        let Some(text) = text else { return self.unread(place, Reason::PatientForm, hits) };
        if leads_elsewhere(text) {
            if let Some(entry) = self.open.last_mut().filter(|entry| place == Place::FullUrl && entry.urls.is_empty())
                && entry.elsewhere.is_empty()
            {
                entry.elsewhere.extend_from_slice(text.as_bytes());
            }
            return;
        }
        let mut aims = SmallVec::new();
        for id in self.aims(text, &mut aims) {
            self.tell(place, id, hits);
        }
        for aim in aims {
            match (place, self.open.last_mut(), aim) {
                (Place::FullUrl, Some(entry), _) if entry.urls.len() < TEXTS_MAX => entry.urls.push(aim),
                // What was answered leads to what stands beside it.
                (Place::Location, Some(entry), Aim::PatientAt(_, anywhere)) if entry.anywhere == Some(anywhere) => {}
                (_, _, Aim::Patient(_) | Aim::PatientAt(..)) => self.refer(place, aim, hits),
                _ => {}
            }
        }
    }

    /// Somebody is referred to, at a place.
    pub(super) fn refer(&mut self, place: Place, aim: Aim, hits: &mut Vec<Hit>) {
        let about = self.is_about(place);
        // As good as told: it is before this leaves, if nobody comes of it.
        self.hold.unread();
        let (logical, or) = match aim {
            Aim::Patient(logical) | Aim::Url(logical) | Aim::Elsewhere(logical) => (logical, logical),
            Aim::PatientAt(logical, anywhere) => (logical, anywhere),
            Aim::Fragment(logical) => return self.refer_within(about, logical, hits),
        };
        if self.known.contains(&logical) || self.known.contains(&or) {
            self.told(about);
            return;
        }
        if self.form_told || self.asked.contains(&logical) {
            return;
        }
        match self.hold.held() {
            Some(start) if self.asked.len() < IDS_MAX => {
                self.asked.insert(logical);
                self.open_asked.push_back((start, logical, or));
            }
            // It leaves as somebody else's.
            _ => self.form(hits),
        }
    }

    /// Somebody is referred to who stands, or should stand, in the same resource.
    fn refer_within(&mut self, about: About, logical: Logical, hits: &mut Vec<Hit>) {
        let Some(resource) = self.resources.last_mut().filter(|resource| resource.asked.len() < FRAGMENTS_MAX) else {
            return self.form(hits);
        };
        resource.asked.push(logical);
        if resource.patients.contains(&logical) {
            self.told(about);
        } else if about == About::Them {
            resource.about.push(logical);
        }
    }

    pub(super) fn know(&mut self, logical: Logical) {
        if self.known.len() < IDS_MAX {
            self.known.insert(logical);
        }
        let Self { known, open_asked, .. } = self;
        while open_asked.front().is_some_and(|(_, asked, or)| known.contains(asked) || known.contains(or)) {
            open_asked.pop_front();
        }
    }
}

/// The identity that a Patient's id is, if it is one and nothing else.
pub(super) fn whole(id: &str, reading: Reading) -> Option<PatientId> {
    let mut found = None;
    if id.len() >= IDENTITY_BYTES_MIN {
        identities(id, reading, &mut |said| {
            if let Said::Patient(id) = said {
                found = Some(id);
            }
        });
    }
    found
}

/// What an absolute URL of a Patient has before the type: two Patients of one id at two servers are two.
fn base(url: &str) -> Option<&str> {
    let url = url.trim();
    let start = url.find("://")?;
    let end = url.rfind("/Patient/").filter(|end| *end > start)?;
    url.get(..end).filter(|base| !base.contains('?'))
}

/// Whether it asks for Patients by something that says none.
fn is_search_of_patients(text: &str) -> bool {
    let path = text.split_once('?').map_or("", |(path, _)| path);
    path.rsplit('/').next().is_some_and(|last| last.trim().eq_ignore_ascii_case("Patient"))
}

/// Whether it says that it leads to something else than a Patient, by the type before the id.
fn is_of_another_type(text: &str) -> bool {
    let kind = text.trim().rsplit('/').nth(1).unwrap_or_default();
    !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_alphabetic()) && !kind.eq_ignore_ascii_case("Patient")
}

/// Whether a system is no patients' series by its ends, as nearly all are that mark codes and units: such a series is an
/// OID, with `urn:oid:` before it or not, or ends in `nummer`.
#[inline]
fn is_plainly_other(system: &[u8]) -> bool {
    matches!(system, [b'a'..=b't' | b'v'..=b'z', .., b'a'..=b'q' | b's'..=b'z' | b'0'..=b'9' | b'/'])
        && system.is_ascii()
}

/// Whether a reference or URL is plainly one to something that is no Patient: has a path, and no `Patient` in it.
fn leads_elsewhere(text: &str) -> bool {
    if text.starts_with("Patient/") {
        return false;
    }
    let bytes = text.as_bytes();
    let is_patient = |segment: Option<&[u8]>| segment.is_some_and(|segment| segment.eq_ignore_ascii_case(b"Patient"));
    let (mut start, mut digits) = (0, 0);
    for (at, byte) in bytes.iter().enumerate() {
        let mark = MARKS.get(usize::from(*byte));
        // Nearly all: apart from the others, this is no jump.
        if mark == Some(&Mark::None) {
            digits = 0;
            continue;
        }
        match mark {
            Some(Mark::Digit) if digits + 1 < DIGITS_MIN => digits += 1,
            Some(Mark::Slash) if !is_patient(bytes.get(start..at)) => (start, digits) = (at + 1, 0),
            // An identity in it is told, whatever it is said to be of.
            _ => return false,
        }
    }
    start > 0 && bytes.first().is_some_and(u8::is_ascii_alphabetic) && !is_patient(bytes.get(start..))
}

/// What a byte is in a reference or URL.
#[derive(Clone, Copy, PartialEq)]
enum Mark {
    None,
    Digit,
    Slash,
    /// What follows is more than a path.
    End,
}

/// Of each byte.
const MARKS: [Mark; 256] = {
    let mut all = [Mark::None; 256];
    let (mut rest, mut byte): (&mut [Mark], u8) = (&mut all, 0);
    while let [first, others @ ..] = rest {
        *first = match byte {
            b'0'..=b'9' => Mark::Digit,
            b'/' => Mark::Slash,
            b'?' | b'#' | b'|' | b',' | b';' => Mark::End,
            _ => Mark::None,
        };
        (rest, byte) = (others, byte.wrapping_add(1));
    }
    all
};
