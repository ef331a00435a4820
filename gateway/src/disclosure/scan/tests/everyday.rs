//! Everyday FHIR that says plainly of whom it is, and bodies that do not.

use super::fhir::{bundle, observation, patient};
use super::*;

const SERIES: &str = "urn:oid:1.2.752.129.2.1.3.1";

fn identifier(id: &str) -> String {
    format!(r#"{{"system":"{SERIES}","value":"{id}"}}"#)
}

/// Whoever knows FHIR would say that it is plain of whom this is: nobody is missing.
fn is_plain(body: &str, ids: &[&str]) {
    let (hits, ended) = scan(&Form::Fhir, [body.as_bytes()]);
    assert_eq!(ended, Ok(()), "{body:.300}");
    let (found, reasons) = told(&hits);
    assert_eq!(
        (found.iter().map(String::as_str).collect::<Vec<_>>().as_slice(), reasons),
        (ids, vec![]),
        "{body:.300}"
    );
}

/// Nothing up to the mark has left, or it is told that somebody is missing.
fn waits(form: &Form, text: &str) {
    let (mut scanner, mut hits) = (Scanner::new(form.clone(), READING), Vec::new());
    for piece in text.as_bytes().chunks(1) {
        assert_eq!(scanner.push(piece, &mut hits), Ok(()), "{text}");
    }
    let left = scanner.settled() >= (text.find("HIV").expect("there") + 3) as u64;
    scanner.break_off(&mut hits);
    let (ids, reasons) = told(&hits);
    assert!(!left || !reasons.is_empty(), "it has left, and only {ids:?} are told: {text:.400}");
}

fn entries(all: &[(&str, String)]) -> String {
    let entries: Vec<String> =
        all.iter().map(|(url, resource)| format!(r#"{{"fullUrl":"{url}","resource":{resource}}}"#)).collect();
    format!(r#"{{"resourceType":"Bundle","type":"searchset","entry":[{}]}}"#, entries.join(","))
}

fn refers(to: &str) -> String {
    observation(&format!(r#"{{"reference":"{to}","display":"Tolvan"}}"#))
}

// --- Parameters

/// What an operation returns.
fn returned(resource: &str) -> String {
    format!(r#"{{"resourceType":"Parameters","parameter":[{{"name":"return","resource":{resource}}}]}}"#)
}

#[test]
fn parameters_with_a_long_resource_that_names_its_patient() {
    let filler = "a".repeat(150_000);
    let resource =
        format!(r#"{{"resourceType":"Observation","subject":{{"identifier":{}}},"text":"{filler}"}}"#, identifier(B));
    is_plain(&returned(&resource), &[B]);
}

#[test]
fn parameters_with_a_long_bundle_of_small_named_entries() {
    let filler = "a".repeat(5_000);
    let one =
        format!(r#"{{"resourceType":"Observation","subject":{{"identifier":{}}},"text":"{filler}"}}"#, identifier(B));
    let bundle = bundle(&vec![one; 40]);
    is_plain(&returned(&bundle), &[B]);
}

#[test]
fn care_gaps_with_references() {
    let filler = "a".repeat(5_000);
    let one = format!(r#"{{"resourceType":"Observation","subject":{{"reference":"Patient/b"}},"text":"{filler}"}}"#);
    let mut all = vec![patient("b", B)];
    all.extend(vec![one; 40]);
    let bundle = bundle(&all);
    is_plain(&returned(&bundle), &[B]);
}

#[test]
fn parameters_of_one_patient_each() {
    let body = format!(
        r#"{{"resourceType":"Parameters","parameter":[{{"name":"a","resource":{}}},{{"name":"b","resource":{}}}]}}"#,
        patient("a", A),
        patient("b", B)
    );
    is_plain(&body, &[A, B]);
}

// --- Absolute references

#[test]
fn absolute_references_in_a_bundle_without_full_urls() {
    is_plain(&bundle(&[patient("b", B), refers("https://r.example/fhir/Patient/b")]), &[B]);
}

#[test]
fn bulk_export_with_absolute_references() {
    is_plain(&format!("{}\n{}\n", patient("b", B), refers("https://r.example/fhir/Patient/b")), &[B]);
}

#[test]
fn searchset_with_full_urls_in_either_order() {
    let base = "https://r.example/fhir";
    let (one, two) = (format!("{base}/Patient/b"), format!("{base}/Observation/1"));
    for to in ["Patient/b".to_owned(), one.clone(), format!("{one}/_history/2")] {
        is_plain(&entries(&[(&one, patient("b", B)), (&two, refers(&to))]), &[B]);
        is_plain(&entries(&[(&two, refers(&to)), (&one, patient("b", B))]), &[B]);
    }
}

#[test]
fn everything_whose_link_is_absolute() {
    let rest = |url: &str| {
        format!(
            r#"{{"resourceType":"Bundle","type":"searchset","link":[{{"relation":"self","url":"https://r.example/fhir/Patient/b/$everything"}}],"entry":[{{{url}"resource":{}}},{{"resource":{}}}]}}"#,
            patient("b", B),
            refers("Patient/b")
        )
    };
    is_plain(&rest(r#""fullUrl":"https://r.example/fhir/Patient/b","#), &[B]);
    is_plain(&rest(""), &[B]);
}

#[test]
fn document_with_urns_and_an_absolute_link() {
    let body = format!(
        r#"{{"resourceType":"Bundle","type":"document","link":[{{"relation":"self","url":"https://r.example/fhir/Patient/b/$summary"}}],"entry":[{{"fullUrl":"urn:uuid:2","resource":{}}},{{"fullUrl":"urn:uuid:1","resource":{}}}]}}"#,
        patient("b", B),
        refers("urn:uuid:2")
    );
    is_plain(&body, &[B]);
}

#[test]
fn transaction_response_with_absolute_location_and_representation() {
    let body = format!(
        r#"{{"resourceType":"Bundle","type":"transaction-response","entry":[{{"resource":{},"response":{{"status":"201","location":"https://r.example/fhir/Patient/b/_history/1"}}}}]}}"#,
        patient("b", B)
    );
    is_plain(&body, &[B]);
}

// --- Everyday resources

#[test]
fn appointments() {
    let appointment = |patient: &str| {
        format!(
            r#"{{"resourceType":"Appointment","id":"1","status":"booked","participant":[{{"actor":{{"reference":"Practitioner/123456","display":"Dr"}},"status":"accepted"}},{{"actor":{patient},"status":"accepted"}},{{"actor":{{"reference":"Location/9","display":"Ward"}}}}]}}"#
        )
    };
    for actor in [
        r#"{"reference":"Patient/b","display":"Tolvan"}"#.to_owned(),
        r#"{"type":"Patient","reference":"Patient/b"}"#.to_owned(),
        format!(r#"{{"identifier":{}}}"#, identifier(B)),
        format!(r#"{{"type":"Patient","identifier":{}}}"#, identifier(B)),
    ] {
        is_plain(&bundle(&[patient("b", B), appointment(&actor)]), &[B]);
        is_plain(&bundle(&[appointment(&actor), patient("b", B)]), &[B]);
    }
    let response = r#"{"resourceType":"AppointmentResponse","appointment":{"reference":"Appointment/1"},"actor":{"reference":"Patient/b","display":"Tolvan"},"participantStatus":"accepted"}"#;
    is_plain(&bundle(&[patient("b", B), response.to_owned()]), &[B]);
    is_plain(&bundle(&[response.to_owned(), patient("b", B)]), &[B]);
}

#[test]
fn others_of_every_day() {
    let all = [
        r#"{"resourceType":"Encounter","id":"e","class":{"system":"http://x","code":"AMB","display":"ambulatory"},"subject":{"reference":"Patient/b","display":"T"},"participant":[{"individual":{"reference":"Practitioner/7","display":"Dr"}},{"individual":{"reference":"RelatedPerson/7","display":"Mor"}}],"serviceProvider":{"reference":"Organization/123456789"}}"#,
        r#"{"resourceType":"CareTeam","subject":{"reference":"Patient/b"},"participant":[{"member":{"reference":"Practitioner/1","display":"Dr"}},{"member":{"reference":"Patient/b"}}]}"#,
        r#"{"resourceType":"Schedule","actor":[{"reference":"Practitioner/1","display":"Dr"},{"reference":"Location/2"}]}"#,
        r#"{"resourceType":"Slot","schedule":{"reference":"Schedule/1"}}"#,
        r#"{"resourceType":"Task","for":{"reference":"Patient/b"},"owner":{"reference":"Organization/1","display":"x"},"requester":{"reference":"Practitioner/1"}}"#,
        r##"{"resourceType":"MedicationRequest","contained":[{"resourceType":"Medication","id":"m","code":{"coding":[{"system":"http://x","code":"1","display":"x"}]}}],"medicationReference":{"reference":"#m","display":"x"},"subject":{"reference":"Patient/b"},"requester":{"reference":"Practitioner/550e8400-e29b-41d4-a716-446655440000"}}"##,
        r#"{"resourceType":"Provenance","target":[{"reference":"Patient/b"}],"agent":[{"who":{"reference":"Practitioner/1"}}]}"#,
        r#"{"resourceType":"Account","subject":[{"reference":"Patient/b","display":"T"}],"owner":{"reference":"Organization/1"}}"#,
        r#"{"resourceType":"Group","type":"person","actual":true,"member":[{"entity":{"reference":"Patient/b"}}]}"#,
        r#"{"resourceType":"Group","type":"practitioner","actual":true,"member":[{"entity":{"reference":"Practitioner/1","display":"Dr"}}]}"#,
        r#"{"resourceType":"Linkage","item":[{"type":"source","resource":{"reference":"Patient/b"}},{"type":"alternate","resource":{"reference":"Patient/b","display":"T"}}]}"#,
        r#"{"resourceType":"RequestGroup","subject":{"reference":"Patient/b"},"action":[{"resource":{"reference":"MedicationRequest/1","display":"x"}}]}"#,
        r#"{"resourceType":"Composition","subject":[{"reference":"Patient/b"}],"author":[{"reference":"Practitioner/1","display":"Dr"}],"section":[{"title":"x","entry":[{"reference":"Observation/1","display":"x"}]}]}"#,
        r#"{"resourceType":"Practitioner","identifier":[{"system":"urn:oid:1.2.752.129.2.1.4.1","value":"SE2321000016-1003"}]}"#,
        r#"{"resourceType":"Device","patient":{"reference":"Patient/b"}}"#,
        r#"{"resourceType":"Coverage","beneficiary":{"reference":"Patient/b"},"subscriber":{"reference":"Patient/b"},"payor":[{"reference":"Organization/1"}]}"#,
        r#"{"resourceType":"RelatedPerson","patient":{"reference":"Patient/b"},"name":[{"text":"x"}]}"#,
        r#"{"resourceType":"OperationOutcome","issue":[{"severity":"information"}]}"#,
        r#"{"resourceType":"ValueSet","expansion":{"contains":[{"system":"http://x","code":"1","display":"x","contains":[{"code":"2","display":"y"}]}]}}"#,
    ];
    for one in all {
        is_plain(&bundle(&[patient("b", B), one.to_owned()]), &[B]);
        is_plain(&format!("{}\n{one}", patient("b", B)), &[B]);
        if one.contains("Patient/b") {
            is_plain(&bundle(&[one.to_owned(), patient("b", B)]), &[B]);
        }
    }
}

#[test]
fn urns_of_staff_in_a_message() {
    let appointment = r#"{"resourceType":"Appointment","participant":[{"actor":{"reference":"urn:uuid:3","display":"Dr"}},{"actor":{"reference":"urn:uuid:1","display":"T"}}]}"#;
    let staff = r#"{"resourceType":"Practitioner","id":"3"}"#;
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
        let all =
            [("urn:uuid:1", patient("b", B)), ("urn:uuid:2", appointment.to_owned()), ("urn:uuid:3", staff.to_owned())];
        let sorted: Vec<_> = order.iter().map(|index| all[*index].clone()).collect();
        is_plain(&entries(&sorted), &[B]);
    }
}

#[test]
fn an_empty_search_for_a_patient() {
    let body = r#"{"resourceType":"Bundle","type":"searchset","total":0,"link":[{"relation":"self","url":"https://r.example/fhir/Observation?subject=Patient/7"}]}"#;
    is_plain(body, &[]);
}

// --- What leaves too early, or unmarked

#[test]
fn the_outcome_of_an_entry_releases_nothing() {
    let resource = r#""resource":{"resourceType":"Observation","valueString":"HIV","#;
    for outcome in [
        r#"{"resourceType":"Bundle","entry":[]}"#.to_owned(),
        format!(r#"{{"resourceType":"Observation","subject":{{"reference":"Patient/{B}"}}}}"#),
    ] {
        waits(
            &Form::Fhir,
            &format!(r#"{{"resourceType":"Bundle","entry":[{{"response":{{"outcome":{outcome}}},{resource}"#),
        );
    }
}

#[test]
fn somebody_beside_who_is_said_to_be_a_patient() {
    for focus in [
        r#"{"reference":"https://r.example/persons/7","type":"Patient","display":"Kalle HIV"}"#,
        r#"{"reference":"Patient?identifier=http://local/mrn|7","display":"Kalle HIV"}"#,
        r#"{"type":"Patient","display":"Kalle HIV"}"#,
        r#"{"type":"Patient","identifier":{"system":"http://local/mrn","value":"7"},"display":"Kalle HIV"}"#,
    ] {
        waits(
            &Form::Fhir,
            &format!(
                r#"{{"resourceType":"Observation","subject":{{"reference":"Patient/{B}"}},"focus":[{focus}],"x":1"#
            ),
        );
    }
}

#[test]
fn one_of_several_subjects_without_a_name() {
    waits(
        &Form::Fhir,
        &format!(
            r#"{{"resourceType":"Account","subject":[{{"reference":"Patient/{B}"}},{{"type":"Patient","display":"Kalle HIV"}}],"x":1"#
        ),
    );
}

#[test]
fn a_subject_after_another_in_the_same_resource() {
    // A list within a list, and a field twice.
    waits(
        &Form::Fhir,
        &format!(r#"{{"resourceType":"Account","comment":"HIV","subject":[[{{"reference":"Patient/{B}"}}],"#),
    );
    waits(
        &Form::Fhir,
        &format!(
            r#"{{"resourceType":"Observation","subject":[{{"reference":"Patient/{B}","extension":[{{"subject":[{{}}]}}]}},{{"display":"HIV"}},"#
        ),
    );
}

#[test]
fn a_contained_group_or_bundle() {
    for contained in [
        format!(r#"{{"resourceType":"Group","member":[{{"entity":{{"reference":"Patient/{B}"}}}}]}}"#),
        format!(r#"{{"resourceType":"Parameters","parameter":[{{"resource":{}}}]}}"#, patient("b", B)),
        format!(r#"{{"resourceType":"Bundle","entry":[{{"resource":{}}}]}}"#, patient("b", B)),
    ] {
        for text in [
            format!(r#"{{"resourceType":"Observation","valueString":"HIV","contained":[{contained}],"#),
            format!(r#"{{"resourceType":"Observation","valueString":"HIV","contained":{contained},"#),
            format!(
                r#"{{"resourceType":"Bundle","entry":[{{"resource":{{"resourceType":"Observation","valueString":"HIV","contained":[{contained}],"#
            ),
            format!(
                r#"{{"resourceType":"Parameters","parameter":[{{"name":"x","valueString":"HIV"}},{{"name":"y","resource":{contained}}},"#
            ),
        ] {
            waits(&Form::Fhir, &text);
        }
    }
}

#[test]
fn a_parameters_in_an_entry() {
    let text = format!(
        r#"{{"resourceType":"Bundle","entry":[{{"resource":{{"resourceType":"Parameters","parameter":[{{"name":"x","valueString":"HIV"}},{{"name":"y","resource":{}}},"#,
        patient("b", B)
    );
    waits(&Form::Fhir, &text);
}

#[test]
fn children_of_somebody_beside() {
    waits(
        &Form::Json(paths(&["id", "mother.id", "mother.children[*].id"])),
        &format!(r#"{{"id":"{A}","mother":{{"name":"Eva HIV","children":[{{"id":"{B}"}}],"#),
    );
    waits(
        &Form::Json(paths(&["id", "mother.id", "mother.doctor.id"])),
        &format!(r#"{{"id":"{A}","mother":{{"name":"Eva HIV","doctor":{{"id":"{B}"}},"#),
    );
}
