pub(in crate::web) mod bed;

use super::own::{Wrong, change_of};
use super::ticket::Ticket;
use crate::accounts::passkey::soft::{ORIGIN, Soft};
use crate::accounts::{Account, State};
use crate::clock;
use crate::sessions::End;
use crate::store::{By, Passkey, Store};
use crate::web::App;
use axum::http::{StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bed::{Answer, Bed, Browser};
use contract::id::SessionKey;
use contract::record::{AuthEventKind, AuthMethod, Reason};
use contract::way_back::WayBack;
use serde_json::json;

const STEP: i64 = 30 * clock::SECOND;

/// Gives an account a passkey, without asking.
pub(in crate::web) async fn give(app: &App, store: &Store, account: &Account, number: u8) -> Soft {
    let (party, mut soft) = (app.party.as_ref().expect("passkeys"), Soft::new(number));
    let question = party.ask_new(account, &[]).expect("asks");
    let key = party.take_new(&soft.create(&question.options), &question.state).expect("takes");
    let passkey = Passkey {
        id: key.id(),
        account: account.id,
        credential: app.seal_passkey(account.id, &key).expect("seals"),
        name: "x".to_owned(),
        created: clock::now(),
        last_used: None,
        ended: None,
    };
    let mut change = store.change(clock::now(), By::program("test")).await.expect("begins");
    change.add_passkey(&passkey).await.expect("adds");
    change.commit().await.expect("commits");
    soft
}

#[tokio::test]
async fn a_passkey_is_added_used_renamed_and_removed() {
    let bed = Bed::new().await;
    let (account, browser, mut soft) = bed.passkey_user("anna", 1).await;
    let page = bed.get(&browser, "/auth/passkeys").await;
    assert!(page.body.contains("Min telefon") && page.body.contains("Last used: never"), "{}", page.body);
    assert!(page.policy().contains("script-src 'self'; connect-src 'self'"));

    let inside = bed.log_in(&mut soft).await;
    assert_eq!(
        (inside.status, &inside.headers[header::LOCATION]),
        (StatusCode::SEE_OTHER, &"/".parse().expect("valid"))
    );
    let cookies: Vec<_> =
        inside.headers.get_all(header::SET_COOKIE).iter().map(|c| c.to_str().expect("text")).collect();
    let cookie = cookies.iter().find_map(|cookie| cookie.strip_prefix("__Host-grindvakt=")).expect("a session");
    let key = SessionKey::of_token(cookie.split(';').next().expect("a token").as_bytes());
    let session = bed.store.live_session(key, clock::now()).await.expect("reads").expect("is live");
    assert_eq!((session.account, session.auth_method), (account.id, AuthMethod::Passkey));
    assert!(!bed.get(&browser, "/auth/passkeys").await.body.contains("Last used: never"), "it was used");

    let (form, id) = (bed.own(&browser).await, bed.store.passkeys(account.id).await.expect("reads")[0].id.to_string());
    let fields = [("form", form.as_str()), ("id", id.as_str()), ("name", " <b>Nyckel</b> ")];
    assert_eq!(bed.send(&browser, "/auth/passkeys/rename", &fields).await.status, StatusCode::SEE_OTHER);
    let page = bed.get(&browser, "/auth/passkeys").await.body;
    assert!(page.contains("&#60;b&#62;Nyckel&#60;/b&#62;"), "{page}");
    assert_eq!(bed.send(&browser, "/auth/passkeys/remove", &fields).await.status, StatusCode::SEE_OTHER);
    assert!(bed.get(&browser, "/auth/passkeys").await.body.contains("You have no passkey"));
    let now = clock::now();
    assert!(bed.store.live_session(key, now).await.expect("reads").is_none(), "what rested on it has ended");
    assert_eq!(bed.log_in(&mut soft).await.status, StatusCode::FORBIDDEN);
    assert_eq!(bed.refusals().await, [(Reason::BadCredentials, "app removed".to_owned())]);
    let text = std::fs::read(bed.dir.path().join("auditor.db")).expect("reads");
    let id = URL_SAFE_NO_PAD.encode(&soft.id);
    assert!(!text.windows(id.len()).any(|part| part == id.as_bytes()), "the public half rests sealed");
}

/// The session ends, or the account is blocked, while the new passkey is on its way.
#[tokio::test]
async fn who_is_out_meanwhile_changes_no_passkeys() {
    let bed = Bed::new().await;
    let party = bed.app.party.as_ref().expect("passkeys");
    for (number, blocked) in [(1, false), (2, true)] {
        let (account, browser) = bed.user_without_code(&format!("anna{number}")).await;
        let (caller, session) = (bed.caller(&browser), browser.session.clone().expect("a session").key);
        let inside = bed.app.who_is_inside(&caller).await.expect("reads").expect("is inside");
        let question = party.ask_new(&account, &[]).expect("asks");
        let ticket = Ticket { state: question.state, until: i64::MAX, id: [number; 32] };
        let answer = Soft::new(number).create(&question.options);
        let sent = serde_json::from_value(json!({ "answer": answer, "name": "x" })).expect("a form");
        if blocked {
            bed.set_state(&account, State::Blocked { since: 1 }).await;
        } else {
            let mut change = bed.change().await;
            assert!(change.end_session(session, End::Administrator).await.expect("ends"));
            change.commit().await.expect("commits");
        }
        let taken = bed.app.take_passkey(&caller, party, &inside, &ticket, &sent).await;
        assert_eq!(taken, Err(Wrong::Out));
        let renaming = change_of(&bed.app, &caller, &inside).await;
        assert_eq!(renaming.map(drop), Err(Wrong::Out), "nor is one renamed or removed");
        assert!(bed.store.passkeys(account.id).await.expect("reads").is_empty());
    }
}

#[tokio::test]
async fn every_wrong_answer_is_refused_alike_and_recorded() {
    let bed = Bed::new().await;
    let (account, _, mut soft) = bed.passkey_user("anna", 1).await;
    let unlocked = State::Active { since: 1 };
    let mut bodies = Vec::new();
    let shape = |answer: &Answer| (answer.status, answer.body.replace(&answer.field(), ""));
    // Nobody's passkey.
    let mut stranger = Soft::new(9);
    stranger.user = soft.user.clone();
    bodies.push(shape(&bed.log_in(&mut stranger).await));
    soft.verifies = false;
    bodies.push(shape(&bed.log_in(&mut soft).await));
    soft.verifies = true;
    "https://evil.example".clone_into(&mut soft.origin);
    bodies.push(shape(&bed.log_in(&mut soft).await));
    ORIGIN.clone_into(&mut soft.origin);
    let rp = std::mem::replace(&mut soft.rp, "evil.example".to_owned());
    bodies.push(shape(&bed.log_in(&mut soft).await));
    soft.rp = rp;
    soft.count = 0;
    bodies.push(shape(&bed.log_in(&mut soft).await));
    soft.count = 10;
    // An answer to one question, with the ticket of another.
    let browser = bed.visitor().await;
    let ((first, _), (_, second)) = (bed.question(&browser).await, bed.question(&browser).await);
    let fields = [("ticket", second.as_str()), ("answer", &soft.get(&first))];
    bodies.push(shape(&bed.send(&browser, "/auth/login/passkey", &fields).await));
    // Five wrong ones have locked the account.
    let locked = bed.store.account(account.id).await.expect("reads").expect("is there");
    assert!(matches!(locked.state, State::Locked { .. }), "{locked:?}");
    bodies.push(shape(&bed.log_in(&mut soft).await));
    for state in [State::Blocked { since: 1 }, State::Dormant { since: 1 }, State::HandedOut { at: 1 }] {
        bed.set_state(&account, state).await;
        bodies.push(shape(&bed.log_in(&mut soft).await));
    }
    // The same answer twice.
    bed.set_state(&account, unlocked).await;
    let (options, ticket) = bed.question(&browser).await;
    let fields = [("ticket", ticket.as_str()), ("answer", &soft.get(&options))];
    assert_eq!(bed.send(&browser, "/auth/login/passkey", &fields).await.status, StatusCode::SEE_OTHER);
    bodies.push(shape(&bed.send(&browser, "/auth/login/passkey", &fields).await));
    let nothing = bed.question(&browser).await.1;
    bodies.push(shape(&bed.send(&browser, "/auth/login/passkey", &[("ticket", &nothing), ("answer", "{}")]).await));
    assert_eq!(bodies[0].0, StatusCode::FORBIDDEN);
    assert!(bodies[0].1.contains("You could not be logged in with that passkey"));
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]), "{bodies:#?}");
    let expected = [
        (Reason::BadCredentials, "app unknown"),
        (Reason::BadSecondFactor, "app unverified"),
        (Reason::Forged, "app origin"),
        (Reason::Forged, "app relying_party"),
        (Reason::BadSecondFactor, "app count"),
        (Reason::Forged, "app challenge"),
        (Reason::Locked, "app"),
        (Reason::AccountInactive, "app"),
        (Reason::AccountInactive, "app"),
        (Reason::AccountInactive, "app"),
        (Reason::CodeReplayed, "app replayed"),
        (Reason::BadCredentials, "app form"),
    ];
    assert_eq!(bed.refusals().await, expected.map(|(reason, words)| (reason, words.to_owned())));
    let events = bed.events().await;
    assert!(
        events.iter().filter(|e| e.kind == AuthEventKind::LoginFailed).all(|e| e.auth_method == AuthMethod::Passkey)
    );
}

#[tokio::test]
async fn a_ticket_is_of_its_browser_and_a_question_of_its_page() {
    let bed = Bed::new().await;
    let (_, inside, mut soft) = bed.passkey_user("anna", 1).await;
    let (browser, other) = (bed.visitor().await, bed.visitor().await);
    let (options, ticket) = bed.question(&browser).await;
    let answer = soft.get(&options);
    for (browser, ticket) in [(&other, ticket.as_str()), (&browser, ""), (&inside, &ticket)] {
        let fields = [("ticket", ticket), ("answer", &answer)];
        let refused = bed.send(browser, "/auth/login/passkey", &fields).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        assert!(refused.body.contains("was not opened from here"), "{}", refused.body);
    }
    for form in ["", &other.field] {
        let asked = bed.script(&browser, "/auth/login/passkey/question", json!({ "form": form })).await;
        assert_eq!(asked.status, StatusCode::FORBIDDEN);
    }
    // A ticket of the page inside is none for login.
    let asked = bed.script(&inside, "/auth/passkeys/confirm", json!({ "form": bed.own(&inside).await })).await.json();
    let (ticket, answer) = (asked["ticket"].as_str().expect("a ticket"), soft.get(&asked["options"]));
    let refused = bed.send(&browser, "/auth/login/passkey", &[("ticket", ticket), ("answer", &answer)]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(bed.refusals().await.iter().all(|(reason, _)| *reason == Reason::Forged));
}

#[tokio::test]
async fn another_passkey_needs_a_fresh_proof_by_code_or_passkey() {
    let bed = Bed::new().await;
    let (account, secret, browser) = bed.user("anna").await;
    let (mut first, mut second) = (Soft::new(1), Soft::new(2));
    let now = clock::now();
    for wrong in [json!({}), json!({ "code": "000000" }), json!({ "ticket": "x", "answer": "{}" })] {
        assert_eq!(bed.add(&browser, &mut first, wrong).await.status, StatusCode::FORBIDDEN);
    }
    let code = secret.code(now);
    assert_eq!(bed.add(&browser, &mut first, json!({ "code": code })).await.status, StatusCode::SEE_OTHER);
    assert_eq!(bed.add(&browser, &mut second, json!({ "code": code })).await.status, StatusCode::FORBIDDEN, "used");

    // By a passkey that one has; not by another's.
    let (_, _, mut foreign) = bed.passkey_user("bertil", 3).await;
    for (soft, status) in [(&mut foreign, StatusCode::FORBIDDEN), (&mut first, StatusCode::SEE_OTHER)] {
        let form = bed.own(&browser).await;
        let asked = bed.script(&browser, "/auth/passkeys/confirm", json!({ "form": form })).await.json();
        let proof = json!({ "ticket": asked["ticket"], "answer": soft.get(&asked["options"]) });
        let added = bed.add(&browser, &mut second, proof.clone()).await;
        assert_eq!(added.status, status, "{}", added.body);
        assert_eq!(
            bed.add(&browser, &mut Soft::new(4), proof).await.status,
            StatusCode::FORBIDDEN,
            "a proof is used once"
        );
    }
    assert_eq!(bed.store.passkeys(account.id).await.expect("reads").len(), 2);
    assert_eq!(bed.log_in(&mut second).await.status, StatusCode::SEE_OTHER);
    let words: Vec<_> = bed.refusals().await.into_iter().map(|(_, words)| words).collect();
    assert_eq!(
        words,
        [
            "app confirm",
            "app confirm",
            "app new ticket",
            "app confirm",
            "app confirm unknown",
            "app confirm unknown",
            "app confirm replayed",
        ]
    );
}

#[tokio::test]
async fn what_was_made_for_one_question_is_taken_once() {
    let bed = Bed::new().await;
    let (account, secret, browser) = bed.user("anna").await;
    let form = bed.own(&browser).await;
    let code = secret.code(clock::now());
    let asked = bed.script(&browser, "/auth/passkeys/new", json!({ "form": form, "code": code })).await.json();
    let ticket = asked["ticket"].as_str().expect("a ticket");
    let mut soft = Soft::new(1);
    soft.verifies = false;
    let unverified = soft.create(&asked["options"]);
    soft.verifies = true;
    let made = soft.create(&asked["options"]);
    let fields = |answer| [("ticket", ticket), ("answer", answer), ("name", "x")];
    let nameless = bed.send(&browser, "/auth/passkeys", &[("ticket", ticket), ("answer", &made), ("name", " ")]).await;
    assert_eq!(nameless.status, StatusCode::BAD_REQUEST);
    let refused = bed.send(&browser, "/auth/passkeys", &fields(&unverified)).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    let again = bed.send(&browser, "/auth/passkeys", &fields(&made)).await;
    assert_eq!(again.status, StatusCode::FORBIDDEN, "{}", again.body);
    assert!(bed.store.passkeys(account.id).await.expect("reads").is_empty());
    let (_, _, other) = bed.user("bertil").await;
    assert_eq!(bed.send(&other, "/auth/passkeys", &fields(&made)).await.status, StatusCode::FORBIDDEN);
    assert_eq!(
        bed.refusals().await,
        [
            (Reason::BadSecondFactor, "app new unverified".to_owned()),
            (Reason::CodeReplayed, "app new replayed".to_owned()),
            (Reason::Forged, "app".to_owned()),
        ]
    );
}

#[tokio::test]
async fn the_last_way_in_stays_and_others_passkeys_are_not_touched() {
    let bed = Bed::new().await;
    let (anna, annas, _) = bed.passkey_user("anna", 1).await;
    let (bertil, _, _) = bed.passkey_user("bertil", 2).await;
    let id =
        async |account: &Account, at: usize| bed.store.passkeys(account.id).await.expect("reads")[at].id.to_string();
    let remove = async |browser: &Browser, form: &str, id: &str| {
        bed.send(browser, "/auth/passkeys/remove", &[("form", form), ("id", id)]).await.status
    };
    let form = bed.own(&annas).await;
    for other in [id(&bertil, 0).await.as_str(), "00", "", &"f".repeat(64)] {
        assert_eq!(remove(&annas, &form, other).await, StatusCode::NOT_FOUND, "{other}");
        let fields = [("form", form.as_str()), ("id", other), ("name", "x")];
        assert_eq!(bed.send(&annas, "/auth/passkeys/rename", &fields).await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(remove(&annas, "", &id(&anna, 0).await).await, StatusCode::FORBIDDEN, "not asked for here");

    let (only, browser) = bed.user_without_code("cecilia").await;
    bed.give(&only, 3).await;
    bed.give(&only, 4).await;
    let form = bed.own(&browser).await;
    for status in [StatusCode::SEE_OTHER, StatusCode::CONFLICT] {
        let id = id(&only, 0).await;
        assert_eq!(remove(&browser, &form, &id).await, status);
    }
    assert_eq!(bed.store.passkeys(only.id).await.expect("reads").len(), 1);
    let id = id(&anna, 0).await;
    assert_eq!(remove(&annas, &bed.own(&annas).await, &id).await, StatusCode::SEE_OTHER, "password and code are left");
}

#[tokio::test]
async fn who_is_not_logged_in_is_led_to_the_login_and_changes_nothing() {
    let bed = Bed::new().await;
    let (account, browser, _) = bed.passkey_user("anna", 1).await;
    let form = bed.own(&browser).await;
    let mut change = bed.change().await;
    let session = browser.session.as_ref().expect("a session").key;
    change.end_session(session, crate::sessions::End::Logout).await.expect("ends");
    change.commit().await.expect("commits");
    let id = bed.store.passkeys(account.id).await.expect("reads")[0].id.to_string();
    for browser in [&browser, &Browser::default()] {
        let page = bed.get(browser, "/auth/passkeys").await;
        let back = page.headers[header::SET_COOKIE].to_str().expect("text").split([';', '=']).nth(1);
        let back = back.and_then(WayBack::from_cookie).expect("a way back");
        assert_eq!((page.status, back.as_str()), (StatusCode::SEE_OTHER, "/auth/passkeys"));
        for path in ["/auth/passkeys", "/auth/passkeys/rename", "/auth/passkeys/remove"] {
            let answer = bed.send(browser, path, &[("form", &form), ("id", &id), ("name", "x")]).await;
            assert_eq!(
                (answer.status, &answer.headers[header::LOCATION]),
                (StatusCode::SEE_OTHER, &"/auth/login".parse().expect("valid"))
            );
        }
        for path in ["/auth/passkeys/confirm", "/auth/passkeys/new"] {
            assert_eq!(bed.script(browser, path, json!({ "form": form })).await.status, StatusCode::UNAUTHORIZED);
        }
    }
    assert_eq!(bed.store.passkeys(account.id).await.expect("reads")[0].name, "Min telefon");
}

#[tokio::test]
async fn scripts_run_only_where_they_are_needed() {
    let bed = Bed::new().await;
    let nobody = Browser::default();
    let login = bed.get(&nobody, "/auth/login").await;
    assert!(login.body.contains("Log in with a passkey") && login.policy().contains("script-src 'self'"));
    assert!(!login.policy().contains("unsafe"));
    for path in ["/auth/me", "/auth/static/style.css", "/auth/static/passkey.js", "/nothing"] {
        assert!(!bed.get(&nobody, path).await.policy().contains("script-src"), "{path}");
    }
    let script = bed.get(&nobody, "/auth/static/passkey.js").await;
    assert_eq!(script.headers[header::CONTENT_TYPE], "text/javascript; charset=utf-8");

    let without = Bed::with(None).await;
    let login = without.get(&nobody, "/auth/login").await;
    assert!(!login.body.contains("passkey") && !login.policy().contains("script-src"));
    let (_, _, browser) = without.user("anna").await;
    assert_eq!(without.get(&browser, "/auth/passkeys").await.status, StatusCode::NOT_FOUND);
    for path in ["/auth/login/passkey/question", "/auth/passkeys/confirm", "/auth/passkeys/new"] {
        assert_eq!(without.script(&browser, path, json!({})).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    for path in ["/auth/login/passkey", "/auth/passkeys", "/auth/passkeys/rename", "/auth/passkeys/remove"] {
        assert_eq!(without.send(&browser, path, &[]).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn a_code_confirms_no_sooner_than_its_turn() {
    let bed = Bed::new().await;
    let (account, secret, browser) = bed.user("anna").await;
    for _ in 0..5 {
        assert_eq!(
            bed.add(&browser, &mut Soft::new(1), json!({ "code": "000000" })).await.status,
            StatusCode::FORBIDDEN
        );
    }
    let locked = bed.store.account(account.id).await.expect("reads").expect("is there");
    assert!(matches!(locked.state, State::Locked { .. }), "guessing locks, here too");
    let form = json!({ "form": "", "code": secret.code(clock::now() + STEP) });
    assert_eq!(bed.script(&browser, "/auth/passkeys/new", form).await.status, StatusCode::UNAUTHORIZED);
}
