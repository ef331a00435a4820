//! Kept connections: closed while at rest, broken under a request, too slow. What was sent is sent once.

use super::{BOTH, Behind, Bench, LIMIT, is_success, path};
use crate::rude::{Rude, Then};
use crate::whole::until;
use loadtest::client::Protocol;

const PLAIN: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain";
/// More than pingora keeps back of a body of known length.
const PART: usize = 4096;
const ROUNDS: usize = 10;
const ATTEMPTS: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_was_closed_at_rest_is_not_used() {
    let backend = Rude::open(|visit, heard| {
        visit.body(heard);
        visit.say(PLAIN);
        if heard.what() != "leaves" {
            return Then::Keep;
        }
        visit.until_signalled();
        Then::Close
    });
    let bench = Bench::start(vec![Behind::raw("kept", &[backend.address()])]).await;
    for protocol in BOTH {
        let mut connection = bench.open("localhost", protocol).await;
        for round in 0..ROUNDS {
            for method in ["GET", "POST"] {
                let name = format!("{method}, round {round} over {protocol:?}");
                let leaves = bench.ask_on(&mut connection, bench.request("GET", &path("kept", "leaves"))).await;
                assert!(is_success(&leaves), "{name}: {leaves:?}");
                let closed = backend.closed();
                backend.signal();
                until(
                    "it is closed",
                    LIMIT,
                    async || {
                        if backend.closed() > closed { Ok(()) } else { Err(name.clone()) }
                    },
                )
                .await;
                let what = format!("{method}-{round}-{protocol:?}");
                let at = path("kept", &what);
                let request = if method == "GET" { bench.request("GET", &at) } else { bench.posts(&at) };
                let got = bench.ask_on(&mut connection, request).await;
                assert!(is_success(&got) && got.body == b"plain", "{name}: {got:?}");
                assert_eq!(backend.heard(&what).len(), 1, "{name}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_was_sent_is_not_sent_again() {
    let backend = Rude::open(|visit, heard| {
        visit.body(heard);
        let breaks = match heard.what().split('-').next() {
            Some("always") => true,
            // The first request of a connection is answered, any other finds it broken.
            Some("later") => heard.before > 0,
            _ => false,
        };
        if breaks {
            return Then::Close;
        }
        visit.say(PLAIN);
        Then::Keep
    });
    let bench = Bench::start(vec![Behind::raw("breaks", &[backend.address()])]).await;
    for protocol in BOTH {
        // On a new connection.
        let what = format!("always-{protocol:?}");
        let got = bench.ask("localhost", protocol, bench.posts(&path("breaks", &what))).await;
        assert!(got.status == 502 && got.is_problem(), "{protocol:?}: {got:?}");
        assert_eq!(backend.heard(&what).len(), 1, "{protocol:?}: a change was sent again");
        bench.ended("a broken change", &got, &["failed"]).await;

        // A link may change something, too: the route says so.
        for method in ["POST", "GET", "changing"] {
            on_a_used_connection(&bench, &backend, protocol, method).await;
        }
    }
}

/// A request that finds its connection broken after it was sent on one that had been used before.
async fn on_a_used_connection(bench: &Bench, backend: &Rude, protocol: Protocol, method: &str) {
    for attempt in 0..ATTEMPTS {
        let first = bench.ask("localhost", protocol, bench.request("GET", &path("breaks", "first"))).await;
        assert!(is_success(&first), "{first:?}");
        let what = format!("later-{method}-{protocol:?}-{attempt}");
        let request = match method {
            "GET" => bench.request("GET", &path("breaks", &what)),
            "POST" => bench.posts(&path("breaks", &what)),
            _ => bench.request("GET", &path("breaks/changing", &what)),
        };
        let got = bench.ask("localhost", protocol, request).await;
        let heard = backend.heard(&what);
        if heard[0].before == 0 {
            // The gateway had not put the connection back yet when this request came, and made a new one.
            assert!(is_success(&got), "{what}: {got:?}");
            continue;
        }
        if method == "GET" {
            // Who only reads is asked for again, and does not notice.
            assert!(is_success(&got) && got.body == b"plain", "{what}: {got:?}");
            assert_eq!(heard.len(), 2, "{what}");
            bench.ended(&what, &got, &["complete"]).await;
        } else {
            assert!(got.status == 502 && got.is_problem(), "{what}: {got:?}");
            assert_eq!(heard.len(), 1, "{what}: a change was sent again");
            bench.ended(&what, &got, &["failed"]).await;
        }
        return;
    }
    panic!("{method} over {protocol:?}: no connection is ever used again");
}

/// The first part of an answer.
fn stalls() -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n{}", "x".repeat(PART))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_is_too_slow_is_given_up() {
    let backend = Rude::open(|visit, heard| {
        visit.body(heard);
        if heard.what() == "stalls" {
            visit.say(stalls());
        }
        visit.until_closed();
        Then::Close
    });
    let slow = Behind::raw("slow", &[backend.address()]).with("read_timeout_ms = 400\n");
    let bench = Bench::start(vec![slow]).await;
    for protocol in BOTH {
        let got = bench.ask("localhost", protocol, bench.request("GET", &path("slow", "silent"))).await;
        assert!(got.status == 504 && got.is_problem(), "{protocol:?}: {got:?}");
        bench.ended("silent", &got, &["failed"]).await;

        let what = format!("silent-{protocol:?}");
        let got = bench.ask("localhost", protocol, bench.posts(&path("slow", &what))).await;
        assert!(got.status == 504 && got.is_problem(), "POST over {protocol:?}: {got:?}");
        assert_eq!(backend.heard(&what).len(), 1, "{protocol:?}: a change was sent again");
        bench.ended("POST", &got, &["failed"]).await;

        let got = bench.ask("localhost", protocol, bench.request("GET", &path("slow", "stalls"))).await;
        assert!(got.status == 200 && !got.whole && got.body.len() <= PART, "{protocol:?}: {got:?}");
        bench.ended("stalls", &got, &["aborted", "failed"]).await;
    }
}
