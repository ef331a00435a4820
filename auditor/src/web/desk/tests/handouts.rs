//! Credentials handed out on pages.

use super::browser::{Browser, FORM};
use super::forms::Five;
use contract::record::{AuthEventKind, Reason};

/// A handout of an account that form 1 has made: the account's page, and the handout's.
async fn issued(five: &Five) -> (String, String) {
    let account = five.bed.made((&five.approver, &five.holder, &five.admin), 100).await;
    let account = format!("/admin/accounts/{account}");
    let admin = five.browser(&five.admin);
    let page = admin.open(&account).await.is(200).says("Skapat, inte utlämnat");
    let to = format!("{account}/handout");
    assert_eq!((page.sheet(&to).get("id_by"), page.sheet(&to).get("code_by")), ("letter", "sms"));
    for (id_by, code_by, text) in [
        ("letter", "letter", "Id och kod måste gå på två olika sätt."),
        ("letter", "sms", "Ansökan har inget mobilnummer"),
        ("fax", "phone", "Fax går inte att använda här."),
    ] {
        let again = admin.send(&page, &to, &[("id_by", id_by), ("code_by", code_by)]).await.is(422).says(text);
        if id_by != "fax" {
            assert_eq!(again.sheet(&to).get("code_by"), code_by, "what was chosen stays");
        }
    }
    let mut sheet = page.sheet(&to);
    sheet.fill("code_by", "phone");
    let made = admin.ask("POST", &to, &[FORM], sheet.encoded()).await.is(303);
    let place = made.to.expect("a place");
    (account, place.split('?').next().expect("a path").to_owned())
}

#[tokio::test]
async fn a_letter_and_a_call_hand_an_account_out() {
    let five = Five::new().await;
    let (account, place) = issued(&five).await;
    let admin = five.browser(&five.admin);
    let start = admin.open("/admin").await.is(200).says("Brev att skriva ut").says("Samtal att ringa");
    let queue = admin.open(&start.link("Brev att skriva ut")).await.is(200).says("Brev: att skriva ut");
    let page = admin.open(&queue.link("Bo Nyman")).await.is(200);
    let letter = format!("{place}/letter");
    let printed = admin.send(&page, &letter, &[]).await.is(200);
    assert!(printed.html.starts_with("%PDF-1."));
    let page = admin.open(&place).await.is(200).says("utskrivet, inte postat").says("Skriv ut brevet igen (Id)");
    let page = admin.send(&page, &format!("{place}/posted"), &[]).await.is(200).says("Brevet är postat.");
    let told = admin.send(&page, &format!("{place}/number"), &[]).await.is(200).says("046-10 00 00");
    let called = format!("{place}/called");
    let both = admin.send(&told, &called, &[("called_back", "yes")]).await;
    both.is(403).says("Den andra halvan är någon annans");
    let second = five.bed.signer(9, &["account_admin"]).await;
    let second = Browser::new(&five.bed, &second);
    let page = second.open(&place).await.is(200);
    let told = second.send(&page, &format!("{place}/number"), &[]).await.is(200).says("046-10 00 00");
    let silent = second.send(&told, &called, &[]).await.is(422).says("Ring upp personen");
    let read = second
        .send(&silent, &called, &[("called_back", "yes")])
        .await
        .is(200)
        .says("Det visas bara den här gången")
        .html;
    let half = read.split("<dd>").nth(1).and_then(|rest| rest.split('<').next()).expect("a half").to_owned();
    assert_eq!(half.len(), 9, "{half}");
    let page = admin.open(&place).await.is(200).never_says(&half).says("uppläst");
    for deed in ["letter", "posted", "number", "called", "reroute"] {
        assert!(!page.has_form(&format!("{place}/{deed}")), "{deed}");
    }
    admin.open(&account).await.is(200).says("Utlämnat, inte använt");
}

#[tokio::test]
async fn who_signs_for_a_letter_comes_back_to_it() {
    let five = Five::new().await;
    let (_, place) = issued(&five).await;
    let other = five.bed.who(9, &["account_admin"]).await;
    let other = Browser::new(&five.bed, &other);
    let page = other.open(&place).await.is(200);
    let letter = format!("{place}/letter");
    let asked = other.send(&page, &letter, &[]).await.is(200).says("Skriv ut brevet (Id): Bo Nyman");
    let back = other.send(&asked, &letter, &[("code", &other.code())]).await.is(200);
    let back = back.says("Du har skrivit under. Skriv ut brevet nu.").says("Brev: att skriva ut");
    assert!(other.send(&back, &letter, &[]).await.is(200).html.starts_with("%PDF-1."));
}

#[tokio::test]
async fn a_half_goes_another_way() {
    let five = Five::new().await;
    let (_, place) = issued(&five).await;
    let admin = five.browser(&five.admin);
    let page = admin.open(&place).await.is(200);
    let reroute = format!("{place}/reroute");
    // The first form is the id's: its other half goes by telephone.
    let unsaid = admin.send(&page, &reroute, &[]).await.is(422).says("Sätt: välj ett alternativ.");
    let same = admin.send(&unsaid, &reroute, &[("channel", "phone")]).await.is(422);
    let same = same.says("Id och kod måste gå på två olika sätt.");
    admin.send(&same, &reroute, &[("channel", "sms")]).await.is(422).says("Ansökan har inget mobilnummer");
    admin.send(&page, &reroute, &[("channel", "letter")]).await.is(200).says("Halvan är gjord på nytt");
}

#[tokio::test]
async fn whose_duty_it_is_not_sees_and_does_nothing() {
    let five = Five::new().await;
    let (account, place) = issued(&five).await;
    let desk = five.bed.signer(8, &["help_desk"]).await;
    let browser = five.browser(&desk);
    browser.open("/admin").await.is(200).never_says("/admin/handouts");
    browser.open("/admin/handouts").await.is(403).says("lämna ut inloggningsuppgifter");
    browser.open(&place).await.is(403);
    let page = browser.open(&account).await.is(200);
    assert!(!page.has_form(&format!("{account}/handout")));
    let proof = browser.open("/admin/accounts").await.sheet("/admin/accounts").get("form").to_owned();
    five.bed.told().await;
    for (to, body) in [
        (format!("{place}/letter"), "&half=id"),
        (format!("{place}/called"), "&half=code&called_back=yes"),
        (format!("{account}/handout"), "&id_by=letter&code_by=phone"),
    ] {
        browser.ask("POST", &to, &[FORM], format!("form={proof}{body}")).await.is(403).says("Du saknar uppdraget");
    }
    let denied = five.bed.told_of(AuthEventKind::MoveDenied).await;
    let denied: Vec<_> = denied.iter().map(|event| (event.reason, event.by)).collect();
    assert_eq!(denied, [(Reason::NotAppointed, desk.id); 3]);
    // Without a proof nothing is printed.
    let admin = five.browser(&five.admin);
    let page = admin.open(&place).await.is(200);
    let stale = admin.send(&page, &format!("{place}/letter"), &[("form", "")]).await.is(403);
    assert!(!stale.html.starts_with("%PDF"));
    admin.open(&place).await.is(200).says("Brev: att skriva ut");
    admin.open("/admin/handouts?state=dead").await.is(400).says("Ett val går inte att läsa.");
    admin.open("/admin/handouts/x").await.is(404);
}
