//! Bad input by HTTP/2: what could mean two things, what is too large, and DATA where none belongs.

use super::{BENCH, Bench, LIMIT, Record, row, stream, text, told};
use crate::shared::{builder, from_registry, patient, request_id};
use crate::wire;
use http::StatusCode;
use loadtest::client::{Protocol, full};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_that_could_mean_two_things() {
    let bench = BENCH.get(Bench::start).await;
    let about = |name: &str| builder("GET", "/about", Some(&bench.session)).header("x-case", format!("case-{name}"));
    let none = loadtest::client::empty;
    let large = |count: usize, bytes: usize| {
        (0..count)
            .fold(about("large"), |request, n| request.header(format!("x-{n}"), "x".repeat(bytes)))
            .body(none())
            .unwrap()
    };
    let search = builder("POST", "/api/search", Some(&bench.session)).header("content-type", "application/json");
    let dots = builder("GET", "/a/../about", Some(&bench.session)).body(none()).unwrap();
    let mut faults = Vec::new();
    for (name, request, status, reason, record) in [
        (
            "two-hosts",
            about("two-hosts").header("host", "other.example").body(none()).unwrap(),
            400,
            "malformed",
            Record::Event,
        ),
        (
            "underscore",
            about("underscore").header("x_request_id", "1").body(none()).unwrap(),
            400,
            "malformed",
            Record::Row,
        ),
        ("length", about("length").body(full("body")).unwrap(), 400, "malformed", Record::Row),
        (
            "override",
            about("override").header("x-http-method", "PUT").body(none()).unwrap(),
            400,
            "malformed",
            Record::Row,
        ),
        ("dots", dots, 400, "malformed", Record::Row),
        ("large-header", large(1, 20 << 10), 431, "head_too_large", Record::Row),
        ("large-head", large(5, 12 << 10), 431, "head_too_large", Record::Row),
        (
            "body",
            search.body(stream(vec![vec![b' '; 10_000], vec![b' '; 10_000]])).unwrap(),
            413,
            "body_too_large",
            Record::Row,
        ),
    ] {
        let from = wire::address();
        let (status_told, headers) = wire::http2(&bench.place.stack.target(), &bench.tls, from, request).await;
        if status_told != status
            || headers.contains_key(loadtest::backend::REGISTRY_HEADER)
            || bench.tap.heard(&format!("case-{name}"))
        {
            faults.push(format!("{name}: answered {status_told}, {headers:?}"));
        }
        let told = told(&bench, record, from).await;
        if !matches!(told.as_slice(), [told] if text(told, "reason") == reason) {
            faults.push(format!("{name}: recorded as {told:?}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// DATA after a GET's head: not announced, so the head may be on its way, but the body goes nowhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_data_on_a_get_goes_nowhere() {
    let bench = BENCH.get(Bench::start).await;
    let patient = patient(4);
    let path = format!("/api/patients/{}", patient.id.expose());
    let request = builder("GET", &path, Some(&bench.session)).body(stream(vec![b"smuggled-by-data".to_vec()])).unwrap();
    let response = bench.open(Protocol::Http2).await.send(request, LIMIT).await.unwrap();
    assert!(!from_registry(&response));
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let row = row(&bench, &request_id(response.headers())).await;
    assert_eq!(row["status"], 400);
    assert!(!bench.tap.heard("smuggled-by-data"));
}
