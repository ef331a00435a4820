use crate::forms::State;
use crate::store::APPLICATIONS_A_DAY;
use crate::web::admin::tests::bed::{Answer, Bed};
use crate::web::desk::tests::browser::APPLICATION;
use crate::web::outside::browser::{Browser, field};
use axum::http::header;
use contract::id::AccountId;
use contract::record::{AuthEventKind, Reason};
use serde_json::json;

const HSA: (&str, &str) = ("hsa", "SE2321000016-P00100");

/// The form of the page, sent as it is filled in.
async fn apply(browser: &mut Browser<'_>, change: &[(&str, &str)]) -> Answer {
    let form = field(&browser.open("/auth/apply").await.is(200));
    let mut fields = vec![("form", form.as_str()), ("lang", "en"), ("assured", "yes"), HSA];
    fields.extend(APPLICATION);
    for (name, value) in change {
        fields.retain(|(known, _)| known != name);
        fields.push((name, value));
    }
    browser.send("/auth/apply", &fields).await
}

/// What is shown once: number and code.
fn case(done: &Answer) -> (String, String) {
    let shown = |id: &str| {
        let rest = done.text.split(&format!("<code id=\"{id}\">")).nth(1).expect("is shown");
        rest.split('<').next().expect("an end").to_owned()
    };
    (shown("case-number"), shown("case-secret"))
}

async fn look(browser: &mut Browser<'_>, number: &str, secret: &str) -> Answer {
    let form = field(&browser.open("/auth/apply/case").await.is(200));
    browser.send("/auth/apply/case", &[("form", &form), ("number", number), ("secret", secret)]).await
}

#[tokio::test]
async fn a_newcomer_applies_mends_what_is_sent_back_and_sees_where_it_stands() {
    let bed = Bed::new().await;
    let approver = bed.signer(2, &["approver:12"]).await;
    let mut browser = Browser::new(&bed);
    bed.told().await;
    let (number, secret) = case(&apply(&mut browser, &[]).await.is(200));
    assert_eq!((number.len(), secret.len()), (9, 19));
    let told = bed.told_of(AuthEventKind::FormSubmitted).await;
    assert_eq!(told.iter().map(|event| event.account).collect::<Vec<_>>(), [AccountId::NONE]);

    // The approver finds it as any other, and sends it back.
    let waiting = bed.get(&approver, "/forms?queue=waiting").await.is(200).json();
    let id = waiting["forms"][0]["id"].as_str().expect("an id").to_owned();
    look(&mut browser, &number, &secret).await.is(303);
    let page = browser.open("/auth/apply/case").await.is(200);
    assert!(page.text.contains("Submitted") && page.text.contains("fotled"), "{}", page.text);
    for hidden in ["Barngatan", "1912", &number, &secret] {
        assert!(!page.text.contains(hidden), "{hidden}");
    }
    browser.send("/auth/apply/case/mend", &[("form", &field(&page))]).await.is(303);
    bed.make(&approver, &id, "return", json!({ "reason": "Which <clinic>?" })).await.is(200);

    // In another browser only number and code show it.
    let mut other = Browser::new(&bed);
    assert!(other.open("/auth/apply/case").await.is(200).text.contains("name=\"secret\""));
    look(&mut other, &number.to_lowercase().replace('-', ""), &secret.to_lowercase()).await.is(303);
    let page = other.open("/auth/apply/case").await.is(200);
    for shown in ["Which &#60;clinic&#62;?", "Barngatan 4", "name=\"version\" value=\"3\""] {
        assert!(page.text.contains(shown), "{shown}: {}", page.text);
    }
    let form = field(&page);
    let mut fields = vec![("form", form.as_str()), ("version", "3"), ("assured", "yes"), HSA];
    fields.extend(APPLICATION);
    fields.retain(|(name, _)| *name != "unit");
    let missing = other.send("/auth/apply/case/mend", &fields).await.is(422);
    assert!(missing.text.contains("Barngatan 4") && missing.text.contains("Which"), "nothing typed is lost");
    fields.push(("unit", "Hand clinic"));
    other.send("/auth/apply/case/mend", &fields).await.is(303);
    let seen = bed.get(&approver, &format!("/forms/{id}")).await.is(200).json();
    assert_eq!((&seen["head"]["state"], &seen["head"]["version"]), (&json!("submitted"), &json!(5)), "{seen}");
    assert!(seen.to_string().contains("Hand clinic"));
    // The other page is of a version that was.
    let stale = browser.send("/auth/apply/case/mend", &fields).await;
    assert_eq!(stale.status.as_u16(), 303, "it is nobody's turn to mend it");

    bed.make(&approver, &id, "refuse", json!({ "reason": "Unknown here" })).await.is(200);
    let page = other.open("/auth/apply/case").await.is(200);
    assert!(page.text.contains("Unknown here") && page.text.contains("Refused"), "{}", page.text);
    other.send("/auth/apply/case/leave", &[("form", &field(&page))]).await.is(303);
    assert!(other.open("/auth/apply/case").await.is(200).text.contains("name=\"secret\""), "it is closed here");
}

#[tokio::test]
async fn wrong_codes_tell_nothing_and_are_on_record() {
    let bed = Bed::new().await;
    let mut browser = Browser::new(&bed);
    let (number, secret) = case(&apply(&mut browser, &[]).await.is(200));
    bed.told().await;
    let mut bodies = Vec::new();
    let nobody = "0000-0000-0000-0000".to_owned();
    for (number, secret) in [(&number, &nobody), (&"0000-0000".to_owned(), &secret), (&number, &String::new())] {
        let answer = look(&mut browser, number, secret).await.is(403);
        assert!(!answer.headers.contains_key(header::SET_COOKIE));
        let typed = format!("value=\"{number}\"");
        bodies.push(answer.text.replace(&field(&answer), "").replace(&typed, ""));
    }
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]), "{bodies:#?}");
    let denied = bed.told_of(AuthEventKind::MoveDenied).await;
    let told: Vec<_> = denied.iter().map(|event| (event.reason, event.detail.as_ref())).collect();
    assert_eq!(told, [(Reason::CodeUnknown, "app case"); 3]);
    // A cookie that this program has not made, or made for another browser.
    let mut other = Browser::new(&bed);
    look(&mut browser, &number, &secret).await.is(303);
    other.open("/auth/apply").await.is(200);
    other.take_cookie(&browser, "__Host-grindvakt-case");
    assert!(other.open("/auth/apply/case").await.is(200).text.contains("name=\"secret\""));
}

#[tokio::test]
async fn what_is_wrong_is_told_and_who_has_an_account_gets_the_same_answer() {
    let bed = Bed::new().await;
    let known = bed.who(100, &[]).await;
    let mut browser = Browser::new(&bed);
    for (name, value, text) in [
        ("name", "", "Name has to be filled in."),
        ("number", "", "Personal identity number or coordination number has to be filled in."),
        ("hsa", "", "HSA-id"),
        ("number", "19121212-1213", "check digit"),
        ("assured", "", "error-heading"),
        ("unheard", "x", "error-heading"),
    ] {
        let page = apply(&mut browser, &[(name, value)]).await.is(422);
        assert!(page.text.contains(text) && page.text.contains("role=\"alert\""), "{name}: {}", page.text);
        assert!(page.text.contains("221 00 Lund"), "nothing typed is lost");
    }
    apply(&mut browser, &[("form", "")]).await.is(403);
    let (first, second) =
        (apply(&mut browser, &[]).await.is(200), apply(&mut browser, &[("hsa", "SE2321000016-P00999")]).await.is(200));
    let shape = |answer: &Answer| {
        let (number, secret) = case(answer);
        answer.text.replace(&number, "").replace(&secret, "")
    };
    assert_eq!(shape(&first), shape(&second));
    // Who is logged in writes it by their account.
    let inside = bed.raw(&bed.vouch(&known), ("GET", "/auth/apply"), &[], String::new()).await.is(303);
    assert_eq!(inside.headers[header::LOCATION], "/admin/forms/new/application");
}

#[tokio::test]
async fn a_device_sends_so_many_a_day() {
    let bed = Bed::new().await;
    let mut browser = Browser::new(&bed);
    for _ in 0..APPLICATIONS_A_DAY {
        apply(&mut browser, &[]).await.is(200);
    }
    let refused = apply(&mut browser, &[]).await.is(429);
    assert!(refused.text.contains("221 00 Lund"), "nothing typed is lost");
    let forms = bed.store.forms(&crate::store::Wanted::default(), 100).await.expect("reads");
    assert_eq!(i64::try_from(forms.len()), Ok(APPLICATIONS_A_DAY));
    assert!(forms.iter().all(|form| form.state == State::Submitted));
}
