//! The scanner of answers: the pieces do not matter, and what is settled names nobody who was not told.

use crate::READING;
use crate::cuts::cut;
use gateway::disclosure::scan::{Fault, Form, Hit, Scanner};
use gateway::route::FieldPath;
use std::sync::Arc;

/// The reader that tries everything everywhere, as the scanner's own tests have it.
#[path = "../../gateway/src/disclosure/scan/tests/slow.rs"]
mod slow;

/// A patient who stands in a text on a line of its own.
const PLANTED: &str = "191212121212";

/// Form, cut, body.
pub fn scanner(data: &[u8]) {
    let [kind, seed, body @ ..] = data else { return };
    let form = form(*kind);
    let whole = watched(&form, body, 0);
    assert_eq!(watched(&form, body, *seed), whole, "the pieces matter");
    assert_eq!(watched(&form, body, b'1'), whole, "the bytes matter");
    match form {
        Form::Text => {
            let text = if foreign_head(body) { &[] } else { text(body) };
            assert_eq!(whole.1.is_err(), text.len() < body.len(), "what is no text is a fault");
            // The slow reader is slow.
            if body.len() <= 512 {
                assert_eq!(told(&whole.0), slow::read(text), "{}", body.escape_ascii());
            }
            planted(text, *seed);
        }
        Form::Json(_) | Form::Fhir => {
            let one = serde_json::from_slice::<serde_json::Value>(body);
            assert!(one.is_err() || whole.1 != Err(Fault::Syntax), "JSON is JSON");
            if form == Form::Fhir {
                let resource = |value: &serde_json::Value| match value {
                    serde_json::Value::Object(fields) => {
                        fields.keys().any(|key| key.eq_ignore_ascii_case("resourceType"))
                    }
                    // A list of them.
                    serde_json::Value::Array(values) => !values.is_empty(),
                    _ => false,
                };
                assert!(one.map_or(true, |value| whole.1.is_err() || resource(&value)), "FHIR has a type");
            }
        }
        Form::Lines(_) | Form::Events(_) => {}
    }
}

fn form(kind: u8) -> Form {
    let paths: Arc<[FieldPath]> = ["a.b", "items[*].p", "subject"].into_iter().filter_map(FieldPath::parse).collect();
    match kind {
        b'j' => Form::Json(paths),
        b'l' => Form::Lines(paths),
        b'f' => Form::Fhir,
        b'J' => Form::Events(Box::new(Form::Json(paths))),
        b'L' => Form::Events(Box::new(Form::Lines(paths))),
        b'F' => Form::Events(Box::new(Form::Fhir)),
        b'T' => Form::Events(Box::new(Form::Text)),
        _ => Form::Text,
    }
}

/// What stands before the first byte that no text has.
fn text(body: &[u8]) -> &[u8] {
    let foreign = |byte: &u8| matches!(byte, 0..=8 | 0x0e..=0x1a | 0x1c | 0x1d | 0x1f);
    body.split(foreign).next().unwrap_or_default()
}

/// Whether it begins as UTF-16, PDF, EBCDIC's XML or zstd.
fn foreign_head(body: &[u8]) -> bool {
    let heads: [&[u8]; 5] = [b"\xff\xfe", b"\xfe\xff", b"%PDF", b"Lo\xa7\x94", b"(\xb5/\xfd"];
    heads.iter().any(|head| body.starts_with(head))
}

fn watched(form: &Form, body: &[u8], seed: u8) -> (Vec<Hit>, Result<(), Fault>) {
    let mut scanner = Scanner::new(form.clone(), READING);
    let (mut hits, mut settled, mut pushed) = (Vec::new(), 0, 0);
    for piece in cut(body, seed) {
        let ended = scanner.push(piece, &mut hits);
        pushed += piece.len() as u64;
        assert!(scanner.settled() >= settled, "settled falls");
        assert!(scanner.settled() <= pushed, "settled is more than there was");
        settled = scanner.settled();
        if ended.is_err() {
            let count = hits.len();
            assert_eq!(scanner.push(b"x", &mut hits), ended, "a fault stays");
            assert_eq!(scanner.finish(&mut hits), ended, "a fault stays");
            assert_eq!(hits.len(), count, "nothing follows a fault");
            return (hits, ended);
        }
    }
    let ended = scanner.finish(&mut hits);
    if ended.is_ok() {
        assert_eq!(scanner.settled(), pushed, "all may leave at the end");
    }
    (hits, ended)
}

/// The identities of a text, each once.
fn told(hits: &[Hit]) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    for hit in hits {
        if let Hit::Patient { id, .. } = hit
            && !told.iter().any(|known| known == id.expose())
        {
            told.push(id.expose().to_owned());
        }
    }
    told
}

/// Whatever stands before and behind, a patient does not leave before being told.
fn planted(around: &[u8], seed: u8) {
    let (before, after) = around.split_at(around.len() / 2);
    let body = [before, b"\n", PLANTED.as_bytes(), b"\n", after].concat();
    let first = before.len() as u64 + 1;
    let mut scanner = Scanner::new(Form::Text, READING);
    let mut hits = Vec::new();
    for piece in cut(&body, seed) {
        assert_eq!(scanner.push(piece, &mut hits), Ok(()));
        let known = told(&hits).iter().any(|id| id == PLANTED);
        assert!(known || scanner.settled() <= first, "{}", body.escape_ascii());
    }
    assert_eq!(scanner.finish(&mut hits), Ok(()));
    assert!(told(&hits).iter().any(|id| id == PLANTED), "{}", body.escape_ascii());
}
