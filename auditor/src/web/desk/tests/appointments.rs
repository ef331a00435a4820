//! Appointments on pages.

use super::browser::Browser;
use super::forms::Five;
use contract::record::{AuthEventKind, Reason};

const NEW: &str = "/admin/appointments/new";

#[tokio::test]
async fn somebody_is_appointed_and_it_ends() {
    let five = Five::new().await;
    let admin = five.browser(&five.admin);
    let page = admin.open("/admin/appointments").await.is(200).says("Person 2").says("Godkännare i Region Skåne");
    let page = admin.open(&page.link("Ge ett uppdrag")).await.is(200);
    for (typed, text) in [
        (&[("user_name", "user1"), ("role", "")][..], "Uppdrag: välj ett alternativ."),
        (&[("user_name", "user1"), ("role", "root")], "Uppdrag: välj ett alternativ."),
        (&[("user_name", "user1"), ("role", "approver")], "Välj godkännarens region."),
        (
            &[("user_name", "user1"), ("role", "registry_holder"), ("registry", "A B")],
            "Skriv registerhållarens register.",
        ),
        (&[("user_name", "user1"), ("role", "log_reviewer")], "Skriv vårdenhetens HSA-id."),
        (&[("user_name", "x"), ("role", "help_desk")], "Användarnamnet ska ha"),
        (&[("user_name", "user99"), ("role", "help_desk")], "Det finns inget sådant konto."),
        (&[("user_name", "user1"), ("role", "help_desk"), ("valid_to", "1999-01-01")], "måste vara efter"),
        (&[("user_name", "user1"), ("role", "help_desk"), ("valid_from", "nu")], "ska vara ett datum"),
        (&[("user_name", "user1"), ("role", "help_desk"), ("given_by", "x")], "som inte hör hit"),
    ] {
        let again = admin.send(&page, NEW, typed).await.is(422).says(text);
        assert_eq!(again.sheet(NEW).get("user_name"), typed[0].1);
    }
    admin
        .send(&page, NEW, &[("user_name", "user4"), ("role", "log_auditor")])
        .await
        .is(403)
        .says("Ingen beslutar om sig själv");
    admin
        .send(&page, NEW, &[("user_name", "user2"), ("role", "approver"), ("region", "12")])
        .await
        .is(409)
        .says("Upptaget");
    let given = admin.send(&page, NEW, &[("user_name", "user1"), ("role", "approver"), ("region", "12")]).await.is(200);
    let given = given.says("Uppdraget är givet.").says("Person 1");
    let anna = five.browser(&five.anna);
    anna.open("/admin").await.is(200).says("Godkännare i Region Skåne");
    anna.open("/admin/appointments").await.is(200).says("Dina uppdrag").never_says("Person 2").never_says("/end\"");

    let theirs =
        admin.open(&given.link("Person 1")).await.is(200).says("Uppdrag för Person 1").never_says("Person 2</a>");
    let end = theirs.html.split("href=\"").filter_map(|rest| rest.split('"').next()).find(|to| to.ends_with("/end"));
    let end = end.expect("a link").to_owned();
    let page = admin.open(&end).await.is(200).says("Uppdraget upphör direkt.").says("Person 1");
    let unsaid = admin.send(&page, &end, &[]).await.is(422).says("Skäl: välj ett alternativ.");
    admin.send(&unsaid, &end, &[("why", "leaves")]).await.is(200).says("Uppdraget är avslutat.");
    admin.open(&end).await.is(404);
    anna.open("/admin").await.is(200).never_says("Godkännare i Region Skåne");
    admin.open("/admin/appointments?ended=true").await.is(200).says("Avslutades");
    let kinds: Vec<_> = five.bed.told().await.iter().map(|event| event.kind).collect();
    assert!(kinds.contains(&AuthEventKind::AppointmentEnded));
}

#[tokio::test]
async fn who_may_not_appoint_is_told_so_and_learns_nothing() {
    let five = Five::new().await;
    let (anna, admin) = (five.browser(&five.anna), five.browser(&five.admin));
    anna.open(NEW).await.is(403).says("ge och avsluta uppdrag");
    anna.open(&format!("/admin/appointments?account={}", five.admin.id)).await.is(403);
    let proof = anna.open("/admin/forms/new/application").await.sheet("/admin/forms/new/application");
    let proof = proof.get("form").to_owned();
    five.bed.told().await;
    for name in ["user2", "user99"] {
        let mut sheet = admin.open(NEW).await.sheet(NEW);
        for (field, value) in [("form", proof.as_str()), ("user_name", name), ("role", "account_admin")] {
            sheet.fill(field, value);
        }
        anna.post(&sheet).await.is(403).says("Du saknar uppdraget");
    }
    let denied = five.bed.told_of(AuthEventKind::MoveDenied).await;
    assert_eq!(denied.iter().map(|event| event.reason).collect::<Vec<_>>(), [Reason::NotAppointed; 2]);
}

#[tokio::test]
async fn an_appointment_waits_for_a_code() {
    let five = Five::new().await;
    let admin = five.bed.who(9, &["account_admin"]).await;
    let browser = Browser::new(&five.bed, &admin);
    let page = browser.open(NEW).await.is(200);
    let typed =
        [("user_name", "user1"), ("role", "registry_holder"), ("registry", "fotled"), ("valid_to", "2099-12-31")];
    let asked = browser.send(&page, NEW, &typed).await.is(200).says("Ge ett uppdrag: Registerhållare för fotled");
    for (name, value) in typed {
        assert_eq!(asked.sheet(NEW).get(name), value);
    }
    let given = browser.send(&asked, NEW, &[("code", &browser.code())]).await.is(200).says("Uppdraget är givet.");
    given.says("2099-12-31");
}
