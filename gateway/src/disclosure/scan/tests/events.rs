//! Tests of event streams.

use super::*;

fn events(form: Form, body: &str) -> (Vec<String>, Vec<Reason>) {
    let form = Form::Events(Box::new(form));
    let whole = scan(&form, [body.as_bytes()]);
    for step in 1..body.len().min(40) {
        assert_eq!(scan(&form, body.as_bytes().chunks(step)), whole, "{body} {step}");
    }
    assert_eq!(whole.1, Ok(()));
    told(&whole.0)
}

fn found(ids: &[&str]) -> (Vec<String>, Vec<Reason>) {
    (ids.iter().map(|id| (*id).to_owned()).collect(), Vec::new())
}

#[test]
fn data_are_documents() {
    let p = |body: &str| events(Form::Json(paths(&["p"])), body);
    assert_eq!(p("data: {\"p\":\"191212121212\"}\n\ndata:{\"p\":\"201212121212\"}\n\n"), found(&[A, B]));
    for end in ["\n", "\r", "\r\n"] {
        let body = format!("event: x{end}data: {{\"p\":{end}data:  \"191212121212\"}}{end}{end}: ping{end}{end}");
        assert_eq!(p(&body), found(&[A]), "{body:?}");
    }
    assert_eq!(p("\u{feff}data: {\"p\":\"191212121212\"}"), found(&[A]), "without an end");
    assert_eq!(p("data: {\"q\":\"191212121212\"}\n\n"), found(&[]));
    assert_eq!(p("data\n\ndata:\n\n"), found(&[]));
    assert_eq!(p(": 191212121212\n\nid: 201212121212\ndata: {}\n\n"), found(&[A, B]), "other lines are text");
    assert_eq!(p("datax: 191212121212\n\n"), found(&[A]));
    let broken = (vec![A.to_owned()], vec![Reason::PatientBody]);
    let (ids, reasons) = p("data: {\"q\":\"191212121212\" oops\n\ndata: {\"p\":1}\n\n");
    assert_eq!((ids, reasons), (vec![A.to_owned()], vec![Reason::PatientBody, Reason::PatientForm]));
    assert_eq!(p("data: hello 191212121212\n\n"), broken);
    assert_eq!(p("data: {\"q\":\ndata: \"191212121212\"\n\n"), broken, "cut off");
    let beside = (vec![A.to_owned()], vec![Reason::PatientBody, Reason::PatientAbsent]);
    assert_eq!(p("data: {\"q\":\"191212121212\"}\n\ndata: x191212121212\n\n"), beside);
    assert_eq!(p("data: {}\n\ndata: x191212121212\n\n"), broken);
    let text = |body: &str| events(Form::Text, body);
    assert_eq!(text("data: 191212121212\ndata: x 20121212-1212\n\n"), found(&[A, B]));
    let fhir = |head: &str| format!("data: {{{head}\"patient\":{{\"reference\":\"Patient/191212121212\"}}}}\n\n");
    assert_eq!(events(Form::Fhir, &fhir("\"resourceType\":\"Flag\",")), found(&[A]));
    assert_eq!(events(Form::Fhir, &fhir("")), broken, "no resource");
}

#[test]
fn an_event_is_held_until_its_end() {
    let mut scanner = Scanner::new(Form::Events(Box::new(Form::Json(paths(&["[*].p"])))), READING);
    let mut hits = Vec::new();
    let mut pushed = 0;
    let mut held = |text: &str, told: usize| {
        scanner.push(text.as_bytes(), &mut hits).expect("JSON");
        assert_eq!(hits.len(), told, "{text}");
        pushed += text.len() as u64;
        pushed - scanner.settled()
    };
    assert_eq!(held(": ping\nevent: visit\n", 0), 0, "lines without data");
    assert_eq!(held("id: 1912121212", 0), 10);
    assert_eq!(held("12\n", 1), 0);
    assert_eq!(held("data: [{\"p\":\"2012", 1), 17);
    assert_eq!(held("12121212\"},\n", 2), 29, "the event goes on");
    assert_eq!(held("data: {}]\n", 2), 39);
    assert_eq!(held("\n", 2), 0);
    assert_eq!(held("data: [{\"p\":\"191212121212\"},\n", 2), 29);
    let line = format!("data: {{\"x\":\"{}\"}},\n", "a".repeat(980));
    for _ in 0..128 {
        assert!(held(&line, 3) > 0);
    }
    held(&line.repeat(3), 3);
    assert_eq!(held(&line, 3), 0, "too long to be held as a whole");
    let open = held("data: {\"x\":1,\n", 3);
    assert!((8..=15).contains(&open), "{open}");
    assert_eq!(held("data: \"p\":\"191212721219\"", 4), 0);
    assert_eq!(held("}]\n\n", 4), 0);
}

#[test]
fn an_event_that_is_long_and_names_nobody_does_not_leave() {
    let filler = "a".repeat(150_000);
    let told_first = "data: {\"p\":\"191212121212\"}\n\n: 201212121212\n";
    for (form, late) in [
        (Form::Json(paths(&["p"])), format!("{{\"x\":\"{filler}\",\"p\":\"191212721219\"}}")),
        (Form::Lines(paths(&["p"])), format!("{{\"x\":\"{filler}\",\"p\":\"191212721219\"}}")),
        (
            Form::Fhir,
            format!(
                "{{\"resourceType\":\"Flag\",\"x\":\"{filler}\",\"patient\":{{\"reference\":\"Patient/191212721219\"}}}}"
            ),
        ),
    ] {
        let is_fhir = form == Form::Fhir;
        let form = Form::Events(Box::new(form));
        // A byte that no text has does not hide it.
        let body = format!("{told_first}data: {late}\n\ndata: {{}}\n\n\u{0}");
        let whole = scan(&form, [body.as_bytes()]);
        let reasons = if is_fhir { vec![Reason::PatientBody] } else { vec![] };
        assert_eq!((told(&whole.0), whole.1), ((vec![A.to_owned(), B.to_owned()], reasons), Err(Fault::Nameless)));
        for step in [1, 999, 8192] {
            let mut scanner = Scanner::new(form.clone(), READING);
            let mut hits = Vec::new();
            for piece in body.as_bytes().chunks(step) {
                let ended = scanner.push(piece, &mut hits);
                assert!(scanner.settled() <= (told_first.len() + "data: ".len()) as u64, "nothing of it leaves");
                if ended.is_err() {
                    break;
                }
            }
            assert_eq!(hits, whole.0);
            assert_eq!(scanner.push(b"\n\n191212121212", &mut hits), whole.1, "a fault stays");
            assert_eq!(scanner.finish(&mut hits), whole.1);
            assert_eq!(hits, whole.0);
        }
    }
    let named = format!("data: {{\"p\":\"191212121212\",\"x\":\"{filler}\"}}\n\n");
    assert_eq!(scan(&Form::Events(Box::new(Form::Json(paths(&["p"])))), [named.as_bytes()]).1, Ok(()));
    let text = format!("data: {filler}\n\n");
    assert_eq!(
        scan(&Form::Events(Box::new(Form::Text)), [text.as_bytes()]).1,
        Ok(()),
        "text names nobody in particular"
    );
}
