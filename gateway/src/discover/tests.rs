use super::*;
use contract::settings::Document;

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

#[test]
fn counts_outlive_the_gateway_and_show_what_a_route_should_say() {
    let (dir, routes) = (tempfile::tempdir().expect("a folder"), routes());
    let by_name = |name: &str| routes.routes().iter().find(|route| route.name.as_str() == name).expect("there").id;
    for _ in 0..2 {
        let finder = Finder::open(dir.path(), &routes, 5).expect("opens");
        finder.count(by_name("list"), 0);
        finder.count(by_name("page"), 3);
        finder.save().expect("writes");
    }
    let seen = Seen::read(&path(dir.path())).expect("reads");
    assert_eq!(seen.routes.get("page"), Some(&Count { answers: 2, disclosing: 2, patients: 6 }));
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
        seen.routes.insert(name.to_owned(), Count { answers: 1, disclosing: 1, patients: 1 });
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
    let text = "namn 191212121212\n".repeat(20_000);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).expect("memory");
    let coded = encoder.finish().expect("memory");
    for (body, coding) in [(text.as_bytes(), None), (&*coded, Some("gzip"))] {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        headers.extend(coding.map(|coding| (header::CONTENT_ENCODING, HeaderValue::from_static(coding))));
        let mut glance = Glance::new(route, &[], &headers, reading).expect("text");
        let (mut left, mut steps) = (body, 1);
        while glance.step(&mut left, &key) {
            steps += 1;
        }
        assert!(steps >= text.len() / crate::disclosure::STEP_BYTES, "{steps}");
        assert_eq!(glance.end(&key).1, 1);
    }
}
