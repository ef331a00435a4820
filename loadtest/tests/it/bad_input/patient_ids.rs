//! Patient ids that are not valid: the registry answers, and the record says what was wrong with them.

use super::{BENCH, Bench, LIMIT, row, text};
use crate::shared::{builder, from_registry, get, patient, request_id};
use loadtest::client::{Protocol, full};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_patient_id_that_is_not_valid_is_forwarded_recorded_and_counted() {
    let bench = BENCH.get(Bench::start).await;
    let valid = patient(5).id.expose().to_owned();
    let wrong_digit = format!("{}{}", &valid[..11], (valid[11..].parse::<u8>().unwrap() + 1) % 10);
    let post = |body: &str| {
        builder("POST", "/api/search", Some(&bench.session))
            .header("content-type", "application/json")
            .body(full(body.to_owned()))
            .unwrap()
    };
    let read = |path: &str| get(path, Some(&bench.session));
    let before = bench.place.metric("audit_unidentified_total", "").await;
    let mut asked = Vec::new();
    for (request, reason, source) in [
        (read("/api/patients/anna"), "patient_form", "path"),
        (read("/api/patients/199913129999"), "patient_date", "path"),
        (read(&format!("/api/patients/{wrong_digit}")), "patient_check_digit", "path"),
        (read(&format!("/patients?personnummer={wrong_digit}")), "patient_check_digit", "query"),
        (read("/patients"), "patient_absent", "none"),
        (read("/patients?personnummer="), "patient_absent", "none"),
        (read("/fhir/Encounter/1"), "patient_absent", "none"),
        (post("{\"personnummer\":\"anna\"}"), "patient_form", "body"),
        (post("{\"other\":1}"), "patient_absent", "none"),
        (post("not json"), "patient_body", "body"),
    ] {
        let what = format!("{} {}", request.method(), request.uri());
        let response = bench.open(Protocol::Http1).await.send(request, LIMIT).await.unwrap();
        assert!(from_registry(&response), "{what}: {}", response.status());
        asked.push((what, request_id(response.headers()), reason, source));
    }
    let counted = asked.len();
    for (what, id, reason, source) in asked {
        let row = row(&bench, &id).await;
        assert_eq!(
            (text(&row, "decision"), text(&row, "reason"), text(&row, "patient_source")),
            ("permit", reason, source),
            "{what}"
        );
        assert_eq!(row["patient_kind"], 0, "{what}");
    }
    let after = bench.place.metric("audit_unidentified_total", "").await;
    assert!(after - before >= f64::from(u32::try_from(counted).unwrap()), "{before} {after}");
}
