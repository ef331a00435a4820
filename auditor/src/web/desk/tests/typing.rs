//! What is typed: wrong, stale, overtaken, or meant to break a page. Nothing of it is lost, and none of it is markup.

use super::browser::{Browser, FORM, NEW, filled};
use super::forms::Five;
use crate::clock;
use crate::duties::Region;
use crate::web::admin::tests::bed::{Bed, STEP_UP};
use contract::record::{AuthEventKind, Reason};

#[tokio::test]
async fn what_is_wrong_is_told_beside_its_field_and_above_them() {
    let five = Five::new().await;
    let anna = five.browser(&five.anna);
    let page = anna.open(NEW).await.is(200);
    for (name, value, text) in [
        ("name", "", "Namn behöver fyllas i."),
        ("name", &*"x".repeat(201), "Namn är för långt"),
        ("number", "19121212-1213", "rätt kontrollsiffra"),
        ("region", "", "Region: välj ett alternativ."),
        ("region", "02", "Region: välj ett alternativ."),
        ("unit_hsa", "SE1", "Enhetens HSA-id skrivs som"),
        ("address", "1\n2\n3\n4\n5\n6\n7", "en till sex rader"),
        ("address", "", "Arbetsadress behöver fyllas i."),
        ("telephone", "", "Telefon behöver fyllas i."),
        ("registry", "Fot led", "Registrets kortnamn har"),
        ("right", "write", "Behörighet: välj ett alternativ."),
        ("valid_from", "i morgon", "Giltig från ska vara ett datum"),
        ("valid_to", "1999-01-01", "måste vara efter"),
        ("purpose", &*"y".repeat(2_001), "Ändamål är för långt"),
    ] {
        let mut sheet = filled(&page);
        sheet.fill(name, value);
        let again = anna.post(&sheet).await.is(422).says(text);
        assert_eq!(again.html.matches(text).count(), 2, "{name}: beside the field, and above");
        let link = again.link_to(text);
        assert_eq!(link, format!("#{name}"));
        assert!(again.html.contains(&format!("id=\"{name}\"")), "{name}");
        let shown = again.sheet(NEW);
        let bad_choice = matches!(name, "region" | "right");
        for known in ["name", "number", "region", "unit_hsa", "address", "telephone", "registry", "right", "purpose"] {
            if !bad_choice || known != name {
                assert_eq!(shown.get(known), sheet.get(known), "{name} {known}");
            }
        }
    }
    // All at once.
    let empty = anna.send(&page, NEW, &[("name", ""), ("title", "")]).await.is(422);
    assert!(empty.html.matches("behöver fyllas i.").count() >= 14, "{}", empty.html);
    assert!(empty.html.contains("role=\"alert\""));
    // What no such form has is refused, whatever it is.
    for name in ["state", "created_by", "account", "kind", "approved"] {
        let mut sheet = filled(&page);
        sheet.fill(name, "executed");
        anna.post(&sheet).await.is(422).says("Det kom med en uppgift som inte hör hit.");
    }
    anna.open("/admin/forms").await.is(200).says("Inga blanketter stämmer");
}

#[tokio::test]
async fn a_form_that_was_not_asked_for_here_is_refused_recorded_and_shown_again() {
    let five = Five::new().await;
    let (anna, approver) = (five.browser(&five.anna), five.browser(&five.approver));
    let page = anna.open(NEW).await.is(200);
    let theirs = approver.open(NEW).await.is(200).sheet(NEW).get("form").to_owned();
    five.bed.told().await;
    for proof in ["", "x", &theirs] {
        let mut sheet = filled(&page);
        sheet.fill("form", proof);
        let again = anna.post(&sheet).await.is(403).says("Sidan hade varit öppen för länge");
        for (name, value) in super::browser::APPLICATION {
            assert_eq!(again.sheet(NEW).get(name), value);
        }
        let forged = five.bed.told_of(AuthEventKind::LoginFailed).await;
        assert_eq!(forged.iter().map(|event| event.reason).collect::<Vec<_>>(), [Reason::Forged]);
        // The page that is shown again works.
        anna.post(&again.sheet(NEW)).await.is(200).says("Utkastet är sparat.");
        five.bed.told().await;
    }
    // A move, too; and what another site sends with the right proof.
    let form = anna.submitted().await;
    let to = format!("{form}/approve");
    let shown = approver.open(&form).await.is(200);
    let mut sheet = shown.sheet(&to);
    sheet.fill("basis", "Kollega");
    five.bed.told().await;
    let sent = [FORM, ("sec-fetch-site", "cross-site")];
    let vouch = five.bed.vouch(&five.approver);
    let answer = five.bed.raw(&vouch, ("POST", &to), &sent, sheet.encoded()).await;
    assert_eq!(answer.status.as_u16(), 403);
    sheet.fill("form", "");
    let again = approver.post(&sheet).await.is(403);
    assert_eq!(again.sheet(&to).get("basis"), "Kollega");
    let kinds: Vec<_> = five.bed.told().await.iter().map(|event| (event.kind, event.reason)).collect();
    let forged = (AuthEventKind::LoginFailed, Reason::Forged);
    assert_eq!(kinds.iter().filter(|kind| **kind == forged).count(), 2, "{kinds:?}");
    assert!(!kinds.iter().any(|(kind, _)| *kind == AuthEventKind::FormApproved));
    approver.post(&again.sheet(&to)).await.is(200).says("Blanketten är godkänd.");
}

#[tokio::test]
async fn whoever_comes_second_sees_what_is_there_now_and_keeps_their_words() {
    let five = Five::new().await;
    let other = five.bed.signer(6, &["approver:12"]).await;
    let [anna, approver, other] = [&five.anna, &five.approver, &other].map(|who| five.browser(who));
    // A draft that somebody saved in another window.
    let form = anna.applied().await;
    let to = format!("{form}/edit");
    let (one, second) = (anna.open(&to).await.is(200), anna.open(&to).await.is(200));
    anna.send(&one, &to, &[("purpose", "Det nya")]).await.is(200);
    let late = anna.send(&second, &to, &[("purpose", "Det sena")]).await.is(412);
    let late = late.says("Någon har ändrat utkastet").says("Det nya");
    assert_eq!(late.sheet(&to).get("purpose"), "Det sena");
    anna.send(&late, &to, &[]).await.is(200).says("Det sena");

    // A decision that another has taken, and the form was submitted again.
    anna.deed(&form, "submit", &[("assured", "yes")]).await.is(200);
    let page = approver.open(&form).await.is(200);
    other.deed(&form, "return", &[("reason", "Rätta")]).await.is(200);
    anna.deed(&form, "submit", &[("assured", "yes")]).await.is(200);
    let late = approver.send(&page, &format!("{form}/approve"), &[("basis", "Kollega sedan 2019")]).await.is(412);
    let late = late.says("Någon har ändrat blanketten").says("Rätta");
    assert_eq!(late.sheet(&format!("{form}/approve")).get("basis"), "Kollega sedan 2019");
    let seen = other.open(&form).await.is(200);
    approver.send(&late, &format!("{form}/approve"), &[]).await.is(200).says("Blanketten är godkänd.");
    // What is over is told, too.
    let stale = other.send(&seen, &format!("{form}/refuse"), &[("reason", "Nej")]).await;
    stale.is(412).says("Någon har ändrat blanketten").says("Godkänd i regionen");
}

#[tokio::test]
async fn a_signature_waits_for_a_code_and_nothing_typed_is_lost() {
    let bed = Bed::new().await;
    let approver = bed.who(2, &["approver:12"]).await;
    let form = format!("/admin/forms/{}", bed.newcomer(1, Region::Skane).await.id);
    bed.shown(&approver, clock::now() - STEP_UP - clock::SECOND).await;
    let browser = Browser::new(&bed, &approver);
    let to = format!("{form}/approve");
    let basis = "Kollega <sedan> \"2019\"\noch granne";
    let asked = browser.deed(&form, "approve", &[("basis", basis)]).await.is(200).says("Visa din andra faktor igen");
    let asked = asked.says("Godkänn: Ansökan (blankett 1)");
    assert_eq!(asked.sheet(&to).get("basis"), basis);
    assert!(asked.html.contains("autocomplete=\"one-time-code\""));
    let missing = browser.send(&asked, &to, &[("code", "")]).await.is(403).says("Skriv koden från din kodapp.");
    let wrong = browser.send(&missing, &to, &[("code", "000000")]).await.is(403).says("Koden stämmer inte");
    assert_eq!((wrong.sheet(&to).get("code"), wrong.sheet(&to).get("basis")), ("", basis), "a code is not shown again");
    assert!(bed.told_of(AuthEventKind::FormApproved).await.is_empty());
    browser.send(&wrong, &to, &[("code", &browser.code())]).await.is(200).says(basis).says("Blanketten är godkänd.");
}

#[tokio::test]
async fn who_has_a_passkey_is_asked_for_it_and_runs_a_script_on_that_page_alone() {
    let bed = Bed::new().await;
    let approver = bed.who(2, &["approver:12"]).await;
    let form = format!("/admin/forms/{}", bed.newcomer(1, Region::Skane).await.id);
    let (browser, to) = (Browser::new(&bed, &approver), format!("{form}/approve"));
    let asked = browser.deed(&form, "approve", &[("basis", "Kollega")]).await.is(200).never_says("passkey.js");
    assert!(!asked.policy.contains("script-src"), "{}", asked.policy);
    bed.give(&approver, 1).await;
    let asked = browser.deed(&form, "approve", &[("basis", "Kollega")]).await.is(200).says("Skriv under med passkey");
    assert!(asked.html.contains("/auth/static/passkey.js") && asked.html.contains("one-time-code"));
    assert!(asked.policy.contains("script-src 'self'; connect-src 'self'"), "{}", asked.policy);
    assert_eq!(asked.sheet(&to).get("basis"), "Kollega", "it goes along with the passkey, too");
    assert!(!browser.open(&form).await.is(200).policy.contains("script-src"));
}

#[tokio::test]
async fn what_people_write_is_never_markup() {
    let five = Five::new().await;
    let [anna, approver] = [&five.anna, &five.approver].map(|who| five.browser(who));
    let evil = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>";
    let page = anna.open(NEW).await.is(200);
    let mut sheet = filled(&page);
    for name in ["name", "title", "unit", "address", "telephone", "mobile", "email", "purpose"] {
        sheet.fill(name, evil);
    }
    let shown = anna.post(&sheet).await.is(200).says(evil).never_says("<script>alert").never_says("<img");
    let form = shown.link("Ändra utkastet").strip_suffix("/edit").expect("a form").to_owned();
    anna.open(&format!("{form}/edit")).await.is(200).says(evil).never_says("<script>alert").never_says("<img");
    // Where it cannot be taken it is shown again as it was typed.
    for name in ["number", "unit_hsa", "registry", "valid_from", "valid_to", "region", "right"] {
        let mut sheet = filled(&page);
        sheet.fill(name, evil);
        anna.post(&sheet).await.is(422).never_says("<script>alert").never_says("<img");
    }
    anna.send(&shown, &format!("{form}/submit"), &[("assured", "yes")]).await.is(200);
    let seen = approver.open(&form).await.is(200).says(evil).never_says("<script>alert").never_says("<img");
    let back = approver.send(&seen, &format!("{form}/return"), &[("reason", evil)]).await.is(200);
    back.never_says("<script>alert");
    anna.open(&form).await.is(200).says(evil).never_says("<script>alert").never_says("<img");
    for address in ["/admin/forms?registry=\"><script>alert(1)</script>", "/admin/forms?done=<script>alert(1)"] {
        let address = address.replace('<', "%3C").replace('>', "%3E").replace('"', "%22");
        anna.open(&address).await.never_says("<script>alert");
    }
    for name in ["basis", "user_name"] {
        let mut sheet = page.sheet(NEW);
        sheet.fill(name, evil);
        anna.post(&sheet).await.is(422).never_says("<script>alert");
    }
}
