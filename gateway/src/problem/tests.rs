//! Tests of error answers.

use super::*;
use crate::route::{Routes, Verb};
use base64::Engine;
use contract::settings::Document;
use std::fmt::Write;
use std::sync::Arc;
use uuid::Uuid;

const REQUEST: RequestId = RequestId::new(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_dead_beef));

fn problem(reason: Reason, html: bool, language: Language) -> Problem<'static> {
    let preferences = Preferences { html, language };
    Problem { reason, status: status(reason), request: REQUEST, preferences, contact: None, allow: None, ticket: None }
}

fn show(answer: &Answer) -> String {
    let mut text = format!("{}\n", answer.status);
    for (name, value) in &answer.headers {
        writeln!(text, "{name}: {}", value.to_str().expect("text")).expect("writes");
    }
    text.push('\n');
    text.push_str(std::str::from_utf8(&answer.body).expect("UTF-8"));
    text
}

#[test]
fn a_page() {
    let problem =
        Problem { contact: Some("08-123 45 67 <växeln>"), ..problem(Reason::NoGrant, true, Language::Swedish) };
    insta::assert_snapshot!(show(&answer(&problem)));
}

#[test]
fn a_page_for_who_is_not_logged_in() {
    insta::assert_snapshot!(show(&answer(&problem(Reason::NoSession, true, Language::English))));
}

#[test]
fn problem_json() {
    insta::assert_snapshot!(show(&answer(&problem(Reason::NoSession, false, Language::English))));
}

#[test]
fn problem_json_for_a_method() {
    let allow = Some([Verb::Get, Verb::Head].into_iter().collect());
    insta::assert_snapshot!(show(&answer(&Problem { allow, ..problem(Reason::Method, false, Language::Swedish) })));
}

#[test]
fn closed_for_want_of_a_journal() {
    insta::assert_snapshot!(show(&answer(&problem(Reason::JournalUnavailable, false, Language::Swedish))));
}

#[test]
fn every_reason_has_an_answer() {
    for reason in Reason::ALL {
        for language in [Language::Swedish, Language::English] {
            let page = answer(&problem(*reason, true, language));
            let json = answer(&problem(*reason, false, language));
            assert!(page.status.is_client_error() || page.status.is_server_error(), "{reason}");
            assert!(String::from_utf8_lossy(&page.body).contains("0190"));
            let read: serde_json::Value = serde_json::from_slice(&json.body).expect("JSON");
            assert_eq!(read.get("status").and_then(serde_json::Value::as_u64), Some(u64::from(json.status.as_u16())));
            for answer in [&page, &json] {
                let header =
                    |name| answer.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_bytes());
                assert_eq!(header(&header::CACHE_CONTROL), Some(b"no-store".as_slice()));
                assert_eq!(header(&header::CONTENT_LENGTH), Some(answer.body.len().to_string().as_bytes()));
            }
        }
    }
}

#[test]
fn the_policy_allows_the_style_and_nothing_else() {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, page::STYLE.as_bytes());
    let digest = base64::engine::general_purpose::STANDARD.encode(digest);
    assert!(page::POLICY.contains(&format!("'sha256-{digest}'")), "the digest is {digest}");
}

#[test]
fn preferences() {
    let of = |accept: &str, language: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().expect("a value"));
        headers.insert(header::ACCEPT_LANGUAGE, language.parse().expect("a value"));
        let preferences = Preferences::of(&headers);
        (preferences.html, words::code(preferences.language))
    };
    assert_eq!(
        of("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "sv-SE,sv;q=0.9,en;q=0.8"),
        (true, "sv")
    );
    assert_eq!(of("*/*", "en-GB,en;q=0.9,sv;q=0.8"), (false, "en"));
    assert_eq!(of("application/json, text/html;q=0.5", "de"), (false, "sv"));
    assert_eq!(of("text/html;q=0.9, application/json;q=0.1", "en;q=0.1, sv;q=0.2"), (true, "sv"));
    assert_eq!(of("text/html;q=0", "en;q=0"), (false, "sv"));
    assert_eq!(of("TEXT/HTML", "EN"), (true, "en"));
    assert_eq!(of(";;;q=,=", "q=;;,"), (false, "sv"));
    assert_eq!(Preferences::of(&HeaderMap::new()), Preferences { html: false, language: Language::Swedish });
}

fn route(patient: &str) -> Arc<Route> {
    let text = format!(
        "[[registry]]\nname = \"r\"\nhosts = [\"h\"]\npeers = [\"a:1\"]\n\
         [[route]]\nname = \"a\"\nregistry = \"r\"\nmethods = [\"GET\", \"POST\"]\npath = \"/a\"\nresource = \"x\"\n{patient}\n"
    );
    let routes = Routes::read(&Document::parse("routes.toml", &text, [])).expect("a good file");
    Arc::clone(routes.routes().first().expect("a route"))
}

#[test]
fn the_way_back() {
    let back = |method, target: &[u8]| way_back(&method, target).map(|way| way.as_str().to_owned());
    assert_eq!(back(Method::GET, b"/a/b%20c?x=1&y=%C3%A5").as_deref(), Some("/a/b%20c?x=1&y=%C3%A5"));
    assert_eq!(back(Method::GET, b"/a?p=191212121212").as_deref(), Some("/a?p=191212121212"));
    assert_eq!(back(Method::POST, b"/a"), None);
    assert_eq!(back(Method::HEAD, b"/a"), None);
    for elsewhere in [&b"//evil.example"[..], b"https://evil.example", b"/\\evil.example", b"/\xff", b"/auth/login"] {
        assert_eq!(back(Method::GET, elsewhere), None);
    }
}

#[test]
fn the_way_back_is_in_a_cookie_and_not_in_the_address() {
    let way = WayBack::parse("/patients/191212121212?x=1").expect("a path");
    let answer = lead(WayOut::Login, Some(&way), Language::Swedish);
    let of = |wanted: HeaderName| -> Vec<&HeaderValue> {
        answer.headers.iter().filter(|(name, _)| *name == wanted).map(|(_, value)| value).collect()
    };
    assert_eq!(of(header::LOCATION), [WayOut::Login.path()]);
    assert_eq!(of(header::SET_COOKIE), [set_return_cookie(Some(&way)).as_str()]);
    assert!(of(header::SET_COOKIE).iter().all(|value| value.is_sensitive()));
    assert!(!show(&answer).contains("191212121212"));
    insta::assert_snapshot!(show(&answer));
    let nowhere = lead(WayOut::Instructions, None, Language::Swedish);
    assert!(show(&nowhere).contains("Max-Age=0"), "a way kept from before is forgotten");
}

#[test]
fn who_is_sent_to_the_login_page() {
    let page = Preferences { html: true, language: Language::Swedish };
    let json = Preferences { html: false, ..page };
    let plain = route("patient = { in = \"none\" }");
    assert!(leads(&plain, &Method::GET, page));
    assert!(!leads(&plain, &Method::POST, page));
    assert!(!leads(&plain, &Method::GET, json));
    assert!(!leads(&route("patient = { in = \"none\" }\nanonymous_redirect = false"), &Method::GET, page));
}

#[test]
fn a_way_on_in_an_emergency() {
    let of = |html, language| {
        answer(&Problem { ticket: Some("head.claims.mark"), ..problem(Reason::NoGrant, html, language) })
    };
    let mut page = of(true, Language::Swedish);
    assert!(show(&page).contains("form-action 'self'"));
    remember_way_back(&mut page, way_back(&Method::GET, b"/patients/191212121212").as_ref());
    assert!(!show(&page).contains("191212121212"));
    assert!(page.headers.iter().any(|(name, value)| name == header::SET_COOKIE && value.is_sensitive()));
    let form = "<form method=\"post\" action=\"/auth/emergency\"><input type=\"hidden\" name=\"ticket\" value=\"head.claims.mark\">";
    assert!(show(&page).contains(form) && show(&page).contains("Öppningen registreras och granskas alltid."));
    let json: serde_json::Value = serde_json::from_slice(&of(false, Language::English).body).expect("JSON");
    assert_eq!(
        json.get("emergency"),
        Some(&serde_json::json!({ "post": "/auth/emergency", "ticket": "head.claims.mark" }))
    );
    let without = answer(&problem(Reason::NoGrant, true, Language::Swedish));
    assert!(!show(&without).contains("<form") && show(&without).contains("form-action 'none'"));
}
