//! Patients that a request names: found in path, query, headers, form or JSON body, before anything is forwarded.
//!
//! # Invariants
//! 1. What any common backend could read as the patient is found: names are compared without regard to case, repeated
//!    fields all count, arrays are entered by themselves. Finding too much makes a record too many; finding too little
//!    would make one too few.
//! 2. An identity that is present but not valid is a problem with its reason, never nothing.
//! 3. Memory is bounded whatever the body: identities by [`PATIENTS_MAX`], nesting by a fixed depth. No bytes panic.
//! 4. Identities that are owned here are wiped; what is only borrowed belongs to the request.
//!
//! It does not decide whether a request passes. Responses are looked at by [`crate::disclosure`], which reads a value as
//! it is read here.

mod form;
mod json;
mod text;
mod unit;

pub(crate) use json::unescaped;
pub(crate) use text::{Said, identities, is_identity_system};
pub use unit::unit;

use crate::route::{Params, Patients, Place, Route};
use contract::identity::{PatientId, Series, Year};
use contract::pseudonym::{DataKey, PatientRef, PseudonymKey, SealError};
use contract::record::{PatientEntry, Reason, Source};
use http::{HeaderMap, header};
use smallvec::SmallVec;
use zeroize::Zeroizing;

/// The most different patients that one request may name.
pub const PATIENTS_MAX: usize = 64;
/// The most search terms that are kept.
pub const TERMS_MAX: usize = 16;
/// How much of a search term is kept, in bytes.
pub const TERM_BYTES_MAX: usize = 256;

/// A request, as far as patients may stand in it.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// Where the route's parameters stand in the path.
    pub params: &'a Params,
    /// The path's raw bytes.
    pub path: &'a [u8],
    /// The query's raw bytes.
    pub query: Option<&'a [u8]>,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The whole body, if [`Route::reads_body`] asks for it; `None` if it was not read.
    pub body: Option<&'a [u8]>,
}

/// How identities are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// This year, for ten-digit forms.
    pub year: Year,
    /// Which series are accepted.
    pub series: Series,
}

/// A patient that the request names.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    /// Who.
    pub id: PatientId,
    /// Where.
    pub source: Source,
    /// In which place of the order found, from 0.
    pub position: u32,
}

/// Why a patient could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unread {
    /// Why.
    pub reason: Reason,
    /// Where.
    pub source: Source,
}

/// What a request says of patients.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Extraction {
    found: SmallVec<[Found; 1]>,
    problems: SmallVec<[Unread; 1]>,
    terms: Vec<Zeroizing<String>>,
    /// The route has no patient data.
    unconcerned: bool,
}

impl Extraction {
    /// The patients found, each once.
    pub fn found(&self) -> &[Found] {
        &self.found
    }

    /// The patient, if the request names one, and nothing else that may be one.
    pub fn only(&self) -> Option<&PatientId> {
        match self.found.as_slice() {
            [one] if self.problems.is_empty() => Some(&one.id),
            _ => None,
        }
    }

    /// What could not be read, each reason and source once.
    pub fn problems(&self) -> &[Unread] {
        &self.problems
    }

    /// Whether more than [`PATIENTS_MAX`] patients are named: to be refused, because not all can be recorded.
    pub fn too_many(&self) -> bool {
        self.problems.iter().any(|problem| problem.reason == Reason::PatientsTooMany)
    }

    /// The pseudonyms of the search terms.
    pub fn term_refs(&self, key: &PseudonymKey) -> SmallVec<[PatientRef; 2]> {
        let mut refs = SmallVec::new();
        for term in &self.terms {
            let reference = key.search_term(term);
            if !refs.contains(&reference) {
                refs.push(reference);
            }
        }
        refs
    }

    /// The record's entries: the patients, sealed, then one unidentified entry for each problem. At least one entry.
    pub fn into_entries(self, refs: &PseudonymKey, key: &DataKey) -> Result<SmallVec<[PatientEntry; 1]>, SealError> {
        let mut entries = SmallVec::with_capacity(self.found.len() + self.problems.len());
        for found in &self.found {
            let reference = refs.patient(&found.id);
            entries.push(PatientEntry {
                reference,
                kind: found.id.kind().tag(),
                sealed: key.seal(&found.id, reference)?,
                source: found.source,
                position: found.position,
                problem: Reason::None,
            });
        }
        entries.extend(self.problems.iter().map(|problem| PatientEntry::unidentified(problem.source, problem.reason)));
        if entries.is_empty() {
            let reason = if self.unconcerned { Reason::None } else { Reason::PatientAbsent };
            entries.push(PatientEntry::unidentified(Source::None, reason));
        }
        Ok(entries)
    }

    fn note(&mut self, reason: Reason, source: Source) {
        let problem = Unread { reason, source };
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// Adds a patient; one that was found before is not added again.
    fn add(&mut self, id: PatientId, source: Source) {
        if self.found.iter().any(|found| found.id == id) {
            return;
        }
        if self.found.len() >= PATIENTS_MAX {
            self.note(Reason::PatientsTooMany, source);
            return;
        }
        let position = u32::try_from(self.found.len()).unwrap_or(u32::MAX);
        self.found.push(Found { id, source, position });
    }

    fn add_term(&mut self, text: &str) {
        let text = text.trim();
        if text.is_empty() || self.terms.len() >= TERMS_MAX {
            return;
        }
        let end = text.floor_char_boundary(TERM_BYTES_MAX);
        self.terms.push(Zeroizing::new(text.get(..end).unwrap_or(text).to_owned()));
    }
}

/// Finds the patients and search terms of a request in the places that its route names.
pub fn extract(route: &Route, input: &Input<'_>, reading: Reading) -> Extraction {
    let mut out = Extraction { unconcerned: route.patients == Patients::None, ..Extraction::default() };
    for place in route.patients.places() {
        match place {
            Place::Path(index) => {
                if let Some(raw) = input.params.get(*index, input.path) {
                    form::decoded(raw, false, |bytes| text::read(bytes, None, Source::Path, reading, &mut out));
                }
            }
            Place::Header(name) => {
                for value in input.headers.get_all(name) {
                    text::read(value.as_bytes(), None, Source::Header, reading, &mut out);
                }
            }
            Place::Query(_) | Place::Form(_) | Place::Json(_) => {}
        }
    }
    if let Some(query) = input.query {
        // Some frameworks have one list for query and form, and the query comes first in it.
        let wanted = |place: &Place| matches!(place, Place::Query(_) | Place::Form(_));
        form::fields(query, route, wanted, Source::Query, reading, &mut out);
    }
    body(route, input, reading, &mut out);
    if out.found.is_empty() && out.problems.is_empty() && !out.unconcerned {
        if route.patients.in_response().is_some() {
            out.note(Reason::PatientInResponse, Source::Response);
        } else {
            out.note(Reason::PatientAbsent, Source::None);
        }
    }
    out
}

fn body(route: &Route, input: &Input<'_>, reading: Reading, out: &mut Extraction) {
    let places = route.patients.places();
    let form = places.iter().any(|place| matches!(place, Place::Form(_)));
    let json = places.iter().any(|place| matches!(place, Place::Json(_)));
    let source = if form && !json { Source::Form } else { Source::Body };
    let Some(body) = input.body else {
        if form || json {
            out.note(Reason::PatientBody, source);
        }
        return;
    };
    let body = body.trim_ascii();
    if body.is_empty() {
        return;
    }
    let kind = Kind::of(input.headers);
    // A body is read as what the route says it is, whatever its content type claims: some backends look at neither.
    // Where the route allows both, or only has search terms, the content type or the first byte decides.
    let as_json = if form == json { kind == Kind::Json || matches!(body.first(), Some(b'{' | b'[')) } else { json };
    let read = if as_json {
        json::fields(body, route, reading, out)
    } else {
        let wanted = |place: &Place| matches!(place, Place::Form(_));
        form::fields(body, route, wanted, Source::Form, reading, out);
        true
    };
    if (form || json) && (!read || matches!(kind, Kind::Encoded | Kind::Multipart)) {
        out.note(Reason::PatientBody, source);
    }
}

/// What a body's headers say it is.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Compressed, or in a character encoding that has other bytes for ASCII.
    Encoded,
    Multipart,
    Json,
    Other,
}

impl Kind {
    fn of(headers: &HeaderMap) -> Self {
        let identity = |value: &http::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
        if !headers.get_all(header::CONTENT_ENCODING).iter().all(identity) {
            return Self::Encoded;
        }
        let Some(text) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
            return Self::Other;
        };
        let has = |needle: &str| {
            text.as_bytes().windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle.as_bytes()))
        };
        if has("utf-16") || has("utf-32") || has("utf-7") || has("ucs-2") {
            return Self::Encoded;
        }
        let essence = text.split(';').next().unwrap_or_default().trim();
        let begins = |with: &str| essence.get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with));
        let ends = |with: &str| {
            let start = essence.len().checked_sub(with.len());
            start.and_then(|start| essence.get(start..)).is_some_and(|tail| tail.eq_ignore_ascii_case(with))
        };
        match () {
            () if begins("multipart/") => Self::Multipart,
            () if ends("json") => Self::Json,
            () => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests;
