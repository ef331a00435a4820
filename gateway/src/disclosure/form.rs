//! How an answer is read: by its content type, and by what the route says.

use super::Unscannable;
use super::scan::Form;
use crate::route::InResponse;
use http::{HeaderMap, header};

/// The form of an answer with these headers.
pub(super) fn of(how: &InResponse, headers: &HeaderMap) -> Result<Form, Unscannable> {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let Some(first) = types.next() else {
        // Short answers of simple servers have none, and clients guess. Whatever they guess, it is text to them.
        return Ok(Form::Text);
    };
    if types.next().is_some() {
        return Err(Unscannable::Type);
    }
    let text = first.to_str().map_err(|_| Unscannable::Type)?.to_ascii_lowercase();
    let (essence, parameters) = text.split_once(';').unwrap_or((&text, ""));
    if !reads_as_ascii(parameters) {
        return Err(Unscannable::Type);
    }
    let essence = essence.trim();
    let (kind, subtype) = essence.split_once('/').ok_or(Unscannable::Type)?;
    Ok(match (kind, subtype) {
        // It says itself where patients stand, whatever the route expects.
        (_, "fhir+json" | "json+fhir" | "fhir+ndjson") => Form::Fhir,
        (_, "ndjson" | "x-ndjson" | "jsonl" | "x-jsonlines" | "jsonlines" | "json-seq") => lines(how),
        ("text", "event-stream") => Form::Events(Box::new(of_message(how))),
        (_, "json") => json(how),
        (_, subtype) if subtype.ends_with("+json") => json(how),
        ("text", _) | (_, "xml" | "javascript" | "x-javascript" | "x-www-form-urlencoded" | "graphql-response") => {
            Form::Text
        }
        (_, subtype) if subtype.ends_with("+xml") => Form::Text,
        _ => return Err(Unscannable::Type),
    })
}

/// Whether an answer with these headers is text, and says so.
pub fn is_text(headers: &HeaderMap) -> bool {
    let any = InResponse { json: [].into(), fhir: false, headers: Vec::new(), passes_unscanned: false };
    headers.contains_key(header::CONTENT_TYPE) && of(&any, headers).is_ok()
}

/// The form of a text message.
pub(super) fn of_message(how: &InResponse) -> Form {
    json(how)
}

fn json(how: &InResponse) -> Form {
    match () {
        () if !how.json.is_empty() => Form::Json(how.json.clone()),
        () if how.fhir => Form::Fhir,
        () => Form::Text,
    }
}

fn lines(how: &InResponse) -> Form {
    match () {
        () if !how.json.is_empty() => Form::Lines(how.json.clone()),
        () if how.fhir => Form::Fhir,
        () => Form::Text,
    }
}

/// Whether digits have the bytes that they have in ASCII.
fn reads_as_ascii(parameters: &str) -> bool {
    let mut charsets = parameters.split(';').filter_map(|parameter| parameter.trim().strip_prefix("charset="));
    let known = |charset: &str| {
        let charset = charset.trim_matches('"');
        matches!(charset, "utf-8" | "utf8" | "us-ascii" | "ascii")
            || charset.starts_with("iso-8859-")
            || charset.starts_with("windows-125")
            || charset == "latin1"
    };
    charsets.all(known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::FieldPath;
    use http::HeaderValue;

    fn how(json: &[&str], fhir: bool) -> InResponse {
        let json = json.iter().filter_map(|path| FieldPath::parse(path)).collect();
        InResponse { json, fhir, headers: Vec::new(), passes_unscanned: false }
    }

    fn told(content_type: &str, how: &InResponse) -> String {
        let headers = [(header::CONTENT_TYPE, HeaderValue::from_str(content_type).expect("a value"))];
        match of(how, &headers.into_iter().collect()) {
            Ok(Form::Text) => "text".into(),
            Ok(Form::Json(paths)) => format!("json {}", paths.len()),
            Ok(Form::Lines(_)) => "lines".into(),
            Ok(Form::Fhir) => "fhir".into(),
            Ok(Form::Events(_)) => "events".into(),
            Err(cause) => cause.as_str().into(),
        }
    }

    #[test]
    fn the_type_and_the_route_say_how_an_answer_is_read() {
        let (plain, paths, fhir) = (how(&[], false), how(&["a.b"], false), how(&[], true));
        for (content_type, by_default, with_paths, with_fhir) in [
            ("application/json", "text", "json 1", "fhir"),
            ("Application/JSON; charset=UTF-8", "text", "json 1", "fhir"),
            ("application/hal+json", "text", "json 1", "fhir"),
            ("application/fhir+json", "fhir", "fhir", "fhir"),
            ("application/fhir+ndjson", "fhir", "fhir", "fhir"),
            ("application/x-ndjson", "text", "lines", "fhir"),
            ("application/json-seq", "text", "lines", "fhir"),
            ("text/event-stream", "events", "events", "events"),
            ("text/html; charset=iso-8859-1", "text", "text", "text"),
            ("application/xhtml+xml", "text", "text", "text"),
            ("text/csv", "text", "text", "text"),
            ("text/html; charset=utf-16le", "type", "type", "type"),
            ("application/pdf", "type", "type", "type"),
            ("multipart/mixed; boundary=x", "type", "type", "type"),
            ("image/png", "type", "type", "type"),
            ("nonsense", "type", "type", "type"),
        ] {
            let all = [told(content_type, &plain), told(content_type, &paths), told(content_type, &fhir)];
            assert_eq!(all, [by_default, with_paths, with_fhir], "{content_type}");
        }
        assert!(matches!(of(&plain, &HeaderMap::new()), Ok(Form::Text)));
    }
}
