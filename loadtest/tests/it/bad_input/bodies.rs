//! Bodies that are larger than their route takes: announced, in chunks, and streamed.

use super::cases::{Cases, run};
use super::{BENCH, Bench, LIMIT, Record, row, stream, text};
use crate::shared::{builder, from_registry, patient, request_id};
use http::StatusCode;
use loadtest::client::Protocol;
use serde_json::Value;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_bodies() {
    let bench = BENCH.get(Bench::start).await;
    let mut cases = Cases::new(&bench);
    let json = "Content-Type: application/json\r\n";
    let mut add = |name: &str, line: String, more: String, body: String| {
        let head = cases.head(&line, name, &format!("{json}{more}"));
        cases.add(name, format!("{head}{body}"), 413, "body_too_large", Record::Row);
    };
    let (search, change) = ("POST /api/search".to_owned(), format!("PUT /api/patients/{}", patient(2).id.expose()));
    // The limits of the routes: 16 KiB and 64 KiB. What announces too much need not be sent.
    add("announced", search.clone(), "Content-Length: 16385\r\n".to_owned(), String::new());
    add("announced-change", change, "Content-Length: 65537\r\n".to_owned(), String::new());
    add("announced-vast", search.clone(), "Content-Length: 9223372036854775807\r\n".to_owned(), String::new());
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(4096));
    add("chunked", search, "Transfer-Encoding: chunked\r\n".to_owned(), chunk.repeat(5));
    run(&bench, cases).await;
}

/// A body of unknown length that is streamed through is cut at the limit: its head is on its way by then, and recorded.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_streamed_body_is_cut_at_its_limit() {
    let bench = BENCH.get(Bench::start).await;
    let patient = patient(3);
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let mut connection = bench.open(protocol).await;
        let request = builder("PUT", &format!("/api/patients/{}", patient.id.expose()), Some(&bench.session))
            .header("content-type", "application/json")
            .body(stream(vec![vec![b' '; 40_000], vec![b' '; 40_000]]))
            .unwrap();
        let response = connection.send(request, LIMIT).await.unwrap();
        assert!(!from_registry(&response));
        assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE, "{protocol:?}");
        let id = request_id(response.headers());
        let row = row(&bench, &id).await;
        assert_eq!(
            (text(&row, "decision"), text(&row, "outcome"), &row["status"]),
            ("permit", "failed", &413.into()),
            "{protocol:?}"
        );
    }
    assert_eq!(written(&bench, &patient.id).await, 0, "a change that was cut was made");
}

/// How often «visits» and entries show something written: the sample registry's entries of a patient.
async fn written(bench: &Bench, patient: &contract::identity::PatientId) -> usize {
    let (_, body) =
        loadtest::client::plain::get(bench.place.stack.registry(), &format!("/api/patients/{}", patient.expose()))
            .await
            .unwrap();
    serde_json::from_slice::<Value>(&body).unwrap()["entries"].as_array().unwrap().len()
}
