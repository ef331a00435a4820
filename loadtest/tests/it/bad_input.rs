//! Requests that could mean two things, or are too large: refused, recorded, and not a byte of them forwarded.
//!
//! Each case is a request that would be answered but for one defect. It comes from a client address of its own, by
//! which its record is found, and bears its name in a header, by which it would be found among the bytes that the
//! sample registry is sent.
#![expect(clippy::indexing_slicing, reason = "tests")]

use crate::shared::{Place, Shared, builder, from_registry, get, patient, request_id, set};
use crate::tap::Tap;
use crate::whole::until;
use crate::wire::{self, Answer, Wire};
use bytes::Bytes;
use contract::way_back::{WayBack, set_return_cookie};
use http::{Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use loadtest::client::login::Session;
use loadtest::client::{Body, Connection, Device, Protocol, full, read_all};
use loadtest::stack::Component;
use loadtest::stack::people::{ANNA, BERTIL};
use serde_json::Value;
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(20);
const DEVICE: &str = "mottagning";
/// What a browser asks for.
const PAGE: &str = "text/html,application/xhtml+xml,*/*;q=0.8";

/// A stack with a tap between gateway and sample registry, and a session.
struct Bench {
    place: Place,
    tap: Tap,
    device: Device,
    session: Session,
    tls: Arc<rustls::ClientConfig>,
}

static BENCH: Shared<Bench> = Shared::new();

impl Bench {
    async fn start() -> Self {
        let mut place = Place::start().await;
        let tap = Tap::open(place.stack.registry());
        place.edit("routes.toml", |routes| {
            let registries = routes["registry"].as_array_mut().unwrap();
            let registry = registries.iter_mut().find(|registry| registry["name"].as_str() != Some("auditor")).unwrap();
            registry["peers"] = vec![tap.address().to_string()].into();
        });
        place.edit("gateway.toml", |settings| set(settings, "limits", "head_timeout_ms", 1000));
        place.stack.restart(Component::Gateway).await.unwrap();
        let device = place.stack.device(DEVICE).unwrap();
        let session = place.stack.log_in(&ANNA, &device).await.unwrap();
        let (certificate, key) = place.stack.layout().device_files(DEVICE);
        let tls = Arc::new(wire::settings(&place.stack.layout().server_ca(), Some((&certificate, &key))));
        Self { place, tap, device, session, tls }
    }

    fn host(&self) -> String {
        self.place.stack.target().authority()
    }

    async fn open(&self, protocol: Protocol) -> Connection {
        Connection::open(&self.place.stack.target(), &self.device, protocol).await.unwrap()
    }
}

/// How a refusal is recorded.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Record {
    /// A row of the access log, for a request that could be read.
    Row,
    /// An event, for what was none.
    Event,
}

/// A request with a defect.
struct Case {
    name: String,
    bytes: Vec<u8>,
    status: u16,
    reason: &'static str,
    record: Record,
}

/// Makes cases.
struct Cases {
    host: String,
    authorization: String,
    patient: String,
    list: Vec<Case>,
}

impl Cases {
    fn new(bench: &Bench) -> Self {
        let (name, value) = bench.session.header();
        let patient = patient(2).id.expose().to_owned();
        Self { host: bench.host(), authorization: format!("{name}: {value}"), patient, list: Vec::new() }
    }

    fn add(&mut self, name: &str, bytes: impl Into<Vec<u8>>, status: u16, reason: &'static str, record: Record) {
        self.list.push(Case { name: name.to_owned(), bytes: bytes.into(), status, reason, record });
    }

    /// A head with the usual headers and more.
    fn head(&self, line: &str, name: &str, more: &str) -> String {
        format!("{line} HTTP/1.1\r\nHost: {}\r\nX-Case: case-{name}\r\n{}\r\n{more}\r\n", self.host, self.authorization)
    }

    /// A head with more headers that is malformed.
    fn malformed(&mut self, name: &str, line: &str, more: &str) {
        let head = self.head(line, name, more);
        self.add(name, head, 400, "malformed", Record::Row);
    }

    /// What is no request at all to the parser.
    fn unread(&mut self, name: &str, text: &str) {
        self.add(name, text.replace("NAME", name), 400, "malformed", Record::Event);
    }

    /// A search, whose body the gateway reads.
    fn search(&self) -> String {
        format!("{{\"personnummer\":\"{}\"}}", self.patient)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ambiguous_framing() {
    let bench = BENCH.get(Bench::start).await;
    let mut cases = Cases::new(&bench);
    let search = cases.search();
    let length = search.len();
    let json = "Content-Type: application/json\r\n";
    let chunked = format!("{length:x}\r\n{search}\r\n0\r\n\r\n");
    let post = |cases: &mut Cases, name: &str, more: &str, body: &str, record| {
        let head = cases.head("POST /api/search", name, &format!("{json}{more}"));
        cases.add(name, format!("{head}{body}"), 400, "malformed", record);
    };
    let smuggled =
        format!("0\r\n\r\nGET /about?smuggled=in HTTP/1.1\r\nHost: {}\r\n{}\r\n\r\n", cases.host, cases.authorization);
    let te = "Transfer-Encoding: chunked\r\n";
    post(&mut cases, "cl-te", &format!("Content-Length: {length}\r\n{te}"), &chunked, Record::Row);
    post(&mut cases, "te-cl", &format!("{te}Content-Length: {length}\r\n"), &chunked, Record::Row);
    post(&mut cases, "cl-te-smuggling", &format!("Content-Length: {}\r\n{te}", smuggled.len()), &smuggled, Record::Row);
    post(&mut cases, "cl0-te", &format!("Content-Length: 0\r\n{te}"), &chunked, Record::Row);
    post(
        &mut cases,
        "two-equal-lengths",
        &format!("Content-Length: {length}\r\nContent-Length: {length}\r\n"),
        &search,
        Record::Row,
    );
    post(&mut cases, "list-of-lengths", &format!("Content-Length: {length}, {length}\r\n"), &search, Record::Row);
    post(
        &mut cases,
        "two-lengths",
        &format!("Content-Length: {length}\r\nContent-Length: 3\r\n"),
        &search,
        Record::Event,
    );
    post(&mut cases, "signed-length", &format!("Content-Length: +{length}\r\n"), &search, Record::Event);
    post(&mut cases, "two-codings", "Transfer-Encoding: gzip, chunked\r\n", &chunked, Record::Row);
    post(&mut cases, "two-encodings", &format!("{te}{te}"), &chunked, Record::Row);
    post(&mut cases, "not-chunked", "Transfer-Encoding: identity\r\n", &search, Record::Event);
    post(&mut cases, "space-before-colon", "Transfer-Encoding : chunked\r\n", &chunked, Record::Event);
    post(&mut cases, "bad-chunk-size", te, &format!("{length:x}g\r\n{search}\r\n0\r\n\r\n"), Record::Row);
    let old = format!(
        "POST /api/search HTTP/1.0\r\nHost: {}\r\nX-Case: case-NAME\r\n{}\r\n{json}{te}\r\n{chunked}",
        cases.host, cases.authorization
    );
    cases.unread("chunked-in-http10", &old);
    cases.malformed("body-of-get", "GET /about", "Content-Length: 3\r\n");
    cases.malformed("chunked-get", "GET /about", te);
    run(&bench, cases).await;
    assert!(!bench.tap.heard("smuggled"), "a request within a body was forwarded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_and_targets() {
    let bench = BENCH.get(Bench::start).await;
    let mut cases = Cases::new(&bench);
    let (host, authorization, patient) = (cases.host.clone(), cases.authorization.clone(), cases.patient.clone());
    let with_hosts = |name: &str, target: &str, hosts: &str| {
        format!("GET {target} HTTP/1.1\r\n{hosts}X-Case: case-{name}\r\n{authorization}\r\n\r\n")
    };
    cases.unread("two-hosts", &with_hosts("NAME", "/about", &format!("Host: {host}\r\nHost: other.example\r\n")));
    cases.unread("two-equal-hosts", &with_hosts("NAME", "/about", &format!("Host: {host}\r\nHost: {host}\r\n")));
    cases.add("no-host", with_hosts("no-host", "/about", ""), 400, "malformed", Record::Row);
    cases.add("empty-host", with_hosts("empty-host", "/about", "Host: \r\n"), 400, "malformed", Record::Row);
    cases.unread("user-in-host", &with_hosts("NAME", "/about", &format!("Host: a@{host}\r\n")));
    cases.add(
        "other-host",
        with_hosts("other-host", "/about", "Host: other.example\r\n"),
        421,
        "misdirected",
        Record::Row,
    );
    cases.add("address", with_hosts("address", "/about", "Host: 127.0.0.1\r\n"), 421, "misdirected", Record::Row);
    let absolute = with_hosts("absolute-form", &format!("https://{host}/about"), &format!("Host: {host}\r\n"));
    cases.add("absolute-form", absolute, 400, "malformed", Record::Row);
    cases.unread(
        "absolute-form-elsewhere",
        &with_hosts("NAME", "https://other.example/about", &format!("Host: {host}\r\n")),
    );
    for (name, target) in [
        ("cut-escape", "/about%".to_owned()),
        ("half-escape", "/about%4".to_owned()),
        ("no-escape", "/about%zz".to_owned()),
        ("escaped-slash", format!("/patients%2f{patient}")),
        ("escaped-backslash", format!("/patients%5c{patient}")),
        ("backslash", format!("/patients\\{patient}")),
        ("escaped-nul", format!("/patients/{patient}%00")),
        ("escaped-letter", "/%61bout".to_owned()),
        ("overlong-escape", "/about%c0%af".to_owned()),
        ("half-character", "/about%e5".to_owned()),
        ("empty-segment", format!("/patients//{patient}")),
        ("empty-first-segment", "//about".to_owned()),
        ("dot-segment", "/./about".to_owned()),
        ("dot-dot-segment", format!("/patients/../patients/{patient}")),
        ("escaped-dots", format!("/patients/%2e%2e/patients/{patient}")),
        ("half-escaped-dots", format!("/patients/.%2E/patients/{patient}")),
        ("parameter", "/about;x=1".to_owned()),
        ("escaped-parameter", "/about%3bx=1".to_owned()),
        ("fragment", "/about#x".to_owned()),
        ("fragment-in-query", "/about?a=b#x".to_owned()),
        ("bad-escape-in-query", "/about?a=%g0".to_owned()),
        ("nul-in-query", "/about?a=%00".to_owned()),
        ("asterisk", "*".to_owned()),
        ("no-slash", "about".to_owned()),
    ] {
        cases.malformed(name, &format!("GET {target}"), "");
    }
    for (name, target) in
        [("space", "/about x"), ("space-in-query", "/about?a=b c"), ("tab", "/about\tx"), ("raw-letter", "/s\u{f6}k")]
    {
        cases.malformed(name, &format!("GET {target}"), "");
    }
    cases.unread("quotation-mark", &with_hosts("NAME", "/about?a=\"b\"", &format!("Host: {host}\r\n")));
    let long = format!("GET /about?a={}", "x".repeat(8200));
    let head = cases.head(&long, "long-target", "");
    cases.add("long-target", head, 414, "head_too_large", Record::Row);
    run(&bench, cases).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_and_methods() {
    let bench = BENCH.get(Bench::start).await;
    let mut cases = Cases::new(&bench);
    for (name, more) in [
        ("underscore", "X_Forwarded_For: 10.0.0.1\r\n"),
        ("underscore-of-ours", "Grindvakt_Assertion: x\r\n"),
        ("dot-in-name", "X.Forwarded.For: 10.0.0.1\r\n"),
        ("method-override", "X-HTTP-Method-Override: PUT\r\n"),
        ("path-override", "X-Original-URL: /patients\r\n"),
        ("connection-names-header", "Connection: close, X-Forwarded-For\r\n"),
        ("upgrade-to-http2", "Connection: Upgrade\r\nUpgrade: h2c\r\n"),
        (
            "upgrade-elsewhere",
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
        ),
        ("bare-lf-between-headers", "X-A: b\nX-B: c\r\n"),
    ] {
        cases.malformed(name, "GET /about", more);
    }
    let whole = cases.head("GET /about", "NAME", "");
    cases.add("bare-lf", whole.replace("NAME", "bare-lf").replace("\r\n", "\n"), 400, "malformed", Record::Row);
    cases.add(
        "bare-lf-after-line",
        whole.replace("NAME", "bare-lf-after-line").replacen("\r\n", "\n", 1),
        400,
        "malformed",
        Record::Row,
    );
    let with = |more: &str| whole.replace("\r\n\r\n", &format!("\r\n{more}\r\n"));
    cases.unread("obs-fold", &with("X-A: b\r\n c\r\n"));
    cases.unread("bare-cr", &with("X-A: b\rc\r\n"));
    cases.unread("nul-in-value", &with("X-A: b\0c\r\n"));
    cases.unread("no-colon", &with("X-A\r\n"));
    cases.unread("no-name", &with(": x\r\n"));
    cases.unread("http09", "GET /about?case-NAME\r\n\r\n");
    cases.unread("http09-named", &whole.replace("HTTP/1.1", "HTTP/0.9"));
    cases.unread("http2-named", &whole.replace("HTTP/1.1", "HTTP/2.0"));
    cases.unread("http12", &whole.replace("HTTP/1.1", "HTTP/1.2"));
    cases.unread("garbage", "\x01\x02case-NAME\x03\x04\r\n\r\n");
    let head = cases.head("POST /api/search", "expect", "Content-Length: 1\r\nExpect: 200-ok\r\n");
    cases.add("expect", head, 417, "malformed", Record::Row);
    for (name, method, status) in [
        ("trace", "TRACE", 405),
        ("unknown-method", "PURGE", 501),
        ("small-letters", "get", 501),
        ("connect", "CONNECT", 405),
    ] {
        let head = cases.head(&format!("{method} /about"), name, "");
        cases.add(name, head, status, "method", Record::Row);
    }
    let head = cases.head("DELETE /about", "wrong-method", "");
    cases.add("wrong-method", head, 405, "method", Record::Row);

    let mut large = |name: &str, more: String, status, reason, record| {
        let head = cases.head("GET /about", name, &more);
        cases.add(name, head, status, reason, record);
    };
    large("large-header", format!("X-A: {}\r\n", "x".repeat(17 << 10)), 431, "head_too_large", Record::Row);
    let big = "x".repeat(12 << 10);
    large("large-head", format!("X-A: {big}\r\nX-B: {big}\r\nX-C: {big}\r\n"), 431, "head_too_large", Record::Row);
    let many = |count| {
        (0..count).fold(String::new(), |mut text, n| {
            let _ = write!(text, "X-{n}: 1\r\n");
            text
        })
    };
    large("many-headers", many(110), 431, "head_too_large", Record::Row);
    large("very-many-headers", many(300), 400, "malformed", Record::Event);
    run(&bench, cases).await;
}

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_never_ends_is_cut_and_recorded() {
    let bench = BENCH.get(Bench::start).await;
    let from = wire::address();
    let mut wire = Wire::open(&bench.place.stack.target(), &bench.tls, from).await.unwrap();
    wire.write(format!("GET /about HTTP/1.1\r\nHost: {}\r\nX-Case: case-slow", bench.host()).as_bytes()).await.unwrap();
    wire.rest().await.unwrap();
    let events = told(&bench, Record::Event, from).await;
    assert!(
        matches!(events.as_slice(), [event] if (text(event, "kind"), text(event, "reason")) == ("request_refused", "slow")),
        "{events:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn identity_headers_come_from_the_gateway_only() {
    let bench = BENCH.get(Bench::start).await;
    let inbound = [
        "grindvakt-assertion",
        "grindvakt-client-address",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-client-cert",
        "forwarded",
        "x-real-ip",
        "x-ssl-client-verify",
        "ssl-client-s-dn",
        "x-client-cert-dn",
        "remote-user",
        "x-remote-user",
        "client-cert",
        "x-request-id",
        "proxy-authorization",
        "x-hsa-id",
        "oidc-claim-sub",
    ];
    for (protocol, cookie) in [(Protocol::Http1, true), (Protocol::Http2, true), (Protocol::Http1, false)] {
        let session = if cookie { bench.session.clone().in_cookie() } else { bench.session.clone() };
        let secret = session.header().1.rsplit(['=', ' ']).next().unwrap().to_owned();
        let mut request = builder("GET", "/whoami", Some(&session))
            .header("accept", "application/json")
            .header("cookie", "own=1; __Host-grindvakt-return=L3g");
        for name in inbound {
            request = request.header(name, "forged");
        }
        let response =
            bench.open(protocol).await.send(request.body(loadtest::client::empty()).unwrap(), LIMIT).await.unwrap();
        assert!(from_registry(&response));
        let id = request_id(response.headers());
        let body = read_all(response, 1 << 20).await.unwrap();
        let seen = serde_json::from_slice::<Value>(&body).unwrap()["headers"].clone();
        let seen = seen.as_object().unwrap();
        assert!(!String::from_utf8_lossy(&body).contains("forged"), "{seen:?}");
        assert!(!bench.tap.heard(&secret), "the session's token has reached the registry");
        assert!(!seen.contains_key("authorization"), "{seen:?}");
        assert_eq!(seen["cookie"], serde_json::json!(["own=1"]));
        assert_eq!(seen["x-request-id"], serde_json::json!([id]));
        assert_eq!(seen["x-forwarded-for"], serde_json::json!(["127.0.0.1"]));
        assert_eq!(seen["x-forwarded-proto"], serde_json::json!(["https"]));
        assert_eq!(seen["grindvakt-assertion"].as_array().unwrap().len(), 1);
        for name in inbound {
            let ours = [
                "grindvakt-assertion",
                "grindvakt-client-address",
                "x-forwarded-for",
                "x-forwarded-proto",
                "x-request-id",
            ];
            assert!(ours.contains(&name) || !seen.contains_key(name), "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_cannot_set_our_cookies() {
    let bench = BENCH.get(Bench::start).await;
    bench.tap.add(
        "Set-Cookie: __Host-grindvakt=evil; Path=/; Secure\r\nSet-Cookie: own=1\r\n\
         Set-Cookie: __Host-grindvakt-return=L3g; Path=/; Secure\r\n",
    );
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let response = bench.open(protocol).await.send(get("/about", Some(&bench.session)), LIMIT).await.unwrap();
        let cookies: Vec<_> =
            response.headers().get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect();
        assert_eq!(cookies, ["own=1"], "{protocol:?}");
    }
    bench.tap.add("");
}

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_get_pages_and_programs_get_problems() {
    let bench = BENCH.get(Bench::start).await;
    let bertil = bench.place.stack.log_in(&BERTIL, &bench.place.stack.device("avdelning").unwrap()).await.unwrap();
    let ask = async |path: &str, accept: &str, session: Option<&Session>| {
        let request = builder("GET", path, session).header("accept", accept).body(loadtest::client::empty()).unwrap();
        bench.open(Protocol::Http1).await.send(request, LIMIT).await.unwrap()
    };
    let header = |response: &Response<Incoming>, name: &str| {
        response.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
    };

    for (path, session, status, reason) in [
        ("/nowhere", Some(&bench.session), 404, "no_route"),
        ("/about;x", Some(&bench.session), 400, "malformed"),
        // A session of another device.
        ("/api/patients/191212121212", Some(&bertil), 401, "session_elsewhere"),
        ("/api/patients/191212121212", None, 401, "no_session"),
    ] {
        let response = ask(path, "application/json", session).await;
        assert_eq!(response.status(), status, "{path}");
        assert_eq!(header(&response, "content-type").as_deref(), Some("application/problem+json"));
        assert_eq!(header(&response, "cache-control").as_deref(), Some("no-store"));
        assert_eq!(header(&response, "www-authenticate").is_some(), status == 401);
        let id = request_id(response.headers());
        let problem: Value = serde_json::from_slice(&read_all(response, 1 << 16).await.unwrap()).unwrap();
        assert_eq!(problem["type"], format!("urn:grindvakt:problem:{reason}"));
        assert_eq!((&problem["status"], &problem["instance"]), (&status.into(), &format!("urn:uuid:{id}").into()));
        assert!(problem["title"].is_string() && problem["detail"].is_string());
        let row = row(&bench, &id).await;
        assert_eq!((text(&row, "decision"), text(&row, "reason")), ("deny", reason));
    }

    let page = ask("/nowhere", PAGE, Some(&bench.session)).await;
    assert_eq!(page.status(), 404);
    assert_eq!(header(&page, "content-type").as_deref(), Some("text/html; charset=utf-8"));
    let id = request_id(page.headers());
    let body = String::from_utf8(read_all(page, 1 << 16).await.unwrap().to_vec()).unwrap();
    assert!(body.contains(&id) && body.contains("<html"), "{body}");

    for path in [
        "/about",
        "/units/SE0000000000-E001/patients?page=2",
        "/patients/191212121212",
        "/patients?personnummer=191212121212",
    ] {
        let response = ask(path, PAGE, None).await;
        // A way back may name a patient: no address has it.
        assert_eq!(
            (response.status().as_u16(), header(&response, "location").as_deref()),
            (302, Some("/auth/login")),
            "{path}"
        );
        let way = WayBack::parse(path).unwrap();
        assert_eq!(header(&response, "set-cookie"), Some(set_return_cookie(Some(&way))), "{path}");
        assert!(!format!("{:?}", response.headers()).contains("191212121212"), "{path}");
        let row = row(&bench, &request_id(response.headers())).await;
        assert_eq!((text(&row, "decision"), text(&row, "reason"), &row["status"]), ("deny", "no_session", &302.into()));
    }
    let (long, far) = (format!("/patients?x={}", "y".repeat(3_000)), "/patients?x=//evil.example");
    for (path, kept) in [(long.as_str(), false), (far, true)] {
        let response = ask(path, PAGE, None).await;
        assert_eq!(header(&response, "location").as_deref(), Some("/auth/login"));
        let cookie = header(&response, "set-cookie").unwrap();
        assert_eq!(cookie.contains("Max-Age=600"), kept, "{cookie}");
    }
    let request = builder("POST", "/search", None).header("accept", PAGE).body(full("personnummer=1")).unwrap();
    let response = bench.open(Protocol::Http1).await.send(request, LIMIT).await.unwrap();
    assert_eq!(response.status(), 401, "what is not a GET cannot be asked again by a link");
}

/// Sends each case on a connection of its own, and compares answers and records with what they must be.
async fn run(bench: &Bench, cases: Cases) {
    // That such a request is heard of, were it forwarded.
    let sound = cases.head("GET /about", "sound", "");
    let (_, answer) = send(bench, sound.as_bytes()).await;
    assert_eq!(answer.unwrap().status, 200);
    assert!(bench.tap.heard("case-sound"));

    let mut faults = Vec::new();
    let mut sent = Vec::new();
    for case in cases.list {
        let (from, answer) = send(bench, &case.bytes).await;
        match &answer {
            Err(error) => faults.push(format!("{}: no answer: {error}", case.name)),
            Ok(answer) if answer.status != case.status => {
                faults.push(format!("{}: answered {}, not {}", case.name, answer.status, case.status));
            }
            Ok(answer) if answer.header("content-type") != Some("application/problem+json") => {
                faults.push(format!("{}: no problem+json: {}", case.name, answer.head));
            }
            Ok(_) => {}
        }
        sent.push((case, from, answer));
    }
    for (case, from, answer) in sent {
        if bench.tap.heard(&format!("case-{}", case.name)) {
            faults.push(format!("{}: forwarded", case.name));
        }
        let told = told(bench, case.record, from).await;
        let [told] = told.as_slice() else {
            faults.push(format!("{}: recorded as {told:?}", case.name));
            continue;
        };
        if text(told, "reason") != case.reason {
            faults.push(format!("{}: recorded as {}, not {}", case.name, text(told, "reason"), case.reason));
        }
        if let Ok(answer) = answer {
            let id = if case.record == Record::Row { "request_id" } else { "event_id" };
            assert_eq!(Some(text(told, id)), answer.header("x-request-id"), "{}", case.name);
            if case.record == Record::Row
                && (text(told, "decision"), &told["status"]) != ("deny", &answer.status.into())
            {
                faults.push(format!("{}: recorded as {told}", case.name));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

async fn send(bench: &Bench, bytes: &[u8]) -> (Ipv4Addr, std::io::Result<Answer>) {
    let from = wire::address();
    let exchange = async {
        let mut wire = Wire::open(&bench.place.stack.target(), &bench.tls, from).await?;
        wire.write(bytes).await?;
        wire.answer().await
    };
    (from, exchange.await)
}

fn stream(pieces: Vec<Vec<u8>>) -> Body {
    let pieces = pieces.into_iter().map(|piece| Ok(Frame::data(Bytes::from(piece))));
    BodyExt::boxed(StreamBody::new(futures_util::stream::iter(pieces)))
}

fn text<'v>(row: &'v Value, key: &str) -> &'v str {
    row[key].as_str().unwrap_or_default()
}

const COLUMNS: &str =
    "toString(request_id) AS request_id, decision, reason, status, outcome, patient_source, patient_kind";

/// What is recorded of an address: waits until there is something, for a while.
async fn told(bench: &Bench, record: Record, from: Ipv4Addr) -> Vec<Value> {
    let deadline = Instant::now() + LIMIT;
    let from = wire::shown(from);
    let sql = match record {
        Record::Row => format!("SELECT {COLUMNS} FROM access_log FINAL WHERE src_ip = toIPv6('{from}')"),
        Record::Event => format!(
            "SELECT toString(event_id) AS event_id, kind, reason FROM auth_event FINAL WHERE src_ip = toIPv6('{from}')"
        ),
    };
    loop {
        let rows = bench.place.rows(&sql).await;
        if !rows.is_empty() || Instant::now() >= deadline {
            return rows;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The one row of a request, when it is there.
async fn row(bench: &Bench, id: &str) -> Value {
    let sql = format!("SELECT {COLUMNS} FROM access_log FINAL WHERE request_id = '{id}'");
    until("the row is there", LIMIT, async || match bench.place.rows(&sql).await.as_slice() {
        [row] => Ok(row.clone()),
        other => Err(format!("{other:?}")),
    })
    .await
}
