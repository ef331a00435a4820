//! Tests of FHIR's resources.

use super::*;

const SERIES: &str = "urn:oid:1.2.752.129.2.1.3.1";

fn fhir(body: &str) -> (Vec<(String, u32)>, Vec<Reason>) {
    let whole = scan(&Form::Fhir, [body.as_bytes()]);
    assert_eq!(whole, scan(&Form::Fhir, body.as_bytes().chunks(1)), "{body}");
    let (hits, ended) = whole;
    assert_eq!(ended, Ok(()), "{body}");
    let positions = hits.iter().filter_map(|hit| match hit {
        Hit::Patient { position, .. } => Some(*position),
        Hit::Unread { .. } => None,
    });
    let (ids, reasons) = told(&hits);
    (ids.into_iter().zip(positions).collect(), reasons)
}

fn found(all: &[(&str, u32)]) -> (Vec<(String, u32)>, Vec<Reason>) {
    (all.iter().map(|(id, position)| ((*id).to_owned(), *position)).collect(), Vec::new())
}

fn patient(id: &str, personnummer: &str) -> String {
    format!(
        r#"{{"resourceType":"Patient","id":"{id}","identifier":[{{"system":"http://local/mrn","value":"7"}},{{"system":"{SERIES}","value":"{personnummer}"}}]}}"#
    )
}

fn bundle(resources: &[String]) -> String {
    let entries: Vec<String> = resources.iter().map(|resource| format!("{{\"resource\":{resource}}}")).collect();
    format!("{{\"resourceType\":\"Bundle\",\"total\":1,\"entry\":[{}]}}", entries.join(","))
}

fn observation(subject: &str) -> String {
    format!(r#"{{"resourceType":"Observation","code":{{"text":"x"}},"subject":{subject}}}"#)
}

#[test]
fn patients_are_found() {
    assert_eq!(fhir(&patient("p", A)), found(&[(A, 0)]));
    assert_eq!(fhir(&bundle(&[patient("p", A), patient("q", B)])), found(&[(A, 0), (B, 1)]));
    let late = format!(r#"{{"identifier":[{{"value":"{A}","system":"{SERIES}"}}],"resourceType":"Patient"}}"#);
    assert_eq!(fhir(&late), found(&[(A, 0)]));
    assert_eq!(fhir(&late.replace("Patient", "Practitioner")), found(&[]));
    assert_eq!(fhir(&patient("p", A).replace("Patient", "Practitioner")), found(&[]));
    let unsaid = format!(r#"{{"resourceType":"Patient","identifier":{{"value":"{A}"}}}}"#);
    assert_eq!(fhir(&unsaid), found(&[(A, 0)]), "a series that is not said may be a patient's");
    let profile =
        unsaid.replace("{\"value\"", "{\"system\":\"http://electronichealth.se/identifier/personnummer\",\"value\"");
    assert_eq!(fhir(&profile), found(&[(A, 0)]));
    let local = unsaid.replace("{\"value\"", "{\"system\":\"http://local/mrn\",\"value\"");
    assert_eq!(fhir(&local), (vec![], vec![Reason::PatientAbsent]), "a patient without identity");
    let wrong = patient("p", "191212121213");
    assert_eq!(fhir(&wrong), (vec![], vec![Reason::PatientCheckDigit]));
    let nested = bundle(&[bundle(&[]), bundle(&[patient("p", A)])]);
    assert_eq!(fhir(&nested), found(&[(A, 1)]));
    let contained = format!(
        r##"{{"resourceType":"Observation","subject":{{"reference":"#p"}},"contained":[{}]}}"##,
        patient("p", A)
    );
    assert_eq!(fhir(&contained), found(&[(A, 0)]));
    let parameters =
        format!(r#"{{"resourceType":"Parameters","parameter":[{{"part":[{{"resource":{}}}]}}]}}"#, patient("p", A));
    assert_eq!(fhir(&parameters), found(&[(A, 0)]));
    let outcome = r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error"}]}"#;
    assert_eq!(fhir(outcome), found(&[]));
    assert_eq!(fhir(&bundle(&[])), found(&[]));
}

#[test]
fn references_are_found() {
    for subject in [
        format!(r#"{{"reference":"Patient/{A}"}}"#),
        format!(r#"{{"reference":"https://r.example/fhir/Patient/{A}/_history/2"}}"#),
        format!(r#"{{"identifier":{{"system":"{SERIES}","value":"{A}"}}}}"#),
        format!(r#"{{"reference":"Patient/7","identifier":{{"value":"{A}"}}}}"#),
        format!(r#"[{{"reference":"Group/1"}},{{"reference":"Patient/{A}"}}]"#),
    ] {
        assert_eq!(fhir(&bundle(&[observation("null"), observation(&subject)])), found(&[(A, 1)]), "{subject}");
        for field in ["patient", "beneficiary", "for", "individual", "actor"] {
            let body = observation(&subject).replace("\"subject\"", &format!("\"{field}\""));
            assert_eq!(fhir(&body), found(&[(A, 0)]), "{body}");
        }
        let appointment = format!(r#"{{"resourceType":"Appointment","participant":[{{"actor":{subject}}}]}}"#);
        assert_eq!(fhir(&appointment), found(&[(A, 0)]));
        let group = format!(r#"{{"resourceType":"Group","member":[{{"entity":{subject}}}]}}"#);
        assert_eq!(fhir(&group), found(&[(A, 0)]));
    }
    for nobody in [r#"{"reference":"Group/1"}"#, r#"{"reference":"Practitioner/191212121212"}"#, r#"{"display":"x"}"#] {
        assert_eq!(fhir(&observation(nobody)), found(&[]));
    }
    let foreign = r#"{"identifier":{"system":"http://local/mrn","value":"7"}}"#;
    assert_eq!(fhir(&observation(foreign)), found(&[]));
}

#[test]
fn logical_ids_are_resolved() {
    let refers = |to: &str| observation(&format!(r#"{{"reference":"{to}"}}"#));
    let unresolved = |position| (vec![(A.to_owned(), position)], vec![Reason::PatientForm]);
    assert_eq!(fhir(&bundle(&[refers("Patient/7"), patient("7", A)])), found(&[(A, 1)]));
    assert_eq!(fhir(&bundle(&[patient("7", A), refers("Patient/7")])), found(&[(A, 0)]));
    assert_eq!(fhir(&bundle(&[patient("7", A), refers("Patient/8")])), unresolved(0));
    assert_eq!(fhir(&refers("Patient/8")), (vec![], vec![Reason::PatientForm]));
    assert_eq!(fhir(&bundle(&[patient("7", A), refers("urn:uuid:1")])), unresolved(0));
    let by_url = |first: bool| {
        let named = format!(r#"{{"fullUrl":"urn:uuid:1","resource":{}}}"#, patient("7", A));
        let refers = format!(r#"{{"resource":{}}}"#, refers("urn:uuid:1"));
        let (one, two) = if first { (named, refers) } else { (refers, named) };
        format!(r#"{{"resourceType":"Bundle","entry":[{one},{two}]}}"#)
    };
    assert_eq!(fhir(&by_url(true)), found(&[(A, 0)]));
    assert_eq!(fhir(&by_url(false)), found(&[(A, 1)]));
    let many: Vec<String> = (0..10_100).map(|index| refers(&format!("Patient/x{index}"))).collect();
    let (hits, _) = scan(&Form::Fhir, [bundle(&many).as_bytes()]);
    assert_eq!(told(&hits).1, [Reason::PatientForm], "once");
}

#[test]
fn entries_are_held() {
    let mut scanner = Scanner::new(Form::Fhir, READING);
    let mut hits = Vec::new();
    let mut pushed = 0;
    let mut held = |text: &str, told: usize| {
        scanner.push(text.as_bytes(), &mut hits).expect("JSON");
        assert_eq!(hits.len(), told, "{text}");
        pushed += text.len() as u64;
        pushed - scanner.settled()
    };
    assert_eq!(held(r#"{"resourceType":"Bundle","total":3,"#, 0), 35);
    assert_eq!(held(r#""entry":["#, 0), 0, "nobody stands before the entries");
    assert_eq!(held(r#"{"resource":{"resourceType":"Observation","#, 0), 42);
    assert_eq!(held(r#""subject":{"reference":"Patient/7"}"#, 0), 77);
    assert_eq!(held("}}", 0), 0, "the Patient may come or not");
    assert_eq!(held(r#",{"resource":{"id":"7","identifier":[{"value":"191212121212"}],"#, 0), 62);
    assert_eq!(held(r#""resourceType":"Patient","#, 1), 0);
    assert_eq!(held("\"name\":1}},{\"resource\":", 1), 12);
    assert_eq!(held(r#"{"resourceType":"Observation","subject":{"reference":"Patient/7"}"#, 1), 0, "known");
    // Without a type identifiers wait, but not for ever.
    assert_eq!(held(r#"}},{"resource":{"identifier":[{"value":"201212121212"}],"x":""#, 1), 58);
    assert!(held(&"a".repeat(60_000), 1) > 60_000);
    assert_eq!(held(&"a".repeat(20_000), 2), 0);
    assert_eq!(held(r#"","resourceType":"Practitioner"}}]}"#, 2), 0);
}
