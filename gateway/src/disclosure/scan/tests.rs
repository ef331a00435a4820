//! Tests of the scanner.

mod beside;
mod events;
mod fhir;
mod json;
mod laws;
mod others;
mod slow;
mod text;
mod whose;

use super::*;
use contract::identity::{Series, Year};

const READING: Reading = Reading { year: Year(2026), series: Series { skane: false, short: true } };

const A: &str = "191212121212";
const B: &str = "201212121212";

fn paths(names: &[&str]) -> Arc<[FieldPath]> {
    names.iter().map(|name| FieldPath::parse(name).expect("a path")).collect()
}

/// The identities, and the reasons of what could not be read.
fn told(hits: &[Hit]) -> (Vec<String>, Vec<Reason>) {
    let mut told = (Vec::new(), Vec::new());
    for hit in hits {
        match hit {
            Hit::Patient { id, .. } => told.0.push(id.expose().to_owned()),
            Hit::Unread { reason } => told.1.push(*reason),
        }
    }
    told
}

/// The hits of a body that comes in these pieces.
fn scan<'a>(form: &Form, pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Hit>, Result<(), Fault>) {
    let mut scanner = Scanner::new(form.clone(), READING);
    let mut hits = Vec::new();
    let mut ended = Ok(());
    for piece in pieces {
        ended = scanner.push(piece, &mut hits);
        if ended.is_err() {
            break;
        }
    }
    let ended = ended.and_then(|()| scanner.finish(&mut hits));
    (hits, ended)
}
