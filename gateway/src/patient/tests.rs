//! Tests of finding patients.

use super::*;
use crate::policy::Unit;
use crate::route::Routes;
use contract::directory::{ASSERTION_HEADER, SESSION_COOKIE};
use contract::id::{DataKeyId, HsaId};
use contract::pseudonym::AuditorPrivateKey;
use contract::settings::Document;
use http::{HeaderName, HeaderValue, Method};
use proptest::prelude::*;
use std::sync::Arc;

const READING: Reading = Reading { year: Year(2026), series: Series { skane: false, short: true } };
const A: &str = "191212121212";
const B: &str = "201212121212";

fn route(patient: &str) -> Arc<Route> {
    let text = format!(
        "[[registry]]\nname = \"r\"\nhosts = [\"h\"]\npeers = [\"a:1\"]\n\
         [[route]]\nname = \"a\"\nregistry = \"r\"\nmethods = [\"GET\", \"POST\"]\npath = \"/p/{{id}}\"\nresource = \"x\"\n{patient}\n"
    );
    let document = Document::parse("routes.toml", &text, []);
    let routes = Routes::read(&document);
    document.finish().expect("a good file");
    Arc::clone(routes.expect("routes").routes().first().expect("a route"))
}

fn one(place: &str, name: &str) -> Arc<Route> {
    route(&format!("patient = {{ in = \"{place}\", name = \"{name}\" }}"))
}

#[derive(Default)]
struct Asked<'a> {
    path: &'a str,
    query: Option<&'a str>,
    headers: Vec<(&'a str, &'a str)>,
    body: Option<&'a [u8]>,
}

impl Asked<'_> {
    fn with<T>(&self, take: impl FnOnce(&Input<'_>) -> T) -> T {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).expect("a name"),
                HeaderValue::from_str(value).expect("a value"),
            );
        }
        let text = "[[registry]]\nname = \"r\"\nhosts = [\"h\"]\npeers = [\"a:1\"]\n\
            [[route]]\nname = \"a\"\nregistry = \"r\"\nmethods = [\"GET\"]\npath = \"/p/{id}\"\nresource = \"x\"\npatient = { in = \"none\" }\n";
        let routes = Routes::read(&Document::parse("routes.toml", text, [])).expect("routes");
        let path = if self.path.is_empty() { "/p/x" } else { self.path };
        let params = routes.find("h", &Method::GET, path.as_bytes()).expect("a route").params;
        take(&Input {
            params: &params,
            path: path.as_bytes(),
            query: self.query.map(str::as_bytes),
            headers: &headers,
            body: self.body,
        })
    }
}

/// The identities found, and the reasons why others were not.
fn read(route: &Route, asked: &Asked<'_>) -> (Vec<String>, Vec<Reason>) {
    let extraction = asked.with(|input| extract(route, input, READING));
    let found = extraction.found().iter().map(|found| found.id.expose().to_owned()).collect();
    (found, extraction.problems().iter().map(|problem| problem.reason).collect())
}

fn found(ids: &[&str]) -> (Vec<String>, Vec<Reason>) {
    (ids.iter().map(|id| (*id).to_owned()).collect(), Vec::new())
}

fn problem(reason: Reason) -> (Vec<String>, Vec<Reason>) {
    (Vec::new(), vec![reason])
}

#[test]
fn in_the_path() {
    let route = one("path", "id");
    let path = |path: &str| read(&route, &Asked { path, ..Asked::default() });
    assert_eq!(path("/p/191212121212"), found(&[A]));
    assert_eq!(path("/p/19121212-1212"), found(&[A]));
    assert_eq!(path("/p/121212+1212"), found(&[A]), "'+' is no space in a path");
    assert_eq!(path("/p/121212%2B1212"), found(&[A]));
    assert_eq!(path("/p/urn:oid:1.2.752.129.2.1.3.1:191212121212"), found(&[A]));
    assert_eq!(path("/p/191212121213"), problem(Reason::PatientCheckDigit));
    assert_eq!(path("/p/191313131212"), problem(Reason::PatientDate));
    assert_eq!(path("/p/anna"), problem(Reason::PatientForm));
    assert_eq!(path("/p/%c3%a5"), problem(Reason::PatientForm));
}

#[test]
fn in_the_query() {
    let route = one("query", "identifier");
    let query = |query: &str| read(&route, &Asked { query: Some(query), ..Asked::default() });
    let token = "urn:oid:1.2.752.129.2.1.3.1|191212121212";
    assert_eq!(query(&format!("identifier={A}")), found(&[A]));
    assert_eq!(query(&format!("a=1&identifier={token}&b=2")), found(&[A]));
    assert_eq!(query(&format!("identifier={}", token.replace('|', "%7C").replace(':', "%3a"))), found(&[A]));
    assert_eq!(query(&format!("identifier={A}&identifier={B}")), found(&[A, B]), "repeated");
    assert_eq!(query(&format!("identifier={A}&Identifier=19121212-1212")), found(&[A]), "once each");
    assert_eq!(query(&format!("identifier={A},{B}")), found(&[A, B]), "FHIR's or");
    assert_eq!(query(&format!("IDENTIFIER={A}")), found(&[A]));
    assert_eq!(query(&format!("%69dentifier={A}")), found(&[A]));
    assert_eq!(query(&format!("identifier:exact={A}")), found(&[A]));
    assert_eq!(query(&format!("identifier[]={A}")), found(&[A]));
    assert_eq!(query(&format!("x=1;identifier={A}")), found(&[A]));
    assert_eq!(query(&format!("identifier=+{A}+")), found(&[A]));
    assert_eq!(query("identifier=Patient/191212121212"), found(&[A]));
    assert_eq!(query("identifier=https://x.example/fhir/Patient/191212121212/_history/3"), found(&[A]));
    assert_eq!(query("identifier=Practitioner/7"), problem(Reason::PatientAbsent));
    assert_eq!(query("identifier=urn:oid:1.2.3|MRN7"), problem(Reason::PatientAbsent), "another series");
    assert_eq!(query("identifier=urn:oid:1.2.752.129.2.1.3.1|7"), problem(Reason::PatientForm));
    assert_eq!(query("identifier=urn:oid:1.2.752.129.2.1.3.1|"), problem(Reason::PatientForm));
    assert_eq!(query("identifier="), problem(Reason::PatientAbsent));
    assert_eq!(query("identifierx=191212121212"), problem(Reason::PatientAbsent));
    assert_eq!(query(""), problem(Reason::PatientAbsent));
    let (ids, reasons) = query(&format!("identifier={A}&identifier=191212121213"));
    assert_eq!((ids.len(), reasons), (1, vec![Reason::PatientCheckDigit]), "a good one does not hide a bad one");
}

#[test]
fn whichever_part_of_a_text_is_taken_for_the_number() {
    let route = one("query", "identifier");
    let query = |value: &str| read(&route, &Asked { query: Some(&format!("identifier={value}")), ..Asked::default() });
    for both in [
        format!("{A}^^^{B}"),
        format!("{A}:{B}"),
        format!("{A}|{B}"),
        format!("x|{A}|{B}"),
        format!("{A}/{B}"),
        format!("Patient/{A}/Patient/{B}"),
        format!("https://x.example/Patient/{A}?other={B}"),
        format!("Patient/{A}%23{B}"),
    ] {
        assert_eq!(query(&both), found(&[A, B]), "{both}");
    }
    // What else stands there is not understood, and told.
    for both in
        [format!("{A}+{B}"), format!("{A}?identifier={B}"), format!("{A}%26identifier={B}"), format!("{A}%c3%a5{B}")]
    {
        let told = (vec![A.to_owned(), B.to_owned()], vec![Reason::PatientForm]);
        assert_eq!(query(&both), told, "{both}");
    }
    assert_eq!(query(&format!("{A}%252f{B}")), (vec![A.to_owned()], vec![Reason::PatientForm]));
    assert_eq!(query(&format!("Practitioner/{A}")), problem(Reason::PatientAbsent));
    assert_eq!(query("Encounter/7"), problem(Reason::PatientAbsent));
    for one in
        ["Anna / ", "Anna/", "/patients/", "https://r.example/journal/", "personnummer/", "2024/01/02 ", "Encounter/"]
    {
        assert_eq!(query(&format!("{one}{A}")), found(&[A]), "{one}");
    }
    assert_eq!(query(&format!("<a href='/p'>{A}</a>")), found(&[A]));
    // What has strokes and is no reference may be anything.
    for nobody in
        ["Anna / Bo", "https://r.example/journal/", "2024/01/02", "/patients/17", "Patient/", "Patient/Anna B"]
    {
        assert_eq!(query(nobody), problem(Reason::PatientForm), "{nobody}");
    }
    assert_eq!(query(&format!("{A}^^^%26urn:oid:1.2.752.129.2.1.3.1%26ISO")), found(&[A]));
}

#[test]
fn names_of_fields_as_php_reads_them() {
    let route = one("query", "patient_id");
    let query = |query: &str| read(&route, &Asked { query: Some(query), ..Asked::default() });
    for name in [
        "+patient_id",
        "%20%20patient_id",
        "patient.id",
        "patient+id",
        "patient%5bid",
        "patient_id%00x",
        "Patient.Id[1]",
    ] {
        assert_eq!(query(&format!("{name}={A}")), found(&[A]), "{name}");
    }
    for name in ["patient-id", "patientid", "x.patient_id", "patient_id2"] {
        assert_eq!(query(&format!("{name}={A}")), problem(Reason::PatientAbsent), "{name}");
    }
}

#[test]
fn in_a_header() {
    let route = one("header", "X-Patient-Id");
    let asked = Asked { headers: vec![("x-patient-id", A), ("X-PATIENT-ID", B)], ..Asked::default() };
    assert_eq!(read(&route, &asked), found(&[A, B]));
    assert_eq!(read(&route, &Asked::default()), problem(Reason::PatientAbsent));
    assert!(!ASSERTION_HEADER.is_empty() && !SESSION_COOKIE.is_empty());
}

#[test]
fn in_a_form() {
    let route = one("form", "personnummer");
    let form = |body: &[u8], kind| {
        read(&route, &Asked { headers: vec![("content-type", kind)], body: Some(body), ..Asked::default() })
    };
    let urlencoded = "application/x-www-form-urlencoded";
    assert_eq!(form(b"name=a&personnummer=19121212-1212", urlencoded), found(&[A]));
    assert_eq!(form(b"personnummer=121212%2B1212\r\n", "text/plain"), found(&[A]), "whatever it claims to be");
    assert_eq!(form(b"personnummer=1", urlencoded), problem(Reason::PatientForm));
    assert_eq!(form(b"", urlencoded), problem(Reason::PatientAbsent));
    assert_eq!(form(b"--x\r\n", "multipart/form-data; boundary=x"), problem(Reason::PatientBody));
    assert_eq!(form(b"p=1", "application/x-www-form-urlencoded; charset=UTF-16"), problem(Reason::PatientBody));
    assert_eq!(read(&route, &Asked::default()), problem(Reason::PatientBody), "not read");
    let shared = Asked {
        query: Some("personnummer=201212121212"),
        body: Some(b"personnummer=191212121212"),
        ..Asked::default()
    };
    assert_eq!(read(&route, &shared), found(&[B, A]), "some frameworks take a form's field from the query");
    let claimed = form(b"personnummer=191212121212", "multipart/form-data");
    assert_eq!(claimed, (vec![A.to_owned()], vec![Reason::PatientBody]), "a wrong claim hides nothing");
    let compressed = Asked { headers: vec![("content-encoding", "gzip")], body: Some(b"x"), ..Asked::default() };
    assert_eq!(read(&route, &compressed), problem(Reason::PatientBody));
}

#[test]
fn in_json() {
    let json =
        |name: &str, body: &str| read(&one("json", name), &Asked { body: Some(body.as_bytes()), ..Asked::default() });
    assert_eq!(json("personnummer", r#"{"a": [1, {"b": null}], "personnummer": "19121212-1212"}"#), found(&[A]));
    assert_eq!(json("personnummer", r#"{"personnummer": 191212121212}"#), found(&[A]));
    assert_eq!(json("personnummer", r#"{"Personnummer": "\u0031912121\u00321212"}"#), found(&[A]));
    assert_eq!(json("personnummer", r#"{"p\u0065rsonnummer": "191212121212"}"#), found(&[A]));
    assert_eq!(
        json("personnummer", r#"{"personnummer": "191212121212", "personnummer": "201212121212"}"#),
        found(&[A, B])
    );
    assert_eq!(json("personnummer", r#"{"personnummer": ["191212121212", "201212121212"]}"#), found(&[A, B]));
    assert_eq!(json("personnummer", r#"[{"personnummer": "191212121212"}]"#), found(&[A]));
    assert_eq!(json("personnummer", "\u{feff}{\"personnummer\": \"191212121212\"}"), found(&[A]));
    assert_eq!(json("personnummer", r#"{"personnummer": null}"#), problem(Reason::PatientAbsent));
    assert_eq!(json("personnummer", r#"{"x": {"personnummer": "191212121212"}}"#), problem(Reason::PatientAbsent));
    assert_eq!(json("personnummer", r#"{"personnummer": true}"#), problem(Reason::PatientForm));
    assert_eq!(json("personnummer", r#"{"personnummer": "\ud800"}"#), problem(Reason::PatientForm));
    for broken in [
        "{",
        "[1,]",
        "{\"a\" 1}",
        "{'a': 1}",
        "nul",
        "\"a",
        "{\"a\": 1}}",
        "{a: 1}",
        "{\"a\": 1} {\"b\": 2}",
        "{\"personnummer\": \"\\",
    ] {
        assert_eq!(json("personnummer", broken), problem(Reason::PatientBody), "{broken}");
    }
    let (ids, reasons) = json("personnummer", r#"{"personnummer": "191212121212", oops"#);
    assert_eq!((ids, reasons), (vec![A.to_owned()], vec![Reason::PatientBody]), "what stands before the error");
    let deep = "[".repeat(100_000);
    assert_eq!(json("personnummer", &deep), problem(Reason::PatientBody));
}

#[test]
fn in_fhir() {
    let json =
        |name: &str, body: &str| read(&one("json", name), &Asked { body: Some(body.as_bytes()), ..Asked::default() });
    let resource = |id: &str| {
        format!(
            r#"{{"resource":{{"subject":{{"identifier":{{"value":"{id}","system":"urn:oid:1.2.752.129.2.1.3.1"}}}}}}}}"#
        )
    };
    let bundle = format!(r#"{{"resourceType":"Bundle","entry":[{},{}]}}"#, resource(A), resource(B));
    assert_eq!(json("entry[*].resource.subject.identifier.value", &bundle), found(&[A, B]));
    assert_eq!(json("entry.resource.subject", &bundle), found(&[A, B]));
    let several = r#"{"identifier": [{"system": "http://local/mrn", "value": "MRN7"}, {"value": "191212121212"}]}"#;
    assert_eq!(json("identifier.value", several), found(&[A]));
    assert_eq!(json("identifier", several), found(&[A]));
    let foreign = r#"{"identifier": [{"value": "MRN7", "system": "http://local/mrn"}]}"#;
    assert_eq!(json("identifier.value", foreign), problem(Reason::PatientAbsent));
    let twice = r#"{"identifier": [{"system": "x", "value": "MRN7", "system": "y"}]}"#;
    assert_eq!(json("identifier.value", twice), problem(Reason::PatientForm));
    assert_eq!(json("subject.reference", r#"{"subject": {"reference": "Patient/191212121212"}}"#), found(&[A]));
    assert_eq!(json("subject", r#"{"subject": {"reference": "Patient/191212121212"}}"#), found(&[A]));
    assert_eq!(json("subject", r#"{"subject": {"display": "191212121212"}}"#), problem(Reason::PatientAbsent));
}

#[test]
fn in_several_places_and_in_none() {
    let both =
        route("patients = [{ in = \"path\", name = \"id\" }, { in = \"query\", name = \"p\" }, { in = \"response\" }]");
    let path = "/p/191212121212";
    assert_eq!(read(&both, &Asked { path, query: Some("p=201212121212"), ..Asked::default() }), found(&[A, B]));
    assert_eq!(read(&both, &Asked { path, ..Asked::default() }), found(&[A]));
    let response = route("patient = { in = \"response\" }");
    assert_eq!(read(&response, &Asked::default()), problem(Reason::PatientInResponse));
    let none = route("patient = { in = \"none\" }");
    assert_eq!(read(&none, &Asked { path, ..Asked::default() }), found(&[]));
    let either = route("patients = [{ in = \"form\", name = \"p\" }, { in = \"json\", name = \"p\" }]");
    let body = |kind, body: &str| {
        read(&either, &Asked { headers: vec![("content-type", kind)], body: Some(body.as_bytes()), ..Asked::default() })
    };
    assert_eq!(body("application/json", r#"{"p":"191212121212"}"#), found(&[A]));
    assert_eq!(body("application/fhir+json; charset=utf-8", r#"{"p":"191212121212"}"#), found(&[A]));
    assert_eq!(body("application/x-www-form-urlencoded", "p=191212121212"), found(&[A]));
}

#[test]
fn too_many_are_told() {
    let route = one("json", "p");
    let ids: Vec<String> = valid_ids().take(PATIENTS_MAX + 1).collect();
    let body = |ids: &[String]| {
        format!("{{\"p\":[{}]}}", ids.iter().map(|id| format!("\"{id}\"")).collect::<Vec<_>>().join(","))
    };
    let (most, _) = ids.split_at(PATIENTS_MAX);
    for (ids, too_many) in [(most, false), (ids.as_slice(), true)] {
        let text = body(ids);
        let asked = Asked { body: Some(text.as_bytes()), ..Asked::default() };
        let extraction = asked.with(|input| extract(&route, input, READING));
        assert_eq!((extraction.found().len(), extraction.too_many()), (PATIENTS_MAX, too_many));
    }
}

fn valid_ids() -> impl Iterator<Item = String> {
    (0..28).flat_map(|day| (0..1000).map(move |serial| (day, serial))).filter_map(|(day, serial)| {
        (0..10)
            .map(|check| format!("198001{:02}{serial:03}{check}", day + 1))
            .find(|id| contract::identity::parse(id, READING.year).is_ok())
    })
}

fn keys() -> (PseudonymKey, DataKey) {
    let (_, public) = AuditorPrivateKey::derive(&Zeroizing::new([7; 32]));
    let (key, _) =
        DataKey::make(DataKeyId::new(uuid::Uuid::from_u128(5)), &Zeroizing::new([9; 32]), &public).expect("makes");
    (PseudonymKey::new(&[1; 32]), key)
}

#[test]
fn entries_are_never_none() {
    let (refs, key) = keys();
    let entries = |route: &Route, asked: Asked<'_>| {
        let extraction = asked.with(|input| extract(route, input, READING));
        extraction.into_entries(&refs, &key).expect("seals")
    };
    let path = one("path", "id");
    let good = entries(&path, Asked { path: "/p/191212121212", ..Asked::default() });
    let [entry] = good.as_slice() else { return assert_eq!(good.len(), 1) };
    let patient = contract::identity::parse(A, READING.year).expect("valid");
    assert_eq!((entry.reference, entry.source, entry.problem), (refs.patient(&patient), Source::Path, Reason::None));
    let bad = entries(&path, Asked { path: "/p/191212121213", ..Asked::default() });
    assert_eq!(bad.as_slice(), [PatientEntry::unidentified(Source::Path, Reason::PatientCheckDigit)]);
    let none = entries(&route("patient = { in = \"none\" }"), Asked::default());
    assert_eq!(none.as_slice(), [PatientEntry::unidentified(Source::None, Reason::None)]);
    let absent = entries(&one("query", "p"), Asked::default());
    assert_eq!(absent.as_slice(), [PatientEntry::unidentified(Source::None, Reason::PatientAbsent)]);
    let response = entries(&route("patient = { in = \"response\" }"), Asked::default());
    assert_eq!(response.as_slice(), [PatientEntry::unidentified(Source::Response, Reason::PatientInResponse)]);
    let nothing = Extraction::default().into_entries(&refs, &key).expect("seals");
    assert_eq!(nothing.len(), 1);
}

#[test]
fn search_terms_become_refs() {
    let (refs, _) = keys();
    let route = route("patient = { in = \"query\", name = \"p\" }\nsearch_terms = [\"name\", \"q.text\"]");
    let terms = |asked: Asked<'_>| asked.with(|input| extract(&route, input, READING)).term_refs(&refs);
    let anna = refs.search_term("Anna Åkesson");
    assert_eq!(
        terms(Asked { query: Some("name=anna+%C3%A5kesson&name=&name=ANNA%20%c3%85KESSON"), ..Asked::default() })
            .as_slice(),
        [anna]
    );
    assert_eq!(terms(Asked { query: Some("name=anna+%E5kesson"), ..Asked::default() }).as_slice(), [anna], "Latin-1");
    let json = Asked {
        headers: vec![("content-type", "application/json")],
        body: Some(r#"{"q": {"text": "Anna \u00c5kesson"}}"#.as_bytes()),
        ..Asked::default()
    };
    assert_eq!(terms(json).as_slice(), [anna]);
    let form = Asked { body: Some(b"name=Anna+%c3%85kesson"), ..Asked::default() };
    assert_eq!(terms(form).as_slice(), [anna]);
    let many = (0..100).map(|i| format!("name=n{i}")).collect::<Vec<_>>().join("&");
    assert_eq!(terms(Asked { query: Some(&many), ..Asked::default() }).len(), TERMS_MAX);
    assert!(route.reads_body(&Method::POST) && !route.reads_body(&Method::GET));
}

#[test]
fn units() {
    let query = route("patient = { in = \"none\" }\nunit = { in = \"query\", name = \"unit\" }");
    let of = |query: &Route, asked: Asked<'_>| asked.with(|input| unit(query, input));
    let named = Unit::Named(HsaId::parse("SE2321000016-39KJ").expect("valid"));
    let ask = |text| Asked { query: Some(text), ..Asked::default() };
    assert_eq!(of(&query, ask("unit=se2321000016-39kj")), named);
    assert_eq!(of(&query, ask("unit=SE2321000016-39KJ&unit=SE2321000016-39KJ")), named);
    assert_eq!(of(&query, ask("unit=SE2321000016-39KJ&unit=SE2321000016-39KK")), Unit::Unclear);
    assert_eq!(of(&query, ask("unit=SE2321000016-39KJ&unit=x")), Unit::Unclear);
    assert_eq!(of(&query, ask("unit=")), Unit::Unclear);
    assert_eq!(of(&query, Asked::default()), Unit::Unclear);
    let path = route("patient = { in = \"none\" }\nunit = { in = \"path\", name = \"id\" }");
    assert_eq!(of(&path, Asked { path: "/p/SE2321000016-39KJ", ..Asked::default() }), named);
    let header = route("patient = { in = \"none\" }\nunit = { in = \"header\", name = \"x-unit\" }");
    assert_eq!(of(&header, Asked { headers: vec![("x-unit", "SE2321000016-39KJ")], ..Asked::default() }), named);
    assert_eq!(of(&route("patient = { in = \"none\" }"), Asked::default()), Unit::OfSession);
}

#[test]
fn nothing_shows_who_was_found() {
    let extraction =
        Asked { path: "/p/191212121212", ..Asked::default() }.with(|input| extract(&one("path", "id"), input, READING));
    assert!(!format!("{extraction:?}").contains("1212"));
    let terms = route("patient = { in = \"none\" }\nsearch_terms = [\"name\"]");
    let extraction =
        Asked { query: Some("name=Svensson"), ..Asked::default() }.with(|input| extract(&terms, input, READING));
    assert!(!format!("{extraction:?}").contains("Svensson"));
}

fn valid_id() -> impl Strategy<Value = String> {
    (1900_u16..2026, 1_u8..=12, 1_u8..=28, 0_u16..1000).prop_map(|(year, month, day, serial)| {
        let stem = format!("{year:04}{month:02}{day:02}{serial:03}");
        (0..10)
            .map(|check| format!("{stem}{check}"))
            .find(|id| contract::identity::parse(id, READING.year).is_ok())
            .expect("one fits")
    })
}

/// Any JSON, not too deep.
fn json_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i32>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        "\\PC{0,8}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            proptest::collection::btree_map("\\PC{0,6}|value|system|a|b", inner, 0..4)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_panic(
        body in prop_oneof![proptest::collection::vec(any::<u8>(), 0..200), "[\\[\\]{}\":,a\\\\u0-9 |/]{0,200}".prop_map(String::into_bytes)],
        query in "\\PC{0,60}|[p=&;%+0-9a-f|,:/-]{0,60}",
    ) {
        let everywhere = route(
            "patients = [{ in = \"query\", name = \"p\" }, { in = \"form\", name = \"a\" }, { in = \"json\", name = \"a.u\" }]\nsearch_terms = [\"u\"]",
        );
        for kind in ["application/json", "text/plain"] {
            let asked = Asked { query: Some(&query), headers: vec![("content-type", kind)], body: Some(&body), ..Asked::default() };
            let extraction = asked.with(|input| extract(&everywhere, input, READING));
            prop_assert!(!extraction.found().is_empty() || !extraction.problems().is_empty());
        }
    }

    #[test]
    fn every_json_is_read_and_nothing_else(value in json_value(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.expect("writes");
        let (_, reasons) = read(&one("json", "nowhere.to.be.found"), &Asked { body: Some(text.as_bytes()), ..Asked::default() });
        prop_assert_eq!(reasons, vec![Reason::PatientAbsent], "{}", text);
    }

    #[test]
    fn a_planted_identity_is_found_in_json(id in valid_id(), before in json_value(), after in json_value(), escaped in any::<bool>(), array in any::<bool>()) {
        let shown = if escaped { id.bytes().fold(String::new(), |text, byte| format!("{text}\\u00{byte:02x}")) } else { id.clone() };
        let planted = format!("{{\"x\":{before},\"a\":{{\"system\":\"urn:oid:1.2.752.129.2.1.3.1\",\"b\":\"{shown}\",\"y\":{after}}}}}");
        let text = if array { format!("[{before},{planted}]") } else { planted };
        let (ids, _) = read(&one("json", "a.b"), &Asked { body: Some(text.as_bytes()), ..Asked::default() });
        prop_assert!(ids.contains(&id), "{}", text);
    }

    #[test]
    fn a_planted_identity_is_found_in_a_query(id in valid_id(), before in "[a-z0-9%=&+]{0,20}", after in "[a-z0-9%=+]{0,20}", escape in any::<bool>()) {
        let shown = if escape { id.bytes().fold(String::new(), |text, byte| format!("{text}%{byte:02x}")) } else { id.clone() };
        let query = format!("{before}&p={shown}&{after}");
        let (ids, _) = read(&one("query", "p"), &Asked { query: Some(&query), ..Asked::default() });
        prop_assert!(ids.contains(&id));
        let (ids, _) = read(&one("form", "p"), &Asked { body: Some(query.as_bytes()), ..Asked::default() });
        prop_assert!(ids.contains(&id));
    }
}
