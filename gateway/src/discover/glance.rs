//! A glance at one answer of a route that is not marked.

use super::Glimpse;
use crate::disclosure::decode::{self, Decoder};
use crate::disclosure::scan::{Fault, Form, Hit, Scanner};
use crate::disclosure::{STEP_BYTES, Seen, is_json, is_text};
use crate::patient::Reading;
use crate::route::RouteId;
use contract::pseudonym::{PatientRef, PseudonymKey};
use http::HeaderMap;

/// The most patients of one answer that are counted.
const PATIENTS_MAX: usize = 10_000;
/// What each resource of FHIR has. It is looked for where the answer begins: a Bundle names its own type there.
const RESOURCE: &[u8] = b"\"resourceType\"";

/// Looks at one answer and counts.
pub(crate) struct Glance {
    route: RouteId,
    scanner: Scanner,
    decoder: Option<Box<Decoder>>,
    seen: Seen,
    glimpse: Glimpse,
    /// It is JSON, of which nothing was seen yet.
    unseen_json: bool,
    /// It cannot be read any more, or nothing more is counted.
    broken: bool,
}

impl Glance {
    /// At an answer with this head, to a request that names these. `None`: it is no text that can be read.
    pub(crate) fn new(route: RouteId, named: &[PatientRef], headers: &HeaderMap, reading: Reading) -> Option<Self> {
        let codings = decode::codings(headers).ok().filter(|_| is_text(headers))?;
        let (json, fhir) = is_json(headers);
        Some(Self {
            route,
            scanner: Scanner::new(Form::Text, reading),
            decoder: Decoder::new(&codings).map(Box::new),
            seen: Seen::new(named, PATIENTS_MAX),
            glimpse: Glimpse { is_text: true, patients: 0, fhir },
            unseen_json: json,
            broken: false,
        })
    }

    /// Looks at a part of the next piece, and takes it off what is `left` of that. `false`: nothing is left to do.
    pub(crate) fn step(&mut self, left: &mut &[u8], key: &PseudonymKey) -> bool {
        if self.broken {
            return false;
        }
        let mut hits = Vec::new();
        let more = match self.decoder.take() {
            None => {
                let part = left.get(..STEP_BYTES).unwrap_or(left);
                self.read(part, &mut hits);
                *left = left.get(part.len()..).unwrap_or_default();
                !left.is_empty()
            }
            Some(mut decoder) => {
                let done = decoder.next(left);
                self.read(decoder.window(), &mut hits);
                decoder.pass(usize::MAX);
                self.broken |= done.is_err();
                self.decoder = Some(decoder);
                done.unwrap_or(false)
            }
        };
        self.take(&hits, key);
        more && !self.broken
    }

    fn read(&mut self, window: &[u8], hits: &mut Vec<Hit>) {
        if !window.is_empty() && std::mem::take(&mut self.unseen_json) {
            self.glimpse.fhir |= memchr::memmem::find(window, RESOURCE).is_some();
        }
        let read = self.scanner.push(window, hits);
        // Whatever its head says, it is no text; nor is it counted as one, unless it named somebody until then.
        self.glimpse.is_text &= read != Err(Fault::Binary);
        self.broken |= read.is_err();
    }

    /// The answer is over. Gives its route, and what was seen of it.
    pub(crate) fn end(mut self, key: &PseudonymKey) -> (RouteId, Glimpse) {
        let mut hits = Vec::new();
        let _none = self.scanner.finish(&mut hits);
        self.take(&hits, key);
        (self.route, self.glimpse)
    }

    /// Counts who is new.
    fn take(&mut self, hits: &[Hit], key: &PseudonymKey) {
        for hit in hits {
            if let Hit::Patient { id, .. } = hit {
                match self.seen.patient(key.patient(id)) {
                    Ok(new) => self.glimpse.patients += u64::from(new),
                    // No more are counted.
                    Err(_) => return self.broken = true,
                }
            }
        }
    }
}
