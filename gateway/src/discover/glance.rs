//! A glance at one answer of a route that is not marked.

use crate::disclosure::decode::{self, Decoder};
use crate::disclosure::scan::{Form, Hit, Scanner};
use crate::disclosure::{Seen, is_text};
use crate::patient::Reading;
use crate::route::RouteId;
use contract::pseudonym::{PatientRef, PseudonymKey};
use http::HeaderMap;
use std::convert::Infallible;

/// The most patients of one answer that are counted.
const PATIENTS_MAX: usize = 10_000;

/// Looks at one answer and counts.
pub(crate) struct Glance {
    route: RouteId,
    scanner: Scanner,
    decoder: Option<Box<Decoder>>,
    seen: Seen,
    patients: u64,
    /// What cannot be read any more.
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

    /// The next piece.
    pub(crate) fn push(&mut self, piece: &[u8], key: &PseudonymKey) {
        let mut hits = Vec::new();
        let scanner = &mut self.scanner;
        let mut look = |window: &[u8]| -> Result<(), Infallible> {
            // Text has no faults.
            let _none = scanner.push(window, &mut hits);
            Ok(())
        };
        match &mut self.decoder {
            _ if self.broken => {}
            None => _ = look(piece),
            Some(decoder) => self.broken = decoder.push(piece, &mut look).is_err(),
        }
        self.take(&hits, key);
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
                self.patients += u64::from(self.seen.patient(key.patient(id)) == Ok(true));
            }
        }
    }
}
