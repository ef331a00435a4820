//! Accounts on pages: found, locked, blocked, confirmed; and sessions.

use super::browser::{Browser, FORM};
use super::forms::Five;
use crate::clock;
use crate::duties::Region;
use crate::store::By;
use crate::web::admin::tests::bed::{Bed, Who};
use contract::record::{AuthEventKind, AuthMethod, Reason, Right};

const LIST: &str = "/admin/accounts";

fn place(who: &Who) -> String {
    format!("{LIST}/{}", who.id)
}

#[tokio::test]
async fn a_name_that_is_looked_for_stands_in_no_address() {
    let five = Five::new().await;
    five.bed.vouched(&five.anna, Right::Read).await;
    let admin = five.browser(&five.admin);
    let page = admin.open(LIST).await.is(200).says("Person 1").says("Person 3");
    let found = admin.send(&page, LIST, &[("text", "person 1")]).await.is(200).says("Person 1");
    let found = found.never_says(">Person 3<");
    assert_eq!(found.sheet(LIST).get("text"), "person 1", "what was typed stays");
    assert!(!found.html.contains("?text") && !found.html.contains("person+1") && !found.html.contains("person%201"));
    let none = admin.send(&page, LIST, &[("text", "Ingen")]).await.is(200);
    none.says("Inga konton stämmer med valet.");
    // All else is chosen by the address.
    let sent = admin.ask("POST", LIST, &[FORM], {
        let mut sheet = page.sheet(LIST);
        sheet.fill("region", "12");
        sheet.encoded()
    });
    let sent = sent.await.is(303);
    assert_eq!(sent.to.as_deref(), Some("/admin/accounts?region=12"));
    admin.open("/admin/accounts?region=12&sort=name").await.is(200).says("Person 1").never_says(">Person 3<");
    // A name that somebody puts into an address is not looked for.
    admin.open("/admin/accounts?text=Person+1").await.is(200).says("Person 3");
    for wrong in ["?state=dead", "?region=99", "?sort=x", "?after=x"] {
        admin.open(&format!("{LIST}{wrong}")).await.is(400).says("Ett val går inte att läsa.").says("Person 3");
    }
    // Whose duty reaches nobody sees themselves.
    five.browser(&five.anna).open(LIST).await.is(200).says("Person 1").never_says("Person 4<");
    let elsewhere = five.bed.signer(7, &["approver:14"]).await;
    five.browser(&elsewhere).open(LIST).await.is(200).says("Person 7").never_says("Person 1<");
}

#[tokio::test]
async fn pages_of_accounts_join_with_and_without_a_name() {
    let bed = Bed::new().await;
    for number in 10..70 {
        bed.who(number, &[]).await;
    }
    let admin = bed.who(1, &["account_admin"]).await;
    let browser = Browser::new(&bed, &admin);
    for sort in ["name", "newest", "unused", "rested"] {
        let first = browser.open(&format!("{LIST}?sort={sort}")).await.is(200);
        let next = first.link("Nästa sida");
        assert!(next.contains("&after=") && !next.contains("Person"), "{next}");
        let second = browser.open(&next).await.is(200).says("Till första sidan");
        let count = |html: &str| html.matches("<th scope=\"row\">").count();
        assert_eq!((count(&first.html), count(&second.html)), (50, 11), "{sort}");
    }
    let first = browser.open(LIST).await.is(200);
    let found = browser.send(&first, LIST, &[("text", "person")]).await.is(200);
    let next = found.html.rsplit("<form method=\"post\"").next().expect("a form");
    assert!(next.contains("name=\"after\"") && next.contains("value=\"person\""), "{next}");
}

#[tokio::test]
async fn an_account_is_locked_unlocked_blocked_and_the_block_lifted_by_two() {
    let five = Five::new().await;
    five.bed.vouched(&five.anna, Right::Read).await;
    let (admin, approver) = (five.browser(&five.admin), five.browser(&five.approver));
    let anna = place(&five.anna);
    let page = admin.open(&anna).await.is(200).says("Aktivt").says("Region Skåne").says("fotled");
    assert!(!page.has_form(&format!("{anna}/confirm")), "an administrator confirms nobody");
    let locked = admin.send(&page, &format!("{anna}/lock"), &[]).await.is(200).says("Kontot är låst");
    assert!(five.bed.store.live_session(five.anna.session.key, clock::now()).await.expect("reads").is_none());
    let unlock = format!("{anna}/unlock");
    let unsaid = admin.send(&locked, &unlock, &[]).await.is(422).says("Ring upp personen");
    let open = admin.send(&unsaid, &unlock, &[("called_back", "yes")]).await.is(200).says("Kontot är upplåst.");
    let block = format!("{anna}/block");
    let silent = admin.send(&open, &block, &[]).await.is(422).says("Vad har hänt? behöver fyllas i.");
    let long = "ä".repeat(2_001);
    let kept = admin.send(&silent, &block, &[("reason", &long)]).await.is(422);
    assert_eq!(kept.sheet(&block).get("reason"), long, "what was typed stays");
    let blocked = admin.send(&kept, &block, &[("reason", "Stulen\ntelefon")]).await.is(200).says("Kontot är spärrat");
    let blocked = blocked.never_says("Stulen").says("Spärrat av").says("Person 4");
    assert!(!approver.open(&anna).await.is(200).has_form(&format!("{anna}/propose-lift")));
    let proposed = admin.send(&blocked, &format!("{anna}/propose-lift"), &[]).await.is(200);
    let proposed = proposed.says("Hävningen är föreslagen.").says("Du har föreslagit att spärren hävs.");
    assert!(!proposed.has_form(&format!("{anna}/lift")));
    let second = five.bed.signer(9, &["account_admin"]).await;
    let second = five.browser(&second);
    let page = second.open(&anna).await.is(200).says("Hävning föreslagen av");
    second.send(&page, &format!("{anna}/lift"), &[]).await.is(200).says("Spärren är hävd.");
    let kinds: Vec<_> = five.bed.told().await.iter().map(|event| event.kind).collect();
    for kind in [
        AuthEventKind::AccountLocked,
        AuthEventKind::AccountUnlocked,
        AuthEventKind::AccountBlocked,
        AuthEventKind::LiftProposed,
        AuthEventKind::BlockLifted,
    ] {
        assert!(kinds.contains(&kind), "{kind:?}");
    }
}

#[tokio::test]
async fn who_may_not_sees_no_button_and_a_forced_one_is_refused_and_recorded() {
    let five = Five::new().await;
    five.bed.vouched(&five.anna, Right::Read).await;
    let anna = place(&five.anna);
    let desk = five.bed.signer(8, &["help_desk"]).await;
    let browser = five.browser(&desk);
    let page = browser.open(&anna).await.is(200);
    assert!(page.has_form(&format!("{anna}/lock")));
    five.bed.told().await;
    for deed in ["unlock", "block", "confirm", "reactivate", "handout"] {
        assert!(!page.has_form(&format!("{anna}/{deed}")), "{deed}");
    }
    let proof = page.sheet(&format!("{anna}/lock")).get("form").to_owned();
    for (deed, typed) in [("unlock", "&called_back=yes"), ("block", "&reason=x"), ("confirm", "&region=12")] {
        let forced = browser.ask("POST", &format!("{anna}/{deed}"), &[FORM], format!("form={proof}{typed}")).await;
        forced.is(403).says("Du saknar uppdraget");
    }
    let denied = five.bed.told_of(AuthEventKind::MoveDenied).await;
    let denied: Vec<_> = denied.iter().map(|event| (event.reason, event.by)).collect();
    assert_eq!(denied, [(Reason::NotAppointed, desk.id); 3]);
    // Of another region: it is not there, and that they looked is on record.
    let elsewhere = five.bed.signer(7, &["approver:14"]).await;
    let browser = five.browser(&elsewhere);
    browser.open(&anna).await.is(404);
    let page = browser.open("/admin/sessions").await.is(200);
    assert!(!page.html.contains("action=\"/admin/"), "one session has no button");
    let proof = browser.open(LIST).await.sheet(LIST).get("form").to_owned();
    let forced = browser.ask("POST", &format!("{anna}/lock"), &[FORM], format!("form={proof}")).await;
    forced.is(404);
    assert_eq!(five.bed.told_of(AuthEventKind::MoveDenied).await.len(), 2);
    assert_eq!(five.bed.store.account(five.anna.id).await.expect("reads").expect("there").state.parts().0, "active");
}

#[tokio::test]
async fn without_a_proof_nothing_is_done_and_without_a_code_nothing_is_signed() {
    let five = Five::new().await;
    five.bed.vouched(&five.anna, Right::Read).await;
    let anna = place(&five.anna);
    let block = format!("{anna}/block");
    let admin = five.bed.who(9, &["account_admin"]).await;
    let browser = five.browser(&admin);
    let page = browser.open(&anna).await.is(200);
    five.bed.told().await;
    let stale = browser.send(&page, &block, &[("form", ""), ("reason", "Skäl")]).await.is(403);
    assert_eq!(stale.sheet(&block).get("reason"), "Skäl");
    let forged = five.bed.told_of(AuthEventKind::LoginFailed).await;
    assert_eq!(forged.iter().map(|event| event.reason).collect::<Vec<_>>(), [Reason::Forged]);
    let asked = browser.send(&page, &block, &[("reason", "Skäl")]).await.is(200).says("Spärra kontot: Person 1");
    assert_eq!(asked.sheet(&block).get("reason"), "Skäl");
    let wrong = browser.send(&asked, &block, &[("code", "000000")]).await.is(403).says("Koden stämmer inte");
    let kept = five.bed.store.account(five.anna.id).await.expect("reads").expect("there").state;
    assert_eq!(kept.parts().0, "active");
    browser.send(&wrong, &block, &[("code", &browser.code())]).await.is(200).says("Kontot är spärrat");
}

#[tokio::test]
async fn an_approver_confirms_what_the_year_asks_for() {
    let five = Five::new().await;
    let long_ago = clock::now() - 350 * clock::DAY;
    let mut change = five.bed.store.change(long_ago, By::program("test")).await.expect("begins");
    change.confirm(five.anna.id, Region::Skane, AuthMethod::None).await.expect("confirms");
    change.commit().await.expect("commits");
    let approver = five.browser(&five.approver);
    let start = approver.open("/admin").await.is(200).says("Konton att bekräfta för regionen: Region Skåne");
    let list = approver.open(&start.link("Konton att bekräfta för regionen: Region Skåne")).await.is(200);
    let page = approver.open(&list.link("Person 1")).await.is(200);
    let confirm = format!("{}/confirm", place(&five.anna));
    approver.send(&page, &confirm, &[]).await.is(200).says("Kontot är bekräftat.");
    approver.open("/admin/reviews").await.is(200).says("Inget konto behöver bekräftas nu.");
    five.browser(&five.anna).open("/admin/reviews").await.is(403).says("Du saknar uppdraget");
    let mut change = five.bed.change().await;
    let mut account = change.account(five.anna.id).await.expect("is there");
    account.state = account.state.go_dormant(clock::now()).expect("in use");
    change.stop_account(&account, AuthEventKind::AccountChanged).await.expect("rests");
    change.commit().await.expect("commits");
    let page = approver.open(&place(&five.anna)).await.is(200).says("Vilande");
    let reactivate = format!("{}/reactivate", place(&five.anna));
    approver.send(&page, &reactivate, &[]).await.is(200).says("Kontot är i bruk igen.").says("Aktivt");
    // From there to the forms, with what is known.
    let form = approver.open(&page.link("Avregistrera ett konto")).await.is(200);
    let sheet = form.sheet("/admin/forms/new/deregistration");
    assert_eq!((sheet.get("user_name"), sheet.get("region")), ("user1", "12"));
}

#[tokio::test]
async fn sessions_are_seen_and_ended() {
    let five = Five::new().await;
    let other = five.bed.session(five.anna.id, AuthMethod::Passkey).await;
    let third = five.bed.session(five.anna.id, AuthMethod::PasswordTotp).await;
    let anna = five.browser(&five.anna);
    let page = anna.open("/admin/sessions").await.is(200).says("Passkey").says("ward 3");
    assert_eq!(page.link("Dina passkeys"), "/auth/passkeys");
    let live = async |session: &contract::directory::Session| {
        five.bed.store.live_session(session.key, clock::now()).await.expect("reads").is_some()
    };
    let number = other.key.reference().to_string();
    let body = format!("form={}&session={number}", page.sheet("/admin/sessions/end").get("form"));
    anna.ask("POST", "/admin/sessions/end", &[FORM], body.replace("form=", "form=x")).await.is(403);
    assert!(live(&other).await);
    anna.ask("POST", "/admin/sessions/end", &[FORM], body.clone()).await.is(303);
    assert!(!live(&other).await && live(&third).await);
    anna.ask("POST", "/admin/sessions/end", &[FORM], body).await.is(404);
    // An administrator ends another's; another user does not.
    let admin = five.browser(&five.admin);
    let end = format!("{}/end-sessions", place(&five.anna));
    let holder = five.browser(&five.holder);
    let proof = holder.open(LIST).await.sheet(LIST).get("form").to_owned();
    holder.ask("POST", &end, &[FORM], format!("form={proof}")).await.is(404);
    assert!(live(&third).await);
    let page = admin.open(&place(&five.anna)).await.is(200).says("Avsluta alla andra sessioner");
    let body = format!("form={}", page.sheet(&end).get("form"));
    admin.ask("POST", &end, &[FORM], body).await.is(303);
    assert!(!live(&third).await && !live(&five.anna.session).await);
}
