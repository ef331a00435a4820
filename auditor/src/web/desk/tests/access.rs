//! Who sees and does nothing, and what they are told.

use super::browser::{Browser, FORM};
use super::forms::Five;
use crate::accounts::State;
use crate::clock;
use crate::store::By;
use contract::record::{AuthEventKind, Reason};

#[tokio::test]
async fn who_lacks_the_duty_sees_no_move_and_a_forced_one_is_refused_and_recorded() {
    let five = Five::new().await;
    let anna = five.browser(&five.anna);
    let form = anna.submitted().await;
    let moves = ["approve", "return", "refuse", "forward", "execute"];
    // The holder and the administrator may see it; it is not their turn. The applicant may see it, too.
    for who in [&five.holder, &five.admin, &five.anna] {
        let browser = five.browser(who);
        let page = browser.open(&form).await.is(200);
        for name in moves {
            assert!(!page.has_form(&format!("{form}/{name}")), "{name}");
        }
        // The proof of another form of their session.
        let proof = browser.open("/admin/forms/new/application").await.sheet("/admin/forms/new/application");
        five.bed.told().await;
        let body = format!("form={}&version=2&basis=Kollega", proof.get("form"));
        let forced = browser.ask("POST", &format!("{form}/approve"), &[FORM], body).await.is(403);
        let forced = forced.says("Du saknar uppdraget").says("godkänna, avslå eller skicka tillbaka en blankett");
        forced.says("Försöket är registrerat");
        let denied = five.bed.told_of(AuthEventKind::MoveDenied).await;
        assert_eq!(
            denied.iter().map(|event| (event.reason, event.by)).collect::<Vec<_>>(),
            [(Reason::NotAppointed, who.id)]
        );
    }
    // Elsewhere appointed: for them it is not there, and that they looked is on record.
    let elsewhere = five.bed.signer(7, &["approver:14", "registry_holder:annat", "help_desk", "log_auditor"]).await;
    let browser = five.browser(&elsewhere);
    browser.open(&form).await.is(404).says("Det finns ingenting här");
    browser.open(&format!("{form}/edit")).await.is(404);
    let proof = browser.open("/admin/forms/new/application").await.sheet("/admin/forms/new/application");
    let body = format!("form={}&version=2&basis=Kollega", proof.get("form"));
    browser.ask("POST", &format!("{form}/approve"), &[FORM], body).await.is(404);
    let denied = five.bed.told_of(AuthEventKind::MoveDenied).await;
    assert_eq!(denied.len(), 3);
    assert!(denied.iter().all(|event| event.by == elsewhere.id));
    browser.open("/admin/forms").await.is(200).says("Inga blanketter stämmer");
}

#[tokio::test]
async fn nobody_decides_about_themselves_or_twice_and_is_told_why() {
    let five = Five::new().await;
    let all = five.bed.signer(8, &["approver:12", "registry_holder:fotled", "account_admin"]).await;
    let (both, anna) = (five.browser(&all), five.browser(&five.anna));
    let own = both.submitted().await;
    let page = both.open(&own).await.is(200).says("Du kan inte besluta om en blankett som gäller dig själv.");
    assert!(!page.has_form(&format!("{own}/approve")));
    let form = anna.submitted().await;
    both.deed(&form, "approve", &[("basis", "Kollega")]).await.is(200).says("Du har redan skickat in eller beslutat");
    both.open("/admin").await.is(200).says("Inget väntar på dig.").never_says("Att vidarebefordra");
    // Another's signature of the region on one's own is forced, and refused.
    let proof = both.open("/admin/forms/new/application").await.sheet("/admin/forms/new/application");
    let body = format!("form={}&version=2&basis=Jag", proof.get("form"));
    let forced = both.ask("POST", &format!("{own}/approve"), &[FORM], body).await.is(403);
    forced.says("Ingen beslutar om sig själv");
}

#[tokio::test]
async fn who_is_not_logged_in_is_led_there_and_back() {
    let five = Five::new().await;
    let answer =
        five.bed.raw(&five.bed.vouch_for_nobody(), ("GET", "/admin/forms?queue=mine"), &[], String::new()).await;
    assert_eq!((answer.status.as_u16(), answer.headers["location"].to_str().ok()), (303, Some("/auth/login")));
    assert!(answer.headers["set-cookie"].to_str().expect("text").contains("return"));
    let by = By::program("test");
    let mut change = five.bed.store.change(clock::now(), by).await.expect("begins");
    let mut account = change.account(five.anna.id).await.expect("reads");
    account.state = account.state.block(clock::now()).unwrap_or(State::Blocked { since: clock::now() });
    change.move_account(&account, AuthEventKind::AccountBlocked, Reason::None).await.expect("moves");
    change.commit().await.expect("commits");
    let page = five.browser(&five.anna).ask("GET", "/admin", &[], String::new()).await;
    assert_eq!((page.status, page.to.as_deref()), (303, Some("/auth/login")));
}

#[tokio::test]
async fn what_is_not_there_is_a_page() {
    let five = Five::new().await;
    let anna = Browser { language: "en", ..five.browser(&five.anna) };
    for nothing in [
        "/admin/nothing",
        "/admin/forms/x",
        "/admin/forms/new",
        "/admin/forms/new/letter",
        "/admin/forms/01920000-0000-7000-8000-000000000000",
        "/admin/forms/01920000-0000-7000-8000-000000000000/edit",
        "/admin/forms/../../etc",
    ] {
        anna.open(nothing).await.is(404).says("There is nothing here");
    }
    anna.open("/admin/").await.is(200).says("Administration");
    let form = anna.submitted().await;
    anna.open(&format!("{form}/approve")).await.is(405);
    anna.open(&format!("{form}/edit")).await.is(409).says("The form is no longer there");
    let answer =
        anna.ask("POST", "/admin/forms/new/application", &[("content-type", "application/json")], "{}".to_owned());
    answer.await.is(400);
}
