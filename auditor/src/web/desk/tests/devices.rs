//! Devices on pages: listed, enrolled, revoked.

use super::browser::{Browser, FORM};
use crate::clock;
use crate::devices::{Code, Device};
use crate::issuing::tests::asked;
use crate::web::admin::tests::bed::Bed;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contract::id::{CertFingerprint, DeviceId, HsaId};
use contract::record::{AuthEventKind, Reason};
use uuid::Uuid;

const HERE: &str = "SE2321000016-39KJ";
const ELSEWHERE: &str = "SE2321000016-0001";
const NEW: &str = "/admin/devices/new";

/// What stands beside a label.
#[track_caller]
fn beside(html: &str, label: &str) -> String {
    let rest = html.split(&format!("<dt>{label}</dt><dd>")).nth(1).unwrap_or_else(|| panic!("no {label}: {html}"));
    rest.split("</dd>").next().expect("an end").to_owned()
}

#[tokio::test]
async fn a_device_is_enrolled_by_code_by_request_and_by_file() {
    let bed = Bed::new().await;
    let admin = bed.signer(1, &["device_admin"]).await;
    let admin = Browser::new(&bed, &admin);
    let list = admin.open("/admin/devices").await.is(200).says("ward 3");
    let page = admin.open(&list.link("Anslut en enhet")).await.is(200).says("Region (SE2321000016-39KJ)");
    let code = format!("{NEW}/code");
    let empty = admin.send(&page, &code, &[("name", "Avd 5")]).await.is(422);
    let empty = empty.says("Organisation: välj eller skriv vilken.");
    assert_eq!(empty.sheet(&code).get("name"), "Avd 5", "what was typed stays");
    let device = [("organisation", HERE), ("name", "Avd 5")];
    let made = admin.send(&empty, &code, &device).await.is(200).says("Det här visas bara en gång");
    let shown = beside(&made.html, "Engångskod");
    let prefix = Code::parse(&shown).expect("a code").prefix().to_owned();
    let codes = admin.open("/admin/devices/codes").await.is(200).says(&prefix).never_says(&shown);
    let withdraw = codes.html.split("action=\"").filter_map(|rest| rest.split('"').next());
    let withdraw = withdraw.into_iter().find(|to| to.ends_with("/withdraw")).expect("a form").to_owned();
    let back = admin.send(&codes, &withdraw, &[]).await.is(200).says("Koden gäller inte längre.");
    back.says("Inga koder väntar på att användas.");

    let request = format!("{NEW}/request");
    let csr = String::from_utf8(asked().1).expect("text");
    let wrong = [("organisation", HERE), ("name", "Avd 6"), ("csr", "none")];
    let again = admin.send(&page, &request, &wrong).await.is(422).says("Begäran går inte att läsa");
    assert_eq!(again.sheet(&request).get("csr"), "none");
    let given = admin.send(&again, &request, &[("csr", &csr)]).await.is(200).says("Hämta certifikatet");
    let pem = given.html.split("data:application/x-pem-file;base64,").nth(1).expect("a file");
    let pem = STANDARD.decode(pem.split('"').next().expect("an end")).expect("base64");
    assert!(pem.starts_with(b"-----BEGIN CERTIFICATE-----"));
    admin.send(&again, &request, &[("csr", &csr)]).await.is(409).says("Upptaget");

    let file = format!("{NEW}/file");
    admin.send(&page, &file, &device).await.is(422).says("Slags fil: välj ett alternativ.");
    let made = admin
        .send(&page, &file, &[("organisation", HERE), ("name", "Avd 7"), ("file_form", "pkcs12")])
        .await
        .is(200)
        .says("Hämta filen");
    let archive = made.html.split("data:application/x-pkcs12;base64,").nth(1).expect("a file");
    let archive = STANDARD.decode(archive.split('"').next().expect("an end")).expect("base64");
    let opened = openssl::pkcs12::Pkcs12::from_der(&archive).expect("reads");
    let opened = opened.parse2(&beside(&made.html, "Lösenfras")).expect("opens");
    assert!(opened.pkey.is_some());
}

#[tokio::test]
async fn what_ends_soon_is_on_the_start_page_and_a_device_is_revoked_there() {
    let bed = Bed::new().await;
    let admin = bed.signer(1, &["device_admin:SE2321000016-39KJ"]).await;
    let admin = Browser::new(&bed, &admin);
    admin.open("/admin").await.is(200).never_says("Enheter som snart går ut");
    let now = clock::now();
    let device = Device {
        id: DeviceId::new(Uuid::from_u128(8)),
        organisation: HsaId::parse(HERE).expect("valid"),
        name: "Surfplatta 4".to_owned(),
        serial: "0a0b".to_owned(),
        fingerprint: CertFingerprint([2; 32]),
        not_before: 0,
        not_after: now + 2 * clock::DAY,
        enrolled: now - 28 * clock::DAY,
        enrolled_by: contract::id::AccountId::NONE,
        revoked: None,
    };
    let mut change = bed.change().await;
    change.enrol_device(&device).await.expect("enrols");
    change.commit().await.expect("commits");
    let start = admin.open("/admin").await.is(200).says("Enheter som snart går ut");
    let list = admin.open("/admin/devices?state=expiring").await.is(200).says("Surfplatta 4").never_says("ward 3");
    list.says("aldrig");
    for (search, found) in [("platta", true), ("0a0", true), ("ward", false)] {
        let page = admin.open(&format!("/admin/devices?search={search}&sort=unused")).await.is(200);
        assert_eq!(page.html.contains("Surfplatta 4"), found, "{search}");
    }
    admin.open("/admin/devices?state=dead").await.is(400).says("Ett val går inte att läsa.");
    let page = admin.open(&start.link("Surfplatta 4")).await.is(200).says("0a0b");
    let revoke = format!("/admin/devices/{}/revoke", device.id);
    let unsaid = admin.send(&page, &revoke, &[]).await.is(422).says("Skäl: välj ett alternativ.");
    let gone = admin.send(&unsaid, &revoke, &[("why", "stolen")]).await.is(200).says("Enheten är återkallad.");
    assert!(gone.says("Stulen").never_says("action=\"/admin/devices/").status == 200);
    admin.open("/admin").await.is(200).never_says("Enheter som snart går ut");
    let events = bed.told_of(AuthEventKind::DeviceRevoked).await;
    assert_eq!(events.len(), 1);
}

#[tokio::test]
async fn one_sees_and_does_what_ones_duties_reach() {
    let bed = Bed::new().await;
    let elsewhere = bed.signer(2, &["device_admin:SE2321000016-0001"]).await;
    let desk = bed.signer(3, &["help_desk"]).await;
    let nobody = bed.signer(4, &["account_admin"]).await;
    let place = format!("/admin/devices/{}", DeviceId::new(Uuid::from_u128(7)));
    let theirs = Browser::new(&bed, &elsewhere);
    theirs.open("/admin/devices").await.is(200).never_says("ward 3").says("Inga enheter stämmer");
    let add = "/admin/devices/organisations";
    let page = theirs.open(add).await.is(200).says("Inga organisationer än.");
    theirs.send(&page, add, &[("hsa", HERE), ("name", "En annan")]).await.is(403).says("ansluta och återkalla enheter");
    let wrong = theirs.send(&page, add, &[("hsa", "SE1"), ("name", "En")]).await.is(422);
    let wrong = wrong.says("HSA-id skrivs som");
    let added = theirs.send(&wrong, add, &[("hsa", ELSEWHERE)]).await.is(200).says("Organisationen är tillagd.");
    assert!(!added.has_form(add), "theirs is there");
    bed.told().await;
    theirs.open(&place).await.is(404);
    let proof = theirs.open(NEW).await.sheet(&format!("{NEW}/code")).get("form").to_owned();
    let body = format!("form={proof}&why=lost");
    theirs.ask("POST", &format!("{place}/revoke"), &[FORM], body).await.is(404);
    let code = [("organisation", HERE), ("name", "Avd 9")];
    theirs.send(&theirs.open(NEW).await, &format!("{NEW}/code"), &code).await.is(403);
    // The help desk sees, and does nothing.
    let sees = Browser::new(&bed, &desk);
    let page = sees.open(&place).await.is(200).says("ward 3");
    assert!(!page.html.contains(&format!("action=\"{place}")));
    sees.open("/admin/devices").await.is(200).never_says("Anslut en enhet");
    sees.open(NEW).await.is(403);
    let proof = sees.open("/admin/accounts").await.sheet("/admin/accounts").get("form").to_owned();
    let body = format!("form={proof}&why=lost");
    sees.ask("POST", &format!("{place}/revoke"), &[FORM], body).await.is(403);
    let denied = bed.told_of(AuthEventKind::MoveDenied).await;
    assert_eq!(denied.iter().map(|event| event.reason).collect::<Vec<_>>(), [Reason::NotAppointed; 4]);
    let none = Browser::new(&bed, &nobody);
    none.open("/admin").await.is(200).never_says("/admin/devices");
    for to in ["/admin/devices", "/admin/devices/codes", "/admin/devices/organisations"] {
        none.open(to).await.is(403).says("Du saknar uppdraget");
    }
    none.open(&place).await.is(404);
}

#[tokio::test]
async fn nothing_is_made_without_a_proof_or_a_code() {
    let bed = Bed::new().await;
    let admin = bed.who(1, &["device_admin"]).await;
    let admin = Browser::new(&bed, &admin);
    let page = admin.open(NEW).await.is(200);
    let code = format!("{NEW}/code");
    let typed = [("organisation", HERE), ("name", "Avd 5")];
    let mut forged = typed.to_vec();
    forged.push(("form", ""));
    let stale = admin.send(&page, &code, &forged).await.is(403).says("öppnades inte härifrån");
    assert_eq!(stale.sheet(&code).get("name"), "Avd 5");
    let asked = admin.send(&page, &code, &typed).await.is(200).says("Gör en engångskod");
    assert_eq!(asked.sheet(&code).get("organisation"), HERE);
    assert!(bed.store.device_codes(None, None, 9).await.expect("reads").is_empty());
    admin.send(&asked, &code, &[("code", &admin.code())]).await.is(200).says("Engångskoden är gjord");
}
