//! What is about somebody leaves once they are told, and not because somebody else is.

use super::fhir::{bundle, observation, patient};
use super::others::lists;
use super::*;
use proptest::prelude::*;

const SERIES: &str = "urn:oid:1.2.752.129.2.1.3.1";

/// What has left, and who is on record, when a body breaks off behind this text.
fn broken_off(form: &Form, text: &str) -> (u64, (Vec<String>, Vec<Reason>)) {
    let (mut scanner, mut hits) = (Scanner::new(form.clone(), READING), Vec::new());
    assert_eq!(scanner.push(text.as_bytes(), &mut hits), Ok(()), "{text}");
    let settled = scanner.settled();
    scanner.break_off(&mut hits);
    (settled, told(&hits))
}

/// Whether a text's end has left, and neither this identity nor a reason is on record.
fn leaves_untold(form: &Form, text: &str, id: &str) -> bool {
    let (settled, (ids, reasons)) = broken_off(form, text);
    settled == text.len() as u64 && reasons.is_empty() && !ids.iter().any(|told| told == id)
}

#[test]
fn a_long_event_of_fhir_that_breaks_off_tells_whom_it_did_not_resolve() {
    let filled = observation(r#"{"reference":"Patient/7"}"#).replace("\"x\"", &format!("\"{}\"", "a".repeat(1000)));
    let body =
        format!("data: {{\"resourceType\":\"Bundle\",\"entry\":[{}", format!("{{\"resource\":{filled}}},").repeat(200));
    assert!(!leaves_untold(&Form::Events(Box::new(Form::Fhir)), &body, ""));
}

#[test]
fn who_performs_is_not_whom_an_observation_is_about() {
    let performer = format!(r#""performer":[{{"identifier":{{"system":"{SERIES}","value":"{B}"}}}}]"#);
    let related = format!(
        r#""contained":[{{"resourceType":"RelatedPerson","identifier":[{{"system":"{SERIES}","value":"{B}"}}]}}]"#
    );
    for other in [performer, related] {
        // The subject would follow: {A}.
        let body = format!(r#"{{"resourceType":"Observation","note":[{{"text":"HIV"}}],{other},"#);
        assert!(!leaves_untold(&Form::Fhir, &body, A), "{body}");
        // None follows.
        let resource = format!(r#"{{"resourceType":"Observation","note":[{{"text":"HIV"}}],{other}}}"#);
        let (hits, ended) = scan(&Form::Fhir, [bundle(&[patient("p", A), resource]).as_bytes()]);
        assert_eq!((told(&hits).1, ended), (vec![Reason::PatientAbsent], Ok(())));
    }
}

#[test]
fn parameters_are_of_whom_they_name_together() {
    let body = r#"{"resourceType":"Parameters","parameter":[{"name":"diagnosis","valueString":"HIV"},"#;
    // {"name":"patient","valueIdentifier":{"system":"…","value":A}} would follow.
    assert!(!leaves_untold(&Form::Fhir, body, A));
}

#[test]
fn an_element_with_a_number_of_another_series_only_is_told() {
    let body = format!(
        r#"{{"list":[{{"identifier":[{{"system":"{SERIES}","value":"{A}"}}]}},{{"name":"Kalle","diagnosis":"HIV","identifier":[{{"system":"http://local/mrn","value":"7"}}]}}]}}"#
    );
    let (hits, ended) = scan(&Form::Json(paths(&["list[*].identifier[*].value"])), [body.as_bytes()]);
    assert_eq!((told(&hits).1, ended), (vec![Reason::PatientAbsent], Ok(())));
}

#[test]
fn a_patient_whose_id_is_the_number_is_found() {
    let (hits, _) = scan(&Form::Fhir, [format!(r#"{{"resourceType":"Patient","id":"{A}"}}"#).as_bytes()]);
    assert_eq!(told(&hits).0, [A]);
}

#[test]
fn links_of_a_bundle_are_read() {
    let link = format!(r#""link":[{{"relation":"self","url":"https://r.example/Patient?identifier={A}"}}]"#);
    let (hits, _) = scan(&Form::Fhir, [format!(r#"{{"resourceType":"Bundle",{link},"entry":[]}}"#).as_bytes()]);
    assert_eq!(told(&hits).0, [A]);
}

#[test]
fn who_else_stands_there_first_releases_nothing() {
    let other = format!(r#"{{"system":"{SERIES}","value":"{B}"}}"#);
    for body in [
        format!(
            r#"{{"resourceType":"Appointment","description":"HIV","participant":[{{"actor":{{"type":"Practitioner","identifier":{other}}}}},"#
        ),
        format!(
            r#"{{"resourceType":"Appointment","description":"HIV","participant":[{{"actor":{{"reference":"RelatedPerson/3","identifier":{other}}}}},"#
        ),
        format!(
            r#"{{"resourceType":"Group","member":[{{"entity":{{"reference":"Patient/{A}"}}}},{{"entity":{{"display":"Kalle HIV","#
        ),
        format!(r#"{{"resourceType":"Observation","valueString":"HIV","contained":{},"#, patient("c", B)),
        format!(r#"{{"resourceType":"Task","description":"HIV","requester":{{"identifier":{other}}},"#),
        format!(r#"{{"resourceType":"AuditEvent","outcomeDesc":"HIV","agent":[{{"who":{{"identifier":{other}}}}}],"#),
    ] {
        let (settled, _) = broken_off(&Form::Fhir, &body);
        assert!(settled < body.find("HIV").expect("there") as u64 + 3, "{body}");
    }
}

#[test]
fn what_is_long_and_tells_but_others_is_told_as_unnamed() {
    let other = format!(r#"{{"system":"{SERIES}","value":"{B}"}}"#);
    let long = format!(r#""presentedForm":[{{"data":"{}""#, "A".repeat(200_000));
    let first = format!(r#""entry":[{{"resource":{}}},{{"resource":"#, patient("p", A));
    for (kind, root) in
        [("", r#"{"resourceType":"Bundle","#), (r#""resourceType":"DiagnosticReport","#, "{"), ("", "{")]
    {
        for who in [
            format!(r#""performer":[{{"identifier":{other}}}],"#),
            r#""performer":[{"reference":"Patient/p"}],"#.to_owned(),
            format!(r#""identifier":[{other}],"#),
        ] {
            // A report's own identifier of a patients' series is its patient's.
            if !kind.is_empty() && who.starts_with(r#""identifier""#) {
                continue;
            }
            let body = format!(r#"{root}{first}{{{kind}"conclusion":"HIV",{who}{long}"#);
            for form in [Form::Fhir, Form::Events(Box::new(Form::Fhir))] {
                let body = if form == Form::Fhir { body.clone() } else { format!("data: {body}") };
                let (settled, (ids, reasons)) = broken_off(&form, &body);
                let left = settled > body.find("HIV").expect("there") as u64;
                assert!(
                    !left || reasons.contains(&Reason::PatientAbsent),
                    "{settled} {ids:?} {reasons:?} {kind} {who}"
                );
            }
        }
    }
}

/// A resource about somebody, and others in it, in any order; of all fields one is a mark.
#[derive(Debug, Clone)]
struct About {
    fields: Vec<String>,
    mark: String,
    id: Option<String>,
}

fn id(number: usize) -> String {
    let fits = |id: &String| contract::identity::parse(id, READING.year).is_ok();
    let known = |check| format!("{}0101{:03}{check}", 1950 + number % 50, 980 + number / 50);
    (0..10).map(known).find(fits).expect("one fits")
}

fn identifier(number: usize) -> String {
    format!(r#"{{"system":"{SERIES}","value":"{}"}}"#, id(number))
}

fn about(number: usize) -> impl Strategy<Value = About> {
    let (mark, own, other) = (format!("MARK{number:03}"), id(2 * number), identifier(2 * number + 1));
    let subject = prop_oneof![
        4 => Just(Some(format!(r#""subject":{{"reference":"Patient/{own}"}}"#))),
        4 => Just(Some(format!(r#""subject":{{"identifier":{}}}"#, identifier(2 * number)))),
        1 => Just(Some(r#""subject":{"display":"Kalle"}"#.to_owned())),
        1 => Just(None),
    ];
    let others = [
        format!(r#""performer":[{{"identifier":{other}}}]"#),
        format!(r#""contained":[{{"resourceType":"RelatedPerson","identifier":[{other}]}}]"#),
        format!(r#""contained":[{{"resourceType":"Patient","id":"c","identifier":[{other}]}}]"#),
        r#""contained":[{"resourceType":"Organization","id":"o"}]"#.to_owned(),
        format!(r#""extension":[{{"url":"x","valueIdentifier":{other}}}]"#),
        r#""code":{"coding":[{"system":"http://loinc.org","code":"1"}]}"#.to_owned(),
    ];
    let others = proptest::sample::subsequence(others.to_vec(), 0..3);
    (subject, others).prop_flat_map(move |(subject, mut fields)| {
        let id = subject.as_ref().filter(|subject| !subject.contains("display")).map(|_| own.clone());
        fields.extend([r#""resourceType":"Observation""#.to_owned(), format!(r#""valueString":"{mark}""#)]);
        fields.extend(subject);
        let mark = mark.clone();
        Just(fields).prop_shuffle().prop_map(move |fields| About { fields, mark: mark.clone(), id: id.clone() })
    })
}

proptest! {
    #[test]
    fn nothing_about_somebody_leaves_before_they_are_told(
        all in (about(1), about(2), about(3), about(4)),
        list in 0_usize..5,
        step in 1_usize..50,
    ) {
        let all = [all.0, all.1, all.2, all.3];
        let (_, before) = &lists()[list];
        let inner = if before.starts_with('[') { "" } else { r#"{"resource":"# };
        let after = if inner.is_empty() { "" } else { "}" };
        let mut body = format!("{before}{}{after}", patient("p", A));
        let mut ends = Vec::new();
        for one in &all {
            let resource = format!("{{{}}}", one.fields.join(","));
            let end = body.len() + 1 + inner.len() + resource.find(&one.mark).expect("its mark") + one.mark.len();
            ends.push(end as u64);
            body = format!("{body},{inner}{resource}{after}");
        }
        let (mut scanner, mut hits) = (Scanner::new(Form::Fhir, READING), Vec::new());
        for piece in body.as_bytes().chunks(step) {
            prop_assert_eq!(scanner.push(piece, &mut hits), Ok(()), "{}", body);
            let (ids, reasons) = told(&hits);
            for (one, end) in all.iter().zip(&ends).filter(|(_, end)| **end <= scanner.settled()) {
                let known = one.id.as_ref().map_or(reasons.contains(&Reason::PatientAbsent), |id| ids.contains(id));
                prop_assert!(known, "{:?} left at {end}: {body}", one.mark);
            }
        }
    }
}
