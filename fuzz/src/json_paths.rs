//! Patients in bodies: whatever a common reader takes for the patient is found.

use crate::READING;
use contract::identity::parse_with;
use contract::record::Reason;
use contract::settings::Document;
use gateway::patient::{Extraction, Input, PATIENTS_MAX, extract};
use gateway::route::{FieldPath, Matched, Routes};
use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::Value;
use std::sync::LazyLock;

/// What is looked for in JSON.
const FIELDS: [&str; 4] = ["patient", "a.b", "items[*].p", "[*].subject"];

static ROUTES: LazyLock<Routes> = LazyLock::new(|| {
    let fields = FIELDS.map(|name| format!("{{ in = \"json\", name = \"{name}\" }}")).join(", ");
    let form = "{ in = \"form\", name = \"patient\" }, { in = \"query\", name = \"pnr\" }";
    let route = |name: &str, more: &str| {
        format!(
            "[[route]]\nname = \"{name}\"\nregistry = \"r\"\nmethods = [\"POST\"]\npath = \"/{name}/{{id}}\"\nresource = \"x\"\n{more}\n"
        )
    };
    let text = [
        "[[registry]]\nname = \"r\"\nhosts = [\"h\"]\npeers = [\"a:1\"]\n".to_owned(),
        route("json", &format!("patients = [{fields}]\nsearch_terms = [\"q\"]")),
        route("form", &format!("patients = [{form}]")),
        route("both", &format!("patients = [{fields}, {form}]")),
        route("path", "patient = { in = \"path\", name = \"id\" }\nsearch_terms = [\"q\"]"),
    ]
    .concat();
    Routes::read(&Document::parse("routes.toml", &text, [])).expect("a good file")
});

/// Route, content type, body. The first line is the query if it begins with `?`.
pub fn json_paths(data: &[u8]) {
    let [route, kind, rest @ ..] = data else { return };
    let (query, body) = match rest {
        [b'?', more @ ..] => match more.iter().position(|byte| *byte == b'\n') {
            Some(end) => (more.get(..end), more.get(end + 1..).unwrap_or_default()),
            None => (Some(more), [].as_slice()),
        },
        _ => (None, rest),
    };
    let path = match route {
        b'j' => "/json/x".as_bytes().to_vec(),
        b'f' => "/form/x".as_bytes().to_vec(),
        b'p' => [b"/path/", rest.split(|byte| *byte == b'/').next().unwrap_or_default()].concat(),
        _ => "/both/x".as_bytes().to_vec(),
    };
    let Ok(matched) = ROUTES.find("h", &Method::POST, &path) else { return };
    let mut headers = HeaderMap::new();
    if let Some(content) = match kind {
        b'j' => Some("application/json"),
        b'f' => Some("application/x-www-form-urlencoded"),
        b'm' => Some("multipart/form-data; boundary=x"),
        b'u' => Some("application/json; charset=utf-16"),
        _ => None,
    } {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content));
    }
    let found = read(&matched, &path, query, &headers, body);
    assert!(found.found().len() <= PATIENTS_MAX);
    assert!(!found.found().is_empty() || !found.problems().is_empty(), "nothing found and nothing said");
    let shown = format!("{found:?}");
    for one in found.found() {
        assert!(!shown.contains(one.id.expose()), "Debug tells who");
    }
    if *route == b'j' {
        json(&found, body, !matches!(kind, b'm' | b'u'));
    }
    if *route == b'f' {
        let mut pairs: Vec<(String, String)> = form_urlencoded::parse(body.trim_ascii()).into_owned().collect();
        pairs.retain(|(name, _)| name.eq_ignore_ascii_case("patient"));
        pairs.extend(
            form_urlencoded::parse(query.unwrap_or_default())
                .into_owned()
                .filter(|(name, _)| ["pnr", "patient"].iter().any(|known| name.eq_ignore_ascii_case(known))),
        );
        for (_, value) in pairs {
            wanted(&found, &value);
        }
    }
}

fn read(matched: &Matched<'_>, path: &[u8], query: Option<&[u8]>, headers: &HeaderMap, body: &[u8]) -> Extraction {
    let input = Input { params: &matched.params, path, query, headers, body: Some(body) };
    let found = extract(matched.route, &input, READING);
    assert_eq!(extract(matched.route, &input, READING), found);
    found
}

/// An identity that stands there plainly is among those found.
fn wanted(found: &Extraction, text: &str) {
    if let Ok(id) = parse_with(text.trim(), READING.year, READING.series) {
        assert!(found.too_many() || found.found().iter().any(|one| one.id == id), "a patient is not found");
    }
}

/// `plain`: the content type says nothing else.
fn json(found: &Extraction, body: &[u8], plain: bool) {
    let Ok(value) = serde_json::from_slice::<Value>(body) else { return };
    if plain && depth(&value) < 60 {
        let unread = found.problems().iter().any(|problem| problem.reason == Reason::PatientBody);
        assert!(!unread, "JSON is JSON");
    }
    for path in FIELDS.iter().filter_map(|name| FieldPath::parse(name)) {
        let keys: Vec<&str> = path.keys().iter().map(AsRef::as_ref).collect();
        walk(found, &value, &keys);
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(values) => 1 + values.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// The fields at the end of a path, as a walk over the whole value finds them.
fn walk(found: &Extraction, value: &Value, keys: &[&str]) {
    match (value, keys) {
        (Value::String(text), []) => wanted(found, text),
        (Value::Array(values), _) => values.iter().for_each(|value| walk(found, value, keys)),
        (Value::Object(map), [key, rest @ ..]) => {
            for (_, value) in map.iter().filter(|(name, _)| name.eq_ignore_ascii_case(key)) {
                walk(found, value, rest);
            }
        }
        _ => {}
    }
}
