//! A glance at one answer of a route that is not marked.

use super::Glimpse;
use crate::disclosure::decode::{self, Decoder};
use crate::disclosure::scan::{Fault, Form, Hit, Scanner};
use crate::disclosure::{Seen, is_json, is_text};
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
    /// What cannot be read any more.
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

    /// The next piece.
    pub(crate) fn push(&mut self, piece: &[u8], key: &PseudonymKey) {
        let Self { scanner, decoder, seen, glimpse, unseen_json, broken, .. } = self;
        if *broken {
            return;
        }
        // Counted window by window: one piece may become a thousand times as much.
        let mut hits = Vec::new();
        let mut look = |window: &[u8]| -> Result<(), Fault> {
            if std::mem::take(unseen_json) {
                glimpse.fhir |= memchr::memmem::find(window, RESOURCE).is_some();
            }
            let read = scanner.push(window, &mut hits);
            take(seen, glimpse, &hits, key);
            hits.clear();
            // Whatever its head says, it is no text; nor is it counted as one, unless it named somebody until then.
            glimpse.is_text &= read != Err(Fault::Binary);
            read
        };
        *broken = match decoder {
            None => look(piece).is_err(),
            Some(decoder) => decoder.push(piece, &mut look).is_err(),
        };
    }

    /// The answer is over. Gives its route, and what was seen of it.
    pub(crate) fn end(mut self, key: &PseudonymKey) -> (RouteId, Glimpse) {
        let mut hits = Vec::new();
        let _none = self.scanner.finish(&mut hits);
        take(&mut self.seen, &mut self.glimpse, &hits, key);
        (self.route, self.glimpse)
    }
}

/// Counts who is new.
fn take(seen: &mut Seen, glimpse: &mut Glimpse, hits: &[Hit], key: &PseudonymKey) {
    for hit in hits {
        if let Hit::Patient { id, .. } = hit {
            glimpse.patients += u64::from(seen.patient(key.patient(id)) == Ok(true));
        }
    }
}
