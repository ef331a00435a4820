//! People beside whom a resource is about, and references that lead to nobody known: what is said of somebody waits for
//! them, or it is told that they are not known.

use super::fhir::{bundle, observation, patient};
use super::*;

const SERIES: &str = "urn:oid:1.2.752.129.2.1.3.1";
/// Stands behind what is said of somebody who has not been told.
const MARK: &str = "HIV";

fn identifier(id: &str) -> String {
    format!(r#"{{"system":"{SERIES}","value":"{id}"}}"#)
}

/// Nothing of this text up to the mark has left when it breaks off, or it is told that somebody is missing. `A` would follow.
fn waits(form: &Form, text: &str) {
    for step in [1, 1000, text.len()] {
        let (mut scanner, mut hits) = (Scanner::new(form.clone(), READING), Vec::new());
        for piece in text.as_bytes().chunks(step) {
            assert_eq!(scanner.push(piece, &mut hits), Ok(()), "{text}");
        }
        let left = scanner.settled() >= (text.find(MARK).expect("there") + MARK.len()) as u64;
        scanner.break_off(&mut hits);
        let (ids, reasons) = told(&hits);
        assert!(!left || !reasons.is_empty(), "it has left, and only {ids:?} are told: {text:.300}");
    }
}

/// Beside `B`, a resource is told as one of which nobody knows whose it is.
fn is_noted(resource: &str) {
    let (hits, ended) = scan(&Form::Fhir, [bundle(&[patient("b", B), resource.to_owned()]).as_bytes()]);
    let (ids, reasons) = told(&hits);
    assert!(!reasons.is_empty() && ended.is_ok(), "only {ids:?} are told: {resource}");
}

#[test]
fn a_participant_of_an_invoice_releases_nothing() {
    // As servers write it that sort their keys.
    let participant = format!(r#""participant":[{{"actor":{{"identifier":{}}}}}],"#, identifier(B));
    waits(&Form::Fhir, &format!(r#"{{"resourceType":"Invoice","note":[{{"text":"HIV"}}],{participant}"#));
}

#[test]
fn who_answers_to_an_appointment_need_not_be_its_patient() {
    let answer = |actor: &str| format!(r#"{{"resourceType":"AppointmentResponse","comment":"HIV","actor":{actor}}}"#);
    is_noted(&answer(r#"{"reference":"Practitioner/3"}"#));
    is_noted(&answer(&format!(r#"{{"type":"Practitioner","identifier":{}}}"#, identifier(B))));
}

#[test]
fn a_resource_of_several_waits_for_all_of_them() {
    for (kind, field) in [("Account", "subject"), ("Contract", "subject"), ("Schedule", "actor")] {
        waits(
            &Form::Fhir,
            &format!(r#"{{"resourceType":"{kind}","comment":"HIV","{field}":[{{"reference":"Patient/{B}"}},"#),
        );
    }
}

#[test]
fn what_was_asked_for_an_entry_does_not_release_its_resource() {
    let task = r#""resource":{"resourceType":"Task","description":"HIV","#;
    for before in [
        format!(r#""request":{{"method":"PUT","url":"Task?requester=Patient/{B}"}}"#),
        format!(r#""response":{{"location":"Patient/{B}/_history/1"}}"#),
        format!(r#""fullUrl":"https://r.example/fhir/Patient/{B}""#),
    ] {
        waits(&Form::Fhir, &format!(r#"{{"resourceType":"Bundle","entry":[{{{before},{task}"#));
    }
}

#[test]
fn what_is_said_of_somebody_beside_waits_for_them() {
    let about = format!(r#"{{"resourceType":"Observation","subject":{{"reference":"Patient/{B}"}},"focus":[{{"#);
    // A Patient/7 would follow.
    waits(&Form::Fhir, &format!(r#"{about}"reference":"Patient/7","display":"Kalle HIV""#));
    // As servers write it that sort their keys: "reference":"Patient/{A}" would follow.
    waits(&Form::Fhir, &format!(r#"{about}"display":"Kalle HIV","#));
    let link = format!(r#"{{"resourceType":"Patient","identifier":[{}],"link":[{{"other":{{"#, identifier(B));
    waits(&Form::Fhir, &format!(r#"{link}"display":"Kalle HIV","#));
}

#[test]
fn what_is_said_of_another_along_a_path_waits_for_them() {
    let mother = format!(r#""id":"{B}","mother":{{"name":"Eva HIV","#);
    waits(&Form::Json(paths(&["id", "mother.id"])), &format!("{{{mother}"));
    let form = Form::Json(paths(&["entries[*].id", "entries[*].mother.id"]));
    waits(&form, &format!(r#"{{"entries":[{{{mother}"#));
}

#[test]
fn a_reference_that_is_too_long_to_wait_for_is_told() {
    let who = format!(r#""performer":[{{"identifier":{}}}]"#, identifier(B));
    let long = "a".repeat(200_000);
    waits(
        &Form::Fhir,
        &format!(
            r#"{{"resourceType":"Observation","note":"HIV",{who},"subject":{{"reference":"Patient/7","extension":[{{"valueString":"{long}"#
        ),
    );
}

#[test]
fn a_subject_that_is_said_to_be_a_patient_and_is_not_known_is_told() {
    for subject in [
        r#"{"reference":"Patient?identifier=http://local/mrn|7"}"#,
        r#"{"type":"Patient","reference":"https://r.example/persons/7"}"#,
        r#"{"reference":"https://r.example/persons/7","type":"Patient"}"#,
    ] {
        is_noted(&observation(subject));
    }
}

#[test]
fn a_patient_of_another_server_is_not_the_one_here() {
    let here = format!(r#"{{"fullUrl":"https://r.example/fhir/Patient/b","resource":{}}}"#, patient("b", B));
    let there = observation(r#"{"reference":"https://other.example/fhir/Patient/b"}"#);
    let body = format!(r#"{{"resourceType":"Bundle","entry":[{here},{{"resource":{there}}}]}}"#);
    let (hits, _) = scan(&Form::Fhir, [body.as_bytes()]);
    assert_eq!(told(&hits).1, [Reason::PatientForm]);
}

#[test]
fn types_of_r5_that_are_about_a_patient_are_known() {
    for kind in ["DeviceDispense", "BiologicallyDerivedProductDispense", "RequestOrchestration"] {
        is_noted(&format!(r#"{{"resourceType":"{kind}","note":[{{"text":"HIV"}}]}}"#));
    }
}

#[test]
fn who_asks_in_parameters_releases_nothing() {
    let requester = format!(r#"{{"name":"requester","valueIdentifier":{}}}"#, identifier(B));
    let said = r#"{"name":"diagnosis","valueString":"HIV"}"#;
    // {"name":"patient","valueIdentifier":…} would follow.
    waits(&Form::Fhir, &format!(r#"{{"resourceType":"Parameters","parameter":[{said},{requester},"#));
}

#[test]
fn what_stands_where_fhir_has_it_not_releases_nothing() {
    let start = r#"{"resourceType":"Observation","valueString":"HIV","#;
    for rest in [
        format!(r#""performer":[{{"resource":{}}}],"#, patient("b", B)),
        r#""contained":{"resourceType":"Bundle","entry":[],"#.to_owned(),
        r#""x":{"resource":{"resourceType":"Bundle","entry":["#.to_owned(),
    ] {
        waits(&Form::Fhir, &format!("{start}{rest}"));
    }
    let twice = r#"{"resourceType":"Bundle","entry":[],"resourceType":"Observation","valueString":"HIV","#;
    waits(&Form::Fhir, twice);
}
