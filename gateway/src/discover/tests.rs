use super::*;
use crate::patient::Reading;
use contract::identity::{Series, Year};
use contract::pseudonym::PseudonymKey;
use contract::settings::Document;
use http::HeaderValue;
use http::header::CONTENT_TYPE;

fn routes() -> Routes {
    let text = r#"
        [[registry]]
        name = "prov"
        hosts = ["localhost"]
        peers = ["127.0.0.1:1"]

        [[route]]
        name = "list"
        registry = "prov"
        methods = ["GET"]
        path = "/list"
        resource = "list"
        patient = { in = "none" }

        [[route]]
        name = "page"
        registry = "prov"
        methods = ["GET"]
        path = "/pages/{id}"
        resource = "page"
        patients = [{ in = "path", name = "id" }, { in = "query", name = "p" }]

        [[route]]
        name = "marked"
        registry = "prov"
        methods = ["GET"]
        path = "/marked"
        resource = "list"
        patient = { in = "response" }
    "#;
    let document = Document::parse("routes.toml", text, []);
    Routes::read(&document).expect("good routes")
}

fn text(patients: u64) -> Glimpse {
    Glimpse { is_text: true, patients, fhir: false }
}

/// What a glance at an answer sees that comes in two pieces.
fn glimpse(content_type: Option<&'static str>, body: &[u8]) -> Glimpse {
    let key = PseudonymKey::new(&[7; 32]);
    let headers = content_type.map(|text| (CONTENT_TYPE, HeaderValue::from_static(text)));
    let reading = Reading { year: Year(2026), series: Series::default() };
    let routes = routes();
    let route = routes.routes().first().expect("a route").id;
    let glance = Glance::new(route, &[], &headers.into_iter().collect(), reading);
    let mut glance = glance.expect("it may be text");
    let (head, tail) = body.split_at(body.len() / 2);
    for mut left in [head, tail] {
        while glance.step(&mut left, &key) {}
    }
    glance.end(&key).1
}

#[test]
fn an_answer_without_a_type_is_looked_at() {
    assert_eq!(glimpse(None, b"<p>191212121212 and 201212121212</p>"), text(2));
    assert_eq!(glimpse(Some("text/html"), b"<p>191212121212 and 191212121212</p>"), text(1));
    assert_eq!(glimpse(None, b"\x89PNG\r\n\x1a\n\x00\x00 191212121212"), Glimpse { is_text: false, ..text(0) });
}

#[test]
fn fhir_is_known_by_its_type_or_its_beginning() {
    let bundle = br#"{"resourceType":"Bundle","entry":[{"resource":{"identifier":"191212121212"}}]}"#;
    let fhir = Glimpse { fhir: true, ..text(1) };
    assert_eq!(glimpse(Some("application/json; charset=utf-8"), bundle), fhir);
    assert_eq!(glimpse(Some("application/fhir+json"), b"[\"191212121212\"]"), fhir);
    assert_eq!(glimpse(Some("application/json"), b"[\"191212121212\"]"), text(1));
    assert_eq!(glimpse(Some("text/html"), bundle), text(1));

    let (dir, routes) = (tempfile::tempdir().expect("a folder"), routes());
    let list = routes.routes().iter().find(|route| route.name.as_str() == "list").expect("there").id;
    let finder = Finder::open(dir.path(), &routes, 5).expect("opens");
    finder.count(list, fhir);
    finder.save().expect("writes");
    let seen = Seen::read(&path(dir.path())).expect("reads");
    let shown = show(&seen, &routes, false);
    assert!(shown.contains(r#"patient = { in = "response", fhir = true }"#), "{shown}");
}

#[test]
fn what_an_earlier_version_has_counted_is_read() {
    let old = r#"{"since":1,"routes":{"list":{"answers":1,"disclosing":1,"patients":1}}}"#;
    let seen: Seen = serde_json::from_str(old).expect("reads");
    assert_eq!(seen.routes.get("list").map(|count| count.fhir), Some(0));
}

#[test]
fn counts_outlive_the_gateway_and_show_what_a_route_should_say() {
    let (dir, routes) = (tempfile::tempdir().expect("a folder"), routes());
    let by_name = |name: &str| routes.routes().iter().find(|route| route.name.as_str() == name).expect("there").id;
    for _ in 0..2 {
        let finder = Finder::open(dir.path(), &routes, 5).expect("opens");
        finder.count(by_name("list"), text(0));
        finder.count(by_name("page"), text(3));
        finder.count(by_name("page"), Glimpse { is_text: false, ..text(0) });
        finder.save().expect("writes");
    }
    let seen = Seen::read(&path(dir.path())).expect("reads");
    assert_eq!(seen.routes.get("page"), Some(&Count { answers: 2, disclosing: 2, patients: 6, fhir: 0 }));
    let shown = show(&seen, &routes, false);
    let line = r#"patients = [{ in = "path", name = "id" }, { in = "query", name = "p" }, { in = "response" }]"#;
    assert!(shown.contains(line) && !shown.contains("/list"), "{shown}");
    let json: serde_json::Value = serde_json::from_str(&show(&seen, &routes, true)).expect("JSON");
    assert_eq!(json.pointer("/routes/0/config").and_then(|text| text.as_str()), Some(line));
}

#[test]
fn a_route_that_was_marked_since_and_one_that_is_gone_are_not_shown() {
    let mut seen = Seen { since: 1, ..Seen::default() };
    for name in ["marked", "gone"] {
        seen.routes.insert(name.to_owned(), Count { answers: 1, disclosing: 1, patients: 1, fhir: 0 });
    }
    assert!(show(&seen, &routes(), false).contains("None of them disclosed"));
}

#[test]
fn a_file_that_is_none_is_told() {
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(path(dir.path()), "{").expect("writes");
    assert!(Finder::open(dir.path(), &routes(), 5).is_err());
}

#[test]
fn a_glance_looks_in_small_steps_and_stops_where_it_does_not_count() {
    use crate::patient::Reading;
    use contract::identity::{Series, Year};
    use contract::pseudonym::PseudonymKey;
    use http::{HeaderMap, HeaderValue, header};
    use std::io::Write as _;

    let reading = Reading { year: Year(2026), series: Series::default() };
    let route = routes().routes().first().expect("one").id;
    let key = PseudonymKey::new(&[7; 32]);
    let body_text = "namn 191212121212\n".repeat(20_000);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body_text.as_bytes()).expect("memory");
    let coded = encoder.finish().expect("memory");
    for (body, coding) in [(body_text.as_bytes(), None), (&*coded, Some("gzip"))] {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        headers.extend(coding.map(|coding| (header::CONTENT_ENCODING, HeaderValue::from_static(coding))));
        let mut glance = Glance::new(route, &[], &headers, reading).expect("text");
        let (mut left, mut steps) = (body, 1);
        while glance.step(&mut left, &key) {
            steps += 1;
        }
        assert!(steps >= body_text.len() / crate::disclosure::STEP_BYTES, "{steps}");
        assert_eq!(glance.end(&key).1, text(1));
    }
}
