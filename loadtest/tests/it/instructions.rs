//! Security instructions that somebody has not accepted: no registry is open to them, by whatever way they came in, until
//! they have.

use crate::shared::{Place, patient};
use crate::somebody::{Somebody, hidden};
use http::{StatusCode, header};
use loadtest::stack::Component;
use loadtest::stack::people::ANNA;
use toml::{Table, Value};

const VERSION: i64 = 7;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_registry_is_open_before_the_instructions_are_accepted_and_then_all_are_at_once() {
    let mut place = Place::start().await;
    for language in ["sv", "en"] {
        std::fs::write(place.dir().join(language).with_extension("txt"), "New instructions.\n").unwrap();
    }
    place.edit("auditor.toml", |settings| {
        let instructions = settings.entry("instructions").or_insert_with(|| Value::Table(Table::new()));
        let instructions = instructions.as_table_mut().unwrap();
        instructions.insert("version".into(), VERSION.into());
        instructions.insert("everybody".into(), true.into());
        instructions.insert("sv_file".into(), "sv.txt".into());
        instructions.insert("en_file".into(), "en.txt".into());
    });
    place.stack.restart(Component::Auditor).await.unwrap();
    let device = place.stack.device("mottagning").unwrap();
    let anna = Somebody { place: &place, device: &device, session: place.stack.log_in(&ANNA, &device).await.unwrap() };
    let path = format!("/patients/{}", patient(0).id.expose());

    // Programs are told why, and people are led to the page; what needs no login is open as before.
    for path in ["/api/patients/191212121212", "/admin/api/v1/appointments"] {
        let (status, told) = anna.api("GET", path).await;
        assert_eq!((status, &told["type"]), (StatusCode::FORBIDDEN, &"urn:grindvakt:problem:instructions_due".into()));
    }
    assert_eq!(anna.api("GET", "/auth/me").await.0, StatusCode::OK);
    let led = anna.page(&path, None).await;
    assert_eq!((led.status, led.headers[header::LOCATION].as_bytes()), (StatusCode::FOUND, &b"/auth/instructions"[..]));
    assert!(!led.text.contains(&patient(0).name));
    let cookie = led.headers[header::SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();

    // Accepted: at the very next request the way is open.
    let page = anna.page("/auth/instructions?lang=en", Some(&cookie)).await;
    assert!(page.status == StatusCode::OK && page.text.contains("New instructions."), "{}", page.text);
    let version = VERSION.to_string();
    let fields = [("form", hidden(&page.text, "form")), ("version", version.as_str()), ("accept", "yes")];
    let accepted = anna.form("/auth/instructions", &fields).await;
    assert_eq!(accepted.status, StatusCode::SEE_OTHER, "{}", accepted.text);
    let read = anna.page(&path, None).await;
    assert!(read.status == StatusCode::OK && read.text.contains(&patient(0).name), "{}", read.text);

    // The refusals are in the records, and name who was asked for.
    place.drained().await;
    let sql = "SELECT DISTINCT toString(decision) AS decision, toString(reason) AS reason FROM access \
               WHERE decision = 'deny' AND patient != '' ORDER BY reason";
    let rows = place.rows(sql).await;
    assert_eq!(rows.iter().map(|row| row["reason"].as_str().unwrap()).collect::<Vec<_>>(), ["instructions_due"]);
}
