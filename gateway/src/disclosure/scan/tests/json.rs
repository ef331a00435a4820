//! Tests of JSON fields.

use super::*;

fn form(names: &[&str]) -> Form {
    Form::Json(paths(names))
}

fn json(names: &[&str], body: &str) -> (Vec<String>, Vec<Reason>) {
    let (hits, ended) = scan(&form(names), [body.as_bytes()]);
    assert_eq!(ended, Ok(()), "{body}");
    told(&hits)
}

fn found(ids: &[&str]) -> (Vec<String>, Vec<Reason>) {
    (ids.iter().map(|id| (*id).to_owned()).collect(), Vec::new())
}

fn problem(reason: Reason) -> (Vec<String>, Vec<Reason>) {
    (Vec::new(), vec![reason])
}

#[test]
fn fields_are_read_as_in_requests() {
    let p = |body: &str| json(&["personnummer"], body);
    assert_eq!(p(r#"{"a": [1, {"b": null}], "personnummer": "19121212-1212"}"#), found(&[A]));
    assert_eq!(p(r#"{"personnummer": 191212121212}"#), found(&[A]));
    assert_eq!(p(r#"{"personnummer": 191212121212, "a": 1}"#), found(&[A]));
    assert_eq!(p(r#"{"Personnummer": "\u0031912121\u00321212"}"#), found(&[A]));
    assert_eq!(p(r#"{"p\u0065rsonnummer": "191212121212"}"#), found(&[A]));
    assert_eq!(p(r#"{"personnummer": "191212121212", "personnummer": "201212121212"}"#), found(&[A, B]));
    assert_eq!(p(r#"{"personnummer": ["191212121212", "201212121212"]}"#), found(&[A, B]));
    assert_eq!(p(r#"[{"personnummer": "191212121212"}]"#), found(&[A]));
    assert_eq!(p("\u{feff}{\"personnummer\": \"191212121212\"}"), found(&[A]));
    assert_eq!(p(r#"{"personnummer": null}"#), found(&[]));
    assert_eq!(p(r#"{"personnummer": ""}"#), found(&[]));
    assert_eq!(p(r#"{"x": {"personnummer": "191212121212"}}"#), found(&[]));
    assert_eq!(p(r#"{"personnummer": true}"#), problem(Reason::PatientForm));
    assert_eq!(p(r#"{"personnummer": "\ud800"}"#), problem(Reason::PatientForm));
    assert_eq!(p(r#"{"personnummer": "191212121213"}"#), problem(Reason::PatientCheckDigit));
    assert_eq!(p(r#"{"personnummer": "191313131212"}"#), problem(Reason::PatientDate));
    assert_eq!(p(r#"{"personnummer": "urn:oid:1.2.752.129.2.1.3.1|191212121212"}"#), found(&[A]));
    assert_eq!(p(r#"{"personnummer": "191212121212^^^&1.2.752.129.2.1.3.1&ISO"}"#), found(&[A]));
    assert_eq!(p(r#"{} {"personnummer": "191212121212"}"#), found(&[A]), "all documents");
    assert_eq!(p(""), found(&[]));
    assert_eq!(p(" 17 "), found(&[]));
    let long = format!(r#"{{"personnummer": "{}"}}"#, "1".repeat(300));
    assert_eq!(p(&long), problem(Reason::PatientForm));
    let twice = r#"[{"personnummer": "1"}, {"personnummer": "2"}, {"personnummer": "191212121213"}]"#;
    assert_eq!(p(twice), (vec![], vec![Reason::PatientForm, Reason::PatientCheckDigit]), "each reason once");
}

#[test]
fn identifiers_and_references_are_read() {
    let several = r#"{"identifier": [{"system": "http://local/mrn", "value": "MRN7"}, {"value": "191212121212"}]}"#;
    assert_eq!(json(&["identifier.value"], several), found(&[A]));
    assert_eq!(json(&["identifier"], several), found(&[A]));
    let after = r#"{"identifier": [{"value": "MRN7", "x": {"system": 1}, "system": "http://local/mrn"}]}"#;
    assert_eq!(json(&["identifier.value"], after), found(&[]));
    let twice = r#"{"identifier": [{"system": "x", "value": "MRN7", "system": "y"}]}"#;
    assert_eq!(json(&["identifier.value"], twice), problem(Reason::PatientForm));
    assert_eq!(json(&["subject"], r#"{"subject": {"reference": "Patient/191212121212"}}"#), found(&[A]));
    assert_eq!(json(&["subject"], r#"{"subject": {"identifier": {"value": "191212121212"}}}"#), found(&[A]));
    for unread in [r#"{"display": "191212121212"}"#, r#"{"nr": "191212121212"}"#, r#"{"a": {"value": 1}}"#, "{}"] {
        assert_eq!(
            json(&["subject"], &format!(r#"{{"subject": {unread}}}"#)),
            problem(Reason::PatientForm),
            "{unread}"
        );
    }
    assert_eq!(json(&["subject"], r#"{"subject": [null, {"identifier": [{"value": "191212121212"}]}]}"#), found(&[A]));
    assert_eq!(json(&["subject", "subject.nr"], r#"{"subject": {"nr": "191212121212"}}"#), found(&[A]));
    assert_eq!(json(&["subject"], r#"{"subject": {"reference": "Practitioner/7"}}"#), found(&[]));
}

#[test]
fn positions_are_those_of_the_outermost_list() {
    let positions = |form: &Form, body: &str| {
        let (hits, ended) = scan(form, [body.as_bytes()]);
        assert_eq!(ended, Ok(()));
        hits.iter()
            .filter_map(|hit| match hit {
                Hit::Patient { position, .. } => Some(*position),
                Hit::Unread { .. } => None,
            })
            .collect::<Vec<_>>()
    };
    let list = r#"{"n":0,"items":[{"p":1},{"q":[{"p":"191212121212"}]},{"q":[{},{"p":"201212121212"}]}]}"#;
    assert_eq!(positions(&form(&["items[*].q.p"]), list), [1, 2]);
    assert_eq!(positions(&form(&["p"]), r#"{"p":"191212121212"}"#), [0]);
    let lines = Form::Lines(paths(&["p"]));
    assert_eq!(
        positions(&lines, "{\"p\":null}\n\x1e{\"p\":\"191212121212\"}\r\n[{},{\"p\":\"201212121212\"}]\n"),
        [1, 2]
    );
}

#[test]
fn what_is_no_json_is_a_fault() {
    for (body, fault) in [
        ("{", Fault::Cut),
        ("[1,]", Fault::Syntax),
        ("[,1]", Fault::Syntax),
        ("{\"a\" 1}", Fault::Syntax),
        ("{\"a\":1,}", Fault::Syntax),
        ("{'a': 1}", Fault::Syntax),
        ("nul", Fault::Syntax),
        ("[nul]", Fault::Syntax),
        ("nulll", Fault::Syntax),
        ("\"a", Fault::Cut),
        ("{\"a\": 1}}", Fault::Syntax),
        ("{a: 1}", Fault::Syntax),
        ("[}", Fault::Syntax),
        ("{\"x\":[}}", Fault::Syntax),
        ("{\"x\":{\"y\":[}]}", Fault::Syntax),
        ("{\"x\":[\\\"]}", Fault::Syntax),
        ("{\"x\":[\"]}", Fault::Cut),
        ("{\"x\":[\"\\\"]}", Fault::Cut),
        ("{\"personnummer\": \"\\", Fault::Cut),
        ("{\"personnummer\": 1912", Fault::Cut),
        ("<html>", Fault::Syntax),
    ] {
        for step in 1..=body.len() {
            let (hits, ended) = scan(&form(&["personnummer"]), body.as_bytes().chunks(step));
            assert_eq!((told(&hits), ended), (found(&[]), Err(fault)), "{body}");
        }
    }
    let (hits, ended) = scan(&form(&["p"]), [br#"{"p": "191212121212", oops"#.as_slice()]);
    assert_eq!((told(&hits), ended), (found(&[A]), Err(Fault::Syntax)), "what stands before it is told");
    for deep in ["[".repeat(100_000), "{\"x\":".repeat(1000), format!("{{\"x\":{}", "[".repeat(128))] {
        for step in [1, 63, 100_000] {
            let (_, ended) = scan(&form(&["p"]), deep.as_bytes().chunks(step));
            assert_eq!(ended, Err(Fault::Deep));
        }
    }
    for (open, close) in [("[", "]"), ("{\"x\":[", "]}")] {
        let times = 128 / (open.len() / 5 + 1);
        let deep = format!("{}{}", open.repeat(times), close.repeat(times));
        assert_eq!(scan(&form(&["p"]), [deep.as_bytes()]).1, Ok(()));
    }
}

#[test]
fn an_element_is_held_until_it_names_somebody() {
    let mut scanner = Scanner::new(form(&["items[*].p"]), READING);
    let mut hits = Vec::new();
    let mut pushed = 0;
    let mut held = |text: &str, told: usize| {
        scanner.push(text.as_bytes(), &mut hits).expect("JSON");
        assert_eq!(hits.len(), told, "{text}");
        pushed += text.len() as u64;
        pushed - scanner.settled()
    };
    assert_eq!(held("{\"total\":2,\"items\":[{\"name\":\"x\",", 0), 32, "all");
    assert_eq!(held("\"p\":\"1912121212", 0), 47, "all with half an identity");
    assert_eq!(held("12\",", 1), 0);
    assert_eq!(held("\"y\":1}", 1), 0);
    assert_eq!(held(",{\"y\":1", 1), 6);
    assert_eq!(held("},", 2), 0, "an element that names nobody");
    assert_eq!(held("{\"y\":\"", 2), 6);
    assert_eq!(held(&"a".repeat(131_000), 2), 131_006, "as long as may be");
    assert_eq!(held("\",\"p\":\"2012", 2), 131_017);
    assert_eq!(held("12121212\"}", 3), 0);
    assert_eq!(held("]}", 3), 0);
}

#[test]
fn an_element_of_a_list_within_a_list_is_held_for_itself() {
    let settled = |names: &[&str], text: &str| {
        let mut scanner = Scanner::new(form(names), READING);
        scanner.push(text.as_bytes(), &mut Vec::new()).expect("JSON");
        text.get(usize::try_from(scanner.settled()).expect("short")..).expect("characters").to_owned()
    };
    let first = format!(r#"{{"wards":[{{"name":"x","patients":[{{"y":1,"p":"{A}"}}"#);
    let nested = ["wards[*].patients[*].p"];
    assert_eq!(settled(&nested, &first), "");
    assert_eq!(settled(&nested, &format!("{first},{{\"y\":[2]")), r#"{"y":[2]"#, "the second names nobody yet");
    assert_eq!(settled(&nested, &format!("{first}]}},{{\"name\":\"z\",\"patients\":[")), r#"{"name":"z","patients":["#);
    // In the list within it stand others than whom the outer element is about.
    let relatives = format!(r#"{{"list":[{{"y":1,"relatives":[{{"p":"{A}"}}]"#);
    assert_eq!(settled(&["list[*].relatives[*].p", "list[*].p"], &relatives), relatives);
    assert_eq!(settled(&["list[*].relatives[*].p"], &relatives), "");
    let mixed = ["list[*].identifier[*].value", "list[*].relatives[*].p"];
    assert_eq!(settled(&mixed, &relatives), relatives, "identities are of whom they stand in");
    let children = format!(r#"{{"name":"Kalle","children":["{A}"]"#);
    assert_eq!(settled(&["p", "children[*]"], &children), children);
    assert_eq!(settled(&["relatives[*].p", "children[*]"], &children), "");
    let deep = format!(r#"{{"name":"Kalle","relatives":[{{"p":"{A}"}}]"#);
    assert_eq!(settled(&["identifier[*].extension[*].value", "relatives[*].p"], &deep), deep);
    // What is read as an identity itself is of whom its field is about.
    let identifiers = format!(r#"{{"list":[{{"y":1,"patient":{{"identifier":[{{"value":"{A}"}}]"#);
    assert_eq!(settled(&["list[*].patient"], &identifiers), "");
    assert_eq!(settled(&["patient"], &format!(r#"{{"patient":{{"identifier":[{{"value":"{A}"}}]"#)), "");
}

#[test]
fn a_document_is_held_until_it_names_somebody() {
    let body = |text: &str, names: &[&str]| {
        let mut scanner = Scanner::new(form(names), READING);
        scanner.push(text.as_bytes(), &mut Vec::new()).expect("JSON");
        (scanner.settled(), text.len() as u64)
    };
    assert_eq!(body(r#"{"name":"x","identifier":[{"value":"MRN7","system":"x"},"#, &["identifier.value"]).0, 0);
    let told = body(r#"{"name":"x","identifier":[{"value":"191212121212""#, &["identifier.value"]);
    assert_eq!(told.0, told.1);
    let children = r#"{"name":"x","children":[{"p":"191212121212"}]"#;
    assert_eq!(body(children, &["children.p", "p"]).0, 0, "the parent is not known yet");
    let whole = body(&format!("{children},\"p\":\"201212121212\""), &["children.p", "p"]);
    assert_eq!(whole.0, whole.1);
}

#[test]
fn what_is_long_and_names_nobody_does_not_leave() {
    let filler = "a".repeat(150_000);
    let named = format!(r#"{{"p":"{A}"}}"#);
    let late = format!(r#"{{"x":"{filler}","p":"{B}"}}"#);
    let list = || form(&["list[*].p"]);
    let both = || form(&["list[*].p", "p"]);
    let lines = || Form::Lines(paths(&["p"]));
    for (form, before, after) in [
        (list(), format!(r#"{{"list":[{named},"#), format!("{late}]}}")),
        (list(), format!(r#"{{"list":[{named},"#), format!(r#"{{"x":"{filler}"}}]}}"#)),
        (form(&["p"]), String::new(), late.clone()),
        (form(&["p"]), named.clone(), late.clone()),
        (form(&["p"]), String::new(), format!(r#"{{"x":"{filler}"}}"#)),
        (form(&["p"]), String::new(), format!("[1,\"{filler}\"]")),
        (list(), String::new(), format!(r#"{{"x":"{filler}","list":[]}}"#)),
        (list(), String::new(), format!(r#"{{"list":[{}{named}]}}"#, r#"{"x":1},"#.repeat(20_000))),
        (form(&["list[*].of[*].p"]), format!(r#"{{"list":[{{"of":[{named},"#), format!("{late}]}}]}}")),
        (both(), String::new(), format!(r#"{{"list":[{named},{}{{}}],"p":"{B}"}}"#, format!("{named},").repeat(7_000))),
        (lines(), format!("{named}\n"), late.clone()),
    ] {
        let body = [before.as_str(), after.as_str()].concat();
        let whole = scan(&form, [body.as_bytes()]);
        assert_eq!(whole.1, Err(Fault::Nameless), "{before}");
        for step in [1, 1000, 8192] {
            let (mut scanner, mut hits) = (Scanner::new(form.clone(), READING), Vec::new());
            for piece in body.as_bytes().chunks(step) {
                let ended = scanner.push(piece, &mut hits);
                assert!(scanner.settled() <= before.len() as u64, "nothing of it leaves");
                if ended.is_err() {
                    break;
                }
            }
            assert_eq!(hits, whole.0);
            assert_eq!(scanner.finish(&mut hits), whole.1);
        }
    }
    let passes = |form: Form, body: String, wanted: (Vec<String>, Vec<Reason>)| {
        let (hits, ended) = scan(&form, [body.as_bytes()]);
        assert_eq!((told(&hits), ended), (wanted, Ok(())));
    };
    passes(form(&["p"]), format!(r#"{{"p":"{A}","x":"{filler}"}}"#), found(&[A]));
    passes(list(), format!(r#"{{"list":[{named}],"x":"{filler}"}}"#), found(&[A]));
    passes(lines(), format!("{named}\n").repeat(10_000), found(&[A]));
    passes(lines(), r#"{"p":7}"#.repeat(30_000), problem(Reason::PatientForm));
    // Somebody unreadable is as good a name as comes.
    let unread = format!(r#"{{"p":"LMA-123","x":"{filler}"}}"#);
    passes(form(&["p"]), unread.clone(), problem(Reason::PatientForm));
    passes(list(), format!(r#"{{"list":[{named},{unread}]}}"#), (vec![A.to_owned()], vec![Reason::PatientForm]));
    let (hits, ended) = scan(&list(), [format!(r#"{{"list":[{unread},{late}]}}"#).as_bytes()]);
    assert_eq!((told(&hits), ended), (problem(Reason::PatientForm), Err(Fault::Nameless)), "each for itself");
}

#[test]
fn an_element_of_a_list_within_a_list_without_an_identity_is_told() {
    let told_in = |form: &Form, body: &str| {
        let whole = scan(form, [body.as_bytes()]);
        assert_eq!(scan(form, body.as_bytes().chunks(1)), whole, "{body}");
        assert_eq!(whole.1, Ok(()), "{body}");
        told(&whole.0)
    };
    let nested = form(&["wards[*].patients[*].p"]);
    let of = |patients: &str| told_in(&nested, &format!(r#"{{"wards":[{{"name":"x","patients":[{patients}]}}]}}"#));
    let named = format!(r#"{{"p":"{A}"}}"#);
    let absent = (vec![A.to_owned()], vec![Reason::PatientAbsent]);
    assert_eq!(of(&named), found(&[A]));
    assert_eq!(of(&format!(r#"{named},{{"name":"Kalle Karlsson"}}"#)), absent);
    assert_eq!(of(r#"{"name":"Kalle Karlsson"}"#), problem(Reason::PatientAbsent), "once");
    assert_eq!(of(""), found(&[]), "nobody is there");
    assert_eq!(told_in(&nested, r#"{"wards":[{},{"name":"x","patients":null}]}"#), problem(Reason::PatientAbsent));
    // Two lists, of whom one says all.
    let two = form(&["wards[*].patients[*].p", "wards[*].visitors[*].p"]);
    let ward = |patients: &str| format!(r#"{{"wards":[{{"name":"x","patients":[{patients}],"visitors":[]}}]}}"#);
    assert_eq!(told_in(&two, &ward(&named)), found(&[A]));
    assert_eq!(told_in(&two, &ward("")), found(&[]));
    let patient = format!(r#"{{"p":"{A}","note":"{}"}}"#, "a".repeat(500));
    let long = ward(&vec![patient; 400].join(","));
    assert_eq!(told_in(&two, &long), found(&[A]), "each is short");
    // Identities of one.
    let filler = "a".repeat(150_000);
    let identifiers = |more: &str| format!(r#"{{"list":[{{"identifier":[{{"value":"{A}"}}{more}],"x":"{filler}"}}]}}"#);
    for paths in [&["list[*].identifier[*].value"][..], &["list[*].identifier[*].value", "list[*].id"]] {
        assert_eq!(told_in(&form(paths), &identifiers(r#",{"use":"old"}"#)), found(&[A]), "{paths:?}");
    }
    let document = format!(r#"{{"identifier":[{{"value":"{A}"}},{{"use":"old"}}],"name":"{filler}"}}"#);
    for paths in [&["identifier[*].value"][..], &["identifier[*].value", "id"]] {
        assert_eq!(told_in(&form(paths), &document), found(&[A]), "{paths:?}");
    }
    for identifiers in ["", r#","identifier":[]"#, r#","ids":[]"#] {
        let paths = form(&["list[*].identifier[*].value", "list[*].ids[*]", "list[*].relatives[*].p"]);
        let with = format!(r#"{{"list":[{{"name":"Kalle Karlsson","relatives":[{named}]{identifiers}}}]}}"#);
        assert_eq!(told_in(&paths, &with), absent, "{identifiers}");
    }
    // A list in which a path ends is of others, too, if somebody is looked for beside it.
    let alone = format!(r#"{{"p":null,"name":"Kalle Karlsson","children":["{A}"]}}"#);
    assert_eq!(told_in(&form(&["p", "children[*]"]), &alone), absent);
    let nested = form(&["list[*].p", "list[*].children[*]"]);
    assert_eq!(told_in(&nested, &format!(r#"{{"list":[{alone}]}}"#)), absent);
    let subjects =
        format!(r#"{{"subjects":[{{"reference":"Patient/{A}"}},{{"reference":"","display":"Kalle Karlsson"}}]}}"#);
    assert_eq!(told_in(&form(&["subjects[*]"]), &subjects), absent);
    // The outer one is somebody as well.
    let relatives = form(&["list[*].p", "list[*].relatives[*].p"]);
    let alone = r#"{"list":[{"name":"Kalle Karlsson","relatives":[]}]}"#;
    assert_eq!(told_in(&relatives, alone), problem(Reason::PatientAbsent));
    for parent in [r#""name":"Kalle Karlsson","#, r#""p":null,"name":"Kalle Karlsson","#] {
        let with = format!(r#"{{"list":[{{{parent}"relatives":[{named}]}}]}}"#);
        assert_eq!(told_in(&relatives, &with), absent, "{parent}");
        let alone = format!(r#"{{{parent}"children":[{named}]}}"#);
        assert_eq!(told_in(&form(&["p", "children[*].p"]), &alone), absent, "{parent}");
        assert_eq!(told_in(&form(&["children[*].p"]), &alone), found(&[A]), "{parent}");
    }
    assert_eq!(told_in(&form(&["p", "children[*].p"]), &format!(r#"{{"children":[],"p":"{A}"}}"#)), found(&[A]));
}

#[test]
fn an_element_without_an_identity_is_told() {
    let fields = ["list[*].id", "list[*].other.id"];
    let told_in = |form: &Form, body: &str| {
        let whole = scan(form, [body.as_bytes()]);
        assert_eq!(scan(form, body.as_bytes().chunks(1)), whole, "{body}");
        assert_eq!(whole.1, Ok(()), "{body}");
        told(&whole.0)
    };
    let named = format!(r#"{{"name":"x","id":"{A}"}}"#);
    let absent = (vec![A.to_owned()], vec![Reason::PatientAbsent]);
    for element in [
        r#"{"name":"Kalle Karlsson"}"#,
        r#"{"id":null,"name":"Kalle Karlsson"}"#,
        r#"{"name":"Kalle Karlsson","id":""}"#,
        r#"{"id":[],"name":"x"}"#,
        r#"{"id":[null]}"#,
        r#"{"other":{"name":"Kalle Karlsson"}}"#,
        r#"{"other":{"id":null}}"#,
        r#"[{"name":"Kalle Karlsson"}]"#,
        r#"["Kalle Karlsson"]"#,
        r#""Kalle Karlsson""#,
        "201212121212",
    ] {
        let list = |elements: &str| told_in(&form(&fields), &format!(r#"{{"list":[{elements}]}}"#));
        assert_eq!(list(&format!("{named},{element}")), absent, "{element}");
        assert_eq!(list(&format!("{element},{named},{element}")), absent, "{element}");
        assert_eq!(list(element), problem(Reason::PatientAbsent), "{element}");
    }
    for element in [
        "{}",
        "{ }",
        "[]",
        "null",
        "7",
        r#""""#,
        r#"{"id":"191212121212","other":{"id":null}}"#,
        r#"{"id":[null,"191212121212"]}"#,
        r#"{"id":{"reference":"Practitioner/7"}}"#,
    ] {
        let body = format!(r#"{{"list":[{named},{element}],"codes":[{{"x":1}}],"more":{{"x":1}}}}"#);
        assert_eq!(told_in(&form(&fields), &body), found(&[A]), "{element}");
    }
    for (element, reason) in [
        (r#"{"id":"7"}"#, Reason::PatientForm),
        (r#"{"id":{"system":"http://local/mrn","value":"7"}}"#, Reason::PatientAbsent),
        (r#"{"id":true}"#, Reason::PatientForm),
        (r#"{"id":{"name":"x"}}"#, Reason::PatientForm),
        (r#"{"id":"191212121213"}"#, Reason::PatientCheckDigit),
    ] {
        let body = format!(r#"{{"list":[{element}]}}"#);
        assert_eq!(told_in(&form(&fields), &body), problem(reason), "it says more: {element}");
    }
    // What is no list is recorded by the request itself.
    assert_eq!(told_in(&form(&fields), r#"{"list":{"id":null,"name":"x"}}"#), found(&[]));
    assert_eq!(told_in(&form(&fields), r#"{"list":[],"x":1}"#), found(&[]));
    let lines = Form::Lines(paths(&["id"]));
    assert_eq!(told_in(&lines, &format!("{named}\n{{\"id\":null}}\n")), absent);
    assert_eq!(told_in(&lines, &format!("{named}\n{{\"x\":[]}}")), absent);
    assert_eq!(told_in(&lines, &format!("{named}\n[{{}},{named}]\n{{}}\n[]\n7")), found(&[A]));
}
