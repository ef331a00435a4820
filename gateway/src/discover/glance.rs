//! A glance at one answer of a route that is not marked.

use crate::disclosure::decode::{self, Decoder};
use crate::disclosure::scan::{Form, Hit, Scanner};
use crate::disclosure::{STEP_BYTES, Seen, is_text};
use crate::patient::Reading;
use crate::route::RouteId;
use contract::pseudonym::{PatientRef, PseudonymKey};
use http::HeaderMap;

/// The most patients of one answer that are counted.
const PATIENTS_MAX: usize = 10_000;

/// Looks at one answer and counts.
pub(crate) struct Glance {
    route: RouteId,
    scanner: Scanner,
    decoder: Option<Box<Decoder>>,
    seen: Seen,
    patients: u64,
    /// It cannot be read any more, or nothing more is counted.
    broken: bool,
}

impl Glance {
    /// At an answer with this head, to a request that names these. `None`: it is no text that can be read.
    pub(crate) fn new(route: RouteId, named: &[PatientRef], headers: &HeaderMap, reading: Reading) -> Option<Self> {
        let codings = decode::codings(headers).ok().filter(|_| is_text(headers))?;
        Some(Self {
            route,
            scanner: Scanner::new(Form::Text, reading),
            decoder: Decoder::new(&codings).map(Box::new),
            seen: Seen::new(named, PATIENTS_MAX),
            patients: 0,
            broken: false,
        })
    }

    /// Looks at a part of the next piece, and takes it off what is `left` of that. `false`: nothing is left to do.
    pub(crate) fn step(&mut self, left: &mut &[u8], key: &PseudonymKey) -> bool {
        let mut hits = Vec::new();
        let more = match &mut self.decoder {
            _ if self.broken => false,
            None => {
                let part = left.get(..STEP_BYTES).unwrap_or(left);
                // Text has no faults.
                let _none = self.scanner.push(part, &mut hits);
                *left = left.get(part.len()..).unwrap_or_default();
                !left.is_empty()
            }
            Some(decoder) => {
                let done = decoder.next(left);
                self.broken = done.is_err();
                let _none = self.scanner.push(decoder.window(), &mut hits);
                decoder.pass(usize::MAX);
                done.unwrap_or(false)
            }
        };
        self.take(&hits, key);
        more && !self.broken
    }

    /// The answer is over. Gives its route, and how many it disclosed.
    pub(crate) fn end(mut self, key: &PseudonymKey) -> (RouteId, u64) {
        let mut hits = Vec::new();
        let _none = self.scanner.finish(&mut hits);
        self.take(&hits, key);
        (self.route, self.patients)
    }

    fn take(&mut self, hits: &[Hit], key: &PseudonymKey) {
        for hit in hits {
            if let Hit::Patient { id, .. } = hit {
                match self.seen.patient(key.patient(id)) {
                    Ok(new) => self.patients += u64::from(new),
                    // No more are counted.
                    Err(_) => return self.broken = true,
                }
            }
        }
    }
}
