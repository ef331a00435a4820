//! Tests of FHIR's resources.

use super::*;

const SERIES: &str = "urn:oid:1.2.752.129.2.1.3.1";

pub(super) fn fhir(body: &str) -> (Vec<(String, u32)>, Vec<Reason>) {
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

pub(super) fn found(all: &[(&str, u32)]) -> (Vec<(String, u32)>, Vec<Reason>) {
    (all.iter().map(|(id, position)| ((*id).to_owned(), *position)).collect(), Vec::new())
}

pub(super) fn patient(id: &str, personnummer: &str) -> String {
    format!(
        r#"{{"resourceType":"Patient","id":"{id}","identifier":[{{"system":"http://local/mrn","value":"7"}},{{"system":"{SERIES}","value":"{personnummer}"}}]}}"#
    )
}

pub(super) fn bundle(resources: &[String]) -> String {
    let entries: Vec<String> = resources.iter().map(|resource| format!("{{\"resource\":{resource}}}")).collect();
    format!("{{\"resourceType\":\"Bundle\",\"total\":1,\"entry\":[{}]}}", entries.join(","))
}

pub(super) fn observation(subject: &str) -> String {
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
        let group = observation(r#"{"reference":"Group/1"}"#);
        assert_eq!(fhir(&bundle(&[group, observation(&subject)])), found(&[(A, 1)]), "{subject}");
        for field in ["patient", "beneficiary", "for", "individual"] {
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
    for somebody in ["https://r.example/persons/191212121212", "RelatedPerson/19121212-1212"] {
        assert_eq!(fhir(&observation(&format!(r#"{{"reference":"{somebody}"}}"#))), found(&[(A, 0)]), "{somebody}");
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
    assert_eq!(held("}}", 0), 79, "the Patient may come or not");
    assert_eq!(held(r#",{"resource":{"id":"7","identifier":[{"value":"191212121212"}],"#, 0), 142);
    assert_eq!(held(r#""resourceType":"Patient","#, 1), 167, "its id may be another yet");
    assert_eq!(held("\"name\":1}},{\"resource\":", 1), 12);
    assert_eq!(held(r#"{"resourceType":"Observation","subject":{"reference":"Patient/7"}"#, 1), 0, "known");
    // Without a type identifiers wait, but not for ever.
    assert_eq!(held(r#"}},{"resource":{"identifier":[{"value":"201212121212"}],"x":""#, 1), 58);
    assert!(held(&"a".repeat(120_000), 1) > 120_000);
    assert_eq!(held(&"a".repeat(20_000), 3), 0, "and that they may be another's");
    assert_eq!(held(r#"","resourceType":"Practitioner"}}]}"#, 3), 0);
}

#[test]
fn what_has_no_type_is_not_fhir() {
    let of = |body: &str| {
        let whole = scan(&Form::Fhir, [body.as_bytes()]);
        assert_eq!(whole, scan(&Form::Fhir, body.as_bytes().chunks(1)), "{body}");
        whole.1
    };
    for body in [
        format!(r#"{{"data":{}}}"#, bundle(&[patient("p", A)])),
        format!(r#"{{"results":[{{"personnummer":"{A}"}}]}}"#),
        format!("\"{A}\""),
        A.to_owned(),
        format!("[\"{A}\"]"),
        format!("[{},{{\"personnummer\":\"{A}\"}},{}]", patient("p", B), patient("p", B)),
        format!("{}\n{{\"personnummer\":\"{A}\"}}", patient("p", B)),
        r#"{"resourceType":7}"#.to_owned(),
        r#"{"resourceType":" "}"#.to_owned(),
        "{}".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
    ] {
        assert_eq!(of(&body), Err(Fault::Type), "{body}");
    }
    assert_eq!(of(""), Ok(()));
    // What has no type does not leave, and is not waited for without end.
    let mut scanner = Scanner::new(Form::Fhir, READING);
    let head = format!("{{\"results\":[{{\"personnummer\":\"{A}\"}},\"");
    let mut ended = scanner.push(head.as_bytes(), &mut Vec::new());
    let mut pieces = 0;
    while ended.is_ok() && pieces < 200 {
        assert_eq!(scanner.settled(), 0);
        ended = scanner.push(&[b'a'; 1024], &mut Vec::new());
        pieces += 1;
    }
    assert_eq!((ended, scanner.settled()), (Err(Fault::Type), 0));
    assert!(pieces < 145, "{pieces}");
    // There are servers that sort their keys.
    let entry = format!("{{\"resource\":{}}}", patient("p", A));
    let sorted = format!("{{\"entry\":[{}],\"resourceType\":\"Bundle\"}}", vec![entry; 1000].join(","));
    assert_eq!(fhir(&sorted).0, [(A.to_owned(), 0)]);
}

#[test]
fn patients_are_found_whatever_the_case_and_place() {
    let small = patient("p", A).replace("\"Patient\"", "\"patient\"");
    assert_eq!(fhir(&small), found(&[(A, 0)]));
    assert_eq!(fhir(&small.replace(SERIES, "http://local/mrn")), (vec![], vec![Reason::PatientAbsent]));
    let unsaid = format!(r#"{{"resourceType":"Patient","identifier":[{{"value":"{A}"}}]}}"#);
    let outcome =
        format!(r#"{{"resourceType":"Bundle","entry":[{{"response":{{"status":"200","outcome":{unsaid}}}}}]}}"#);
    assert_eq!(fhir(&outcome), found(&[(A, 0)]));
    let stray = format!(r#"{{"resourceType":"Library","x":{unsaid}}}"#);
    assert_eq!(fhir(&stray), (vec![], vec![Reason::PatientForm]), "no resource stands there");
    let identifier = format!(r#"{{"use":"official","value":"{A}","system":"{SERIES}"}}"#);
    let by_id = format!(r#"{{"identifier":{identifier}}}"#);
    let by_text = format!(r#"{{"reference":"Patient/{A}"}}"#);
    for (kind, rest) in [
        ("Provenance", format!(r#""target":[{{"reference":"Group/1"}},{by_text}]"#)),
        ("Provenance", format!(r#""agent":[{{"who":{by_id}}}]"#)),
        ("Observation", format!(r#""performer":[{by_id}],"subject":{{"reference":"Group/1"}}"#)),
        ("Observation", format!(r#""focus":[{by_text}]"#)),
        ("Observation", format!(r#""extension":[{{"url":"http://x","valueIdentifier":{identifier}}}]"#)),
        ("Person", format!(r#""identifier":[{identifier}]"#)),
        ("Person", format!(r#""identifier":[{{"value":"{A}"}}]"#)),
        ("RelatedPerson", format!(r#""identifier":[{identifier}]"#)),
        ("Person", format!(r#""link":[{{"target":{by_text},"assurance":"level3"}}]"#)),
        ("Parameters", format!(r#""parameter":[{{"name":"a","valueIdentifier":{identifier}}}]"#)),
        ("Parameters", format!(r#""parameter":[{{"name":"a","part":[{{"valueReference":{by_text}}}]}}]"#)),
        ("Coverage", format!(r#""subscriber":{by_text}"#)),
        ("Coverage", format!(r#""policyHolder":{by_id}"#)),
        ("AuditEvent", format!(r#""entity":[{{"what":{by_text}}}]"#)),
        ("Consent", format!(r#""provision":{{"data":[{{"meaning":"instance","reference":{by_text}}}]}}"#)),
        ("Composition", format!(r#""section":[{{"entry":[{by_text}]}}]"#)),
        ("List", format!(r#""entry":[{{"item":{by_text}}}]"#)),
        ("Library", format!(r#""subject":"{A}""#)),
    ] {
        // Somebody is told, but not whom it is about.
        let absent = ["Observation", "RelatedPerson", "Coverage", "Consent", "Composition"].contains(&kind);
        let absent = absent && !rest.contains("subject");
        let mut wanted = found(&[(A, 0)]);
        wanted.1.extend(absent.then_some(Reason::PatientAbsent));
        for body in [format!(r#"{{"resourceType":"{kind}",{rest}}}"#), format!(r#"{{{rest},"resourceType":"{kind}"}}"#)]
        {
            assert_eq!(fhir(&body), wanted, "{body}");
        }
        let wrong = rest.replace(A, "191212121213");
        if kind == "Library" || rest.contains("[{\"value\"") {
            continue;
        }
        let (ids, reasons) = fhir(&format!(r#"{{"resourceType":"{kind}",{wrong}}}"#));
        assert!(ids.is_empty() && reasons.len() == 1 + usize::from(absent), "{wrong} {reasons:?}");
    }
    let linked = patient("p", A).replace("\"id\"", &format!("\"link\":[{{\"other\":{by_id}}}],\"id\"").replace(A, B));
    assert_eq!(fhir(&linked), found(&[(B, 0), (A, 0)]));
    for entry in [
        format!(r#"{{"fullUrl":"https://r.example/fhir/Patient/{A}"}}"#),
        format!(r#"{{"fullUrl":"urn:oid:1.2.752.129.2.1.3.1:{A}"}}"#),
        format!(r#"{{"response":{{"status":"201","location":"Patient/{A}/_history/1"}}}}"#),
        format!(r#"{{"request":{{"method":"DELETE","url":"Patient?identifier={SERIES}|{A}"}}}}"#),
    ] {
        assert_eq!(fhir(&format!(r#"{{"resourceType":"Bundle","entry":[{entry}]}}"#)), found(&[(A, 0)]), "{entry}");
    }
}

#[test]
fn what_is_nobodys_is_no_problem() {
    let entry = |number: u32, resource: &str| format!(r#"{{"fullUrl":"urn:uuid:{number}","resource":{resource}}}"#);
    let observation = format!(
        r##"{{"resourceType":"Observation","id":"7","meta":{{"tag":[{{"system":"http://x","code":"y"}}]}},
        "identifier":[{{"system":"http://lab/number","value":"191212121212"}},{{"value":"191212121212"}}],
        "subject":{{"reference":"urn:uuid:1"}},"encounter":{{"reference":"Encounter/7"}},
        "performer":[{{"reference":"urn:uuid:2"}},{{"reference":"Organization/7","type":"Organization"}},
            {{"reference":"https://x.example/Practitioner/191212121212"}},{{"reference":"#me"}},{{"reference":"urn:uuid:9"}},
            {{"identifier":{{"system":"urn:oid:1.2.752.29.4.19","value":"SE0000000000-E001"}}}}],
        "contained":[{{"resourceType":"Practitioner","id":"me","identifier":[{{"system":"{SERIES}","value":"{B}"}}],
            "telecom":[{{"system":"phone","value":"1912121212"}}]}}],
        "valueQuantity":{{"value":191212121212,"unit":"L","system":"http://unitsofmeasure.org"}}}}"##
    );
    let practitioner = format!(
        r#"{{"resourceType":"Practitioner","identifier":[{{"system":"{SERIES}","value":"{B}"}},{{"value":"{B}"}}]}}"#
    );
    let organization = r#"{"resourceType":"Organization","identifier":[{"system":"urn:oid:2.5.4.97","value":"5555555555"}],"partOf":{"reference":"urn:uuid:3"}}"#;
    let appointment = r#"{"resourceType":"Appointment","participant":[{"actor":{"reference":"urn:uuid:2"}},{"actor":{"reference":"urn:uuid:1"}}]}"#;
    let entries = [
        entry(4, &observation),
        entry(5, appointment),
        entry(3, organization),
        entry(2, &practitioner),
        entry(1, &patient("7", A)),
    ];
    let body = format!(r#"{{"resourceType":"Bundle","type":"searchset","entry":[{}]}}"#, entries.join(","));
    assert_eq!(fhir(&body), found(&[(A, 4)]));
}

#[test]
fn a_url_leads_only_to_what_was_read() {
    let refers = |to: &str| observation(&format!(r#"{{"reference":"{to}"}}"#));
    let with = |entry: &str| {
        fhir(&format!(r#"{{"resourceType":"Bundle","entry":[{entry},{{"resource":{}}}]}}"#, refers("urn:uuid:1")))
    };
    let unresolved = (vec![], vec![Reason::PatientForm]);
    assert_eq!(with(r#"{"fullUrl":"urn:uuid:1"}"#), unresolved);
    assert_eq!(with(r#"{"fullUrl":"urn:uuid:1","resource":{"name":"x"}}"#), unresolved);
    assert_eq!(with(r#"{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Group"}}"#), found(&[]));
    assert_eq!(with(&format!(r#"{{"resource":{},"fullUrl":"urn:uuid:1"}}"#, patient("7", A))), found(&[(A, 0)]));
    let typed = |of: &str| {
        fhir(&format!(r#"{{"resourceType":"Library","author":{{"reference":"urn:uuid:1","type":"{of}"}}}}"#))
    };
    assert_eq!(typed("Practitioner"), found(&[]));
    assert_eq!(typed("Patient"), unresolved);
    let deleted = r#"{"fullUrl":"https://r.example/Patient/7","request":{"method":"DELETE","url":"Patient/7"}}"#;
    assert_eq!(fhir(&format!(r#"{{"resourceType":"Bundle","entry":[{deleted}]}}"#)), unresolved);
    // What is contained is known within its own resource only.
    let contains = format!(
        r##"{{"resourceType":"Observation","contained":[{}],"subject":{{"reference":"#7"}}}}"##,
        patient("7", A)
    );
    assert_eq!(fhir(&bundle(std::slice::from_ref(&contains))), found(&[(A, 0)]));
    assert_eq!(fhir(&bundle(&[contains, refers("#7")])), (vec![(A.to_owned(), 0)], vec![Reason::PatientForm]));
    let long = format!(r#"{{"reference":"Patient/{}"}}"#, "7".repeat(1100));
    let focus = (vec![], vec![Reason::PatientForm, Reason::PatientAbsent]);
    assert_eq!(fhir(&observation(&long).replace("subject", "focus")), focus);
}

#[test]
fn who_was_not_resolved_is_told_when_a_body_breaks_off() {
    let body = bundle(&[observation(r#"{"reference":"Patient/7"}"#), patient("8", A)]);
    let cut = &body.as_bytes()[..body.len() - 5];
    let (hits, ended) = scan(&Form::Fhir, [cut]);
    assert_eq!((told(&hits).1, ended), (vec![Reason::PatientForm], Err(Fault::Cut)));
    let mut scanner = Scanner::new(Form::Fhir, READING);
    let mut hits = Vec::new();
    assert_eq!(scanner.push(cut, &mut hits), Ok(()));
    assert_eq!(told(&hits).1, []);
    scanner.break_off(&mut hits);
    assert_eq!(told(&hits).1, [Reason::PatientForm]);
}

#[test]
fn lines_of_fhir_are_read() {
    let line = |id: &str, number: &str| patient(id, number);
    assert_eq!(fhir(&format!("{}\n{}\n", line("p", A), line("q", B))), found(&[(A, 0), (B, 1)]));
    assert_eq!(fhir(&format!("\u{1e}{}\n\u{1e}{}\n", line("p", A), line("q", B))), found(&[(A, 0), (B, 1)]));
    let refers = observation(r#"{"reference":"Patient/q"}"#);
    assert_eq!(fhir(&format!("{refers}\n{}", line("q", B))), found(&[(B, 1)]));
}

#[test]
fn an_identifier_waits_for_its_system() {
    let mut scanner = Scanner::new(Form::Fhir, READING);
    let mut hits = Vec::new();
    let mut pushed = 0;
    let mut held = |text: &str, told: usize| {
        scanner.push(text.as_bytes(), &mut hits).expect("JSON");
        assert_eq!(hits.len(), told, "{text}");
        pushed += text.len() as u64;
        pushed - scanner.settled()
    };
    // The document itself has named somebody, and is held no more.
    assert_eq!(held(r#"{"resourceType":"Library","subject":{"reference":"Patient/191212721219"},"who":"#, 1), 0);
    assert_eq!(held(r#"{"value":"191212121212","#, 1), 24);
    assert_eq!(held(r#""system":"http://x"}"#, 1), 0, "another's");
    assert_eq!(held(r#","whose":{"value":"191212121212","#, 1), 24);
    assert_eq!(held(&format!("\"system\":\"{SERIES}\"}}"), 2), 0);
    assert_eq!(held(r#","z":{"value":"201212121212","x":""#, 2), 29);
    assert!(held(&"a".repeat(120_000), 2) > 120_000);
    assert_eq!(held(&"a".repeat(30_000), 3), 0, "not for ever");
    // Identifiers of what is nobody's hold nothing back.
    assert_eq!(held("\"},\"contained\":[{\"identifier\":[{\"value\":\"191212121212\"}],", 3), 41);
    assert_eq!(held("\"resourceType\":\"Location\",", 3), 67, "a patient may be contained");
    assert_eq!(held("\"x\":1}", 3), 0);
}

#[test]
fn what_is_long_and_names_nobody_does_not_leave() {
    let filler = "a".repeat(150_000);
    let of = |body: &str| {
        let whole = scan(&Form::Fhir, [body.as_bytes()]);
        assert_eq!(whole, scan(&Form::Fhir, body.as_bytes().chunks(1000)));
        (told(&whole.0), whole.1)
    };
    let late = |resource: &str| format!(r#"{{"resourceType":"Observation","text":"{filler}",{resource}}}"#);
    let subject = |to: &str| format!(r#""subject":{{"reference":"Patient/{to}"}}"#);
    let nameless = (found_ids(&[]), Err(Fault::Nameless));
    assert_eq!(of(&late(&subject(A))), nameless, "a resource of its own");
    assert_eq!(of(&bundle(&[patient("p", A), late(&subject(B))])), (found_ids(&[A]), Err(Fault::Nameless)));
    assert_eq!(of(&format!("{}\n{}", patient("p", A), late(&subject(B)))), (found_ids(&[A]), Err(Fault::Nameless)));
    let first = |to: &str| format!(r#"{{"resourceType":"Observation",{},"text":"{filler}"}}"#, subject(to));
    assert_eq!(of(&bundle(&[first(A), first(B)])), (found_ids(&[A, B]), Ok(())));
    // An identifier that waits for its system is somebody's.
    let waits = format!(r#"{{"resourceType":"Observation","x":{{"value":"{A}","y":"{filler}"}}}}"#);
    assert_eq!(of(&bundle(&[waits])), ((vec![A.to_owned()], vec![Reason::PatientAbsent]), Ok(())));
    // Who is referred to may come, and is told before the entry leaves.
    let body = bundle(&[first("7"), patient("7", A)]);
    let (hits, ended) = scan(&Form::Fhir, [body.as_bytes()]);
    assert_eq!((told(&hits), ended), ((vec![A.to_owned()], vec![Reason::PatientForm]), Ok(())));
    let (mut scanner, mut hits) = (Scanner::new(Form::Fhir, READING), Vec::new());
    for piece in body.as_bytes().chunks(1000) {
        assert_eq!(scanner.push(piece, &mut hits), Ok(()));
        assert!(scanner.settled() < 1000 || !hits.is_empty(), "{}", scanner.settled());
    }
}

fn found_ids(ids: &[&str]) -> (Vec<String>, Vec<Reason>) {
    (ids.iter().map(|id| (*id).to_owned()).collect(), Vec::new())
}
