//! How an answer is read: by its content type, and by what the route says.

use super::Unscannable;
use super::scan::Form;
use crate::route::InResponse;
use http::{HeaderMap, StatusCode, header};

/// The form of an answer with this status and these headers.
pub(super) fn of(how: &InResponse, status: StatusCode, headers: &HeaderMap) -> Result<Form, Unscannable> {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let Some(first) = types.next() else {
        // Short answers of simple servers have none, and clients guess from the bytes. So does the scanner: what is no text
        // whose digits it sees, it refuses.
        return Ok(Form::Text);
    };
    if types.next().is_some() {
        return Err(Unscannable::Type);
    }
    let text = first.to_str().map_err(|_| Unscannable::Type)?.to_ascii_lowercase();
    let (essence, parameters) = text.split_once(';').unwrap_or((&text, ""));
    let essence = essence.trim();
    let (kind, subtype) = essence.split_once('/').ok_or(Unscannable::Type)?;
    // Of a list of types, clients take the first or the last; of other mistakes, nobody knows what they make.
    if !is_token(kind) || !is_token(subtype) || parameters.contains(',') || !reads_as_ascii(parameters) {
        return Err(Unscannable::Type);
    }
    Ok(match (kind, subtype) {
        // It says itself where patients stand, whatever the route expects.
        (_, "fhir+json" | "json+fhir" | "fhir+ndjson") => Form::Fhir,
        // Errors of what stands before a FHIR server, or of a server that answers for it, are no FHIR.
        (_, "json" | "problem+json") if status.is_client_error() || status.is_server_error() => of_error(how),
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

/// Whether an answer with these headers is text, or may be: without a type, the bytes tell.
pub fn is_text(headers: &HeaderMap) -> bool {
    let any = InResponse { json: [].into(), fhir: false, headers: Vec::new(), passes_unscanned: false };
    of(&any, StatusCode::OK, headers).is_ok()
}

/// Whether an answer with these headers says that it is JSON, and whether that it is FHIR's.
pub fn is_json(headers: &HeaderMap) -> (bool, bool) {
    let named = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = named.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let fhir = essence.ends_with("/fhir+json") || essence.ends_with("/json+fhir");
    (fhir || essence.ends_with("/json") || essence.ends_with("+json"), fhir)
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

/// JSON that says what went wrong has its fields by the route, or is any text.
fn of_error(how: &InResponse) -> Form {
    if how.json.is_empty() { Form::Text } else { json(how) }
}

fn lines(how: &InResponse) -> Form {
    match () {
        () if !how.json.is_empty() => Form::Lines(how.json.clone()),
        () if how.fhir => Form::Fhir,
        () => Form::Text,
    }
}

/// Whether digits have the bytes that they have in ASCII. Each parameter that some client may take for the charset counts:
/// with blanks around its name, and as RFC 2231 writes it (`charset*`).
fn reads_as_ascii(parameters: &str) -> bool {
    let parameters = parameters.split(';').filter_map(|parameter| parameter.split_once('='));
    let mut charsets = parameters.filter(|(name, _)| name.trim().starts_with("charset"));
    let known = |charset: &str| {
        let charset = charset.trim().trim_matches('"');
        let of_series = |series| charset.strip_prefix(series).is_some_and(|part: &str| part.parse::<u8>().is_ok());
        matches!(charset, "utf-8" | "utf8" | "us-ascii" | "ascii" | "latin1")
            || of_series("iso-8859-")
            || of_series("windows-125")
    };
    charsets.all(|(_, charset)| known(charset))
}

/// Whether a text is RFC 9110's token.
fn is_token(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_part)
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
        told_of(StatusCode::OK, content_type, how)
    }

    fn told_of(status: StatusCode, content_type: &str, how: &InResponse) -> String {
        let headers = [(header::CONTENT_TYPE, HeaderValue::from_str(content_type).expect("a value"))];
        match of(how, status, &headers.into_iter().collect()) {
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
            ("application/problem+json", "text", "json 1", "fhir"),
            ("application/x-ndjson", "text", "lines", "fhir"),
            ("application/json-seq", "text", "lines", "fhir"),
            ("text/event-stream", "events", "events", "events"),
            ("text/html; charset=iso-8859-1", "text", "text", "text"),
            ("application/xhtml+xml", "text", "text", "text"),
            ("text/csv", "text", "text", "text"),
            ("text/html; charset=\"windows-1252\"; x=y", "text", "text", "text"),
            ("text/html; charset=utf-16le", "type", "type", "type"),
            ("text/html; charset = utf-16", "type", "type", "type"),
            ("text/html; charset*=us-ascii''utf-16", "type", "type", "type"),
            ("text/html; charset=utf-8; charset=utf-7", "type", "type", "type"),
            ("text/html; charset=iso-8859-1-ebcdic", "type", "type", "type"),
            ("text/html; charset=ebcdic-cp-se", "type", "type", "type"),
            ("text/html; charset=", "type", "type", "type"),
            ("text/html charset=utf-16", "type", "type", "type"),
            ("text/html, application/pdf", "type", "type", "type"),
            ("text/html; x=y, application/pdf", "type", "type", "type"),
            ("text/", "type", "type", "type"),
            ("application/pdf", "type", "type", "type"),
            ("multipart/mixed; boundary=x", "type", "type", "type"),
            ("image/png", "type", "type", "type"),
            ("nonsense", "type", "type", "type"),
        ] {
            let all = [told(content_type, &plain), told(content_type, &paths), told(content_type, &fhir)];
            assert_eq!(all, [by_default, with_paths, with_fhir], "{content_type}");
        }
        assert!(matches!(of(&plain, StatusCode::OK, &HeaderMap::new()), Ok(Form::Text)));
        assert!(is_text(&HeaderMap::new()), "its bytes tell");
    }

    #[test]
    fn an_error_of_a_fhir_route_may_be_any_json() {
        let (paths, fhir) = (how(&["a.b"], false), how(&[], true));
        for (status, content_type, with_paths, with_fhir) in [
            (StatusCode::NOT_FOUND, "application/json", "json 1", "text"),
            (StatusCode::BAD_GATEWAY, "application/problem+json", "json 1", "text"),
            (StatusCode::NOT_FOUND, "application/fhir+json", "fhir", "fhir"),
            (StatusCode::FOUND, "application/json", "json 1", "fhir"),
        ] {
            let all = [&paths, &fhir].map(|how| told_of(status, content_type, how));
            assert_eq!(all, [with_paths, with_fhir], "{status} {content_type}");
        }
    }
}
