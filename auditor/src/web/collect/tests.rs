//! Collecting an account with a passkey.

use crate::accounts::State;
use crate::accounts::passkey::soft::Soft;
use crate::clock;
use crate::handout::{CalledBack, Channel, Part};
use crate::store::{By, Counter, Issue};
use crate::web::admin::tests::bed::{Answer, Bed};
use crate::web::outside::browser::{Browser, field};
use axum::http::header;
use contract::id::AccountId;
use contract::record::{AuthEventKind, Reason};
use serde_json::{Value, json};

impl Browser<'_> {
    /// Shows both halves.
    async fn show(&mut self, (id, code): &(String, String)) {
        let form = field(&self.open("/auth/collect").await.is(200));
        self.send("/auth/collect", &[("id", id), ("code", code), ("form", &form)]).await.is(303);
    }

    /// The page of a passkey: the form's proof, what the browser is asked, and the ticket.
    async fn question(&mut self) -> (String, Value, String) {
        let form = field(&self.open("/auth/collect/passkey").await.is(200));
        let asked = self.script("/auth/collect/passkey/question", json!({ "form": form })).await.is(200).json();
        (form, asked["options"].clone(), asked["ticket"].as_str().expect("a ticket").to_owned())
    }

    async fn take(&mut self, form: &str, ticket: &str, answer: &str) -> Answer {
        let fields = [("form", form), ("accept", "yes"), ("version", "1"), ("ticket", ticket), ("answer", answer)];
        self.send("/auth/collect/passkey", &fields).await
    }

    async fn log_in(&mut self, soft: &mut Soft) -> Answer {
        let form = field(&self.open("/auth/login").await.is(200));
        let asked = self.script("/auth/login/passkey/question", json!({ "form": form })).await.is(200).json();
        let answer = soft.get(&asked["options"]);
        let ticket = asked["ticket"].as_str().expect("a ticket");
        self.send("/auth/login/passkey", &[("ticket", ticket), ("answer", &answer)]).await
    }
}

/// An account that form 1 has made, and its halves, gone out by letter and telephone.
async fn handed_out(bed: &Bed, number: u32) -> (AccountId, (String, String)) {
    let approver = bed.who(number + 1, &["approver:12"]).await;
    let holder = bed.who(number + 2, &["registry_holder:fotled"]).await;
    let admin = bed.signer(number + 3, &["account_admin"]).await;
    let account = bed.made((&approver, &holder, &admin), number).await;
    (account, halves(bed, account, None).await)
}

async fn halves(bed: &Bed, account: AccountId, called_back: Option<CalledBack>) -> (String, String) {
    let (counter, cli, now): (&Counter, _, _) = (bed.counter(), || By::program("cli"), clock::now());
    let issue = Issue { account, id_by: Channel::Letter, code_by: Channel::Phone, called_back };
    let id = counter.issue(now, cli(), None, &issue).await.expect("issues");
    let letter = counter.print(now, cli(), None, (id, Part::Id)).await.expect("prints");
    counter.posted(now, cli(), None, (id, Part::Id)).await.expect("posts");
    let called = CalledBack::confirmed(true).expect("called");
    let code = counter.read_out(now, cli(), None, (id, Part::Code), called).await.expect("reads out");
    (letter.clear.to_string(), code.to_string())
}

#[tokio::test]
async fn who_has_both_halves_takes_a_passkey_and_logs_in_with_it() {
    let bed = Bed::new().await;
    let (account, halves) = handed_out(&bed, 100).await;
    let (mut browser, mut soft) = (Browser::new(&bed), Soft::new(1));
    let page = browser.open("/auth/collect/passkey").await.is(303);
    assert_eq!(page.headers[header::LOCATION], "/auth/collect", "both halves first");
    browser.show(&halves).await;
    assert!(browser.open("/auth/collect").await.is(200).text.contains("/auth/collect/passkey"), "it is offered");
    let page = browser.open("/auth/collect/passkey").await.is(200);
    assert!(page.text.contains("I have read the security instructions"), "{}", page.text);
    let policy = page.headers[header::CONTENT_SECURITY_POLICY].to_str().expect("text");
    assert!(policy.contains("script-src 'self'"), "{policy}");

    let (form, options, ticket) = browser.question().await;
    let made = soft.create(&options);
    let unread = [("form", form.as_str()), ("version", "1"), ("ticket", &ticket), ("answer", &made)];
    browser.send("/auth/collect/passkey", &unread).await.is(422);
    bed.told().await;
    assert_eq!(browser.take(&form, &ticket, &made).await.is(303).headers[header::LOCATION], "/auth/collect/done");
    let now = bed.store.account(account).await.expect("reads").expect("is there");
    assert!(matches!(now.state, State::Active { .. }), "{:?}", now.state);
    let credential = bed.store.credential(account).await.expect("reads");
    assert!(credential.password.is_none() && credential.totp.is_none());
    let kinds: Vec<_> = bed.told().await.into_iter().map(|event| event.kind).collect();
    for kind in [
        AuthEventKind::CredentialsCollected,
        AuthEventKind::CredentialsSet,
        AuthEventKind::InstructionsAccepted,
        AuthEventKind::AccountChanged,
    ] {
        assert!(kinds.contains(&kind), "{kinds:?}");
    }
    browser.take(&form, &ticket, &made).await.is(403);
    assert_eq!(browser.log_in(&mut soft).await.is(303).headers[header::LOCATION], "/");
}

#[tokio::test]
async fn an_answer_of_another_or_without_its_user_makes_no_passkey() {
    let bed = Bed::new().await;
    let (account, halves) = handed_out(&bed, 100).await;
    let (_, others) = handed_out(&bed, 200).await;
    let mut browser = Browser::new(&bed);
    let mut other = Browser::new(&bed);
    browser.show(&halves).await;
    other.show(&others).await;
    let mut soft = Soft::new(1);
    let (_, options, foreign) = other.question().await;
    let made = soft.create(&options);
    bed.told().await;
    let (form, options, ticket) = browser.question().await;
    browser.take(&form, &foreign, &made).await.is(422);
    browser.take(&form, &ticket, &made).await.is(422);
    soft.verifies = false;
    let unverified = soft.create(&options);
    browser.take(&form, &ticket, &unverified).await.is(422);
    browser.take(&form, &ticket, "{}").await.is(422);
    assert!(bed.store.passkeys(account).await.expect("reads").is_empty());
    let events = bed.told().await;
    let refused: Vec<_> = events.iter().map(|event| (event.kind, event.reason, event.account == account)).collect();
    assert_eq!(
        refused,
        [
            (AuthEventKind::LoginFailed, Reason::Forged, false),
            (AuthEventKind::CredentialsFailed, Reason::Forged, true),
            (AuthEventKind::CredentialsFailed, Reason::BadSecondFactor, true),
            (AuthEventKind::CredentialsFailed, Reason::BadCredentials, true),
        ]
    );
    // The question without both halves, and without its form.
    let mut nobody = Browser::new(&bed);
    let form = field(&nobody.open("/auth/collect").await.is(200));
    nobody.script("/auth/collect/passkey/question", json!({ "form": form })).await.is(403);
    browser.script("/auth/collect/passkey/question", json!({ "form": "" })).await.is(403);
}

#[tokio::test]
async fn a_new_passkey_after_a_call_ends_what_was_there() {
    let bed = Bed::new().await;
    let (account, first) = handed_out(&bed, 100).await;
    let mut browser = Browser::new(&bed);
    let (mut old, mut new) = (Soft::new(1), Soft::new(2));
    browser.show(&first).await;
    let (form, options, ticket) = browser.question().await;
    browser.take(&form, &ticket, &old.create(&options)).await.is(303);
    let mut change = bed.store.change(clock::now(), By::program("cli")).await.expect("begins");
    change.set_password(account, "a hash").await.expect("sets");
    change.set_totp(account, b"a second factor").await.expect("sets");
    change.commit().await.expect("commits");

    let again = halves(&bed, account, CalledBack::confirmed(true)).await;
    browser.show(&again).await;
    let (form, options, ticket) = browser.question().await;
    browser.take(&form, &ticket, &new.create(&options)).await.is(303);
    let credential = bed.store.credential(account).await.expect("reads");
    assert!(credential.password.is_none() && credential.totp.is_none(), "the old factors have ended");
    assert_eq!(bed.store.passkeys(account).await.expect("reads").len(), 1);
    browser.log_in(&mut old).await.is(403);
    browser.log_in(&mut new).await.is(303);
}
