//! A nödöppning from end to end: denied, opened with a reason, read, recorded as `override`, listed to the unit's reviewer.
#![expect(clippy::indexing_slicing, reason = "tests")]

use crate::shared::{LIMIT, Place, builder, get, patient};
use crate::somebody::{Somebody, hidden};
use crate::whole::until;
use http::{StatusCode, header};
use loadtest::client::{Device, Protocol, full};
use loadtest::patients::UNITS;
use loadtest::stack::people::{DAVID, REGISTRY};

const SAID: &str = "Medvetslös på akuten";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_denied_opens_one_patient_with_a_reason_and_the_units_reviewer_is_told() {
    let place = Place::start().await;
    let device = place.stack.device("mottagning").unwrap();
    let david =
        Somebody { place: &place, device: &device, session: place.stack.log_in(&DAVID, &device).await.unwrap() };
    let (anna, bo) = (patient(0), patient(1));
    let path = format!("/patients/{}", anna.id.expose());

    // Denied, with a way on that names the patient to nobody.
    let denied = david.page(&path, None).await;
    assert_eq!(denied.status, StatusCode::FORBIDDEN);
    assert!(denied.text.contains("action=\"/auth/emergency\"") && !denied.text.contains(anna.id.expose()));
    let ticket = hidden(&denied.text, "ticket").to_owned();
    let cookie = denied.headers[header::SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
    let (status, told) = david.api("GET", &format!("/api/patients/{}", anna.id.expose())).await;
    assert_eq!((status, told["emergency"]["post"].as_str()), (StatusCode::FORBIDDEN, Some("/auth/emergency")));
    let other = david.page("/api/patients/191212121212/documents/1", None).await;
    assert!(other.status == StatusCode::FORBIDDEN && !other.text.contains("<form"), "a route that does not allow it");

    // Asked why, told, open.
    let asked = david.form("/auth/emergency", &[("ticket", &ticket)]).await;
    assert_eq!(asked.status, StatusCode::OK, "{}", asked.text);
    let proof = hidden(&asked.text, "form").to_owned();
    let said = [("form", proof.as_str()), ("ticket", &ticket), ("why", "incapable"), ("words", SAID)];
    let opened = david.form("/auth/emergency/open", &said).await;
    assert_eq!(opened.status, StatusCode::SEE_OTHER, "{}", opened.text);
    let done = david.page("/auth/emergency/done", Some(&cookie)).await;
    assert!(done.status == StatusCode::OK && done.text.contains(&format!("href=\"{path}\"")), "{}", done.text);
    until("the gateway knows of it", LIMIT, async || match david.page(&path, None).await.status {
        StatusCode::OK => Ok(()),
        other => Err(other.to_string()),
    })
    .await;
    let read = david.page(&path, None).await;
    assert!(read.text.contains(&anna.name));

    // Nobody else, nothing else, nobody else's, and not twice.
    let others = david.page(&format!("/patients/{}", bo.id.expose()), None).await;
    assert_eq!(others.status, StatusCode::FORBIDDEN);
    let change = builder("PUT", &format!("/api/patients/{}", anna.id.expose()), Some(&david.session));
    let change = david.send(change.body(full("{}")).unwrap()).await;
    assert_eq!(change.status, StatusCode::FORBIDDEN);
    let erik = place.appointed(&device, "erik", "help_desk").await;
    assert_eq!(erik.page(&path, None).await.status, StatusCode::FORBIDDEN);
    assert_eq!(erik.form("/auth/emergency", &[("ticket", &ticket)]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(david.form("/auth/emergency/open", &said).await.status, StatusCode::FORBIDDEN);

    recorded(&place, &anna.id, &bo.id).await;
    listed(&place, &device, &anna.id).await;
}

/// What the records say.
async fn recorded(place: &Place, anna: &contract::identity::PatientId, bo: &contract::identity::PatientId) {
    place.drained().await;
    let key = place.stack.pseudonym_key().unwrap();
    let decisions = async |patient| {
        let reference = key.patient(patient);
        let sql = format!(
            "SELECT DISTINCT method, toString(decision) AS decision, toString(reason) AS reason, activity FROM access \
             WHERE patient = '{reference}' AND user_hsa = '{}' ORDER BY method, decision",
            DAVID.hsa
        );
        let rows = place.rows(&sql).await.into_iter();
        rows.map(|row| {
            ["method", "decision", "reason", "activity"].map(|name| row[name].as_str().unwrap().to_owned()).join(" ")
        })
        .collect::<Vec<_>>()
    };
    let of_anna = ["GET deny no_grant read", "GET override emergency_incapable read", "PUT deny no_grant write"];
    assert_eq!(decisions(anna).await, of_anna);
    assert_eq!(decisions(bo).await, ["GET deny no_grant read"]);
    until("the events are there", LIMIT, async || {
        let rows = place.rows(
            "SELECT toString(kind) AS kind, toString(reason) AS reason FROM event WHERE kind IN \
                               ('emergency_opened', 'emergency_refused') ORDER BY ts",
        );
        let rows: Vec<_> =
            rows.await.iter().map(|row| format!("{} {}", row["kind"], row["reason"]).replace('"', "")).collect();
        let expected = [
            "emergency_opened emergency_incapable",
            "emergency_refused session_elsewhere",
            "emergency_refused code_replayed",
        ];
        if rows == expected { Ok(()) } else { Err(format!("{rows:?}")) }
    })
    .await;
}

/// Who sees it in the list.
async fn listed(place: &Place, device: &Device, anna: &contract::identity::PatientId) {
    let list = "/admin/api/v1/emergencies";
    let (own, other) = (UNITS[0].0, UNITS[1].0);
    assert_eq!(DAVID.unit.map(|(unit, _)| unit), Some(own));
    let reviewer = place.appointed(device, "greta", &format!("log_reviewer:{own}")).await;
    let elsewhere = place.appointed(device, "hugo", &format!("log_reviewer:{other}")).await;
    let (status, told) = reviewer.api("GET", list).await;
    let openings = told["openings"].as_array().unwrap();
    assert_eq!((status, openings.len()), (StatusCode::OK, 1), "{told}");
    let reference = place.stack.pseudonym_key().unwrap().patient(anna).to_string();
    for (name, value) in [
        ("name", DAVID.name),
        ("hsa", DAVID.hsa),
        ("registry", REGISTRY),
        ("unit", own),
        ("why", "incapable"),
        ("words", SAID),
        ("patient", &reference),
    ] {
        assert_eq!(openings[0][name], value, "{name}");
    }
    assert!(!told.to_string().contains(anna.expose()));
    let seen = format!("{list}/{}/seen", openings[0]["id"].as_str().unwrap());
    assert_eq!(elsewhere.api("POST", &seen).await.0, StatusCode::NOT_FOUND);
    let (status, told) = elsewhere.api("GET", list).await;
    assert_eq!((status, told["openings"].as_array().map(Vec::len)), (StatusCode::OK, Some(0)), "{told}");
    let (status, told) = reviewer.api("POST", &seen).await;
    assert!(status == StatusCode::OK && told["seen"].is_string(), "{told}");
    let (status, _) = place.ask(device, Protocol::Http1, get(list, None)).await.unwrap();
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}
