//! Tables brought in on a page.

use super::super::day::day;
use super::browser::{Browser, FORM};
use crate::accounts::{Account, State, Tries, UserName};
use crate::clock;
use crate::random;
use crate::web::admin::tests::bed::{Bed, hsa};
use contract::id::AccountId;
use contract::record::{AuthEventKind, Reason};

const PLACE: &str = "/admin/imports";

#[tokio::test]
async fn a_table_is_tried_and_then_brought_in() {
    let bed = Bed::new().await;
    let now = clock::now();
    let anna = Account {
        id: AccountId::new(random::uuid(now)),
        user_name: UserName::parse("anna").expect("valid"),
        hsa: Some(hsa(1)),
        name: "Anna Åkesson".to_owned(),
        title: String::new(),
        state: State::Active { since: now - 90 * clock::DAY },
        tries: Tries::default(),
        last_login: None,
        created: now - 90 * clock::DAY,
    };
    let mut change = bed.change().await;
    change.create_account(&anna).await.expect("creates");
    change.commit().await.expect("commits");
    let admin = bed.signer(4, &["account_admin"]).await;
    let admin = Browser::new(&bed, &admin);
    let page = admin.open(PLACE).await.is(200).says("hsa, last_day");
    admin.send(&page, PLACE, &[("feed", "employments")]).await.is(422).says("Välj en fil, eller klistra in tabellen.");
    admin.send(&page, PLACE, &[("table", "x")]).await.is(422).says("Vad: välj ett alternativ.");
    let wrong = format!("hsa;last_day\n{};2026-13-01\nx;2026-01-01", hsa(1));
    let typed = [("feed", "employments"), ("table", wrong.as_str())];
    let told = admin.send(&page, PLACE, &typed).await.is(422).says("2 fel. Ingenting är inläst.").says("last_day");
    assert_eq!(told.sheet(PLACE).get("table"), wrong, "what was typed stays");
    for cell in ["<th scope=\"row\">\n\n2\n\n</th>", "<th scope=\"row\">\n\n3\n\n</th>"] {
        let lines: String = told.html.split_whitespace().collect();
        assert!(lines.contains(&cell.split_whitespace().collect::<String>()), "{cell}");
    }
    let table = format!("hsa;last_day\n{};{}", hsa(1), day(now - 3 * clock::DAY));
    let typed = [("feed", "employments"), ("table", table.as_str()), ("closes_at_most", "0")];
    admin.send(&page, PLACE, &typed).await.is(422).says("Fler konton än så skulle avslutas.");
    admin
        .send(&page, PLACE, &[("feed", "employments"), ("table", &table), ("closes_at_most", "x")])
        .await
        .is(422)
        .says("Högst så många konton får avslutas ska vara ett heltal.");
    let tried = admin.send(&page, PLACE, &[("feed", "employments"), ("table", &table)]).await.is(200);
    let tried = tried.says("Konton som skulle avslutas").says("Inget är ändrat än.");
    let state = async || bed.store.account(anna.id).await.expect("reads").expect("there").state.parts().0;
    assert_eq!(state().await, "active");
    admin.send(&tried, PLACE, &[]).await.is(200).says("Tabellen är inläst.").says("Avslutade konton");
    assert_eq!(state().await, "deregistered");
}

#[tokio::test]
async fn a_file_is_read_as_browsers_send_it() {
    let bed = Bed::new().await;
    let admin = bed.signer(4, &["account_admin"]).await;
    let browser = Browser::new(&bed, &admin);
    let proof = browser.open(PLACE).await.sheet(PLACE).get("form").to_owned();
    let send = async |file: &str| {
        let mut body = String::new();
        for (name, value) in [("form", proof.as_str()), ("feed", "employments"), ("table", "")] {
            body.push_str("--AaB\r\nContent-Disposition: form-data; name=\"");
            body.extend([name, "\"\r\n\r\n", value, "\r\n"]);
        }
        body.push_str("--AaB\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n");
        body.extend(["Content-Type: text/csv\r\n\r\n", file, "\r\n--AaB--\r\n"]);
        browser.ask("POST", PLACE, &[("content-type", "multipart/form-data; boundary=AaB")], body).await
    };
    let tried =
        send(&format!("hsa,last_day\r\n{},2099-01-01\r\n", hsa(4))).await.is(200).says("Tabellen går att läsa in");
    browser.send(&tried, PLACE, &[]).await.is(200).says("Tabellen är inläst.");
    let told = send("hsa,last_day\r\nx,y").await.is(422);
    assert_eq!(told.sheet(PLACE).get("table"), "hsa,last_day\nx,y", "what was in the file can be mended");
    browser
        .ask("POST", PLACE, &[("content-type", "multipart/form-data; boundary=AaB")], "--AaB".to_owned())
        .await
        .is(400);
}

#[tokio::test]
async fn whose_duty_it_is_not_brings_in_nothing() {
    let bed = Bed::new().await;
    let desk = bed.signer(8, &["help_desk"]).await;
    let browser = Browser::new(&bed, &desk);
    browser.open("/admin").await.is(200).never_says(PLACE);
    browser.open(PLACE).await.is(403).says("läsa in uppgifter om personer och enheter");
    let proof = browser.open("/admin/accounts").await.sheet("/admin/accounts").get("form").to_owned();
    bed.told().await;
    let body = format!("form={proof}&feed=employments&table=hsa%2Clast_day%0A{}%2C2020-01-01", hsa(8));
    browser.ask("POST", PLACE, &[FORM], body).await.is(403).says("Du saknar uppdraget");
    // Nor are they told what is wrong with a table.
    let body = format!("form={proof}&feed=employments&table=x");
    browser.ask("POST", PLACE, &[FORM], body).await.is(403).says("Du saknar uppdraget");
    let denied = bed.told_of(AuthEventKind::MoveDenied).await;
    assert_eq!(denied.iter().map(|event| event.reason).collect::<Vec<_>>(), [Reason::NotAppointed; 2]);
    // Without a proof, and without a code.
    let admin = bed.who(4, &["account_admin"]).await;
    let admin = Browser::new(&bed, &admin);
    let page = admin.open(PLACE).await.is(200);
    let table = format!("hsa,last_day\n{},2099-01-01", hsa(8));
    let typed = [("feed", "employments"), ("table", table.as_str())];
    let stale = admin.send(&page, PLACE, &[typed[0], typed[1], ("form", "")]).await.is(403);
    assert_eq!(stale.sheet(PLACE).get("table"), table);
    let asked = admin.send(&page, PLACE, &typed).await.is(200).says("Visa din andra faktor igen");
    assert_eq!(asked.sheet(PLACE).get("table"), table, "and no line is lost");
    let code = admin.code();
    admin.send(&asked, PLACE, &[("code", &code)]).await.is(200).says("Tabellen går att läsa in");
}
