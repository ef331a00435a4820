//! Tests of whom an element is about: FHIR's lists within lists, people beside people, and who is not named.

use super::fhir::{bundle, fhir, observation, patient};
use super::*;

/// How many bytes of this text are held.
fn held(form: &Form, text: &str) -> u64 {
    let (mut scanner, mut hits) = (Scanner::new(form.clone(), READING), Vec::new());
    let mut settled = 0;
    for byte in text.as_bytes().chunks(1) {
        assert_eq!(scanner.push(byte, &mut hits), Ok(()), "{text}");
        assert!(scanner.settled() >= settled);
        settled = scanner.settled();
    }
    let mut whole = Scanner::new(form.clone(), READING);
    assert_eq!(whole.push(text.as_bytes(), &mut Vec::new()), Ok(()));
    assert_eq!(whole.settled(), settled, "{text}");
    text.len() as u64 - settled
}

/// Who is told in a whole body, however it is cut.
fn people(form: &Form, body: &str) -> (Vec<String>, Vec<Reason>) {
    let whole = scan(form, [body.as_bytes()]);
    assert_eq!(scan(form, body.as_bytes().chunks(1)), whole, "{body}");
    assert_eq!(whole.1, Ok(()), "{body}");
    told(&whole.0)
}

fn named(ids: &[&str], absent: bool) -> (Vec<String>, Vec<Reason>) {
    let absent = absent.then_some(Reason::PatientAbsent);
    (ids.iter().map(|id| (*id).to_owned()).collect(), absent.into_iter().collect())
}

/// What stands around resources in the lists that FHIR has.
pub(super) fn lists() -> [(&'static str, String); 5] {
    let entry = r#"{"resourceType":"Bundle","entry":[{"resource":"#;
    [
        ("flat", entry.to_owned()),
        ("a Bundle in a Bundle", format!("{entry}{entry}")),
        ("Parameters", r#"{"resourceType":"Parameters","parameter":[{"name":"x","resource":"#.to_owned()),
        ("parts", r#"{"resourceType":"Parameters","parameter":[{"name":"x","part":[{"resource":"#.to_owned()),
        ("a list", "[".to_owned()),
    ]
}

#[test]
fn elements_of_lists_within_lists_of_fhir_are_held_each_for_itself() {
    let second = r#"{"resourceType":"Observation","valueString":"HIV positive, Kalle Karlsson""#;
    let filler = "a".repeat(150_000);
    for (name, before) in lists() {
        let inner = if name == "a list" { "" } else { r#"{"resource":"# };
        let first = if inner.is_empty() { patient("p", A) } else { format!("{}}}", patient("p", A)) };
        let start = format!("{before}{first},");
        // Parameters may be about one together, who comes last: they wait for their end.
        let together = matches!(name, "Parameters" | "parts");
        let text = format!("{start}{inner}{second}");
        let expected = if together { text.len() } else { inner.len() + second.len() };
        assert_eq!(held(&Form::Fhir, &text), expected as u64, "{name}");
        let text = format!(r#"{text},"subject":{{"reference":"Patient/{B}"}}"#);
        assert_eq!(held(&Form::Fhir, &text), if together { text.len() as u64 } else { 0 }, "{name}");
        // Whom it is about comes too late.
        let late = format!(r#"{start}{inner}{second},"x":"{filler}","subject":{{"reference":"Patient/{B}"}}"#);
        for step in [1000, 8192, late.len()] {
            let (mut scanner, mut hits) = (Scanner::new(Form::Fhir, READING), Vec::new());
            let ended = late.as_bytes().chunks(step).try_for_each(|piece| scanner.push(piece, &mut hits));
            assert_eq!((told(&hits), ended), (named(&[A], false), Err(Fault::Nameless)), "{name}");
            assert!(scanner.settled() <= start.len() as u64, "{name}: {}", scanner.settled());
        }
    }
    // What is around lists of others is about nobody.
    let nobody = format!(r#"{{"resourceType":"Organization","x":"{}"}}"#, "a".repeat(60_000));
    let outer = bundle(&[bundle(&[nobody.clone(), nobody.clone(), nobody, patient("p", A)])]);
    assert_eq!(people(&Form::Fhir, &outer), named(&[A], false));
    // After an inner list the outer one goes on.
    let next = format!("{},", &bundle(&[bundle(&[patient("p", A)])]).strip_suffix("]}").expect("a Bundle"));
    let element = format!(r#"{{"resource":{second}"#);
    assert_eq!(held(&Form::Fhir, &format!("{next}{element}")), element.len() as u64);
}

#[test]
fn what_is_contained_is_about_its_container_unless_it_names_somebody() {
    let contained = r#"{"resourceType":"Observation","note":"HIV","contained":["#;
    let entry = |rest: &str| format!(r#"{{"resourceType":"Bundle","entry":[{{"resource":{rest}"#);
    let start = entry("").len() as u64 - r#"{"resource":"#.len() as u64;
    let all = |rest: &str| entry(rest).len() as u64 - start;
    let device = r#"{"resourceType":"Device","id":"d"},"#;
    let body = format!("{contained}{device}");
    assert_eq!(held(&Form::Fhir, &entry(&body)), all(&body), "the container has named nobody");
    let body = format!("{contained}{device}{}", patient("p", A));
    assert_eq!(held(&Form::Fhir, &entry(&body)), all(&body), "it may contain a relative");
    let body = format!(r##"{body}],"subject":{{"reference":"#p"}}"##);
    assert_eq!(held(&Form::Fhir, &entry(&body)), 0, "it is about the patient that it contains");
    let before = r##"{"resourceType":"Observation","note":"HIV","subject":{"reference":"#p"},"contained":["##;
    let body = format!("{before}{}", patient("p", A));
    assert_eq!(held(&Form::Fhir, &entry(&body)), 0, "it is about the patient that it contains");
    // The container is known, and contains another.
    let known = format!(r#"{{"resourceType":"Observation","subject":{{"reference":"Patient/{A}"}},"contained":["#);
    let another = r#"{"resourceType":"Patient","name":"Kalle Karlsson","#;
    assert_eq!(held(&Form::Fhir, &entry(&format!("{known}{device}{another}"))), another.len() as u64);
    // What is long and says nobody is the container's; a patient is not.
    let long = |kind: &str| {
        let text = "a".repeat(200_000);
        let body = format!(r#"{known}{{"resourceType":"{kind}","data":"{text}"}}]}}"#);
        scan(&Form::Fhir, body.as_bytes().chunks(4096)).1
    };
    assert_eq!([long("Binary"), long("Patient")], [Ok(()), Err(Fault::Nameless)]);
}

#[test]
fn resources_of_a_patient_that_name_nobody_are_told() {
    let kalle = r#"{"resourceType":"Observation","valueString":"HIV positive, Kalle Karlsson"}"#.to_owned();
    let display = observation(r#"{"display":"Kalle Karlsson"}"#);
    let foreign = observation(r#"{"identifier":{"system":"http://local/mrn","value":"7"}}"#);
    let encounter = r#"{"resourceType":"Encounter","participant":[{"individual":{"reference":"Practitioner/7"}}]}"#;
    for unnamed in [&kalle, &display, &foreign, encounter] {
        let resources = [patient("p", A), unnamed.to_owned()];
        assert_eq!(people(&Form::Fhir, &bundle(&resources)), named(&[A], true), "{unnamed}");
        assert_eq!(people(&Form::Fhir, &bundle(&[bundle(&resources)])), named(&[A], true), "{unnamed}");
        assert_eq!(people(&Form::Fhir, &format!("[{}]", resources.join(","))), named(&[A], true), "{unnamed}");
        // Documents in a row, in either order. One alone is recorded by the request itself.
        assert_eq!(people(&Form::Fhir, &resources.join("\n")), named(&[A], true), "{unnamed}");
        assert_eq!(people(&Form::Fhir, &format!("{unnamed}\n{}", patient("p", A))), named(&[A], true), "{unnamed}");
        assert_eq!(people(&Form::Fhir, unnamed), named(&[], false), "{unnamed}");
    }
    for kind in [
        "OperationOutcome",
        "Organization",
        "Practitioner",
        "PractitionerRole",
        "Location",
        "Medication",
        "StructureDefinition",
        "ValueSet",
        "CodeSystem",
        "Device",
        "Group",
        "Schedule",
        "Slot",
        "Bundle",
        "Parameters",
    ] {
        let body = bundle(&[patient("p", A), format!(r#"{{"resourceType":"{kind}","name":"x"}}"#)]);
        assert_eq!(people(&Form::Fhir, &body), named(&[A], false), "{kind}");
    }
    for of_others in [
        observation(r#"{"reference":"Group/1"}"#),
        observation(r#"{"reference":"Device/1"}"#),
        format!(r#"{{"resourceType":"Observation","contained":[{kalle}],"subject":{{"reference":"Patient/p"}}}}"#),
        format!(r##"{{"resourceType":"Flag","contained":[{}],"subject":{{"reference":"#q"}}}}"##, patient("q", A)),
    ] {
        assert_eq!(
            people(&Form::Fhir, &bundle(&[patient("p", A), of_others.clone()])),
            named(&[A], false),
            "{of_others}"
        );
    }
    assert_eq!(
        fhir(&bundle(&[patient("p", A), patient("q", B)])),
        (vec![(A.to_owned(), 0), (B.to_owned(), 1)], vec![])
    );
}

#[test]
fn somebody_in_an_object_beside_a_patient_is_another() {
    let beside = Form::Json(paths(&["list[*].p", "list[*].mother.p"]));
    let mother = format!(r#"{{"name":"Kalle","mother":{{"p":"{A}"}},"diagnosis":"HIV""#);
    let body = format!(r#"{{"list":[{mother}"#);
    assert_eq!(held(&beside, &body), body.len() as u64);
    let own = format!(r#"{body},"p":"{B}""#);
    assert_eq!(held(&beside, &own), 0);
    assert_eq!(people(&beside, &format!("{own}}}]}}")), named(&[A, B], false));
    for nobody in ["", r#","p":null"#, r#","p":"""#] {
        assert_eq!(people(&beside, &format!("{body}{nobody}}}]}}")), named(&[A], true), "{nobody}");
    }
    // The same without a list, in a line, and for a mother with a list of identities.
    let alone = Form::Json(paths(&["p", "mother.p"]));
    assert_eq!(held(&alone, &mother), mother.len() as u64);
    assert_eq!(people(&alone, &format!("{mother}}}")), named(&[A], true));
    let lines = Form::Lines(paths(&["p", "mother.p"]));
    assert_eq!(people(&lines, &format!("{mother}}}\n")), named(&[A], true));
    let identities = Form::Json(paths(&["list[*].p", "list[*].mother.identifier[*].value"]));
    let listed = format!(r#"{{"list":[{{"name":"Kalle","mother":{{"identifier":[{{"value":"{A}"}}]}}"#);
    assert_eq!(held(&identities, &listed), listed.len() as u64);
    // If nobody stands nearer, they are whom it is about; so are identities, and what stands in one.
    let visit = format!(r#"{{"list":[{{"name":"Kalle","mother":{{"p":"{A}""#);
    for fields in [&["list[*].mother.p"][..], &["list[*].mother.p", "list[*].father.p"]] {
        assert_eq!(held(&Form::Json(paths(fields)), &visit), 0);
    }
    let identifier = format!(r#"{{"list":[{{"name":"Kalle","identifier":{{"value":"{A}""#);
    assert_eq!(held(&Form::Json(paths(&["list[*].p", "list[*].identifier.value"])), &identifier), 0);
    let subject = format!(r#"{{"subject":{{"nr":"{A}""#);
    assert_eq!(held(&Form::Json(paths(&["subject", "subject.nr"])), &subject), 0);
    // What is too long leaves once it is told that whom it is about was not named.
    let long = format!(r#"{body},"x":"{}"}}]}}"#, "a".repeat(150_000));
    let (mut scanner, mut hits) = (Scanner::new(beside, READING), Vec::new());
    for piece in long.as_bytes().chunks(1000) {
        assert_eq!(scanner.push(piece, &mut hits), Ok(()));
        assert!(scanner.settled() == 0 || told(&hits) == named(&[A], true), "{}", scanner.settled());
    }
    assert_eq!((scanner.finish(&mut hits), told(&hits)), (Ok(()), named(&[A], true)));
}

#[test]
fn documents_and_events_that_name_nobody_beside_others_are_told() {
    let form = Form::Json(paths(&["p"]));
    let (somebody, nobody) = (format!(r#"{{"p":"{A}"}}"#), r#"{"name":"Kalle","diagnosis":"HIV"}"#);
    for unnamed in [nobody, r#"{"p":null,"name":"Kalle"}"#, r#""Kalle Karlsson, HIV""#, B] {
        for body in [format!("{somebody}\n{unnamed}"), format!("{unnamed}\n{somebody}")] {
            assert_eq!(people(&form, &body), named(&[A], true), "{body}");
            let events = format!("data: {}\n\n", body.replace('\n', "\n\ndata: "));
            assert_eq!(people(&Form::Events(Box::new(form.clone())), &events), named(&[A], true), "{events}");
        }
        assert_eq!(people(&form, unnamed), named(&[], false), "the request itself records it");
        assert_eq!(people(&form, &format!("{unnamed}\n{unnamed}")), named(&[], false), "{unnamed}");
    }
    for empty in ["{}", "[]", "null", "7", "true", r#""""#] {
        assert_eq!(people(&form, &format!("{somebody}\n{empty}")), named(&[A], false), "{empty}");
    }
    // A list of nobody is of nobody.
    let list = Form::Json(paths(&["list[*].p"]));
    let body = format!(r#"{{"list":[{somebody}]}} {{"total":0,"list":[]}}"#);
    assert_eq!(people(&list, &body), named(&[A], false));
    let fhir = format!("data: {}\n\ndata: {}\n\n", patient("p", A), observation("null"));
    assert_eq!(people(&Form::Events(Box::new(Form::Fhir)), &fhir), named(&[A], true));
    // What breaks off before its end is told, too.
    let (mut scanner, mut hits) = (Scanner::new(form, READING), Vec::new());
    assert_eq!(scanner.push(format!(r#"{nobody}{{"p":"{A}","x":""#).as_bytes(), &mut hits), Ok(()));
    assert_eq!(told(&hits), named(&[A], false));
    scanner.break_off(&mut hits);
    assert_eq!(told(&hits), named(&[A], true));
}

#[test]
fn a_fresh_scanner_knows_nothing_of_the_body_before() {
    let json = paths(&["p", "mother.p", "list[*].p"]);
    let body = format!("{{\"list\":[{{\"p\":\"{A}\"}},{{\"x\":1}}],\"p\":\"{B}\"}}\n{{\"x\":[2]}}\n");
    for form in [Form::Json(json.clone()), Form::Lines(json.clone()), Form::Fhir, Form::Text] {
        for form in [form.clone(), Form::Events(Box::new(form))] {
            let body = if matches!(form, Form::Events(_)) { format!("data: {body}\n") } else { body.clone() };
            let mut used = Scanner::new(form.clone(), READING);
            let half = &body.as_bytes()[..body.len() / 2];
            let _either = used.push(half, &mut Vec::new());
            let (mut fresh, mut hits) = (used.fresh(), Vec::new());
            assert_eq!(fresh.settled(), 0);
            let ended = fresh.push(body.as_bytes(), &mut hits).and_then(|()| fresh.finish(&mut hits));
            assert_eq!((hits, ended), scan(&form, [body.as_bytes()]), "{form:?}");
        }
    }
}

#[test]
fn numbers_in_words_are_found() {
    let of = |resource: &str| people(&Form::Fhir, &bundle(&[patient("p", A), resource.to_owned()]));
    let (date, serial) = B.split_at(8);
    for words in [format!("{date}-{serial}"), format!("see {B}."), format!("{B}\\n{B}")] {
        for resource in [
            format!(r#"{{"resourceType":"Parameters","parameter":[{{"name":"pnr","valueString":"{words}"}}]}}"#),
            format!(r#"{{"resourceType":"OperationOutcome","issue":[{{"diagnostics":"{words}"}}]}}"#),
            format!(r#"{{"resourceType":"OperationOutcome","issue":[{{"details":{{"text":"{words}"}}}}]}}"#),
            format!(r#"{{"resourceType":"Organization","extension":[{{"valueMarkdown":"{words}"}}]}}"#),
        ] {
            assert_eq!(of(&resource), named(&[A, B], false), "{resource}");
        }
        // They are not whom it is about.
        let unnamed = format!(r#"{{"resourceType":"Observation","note":[{{"text":"{words}"}}]}}"#);
        assert_eq!(of(&unnamed), named(&[A, B], true));
    }
    let number = format!(r#"{{"resourceType":"Basic","subject":{{"reference":"Patient/{A}"}},"valueString":{B}}}"#);
    assert_eq!(of(&number), named(&[A, B], false));
    for nobody in ["a fever of 39 since 2024-03-01", "191212121213", ""] {
        let resource = format!(r#"{{"resourceType":"Organization","text":"{nobody}"}}"#);
        assert_eq!(of(&resource).0, [A], "{nobody}");
    }
}

#[test]
fn what_may_be_anybodys_letter_says_whose_it_is() {
    let letter = |whose: &str| {
        let letter =
            format!(r#"{{"resourceType":"Binary","contentType":"application/pdf",{whose}"data":"JVBERi0xLjc="}}"#);
        people(&Form::Fhir, &bundle(&[patient("p", A), letter]))
    };
    assert_eq!(letter(""), named(&[A], true));
    assert_eq!(letter(&format!(r#""securityContext":{{"reference":"Patient/{B}"}},"#)), named(&[A, B], false));
}
