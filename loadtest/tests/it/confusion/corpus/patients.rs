//! Patients named twice, or in a way that programs read differently: all that any of them reads are recorded.

use super::Corpus;

pub(super) fn add(corpus: &mut Corpus<'_>) {
    queries(corpus);
    bodies(corpus);
    headers(corpus);
}

fn queries(corpus: &mut Corpus<'_>) {
    const KIND: &str = "parameters twice";
    let (a, b) = (corpus.words.patient.clone(), corpus.words.other.clone());
    for (name, query) in [
        ("parameter twice", format!("patient={a}&patient={b}")),
        ("parameter twice, the first empty", format!("patient=&patient={b}")),
        ("parameter twice, the first without value", format!("patient&patient={b}")),
        ("parameter twice, the first no number", format!("patient=x&patient={b}")),
        ("parameter in other case", format!("Patient={a}&patient={b}")),
        ("parameter in capitals after", format!("patient={a}&PATIENT={b}")),
        ("parameter with brackets", format!("patient[]={a}&patient={b}")),
        ("parameter with an index", format!("patient[0]={a}&patient[1]={b}")),
        ("parameter parted by a semicolon", format!("patient={a};patient={b}")),
        ("name in escapes", format!("%70atient={b}&patient={a}")),
        ("equals in escapes", format!("patient%3d{a}&patient={b}")),
        ("ampersand in escapes", format!("patient={a}%26patient={b}")),
        ("value in escapes", format!("patient={a}&patient=%{:x}{}", b.as_bytes()[0], &b[1..])),
        ("value after a plus", format!("patient=+{b}")),
        ("value after an escaped space", format!("patient=%20{b}")),
        ("value before a line end", format!("patient={b}%0d%0a")),
        ("value with a comma", format!("patient={a},{b}")),
        ("value with a pipe", format!("patient={a}|{b}")),
        ("value with carets", format!("patient={a}^^^{b}")),
        ("value with a colon", format!("patient={a}:{b}")),
        ("value with a slash", format!("patient=Patient/{a}/Patient/{b}")),
        ("value in quotes", format!("patient=%22{b}%22")),
        ("value with two equals", format!("patient=={b}")),
        ("value of full-width digits", format!("patient={}&patient={a}", full_width(&b))),
        ("empty fields", format!("&&patient={a}&&&patient={b}&")),
        ("second question mark", format!("patient={a}?patient={b}")),
        ("name with a space before", format!("+patient={b}&patient={a}")),
        ("name with a NUL in two escapes", format!("patient%2500={b}&patient={a}")),
        ("many fields before", format!("{}patient={b}", "x=1&".repeat(400))),
    ] {
        let target = format!("/q?{query}");
        let means = corpus.meaning("GET", "").to(target.clone());
        let bytes = corpus.head(&format!("GET {target}"), "");
        corpus.means(name, KIND, bytes, means);
    }
}

/// The digits of another script, in escapes: some programs take them for these.
fn full_width(digits: &str) -> String {
    let escapes: Vec<String> = digits.bytes().map(|digit| format!("%ef%bc%{:x}", 0x90 + digit - b'0')).collect();
    escapes.concat()
}

fn bodies(corpus: &mut Corpus<'_>) {
    let (a, b) = (corpus.words.patient.clone(), corpus.words.other.clone());
    let (json, form) = ("application/json", "application/x-www-form-urlencoded");
    for (name, target, content_type, body) in [
        ("key twice", "/j", json, format!(r#"{{"patient":"{a}","patient":"{b}"}}"#)),
        ("key twice in other case", "/j", json, format!(r#"{{"Patient":"{a}","patient":"{b}"}}"#)),
        ("key in escapes", "/j", json, format!(r#"{{"patient":"{a}","p\u0061tient":"{b}"}}"#)),
        ("value in escapes of JSON", "/j", json, format!(r#"{{"patient":"\u00{:x}{}"}}"#, b.as_bytes()[0], &b[1..])),
        ("value as a number", "/j", json, format!(r#"{{"patient":{b}}}"#)),
        ("value in a list", "/j", json, format!(r#"{{"patient":["{a}","{b}"]}}"#)),
        ("value in an object", "/j", json, format!(r#"{{"patient":{{"value":"{b}"}}}}"#)),
        ("two texts of JSON", "/j", json, format!(r#"{{"patient":"{a}"}}{{"patient":"{b}"}}"#)),
        ("byte order mark", "/j", json, format!("\u{feff}{{\"patient\":\"{b}\"}}")),
        ("comment in JSON", "/j", json, format!(r#"{{"patient":"{a}",/*"*/"patient":"{b}"}}"#)),
        ("JSON in single quotes", "/j", json, format!("{{'patient':'{b}'}}")),
        ("comma at the end", "/j", json, format!(r#"{{"patient":"{b}",}}"#)),
        ("other text after JSON", "/j", json, format!(r#"{{"patient":"{b}"}} x"#)),
        ("form for JSON", "/j", json, format!("patient={b}")),
        ("JSON said to be a form", "/j", form, format!(r#"{{"patient":"{b}"}}"#)),
        ("JSON said to be in UTF-16", "/j", "application/json; charset=utf-16", format!(r#"{{"patient":"{b}"}}"#)),
        ("field twice", "/f", form, format!("patient={a}&patient={b}")),
        ("field in capitals", "/f", form, format!("PATIENT={a}&patient={b}")),
        ("field in form and query", "/f?patient=QUERY", form, format!("patient={b}")),
        ("field in the query only", "/f?patient=QUERY", form, "x=1".to_owned()),
        ("field in the query, no body", "/f?patient=QUERY", form, String::new()),
        ("JSON for a form", "/f", form, format!(r#"{{"patient":"{b}"}}"#)),
        ("form said to be JSON", "/f", json, format!("patient={b}")),
        (
            "form of several parts",
            "/f",
            "multipart/form-data; boundary=x",
            format!("--x\r\nContent-Disposition: form-data; name=\"patient\"\r\n\r\n{b}\r\n--x--\r\n"),
        ),
        ("name in escapes in a form", "/f", form, format!("%70atient={b}")),
        ("request in a form", "/f", form, format!("patient={b}&x={}", corpus.smuggled())),
    ] {
        let target = target.replace("QUERY", &a);
        let lines = format!("Content-Type: {content_type}\r\nContent-Length: {}\r\n", body.len());
        let means = corpus.meaning("POST", &body).to(target.clone());
        let bytes = corpus.head(&format!("POST {target}"), &lines) + &body;
        corpus.means(name, "bodies read twice", bytes, means);
    }
}

fn headers(corpus: &mut Corpus<'_>) {
    const KIND: &str = "headers twice";
    let (a, b) = (corpus.words.patient.clone(), corpus.words.other.clone());
    for (name, lines) in [
        ("patient in one header", format!("X-Patient-Id: {b}\r\n")),
        ("patient in two headers", format!("X-Patient-Id: {a}\r\nX-Patient-Id: {b}\r\n")),
        ("patient in two headers of other case", format!("X-Patient-Id: {a}\r\nx-patient-ID: {b}\r\n")),
        ("patients in a list", format!("X-Patient-Id: {a}, {b}\r\n")),
        ("patients with a semicolon", format!("X-Patient-Id: {a};{b}\r\n")),
        ("patients with a space", format!("X-Patient-Id: {a} {b}\r\n")),
        ("patient after an empty header", format!("X-Patient-Id:\r\nX-Patient-Id: {b}\r\n")),
    ] {
        let means = corpus.meaning("GET", "").to("/h");
        let bytes = corpus.head("GET /h", &lines);
        corpus.means(name, KIND, bytes, means);
    }
    let bytes = corpus.head("GET /h", &format!("X-Patient-Id: {a}\r\nX_Patient_Id: {b}\r\n"));
    corpus.refused("patient in a header with underscores", KIND, bytes);
}
