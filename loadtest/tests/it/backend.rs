//! The sample registry: the same for the same seed, and as its interfaces are described.

use super::registry;
use http::StatusCode;
use loadtest::backend::changes;
use loadtest::client::plain;
use loadtest::patients::{Population, UNITS};
use loadtest::stack::process::Keeper;
use serde_json::Value;

#[tokio::test]
async fn the_same_seed_gives_the_same_answers() {
    let dir = tempfile::tempdir().unwrap();
    let keeper = Keeper::start().unwrap();
    let (_one, one) = registry(&keeper, dir.path(), "one", &["--seed", "7", "--patients", "50"]).await;
    let (_two, two) = registry(&keeper, dir.path(), "two", &["--seed", "7", "--patients", "50"]).await;
    for patient in (Population { seed: 7, count: 50 }).patients() {
        let number = patient.id.expose();
        for path in
            [format!("/patients/{number}"), format!("/api/patients/{number}"), format!("/fhir/Patient/{number}")]
        {
            let (status, body) = plain::get(one, &path).await.unwrap();
            assert_eq!(status, StatusCode::OK);
            assert_eq!(plain::get(two, &path).await.unwrap().1, body);
            assert!(String::from_utf8_lossy(&body).contains(patient.name.split(' ').next().unwrap()));
        }
    }
    let unit = format!("/api/units/{}/patients", UNITS[0].0);
    assert_eq!(plain::get(one, &unit).await.unwrap().1, plain::get(two, &unit).await.unwrap().1);
}

#[tokio::test]
async fn answers_have_the_size_asked_for_and_bad_questions_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let keeper = Keeper::start().unwrap();
    let (_process, address) = registry(&keeper, dir.path(), "sized", &["--size", "1024"]).await;
    let patient = Population { seed: loadtest::patients::SEED, count: 1 }.patients().remove(0);
    let (_, body) = plain::get(address, &format!("/api/patients/{}", patient.id.expose())).await.unwrap();
    assert_eq!(body.len(), 1024);
    for (path, status) in [
        ("/patients/191212121213", StatusCode::BAD_REQUEST),
        ("/patients/191212121212", StatusCode::NOT_FOUND),
        ("/nowhere", StatusCode::NOT_FOUND),
        ("/?delay_ms=10001", StatusCode::BAD_REQUEST),
        ("/?delay_ms=1", StatusCode::OK),
        (changes::PATH, StatusCode::OK),
    ] {
        assert_eq!(plain::get(address, path).await.unwrap().0, status, "{path}");
    }
    let bundle = format!("/fhir/Patient?identifier=urn:oid:1.2.752.129.2.1.3.1|{}", patient.id.expose());
    let bundle: Value = serde_json::from_slice(&plain::get(address, &bundle).await.unwrap().1).unwrap();
    assert_eq!(bundle["total"], 1);
    assert_eq!(bundle["entry"][0]["resource"]["id"], patient.id.expose());
}
