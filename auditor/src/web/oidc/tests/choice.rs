//! Several HSA-ids, several commissions.

use super::logouts::{tell, token};
use super::*;
use crate::accounts::oidc::ClaimNames;

fn two_commissions(claims: &mut Claims) {
    let said = json!({
        "commissionHsaId": [UNIT, OTHER_UNIT], "commissionName": ["Vård <b>", "Forskning"],
        "healthCareUnitHsaId": [UNIT, OTHER_UNIT], "healthCareUnitName": ["Avdelning 1", "Avdelning 2"],
        "healthCareProviderHsaId": [CARE_PROVIDER, CARE_PROVIDER],
    });
    claims.extend(said.as_object().expect("claims").clone());
}

/// The browser that a page with a choice was shown to, and the page's ticket.
fn asked(page: &Answer) -> (Browser, String) {
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    let kept = cookie(page, OIDC_COOKIE).expect("a cookie");
    let ticket =
        page.body.split("name=\"ticket\" value=\"").nth(1).expect("a ticket").split('"').next().expect("a value");
    (Browser { cookie: format!("{OIDC_COOKIE}={kept}"), ..Browser::default() }, ticket.to_owned())
}

async fn choose(bed: &Bed, browser: &Browser, ticket: &str, chosen: &[(&str, &str)]) -> Answer {
    let mut fields = vec![("ticket", ticket), ("lang", "en")];
    fields.extend(chosen);
    bed.send(browser, "/auth/oidc/test/choose", &fields).await
}

#[tokio::test]
async fn of_two_commissions_one_is_chosen_and_recorded() {
    let (bed, idp) = start().await;
    let anna = person(&bed, "anna", HSA, ACTIVE).await;
    let page = with_claims(&bed, &idp, two_commissions).await;
    let (browser, ticket) = asked(&page);
    assert!(page.body.contains("Vård &#60;b&#62;") && page.body.contains("Avdelning 2"), "{}", page.body);
    assert!(!page.body.contains("name=\"id\"") && !page.body.contains("<script"), "{}", page.body);
    assert!(cookie(&page, "__Host-grindvakt").is_none(), "nobody is in yet");
    // Nothing chosen, or what is not there: the page again, and its ticket is still good.
    for nothing in [&[][..], &[("commission", "2")]] {
        let again = choose(&bed, &browser, &ticket, nothing).await;
        assert_eq!(again.status, StatusCode::BAD_REQUEST);
        assert!(again.body.contains("Choose one of them"), "{}", again.body);
    }
    let inside = choose(&bed, &browser, &ticket, &[("commission", "1")]).await;
    let session = session(&bed, &inside).await;
    assert_eq!((session.account, session.commission.name.as_str()), (anna.id, "Forskning"));
    assert_eq!(session.commission.care_unit_name, "Avdelning 2");
    let mut told = Recorded::new();
    let again = choose(&bed, &browser, &ticket, &[("commission", "0")]).await;
    refused(&mut told, &again, STALE, Reason::ProviderAnswer, "replayed");
    assert_eq!(bed.refusals().await, told);
    let events = bed.events().await;
    let login = events.iter().rfind(|event| event.kind == AuthEventKind::Login).expect("an event");
    assert_eq!(&*login.detail, format!("app oidc=test commission={OTHER_UNIT} unit={OTHER_UNIT}"));
}

/// A logout that comes while its user chooses ends what the choice would lead to.
#[tokio::test]
async fn a_logout_there_before_the_choice_is_sent_leaves_nobody_in() {
    let (bed, idp) = start().await;
    person(&bed, "anna", HSA, ACTIVE).await;
    let mut told = Recorded::new();
    let page = async || {
        with_claims(&bed, &idp, |claims| {
            two_commissions(claims);
            set("sid", "session-1")(claims);
        })
        .await
    };
    let of_person = |claims: &mut Claims| {
        claims.remove("sid");
        claims.insert("sub".to_owned(), "anna-at-the-provider".into());
    };
    let one = [("commission", "0")];
    let (browser, ticket) = asked(&page().await);
    assert_eq!(tell(&bed, &token(&idp, of_person)).await, StatusCode::OK);
    refused(&mut told, &choose(&bed, &browser, &ticket, &one).await, STALE, Reason::ProviderAnswer, "ended");
    // Who logs in anew is let in.
    let (browser, ticket) = asked(&page().await);
    assert_eq!(choose(&bed, &browser, &ticket, &one).await.status, StatusCode::SEE_OTHER);
    let (browser, ticket) = asked(&page().await);
    assert_eq!(tell(&bed, &token(&idp, |_| {})).await, StatusCode::OK);
    refused(&mut told, &choose(&bed, &browser, &ticket, &one).await, STALE, Reason::ProviderAnswer, "ended");
    assert_eq!(bed.refusals().await, told);
    assert!(bed.store.open_sessions(None, 10).await.expect("reads").is_empty());
}

#[tokio::test]
async fn a_choice_is_of_the_browser_and_device_that_it_was_shown_to() {
    let (bed, idp) = start().await;
    person(&bed, "anna", HSA, ACTIVE).await;
    let (browser, ticket) = asked(&with_claims(&bed, &idp, two_commissions).await);
    let mut told = Recorded::new();
    let (other, another) = asked(&with_claims(&bed, &idp, two_commissions).await);
    let one = [("commission", "0")];
    let elsewhere = Browser { elsewhere: true, ..browser.clone() };
    let mut changed = ticket.clone();
    changed.replace_range(30..31, if ticket[30..31] == *"A" { "B" } else { "A" });
    for (browser, ticket) in [
        (&elsewhere, &ticket),
        (&other, &ticket),
        (&browser, &another),
        (&Browser::default(), &ticket),
        (&browser, &changed),
        (&browser, &String::new()),
    ] {
        refused(&mut told, &choose(&bed, browser, ticket, &one).await, STALE, Reason::ProviderAnswer, "choice");
    }
    // What a login began with is no choice.
    let (begun, _) = begin(&bed, &Browser::default()).await;
    let sealed = begun.cookie.split_once('=').expect("a cookie").1;
    refused(&mut told, &choose(&bed, &begun, sealed, &one).await, STALE, Reason::ProviderAnswer, "choice");
    assert_eq!(choose(&bed, &browser, &ticket, &one).await.status, StatusCode::SEE_OTHER);
    assert_eq!(bed.refusals().await, told);
}

#[tokio::test]
async fn of_two_hsa_ids_those_with_an_account_may_be_chosen() {
    let (bed, idp) = start().await;
    let anna = person(&bed, "anna", HSA, ACTIVE).await;
    let several = |claims: &mut Claims| {
        claims.remove("employeeHsaId");
        claims.insert("allEmployeeHsaIds".to_owned(), json!([OTHER_HSA, HSA]));
    };
    let inside = with_claims(&bed, &idp, several).await;
    assert_eq!(session(&bed, &inside).await.account, anna.id, "there is nothing to choose");
    let second = person(&bed, "anna.second", OTHER_HSA, ACTIVE).await;
    let page = with_claims(&bed, &idp, |claims| {
        several(claims);
        two_commissions(claims);
    })
    .await;
    let (browser, ticket) = asked(&page);
    assert!(page.body.contains(HSA) && page.body.contains(OTHER_HSA), "{}", page.body);
    assert_eq!(choose(&bed, &browser, &ticket, &[("id", "1")]).await.status, StatusCode::BAD_REQUEST);
    // They are sorted.
    let inside = choose(&bed, &browser, &ticket, &[("id", "1"), ("commission", "0")]).await;
    assert_eq!(session(&bed, &inside).await.account, second.id);

    bed.set_state(&anna, State::Deregistered { at: 1 }).await;
    bed.set_state(&second, State::Lapsed { at: 1 }).await;
    let page = with_claims(&bed, &idp, several).await;
    let (browser, ticket) = asked(&page);
    let mut told = Recorded::new();
    let nobody = choose(&bed, &browser, &ticket, &[("id", "0")]).await;
    refused(&mut told, &nobody, NO_USE, Reason::NoAccount, "no_account");
    assert_eq!(bed.refusals().await, told);
}

#[tokio::test]
async fn what_is_claimed_may_come_when_it_is_asked_for() {
    let idp = Idp::start().await;
    let mut settings = idp.settings("test");
    settings.claims = ClaimNames { hsa: "https://id.example/claim/hsa".to_owned(), ..ClaimNames::default() };
    let provider = Provider::new(settings, ORIGIN).expect("sets up");
    let bed = Bed::new().await.with_providers(vec![Arc::new(provider)]);
    let anna = person(&bed, "anna", HSA, ACTIVE).await;
    let said = |subject: &str| json!({ "sub": subject, "https://id.example/claim/hsa": HSA, "acr": "x", "nonce": "x" });
    idp.inner.lock().userinfo = Some(said("anna-at-the-provider"));
    let inside = with_claims(&bed, &idp, |_| {}).await;
    assert_eq!(session(&bed, &inside).await.account, anna.id);
    idp.inner.lock().userinfo = Some(said("another"));
    let mut told = Recorded::new();
    let answer = with_claims(&bed, &idp, |_| {}).await;
    refused(&mut told, &answer, UNBELIEVED, Reason::ProviderAnswer, "subject");
    assert_eq!(bed.refusals().await, told);
}
