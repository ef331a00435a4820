//! What cannot be read or taken, and who is not let in.

use super::bed::{BROWSER, Bed, NUMBER, STREET, Who, application};
use crate::accounts::State;
use crate::clock;
use crate::sessions::End;
use contract::id::DeviceId;
use contract::record::{AuthEventKind, AuthMethod};
use serde_json::{Value, json};
use uuid::Uuid;

#[tokio::test]
async fn every_field_that_is_wrong_is_named_and_nothing_of_it_said() {
    let bed = Bed::new().await;
    let anna = bed.who(1, &[]).await;
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut form = application();
        change(&mut form);
        form
    };
    let set = |field: &'static str, value: Value| changed(&move |form| form[field] = value.clone());
    let without = |field: &'static str| {
        changed(&move |form| {
            form.as_object_mut().expect("an object").remove(field);
        })
    };
    for (form, field, code) in [
        (without("name"), "/name", "missing"),
        (without("kind"), "/kind", "missing"),
        (without("address"), "/address", "missing"),
        (set("name", json!(7)), "/name", "type"),
        (set("name", json!("x".repeat(201))), "/name", "text"),
        (set("name", json!("a\nb")), "/name", "text"),
        (set("title", json!("  ")), "/title", "text"),
        (set("address", json!("one line")), "/address", "type"),
        (set("address", json!(["a", 7])), "/address", "type"),
        (set("address", json!([""])), "/address", "text"),
        (set("address", json!([])), "/address", "text"),
        (set("region", json!("02")), "/region", "form"),
        (set("registry", json!("Fot led")), "/registry", "form"),
        (set("unit_hsa", json!("x")), "/unit_hsa", "form"),
        (set("number", json!("191212121213")), "/number", "form"),
        (set("number", json!("1212121212")), "/number", "form"),
        (set("right", json!("write")), "/right", "form"),
        (set("valid_from", json!("yesterday")), "/valid_from", "form"),
        (set("valid_to", json!("1999-01-01")), "/valid_to", "period"),
        (set("purpose", json!("x".repeat(2_001))), "/purpose", "text"),
        // Mass assignment.
        (set("state", json!("executed")), "/state", "unknown"),
        (set("account", json!(anna.id)), "/account", "unknown"),
        (set("created_by", json!(anna.id)), "/created_by", "unknown"),
        (set("a/b~c", json!(1)), "/a~1b~0c", "unknown"),
    ] {
        let asked = bed.post(&anna, "/forms", &form).await;
        asked.refused(422, "invalid");
        let wrong = asked.wrong();
        assert!(wrong.contains(&(field.to_owned(), code.to_owned())), "{field} {code}: {wrong:?}");
        for said in ["Anna", NUMBER, STREET, "046-10"] {
            assert!(!asked.text.contains(said), "{}", asked.text);
        }
    }
    let all = bed.post(&anna, "/forms", &json!({ "kind": "F1", "x": 1 })).await;
    assert_eq!(all.wrong().len(), 11, "{}", all.text);
    let mut many = application();
    for number in 0..200 {
        many[format!("{}{number}", "x".repeat(100))] = json!(1);
    }
    let asked = bed.post(&anna, "/forms", &many).await;
    assert!(asked.wrong().len() == 20 && !asked.text.contains("xxx"), "{}", asked.text);
    assert!(bed.get(&anna, "/forms").await.json()["forms"].as_array().is_some_and(Vec::is_empty));
}

#[tokio::test]
async fn forms_two_and_three_are_read_as_strictly() {
    let bed = Bed::new().await;
    let anna = bed.who(1, &[]).await;
    let form = |kind: &str, more: Value| {
        let mut form = json!({ "kind": kind, "region": "12", "registry": "fotled" });
        for (name, value) in more.as_object().expect("an object") {
            form[name] = value.clone();
        }
        form
    };
    for (form, field, code) in [
        (form("F2", json!({ "reason": "x" })), "/right", "missing"),
        (form("F2", json!({ "right": "all", "reason": "x" })), "/right", "form"),
        (form("F2", json!({ "right": "read", "units": ["x"], "reason": "x" })), "/units", "form"),
        (form("F2", json!({ "right": "read", "name": "x", "reason": "x" })), "/name", "unknown"),
        (form("F2", json!({ "right": "read", "account": 1, "reason": "x" })), "/account", "type"),
        // No region vouches for her, and she has no right there.
        (form("F2", json!({ "right": "read", "reason": "x" })), "", "refused"),
        (form("F3", json!({})), "/reason", "missing"),
        (form("F3", json!({ "right": "read", "reason": "x" })), "/right", "unknown"),
        (form("F4", json!({})), "/kind", "form"),
    ] {
        let asked = bed.post(&anna, "/forms", &form).await;
        asked.refused(422, "invalid");
        let wrong = asked.wrong();
        assert!(wrong.contains(&(field.to_owned(), code.to_owned())), "{field} {code}: {wrong:?}");
    }
}

#[tokio::test]
async fn a_body_is_a_json_object_of_some_size() {
    let bed = Bed::new().await;
    let anna = bed.who(1, &[]).await;
    let at = ("POST", "/forms");
    for body in [
        "{",
        "[]",
        "7",
        "{}{}",
        "{\"kind\":\"F1\",}",
        "\u{feff}{}",
        "{\"kind\":\"F3\",\"kind\":\"F1\"}",
        &"[".repeat(10_000),
    ] {
        bed.ask(Some(&anna), at, &BROWSER, body.to_owned()).await.refused(400, "malformed");
    }
    bed.ask(Some(&anna), at, &BROWSER, " ".repeat((64 << 10) + 1)).await.refused(413, "too_large");
    bed.ask(Some(&anna), at, &BROWSER, " ".repeat(64 << 10)).await.refused(400, "malformed");
    let own = [BROWSER[0], ("x-requested-with", "test")];
    bed.ask(Some(&anna), at, &own, "{}".to_owned()).await.refused(415, "unsupported_media_type");
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"] {
        let headers = [own[0], own[1], ("content-type", kind)];
        bed.ask(Some(&anna), at, &headers, "{}".to_owned()).await.refused(415, "unsupported_media_type");
    }
    bed.ask(Some(&anna), at, &own, String::new()).await.refused(422, "invalid");
}

#[tokio::test]
async fn what_is_not_here_is_told_as_a_problem() {
    let bed = Bed::new().await;
    let anna = bed.who(1, &[]).await;
    for path in [
        "",
        "/",
        "/x",
        "/forms/",
        "/forms/a/b",
        "/forms/x",
        "/forms/x/submit/",
        "/accounts/x",
        "/accounts/%00",
        "/forms/%ff",
    ] {
        bed.get(&anna, path).await.refused(404, "not_found");
    }
    let nobody = Uuid::from_u128(1);
    for path in [format!("/forms/{nobody}"), format!("/accounts/{nobody}")] {
        bed.get(&anna, &path).await.refused(404, "not_found");
    }
    bed.ask(Some(&anna), ("DELETE", "/forms"), &BROWSER, String::new()).await.refused(405, "method_not_allowed");
}

#[tokio::test]
async fn only_who_is_logged_in_and_active_is_let_in() {
    let bed = Bed::new().await;
    let anna = bed.who(1, &[]).await;
    for path in ["/forms", "/openapi.json", "/appointments", "/forms/x"] {
        let asked = bed.ask(None, ("GET", path), &[], String::new()).await;
        asked.refused(401, "not_logged_in");
        assert_eq!(asked.headers["www-authenticate"], "Bearer");
    }
    // The session of another device, and one that has ended since the assertion was made.
    let elsewhere = bed.assertion(Some(&anna.session), DeviceId::new(Uuid::from_u128(8)));
    bed.ask_with(&elsewhere, ("GET", "/forms"), &[], String::new()).await.refused(401, "not_logged_in");
    let mut change = bed.change().await;
    change.end_session(anna.session.key, End::Administrator).await.expect("ends");
    change.commit().await.expect("commits");
    bed.get(&anna, "/forms").await.refused(401, "not_logged_in");

    let (now, until) = (clock::now(), None);
    for (number, state) in (10..).zip([
        State::Locked { since: now, until, unused: false, held: now },
        State::Dormant { since: now },
        State::Blocked { since: now },
        State::HandedOut { at: now },
    ]) {
        let who = bed.who(number, &["account_admin"]).await;
        let mut change = bed.change().await;
        let account = change.account(who.id).await.expect("is there");
        change.store_tries(&crate::accounts::Account { state, ..account }).await.expect("stores");
        change.commit().await.expect("commits");
        bed.get(&who, "/forms").await.refused(403, "account_inactive");
    }
}

#[tokio::test]
async fn a_table_is_read_for_whose_duty_it_is_alone() {
    let bed = Bed::new().await;
    let wrong = json!([{ "hsa": "x", "last_day": "y" }]);
    // Neither is there a table that is read before a code was shown.
    for desk in [bed.signer(8, &["help_desk"]).await, bed.who(9, &["help_desk"]).await] {
        bed.told().await;
        bed.post(&desk, "/imports/employments", &wrong).await.refused(403, "not_appointed");
        assert_eq!(bed.told_of(AuthEventKind::MoveDenied).await.len(), 1, "on record");
    }
    let admin = bed.signer(4, &["account_admin"]).await;
    bed.post(&admin, "/imports/employments", &wrong).await.is(422);
}

#[tokio::test]
async fn another_site_cannot_make_a_browser_ask() {
    let bed = Bed::new().await;
    let anna = bed.signer(1, &[]).await;
    let body = || application().to_string();
    let json = BROWSER[1];
    for headers in [
        &[json][..],
        &[json, ("sec-fetch-site", "cross-site")],
        &[json, ("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "same-origin"), ("content-type", "text/plain")],
        &[("sec-fetch-site", "same-origin")],
    ] {
        bed.ask(Some(&anna), ("POST", "/forms"), headers, body()).await.refused(403, "cross_site");
    }
    let cross = [("sec-fetch-site", "cross-site")];
    bed.ask(Some(&anna), ("GET", "/forms"), &cross, String::new()).await.refused(403, "cross_site");
    // A program shows its token itself.
    let program = Who { session: bed.session(anna.id, AuthMethod::Token).await, ..anna };
    bed.ask(Some(&program), ("POST", "/forms"), &[json], body()).await.is(201);
    // In a browser it would be a cookie.
    bed.ask(Some(&program), ("POST", "/forms"), &[json, cross[0]], body()).await.refused(403, "cross_site");
}
