//! Heads that could mean two things, are too large, or never end.

use super::cases::{Cases, run};
use super::{BENCH, Bench, Record, text, told};
use crate::wire::{self, Wire};
use std::fmt::Write as _;

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
